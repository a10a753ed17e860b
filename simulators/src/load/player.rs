//! One played gateway: what it has sent, what the store has acknowledged. Pure; the time is an
//! argument. It keeps what the store has not acknowledged and sends it again after a reconnect,
//! as a real gateway does; unlike a real one it has no spool and forgets everything at its end.

use minewatch_domain::wire::{self, AckKind, AckV1, BatchV1, FrameV1, SessionV1, StreamV1};
use minewatch_domain::{At, GatewayId, Lane, PointId, Quality, RangeSet, Reading, Reason};
use std::collections::{BTreeMap, BTreeSet};

/// Batches a gateway leaves unacknowledged before it withholds the next one.
pub(super) const OUTSTANDING_MAX: usize = 64;
/// Aggregator instances remembered; with more, hello is said once too often, which is harmless.
const INSTANCES_MAX: usize = 16;
/// Silence of the store after which a heartbeat asks whether it is there, milliseconds.
const HEARTBEAT_MS: i64 = 1_000;

/// A batch on its way.
#[derive(Debug, Clone, PartialEq)]
struct Outstanding {
    first_seq: u64,
    due: At,
}

/// What an ack changed.
#[derive(Debug, Default, PartialEq)]
pub struct Settled {
    /// Microseconds from the time each newly finished batch was due to its acknowledgement.
    pub latencies_us: Vec<u64>,
    /// The store refused a batch.
    pub refused: bool,
    /// Say hello to an aggregator not met before.
    pub hello: bool,
}

/// One played gateway.
#[derive(Debug)]
pub struct Player {
    id: GatewayId,
    epoch: u64,
    points: Vec<PointId>,
    started: At,
    next_batch: u64,
    outstanding: BTreeMap<u64, Outstanding>,
    acked: RangeSet,
    instances: BTreeSet<u64>,
    last_word: At,
    nonce: u64,
}

impl Player {
    /// A gateway with so many points; `epoch` must be new for every run.
    pub fn new(id: GatewayId, epoch: u64, points: Vec<PointId>, started: At) -> Player {
        Player {
            id,
            epoch,
            points,
            started,
            next_batch: 0,
            outstanding: BTreeMap::new(),
            acked: RangeSet::new(),
            instances: BTreeSet::new(),
            last_word: started,
            nonce: 0,
        }
    }

    /// Its id.
    pub fn id(&self) -> &GatewayId {
        &self.id
    }

    /// Readings per batch: one of each point.
    pub fn batch_readings(&self) -> u64 {
        self.points.len() as u64
    }

    /// The next batch, due at `due`; `None` when too many are unacknowledged.
    pub fn batch(&mut self, due: At) -> Option<Vec<u8>> {
        if self.outstanding.len() >= OUTSTANDING_MAX {
            return None;
        }
        let number = self.next_batch;
        self.next_batch += 1;
        let outstanding = Outstanding { first_seq: number * self.batch_readings(), due };
        let bytes = self.encode(number, &outstanding, due);
        self.outstanding.insert(number, outstanding);
        Some(bytes)
    }

    /// Everything unacknowledged, oldest first, to be sent again.
    pub fn again(&self, now: At) -> Vec<Vec<u8>> {
        self.outstanding.iter().map(|(number, outstanding)| self.encode(*number, outstanding, now)).collect()
    }

    /// The batch's bytes: the same records however often they are sent.
    fn encode(&self, number: u64, outstanding: &Outstanding, now: At) -> Vec<u8> {
        let readings: Vec<Reading> = self
            .points
            .iter()
            .enumerate()
            .map(|(index, point)| Reading {
                point: point.clone(),
                at: outstanding.due,
                value: Some(100.0 + index as f64 + (number as f64 / 20.0).sin()),
                quality: Quality::Good,
                reason: Reason::None,
            })
            .collect();
        let numbered = readings.iter().enumerate().map(|(index, reading)| (index as u32, reading));
        wire::encode(&BatchV1 {
            version: wire::VERSION,
            gateway: self.id.to_string(),
            epoch: self.epoch,
            lane: Lane::Routine.code(),
            sent_at_us: now.micros(),
            batch: number,
            points: self.points.iter().enumerate().map(|(i, point)| (i as u32, point.to_string())).collect(),
            frames: vec![FrameV1::of_readings(outstanding.first_seq, 0, numbered)],
        })
    }

