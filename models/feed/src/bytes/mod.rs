//! Bytes of a document: encodings, and readers that hold a bounded piece of it.

mod decode;
mod lines;
mod metered;

pub use decode::{Decoded, Encoding};
pub use lines::{Line, Lines};
pub(crate) use metered::{Metered, is_spent};
