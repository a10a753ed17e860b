//! Alarms and cases in the store, on both databases, with two aggregators taking turns.

use crate::ingest::Input;
use crate::ingest::admit::Batch;
use crate::live::LinkChange;
use crate::operator::{Answer, Command, Done, Evidence, Order, OrgChange, Receipt, Refusal, Reply, Rung, Said, Shift};
use crate::people::{Actor, Domains, Grant, Role, Via};
use crate::store::tests::{fresh, gateway, on_both};
use crate::store::{Columns, Committer, Filter, Store};
use minewatch_alarm::{Action, Alarm, Case, CaseEvent, Intent, Isa, Origin, Policy, What};
use minewatch_domain::wire::WireRecord;
use minewatch_domain::{
    AlarmKind, AlarmTransition, At, Event, EventKind, Lane, Level, OrgPath, PersonId, PointId, Record,
};
use std::sync::Arc;

const START: At = At(1_764_000_000_000_000);

fn at(ms: i64) -> At {
    START.plus_millis(ms)
}

fn alarm_id(n: u64, kind: AlarmKind) -> PointId {
    PointId::parse(&format!("p-{n}.{}", kind.name())).expect("slug")
}

fn transition(n: u64, kind: AlarmKind, revision: u64, from: Level, to: Level, ms: i64) -> AlarmTransition {
    AlarmTransition {
        alarm: alarm_id(n, kind),
        revision,
        kind,
        point: None,
        from,
        to,
        at: at(ms),
        value: Some(1.0),
        limit: None,
        rule: "r".to_owned(),
        why: "w".to_owned(),
        proof: None,
    }
}

fn batch(from: u64, records: Vec<Record>) -> Input {
    let count = records.len() as u64;
    Input::Batch(Batch {
        gateway: gateway(),
        epoch: 9,
        lane: Lane::Alarm,
        batch: from,
        records: (from..).zip(records).map(|(seq, record)| WireRecord { seq, record }).collect(),
        impossible: Vec::new(),
        ranges: std::iter::once(from..from + count).collect(),
        at: START,
        bytes: 0,
    })
}

fn raised(from: u64, seen: &[AlarmTransition]) -> Input {
    batch(from, seen.iter().cloned().map(Record::Alarm).collect())
}

fn actor(name: &str, role: Role) -> Actor {
    let grants = vec![Grant { role, org: OrgPath::root(), domains: Domains::All }];
    Actor { person: PersonId::parse(name).expect("slug"), name: name.to_owned(), via: Via::Program, grants }
}

struct Hq {
    store: Store,
    committers: [Committer; 2],
    turn: usize,
    orders: u64,
}

impl Hq {
    async fn open(address: &str) -> Hq {
        let store = fresh(address).await;
        let committer = || Committer::new(store.clone(), Arc::default());
        Hq { committers: [committer(), committer()], store, turn: 0, orders: 0 }
    }

    /// Each commit goes to the other aggregator.
    async fn commit(&mut self, inputs: &[Input], ms: i64) -> crate::store::Outcome {
        self.turn += 1;
        self.committers[self.turn % 2].commit(inputs, at(ms)).await.expect("commits")
    }

    async fn order(&mut self, who: &Actor, order: Order, ms: i64) -> Answer {
        self.orders += 1;
        let (reply, _) = Reply::new();
        let command = Command { id: format!("o-{}", self.orders), actor: who.clone(), order, at: at(ms), reply };
        let outcome = self.commit(&[Input::Operator(command)], ms).await;
        outcome.replies.first().expect("answered").1.clone()
    }

    async fn alarm(&mut self, who: &Actor, n: u64, what: Intent, ms: i64) -> Answer {
        let seen = self.seen(n).await;
        let alarm = alarm_id(n, AlarmKind::Threshold);
        self.order(who, Order::Alarm { gateway: gateway(), alarm, seen, what }, ms).await
    }

    async fn seen(&self, n: u64) -> i64 {
        let alarm = alarm_id(n, AlarmKind::Threshold);
        self.store.handled("gw-1", alarm.as_str()).await.expect("reads").map_or(0, |row| row.version)
    }

    async fn case(&mut self, who: &Actor, case: &str, what: What, ms: i64) -> Answer {
        let seen = self.store.case(case).await.expect("reads").map_or(0, |case| case.revision);
        self.order(who, Order::Case { case: case.to_owned(), seen, what }, ms).await
    }

    async fn count(&self, query: &'static str) -> i64 {
        sqlx::query(query).fetch_one(&self.store.reader).await.expect("counts").int(0).expect("number")
    }

