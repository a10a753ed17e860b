//! The vision process of a running site: the wiring of its threads, and the one that decides what is
//! told, kept and when.
//!
//! ```text
//! camera threads ─▶ newest-picture slots ─▶ look thread ─▶ control thread ─▶ journal ─▶ gateway
//!       └── encoded video ─▶ recorders ──── clips ─────────▶      ▲                        │
//!                                                                 └──────── taken ─────────┘
//! ```
//! Order for an event: journal (disk), gateway, description, clip, snapshot: the alarm never waits
//! for its pictures.

use crate::evidence::{Canvas, Finished, Recorder, Shelf, blur_heads, draw_people, jpeg};
use crate::journal::Journal;
use crate::looker::{self, Seen};
use crate::socket::{self, Writer};
use crate::stream::{Bell, Camera, CameraCounts, Slot};
use anyhow::{Context, bail};
use minewatch_camera::message::{CameraBeat, FallSeen, FromVision, SightSeen, ToVision};
use minewatch_camera::{CameraSettings, Sight, VisionSettings};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tracing::{info, warn};

/// What waits for the control thread; when full the others wait: a second of falls in every camera.
const INPUTS_MAX: usize = 256;

/// How often the gateway is told that we are alive.
const BEAT: Duration = Duration::from_millis(500);

/// The look thread turns at least this often, or no beat is sent and the gateway starts us again.
const LOOK_STALL_MAX: Duration = Duration::from_secs(15);

/// How often evidence that is too old or too much is removed.
const TIDY: Duration = Duration::from_secs(600);

/// Address space beyond which allocation fails: stacks and arenas of many threads are only reserved, so
/// this is a multiple of the resident bound, which the gateway watches.
const ADDRESS_SPACE_FACTOR: u64 = 6;

/// Memory that must still be had at each beat: several decoded 4K pictures. It is asked for and given back
/// untouched. Native libraries answer a refused allocation by waiting for ever as often as by ending, so
/// the process ends itself and is started again. More than 64 MiB: no heap of a glibc arena holds that much
/// in reserve (`HEAP_MAX_SIZE`), so the kernel is asked each time.
const HEADROOM_BYTES: usize = 96 << 20;

enum Input {
    Gateway(ToVision),
    GatewayGone,
    Seen(Box<Seen>),
    Clip(String, Finished),
}

/// One camera as the control thread knows it.
struct Known {
    settings: CameraSettings,
    recorder: Arc<Mutex<Recorder>>,
    slot: Arc<Slot>,
    counts: Vec<Arc<CameraCounts>>,
    looked: Arc<AtomicU64>,
}

/// Runs until the gateway says stop or goes.
///
/// # Errors
/// When the gateway's words make no sense or a folder cannot be used.
pub fn run() -> anyhow::Result<()> {
    let (mut reader, writer) = socket::open()?;
    let Some(ToVision::Configure { settings, taken }) = reader.receive()? else {
        bail!("the gateway sent no settings");
    };
    let settings: VisionSettings = serde_json::from_str(&settings).context("settings of the gateway")?;
    bound_ourselves(settings.memory_max_mb)?;
    writer.send(&FromVision::Beat { cameras: Vec::new() })?;
    let journal = Journal::open(&Path::new(&settings.evidence.dir).join("events"), taken)?;
    let shelf = Shelf::open(&settings.evidence)?;
    let (tell, inputs) = sync_channel(INPUTS_MAX);
    let listen = tell.clone();
    thread("gateway", move || {
        while let Ok(Some(message)) = reader.receive() {
            if listen.send(Input::Gateway(message)).is_err() {
                return;
            }
        }
        let _ = listen.send(Input::GatewayGone);
    })?;
    Control::start(settings, journal, shelf, writer, tell)?.serve(&inputs)
}

/// A gateway that dies must not leave us behind; memory has a hard end besides the one it watches.
fn bound_ourselves(memory_max_mb: u32) -> anyhow::Result<()> {
    use rustix::process::{Resource, Rlimit, Signal, set_parent_process_death_signal, setrlimit};
    set_parent_process_death_signal(Some(Signal::KILL))?;
    let bytes = u64::from(memory_max_mb) * (1 << 20) * ADDRESS_SPACE_FACTOR;
    setrlimit(Resource::As, Rlimit { current: Some(bytes), maximum: Some(bytes) })?;
    Ok(())
}

/// # Errors
/// When so many bytes cannot be had.
fn can_allocate(bytes: usize) -> anyhow::Result<()> {
    let mut probe = Vec::<u8>::new();
    probe.try_reserve_exact(bytes).with_context(|| format!("memory is exhausted: {} MiB more", bytes >> 20))?;
    std::hint::black_box(&mut probe);
    Ok(())
}

