//! Decides what to send next. Pure: time is an argument, nothing is read or sent here.
//!
//! Alarm lane first, then live routine data, then the backlog, each with its own window, so that
//! history never holds up what is happening now (design promise 4). Invariant: a range is sent
//! until the store says it has it; the broker's word changes nothing here.

use crate::spool::StreamId;
use minewatch_domain::wire::{MarkV1, StreamV1};
use minewatch_domain::{Lane, RangeSet};
use std::collections::BTreeMap;
use std::ops::Range;

/// Alarm batches waiting for the store's ack. Never shared with routine data.
const ALARM_WINDOW: usize = 16;
/// Live batches waiting for the store's ack: about 3 s of ten devices at 1 s.
const LIVE_WINDOW: usize = 32;
/// Backlog batches waiting for the store's ack. Few and large: 1 MB on the way at most.
const BACKLOG_WINDOW: usize = 8;
/// Bytes of an alarm or live batch.
const LIVE_BYTES_MAX: usize = 64 << 10;
/// Bytes of a backlog batch.
const BACKLOG_BYTES_MAX: usize = 128 << 10;
/// Live data further behind than this many records becomes backlog, so that the newest stay visible.
const LIVE_LAG_MAX: u64 = 20_000;
/// First wait for the store's ack before the store is asked what it has.
const OVERDUE_MS: u64 = 3_000;
/// Longest such wait, reached by doubling while nothing is acknowledged.
const OVERDUE_MS_MAX: u64 = 30_000;

/// Why a range is sent now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Alarm lane of any epoch.
    Alarm,
    /// Routine data since the connection was made.
    Live,
    /// Routine data from before.
    Backlog,
}

/// The next range to read and send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Want {
    /// Stream to read.
    pub stream: StreamId,
    /// Numbers not sent yet; the batch may take only the first part.
    pub range: Range<u64>,
    /// Cut the batch here.
    pub bytes_max: usize,
    /// Why now.
    pub class: Class,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Stream {
    oldest: u64,
    next: u64,
    acked: RangeSet,
    sent: RangeSet,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Flight {
    stream: StreamId,
    range: Range<u64>,
    class: Class,
    sent_ms: u64,
}

/// What was sent, what the store has, what comes next.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Planner {
    streams: BTreeMap<StreamId, Stream>,
    flights: BTreeMap<u64, Flight>,
    epoch: u64,
    live_from: u64,
    next_batch: u64,
    patience_ms: u64,
}

impl Planner {
    /// Starts again from what the spool holds and the store has: everything else is unsent.
    pub fn reset(&mut self, spool: &[StreamV1], store_has: &BTreeMap<StreamId, RangeSet>) {
        self.flights.clear();
        self.streams = spool
            .iter()
            .filter_map(|s| {
                let id = StreamId { epoch: s.epoch, lane: Lane::from_code(s.lane)? };
                let mut acked = store_has.get(&id).cloned().unwrap_or_default();
                acked.insert(0..s.oldest);
                Some((id, Stream { oldest: s.oldest, next: s.next, sent: acked.clone(), acked }))
            })
            .collect();
        self.epoch = spool.iter().filter(|s| !s.closed).map(|s| s.epoch).max().unwrap_or(0);
        self.live_from = self.streams.get(&self.running(Lane::Routine)).map_or(0, |s| s.next);
        self.patience_ms = self.patience_ms.max(OVERDUE_MS);
    }

    fn running(&self, lane: Lane) -> StreamId {
        StreamId { epoch: self.epoch, lane }
    }

    /// The running epoch grew. False when `epoch` is another one (the spool was opened again):
    /// the caller must start over.
    pub fn grow(&mut self, epoch: u64, next_alarm: u64, next_routine: u64) -> bool {
        if epoch != self.epoch {
            return false;
        }
        for (lane, next) in [(Lane::Alarm, next_alarm), (Lane::Routine, next_routine)] {
            let id = self.running(lane);
            let stream = self.streams.entry(id).or_default();
            stream.next = stream.next.max(next);
        }
        let routine = self.running(Lane::Routine);
        if let Some(stream) = self.streams.get(&routine)
            && stream.next.saturating_sub(stream.sent.end().max(self.live_from)) > LIVE_LAG_MAX
        {
            self.live_from = stream.next;
        }
        true
    }

    fn in_flight(&self, class: Class) -> usize {
        self.flights.values().filter(|f| f.class == class).count()
    }

    fn unsent(&self, id: &StreamId, within: Range<u64>) -> Option<Range<u64>> {
        let stream = self.streams.get(id)?;
        let within = within.start.max(stream.oldest)..within.end.min(stream.next);
        (!within.is_empty()).then(|| stream.sent.missing_in(within).into_iter().next()).flatten()
    }

    /// The most urgent range that may be sent now, if any.
    pub fn next(&self) -> Option<Want> {
        self.next_alarm().or_else(|| self.next_live()).or_else(|| self.next_backlog())
    }

