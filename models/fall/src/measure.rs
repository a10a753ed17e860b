//! What a track says about a descent: how far, how fast, and how the person is afterwards.
//!
//! Invariant: every measure is in body heights, seconds or degrees, so that neither the distance to the
//! camera nor the picture rate changes it. Deliberately absent: limits and weights (`level`, `decide`).
//!
//! Speed alone does not tell a fall from lying down quickly; what gravity does is an acceleration. A
//! descent of d body heights in t seconds is measured by d ÷ t²: at a third of the speed it is a ninth.

use crate::pose::{Joint, Pose};
use crate::track::Track;
use serde::Serialize;

/// How far back a descent may have begun.
const WINDOW_MS: i64 = 6_000;
/// The part of a descent that is timed: from this share of it to the other.
const SHARE_FROM: f32 = 0.15;
const SHARE_TO: f32 = 0.85;
/// Speed is taken over this time; shorter ones measure the noise of key points.
const SPEED_MS: i64 = 250;
/// Whether a descent goes on is judged over this time.
const SINKING_MS: i64 = 400;
/// How the person is now is judged over the last samples of that time.
const NOW_MS: i64 = 600;
/// A descent shorter than one picture at 20 a second is not timed more finely.
const DURATION_MIN_S: f32 = 0.05;
/// Nobody rests for that long in the middle of a fall: what was before such a pause is another movement.
const PAUSE_MS: i64 = 1_500;
/// A pause is a stay within this, in body heights.
const PAUSE_MAX: f32 = 0.04;
/// A trunk cannot come down more than that on the level; more is a person coming nearer to the camera.
const LEVEL_DROP_MAX: f32 = 0.5;
/// Key points surer than this make the outline.
const OUTLINE_SCORE: f32 = 0.10;
/// Shapes are limited to this, so that a wild pose does not outweigh the rest.
const ASPECT_MAX: f32 = 3.0;

/// A descent of one person and what came after, up to now.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Measures {
    /// How far the trunk came down, in body heights.
    pub drop: f32,
    /// How far the hips came down, in body heights.
    pub hip_drop: f32,
    /// How far the head came down, in body heights.
    pub head_drop: f32,
    /// How far the ankles came down: a step of a ladder, a fall from a height, not a fall on the level.
    pub ankle_drop: f32,
    /// How long the timed part took, in seconds.
    pub duration_s: f32,
    /// Drop of the timed part (of at most half a body height) ÷ its duration squared, in body heights per second squared.
    pub acceleration: f32,
    /// Fastest descent of the trunk over a quarter of a second, in body heights per second.
    pub speed: f32,
    /// The same for the hips.
    pub hip_speed: f32,
    /// Angle of the trunk now, mean of the last samples, in degrees from upright.
    pub angle_deg: f32,
    /// Width ÷ height of the outline now, mean of the last samples, at most 3.
    pub aspect: f32,
    /// Height of the head over the ankles now, in body heights.
    pub stature: f32,
    /// Height of the hips over the ankles now, in body heights.
    pub hip_height: f32,
    /// How far the trunk came down in the last 0.4 s: while it still sinks, nothing has ended.
    pub sinking: f32,
    /// Trunk angle before, in degrees.
    pub angle_before_deg: f32,
    /// How far the trunk came up again after its lowest, in body heights.
    pub rebound: f32,
    /// Seconds since the end of the timed part.
    pub after_s: f32,
    /// Seconds since the person was last seen.
    pub unseen_s: f32,
    /// Certainty of the pose now, mean of the last samples.
    pub certainty: f32,
    /// When the timed part began, in milliseconds of the camera's time.
    pub began_ms: i64,
    /// When the timed part ended.
    pub ended_ms: i64,
}

/// One height over time, in body heights, downwards.
struct Course<'a> {
    track: &'a Track,
    first: usize,
    down: Vec<f32>,
}

