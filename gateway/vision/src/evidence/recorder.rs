//! Keeps the last seconds of one camera's video and writes the clip around an event.

use super::clip::Clip;
use super::ring::{Ring, Unit};
use crate::stream::Lifeline;
use gstreamer as gst;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tracing::warn;

/// Encoded video held per camera: 12 s of a 16 Mbit/s main stream; a sub-stream needs a tenth.
const RING_BYTES_MAX: usize = 24 << 20;

/// The ring holds a little more than the time before an event: the way from the fall to its decision.
const DECIDE_MS: u64 = 3_000;

/// Longest clip, however many events follow each other.
const CLIP_MS_MAX: u64 = 120_000;

/// A clip whose writing has ended, whole or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    /// The events it shows.
    pub events: Vec<u64>,
    /// The `.part` file.
    pub path: PathBuf,
}

/// Told of every clip that ended, from a thread of its own.
pub type Ended = Arc<dyn Fn(Finished) + Send + Sync>;

struct Open {
    clip: Clip,
    events: Vec<u64>,
    path: PathBuf,
    from_ms: u64,
    until_ms: u64,
}

/// See the module.
pub struct Recorder {
    camera: String,
    before_ms: u64,
    after_ms: u64,
    ring: Ring<gst::Sample>,
    newest_ms: u64,
    open: Option<Open>,
    finished: Ended,
}

impl Recorder {
    /// A recorder that hands every ended clip to `finished`.
    pub fn new(camera: &str, before_s: u32, after_s: u32, finished: Ended) -> Recorder {
        let before_ms = u64::from(before_s) * 1_000;
        Recorder {
            camera: camera.to_owned(),
            before_ms,
            after_ms: u64::from(after_s) * 1_000,
            ring: Ring::new(before_ms + DECIDE_MS, RING_BYTES_MAX),
            newest_ms: 0,
            open: None,
            finished,
        }
    }

    /// Takes what the stream says.
    pub fn take(&mut self, said: Lifeline) {
        match said {
            Lifeline::Cut => {
                self.ring.clear();
                self.end();
            }
            Lifeline::Unit(sample) => {
                let Some(unit) = unit_of(sample) else { return };
                self.newest_ms = unit.at_ms;
                if let Some(open) = &self.open {
                    open.clip.push(&unit);
                }
                let over = self.open.as_ref().is_some_and(|open| unit.at_ms >= open.until_ms);
                self.ring.push(unit);
                if over {
                    self.end();
                }
            }
        }
    }

    /// An event was decided now: begins a clip at `path`, or prolongs the one being written.
    /// False when there is no video to keep.
    pub fn event(&mut self, seq: u64, path: &Path) -> bool {
        let now = self.newest_ms;
        if let Some(open) = &mut self.open {
            open.events.push(seq);
            open.until_ms = (now + self.after_ms).min(open.from_ms + CLIP_MS_MAX);
            return true;
        }
        let units = self.ring.since(now.saturating_sub(self.before_ms));
        match Clip::begin(path, &units) {
            Ok(clip) => {
                let until_ms = now + self.after_ms;
                self.open = Some(Open { clip, events: vec![seq], path: path.to_owned(), from_ms: now, until_ms });
                true
            }
            Err(error) => {
                warn!(camera = self.camera, error = format!("{error:#}"), "no clip of this event");
                false
            }
        }
    }

    /// Ends the clip being written, if any. The disk may be slow or dead: that is not waited for here.
    pub fn end(&mut self) {
        let Some(open) = self.open.take() else { return };
        let (camera, finished) = (self.camera.clone(), Arc::clone(&self.finished));
        let end = move || {
            // A clip that could not be ended in good order is kept up to its last whole fragment.
            if let Err(error) = open.clip.finish() {
                warn!(camera, error = format!("{error:#}"), "clip ended early");
            }
            finished(Finished { events: open.events, path: open.path });
        };
        if let Err(error) = std::thread::Builder::new().name("clip".into()).spawn(end) {
            warn!(camera = self.camera, error = %error, "clip is left for the next start");
        }
    }
}

fn unit_of(sample: gst::Sample) -> Option<Unit<gst::Sample>> {
    let buffer = sample.buffer()?;
    let at = sample
        .segment()
        .and_then(|s| s.downcast_ref::<gst::ClockTime>())
        .and_then(|s| s.to_running_time(buffer.pts()?))
        .or(buffer.pts())?;
    let (key, bytes) = (!buffer.flags().contains(gst::BufferFlags::DELTA_UNIT), buffer.size());
    Some(Unit { at_ms: at.mseconds(), key, bytes, payload: sample })
}
