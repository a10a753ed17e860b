//! `gateway evaluate failure`: the inverse-velocity forecast at successive cuts of one series.

use super::Verdict;
use super::table::{Clock, Column, Table, calendar_day};
use anyhow::Context;
use clap::ValueEnum;
use minewatch_dam::forecast::{self, ForecastSettings, Kind, Language, Mark, Outlook, Reference, Track};
use serde_json::json;
use std::path::{Path, PathBuf};

/// Arguments of `evaluate failure`.
#[derive(Debug, clap::Args)]
pub struct FailureArgs {
    /// CSV: a time column and a value column.
    #[arg(long)]
    series: PathBuf,
    /// Name of the value column; default: the second.
    #[arg(long)]
    value: Option<String>,
    /// What the values are; default: velocity when the column's name says speed or velocity.
    #[arg(long, value_enum)]
    kind: Option<KindWord>,
    /// CSV of a point that stands still, of the same instrument: common-mode movement is taken off.
    #[arg(long)]
    stable: Option<PathBuf>,
    /// CSV of other stations (repeatable, at least three): what their median shares is taken off.
    #[arg(long, conflicts_with = "stable")]
    neighbour: Vec<PathBuf>,
    /// Forecast also at earlier ends of the series, so many days apart.
    #[arg(long)]
    every: Option<f64>,
    /// Number of ends, the last included.
    #[arg(long, default_value_t = 6)]
    cuts: u32,
    /// Shortest averaging block, days; 0: values as measured.
    #[arg(long, default_value_t = 0.0)]
    block: f64,
    /// Known time of the failure, to print errors.
    #[arg(long)]
    truth: Option<String>,
    /// A bar: the last forecast must abstain for one of these reasons (COMMON_MODE,BELOW_NOISE …).
    #[arg(long, value_delimiter = ',')]
    expect: Vec<String>,
    /// A bar: intervals of successive forecasts must overlap.
    #[arg(long)]
    expect_overlap: bool,
    /// Language of the explanations.
    #[arg(long, value_enum, default_value_t = LanguageWord::En)]
    language: LanguageWord,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum KindWord {
    Displacement,
    Velocity,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum LanguageWord {
    Zh,
    En,
}

/// Runs it.
pub(super) fn evaluate(args: &FailureArgs) -> anyhow::Result<Verdict> {
    let column = one_column(&args.series, args.value.as_deref())?;
    let named = |word: &str| column.name.to_lowercase().contains(word);
    let kind = match args.kind {
        Some(KindWord::Velocity) => Kind::Velocity,
        Some(KindWord::Displacement) => Kind::Displacement,
        None if named("speed") || named("velocity") => Kind::Velocity,
        None => Kind::Displacement,
    };
    let track = track_of(&column, kind);
    let read = |path: &PathBuf| one_column(path, None).map(|column| track_of(&column, kind));
    let stable = args.stable.as_ref().map(read).transpose()?;
    let neighbours: Vec<Track> = args.neighbour.iter().map(read).collect::<anyhow::Result<_>>()?;
    let reference = match &stable {
        Some(stable) => Some(Reference::Stable(stable)),
        None if neighbours.is_empty() => None,
        None => Some(Reference::Neighbours(&neighbours)),
    };
    let truth = args.truth.as_deref().map(|text| moment(text, column.clock)).transpose()?;
    let settings = ForecastSettings { block_d: args.block, ..ForecastSettings::default() };
    let last = track.marks().last().context("the series has no value")?.day;
    let cuts = args.every.map_or(1, |_| args.cuts.max(1));
    let mut outlooks = Vec::new();
    for back in (0..cuts).rev() {
        let cut = last - f64::from(back) * args.every.unwrap_or(0.0);
        let outlook = forecast::assess(&track.until(cut), &[], reference, &settings);
        print(args, column.clock, cut, &outlook, truth)?;
        outlooks.push(outlook);
    }
    Ok(Verdict::of(abstains(args, outlooks.last()) && overlap(args, &outlooks)))
}

/// The time or number of a command-line argument, on the series' clock.
fn moment(text: &str, clock: Clock) -> anyhow::Result<f64> {
    let day = match clock {
        Clock::Calendar => calendar_day(text),
        Clock::Days => text.parse().ok(),
    };
    day.with_context(|| format!("{text:?} is not a time of this series"))
}

fn one_column(path: &Path, value: Option<&str>) -> anyhow::Result<Column> {
    let table = Table::read(path)?;
    let index = value.map_or(Ok(1), |name| table.index(name))?;
    table.columns(0, &[index])?.pop().context("a column")
}

fn track_of(column: &Column, kind: Kind) -> Track {
    let marks = column.values.iter().filter_map(|(day, value)| Some(Mark { day: *day, value: (*value)? }));
    Track::new(kind, marks)
}

fn print(args: &FailureArgs, clock: Clock, cut: f64, outlook: &Outlook, truth: Option<f64>) -> anyhow::Result<()> {
    let explained = outlook.explain(match args.language {
        LanguageWord::Zh => Language::Chinese,
        LanguageWord::En => Language::English,
    });
    let mut line = serde_json::to_value(outlook)?;
    line["series"] = json!(args.series.display().to_string());
    line["reference"] = json!(args.stable.is_some() || !args.neighbour.is_empty());
    line["cut"] = json!(clock.show(cut));
    line["explained"] = json!(explained);
    let summary = match outlook {
        Outlook::Abstain(why) => format!("abstains {}", why.code()),
        Outlook::Failure(failure) => {
            line["tf_shown"] = json!(clock.show(failure.tf));
            if let Some(truth) = truth {
                line["error_days"] = json!(failure.tf - truth);
            }
            let other =
                failure.voight.map_or_else(|| "none".to_owned(), |v| format!("{} (α {})", clock.show(v.tf), v.alpha));
            format!(
                "tf {} [{} .. {}], free exponent {other}, models {}",
                clock.show(failure.tf),
                clock.show(failure.interval.from),
                clock.show(failure.interval.to),
                if failure.models_agree { "agree" } else { "disagree" }
            )
        }
    };
    println!("{line}");
    eprintln!("{:<17} {summary}\n{:<17} {explained}", clock.show(cut), "");
    Ok(())
}

fn abstains(args: &FailureArgs, last: Option<&Outlook>) -> bool {
    if args.expect.is_empty() {
        return true;
    }
    let holds = match last {
        Some(Outlook::Abstain(why)) => args.expect.iter().any(|code| code == why.code()),
        Some(Outlook::Failure(_)) | None => false,
    };
    eprintln!("bar: abstains with {}: {}", args.expect.join(" or "), if holds { "holds" } else { "DOES NOT HOLD" });
    holds
}

fn overlap(args: &FailureArgs, outlooks: &[Outlook]) -> bool {
    if !args.expect_overlap {
        return true;
    }
    let stated: Vec<_> = outlooks
        .iter()
        .filter_map(|outlook| match outlook {
            Outlook::Failure(failure) => Some(failure.interval),
            Outlook::Abstain(_) => None,
        })
        .collect();
    let holds = stated.len() > 1 && stated.windows(2).all(|pair| pair[0].overlaps(&pair[1]));
    eprintln!(
        "bar: the intervals of {} successive forecasts overlap: {}",
        stated.len(),
        if holds { "holds" } else { "DOES NOT HOLD" }
    );
    holds
}
