//! Keeps wire version 1 frozen: the bytes of each message are compared with files that are never
//! edited. A failure here means an old gateway and a new aggregator would not understand each other.

#![expect(clippy::disallowed_methods, reason = "golden files are files")]

use minewatch_domain::wire::{
    AckKind, AckV1, ActionV1, BatchV1, CommandResultV1, CommandV1, Frame, MarkV1, SessionV1, StreamV1, decode, encode,
};
use minewatch_domain::{
    AlarmKind, AlarmTransition, At, Event, EventKind, Gap, GapReason, Lane, Level, PointId, Quality, Reading, Reason,
    Record,
};
use std::fmt::Debug;
use std::path::PathBuf;

const T0: At = At(1_790_000_000_123_456);

fn point(name: &str) -> PointId {
    PointId::parse(name).expect("slug")
}

fn check<T: minicbor::Encode<()> + for<'b> minicbor::Decode<'b, ()> + PartialEq + Debug>(name: &str, message: &T) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden").join(format!("{name}.v1.cbor"));
    if std::env::var_os("MINEWATCH_WRITE_GOLDEN").is_some() && !path.exists() {
        std::fs::write(&path, encode(message)).expect("golden file written");
    }
    let golden = std::fs::read(&path).expect("golden file; make a new one with MINEWATCH_WRITE_GOLDEN=1");
    assert_eq!(encode(message), golden, "{name}: this build writes other bytes than version 1");
    assert_eq!(&decode::<T>(&golden).expect("golden decodes"), message, "{name}: this build reads something else");
}

fn reading(name: &str, ms: i64, value: Option<f64>, quality: Quality, reason: Reason) -> Reading {
    Reading { point: point(name), at: T0.plus_millis(ms), value, quality, reason }
}

fn records() -> [Record; 3] {
    [
        Record::Alarm(AlarmTransition {
            alarm: point("pool.level.threshold"),
            revision: 7,
            kind: AlarmKind::Threshold,
            point: Some(point("pool.level")),
            from: Level::Yellow,
            to: Level::Red,
            at: T0,
            value: Some(124.2),
            limit: Some(124.1),
            rule: "pool.level.threshold#config:1".into(),
            why: "at or above the high red limit".into(),
            proof: None,
        }),
        Record::Gap(Gap {
            reason: GapReason::SpoolFull,
            subject: "gateway".into(),
            from: T0,
            to: T0.plus_millis(60_000),
            seqs: Some((9, Lane::Routine, 100, 200)),
            count: 100,
        }),
        Record::Event(Event {
            kind: EventKind::Started,
            subject: "gateway".into(),
            at: T0,
            detail: "version 0.1.0".into(),
        }),
    ]
}

fn batch() -> BatchV1 {
    let readings = [
        reading("pool.level", 0, Some(123.456), Quality::Good, Reason::None),
        reading("pz-01.level", 5, None, Quality::Bad, Reason::Timeout),
    ];
    let mut frames = vec![Frame::of_readings(40, 0x1a2b, (0..).zip(&readings))];
    frames.extend(records().iter().zip(42..).filter_map(|(record, seq)| Frame::of_record(seq, 0x1a2b, record)));
    BatchV1 {
        version: 1,
        gateway: "gw-01".into(),
        epoch: 9,
        lane: Lane::Routine.code(),
        sent_at_us: T0.micros(),
        batch: 3,
        points: vec![(0, "pool.level".into()), (1, "pz-01.level".into())],
        frames,
    }
}

#[test]
fn a_batch_of_version_1_keeps_its_bytes() {
    // NaN stands for "no value" and is not equal to itself, so the batch is compared by its bytes.
    let batch = batch();
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden/batch.v1.cbor");
    if std::env::var_os("MINEWATCH_WRITE_GOLDEN").is_some() && !path.exists() {
        std::fs::write(&path, encode(&batch)).expect("golden file written");
    }
    let golden = std::fs::read(&path).expect("golden file");
    assert_eq!(encode(&batch), golden);
    assert_eq!(encode(&decode::<BatchV1>(&golden).expect("golden decodes")), golden);
}

#[test]
fn alarms_of_cameras_keep_their_bytes() {
    let alarm = |kind, subject: &str| {
        Record::Alarm(AlarmTransition {
            alarm: point(subject),
            revision: 1,
            kind,
            point: None,
            from: Level::Normal,
            to: Level::Orange,
            at: T0,
            value: Some(0.93),
            limit: None,
            rule: "fall:same_level".into(),
            why: "hips dropped".into(),
            proof: None,
        })
    };
    let records = [alarm(AlarmKind::Fall, "cam-01.fall"), alarm(AlarmKind::CameraHealth, "cam-01.camera_health")];
    let frames = records.iter().zip(9..).filter_map(|(record, seq)| Frame::of_record(seq, 0x1a2b, record)).collect();
    let lane = Lane::Alarm.code();
    check("cameras", &BatchV1 { lane, points: Vec::new(), frames, ..batch() });
}

#[test]
fn session_and_ack_of_version_1_keep_their_bytes() {
    check(
        "session",
        &SessionV1 {
            version: 1,
            gateway: "gw-01".into(),
            nonce: 77,
            want_marks: true,
            at_us: T0.micros(),
            started_us: T0.micros() - 1_000_000,
            software: "0.1.0".into(),
            config: 0x1a2b,
            streams: vec![StreamV1 { epoch: 9, lane: 1, oldest: 10, next: 46, closed: false, acked: 40 }],
            backlog: 6,
            link_losses: 2,
        },
    );
    check(
        "ack",
        &AckV1 {
            version: 1,
            gateway: "gw-01".into(),
            instance: 5,
            kind: AckKind::Marks,
            nonce: 77,
            marks: vec![MarkV1 { epoch: 9, lane: 1, from: 0, to: 40 }],
            batch: 0,
            reason: Some("why".into()),
            catalogue: 0x1a2b,
        },
    );
}

