//! Backup under load, and the way back on an empty machine.

use anyhow::{Result, ensure};
use minewatch_tests::ledger::Verdict;
use minewatch_tests::postgres::Postgres;
use minewatch_tests::process::{binary, run};
use minewatch_tests::scene::{Plan, Scene};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

fn aggregator(arguments: &[&str], paths: &[(&str, &Path)]) -> Result<String> {
    let mut command = Command::new(binary("aggregator")?);
    command.args(arguments);
    for (flag, path) in paths {
        if !flag.is_empty() {
            command.arg(flag);
        }
        command.arg(path);
    }
    run(&mut command)
}

/// Spoils one byte in the middle; a second call mends it.
fn spoil(file: &Path) -> Result<()> {
    let mut bytes = fs::read(file)?;
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0xff;
    Ok(fs::write(file, bytes)?)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_taken_under_load_fills_an_empty_machine_and_gateways_bring_the_rest() -> Result<()> {
    let mut scene = Scene::start(&Plan::small("backup-sqlite")).await?;
    scene.wait_reads(5).await?;
    let (config, backup) = (scene.aggregator.config().to_path_buf(), scene.folder.join("backup"));
    aggregator(&["backup"], &[("--config", &config), ("--out", &backup)])?;
    aggregator(&["verify"], &[("", &backup)])?;
    let data = backup.join("minewatch.db");
    spoil(&data)?;
    ensure!(aggregator(&["verify"], &[("", &backup)]).is_err(), "a spoilt byte is found");
    spoil(&data)?;
    ensure!(
        aggregator(&["restore"], &[("--config", &config), ("--from", &backup)]).is_err(),
        "a restore never writes over a store"
    );
    scene.wait_reads(5).await?;
    // The machine burns; another one gets the settings and the backup.
    scene.aggregator.program().kill_9()?;
    let store = scene.aggregator.data().to_path_buf();
    fs::remove_dir_all(&store)?;
    aggregator(&["restore"], &[("--config", &config), ("--from", &backup)])?;
    scene.aggregator.restart().await?;
    println!("after the restore: {}", scene.settle(Duration::from_secs(90), Verdict::honest).await?);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_with_postgresql() -> Result<()> {
    let (old, new) = (Postgres::start()?, Postgres::start()?);
    let plan = Plan { store_url: Some(old.url()), ..Plan::small("backup-postgres") };
    let mut scene = Scene::start(&plan).await?;
    scene.wait_reads(5).await?;
    let (config, backup) = (scene.aggregator.config().to_path_buf(), scene.folder.join("backup"));
    aggregator(&["backup"], &[("--config", &config), ("--out", &backup)])?;
    aggregator(&["verify"], &[("", &backup)])?;
    scene.aggregator.program().kill_9()?;
    let settings = fs::read_to_string(&config)?.replace(&old.url(), &new.url());
    drop(old);
    fs::write(&config, settings)?;
    aggregator(&["restore"], &[("--config", &config), ("--from", &backup)])?;
    ensure!(
        aggregator(&["restore"], &[("--config", &config), ("--from", &backup)]).is_err(),
        "a restore never writes over a store"
    );
    scene.aggregator.restart().await?;
    println!("after the restore: {}", scene.settle(Duration::from_secs(90), Verdict::honest).await?);
    Ok(())
}
