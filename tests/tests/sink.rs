//! Readings arrive in a real VictoriaMetrics, also after it was away.

use anyhow::{Result, ensure};
use minewatch_tests::aggregator::Setup;
use minewatch_tests::process::{Program, free_port, scratch};
use minewatch_tests::scene::{Plan, Scene};
use minewatch_tests::site::Site;
use minewatch_tests::slave::COUNTERS_FROM;
use minewatch_tests::wait::{eventually, when};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

fn victoria(folder: &Path, port: u16) -> Result<Program> {
    let mut command = Command::new("/usr/bin/victoria-metrics");
    command.arg(format!("-storageDataPath={}", folder.join("victoria").display()));
    command.arg(format!("-httpListenAddr=127.0.0.1:{port}"));
    Program::start(folder, "victoria-metrics", &mut command)
}

#[tokio::test(flavor = "multi_thread")]
async fn readings_arrive_in_a_time_series_database_and_wait_while_it_is_away() -> Result<()> {
    if !Path::new("/usr/bin/victoria-metrics").is_file() {
        println!("skipped: victoria-metrics is not installed (make setup-full)");
        return Ok(());
    }
    let folder = scratch("sink")?;
    let port = free_port()?;
    let more = format!("[sink]\nurl = \"http://127.0.0.1:{port}/write\"\n");
    let scene = Scene::start_in(&Plan::small("sink"), folder.clone(), &Setup { more, ..Setup::default() }).await?;
    scene.wait_reads(2).await?;
    // It was not there so far; what was committed meanwhile must come too.
    let _database = victoria(&folder, port)?;
    let point = Site::counter_point(0, COUNTERS_FROM);
    let given = scene.slaves[0].handed_out(COUNTERS_FROM).len();
    ensure!(given >= 2, "{given} values so far");
    let client = reqwest::Client::new();
    let url = format!("http://127.0.0.1:{port}/api/v1/export");
    eventually("the first and a later value are there", Duration::from_secs(60), async || {
        let query = [("match[]", format!("minewatch_value{{gateway=\"gw-e2e\",point=\"{point}\"}}"))];
        let asked = reqwest::Url::parse_with_params(&url, &query)?;
        let text = client.get(asked).send().await?.text().await?;
        let lines = text.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        let values: Vec<f64> = lines
            .flat_map(|line| line["values"].as_array().cloned().unwrap_or_default())
            .filter_map(|value| value.as_f64())
            .collect();
        Ok(when(values.contains(&1.0) && values.iter().any(|v| *v > given as f64), format!("{values:?}")))
    })
    .await?;
    Ok(())
}
