//! The task of one siren: carries the effects of [`SirenState::step`] to the bus.
//!
//! Invariant: at most one command is on its way. Deliberately absent: decisions.

use super::{CHECK_MS, RETRY_MS, SirenEffect, SirenInput, SirenState, SirenTiming};
use crate::config::Siren;
use crate::modbus::{BusCommand, Fault, WallClock, WriteError};
use minewatch_domain::{At, DeviceId};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

/// What a siren task tells the site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SirenEvent {
    /// Siren.
    pub siren: DeviceId,
    /// When, in site time.
    pub at: At,
    /// What.
    pub kind: SirenEventKind,
}

/// What a siren task tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SirenEventKind {
    /// The wanted state could not be proved in time.
    ReadbackFailed {
        /// The wanted state.
        on: bool,
    },
    /// The state is proved: after a change, after a failure, or at start.
    Proved {
        /// The state.
        on: bool,
        /// Ends a [`SirenEventKind::ReadbackFailed`].
        after_failure: bool,
    },
}

/// An answer on its way from the bus.
enum InFlight {
    Nothing,
    Write(oneshot::Receiver<Result<(), WriteError>>),
    Read(oneshot::Receiver<Result<bool, Fault>>),
}

impl InFlight {
    /// The answer; never resolves while nothing is on its way. Safe to drop and call again.
    async fn answer(&mut self) -> SirenInput {
        let input = match self {
            InFlight::Nothing => std::future::pending().await,
            InFlight::Write(reply) => SirenInput::Written { ok: matches!(reply.await, Ok(Ok(()))) },
            InFlight::Read(reply) => SirenInput::ReadBack(match reply.await {
                Ok(Ok(on)) => Some(on),
                Ok(Err(_)) | Err(_) => None,
            }),
        };
        *self = InFlight::Nothing;
        input
    }
}

/// Drives one siren until `stop` or until its wish has no owner any more. The coil keeps its last
/// state at the end: a restart must not silence an alarm.
///
/// Proofs that repeat the last told state are not told again. Every event waits for room in `out`.
pub async fn run_siren(
    siren: Siren,
    mut wanted: watch::Receiver<bool>,
    bus: mpsc::Sender<BusCommand>,
    out: mpsc::Sender<SirenEvent>,
    clock: WallClock,
    stop: CancellationToken,
) {
    let timing = SirenTiming {
        confirm_ms: i64::try_from(siren.confirm_ms).unwrap_or(i64::MAX),
        retry_ms: RETRY_MS,
        check_ms: CHECK_MS,
    };
    let started = Instant::now();
    // Site time that cannot be stepped: deadlines must not move with the wall clock.
    let steady = || At(i64::try_from(started.elapsed().as_micros()).unwrap_or(i64::MAX));
    let first = *wanted.borrow_and_update();
    let mut state = SirenState::start(first, steady());
    let mut flight = InFlight::Nothing;
    let mut told: Option<SirenEventKind> = None;
    loop {
        let wake = state.deadline(&timing).map(|at| started + Duration::from_micros(at.0.max(0).unsigned_abs()));
        let input = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            changed = wanted.changed() => match changed {
                Ok(()) => SirenInput::Want(*wanted.borrow_and_update()),
                Err(_) => return,
            },
            input = flight.answer() => input,
            () = sleep_until(wake.unwrap_or(started)), if wake.is_some() => SirenInput::Tick,
        };
        let (next, effects) = state.step(input, steady(), &timing);
        state = next;
        for effect in effects {
            let kind = match effect {
                SirenEffect::Write { on } => {
                    flight = send_write(&siren, on, &bus);
                    continue;
                }
                SirenEffect::ReadBack => {
                    flight = send_read(&siren, &bus);
                    continue;
                }
                SirenEffect::ReadbackFailed { on } => SirenEventKind::ReadbackFailed { on },
                SirenEffect::Proved { on, after_failure } => SirenEventKind::Proved { on, after_failure },
            };
            if !is_news(told, kind) {
                continue;
            }
            told = Some(kind);
            let event = SirenEvent { siren: siren.id.clone(), at: clock(), kind };
            let sent = tokio::select! { biased; () = stop.cancelled() => return, sent = out.send(event) => sent };
            if sent.is_err() {
                return;
            }
        }
    }
}

/// A routine check that proves the state told last is no news.
fn is_news(told: Option<SirenEventKind>, kind: SirenEventKind) -> bool {
    match (told, kind) {
        (Some(SirenEventKind::Proved { on: before, .. }), SirenEventKind::Proved { on, after_failure }) => {
            before != on || after_failure
        }
        (None | Some(SirenEventKind::ReadbackFailed { .. }), _) | (_, SirenEventKind::ReadbackFailed { .. }) => true,
    }
}

/// A full command queue drops the sender, which counts as a failed write and is tried again.
fn send_write(siren: &Siren, on: bool, bus: &mpsc::Sender<BusCommand>) -> InFlight {
    let (reply, answer) = oneshot::channel();
    let timeout = Duration::from_millis(siren.timeout_ms);
    drop(bus.try_send(BusCommand::WriteCoil { unit: siren.unit, address: siren.coil, on, timeout, reply }));
    InFlight::Write(answer)
}

fn send_read(siren: &Siren, bus: &mpsc::Sender<BusCommand>) -> InFlight {
    let (reply, answer) = oneshot::channel();
    let timeout = Duration::from_millis(siren.timeout_ms);
    let readback = siren.readback;
    drop(bus.try_send(BusCommand::ReadBack {
        unit: siren.unit,
        function: readback.function,
        address: readback.address,
        timeout,
        reply,
    }));
    InFlight::Read(answer)
}
