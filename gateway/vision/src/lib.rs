//! The vision process: streams in, fall events, camera health and evidence out.
//!
//! Everything native (GStreamer, ONNX Runtime) lives here and nowhere else; the gateway starts
//! this program, listens to it and ends it (design promise 12). Invariant: an event is on disk
//! before it is told and stays there until the gateway has it in the ledger. Deliberately absent:
//! alarms, the ledger and the network to headquarters.

pub mod control;
pub mod evidence;
pub mod infer;
pub mod journal;
pub mod look;
pub mod looker;
pub mod movie;
pub mod socket;
pub mod stream;
pub mod watch;