    async fn isa(&self, n: u64) -> Isa {
        let alarm = alarm_id(n, AlarmKind::Threshold);
        let row = self.store.handled("gw-1", alarm.as_str()).await.expect("reads").expect("is there");
        Isa::from_name(&row.isa).expect("a state")
    }

    /// The stored state of every alarm and case is what their journals say.
    async fn replayed(&self) {
        let filter = Filter { limit: 1_000, ..Filter::default() };
        let alarms = self.store.alarm_page(&filter).await.expect("reads");
        assert!(!alarms.is_empty());
        for row in alarms {
            let id = PointId::parse(&row.alarm).expect("slug");
            let journal = self.store.journal(&gateway(), &id, 10_000).await.expect("reads");
            let transitions: Vec<_> = journal.iter().rev().filter_map(|row| row.transition()).collect();
            let texts = self.store.actions("gw-1", &row.alarm).await.expect("reads");
            let actions: Vec<Action> = texts.iter().map(|text| serde_json::from_str(text).expect("action")).collect();
            assert_eq!(Some(Alarm::replay(&transitions, &actions)), row.state, "{}", row.alarm);
        }
        for case in self.store.case_page(&filter).await.expect("reads") {
            let steps = self.store.case_steps(&case.id).await.expect("reads");
            let events: Vec<CaseEvent> = steps
                .iter()
                .skip(1)
                .map(|line| serde_json::from_str(line[6].as_deref().expect("detail")).expect("event"))
                .collect();
            let (level, raised) = case.body.raised;
            let policy = Policy::of_level(case.body.case.level);
            assert_eq!(Case::replay(level, raised, &events, &policy).as_ref(), Ok(&case.body.case), "{}", case.id);
        }
    }
}

const MINUTE: i64 = 60_000;

#[test]
fn alarms_of_one_pond_share_a_case_whose_rungs_are_taken_once_by_two_aggregators() {
    on_both(async |address| {
        let mut hq = Hq::open(address).await;
        let chief = actor("chief", Role::Administrator);
        let party = |org: &str, person: &str| OrgChange::Party {
            org: OrgPath::parse(org).expect("path"),
            field: None,
            role: "duty".to_owned(),
            person: person.to_owned(),
            channel: String::new(),
        };
        for change in [party("unassigned", "li"), party("/", "boss")] {
            assert!(hq.order(&chief, Order::Organisation(change), 0).await.is_ok());
        }
        let red: Vec<_> =
            (0..50).map(|n| transition(n, AlarmKind::Threshold, 1, Level::Normal, Level::Red, 1)).collect();
        let input = raised(0, &red);
        hq.commit(std::slice::from_ref(&input), 10).await;
        let again = hq.commit(&[input], 20).await;
        assert_eq!((again.duplicates, again.notices), (50, 0), "told twice, counted once");
        for ms in [5 * MINUTE + 10, 5 * MINUTE + 20, 40 * MINUTE, 40 * MINUTE + 1, 41 * MINUTE] {
            hq.commit(&[Input::Tick], ms).await;
            hq.commit(&[Input::Tick], ms).await;
        }
        assert_eq!(hq.count("SELECT COUNT(*) FROM cases").await, 1);
        assert_eq!(hq.count("SELECT COUNT(*) FROM case_alarms").await, 50);
        assert_eq!(hq.count("SELECT COUNT(*) FROM escalation_steps").await, 4, "0, 5, 15 and 30 minutes");
        assert_eq!(hq.count("SELECT COUNT(*) FROM calls WHERE target = 'li'").await, 1, "the nearest first");
        assert_eq!(hq.count("SELECT COUNT(*) FROM calls WHERE target = 'boss'").await, 3, "then the node above");
        assert_eq!(hq.count("SELECT COUNT(*) FROM notice WHERE state = 'pending'").await, 4);
        assert!(hq.case(&actor("li", Role::Operator), "c-000001", What::Acknowledge, 42 * MINUTE).await.is_ok());
        assert_eq!(hq.count("SELECT COUNT(*) FROM calls WHERE answered_by = 'li'").await, 1);
        hq.replayed().await;
        hq.store.close().await;
    });
}

