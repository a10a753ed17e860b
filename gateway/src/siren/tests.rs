//! The siren as a pure machine, and its task against a scripted bus.

use super::*;
use proptest::prelude::*;

const TIMING: SirenTiming = SirenTiming { confirm_ms: 2_000, retry_ms: 500, check_ms: 10_000 };

fn want(on: bool, since_ms: i64, proof: Proof) -> Want {
    Want { on, since: At::from_millis(since_ms), proof }
}

fn check(inputs: &[(i64, SirenInput)], expect: &[(i64, SirenEffect)]) {
    let mut state = SirenState::start(false, At(0));
    let mut seen = Vec::new();
    for (ms, input) in inputs {
        let (next, effects) = state.step(*input, At::from_millis(*ms), &TIMING);
        state = next;
        seen.extend(effects.into_iter().map(|effect| (*ms, effect)));
    }
    assert_eq!(seen, expect);
}

use SirenEffect as E;
use SirenInput as I;

const OFF_AT_START: [(i64, SirenInput); 3] =
    [(0, I::Tick), (20, I::Written { ok: true }), (40, I::ReadBack(Some(false)))];
const OFF_PROVED: [(i64, SirenEffect); 3] =
    [(0, E::Write { on: false }), (20, E::ReadBack), (40, E::Proved { on: false, after_failure: false })];

fn after_start(inputs: &[(i64, SirenInput)], expect: &[(i64, SirenEffect)]) {
    check(&[&OFF_AT_START, inputs].concat(), &[&OFF_PROVED, expect].concat());
}

#[test]
fn a_wish_is_written_and_read_back() {
    after_start(
        &[(1_000, I::Want(true)), (1_020, I::Written { ok: true }), (1_040, I::ReadBack(Some(true)))],
        &[(1_000, E::Write { on: true }), (1_020, E::ReadBack), (1_040, E::Proved { on: true, after_failure: false })],
    );
}

#[test]
fn a_siren_that_says_it_was_written_but_reads_back_silent_is_told_once_and_tried_again() {
    after_start(
        &[
            (1_000, I::Want(true)),
            (1_020, I::Written { ok: true }),
            (1_040, I::ReadBack(Some(false))),
            (1_540, I::Tick),
            (1_560, I::Written { ok: true }),
            (3_000, I::Tick),
            (3_100, I::ReadBack(Some(false))),
            (3_600, I::Tick),
            (3_620, I::Written { ok: true }),
            (3_640, I::ReadBack(Some(true))),
        ],
        &[
            (1_000, E::Write { on: true }),
            (1_020, E::ReadBack),
            (1_540, E::Write { on: true }),
            (1_560, E::ReadBack),
            (3_000, E::ReadbackFailed { on: true }),
            (3_600, E::Write { on: true }),
            (3_620, E::ReadBack),
            (3_640, E::Proved { on: true, after_failure: true }),
        ],
    );
}

#[test]
fn a_relay_switched_by_hand_is_put_right_at_the_next_check() {
    after_start(
        &[(10_040, I::Tick), (10_060, I::Written { ok: true }), (10_080, I::ReadBack(Some(true))), (10_580, I::Tick)],
        &[(10_040, E::Write { on: false }), (10_060, E::ReadBack), (10_580, E::Write { on: false })],
    );
}

#[test]
fn a_wish_that_changes_while_the_old_one_is_written_is_written_next() {
    after_start(
        &[(1_000, I::Want(true)), (1_010, I::Want(false)), (1_020, I::Written { ok: true })],
        &[(1_000, E::Write { on: true }), (1_020, E::Write { on: false })],
    );
}

#[test]
fn a_dead_module_is_told_after_the_confirm_time_even_if_nothing_answers() {
    check(
        &[(0, I::Tick), (1_000, I::Written { ok: false }), (1_500, I::Tick), (2_000, I::Tick), (9_000, I::Tick)],
        &[(0, E::Write { on: false }), (1_500, E::Write { on: false }), (2_000, E::ReadbackFailed { on: false })],
    );
}

