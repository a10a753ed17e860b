//! Decides which request of which device runs next on one bus. Pure: time is an argument,
//! counted from the start of the bus so that a step of the wall clock changes nothing.
//!
//! ```text
//!            due                    last request answered, refused or given up
//! Waiting ─────────▶ Polling(request) ───────────────────────────────▶ Waiting
//!    ▲                  │    ▲ busy, trigger wait, one repeat: same poll, later
//!    │ back-off         │    └──┘
//!    └──────────────────┘ no request of the poll was answered: device is failing
//! ```
//!
//! Invariants: polls stay on a grid of their own period, with the phases of the devices spread
//! over it; a device is never asked faster than its gap allows; devices that fail or answer
//! slowly together take at most a fifth of the bus over time while a healthy one shares it.
//! Deliberately absent: sockets, clocks, and what an answer means.

use super::backoff::backoff;
use std::time::Duration;

/// Time since the bus started.
pub type Mono = Duration;

/// A failed or slow attempt of `c` seconds keeps failing and slow devices off a shared bus so that
/// it filled one part in this many: a fifth of the bus.
pub const LIMITED_SHARE: u32 = 5;

/// How far the limited devices may be ahead of their share: lets one lost frame be repeated at once.
pub const LIMITED_CREDIT: Duration = Duration::from_secs(4);

/// An answer slower than this is charged to the limited share.
pub const SLOW_ANSWER: Duration = Duration::from_millis(1_000);

/// Failures in a row after which the rest of a poll is not asked for: two requests may be ones this
/// device never answers, three mean that it is gone.
pub const FAILURES_MAX: u32 = 3;

/// First polls are spread over the period, but over no more than this: an instrument read once an hour is
/// read soon after a start all the same.
const SPREAD_MAX: Duration = Duration::from_secs(10);

/// Timing of one request within a poll.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StepTiming {
    /// Wait after it before the next request of the same device (after a trigger write).
    pub wait_after: Duration,
    /// Without its success the rest of the poll is meaningless (a trigger write).
    pub required: bool,
}

/// Timing of one poll of one device (a device read at two periods has two).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceTiming {
    /// Polls of the same device share a group: the gap holds between requests of a group.
    pub group: usize,
    /// One poll per period.
    pub period: Duration,
    /// Least pause between two requests to the device.
    pub request_gap: Duration,
    /// Least time between the starts of two polls, retries included.
    pub poll_gap: Duration,
    /// Pause before a busy device is asked again.
    pub busy_wait: Duration,
    /// How often a busy device is asked again before the request is given up.
    pub busy_retries_max: u32,
    /// The requests of a poll.
    pub steps: Vec<StepTiming>,
}

/// What to do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Run request `step` of device `device` and report [`Schedule::done`].
    Run {
        /// Index of the device.
        device: usize,
        /// Index of the request within its poll.
        step: usize,
        /// Polls of this device whose time passed unused since the last one.
        skipped: u64,
    },
    /// Nothing before this time; `None`: there is no device.
    Until(Option<Mono>),
}

/// How a request went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Answered.
    Answered,
    /// Answered by an exception other than busy.
    Refused,
    /// Answered "busy" or "acknowledged, wait".
    Busy,
    /// Not answered: silence, damage, no link.
    Failed,
}

/// What follows from a verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// The same request will run again in this poll; drop its result.
    Again,
    /// The poll goes on with the next request.
    Onward,
    /// The poll is over.
    Complete {
        /// Requests from this index on were not asked for.
        asked: usize,
        /// The device stopped or began answering with this poll.
        change: Option<Change>,
    },
}

/// A device began or stopped answering.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// A whole poll went by without an answer.
    Down,
    /// Answers again.
    Up,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Waiting { due: Mono },
    Polling { step: usize, ready: Mono, busy_left: u32, repeated: bool, failures: u32, answered: bool, clean: bool },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Health {
    Up,
    Failing { polls: u32 },
}

#[derive(Debug, Clone)]
struct Device {
    timing: DeviceTiming,
    /// Its period while nothing is abnormal.
    own_period: Duration,
    phase: Phase,
    health: Health,
    /// Start of the next poll by the grid.
    grid: Mono,
    /// Not to be asked before, by its gaps.
    free_at: Mono,
    /// Start of the last poll.
    poll_started: Mono,
    /// Shares the limited part of the bus: failed or slow of late.
    limited: bool,
}

impl Device {
    fn wanted_at(&self) -> Mono {
        match self.phase {
            Phase::Waiting { due } => due,
            Phase::Polling { ready, .. } => ready,
        }
    }
}

