//! The real program, met only on the wire: a gateway's batches, acknowledgements, HTTP, and a
//! headquarters subscriber.
#![allow(missing_docs, clippy::unwrap_used)]

use minewatch_domain::wire::{AckKind, AckV1, BatchV1, Frame, SessionV1, StreamV1, decode, encode};
use minewatch_domain::{AlarmKind, AlarmTransition, Level, Reason, Record, SitePath, topics};
use minewatch_domain::{At, Catalogue, CataloguePoint, GatewayId, Lane, LevelLimits, PointId, Quality, Reading};
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::{AsyncClient, Event, EventLoop, Incoming, MqttOptions};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const READ_TOKEN: &str = "read token of the test";

struct Aggregator {
    child: Child,
    http: String,
    mqtt: String,
    _folder: tempfile::TempDir,
}

impl Drop for Aggregator {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Aggregator {
    fn start() -> Aggregator {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("a.toml");
        let store = std::env::var("MINEWATCH_WIRE_STORE")
            .unwrap_or_else(|_| format!("sqlite:{}/mw.db", folder.path().display()));
        std::fs::write(folder.path().join("read-token"), READ_TOKEN).unwrap();
        let folder_name = folder.path().display();
        let text = format!(
            "[broker]\nlisten = '127.0.0.1:0'\nlisten_v4 = '127.0.0.1:0'\n[store]\nurl = '{store}'\n[http]\nlisten = '127.0.0.1:0'\nread_token_file = '{folder_name}/read-token'\n"
        );
        std::fs::write(&config, text).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_aggregator"))
            .args(["run", "--print-ready", "--config"])
            .arg(&config)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ready: Value = serde_json::from_str(&line).unwrap();
        let text = |key: &str| ready[key].as_str().unwrap().to_owned();
        Aggregator { child, http: text("http"), mqtt: text("mqtt"), _folder: folder }
    }

    fn client(&self, id: &str) -> (AsyncClient, EventLoop) {
        let (host, port) = self.mqtt.rsplit_once(':').unwrap();
        let mut options = MqttOptions::new(id, host, port.parse().unwrap());
        options.set_max_packet_size(Some(4 << 20));
        AsyncClient::new(options, 1_000)
    }

