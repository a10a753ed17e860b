//! Cameras: the whole chain against the bare model, cameras per core, memory, fall to headquarters.

use crate::gateway::{block_on, cpu_s, percentile, rss_mb};
use crate::report::{Good, Metric};
use anyhow::{Context, Result, bail, ensure};
use minewatch_tests::aggregator::{Aggregator, Setup};
use minewatch_tests::cameras::{Cameras, vision_pid};
use minewatch_tests::gateway::Gateway;
use minewatch_tests::process::{binary, run, scratch};
use minewatch_tests::site::Site;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::Packet;
use rumqttc::v5::{AsyncClient, Event, MqttOptions};
use serde_json::Value;
use std::process::Command;
use std::time::{Duration, Instant};

/// Cameras of the load: half of them with somebody in view.
const CAMERAS: usize = 6;

/// Falls shown for the latency.
const FALLS: usize = 10;

/// From the command to the end of the fall in the scene: eight seconds of walking, 0.8 s of falling.
const FALL_ENDS_S: f64 = 8.8;

/// Whole-chain frames per second and core against the bare session, on the same frames in one run.
pub(crate) fn chain() -> Result<Vec<Metric>> {
    let film = scratch("bench-chain")?.join("walk.mp4");
    run(Command::new(binary("simulator-cameras")?)
        .args(["render", "--scenario", "walk", "--seconds", "120"])
        .arg(&film))?;
    let printed = run(Command::new(binary("gateway")?).arg("watch").arg(&film))?;
    let lines: Vec<Value> = printed.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let end = lines.iter().find(|line| line["event"] == "end").context("no end line")?;
    let number = |key: &str| end[key].as_f64().with_context(|| format!("no {key} in {end}"));
    let (whole, bare, frames) = (number("cpu_seconds")?, number("model_cpu_seconds")?, number("frames")?);
    let against = format!(
        "{frames} frames of 640x360: decode, scale, model, tracking in {whole:.1} CPU s, model alone {bare:.1} CPU s"
    );
    Ok(vec![Metric::new("vision_vs_bare_ort", bare / whole, "ratio", (Good::AtLeast, 0.85), &against)])
}

struct Running {
    cameras: Cameras,
    gateway: Gateway,
    aggregator: Aggregator,
    http_port: u16,
}

