//! The ledger's promises, as sentences over a real sled database in a temporary folder.

use super::store::SpoolStore;
use super::{Opened, SpoolSettings, StreamId};
use minewatch_domain::{
    AlarmKind, AlarmTransition, At, Event, EventKind, Gap, GapReason, Lane, Level, PointId, Quality, RangeSet, Reading,
    Reason, Record,
};
use std::collections::BTreeMap;
use std::path::Path;

const T0: At = At(1_790_000_000_000_000);

fn settings(dir: &Path) -> SpoolSettings {
    SpoolSettings { dir: dir.to_owned(), size_max_bytes: 64 << 20, keep_acked_bytes: 1 << 20, min_free_bytes: 0 }
}

fn open(dir: &Path) -> (SpoolStore, Opened) {
    SpoolStore::open(settings(dir), T0, 7).expect("spool opens")
}

fn readings(from: usize, count: usize) -> Vec<Record> {
    (from..from + count)
        .map(|n| {
            Record::Reading(Reading {
                point: PointId::parse(&format!("p{}", n % 10)).expect("slug"),
                at: T0.plus_millis(n as i64),
                value: Some(n as f64),
                quality: Quality::Good,
                reason: Reason::None,
            })
        })
        .collect()
}

fn routine(epoch: u64) -> StreamId {
    StreamId { epoch, lane: Lane::Routine }
}

fn gaps_of(store: &mut SpoolStore) -> Vec<Gap> {
    let stream = StreamId { epoch: store.epoch(), lane: Lane::Alarm };
    let out = store.read(stream, 0..store.next_seq(Lane::Alarm), 1 << 20, T0).expect("readable");
    let unpacked = out.frames.iter().flat_map(|f| f.unpack(&BTreeMap::new()).expect("frame").records);
    unpacked.filter_map(|r| if let Record::Gap(gap) = r.record { Some(gap) } else { None }).collect()
}

#[test]
fn what_was_appended_is_read_back_in_order_with_its_point_names() {
    let dir = tempfile::tempdir().expect("dir");
    let (mut store, opened) = open(dir.path());
    store.append(&readings(0, 25), 9, T0).expect("append");
    let out = store.read(routine(opened.epoch), 0..25, 1 << 20, T0).expect("read");
    assert_eq!((out.range.clone(), out.points.len()), (0..25, 10));
    let points = out.points.iter().map(|(n, p)| (*n, PointId::parse(p).expect("slug"))).collect();
    let values: Vec<f64> = out
        .frames
        .iter()
        .flat_map(|f| f.unpack(&points).expect("frame").records)
        .filter_map(|r| if let Record::Reading(reading) = r.record { reading.value } else { None })
        .collect();
    assert_eq!(values, (0..25).map(f64::from).collect::<Vec<_>>());
}

#[test]
fn a_new_opening_is_a_new_epoch_and_keeps_what_was_not_acknowledged() {
    let dir = tempfile::tempdir().expect("dir");
    let (mut store, first) = open(dir.path());
    store.append(&readings(0, 10), 9, T0.plus_millis(5_000)).expect("append");
    drop(store);
    let (mut store, second) = open(dir.path());
    assert!(second.epoch > first.epoch, "also when the clock did not move");
    assert_eq!(second.last_alive, Some(T0.plus_millis(5_000)));
    let old = store.streams().into_iter().find(|s| s.epoch == first.epoch && s.lane == 1).expect("old stream");
    assert_eq!((old.next, old.acked, old.closed), (10, 0, true));
    assert_eq!(store.read(routine(first.epoch), 0..10, 1 << 20, T0).expect("read").range, 0..10);
    assert_eq!(store.next_seq(Lane::Routine), 0);
}

#[test]
fn alarms_are_remembered_across_a_restart() {
    let dir = tempfile::tempdir().expect("dir");
    let (mut store, _) = open(dir.path());
    let alarm = AlarmTransition {
        alarm: PointId::parse("pool.level.threshold").expect("slug"),
        revision: 3,
        kind: AlarmKind::Threshold,
        point: None,
        from: Level::Yellow,
        to: Level::Red,
        at: T0,
        value: Some(1.0),
        limit: Some(0.5),
        rule: "r".into(),
        why: "w".into(),
        proof: Some("{}".into()),
    };
    store.append(&[Record::Alarm(alarm.clone())], 9, T0).expect("append");
    drop(store);
    assert_eq!(open(dir.path()).1.alarms, vec![alarm]);
}

