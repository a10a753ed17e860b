//! The schedule under simulated time: no clock, no socket.

use crate::modbus::schedule::{
    Change, DeviceTiming, LIMITED_CREDIT, LIMITED_SHARE, Mono, Next, Progress, Schedule, StepTiming, Verdict,
};
use proptest::prelude::*;
use std::time::Duration;

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

const READ: StepTiming = StepTiming { wait_after: Duration::ZERO, required: false };

fn device(group: usize, period_ms: u64, steps: usize) -> DeviceTiming {
    DeviceTiming {
        group,
        period: ms(period_ms),
        request_gap: Duration::ZERO,
        poll_gap: Duration::ZERO,
        busy_wait: ms(100),
        busy_retries_max: 2,
        steps: vec![READ; steps],
    }
}

#[derive(Debug, Default, Clone, PartialEq)]
struct Tally {
    polls: u64,
    starts: Vec<Mono>,
    busy: Duration,
    skipped: u64,
    changes: Vec<Change>,
}

/// Runs a bus for `length`; `answer` says what each request costs and how it ends.
fn simulate(
    timings: Vec<DeviceTiming>,
    length: Duration,
    mut answer: impl FnMut(usize, usize, Mono) -> (Duration, Verdict),
) -> Vec<Tally> {
    let mut tallies = vec![Tally::default(); timings.len()];
    let mut schedule = Schedule::new(timings, Duration::ZERO, 1, (0, 1));
    let mut now = Mono::ZERO;
    for _ in 0..1_000_000 {
        if now >= length {
            break;
        }
        match schedule.next(now) {
            Next::Until(None) => break,
            Next::Until(Some(at)) => {
                assert!(at > now, "the schedule never asks to wait for the past");
                now = at;
            }
            Next::Run { device, step, skipped } => {
                let (cost, verdict) = answer(device, step, now);
                let tally = &mut tallies[device];
                if step == 0 {
                    tally.starts.push(now);
                }
                tally.skipped += skipped;
                tally.busy += cost;
                if let Progress::Complete { change, .. } = schedule.done(device, now, now + cost, verdict) {
                    tally.polls += 1;
                    tally.changes.extend(change);
                }
                now += cost;
            }
        }
    }
    tallies
}

#[test]
fn the_first_polls_of_a_sites_buses_are_spread_too_and_none_waits_for_long() {
    let first = |period_ms, place| {
        let mut schedule = Schedule::new(vec![device(0, period_ms, 1)], Duration::ZERO, 1, place);
        match schedule.next(Mono::ZERO) {
            Next::Until(at) => at,
            Next::Run { .. } => Some(Mono::ZERO),
        }
    };
    assert_eq!((0..4).map(|bus| first(1_000, (bus, 4))).collect::<Vec<_>>(), [0, 250, 500, 750].map(|at| Some(ms(at))));
    assert_eq!(first(3_600_000, (3, 4)), Some(ms(7_500)), "once an hour, yet read soon after the start");
}

#[test]
fn ten_devices_at_one_second_are_spread_over_the_second() {
    let tallies =
        simulate((0..10).map(|i| device(i, 1_000, 1)).collect(), ms(10_000), |_, _, _| (ms(5), Verdict::Answered));
    let first: Vec<Mono> = tallies.iter().map(|tally| tally.starts[0]).collect();
    assert_eq!(first, (0..10).map(|i| ms(100 * i)).collect::<Vec<_>>());
    for tally in &tallies {
        assert_eq!(tally.polls, 10, "the grid is kept exactly");
        assert_eq!(tally.skipped, 0);
    }
}

#[test]
fn a_silent_device_leaves_four_fifths_of_a_full_bus_to_the_healthy_ones() {
    // Nine devices that need 90 ms each second (81 % of the bus) and one that is silent: 1 s timeout.
    let tallies = simulate((0..10).map(|i| device(i, 1_000, 1)).collect(), ms(600_000), |device, _, _| {
        if device == 4 { (ms(1_000), Verdict::Failed) } else { (ms(90), Verdict::Answered) }
    });
    let healthy: u64 = tallies.iter().enumerate().filter(|(i, _)| *i != 4).map(|(_, tally)| tally.polls).sum();
    assert!(healthy * 100 >= 9 * 600 * 95, "{healthy} of {} polls", 9 * 600);
    assert!(tallies[4].busy <= ms(600_000 / 5) + LIMITED_CREDIT, "{:?}", tallies[4].busy);
    assert!(tallies[4].polls > 60, "but it is still tried: {}", tallies[4].polls);
    assert_eq!(tallies[4].changes, [Change::Down]);
}

#[test]
fn many_silent_devices_share_one_fifth_between_them() {
    let tallies = simulate((0..20).map(|i| device(i, 1_000, 1)).collect(), ms(600_000), |device, _, _| {
        if device >= 4 { (ms(1_000), Verdict::Failed) } else { (ms(50), Verdict::Answered) }
    });
    let silent: Duration = tallies[4..].iter().map(|tally| tally.busy).sum();
    assert!(silent.as_millis() <= 600_000 / 5 + 30_000, "{silent:?}");
    assert!(tallies[4..].iter().all(|tally| tally.polls >= 3), "none of them is forgotten");
}

