//! From a pose model's output to poses.
//!
//! Invariant: whatever the numbers are, the result has finite coordinates and scores of 0 to 1, and at
//! most [`PERSONS_MAX`] poses. Deliberately absent: which of them are the same person as before.

use crate::manifest::{Coordinates, Letterbox, PERSONS_MAX, PointOrder, PoseModelManifest};
use crate::pose::{KeyPoint, POINTS, Pose, Spot};

/// Rows of a person score below this are not poses at all.
const SCORE_MIN: f32 = 0.01;
/// Two poses whose trunks are nearer than this share of the larger one's height are one person seen twice.
const TWICE: f32 = 0.16;

/// Poses in an output tensor, best first. Rows with numbers that are not finite, and a rest that is
/// shorter than a row, are left out.
#[must_use]
pub fn decode_poses(output: &[f32], manifest: &PoseModelManifest, letterbox: &Letterbox) -> Vec<Pose> {
    let order = manifest.order();
    let mut poses: Vec<Pose> = output
        .chunks_exact(manifest.output.row)
        .take(PERSONS_MAX)
        .filter_map(|row| decode_row(row, manifest, letterbox, &order))
        .filter(|pose| pose.score >= SCORE_MIN)
        .collect();
    poses.sort_by(|a, b| b.score.total_cmp(&a.score));
    once(poses)
}

fn decode_row(
    row: &[f32],
    manifest: &PoseModelManifest,
    letterbox: &Letterbox,
    order: &[usize; POINTS],
) -> Option<Pose> {
    let output = &manifest.output;
    // One unit of the output's coordinates in picture heights.
    let height = letterbox.scaled_height.max(1) as f32;
    let (unit_x, unit_y) = match output.coordinates {
        Coordinates::Normalised => (letterbox.input_width as f32 / height, letterbox.input_height as f32 / height),
        Coordinates::Pixels => (1.0 / height, 1.0 / height),
    };
    let mut points = [KeyPoint::default(); POINTS];
    for (point, place) in points.iter_mut().zip(order) {
        let at = output.points_at + place * 3;
        let [a, b, score] = *row.get(at..at + 3)? else { return None };
        let (x, y) = match output.point {
            PointOrder::Yxs => (b, a),
            PointOrder::Xys => (a, b),
        };
        let spot = Spot { x: x * unit_x, y: y * unit_y };
        if !(spot.x.is_finite() && spot.y.is_finite() && score.is_finite()) {
            return None;
        }
        *point = KeyPoint { spot, score: score.clamp(0.0, 1.0) };
    }
    let mean = points.iter().map(|point| point.score).sum::<f32>() / POINTS as f32;
    let score = match output.score_at {
        Some(at) => *row.get(at)?,
        None => mean,
    };
    score.is_finite().then_some(Pose { points, score: score.clamp(0.0, 1.0) })
}

/// Leaves out poses that are a better one's person again.
fn once(poses: Vec<Pose>) -> Vec<Pose> {
    let mut kept: Vec<Pose> = Vec::with_capacity(poses.len());
    for pose in poses {
        let again = kept.iter().any(|other| {
            let height = other.height_by_limbs().max(pose.height_by_limbs());
            other.trunk().distance(pose.trunk()) < TWICE * height
        });
        if !again {
            kept.push(pose);
        }
    }
    kept
}

/// Poses of several overlapping parts of a picture (`tiles`), as one list: each tile's poses moved and
/// scaled to the whole picture, people seen in two tiles kept once.
#[must_use]
pub fn join_tiles(tiles: &[(Tile, Vec<Pose>)]) -> Vec<Pose> {
    let mut poses: Vec<Pose> =
        tiles.iter().flat_map(|(tile, poses)| poses.iter().map(|pose| tile.place(pose))).collect();
    poses.sort_by(|a, b| b.score.total_cmp(&a.score));
    poses.truncate(PERSONS_MAX);
    once(poses)
}

/// A part of the picture, in picture heights.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tile {
    /// Its left top corner.
    pub corner: Spot,
    /// Its height.
    pub height: f32,
}

