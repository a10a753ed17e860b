//! Late, repeated and mixed samples: the state afterwards is that of the same samples in order, once.
//!
//! Two snapshots of the model and the samples since the older one are kept. A sample in order is one
//! step. A late one is put in its place and the samples after it are taken again from the snapshot
//! before it; the findings then are the differences to what was in force. A sample older than the older
//! snapshot cannot be put right: it changes nothing and is counted.
//!
//! Many late samples together (a backlog after a silence) are put right together: [`Late::defer`] keeps
//! them until the samples in order have moved on by `skew_ms`, and takes the tail again once for all.
//!
//! Samples of *different* points count as in order within `skew_ms`: buses are polled side by side.

use super::{DamModel, Finding};
use crate::Moment;
use minewatch_domain::{PointId, Reading};
use std::collections::BTreeMap;

/// Order of samples: by time, then by point and content, so that it does not depend on arrival.
type Key = (u64, PointId, u8, u64);

#[derive(Debug, Clone)]
struct Entry {
    key: Key,
    reading: Reading,
    now: Moment,
}

/// A [`DamModel`] that does not mind the order of samples.
#[derive(Debug, Clone)]
pub struct Late {
    head: DamModel,
    base: DamModel,
    middle: DamModel,
    /// Samples since `base`, in order; those before `middle_at` are before `middle`.
    tail: Vec<Entry>,
    middle_at: usize,
    newest: BTreeMap<PointId, u64>,
    newest_ms: u64,
    /// Samples up to this time are beyond correction.
    closed_ms: Option<u64>,
    tail_max: usize,
    skew_ms: u64,
    too_late: u64,
    repeated: u64,
    /// Late samples that are not yet in the tail.
    waiting: Vec<Entry>,
    /// `newest_ms` when the first of them came.
    waiting_since_ms: u64,
}

impl Late {
    /// Samples kept for correction by default: half a minute of 500 points a second, or three days of 50
    /// instruments at 10 minutes. Replaying them takes some ten milliseconds.
    pub const TAIL_MAX: usize = 16_384;
    /// Late samples that wait to be put right together; then they are, however little time has passed. A
    /// backlog of 36 hours of 50 instruments at 10 minutes, with room.
    pub const WAITING_MAX: usize = 16_384;

    /// Wraps a model. `tail_max` samples can be put right; `skew_ms` is how far apart samples of different
    /// points may come in the wrong order without being late.
    pub fn new(model: DamModel, tail_max: usize, skew_ms: u64) -> Late {
        Late {
            head: model.clone(),
            base: model.clone(),
            middle: model,
            tail: Vec::new(),
            middle_at: 0,
            newest: BTreeMap::new(),
            newest_ms: 0,
            closed_ms: None,
            tail_max: tail_max.max(2),
            skew_ms,
            too_late: 0,
            repeated: 0,
            waiting: Vec::new(),
            waiting_since_ms: 0,
        }
    }

    /// The model as it stands.
    pub fn model(&self) -> &DamModel {
        &self.head
    }

    /// Samples that came too late to be put right.
    pub fn too_late(&self) -> u64 {
        self.too_late
    }

    /// Samples that were there already.
    pub fn repeated(&self) -> u64 {
        self.repeated
    }

    /// Takes a reading as [`DamModel::step`] does, whatever its place in time.
    pub fn step(&mut self, reading: &Reading, now: Moment, out: &mut Vec<Finding>) -> bool {
        let known = self.defer(reading, now, out);
        self.settle(out);
        known
    }

    /// [`Late::step`] that may keep a late reading for a while, so that a backlog costs one pass. What is in
    /// order is judged at once. [`Late::settle`] puts right what still waits.
    pub fn defer(&mut self, reading: &Reading, now: Moment, out: &mut Vec<Finding>) -> bool {
        if self.head.plan().number(&reading.point).is_none() {
            return false;
        }
        let key = key(reading, now);
        let entry = Entry { key, reading: reading.clone(), now };
        let own = self.newest.get(&reading.point).copied();
        let behind = now.mono_ms.saturating_add(self.skew_ms) < self.newest_ms;
        let unsorted = self.skew_ms == 0 && self.tail.last().is_some_and(|last| entry.key < last.key);
        let late = own.is_some_and(|own| now.mono_ms <= own) || behind || unsorted;
        if late {
            if self.waiting.is_empty() {
                self.waiting_since_ms = self.newest_ms;
            }
            self.waiting.push(entry);
            if self.waiting.len() >= Late::WAITING_MAX {
                self.settle(out);
            }
        } else {
            if now.mono_ms > self.waiting_since_ms.saturating_add(self.skew_ms) {
                self.settle(out);
            }
            self.newest.insert(reading.point.clone(), now.mono_ms);
            self.newest_ms = self.newest_ms.max(now.mono_ms);
            self.head.step(reading, now, out);
            self.tail.push(entry);
        }
        self.rotate();
        true
    }

    /// Puts late readings in their place and takes the samples after them again.
    pub fn settle(&mut self, out: &mut Vec<Finding>) {
        if self.waiting.is_empty() {
            return;
        }
        let before = self.tail.len();
        for entry in std::mem::take(&mut self.waiting) {
            if self.closed_ms.is_some_and(|closed| entry.key.0 <= closed) {
                self.too_late += 1;
            } else {
                self.tail.push(entry);
            }
        }
        if self.tail.len() == before {
            return;
        }
        // By key; a stable sort leaves what was there first in front of its repetition.
        self.tail.sort_by(|a, b| a.key.cmp(&b.key));
        let with_repetitions = self.tail.len();
        self.tail.dedup_by(|a, b| a.key == b.key);
        self.repeated += (with_repetitions - self.tail.len()) as u64;
        // After sorting, the middle snapshot may no longer be a prefix: everything is taken from the base.
        self.middle_at = 0;
        self.middle = self.base.clone();
        let before = self.head.clone();
        self.head = self.base.clone();
        self.head.quiet = true;
        let mut unused = Vec::new();
        for entry in &self.tail {
            self.head.step(&entry.reading, entry.now, &mut unused);
            unused.clear();
            let newest = self.newest.entry(entry.reading.point.clone()).or_insert(0);
            *newest = (*newest).max(entry.key.0);
        }
        self.head.quiet = false;
        self.head.keep_notes(&before);
        self.newest_ms = self.newest_ms.max(self.tail.last().map_or(0, |last| last.key.0));
        let at = self.tail.last().map_or(Moment::default(), |last| last.now);
        self.head.differences(&before, at.wall, out);
        self.rotate();
    }

    /// Moves the snapshots on once half the room is used.
    fn rotate(&mut self) {
        if self.tail.len() - self.middle_at < self.tail_max / 2 {
            return;
        }
        if self.middle_at > 0 {
            let closed = self.tail[..self.middle_at].iter().map(|entry| entry.key.0).max();
            self.closed_ms = self.closed_ms.max(closed);
            self.tail.drain(..self.middle_at);
            self.base = std::mem::replace(&mut self.middle, self.head.clone());
        } else {
            self.middle = self.head.clone();
        }
        self.middle_at = self.tail.len();
    }
}

fn key(reading: &Reading, now: Moment) -> Key {
    let bits = reading.value.map_or(u64::MAX, f64::to_bits);
    (now.mono_ms, reading.point.clone(), reading.quality.pack(reading.reason), bits)
}