#[test]
fn a_device_that_answers_every_other_time_is_limited_too() {
    let mut turn = 0u32;
    let tallies = simulate(vec![device(0, 1_000, 1), device(1, 1_000, 1)], ms(600_000), |device, _, _| {
        if device == 0 {
            return (ms(20), Verdict::Answered);
        }
        turn += 1;
        if turn.is_multiple_of(2) { (ms(1_000), Verdict::Failed) } else { (ms(20), Verdict::Answered) }
    });
    assert!(tallies[1].busy <= ms(140_000), "{:?}", tallies[1].busy);
    assert!(tallies[0].polls >= 470, "{}", tallies[0].polls);
}

#[test]
fn a_device_that_takes_two_minutes_to_answer_gets_a_fifth_of_a_shared_bus() {
    let tallies = simulate(vec![device(0, 1_000, 1), device(1, 60_000, 1)], ms(6_000_000), |device, _, _| {
        if device == 0 { (ms(20), Verdict::Answered) } else { (ms(120_000), Verdict::Answered) }
    });
    assert!(tallies[1].busy <= ms(6_000_000 / 5 + 240_000), "{:?}", tallies[1].busy);
    assert!(tallies[1].polls >= 9, "{}", tallies[1].polls);
}

#[test]
fn silent_devices_alone_on_a_bus_are_tried_without_limit() {
    let tallies = simulate(vec![device(0, 1_000, 1)], ms(60_000), |_, _, now| {
        if now < ms(30_000) { (ms(500), Verdict::Failed) } else { (ms(5), Verdict::Answered) }
    });
    let back = tallies[0].starts.iter().find(|start| **start >= ms(30_000)).copied();
    assert!(back.is_some_and(|at| at <= ms(36_500)), "noticed within the longest back-off: {back:?}");
    assert_eq!(tallies[0].changes, [Change::Down, Change::Up]);
}

#[test]
fn when_one_silent_device_answers_again_its_neighbours_are_asked_at_once() {
    let tallies = simulate((0..4).map(|i| device(i, 60_000, 1)).collect(), ms(120_000), |_, _, now| {
        if (ms(1)..ms(80_000)).contains(&now) { (ms(10), Verdict::Failed) } else { (ms(10), Verdict::Answered) }
    });
    let back: Vec<Mono> =
        tallies.iter().filter_map(|t| t.starts.iter().find(|at| **at >= ms(80_000)).copied()).collect();
    let (first, last) = (back.iter().min().copied(), back.iter().max().copied());
    assert!(last.zip(first).is_some_and(|(last, first)| last - first <= ms(100)), "{back:?}");
}

#[test]
fn one_lost_frame_is_repeated_at_once_and_costs_no_reading() {
    let mut lost = false;
    let mut asked = Vec::new();
    simulate(vec![device(0, 1_000, 1), device(1, 1_000, 1)], ms(1_000), |device, _, now| {
        if device == 0 {
            asked.push(now);
            if !std::mem::replace(&mut lost, true) {
                return (ms(400), Verdict::Failed);
            }
        }
        (ms(10), Verdict::Answered)
    });
    assert_eq!(asked, [ms(0), ms(400)]);
}

#[test]
fn a_request_that_is_never_answered_does_not_hide_the_others() {
    let mut answered = [0u32; 4];
    let tallies = simulate(vec![device(0, 10_000, 4)], ms(100_000), |_, step, _| {
        answered[step] += 1;
        if step == 1 { (ms(500), Verdict::Failed) } else { (ms(10), Verdict::Answered) }
    });
    assert_eq!((answered[0], answered[2], answered[3]), (10, 10, 10));
    assert_eq!(tallies[0].changes, [], "it answers: it is not down");
}

#[test]
fn a_busy_device_is_asked_again_later_and_meanwhile_others_are_served() {
    let mut log = Vec::new();
    let mut busy_left = 2;
    simulate(vec![device(0, 10_000, 1), device(1, 50, 1)], ms(300), |device, _, now| {
        log.push((device, now.as_millis()));
        if device == 0 && busy_left > 0 {
            busy_left -= 1;
            return (ms(10), Verdict::Busy);
        }
        (ms(10), Verdict::Answered)
    });
    let first: Vec<u128> = log.iter().filter(|(device, _)| *device == 0).map(|(_, at)| *at).collect();
    assert_eq!(first, [0, 110, 220]);
    assert!(log.iter().filter(|(device, _)| *device == 1).count() >= 5);
}

#[test]
fn a_device_that_stays_busy_is_given_up_for_this_poll_but_is_not_down() {
    let tallies = simulate(vec![device(0, 1_000, 1)], ms(10_000), |_, _, _| (ms(10), Verdict::Busy));
    assert_eq!(tallies[0].polls, 10);
    assert_eq!(tallies[0].changes, []);
}

