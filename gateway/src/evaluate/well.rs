//! `gateway evaluate well`: what is wrong with a well's record, and how it answers to the barometer.

use super::Verdict;
use super::table::{Clock, Column, Table};
use anyhow::Context;
use minewatch_dam::forecast::stats::{median, robust_sigma};
use serde_json::json;
use std::path::PathBuf;

/// Arguments of `evaluate well`.
#[derive(Debug, clap::Args)]
pub struct WellArgs {
    /// CSV: time, barometer, level, in one unit (m of water).
    #[arg(long)]
    series: PathBuf,
    /// Column of the barometer; default: the second.
    #[arg(long)]
    barometer: Option<String>,
    /// Column of the level; default: the third.
    #[arg(long)]
    level: Option<String>,
    /// CSV of manual readings.
    #[arg(long)]
    manual: Option<PathBuf>,
    /// Column of the manual level.
    #[arg(long, default_value = "valor_equivalente")]
    manual_level: String,
    /// Lowest possible level.
    #[arg(long, default_value_t = 0.0)]
    low: f64,
    /// Highest possible level; default: not known.
    #[arg(long)]
    high: Option<f64>,
    /// A lone value this far from its neighbourhood is a spike even where noise is larger, in the level's unit.
    #[arg(long, default_value_t = 0.3)]
    spike: f64,
    /// A bar: number of gaps.
    #[arg(long)]
    expect_gaps: Option<usize>,
    /// A bar: barometric slope within 0.005.
    #[arg(long, allow_hyphen_values = true)]
    expect_slope: Option<f64>,
}

/// Half of the window a value is compared with.
const HALF: usize = 5;
/// Robust standard deviations that make an outlier.
const SIGMAS: f64 = 8.0;
/// Smallest scale, the resolution of a transducer in m.
const RESOLUTION_M: f64 = 0.005;

/// A stretch without levels.
struct Gap {
    from: f64,
    hours: f64,
}

/// Runs it.
pub(super) fn evaluate(args: &WellArgs) -> anyhow::Result<Verdict> {
    let table = Table::read(&args.series)?;
    let index = |name: &Option<String>, place| name.as_ref().map_or(Ok(place), |name| table.index(name));
    let columns = table.columns(0, &[index(&args.barometer, 1)?, index(&args.level, 2)?])?;
    let [barometer, level] = columns.as_slice() else { anyhow::bail!("two columns are needed") };
    let days: Vec<f64> = level.values.iter().map(|(day, _)| *day).collect();
    let steps: Vec<f64> = days.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let step_h = median(&steps).context("the series has fewer than two lines")? * 24.0;
    let gaps = gaps(level, step_h);
    for gap in &gaps {
        println!("{}", json!({ "gap": level.clock.show(gap.from), "hours": gap.hours }));
    }
    let impossible = flags(args, level);
    for (day, value, why) in &impossible {
        println!("{}", json!({ "flag": why, "at": level.clock.show(*day), "value": value }));
    }
    let manual = args.manual.as_ref().map(|path| manual(args, path, level)).transpose()?.unwrap_or_default();
    let (slope, pairs) = barometric_slope(barometer, level).context("too few pairs for the barometer")?;
    let missing = level.values.iter().filter(|(_, value)| value.is_none()).count();
    let longest = gaps.iter().map(|gap| gap.hours).fold(0.0, f64::max);
    let lowest = level.values.iter().filter_map(|(_, value)| *value).fold(f64::INFINITY, f64::min);
    println!(
        "{}",
        json!({ "rows": level.values.len(), "step_h": step_h, "missing": missing, "gaps": gaps.len(),
            "longest_gap_h": longest, "minimum": lowest, "barometric_slope": slope, "barometric_efficiency": -slope,
            "pairs": pairs, "flagged": impossible.len(), "manual_flagged": manual })
    );
    eprintln!(
        "{} rows every {step_h} h, {:.1} % of levels missing in {} gaps (longest {longest:.0} h); lowest level {lowest:.2}",
        level.values.len(),
        100.0 * missing as f64 / level.values.len() as f64,
        gaps.len()
    );
    eprintln!(
        "barometric slope {slope:.3} over {pairs} pairs (efficiency {:.3}); {} values flagged, {manual} manual readings flagged",
        -slope,
        impossible.len()
    );
    let gaps_hold = args.expect_gaps.is_none_or(|bar| bar == gaps.len());
    let slope_holds = args.expect_slope.is_none_or(|bar| (bar - slope).abs() <= 0.005);
    Ok(Verdict::of(gaps_hold && slope_holds))
}

/// Stretches without a level: empty cells, and lines that are missing altogether. The start counts.
fn gaps(level: &Column, step_h: f64) -> Vec<Gap> {
    let mut found = Vec::new();
    let mut open: Option<f64> = None;
    let mut previous: Option<f64> = None;
    for (day, value) in &level.values {
        let lines_missing = previous.is_some_and(|previous| (day - previous) * 24.0 > 1.5 * step_h);
        if open.is_none() && (value.is_none() || lines_missing) {
            open = Some(if lines_missing { previous.unwrap_or(*day) + step_h / 24.0 } else { *day });
        }
        if let (Some(from), true) = (open, value.is_some()) {
            found.push(Gap { from, hours: (day - from) * 24.0 });
            open = None;
        }
        previous = Some(*day);
    }
    if let (Some(from), Some(last)) = (open, previous) {
        found.push(Gap { from, hours: (last - from) * 24.0 + step_h });
    }
    found
}

