//! The spool on disk: one tree of keys, one durable write per group of records.
//!
//! Invariants: a record is durable before anybody is told its sequence number; sequence numbers
//! of a stream have no holes except those named by a gap record; every opening is a new epoch,
//! so a spool restored from a copy can never reuse a number (design promise 1).
//! Deliberately absent: threads and channels (`actor`), what to send next (`uplink`).

mod retention;

use super::frames::{FrameDraft, draft_frames};
use super::journal::Write;
use super::key::{self, StreamId, StreamState};
use super::ledger::Ledger;
use super::{Opened, SpoolError, SpoolSettings};
use minewatch_alarm::{Action, Handling};
use minewatch_domain::wire::{FrameV1, StreamV1, encode};
use minewatch_domain::{AlarmTransition, At, Event, EventKind, Gap, GapReason, Lane, PointId, Record};
use rustc_hash::FxHasher;
use std::collections::{BTreeMap, HashMap};
use std::hash::BuildHasherDefault;
use std::ops::Range;

/// Epochs without frames that are still named in a hello, so that a store restored from an old
/// copy can be told what it lost. Older ones are forgotten.
const CLOSED_STREAMS_MAX: usize = 128;

/// Kept back of the size bound for the alarm lane and the gap notes themselves.
const ALARM_RESERVE_BYTES: u64 = 1 << 20;

/// Low bits of an epoch that are random, so that two spools begun in the same moment differ.
const EPOCH_ENTROPY: u64 = 0x3ff;

const K_EPOCH: &[u8] = b"m:epoch";
const K_ALIVE: &[u8] = b"m:alive";
const K_CATALOGUE: &[u8] = b"m:catalogue";
const FRAME: u8 = b'f';
const STREAM: u8 = b's';
const POINT: u8 = b'p';
const ALARM: u8 = b'a';
const HANDLING: u8 = b'h';

fn tagged(tag: u8, key: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(1 + key.len());
    out.push(tag);
    out.extend_from_slice(key);
    out
}

/// Frames ready to be sent, with the names of their points.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Outgoing {
    /// Sequence range covered by the frames.
    pub range: Range<u64>,
    /// The frames, in order.
    pub frames: Vec<FrameV1>,
    /// Names of the point numbers used.
    pub points: Vec<(u32, String)>,
    /// Ranges that cannot be read any more (damaged); a gap record has been written for each.
    pub damaged: Vec<Range<u64>>,
}

pub(super) struct SpoolStore {
    ledger: Ledger,
    alive: At,
    settings: SpoolSettings,
    epoch: u64,
    streams: BTreeMap<StreamId, StreamState>,
    /// Bytes of frames the store has acknowledged and we still keep.
    acked_bytes: u64,
    numbers: HashMap<PointId, u32, BuildHasherDefault<FxHasher>>,
    names: Vec<PointId>,
}

