//! Every pair of state and request, the merge of replicas that act at once, and replay.

use crate::{Action, Alarm, Effect, Event, Intent, Isa, Operator, Origin, Process, Refused, Settings, Suppression};
use minewatch_domain::{AlarmKind, AlarmTransition, At, Level, PointId};
use proptest::prelude::*;

const SETTINGS: Settings =
    Settings { latch_red: true, rearm_ms: Some(100_000), shelve_ms_max: 10_000, service_ms_max: 50_000 };

fn transition(revision: u64, from: Level, to: Level, at: At) -> AlarmTransition {
    AlarmTransition {
        alarm: PointId::parse("p.threshold").unwrap(),
        revision,
        kind: AlarmKind::Threshold,
        point: None,
        from,
        to,
        at,
        value: None,
        limit: None,
        rule: String::new(),
        why: String::new(),
        proof: None,
    }
}

fn at(ms: i64) -> At {
    At::from_millis(ms)
}

fn take(alarm: Alarm, event: &Event, now: At) -> Alarm {
    alarm.step(event, &SETTINGS, now).unwrap().0
}

fn levels(levels: &[Level]) -> Alarm {
    let mut from = Level::Normal;
    let mut alarm = Alarm::default();
    for (revision, to) in (1..).zip(levels) {
        alarm = take(alarm, &Event::Transition(transition(revision, from, *to, at(revision as i64))), at(10));
        from = *to;
    }
    alarm
}

fn ask(alarm: &Alarm, id: &str, by: &str, second: Option<&str>, now: At, what: Intent) -> Event {
    let second = second.map(str::to_owned);
    Event::Ask(Action { second, ..alarm.action(id, Origin::Hq, by, now, what) })
}

fn shelve(until: i64) -> Intent {
    Intent::Shelve { until: at(until), one_shot: false, reason: "calibration".into() }
}

fn service(until: i64) -> Intent {
    Intent::OutOfService { until: at(until), work_order: "WO-1".into(), reason: "new probe".into() }
}

fn state(name: &str) -> Alarm {
    let now = at(10);
    let act = |alarm: Alarm, what: Intent| {
        let event = ask(&alarm, name, "li", None, now, what);
        take(alarm, &event, now)
    };
    match name {
        "NORM" => Alarm::default(),
        "UNACK" => levels(&[Level::Orange]),
        "ACKED" => act(levels(&[Level::Orange]), Intent::Acknowledge),
        "RTNUN" => levels(&[Level::Orange, Level::Normal]),
        "LATCH" => levels(&[Level::Red, Level::Normal]),
        "RED" => levels(&[Level::Red]),
        "SHLVD" => act(levels(&[Level::Orange]), shelve(5_000)),
        "OOSRV" => act(levels(&[Level::Orange]), service(5_000)),
        _ => act(levels(&[Level::Orange]), Intent::SuppressByDesign { rule: "link".into() }),
    }
}

/// One row per request: the outcome in each of the states of the header. A letter is the state that follows.
const TABLE: &str = "\
request      NORM   UNACK  ACKED  RTNUN  LATCH  RED    SHLVD  OOSRV  DSUPR
acknowledge  nothing ACKED nothing NORM  ACKED  ACKED  SHLVD  OOSRV  DSUPR
silence      nothing UNACK ACKED  nothing nothing UNACK SHLVD OOSRV  DSUPR
shelve       SHLVD  SHLVD  SHLVD  SHLVD  two    two    SHLVD  nothing nothing
unshelve     nothing nothing nothing nothing nothing nothing UNACK nothing nothing
service      OOSRV  OOSRV  OOSRV  OOSRV  two    two    OOSRV  OOSRV  OOSRV
return       nothing nothing nothing nothing nothing nothing nothing UNACK nothing
design       DSUPR  DSUPR  DSUPR  DSUPR  DSUPR  UNACK  DSUPR  OOSRV  DSUPR
end_design   nothing nothing nothing nothing nothing nothing nothing nothing UNACK
reset        nothing active active nothing RTNUN active active active active
rise         UNACK  UNACK  UNACK  UNACK  UNACK  UNACK  UNACK  UNACK  UNACK
clear        same   RTNUN  NORM   same   same   UNACK  SHLVD  OOSRV  DSUPR
";