    /// Hello (`want_marks`) or heartbeat.
    pub fn session(&mut self, now: At, want_marks: bool) -> Vec<u8> {
        self.nonce += 1;
        let readings = self.batch_readings();
        let oldest = self.outstanding.keys().next().copied().unwrap_or(self.next_batch);
        wire::encode(&SessionV1 {
            version: wire::VERSION,
            gateway: self.id.to_string(),
            nonce: self.nonce,
            want_marks,
            at_us: now.micros(),
            started_us: self.started.micros(),
            software: concat!("simulator ", env!("CARGO_PKG_VERSION")).to_owned(),
            config: 0,
            streams: vec![StreamV1 {
                epoch: self.epoch,
                lane: Lane::Routine.code(),
                oldest: oldest * readings,
                next: self.next_batch * readings,
                closed: false,
                acked: oldest * readings,
            }],
            backlog: self.unacked_readings(),
            link_losses: 0,
        })
    }

    /// Is it time to ask whether the store is there? At most once per period.
    pub fn heartbeat_due(&mut self, now: At) -> bool {
        let due = !self.outstanding.is_empty() && now.millis_since(self.last_word) >= HEARTBEAT_MS;
        if due {
            self.last_word = now;
        }
        due
    }

    /// Takes the aggregator's word.
    pub fn acknowledged(&mut self, ack: &AckV1, now: At) -> Settled {
        self.last_word = now;
        let mut settled = Settled::default();
        if self.instances.len() < INSTANCES_MAX {
            settled.hello = self.instances.insert(ack.instance) && ack.kind != AckKind::Marks;
        }
        match ack.kind {
            AckKind::Committed | AckKind::Marks => {
                for mark in &ack.marks {
                    if mark.epoch == self.epoch && mark.lane == Lane::Routine.code() && mark.from < mark.to {
                        self.acked.insert(mark.from..mark.to);
                    }
                }
                let (readings, acked) = (self.batch_readings(), &self.acked);
                self.outstanding.retain(|_, batch| {
                    let done = acked.covers(batch.first_seq..batch.first_seq + readings);
                    if done {
                        let us = now.micros().saturating_sub(batch.due.micros());
                        settled.latencies_us.push(u64::try_from(us).unwrap_or(0));
                    }
                    !done
                });
            }
            AckKind::Refused => settled.refused = self.outstanding.remove(&ack.batch).is_some(),
            AckKind::Alive => {}
        }
        settled
    }

    /// Readings sent and not acknowledged.
    pub fn unacked_readings(&self) -> u64 {
        self.outstanding.len() as u64 * self.batch_readings()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use minewatch_domain::wire::MarkV1;

    fn player() -> Player {
        let points = ["a", "b"].map(|name| PointId::parse(name).expect("slug")).to_vec();
        Player::new(GatewayId::parse("load-1").expect("slug"), 5, points, At(1_700_000_000_000_000))
    }

    fn at(ms: i64) -> At {
        At(1_700_000_000_000_000).plus_millis(ms)
    }

    fn ack(kind: AckKind, marks: &[(u64, u64)], batch: u64) -> AckV1 {
        let marks = marks.iter().map(|&(from, to)| MarkV1 { epoch: 5, lane: 1, from, to }).collect();
        AckV1 {
            version: 1,
            gateway: "load-1".into(),
            instance: 9,
            kind,
            nonce: 0,
            marks,
            batch,
            reason: None,
            catalogue: 0,
        }
    }

    #[test]
    fn a_batch_is_done_when_the_store_has_all_of_it() {
        let mut player = player();
        assert!(player.batch(at(0)).is_some() && player.batch(at(100)).is_some());
        let first = player.acknowledged(&ack(AckKind::Committed, &[(0, 3)], 0), at(150));
        assert_eq!((first.latencies_us, first.hello), (vec![150_000], true));
        assert_eq!(player.unacked_readings(), 2);
        let second = player.acknowledged(&ack(AckKind::Committed, &[(3, 4)], 0), at(160));
        assert_eq!((second.latencies_us, second.hello), (vec![60_000], false));
        assert_eq!(player.unacked_readings(), 0);
    }

    #[test]
    fn what_is_sent_again_has_the_same_numbers_and_refused_batches_are_given_up() {
        let mut player = player();
        let sent = player.batch(at(0)).expect("room");
        let again = player.again(at(5_000));
        let frames = |bytes: &[u8]| wire::decode::<BatchV1>(bytes).expect("valid").frames;
        assert_eq!(frames(&again[0]), frames(&sent));
        let settled = player.acknowledged(&ack(AckKind::Refused, &[], 0), at(6_000));
        assert!(settled.refused && player.again(at(6_000)).is_empty());
    }

    #[test]
    fn a_gateway_without_acks_stops_sending_and_asks_once_a_second() {
        let mut player = player();
        let sent = (0..100).filter(|ms| player.batch(at(*ms)).is_some()).count();
        assert_eq!(sent, OUTSTANDING_MAX);
        let asked = (0..=3_000).filter(|ms| player.heartbeat_due(at(*ms))).count();
        assert_eq!(asked, 3);
    }
}
