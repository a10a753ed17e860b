//! What is kept of a fall: the encoded video around it, a snapshot, and a description that links
//! both to the alarm.
//!
//! ```text
//! dir/clips/{camera}-{event}.mp4.part ──end, or found at start──▶ .mp4
//! dir/clips/{camera}-{event}.jpg
//! dir/clips/{camera}-{event}.json      the event, the alarm it became, files with their SHA-256
//! dir/outbox/{camera}-{event}.{kind}.json   what may leave the site; the gateway sends and removes it
//! ```
//! Invariants: video is never encoded again for the file kept on site; a clip that was being written
//! when the process or the camera ended is playable up to its last whole fragment; what leaves the
//! site shows no face unless the site says so. Deliberately absent: sending (the gateway).

mod boxes;
mod clip;
mod draw;
mod picture;
mod recorder;
mod ring;
mod shelf;

pub use boxes::whole_fragments;
pub use draw::{Canvas, blur_heads, draw_people};
pub use picture::jpeg;
pub(crate) use picture::padded;
pub use recorder::{Ended, Finished, Recorder};
pub use ring::{Ring, Unit};
pub(crate) use shelf::write_whole;
pub use shelf::{Kept, Meta, Shelf, file_stem};
