//! From measures of a descent to an event.
//!
//! Invariant: one fall of one person is one event of each kind at most; a person is armed again only after
//! standing up. Nothing here looks at a clock or a picture. Deliberately absent: what follows an event
//! (alarm, evidence).
//!
//! ```text
//!              ┌────────────── stands for 1 s ──────────────┐
//!              ▼                                            │
//!   Watching ──┬─ level: looks like it, held ──────────────▶ Fallen ── lies still for motionless_s ─▶ event
//!              ├─ height: fast and far, or lost at an edge ─▶┤
//!              ├─ arrest: fast drop, then hangs ────────────▶┤
//!              └─ lies still for motionless_s ──────────────▶ event
//! ```

use crate::event::{FallEvent, FallKind, TRACE_MAX, TracePoint};
use crate::level::{self, Look};
use crate::measure::{Measures, measure, motion};
use crate::pose::Pose;
use crate::profile::{CameraProfile, ZoneKind};
use crate::track::{LOST_MS_MAX, Track, Tracker};
use std::collections::BTreeMap;

/// A descent that ended longer ago is over: what happens then is no part of it.
const AFTER_S_MAX: f32 = 2.5;
/// Standing for that long arms a person again.
const RISEN_MS: i64 = 1_000;
/// Descents of less than this are steps, nods and noise, in body heights.
const DROP_MIN: f32 = 0.18;
/// A fall from a height: hips and ankles come down by that much, in body heights, and that fast.
const HEIGHT_DROP_MIN: f32 = 0.60;
const HEIGHT_SPEED_MIN: f32 = 1.1;
const HEIGHT_ACCELERATION_MIN: f32 = 0.7;
/// A pose surer than this: the last doubtful poses of people who walk out of the picture jump about.
const HEIGHT_CERTAINTY_MIN: f32 = 0.18;
/// From this drop on nobody jumps down on purpose.
const HEIGHT_CERTAIN: f32 = 1.0;
/// Lost while descending: unseen for that long, in seconds, after at least that speed and drop.
const LOST_S: f32 = 0.6;
const LOST_SPEED_MIN: f32 = 0.9;
const LOST_DROP_MIN: f32 = 0.30;
/// How near to an edge line a lost person was last seen, in body heights.
const EDGE_REACH: f32 = 0.5;
/// Hanging: a rigid drop of that much, then upright and at rest for that long.
const ARREST_DROP_MIN: f32 = 0.30;
const ARREST_AFTER_S: f32 = 1.5;
const ARREST_SWAY_MAX: f32 = 0.35;
/// Lying still is slower than this, in body heights per second; key points of a still person tremble less.
const STILL_MAX: f32 = 0.12;
const STILL_WINDOW_S: f32 = 2.0;

/// What is known of one person besides the track.
#[derive(Debug, Clone, Copy, PartialEq)]
enum State {
    /// Armed; since when it looks like a fall on the level.
    Watching { like_since_ms: Option<i64> },
    /// A fall was raised; since when the person stands again.
    Fallen { risen_since_ms: Option<i64> },
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Person {
    state: State,
    /// Since when the person lies and keeps still, and whether that was said.
    still_since_ms: Option<i64>,
    still_said: bool,
}

/// Falls in front of one camera: poses and times in, events out.
#[derive(Debug, Clone)]
pub struct FallTracker {
    profile: CameraProfile,
    tracker: Tracker,
    people: BTreeMap<u64, Person>,
}

impl FallTracker {
    /// A tracker for one camera; `appear` and `follow` are the pose model's thresholds.
    #[must_use]
    pub fn new(profile: CameraProfile, thresholds: crate::manifest::Thresholds) -> Self {
        Self { profile, tracker: Tracker::new(thresholds.appear, thresholds.follow), people: BTreeMap::new() }
    }

    /// People followed now.
    #[must_use]
    pub fn tracks(&self) -> &[Track] {
        self.tracker.tracks()
    }

    /// People not followed because there were too many.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.tracker.refused()
    }

    /// Takes the poses of one picture, taken at `at_ms` of the camera's time (milliseconds, only rising).
    pub fn step(&mut self, poses: &[Pose], at_ms: i64) -> Vec<FallEvent> {
        let looked_at: Vec<Pose> = poses.iter().filter(|pose| !self.masked(pose)).copied().collect();
        let given_up = self.tracker.see(&looked_at, at_ms);
        for track in &given_up {
            self.people.remove(&track.id);
        }
        let mut events = Vec::new();
        for track in self.tracker.tracks() {
            if track.height < self.profile.person_height_min {
                continue;
            }
            let person = self.people.entry(track.id).or_insert(Person {
                state: State::Watching { like_since_ms: None },
                still_since_ms: None,
                still_said: false,
            });
            let judged = Judged { track, profile: &self.profile, at_ms };
            events.extend(judged.fall(&mut person.state));
            events.extend(judged.stillness(person));
        }
        events
    }

