//! From a camera, file or test source to the newest picture, and to encoded video for evidence.
//!
//! Invariants: only the newest picture waits, replaced ones are counted; a stream that says nothing
//! is torn down and built again (rtspsrc never reconnects, and a frozen server reports nothing); no
//! user name or password is ever logged. Deliberately absent: what a picture shows.

mod camera;
mod frame;
mod pipeline;
mod source;

pub use camera::{Camera, CameraCounts, Lifeline, backoff};
pub(crate) use frame::Bell;
pub use frame::{Frame, Slot};
pub use pipeline::{Pipeline, PipelineEnd, Sinks, Speed, TakePicture, TakeUnit};
pub use source::redacted;