impl<'a> Course<'a> {
    /// The course of what `place` gives, over the window before `now_ms`, a median of three against spikes.
    fn of(track: &'a Track, now_ms: i64, place: impl Fn(&Pose) -> f32) -> Self {
        let first = track.samples.iter().position(|sample| now_ms - sample.at_ms <= WINDOW_MS).unwrap_or(0);
        let raw: Vec<f32> = track.samples.iter().skip(first).map(|sample| place(&sample.pose) / track.height).collect();
        let down = (0..raw.len()).map(|at| median(&raw[at.saturating_sub(1)..raw.len().min(at + 2)])).collect();
        Self { track, first, down }
    }

    fn at_ms(&self, index: usize) -> i64 {
        self.track.samples[self.first + index].at_ms
    }

    /// When the course last crossed a level upwards in value before `before`, between samples by a line.
    fn crossing(&self, level: f32, before: usize) -> Option<(f32, usize)> {
        let after = (1..=before).rev().find(|index| self.down[index - 1] < level && self.down[*index] >= level)?;
        let (a, b) = (self.down[after - 1], self.down[after]);
        let share = if b > a { (level - a) / (b - a) } else { 1.0 };
        let span = (self.at_ms(after) - self.at_ms(after - 1)) as f32;
        Some((self.at_ms(after - 1) as f32 + share * span, after))
    }

    /// The timed part of the descent from `top` to `bottom`.
    fn timed(&self, top: usize, bottom: usize) -> Option<Timed> {
        let drop = self.down[bottom] - self.down[top];
        let level = |share: f32| self.down[top] + share * drop;
        let (end_ms, end) = self.crossing(level(SHARE_TO), bottom)?;
        let (begin_ms, begin) = self.crossing(level(SHARE_FROM), end)?;
        Some(Timed { drop, begin_ms, begin, end_ms, end })
    }

    /// Where the last pause within a timed part ends.
    fn pause(&self, timed: &Timed) -> Option<usize> {
        (timed.begin..timed.end).rev().find(|last| {
            let stay = (timed.begin..=*last)
                .rev()
                .take_while(|index| (self.down[*last] - self.down[*index]).abs() <= PAUSE_MAX);
            stay.last().is_some_and(|first| self.at_ms(*last) - self.at_ms(first) >= PAUSE_MS)
        })
    }

    /// How far it went down within [`SINKING_MS`] before the newest sample.
    fn sinking(&self) -> f32 {
        let last = self.down.len() - 1;
        let before = (0..last).rev().find(|index| self.at_ms(last) - self.at_ms(*index) >= SINKING_MS).unwrap_or(0);
        self.down[last] - self.down[before]
    }

    /// Fastest descent over [`SPEED_MS`], per second.
    fn speed(&self) -> f32 {
        let mut fastest = 0.0_f32;
        for end in 1..self.down.len() {
            let Some(start) = (0..end).rev().find(|start| self.at_ms(end) - self.at_ms(*start) >= SPEED_MS) else {
                continue;
            };
            let seconds = (self.at_ms(end) - self.at_ms(start)) as f32 / 1000.0;
            fastest = fastest.max((self.down[end] - self.down[start]) / seconds);
        }
        fastest
    }
}

/// The timed part of a descent: times in milliseconds, samples as indices of the course.
struct Timed {
    drop: f32,
    begin_ms: f32,
    begin: usize,
    end_ms: f32,
    end: usize,
}

fn median(values: &[f32]) -> f32 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f32::total_cmp);
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[middle] } else { (sorted[middle - 1] + sorted[middle]) / 2.0 }
}

