//! The pose model on ONNX Runtime.

mod session;

pub use session::{PoseSession, Rgb};
