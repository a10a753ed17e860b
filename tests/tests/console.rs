//! The console in a real browser, against the real programs.

use anyhow::{Result, ensure};
use minewatch_tests::aggregator::READ_TOKEN;
use minewatch_tests::process::{repository, run};
use minewatch_tests::scene::{Plan, Scene};
use std::process::Command;

#[tokio::test(flavor = "multi_thread")]
async fn the_console_shows_what_the_site_measures() -> Result<()> {
    let script = repository().join("aggregator/console/e2e/live.mjs");
    ensure!(script.is_file(), "{} is missing", script.display());
    let scene = Scene::start(&Plan::small("console")).await?;
    let mut command = Command::new("timeout");
    command
        .arg("180")
        .arg("node")
        .arg(&script)
        .arg(scene.api().base())
        .env("MINEWATCH_TOKEN", READ_TOKEN)
        .current_dir(repository().join("aggregator/console"));
    let printed = tokio::task::spawn_blocking(move || run(&mut command)).await??;
    println!("{printed}");
    Ok(())
}
