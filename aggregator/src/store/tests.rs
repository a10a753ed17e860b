//! The store's promise, tried on both databases: whatever the order, the cutting into
//! transactions and the repetitions, the same content results.
//!
//! PostgreSQL takes part when `MINEWATCH_TEST_POSTGRES` names a database these tests may write; each process uses a schema of its own there.

use super::{Committer, Store};
use crate::ingest::Input;
use crate::ingest::admit::Batch;
use minewatch_domain::wire::{SessionV1, StreamV1, WireRecord};
use minewatch_domain::{
    AlarmKind, AlarmTransition, At, Catalogue, CataloguePoint, Gap, GapReason, GatewayId, Lane, Level, LevelLimits,
    PointId, Quality, Reading, Reason, Record, SitePath,
};
use proptest::prelude::*;
use sqlx::{Connection, Executor, Row};

const START: i64 = 1_764_000_000_000_000;

pub(super) fn gateway() -> GatewayId {
    GatewayId::parse("gw-1").expect("slug")
}

fn point(n: u64) -> PointId {
    PointId::parse(&format!("p-{n}")).expect("slug")
}

fn reading(seq: u64) -> Record {
    Record::Reading(Reading {
        point: point(seq % 3),
        at: At(START + seq as i64 * 17_000_000),
        value: (!seq.is_multiple_of(7)).then_some(seq as f64 / 3.0),
        quality: if seq.is_multiple_of(7) { Quality::Bad } else { Quality::Good },
        reason: if seq.is_multiple_of(7) { Reason::Timeout } else { Reason::None },
    })
}

fn catalogue(seq: u64) -> Record {
    let described = |n| CataloguePoint {
        point: point(n),
        device: "d".to_owned(),
        name_zh: "点".to_owned(),
        name_en: format!("point {seq}"),
        unit: "m".to_owned(),
        period_ms: 1_000,
        keep_alive_ms: 10_000,
        high: LevelLimits::default(),
        low: LevelLimits::default(),
        range: None,
    };
    let level = |text: &str| text.to_owned();
    Record::Catalogue(Catalogue {
        config: u64::MAX - seq,
        site_zh: "库".to_owned(),
        site_en: format!("pond {seq}"),
        path: SitePath { group: level("g"), company: level("c"), mine: level("m"), facility: level("f") },
        part: 0,
        parts: 1,
        points: (0..3).map(described).collect(),
        outline: None,
    })
}

fn transition(revision: u64) -> Record {
    let level = |n: u64| Level::from_code((n % 3) as u8).expect("level");
    Record::Alarm(AlarmTransition {
        alarm: PointId::parse("p-1.threshold").expect("slug"),
        revision,
        kind: AlarmKind::Threshold,
        point: Some(point(1)),
        from: level(revision - 1),
        to: level(revision),
        at: At(START + revision as i64 * 1_000_000),
        value: revision.is_multiple_of(2).then_some(1.0),
        limit: revision.is_multiple_of(3).then_some(0.5),
        rule: "r".to_owned(),
        why: "w".to_owned(),
        proof: None,
    })
}

fn record(lane: Lane, seq: u64) -> Record {
    match (lane, seq % 11) {
        (Lane::Routine, 5) => catalogue(seq),
        (Lane::Routine, _) => reading(seq),
        (Lane::Alarm, 3) => Record::Gap(Gap {
            reason: GapReason::PowerOff,
            subject: "gateway".to_owned(),
            from: At(START),
            to: At(START + 1),
            seqs: None,
            count: seq,
        }),
        (Lane::Alarm, _) => transition(seq + 1),
    }
}

pub(super) fn batch(lane: Lane, from: u64, len: u64) -> Input {
    let records = (from..from + len).map(|seq| WireRecord { seq, record: record(lane, seq) });
    Input::Batch(Batch {
        gateway: gateway(),
        epoch: 9,
        lane,
        batch: from,
        records: records.collect(),
        impossible: Vec::new(),
        ranges: std::iter::once(from..from + len).collect(),
        at: At(START),
        bytes: 0,
    })
}

/// Everything the store says, in words, without surrogate numbers.
const CONTENT: &[&str] = &[
    "SELECT CAST(s.epoch AS TEXT) || ' ' || CAST(s.lane AS TEXT) || ' ' || CAST(r.seq AS TEXT) || ' ' || p.point || ' ' || \
     CAST(r.at_us AS TEXT) || ' ' || COALESCE(CAST(ROUND(r.value * 1000) AS TEXT), '-') || ' ' || CAST(r.quality AS TEXT) \
     FROM readings r JOIN streams s ON s.stream_num = r.stream_num JOIN points p ON p.point_num = r.point_num \
     ORDER BY s.epoch, s.lane, r.seq",
    "SELECT CAST(s.lane AS TEXT) || ' ' || CAST(m.from_seq AS TEXT) || ' ' || CAST(m.to_seq AS TEXT) FROM marks m \
     JOIN streams s ON s.stream_num = m.stream_num ORDER BY s.lane, m.from_seq",
    "SELECT alarm || ' ' || CAST(revision AS TEXT) || ' ' || CAST(to_level AS TEXT) FROM alarm_journal ORDER BY revision",
    "SELECT alarm || ' ' || CAST(revision AS TEXT) || ' ' || CAST(to_level AS TEXT) FROM alarms ORDER BY alarm",
    "SELECT CAST(seq AS TEXT) || ' ' || reason || ' ' || CAST(missing AS TEXT) FROM gaps ORDER BY seq",
    "SELECT gateway || ' ' || COALESCE(site_en, '-') FROM gateways ORDER BY gateway",
    "SELECT point || ' ' || COALESCE(description, '-') FROM points ORDER BY point",
    "SELECT message_key FROM outbox WHERE leaf LIKE '%/event' ORDER BY message_key",
];