#[test]
fn a_case_goes_round_the_loop_and_is_verified_by_somebody_else() {
    on_both(async |address| {
        let mut hq = Hq::open(address).await;
        let (li, wang) = (actor("li", Role::Administrator), actor("wang", Role::Administrator));
        hq.commit(&[raised(0, &[transition(1, AlarmKind::Threshold, 1, Level::Normal, Level::Orange, 1)])], 1).await;
        let id = "c-000001";
        let assign = What::Assign { to: "wang".to_owned() };
        let submit = What::Submit { cause: "drain blocked".to_owned(), measure: "drain cleared".to_owned() };
        assert!(hq.case(&li, id, What::Acknowledge, 2).await.is_ok());
        assert!(hq.case(&li, id, assign, 3).await.is_ok());
        assert!(matches!(hq.case(&li, id, What::Start, 4).await, Err(Refusal::Conflict(_))), "not the handler");
        assert!(hq.case(&wang, id, What::Start, 5).await.is_ok());
        let evidence = Evidence {
            case: id.to_owned(),
            kind: "photo".to_owned(),
            name: "drain.jpg".to_owned(),
            media_type: "image/jpeg".to_owned(),
            sha256: "0".repeat(64),
            note: String::new(),
            body: vec![0, 1, 2],
        };
        for _ in 0..2 {
            assert!(hq.order(&wang, Order::Evidence(evidence.clone()), 6).await.is_ok());
        }
        assert_eq!(hq.count("SELECT COUNT(*) FROM evidence").await, 1, "the same bytes once");
        assert!(hq.case(&wang, id, submit, 7).await.is_ok());
        assert!(matches!(hq.case(&wang, id, What::Verify, 8).await, Err(Refusal::Conflict(_))), "four eyes");
        let stale = Order::Case { case: id.to_owned(), seen: 1, what: What::Verify };
        assert!(matches!(hq.order(&li, stale, 8).await, Err(Refusal::Stale(_))));
        assert!(hq.case(&li, id, What::Verify, 9).await.is_ok());
        assert!(hq.case(&li, id, What::Close, 10).await.is_ok());
        let case = hq.store.case(id).await.expect("reads").expect("is there");
        assert_eq!((case.state.as_str(), case.open), ("closed", false));
        assert_eq!(hq.isa(1).await, Isa::Unack, "closing a case clears no alarm");
        // The alarm comes back within some days: the same case is opened again; later, a new one.
        let cycle = |revision: u64, ms| {
            let down = transition(1, AlarmKind::Threshold, revision, Level::Orange, Level::Normal, ms);
            [down, transition(1, AlarmKind::Threshold, revision + 1, Level::Normal, Level::Orange, ms)]
        };
        hq.commit(&[raised(1, &cycle(2, 20))], 20).await;
        let case = hq.store.case(id).await.expect("reads").expect("is there");
        assert_eq!((case.state.as_str(), case.body.case.reopened), ("pushed", 1));
        assert_eq!(hq.count("SELECT COUNT(*) FROM cases").await, 1);
        hq.replayed().await;
        hq.store.close().await;
    });
}

#[test]
fn red_is_shelved_by_two_people_and_comes_back_by_itself() {
    on_both(async |address| {
        let mut hq = Hq::open(address).await;
        let (li, wang) = (actor("li", Role::Dispatcher), actor("wang", Role::Dispatcher));
        hq.commit(&[raised(0, &[transition(1, AlarmKind::Threshold, 1, Level::Normal, Level::Red, 1)])], 1).await;
        let shelve = Intent::Shelve { until: at(60_000), one_shot: false, reason: "test".to_owned() };
        let Ok(Done::Asked(request)) = hq.alarm(&li, 1, shelve.clone(), 10).await else { panic!("must be asked") };
        assert_eq!(hq.isa(1).await, Isa::Unack, "one person alone changes nothing");
        let grant = Order::Grant { request: request.clone() };
        assert!(matches!(hq.order(&li, grant.clone(), 11).await, Err(Refusal::Conflict(_))), "the same person");
        assert!(hq.order(&wang, grant.clone(), 12).await.is_ok());
        assert_eq!(hq.isa(1).await, Isa::Shlvd);
        assert!(matches!(hq.order(&wang, grant, 13).await, Err(Refusal::Conflict(_))), "granted once");
        hq.commit(&[Input::Tick], 59_999).await;
        assert_eq!(hq.isa(1).await, Isa::Shlvd);
        hq.commit(&[Input::Tick], 60_000).await;
        assert_eq!(hq.isa(1).await, Isa::Unack, "back by itself");
        assert_eq!(hq.count("SELECT COUNT(*) FROM commands").await, 1, "the site is told");
        hq.replayed().await;
        hq.store.close().await;
    });
}