    fn get(&self, path: &str) -> Value {
        let mut stream = TcpStream::connect(&self.http).unwrap();
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {READ_TOKEN}\r\nconnection: close\r\n\r\n"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let body = answer.split_once("\r\n\r\n").unwrap().1;
        let json = &body[body.find(['{', '[']).unwrap()..=body.rfind(['}', ']']).unwrap()];
        // Answers here are short enough to come in one chunk.
        serde_json::from_str(json).unwrap_or_else(|e| panic!("{e} in {answer}"))
    }
}

async fn next_publish(events: &mut EventLoop) -> (String, Vec<u8>) {
    let wait = async {
        loop {
            if let Event::Incoming(Incoming::Publish(p)) = events.poll().await.unwrap() {
                return (String::from_utf8_lossy(&p.topic).into_owned(), p.payload.to_vec());
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), wait).await.expect("a message within 20 s")
}

async fn subscribed(client: &AsyncClient, events: &mut EventLoop, filter: &str) {
    client.subscribe(filter, QoS::AtLeastOnce).await.unwrap();
    while !matches!(events.poll().await.unwrap(), Event::Incoming(Incoming::SubAck(_))) {}
}

fn now() -> At {
    At(std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_micros() as i64)
}

fn point(n: u32) -> PointId {
    PointId::parse(&format!("pz-{n:02}.level")).unwrap()
}

fn readings(gateway: &GatewayId, first_seq: u64, n: u64, points: u32) -> BatchV1 {
    let at = now();
    let reading = |i: u64| Reading {
        point: point(i as u32 % points),
        at: At(at.micros() + i as i64),
        value: Some(i as f64 / 7.0),
        quality: Quality::Good,
        reason: Reason::None,
    };
    let all: Vec<Reading> = (0..n).map(reading).collect();
    let numbered = all.iter().enumerate().map(|(i, r)| (i as u32 % points, r));
    BatchV1 {
        version: 1,
        gateway: gateway.to_string(),
        epoch: 77,
        lane: Lane::Routine.code(),
        sent_at_us: at.micros(),
        batch: first_seq,
        points: (0..points).map(|p| (p, point(p).to_string())).collect(),
        frames: vec![Frame::of_readings(first_seq, 0, numbered)],
    }
}

fn catalogue(points: u32) -> Record {
    let described = |n| CataloguePoint {
        point: point(n),
        device: "logger".to_owned(),
        name_zh: "浸润线".to_owned(),
        name_en: "phreatic line".to_owned(),
        unit: "m".to_owned(),
        period_ms: 1_000,
        keep_alive_ms: 10_000,
        high: LevelLimits::default(),
        low: LevelLimits::default(),
        range: None,
    };
    let text = |t: &str| t.to_owned();
    Record::Catalogue(Catalogue {
        config: 5,
        site_zh: "尾矿库".to_owned(),
        site_en: "pond".to_owned(),
        path: SitePath { group: text("g"), company: text("c"), mine: text("m"), facility: text("f") },
        part: 0,
        parts: 1,
        points: (0..points).map(described).collect(),
        outline: None,
    })
}

fn hello(gateway: &GatewayId) -> SessionV1 {
    SessionV1 {
        version: 1,
        gateway: gateway.to_string(),
        nonce: 99,
        want_marks: true,
        at_us: 0,
        started_us: now().micros(),
        software: "t".to_owned(),
        config: 5,
        streams: vec![StreamV1 { epoch: 77, lane: 1, oldest: 0, next: 40, closed: false, acked: 0 }],
        backlog: 9,
        link_losses: 2,
    }
}

async fn ack_of(events: &mut EventLoop, kind: AckKind) -> AckV1 {
    loop {
        let (_, payload) = next_publish(events).await;
        let ack: AckV1 = decode(&payload).unwrap();
        if ack.kind == kind {
            return ack;
        }
    }
}

fn red_alarm() -> Record {
    Record::Alarm(AlarmTransition {
        alarm: PointId::parse("pz-00.level.threshold").unwrap(),
        revision: 1,
        kind: AlarmKind::Threshold,
        point: Some(point(0)),
        from: Level::Normal,
        to: Level::Red,
        at: now(),
        value: Some(9.0),
        limit: Some(8.0),
        rule: "r".to_owned(),
        why: "above red".to_owned(),
        proof: None,
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_is_heard_stored_acknowledged_and_shown() {
    let hq = Aggregator::start();
    let gateway = GatewayId::parse("gw-1").unwrap();
    let (client, mut events) = hq.client("gw-1");
    subscribed(&client, &mut events, &topics::ack(&gateway)).await;
    let (watcher, mut watched) = hq.client("watcher");
    subscribed(&watcher, &mut watched, "minewatch/v1/hq/+/+/+/+/#").await;

    let routine = topics::batch(&gateway, Lane::Routine);
    let mut first = readings(&gateway, 1, 30, 3);
    first.frames.insert(0, Frame::of_record(0, 5, &catalogue(3)).unwrap());
    client.publish(&routine, QoS::AtLeastOnce, false, encode(&first)).await.unwrap();
    let ack = ack_of(&mut events, AckKind::Committed).await;
    assert_eq!(ack.marks.iter().map(|m| (m.epoch, m.lane, m.from, m.to)).collect::<Vec<_>>(), [(77, 1, 0, 31)]);

    // A headquarters subscriber sees values under the site's path.
    loop {
        let (topic, payload) = next_publish(&mut watched).await;
        if topic == "minewatch/v1/hq/g/c/m/f/point/gw-1.pz-00.level/value" {
            let event: Value = serde_json::from_slice(&payload).unwrap();
            assert_eq!((event["specversion"].as_str(), event["data"]["unit"].as_str()), (Some("1.0"), Some("m")));
            break;
        }
    }

    // An alarm, twice: stored once, one event at headquarters.
    let alarm = red_alarm();
    let batch = BatchV1 { lane: 0, frames: vec![Frame::of_record(0, 5, &alarm).unwrap()], ..first.clone() };
    for _ in 0..2 {
        client.publish(topics::batch(&gateway, Lane::Alarm), QoS::AtLeastOnce, false, encode(&batch)).await.unwrap();
        ack_of(&mut events, AckKind::Committed).await;
    }
    loop {
        let (topic, _) = next_publish(&mut watched).await;
        if topic == "minewatch/v1/hq/g/c/m/f/alarm/gw-1.pz-00.level.threshold/state" {
            break;
        }
    }

    // Hello is answered with everything the store has.
    client.publish(topics::session(&gateway), QoS::AtLeastOnce, false, encode(&hello(&gateway))).await.unwrap();
    let marks = ack_of(&mut events, AckKind::Marks).await;
    assert_eq!((marks.nonce, marks.catalogue, marks.marks[0].to), (99, 5, 31));

    // A broken batch is refused by number, and kept.
    let broken = BatchV1 { version: 3, batch: 1234, ..first };
    client.publish(&routine, QoS::AtLeastOnce, false, encode(&broken)).await.unwrap();
    assert_eq!(ack_of(&mut events, AckKind::Refused).await.batch, 1234);

    everything_is_shown(&hq);
}

fn everything_is_shown(hq: &Aggregator) {
    let gateways = hq.get("/api/v1/gateways");
    assert_eq!(
        (gateways[0]["link"]["state"].as_str(), gateways[0]["site"]["zh"].as_str()),
        (Some("online"), Some("尾矿库"))
    );
    let points = hq.get("/api/v1/points?gateway=gw-1");
    assert_eq!((points.as_array().unwrap().len(), points[0]["latest"]["stale"].as_bool()), (3, Some(false)));
    let alarms = hq.get("/api/v1/alarms");
    assert_eq!((alarms.as_array().unwrap().len(), alarms[0]["level"].as_str()), (1, Some("red")));
    let rows = hq.get("/api/v1/readings?gateway=gw-1&point=pz-00.level");
    assert_eq!(rows["rows"].as_array().unwrap().len(), 10);
    let ledger = hq.get("/api/v1/ledger?gateway=gw-1");
    let routine = ledger[0]["streams"].as_array().unwrap().iter().find(|s| s["lane"] == "routine").unwrap().clone();
    assert_eq!((routine["received"].as_u64(), routine["unexplained"].as_u64()), (Some(31), Some(9)));
    assert_eq!(hq.get("/api/v1/quarantine")["counts"]["version"].as_i64(), Some(1));
    assert_eq!(hq.get("/readyz")["ready"].as_bool(), Some(true));
    assert_eq!(hq.get("/api/v1/readings?gateway=gw-1")["error"]["code"].as_str(), Some("bad_request"));
}
