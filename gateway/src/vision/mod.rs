//! Cameras, seen from the gateway: another program watches them.
//!
//! Invariant: this program links neither GStreamer nor ONNX Runtime; both live in the sibling
//! program `gateway-vision`, so that a crash there is a camera-health alarm and nothing more
//! (design promise 12), and a site without cameras needs neither library. Deliberately absent:
//! pictures.

mod program;

pub use program::{Arguments, exec, program};