#[test]
fn rights_and_versions_are_asked_in_the_transaction() {
    on_both(async |address| {
        let mut hq = Hq::open(address).await;
        hq.commit(&[raised(0, &[transition(1, AlarmKind::Threshold, 1, Level::Normal, Level::Blue, 1)])], 1).await;
        let elsewhere = Actor {
            grants: vec![Grant {
                role: Role::Operator,
                org: OrgPath::parse("g/c/m").expect("path"),
                domains: Domains::All,
            }],
            ..actor("zhao", Role::Operator)
        };
        let viewer = actor("viewer", Role::Viewer);
        assert_eq!(hq.alarm(&elsewhere, 1, Intent::Acknowledge, 2).await, Err(Refusal::NotFound("alarm")));
        assert_eq!(hq.alarm(&viewer, 1, Intent::Acknowledge, 2).await, Err(Refusal::Denied));
        let li = actor("li", Role::Operator);
        let seen = hq.seen(1).await;
        let alarm = alarm_id(1, AlarmKind::Threshold);
        hq.commit(&[raised(1, &[transition(1, AlarmKind::Threshold, 2, Level::Blue, Level::Red, 3)])], 3).await;
        let stale = Order::Alarm { gateway: gateway(), alarm, seen, what: Intent::Acknowledge };
        assert!(matches!(hq.order(&li, stale, 4).await, Err(Refusal::Stale(_))), "it went red meanwhile");
        assert!(hq.alarm(&li, 1, Intent::Acknowledge, 5).await.is_ok());
        assert_eq!(hq.isa(1).await, Isa::Acked);
        assert_eq!(hq.count("SELECT COUNT(*) FROM audit WHERE action = 'alarm.acknowledge'").await, 1);
        hq.store.close().await;
    });
}

#[test]
fn a_dead_link_keeps_back_its_instruments_but_never_the_dam() {
    on_both(async |address| {
        let mut hq = Hq::open(address).await;
        let link = |down, ms| Input::Link(LinkChange { gateway: gateway(), down, at: at(ms), why: "w".to_owned() });
        hq.commit(&[link(true, 1)], 1).await;
        let late = [
            transition(1, AlarmKind::DeviceDown, 1, Level::Normal, Level::Yellow, 2),
            transition(2, AlarmKind::Threshold, 1, Level::Normal, Level::Red, 2),
        ];
        hq.commit(&[raised(0, &late)], 2).await;
        let down = alarm_id(1, AlarmKind::DeviceDown);
        let row = hq.store.handled("gw-1", down.as_str()).await.expect("reads").expect("is there");
        assert_eq!((row.isa.as_str(), row.inhibited_by.as_deref()), ("DSUPR", Some("gateway.link-hq")));
        assert_eq!(hq.isa(2).await, Isa::Unack, "the dam is never kept back by a link");
        hq.commit(&[link(false, 3)], 3).await;
        let row = hq.store.handled("gw-1", down.as_str()).await.expect("reads").expect("is there");
        assert_eq!((row.isa.as_str(), row.inhibited_by), ("UNACK", None));
        hq.replayed().await;
        hq.store.close().await;
    });
}

#[test]
fn what_a_site_did_alone_is_merged_whatever_the_order() {
    on_both(async |address| {
        let mut hq = Hq::open(address).await;
        let red = transition(1, AlarmKind::Threshold, 1, Level::Normal, Level::Orange, 1);
        let mut site = Alarm::default();
        let settings = minewatch_alarm::Settings::default();
        site = site.step(&minewatch_alarm::Event::Transition(red.clone()), &settings, at(1)).expect("taken").0;
        let action = site.action("site-1", Origin::Site, "guard", at(2), Intent::Acknowledge);
        let event = Event {
            kind: EventKind::Operator,
            subject: red.alarm.to_string(),
            at: at(2),
            detail: serde_json::to_string(&action).expect("json"),
        };
        // The action comes before the alarm it belongs to, and twice.
        hq.commit(&[batch(5, vec![Record::Event(event.clone())])], 3).await;
        hq.commit(&[raised(0, &[red])], 4).await;
        assert_eq!(hq.isa(1).await, Isa::Acked);
        hq.commit(&[batch(6, vec![Record::Event(event)])], 5).await;
        assert_eq!(hq.count("SELECT COUNT(*) FROM alarm_actions").await, 1);
        hq.replayed().await;
        hq.store.close().await;
    });
}

