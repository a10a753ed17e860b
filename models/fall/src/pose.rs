//! A pose: seventeen key points of one person in one picture, and the few measures of it that the
//! decision uses.
//!
//! Invariant: lengths are in picture heights on both axes (x runs from 0 to width ÷ height, y from 0
//! at the top to 1), so that an angle or a distance means the same in every direction. Deliberately
//! absent: pixels, and what a sequence of poses means (`track`, `decide`).

use serde::{Deserialize, Serialize};

/// Key points of a pose, in the order of COCO.
pub const POINTS: usize = 17;

/// The body parts of COCO's key points, in its order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Joint {
    Nose,
    LeftEye,
    RightEye,
    LeftEar,
    RightEar,
    LeftShoulder,
    RightShoulder,
    LeftElbow,
    RightElbow,
    LeftWrist,
    RightWrist,
    LeftHip,
    RightHip,
    LeftKnee,
    RightKnee,
    LeftAnkle,
    RightAnkle,
}

impl Joint {
    /// Every joint, in the order of the key points.
    pub const ALL: [Self; POINTS] = [
        Self::Nose,
        Self::LeftEye,
        Self::RightEye,
        Self::LeftEar,
        Self::RightEar,
        Self::LeftShoulder,
        Self::RightShoulder,
        Self::LeftElbow,
        Self::RightElbow,
        Self::LeftWrist,
        Self::RightWrist,
        Self::LeftHip,
        Self::RightHip,
        Self::LeftKnee,
        Self::RightKnee,
        Self::LeftAnkle,
        Self::RightAnkle,
    ];
}

/// A place in the picture, in picture heights.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Spot {
    /// From the left.
    pub x: f32,
    /// From the top, downwards.
    pub y: f32,
}

impl Spot {
    /// Straight distance to another place.
    #[must_use]
    pub fn distance(self, other: Self) -> f32 {
        (self.x - other.x).hypot(self.y - other.y)
    }
}

/// One key point: where, and how sure the model is (0 to 1).
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct KeyPoint {
    /// Place in picture heights.
    #[serde(flatten)]
    pub spot: Spot,
    /// Certainty of the pose model, 0 to 1.
    pub score: f32,
}

/// One person in one picture.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Pose {
    /// In the order of [`Joint::ALL`].
    pub points: [KeyPoint; POINTS],
    /// Certainty that there is a person, 0 to 1. It sinks to 0.05 for people who lie.
    pub score: f32,
}

/// Weight of a point of which the model knows nothing: it still has a place, and a mean needs one.
const WEIGHT_MIN: f32 = 0.02;

/// The smallest upright rectangle around the points that are sure enough.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Bounds {
    /// Left and top.
    pub min: Spot,
    /// Right and bottom.
    pub max: Spot,
}

impl Bounds {
    /// Width ÷ height, kept finite.
    #[must_use]
    pub fn aspect(&self) -> f32 {
        (self.max.x - self.min.x) / (self.max.y - self.min.y).max(1e-3)
    }
}

impl Pose {
    /// One key point.
    #[must_use]
    pub fn point(&self, joint: Joint) -> KeyPoint {
        self.points[joint as usize]
    }

    /// The middle of several joints, weighed by their certainty.
    #[must_use]
    pub fn middle(&self, joints: &[Joint]) -> KeyPoint {
        let (mut x, mut y, mut weight, mut score) = (0.0, 0.0, 0.0, 0.0_f32);
        for point in joints.iter().map(|joint| self.point(*joint)) {
            let w = point.score + WEIGHT_MIN;
            x += point.spot.x * w;
            y += point.spot.y * w;
            weight += w;
            score = score.max(point.score);
        }
        let weight = weight.max(WEIGHT_MIN);
        KeyPoint { spot: Spot { x: x / weight, y: y / weight }, score }
    }

    /// Middle of the shoulders.
    #[must_use]
    pub fn shoulders(&self) -> KeyPoint {
        self.middle(&[Joint::LeftShoulder, Joint::RightShoulder])
    }

    /// Middle of the hips.
    #[must_use]
    pub fn hips(&self) -> KeyPoint {
        self.middle(&[Joint::LeftHip, Joint::RightHip])
    }

    /// Middle of the head's points.
    #[must_use]
    pub fn head(&self) -> KeyPoint {
        self.middle(&[Joint::Nose, Joint::LeftEye, Joint::RightEye, Joint::LeftEar, Joint::RightEar])
    }

    /// Middle of the ankles.
    #[must_use]
    pub fn ankles(&self) -> KeyPoint {
        self.middle(&[Joint::LeftAnkle, Joint::RightAnkle])
    }

    /// Middle of the knees.
    #[must_use]
    pub fn knees(&self) -> KeyPoint {
        self.middle(&[Joint::LeftKnee, Joint::RightKnee])
    }

    /// Middle of the trunk: of shoulders and hips.
    #[must_use]
    pub fn trunk(&self) -> Spot {
        let (s, h) = (self.shoulders().spot, self.hips().spot);
        Spot { x: (s.x + h.x) / 2.0, y: (s.y + h.y) / 2.0 }
    }

    /// Angle between trunk and the vertical in degrees: 0 upright, 90 level, up to 180 head down.
    #[must_use]
    pub fn trunk_angle_deg(&self) -> f32 {
        let (s, h) = (self.shoulders().spot, self.hips().spot);
        (s.x - h.x).abs().atan2(h.y - s.y).to_degrees()
    }

    /// Height this person would have standing upright, judged from the lengths of the limbs seen
    /// (segment shares of Drillis and Contini 1966: trunk 0.288, thigh 0.245, shank 0.246 of the
    /// height). Foreshortening only makes it smaller, so a high quantile over time is the height.
    #[must_use]
    pub fn height_by_limbs(&self) -> f32 {
        const TRUNK: f32 = 0.288;
        const THIGH: f32 = 0.245;
        const SHANK: f32 = 0.246;
        const SEEN: f32 = 0.2;
        let (s, h, k, a) = (self.shoulders(), self.hips(), self.knees(), self.ankles());
        let trunk = s.spot.distance(h.spot);
        if k.score < SEEN {
            return trunk / TRUNK;
        }
        let upper = trunk + h.spot.distance(k.spot);
        if a.score < SEEN {
            return upper / (TRUNK + THIGH);
        }
        (upper + k.spot.distance(a.spot)) / (TRUNK + THIGH + SHANK)
    }

    /// The rectangle around the points of at least `score_min`; none if fewer than three are.
    #[must_use]
    pub fn bounds(&self, score_min: f32) -> Option<Bounds> {
        let mut seen = 0;
        let mut bounds = Bounds { min: Spot { x: f32::MAX, y: f32::MAX }, max: Spot { x: f32::MIN, y: f32::MIN } };
        for point in self.points.iter().filter(|point| point.score >= score_min) {
            seen += 1;
            bounds.min.x = bounds.min.x.min(point.spot.x);
            bounds.min.y = bounds.min.y.min(point.spot.y);
            bounds.max.x = bounds.max.x.max(point.spot.x);
            bounds.max.y = bounds.max.y.max(point.spot.y);
        }
        (seen >= 3).then_some(bounds)
    }

    /// Mean certainty of the key points.
    #[must_use]
    pub fn points_score(&self) -> f32 {
        self.points.iter().map(|point| point.score).sum::<f32>() / POINTS as f32
    }
}
