//! Cameras end to end: real gateway, vision process, RTSP streams and headquarters, faults on purpose.
//! MINEWATCH_SOAK=1 makes the counts those of the requirement.

use anyhow::{Context, Result};
use minewatch_tests::aggregator::{Aggregator, Setup};
use minewatch_tests::cameras::{Cameras, installed, signal_vision, vision_pid};
use minewatch_tests::gateway::Gateway;
use minewatch_tests::ledger::Verdict;
use minewatch_tests::process::{Program, run, scratch};
use minewatch_tests::relay::Relay;
use minewatch_tests::scene::{Scene, soak};
use minewatch_tests::site::Site;
use minewatch_tests::slave::CounterSlave;
use minewatch_tests::wait::{Seen, eventually, when};
use rustix::process::Signal;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

const GATEWAY: &str = "gw-e2e";

/// Generous: the machine may be busy with other things.
const PATIENCE: Duration = Duration::from_secs(60);

/// A scene with counter instruments and cameras.
struct Watched {
    scene: Scene,
    cameras: Cameras,
    evidence: PathBuf,
}

async fn watched(test: &str, cameras: &[(&str, &str)]) -> Result<Watched> {
    let folder = scratch(test)?;
    std::fs::create_dir_all(folder.join("tokens"))?;
    std::fs::write(folder.join("tokens").join(GATEWAY), "token-of-the-e2e-gateway\n")?;
    let more = format!("[evidence]\ndir = \"{0}/hq-evidence\"\ntokens_dir = \"{0}/tokens\"\n\n", folder.display());
    let aggregator = Aggregator::start(&folder, &Setup { more, ..Setup::default() }).await?;
    let simulator = Cameras::start(&folder, cameras).await?;
    let relay = Relay::start(aggregator.mqtt_port().context("broker port")?).await?;
    let slaves = vec![CounterSlave::start(10).await?, CounterSlave::start(10).await?];
    let ports: Vec<u16> = slaves.iter().map(CounterSlave::port).collect();
    let mut site = Site::of_counters(GATEWAY, &ports, 10, relay.port())?;
    let evidence = folder.join("evidence");
    let names: Vec<&str> = cameras.iter().map(|(name, _)| *name).collect();
    let send = format!(
        "[evidence.send]\nurl = \"{}\"\ntoken_file = \"{}/tokens/{GATEWAY}\"\n\n",
        aggregator.api().base(),
        folder.display()
    );
    site.body.push_str(&simulator.site_entries(&evidence, &send, &names));
    let gateway = Gateway::start(&folder, &site)?;
    let scene = Scene { folder, slaves, relay, broker: None, aggregator, site, gateway };
    scene.wait_reads(2).await?;
    Ok(Watched { scene, cameras: simulator, evidence })
}

impl Watched {
    fn gateway(&self) -> &Program {
        self.scene.gateway.program()
    }

    async fn vision(&self) -> Result<Value> {
        let port = self.scene.site.http_port;
        let text = reqwest::get(format!("http://127.0.0.1:{port}/api/local")).await?.text().await?;
        Ok(serde_json::from_str::<Value>(&text)?["vision"].clone())
    }

    /// Waits until the vision process has been started again so many times and is up.
    async fn back_after(&self, restarts: u64) -> Result<Duration> {
        let began = Instant::now();
        eventually("the vision process is back", PATIENCE, async || {
            self.gateway().must_run()?;
            let vision = self.vision().await?;
            let back = vision["restarts"].as_u64() == Some(restarts) && vision_pid(self.gateway()).is_ok();
            Ok(when(back, vision))
        })
        .await?;
        Ok(began.elapsed())
    }

    async fn metric(&self, name: &str, camera: &str) -> Result<u64> {
        let port = self.scene.site.http_port;
        let text = reqwest::get(format!("http://127.0.0.1:{port}/metrics")).await?.text().await?;
        let wanted = format!("{name}{{camera=\"{camera}\"}} ");
        let line = text.lines().find_map(|line| line.strip_prefix(&wanted)).context("no such metric yet")?;
        Ok(line.parse()?)
    }

    async fn pictures_flow(&self, camera: &str) -> Result<()> {
        let before = self.metric("minewatch_camera_frames_total", camera).await.unwrap_or(0);
        eventually("pictures arrive", PATIENCE, async || {
            let now = self.metric("minewatch_camera_frames_total", camera).await?;
            Ok(when(now > before || (now > 5 && now < before), now))
        })
        .await
    }