impl SpoolStore {
    /// Opens the spool with a new epoch. `entropy` makes epochs of two spools differ.
    pub(super) fn open(settings: SpoolSettings, now: At, entropy: u32) -> Result<(SpoolStore, Opened), SpoolError> {
        std::fs::create_dir_all(&settings.dir).map_err(|e| SpoolError::Io(e.to_string()))?;
        let path = settings.dir.join("db");
        let (ledger, damaged) = match Ledger::open(&path) {
            Ok(ledger) => (ledger, None),
            Err(SpoolError::Damaged(why)) => {
                let aside = settings.dir.join(format!("damaged-{}", now.millis()));
                std::fs::rename(&path, &aside).map_err(|e| SpoolError::Io(e.to_string()))?;
                (Ledger::open(&path)?, Some(format!("{why}; kept as {}", aside.display())))
            }
            Err(other) => return Err(other),
        };
        let number = |key: &[u8]| -> Result<Option<u64>, SpoolError> {
            Ok(ledger.get(key)?.and_then(|v| (*v).try_into().ok()).map(u64::from_be_bytes))
        };
        let last_epoch = number(K_EPOCH)?.unwrap_or(0);
        // Microseconds with random low bits: below 2^53, so that a browser reads it without loss.
        let fresh = (now.micros().max(0) as u64 & !EPOCH_ENTROPY) | (u64::from(entropy) & EPOCH_ENTROPY);
        let epoch = fresh.max(last_epoch + 1);
        let alive = number(K_ALIVE)?.map(|us| At(us as i64));
        let catalogue = number(K_CATALOGUE)?.unwrap_or(0);
        let (streams, last_written) = load_streams(&ledger)?;
        let mut store = SpoolStore {
            settings,
            epoch,
            alive: now,
            streams,
            acked_bytes: 0,
            numbers: HashMap::default(),
            names: Vec::new(),
            ledger,
        };
        store.load_points()?;
        store.acked_bytes = store.measure_acked()?;
        let (alarms, handling) = (store.load_alarms()?, store.load_handling()?);
        for lane in Lane::ALL {
            store.streams.insert(StreamId { epoch, lane }, StreamState::default());
        }
        let mut writes = vec![(K_EPOCH.to_vec(), Some(epoch.to_be_bytes().to_vec())), alive_write(now)];
        for lane in Lane::ALL {
            writes.push(stream_write(StreamId { epoch, lane }, StreamState::default()));
        }
        store.ledger.commit(writes)?;
        let opened = Opened { epoch, last_alive: last_written.max(alive), alarms, handling, damaged, catalogue };
        Ok((store, opened))
    }

    pub(super) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Next sequence number of a lane of the running epoch.
    pub(super) fn next_seq(&self, lane: Lane) -> u64 {
        self.streams.get(&StreamId { epoch: self.epoch, lane }).map_or(0, |s| s.next)
    }

    /// Appends a group of records: one atomic write, one flush. On success they are durable.
    pub(super) fn append(&mut self, records: &[Record], config: u64, now: At) -> Result<Vec<FrameDraft>, SpoolError> {
        let mut writes = Vec::new();
        let numbers = self.numbers_of(records, &mut writes);
        let next = [self.next_seq(Lane::Alarm), self.next_seq(Lane::Routine)];
        let drafts = draft_frames(records, config, &numbers, next);
        let mut streams = self.streams.clone();
        for draft in &drafts {
            let stream = StreamId { epoch: self.epoch, lane: draft.lane };
            let value = key::seal(draft.count, now.micros(), &encode(&draft.frame));
            let state = streams.entry(stream).or_default();
            state.next = draft.frame.first_seq + u64::from(draft.count);
            state.bytes += value.len() as u64;
            writes.push((tagged(FRAME, &key::frame_key(stream, draft.frame.first_seq)), Some(value)));
        }
        let mut handling = BTreeMap::new();
        for record in records {
            match record {
                Record::Alarm(alarm) => {
                    let json = serde_json::to_vec(alarm).map_err(|e| SpoolError::Io(e.to_string()))?;
                    writes.push((tagged(ALARM, alarm.alarm.as_str().as_bytes()), Some(json)));
                }
                Record::Catalogue(part) => {
                    writes.push((K_CATALOGUE.to_vec(), Some(part.config.to_be_bytes().to_vec())));
                }
                Record::Event(event) if event.kind == EventKind::Operator => self.handled(event, &mut handling),
                Record::Reading(_) | Record::Gap(_) | Record::Event(_) => {}
            }
        }
        for (alarm, joined) in handling {
            let json = serde_json::to_vec(&joined).map_err(|e| SpoolError::Io(e.to_string()))?;
            writes.push((tagged(HANDLING, alarm.as_bytes()), Some(json)));
        }
        self.alive = now;
        self.ledger.commit(writes)?;
        self.streams = streams;
        Ok(drafts)
    }

