//! The pose model as the thing that finds people in pictures of cameras.

use super::{PoseSession, Rgb};
use crate::look::PoseFinder;
use crate::stream::Frame;
use anyhow::Context;
use minewatch_camera::{CameraSettings, InferenceSettings};
use minewatch_fall::{Pose, Thresholds};

/// Loads the pose model.
///
/// # Errors
/// When its runtime or its file is missing.
pub fn finder(settings: &InferenceSettings) -> anyhow::Result<Box<dyn PoseFinder>> {
    Ok(Box::new(PoseSession::open(settings)?))
}

impl PoseFinder for PoseSession {
    fn thresholds(&self) -> Thresholds {
        self.manifest().thresholds
    }

    fn find(&mut self, frame: &Frame, camera: &CameraSettings) -> anyhow::Result<Vec<Pose>> {
        let width = u32::try_from(frame.width).context("width")?;
        let height = u32::try_from(frame.height).context("height")?;
        let picture = Rgb { bytes: &frame.rgb, width, height };
        PoseSession::find(self, picture, None, camera.sampling.tiles)
    }

    fn model_cpu_s(&self) -> f64 {
        self.ran_cpu_s()
    }
}
