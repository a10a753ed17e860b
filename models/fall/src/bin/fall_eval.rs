//! Replays key points of clips through the decision: JSONL of `models/fall/eval/extract.py` on standard
//! input, one JSON event a line on standard output.
//!
//! `fall-eval [--fps N] [--slow N] [--reverse] [--measures] < CLIP.jsonl`. Several clips may follow each
//! other; each begins with its header. `--slow 3` stretches time threefold, `--reverse` plays backwards,
//! `--measures` writes the measures of every descent instead of events (for training). With
//! `--figures COUNT` nothing is read: that many synthetic figures of every act are watched instead.

use minewatch_fall::figure::Act;
use minewatch_fall::scene::film;
use minewatch_fall::{CameraProfile, FallTracker, Letterbox, Pose, PoseModelManifest, decode_poses, measure};
use serde::Deserialize;
use serde_json::{Value, json};
use std::error::Error;
use std::io::{BufRead, Write};

#[derive(Deserialize)]
struct Head {
    clip: String,
    scaled: [u32; 2],
    input: [u32; 2],
}

#[derive(Deserialize)]
struct Frame {
    at_ms: i64,
    rows: Vec<Vec<f32>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Line {
    Head(Head),
    Frame(Frame),
}

struct Options {
    fps: f64,
    slow: f64,
    reverse: bool,
    measures: bool,
    figures: u64,
}

fn options() -> Result<Options, String> {
    let mut options = Options { fps: 15.0, slow: 1.0, reverse: false, measures: false, figures: 0 };
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut number = |name: &str| {
            let text = args.next().unwrap_or_default();
            text.parse::<f64>()
                .ok()
                .filter(|n| (0.1..=10_000.0).contains(n))
                .ok_or(format!("{name} needs a number of 0.1 to 10000"))
        };
        match arg.as_str() {
            "--fps" => options.fps = number("--fps")?,
            "--slow" => options.slow = number("--slow")?,
            "--figures" => options.figures = number("--figures")? as u64,
            "--reverse" => options.reverse = true,
            "--measures" => options.measures = true,
            other => return Err(format!("{other} is not an option")),
        }
    }
    Ok(options)
}

fn main() -> Result<(), Box<dyn Error>> {
    let options = options()?;
    let manifest = PoseModelManifest::parse(include_str!("../../model.toml"))?;
    let mut clip: Option<(Head, Vec<Frame>)> = None;
    let mut out = std::io::stdout().lock();
    for (act, seed) in Act::ALL.iter().flat_map(|act| (0..options.figures).map(move |seed| (*act, seed))) {
        let film = film(act, seed, options.fps as f32, options.slow as f32);
        let tracker = FallTracker::new(CameraProfile::of_aspect(film.view.aspect), manifest.thresholds);
        let clip = json!({"name": format!("{act:?}/{seed}"), "fall": act.is_fall(), "ends_s": film.ends_s});
        watch(&clip, film.frames, tracker, &options, &mut out)?;
    }
    if options.figures > 0 {
        return Ok(());
    }
    for line in std::io::stdin().lock().lines() {
        match serde_json::from_str(&line?)? {
            Line::Head(head) => {
                if let Some((head, frames)) = clip.replace((head, Vec::new())) {
                    replay(&head, frames, &manifest, &options, &mut out)?;
                }
            }
            Line::Frame(frame) => clip.as_mut().ok_or("a frame before the first header")?.1.push(frame),
        }
    }
    if let Some((head, frames)) = clip {
        replay(&head, frames, &manifest, &options, &mut out)?;
    }
    Ok(())
}

/// The clip as it is looked at: slowed, reversed, thinned to the rate of analysis.
fn timed(frames: Vec<Frame>, options: &Options) -> Vec<Frame> {
    let end_ms = frames.last().map_or(0, |frame| frame.at_ms);
    let mut frames = frames;
    if options.reverse {
        frames.reverse();
    }
    let (mut kept, mut due) = (Vec::new(), f64::MIN);
    for mut frame in frames {
        let at = if options.reverse { end_ms - frame.at_ms } else { frame.at_ms };
        frame.at_ms = (at as f64 * options.slow).round() as i64;
        if frame.at_ms as f64 + 1.0 >= due {
            due = due.max(frame.at_ms as f64 - 500.0 / options.fps) + 1000.0 / options.fps;
            kept.push(frame);
        }
    }
    kept
}

fn replay(
    head: &Head,
    frames: Vec<Frame>,
    manifest: &PoseModelManifest,
    options: &Options,
    out: &mut impl Write,
) -> Result<(), Box<dyn Error>> {
    let letterbox = Letterbox {
        scaled_width: head.scaled[0],
        scaled_height: head.scaled[1],
        input_width: head.input[0],
        input_height: head.input[1],
    };
    let tracker = FallTracker::new(CameraProfile::of_aspect(letterbox.aspect()), manifest.thresholds);
    let frames = timed(frames, options)
        .into_iter()
        .map(|frame| (frame.at_ms, decode_poses(&frame.rows.concat(), manifest, &letterbox)))
        .collect();
    watch(&json!({"name": head.clip}), frames, tracker, options, out)
}

/// Watches a clip; writes its events, or the measures of its descents.
fn watch(
    clip: &Value,
    frames: Vec<(i64, Vec<Pose>)>,
    mut tracker: FallTracker,
    options: &Options,
    out: &mut impl Write,
) -> Result<(), Box<dyn Error>> {
    let seconds = frames.last().map_or(0.0, |(at_ms, _)| *at_ms as f64 / 1000.0);
    let count = frames.len();
    for (at_ms, poses) in frames {
        let events = tracker.step(&poses, at_ms);
        for track in tracker.tracks().iter().filter(|_| options.measures) {
            let Some(m) = measure(track, at_ms) else { continue };
            writeln!(out, "{}", json!({"clip": clip, "at_ms": at_ms, "track": track.id, "m": m}))?;
        }
        for event in events.into_iter().filter(|_| !options.measures) {
            writeln!(
                out,
                "{}",
                json!({"clip": clip, "event": "fall", "at_s": event.at_ms as f64 / 1000.0,
                    "began_s": event.began_ms as f64 / 1000.0, "kind": event.kind, "score": event.score,
                    "track": event.track, "why": event.why})
            )?;
        }
    }
    if !options.measures {
        writeln!(out, "{}", json!({"clip": clip, "event": "end", "frames": count, "seconds": seconds}))?;
    }
    Ok(())
}
