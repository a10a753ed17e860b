//! Waiting for something to become true, with a deadline and a message that says what was seen last.

use anyhow::{Result, bail};
use std::fmt::Display;
use std::time::{Duration, Instant};

/// Pause between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// What one look found.
#[derive(Debug)]
pub enum Seen<T> {
    /// The thing waited for.
    Yes(T),
    /// Not yet; the text says what was there instead.
    NotYet(String),
}

/// `Yes(())` when `condition` holds, else what was seen.
pub fn when(condition: bool, seen: impl Display) -> Seen<()> {
    match condition {
        true => Seen::Yes(()),
        false => Seen::NotYet(seen.to_string()),
    }
}

/// Looks again and again until `look` says yes. An error counts as "not yet".
///
/// # Errors
/// When the deadline passes; the message names `what` and what was seen last.
pub async fn eventually<T>(what: &str, within: Duration, mut look: impl AsyncFnMut() -> Result<Seen<T>>) -> Result<T> {
    let began = Instant::now();
    loop {
        let last = match tokio::time::timeout(within, look()).await {
            Ok(Ok(Seen::Yes(found))) => return Ok(found),
            Ok(Ok(Seen::NotYet(seen))) => seen,
            Ok(Err(error)) => format!("{error:#}"),
            Err(_) => "no answer at all".to_owned(),
        };
        if began.elapsed() > within {
            bail!("{what}: not within {within:?}; last seen: {last}");
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