    /// The point number of each reading, in order; a point seen for the first time gets the next one.
    fn numbers_of(&mut self, records: &[Record], writes: &mut Vec<Write>) -> Vec<u32> {
        let mut numbers = Vec::with_capacity(records.len());
        for record in records {
            let Record::Reading(reading) = record else { continue };
            let known = self.numbers.get(&reading.point).copied();
            numbers.push(known.unwrap_or_else(|| {
                let number = self.names.len() as u32;
                self.numbers.insert(reading.point.clone(), number);
                self.names.push(reading.point.clone());
                writes.push((tagged(POINT, &number.to_be_bytes()), Some(reading.point.as_str().as_bytes().to_vec())));
                number
            }));
        }
        numbers
    }

    /// A frame just made durable, as it would be read back; saves the way to the disk and back.
    pub(super) fn outgoing(&self, draft: FrameDraft) -> (StreamId, Outgoing) {
        let first = draft.frame.first_seq;
        let range = first..first + u64::from(draft.count);
        let mut out = Outgoing { range, frames: vec![draft.frame], ..Outgoing::default() };
        self.name_points(&mut out);
        (StreamId { epoch: self.epoch, lane: draft.lane }, out)
    }

    /// Frames of `stream` from `range.start`, up to `bytes_max` (at least one frame).
    pub(super) fn read(
        &mut self,
        stream: StreamId,
        range: Range<u64>,
        bytes_max: usize,
        now: At,
    ) -> Result<Outgoing, SpoolError> {
        let mut out = Outgoing { range: range.start..range.start, ..Outgoing::default() };
        let (mut bytes, mut at) = (0, now);
        let (from, to) = (key::frame_key(stream, range.start), key::frame_key(stream, range.end));
        for entry in self.ledger.range(tagged(FRAME, &from), tagged(FRAME, &to)) {
            let (found, value) = entry?;
            let Some(first) = key::first_seq(&found[1..]) else { continue };
            if bytes > 0 && bytes + value.len() > bytes_max {
                break;
            }
            let sealed = key::unseal(&value);
            let frame = sealed.and_then(|s| minicbor::decode::<FrameV1>(s.frame).ok().map(|f| (f, s)));
            let Some((frame, sealed)) = frame else { continue };
            if first > out.range.end {
                out.damaged.push(out.range.end..first);
            }
            at = At(sealed.at_us);
            bytes += value.len();
            out.range.end = first + u64::from(sealed.count);
            out.frames.push(frame);
        }
        if out.frames.is_empty() && !range.is_empty() {
            out.damaged.push(range.clone());
            out.range.end = range.end;
        }
        self.name_points(&mut out);
        let notes: Vec<Record> =
            out.damaged.iter().map(|r| gap(GapReason::SpoolDamaged, stream, r.clone(), (at, at))).collect();
        if !notes.is_empty() {
            self.append(&notes, 0, now)?;
        }
        Ok(out)
    }

    #[cfg(test)]
    pub(super) fn corrupt_for_test(&mut self, stream: StreamId, first_seq: u64) {
        let key = tagged(FRAME, &key::frame_key(stream, first_seq));
        self.ledger.note(vec![(key, Some(b"rotten bits, not a frame".to_vec()))]);
    }

    fn name_points(&self, out: &mut Outgoing) {
        let mut used: Vec<u32> =
            out.frames.iter().filter_map(|f| f.readings.as_ref()).flat_map(|r| r.point.iter().copied()).collect();
        used.sort_unstable();
        used.dedup();
        out.points =
            used.into_iter().filter_map(|n| self.names.get(n as usize).map(|name| (n, name.to_string()))).collect();
    }

    /// What the spool holds, running epoch last.
    pub(super) fn streams(&self) -> Vec<StreamV1> {
        let view = |(id, s): (&StreamId, &StreamState)| StreamV1 {
            epoch: id.epoch,
            lane: id.lane.code(),
            oldest: s.oldest,
            next: s.next,
            closed: id.epoch != self.epoch,
            acked: s.acked,
        };
        self.streams.iter().map(view).collect()
    }

