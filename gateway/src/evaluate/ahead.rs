//! `gateway evaluate ahead`: forecasts some days ahead, rolled over a test period and held against
//! standing still and the line through the last 30 days.

use super::Verdict;
use super::table::{Column, Table, calendar_day};
use anyhow::{Context, bail};
use minewatch_dam::ahead::{self, Ahead};
use serde_json::json;
use std::path::PathBuf;

/// Arguments of `evaluate ahead`.
#[derive(Debug, clap::Args)]
pub struct AheadArgs {
    /// CSV with a date column and one column per station, one line a day.
    #[arg(long)]
    series: PathBuf,
    /// The stations' columns, by comma.
    #[arg(long, value_delimiter = ',', required = true)]
    values: Vec<String>,
    /// How many days ahead.
    #[arg(long, default_value_t = 30)]
    days: usize,
    /// First day whose value is a target of the test; default: a year before the end.
    #[arg(long)]
    from: Option<String>,
    /// Coverage the interval is made for.
    #[arg(long, default_value_t = 0.8)]
    coverage: f64,
    /// A bar: beats the better of both on at least so many stations.
    #[arg(long)]
    expect_beats: Option<usize>,
    /// A bar: the share of all targets inside the interval, as LOW,HIGH.
    #[arg(long, value_delimiter = ',', num_args = 1)]
    expect_coverage: Vec<f64>,
    /// Print every forecast too, not only the figures of each station.
    #[arg(long)]
    forecasts: bool,
}

/// Figures of one station.
#[derive(Debug, Default)]
struct Figures {
    targets: usize,
    ours: f64,
    persistence: f64,
    linear: f64,
    judged: usize,
    inside: usize,
    width: f64,
}

/// Runs it.
pub(super) fn evaluate(args: &AheadArgs) -> anyhow::Result<Verdict> {
    if !(0.5..1.0).contains(&args.coverage) {
        bail!("--coverage {} must be 0.5 to below 1", args.coverage);
    }
    let table = Table::read(&args.series)?;
    let indices = args.values.iter().map(|name| table.index(name)).collect::<anyhow::Result<Vec<_>>>()?;
    let columns = table.columns(0, &indices)?;
    eprintln!(
        "{:<10} {:>7} {:>9} {:>11} {:>9} {:>6} {:>9}",
        "station", "targets", "MAE", "persistence", "line", "beats", "coverage"
    );
    let (mut beats, mut inside, mut judged) = (0, 0, 0);
    for (name, column) in args.values.iter().zip(&columns) {
        let figures = station(args, name, column)?;
        let best = figures.persistence.min(figures.linear);
        let wins = figures.ours < best;
        let coverage = figures.inside as f64 / figures.judged.max(1) as f64;
        beats += usize::from(wins);
        inside += figures.inside;
        judged += figures.judged;
        println!(
            "{}",
            json!({ "station": name, "days": args.days, "targets": figures.targets, "mae": figures.ours,
                "mae_persistence": figures.persistence, "mae_linear": figures.linear, "beats": wins,
                "coverage": coverage, "mean_width": figures.width, "intervals": figures.judged })
        );
        eprintln!(
            "{name:<10} {:>7} {:>9.3} {:>11.3} {:>9.3} {:>6} {coverage:>9.3}",
            figures.targets,
            figures.ours,
            figures.persistence,
            figures.linear,
            if wins { "yes" } else { "no" }
        );
    }
    let coverage = inside as f64 / judged.max(1) as f64;
    println!("{}", json!({ "stations": columns.len(), "beats": beats, "coverage": coverage }));
    eprintln!(
        "beats the better of both on {beats} of {} stations; {coverage:.3} of targets inside the interval",
        columns.len()
    );
    let enough = args.expect_beats.is_none_or(|bar| beats >= bar);
    let covered = match args.expect_coverage.as_slice() {
        [low, high] => (*low..=*high).contains(&coverage),
        [] => true,
        _ => bail!("--expect-coverage wants LOW,HIGH"),
    };
    Ok(Verdict::of(enough && covered))
}

fn station(args: &AheadArgs, name: &str, column: &Column) -> anyhow::Result<Figures> {
    let (first, values) = daily(name, column)?;
    let made = ahead::roll(&values, args.days, args.coverage);
    if made.is_empty() {
        bail!("{name}: {} days; at least {} are needed", values.len(), ahead::HISTORY_MIN + args.days);
    }
    let from = match &args.from {
        Some(text) => {
            (calendar_day(text).with_context(|| format!("--from {text:?} is not a date"))? - first).max(0.0) as usize
        }
        None => values.len().saturating_sub(365),
    };
    let mut figures = Figures::default();
    for forecast in &made {
        let target = forecast.origin + args.days;
        let Some(came) = values.get(target).filter(|_| target >= from) else { continue };
        if args.forecasts {
            print(args, name, first, forecast, *came, column);
        }
        figures.add(forecast, *came);
    }
    figures.finish();
    Ok(figures)
}

fn print(args: &AheadArgs, name: &str, first: f64, forecast: &Ahead, came: f64, column: &Column) {
    let day = |index: usize| column.clock.show(first + index as f64);
    println!(
        "{}",
        json!({ "station": name, "made": day(forecast.origin), "for": day(forecast.origin + args.days),
            "value": forecast.value, "interval": forecast.interval, "came": came })
    );
}

impl Figures {
    fn add(&mut self, forecast: &Ahead, came: f64) {
        self.targets += 1;
        self.ours += (forecast.value - came).abs();
        self.persistence += (forecast.persistence - came).abs();
        self.linear += (forecast.linear - came).abs();
        if let Some((low, high)) = forecast.interval {
            self.judged += 1;
            self.inside += usize::from((low..=high).contains(&came));
            self.width += high - low;
        }
    }

    fn finish(&mut self) {
        let targets = self.targets.max(1) as f64;
        self.ours /= targets;
        self.persistence /= targets;
        self.linear /= targets;
        self.width /= self.judged.max(1) as f64;
    }
}

/// One value a day from the first to the last: a missing day keeps the last known value, because a
/// forecast may not know what comes after it.
fn daily(name: &str, column: &Column) -> anyhow::Result<(f64, Vec<f64>)> {
    let mut known: Vec<(f64, f64)> =
        column.values.iter().filter_map(|(day, value)| Some((day.floor(), (*value)?))).collect();
    known.sort_by(|a, b| a.0.total_cmp(&b.0));
    let first = known.first().with_context(|| format!("{name}: no value"))?.0;
    let mut values: Vec<f64> = Vec::new();
    for (day, value) in known {
        let index = (day - first) as usize;
        if index > ahead::DAYS_MAX {
            bail!("{name}: more than {} days", ahead::DAYS_MAX);
        }
        while let Some(last) = values.last().copied().filter(|_| values.len() < index) {
            values.push(last);
        }
        match values.get_mut(index) {
            Some(same_day) => *same_day = value,
            None => values.push(value),
        }
    }
    Ok((first, values))
}

#[cfg(test)]
mod tests {
    use super::super::table::Clock;
    use super::*;

    #[test]
    fn a_missing_day_keeps_the_last_value_and_a_second_value_of_a_day_replaces_the_first() {
        let values = vec![(3.0, Some(1.0)), (4.0, None), (6.0, Some(2.0)), (6.4, Some(3.0))];
        let column = Column { clock: Clock::Days, name: "x".into(), values };
        assert_eq!(daily("x", &column).expect("values"), (3.0, vec![1.0, 1.0, 1.0, 3.0]));
    }
}