    fn next_alarm(&self) -> Option<Want> {
        if self.in_flight(Class::Alarm) >= ALARM_WINDOW {
            return None;
        }
        let mut lanes = self.streams.keys().filter(|id| id.lane == Lane::Alarm);
        lanes.find_map(|id| {
            let range = self.unsent(id, 0..u64::MAX)?;
            Some(Want { stream: *id, range, bytes_max: LIVE_BYTES_MAX, class: Class::Alarm })
        })
    }

    fn next_live(&self) -> Option<Want> {
        if self.in_flight(Class::Live) >= LIVE_WINDOW {
            return None;
        }
        let stream = self.running(Lane::Routine);
        let range = self.unsent(&stream, self.live_from..u64::MAX)?;
        Some(Want { stream, range, bytes_max: LIVE_BYTES_MAX, class: Class::Live })
    }

    fn next_backlog(&self) -> Option<Want> {
        if self.in_flight(Class::Backlog) >= BACKLOG_WINDOW {
            return None;
        }
        let mut lanes = self.streams.keys().filter(|id| id.lane == Lane::Routine);
        lanes.find_map(|id| {
            let end = if id.epoch == self.epoch { self.live_from } else { u64::MAX };
            let range = self.unsent(id, 0..end)?;
            Some(Want { stream: *id, range, bytes_max: BACKLOG_BYTES_MAX, class: Class::Backlog })
        })
    }

    /// `range` (the first part of `want`) is on its way; returns the batch number for it.
    pub fn sent(&mut self, want: &Want, range: Range<u64>, now_ms: u64) -> u64 {
        self.next_batch += 1;
        if let Some(stream) = self.streams.get_mut(&want.stream) {
            stream.sent.insert(range.clone());
        }
        let flight = Flight { stream: want.stream, range, class: want.class, sent_ms: now_ms };
        self.flights.insert(self.next_batch, flight);
        self.next_batch
    }

    /// `range` can never be sent (damaged and stated as a gap): treat it as settled.
    pub fn skip(&mut self, stream: StreamId, range: Range<u64>) {
        if let Some(known) = self.streams.get_mut(&stream) {
            known.sent.insert(range.clone());
            known.acked.insert(range);
        }
    }

    /// The store committed `marks`; returns, per stream, below which number it has everything.
    pub fn acked(&mut self, marks: &[MarkV1]) -> Vec<(StreamId, u64)> {
        let mut touched = BTreeMap::new();
        for mark in marks {
            let Some(lane) = Lane::from_code(mark.lane) else { continue };
            let id = StreamId { epoch: mark.epoch, lane };
            let Some(stream) = self.streams.get_mut(&id) else { continue };
            let range = mark.from..mark.to.min(stream.next);
            stream.acked.insert(range.clone());
            stream.sent.insert(range);
            touched.insert(id, first_missing(&stream.acked));
        }
        let before = self.flights.len();
        let streams = &self.streams;
        self.flights.retain(|_, f| !streams.get(&f.stream).is_some_and(|s| s.acked.covers(f.range.clone())));
        if self.flights.len() < before {
            self.patience_ms = OVERDUE_MS;
        }
        touched.into_iter().collect()
    }

    /// The aggregator refused a batch. It is not in the store, so the spool keeps it; it is offered
    /// again after the next hello (to a newer aggregator, perhaps) and blocks nothing until then.
    pub fn refused(&mut self, batch: u64) {
        self.flights.remove(&batch);
    }

    /// Whether the store's ack for some batch is overdue. Then the store must be asked what it
    /// has; the wait doubles until something is acknowledged, so a slow store is not flooded.
    pub fn overdue(&mut self, now_ms: u64) -> bool {
        let late = self.flights.values().any(|f| now_ms.saturating_sub(f.sent_ms) >= self.patience_ms);
        if late {
            self.patience_ms = (self.patience_ms * 2).min(OVERDUE_MS_MAX);
        }
        late
    }

    /// Records the store is not known to have.
    pub fn unacked(&self) -> u64 {
        self.streams
            .values()
            .map(|s| s.acked.missing_in(s.oldest..s.next).iter().map(|r| r.end - r.start).sum::<u64>())
            .sum()
    }
}

