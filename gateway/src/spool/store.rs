//! The spool on disk: one sled tree, one atomic batch and one flush per group of records.
//!
//! Invariants: a record is durable before anybody is told its sequence number; sequence numbers
//! of a stream have no holes except those named by a gap record; every opening is a new epoch,
//! so a spool restored from a copy can never reuse a number (design promise 1).
//! Deliberately absent: threads and channels (`actor`), what to send next (`uplink`).

use super::frames::{FrameDraft, draft_frames};
use super::key::{self, StreamId, StreamState};
use super::{Opened, SpoolError, SpoolSettings};
use minewatch_domain::wire::{FrameV1, StreamV1, encode};
use minewatch_domain::{AlarmTransition, At, Gap, GapReason, Lane, PointId, RangeSet, Record};
use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

/// Epochs without frames that are still named in a hello, so that a store restored from an old
/// copy can be told what it lost. Older ones are forgotten.
const CLOSED_STREAMS_MAX: usize = 128;

/// sled's page cache. Small: the spool is written and read in order.
const CACHE_BYTES: u64 = 4 << 20;

/// Kept back of the size bound for the alarm lane and the gap notes themselves.
const ALARM_RESERVE_BYTES: u64 = 1 << 20;

const K_EPOCH: &[u8] = b"m:epoch";
const K_ALIVE: &[u8] = b"m:alive";
const K_CATALOGUE: &[u8] = b"m:catalogue";
const FRAME: u8 = b'f';
const STREAM: u8 = b's';
const POINT: u8 = b'p';
const ALARM: u8 = b'a';

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
    db: sled::Db,
    settings: SpoolSettings,
    epoch: u64,
    streams: BTreeMap<StreamId, StreamState>,
    /// Bytes of frames the store has acknowledged and we still keep.
    acked_bytes: u64,
    numbers: HashMap<PointId, u32>,
    names: Vec<PointId>,
}

impl SpoolStore {
    /// Opens the spool with a new epoch. `entropy` makes epochs of two spools differ.
    pub(super) fn open(settings: SpoolSettings, now: At, entropy: u32) -> Result<(SpoolStore, Opened), SpoolError> {
        std::fs::create_dir_all(&settings.dir).map_err(|e| SpoolError::Io(e.to_string()))?;
        let path = settings.dir.join("db");
        let (db, damaged) = match open_db(&path) {
            Ok(db) => (db, None),
            Err(SpoolError::Damaged(why)) => {
                let aside = settings.dir.join(format!("damaged-{}", now.millis()));
                std::fs::rename(&path, &aside).map_err(|e| SpoolError::Io(e.to_string()))?;
                (open_db(&path)?, Some(format!("{why}; kept as {}", aside.display())))
            }
            Err(other) => return Err(other),
        };
        let number = |key: &[u8]| -> Result<Option<u64>, SpoolError> {
            Ok(db.get(key)?.and_then(|v| v.as_ref().try_into().ok()).map(u64::from_be_bytes))
        };
        let last_epoch = number(K_EPOCH)?.unwrap_or(0);
        let fresh = (now.millis().max(0) as u64) << 20 | u64::from(entropy & 0xf_ffff);
        let epoch = fresh.max(last_epoch + 1);
        let alive = number(K_ALIVE)?.map(|us| At(us as i64));
        let catalogue = number(K_CATALOGUE)?.unwrap_or(0);
        let mut store = SpoolStore {
            settings,
            epoch,
            streams: load_streams(&db)?,
            acked_bytes: 0,
            numbers: HashMap::new(),
            names: Vec::new(),
            db,
        };
        store.load_points()?;
        store.acked_bytes = store.measure_acked()?;
        let alarms = store.load_alarms()?;
        for lane in Lane::ALL {
            store.streams.insert(StreamId { epoch, lane }, StreamState::default());
        }
        let mut batch = sled::Batch::default();
        batch.insert(K_EPOCH, &epoch.to_be_bytes());
        batch.insert(K_ALIVE, &(now.micros() as u64).to_be_bytes());
        store.commit(batch)?;
        let opened = Opened { epoch, last_alive: alive, alarms, damaged, catalogue };
        Ok((store, opened))
    }

    pub(super) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Next sequence number of a lane of the running epoch.
    pub(super) fn next_seq(&self, lane: Lane) -> u64 {
        self.streams.get(&StreamId { epoch: self.epoch, lane }).map_or(0, |s| s.next)
    }

