//! The thread that keeps one stream of one camera running.
//!
//! ```text
//!   Start ──ok──▶ Running ──end, error, or no picture for STALE_MAX──▶ Wait(back-off) ──▶ Start
//! ```
//! One bad camera costs its own thread only.

use super::frame::{Bell, Slot};
use super::pipeline::{Pipeline, PipelineEnd, Sinks, Speed};
use super::source::redacted;
use crate::evidence::Recorder;
use gstreamer as gst;
use minewatch_camera::Source;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tracing::{info, warn};

/// Without a picture for this long the stream is built again; a camera sends at least one a second.
const STALE_MAX: Duration = Duration::from_secs(3);

/// The first picture may take longer: negotiation, a key frame.
const FIRST_MAX: Duration = Duration::from_secs(8);

/// Shortest and longest pause before the stream is built again.
const BACKOFF_MIN: Duration = Duration::from_millis(250);
const BACKOFF_MAX: Duration = Duration::from_secs(5);

/// How often the thread looks around.
const LOOK: Duration = Duration::from_millis(200);

/// Pause before the `attempt`-th attempt in a row that brought no picture (from 0).
pub fn backoff(attempt: u32) -> Duration {
    BACKOFF_MIN.saturating_mul(1 << attempt.min(6)).min(BACKOFF_MAX)
}

/// Counters and signs of life shared with the thread.
#[derive(Debug, Default)]
pub struct CameraCounts {
    /// Times the stream was built again.
    pub reconnects: AtomicU64,
}

/// What an encoded stream says to its recorder.
pub enum Lifeline {
    /// An access unit.
    Unit(gst::Sample),
    /// The stream was cut; what follows has other times.
    Cut,
}

/// One stream of one camera: where it comes from, where it goes.
pub struct Camera {
    /// Its id, for logs.
    pub id: String,
    /// The stream.
    pub source: Source,
    /// Height and rate of the pictures; `None`: the stream is only recorded.
    pub pictures: Option<(u32, f32)>,
    /// Where the newest picture waits.
    pub slot: Arc<Slot>,
    /// Takes the encoded video, when this stream is the one recorded.
    pub recorder: Option<Arc<Mutex<Recorder>>>,
    /// When the process began; picture times count from here and go on over reconnects.
    pub began: Instant,
    /// Counters.
    pub counts: Arc<CameraCounts>,
}

impl Camera {
    /// Runs until `stop`.
    pub(crate) fn run(self, bell: &Arc<Bell>, stop: &AtomicBool) {
        let mut attempt = 0;
        while !stop.load(Ordering::Relaxed) {
            let arrived = Arc::new(AtomicU64::new(0));
            let started = Instant::now();
            let why = match Pipeline::start(&self.source, Speed::Live, self.sinks(bell, &arrived)) {
                Ok(pipeline) => self.watch(&pipeline, &arrived, started, stop),
                Err(error) => Some(format!("{error:#}")),
            };
            self.tell(|| Lifeline::Cut);
            let Some(why) = why else { return };
            attempt = if arrived.load(Ordering::Relaxed) > 0 { 0 } else { attempt + 1 };
            warn!(camera = self.id, source = redacted(&self.source), error = why, "stream lost");
            self.counts.reconnects.fetch_add(1, Ordering::Relaxed);
            let until = Instant::now() + backoff(attempt);
            while Instant::now() < until && !stop.load(Ordering::Relaxed) {
                std::thread::sleep(LOOK.min(until.saturating_duration_since(Instant::now())));
            }
        }
    }

    fn sinks(&self, bell: &Arc<Bell>, arrived: &Arc<AtomicU64>) -> Sinks {
        let pictures = self.pictures.map(|(height, fps)| {
            let (slot, bell, arrived) = (Arc::clone(&self.slot), Arc::clone(bell), Arc::clone(arrived));
            let offset_ms = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
            let take: Box<dyn FnMut(super::Frame) + Send> = Box::new(move |mut frame| {
                arrived.fetch_add(1, Ordering::Relaxed);
                frame.at_ms = frame.at_ms.saturating_add(offset_ms);
                slot.put(frame);
                bell.ring();
            });
            (height, fps, take)
        });
        let units = self.recorder.clone().filter(|_| self.source != Source::Test).map(|recorder| {
            let arrived = self.pictures.is_none().then(|| Arc::clone(arrived));
            let take: Box<dyn FnMut(_) + Send> = Box::new(move |sample| {
                if let Some(arrived) = &arrived {
                    arrived.fetch_add(1, Ordering::Relaxed);
                }
                if let Ok(mut recorder) = recorder.lock() {
                    recorder.take(Lifeline::Unit(sample));
                }
            });
            take
        });
        Sinks { pictures, units }
    }

    /// Why the stream is lost; `None` when told to stop.
    fn watch(&self, pipeline: &Pipeline, arrived: &AtomicU64, started: Instant, stop: &AtomicBool) -> Option<String> {
        let (mut count, mut since) = (0, started);
        while !stop.load(Ordering::Relaxed) {
            match pipeline.wait(LOOK) {
                Some(PipelineEnd::Ended) => return Some("the stream ended".to_owned()),
                Some(PipelineEnd::Failed(why)) => return Some(why),
                None => {}
            }
            let now = arrived.load(Ordering::Relaxed);
            if now != count {
                if count == 0 {
                    info!(camera = self.id, source = redacted(&self.source), "stream runs");
                }
                (count, since) = (now, Instant::now());
            }
            let patience = if count == 0 { FIRST_MAX } else { STALE_MAX };
            if since.elapsed() > patience {
                return Some(format!("no picture for {} s", patience.as_secs()));
            }
        }
        None
    }

    fn tell(&self, what: impl FnOnce() -> Lifeline) {
        if let Some(mut recorder) = self.recorder.as_ref().and_then(|recorder| recorder.lock().ok()) {
            recorder.take(what());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_grows_to_its_bound_and_no_further() {
        let pauses: Vec<_> = (0..40).map(|n| backoff(n).as_millis()).collect();
        assert_eq!(pauses[..6], [250, 500, 1_000, 2_000, 4_000, 5_000]);
        assert!(pauses.iter().all(|p| *p <= 5_000));
    }
}
