//! Cameras, seen from the gateway: another program watches them, this one supervises it.
//!
//! Invariants: this program links neither GStreamer nor ONNX Runtime; a crash, hang or leak of the
//! vision process is a camera-health alarm and a restart, and touches nothing else (design promise
//! 12); an event is confirmed to it only after it is durable in the spool. Deliberately absent:
//! pictures, and what an event becomes (`site`).

mod child;
mod fence;
mod program;
mod taken;
mod upload;

pub use fence::{Fence, Taken, VisionEvent, VisionView, run_vision};
pub use program::{Arguments, exec, program};
pub use upload::run_upload;