#[test]
fn the_wait_after_a_trigger_does_not_hold_the_bus() {
    let mut slow = device(0, 60_000, 2);
    slow.steps[0] = StepTiming { wait_after: ms(3_000), required: true };
    let mut log = Vec::new();
    simulate(vec![slow, device(1, 100, 1)], ms(3_100), |device, step, now| {
        log.push((device, step, now.as_millis()));
        (ms(10), Verdict::Answered)
    });
    let own: Vec<_> = log.iter().filter(|entry| entry.0 == 0).copied().collect();
    assert_eq!(own, [(0, 0, 0), (0, 1, 3_010)]);
    assert!(log.iter().filter(|entry| entry.0 == 1).count() >= 29, "the other device was served meanwhile");
}

#[test]
fn a_refused_trigger_ends_the_poll_because_old_values_would_look_new() {
    let mut triggered = device(0, 60_000, 2);
    triggered.steps[0] = StepTiming { wait_after: ms(10), required: true };
    let mut schedule = Schedule::new(vec![triggered], Duration::ZERO, 1, (0, 1));
    assert_eq!(schedule.next(ms(0)), Next::Run { device: 0, step: 0, skipped: 0 });
    let progress = schedule.done(0, ms(0), ms(5), Verdict::Refused);
    assert_eq!(progress, Progress::Complete { asked: 1, change: None });
}

#[test]
fn polls_that_cannot_keep_up_are_skipped_and_counted_not_queued() {
    let tallies = simulate(vec![device(0, 100, 1)], ms(10_000), |_, _, _| (ms(250), Verdict::Answered));
    assert!((97..=100).contains(&(tallies[0].polls + tallies[0].skipped)));
    assert!(tallies[0].polls >= 33);
}

#[test]
fn a_device_is_never_asked_faster_than_its_gaps_allow() {
    let mut slow = device(0, 100, 3);
    slow.request_gap = ms(50);
    slow.poll_gap = ms(1_000);
    let mut twin = device(0, 700, 1);
    twin.request_gap = ms(50);
    let mut asked: Vec<Mono> = Vec::new();
    let tallies = simulate(vec![slow, twin], ms(10_000), |_, _, now| {
        asked.push(now);
        (ms(10), Verdict::Answered)
    });
    assert!(asked.windows(2).all(|pair| pair[1] - pair[0] >= ms(60)), "both polls are of one device");
    assert!(tallies[0].starts.windows(2).all(|pair| pair[1] - pair[0] >= ms(1_000)));
}

proptest! {
    /// Whatever fails and however long it takes: the failing devices together stay within their
    /// share plus what was under way when they began to fail.
    #[test]
    fn failing_devices_never_take_more_than_their_share(
        timeouts in proptest::collection::vec(50u64..3_000, 1..8),
        healthy_cost_ms in 1u64..200,
    ) {
        let count = timeouts.len();
        let length = ms(300_000);
        let timings = (0..=count).map(|i| device(i, 1_000, 1)).collect();
        let tallies = simulate(timings, length, |device, _, _| match timeouts.get(device) {
            Some(timeout) => (ms(*timeout), Verdict::Failed),
            None => (ms(healthy_cost_ms), Verdict::Answered),
        });
        let silent: Duration = tallies[..count].iter().map(|tally| tally.busy).sum();
        let first_failures: Duration = timeouts.iter().map(|timeout| ms(*timeout)).sum();
        let longest = ms(timeouts.iter().copied().max().unwrap_or(0));
        let allowed = length / LIMITED_SHARE + first_failures + longest + LIMITED_CREDIT;
        prop_assert!(silent <= allowed, "{silent:?} of {allowed:?}");
        prop_assert!(tallies[count].polls >= 220, "{}", tallies[count].polls);
    }
}

#[test]
fn a_device_in_an_abnormal_state_is_polled_faster_and_then_at_its_own_period_again() {
    let mut schedule = Schedule::new(vec![device(0, 10_000, 1), device(1, 10_000, 1)], Duration::ZERO, 1, (0, 1));
    let mut starts = [Vec::new(), Vec::new()];
    let mut now = Mono::ZERO;
    let mut paced = 0;
    while now < ms(60_000) {
        if paced == 0 && now >= ms(20_000) {
            schedule.pace(0, Some(ms(1_000)), now);
            paced = 1;
        }
        if paced == 1 && now >= ms(30_000) {
            schedule.pace(0, None, now);
            paced = 2;
        }
        match schedule.next(now) {
            Next::Until(None) => break,
            Next::Until(Some(at)) => now = at.min(now + ms(500)),
            Next::Run { device, skipped, .. } => {
                assert_eq!(skipped, 0, "a change of pace skips nothing");
                starts[device].push(now);
                schedule.done(device, now, now + ms(5), Verdict::Answered);
                now += ms(5);
            }
        }
    }
    let within = |list: &[Mono], from, to| list.iter().filter(|at| (ms(from)..ms(to)).contains(*at)).count();
    assert_eq!(within(&starts[0], 0, 20_000), 2);
    assert!((9..=10).contains(&within(&starts[0], 20_000, 30_500)), "{:?}", starts[0]);
    assert_eq!(within(&starts[0], 31_000, 60_000), 2);
    assert_eq!(starts[1].len(), 6, "its neighbour is not disturbed");
}