    /// Appends a group of records: one atomic batch, one flush. On success they are durable.
    pub(super) fn append(&mut self, records: &[Record], config: u64, now: At) -> Result<Vec<FrameDraft>, SpoolError> {
        let mut batch = sled::Batch::default();
        let (mut numbers, mut names) = (Vec::new(), self.names.len() as u32);
        for record in records {
            if let Record::Reading(reading) = record
                && !self.numbers.contains_key(&reading.point)
            {
                self.numbers.insert(reading.point.clone(), names);
                batch.insert(tagged(POINT, &names.to_be_bytes()), reading.point.as_str().as_bytes());
                numbers.push(reading.point.clone());
                names += 1;
            }
        }
        self.names.extend(numbers);
        let next = [self.next_seq(Lane::Alarm), self.next_seq(Lane::Routine)];
        let drafts = draft_frames(records, config, &self.numbers, next);
        let mut streams = self.streams.clone();
        self.stage(&mut batch, &mut streams, &drafts);
        for record in records {
            match record {
                Record::Alarm(alarm) => {
                    let json = serde_json::to_vec(alarm).map_err(|e| SpoolError::Io(e.to_string()))?;
                    batch.insert(tagged(ALARM, alarm.alarm.as_str().as_bytes()), json);
                }
                Record::Catalogue(part) => batch.insert(K_CATALOGUE, &part.config.to_be_bytes()),
                Record::Reading(_) | Record::Gap(_) | Record::Event(_) => {}
            }
        }
        batch.insert(K_ALIVE, &(now.micros() as u64).to_be_bytes());
        self.commit(batch)?;
        self.streams = streams;
        Ok(drafts)
    }

    /// A frame just made durable, as it would be read back; saves the way to the disk and back.
    pub(super) fn outgoing(&self, draft: FrameDraft) -> (StreamId, Outgoing) {
        let first = draft.frame.first_seq;
        let range = first..first + u64::from(draft.count);
        let mut out = Outgoing { range, frames: vec![draft.frame], ..Outgoing::default() };
        self.name_points(&mut out);
        (StreamId { epoch: self.epoch, lane: draft.lane }, out)
    }

    fn stage(&self, batch: &mut sled::Batch, streams: &mut BTreeMap<StreamId, StreamState>, drafts: &[FrameDraft]) {
        for draft in drafts {
            let stream = StreamId { epoch: self.epoch, lane: draft.lane };
            let value = key::seal(draft.count, draft.at.micros(), &encode(&draft.frame));
            let state = streams.entry(stream).or_default();
            state.next = draft.frame.first_seq + u64::from(draft.count);
            state.bytes += value.len() as u64;
            batch.insert(tagged(FRAME, &key::frame_key(stream, draft.frame.first_seq)), value);
            batch.insert(tagged(STREAM, &stream.prefix()), &state.to_bytes()[..]);
        }
    }

