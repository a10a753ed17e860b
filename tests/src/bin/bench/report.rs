//! `target/bench.json` and the table. A metric measured again replaces its old line.

use anyhow::Result;
use minewatch_tests::process::repository;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Which side of the bar is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Good {
    AtMost,
    AtLeast,
}

/// One figure.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Metric {
    name: String,
    value: f64,
    unit: String,
    bar: String,
    holds: bool,
    against: String,
    command: String,
}

impl Metric {
    pub(crate) fn new(name: &str, value: f64, unit: &str, (good, bar): (Good, f64), against: &str) -> Metric {
        let (holds, sign) = match good {
            Good::AtMost => (value <= bar, "<="),
            Good::AtLeast => (value >= bar, ">="),
        };
        Metric {
            name: name.to_owned(),
            value: (value * 1e4).round() / 1e4,
            unit: unit.to_owned(),
            bar: format!("{sign} {bar}"),
            holds,
            against: against.to_owned(),
            command: format!("make bench ONLY={name}"),
        }
    }
}

fn path() -> PathBuf {
    repository().join("target/bench.json")
}

fn load() -> Vec<Metric> {
    let text = std::fs::read_to_string(path()).unwrap_or_default();
    serde_json::from_str(&text).unwrap_or_default()
}

/// Adds metrics to the file.
pub(crate) fn add(metrics: &[Metric]) -> Result<()> {
    let mut all = load();
    for metric in metrics {
        println!(
            "  {} = {} {} (bar {}, {})",
            metric.name,
            metric.value,
            metric.unit,
            metric.bar,
            if metric.holds { "holds" } else { "SHORT" }
        );
        all.retain(|m| m.name != metric.name);
        all.push(metric.clone());
    }
    std::fs::write(path(), serde_json::to_string_pretty(&all)?)?;
    Ok(())
}

/// Prints everything measured so far.
pub(crate) fn print() -> Result<()> {
    println!("\n{:<28} {:>12} {:<10} {:<10} {:<6} against", "metric", "value", "unit", "bar", "holds");
    for m in load() {
        println!(
            "{:<28} {:>12} {:<10} {:<10} {:<6} {}",
            m.name,
            m.value,
            m.unit,
            m.bar,
            if m.holds { "yes" } else { "NO" },
            m.against
        );
    }
    Ok(())
}
