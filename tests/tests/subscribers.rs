//! Subscribers who wrote none of our code: schemas, the AsyncAPI parser, Sparkplug hosts, latecomers.

use anyhow::{Context, Result, ensure};
use minewatch_domain::wire::{BatchV1, Frame, VERSION};
use minewatch_domain::{
    AlarmKind, AlarmTransition, At, Catalogue, CataloguePoint, GatewayId, Lane, Level, LevelLimits, PointId, Quality,
    Reading, Reason, Record, SitePath, topics,
};
use minewatch_tests::aggregator::{Aggregator, Setup};
use minewatch_tests::broker::{Mosquitto, Subscriber};
use minewatch_tests::forge;
use minewatch_tests::process::{Program, binary, repository, run, scratch};
use minewatch_tests::scene::{Plan, Scene};
use minewatch_tests::strangers::now_us;
use minewatch_tests::wait::{eventually, when};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Points of the latecomer's gateway.
const STATES: u32 = 5_000;

fn peer(path: &str) -> Result<PathBuf> {
    let found = repository().join(".cache").join(path);
    ensure!(found.exists(), "{} is missing: run `make setup-full`", found.display());
    Ok(found)
}

#[test]
fn the_asyncapi_document_is_understood_by_the_public_parser() -> Result<()> {
    let published = repository().join("docs/asyncapi.json");
    let printed = run(Command::new(binary("aggregator")?).arg("asyncapi"))?;
    ensure!(fs::read_to_string(&published)? == printed, "docs/asyncapi.json is stale: run `make asyncapi`");
    let check = repository().join("tests/peers/asyncapi_check.mjs");
    let said = run(Command::new("node").arg(check).arg(&published).arg(peer("peers/node_modules")?))?;
    println!("{said}");
    Ok(())
}

/// A host by other people that prints what it understood.
struct Host {
    program: Program,
}

impl Host {
    async fn start(folder: &Path, port: u16, group: &str, gateway: &str) -> Result<Host> {
        let mut command = Command::new("node");
        command.arg(repository().join("tests/peers/sparkplug_host.mjs")).arg(peer("peers/node_modules")?);
        command.args([&port.to_string(), group, gateway]);
        let program = Program::start(folder, "sparkplug-host", &mut command)?;
        eventually("the Sparkplug host listens", Duration::from_secs(30), async || {
            program.must_run()?;
            Ok(when(program.printed().contains("ready"), program.printed()))
        })
        .await?;
        Ok(Host { program })
    }

    fn heard(&self) -> Vec<Value> {
        let printed = self.program.printed();
        let whole = printed.rfind('\n').map_or("", |end| &printed[..end]);
        whole
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .filter(|v: &Value| v["kind"].is_string())
            .collect()
    }

    fn count(&self, kind: &str) -> usize {
        self.heard().iter().filter(|message| message["kind"] == kind).count()
    }

    async fn wait(&self, kind: &str, count: usize) -> Result<()> {
        eventually(&format!("{count} {kind}"), Duration::from_secs(60), async || {
            self.program.must_run()?;
            let seen = self.count(kind);
            Ok(when(seen >= count, seen))
        })
        .await
    }
}

/// The number of a birth or death.
fn bd_seq(message: &Value) -> Option<u64> {
    message["metrics"].as_array()?.iter().find(|metric| metric["name"] == "bdSeq")?["value"].as_u64()
}

/// Every node message after a birth has the next number; data comes only between birth and death.
fn check_session(heard: &[Value]) -> Result<()> {
    let mut expected: Option<u64> = None;
    for message in heard {
        match message["kind"].as_str() {
            Some("NDEATH") => {
                ensure!(message["seq"].is_null(), "a death has no seq: {message}");
                expected = None;
            }
            Some("NBIRTH") => {
                ensure!(message["seq"] == 0, "a birth begins at 0: {message}");
                expected = Some(1);
            }
            _ => {
                let next = expected.with_context(|| format!("before a birth: {message}"))?;
                ensure!(message["seq"] == next, "expected {next}: {message}");
                expected = Some((next + 1) % 256);
            }
        }
    }
    Ok(())
}