fn request(name: &str) -> Option<Intent> {
    Some(match name {
        "acknowledge" => Intent::Acknowledge,
        "silence" => Intent::Silence,
        "shelve" => shelve(9_000),
        "unshelve" => Intent::Unshelve,
        "service" => service(9_000),
        "return" => Intent::ReturnToService,
        "design" => Intent::SuppressByDesign { rule: "link".into() },
        "end_design" => Intent::EndDesign,
        "reset" => Intent::Reset,
        _ => return None,
    })
}

fn outcome(before: &Alarm, name: &str) -> String {
    let now = at(20);
    let next = before.condition.revision + 1;
    let (from, red) = (before.condition.level, Level::Red);
    let event = match (name, request(name)) {
        (_, Some(what)) => ask(before, "x", "zhao", None, now, what),
        ("rise", None) => Event::Transition(transition(next, if from == red { Level::Orange } else { from }, red, now)),
        ("clear", None) if from == Level::Normal => return "same".into(),
        _ => Event::Transition(transition(next, from, Level::Normal, now)),
    };
    match before.clone().step(&event, &SETTINGS, now) {
        Ok((after, _)) => after.view(&SETTINGS, now).isa().name().into(),
        Err(Refused::NothingToDo) => "nothing".into(),
        Err(Refused::SecondPerson) => "two".into(),
        Err(Refused::StillActive) => "active".into(),
        Err(other) => format!("{other:?}"),
    }
}

#[test]
fn every_request_in_every_state_does_what_the_table_says() {
    let mut lines = TABLE.lines();
    let states: Vec<&str> = lines.next().unwrap().split_whitespace().skip(1).collect();
    let mut rows = 0;
    for line in lines {
        let cells: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(cells.len(), states.len() + 1, "{line}");
        for (name, expected) in states.iter().zip(&cells[1..]) {
            assert_eq!(outcome(&state(name), cells[0]), *expected, "{} of {name}", cells[0]);
            rows += 1;
        }
    }
    assert_eq!(rows, 11 * 9);
}

#[test]
fn a_shelf_ends_by_itself_and_the_alarm_asks_again() {
    let alarm = state("SHLVD");
    assert_eq!(alarm.timer(&SETTINGS, at(20)), Some(at(5_000)));
    assert_eq!(alarm.view(&SETTINGS, at(4_999)).isa(), Isa::Shlvd);
    let effects = alarm.elapsed(&SETTINGS, at(4_999), at(5_000));
    assert_eq!(effects, [Effect::Shown(Isa::Unack), Effect::Annunciate(Level::Orange)]);
}

#[test]
fn a_shelved_orange_that_goes_red_is_not_kept_back() {
    let alarm = state("SHLVD");
    let worse = Event::Transition(transition(2, Level::Orange, Level::Red, at(30)));
    let (alarm, effects) = alarm.step(&worse, &SETTINGS, at(30)).unwrap();
    assert_eq!(alarm.view(&SETTINGS, at(30)).suppression, Suppression::None);
    assert!(effects.contains(&Effect::Annunciate(Level::Red)));
    assert!(alarm.sounds(&SETTINGS, at(30)));
}

#[test]
fn a_one_shot_shelf_ends_with_the_occurrence() {
    let alarm = levels(&[Level::Orange]);
    let what = Intent::Shelve { until: at(9_000), one_shot: true, reason: "known".into() };
    let alarm = take(alarm.clone(), &ask(&alarm, "s", "li", None, at(10), what), at(10));
    let alarm = take(alarm, &Event::Transition(transition(2, Level::Orange, Level::Normal, at(11))), at(11));
    let alarm = take(alarm, &Event::Transition(transition(3, Level::Normal, Level::Orange, at(12))), at(12));
    assert_eq!(alarm.view(&SETTINGS, at(12)).isa(), Isa::Unack);
}

#[test]
fn silence_ends_the_sound_and_the_next_rise_sounds_again() {
    let alarm = levels(&[Level::Orange]);
    assert!(alarm.sounds(&SETTINGS, at(10)));
    let alarm = take(alarm.clone(), &ask(&alarm, "s", "li", None, at(10), Intent::Silence), at(10));
    assert!(!alarm.sounds(&SETTINGS, at(10)));
    assert_eq!(alarm.view(&SETTINGS, at(10)).operator, Operator::Unacked, "silence is not acknowledging");
    let alarm = take(alarm, &Event::Transition(transition(2, Level::Orange, Level::Red, at(11))), at(11));
    assert!(alarm.sounds(&SETTINGS, at(11)));
}

