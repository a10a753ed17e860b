//! Talks Modbus to the instruments: one task per bus, over TCP, a serial port, or serial frames
//! inside TCP.
//!
//! Flow: [`run_bus`] asks [`schedule`] what is due, [`link`] carries one request, the answers of a
//! poll are decoded and leave as one [`BusEvent`]. Commands (the siren) enter by a second queue
//! and go before polls.
//!
//! Invariant: a late, foreign or damaged answer never becomes a value, and one silent device never
//! takes more than its share of a shared line. Deliberately absent: what values mean, alarms,
//! the spool.

mod backoff;
mod blocks;
mod bus;
mod counters;
mod fence;
mod guard;
mod link;
mod request;
mod schedule;
mod setup;
#[cfg(test)]
mod tests;

pub use backoff::{BACKOFF_MAX, BACKOFF_MIN, backoff};
pub use bus::{BusCommand, BusEvent, COMMANDS_MAX, PollResult, RequestFault, WallClock, run_bus};
pub use counters::{BusCounters, BusCounts};
pub use guard::{WriteError, guarded_write, permit};
pub use link::{Endpoint, LATE_MAX, Link, QUIET, REOPEN_AFTER, SerialPort};
pub use request::{Fault, Request};
pub use schedule::{
    Change, DeviceTiming, FAILURES_MAX, LIMITED_CREDIT, LIMITED_SHARE, Mono, Next, Progress, SLOW_ANSWER, Schedule,
    StepTiming, Verdict,
};
pub use setup::{BusConfig, BusPoll};