/// Every state against every input: the whole table, so that a new variant must be thought of.
#[test]
fn every_pair_of_state_and_input_is_decided() {
    let now = At::from_millis(1_000);
    let w = want(true, 900, Proof::Pending);
    let renewed = want(false, 1_000, Proof::Pending);
    let pausing = SirenState::Pausing { want: w, until: At::from_millis(1_200) };
    let due = SirenState::Pausing { want: w, until: now };
    let writing = SirenState::Writing { want: w, writing: true };
    let reading = SirenState::Reading { want: w, written: true };
    let outdated = SirenState::Reading { want: renewed, written: true };
    let confirmed = SirenState::Confirmed { on: true, check_at: At::from_millis(5_000) };
    let to_check = SirenState::Confirmed { on: true, check_at: now };
    let retry = SirenState::Pausing { want: w, until: At::from_millis(1_500) };
    let off = SirenState::Writing { want: renewed, writing: false };
    let done = SirenState::Confirmed { on: true, check_at: At::from_millis(11_000) };
    let proved = E::Proved { on: true, after_failure: false };
    let recheck = SirenState::Writing { want: want(true, 1_000, Proof::Pending), writing: true };
    let table: Vec<(SirenState, SirenInput, SirenState, Vec<SirenEffect>)> = vec![
        (pausing, I::Want(true), pausing, vec![]),
        (pausing, I::Want(false), off, vec![E::Write { on: false }]),
        (pausing, I::Written { ok: true }, pausing, vec![]),
        (pausing, I::ReadBack(Some(true)), pausing, vec![]),
        (pausing, I::Tick, pausing, vec![]),
        (due, I::Tick, writing, vec![E::Write { on: true }]),
        (writing, I::Want(true), writing, vec![]),
        (writing, I::Want(false), SirenState::Writing { want: renewed, writing: true }, vec![]),
        (writing, I::Written { ok: true }, reading, vec![E::ReadBack]),
        (writing, I::Written { ok: false }, retry, vec![]),
        (writing, I::ReadBack(Some(true)), writing, vec![]),
        (writing, I::Tick, writing, vec![]),
        (reading, I::Want(true), reading, vec![]),
        (reading, I::Want(false), outdated, vec![]),
        (outdated, I::ReadBack(Some(true)), off, vec![E::Write { on: false }]),
        (reading, I::Written { ok: true }, reading, vec![]),
        (reading, I::ReadBack(Some(true)), done, vec![proved]),
        (reading, I::ReadBack(Some(false)), retry, vec![]),
        (reading, I::ReadBack(None), retry, vec![]),
        (reading, I::Tick, reading, vec![]),
        (confirmed, I::Want(true), confirmed, vec![]),
        (confirmed, I::Want(false), off, vec![E::Write { on: false }]),
        (confirmed, I::Written { ok: false }, confirmed, vec![]),
        (confirmed, I::ReadBack(Some(false)), confirmed, vec![]),
        (confirmed, I::Tick, confirmed, vec![]),
        (to_check, I::Tick, recheck, vec![E::Write { on: true }]),
    ];
    for (from, input, to, effects) in table {
        assert_eq!(from.step(input, now, &TIMING), (to, effects), "{from:?} on {input:?}");
    }
}

fn input() -> impl Strategy<Value = SirenInput> {
    prop_oneof![
        any::<bool>().prop_map(I::Want),
        any::<bool>().prop_map(|ok| I::Written { ok }),
        any::<Option<bool>>().prop_map(I::ReadBack),
        Just(I::Tick),
    ]
}

