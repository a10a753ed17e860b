//! What a further gateway costs headquarters, and what a second aggregator brings.

use crate::report::{Good, Metric};
use anyhow::{Context, Result};
use minewatch_tests::aggregator::{Aggregator, Setup};
use minewatch_tests::broker::Mosquitto;
use minewatch_tests::postgres::Postgres;
use minewatch_tests::process::{binary, run, scratch};
use std::path::Path;
use std::process::Command;

/// Clock ticks of `/proc` a second (USER_HZ, a constant of the kernel's interface).
const TICKS: f64 = 100.0;

fn block_on<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?.block_on(work)
}

/// CPU seconds and resident megabytes of a process so far.
fn spent(pid: u32) -> Result<(f64, f64)> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let fields: Vec<&str> = stat.rsplit(") ").next().context("fields")?.split(' ').collect();
    let ticks = |at: usize| fields.get(at).and_then(|text| text.parse::<f64>().ok()).context("ticks");
    let pages = ticks(21)?;
    Ok(((ticks(11)? + ticks(12)?) / TICKS, pages * 4_096.0 / 1e6))
}

async fn load(port: u16, arguments: &[&str]) -> Result<serde_json::Value> {
    let mut command = Command::new(binary("simulator")?);
    command.args(["load", "--broker", &format!("127.0.0.1:{port}")]).args(arguments);
    let printed = tokio::task::spawn_blocking(move || run(&mut command)).await??;
    let line = printed.lines().rev().find(|line| line.starts_with('{')).context("load generator's line")?;
    Ok(serde_json::from_str(line)?)
}

/// CPU milliseconds of the aggregator per gateway and second, resident MB, and what the load saw.
async fn cost(folder: &Path, gateways: u32) -> Result<(f64, f64, serde_json::Value)> {
    let folder = folder.join(gateways.to_string());
    std::fs::create_dir_all(&folder)?;
    let broker = Mosquitto::start(&folder).await?;
    let setup =
        Setup { broker: Some((format!("mqtt://127.0.0.1:{}", broker.port()), String::new())), ..Setup::default() };
    let aggregator = Aggregator::start(&folder, &setup).await?;
    let (before, _) = spent(aggregator.program().id())?;
    let (number, seconds) = (gateways.to_string(), "20");
    // Twenty points every ten seconds a gateway; at 5,000 gateways 10,000 readings a second.
    let seen = load(
        broker.port(),
        &["--gateways", &number, "--connections", "8", "--points", "20", "--rate", "0.1", "--seconds", seconds],
    )
    .await?;
    let (after, resident) = spent(aggregator.program().id())?;
    let wall = seen["seconds"].as_f64().context("seconds")?;
    Ok(((after - before) * 1_000.0 / wall / f64::from(gateways), resident, seen))
}

/// CPU per gateway at 5,000 against 100.
pub(crate) fn growth() -> Result<Vec<Metric>> {
    let folder = scratch("bench-growth")?;
    let mut seen = Vec::new();
    for gateways in [100, 1_000, 5_000] {
        let (cpu, resident, report) = block_on(cost(&folder, gateways))?;
        let (p99, unacked) = (&report["latency_p99_ms"], &report["readings_unacked"]);
        seen.push((cpu, format!("{gateways}: {cpu:.3} ms CPU/s, {resident:.0} MB, p99 {p99} ms, unacked {unacked}")));
    }
    let ratio = seen[2].0 / seen[0].0;
    let against: Vec<&str> = seen.iter().map(|(_, text)| text.as_str()).collect();
    let against = format!("per gateway of 20 points each 10 s; {}", against.join("; "));
    Ok(vec![Metric::new("gateway_cost_growth", ratio, "ratio", (Good::AtMost, 1.2), &against)])
}

async fn shared(folder: &Path, aggregators: usize) -> Result<f64> {
    let folder = folder.join(aggregators.to_string());
    std::fs::create_dir_all(&folder)?;
    let (broker, database) = (Mosquitto::start(&folder).await?, Postgres::start()?);
    let url = format!("mqtt://127.0.0.1:{}", broker.port());
    let mut running = Vec::new();
    for number in 0..aggregators {
        let beside = folder.join(format!("aggregator-{number}"));
        std::fs::create_dir_all(&beside)?;
        let broker = Some((url.clone(), "shared_group = \"hq\"\n".to_owned()));
        running.push(
            Aggregator::start(&beside, &Setup { store_url: Some(database.url()), broker, ..Setup::default() }).await?,
        );
    }
    let load = load(
        broker.port(),
        &["--gateways", "20", "--connections", "4", "--points", "1000", "--rate", "20", "--seconds", "15"],
    );
    load.await?["readings_acked_per_s"].as_f64().context("readings_acked_per_s")
}

/// Durable readings a second with two aggregators against one.
pub(crate) fn two() -> Result<Vec<Metric>> {
    let folder = scratch("bench-two")?;
    let (one, two) = (block_on(shared(&folder, 1))?, block_on(shared(&folder, 2))?);
    let against =
        format!("one {one:.0}, two {two:.0} readings/s; Mosquitto, PostgreSQL and the load share these cores");
    Ok(vec![Metric::new("two_aggregators_x", two / one, "ratio", (Good::AtLeast, 1.5), &against)])
}
