//! What leaves headquarters, in both databases: notices, exports, births, key figures.

use super::tests::on_both;
use super::*;
use crate::notify::plan::{Plan, Terms, plan};
use crate::notify::sender::{LEASE_MS, Notice, State};
use crate::notify::{Answer, budget::Rate};
use crate::regulator::mapping::Mapping;
use jiff::tz::TimeZone;
use minewatch_alarm::kpi::Window;
use minewatch_domain::{At, GatewayId, Level, OrgPath};

const NOW: At = At(1_795_600_800_000_000);
const RATE: Rate = Rate { per_minute: 15, reserve_red: 5 };

async fn fresh(address: &str) -> Store {
    let store = Store::open(address).await.expect("opens");
    let tables = "notice channel_state sparkplug_births regulator_state regulator_queue regulator_packages \
                  alarm_journal alarms alarm_actions cases case_journal gateways";
    for table in tables.split_whitespace() {
        store.writer.execute(sqlx::AssertSqlSafe(format!("DELETE FROM {table}"))).await.expect("empties");
    }
    store
}

async fn insert(store: &Store, channel: &str, level: Level, count: usize) {
    for n in 0..count {
        sqlx::query(
            "INSERT INTO notice (id, channel, level, body, due_us, state, attempts, next_try_us, created_us) \
             VALUES ($1, $2, $3, '{}', $4, 'pending', 0, $4, $4)",
        )
        .bind(format!("{channel}-{}-{n:03}", level.name()))
        .bind(channel)
        .bind(i64::from(level.code()))
        .bind(NOW.micros())
        .execute(&store.writer)
        .await
        .expect("inserts");
    }
}

async fn planned(store: &Store, me: &str, now: At) -> Vec<Notice> {
    let zone = TimeZone::UTC;
    let terms = |notice: &Notice| {
        let rate = (notice.channel == "robot").then_some(RATE);
        Some((if rate.is_some() { "robot" } else { "hook" }, Terms { rate, quiet: None }))
    };
    let decide =
        |due, budgets: &mut std::collections::BTreeMap<_, _>| -> Plan { plan(due, terms, budgets, (now, &zone), 64) };
    store.plan_notices(now, me, decide).await.expect("plans").send
}

async fn finish(store: &Store, me: &str, notices: &[Notice], answer: Answer, now: At) {
    let done: Vec<(Notice, Answer)> = notices.iter().map(|notice| (notice.clone(), answer.clone())).collect();
    let fallback = |notice: &Notice| (notice.channel == "robot").then(|| notice.fallen_back("hook", now));
    store.finish_notices(&done, me, now, |notice| Some(notice.channel.clone()), fallback).await.expect("finishes");
}

fn accepted() -> Answer {
    Answer::Accepted { receipt: "ok".to_owned() }
}

async fn count(store: &Store, state: &str) -> usize {
    store.notices(Some(state), 1_000).await.expect("reads").len()
}

#[test]
fn two_senders_share_the_notices_and_the_budget_of_a_robot() {
    on_both(async |address| {
        let store = fresh(address).await;
        insert(&store, "hook", Level::Orange, 30).await;
        insert(&store, "robot", Level::Yellow, 40).await;
        let (one, two) = tokio::join!(planned(&store, "one", NOW), planned(&store, "two", NOW));
        let ids: std::collections::BTreeSet<&str> = one.iter().chain(&two).map(|n| n.id.as_str()).collect();
        assert_eq!(ids.len(), one.len() + two.len(), "no notice is claimed twice");
        assert_eq!(ids.len(), 31, "30 webhooks and one digest of 40");
        assert_eq!((count(&store, "digested").await, count(&store, "claimed").await), (40, 31));
        // The budget lies in the store: whoever plans next sees what both have spent.
        for round in 0..12 {
            insert(&store, "robot", Level::Blue, 0).await;
            sqlx::query("UPDATE notice SET id = id || $1, state = 'pending', next_try_us = 0 WHERE id = (SELECT MIN(id) FROM notice WHERE state = 'digested')")
                .bind(format!("-{round}"))
                .execute(&store.writer)
                .await
                .expect("another one");
            planned(&store, if round % 2 == 0 { "one" } else { "two" }, NOW).await;
        }
        let robot = store.notices(Some("claimed"), 1_000).await.expect("reads");
        assert_eq!(robot.iter().filter(|n| n.channel == "robot").count(), 10, "fifteen less red's reserve");
        assert_eq!(count(&store, "pending").await, 3, "the rest waits for tokens");
        store.close().await;
    });
}

