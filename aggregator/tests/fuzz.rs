//! The fuzz target of admission over changed seeds (see `tests/fuzz`).

#![allow(missing_docs)]

#[path = "../../tests/fuzz/bodies/admit.rs"]
mod admit;
#[path = "../../tests/fuzz/bodies/smoke.rs"]
mod smoke;

use minewatch_domain::wire::{BatchV1, Frame, SessionV1, encode};
use minewatch_domain::{At, PointId, Quality, Reading, Reason};

#[test]
fn nothing_that_comes_in_makes_admission_panic_or_speak_for_another_gateway() {
    let reading = Reading {
        point: PointId::parse("p").expect("slug"),
        at: At(1_790_000_000_000_000),
        value: Some(1.5),
        quality: Quality::Good,
        reason: Reason::None,
    };
    let batch = BatchV1 {
        version: 1,
        gateway: "gw-1".into(),
        epoch: 7,
        lane: 1,
        sent_at_us: 0,
        batch: 42,
        points: vec![(1, "p".into())],
        frames: vec![Frame::of_readings(10, 0, [(1, &reading), (1, &reading)])],
    };
    let session = SessionV1 {
        version: 1,
        gateway: "gw-1".into(),
        nonce: 4,
        want_marks: true,
        at_us: 0,
        started_us: 0,
        software: "x".into(),
        config: 0,
        streams: Vec::new(),
        backlog: 0,
        link_losses: 0,
    };
    let seed = |leaf: &str, payload: &[u8]| [format!("minewatch/v1/gw/gw-1/{leaf}\n").as_bytes(), payload].concat();
    let seeds = [
        seed("up/routine", &encode(&batch)),
        seed("up/session", &encode(&session)),
        seed("status", br#"{"version":1,"gateway":"gw-1","online":true,"session":5}"#),
    ];
    smoke::run(&seeds, 30_000, admit::body);
}
