//! Turns a group of records into frames with their sequence numbers. Pure.

use minewatch_domain::wire::FrameV1;
use minewatch_domain::{Lane, Reading, Record};

/// Readings per frame. A frame is the unit of sending, so it must stay well below the wire's
/// payload limit: 1,000 readings take about 15 kB.
const FRAME_READINGS_MAX: usize = 1_000;

/// A frame that has its sequence numbers but is not durable yet.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct FrameDraft {
    pub(super) lane: Lane,
    pub(super) count: u32,
    pub(super) frame: FrameV1,
}

/// Drafts frames for `records` in order; `numbers` are the point numbers of its readings; `next` are the next sequence numbers of the alarm and
/// the routine lane. Every record gets exactly one number, without holes.
pub(super) fn draft_frames(records: &[Record], config: u64, numbers: &[u32], next: [u64; 2]) -> Vec<FrameDraft> {
    let mut drafts = Vec::new();
    let mut next = next;
    let mut numbers = numbers.iter();
    let mut pending: Vec<(u32, &Reading)> = Vec::new();
    let flush = |pending: &mut Vec<(u32, &Reading)>, next: &mut u64, drafts: &mut Vec<FrameDraft>| {
        if pending.is_empty() {
            return;
        }
        let count = pending.len() as u32;
        let frame = FrameV1::of_readings(*next, config, pending.drain(..));
        drafts.push(FrameDraft { lane: Lane::Routine, count, frame });
        *next += u64::from(count);
    };
    for record in records {
        let lane = record.lane();
        let slot = usize::from(lane.code());
        if let Record::Reading(reading) = record {
            pending.extend(numbers.next().map(|number| (*number, reading)));
            if pending.len() == FRAME_READINGS_MAX {
                flush(&mut pending, &mut next[slot], &mut drafts);
            }
            continue;
        }
        if lane == Lane::Routine {
            flush(&mut pending, &mut next[slot], &mut drafts);
        }
        if let Some(frame) = FrameV1::of_record(next[slot], config, record) {
            drafts.push(FrameDraft { lane, count: 1, frame });
            next[slot] += 1;
        }
    }
    flush(&mut pending, &mut next[usize::from(Lane::Routine.code())], &mut drafts);
    drafts
}

#[cfg(test)]
mod tests {
    use super::*;
    use minewatch_domain::{At, Event, EventKind, PointId, Quality, Reason};
    use proptest::prelude::*;

    fn reading(n: usize) -> Record {
        let point = PointId::parse(&format!("p{}", n % 7)).expect("slug");
        Record::Reading(Reading {
            point,
            at: At(n as i64),
            value: Some(n as f64),
            quality: Quality::Good,
            reason: Reason::None,
        })
    }

    fn event() -> Record {
        Record::Event(Event { kind: EventKind::Started, subject: "gateway".into(), at: At(1), detail: String::new() })
    }

    proptest! {
        #[test]
        fn every_record_gets_one_number_and_the_numbers_have_no_holes(
            kinds in prop::collection::vec(0usize..5, 0..3000), start in (0u64..1000, 0u64..1000),
        ) {
            let records: Vec<Record> =
                kinds.iter().enumerate().map(|(i, k)| if *k == 0 { event() } else { reading(i) }).collect();
            let numbers: Vec<u32> = (0..records.len() as u32).collect();
            let drafts = draft_frames(&records, 9, &numbers, [start.0, start.1]);
            let mut next = [start.0, start.1];
            for draft in &drafts {
                let slot = usize::from(draft.lane.code());
                prop_assert_eq!(draft.frame.first_seq, next[slot]);
                prop_assert_eq!(draft.frame.count(), Ok(u64::from(draft.count)));
                next[slot] += u64::from(draft.count);
            }
            let events = kinds.iter().filter(|k| **k == 0).count() as u64;
            prop_assert_eq!(next[0] - start.0, events);
            prop_assert_eq!(next[1] - start.1, kinds.len() as u64 - events);
        }
    }
}
