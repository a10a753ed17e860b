//! `gateway watch`: one file or stream, events as JSON lines.
//!
//! Invariant: a file gives the same lines on every run: every picture is looked at, and time is the
//! file's own. Deliberately absent: alarms, evidence and the ledger.

use crate::evidence::{Canvas, blur_heads, draw_people};
use crate::look::{CameraLook, Diligence, Looked, PoseFinder};
use crate::movie::Movie;
use crate::stream::{Frame, Pipeline, PipelineEnd, Sinks, Speed};
use anyhow::{Context, bail};
use minewatch_camera::{CameraSettings, InferenceSettings, Provider, Sampling, Source, Transport};
use minewatch_fall::{CameraProfile, FallEvent};
use serde_json::json;
use std::io::Write;
use std::path::PathBuf;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

/// Pictures waiting for the model; a file's reader waits when it is full.
const WAITING_MAX: usize = 4;

/// How often the end of the stream is looked for.
const LOOK: Duration = Duration::from_millis(50);

/// Longest wait for the first picture.
const FIRST_MAX: Duration = Duration::from_secs(20);

/// Arguments of `gateway watch`.
#[derive(Debug, clap::Args)]
pub struct WatchArgs {
    /// A video file, or `rtsp://host/path` (or `test`: a moving test picture).
    source: String,
    /// How events are printed.
    #[arg(long, value_enum, default_value = "jsonl")]
    format: Format,
    /// Write a video with skeletons and events drawn in.
    #[arg(long, value_name = "FILE.mp4")]
    annotate: Option<PathBuf>,
    /// Make heads unrecognisable in the annotated video.
    #[arg(long)]
    blur: bool,
    /// Pictures a second looked at.
    #[arg(long, default_value_t = 15.0)]
    fps: f32,
    /// Height of the picture looked at, pixels.
    #[arg(long, default_value_t = 480)]
    height: u32,
    /// Tiles across and down for people far away, for example 2x1.
    #[arg(long, value_parser = tiles, default_value = "1x1")]
    tiles: (u8, u8),
    /// Zones, masks and sizes: a profile as JSON.
    #[arg(long, value_name = "FILE.json")]
    profile: Option<PathBuf>,
    /// Manifest of another pose model.
    #[arg(long)]
    model: Option<String>,
    /// ONNX Runtime library.
    #[arg(long)]
    library: Option<String>,
    /// Threads of one inference.
    #[arg(long, default_value_t = 1)]
    threads: u8,
    /// What the model runs on.
    #[arg(long, value_enum, default_value = "cpu")]
    provider: ProviderArg,
    /// End after this many seconds of a live stream.
    #[arg(long)]
    seconds: Option<f64>,
    /// User of the camera; the password is in --password-file.
    #[arg(long, requires = "password_file")]
    username: Option<String>,
    /// File with the camera's password.
    #[arg(long, requires = "username")]
    password_file: Option<String>,
    /// Datagrams instead of TCP.
    #[arg(long)]
    udp: bool,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Format {
    /// One JSON object a line.
    Jsonl,
    /// One sentence a line.
    Text,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum ProviderArg {
    Cpu,
    Openvino,
    Cuda,
}

fn tiles(text: &str) -> Result<(u8, u8), String> {
    let parsed = text.split_once('x').and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?)));
    parsed
        .filter(|(a, b)| (1..=4).contains(a) && (1..=4).contains(b))
        .ok_or_else(|| format!("{text:?} is not 1x1 to 4x4"))
}

/// Watches a source to its end.
///
/// # Errors
/// When the source or the model cannot be used.
pub fn watch(args: &WatchArgs) -> anyhow::Result<()> {
    let source = source(args)?;
    let live = !matches!(source, Source::File(_));
    let mut finder = crate::infer::finder(&inference(args))?;
    let diligence = if live { Diligence::Gated } else { Diligence::Every };
    let mut look = CameraLook::new(settings(args, source.clone())?, diligence, 0);
    let mut movie = None;
    let (tell, frames) = sync_channel::<Frame>(WAITING_MAX);
    let take = Box::new(move |frame| drop(tell.send(frame)));
    let sinks = Sinks { pictures: Some((args.height, args.fps, take)), units: None };
    let pipeline = Pipeline::start(&source, if live { Speed::Live } else { Speed::AsRead }, sinks)?;
    let (began, mut ended, mut count, mut last_ms) = (Instant::now(), None, 0u64, 0);
    loop {
        match frames.recv_timeout(LOOK) {
            Ok(frame) => {
                (count, last_ms) = (count + 1, frame.at_ms);
                let looked = look.picture(&frame, Some(finder.as_mut() as &mut dyn PoseFinder));
                if let Some(trouble) = &looked.trouble {
                    bail!("the model cannot look at the picture at {} ms: {trouble}", frame.at_ms);
                }
                looked.events.iter().try_for_each(|event| print(args.format, event))?;
                annotate(args, &mut movie, &frame, &looked)?;
            }
            Err(RecvTimeoutError::Timeout) if ended.is_some() => break,
            Err(RecvTimeoutError::Timeout) if count == 0 && began.elapsed() > FIRST_MAX => {
                bail!("no picture within {} s: not a video that can be read", FIRST_MAX.as_secs());
            }
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
        }
        if ended.is_none() {
            ended = pipeline.wait(Duration::ZERO);
        }
        if args.seconds.is_some_and(|limit| live && began.elapsed().as_secs_f64() >= limit) {
            break;
        }
    }
    movie.map_or(Ok(()), Movie::finish)?;
    if let Some(PipelineEnd::Failed(why)) = ended.filter(|_| count == 0 || live) {
        bail!("{why}");
    }
    print_end(args.format, count, last_ms, finder.model_cpu_s())
}