fn thread(name: &str, work: impl FnOnce() + Send + 'static) -> anyhow::Result<()> {
    std::thread::Builder::new().name(name.to_owned()).spawn(work).context("cannot start a thread")?;
    Ok(())
}

struct Control {
    journal: Journal,
    shelf: Shelf,
    writer: Writer,
    cameras: BTreeMap<String, Known>,
    look_turned: Arc<AtomicU64>,
    began: Instant,
    stop: Arc<AtomicBool>,
    blur: bool,
    tidied: Option<Instant>,
}

impl Control {
    fn start(
        settings: VisionSettings,
        journal: Journal,
        shelf: Shelf,
        writer: Writer,
        tell: SyncSender<Input>,
    ) -> anyhow::Result<Control> {
        let (began, stop, bell) = (Instant::now(), Arc::new(AtomicBool::new(false)), Arc::new(Bell::default()));
        let mut cameras = BTreeMap::new();
        let mut looked_at = Vec::new();
        for camera in &settings.cameras {
            let known = start_camera(camera, &settings, &tell, &bell, &stop, began)?;
            let watched = looker::Watched {
                settings: camera.clone(),
                slot: Arc::clone(&known.slot),
                looked: Arc::clone(&known.looked),
            };
            looked_at.push(watched);
            cameras.insert(camera.id.clone(), known);
        }
        let look_turned = Arc::new(AtomicU64::new(0));
        let look = looker::Looker {
            cameras: looked_at,
            inference: settings.inference.clone(),
            began,
            bell,
            turned: Arc::clone(&look_turned),
            writer: writer.clone(),
        };
        let halt = Arc::clone(&stop);
        thread("look", move || look.run(&halt, &|seen| tell.send(Input::Seen(Box::new(seen))).is_ok()))?;
        let blur = settings.evidence.blur;
        Ok(Control { journal, shelf, writer, cameras, look_turned, began, stop, blur, tidied: None })
    }

