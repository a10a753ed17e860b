//! The load generator against a small MQTT 5 broker and store in one, made here.

use super::*;
use bytes::BytesMut;
use minewatch_domain::topics::{Up, ack, parse_up};
use minewatch_domain::wire::{self, AckKind, AckV1, BatchV1, MarkV1, SessionV1};
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{ConnAck, ConnectReturnCode, Packet, PubAck, Publish, SubAck, SubscribeReasonCode};
use std::collections::BTreeSet;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What the store saw.
#[derive(Default)]
struct Seen {
    hellos: u64,
    batches: BTreeSet<(String, u64)>,
    repeats: u64,
}

/// The store's word on an uplink message.
fn word(publish: &Publish, seen: &mut Seen) -> Option<(String, AckV1)> {
    let topic = std::str::from_utf8(&publish.topic).expect("text");
    let (gateway, up) = parse_up(topic).expect("one of our topics");
    let empty = AckV1 {
        version: 1,
        gateway: gateway.to_string(),
        instance: 1,
        kind: AckKind::Alive,
        nonce: 0,
        marks: vec![],
        batch: 0,
        reason: None,
        catalogue: 0,
    };
    let answer = match up {
        Up::Session => {
            let session: SessionV1 = wire::decode(&publish.payload).expect("session");
            assert_eq!(session.gateway, gateway.as_str());
            seen.hellos += u64::from(session.want_marks);
            let kind = if session.want_marks { AckKind::Marks } else { AckKind::Alive };
            AckV1 { kind, nonce: session.nonce, ..empty }
        }
        Up::Batch(lane) => {
            let batch: BatchV1 = wire::decode(&publish.payload).expect("batch");
            assert_eq!((batch.gateway.as_str(), batch.lane), (gateway.as_str(), lane.code()));
            let points = batch.dictionary().expect("names");
            let unpacked = batch.frames[0].unpack(&points).expect("frame");
            assert!(unpacked.impossible.is_empty());
            if !seen.batches.insert((batch.gateway.clone(), batch.batch)) {
                seen.repeats += 1;
            }
            let from = batch.frames[0].first_seq;
            let to = from + unpacked.records.len() as u64;
            AckV1 {
                kind: AckKind::Committed,
                marks: vec![MarkV1 { epoch: batch.epoch, lane: batch.lane, from, to }],
                ..empty
            }
        }
        Up::Status | Up::CommandResult => return None,
    };
    Some((ack(&gateway), answer))
}

/// Serves one connection; after `batches_max` batches without a word it hangs up.
#[allow(clippy::wildcard_enum_match_arm, reason = "a packet this broker does not expect ends the test")]
async fn serve(stream: &mut TcpStream, seen: &mut Seen, batches_max: Option<usize>) {
    let (mut input, mut output, mut pkid) = (BytesMut::new(), BytesMut::new(), 0u16);
    let mut batches = 0;
    loop {
        while let Ok(packet) = Packet::read(&mut input, None) {
            let mut reply = |packet: Packet| packet.write(&mut output, None).map(drop).expect("encodes");
            match packet {
                Packet::Connect(..) => reply(Packet::ConnAck(ConnAck {
                    session_present: false,
                    code: ConnectReturnCode::Success,
                    properties: None,
                })),
                Packet::Subscribe(subscribe) => reply(Packet::SubAck(SubAck {
                    pkid: subscribe.pkid,
                    return_codes: vec![SubscribeReasonCode::Success(QoS::AtLeastOnce); subscribe.filters.len()],
                    properties: None,
                })),
                Packet::Publish(publish) => {
                    reply(Packet::PubAck(PubAck::new(publish.pkid, None)));
                    let answer = word(&publish, seen);
                    if batches_max.is_some() {
                        batches += usize::from(publish.topic.ends_with(b"routine"));
                        if Some(batches) == batches_max {
                            return;
                        }
                    } else if let Some((topic, answer)) = answer {
                        pkid = pkid % 60_000 + 1;
                        let mut out = Publish::new(topic, QoS::AtLeastOnce, wire::encode(&answer), None);
                        out.pkid = pkid;
                        reply(Packet::Publish(out));
                    }
                }
                Packet::PingReq(_) => reply(Packet::PingResp(rumqttc::v5::mqttbytes::v5::PingResp)),
                Packet::Disconnect(_) => return,
                Packet::PubAck(_) => {}
                other => panic!("unexpected {other:?}"),
            }
        }
        if stream.write_all_buf(&mut output).await.is_err() {
            return;
        }
        match stream.read_buf(&mut input).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
    }
}

#[tokio::test]
async fn every_batch_is_acknowledged_although_the_first_connection_dies_without_a_word() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("listener");
    let address = listener.local_addr().expect("address");
    let broker = tokio::spawn(async move {
        let mut seen = Seen::default();
        for batches_max in [Some(3), None] {
            let (mut stream, _) = listener.accept().await.expect("accepted");
            serve(&mut stream, &mut seen, batches_max).await;
        }
        seen
    });
    let args = LoadArgs {
        broker: ("127.0.0.1".into(), address.port()),
        gateways: 5,
        connections: 1,
        points: 4,
        rate: 10.0,
        seconds: 1,
        drain_seconds: 20,
        prefix: "load".into(),
        username: None,
        password_env: String::new(),
    };
    let report = run(args, CancellationToken::new()).await.expect("ran");
    let seen = broker.await.expect("no panic");
    assert_eq!((report.batches_acked, report.readings_unacked, report.reconnects), (50, 0, 1), "{report:?}");
    assert_eq!(report.batches_sent, 50);
    assert_eq!((seen.batches.len(), seen.hellos), (50, 10));
    assert!(seen.repeats >= 3 && report.batches_again >= 3);
    assert!(report.latency_p50_ms.is_some() && report.acks_per_s > 0.0);
}
