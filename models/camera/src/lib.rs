//! What a camera is to us: its settings, how well it can see, when a picture is worth the model's
//! time, and the messages between the gateway and its vision process.
//!
//! Invariant: pure; a camera that cannot be judged is never called healthy. Deliberately absent:
//! video, sockets, the pose model and the decision whether somebody fell (`minewatch-fall`).

pub mod health;
pub mod luma;
pub mod message;
pub mod motion;
pub mod settings;

pub use health::{Blindness, HealthLimits, Judge, Sight};
pub use luma::Luma;
pub use motion::MotionGate;
pub use settings::{
    CameraSettings, EvidenceSettings, InferenceSettings, Provider, Sampling, Source, Transport, VisionSettings,
};