proptest! {
    #[test]
    fn whatever_happens_a_working_siren_ends_in_the_last_wish(
        story in proptest::collection::vec((0i64..4_000, input()), 0..40),
        last: bool,
    ) {
        let mut at = At(0);
        let mut state = SirenState::start(false, at);
        let mut failed = false;
        let note = |effects: &[SirenEffect], failed: &mut bool| {
            for effect in effects {
                match effect {
                    E::ReadbackFailed { .. } => {
                        assert!(!*failed, "a failure is told once");
                        *failed = true;
                    }
                    E::Proved { after_failure, .. } => {
                        assert_eq!(*after_failure, *failed, "its end is told exactly if it was told");
                        *failed = false;
                    }
                    E::Write { .. } | E::ReadBack => {}
                }
            }
        };
        for (wait, input) in story {
            at = at.plus_millis(wait);
            let (next, effects) = state.step(input, at, &TIMING);
            note(&effects, &mut failed);
            state = next;
        }
        let (mut next, mut effects) = state.step(I::Want(last), at, &TIMING);
        let mut coil = !last;
        for _ in 0..8 {
            note(&effects, &mut failed);
            let input = match next {
                SirenState::Writing { writing, .. } => { coil = writing; I::Written { ok: true } }
                SirenState::Reading { .. } => I::ReadBack(Some(coil)),
                SirenState::Pausing { .. } | SirenState::Confirmed { .. } => I::Tick,
            };
            at = at.plus_millis(500);
            (next, effects) = next.step(input, at, &TIMING);
        }
        note(&effects, &mut failed);
        let settled = match next {
            SirenState::Confirmed { on, .. } => on,
            SirenState::Pausing { want, .. } | SirenState::Writing { want, .. } | SirenState::Reading { want, .. } => want.on,
        };
        prop_assert_eq!(settled, last);
    }
}

use crate::config::{Readback, Siren};
use crate::instrument::{Function, Names};
use crate::modbus::{BusCommand, COMMANDS_MAX, Fault};
use minewatch_domain::{DeviceId, Level};
use std::sync::Arc;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

fn siren(confirm_ms: u64) -> Siren {
    Siren {
        id: DeviceId::parse("siren-01").expect("slug"),
        name: Names::default(),
        bus: 0,
        unit: 9,
        coil: 7,
        readback: Readback { function: Function::Discrete, address: 3 },
        level_from: Level::Orange,
        timeout_ms: 1_000,
        confirm_ms,
    }
}

/// A bus whose relay module works, or whose read-back always says off.
async fn relay(mut commands: mpsc::Receiver<BusCommand>, works: bool) {
    let mut coil = false;
    while let Some(command) = commands.recv().await {
        match command {
            BusCommand::WriteCoil { unit: 9, address: 7, on, reply, .. } => {
                coil = on;
                drop(reply.send(Ok(())));
            }
            BusCommand::ReadBack { unit: 9, function: Function::Discrete, address: 3, reply, .. } => {
                drop(reply.send(Ok(coil && works)));
            }
            BusCommand::WriteCoil { reply, .. } => drop(reply.send(Err(Fault::Exception(2).into()))),
            BusCommand::ReadBack { reply, .. } => drop(reply.send(Err(Fault::Exception(2)))),
            BusCommand::Pace { .. } => {}
        }
    }
}

async fn story(confirm_ms: u64, works: bool, wishes: &[bool]) -> Vec<SirenEventKind> {
    let (want, wanted) = watch::channel(false);
    let (bus, commands) = mpsc::channel(COMMANDS_MAX);
    let (out, mut events) = mpsc::channel(8);
    let stop = CancellationToken::new();
    let module = tokio::spawn(relay(commands, works));
    let clock = Arc::new(|| At(0));
    let task = tokio::spawn(run_siren(siren(confirm_ms), wanted, bus, out, clock, stop.clone()));
    let mut told = Vec::new();
    while !told.iter().any(|kind| matches!(kind, SirenEventKind::Proved { on: false, .. })) {
        told.extend(events.recv().await.map(|event| event.kind));
    }
    for wish in wishes {
        want.send_replace(*wish);
        let about = |kind: &SirenEventKind| match kind {
            SirenEventKind::ReadbackFailed { on } | SirenEventKind::Proved { on, .. } => on == wish,
        };
        while !told.last().is_some_and(about) {
            told.extend(events.recv().await.map(|event| event.kind));
        }
    }
    stop.cancel();
    task.await.expect("the siren task ends when told to");
    module.await.expect("the module ends with the task");
    told
}

#[tokio::test]
async fn the_task_switches_the_coil_and_tells_each_proved_change() {
    let proved = |on| SirenEventKind::Proved { on, after_failure: false };
    assert_eq!(story(60_000, true, &[true, false]).await, [proved(false), proved(true), proved(false)]);
}

#[tokio::test]
async fn a_siren_that_stays_silent_is_told_as_failed() {
    let told = story(1, false, &[true]).await;
    assert_eq!(told.last(), Some(&SirenEventKind::ReadbackFailed { on: true }), "{told:?}");
}
