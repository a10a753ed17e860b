//! The HTTP interface fuzzed from its own description, by schemathesis, with an administrator's
//! token: whatever is sent, no answer is a server error.

use anyhow::{Context, Result, ensure};
use minewatch_tests::aggregator::{Aggregator, Setup};
use minewatch_tests::people::{found, grant};
use minewatch_tests::process::{repository, scratch};
use serde_json::json;
use std::process::Command;

/// Cases a route and phase; together about a minute.
const CASES: &str = "12";
const SEED: &str = "20261124";

#[tokio::test(flavor = "multi_thread")]
async fn no_request_that_the_description_allows_or_forbids_is_a_server_error() -> Result<()> {
    let program = repository().join(".cache/venv/bin/schemathesis");
    ensure!(program.is_file(), "{} is missing: run deploy/setup.sh --full", program.display());
    let folder = scratch("fuzz-api")?;
    let aggregator = Aggregator::start(&folder, &Setup::default()).await?;
    let token = found(&aggregator).await?.token(json!([grant("administrator", "/")])).await?;
    let mut command = Command::new("timeout");
    command.arg("150").arg(program).arg("run");
    command.arg(format!("{}/api/openapi.json", aggregator.api().base()));
    command.args(["--header", &format!("Authorization: Bearer {token}")]);
    command.args(["--seed", SEED, "--max-examples", CASES, "--phases", "coverage,fuzzing"]);
    command.args(["--checks", "not_a_server_error", "--continue-on-failure", "--no-shrink", "--warnings", "off"]);
    // An event stream does not end.
    command.args(["--exclude-path", "/api/v1/stream", "--request-timeout", "20", "--workers", "1"]);
    command.current_dir(&folder);
    let output = tokio::task::spawn_blocking(move || command.output()).await??;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let cases = text.lines().find(|line| line.contains("generated")).context(text.clone())?;
    println!("seed {SEED}: {}", cases.trim());
    ensure!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    aggregator.program().must_run()?;
    let log = std::fs::read_to_string(folder.join("aggregator.log"))?;
    ensure!(!log.contains("panicked"), "a handler panicked: {log}");
    Ok(())
}