#[test]
fn a_dead_senders_notices_are_sent_by_the_next_and_its_late_word_changes_nothing() {
    on_both(async |address| {
        let store = fresh(address).await;
        insert(&store, "hook", Level::Red, 3).await;
        let dead = planned(&store, "dead", NOW).await;
        assert_eq!(dead.len(), 3);
        assert!(planned(&store, "next", NOW.plus_millis(LEASE_MS - 1)).await.is_empty(), "the lease holds");
        let later = NOW.plus_millis(LEASE_MS);
        let taken = planned(&store, "next", later).await;
        assert_eq!(taken.iter().map(|n| &n.id).collect::<Vec<_>>(), dead.iter().map(|n| &n.id).collect::<Vec<_>>());
        finish(&store, "dead", &dead, Answer::Rejected { why: "late".to_owned() }, later).await;
        assert_eq!((count(&store, "claimed").await, count(&store, "failed").await), (3, 0));
        finish(&store, "next", &taken, accepted(), later).await;
        let sent = store.notices(Some("sent"), 10).await.expect("reads");
        assert!(sent.iter().all(|n| n.state == State::Sent { attempts: 1, at: later, receipt: "ok".to_owned() }));
        assert_eq!(sent.len(), 3);
        store.close().await;
    });
}

#[test]
fn a_refused_notice_starts_its_fallback_once_and_a_blocked_robot_is_left_alone() {
    on_both(async |address| {
        let store = fresh(address).await;
        insert(&store, "robot", Level::Red, 1).await;
        let busy = Answer::Retry { after_ms: Some(600_000), why: "blocked".to_owned() };
        let first = planned(&store, "me", NOW).await;
        finish(&store, "me", &first, busy, NOW).await;
        let waiting = store.notices(Some("pending"), 10).await.expect("reads");
        assert_eq!(waiting.len(), 2, "red: the fallback starts at the first failure");
        insert(&store, "robot", Level::Orange, 1).await;
        let now = NOW.plus_millis(300_000);
        let sent = planned(&store, "me", now).await;
        assert_eq!(sent.iter().map(|n| n.id.as_str()).collect::<Vec<_>>(), ["robot-red-000/fallback/hook"]);
        let later = NOW.plus_millis(601_000);
        let again: Vec<Notice> =
            planned(&store, "me", later).await.into_iter().filter(|n| n.channel == "robot").collect();
        assert_eq!(again.len(), 2, "after the silence it asked for");
        finish(&store, "me", &again, Answer::Rejected { why: "gone".to_owned() }, later).await;
        let all = store.notices(None, 10).await.expect("reads");
        assert_eq!(all.iter().filter(|n| n.id.contains("/fallback/")).count(), 2, "one each, never a second");
        let channel = store.channels().await.expect("reads").into_iter().find(|c| c.channel == "robot").expect("known");
        assert_eq!((channel.failures, channel.error.as_deref()), (3, Some("gone")));
        store.close().await;
    });
}

#[test]
fn births_are_numbered_across_restarts() {
    on_both(async |address| {
        let store = fresh(address).await;
        let gateway = GatewayId::parse("gw-1").expect("slug");
        for expected in (0..=255).chain(0..3) {
            assert_eq!(store.next_bd_seq(&gateway).await.expect("counts"), expected);
        }
        store.close().await;
        let store = Store::open(address).await.expect("opens");
        assert_eq!(store.next_bd_seq(&gateway).await.expect("counts"), 3);
        store.close().await;
    });
}