async fn content(store: &Store) -> Vec<String> {
    let mut all = Vec::new();
    for query in CONTENT {
        let rows = sqlx::query(*query).fetch_all(&store.reader).await.expect("readable");
        all.extend(rows.iter().map(|row| row.try_get::<String, _>(0).expect("text")));
        all.push("--".to_owned());
    }
    all
}

pub(super) async fn fresh(address: &str) -> Store {
    let store = Store::open(address).await.expect("opens");
    let tables = "readings marks streams alarm_journal alarms gaps events gateways points outbox latest catalogues \
                  quarantine quarantine_counts hourly hourly_due meta alarm_actions alarm_requests commands cases \
                  case_journal case_alarms evidence org_units responsible_parties rosters shifts ladders \
                  escalation_steps calls notice receipts";
    for table in tables.split_whitespace() {
        store.writer.execute(sqlx::AssertSqlSafe(format!("DELETE FROM {table}"))).await.expect("empties");
    }
    store
}

/// Runs a test on SQLite, and on PostgreSQL where there is one.
pub(super) fn on_both(test: impl AsyncFn(&str)) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("runtime");
    let folder = tempfile::tempdir().expect("folder");
    runtime.block_on(test(&format!("sqlite:{}/t.db", folder.path().display())));
    if let Ok(address) = std::env::var("MINEWATCH_TEST_POSTGRES") {
        // A schema for each test process, so that they do not meet.
        let schema = format!("t_{}", std::process::id());
        runtime.block_on(async {
            sqlx::any::install_default_drivers();
            let mut connection = sqlx::AnyConnection::connect(&address).await.expect("connects");
            let statement = format!("CREATE SCHEMA IF NOT EXISTS {schema}");
            connection.execute(sqlx::AssertSqlSafe(statement)).await.expect("makes the schema");
        });
        runtime.block_on(test(&format!("{address}?options[search_path]={schema}")));
    }
}

async fn apply(store: &Store, transactions: &[Vec<Input>], restart: bool) {
    let mut committer = Committer::new(store.clone(), std::sync::Arc::default());
    for inputs in transactions {
        if restart {
            committer = Committer::new(store.clone(), std::sync::Arc::default());
        }
        committer.commit(inputs, At(START)).await.expect("commits");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]
    #[test]
    fn any_order_and_any_repetition_give_the_same_content(
        pieces in prop::collection::vec((any::<bool>(), 0u64..60, 1u64..25, 0usize..4), 1..14),
        restart in any::<bool>(),
    ) {
        on_both(async |address| {
            let lane = |alarm| if alarm { Lane::Alarm } else { Lane::Routine };
            let mut transactions: Vec<Vec<Input>> = vec![Vec::new(); 4];
            for (alarm, from, len, slot) in &pieces {
                transactions[*slot].push(batch(lane(*alarm), *from, *len));
            }
            let store = fresh(address).await;
            apply(&store, &transactions, restart).await;
            let shuffled = content(&store).await;
            store.close().await;
            // The plain way: every number once, in order, one by one.
            let mut numbers: Vec<(Lane, u64)> = pieces.iter()
                .flat_map(|(alarm, from, len, _)| (*from..from + len).map(|seq| (lane(*alarm), seq))).collect();
            numbers.sort_unstable();
            numbers.dedup();
            let plain: Vec<Vec<Input>> = numbers.iter().map(|(lane, seq)| vec![batch(*lane, *seq, 1)]).collect();
            let store = fresh(address).await;
            apply(&store, &plain, false).await;
            assert_eq!(shuffled, content(&store).await);
            store.close().await;
        });
    }
}

#[test]
fn two_writers_of_one_stream_store_every_record_once() {
    on_both(async |address| {
        let store = fresh(address).await;
        let (mut one, mut two) = (
            Committer::new(store.clone(), std::sync::Arc::default()),
            Committer::new(store.clone(), std::sync::Arc::default()),
        );
        for from in [0, 10, 20, 30] {
            one.commit(&[batch(Lane::Routine, from, 10)], At(START)).await.expect("commits");
            let outcome = two.commit(&[batch(Lane::Routine, from + 5, 10)], At(START)).await.expect("commits");
            assert_eq!(outcome.duplicates, 5, "the other's marks are seen");
        }
        let ledger = store.ledger(Some(&gateway())).await.expect("reads");
        assert_eq!((ledger[0].streams[0].received, ledger[0].streams[0].unexplained), (45, 0));
        store.close().await;
    });
}