fn check_schemas(log: &Path, wanted: &[&str]) -> Result<()> {
    let check = repository().join("tests/peers/validate_events.py");
    let said = run(Command::new(peer("venv/bin/python")?)
        .arg("-B")
        .arg(check)
        .arg(log)
        .arg(repository().join("docs/schemas")))?;
    let seen: Value = serde_json::from_str(said.lines().last().unwrap_or_default())?;
    println!("messages that obey their schema: {}", seen["seen"]);
    for kind in wanted {
        ensure!(seen["seen"][kind].as_u64().is_some_and(|n| n > 0), "no {kind}: {seen}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_message_obeys_its_schema_and_sparkplug_hosts_understand_us() -> Result<()> {
    let folder = scratch("subscribers")?;
    let more = "[sparkplug]\ngateways = [\"gw-e2e\"]\nprimary_host = \"scada\"\n".to_owned();
    let plan = Plan { external_broker: true, ..Plan::small("subscribers") };
    let mut scene = Scene::start_in(&plan, folder.clone(), &Setup { more, ..Setup::default() }).await?;
    let _everything = Subscriber::start(&folder, scene.broker_port()?, "minewatch/v1/hq/#")?;
    ensure!(scene.broker.is_some(), "mosquitto");
    let gateways = scene.api().get("/api/v1/gateways").await?;
    let group = gateways[0]["site"]["path"]["mine"].as_str().context("a site path")?.to_owned();
    let host = Host::start(&folder, scene.broker_port()?, &group, "gw-e2e").await?;
    // Birth, data, a birth because the host asked for it, data again.
    host.wait("NBIRTH", 2).await?;
    host.wait("DDATA", 6).await?;
    let before = host.heard().iter().filter(|m| m["kind"] == "NBIRTH").filter_map(bd_seq).collect::<BTreeSet<_>>();
    ensure!(before.len() == 1, "a rebirth keeps its number: {before:?}");
    scene.aggregator.program().kill_9()?;
    host.wait("NDEATH", 1).await?;
    scene.aggregator.restart().await?;
    host.wait("NBIRTH", 3).await?;
    // Devices fall silent: alarms for schemas and metrics.
    scene.freeze();
    eventually("an alarm is a metric of the node", Duration::from_secs(60), async || {
        let level = |m: &Value| {
            m["name"].as_str().is_some_and(|n| n.starts_with("Alarm/dev") && n.ends_with("/level")) && m["value"] != 0
        };
        let alarms =
            host.heard().iter().filter(|m| m["metrics"].as_array().is_some_and(|all| all.iter().any(level))).count();
        Ok(when(alarms > 0, host.program.printed().lines().count()))
    })
    .await?;
    let heard = host.heard();
    let deaths: Vec<u64> = heard.iter().filter(|m| m["kind"] == "NDEATH").filter_map(bd_seq).collect();
    ensure!(deaths.first() == before.first(), "the death is that of the birth: {deaths:?}, {before:?}");
    let last = heard.iter().rfind(|m| m["kind"] == "NBIRTH").and_then(bd_seq);
    ensure!(last == before.first().map(|n| (n + 1) % 256), "the number goes on over a kill: {last:?}");
    check_session(&heard)?;
    let good =
        |m: &&Value| m["kind"] == "DDATA" && m["metrics"][0]["quality"] == 192 && m["metrics"][0]["value"].is_number();
    ensure!(heard.iter().any(|m| good(&m)), "no good value with its quality");
    let decode = repository().join("tests/peers/sparkplug_decode.py");
    let said = run(Command::new(peer("venv/bin/python")?)
        .arg("-B")
        .arg(decode)
        .arg(folder.join("sparkplug-host.log"))
        .env("PYTHONPATH", peer("pysparkplug")?))?;
    println!("{said}");
    let wanted = ["point.value", "point.meta", "alarm.event", "alarm.state", "gateway.status", "system.status"];
    check_schemas(&folder.join("mosquitto_sub.log"), &wanted)
}

fn described(number: u32) -> Result<CataloguePoint> {
    let none = LevelLimits::default();
    Ok(CataloguePoint {
        point: PointId::parse(&format!("p-{number:04}"))?,
        device: "many".to_owned(),
        name_zh: "点".to_owned(),
        name_en: "point".to_owned(),
        unit: "m".to_owned(),
        period_ms: 60_000,
        keep_alive_ms: 600_000,
        high: none,
        low: none,
        range: None,
    })
}

/// A gateway that says once what 5,000 points are and measure.
fn speak(folder: &Path, port: u16) -> Result<()> {
    let gateway = GatewayId::parse("gw-many")?;
    let at = At(now_us()?);
    let slug = |text: &str| text.to_owned();
    let path = SitePath { group: slug("g"), company: slug("c"), mine: slug("m"), facility: slug("f") };
    let parts = STATES.div_ceil(Catalogue::POINTS_MAX as u32);
    let send = |number: u64, points: Vec<(u32, String)>, frames: Vec<Frame>| {
        let batch = BatchV1 {
            version: VERSION,
            gateway: gateway.to_string(),
            epoch: 1,
            lane: Lane::Routine.code(),
            sent_at_us: at.micros(),
            batch: number,
            points,
            frames,
        };
        forge::publish(folder, port, &topics::batch(&gateway, Lane::Routine), &forge::bytes(&batch))
    };
    let mut frames = Vec::new();
    for part in 0..parts {
        let from = part * Catalogue::POINTS_MAX as u32;
        let points = (from..STATES.min(from + Catalogue::POINTS_MAX as u32)).map(described).collect::<Result<_>>()?;
        let (site_zh, site_en) = (slug("多点"), slug("many"));
        let record = Record::Catalogue(Catalogue {
            config: 5,
            site_zh,
            site_en,
            path: path.clone(),
            part,
            parts,
            points,
            outline: None,
        });
        frames.push(Frame::of_record(u64::from(part), 5, &record).context("a catalogue is a record")?);
    }
    // A message holds at most 1 MiB.
    for (number, part) in (1..).zip(frames.chunks(5)) {
        send(number, Vec::new(), part.to_vec())?;
    }
    let reading = |number: u32| -> Result<Reading> {
        let point = PointId::parse(&format!("p-{number:04}"))?;
        Ok(Reading { point, at, value: Some(f64::from(number)), quality: Quality::Good, reason: Reason::None })
    };
    let readings = (0..STATES).map(reading).collect::<Result<Vec<_>>>()?;
    let points = (1..=STATES).zip(&readings).map(|(n, r)| (n, r.point.to_string())).collect();
    send(1_000, points, vec![Frame::of_readings(u64::from(parts), 5, (1..=STATES).zip(&readings))])
}

fn topics_seen(subscriber: &Subscriber) -> usize {
    let messages = subscriber.messages("/value");
    messages.iter().map(|message| message.topic.clone()).collect::<BTreeSet<_>>().len()
}

async fn latecomer(test: &str, external: bool, within: Duration) -> Result<()> {
    let folder = scratch(test)?;
    let broker = if external { Some(Mosquitto::start(&folder).await?) } else { None };
    let url = broker.as_ref().map(|b| (format!("mqtt://127.0.0.1:{}", b.port()), String::new()));
    let aggregator = Aggregator::start(&folder, &Setup { broker: url, ..Setup::default() }).await?;
    let port = broker.as_ref().map(Mosquitto::port).or(aggregator.mqtt_port()).context("port")?;
    speak(&folder, port)?;
    let all = usize::try_from(STATES)?;
    eventually("every value has been published", Duration::from_secs(60), async || {
        aggregator.program().must_run()?;
        let metrics = aggregator.api().metrics().await?;
        let line = metrics.lines().find(|line| line.starts_with("minewatch_aggregator_values_published_total"));
        let count = line.and_then(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).unwrap_or(0.0);
        Ok(when(count >= f64::from(STATES), count))
    })
    .await?;
    let late_folder = folder.join("late");
    fs::create_dir_all(&late_folder)?;
    let late = Subscriber::start(&late_folder, port, "minewatch/v1/hq/#")?;
    eventually("the latecomer has every state", within, async || {
        let seen = topics_seen(&late);
        Ok(when(seen == all, format!("{seen} of {all}")))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_latecomer_on_mosquitto_gets_five_thousand_states() -> Result<()> {
    latecomer("latecomer-mosquitto", true, Duration::from_secs(60)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_latecomer_on_the_embedded_broker_gets_five_thousand_states() -> Result<()> {
    // The broker itself gives a QoS 1 subscriber the first 100; the rest comes with the refresh.
    latecomer("latecomer-embedded", false, Duration::from_secs(120)).await
}

/// The catalogue with one point, then alarms in messages of 200.
fn flood(folder: &Path, port: u16, alarms: usize) -> Result<()> {
    let gateway = GatewayId::parse("gw-flood")?;
    let at = At(now_us()?);
    let slug = str::to_owned;
    let send = |lane: Lane, number: u64, frames: Vec<Frame>| {
        let batch = BatchV1 {
            version: VERSION,
            gateway: gateway.to_string(),
            epoch: 1,
            lane: lane.code(),
            sent_at_us: at.micros(),
            batch: number,
            points: Vec::new(),
            frames,
        };
        forge::publish(folder, port, &topics::batch(&gateway, lane), &forge::bytes(&batch))
    };
    let place = Record::Catalogue(Catalogue {
        config: 1,
        site_zh: slug("库"),
        site_en: slug("pond"),
        path: SitePath { group: slug("g"), company: slug("c"), mine: slug("m"), facility: slug("f") },
        part: 0,
        parts: 1,
        points: vec![described(0)?],
        outline: None,
    });
    send(Lane::Routine, 1, vec![Frame::of_record(0, 1, &place).context("a catalogue is a record")?])?;
    let raised = |n: usize| -> Result<Frame> {
        let record = Record::Alarm(AlarmTransition {
            alarm: PointId::parse(&format!("p-{n}.threshold"))?,
            revision: 1,
            kind: AlarmKind::Threshold,
            point: None,
            from: Level::Normal,
            to: Level::Yellow,
            at,
            value: Some(2.0),
            limit: Some(1.0),
            rule: slug("flood"),
            why: slug("flood"),
            proof: None,
        });
        Frame::of_record(n as u64, 1, &record).context("an alarm is a record")
    };
    let frames = (0..alarms).map(raised).collect::<Result<Vec<_>>>()?;
    for (number, part) in (2..).zip(frames.chunks(200)) {
        send(Lane::Alarm, number, part.to_vec())?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_alarm_of_a_flood_reaches_a_subscriber() -> Result<()> {
    const ALARMS: usize = 4_000;
    let folder = scratch("outbox-flood")?;
    let aggregator = Aggregator::start(&folder, &Setup::default()).await?;
    let port = aggregator.mqtt_port().context("port")?;
    let subscriber = Subscriber::start(&folder, port, "minewatch/v1/hq/#")?;
    flood(&folder, port, ALARMS)?;
    eventually("every transition is at the subscriber", Duration::from_secs(45), async || {
        aggregator.program().must_run()?;
        let events = subscriber.messages("/event");
        let seen = events.iter().map(|message| message.topic.clone()).collect::<BTreeSet<_>>().len();
        Ok(when(seen == ALARMS, format!("{seen} of {ALARMS}")))
    })
    .await
}