#[test]
fn an_acknowledged_alarm_that_still_stands_asks_again() {
    let alarm = state("ACKED");
    assert_eq!(alarm.timer(&SETTINGS, at(20)), Some(at(100_010)));
    assert_eq!(alarm.view(&SETTINGS, at(100_010)).isa(), Isa::Unack);
}

#[test]
fn an_acknowledgement_of_what_was_seen_does_not_acknowledge_what_came_after() {
    let seen = levels(&[Level::Blue]);
    let stale = ask(&seen, "a", "li", None, at(10), Intent::Acknowledge);
    let worse = take(seen, &Event::Transition(transition(2, Level::Blue, Level::Red, at(11))), at(11));
    assert_eq!(worse.clone().step(&stale, &SETTINGS, at(12)).unwrap_err(), Refused::Stale);
    let Event::Ask(action) = stale else { unreachable!() };
    let merged = take(worse, &Event::Merge(action), at(12));
    assert_eq!(merged.view(&SETTINGS, at(12)).operator, Operator::Unacked);
}

#[test]
fn reasons_and_ends_are_checked() {
    let alarm = state("UNACK");
    let refused = |what| alarm.clone().step(&ask(&alarm, "x", "li", None, at(10), what), &SETTINGS, at(10)).err();
    let shelve = |until, reason: &str| Intent::Shelve { until: at(until), one_shot: false, reason: reason.into() };
    assert_eq!(refused(shelve(5_000, "  ")), Some(Refused::NoReason));
    assert_eq!(refused(shelve(10, "r")), Some(Refused::Until));
    assert_eq!(refused(shelve(10_011, "r")), Some(Refused::Until));
    assert_eq!(refused(shelve(10_010, "r")), None);
    let order = |order: &str| Intent::OutOfService { until: at(20), work_order: order.into(), reason: "r".into() };
    assert_eq!(refused(order("")), Some(Refused::NoWorkOrder));
}

/// What one of three replicas does: headquarters A, headquarters B, the site.
#[derive(Debug, Clone)]
enum Deed {
    /// The site's process changes level.
    Level(Level),
    /// Replica, what, by whom, second.
    Act(usize, Intent, u8, Option<u8>),
    /// What replica `.0` knows reaches replica `.1`, the newest first when `.2`.
    Tell(usize, usize, bool),
    /// Time goes on.
    Wait(i64),
}

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    let intent = prop_oneof![
        Just(Intent::Acknowledge),
        Just(Intent::Silence),
        Just(Intent::Unshelve),
        Just(Intent::ReturnToService),
        Just(Intent::Reset),
        Just(Intent::EndDesign),
        (1i64..20_000).prop_map(shelve),
        (1i64..20_000).prop_map(service),
    ];
    let level = (0u8..5).prop_map(|code| Level::from_code(code).unwrap());
    let deed = prop_oneof![
        2 => level.prop_map(Deed::Level),
        5 => (0usize..3, intent, 0u8..3, proptest::option::of(0u8..3)).prop_map(|(r, i, b, s)| Deed::Act(r, i, b, s)),
        3 => (0usize..3, 0usize..3, any::<bool>()).prop_map(|(a, b, n)| Deed::Tell(a, b, n)),
        1 => (1i64..8_000).prop_map(Deed::Wait),
    ];
    proptest::collection::vec(deed, 1..60)
}

#[derive(Default, Clone)]
struct Replica {
    alarm: Alarm,
    transitions: Vec<AlarmTransition>,
    actions: Vec<Action>,
}

impl Replica {
    fn hear(&mut self, event: &Event, now: At) {
        match event {
            Event::Transition(t) if !self.transitions.contains(t) => self.transitions.push(t.clone()),
            Event::Merge(a) if !self.actions.contains(a) => self.actions.push(a.clone()),
            Event::Transition(_) | Event::Merge(_) | Event::Ask(_) => {}
        }
        let (alarm, effects) = self.alarm.clone().step(event, &SETTINGS, now).unwrap();
        self.alarm = alarm;
        if effects.contains(&Effect::Refold) {
            self.alarm = Alarm::replay(&self.transitions, &self.actions);
        }
    }
}