fn hello() -> SessionV1 {
    SessionV1 {
        version: 1,
        gateway: "gw-1".to_owned(),
        nonce: 4,
        want_marks: true,
        at_us: START,
        started_us: START,
        software: "x".to_owned(),
        config: u64::MAX,
        streams: vec![StreamV1 { epoch: 9, lane: 1, oldest: 0, next: 30, closed: false, acked: 0 }],
        backlog: 10,
        link_losses: 0,
    }
}

#[test]
fn a_hello_is_answered_with_what_the_store_really_has() {
    on_both(async |address| {
        let store = fresh(address).await;
        let mut committer = Committer::new(store.clone(), std::sync::Arc::default());
        committer.commit(&[batch(Lane::Routine, 0, 10)], At(START)).await.expect("commits");
        // The store goes back in time behind the writer's back, as after a restored backup.
        store.writer.execute("UPDATE marks SET to_seq = 4").await.expect("restores");
        let inputs = [Input::Hello(gateway(), hello(), At(START))];
        let answers = committer.commit(&inputs, At(START)).await.expect("commits").answers;
        let told: Vec<_> = answers[0].marks.iter().map(|m| (m.epoch, m.lane, m.from, m.to)).collect();
        assert_eq!(told, vec![(9, 1, 0, 4)]);
        let ledger = store.ledger(None).await.expect("reads");
        assert_eq!(ledger[0].streams[0].expected, 30);
        store.close().await;
    });
}

#[test]
fn history_readings_and_newest_values_agree() {
    on_both(async |address| {
        let store = fresh(address).await;
        let mut committer = Committer::new(store.clone(), std::sync::Arc::default());
        for from in (0..1_100).step_by(110) {
            committer.commit(&[batch(Lane::Routine, from, 110)], At(START)).await.expect("commits");
        }
        let num = store.point(&gateway(), &point(0)).await.expect("reads").expect("is there").num;
        let (from, to) = (At(START), At(START + 1_100 * 17_000_000));
        let mut rows = Vec::new();
        let mut after = None;
        loop {
            let page = store.readings(num, (from, to), after, 50).await.expect("reads");
            after = page.last().map(|(row, stream)| (row.at.micros(), *stream, row.seq as i64));
            if page.is_empty() {
                break;
            }
            rows.extend(page);
        }
        let expected: Vec<u64> = (0..1_100).filter(|seq| seq % 3 == 0 && seq % 11 != 5).collect();
        assert_eq!(rows.iter().map(|(row, _)| row.seq).collect::<Vec<_>>(), expected);
        assert!(rows.iter().all(|(row, _)| row.value == (!row.seq.is_multiple_of(7)).then_some(row.seq as f64 / 3.0)));
        let fine = store.history(num, from, to, 20).await.expect("reads");
        assert_eq!(fine.samples.iter().map(|s| s.n).sum::<i64>(), expected.len() as i64);
        assert!(fine.samples.len() <= 20 && fine.bucket_us > 0);
        committer.flush_latest(to).await.expect("flushes");
        let last = store.load_latest().await.expect("reads");
        assert_eq!(last[&gateway()][&point(0)].at, rows.last().expect("rows").0.at);
        // Roll-up and long history.
        let later = At(START + 86_400_000_000);
        while store.upkeep(later, None).await.expect("keeps").more {}
        let coarse = store.history(num, At(START), At(START + 30 * 86_400_000_000), 100).await.expect("reads");
        assert_eq!(coarse.samples.iter().map(|s| s.n).sum::<i64>(), expected.len() as i64);
        // Retention.
        let much_later = At(START + 90 * 86_400_000_000);
        while store.upkeep(much_later, Some(30)).await.expect("keeps").more {}
        assert!(store.readings(num, (from, to), None, 10).await.expect("reads").is_empty());
        store.close().await;
    });
}

#[test]
fn a_failed_transaction_leaves_nothing_and_the_next_one_works() {
    on_both(async |address| {
        let store = fresh(address).await;
        let mut committer = Committer::new(store.clone(), std::sync::Arc::default());
        committer.commit(&[batch(Lane::Routine, 0, 4)], At(START)).await.expect("commits");
        store.writer.execute("ALTER TABLE readings RENAME TO hidden").await.expect("breaks");
        assert!(committer.commit(&[batch(Lane::Routine, 4, 10)], At(START)).await.is_err());
        store.writer.execute("ALTER TABLE hidden RENAME TO readings").await.expect("mends");
        let ledger = store.ledger(None).await.expect("reads");
        assert_eq!(ledger[0].streams[0].received, 4, "marks and records go together");
        let outcome = committer.commit(&[batch(Lane::Routine, 4, 10)], At(START)).await.expect("commits");
        assert_eq!((outcome.readings, outcome.duplicates), (9, 0));
        store.close().await;
    });
}