    /// Waits for an alarm of headquarters in this state; returns it.
    async fn alarm(&self, id: &str, level: &str) -> Result<Value> {
        eventually("the alarm is at headquarters", PATIENCE, async || {
            let alarms = self.scene.api().get("/api/v1/alarms?state=all&limit=500").await?;
            let found = alarms.as_array().and_then(|all| all.iter().find(|alarm| alarm["alarm"] == id).cloned());
            Ok(match found {
                Some(alarm) if alarm["level"] == level => Seen::Yes(alarm),
                Some(other) => Seen::NotYet(other.to_string()),
                None => Seen::NotYet(format!("no alarm {id}")),
            })
        })
        .await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_a_hang_and_exhausted_memory_of_vision_leave_no_gap_in_the_dam() -> Result<()> {
    if !installed() {
        return Ok(());
    }
    let watched = watched("cameras-fence", &[("cam-a", "walk")]).await?;
    watched.pictures_flow("cam-a").await?;
    let rounds = if soak() { 20 } else { 1 };
    let mut restarts = 0;
    for _ in 0..rounds {
        // The first is taken by the run-time's own handler, which then lets the next one kill.
        signal_vision(watched.gateway(), Signal::SEGV)?;
        tokio::time::sleep(Duration::from_millis(100)).await;
        signal_vision(watched.gateway(), Signal::SEGV)?;
        restarts += 1;
        println!("back {:?} after SIGSEGV", watched.back_after(restarts).await?);
        signal_vision(watched.gateway(), Signal::STOP)?;
        restarts += 1;
        println!("back {:?} after SIGSTOP", watched.back_after(restarts).await?);
        watched.pictures_flow("cam-a").await?;
        let pid = vision_pid(watched.gateway())?.as_raw_nonzero().to_string();
        run(Command::new("prlimit").args(["--pid", &pid, "--as=1048576"]))?;
        restarts += 1;
        println!("back {:?} after memory was exhausted", watched.back_after(restarts).await?);
        watched.pictures_flow("cam-a").await?;
    }
    let printed = watched.gateway().printed();
    assert!(printed.contains("vision.camera_health"), "the alarm was raised on site:\n{}", watched.gateway().tail());
    println!("{}", watched.scene.settle(Duration::from_secs(60), Verdict::perfect).await?);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn cameras_that_fail_are_told_apart_and_harm_no_other() -> Result<()> {
    if !installed() {
        return Ok(());
    }
    let shows = [("cam-good", "walk"), ("cam-drop", "empty"), ("cam-dark", "empty"), ("cam-bad", "empty")];
    let mut watched = watched("cameras-health", &shows).await?;
    for (name, _) in shows {
        watched.pictures_flow(name).await?;
    }
    watched.cameras.command("drop cam-drop")?;
    watched.cameras.command("fault cam-dark black")?;
    watched.cameras.command("fault cam-bad stall")?;
    for (camera, reason) in [("cam-drop", "no_frames"), ("cam-dark", "dark"), ("cam-bad", "no_frames")] {
        let alarm = watched.alarm(&format!("{camera}.camera_health"), "yellow").await?;
        assert!(alarm["why"].as_str().is_some_and(|why| why.starts_with(reason)), "{alarm}");
    }
    watched.cameras.command("back cam-drop")?;
    watched.cameras.command("fault cam-dark none")?;
    watched.cameras.command("fault cam-bad none")?;
    for camera in ["cam-drop", "cam-dark", "cam-bad"] {
        watched.alarm(&format!("{camera}.camera_health"), "normal").await?;
    }
    watched.cameras.command("codec cam-drop h265")?;
    watched.cameras.command("size cam-bad 1920x1080")?;
    watched.pictures_flow("cam-drop").await?;
    watched.pictures_flow("cam-bad").await?;
    let printed = watched.gateway().printed();
    assert!(!printed.contains("cam-good.camera_health"), "the good camera never had an alarm");
    assert_eq!(watched.vision().await?["restarts"], 0, "the process went through all of it");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn reconnects_and_garbage_do_not_make_the_process_grow() -> Result<()> {
    if !installed() {
        return Ok(());
    }
    let mut watched = watched("cameras-reconnects", &[("cam-a", "walk"), ("cam-b", "empty")]).await?;
    watched.pictures_flow("cam-a").await?;
    let rounds = if soak() { 1_000 } else { 12 };
    let mut settled = 0;
    for round in 0..rounds {
        let before = watched.metric("minewatch_camera_reconnects_total", "cam-a").await?;
        if round % 4 == 3 {
            watched.cameras.command("fault cam-a garbage")?;
            tokio::time::sleep(Duration::from_millis(500)).await;
            watched.cameras.command("fault cam-a none")?;
        }
        watched.cameras.command("drop cam-a")?;
        watched.cameras.command("back cam-a")?;
        eventually("the stream was opened again", PATIENCE, async || {
            let now = watched.metric("minewatch_camera_reconnects_total", "cam-a").await?;
            Ok(when(now > before, now))
        })
        .await?;
        watched.pictures_flow("cam-a").await?;
        if round == rounds / 3 {
            settled = watched.vision().await?["resident_bytes"].as_u64().context("memory")?;
        }
    }
    let after = watched.vision().await?["resident_bytes"].as_u64().context("memory")?;
    println!("{rounds} reconnects: {} kB, then {} kB", settled >> 10, after >> 10);
    assert!(after < settled + (24 << 20), "grew from {settled} to {after} bytes");
    assert_eq!(watched.vision().await?["restarts"], 0);
    Ok(())
}

/// A fall on the level within seconds of being shown, at headquarters, with its snapshot.
async fn fall_arrives(watched: &mut Watched) -> Result<Value> {
    watched.cameras.command("show cam-a fall")?;
    watched.alarm("cam-a.fall", "orange").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fall_reaches_headquarters_and_its_evidence_survives_a_kill_during_the_clip() -> Result<()> {
    if !installed() || !model_installed() {
        return Ok(());
    }
    let mut watched = watched("cameras-fall", &[("cam-a", "walk")]).await?;
    watched.pictures_flow("cam-a").await?;
    // The ring holds some seconds, so that the clip shows what was before.
    tokio::time::sleep(Duration::from_secs(4)).await;
    let alarm = fall_arrives(&mut watched).await?;
    let revision = alarm["revision"].as_u64().context("revision")?;
    signal_vision(watched.gateway(), Signal::KILL)?;
    watched.back_after(1).await?;

    let list = format!("/api/v1/evidence/{GATEWAY}/cam-a.fall");
    let item = eventually("the snapshot is at headquarters", PATIENCE, async || {
        let found = watched.scene.api().get(&list).await?;
        Ok(match found.as_array().and_then(|items| items.first().cloned()) {
            Some(item) => Seen::Yes(item),
            None => Seen::NotYet(found.to_string()),
        })
    })
    .await?;
    assert_eq!((item["kind"].as_str(), item["revision"].as_u64()), (Some("snapshot"), Some(revision)));
    let clips = eventually("the clip was rescued", PATIENCE, async || {
        let clips = files(&watched.evidence.join("clips"), "mp4");
        Ok(if clips.is_empty() { Seen::NotYet("no clip".to_owned()) } else { Seen::Yes(clips) })
    })
    .await?;
    assert_eq!(files(&watched.evidence.join("clips"), "part"), Vec::<PathBuf>::new());
    let length = seconds_of(&clips[0])?;
    assert!(length >= 2.0, "the clip shows {length} s before the kill");
    assert_eq!(files(&watched.evidence.join("events"), "cbor"), Vec::<PathBuf>::new(), "taken events are not kept");
    Ok(())
}

fn model_installed() -> bool {
    let model = minewatch_tests::process::repository().join("vendor/models/movenet_multipose_dyn_u8.onnx");
    if !model.is_file() {
        println!("skipped: {} is not there; `make setup` converts it", model.display());
    }
    model.is_file()
}

fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    entries.filter(|path| path.extension().is_some_and(|e| e == ending)).collect()
}

/// Length of a video as a player finds it, by decoding it whole.
fn seconds_of(file: &Path) -> Result<f64> {
    let watch = minewatch_tests::process::binary("gateway")?;
    let printed = run(Command::new(watch).arg("watch").arg(file))?;
    let end = printed.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()).find(|l| l["event"] == "end");
    end.and_then(|end| end["seconds"].as_f64()).context("no end line")
}
