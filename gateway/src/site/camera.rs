//! What the vision process says, as alarms of the site.
//!
//! Invariants: every fall told is a transition of its camera's alarm, also while the alarm is already
//! raised (a second fall ends the first and raises it anew, so that it is seen and acknowledged by
//! itself); a fall that comes twice is known by its number or its time; a vision process that is down
//! is an alarm, never silence.

use super::{Site, Statement};
use crate::qualify::Moment;
use crate::vision::{Taken, VisionEvent};
use minewatch_camera::message::{FallSeen, SightSeen};
use minewatch_domain::{AlarmKind, At, Level, Record};

/// A fall alarm returns to normal when no further fall came for this long. It says nothing about the
/// person: the case at headquarters stays open until people close it.
const FALL_RETURN_MS: u64 = 600_000;

/// Falls remembered to know one that is told again: the vision process tells those again that were not
/// confirmed, which are a few. One that is forgotten would be raised twice, not lost.
const FALLS_REMEMBERED_MAX: usize = 256;

/// Subject of the vision process's own alarm.
const VISION: &str = "vision";

impl Site {
    /// Takes what the vision process says; what is to be confirmed to it once it is durable.
    pub fn vision(&mut self, seen: VisionEvent, now: Moment, out: &mut Vec<Record>) -> Option<Taken> {
        match seen {
            VisionEvent::Fall(fall) => Some(self.fall(fall, now, out)),
            VisionEvent::Sight(sight) => {
                self.sight(sight, out);
                None
            }
            VisionEvent::Down(why) => {
                let why = format!("no camera is watched: {why}");
                self.state(out, AlarmKind::CameraHealth, VISION, Level::Orange, now.wall, why);
                None
            }
            VisionEvent::Up => {
                let why = "the cameras are watched again".to_owned();
                self.state(out, AlarmKind::CameraHealth, VISION, Level::Normal, now.wall, why);
                None
            }
        }
    }

    fn fall(&mut self, fall: FallSeen, now: Moment, out: &mut Vec<Record>) -> Taken {
        let at = At(fall.at_us);
        let alarm = super::alarm_id(&fall.camera, AlarmKind::Fall);
        let taken = |revision| Taken { seq: fall.seq, alarm: alarm.to_string(), revision };
        let key = (fall.seq, fall.at_us);
        if let Some(known) = self.alarms.last(AlarmKind::Fall, &fall.camera)
            && (self.falls_taken.contains(&key) || (known.at == at && known.to != Level::Normal))
        {
            return taken(known.revision);
        }
        if self.falls_taken.len() == FALLS_REMEMBERED_MAX {
            self.falls_taken.pop_front();
        }
        self.falls_taken.push_back(key);
        self.fall_seen.insert(fall.camera.clone(), now);
        let level = match fall.kind.as_str() {
            "same_level" => Level::Orange,
            _ => Level::Red,
        };
        let (before, _) = self.alarms.level(AlarmKind::Fall, &fall.camera);
        // From orange to red is a step of its own; everything else begins anew.
        if before != Level::Normal && before >= level {
            let why = "another fall on this camera; the alarm is raised anew".to_owned();
            out.extend(self.alarms.state(said(&fall, Level::Normal, at, why, None)).map(Record::Alarm));
        }
        let why = format!("{}: {}", kind_en(&fall.kind), fall.why);
        let proof = Some(fall.proof.clone()).filter(|proof| !proof.is_empty());
        let raised = self.alarms.state(said(&fall, level, at, why, proof));
        let revision = raised.as_ref().map_or(0, |transition| transition.revision);
        out.extend(raised.map(Record::Alarm));
        taken(revision)
    }

    fn sight(&mut self, seen: SightSeen, out: &mut Vec<Record>) {
        let level = if seen.blind.is_empty() { Level::Normal } else { Level::Yellow };
        let why = if seen.blind.is_empty() { seen.why } else { format!("{}: {}", seen.blind, seen.why) };
        self.state(out, AlarmKind::CameraHealth, &seen.camera, level, At(seen.at_us), why);
    }

    /// Time passed: fall alarms without a further fall return, and what is no longer watched is ended.
    pub(super) fn tick_cameras(&mut self, now: Moment, out: &mut Vec<Record>) {
        let open = self.alarms.raised_subjects(AlarmKind::Fall);
        for camera in open {
            let since = *self.fall_seen.entry(camera.clone()).or_insert(now);
            if now.elapsed_ms(since) >= FALL_RETURN_MS {
                self.fall_seen.remove(&camera);
                let why = format!(
                    "no further fall for {} s; this says nothing about the person, the case stays open",
                    FALL_RETURN_MS / 1_000
                );
                self.state(out, AlarmKind::Fall, &camera, Level::Normal, now.wall, why);
            }
        }
    }

    /// Camera alarms of what the configuration no longer has are ended.
    pub(super) fn end_unwatched(&mut self, now: Moment, out: &mut Vec<Record>) {
        let watched: std::collections::BTreeSet<String> = match &self.config.cameras {
            Some(cameras) => cameras.names.iter().map(|(id, _)| id.to_string()).chain([VISION.to_owned()]).collect(),
            None => std::collections::BTreeSet::new(),
        };
        for kind in [AlarmKind::Fall, AlarmKind::CameraHealth] {
            for subject in self.alarms.raised_subjects(kind) {
                if !watched.contains(&subject) {
                    let why = "the camera is no longer in the configuration".to_owned();
                    self.state(out, kind, &subject, Level::Normal, now.wall, why);
                }
            }
        }
    }
}

fn kind_en(kind: &str) -> &'static str {
    match kind {
        "same_level" => "a person fell",
        "from_height" => "a person fell from a height",
        "motionless" => "a person lies motionless",
        "arrest" => "a person hangs in a harness after a fall",
        _ => "a fall",
    }
}

fn said(fall: &FallSeen, to: Level, at: At, why: String, proof: Option<String>) -> Statement {
    Statement {
        kind: AlarmKind::Fall,
        subject: fall.camera.clone(),
        point: None,
        to,
        at,
        value: Some(fall.score),
        limit: Some(0.5),
        rule: format!("fall:{}", fall.kind),
        why,
        proof,
    }
}

#[cfg(test)]
#[path = "camera_tests.rs"]
mod tests;