#[test]
fn a_ladder_calls_who_is_on_duty_now() {
    on_both(async |address| {
        let mut hq = Hq::open(address).await;
        let chief = actor("chief", Role::Administrator);
        let org = OrgPath::root();
        let shift = |from, to, person: &str| Shift {
            from: at(from),
            to: at(to),
            person: person.to_owned(),
            channel: "sms".to_owned(),
        };
        let roster = OrgChange::Roster {
            roster: "night".to_owned(),
            org: org.clone(),
            zh: "夜班".to_owned(),
            en: "night".to_owned(),
            shifts: vec![shift(0, 1_000, "early"), shift(1_000, 9_000_000, "late")],
            seen: 0,
        };
        let rung = |step, after_ms, target: &str| Rung {
            step,
            after_ms,
            target: target.to_owned(),
            channel: "wecom".to_owned(),
        };
        let rungs = vec![rung(0, 0, "roster:night"), rung(1, 2_000, "robot:centre")];
        let ladder = OrgChange::Ladder { org, field: None, level: Level::Orange, rungs: rungs.clone(), seen: 0 };
        for change in [roster, ladder.clone()] {
            assert!(hq.order(&chief, Order::Organisation(change), 0).await.is_ok());
        }
        assert_eq!(hq.order(&chief, Order::Organisation(ladder), 0).await, Err(Refusal::Stale(1)));
        let seen = transition(1, AlarmKind::Threshold, 1, Level::Normal, Level::Orange, 1);
        hq.commit(&[raised(0, &[seen])], 1_500).await;
        hq.commit(&[Input::Tick], 3_499).await;
        assert_eq!(hq.count("SELECT COUNT(*) FROM calls").await, 1);
        hq.commit(&[Input::Tick], 3_500).await;
        let calls = hq.store.case_calls("c-000001").await.expect("reads");
        let called: Vec<_> = calls.iter().map(|line| (line[2].clone(), line[3].clone())).collect();
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(called, [(some("late"), some("sms")), (some("centre"), some("wecom"))]);
        hq.store.close().await;
    });
}

#[test]
fn who_answers_a_call_is_in_the_record_once_and_key_1_acknowledges() {
    on_both(async |address| {
        let mut hq = Hq::open(address).await;
        let chief = actor("chief", Role::Administrator);
        let org = OrgPath::parse("unassigned").expect("path");
        let party = |person: &str| OrgChange::Party {
            org: org.clone(),
            field: None,
            role: "duty".to_owned(),
            person: person.to_owned(),
            channel: String::new(),
        };
        for person in ["li", "wang"] {
            assert!(hq.order(&chief, Order::Organisation(party(person)), 0).await.is_ok());
        }
        hq.commit(&[raised(0, &[transition(1, AlarmKind::Threshold, 1, Level::Normal, Level::Red, 1)])], 10).await;
        // As the sender does when it hands a notice to its channel.
        let sent = "UPDATE notice SET state = 'sent', public_id = target WHERE target IN ('li', 'wang')";
        sqlx::query(sent).execute(&hq.store.writer).await.expect("sent");
        let receipt = |id: &str, notice: &str, said: Said| {
            Order::Receipt(Receipt { id: id.to_owned(), notice: notice.to_owned(), said, by: None, at: at(20) })
        };
        let nobody = hq.order(&chief, receipt("r-0", "msg_x", Said::Delivered), 20).await;
        assert_eq!(nobody, Err(Refusal::NotFound("notice")));
        assert!(hq.order(&chief, receipt("r-1", "li", Said::Delivered), 20).await.is_ok());
        assert_eq!(
            hq.count("SELECT COUNT(*) FROM calls WHERE answered_us IS NOT NULL").await,
            0,
            "arrived is not answered"
        );
        assert!(hq.order(&chief, receipt("r-2", "wang", Said::Answered("2".to_owned())), 21).await.is_ok());
        assert_eq!(hq.count("SELECT COUNT(*) FROM cases WHERE state = 'acknowledged'").await, 0, "another key");
        for ms in [22, 23] {
            assert!(hq.order(&chief, receipt("r-3", "li", Said::Answered("1".to_owned())), ms).await.is_ok());
        }
        assert_eq!(hq.count("SELECT COUNT(*) FROM receipts").await, 3, "a repeat counts once");
        assert_eq!(hq.count("SELECT COUNT(*) FROM calls WHERE answered_by = 'li'").await, 1);
        assert_eq!(hq.count("SELECT COUNT(*) FROM calls WHERE answered_by = 'wang'").await, 1);
        let acknowledged = "SELECT COUNT(*) FROM case_journal WHERE event = 'acknowledge' AND actor = 'li'";
        assert_eq!(hq.count(acknowledged).await, 1);
        hq.replayed().await;
    });
}
