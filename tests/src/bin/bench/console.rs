//! The console in a real browser (`aggregator/console/e2e/perf.mjs`), and what headquarters needs for the
//! trend it draws: a day of one point with 100,000 samples.

use crate::report::{Good, Metric};
use anyhow::{Context, Result};
use minewatch_domain::wire::{BatchV1, FrameV1, ReadingsV1, VERSION};
use minewatch_domain::{GatewayId, Lane, topics};
use minewatch_tests::aggregator::{Aggregator, Setup};
use minewatch_tests::forge;
use minewatch_tests::process::{repository, run, scratch};
use minewatch_tests::strangers::now_us;
use minewatch_tests::wait::{eventually, when};
use serde_json::Value;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

const SAMPLES: u32 = 100_000;
/// Samples of one message, far below 1 MiB.
const MESSAGE: u32 = 20_000;
const DAY_US: i64 = 86_400_000_000;
const ASKED: usize = 20;

/// First paint, raise to visible, a scroll.
pub(crate) fn page() -> Result<Vec<Metric>> {
    let folder = repository().join("aggregator/console");
    let printed = run(Command::new("timeout").args(["170", "node", "e2e/perf.mjs"]).current_dir(&folder))?;
    let figures: Value = serde_json::from_str(printed.lines().last().unwrap_or_default()).context(printed.clone())?;
    let of = |name: &str| figures[name].as_f64().with_context(|| format!("no {name} in {printed}"));
    let against = "absolute; Chromium on this machine, a stub sends";
    Ok(vec![
        Metric::new("console_first_paint_ms", of("first_paint_ms")?, "ms", (Good::AtMost, 1_000.0), against),
        Metric::new(
            "console_raise_to_visible_p95_ms",
            of("raise_p95_ms")?,
            "ms",
            (Good::AtMost, 300.0),
            "absolute; 1,000 active alarms, 1,000 values a second beside them",
        ),
        Metric::new(
            "console_scroll_frame_p95_ms",
            of("scroll_frame_p95_ms")?,
            "ms",
            (Good::AtMost, 34.0),
            "absolute; 10,000 rows scrolled through in 5 s; 33.3 is two frames of a 60 Hz screen",
        ),
    ])
}

/// A day of one point, asked as the trend page asks.
pub(crate) fn trend() -> Result<Vec<Metric>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let took = runtime.block_on(day_of_samples())?;
    let against = "absolute; HTTP answer of headquarters with 1,000 buckets of 100,000 samples, p95 of 20, SQLite";
    Ok(vec![Metric::new("trend_day_100k_p95_ms", took, "ms", (Good::AtMost, 200.0), against)])
}

fn speak(folder: &Path, port: u16, began: i64) -> Result<()> {
    let gateway = GatewayId::parse("gw-trend")?;
    let step = DAY_US / i64::from(SAMPLES);
    for (number, from) in (1u64..).zip((0..SAMPLES).step_by(MESSAGE as usize)) {
        let of: Vec<i64> = (from..(from + MESSAGE).min(SAMPLES)).map(i64::from).collect();
        let readings = ReadingsV1 {
            at_us: began,
            point: vec![1; of.len()],
            value: of.iter().map(|n| (*n as f64 / 900.0).sin()).collect(),
            offset_us: of.iter().map(|n| n * step).collect(),
            quality: Vec::new(),
        };
        let frame = FrameV1 {
            first_seq: u64::from(from),
            config: 1,
            readings: Some(readings),
            alarm: None,
            gap: None,
            event: None,
            catalogue: None,
        };
        let batch = BatchV1 {
            version: VERSION,
            gateway: gateway.to_string(),
            epoch: 1,
            lane: Lane::Routine.code(),
            sent_at_us: began,
            batch: number,
            points: vec![(1, "tank.level".to_owned())],
            frames: vec![frame],
        };
        forge::publish(folder, port, &topics::batch(&gateway, Lane::Routine), &forge::bytes(&batch))?;
    }
    Ok(())
}

async fn day_of_samples() -> Result<f64> {
    let folder = scratch("bench-trend")?;
    let aggregator = Aggregator::start(&folder, &Setup::default()).await?;
    let began = now_us()? - DAY_US;
    speak(&folder, aggregator.mqtt_port().context("the embedded broker")?, began)?;
    let (from, to) = (began.div_euclid(1_000), (began + DAY_US).div_euclid(1_000));
    let path = format!("/api/v1/points/gw-trend/tank.level/history?from={from}&to={to}&max_points=1000");
    eventually("every sample is in the history", Duration::from_secs(120), async || {
        let history = aggregator.api().get(&path).await.unwrap_or_default();
        let samples = history["samples"].as_array().cloned().unwrap_or_default();
        let counted: u64 = samples.iter().filter_map(|sample| sample["n"].as_u64()).sum();
        Ok(when(counted + 2 >= u64::from(SAMPLES), format!("{counted} of {SAMPLES}")))
    })
    .await?;
    let mut took = Vec::with_capacity(ASKED);
    for _ in 0..ASKED {
        let asked = Instant::now();
        aggregator.api().get(&path).await?;
        took.push(asked.elapsed().as_secs_f64() * 1e3);
    }
    took.sort_by(f64::total_cmp);
    took.get(ASKED * 95 / 100).or(took.last()).copied().context("nothing was measured")
}