async fn start(test: &str, shows: &[(String, &str)]) -> Result<Running> {
    let folder = scratch(test)?;
    let aggregator = Aggregator::start(&folder, &Setup::default()).await?;
    let shows: Vec<(&str, &str)> = shows.iter().map(|(name, show)| (name.as_str(), *show)).collect();
    let cameras = Cameras::start(&folder, &shows).await?;
    let mut site = Site::empty("gw-bench", aggregator.mqtt_port().context("broker port")?)?;
    let names: Vec<&str> = shows.iter().map(|(name, _)| *name).collect();
    site.body.push_str(&cameras.site_entries(&folder.join("evidence"), "", &names));
    let http_port = site.http_port;
    let gateway = Gateway::start(&folder, &site)?;
    let running = Running { cameras, gateway, aggregator, http_port };
    let began = Instant::now();
    while !running.vision().await.is_ok_and(|vision| vision["up"] == true) {
        ensure!(began.elapsed() < Duration::from_secs(40), "the vision process does not come up");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    Ok(running)
}

impl Running {
    async fn vision(&self) -> Result<Value> {
        let text = reqwest::get(format!("http://127.0.0.1:{}/api/local", self.http_port)).await?.text().await?;
        Ok(serde_json::from_str::<Value>(&text)?["vision"].clone())
    }

    async fn counter(&self, name: &str) -> Result<Vec<f64>> {
        let text = reqwest::get(format!("http://127.0.0.1:{}/metrics", self.http_port)).await?.text().await?;
        let lines = text.lines().filter(|line| line.starts_with(&format!("{name}{{")));
        Ok(lines.filter_map(|line| line.rsplit(' ').next()?.parse().ok()).collect())
    }

    fn vision_id(&self) -> Result<u32> {
        Ok(u32::try_from(vision_pid(self.gateway.program())?.as_raw_nonzero().get())?)
    }
}

fn shows(count: usize) -> Vec<(String, &'static str)> {
    (0..count).map(|n| (format!("cam-{n:02}"), if n % 2 == 0 { "walk" } else { "empty" })).collect()
}

/// Cameras of 640×360 at 10 pictures a second that two cores hold, and memory per camera.
pub(crate) fn load() -> Result<Vec<Metric>> {
    block_on(async {
        let one = {
            let running = start("bench-camera-one", &shows(1)).await?;
            tokio::time::sleep(Duration::from_secs(15)).await;
            rss_mb(running.vision_id()?)?
        };
        let running = start("bench-cameras", &shows(CAMERAS)).await?;
        tokio::time::sleep(Duration::from_secs(15)).await;
        let pid = running.vision_id()?;
        let (cpu, looked) = (cpu_s(pid)?, running.counter("minewatch_camera_frames_looked_total").await?);
        let dropped = running.counter("minewatch_camera_frames_dropped_total").await?;
        let (arrived, began) = (running.counter("minewatch_camera_frames_total").await?, Instant::now());
        tokio::time::sleep(Duration::from_secs(30)).await;
        let seconds = began.elapsed().as_secs_f64();
        let cpu = (cpu_s(pid)? - cpu) / seconds;
        let rate = |after: Vec<f64>, before: &[f64]| -> Vec<f64> {
            after.iter().zip(before).map(|(a, b)| (a - b) / seconds).collect()
        };
        let looked = rate(running.counter("minewatch_camera_frames_looked_total").await?, &looked);
        let arrived = rate(running.counter("minewatch_camera_frames_total").await?, &arrived);
        let dropped = rate(running.counter("minewatch_camera_frames_dropped_total").await?, &dropped);
        // A picture that came and was replaced before anybody looked at it: the camera is not held. Pictures
        // in which nothing moves are left out by the gate and are not dropped.
        let lost = dropped.iter().sum::<f64>() / arrived.iter().sum::<f64>();
        let held =
            if lost < 0.01 && arrived.iter().all(|&rate| rate >= 9.5) { CAMERAS as f64 * 2.0 / cpu } else { 0.0 };
        let against = format!(
            "{CAMERAS} cameras (half idle): {cpu:.2} cores; pictures/s {arrived:.1?}, given to the model {looked:.1?}, \
             replaced unseen {:.2} %",
            lost * 100.0
        );
        let rss = rss_mb(pid)?;
        let memory = format!("{CAMERAS} cameras {rss:.0} MB, one camera {one:.0} MB");
        let per_camera = (rss - one) / (CAMERAS - 1) as f64;
        Ok(vec![
            Metric::new("cameras_on_2_cores", held, "cameras", (Good::AtLeast, 6.0), &against),
            Metric::new("camera_rss_mb", per_camera, "MB", (Good::AtMost, 60.0), &memory),
        ])
    })
}

/// From the end of a fall in the scene to a subscriber at headquarters.
pub(crate) fn latency() -> Result<Vec<Metric>> {
    block_on(async {
        let mut running = start("bench-fall", &[("cam-a".to_owned(), "walk")]).await?;
        let mut options =
            MqttOptions::new("bench-falls", "127.0.0.1", running.aggregator.mqtt_port().context("broker port")?);
        options.set_clean_start(true).set_keep_alive(Duration::from_secs(30));
        let (client, mut events) = AsyncClient::new(options, 64);
        client.subscribe("minewatch/v1/hq/#", QoS::AtLeastOnce).await?;
        let mut delays = Vec::new();
        let mut missed = 0;
        for _ in 0..FALLS {
            running.cameras.command("show cam-a fall")?;
            let shown = Instant::now();
            match tokio::time::timeout(Duration::from_secs(20), next_fall(&mut events)).await {
                Ok(Ok(at)) => delays.push((at - shown).as_secs_f64() - FALL_ENDS_S),
                Ok(Err(error)) => return Err(error),
                Err(_) => missed += 1,
            }
            running.cameras.command("show cam-a walk")?;
            tokio::time::sleep(Duration::from_secs(4)).await;
        }
        if delays.is_empty() {
            bail!("none of {FALLS} falls arrived");
        }
        delays.sort_by(f64::total_cmp);
        let against = format!(
            "{} falls of {FALLS} ({missed} missed), after the end of the fall; median {:.2} s",
            delays.len(),
            percentile(&delays, 0.5)
        );
        Ok(vec![Metric::new("fall_to_hq_p99_s", percentile(&delays, 0.99), "s", (Good::AtMost, 2.5), &against)])
    })
}

/// When the next raised fall alarm came: its event, since states are published again now and then.
async fn next_fall(events: &mut rumqttc::v5::EventLoop) -> Result<Instant> {
    loop {
        let Event::Incoming(Packet::Publish(message)) = events.poll().await? else { continue };
        if !message.topic.ends_with(b"/event") {
            continue;
        }
        let Ok(document) = serde_json::from_slice::<Value>(&message.payload) else { continue };
        let data = &document["data"];
        let raised = data["level"].as_str().or(data["to"].as_str()).is_some_and(|level| level != "normal");
        if data["kind"] == "fall" && raised && !message.retain {
            return Ok(Instant::now());
        }
    }
}
