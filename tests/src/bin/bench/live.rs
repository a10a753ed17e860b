//! From an alarm at a gateway to everybody who watches: subscribers of headquarters topics and consoles.

use crate::report::{Good, Metric};
use anyhow::{Context, Result, ensure};
use futures_util::StreamExt;
use minewatch_domain::wire::{BatchV1, Frame, VERSION, encode};
use minewatch_domain::{AlarmKind, AlarmTransition, At, Catalogue, Lane, Level, PointId, Record, SitePath};
use minewatch_tests::aggregator::{Aggregator, READ_TOKEN, Setup};
use minewatch_tests::process::scratch;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::Packet;
use rumqttc::v5::{AsyncClient, Event, MqttOptions};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const GATEWAY: &str = "gw-bench";
const EPOCH: u64 = 1_764_000_000_000_000;
/// Alarms a second, for so long, in batches as a gateway's alarm lane makes them under load.
const RATE: usize = 1_000;
const SECONDS: usize = 15;
const BATCH: usize = 20;
/// The first second opens statements and files.
const WARM: usize = RATE;
const STREAMS: usize = 2_000;
const STREAMS_WITHIN: Duration = Duration::from_secs(60);

/// When each alarm was sent and when each watcher saw it.
type Times = Arc<Mutex<BTreeMap<usize, Instant>>>;

fn note(times: &Times, n: usize) {
    times.lock().unwrap_or_else(PoisonError::into_inner).entry(n).or_insert_with(Instant::now);
}

fn block_on<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?.block_on(work)
}

fn now_us() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_micros()).unwrap_or(0))
}

fn message(lane: Lane, first: usize, records: &[Record]) -> Result<(String, Vec<u8>)> {
    let frames = records.iter().enumerate();
    let frames = frames.map(|(n, record)| Frame::of_record((first + n) as u64, 1, record).context("a frame"));
    let batch = BatchV1 {
        version: VERSION,
        gateway: GATEWAY.to_owned(),
        epoch: EPOCH,
        lane: lane.code(),
        sent_at_us: now_us(),
        batch: first as u64 + 1,
        points: Vec::new(),
        frames: frames.collect::<Result<_>>()?,
    };
    Ok((format!("minewatch/v1/gw/{GATEWAY}/up/{}", lane.name()), encode(&batch)))
}

fn alarm(n: usize) -> Result<Record> {
    let to = [Level::Yellow, Level::Yellow, Level::Orange, Level::Red][n % 4];
    Ok(Record::Alarm(AlarmTransition {
        alarm: PointId::parse(&format!("p-{n}.threshold"))?,
        revision: 1,
        kind: AlarmKind::Threshold,
        point: None,
        from: Level::Normal,
        to,
        at: At(now_us()),
        value: Some(1.0),
        limit: Some(0.5),
        rule: "bench".to_owned(),
        why: "bench".to_owned(),
        proof: None,
    }))
}

/// Says where the gateway stands: without a place nothing is published.
fn catalogue() -> Record {
    let level = str::to_owned;
    Record::Catalogue(Catalogue {
        config: 1,
        site_zh: "库".to_owned(),
        site_en: "pond".to_owned(),
        path: SitePath { group: level("g"), company: level("c"), mine: level("m"), facility: level("f") },
        part: 0,
        parts: 1,
        points: Vec::new(),
        outline: None,
    })
}

/// Of `p-7.threshold`, and of `gw-bench.p-7.threshold` as topics name it.
fn number(alarm: &str) -> Option<usize> {
    let alarm = alarm.strip_prefix(GATEWAY).and_then(|rest| rest.strip_prefix('.')).unwrap_or(alarm);
    alarm.strip_prefix("p-")?.strip_suffix(".threshold")?.parse().ok()
}

