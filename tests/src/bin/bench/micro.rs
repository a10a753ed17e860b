//! Parts of the gateway against the limit of the same machine.

use crate::report::{Good, Metric};
use anyhow::{Context, Result, ensure};
use minewatch_tests::process::{Program, binary, free_port, repository, run, scratch};
use std::process::Command;
use std::time::Duration;

/// Reads per round; about a second.
const READS: u32 = 30_000;
/// Rounds, alternating; the median counts.
const ROUNDS: usize = 5;

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

/// The gateway's Modbus client against libmodbus's C loop on the same slave, in turn.
pub(crate) fn modbus() -> Result<Vec<Metric>> {
    let folder = scratch("bench-modbus")?;
    let client = folder.join("libmodbus_client");
    let source = repository().join("tests/peers/libmodbus_client.c");
    run(Command::new("sh").arg("-c").arg(format!(
        "gcc -O2 $(pkg-config --cflags libmodbus) -o {} {} $(pkg-config --libs libmodbus)",
        client.display(),
        source.display()
    )))?;
    let (port, modbus, control) = (free_port()?, free_port()?, free_port()?);
    let mut simulator = Command::new(binary("simulator")?);
    simulator.args(["run", "--modbus", &format!("127.0.0.1:{modbus}"), "--control", &format!("127.0.0.1:{control}")]);
    simulator.args(["--counter-ports", &format!("127.0.0.1:{port}")]);
    let _simulator = Program::start(&folder, "simulator", &mut simulator)?;
    std::thread::sleep(Duration::from_secs(1));
    let (mut ours, mut theirs, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let c = run(Command::new(&client).args([port.to_string(), "100".into(), READS.to_string()]))?;
        let c: f64 = c.trim().parse().context("libmodbus client's rate")?;
        let probe = run(Command::new(binary("gateway")?).args([
            "probe",
            "--tcp",
            &format!("127.0.0.1:{port}"),
            "--count",
            "100",
            "--repeat",
            &READS.to_string(),
        ]))?;
        let seen: serde_json::Value = serde_json::from_str(probe.trim()).context("probe's line")?;
        ensure!(seen["failures"] == 0, "probe failed reads: {seen}");
        let rate = seen["requests_per_s"].as_f64().context("rate")?;
        ratios.push(rate / c);
        ours.push(rate);
        theirs.push(c);
    }
    let against = format!(
        "libmodbus {:.0}/s, gateway {:.0}/s (medians of {ROUNDS}, 100 registers a read)",
        median(theirs),
        median(ours)
    );
    Ok(vec![Metric::new("modbus_vs_libmodbus", median(ratios), "ratio", (Good::AtLeast, 0.8), &against)])
}

/// The spool against a plain file with one sync a group.
pub(crate) fn spool() -> Result<Vec<Metric>> {
    let dir = scratch("bench-spool")?;
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(repository()).env("MINEWATCH_BENCH_DIR", dir);
    command.args(["bench", "-q", "-p", "minewatch-gateway", "--bench", "spool"]);
    let (mut ratios, mut last) = (Vec::new(), serde_json::Value::Null);
    for _ in 0..3 {
        let printed = run(&mut command)?;
        let line = printed.lines().find(|l| l.starts_with('{')).context("the bench's line")?;
        last = serde_json::from_str(line)?;
        ratios.push(last["ratio"].as_f64().context("ratio")?);
    }
    let rate = |key: &str| last[key].as_f64().unwrap_or(0.0);
    let against = format!(
        "plain file with fdatasync per group of 10 polls x 99 readings: {:.0} polls/s, spool {:.0} polls/s",
        rate("raw_appends_per_s"),
        rate("spool_appends_per_s")
    );
    Ok(vec![Metric::new("spool_vs_fsync", median(ratios), "ratio", (Good::AtLeast, 0.5), &against)])
}

/// The dam model: 10,000 points at 1 Hz, as a share of one core.
pub(crate) fn dam() -> Result<Vec<Metric>> {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(repository()).args(["bench", "-q", "-p", "minewatch-dam", "--bench", "eval"]);
    let (mut percents, mut last) = (Vec::new(), serde_json::Value::Null);
    for _ in 0..3 {
        let printed = run(&mut command)?;
        let line = printed.lines().find(|l| l.starts_with('{')).context("the bench's line")?;
        last = serde_json::from_str(line)?;
        percents.push(last["core_percent"].as_f64().context("core_percent")?);
    }
    let against =
        format!("{} points a second, 120 s simulated, {} changes of level with proofs", last["points"], last["levels"]);
    Ok(vec![Metric::new("dam_eval_core_percent", median(percents), "%", (Good::AtMost, 2.0), &against)])
}

/// camt.053 to facts against a bare scan of the same bytes.
pub(crate) fn camt() -> Result<Vec<Metric>> {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(repository()).args(["bench", "-q", "-p", "minewatch-feed", "--bench", "camt"]);
    let printed = run(&mut command)?;
    let line = printed.lines().find(|l| l.starts_with('{')).context("the bench's line")?;
    let said: serde_json::Value = serde_json::from_str(line)?;
    let against = format!(
        "bare quick-xml scan {} MB/s, facts {} MB/s ({} MB, {} entries, medians of 5)",
        said["scan_mb_s"], said["facts_mb_s"], said["megabytes"], said["entries"]
    );
    let ratio = said["ratio"].as_f64().context("ratio")?;
    Ok(vec![Metric::new("camt_vs_scan", ratio, "ratio", (Good::AtLeast, 0.5), &against)])
}
