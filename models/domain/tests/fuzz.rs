//! The fuzz targets of the wire and of topics over changed seeds (see `tests/fuzz`).

#![allow(missing_docs)]

#[path = "../../../tests/fuzz/bodies/smoke.rs"]
mod smoke;
#[path = "../../../tests/fuzz/bodies/topics.rs"]
mod topics;
#[path = "../../../tests/fuzz/bodies/wire.rs"]
mod wire;

use minewatch_domain::wire::{AckKind, AckV1, BatchV1, Frame, MarkV1, SessionV1, StreamV1, encode};
use minewatch_domain::{At, Event, EventKind, PointId, Quality, Reading, Reason, Record};

const AT: At = At(1_790_000_000_000_000);

fn batch() -> BatchV1 {
    let reading = |value| Reading {
        point: PointId::parse("pz-01.level").expect("slug"),
        at: AT,
        value,
        quality: if value.is_some() { Quality::Good } else { Quality::Bad },
        reason: if value.is_some() { Reason::None } else { Reason::Timeout },
    };
    let (good, bad) = (reading(Some(1.5)), reading(None));
    let event = Event { kind: EventKind::Started, subject: "gateway".into(), at: AT, detail: "v".into() };
    BatchV1 {
        version: 1,
        gateway: "gw-1".into(),
        epoch: 7,
        lane: 1,
        sent_at_us: AT.micros(),
        batch: 3,
        points: vec![(1, "pz-01.level".into())],
        frames: [
            Some(Frame::of_readings(10, 5, [(1, &good), (1, &bad), (1, &good)])),
            Frame::of_record(13, 5, &Record::Event(event)),
        ]
        .into_iter()
        .flatten()
        .collect(),
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let session = SessionV1 {
        version: 1,
        gateway: "gw-1".into(),
        nonce: 4,
        want_marks: true,
        at_us: AT.micros(),
        started_us: AT.micros(),
        software: "0.1.0".into(),
        config: 5,
        streams: vec![StreamV1 { epoch: 7, lane: 1, oldest: 0, next: 14, closed: false, acked: 3 }],
        backlog: 11,
        link_losses: 2,
    };
    let ack = AckV1 {
        version: 1,
        gateway: "gw-1".into(),
        instance: 9,
        kind: AckKind::Committed,
        nonce: 4,
        marks: vec![MarkV1 { epoch: 7, lane: 1, from: 0, to: 14 }],
        batch: 0,
        reason: Some("why".into()),
        catalogue: 5,
    };
    let status = br#"{"version":1,"gateway":"gw-1","online":true,"session":5}"#.to_vec();
    vec![encode(&batch()), encode(&session), encode(&ack), status]
}

#[test]
fn no_bytes_make_the_wire_decoder_panic_or_forget_a_number() {
    smoke::run(&seeds(), 30_000, wire::body);
}

#[test]
fn no_text_is_taken_for_another_gateways_topic() {
    let texts = ["up/alarm", "up/routine", "up/session", "status", "down/ack", "up/x/y", "../gw-2/status"];
    let seeds: Vec<Vec<u8>> = texts.iter().map(|leaf| format!("minewatch/v1/gw/gw-1/{leaf}").into_bytes()).collect();
    smoke::run(&seeds, 30_000, topics::body);
}