fn proved() -> AlarmTransition {
    AlarmTransition {
        alarm: point("phreatic.item"),
        revision: 8,
        kind: AlarmKind::Item,
        point: None,
        from: Level::Yellow,
        to: Level::Orange,
        at: T0,
        value: None,
        limit: None,
        rule: "gb39496-5.5.4#dam:1".into(),
        why: "3 points at yellow make the item orange".into(),
        proof: Some(r#"{"version":1}"#.into()),
    }
}

#[test]
fn an_item_alarm_with_its_proof_keeps_its_bytes() {
    let mut message = batch();
    message.lane = Lane::Alarm.code();
    message.frames = Frame::of_record(42, 0x1a2b, &Record::Alarm(proved())).into_iter().collect();
    check("batch-proof", &message);
}

#[test]
fn a_proof_that_is_too_long_is_left_out_and_the_alarm_arrives() {
    let mut alarm = proved();
    alarm.proof = Some("x".repeat(AlarmTransition::PROOF_BYTES_MAX + 1));
    let frame = Frame::of_record(42, 0x1a2b, &Record::Alarm(alarm)).expect("frame");
    let unpacked = frame.unpack(&batch().dictionary().expect("names")).expect("unpacks");
    let record = unpacked.records.into_iter().next().expect("the alarm").record;
    assert_eq!(record, Record::Alarm(AlarmTransition { proof: None, ..proved() }));
}

#[test]
fn command_and_result_of_version_1_keep_their_bytes() {
    let action = ActionV1 {
        counter: 3,
        revision: 7,
        level: 3,
        occurrence: 5,
        origin: "hq".into(),
        by: "li".into(),
        second: Some("wang".into()),
        at_us: T0.micros(),
        what: "shelve".into(),
        until_us: Some(T0.micros() + 3_600_000_000),
        one_shot: Some(false),
        reason: Some("calibration".into()),
        work_order: None,
    };
    let (gateway, id, alarm) = ("gw-01".to_owned(), "00ff".to_owned(), "pool.level.threshold".to_owned());
    let expires_us = T0.micros() + 60_000_000;
    let command = CommandV1 { version: 1, gateway: gateway.clone(), id: id.clone(), expires_us, alarm, action };
    check("command", &command);
    let result = CommandResultV1 { version: 1, gateway, id, done: false, detail: "why".into(), at_us: T0.micros() };
    check("command-result", &result);
}

#[test]
fn every_record_comes_back_from_its_frame_as_it_went_in() {
    let batch = batch();
    let points = batch.dictionary().expect("names");
    let mut seen = Vec::new();
    for frame in &batch.frames {
        let unpacked = frame.unpack(&points).expect("frame");
        assert_eq!(unpacked.impossible, Vec::new());
        seen.extend(unpacked.records.into_iter().map(|r| r.record));
    }
    let mut sent = vec![
        Record::Reading(reading("pool.level", 0, Some(123.456), Quality::Good, Reason::None)),
        Record::Reading(reading("pz-01.level", 5, None, Quality::Bad, Reason::Timeout)),
    ];
    sent.extend(records());
    assert_eq!(seen, sent);
}

#[test]
fn a_later_version_is_named_and_trailing_bytes_are_refused() {
    let mut later = batch();
    later.version = 2;
    assert_eq!(
        decode::<BatchV1>(&encode(&later)).expect_err("version 2").to_string(),
        "unknown wire version 2; this build reads version 1"
    );
    let mut long = encode(&batch());
    long.push(0);
    assert!(decode::<BatchV1>(&long).is_err());
}

#[test]
fn impossible_records_are_told_apart_and_the_rest_survives() {
    let mut batch = batch();
    let readings = batch.frames[0].readings.as_mut().expect("readings");
    readings.quality = vec![0, 0];
    readings.point = vec![0, 99];
    let unpacked = batch.frames[0].unpack(&batch.dictionary().expect("names")).expect("frame");
    assert_eq!(unpacked.records.len(), 1);
    assert_eq!(unpacked.impossible, vec![(41, "point number 99 has no name in the batch".to_owned())]);
}

proptest::proptest! {
    #[test]
    fn arbitrary_bytes_never_panic_the_decoder(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..400)) {
        if let Ok(batch) = decode::<BatchV1>(&bytes) {
            let points = batch.dictionary().unwrap_or_default();
            for frame in &batch.frames { let _ = frame.unpack(&points); }
        }
        let _ = decode::<SessionV1>(&bytes);
        let _ = decode::<AckV1>(&bytes);
    }

    #[test]
    fn a_damaged_batch_never_panics_the_decoder(flips in proptest::collection::vec((proptest::prelude::any::<proptest::sample::Index>(), 0u8..8), 1..6)) {
        let mut bytes = encode(&batch());
        for (at, bit) in flips { let at = at.index(bytes.len()); bytes[at] ^= 1 << bit; }
        if let Ok(batch) = decode::<BatchV1>(&bytes) {
            let points = batch.dictionary().unwrap_or_default();
            for frame in &batch.frames { let _ = frame.unpack(&points); }
        }
    }
}