    fn commit(&self, batch: sled::Batch) -> Result<(), SpoolError> {
        self.db.apply_batch(batch)?;
        self.db.flush()?;
        Ok(())
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
        for entry in self.db.range(tagged(FRAME, &from)..tagged(FRAME, &to)) {
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
    pub(super) fn corrupt_for_test(&self, stream: StreamId, first_seq: u64) {
        let key = tagged(FRAME, &key::frame_key(stream, first_seq));
        self.db.insert(key, &b"rotten bits, not a frame"[..]).expect("insert");
    }

    fn name_points(&self, out: &mut Outgoing) {
        let mut used: Vec<u32> =
            out.frames.iter().filter_map(|f| f.readings.as_ref()).flat_map(|r| r.point.iter().copied()).collect();
        used.sort_unstable();
        used.dedup();
        out.points =
            used.into_iter().filter_map(|n| self.names.get(n as usize).map(|name| (n, name.to_string()))).collect();
    }

    /// The store has `ranges` of `stream`: remember it and drop what need not be kept.
    pub(super) fn acked(&mut self, stream: StreamId, upto: u64) -> Result<(), SpoolError> {
        let Some(state) = self.streams.get(&stream).copied() else { return Ok(()) };
        if upto <= state.acked || upto > state.next {
            return Ok(());
        }
        self.acked_bytes += self.bytes_between(stream, state.acked.max(state.oldest)..upto)?;
        let state = StreamState { acked: upto, ..state };
        self.streams.insert(stream, state);
        self.db.insert(tagged(STREAM, &stream.prefix()), &state.to_bytes()[..])?;
        self.trim_acked(self.settings.keep_acked_bytes)
    }

    /// Drops the oldest acknowledged frames until at most `keep` bytes of them remain. Works in
    /// strides, so that one ack rarely costs a deletion.
    fn trim_acked(&mut self, keep: u64) -> Result<(), SpoolError> {
        if self.acked_bytes > keep + keep / 8 {
            let ids: Vec<StreamId> = self.streams.keys().copied().collect();
            for stream in ids {
                let acked = self.streams.get(&stream).map_or(0, |s| s.acked);
                let excess = self.acked_bytes.saturating_sub(keep);
                if excess == 0 {
                    break;
                }
                let (freed, _) = self.drop_oldest(stream, acked, excess)?;
                self.acked_bytes = self.acked_bytes.saturating_sub(freed);
            }
        }
        self.forget_old_streams()
    }

    fn forget_old_streams(&mut self) -> Result<(), SpoolError> {
        let done: Vec<StreamId> = self
            .streams
            .iter()
            .filter(|(id, s)| id.epoch != self.epoch && s.oldest == s.next && s.acked == s.next)
            .map(|(id, _)| *id)
            .collect();
        for stream in done.iter().take(done.len().saturating_sub(CLOSED_STREAMS_MAX)) {
            self.streams.remove(stream);
            self.db.remove(tagged(STREAM, &stream.prefix()))?;
        }
        Ok(())
    }

    /// Removes frames from the front of a stream, below `limit_seq`, until `bytes` are freed.
    /// Returns the bytes freed and the source times of the first and last frame removed.
    fn drop_oldest(
        &mut self,
        stream: StreamId,
        limit_seq: u64,
        bytes: u64,
    ) -> Result<(u64, Option<(At, At)>), SpoolError> {
        let Some(mut state) = self.streams.get(&stream).copied() else { return Ok((0, None)) };
        let (mut freed, mut times) = (0, None::<(At, At)>);
        let mut batch = sled::Batch::default();
        let (from, to) = (key::frame_key(stream, state.oldest), key::frame_key(stream, limit_seq));
        if from >= to {
            return Ok((0, None));
        }
        for entry in self.db.range(tagged(FRAME, &from)..tagged(FRAME, &to)) {
            let (found, value) = entry?;
            let first = key::first_seq(&found[1..]).unwrap_or(state.oldest);
            if let Some(sealed) = key::unseal(&value) {
                times = Some((times.map_or(At(sealed.at_us), |(a, _)| a), At(sealed.at_us)));
                state.oldest = first + u64::from(sealed.count);
            }
            freed += value.len() as u64;
            batch.remove(found);
            if freed >= bytes {
                break;
            }
        }
        state.bytes = state.bytes.saturating_sub(freed);
        batch.insert(tagged(STREAM, &stream.prefix()), &state.to_bytes()[..]);
        self.db.apply_batch(batch)?;
        self.streams.insert(stream, state);
        Ok((freed, times))
    }

    /// Makes room for `incoming` bytes within the size bound: first acknowledged frames go, then
    /// the oldest routine records, each loss stated by a gap record. Returns the gap records
    /// (already appended).
    pub(super) fn make_room(&mut self, incoming: u64, now: At) -> Result<Vec<Gap>, SpoolError> {
        let bound = self.settings.size_max_bytes.saturating_sub(ALARM_RESERVE_BYTES);
        let held: u64 = self.streams.values().map(|s| s.bytes).sum();
        let mut excess = (held + incoming).saturating_sub(bound);
        if excess == 0 {
            return Ok(Vec::new());
        }
        self.trim_acked(self.acked_bytes.saturating_sub(excess))?;
        excess = (self.streams.values().map(|s| s.bytes).sum::<u64>() + incoming).saturating_sub(bound);
        let stride = excess.max(bound / 64);
        let mut gaps = Vec::new();
        let lanes = [Lane::Routine, Lane::Alarm];
        let ids: Vec<StreamId> =
            lanes.iter().flat_map(|l| self.streams.keys().filter(move |id| id.lane == *l).copied()).collect();
        for stream in ids {
            if excess == 0 {
                break;
            }
            let before = self.streams.get(&stream).copied().unwrap_or_default();
            let (freed, times) = self.drop_oldest(stream, before.next, stride)?;
            let after = self.streams.get(&stream).copied().unwrap_or_default();
            excess = excess.saturating_sub(freed);
            let lost = before.oldest.max(before.acked)..after.oldest;
            if after.acked < after.oldest {
                self.streams.insert(stream, StreamState { acked: after.oldest, ..after });
            }
            if let (false, Some(times)) = (lost.is_empty(), times) {
                gaps.extend(as_gap(gap(GapReason::SpoolFull, stream, lost, times)));
            }
        }
        self.acked_bytes = self.measure_acked()?;
        let notes: Vec<Record> = gaps.iter().cloned().map(Record::Gap).collect();
        self.append(&notes, 0, now)?;
        Ok(gaps)
    }

    /// The store says what it has. Where that is less than it once acknowledged, it was restored
    /// from a copy: what we still hold is to be sent again, the rest becomes gap records.
    pub(super) fn reconcile(
        &mut self,
        store_has: &BTreeMap<StreamId, RangeSet>,
        now: At,
    ) -> Result<Vec<Gap>, SpoolError> {
        let mut gaps = Vec::new();
        let empty = RangeSet::new();
        for (stream, state) in self.streams.clone() {
            let has = store_has.get(&stream).unwrap_or(&empty);
            let missing = has.missing_in(0..state.acked);
            let Some(first_missing) = missing.first().map(|r| r.start) else { continue };
            for range in missing.iter().filter(|r| r.start < state.oldest) {
                let lost = range.start..range.end.min(state.oldest);
                gaps.extend(as_gap(gap(GapReason::StoreRestored, stream, lost, (now, now))));
            }
            let acked = first_missing.max(state.oldest).min(state.acked);
            self.streams.insert(stream, StreamState { acked, ..state });
        }
        if !gaps.is_empty() {
            let notes: Vec<Record> = gaps.iter().cloned().map(Record::Gap).collect();
            self.append(&notes, 0, now)?;
        }
        self.acked_bytes = self.measure_acked()?;
        Ok(gaps)
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

    fn bytes_between(&self, stream: StreamId, range: Range<u64>) -> Result<u64, SpoolError> {
        if range.is_empty() {
            return Ok(0);
        }
        let (from, to) = (key::frame_key(stream, range.start), key::frame_key(stream, range.end));
        let mut sum = 0;
        for entry in self.db.range(tagged(FRAME, &from)..tagged(FRAME, &to)) {
            sum += entry?.1.len() as u64;
        }
        Ok(sum)
    }

    fn measure_acked(&self) -> Result<u64, SpoolError> {
        let mut sum = 0;
        for (stream, state) in &self.streams {
            sum += match state.acked >= state.next {
                true => state.bytes,
                false => self.bytes_between(*stream, state.oldest..state.acked.max(state.oldest))?,
            };
        }
        Ok(sum)
    }

    fn load_points(&mut self) -> Result<(), SpoolError> {
        for entry in self.db.scan_prefix([POINT]) {
            let (_, name) = entry?;
            let point =
                PointId::parse(&String::from_utf8_lossy(&name)).map_err(|e| SpoolError::Damaged(e.to_string()))?;
            self.numbers.insert(point.clone(), self.names.len() as u32);
            self.names.push(point);
        }
        Ok(())
    }

    fn load_alarms(&self) -> Result<Vec<AlarmTransition>, SpoolError> {
        let mut alarms = Vec::new();
        for entry in self.db.scan_prefix([ALARM]) {
            alarms.extend(serde_json::from_slice::<AlarmTransition>(&entry?.1).ok());
        }
        Ok(alarms)
    }
}

fn load_streams(db: &sled::Db) -> Result<BTreeMap<StreamId, StreamState>, SpoolError> {
    let mut streams = BTreeMap::new();
    for entry in db.scan_prefix([STREAM]) {
        let (key, value) = entry?;
        if let (Some(id), Some(state)) = (StreamId::from_prefix(&key[1..]), StreamState::from_bytes(&value)) {
            streams.insert(id, state);
        }
    }
    Ok(streams)
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

fn as_gap(record: Record) -> Option<Gap> {
    match record {
        Record::Gap(gap) => Some(gap),
        Record::Reading(_) | Record::Alarm(_) | Record::Event(_) | Record::Catalogue(_) => None,
    }
}

/// Opens sled. Corruption (also when sled panics over it) is told apart from "in use" and I/O
/// errors: only a damaged spool may be moved aside.
fn open_db(path: &std::path::Path) -> Result<sled::Db, SpoolError> {
    let open = || sled::Config::new().path(path).cache_capacity(CACHE_BYTES).flush_every_ms(None).open();
    match std::panic::catch_unwind(std::panic::AssertUnwindSafe(open)) {
        Ok(Ok(db)) => Ok(db),
        Ok(Err(error)) => Err(error.into()),
        Err(_) => Err(SpoolError::Damaged("sled could not read its log".to_owned())),
    }
}
