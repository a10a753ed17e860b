//! What a decision says: a fall, what kind, how sure, and why.

use crate::pose::KeyPoint;
use crate::pose::POINTS;
use serde::{Deserialize, Serialize};

/// Points of the trace in an event: 4 s at 5 a second.
pub const TRACE_MAX: usize = 20;

/// How a person came down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FallKind {
    /// A fall on the level, also off a chair.
    SameLevel,
    /// A fall from a height, or over an edge.
    FromHeight,
    /// Somebody lies and does not move, however it began.
    Motionless,
    /// A fall that ends hanging in a harness.
    Arrest,
}

impl FallKind {
    /// As it stands in messages.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SameLevel => "same_level",
            Self::FromHeight => "from_height",
            Self::Motionless => "motionless",
            Self::Arrest => "arrest",
        }
    }
}

/// A fall, decided.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FallEvent {
    /// How the person came down.
    pub kind: FallKind,
    /// When it was decided, in milliseconds of the camera's time.
    pub at_ms: i64,
    /// When the descent began.
    pub began_ms: i64,
    /// How sure, 0 to 1; 0.5 is the threshold of the decision.
    pub score: f32,
    /// The person, numbered per camera.
    pub track: u64,
    /// The reasons: path, measures and the limits they were held against.
    pub why: String,
    /// What was seen of the person up to the decision, thinned to [`TRACE_MAX`] poses.
    pub trace: Vec<TracePoint>,
}

/// One pose of an event's trace.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TracePoint {
    /// When, in milliseconds of the camera's time.
    pub at_ms: i64,
    /// Certainty of the pose.
    pub score: f32,
    /// Key points in picture heights, in COCO's order.
    pub points: [KeyPoint; POINTS],
}