async fn client(port: u16, id: &str, subscribe: Option<&str>, seen: Times) -> Result<AsyncClient> {
    let mut options = MqttOptions::new(id, "127.0.0.1", port);
    options.set_keep_alive(Duration::from_secs(30));
    let (client, mut events) = AsyncClient::new(options, 1_000);
    if let Some(filter) = subscribe {
        client.subscribe(filter, QoS::AtLeastOnce).await?;
    }
    tokio::spawn(async move {
        loop {
            match events.poll().await {
                Ok(Event::Incoming(Packet::Publish(publish))) => {
                    let topic = String::from_utf8_lossy(&publish.topic).into_owned();
                    let alarm = topic.strip_suffix("/event").and_then(|topic| topic.rsplit('/').next());
                    if let Some(n) = alarm.and_then(number) {
                        note(&seen, n);
                    }
                }
                Ok(_) => {}
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    });
    Ok(client)
}

async fn stream(aggregator: &Aggregator) -> Result<reqwest::Response> {
    let client = reqwest::Client::builder().pool_max_idle_per_host(0).build()?;
    let asked = client.get(format!("{}/api/v1/stream", aggregator.api().base())).bearer_auth(READ_TOKEN);
    Ok(asked.send().await?.error_for_status()?)
}

/// Calls `take` with the data of every alarm event.
async fn listen(response: reqwest::Response, mut take: impl FnMut(&str) -> bool) {
    let (mut bytes, mut text) = (response.bytes_stream(), String::new());
    while let Some(Ok(chunk)) = bytes.next().await {
        text.push_str(&String::from_utf8_lossy(&chunk));
        while let Some((event, rest)) = text.split_once("\n\n").map(|(event, rest)| (event.to_owned(), rest.to_owned()))
        {
            text = rest;
            let alarm = event.lines().any(|line| line.trim() == "event: alarm" || line.trim() == "event:alarm");
            if alarm && event.lines().filter_map(|line| line.strip_prefix("data:")).any(|data| !take(data)) {
                return;
            }
        }
    }
}

fn told(data: &str) -> Option<usize> {
    let value: serde_json::Value = serde_json::from_str(data.trim()).ok()?;
    number(value["alarm"].as_str()?)
}

fn p99_ms(sent: &BTreeMap<usize, Instant>, seen: &Times, who: &str) -> Result<f64> {
    let seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
    let measured = sent.iter().filter(|(n, _)| **n >= WARM);
    let mut took: Vec<f64> = Vec::new();
    let mut missing = 0;
    for (n, at) in measured {
        match seen.get(n) {
            Some(then) => took.push(then.duration_since(*at).as_secs_f64() * 1e3),
            None => missing += 1,
        }
    }
    ensure!(!took.is_empty() && missing == 0, "{who}: {missing} alarms not seen, {} seen", took.len());
    took.sort_by(f64::total_cmp);
    let (p50, p99) = (took[took.len() / 2], took[(took.len() * 99 / 100).min(took.len() - 1)]);
    println!("  {who}: p50 {p50:.1} ms, p99 {p99:.1} ms, most {:.1} ms, {} alarms", took[took.len() - 1], took.len());
    Ok(p99)
}

pub(crate) fn alarms() -> Result<Vec<Metric>> {
    block_on(async {
        let folder = scratch("bench-live")?;
        let aggregator = Aggregator::start(&folder, &Setup::default()).await?;
        let port = aggregator.mqtt_port().context("embedded broker")?;
        let (at_console, at_subscriber) = (Times::default(), Times::default());
        let _subscriber = client(port, "bench-watcher", Some("minewatch/v1/hq/#"), Arc::clone(&at_subscriber)).await?;
        let gateway = client(port, "bench-gateway", None, Times::default()).await?;
        let (topic, payload) = message(Lane::Routine, 0, &[catalogue()])?;
        gateway.publish(topic, QoS::AtLeastOnce, false, payload).await?;
        let console = stream(&aggregator).await?;
        let shared = Arc::clone(&at_console);
        tokio::spawn(listen(console, move |data| {
            told(data).into_iter().for_each(|n| note(&shared, n));
            true
        }));
        tokio::time::sleep(Duration::from_secs(2)).await;
        let mut sent = BTreeMap::new();
        let mut tick = tokio::time::interval(Duration::from_micros(1_000_000 * BATCH as u64 / RATE as u64));
        for first in (0..RATE * SECONDS).step_by(BATCH) {
            tick.tick().await;
            let records = (first..first + BATCH).map(alarm).collect::<Result<Vec<_>>>()?;
            let (topic, payload) = message(Lane::Alarm, first, &records)?;
            let now = Instant::now();
            sent.extend((first..first + BATCH).map(|n| (n, now)));
            gateway.publish(topic, QoS::AtLeastOnce, false, payload).await?;
        }
        // The last ones arrive, or count as missing.
        tokio::time::sleep(Duration::from_secs(3)).await;
        let console = p99_ms(&sent, &at_console, "console (SSE)")?;
        let subscriber = p99_ms(&sent, &at_subscriber, "subscriber (MQTT)")?;
        let against = "alarms published as a gateway at 1,000/s for 15 s; the worse of SSE and a topic subscriber";
        let value = console.max(subscriber);
        Ok(vec![Metric::new("alarm_to_console_p99_ms", value, "ms", (Good::AtMost, 100.0), against)])
    })
}

pub(crate) fn streams() -> Result<Vec<Metric>> {
    // Each stream is a socket here and one there.
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let wanted = limit.maximum.map_or(65_536, |most| most.min(65_536));
    rustix::process::setrlimit(
        rustix::process::Resource::Nofile,
        rustix::process::Rlimit { current: Some(wanted), maximum: limit.maximum },
    )?;
    block_on(async {
        let folder = scratch("bench-streams")?;
        let aggregator = Aggregator::start(&folder, &Setup::default()).await?;
        let port = aggregator.mqtt_port().context("embedded broker")?;
        let gateway = client(port, "bench-gateway", None, Times::default()).await?;
        let (opened, reached) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let took = Times::default();
        for n in 0..STREAMS {
            let Ok(response) = stream(&aggregator).await else { continue };
            opened.fetch_add(1, Ordering::Relaxed);
            let (reached, took) = (Arc::clone(&reached), Arc::clone(&took));
            tokio::spawn(listen(response, move |data| {
                if told(data) != Some(0) {
                    return true;
                }
                note(&took, n);
                reached.fetch_add(1, Ordering::Relaxed);
                true
            }));
        }
        // Past a heartbeat: they are held, not only opened.
        tokio::time::sleep(Duration::from_secs(12)).await;
        let (topic, payload) = message(Lane::Alarm, 0, &[alarm(0)?])?;
        let begun = Instant::now();
        gateway.publish(topic, QoS::AtLeastOnce, false, payload).await?;
        while reached.load(Ordering::Relaxed) < opened.load(Ordering::Relaxed) && begun.elapsed() < STREAMS_WITHIN {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let last = took.lock().unwrap_or_else(PoisonError::into_inner).values().max().copied();
        let last = last.map_or(0.0, |last| last.duration_since(begun).as_secs_f64() * 1e3);
        let held = reached.load(Ordering::Relaxed);
        println!("  {} opened, {held} got one alarm, the last after {last:.0} ms", opened.load(Ordering::Relaxed));
        let against = "event streams open for 12 s on one aggregator, that then all got the same alarm";
        Ok(vec![Metric::new("sse_streams_held", held as f64, "streams", (Good::AtLeast, 2_000.0), against)])
    })
}