fn print(format: Format, event: &FallEvent) -> anyhow::Result<()> {
    let at_s = event.at_ms as f64 / 1_000.0;
    let kind = event.kind.as_str();
    let line = match format {
        Format::Jsonl => json!({
            "event": "fall", "at_s": at_s, "kind": kind, "score": event.score,
            "track": event.track, "why": event.why,
        })
        .to_string(),
        Format::Text => format!("{at_s:8.2} s  {kind}  score {:.2}  track {}  {}", event.score, event.track, event.why),
    };
    put(&line)
}

fn print_end(format: Format, frames: u64, last_ms: u64, model_s: f64) -> anyhow::Result<()> {
    let cpu = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    let cpu_s = cpu.tv_sec as f64 + cpu.tv_nsec as f64 / 1e9;
    let seconds = last_ms as f64 / 1_000.0;
    let line = match format {
        Format::Jsonl => json!({
            "event": "end", "frames": frames, "seconds": seconds, "cpu_seconds": cpu_s,
            "model_cpu_seconds": model_s,
        })
        .to_string(),
        Format::Text => format!("{frames} pictures, {seconds:.1} s of video, {cpu_s:.1} s of processor time"),
    };
    put(&line)
}

/// One line, at once: whoever reads may be a program.
fn put(line: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).context("cannot print")
}

fn annotate(args: &WatchArgs, movie: &mut Option<Movie>, frame: &Frame, looked: &Looked) -> anyhow::Result<()> {
    let Some(path) = &args.annotate else { return Ok(()) };
    if movie.is_none() {
        *movie = Some(Movie::begin(path, frame.width, frame.height)?);
    }
    let mut rgb = frame.rgb.clone();
    let mut canvas = Canvas { rgb: &mut rgb, width: frame.width, height: frame.height };
    if let Some(poses) = &looked.poses {
        if args.blur {
            blur_heads(&mut canvas, poses);
        }
        draw_people(&mut canvas, poses, !looked.events.is_empty());
    }
    movie.as_ref().map_or(Ok(()), |movie| movie.push(&rgb, frame.at_ms))
}

fn source(args: &WatchArgs) -> anyhow::Result<Source> {
    let login = args.username.clone().zip(args.password_file.clone());
    let transport = if args.udp { Transport::Udp } else { Transport::Tcp };
    match args.source.split_once("://") {
        Some(("rtsp" | "rtsps", rest)) if rest.contains('@') => {
            bail!("the address must not hold a user name or password; use --username and --password-file")
        }
        Some(("rtsp" | "rtsps", _)) => Ok(Source::Rtsp { url: args.source.clone(), login, transport }),
        Some((scheme, _)) => bail!("{scheme}:// is not supported; give a file or rtsp://"),
        None if args.source == "test" => Ok(Source::Test),
        None => Ok(Source::File(args.source.clone())),
    }
}

fn inference(args: &WatchArgs) -> InferenceSettings {
    let provider = match args.provider {
        ProviderArg::Cpu => Provider::Cpu,
        ProviderArg::Openvino => Provider::OpenVino,
        ProviderArg::Cuda => Provider::Cuda,
    };
    InferenceSettings { library: args.library.clone(), manifest: args.model.clone(), provider, threads: args.threads }
}

fn settings(args: &WatchArgs, source: Source) -> anyhow::Result<CameraSettings> {
    let profile = match &args.profile {
        None => CameraProfile::default(),
        Some(path) => {
            let text = std::fs::read(path).with_context(|| format!("profile {}", path.display()))?;
            serde_json::from_slice(&text).with_context(|| format!("profile {}", path.display()))?
        }
    };
    let problems = profile.problems();
    if !problems.is_empty() {
        bail!("profile: {}", problems.join("; "));
    }
    Ok(CameraSettings {
        id: "watch".into(),
        analysis: source,
        record: None,
        sampling: Sampling { fps: args.fps, fps_floor: 1.0, height: args.height, tiles: args.tiles },
        profile,
        utc_offset_min: 480,
        frozen_after_s: 0,
    })
}
