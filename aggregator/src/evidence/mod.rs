//! Clips and snapshots from gateways: taken in pieces, checked, kept, shown to those who may.
//!
//! Invariants: a file is shown only when it is whole and its SHA-256 is the one its gateway named; a
//! piece goes where the last one ended, so a cut link costs one piece; nothing a gateway sends can
//! name a path outside its own folder. Deliberately absent: what is on the pictures, and the alarm (it
//! came before, over MQTT).

mod routes;
pub mod settings;
mod shelf;

pub use routes::{EvidenceGate, routes, upload_routes};
pub use settings::EvidenceConfig;
pub use shelf::{Evidence, EvidenceError, EvidenceKind, Item, Piece, Progress};
