//! What may be forgotten: acknowledged frames over the kept size, and, only when the size bound is
//! reached, the oldest routine records, each loss stated by a gap record.

use super::{
    ALARM_RESERVE_BYTES, CLOSED_STREAMS_MAX, FRAME, STREAM, SpoolStore, alive_write, gap, stream_write, tagged,
};
use crate::spool::SpoolError;
use crate::spool::key::{self, StreamId, StreamState};
use minewatch_domain::{At, Gap, GapReason, Lane, RangeSet, Record};
use std::collections::BTreeMap;
use std::ops::Range;

impl SpoolStore {
    /// The store has `ranges` of `stream`: remember it and drop what need not be kept.
    pub(in crate::spool) fn acked(&mut self, stream: StreamId, upto: u64) -> Result<(), SpoolError> {
        let Some(state) = self.streams.get(&stream).copied() else { return Ok(()) };
        if upto <= state.acked || upto > state.next {
            return Ok(());
        }
        self.acked_bytes += self.bytes_between(stream, state.acked.max(state.oldest)..upto)?;
        let state = StreamState { acked: upto, ..state };
        self.streams.insert(stream, state);
        self.ledger.note(vec![stream_write(stream, state), alive_write(self.alive)]);
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
            self.ledger.note(vec![(tagged(STREAM, &stream.prefix()), None)]);
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
        let mut writes = Vec::new();
        let (from, to) = (key::frame_key(stream, state.oldest), key::frame_key(stream, limit_seq));
        if from >= to {
            return Ok((0, None));
        }
        for entry in self.ledger.range(tagged(FRAME, &from), tagged(FRAME, &to)) {
            let (found, value) = entry?;
            let first = key::first_seq(&found[1..]).unwrap_or(state.oldest);
            if let Some(sealed) = key::unseal(&value) {
                times = Some((times.map_or(At(sealed.at_us), |(a, _)| a), At(sealed.at_us)));
                state.oldest = first + u64::from(sealed.count);
            }
            freed += value.len() as u64;
            writes.push((found, None));
            if freed >= bytes {
                break;
            }
        }
        state.bytes = state.bytes.saturating_sub(freed);
        writes.push(stream_write(stream, state));
        self.ledger.note(writes);
        self.streams.insert(stream, state);
        Ok((freed, times))
    }

    /// Makes room for `incoming` bytes within the size bound: first acknowledged frames go, then
    /// the oldest routine records, each loss stated by a gap record. Returns the gap records
    /// (already appended).
    pub(in crate::spool) fn make_room(&mut self, incoming: u64, now: At) -> Result<Vec<Gap>, SpoolError> {
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
    pub(in crate::spool) fn reconcile(
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

    fn bytes_between(&self, stream: StreamId, range: Range<u64>) -> Result<u64, SpoolError> {
        if range.is_empty() {
            return Ok(0);
        }
        let (from, to) = (key::frame_key(stream, range.start), key::frame_key(stream, range.end));
        let mut sum = 0;
        for entry in self.ledger.range(tagged(FRAME, &from), tagged(FRAME, &to)) {
            sum += entry?.1.len() as u64;
        }
        Ok(sum)
    }

    pub(super) fn measure_acked(&self) -> Result<u64, SpoolError> {
        let mut sum = 0;
        for (stream, state) in &self.streams {
            sum += match state.acked >= state.next {
                true => state.bytes,
                false => self.bytes_between(*stream, state.oldest..state.acked.max(state.oldest))?,
            };
        }
        Ok(sum)
    }
}

fn as_gap(record: Record) -> Option<Gap> {
    match record {
        Record::Gap(gap) => Some(gap),
        Record::Reading(_) | Record::Alarm(_) | Record::Event(_) | Record::Catalogue(_) => None,
    }
}
