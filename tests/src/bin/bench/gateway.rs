//! The whole chain, as the peers were measured: 10 devices x 100 registers each second.

use crate::report::{Good, Metric};
use anyhow::{Context, Result};
use minewatch_tests::relay::Link;
use minewatch_tests::scene::{Plan, Scene};
use minewatch_tests::site::Site;
use minewatch_tests::slave::{COUNTERS_FROM, now_us};
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::Packet;
use rumqttc::v5::{AsyncClient, Event, MqttOptions};
use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

pub(crate) fn block_on<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?.block_on(work)
}

/// Time all threads have run, to the nanosecond: the ticks of `/proc/PID/stat` are a tenth of what is measured.
pub(crate) fn cpu_s(pid: u32) -> Result<f64> {
    let mut ns = 0.0;
    for task in std::fs::read_dir(format!("/proc/{pid}/task"))? {
        let text = std::fs::read_to_string(task?.path().join("schedstat"))?;
        ns += text.split_whitespace().next().context("time on the CPU")?.parse::<f64>()?;
    }
    Ok(ns / 1e9)
}

pub(crate) fn rss_mb(pid: u32) -> Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find(|l| l.starts_with("VmRSS:")).context("VmRSS")?;
    let kb: f64 = line.split_whitespace().nth(1).context("VmRSS")?.parse()?;
    Ok(kb / 1024.0)
}

pub(crate) fn percentile(sorted: &[f64], share: f64) -> f64 {
    let index = ((sorted.len() as f64 * share).ceil() as usize).clamp(1, sorted.len().max(1)) - 1;
    sorted.get(index).copied().unwrap_or(f64::NAN)
}

/// CPU of the gateway with the durable ledger on, and sample to headquarters subscriber.
pub(crate) fn steady() -> Result<Vec<Metric>> {
    block_on(async {
        let scene = Scene::start(&Plan::measured("bench-steady")).await?;
        tokio::time::sleep(Duration::from_secs(5)).await;
        let pid = scene.gateway.program().id();
        let (cpu, read) = (cpu_s(pid)?, total(&scene));
        let arrivals = listen(scene.broker_port()?, Duration::from_secs(60)).await?;
        let (cpu, read) = (cpu_s(pid)? - cpu, total(&scene) - read);
        let latencies = latencies_ms(&scene, &arrivals)?;
        let share = |share| percentile(&latencies, share);
        println!(
            "  sample to headquarters: least {:.1} ms, tenth {:.1}, nine tenths {:.1}, most {:.1}",
            share(0.0),
            share(0.1),
            share(0.9),
            share(1.0)
        );
        let against = format!("{read} readings in 60 s, {cpu:.3} CPU s; peers: ThingsBoard 14.2, Node-RED 1.8");
        let hq = format!(
            "{} values at a subscriber of {}",
            latencies.len(),
            "minewatch/v1/hq/#, the first message that carries each (all of a site together; the single retained \
             ones follow); peers p50/p99, a message per device: ThingsBoard 155/814, Node-RED 1.9/14.2"
        );
        Ok(vec![
            Metric::new(
                "gateway_cpu_s_per_100k",
                cpu / read as f64 * 100_000.0,
                "CPU s",
                (Good::AtMost, 0.2),
                &against,
            ),
            Metric::new("sample_to_hq_p50_ms", percentile(&latencies, 0.5), "ms", (Good::AtMost, 5.0), &hq),
            Metric::new("sample_to_hq_p99_ms", percentile(&latencies, 0.99), "ms", (Good::AtMost, 15.0), &hq),
        ])
    })
}

fn total(scene: &Scene) -> usize {
    scene.slaves.iter().map(minewatch_tests::slave::CounterSlave::total).sum()
}

/// Arrival time, topic, payload of every value message within `how_long`.
async fn listen(port: u16, how_long: Duration) -> Result<Vec<(i64, String, Vec<u8>)>> {
    let mut options = MqttOptions::new("bench-subscriber", "127.0.0.1", port);
    options.set_clean_start(true).set_keep_alive(Duration::from_secs(30));
    let mut network = rumqttc::NetworkOptions::new();
    network.set_tcp_nodelay(true);
    options.set_network_options(network);
    let (client, mut events) = AsyncClient::new(options, 64);
    client.subscribe("minewatch/v1/hq/#", QoS::AtLeastOnce).await?;
    let mut seen = Vec::new();
    let until = tokio::time::Instant::now() + how_long;
    while let Ok(event) = tokio::time::timeout_at(until, events.poll()).await {
        if let Event::Incoming(Packet::Publish(publish)) = event?
            && !publish.retain
        {
            seen.push((now_us(), String::from_utf8_lossy(&publish.topic).into_owned(), publish.payload.to_vec()));
        }
    }
    Ok(seen)
}

