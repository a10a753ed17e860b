//! Headquarters goes back in time, brokers forget, disks fill up.

use anyhow::Result;
use minewatch_tests::aggregator::{Aggregator, Setup};
use minewatch_tests::gateway::Gateway;
use minewatch_tests::ledger::Verdict;
use minewatch_tests::postgres::Postgres;
use minewatch_tests::process::{run, scratch};
use minewatch_tests::relay::Link;
use minewatch_tests::scene::{Plan, Scene};
use minewatch_tests::site::Site;
use minewatch_tests::slave::CounterSlave;
use minewatch_tests::wait::{eventually, when};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_forgot_everything_costs_nothing() -> Result<()> {
    let mut scene = Scene::start(&Plan { external_broker: true, ..Plan::small("restore-broker") }).await?;
    // The aggregator is away: the broker holds what the gateway sends, and then loses all of it.
    scene.aggregator.program().kill_9()?;
    tokio::time::sleep(Duration::from_secs(6)).await;
    if let Some(broker) = &mut scene.broker {
        broker.kill_9()?;
        let _ = fs::remove_file(scene.folder.join("mosquitto.db"));
        broker.restart().await?;
    }
    scene.aggregator.restart().await?;
    println!("{}", scene.settle(Duration::from_secs(90), Verdict::perfect).await?);
    Ok(())
}