/// The schedule of one bus.
#[derive(Debug, Clone)]
pub struct Schedule {
    devices: Vec<Device>,
    bus_gap: Duration,
    bus_free_at: Mono,
    /// The share of failing and slow devices is used up until then; they may run ahead of it by
    /// [`LIMITED_CREDIT`].
    limited_until: Mono,
    seed: u64,
}

impl Schedule {
    /// A schedule in which the first polls are spread over the devices' periods; `place` is which of how many
    /// phases of a step this bus takes. `bus_gap` is the least silence between any two
    /// requests, `seed` varies the jitter between buses.
    pub fn new(timings: Vec<DeviceTiming>, bus_gap: Duration, seed: u64, place: (u32, u32)) -> Schedule {
        let count = u32::try_from(timings.len()).unwrap_or(u32::MAX).max(1);
        let (bus, buses) = (place.0, place.1.max(1));
        let devices = (0u32..).zip(timings).map(|(index, mut timing)| {
            timing.period = timing.period.max(timing.poll_gap).max(Duration::from_millis(1));
            let step = timing.period.min(SPREAD_MAX) / count;
            let due = step * index + step / buses * bus.min(buses - 1);
            Device {
                own_period: timing.period,
                timing,
                phase: Phase::Waiting { due },
                health: Health::Up,
                grid: due,
                free_at: Mono::ZERO,
                poll_started: Mono::ZERO,
                limited: false,
            }
        });
        Schedule { devices: devices.collect(), bus_gap, bus_free_at: Mono::ZERO, limited_until: Mono::ZERO, seed }
    }

    /// From now on polls a device at least every `period` (`None`: at its own period again), never faster
    /// than its gap allows. The new grid begins now, so that no poll counts as skipped.
    pub fn pace(&mut self, index: usize, period: Option<Duration>, now: Mono) {
        let Some(device) = self.devices.get_mut(index) else { return };
        let wanted = period.map_or(device.own_period, |period| period.min(device.own_period));
        let wanted = wanted.max(device.timing.poll_gap).max(Duration::from_millis(1));
        if wanted == device.timing.period {
            return;
        }
        device.timing.period = wanted;
        device.grid = now + wanted;
        if let (Phase::Waiting { due }, Health::Up) = (&mut device.phase, device.health) {
            *due = device.grid;
        }
    }

    /// What to do at `now`. Of the requests whose time has come, the one that waited longest.
    pub fn next(&mut self, now: Mono) -> Next {
        let mut first: Option<(Mono, usize)> = None;
        let mut wake: Option<Mono> = None;
        for (index, device) in self.devices.iter().enumerate() {
            if device.timing.steps.is_empty() {
                continue;
            }
            let wanted = device.wanted_at();
            let mut allowed = wanted.max(device.free_at).max(self.bus_free_at);
            if device.limited && self.someone_else_is_healthy(index) {
                allowed = allowed.max(self.limited_until.saturating_sub(LIMITED_CREDIT));
            }
            if allowed > now {
                wake = Some(wake.map_or(allowed, |at| at.min(allowed)));
            } else if first.is_none_or(|(at, _)| wanted < at) {
                first = Some((wanted, index));
            }
        }
        match first {
            Some((_, index)) => self.start(index, now),
            None => Next::Until(wake),
        }
    }

    fn someone_else_is_healthy(&self, index: usize) -> bool {
        self.devices.iter().enumerate().any(|(other, device)| other != index && !device.limited)
    }

    fn start(&mut self, index: usize, now: Mono) -> Next {
        let device = &mut self.devices[index];
        match device.phase {
            Phase::Polling { step, .. } => Next::Run { device: index, step, skipped: 0 },
            Phase::Waiting { .. } => {
                let missed = missed_polls(device.grid, device.timing.period, now);
                if let Some(missed) = missed {
                    device.grid += device.timing.period.saturating_mul(missed.saturating_add(1));
                }
                let skipped = match device.health {
                    Health::Up => u64::from(missed.unwrap_or(0)),
                    Health::Failing { .. } => 0,
                };
                device.poll_started = now;
                device.phase = Phase::Polling {
                    step: 0,
                    ready: now,
                    busy_left: device.timing.busy_retries_max,
                    repeated: false,
                    failures: 0,
                    answered: false,
                    clean: true,
                };
                Next::Run { device: index, step: 0, skipped }
            }
        }
    }

