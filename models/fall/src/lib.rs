//! Falls of people: from a pose model's output to an event that explains itself, as pure functions.
//!
//! Invariants: no clock, no I/O, no randomness, no map whose order changes between runs, so that a
//! recorded sequence of key points gives the same events. Everything is measured in body heights and
//! seconds. Deliberately absent: pictures, the runtime of the pose model and cameras (`gateway/vision`),
//! and what people do about an event.
//!
//! ```text
//! output of the model ─▶ decode ─▶ poses ─▶ track ─▶ people ─▶ measure ─▶ a descent ─▶ level ─▶ decide ─▶ FallEvent
//!                          ▲ manifest (model.toml)                                        profile ──▲
//! ```

mod decide;
mod decode;
mod event;
pub mod figure;
pub mod level;
mod manifest;
mod measure;
mod pose;
mod profile;
pub mod scene;
#[cfg(test)]
mod scene_tests;
mod track;

pub use decide::FallTracker;
pub use decode::{Tile, decode_poses, join_tiles};
pub use event::{FallEvent, FallKind, TRACE_MAX, TracePoint};
pub use manifest::{
    Coordinates, Input, InputType, Layout, Letterbox, ManifestError, Output, PERSONS_MAX, PointOrder,
    PoseModelManifest, ROW_MAX, Thresholds,
};
pub use measure::{Measures, measure, motion};
pub use pose::{Bounds, Joint, KeyPoint, POINTS, Pose, Spot};
pub use profile::{CORNERS_MAX, CameraProfile, Hours, ZONES_MAX, Zone, ZoneKind};
pub use track::{SAMPLES_MAX, Sample, TRACKS_MAX, Track, Tracker};