    fn masked(&self, pose: &Pose) -> bool {
        self.profile.zone_at(ZoneKind::Mask, pose.trunk()).is_some()
    }
}

/// One person at one moment.
struct Judged<'a> {
    track: &'a Track,
    profile: &'a CameraProfile,
    at_ms: i64,
}

/// A path that came to a decision: its kind, score and reason.
struct Verdict {
    kind: FallKind,
    score: f32,
    why: String,
}

impl Judged<'_> {
    fn fall(&self, state: &mut State) -> Option<FallEvent> {
        match *state {
            State::Watching { like_since_ms } => {
                let measures =
                    measure(self.track, self.at_ms).filter(|m| m.drop >= DROP_MIN && m.after_s <= AFTER_S_MAX);
                let Some(measures) = measures else {
                    *state = State::Watching { like_since_ms: None };
                    return None;
                };
                let sudden = self.height(&measures).or_else(|| self.lost(&measures)).or_else(|| self.arrest(&measures));
                if let Some(verdict) = sudden {
                    *state = State::Fallen { risen_since_ms: None };
                    return Some(self.event(verdict, &measures));
                }
                let look = level::look(&measures);
                let since = (look > Look::NoFall).then(|| like_since_ms.unwrap_or(self.at_ms));
                *state = State::Watching { like_since_ms: since };
                if self.at_ms - since? < look.hold_ms() {
                    return None;
                }
                *state = State::Fallen { risen_since_ms: None };
                Some(self.event(level_verdict(&measures), &measures))
            }
            State::Fallen { risen_since_ms } => {
                let since = self.stands().then(|| risen_since_ms.unwrap_or(self.at_ms));
                *state = if since.is_some_and(|since| self.at_ms - since >= RISEN_MS) {
                    State::Watching { like_since_ms: None }
                } else {
                    State::Fallen { risen_since_ms: since }
                };
                None
            }
        }
    }

    /// Hips and ankles came down together, far and fast.
    fn height(&self, m: &Measures) -> Option<Verdict> {
        let drop = m.hip_drop.min(m.ankle_drop);
        let fast = m.speed >= HEIGHT_SPEED_MIN && m.acceleration >= HEIGHT_ACCELERATION_MIN;
        if drop < HEIGHT_DROP_MIN
            || !fast
            || m.certainty < HEIGHT_CERTAINTY_MIN
            || m.after_s < 0.3
            || m.unseen_s > LOST_S
        {
            return None;
        }
        let upright = m.angle_deg < 40.0 && m.stature > 0.6;
        if upright && (drop < HEIGHT_CERTAIN || (self.at_height() && m.after_s < ARREST_AFTER_S)) {
            return None;
        }
        if upright && self.at_height() && self.hangs(m) {
            return None;
        }
        let why = format!(
            "from a height: hips and ankles came down {drop:.2} body heights (limit {HEIGHT_DROP_MIN:.2}) at {:.1} per second (limit {HEIGHT_SPEED_MIN:.1})",
            m.speed
        );
        Some(Verdict {
            kind: FallKind::FromHeight,
            score: certainty(drop / HEIGHT_DROP_MIN, m.speed / HEIGHT_SPEED_MIN),
            why,
        })
    }

    /// Lost while descending fast, at an edge, in a no-go area or with the feet already off the ground.
    fn lost(&self, m: &Measures) -> Option<Verdict> {
        if m.certainty < HEIGHT_CERTAINTY_MIN
            || m.unseen_s < LOST_S
            || m.unseen_s > AFTER_S_MAX
            || m.speed < LOST_SPEED_MIN
            || m.drop < LOST_DROP_MIN
        {
            return None;
        }
        let last = &self.track.last().pose;
        let edge = self.profile.edge_at(last.trunk(), EDGE_REACH * self.track.height);
        let no_go = self
            .profile
            .zone_at(ZoneKind::NoGo, last.ankles().spot)
            .or_else(|| self.profile.zone_at(ZoneKind::NoGo, last.trunk()));
        let airborne = m.ankle_drop >= 0.5 && m.hip_drop >= 0.5 && m.acceleration >= HEIGHT_ACCELERATION_MIN;
        let place = match (edge.or(no_go), airborne) {
            (Some(zone), true | false) => format!("at \"{}\"", zone.name),
            (None, true) => format!("with the feet {:.2} body heights lower", m.ankle_drop),
            (None, false) => return None,
        };
        let why = format!(
            "from a height: lost {place} for {:.1} s after coming down {:.2} body heights at {:.1} per second (limit {LOST_SPEED_MIN:.1})",
            m.unseen_s, m.drop, m.speed
        );
        Some(Verdict {
            kind: FallKind::FromHeight,
            score: certainty(m.drop / LOST_DROP_MIN, m.speed / LOST_SPEED_MIN),
            why,
        })
    }

    /// A fast drop of the whole body that ends upright and at rest where people work in harness.
    fn arrest(&self, m: &Measures) -> Option<Verdict> {
        let drop = m.hip_drop.min(m.ankle_drop);
        let fast = m.speed >= LOST_SPEED_MIN && m.acceleration >= HEIGHT_ACCELERATION_MIN;
        if drop < ARREST_DROP_MIN || !fast || m.after_s < ARREST_AFTER_S || !self.at_height() || !self.hangs(m) {
            return None;
        }
        let why = format!(
            "arrest: the whole body dropped {drop:.2} body heights (limit {ARREST_DROP_MIN:.2}) at {:.1} per second and hangs for {:.1} s",
            m.speed, m.after_s
        );
        Some(Verdict {
            kind: FallKind::Arrest,
            score: certainty(drop / ARREST_DROP_MIN, m.speed / LOST_SPEED_MIN),
            why,
        })
    }

    fn hangs(&self, m: &Measures) -> bool {
        m.unseen_s < 0.5
            && m.stature > 0.5
            && motion(self.track, self.at_ms, 1.0).is_some_and(|moved| moved < ARREST_SWAY_MAX)
    }

    fn at_height(&self) -> bool {
        let spot = self.track.last().pose.trunk();
        self.profile.zone_at(ZoneKind::WorkAtHeight, spot).is_some()
    }

    fn stands(&self) -> bool {
        let pose = &self.track.last().pose;
        let stature = (pose.ankles().spot.y - pose.head().spot.y) / self.track.height;
        self.at_ms - self.track.last().at_ms < 500 && pose.trunk_angle_deg() < 35.0 && stature > 0.65
    }

    fn lies(&self) -> bool {
        let pose = &self.track.last().pose;
        let stature = (pose.ankles().spot.y - pose.head().spot.y) / self.track.height;
        pose.trunk_angle_deg() > 50.0 && stature < 0.45
    }

    /// Lying and not moving, however it came about; said once until the person moves.
    fn stillness(&self, person: &mut Person) -> Option<FallEvent> {
        let seen = self.at_ms - self.track.last().at_ms < LOST_MS_MAX / 2;
        let resting = self.profile.zone_at(ZoneKind::Rest, self.track.last().pose.trunk()).is_some();
        let still = motion(self.track, self.at_ms, STILL_WINDOW_S).is_some_and(|moved| moved < STILL_MAX);
        if !(seen && still && self.lies() && !resting) {
            person.still_since_ms = None;
            person.still_said = false;
            return None;
        }
        let since = *person.still_since_ms.get_or_insert(self.at_ms - (STILL_WINDOW_S * 1000.0) as i64);
        let still_s = (self.at_ms - since) as f32 / 1000.0;
        if person.still_said || still_s < self.profile.motionless_s {
            return None;
        }
        person.still_said = true;
        let measures = Measures { began_ms: since, ..Measures::default() };
        let why =
            format!("motionless: lies without moving for {still_s:.0} s (limit {:.0} s)", self.profile.motionless_s);
        Some(self.event(
            Verdict { kind: FallKind::Motionless, score: certainty(still_s / self.profile.motionless_s, 1.0), why },
            &measures,
        ))
    }

    fn event(&self, verdict: Verdict, measures: &Measures) -> FallEvent {
        FallEvent {
            kind: verdict.kind,
            at_ms: self.at_ms,
            began_ms: measures.began_ms,
            score: verdict.score,
            track: self.track.id,
            why: verdict.why,
            trace: trace(self.track, measures.began_ms),
        }
    }
}