    /// The polls of `device` consist of other requests from the next one on. Between polls only.
    pub fn replan(&mut self, index: usize, steps: Vec<StepTiming>) {
        let device = &mut self.devices[index];
        match device.phase {
            Phase::Waiting { .. } => device.timing.steps = steps,
            Phase::Polling { .. } => debug_assert!(false, "a running poll keeps its requests"),
        }
    }

    /// Records that the running request of `device` took from `started` to `ended`.
    pub fn done(&mut self, index: usize, started: Mono, ended: Mono, verdict: Verdict) -> Progress {
        let cost = ended.saturating_sub(started);
        let slow = cost >= SLOW_ANSWER;
        if (slow || verdict == Verdict::Failed) && self.someone_else_is_healthy(index) {
            self.limited_until = self.limited_until.max(started) + cost.saturating_mul(LIMITED_SHARE);
        }
        self.bus_free_at = ended + self.bus_gap;
        let group = self.devices[index].timing.group;
        for device in self.devices.iter_mut().filter(|device| device.timing.group == group) {
            device.free_at = device.free_at.max(ended + device.timing.request_gap);
        }
        let device = &mut self.devices[index];
        let Phase::Polling { step, busy_left, repeated, failures, answered, clean, .. } = device.phase else {
            return Progress::Again;
        };
        let clean = clean && !slow && verdict != Verdict::Failed;
        device.limited |= !clean;
        let timing = device.timing.steps[step];
        let again = |ready: Mono, busy_left: u32, repeated: bool, failures: u32, answered: bool| Phase::Polling {
            step,
            ready,
            busy_left,
            repeated,
            failures,
            answered,
            clean,
        };
        let (failures, answered, good) = match verdict {
            Verdict::Answered => (0, true, true),
            Verdict::Refused => (0, true, false),
            Verdict::Busy if busy_left > 0 => {
                device.phase = again(ended + device.timing.busy_wait, busy_left - 1, repeated, 0, true);
                return Progress::Again;
            }
            Verdict::Busy => (0, true, false),
            Verdict::Failed if !repeated && device.health == Health::Up && failures + 1 < FAILURES_MAX => {
                device.phase = again(ended, busy_left, true, failures + 1, answered);
                return Progress::Again;
            }
            Verdict::Failed => (failures + 1, answered, false),
        };
        let gone = failures >= FAILURES_MAX || (failures > 0 && device.health != Health::Up);
        let last = step + 1 == device.timing.steps.len();
        if last || gone || (timing.required && !good) {
            return self.complete(index, ended, step + 1, answered, clean);
        }
        device.phase = Phase::Polling {
            step: step + 1,
            ready: ended + timing.wait_after,
            busy_left: device.timing.busy_retries_max,
            repeated: false,
            failures,
            answered,
            clean,
        };
        Progress::Onward
    }

    fn complete(&mut self, index: usize, ended: Mono, asked: usize, answered: bool, clean: bool) -> Progress {
        let seed = self.seed ^ index as u64;
        let device = &mut self.devices[index];
        device.limited = !clean;
        device.free_at = device.free_at.max(device.poll_started + device.timing.poll_gap);
        let was = device.health;
        if answered {
            device.health = Health::Up;
            device.phase = Phase::Waiting { due: device.grid };
        } else {
            let polls = match was {
                Health::Up => 1,
                Health::Failing { polls } => polls.saturating_add(1),
            };
            device.health = Health::Failing { polls };
            let wait = backoff(polls, seed).max(device.timing.poll_gap);
            device.phase = Phase::Waiting { due: ended + wait };
        }
        let change = match (was, device.health) {
            (Health::Up, Health::Failing { .. }) => Some(Change::Down),
            (Health::Failing { .. }, Health::Up) => Some(Change::Up),
            (Health::Up, Health::Up) | (Health::Failing { .. }, Health::Failing { .. }) => None,
        };
        if change == Some(Change::Up) {
            self.hurry_failing(ended);
        }
        Progress::Complete { asked, change }
    }

    /// What stopped one device often stopped its neighbours: when one is back the others are asked
    /// without waiting for their back-off (still within their gaps and the limited share).
    fn hurry_failing(&mut self, now: Mono) {
        for device in &mut self.devices {
            let Phase::Waiting { due } = &mut device.phase else { continue };
            if let Health::Failing { .. } = device.health {
                *due = (*due).min(now);
            }
        }
    }
}

/// Grid points passed unused at `now`; `None` when the next one lies ahead (a retry between polls).
fn missed_polls(grid: Mono, period: Duration, now: Mono) -> Option<u32> {
    let late = now.checked_sub(grid)?;
    Some(u32::try_from(late.as_micros() / period.as_micros().max(1)).unwrap_or(u32::MAX))
}