impl Tile {
    /// The whole picture.
    pub const WHOLE: Self = Self { corner: Spot { x: 0.0, y: 0.0 }, height: 1.0 };

    /// A pose of this part as one of the whole picture.
    #[must_use]
    pub fn place(&self, pose: &Pose) -> Pose {
        let mut placed = *pose;
        for point in &mut placed.points {
            point.spot =
                Spot { x: self.corner.x + point.spot.x * self.height, y: self.corner.y + point.spot.y * self.height };
        }
        placed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Joint;
    use proptest::prelude::*;

    fn manifest() -> PoseModelManifest {
        PoseModelManifest::parse(include_str!("../model.toml")).expect("the shipped manifest parses")
    }

    #[test]
    fn a_row_becomes_a_pose_in_picture_heights() {
        let manifest = manifest();
        let letterbox = manifest.letterbox(640, 360, None);
        assert_eq!((letterbox.scaled_width, letterbox.scaled_height), (320, 180));
        assert_eq!((letterbox.input_width, letterbox.input_height), (320, 192));
        let mut row = vec![0.0_f32; 56];
        row[..3].copy_from_slice(&[0.5, 0.25, 0.9]);
        row[55] = 0.7;
        let poses = decode_poses(&row, &manifest, &letterbox);
        let nose = poses[0].point(Joint::Nose);
        assert!((nose.spot.y - 0.5 * 192.0 / 180.0).abs() < 1e-6 && (nose.spot.x - 0.25 * 320.0 / 180.0).abs() < 1e-6);
        assert_eq!((nose.score, poses[0].score), (0.9, 0.7));
    }

    #[test]
    fn another_model_is_another_manifest() {
        let text = include_str!("../model.toml")
            .replace("row = 56", "row = 57")
            .replace("points_at = 0", "points_at = 6")
            .replace("\"yxs\"", "\"xys\"")
            .replace("\"normalised\"", "\"pixels\"")
            .replace("score_at = 55", "score_at = 4");
        let manifest = PoseModelManifest::parse(&text).expect("parses");
        let letterbox = manifest.letterbox(320, 160, None);
        let mut row = vec![0.0_f32; 57];
        row[4] = 0.6;
        row[6..9].copy_from_slice(&[80.0, 40.0, 0.5]);
        let pose = decode_poses(&row, &manifest, &letterbox)[0];
        assert_eq!(pose.point(Joint::Nose).spot, Spot { x: 0.5, y: 0.25 });
        assert_eq!(pose.score, 0.6);
    }

    #[test]
    fn a_manifest_that_cannot_work_is_refused_with_its_key() {
        for (from, to, says) in [
            ("row = 56", "row = 0", "output.row"),
            ("row = 56", "row = 50", "output.joints"),
            ("\"nose\"", "\"left_eye\"", "Nose is missing"),
            ("score_at = 55", "score_at = 56", "output.score_at"),
            ("follow = 0.04", "follow = 0.4", "thresholds.follow"),
            ("multiple = 32", "multiple = 0", "input.multiple"),
            ("layout = \"nhwc\"", "layout = \"hwc\"", "layout"),
            ("name = \"image\"", "nom = \"image\"", "nom"),
        ] {
            let text = include_str!("../model.toml").replace(from, to);
            let error = PoseModelManifest::parse(&text).expect_err(says).to_string();
            assert!(error.contains(says), "{says}: {error}");
        }
    }

    proptest! {
        #[test]
        fn whatever_the_numbers_are_poses_are_finite(bits in proptest::collection::vec(any::<u32>(), 0..600)) {
            let output: Vec<f32> = bits.into_iter().map(f32::from_bits).collect();
            let manifest = manifest();
            let poses = decode_poses(&output, &manifest, &manifest.letterbox(640, 480, None));
            prop_assert!(poses.len() <= PERSONS_MAX);
            for pose in poses {
                prop_assert!((0.0..=1.0).contains(&pose.score));
                prop_assert!(pose.points.iter().all(|p| p.spot.x.is_finite() && p.spot.y.is_finite()));
            }
        }
    }
}