/// Values that cannot be: outside the range, or far from their neighbourhood while it is quiet.
fn flags(args: &WellArgs, level: &Column) -> Vec<(f64, f64, &'static str)> {
    let known: Vec<(f64, f64)> = level.values.iter().filter_map(|(day, value)| Some((*day, (*value)?))).collect();
    let mut found = Vec::new();
    for (index, (day, value)) in known.iter().enumerate() {
        if *value < args.low {
            found.push((*day, *value, "below_range"));
        } else if args.high.is_some_and(|high| *value > high) {
            found.push((*day, *value, "above_range"));
        } else {
            let from = index.saturating_sub(HALF);
            let others = known.iter().enumerate().skip(from).take(2 * HALF + 1).filter(|(i, _)| *i != index);
            let near: Vec<f64> = others.map(|(_, (_, value))| *value).collect();
            let (Some(middle), Some(sigma)) = (median(&near), robust_sigma(&near)) else { continue };
            let away = (value - middle).abs();
            if away > args.spike && away > SIGMAS * sigma.max(RESOLUTION_M) {
                found.push((*day, *value, "spike"));
            }
        }
    }
    found
}

/// Least-squares slope of level steps on barometer steps, over lines that follow each other (Clark 1967
/// gives the efficiency as its negative).
fn barometric_slope(barometer: &Column, level: &Column) -> Option<(f64, usize)> {
    let lines: Vec<(Option<f64>, Option<f64>)> =
        barometer.values.iter().zip(&level.values).map(|((_, b), (_, l))| (*b, *l)).collect();
    let pairs: Vec<(f64, f64)> =
        lines.windows(2).filter_map(|two| Some((two[1].0? - two[0].0?, two[1].1? - two[0].1?))).collect();
    let n = pairs.len() as f64;
    let (mx, my) = (pairs.iter().map(|p| p.0).sum::<f64>() / n, pairs.iter().map(|p| p.1).sum::<f64>() / n);
    let xx: f64 = pairs.iter().map(|p| (p.0 - mx).powi(2)).sum();
    let xy: f64 = pairs.iter().map(|p| (p.0 - mx) * (p.1 - my)).sum();
    (pairs.len() > 2 && xx > 0.0).then(|| (xy / xx, pairs.len()))
}

/// Manual readings that cannot be, and how they stand to the automatic ones; returns how many are flagged.
fn manual(args: &WellArgs, path: &std::path::Path, level: &Column) -> anyhow::Result<usize> {
    const NEAR_D: f64 = 1.0 / 24.0;
    let table = Table::read(path)?;
    let column = table.columns(0, &[table.index(&args.manual_level)?])?.pop().context("a manual column")?;
    let mut flagged = 0;
    let mut apart = Vec::new();
    for (day, value) in &column.values {
        let Some(value) = value else { continue };
        if *value < args.low || args.high.is_some_and(|high| *value > high) {
            flagged += 1;
            println!("{}", json!({ "manual_flag": "outside_range", "at": Clock::Calendar.show(*day), "value": value }));
        }
        let near = level.values.partition_point(|(at, _)| *at < day - NEAR_D);
        let automatic = level.values.iter().skip(near).take_while(|(at, _)| *at <= day + NEAR_D).find_map(|(_, v)| *v);
        if let Some(automatic) = automatic {
            apart.push((*day, value - automatic));
        }
    }
    let differences: Vec<f64> = apart.iter().map(|(_, apart)| *apart).collect();
    let (Some(middle), Some(sigma)) = (median(&differences), robust_sigma(&differences)) else { return Ok(flagged) };
    for (day, apart) in &apart {
        if (apart - middle).abs() > (3.0 * sigma).max(0.05) {
            flagged += 1;
            println!(
                "{}",
                json!({ "manual_flag": "differs", "at": Clock::Calendar.show(*day), "manual_minus_automatic": apart, "usual": middle })
            );
        }
    }
    eprintln!("{} manual readings beside an automatic one; usual difference {middle:.3}", apart.len());
    Ok(flagged)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(values: Vec<Option<f64>>) -> Column {
        let values = values.into_iter().enumerate().map(|(i, value)| (i as f64 / 48.0, value)).collect();
        Column { clock: Clock::Days, name: "level".into(), values }
    }

    #[test]
    fn gaps_are_found_at_the_start_inside_at_the_end_and_where_lines_are_missing() {
        let mut level = column(vec![None, None, Some(1.0), None, Some(1.0), Some(1.0), None]);
        level.values.remove(4);
        let hours: Vec<f64> = gaps(&level, 0.5).iter().map(|gap| (gap.hours * 10.0).round() / 10.0).collect();
        assert_eq!(hours, [1.0, 1.0, 0.5]);
    }

    #[test]
    fn an_open_well_that_answers_by_half_has_a_slope_of_minus_a_half() {
        let baro: Vec<Option<f64>> = (0..50).map(|i| Some(10.0 + (f64::from(i) * 0.7).sin())).collect();
        let level = baro.iter().map(|b| b.map(|b| 5.0 - 0.5 * b)).collect();
        let (slope, pairs) = barometric_slope(&column(baro), &column(level)).expect("a slope");
        assert!((slope + 0.5).abs() < 1e-9 && pairs == 49);
    }
}
