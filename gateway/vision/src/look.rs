//! One camera's pictures, one after the other: can it see, is the picture worth the model's time, who
//! is in it, did somebody fall.

use crate::stream::Frame;
use minewatch_camera::{CameraSettings, HealthLimits, Judge, Luma, MotionGate, Sight};
use minewatch_fall::{FallEvent, FallTracker, Pose, Thresholds};

/// Size of the grey picture on which sight and motion are judged.
const GREY: (usize, usize) = (96, 54);

/// Sight is judged once a second: what is wrong with a camera lasts longer.
const JUDGE_MS: u64 = 1_000;

/// Finds people in a picture.
pub trait PoseFinder {
    /// From which certainty on a pose counts.
    fn thresholds(&self) -> Thresholds;

    /// The people in a picture.
    ///
    /// # Errors
    /// When the model cannot run on it.
    fn find(&mut self, frame: &Frame, camera: &CameraSettings) -> anyhow::Result<Vec<Pose>>;

    /// Processor time the bare model took so far, seconds.
    fn model_cpu_s(&self) -> f64;
}

/// What a picture said.
#[derive(Debug, Default)]
pub struct Looked {
    /// People, when the model looked.
    pub poses: Option<Vec<Pose>>,
    /// Falls decided.
    pub events: Vec<FallEvent>,
    /// The camera's sight, when it changed.
    pub sight: Option<Sight>,
    /// Why the model could not look.
    pub trouble: Option<String>,
}

/// Whether every picture is looked at, or only those worth it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Diligence {
    /// Every picture: for files.
    Every,
    /// As the motion gate says.
    Gated,
}

/// State of one camera.
pub struct CameraLook {
    settings: CameraSettings,
    diligence: Diligence,
    judge: Judge,
    judged_ms: Option<u64>,
    gate: MotionGate,
    tracker: Option<FallTracker>,
    looked: u64,
}

impl CameraLook {
    /// Begins at `now_ms` of the camera's time.
    pub fn new(settings: CameraSettings, diligence: Diligence, now_ms: u64) -> CameraLook {
        let limits = HealthLimits { frozen_ms: u64::from(settings.frozen_after_s) * 1_000, ..HealthLimits::default() };
        let period = |fps: f32| (1_000.0 / fps.max(0.1)) as u64;
        let gate = MotionGate::new(period(settings.sampling.fps), period(settings.sampling.fps_floor));
        CameraLook {
            settings,
            diligence,
            judge: Judge::new(limits, now_ms),
            judged_ms: None,
            gate,
            tracker: None,
            looked: 0,
        }
    }

    /// Its settings.
    pub fn settings(&self) -> &CameraSettings {
        &self.settings
    }

    /// Pictures the model looked at.
    pub fn looked(&self) -> u64 {
        self.looked
    }

    /// Time passed without a picture.
    pub fn tick(&mut self, now_ms: u64) -> Option<Sight> {
        self.judge.tick(now_ms)
    }

    /// Takes the next picture.
    pub fn picture(&mut self, frame: &Frame, finder: Option<&mut (dyn PoseFinder + '_)>) -> Looked {
        let mut out = Looked::default();
        let grey = Luma::of_rgb(&frame.rgb, (frame.width, frame.height), GREY.0, GREY.1);
        let mut worth = self.diligence == Diligence::Every;
        if let Some(grey) = grey {
            if self.judged_ms.is_none_or(|at| frame.at_ms >= at + JUDGE_MS || frame.at_ms < at) {
                self.judged_ms = Some(frame.at_ms);
                out.sight = self.judge.picture(&grey, frame.at_ms);
            }
            worth |= self.gate.step(&grey, frame.at_ms);
        } else {
            worth = true;
        }
        if let Some(finder) = finder.filter(|_| worth) {
            self.look(frame, finder, &mut out);
        }
        out
    }

    fn look(&mut self, frame: &Frame, finder: &mut (dyn PoseFinder + '_), out: &mut Looked) {
        let poses = match finder.find(frame, &self.settings) {
            Ok(poses) => poses,
            Err(error) => {
                out.trouble = Some(format!("{error:#}"));
                return;
            }
        };
        self.looked += 1;
        let tracker = self.tracker.get_or_insert_with(|| {
            let mut profile = self.settings.profile.clone();
            profile.aspect = frame.width as f32 / frame.height as f32;
            FallTracker::new(profile, finder.thresholds())
        });
        out.events = tracker.step(&poses, i64::try_from(frame.at_ms).unwrap_or(i64::MAX));
        if !tracker.tracks().is_empty() {
            self.gate.occupied(frame.at_ms);
        }
        out.poses = Some(poses);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use minewatch_camera::{Blindness, Sampling, Source};
    use std::time::Instant;

    struct Nobody(u64);

    impl PoseFinder for Nobody {
        fn thresholds(&self) -> Thresholds {
            Thresholds { appear: 0.3, follow: 0.1 }
        }

        fn find(&mut self, _: &Frame, _: &CameraSettings) -> anyhow::Result<Vec<Pose>> {
            self.0 += 1;
            Ok(Vec::new())
        }

        fn model_cpu_s(&self) -> f64 {
            0.0
        }
    }

    fn settings() -> CameraSettings {
        CameraSettings {
            id: "cam-01".into(),
            analysis: Source::Test,
            record: None,
            sampling: Sampling { fps: 10.0, fps_floor: 1.0, height: 54, tiles: (1, 1) },
            profile: minewatch_fall::CameraProfile::default(),
            utc_offset_min: 480,
            frozen_after_s: 60,
        }
    }

    fn frame(at_ms: u64, level: u8) -> Frame {
        let rgb = (0..96 * 54).flat_map(|i| [if i % 7 < 3 { level } else { 200 }; 3]).collect();
        Frame { rgb, width: 96, height: 54, at_ms, arrived: Instant::now() }
    }

    #[test]
    fn an_idle_camera_costs_the_model_a_tenth_and_a_file_is_looked_at_whole() {
        for (diligence, expected) in [(Diligence::Gated, 100..=140), (Diligence::Every, 1_000..=1_000)] {
            let mut look = CameraLook::new(settings(), diligence, 0);
            let mut finder = Nobody(0);
            for n in 0..1_000 {
                look.picture(&frame(n * 100, 40), Some(&mut finder));
            }
            assert!(expected.contains(&finder.0), "{diligence:?}: {}", finder.0);
            assert_eq!(look.looked(), finder.0);
        }
    }

    #[test]
    fn without_a_model_sight_is_judged_all_the_same() {
        let mut look = CameraLook::new(settings(), Diligence::Gated, 0);
        assert_eq!(look.picture(&frame(0, 40), None).sight, Some(Sight::Clear));
        assert_eq!(look.tick(6_000), Some(Sight::Blind(Blindness::NoFrames)));
    }
}
