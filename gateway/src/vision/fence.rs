//! Keeps the vision process running.
//!
//! ```text
//!   start ─▶ Starting ──first message──▶ Running ──stop──▶ end
//!              │  silent, ended, leak        │ silent, ended, nonsense, leak
//!              └────────▶ Down(why, back-off) ◀┘
//!                             └──▶ start
//! ```

use super::child::{ChildError, VisionChild};
use super::taken::TakenFile;
use crate::spool::SpoolHandle;
use minewatch_camera::VisionSettings;
use minewatch_camera::message::{CameraBeat, FallSeen, FromVision, SightSeen, ToVision};
use std::path::Path;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// The process says every half second that it is alive; silent for this long, it hangs.
const SILENCE_MAX: Duration = Duration::from_secs(3);

/// Until its first message: a loaded machine, libraries from a slow disk.
const START_MAX: Duration = Duration::from_secs(15);

/// Time to end in good order: open clips are closed.
const STOP_MAX: Duration = Duration::from_secs(3);

/// How often its memory is looked at: at 1 GB/s a leak is caught before the machine swaps.
const MEMORY_CHECK: Duration = Duration::from_millis(500);

/// Shortest and longest pause before it is started again.
const BACKOFF_MIN: Duration = Duration::from_millis(250);
const BACKOFF_MAX: Duration = Duration::from_secs(5);

/// A run of this length was a good one: the back-off begins anew.
const GOOD_RUN: Duration = Duration::from_secs(30);

/// What the site task is told.
#[derive(Debug, Clone, PartialEq)]
pub enum VisionEvent {
    /// Somebody fell.
    Fall(FallSeen),
    /// A camera's sight changed.
    Sight(SightSeen),
    /// The process is not there, or cannot look for falls: no camera is watched.
    Down(String),
    /// It is there and its model runs.
    Up,
}

/// The site put an event into the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// The event's number.
    pub seq: u64,
    /// The alarm it became.
    pub alarm: String,
    /// Its revision.
    pub revision: u64,
}

/// For the metrics page.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct VisionView {
    /// The process runs and says so.
    pub up: bool,
    /// Times it was started again.
    pub restarts: u64,
    /// Its resident memory, bytes.
    pub resident_bytes: u64,
    /// Counters per camera of the running process.
    pub cameras: Vec<CameraBeat>,
}

/// What [`run_vision`] works with.
pub struct Fence {
    /// What to watch.
    pub settings: VisionSettings,
    /// The ledger, to know when an event is durable.
    pub spool: SpoolHandle,
    /// To the site task.
    pub events: mpsc::Sender<VisionEvent>,
    /// Events that the site task has put into the ledger.
    pub taken: mpsc::Receiver<Taken>,
    /// For the metrics page.
    pub view: watch::Sender<VisionView>,
}

/// Runs the vision process, again and again, until `stop`.
pub async fn run_vision(mut fence: Fence, stop: CancellationToken) {
    let mut attempt = 0u32;
    loop {
        let began = Instant::now();
        let why = tokio::select! {
            () = stop.cancelled() => return,
            why = fence.one_run(&stop) => match why {
                Some(why) => why,
                None => return,
            },
        };
        warn!(error = why, "vision process is down");
        fence.view.send_modify(|view| {
            view.up = false;
            view.restarts += 1;
        });
        if fence.events.send(VisionEvent::Down(why)).await.is_err() {
            return;
        }
        attempt = if began.elapsed() >= GOOD_RUN { 0 } else { attempt.saturating_add(1) };
        let pause = BACKOFF_MIN.saturating_mul(1 << attempt.min(6)).min(BACKOFF_MAX);
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

impl Fence {
    /// One run; why it ended, or `None` when told to stop.
    async fn one_run(&mut self, stop: &CancellationToken) -> Option<String> {
        let file = TakenFile::new(Path::new(&self.settings.evidence.dir));
        let settings = match serde_json::to_string(&self.settings) {
            Ok(settings) => settings,
            Err(error) => return Some(format!("settings cannot be told: {error}")),
        };
        let mut child = match VisionChild::start() {
            Ok(child) => child,
            Err(error) => return Some(format!("{error:#}")),
        };
        let hello = ToVision::Configure { settings, taken: file.read() };
        let why = match child.say(&hello).await {
            Ok(()) => self.listen(&mut child, &file, stop).await,
            Err(error) => Some(error.to_string()),
        };
        let Some(why) = why else {
            let _ = child.say(&ToVision::Stop).await;
            let _ = tokio::time::timeout(STOP_MAX, async { while child.next().await.is_ok() {} }).await;
            child.end().await;
            return None;
        };
        let how = child.end().await;
        Some(format!("{why} ({how})"))
    }

    async fn listen(&mut self, child: &mut VisionChild, file: &TakenFile, stop: &CancellationToken) -> Option<String> {
        let limit = u64::from(self.settings.memory_max_mb) << 20;
        let mut deadline = Instant::now() + START_MAX;
        let mut memory = tokio::time::interval(MEMORY_CHECK);
        loop {
            tokio::select! {
                () = stop.cancelled() => return None,
                message = child.next() => match message {
                    Ok(message) => {
                        deadline = Instant::now() + SILENCE_MAX;
                        if self.heard(message).await.is_err() {
                            return None;
                        }
                    }
                    Err(error @ (ChildError::Ended | ChildError::Nonsense(_))) => return Some(error.to_string()),
                },
                Some(taken) = self.taken.recv() => {
                    if let Err(error) = self.confirm(child, file, taken).await {
                        return Some(error.to_string());
                    }
                }
                () = tokio::time::sleep_until(deadline) => return Some("vision process is silent".to_owned()),
                _ = memory.tick() => {
                    let resident = child.resident_bytes().unwrap_or(0);
                    self.view.send_modify(|view| view.resident_bytes = resident);
                    if resident > limit {
                        let (now, most) = (resident >> 20, limit >> 20);
                        return Some(format!("vision process takes {now} MiB of memory; at most {most} are allowed"));
                    }
                }
            }
        }
    }

    /// Passes a message on; an error when the site task has gone.
    async fn heard(&self, message: FromVision) -> Result<(), mpsc::error::SendError<VisionEvent>> {
        match message {
            FromVision::Beat { cameras } => {
                self.view.send_modify(|view| view.cameras = cameras);
                Ok(())
            }
            FromVision::Started { degraded } if degraded.is_empty() => {
                info!("vision process runs");
                self.view.send_modify(|view| view.up = true);
                self.events.send(VisionEvent::Up).await
            }
            FromVision::Started { degraded } => {
                self.events.send(VisionEvent::Down(format!("falls are not looked for: {degraded}"))).await
            }
            FromVision::Fall(fall) => self.events.send(VisionEvent::Fall(fall)).await,
            FromVision::Sight(sight) => self.events.send(VisionEvent::Sight(sight)).await,
        }
    }

    /// Tells the process that an event is safe, once it is.
    async fn confirm(&self, child: &mut VisionChild, file: &TakenFile, taken: Taken) -> Result<(), ChildError> {
        if self.spool.barrier().await.is_err() {
            return Ok(()); // The gateway is ending; the process will tell the event again.
        }
        if let Err(error) = file.write(taken.seq.max(file.read())) {
            warn!(error = %error, "number of the last event not kept; it may come twice after a restart");
        }
        let Taken { seq, alarm, revision } = taken;
        child.say(&ToVision::Taken { seq, alarm, revision }).await
    }
}