fn latencies_ms(scene: &Scene, arrivals: &[(i64, String, Vec<u8>)]) -> Result<Vec<f64>> {
    let mut handed: HashMap<String, Vec<i64>> = HashMap::new();
    for (index, slave) in scene.slaves.iter().enumerate() {
        for register in COUNTERS_FROM..scene.site.registers {
            handed.insert(Site::counter_point(index, register), slave.handed_out(register));
        }
    }
    let (mut latencies, mut seen) = (Vec::new(), HashSet::new());
    for (at_us, topic, payload) in arrivals {
        let together = topic.ends_with("/values");
        if !together && !topic.ends_with("/value") {
            continue;
        }
        let event: serde_json::Value = serde_json::from_slice(payload)?;
        let one = std::slice::from_ref(&event["data"]);
        let values = if together { event["data"]["values"].as_array().map_or(one, Vec::as_slice) } else { one };
        for value in values {
            let point = value["point"].as_str().unwrap_or_default();
            // Each value comes together with others, then by itself, and is published again now and then.
            if !seen.insert((point.to_owned(), value["at_us"].as_i64())) {
                continue;
            }
            let count = value["value"].as_f64();
            let sampled = count.and_then(|count| handed.get(point)?.get(count as usize - 1));
            latencies.extend(sampled.map(|sampled| (at_us - sampled) as f64 / 1_000.0));
        }
    }
    latencies.sort_by(f64::total_cmp);
    anyhow::ensure!(
        latencies.len() > 1_000,
        "only {} values could be matched with the slaves' counters",
        latencies.len()
    );
    Ok(latencies)
}

/// Resident memory with 10,000 points, each read and recorded every second.
pub(crate) fn memory() -> Result<Vec<Metric>> {
    block_on(async {
        let plan = Plan { devices: 50, registers: 200 + COUNTERS_FROM, ..Plan::measured("bench-memory") };
        let scene = Scene::start(&plan).await?;
        tokio::time::sleep(Duration::from_secs(40)).await;
        let rss = rss_mb(scene.gateway.program().id())?;
        let against = format!("{} points, each read and recorded every second", scene.slaves.len() * 200);
        Ok(vec![Metric::new("gateway_rss_mb_10k_points", rss, "MB", (Good::AtMost, 25.0), &against)])
    })
}

/// From starting the program after kill -9 to the first register read again; the worst of ten.
pub(crate) fn resume() -> Result<Vec<Metric>> {
    block_on(async {
        let mut scene = Scene::start(&Plan::measured("bench-resume")).await?;
        let mut worst: f64 = 0.0;
        for round in 0..10 {
            tokio::time::sleep(Duration::from_millis(2_000 + round * 137)).await;
            scene.gateway.program().kill_9()?;
            tokio::time::sleep(Duration::from_millis(100)).await;
            let (before, started) = (total(&scene), Instant::now());
            scene.gateway.restart()?;
            while total(&scene) == before {
                anyhow::ensure!(started.elapsed() < Duration::from_secs(20), "gateway does not read again");
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            worst = worst.max(started.elapsed().as_secs_f64());
        }
        Ok(vec![Metric::new(
            "resume_after_kill_s",
            worst,
            "s",
            (Good::AtMost, 1.0),
            "worst of 10 kills, start of the program to first read",
        )])
    })
}

/// Link away for 60 s; how many times faster than real time the backlog then reaches the store. From
/// the first to the last of it in the store; the waiting for the reconnect is told beside it.
pub(crate) fn drain() -> Result<Vec<Metric>> {
    block_on(async {
        let scene = Scene::start(&Plan::measured("bench-drain")).await?;
        tokio::time::sleep(Duration::from_secs(5)).await;
        scene.relay.set(Link::Refused);
        tokio::time::sleep(Duration::from_secs(60)).await;
        let before = stored(&scene).await?;
        let waiting = total(&scene) as f64 - before;
        scene.relay.set(Link::Up);
        let restored = Instant::now();
        let mut begun = None;
        loop {
            let now = stored(&scene).await? - before;
            if now > 0.0 && begun.is_none() {
                begun = Some((Instant::now(), now));
            }
            if let (Some((since, first)), true) = (begun, now >= waiting * 0.98) {
                let seconds = since.elapsed().as_secs_f64().max(f64::EPSILON);
                let x = (now - first) / seconds / 990.0;
                let against = format!(
                    "{:.0} of {waiting:.0} readings in {seconds:.3} s, real time is 990/s; {:.1} s after the link was restored",
                    now - first,
                    restored.elapsed().as_secs_f64()
                );
                return Ok(vec![Metric::new("backlog_drain_x_realtime", x, "x", (Good::AtLeast, 50.0), &against)]);
            }
            anyhow::ensure!(restored.elapsed() < Duration::from_secs(60), "{now} of {waiting} readings arrived");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
}

/// Readings committed to the store since the aggregator started.
async fn stored(scene: &Scene) -> Result<f64> {
    let text = scene.api().metrics().await?;
    let line = text.lines().find(|l| l.starts_with("minewatch_aggregator_readings_total ")).context("metric")?;
    Ok(line.rsplit(' ').next().context("value")?.parse()?)
}
