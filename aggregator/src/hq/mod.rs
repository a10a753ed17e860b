//! Headquarters topics, for subscribers who wrote none of our code (`minewatch/v1/hq/...`).
//!
//! Values are state: conflated, newest wins, republished after a start. Alarm messages leave from
//! the transactional outbox and are deleted only after the broker took them. Invariant: the writer
//! never waits for this part; it leaves its news on the [`Board`].

mod board;
pub mod event;
mod figures;
pub mod payload;
mod place;
mod publish;
pub mod schemas;

pub use board::{Board, News, Site};
pub use figures::Figures;
pub use publish::Publisher;

/// What a late wildcard subscriber gets from the embedded broker, said where the user meets it.
pub const LATE_EMBEDDED: &str = "a QoS 1 subscriber gets at most 100 retained states at once, all of them within 30 s";
/// The same of an external broker that keeps to the standard.
pub const LATE_EXTERNAL: &str = "a subscriber gets all retained states at once";

/// Prints the AsyncAPI document, or one JSON Schema.
///
/// # Errors
/// When there is no such schema.
pub fn print_contract(schema: Option<&str>) -> anyhow::Result<()> {
    let text = match schema {
        None => schemas::asyncapi(),
        Some(name) => schemas::json_schema(name).ok_or_else(|| {
            let known: Vec<&str> = schemas::names().collect();
            anyhow::anyhow!("no schema {name:?}; known: {}, cloudevent", known.join(", "))
        })?,
    };
    print!("{text}");
    Ok(())
}
