//! What happens when the disk refuses, as sentences over a temporary disk.

use super::*;
use minewatch_domain::{Event, EventKind, PointId, Quality, Reading, Reason};

fn event(n: i64) -> Record {
    Record::Event(Event { kind: EventKind::Siren, subject: "siren".into(), at: At(n), detail: String::new() })
}

fn reading(n: i64) -> Record {
    let point = PointId::parse("p").expect("slug");
    Record::Reading(Reading { point, at: At(n), value: Some(0.0), quality: Quality::Good, reason: Reason::None })
}

/// An actor on a temporary disk of which `free` bytes are left, of 1,000 that must be.
fn actor(dir: &std::path::Path, free: u64) -> Actor {
    let settings = SpoolSettings {
        dir: dir.to_owned(),
        size_max_bytes: 64 << 20,
        keep_acked_bytes: 1 << 20,
        min_free_bytes: 1_000,
    };
    let (store, opened) = SpoolStore::open(settings.clone(), At(1), 7).expect("opens");
    let publish = watch::channel(SpoolView { epoch: opened.epoch, ..SpoolView::default() }).0;
    let (fresh, free_checked_ms) = (mpsc::channel(1).0, u64::MAX / 2);
    Actor {
        settings,
        store: Ok(store),
        publish,
        fresh,
        lost: None,
        held: Vec::new(),
        reopen_at_ms: 0,
        free_checked_ms,
        free,
    }
}

fn written(actor: &Actor, lane: Lane) -> u64 {
    actor.store.as_ref().map_or(0, |store| store.next_seq(lane))
}

#[test]
fn a_full_disk_refuses_readings_and_counts_them_while_alarms_still_go_in() {
    let dir = tempfile::tempdir().expect("dir");
    let mut actor = actor(dir.path(), 500);
    actor.append(vec![reading(1), event(2), reading(3)], 1);
    assert_eq!((written(&actor, Lane::Routine), actor.publish.borrow().lost_records), (0, 2));
    assert_eq!(actor.publish.borrow().health, SpoolHealth::DiskFull);
    assert_eq!(written(&actor, Lane::Alarm), 2, "the alarm, and the gap note for the two readings");
}

#[test]
fn an_alarm_that_no_disk_took_is_written_when_there_is_room_again() {
    let dir = tempfile::tempdir().expect("dir");
    let mut actor = actor(dir.path(), 10);
    actor.append(vec![event(1), reading(2)], 1);
    actor.append(vec![event(3)], 1);
    assert_eq!(written(&actor, Lane::Alarm), 0, "nothing fits on the disk");
    actor.free = 5_000;
    actor.append(vec![reading(4)], 1);
    assert_eq!(written(&actor, Lane::Alarm), 3, "both alarms, and the gap note for the lost reading");
    assert_eq!((written(&actor, Lane::Routine), actor.publish.borrow().lost_records), (1, 1));
    assert_eq!(actor.publish.borrow().health, SpoolHealth::Ok);
}

#[test]
fn a_spool_that_cannot_be_written_holds_alarms_until_it_is_open_again() {
    let dir = tempfile::tempdir().expect("dir");
    let mut actor = actor(dir.path(), 5_000);
    actor.store = Err(SpoolError::Io("pulled".into()));
    actor.reopen_at_ms = u64::MAX;
    actor.append(vec![event(1), reading(2)], 1);
    assert_eq!((actor.held.len(), actor.publish.borrow().lost_records), (1, 1));
    // sled's threads let go of the lock a moment after the store was dropped.
    for _ in 0..1_000 {
        actor.reopen_at_ms = 0;
        actor.reopen_if_due(At(2));
        if actor.store.is_ok() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    actor.append(vec![event(3)], 1);
    assert_eq!((actor.held.len(), written(&actor, Lane::Alarm)), (0, 3));
}