fn first_missing(set: &RangeSet) -> u64 {
    set.iter().next().filter(|r| r.start == 0).map_or(0, |r| r.end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn stream(epoch: u64, lane: Lane, oldest: u64, next: u64, closed: bool) -> StreamV1 {
        StreamV1 { epoch, lane: lane.code(), oldest, next, closed, acked: oldest }
    }

    fn mark(want: &Want, range: &Range<u64>) -> MarkV1 {
        MarkV1 { epoch: want.stream.epoch, lane: want.stream.lane.code(), from: range.start, to: range.end }
    }

    #[test]
    fn an_alarm_overtakes_live_data_and_live_data_overtakes_the_backlog() {
        let mut planner = Planner::default();
        planner.reset(
            &[
                stream(1, Lane::Routine, 0, 500, true),
                stream(2, Lane::Alarm, 0, 0, false),
                stream(2, Lane::Routine, 0, 100, false),
            ],
            &BTreeMap::new(),
        );
        assert_eq!(planner.next().map(|w| (w.class, w.stream.epoch)), Some((Class::Backlog, 1)));
        assert!(planner.grow(2, 0, 110));
        assert_eq!(planner.next().map(|w| (w.class, w.range)), Some((Class::Live, 100..110)));
        assert!(planner.grow(2, 1, 110));
        assert_eq!(planner.next().map(|w| w.class), Some(Class::Alarm));
    }

    #[test]
    fn what_the_store_already_has_is_not_sent_again() {
        let mut planner = Planner::default();
        let id = StreamId { epoch: 1, lane: Lane::Routine };
        let has = BTreeMap::from([(id, [0..40, 60..100].into_iter().collect())]);
        planner.reset(&[stream(1, Lane::Routine, 0, 100, false)], &has);
        let want = planner.next().expect("a hole to fill");
        assert_eq!(want.range, 40..60);
        planner.sent(&want, 40..60, 0);
        assert_eq!(planner.acked(&[mark(&want, &(40..60))]), vec![(id, 100)]);
        assert_eq!((planner.next(), planner.unacked()), (None, 0));
    }

    #[test]
    fn an_overdue_ack_asks_with_growing_patience_and_any_ack_restores_it() {
        let mut planner = Planner::default();
        planner.reset(&[stream(1, Lane::Alarm, 0, 3, false)], &BTreeMap::new());
        let want = planner.next().expect("alarm");
        planner.sent(&want, 0..3, 1_000);
        assert!(!planner.overdue(3_999));
        assert!(planner.overdue(4_000));
        assert!(!planner.overdue(6_999), "the second wait is twice as long");
        planner.acked(&[mark(&want, &(0..3))]);
        assert!(!planner.overdue(1_000_000), "nothing is on its way any more");
    }

    #[test]
    fn a_refused_batch_is_kept_holds_nothing_up_and_is_offered_again_after_hello() {
        let mut planner = Planner::default();
        let spool = [stream(1, Lane::Alarm, 0, 6, false)];
        planner.reset(&spool, &BTreeMap::new());
        let want = planner.next().expect("alarm");
        let refused = planner.sent(&want, 0..3, 0);
        planner.refused(refused);
        assert!(!planner.overdue(1_000_000), "nobody waits for a refused batch");
        let rest = planner.next().expect("the rest goes on");
        assert_eq!((rest.range.clone(), planner.unacked()), (3..6, 6));
        planner.sent(&rest, 3..6, 0);
        let id = StreamId { epoch: 1, lane: Lane::Alarm };
        assert_eq!(planner.acked(&[mark(&rest, &(3..6))]), vec![(id, 0)], "the spool keeps what was refused");
        planner.reset(&spool, &BTreeMap::from([(id, std::iter::once(3..6).collect())]));
        assert_eq!(planner.next().map(|w| w.range), Some(0..3));
    }

    #[derive(Debug, Clone)]
    enum Step {
        Grow(u64, u64),
        Send(u64),
        AckOldest,
        LoseAllAndReconnect,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (0u64..3, 0u64..30).prop_map(|(a, r)| Step::Grow(a, r)),
            (1u64..10).prop_map(Step::Send),
            Just(Step::AckOldest),
            Just(Step::LoseAllAndReconnect),
        ]
    }

    proptest! {
        #[test]
        fn whatever_is_lost_on_the_way_everything_arrives_in_the_end(steps in prop::collection::vec(step(), 0..60)) {
            let mut planner = Planner::default();
            let (mut alarm, mut routine) = (0, 5);
            let mut store: BTreeMap<StreamId, RangeSet> = BTreeMap::new();
            let mut wire: Vec<(Want, Range<u64>)> = Vec::new();
            let spool = |a: u64, r: u64| vec![stream(7, Lane::Alarm, 0, a, false), stream(7, Lane::Routine, 0, r, false)];
            planner.reset(&spool(alarm, routine), &store);
            let mut run = |step: Step, planner: &mut Planner, store: &mut BTreeMap<StreamId, RangeSet>| match step {
                Step::Grow(a, r) => { alarm += a; routine += r; planner.grow(7, alarm, routine); }
                Step::Send(most) => if let Some(want) = planner.next() {
                    let range = want.range.start..want.range.end.min(want.range.start + most);
                    planner.sent(&want, range.clone(), 0);
                    wire.push((want, range));
                },
                Step::AckOldest => if !wire.is_empty() {
                    let (want, range) = wire.remove(0);
                    store.entry(want.stream).or_default().insert(range.clone());
                    planner.acked(&[mark(&want, &range)]);
                },
                Step::LoseAllAndReconnect => { wire.clear(); planner.reset(&spool(alarm, routine), store); }
            };
            for step in steps { run(step, &mut planner, &mut store); }
            for _ in 0..400 {
                run(Step::Send(100), &mut planner, &mut store);
                run(Step::AckOldest, &mut planner, &mut store);
            }
            prop_assert_eq!(planner.unacked(), 0);
            let total: u64 = store.values().map(RangeSet::count).sum();
            prop_assert_eq!(total, alarm + routine);
        }
    }
}