async fn step(store: &Store, revision: i64, from: Level, to: Level, at: At) {
    sqlx::query(
        "INSERT INTO alarm_journal (gateway, alarm, revision, kind, point, from_level, to_level, at_us, value, \
         limit_value, rule, why, ingested_us) VALUES ('gw-1', 'a.high', $1, 'threshold', 'a', $2, $3, $4, 1.5, 1.0, 'r#1', 'w', $4)",
    )
    .bind(revision)
    .bind(i64::from(from.code()))
    .bind(i64::from(to.code()))
    .bind(at.micros())
    .execute(&store.writer)
    .await
    .expect("inserts");
}

#[test]
fn every_step_after_the_start_of_an_export_is_in_exactly_one_package() {
    on_both(async |address| {
        let store = fresh(address).await;
        let example = concat!(env!("CARGO_MANIFEST_DIR"), "/../firmware-configs/regulator/example-file.toml");
        let mapping = Mapping::parse(&std::fs::read_to_string(example).expect("shipped")).expect("sound");
        step(&store, 1, Level::Normal, Level::Red, NOW).await;
        store.register_platform("province", NOW).await.expect("registers");
        store.register_platform("province", NOW).await.expect("twice is harmless");
        assert_eq!(
            store.make_packages("province", &mapping, NOW).await.expect("packs").taken,
            0,
            "not what was before"
        );
        for revision in 2..6 {
            step(&store, revision, Level::Red, if revision % 2 == 0 { Level::Normal } else { Level::Red }, NOW).await;
        }
        let (one, two) = tokio::join!(
            store.make_packages("province", &mapping, NOW),
            store.make_packages("province", &mapping, NOW)
        );
        assert_eq!(one.expect("packs").taken + two.expect("packs").taken, 4, "two aggregators, each step once");
        let package = store.next_package("province", NOW).await.expect("reads").expect("is there");
        assert_eq!(store.next_package("province", NOW).await.expect("reads"), None, "one aggregator delivers it");
        assert_eq!((package.number, package.records, package.content.lines().count()), (1, 4, 4));
        assert!(package.content.contains("gw-1/a.high/2;") && !package.content.contains("a.high/1;"));
        let refused = Answer::Rejected { why: "400".to_owned() };
        store.package_tried("province", 1, &refused, NOW).await.expect("notes");
        assert_eq!(
            store.next_package("province", NOW).await.expect("reads"),
            Some(package),
            "the same until it is delivered"
        );
        store.package_tried("province", 1, &accepted(), NOW).await.expect("notes");
        assert_eq!(store.next_package("province", NOW.plus_millis(60_000)).await.expect("reads"), None);
        store.close().await;
    });
}

#[test]
fn key_figures_are_those_of_the_part_that_was_asked_for() {
    on_both(async |address| {
        let store = fresh(address).await;
        for (alarm, org) in [("a.high", "g/c/m1/f"), ("b.high", "g/c/m10/f")] {
            sqlx::query("INSERT INTO alarms (gateway, alarm, revision, to_level, org, at_us, isa) VALUES ('gw-1', $1, 9, 4, $2, $3, 'SHLVD')")
                .bind(alarm)
                .bind(org)
                .bind(NOW.plus_millis(3_000).micros())
                .execute(&store.writer)
                .await
                .expect("inserts");
        }
        step(&store, 1, Level::Normal, Level::Yellow, NOW.plus_millis(-90_000_000)).await;
        step(&store, 2, Level::Yellow, Level::Red, NOW.plus_millis(2_000)).await;
        let window = Window { from: NOW, to: NOW.plus_millis(60_000) };
        for (org, expected) in
            [(Some("g/c/m1"), (1, 1, 1)), (Some("g/c/m10"), (0, 0, 1)), (None, (1, 1, 2)), (Some("g/x"), (0, 0, 0))]
        {
            let path = org.map(|org| OrgPath::parse(org).expect("path"));
            let facts = store.kpi_facts(path.as_ref(), window).await.expect("reads");
            let kpi = minewatch_alarm::kpi::compute(window, &facts.records, &facts.cases);
            assert_eq!((kpi.annunciated, kpi.stale.len(), kpi.shelved), expected, "{org:?}");
        }
        store.close().await;
    });
}
