//! A year of fifty instruments through `gateway replay`.

use crate::report::{Good, Metric};
use anyhow::{Result, ensure};
use minewatch_tests::process::{binary, run, scratch};
use std::process::Command;
use std::time::Instant;

/// Whole command: reading the file, 2.6 million samples through the model, the summary.
pub(crate) fn year() -> Result<Vec<Metric>> {
    let folder = scratch("bench-replay")?;
    let folder_text = folder.display().to_string();
    run(Command::new(binary("simulator")?).args([
        "world",
        "export",
        "--scenario",
        "N1",
        "--seed",
        "7",
        "--out",
        &folder_text,
    ]))?;
    let mut best = f64::INFINITY;
    for _ in 0..3 {
        let began = Instant::now();
        let mut replay = Command::new(binary("gateway")?);
        replay.arg("replay").arg("--dam").arg(folder.join("dam.toml")).arg("--series").arg(folder.join("series.csv"));
        let printed = run(replay.args(["--format", "summary"]))?;
        best = best.min(began.elapsed().as_secs_f64());
        let summary: serde_json::Value = serde_json::from_str(printed.trim())?;
        ensure!(summary["summary"]["samples"] == 2_628_000, "the year is not whole: {summary}");
    }
    let against = "2,628,000 samples (50 instruments, 10 min, a year), one core, best of 3, file reading included";
    Ok(vec![Metric::new("dam_replay_year_s", best, "s", (Good::AtMost, 3.0), against)])
}