fn level_verdict(m: &Measures) -> Verdict {
    let why = format!(
        "on the level: trunk came down {:.2} body heights (limit {:.2}) in {:.2} s, {:.2} per second squared (limit {:.2}); then head and hips {:.2} body heights over the feet (limit {:.2}), trunk at {:.0}°",
        m.drop,
        level::DROP_MIN,
        m.duration_s,
        m.acceleration,
        level::ACCELERATION_MIN,
        m.stature + m.hip_height,
        level::HEIGHTS_MAX,
        m.angle_deg,
    );
    Verdict { kind: FallKind::SameLevel, score: level::score(m), why }
}

/// Two measures as multiples of their limits, as a score that is one half at the limits.
fn certainty(a: f32, b: f32) -> f32 {
    let over = (a.min(3.0) - 1.0) + (b.min(3.0) - 1.0);
    1.0 / (1.0 + (-1.5 * over.max(0.0)).exp())
}

/// The poses since half a second before the descent, thinned evenly.
fn trace(track: &Track, began_ms: i64) -> Vec<TracePoint> {
    let samples: Vec<_> = track.samples.iter().filter(|sample| sample.at_ms >= began_ms - 500).collect();
    let step = samples.len().div_ceil(TRACE_MAX).max(1);
    samples
        .iter()
        .rev()
        .step_by(step)
        .map(|sample| TracePoint { at_ms: sample.at_ms, score: sample.pose.score, points: sample.pose.points })
        .collect::<Vec<_>>()
        .into_iter()
        .rev()
        .collect()
}