fn copy_store(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let path = entry?.path();
        if let (true, Some(name)) = (path.is_file(), path.file_name()) {
            fs::copy(&path, to.join(name))?;
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_restored_from_an_older_copy_is_filled_again() -> Result<()> {
    let mut scene = Scene::start(&Plan::small("restore-store")).await?;
    let (data, backup) = (scene.aggregator.data().to_path_buf(), scene.folder.join("backup"));
    scene.aggregator.program().stop(Duration::from_secs(15))?;
    copy_store(&data, &backup)?;
    scene.aggregator.restart().await?;
    let before = scene.slaves[0].total();
    eventually("more values arrive after the backup", Duration::from_secs(40), async || {
        let backlog = scene.api().backlog(&scene.site.gateway).await?;
        let more = scene.slaves[0].total() - before;
        Ok(when(more > 40 && backlog < 100, format!("{more} more, backlog {backlog}")))
    })
    .await?;
    scene.aggregator.program().kill_9()?;
    fs::remove_dir_all(&data)?;
    copy_store(&backup, &data)?;
    scene.aggregator.restart().await?;
    // Either the gateway still held the acknowledged records and sends them again, or it says which are gone.
    let verdict = scene.settle(Duration::from_secs(90), Verdict::honest).await?;
    println!("after the restore: {verdict}");
    Ok(())
}

/// A small file system of its own; `None` where mounting is not permitted.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(folder: &Path, size_mb: u32) -> Result<Option<SmallDisk>> {
        let place = folder.join("small-disk");
        fs::create_dir_all(&place)?;
        let options = format!("size={size_mb}m,mode=0777");
        match run(Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(&place)) {
            Ok(_) => Ok(Some(SmallDisk(place))),
            Err(error) => {
                println!("skipped: a file system of {size_mb} MB could not be mounted here: {error:#}");
                Ok(None)
            }
        }
    }

    fn fill(&self) -> Result<PathBuf> {
        let ballast = self.0.join("ballast");
        // dd stops with an error when the disk is full: that is the wish.
        let _ = run(Command::new("dd").args(["if=/dev/zero", "bs=64k"]).arg(format!("of={}", ballast.display())));
        Ok(ballast)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = run(Command::new("umount").arg("-l").arg(&self.0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_at_headquarters_stops_the_acks_and_loses_nothing() -> Result<()> {
    let folder = scratch("restore-disk-hq")?;
    let Some(disk) = SmallDisk::mount(&folder, 64)? else { return Ok(()) };
    let setup = Setup { data: Some(disk.0.join("aggregator")), ..Setup::default() };
    let mut scene = Scene::start_in(&Plan::small("restore-disk-hq"), folder, &setup).await?;
    let ballast = disk.fill()?;
    let before = scene.slaves[0].total();
    tokio::time::sleep(Duration::from_secs(8)).await;
    assert!(scene.slaves[0].total() > before, "the site goes on sampling");
    fs::remove_file(ballast)?;
    if scene.aggregator.program().ended()?.is_some() {
        // Ending on a full disk is allowed: the service manager starts it again.
        scene.aggregator.restart().await?;
    }
    println!("{}", scene.settle(Duration::from_secs(90), Verdict::perfect).await?);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_at_the_site_is_said_and_explained() -> Result<()> {
    let folder = scratch("restore-disk-site")?;
    let Some(disk) = SmallDisk::mount(&folder, 96)? else { return Ok(()) };
    let aggregator = Aggregator::start(&folder, &Setup::default()).await?;
    let broker_port = aggregator.mqtt_port().unwrap_or_default();
    let relay = minewatch_tests::relay::Relay::start(broker_port).await?;
    let slave = CounterSlave::start(100).await?;
    let mut site = Site::of_counters("gw-e2e", &[slave.port()], 100, relay.port())?;
    site.spool_dir = Some(disk.0.join("spool"));
    let gateway = Gateway::start(&folder, &site)?;
    eventually("the gateway is heard", Duration::from_secs(40), async || {
        gateway.program().must_run()?;
        aggregator.api().backlog("gw-e2e").await?;
        Ok(when(true, ""))
    })
    .await?;
    relay.set(Link::Refused);
    let ballast = disk.fill()?;
    // The site must say so itself, while it is cut off: by its own page.
    let page = format!("http://127.0.0.1:{}/metrics", site.http_port);
    eventually("records are refused and counted", Duration::from_secs(40), async || {
        gateway.program().must_run()?;
        let text = reqwest::get(&page).await?.text().await?;
        let lost = text.lines().find(|l| l.starts_with("minewatch_spool_lost_records_total"));
        let lost = lost.and_then(|l| l.rsplit(' ').next()).and_then(|n| n.parse::<f64>().ok()).unwrap_or(0.0);
        Ok(when(lost >= 300.0, text))
    })
    .await?;
    fs::remove_file(ballast)?;
    relay.set(Link::Up);
    eventually(
        "both the alarm and the gap are at headquarters, and the alarm has gone",
        Duration::from_secs(60),
        async || {
            gateway.program().must_run()?;
            let journal = aggregator.api().get("/api/v1/alarms/gw-e2e/gateway.spool/journal").await.unwrap_or_default();
            let levels: Vec<&str> =
                journal.as_array().into_iter().flatten().filter_map(|t| t["level"].as_str()).collect();
            let said = levels.contains(&"orange") && levels.last() == Some(&"normal");
            let ledger = aggregator.api().ledger("gw-e2e").await?.unwrap_or_default();
            let gaps = ledger["gaps"].as_array().cloned().unwrap_or_default();
            let counted =
                |gap: &serde_json::Value| gap["reason"] == "disk_full" && gap["count"].as_u64().unwrap_or(0) >= 300;
            let whole = ledger["streams"].as_array().into_iter().flatten().all(|stream| stream["unexplained"] == 0);
            Ok(when(said && whole && gaps.iter().any(counted), format!("{levels:?} {ledger}")))
        },
    )
    .await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_below_postgresql_stops_the_acks_and_loses_nothing() -> Result<()> {
    let folder = scratch("restore-disk-postgres")?;
    // Outside the repository: the user `postgres` must be able to enter every folder above.
    let place = tempfile::Builder::new().prefix("minewatch-disk-").tempdir()?;
    fs::set_permissions(place.path(), fs::Permissions::from_mode(0o755))?;
    let Some(disk) = SmallDisk::mount(place.path(), 160)? else { return Ok(()) };
    let postgres = Postgres::start_in(disk.0.join("cluster"))?;
    let setup = Setup { store_url: Some(postgres.url()), ..Setup::default() };
    let plan = Plan { store_url: Some(postgres.url()), ..Plan::small("restore-disk-postgres") };
    let scene = Scene::start_in(&plan, folder, &setup).await?;
    scene.wait_reads(3).await?;
    let ballast = disk.fill()?;
    eventually("headquarters says that its store does not take transactions", Duration::from_secs(90), async || {
        let system = scene.api().get("/api/v1/system").await?;
        Ok(when(system["store"]["ok"] == false, system))
    })
    .await?;
    let before = scene.slaves[0].total();
    scene.wait_reads(5).await?;
    assert!(scene.slaves[0].total() > before, "the site goes on sampling");
    fs::remove_file(ballast)?;
    // A server that ended on the full disk is started again by its service manager.
    postgres.revive()?;
    println!("{}", scene.settle(Duration::from_secs(120), Verdict::perfect).await?);
    Ok(())
}
