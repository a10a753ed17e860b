//! The thread that looks at pictures: one model for all cameras, in turn.
//!
//! Fairness: every round looks at most once at each camera, newest picture first come; a camera that
//! sends more than its share only replaces its own pictures.

use crate::look::{CameraLook, Diligence, Looked, PoseFinder};
use crate::socket::Writer;
use crate::stream::{Bell, Frame, Slot};
use minewatch_camera::message::FromVision;
use minewatch_camera::{CameraSettings, InferenceSettings, Sight};
use minewatch_fall::{FallEvent, Pose};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tracing::warn;

/// Longest wait for a picture before silence is looked into.
const PATIENCE: Duration = Duration::from_millis(250);

/// One camera to look at.
pub struct Watched {
    /// Its settings.
    pub settings: CameraSettings,
    /// Where its newest picture waits.
    pub slot: Arc<Slot>,
    /// Pictures looked at.
    pub looked: Arc<AtomicU64>,
}

/// What the control thread is told.
pub struct Seen {
    /// The camera.
    pub camera: String,
    /// Falls decided.
    pub events: Vec<FallEvent>,
    /// The picture of the decision.
    pub frame: Option<Frame>,
    /// The people in it.
    pub poses: Vec<Pose>,
    /// Sight, when it changed.
    pub sight: Option<Sight>,
    /// What was measured.
    pub sight_why: String,
}

/// The thread's state.
pub struct Looker {
    /// The cameras.
    pub cameras: Vec<Watched>,
    /// What the model runs on.
    pub inference: InferenceSettings,
    /// When the process began.
    pub began: Instant,
    /// Rung by every picture.
    pub(crate) bell: Arc<Bell>,
    /// Milliseconds from `began` at the last turn.
    pub turned: Arc<AtomicU64>,
    /// To say whether the model runs.
    pub writer: Writer,
}

impl Looker {
    /// Runs until `stop`, or until nobody listens.
    pub fn run(self, stop: &AtomicBool, tell: &dyn Fn(Seen) -> bool) {
        let mut finder = self.finder();
        let now_ms = || u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let mut looks: Vec<CameraLook> = self
            .cameras
            .iter()
            .map(|camera| CameraLook::new(camera.settings.clone(), Diligence::Gated, now_ms()))
            .collect();
        let mut troubled = false;
        while !stop.load(Ordering::Relaxed) {
            self.turned.store(now_ms(), Ordering::Relaxed);
            let mut idle = true;
            for (camera, look) in self.cameras.iter().zip(&mut looks) {
                let silent_ms = camera.slot.last().map_or(now_ms(), |at| at.elapsed().as_millis() as u64);
                let Some(frame) = camera.slot.take() else {
                    if silent_ms >= 1_000
                        && let Some(sight) = look.tick(now_ms())
                        && !tell(self.sight(camera, sight))
                    {
                        return;
                    }
                    continue;
                };
                idle = false;
                let looked = look.picture(&frame, finder.as_deref_mut());
                camera.looked.store(look.looked(), Ordering::Relaxed);
                if let Some(trouble) = looked.trouble.as_ref().filter(|_| !troubled) {
                    warn!(camera = camera.settings.id, error = trouble, "the model cannot look at a picture");
                    troubled = true;
                }
                if (looked.sight.is_some() || !looked.events.is_empty()) && !tell(self.seen(camera, frame, looked)) {
                    return;
                }
            }
            if idle {
                self.bell.wait(PATIENCE);
            }
        }
    }

    /// The model; without it cameras are still judged for sight, and the gateway is told why.
    fn finder(&self) -> Option<Box<dyn PoseFinder>> {
        let (finder, degraded) = match crate::infer::finder(&self.inference) {
            Ok(finder) => (Some(finder), String::new()),
            Err(error) => (None, format!("{error:#}")),
        };
        if !degraded.is_empty() {
            warn!(error = degraded, "no falls are looked for");
        }
        let _ = self.writer.send(&FromVision::Started { degraded });
        finder
    }

    fn sight(&self, camera: &Watched, sight: Sight) -> Seen {
        Seen {
            camera: camera.settings.id.clone(),
            events: Vec::new(),
            frame: None,
            poses: Vec::new(),
            sight: Some(sight),
            sight_why: why(sight).to_owned(),
        }
    }

    fn seen(&self, camera: &Watched, frame: Frame, looked: Looked) -> Seen {
        Seen {
            camera: camera.settings.id.clone(),
            events: looked.events,
            frame: Some(frame),
            poses: looked.poses.unwrap_or_default(),
            sight: looked.sight,
            sight_why: looked.sight.map_or("", why).to_owned(),
        }
    }
}

fn why(sight: Sight) -> &'static str {
    use minewatch_camera::Blindness as B;
    match sight {
        Sight::Unknown => "not judged yet",
        Sight::Clear => "sees well",
        Sight::Blind(B::NoFrames) => "no pictures arrive",
        Sight::Blind(B::Frozen) => "the picture does not change any more",
        Sight::Blind(B::Dark) => "too dark to see a person",
        Sight::Blind(B::Covered) => "the lens is covered or fogged: no detail in the picture",
        Sight::Blind(B::Blurred) => "far less detail than usual: out of focus, dust or fog",
        Sight::Blind(B::Moved) => "the picture no longer shows the usual place: the camera was turned or moved",
    }
}