#[test]
fn a_full_spool_drops_the_oldest_routine_records_and_says_which() {
    let dir = tempfile::tempdir().expect("dir");
    let small = SpoolSettings { size_max_bytes: (1 << 20) + 60_000, ..settings(dir.path()) };
    let (mut store, opened) = SpoolStore::open(small, T0, 7).expect("opens");
    let mut told = 0;
    for n in 0..60 {
        told += store.make_room(64 * 100, T0).expect("room").iter().map(|g| g.count).sum::<u64>();
        store.append(&readings(n * 100, 100), 9, T0).expect("append");
    }
    let stream = store.streams().into_iter().find(|s| s.epoch == opened.epoch && s.lane == 1).expect("stream");
    assert!(stream.oldest > 0, "something had to go");
    assert_eq!(stream.next, 6_000);
    assert_eq!(told, stream.oldest, "every dropped record is counted");
    let gaps = gaps_of(&mut store);
    let mut stated = RangeSet::new();
    for gap in &gaps {
        assert_eq!(gap.reason, GapReason::SpoolFull);
        let (epoch, lane, from, to) = gap.seqs.expect("sequence range");
        assert_eq!((epoch, lane), (opened.epoch, Lane::Routine));
        stated.insert(from..to);
    }
    assert!(stated.covers(0..stream.oldest) && stated.count() == stream.oldest, "exactly what is missing is stated");
    assert!(store.held_bytes() <= (1 << 20) + 60_000);
}

#[test]
fn acknowledged_records_are_kept_for_a_while_and_then_forgotten() {
    let dir = tempfile::tempdir().expect("dir");
    let tight = SpoolSettings { keep_acked_bytes: 10_000, ..settings(dir.path()) };
    let (mut store, opened) = SpoolStore::open(tight, T0, 7).expect("opens");
    for n in 0..50 {
        store.append(&readings(n * 100, 100), 9, T0).expect("append");
        store.acked(routine(opened.epoch), (n as u64 + 1) * 100).expect("acked");
    }
    assert!(store.held_bytes() < 20_000, "{} bytes held", store.held_bytes());
    assert!(gaps_of(&mut store).is_empty(), "forgetting what the store has is no gap");
}

#[test]
fn a_store_restored_from_an_old_copy_gets_again_what_is_held_and_a_gap_for_the_rest() {
    let dir = tempfile::tempdir().expect("dir");
    let tight = SpoolSettings { keep_acked_bytes: 10_000, ..settings(dir.path()) };
    let (mut store, opened) = SpoolStore::open(tight, T0, 7).expect("opens");
    for n in 0..50 {
        store.append(&readings(n * 100, 100), 9, T0).expect("append");
    }
    store.acked(routine(opened.epoch), 5_000).expect("acked");
    let oldest = store.streams().iter().find(|s| s.lane == 1).expect("stream").oldest;
    assert!(oldest > 1_000);
    let yesterday = BTreeMap::from([(routine(opened.epoch), std::iter::once(0..1_000).collect())]);
    let gaps = store.reconcile(&yesterday, T0).expect("reconciled");
    let stated: Vec<_> = gaps.iter().map(|g| (g.reason, g.seqs)).collect();
    assert_eq!(stated, vec![(GapReason::StoreRestored, Some((opened.epoch, Lane::Routine, 1_000, oldest)))]);
    let acked = store.streams().iter().find(|s| s.lane == 1).expect("stream").acked;
    assert_eq!(acked, oldest, "everything still held is to be sent again");
    assert_eq!(gaps_of(&mut store), gaps);
}

#[test]
fn a_damaged_frame_costs_its_own_records_only_and_is_stated() {
    let dir = tempfile::tempdir().expect("dir");
    let (mut store, opened) = open(dir.path());
    for n in 0..3 {
        store.append(&readings(n * 10, 10), 9, T0).expect("append");
    }
    store.corrupt_for_test(routine(opened.epoch), 10);
    let out = store.read(routine(opened.epoch), 0..30, 1 << 20, T0).expect("read");
    assert_eq!(out.damaged, vec![10..20]);
    assert_eq!((out.range, out.frames.len()), (0..30, 2));
    let gaps = gaps_of(&mut store);
    assert_eq!(
        gaps.iter().map(|g| (g.reason, g.seqs)).collect::<Vec<_>>(),
        vec![(GapReason::SpoolDamaged, Some((opened.epoch, Lane::Routine, 10, 20)))]
    );
}

#[test]
fn an_unreadable_spool_is_put_aside_and_a_new_one_begins() {
    let dir = tempfile::tempdir().expect("dir");
    let (mut store, _) = open(dir.path());
    store
        .append(
            &[Record::Event(Event {
                kind: EventKind::Started,
                subject: "gateway".into(),
                at: T0,
                detail: String::new(),
            })],
            9,
            T0,
        )
        .expect("append");
    drop(store);
    let conf = dir.path().join("db").join("conf");
    std::fs::write(&conf, b"not a configuration of sled at all, really not").expect("vandalism");
    let (store, opened) = open(dir.path());
    assert!(opened.damaged.is_some(), "the loss is told");
    assert!(store.streams().iter().all(|s| s.next == 0));
    assert!(
        std::fs::read_dir(dir.path())
            .expect("dir")
            .flatten()
            .any(|e| e.file_name().to_string_lossy().starts_with("damaged-"))
    );
}
