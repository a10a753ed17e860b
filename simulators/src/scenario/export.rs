//! A case as files: a long CSV in the order of arrival, the truth as JSON, and the dam file that fits it.

use super::{Case, InstrumentFault, Sample, Scenario, Truth, channels, play};
use anyhow::Context;
use std::io::Write;
use std::path::PathBuf;

/// The dam file of the simulated dam, as a designer would write it.
pub const DAM_TOML: &str = include_str!("dam.toml");
/// The first hour of every case: 2026-01-01T00:00:00Z.
pub const START_UNIX_S: i64 = 1_767_225_600;

/// Arguments of `simulator world export`.
#[derive(Debug, Clone, clap::Args)]
pub struct ExportArgs {
    /// What happens.
    #[arg(long, value_enum, ignore_case = true)]
    pub scenario: Scenario,
    /// Seed.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// An instrument fault on top.
    #[arg(long, value_enum)]
    pub fault: Option<InstrumentFault>,
    /// Folder to write `series.csv`, `truth.json` and `dam.toml` into.
    #[arg(long)]
    pub out: PathBuf,
}

/// Writes a case; returns its truth.
///
/// # Errors
/// When the folder cannot be written.
pub fn export(args: &ExportArgs) -> anyhow::Result<Truth> {
    std::fs::create_dir_all(&args.out).with_context(|| format!("cannot make {}", args.out.display()))?;
    let file = std::fs::File::create(args.out.join("series.csv")).context("series.csv")?;
    let mut csv = std::io::BufWriter::new(file);
    writeln!(csv, "time,point,value")?;
    let names = channels();
    let mut failed = None;
    let case = Case { scenario: args.scenario, seed: args.seed, fault: args.fault };
    let truth = play(&case, |samples| {
        for sample in samples {
            if let Err(error) = line(&mut csv, &names[sample.channel].id, sample) {
                failed.get_or_insert(error);
            }
        }
    });
    if let Some(error) = failed {
        return Err(error).context("series.csv");
    }
    csv.flush()?;
    std::fs::write(args.out.join("truth.json"), serde_json::to_string_pretty(&stamped(&truth)?)?)?;
    std::fs::write(args.out.join("dam.toml"), DAM_TOML)?;
    Ok(truth)
}

fn line(csv: &mut impl Write, id: &str, sample: &Sample) -> std::io::Result<()> {
    write!(csv, "{},{id},", rfc3339(sample.at_h))?;
    match sample.value {
        Some(value) => writeln!(csv, "{value:.4}"),
        None => writeln!(csv),
    }
}

/// The truth with its start, so that hours can be turned into times.
fn stamped(truth: &Truth) -> anyhow::Result<serde_json::Value> {
    let mut value = serde_json::to_value(truth)?;
    value["start"] = serde_json::json!(rfc3339(0.0));
    Ok(value)
}

/// Time of an hour of a case, UTC (civil-from-days of Howard Hinnant).
fn rfc3339(hour: f64) -> String {
    let seconds = START_UNIX_S + (hour * 3_600.0).round() as i64;
    let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1_460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let (day, month) = (doy - (153 * mp + 2) / 5 + 1, if mp < 10 { mp + 3 } else { mp - 9 });
    let year = yoe + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", rest / 3_600, rest / 60 % 60, rest % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_are_written_as_times() {
        assert_eq!(rfc3339(0.0), "2026-01-01T00:00:00Z");
        assert_eq!(rfc3339(24.0 * 59.5), "2026-03-01T12:00:00Z");
        assert_eq!(rfc3339(-0.5), "2025-12-31T23:30:00Z");
    }
}