fn tell(from: &Replica, to: &mut Replica, newest_first: bool, now: At) {
    let transitions = from.transitions.iter().cloned().map(Event::Transition);
    let mut news: Vec<Event> = transitions.chain(from.actions.iter().cloned().map(Event::Merge)).collect();
    if newest_first {
        news.reverse();
    }
    news.iter().for_each(|event| to.hear(event, now));
}

fn play(deeds: &[Deed]) -> (Vec<Replica>, u64, usize, At) {
    let mut replicas = vec![Replica::default(); 3];
    let (mut revision, mut done, mut now) = (0u64, 0usize, at(1));
    for deed in deeds {
        match deed {
            Deed::Level(to) => {
                let from = replicas[2].alarm.condition.level;
                if from != *to {
                    revision += 1;
                    replicas[2].hear(&Event::Transition(transition(revision, from, *to, now)), now);
                }
            }
            Deed::Act(replica, what, by, second) => {
                let origin = if *replica == 2 { Origin::Site } else { Origin::Hq };
                let known = &mut replicas[*replica];
                let mut action = known.alarm.action(&format!("{done}"), origin, &format!("p{by}"), now, what.clone());
                action.second = second.map(|second| format!("p{second}"));
                if known.alarm.clone().step(&Event::Ask(action.clone()), &SETTINGS, now).is_ok() {
                    known.hear(&Event::Merge(action), now);
                    done += 1;
                }
            }
            Deed::Tell(from, to, newest_first) => {
                let told = replicas[*from].clone();
                tell(&told, &mut replicas[*to], *newest_first, now);
            }
            Deed::Wait(ms) => now = now.plus_millis(*ms),
        }
        for replica in &replicas {
            red_is_kept_back_by_two(&replica.alarm, now);
        }
    }
    (replicas, revision, done, now)
}

fn red_is_kept_back_by_two(alarm: &Alarm, now: At) {
    let view = alarm.view(&SETTINGS, now);
    let register = match view.suppression {
        Suppression::Shelved => &alarm.handling.shelf,
        Suppression::OutOfService => &alarm.handling.service,
        Suppression::ByDesign | Suppression::None => return,
    };
    if view.process == Process::Active(Level::Red) {
        let held = register.held().unwrap();
        assert!(held.second.as_ref().is_some_and(|second| *second != held.by), "red kept back by {held:?}");
    }
}

proptest! {
    #[test]
    fn replicas_that_acted_at_once_agree_when_all_is_told_and_nothing_is_lost_or_invented(
        deeds in deeds(), newest_first in any::<bool>(),
    ) {
        let (mut replicas, revision, done, now) = play(&deeds);
        for _ in 0..2 {
            for (from, to) in [(0, 1), (1, 2), (2, 0), (0, 2), (2, 1), (1, 0)] {
                let told = replicas[from].clone();
                tell(&told, &mut replicas[to], newest_first, now);
            }
        }
        for replica in &replicas {
            prop_assert_eq!(replica.transitions.len() as u64, revision, "transitions lost or invented");
            prop_assert_eq!(replica.actions.len(), done, "actions lost or invented");
            prop_assert_eq!(&replica.alarm, &replicas[0].alarm);
            let replayed = Alarm::replay(&replica.transitions, replica.actions.iter().rev());
            prop_assert_eq!(&replayed, &replica.alarm, "replay of the journal");
        }
    }

    #[test]
    fn a_stored_alarm_is_read_back_as_it_was(deeds in deeds()) {
        let (replicas, ..) = play(&deeds);
        let text = serde_json::to_string(&replicas[0].alarm).unwrap();
        prop_assert_eq!(&serde_json::from_str::<Alarm>(&text).unwrap(), &replicas[0].alarm);
    }

    #[test]
    fn no_suppression_outlives_its_time(deeds in deeds()) {
        let (replicas, _, _, now) = play(&deeds);
        let later = now.plus_millis(SETTINGS.service_ms_max + 1);
        for replica in &replicas {
            prop_assert_eq!(replica.alarm.view(&SETTINGS, later).suppression, Suppression::None);
        }
    }
}