    /// Records the store is not known to have.
    pub(super) fn unacked(&self) -> u64 {
        self.streams.values().map(|s| s.next.saturating_sub(s.acked.max(s.oldest))).sum()
    }

    /// Bytes of sealed frames held, acknowledged or not.
    pub(super) fn held_bytes(&self) -> u64 {
        self.streams.values().map(|s| s.bytes).sum()
    }

    fn load_points(&mut self) -> Result<(), SpoolError> {
        for entry in self.ledger.tagged(POINT) {
            let (_, name) = entry?;
            let point =
                PointId::parse(&String::from_utf8_lossy(&name)).map_err(|e| SpoolError::Damaged(e.to_string()))?;
            self.numbers.insert(point.clone(), self.names.len() as u32);
            self.names.push(point);
        }
        Ok(())
    }

    fn load_handling(&self) -> Result<Vec<(PointId, Handling)>, SpoolError> {
        let mut all = Vec::new();
        for entry in self.ledger.tagged(HANDLING) {
            let (key, value) = entry?;
            let alarm = PointId::parse(&String::from_utf8_lossy(&key[1..])).ok();
            all.extend(alarm.zip(serde_json::from_slice::<Handling>(&value).ok()));
        }
        Ok(all)
    }

    /// Joins an operator's action to what is remembered of its alarm.
    fn handled(&self, event: &Event, joined: &mut BTreeMap<String, Handling>) {
        let Ok(action) = serde_json::from_str::<Action>(&event.detail) else { return };
        let stored = || {
            let value = self.ledger.get(&tagged(HANDLING, event.subject.as_bytes())).ok().flatten()?;
            serde_json::from_slice::<Handling>(&value).ok()
        };
        let handling = joined.entry(event.subject.clone()).or_insert_with(|| stored().unwrap_or_default());
        handling.join(&action);
    }

    fn load_alarms(&self) -> Result<Vec<AlarmTransition>, SpoolError> {
        let mut alarms = Vec::new();
        for entry in self.ledger.tagged(ALARM) {
            alarms.extend(serde_json::from_slice::<AlarmTransition>(&entry?.1).ok());
        }
        Ok(alarms)
    }
}

/// The streams as last noted, caught up with the frames written since; and when the last of those
/// frames was taken.
fn load_streams(ledger: &Ledger) -> Result<(BTreeMap<StreamId, StreamState>, Option<At>), SpoolError> {
    let mut streams = BTreeMap::new();
    for entry in ledger.tagged(STREAM) {
        let (key, value) = entry?;
        if let (Some(id), Some(state)) = (StreamId::from_prefix(&key[1..]), StreamState::from_bytes(&value)) {
            streams.insert(id, state);
        }
    }
    let mut last = None;
    for (id, state) in &mut streams {
        let (from, to) = (key::frame_key(*id, state.next), key::frame_key(*id, u64::MAX));
        for entry in ledger.range(tagged(FRAME, &from), tagged(FRAME, &to)) {
            let (found, value) = entry?;
            if let (Some(first), Some(sealed)) = (key::first_seq(&found[1..]), key::unseal(&value)) {
                state.next = first + u64::from(sealed.count);
                state.bytes += value.len() as u64;
                last = last.max(Some(At(sealed.at_us)));
            }
        }
    }
    Ok((streams, last))
}

fn alive_write(now: At) -> Write {
    (K_ALIVE.to_vec(), Some((now.micros() as u64).to_be_bytes().to_vec()))
}

fn stream_write(stream: StreamId, state: StreamState) -> Write {
    (tagged(STREAM, &stream.prefix()), Some(state.to_bytes().to_vec()))
}

fn gap(reason: GapReason, stream: StreamId, lost: Range<u64>, times: (At, At)) -> Record {
    Record::Gap(Gap {
        reason,
        subject: "gateway".to_owned(),
        from: times.0,
        to: times.1,
        count: lost.end.saturating_sub(lost.start),
        seqs: Some((stream.epoch, stream.lane, lost.start, lost.end)),
    })
}
