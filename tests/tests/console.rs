//! The console in a real browser, against the real programs.

use anyhow::{Context, Result, ensure};
use minewatch_tests::aggregator::READ_TOKEN;
use minewatch_tests::identity::Headquarters;
use minewatch_tests::process::{Program, binary, free_port, repository, run, scratch};
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

/// An empty headquarters with certificates, a simulated pond, and a person who does what the page says.
#[tokio::test(flavor = "multi_thread")]
async fn a_new_user_reaches_a_live_value_by_what_the_page_says() -> Result<()> {
    let folder = scratch("console-first")?;
    let hq = Headquarters::make(&folder)?;
    let here = folder.display();
    let people =
        format!("\n[people]\nsetup_token_file = \"{here}/setup-token\"\nsecret_key_file = \"{here}/secret-key\"\n");
    std::fs::write(hq.settings(), std::fs::read_to_string(hq.settings())? + &people)?;
    let _broker = hq.broker().await?;
    let aggregator = hq.aggregator().await?;
    let (modbus, control) = (free_port()?, free_port()?);
    let mut simulator = Command::new(binary("simulator")?);
    simulator.args(["run", "--modbus", &format!("127.0.0.1:{modbus}"), "--control", &format!("127.0.0.1:{control}")]);
    let _simulator = Program::start(&folder, "simulator", &mut simulator)?;
    let (programs, site) = (folder.join("bin"), folder.join("site"));
    std::fs::create_dir_all(&programs)?;
    std::fs::create_dir_all(&site)?;
    std::os::unix::fs::symlink(binary("gateway")?, programs.join("minewatch-gateway"))?;
    let mut command = Command::new("timeout");
    command
        .args(["180", "node", "e2e/first.mjs"])
        .env("MINEWATCH_URL", hq.url())
        .env("MINEWATCH_SETUP_TOKEN", std::fs::read_to_string(folder.join("setup-token"))?.trim())
        .env("MINEWATCH_MODBUS_PORT", modbus.to_string())
        .env("MINEWATCH_PROGRAMS", &programs)
        .env("MINEWATCH_SITE_FOLDER", &site)
        .env("MINEWATCH_SENSORS", repository().join("firmware-configs/sensors"))
        .current_dir(repository().join("aggregator/console"));
    let printed = tokio::task::spawn_blocking(move || run(&mut command)).await??;
    println!("{printed}");
    aggregator.must_run()
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