/// The descent in the last seconds before `now_ms`, if the track shows one at all.
#[must_use]
pub fn measure(track: &Track, now_ms: i64) -> Option<Measures> {
    let trunk = Course::of(track, now_ms, |pose| pose.trunk().y);
    let (top, bottom) = descent(&trunk.down)?;
    let whole = trunk.timed(top, bottom)?;
    let timed = trunk.pause(&whole).and_then(|top| trunk.timed(top, bottom)).unwrap_or(whole);
    let Timed { drop, begin_ms, begin, end_ms, .. } = timed;
    let duration_s = ((end_ms - begin_ms) / 1000.0).max(DURATION_MIN_S);
    let before = trunk.first + begin - 1;
    let was = |place: fn(&Pose) -> f32| place(&track.samples[before].pose);
    let now = Now::of(track);
    let fell = |place: fn(&Pose) -> f32| (now.mean(place) - was(place)) / track.height;
    Some(Measures {
        drop,
        hip_drop: fell(|pose| pose.hips().spot.y),
        head_drop: fell(|pose| pose.head().spot.y),
        ankle_drop: fell(|pose| pose.ankles().spot.y),
        duration_s,
        acceleration: drop.min(LEVEL_DROP_MAX) * (SHARE_TO - SHARE_FROM) / (duration_s * duration_s),
        speed: trunk.speed(),
        hip_speed: Course::of(track, now_ms, |pose| pose.hips().spot.y).speed(),
        angle_deg: now.mean(Pose::trunk_angle_deg),
        aspect: now.mean(|pose| pose.bounds(OUTLINE_SCORE).map_or(1.0, |bounds| bounds.aspect().min(ASPECT_MAX))),
        stature: now.mean(|pose| pose.ankles().spot.y - pose.head().spot.y) / track.height,
        hip_height: now.mean(|pose| pose.ankles().spot.y - pose.hips().spot.y) / track.height,
        sinking: trunk.sinking(),
        angle_before_deg: was(Pose::trunk_angle_deg),
        rebound: trunk.down[bottom] - trunk.down[trunk.down.len() - 1],
        after_s: (now_ms as f32 - end_ms) / 1000.0,
        unseen_s: (now_ms - track.last().at_ms) as f32 / 1000.0,
        certainty: now.mean(|pose| pose.score),
        began_ms: begin_ms as i64,
        ended_ms: end_ms as i64,
    })
}

/// The largest descent of a course: indices of its top and, after it, of its bottom.
fn descent(down: &[f32]) -> Option<(usize, usize)> {
    let (mut top, mut best) = (0, None);
    let mut largest = 0.0;
    for (index, value) in down.iter().enumerate() {
        if *value < down[top] {
            top = index;
        }
        if value - down[top] > largest {
            largest = value - down[top];
            best = Some((top, index));
        }
    }
    best
}

/// The last samples of a track.
struct Now<'a> {
    track: &'a Track,
    first: usize,
}

impl<'a> Now<'a> {
    fn of(track: &'a Track) -> Self {
        let last_ms = track.last().at_ms;
        let first = track.samples.iter().position(|sample| last_ms - sample.at_ms <= NOW_MS / 2).unwrap_or(0);
        Self { track, first }
    }

    fn mean(&self, of: impl Fn(&Pose) -> f32) -> f32 {
        let samples = self.track.samples.iter().skip(self.first);
        let count = (self.track.samples.len() - self.first).max(1);
        samples.map(|sample| of(&sample.pose)).sum::<f32>() / count as f32
    }
}

/// How much a person moves: mean distance per second between key points of samples at least 0.4 s apart,
/// over the last `seconds`, in body heights per second. None if the track is younger.
#[must_use]
pub fn motion(track: &Track, now_ms: i64, seconds: f32) -> Option<f32> {
    let from_ms = now_ms - (seconds * 1000.0) as i64;
    if track.samples.front()?.at_ms > from_ms {
        return None;
    }
    let mut last: Option<&crate::track::Sample> = None;
    let (mut moved, mut spans) = (0.0, 0.0);
    for sample in track.samples.iter().filter(|sample| sample.at_ms >= from_ms) {
        let Some(before) = last else {
            last = Some(sample);
            continue;
        };
        if sample.at_ms - before.at_ms >= 400 {
            let joints = [Joint::LeftShoulder, Joint::RightShoulder, Joint::LeftHip, Joint::RightHip];
            let sum: f32 = joints.iter().map(|j| sample.pose.point(*j).spot.distance(before.pose.point(*j).spot)).sum();
            moved += sum / joints.len() as f32 / track.height;
            spans += (sample.at_ms - before.at_ms) as f32 / 1000.0;
            last = Some(sample);
        }
    }
    (spans > 0.0).then(|| moved / spans)
}
