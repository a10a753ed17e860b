//! The console in a real browser, against the real programs.

use anyhow::{Context, Result, ensure};
use minewatch_tests::aggregator::READ_TOKEN;
use minewatch_tests::process::{binary, repository, run};
use minewatch_tests::scene::{Plan, Scene};
use std::io::Write;
use std::process::{Command, Stdio};

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

/// A storm, a fall and every screen: light and dark with axe, 390 px, English, by keyboard, with the rights of
/// others; from alarm to closed case with a second person; two browsers in step; a cut line.
#[tokio::test(flavor = "multi_thread")]
async fn every_screen_of_the_console_works_in_a_storm() -> Result<()> {
    let mut command = Command::new("timeout");
    command
        .arg("270")
        .arg("python3")
        .arg(repository().join("deploy/demo/demo.py"))
        .args(["--no-build", "--headless", "--no-browser", "--free-ports"])
        .args(["--then", "node aggregator/console/e2e/screens.mjs"])
        .env("MINEWATCH_DEMO_DATA", repository().join("target/e2e/console-screens"))
        .current_dir(repository());
    let printed = tokio::task::spawn_blocking(move || run(&mut command)).await??;
    println!("{printed}");
    Ok(())
}

#[test]
fn the_types_of_the_console_are_those_the_aggregator_describes() -> Result<()> {
    let described = run(Command::new(binary("aggregator")?).arg("openapi"))?;
    let mut check = Command::new("node")
        .arg(repository().join("aggregator/console/scripts/types.mjs"))
        .arg("--check")
        .stdin(Stdio::piped())
        .spawn()
        .context("node")?;
    check.stdin.take().context("its input")?.write_all(described.as_bytes())?;
    ensure!(check.wait()?.success(), "src/lib/openapi.ts is stale: run `make openapi`");
    Ok(())
}
