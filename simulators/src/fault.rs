//! Faults on command: what a device does wrong, for how many requests, how often.
//!
//! Invariant: a fault with `times` fires exactly so often, in the order given; a chance is drawn
//! from the seeded source only. Not here: carrying a fault out (`plant`, `server`).

use crate::rng::Rng;
use serde::{Deserialize, Serialize};

/// Faults waiting at one device; more are refused, so that a forgotten script cannot grow it.
pub const ARMED_MAX: usize = 64;

/// One way to fail.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Fault {
    /// Answer with this exception code.
    Exception {
        /// The code, for example 6 (busy).
        code: u8,
    },
    /// Do not answer.
    Silence,
    /// Answer late.
    Slow {
        /// Delay in milliseconds, at most [`DELAY_MS_MAX`].
        delay_ms: u64,
    },
    /// Answer with another transaction id (no effect on serial lines, which have none).
    WrongTransaction,
    /// Answer in the name of another unit.
    WrongUnit,
    /// Leave out the last two bytes of the answer.
    Truncated,
    /// Promise two data bytes more than are sent.
    WrongByteCount,
    /// Break the checksum (serial) or the protocol id (TCP).
    BadChecksum,
    /// Serve the values of the moment the fault first fired; counters stop counting.
    Stuck,
    /// Add to one value of an instrument.
    Spike {
        /// What is added, in the value's unit.
        add: f32,
        /// First register of the value.
        #[serde(default)]
        register: u16,
    },
    /// Close the connection instead of answering (silence on serial lines).
    Drop,
    /// Reset new connections to the device's port at once; `times` counts connections.
    Refuse,
    /// The siren's read-back does not follow its coil; `times` counts writes.
    ReadbackStuck,
}

/// Longest delay a fault may ask for: ten minutes.
pub const DELAY_MS_MAX: u64 = 600_000;

/// When a fault is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Occasion {
    /// A request arrived.
    Request,
    /// A connection arrived.
    Connection,
    /// A coil was written.
    CoilWrite,
}

impl Fault {
    /// The occasion at which this fault fires.
    pub fn occasion(&self) -> Occasion {
        match self {
            Fault::Refuse => Occasion::Connection,
            Fault::ReadbackStuck => Occasion::CoilWrite,
            Fault::Exception { .. }
            | Fault::Silence
            | Fault::Slow { .. }
            | Fault::WrongTransaction
            | Fault::WrongUnit
            | Fault::Truncated
            | Fault::WrongByteCount
            | Fault::BadChecksum
            | Fault::Stuck
            | Fault::Spike { .. }
            | Fault::Drop => Occasion::Request,
        }
    }
}

/// A fault with its limits.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Armed {
    /// What happens.
    pub fault: Fault,
    /// How often it fires; absent: until cleared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u64>,
    /// Chance per occasion.
    #[serde(default = "always")]
    pub chance: f64,
}

fn always() -> f64 {
    1.0
}

/// Why a fault was not armed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum FaultError {
    /// Too many faults wait already.
    #[error("{ARMED_MAX} faults are armed already; clear some first")]
    Full,
    /// A number outside its range.
    #[error("{0}")]
    Range(&'static str),
}

/// The faults of one device, first in first out.
#[derive(Debug, Clone, Default)]
pub struct FaultQueue {
    armed: Vec<Armed>,
}

impl FaultQueue {
    /// Adds a fault behind the others.
    ///
    /// # Errors
    /// [`FaultError`] when the queue is full or a number is out of range.
    pub fn arm(&mut self, armed: Armed) -> Result<(), FaultError> {
        if !(armed.chance > 0.0 && armed.chance <= 1.0) {
            return Err(FaultError::Range("chance must be above 0 and at most 1"));
        }
        if armed.times == Some(0) {
            return Err(FaultError::Range("times must be at least 1"));
        }
        if matches!(armed.fault, Fault::Slow { delay_ms } if delay_ms > DELAY_MS_MAX) {
            return Err(FaultError::Range("delay_ms must be at most 600000"));
        }
        if self.armed.len() >= ARMED_MAX {
            return Err(FaultError::Full);
        }
        self.armed.push(armed);
        Ok(())
    }