    fn serve(mut self, inputs: &Receiver<Input>) -> anyhow::Result<()> {
        info!(cameras = self.cameras.len(), "vision runs");
        for fall in self.journal.waiting() {
            self.writer.send(&FromVision::Fall(fall.clone()))?;
        }
        self.shelf.rescue();
        let mut beat_at = Instant::now();
        loop {
            match inputs.recv_timeout(beat_at.saturating_duration_since(Instant::now())) {
                Ok(Input::Gateway(ToVision::Taken { seq, alarm, revision })) => self.taken(seq, &alarm, revision),
                Ok(Input::Gateway(ToVision::Configure { .. })) => bail!("the gateway sent settings twice"),
                Ok(Input::Gateway(ToVision::Stop) | Input::GatewayGone) => break,
                Ok(Input::Seen(seen)) => self.seen(*seen)?,
                Ok(Input::Clip(camera, finished)) => self.clip_ended(&camera, &finished),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if Instant::now() >= beat_at {
                self.beat()?;
                beat_at = Instant::now() + BEAT;
            }
        }
        self.finish(inputs);
        Ok(())
    }

    fn beat(&mut self) -> anyhow::Result<()> {
        can_allocate(HEADROOM_BYTES)?;
        let turned = Duration::from_millis(self.look_turned.load(Ordering::Relaxed));
        if self.began.elapsed().saturating_sub(turned) > LOOK_STALL_MAX {
            warn!("the look thread does not turn; no more signs of life");
            return Ok(());
        }
        if self.tidied.is_none_or(|at| at.elapsed() >= TIDY) {
            self.tidied = Some(Instant::now());
            self.shelf.tidy(SystemTime::now());
        }
        let cameras = self.cameras.iter().map(|(id, known)| {
            let (frames, dropped) = known.slot.counts();
            let reconnects = known.counts.iter().map(|c| c.reconnects.load(Ordering::Relaxed)).sum();
            let looked = known.looked.load(Ordering::Relaxed);
            CameraBeat { camera: id.clone(), frames, dropped, looked, reconnects }
        });
        self.writer.send(&FromVision::Beat { cameras: cameras.collect() })
    }

    fn seen(&mut self, seen: Seen) -> anyhow::Result<()> {
        let now_us = wall_us();
        if let Some(sight) = seen.sight {
            let blind = match sight {
                Sight::Blind(reason) => reason.name().to_owned(),
                Sight::Clear => String::new(),
                Sight::Unknown => return Ok(()),
            };
            let why = if blind.is_empty() { "sees well".to_owned() } else { seen.sight_why.clone() };
            let told = SightSeen { camera: seen.camera.clone(), at_us: now_us, blind, why };
            self.writer.send(&FromVision::Sight(told))?;
        }
        let Some(known) = self.cameras.get(&seen.camera) else { return Ok(()) };
        if seen.events.is_empty() || !known.settings.watches_at(now_us) {
            return Ok(());
        }
        let mut told = Vec::new();
        for (at_us, event) in (now_us..).zip(&seen.events) {
            // A microsecond apart, so that two people who fall together are two events.
            let fall = FallSeen {
                seq: 0,
                camera: seen.camera.clone(),
                at_us,
                kind: event.kind.as_str().to_owned(),
                score: f64::from(event.score),
                track: event.track,
                why: event.why.clone(),
                proof: serde_json::to_string(event).unwrap_or_default(),
            };
            let (fall, refused) = self.journal.add(fall);
            if let Some(error) = refused {
                warn!(camera = seen.camera, error = format!("{error:#}"), "event told but not kept on disk");
            }
            self.writer.send(&FromVision::Fall(fall.clone()))?;
            told.push(fall);
        }
        for fall in &told {
            self.keep(fall, &seen);
        }
        Ok(())
    }

    /// Evidence; what fails here is logged and costs the evidence only.
    fn keep(&self, fall: &FallSeen, seen: &Seen) {
        let mut problem = self.shelf.begin(fall).err();
        if let Some(known) = self.cameras.get(&fall.camera)
            && let Ok(mut recorder) = known.recorder.lock()
        {
            recorder.event(fall.seq, &self.shelf.path(&fall.camera, fall.seq, "mp4.part"));
        }
        let snapshot = seen.frame.as_ref().map(|frame| {
            let mut rgb = frame.rgb.clone();
            let mut canvas = Canvas { rgb: &mut rgb, width: frame.width, height: frame.height };
            if self.blur {
                blur_heads(&mut canvas, &seen.poses);
            }
            draw_people(&mut canvas, &seen.poses, true);
            let bytes = jpeg(&rgb, frame.width, frame.height)?;
            self.shelf.snapshot(&fall.camera, fall.seq, &bytes)
        });
        problem = problem.or(snapshot.and_then(Result::err));
        if let Some(error) = problem {
            warn!(camera = fall.camera, event = fall.seq, error = format!("{error:#}"), "evidence not complete");
        }
    }

    fn taken(&mut self, seq: u64, alarm: &str, revision: u64) {
        let Some(fall) = self.journal.taken(seq) else { return };
        if let Err(error) = self.shelf.taken(&fall.camera, seq, alarm, revision) {
            warn!(camera = fall.camera, event = seq, error = format!("{error:#}"), "evidence not linked");
        }
    }

    fn clip_ended(&self, camera: &str, finished: &Finished) {
        match self.shelf.clip_ended(camera, &finished.events, &finished.path) {
            Ok(()) => info!(camera, events = finished.events.len(), "clip kept"),
            Err(error) => warn!(camera, error = format!("{error:#}"), "clip not kept"),
        }
    }

    /// Ends open clips; what is not done in time is rescued at the next start.
    fn finish(&self, inputs: &Receiver<Input>) {
        self.stop.store(true, Ordering::Relaxed);
        for known in self.cameras.values() {
            if let Ok(mut recorder) = known.recorder.lock() {
                recorder.end();
            }
        }
        let until = Instant::now() + Duration::from_secs(1);
        while let Ok(input) = inputs.recv_timeout(until.saturating_duration_since(Instant::now())) {
            if let Input::Clip(camera, finished) = input {
                self.clip_ended(&camera, &finished);
            }
        }
    }
}

fn start_camera(
    camera: &CameraSettings,
    settings: &VisionSettings,
    tell: &SyncSender<Input>,
    bell: &Arc<Bell>,
    stop: &Arc<AtomicBool>,
    began: Instant,
) -> anyhow::Result<Known> {
    let (id, tell) = (camera.id.clone(), tell.clone());
    let ended = Arc::new(move |finished| drop(tell.send(Input::Clip(id.clone(), finished))));
    let evidence = &settings.evidence;
    let recorder = Arc::new(Mutex::new(Recorder::new(&camera.id, evidence.before_s, evidence.after_s, ended)));
    let slot = Arc::new(Slot::default());
    let pictures = Some((camera.sampling.height, camera.sampling.fps));
    let analysis = (camera.analysis.clone(), pictures, camera.record.is_none());
    let record = camera.record.clone().map(|source| (source, None, true));
    let mut counts = Vec::new();
    for (source, pictures, recorded) in std::iter::once(analysis).chain(record) {
        let count = Arc::new(CameraCounts::default());
        counts.push(Arc::clone(&count));
        let stream = Camera {
            id: camera.id.clone(),
            source,
            pictures,
            slot: Arc::clone(&slot),
            recorder: recorded.then(|| Arc::clone(&recorder)),
            counts: count,
            began,
        };
        let (bell, stop) = (Arc::clone(bell), Arc::clone(stop));
        thread(&format!("cam {}", camera.id), move || stream.run(&bell, &stop))?;
    }
    Ok(Known { settings: camera.clone(), recorder, slot, counts, looked: Arc::new(AtomicU64::new(0)) })
}

fn wall_us() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}
