//! `gateway evaluate regression`: fits a head or seepage to lagged level and rain (HST), tests it on the
//! last quarter of the record, and prints the calibration record for a dam file.

use super::Verdict;
use super::table::{Clock, Column, Table};
use anyhow::{Context, bail};
use minewatch_dam::hst::regression::{Instant, Loads, Regression, Streak, fit};
use serde_json::json;
use std::path::PathBuf;

/// Arguments of `evaluate regression`.
#[derive(Debug, clap::Args)]
pub struct RegressionArgs {
    /// CSV: time, then columns.
    #[arg(long)]
    series: PathBuf,
    /// Column of the head, pore pressure or seepage.
    #[arg(long)]
    value: String,
    /// Column of the pond level, m.
    #[arg(long)]
    level: String,
    /// Column of the rain since the line before, mm.
    #[arg(long)]
    rain: String,
    /// The instrument's name in the calibration record.
    #[arg(long, default_value = "regression-1")]
    instrument: String,
    /// Confidence of the band.
    #[arg(long, default_value_t = 0.95)]
    confidence: f64,
    /// A bar: least share of the last quarter inside the band of a fit to the rest.
    #[arg(long)]
    inside_min: Option<f64>,
}

/// Values outside in a row that make an alarm (reference, row 21).
const IN_A_ROW: u32 = 3;
/// Share of the record that is fitted for the test.
const FITTED: f64 = 0.75;

/// Runs it.
pub(super) fn evaluate(args: &RegressionArgs) -> anyhow::Result<Verdict> {
    if !(0.5..1.0).contains(&args.confidence) {
        bail!("--confidence must be 0.5 to 1");
    }
    let record = record(args)?;
    let split = (FITTED * record.len() as f64) as usize;
    let early = fit(&record[..split], args.confidence).context("the first three quarters of the series")?;
    let (judged, inside, alarms) = tested(&early, &record, split);
    let whole = fit(&record, args.confidence)?;
    let share = inside as f64 / judged.max(1) as f64;
    println!(
        "{}",
        json!({ "series": args.series.display().to_string(), "value": args.value, "fitted": split, "judged": judged,
            "inside_band": share, "three_in_a_row": alarms, "band": early.band,
            "level_lag_d": whole.memories.level_d, "rain_lag_d": whole.memories.rain_d,
            "coefficients": whole.coefficients, "record": toml_record(args, &whole, &record) })
    );
    eprintln!(
        "{}: {share:.3} of {judged} values of the last quarter inside ±{:.3}; {alarms} times {IN_A_ROW} in a row outside",
        args.value, early.band
    );
    eprintln!("\n{}", toml_record(args, &whole, &record));
    Ok(Verdict::of(args.inside_min.is_none_or(|bar| share >= bar)))
}

/// Values after `split`: how many were judged, how many lay inside, how often three in a row did not.
fn tested(fitted: &Regression, record: &[Instant], split: usize) -> (usize, usize, usize) {
    let mut loads = Loads::default();
    let mut streak = Streak::default();
    let (mut judged, mut inside, mut alarms) = (0, 0, 0);
    for (index, instant) in record.iter().enumerate() {
        loads.step(instant.day, instant.level_m, instant.rain_mm, &fitted.memories);
        if index < split || !instant.value.is_finite() {
            continue;
        }
        judged += 1;
        let outside = streak.step(instant.value - fitted.expected(&loads, instant.day), fitted.band);
        inside += usize::from(outside == 0);
        alarms += usize::from(outside == IN_A_ROW);
    }
    (judged, inside, alarms)
}

/// The series as instants. A line without level or rain is refused: it would move every memory; a line
/// without the value only has none.
fn record(args: &RegressionArgs) -> anyhow::Result<Vec<Instant>> {
    let table = Table::read(&args.series)?;
    let indices = [table.index(&args.value)?, table.index(&args.level)?, table.index(&args.rain)?];
    let columns = table.columns(0, &indices)?;
    let [value, level, rain] = columns.as_slice() else { bail!("three columns are needed") };
    if value.clock == Clock::Days {
        bail!("the first column must hold times, not days: the season is counted from them");
    }
    let need = |column: &Column, line: usize| {
        let cell = column.values.get(line).and_then(|(_, cell)| *cell);
        cell.with_context(|| format!("{}: line {}: {} is missing", args.series.display(), line + 2, column.name))
    };
    let mut record = Vec::with_capacity(value.values.len());
    for (line, (day, seen)) in value.values.iter().enumerate() {
        let (level_m, rain_mm) = (need(level, line)?, need(rain, line)?);
        record.push(Instant { day: *day, value: seen.unwrap_or(f64::NAN), level_m, rain_mm });
    }
    Ok(record)
}

/// The record as it goes into the dam file, to be signed by whoever answers for it.
fn toml_record(args: &RegressionArgs, fitted: &Regression, record: &[Instant]) -> String {
    let time = |day: f64| Clock::Calendar.show(day).replace(' ', "T") + ":00Z";
    let from = record.last().map_or(fitted.origin_d, |last| last.day);
    let numbers = |list: &[f64]| list.iter().map(|n| format!("{n:?}")).collect::<Vec<_>>().join(", ");
    format!(
        "[[calibration]]\ninstrument = {:?}\nversion = 1\nrecorded = \"{2}\"\neffective_from = \"{2}\"\nby = \"\"\nsource = {:?}\nvalues = {{ regression = {{ origin = \"{3}\", level_lag_d = {4:?}, rain_lag_d = {5:?}, coefficients = [{6}], band = {7:?}, levels_m = [{8}] }} }}\n",
        args.instrument,
        format!("gateway evaluate regression --series {} --value {}", args.series.display(), args.value),
        time(from),
        time(fitted.origin_d),
        fitted.memories.level_d,
        fitted.memories.rain_d,
        numbers(&fitted.coefficients),
        fitted.band,
        numbers(&fitted.levels_m),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_fitted_tested_and_written_as_the_dam_file_reads_it() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("s.csv");
        let mut text = "time,pz,pond,rain\n".to_owned();
        for i in 0..400_i32 {
            let x = f64::from(i);
            let (pond, rain) = (120.0 + (x / 23.0).sin(), if i % 11 == 0 { 18.0 } else { 0.0 });
            let day = jiff::civil::date(2024, 1, 1).checked_add(jiff::Span::new().days(i)).expect("a day");
            text.push_str(&format!("{day},{},{pond},{rain}\n", 10.0 + 0.5 * pond + 0.01 * (x * 1.7).sin()));
        }
        std::fs::write(&path, text).expect("written");
        let args = RegressionArgs {
            series: path,
            value: "pz".into(),
            level: "pond".into(),
            rain: "rain".into(),
            instrument: "pz-hst".into(),
            confidence: 0.95,
            inside_min: Some(0.9),
        };
        assert_eq!(evaluate(&args).expect("evaluated"), Verdict::Holds);
        let record = record(&args).expect("read");
        let written = toml_record(&args, &fit(&record, 0.95).expect("fits"), &record);
        let table: toml::Table = written.parse().expect("TOML");
        let values = &table["calibration"][0]["values"]["regression"];
        assert_eq!(values["coefficients"].as_array().map(Vec::len), Some(9), "{written}");
        assert_eq!(values["origin"].as_str(), Some("2024-01-01T00:00:00Z"));
    }
}