    /// The fault that fires at this occasion, if any: the first whose chance comes up.
    pub fn draw(&mut self, occasion: Occasion, rng: &mut Rng) -> Option<Fault> {
        let index = self.armed.iter().position(|armed| {
            armed.fault.occasion() == occasion && (armed.chance >= 1.0 || rng.unit() < armed.chance)
        })?;
        let armed = &mut self.armed[index];
        let fault = armed.fault;
        if let Some(times) = armed.times.as_mut() {
            *times -= 1;
            if *times == 0 {
                self.armed.remove(index);
            }
        }
        Some(fault)
    }

    /// Is this kind of trouble still armed?
    pub fn holds(&self, is: impl Fn(&Fault) -> bool) -> bool {
        self.armed.iter().any(|armed| is(&armed.fault))
    }

    /// Removes every fault.
    pub fn clear(&mut self) {
        self.armed.clear();
    }

    /// The faults waiting, first to fire first.
    pub fn armed(&self) -> &[Armed] {
        &self.armed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;
    use proptest::prelude::*;

    fn armed(fault: Fault, times: Option<u64>) -> Armed {
        Armed { fault, times, chance: 1.0 }
    }

    #[test]
    fn faults_fire_in_order_and_as_often_as_asked() {
        let (mut queue, mut rng) = (FaultQueue::default(), Rng::new(1, 1));
        queue.arm(armed(Fault::Silence, Some(2))).expect("room");
        queue.arm(armed(Fault::Refuse, Some(1))).expect("room");
        queue.arm(armed(Fault::Drop, None)).expect("room");
        let drawn: Vec<_> = (0..4).map(|_| queue.draw(Occasion::Request, &mut rng)).collect();
        assert_eq!(drawn, [Some(Fault::Silence), Some(Fault::Silence), Some(Fault::Drop), Some(Fault::Drop)]);
        assert_eq!(queue.draw(Occasion::Connection, &mut rng), Some(Fault::Refuse));
        assert_eq!(queue.draw(Occasion::Connection, &mut rng), None);
        queue.clear();
        assert_eq!(queue.draw(Occasion::Request, &mut rng), None);
    }

    #[test]
    fn nonsense_and_a_full_queue_are_refused() {
        let mut queue = FaultQueue::default();
        for bad in [
            Armed { chance: 0.0, ..armed(Fault::Silence, None) },
            Armed { chance: f64::NAN, ..armed(Fault::Silence, None) },
            armed(Fault::Silence, Some(0)),
            armed(Fault::Slow { delay_ms: DELAY_MS_MAX + 1 }, None),
        ] {
            assert!(matches!(queue.arm(bad), Err(FaultError::Range(_))), "{bad:?}");
        }
        for _ in 0..ARMED_MAX {
            queue.arm(armed(Fault::Stuck, None)).expect("room");
        }
        assert_eq!(queue.arm(armed(Fault::Stuck, None)), Err(FaultError::Full));
    }

    #[test]
    fn the_json_of_a_fault_is_the_documented_one() {
        let got: Armed = serde_json::from_str(r#"{"fault":{"kind":"exception","code":6},"times":3}"#).expect("valid");
        assert_eq!(got, armed(Fault::Exception { code: 6 }, Some(3)));
        assert!(serde_json::from_str::<Fault>(r#"{"kind":"exception"}"#).is_err());
        assert!(serde_json::from_str::<Fault>(r#"{"kind":"explode"}"#).is_err());
    }

    proptest! {
        #[test]
        fn a_counted_fault_never_fires_more_or_less_than_its_count(
            counts in prop::collection::vec(1u64..6, 0..10), draws in 0u64..80, chance in 0.1f64..=1.0, seed: u64,
        ) {
            let (mut queue, mut rng) = (FaultQueue::default(), Rng::new(seed, 9));
            for &times in &counts {
                queue.arm(Armed { fault: Fault::Silence, times: Some(times), chance }).expect("room");
            }
            let total: u64 = counts.iter().sum();
            let fired = (0..draws).filter(|_| queue.draw(Occasion::Request, &mut rng).is_some()).count() as u64;
            let left: u64 = queue.armed().iter().filter_map(|a| a.times).sum();
            prop_assert_eq!(fired + left, total);
            if chance >= 1.0 {
                prop_assert_eq!(fired, draws.min(total));
            }
        }
    }
}
