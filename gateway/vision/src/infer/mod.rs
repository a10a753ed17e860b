//! The pose model on ONNX Runtime.

mod finder;
mod session;

pub use finder::finder;
pub use session::{PoseSession, Rgb};
