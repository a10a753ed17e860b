//! The manifest of a pose model (`model.toml`): what goes in, what comes out and how its rows are read.
//! Another pose model is a manifest and a file, not a change of the program, as long as its output is
//! rows of persons with their key points.
//!
//! Invariant: a manifest that parses can be decoded with; every problem is named with its key.
//! Deliberately absent: the file of the model itself and its runtime (`gateway/vision`).

use crate::pose::{Joint, POINTS};
use serde::Deserialize;

/// More persons than that in one picture are not looked for; it bounds the work per frame.
pub const PERSONS_MAX: usize = 64;
/// Numbers per person; it bounds what a manifest can make the program read.
pub const ROW_MAX: usize = 1024;

/// A pose model, as its manifest describes it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PoseModelManifest {
    /// Name and version of the model.
    pub name: String,
    /// Licence of the weights (SPDX).
    pub licence: String,
    /// File of the model, relative to the manifest or to the models' folder.
    pub file: String,
    /// Where it came from and what was checked; not read by the program.
    pub source: Option<toml::Table>,
    /// What goes in.
    pub input: Input,
    /// What comes out.
    pub output: Output,
    /// From which certainty on poses count.
    pub thresholds: Thresholds,
}

/// The picture a model wants.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// Name of the input tensor.
    pub name: String,
    /// Type of its numbers.
    pub dtype: InputType,
    /// Axes, always one picture at a time.
    pub layout: Layout,
    /// Longer side of the scaled picture in pixels, if the camera profile says nothing else.
    pub long_side: u32,
    /// Width and height are padded to a multiple of this at the right and bottom.
    pub multiple: u32,
    /// For models with a fixed input: its width and height in pixels.
    pub fixed: Option<[u32; 2]>,
}

/// Type of the input's numbers; pictures are RGB, 0 to 255 in all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names say it")]
pub enum InputType {
    Uint8,
    Int32,
    Float32,
}

/// Order of the input's axes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Layout {
    /// Picture, row, column, colour.
    Nhwc,
    /// Picture, colour, row, column.
    Nchw,
}

/// How the output is read: rows of persons.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Output {
    /// Name of the output tensor.
    pub name: String,
    /// Numbers per person.
    pub row: usize,
    /// Where the first key point starts in a row.
    pub points_at: usize,
    /// Order of the numbers of a key point.
    pub point: PointOrder,
    /// Whether places are shares of the padded input or its pixels.
    pub coordinates: Coordinates,
    /// Where the person's certainty stands; without it the mean of the key points' is taken.
    pub score_at: Option<usize>,
    /// The joint of each key point, in the output's order; all of COCO's seventeen must be there.
    pub joints: Vec<Joint>,
}

/// Order of a key point's three numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PointOrder {
    /// y, x, score.
    Yxs,
    /// x, y, score.
    Xys,
}

/// What an output's coordinates are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Coordinates {
    /// Shares of the padded input's width and height.
    Normalised,
    /// Pixels of the padded input.
    Pixels,
}

/// From which certainty on poses count (all 0 to 1).
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Thresholds {
    /// A new person is believed from here on.
    pub appear: f32,
    /// A person already followed is believed from here on: lying people score low.
    pub follow: f32,
}

/// Why a manifest cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// Not TOML, or a key is missing, unknown or of the wrong type.
    #[error("{0}")]
    Syntax(String),
    /// A key has an impossible value.
    #[error("{key}: {why}")]
    Value {
        /// The key, dotted.
        key: &'static str,
        /// What is wrong with it.
        why: String,
    },
}

impl PoseModelManifest {
    /// Reads a manifest.
    ///
    /// # Errors
    /// [`ManifestError`] names the key and the reason.
    pub fn parse(text: &str) -> Result<Self, ManifestError> {
        let manifest: Self = toml::from_str(text).map_err(|error| ManifestError::Syntax(error.to_string()))?;
        manifest.check()?;
        Ok(manifest)
    }

    fn check(&self) -> Result<(), ManifestError> {
        let refuse = |key, why: String| Err(ManifestError::Value { key, why });
        let Output { row, points_at, score_at, joints, .. } = &self.output;
        if !(1..=ROW_MAX).contains(row) {
            return refuse("output.row", format!("is {row} but must be 1 to {ROW_MAX}"));
        }
        if joints.len() > ROW_MAX || points_at.saturating_add(joints.len() * 3) > *row {
            return refuse(
                "output.joints",
                format!("{} points of 3 numbers from {points_at} on exceed a row of {row}", joints.len()),
            );
        }
        if let Some(missing) = Joint::ALL.iter().find(|joint| !joints.contains(joint)) {
            return refuse("output.joints", format!("{missing:?} is missing"));
        }
        if score_at.is_some_and(|at| at >= *row) {
            return refuse("output.score_at", format!("is beyond the row of {row}"));
        }
        if !(1..=256).contains(&self.input.multiple) {
            return refuse("input.multiple", format!("is {} but must be 1 to 256", self.input.multiple));
        }
        if !(64..=4096).contains(&self.input.long_side) {
            return refuse("input.long_side", format!("is {} but must be 64 to 4096", self.input.long_side));
        }
        if self.input.fixed.is_some_and(|sides| sides.iter().any(|side| !(32..=4096).contains(side))) {
            return refuse("input.fixed", "both sides must be 32 to 4096".into());
        }
        for (key, value) in
            [("thresholds.appear", self.thresholds.appear), ("thresholds.follow", self.thresholds.follow)]
        {
            if !(value > 0.0 && value < 1.0) {
                return refuse(key, format!("is {value} but must be between 0 and 1"));
            }
        }
        if self.thresholds.follow > self.thresholds.appear {
            return refuse("thresholds.follow", "must not be above thresholds.appear".into());
        }
        Ok(())
    }

    /// Place of each COCO key point in the output's order.
    #[must_use]
    pub(crate) fn order(&self) -> [usize; POINTS] {
        Joint::ALL.map(|joint| self.output.joints.iter().position(|other| *other == joint).unwrap_or(0))
    }

    /// How a picture of `width` × `height` pixels is laid into the input, its longer side scaled to
    /// `long_side` (the manifest's if none).
    #[must_use]
    pub fn letterbox(&self, width: u32, height: u32, long_side: Option<u32>) -> Letterbox {
        let (width, height) = (width.max(1), height.max(1));
        let multiple = self.input.multiple;
        let (scale, padded) = match self.input.fixed {
            Some([w, h]) => (f64::min(f64::from(w) / f64::from(width), f64::from(h) / f64::from(height)), Some((w, h))),
            None => (f64::from(long_side.unwrap_or(self.input.long_side)) / f64::from(width.max(height)), None),
        };
        let scaled = |side: u32| ((f64::from(side) * scale).round() as u32).max(1);
        let (scaled_width, scaled_height) = (scaled(width), scaled(height));
        let (input_width, input_height) =
            padded.unwrap_or((scaled_width.next_multiple_of(multiple), scaled_height.next_multiple_of(multiple)));
        Letterbox { scaled_width, scaled_height, input_width, input_height }
    }
}

/// A picture in a model's input: scaled to a part at the top left, the rest black. All in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Letterbox {
    /// Width of the scaled picture.
    pub scaled_width: u32,
    /// Height of the scaled picture.
    pub scaled_height: u32,
    /// Width of the input.
    pub input_width: u32,
    /// Height of the input.
    pub input_height: u32,
}

impl Letterbox {
    /// Width ÷ height of the picture.
    #[must_use]
    pub fn aspect(&self) -> f32 {
        self.scaled_width as f32 / self.scaled_height.max(1) as f32
    }
}
