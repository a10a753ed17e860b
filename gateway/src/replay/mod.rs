//! `gateway replay`: any history through any version of a dam file, before that version goes live.
//!
//! The samples go through the same model as on site, in the order of the file; late, repeated and mixed
//! ones are put right as they are there. With a truth file it says what was missed, what was false and
//! how early it was; with `--against` it does so for two versions side by side. One JSON object a line
//! on standard output, a table on standard error. Not here: alarms' bookkeeping and the siren.

mod input;
mod truth;

use anyhow::{Context, bail};
use clap::ValueEnum;
use input::{Row, rows};
use minewatch_dam::Moment;
use minewatch_dam::dam_file::DamFile;
use minewatch_dam::model::{DamModel, Finding, Late, LevelFinding, Plan, Subject};
use minewatch_dam::proof::ForecastNote;
use minewatch_dam::validate::Arrivals;
use minewatch_domain::{At, Level, PointId, Quality, Reading, Reason};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use truth::{Scored, Truth};

/// Arguments of `replay`.
#[derive(Debug, clap::Args)]
pub struct ReplayArgs {
    /// Dam file to judge with.
    #[arg(long)]
    dam: PathBuf,
    /// A second dam file, for comparison.
    #[arg(long)]
    against: Option<PathBuf>,
    /// History: long (`time,point,value`) or wide (`time` and one column per point).
    #[arg(long)]
    series: PathBuf,
    /// What really happened, as `simulator world export` writes it.
    #[arg(long)]
    truth: Option<PathBuf>,
    /// What to print on standard output.
    #[arg(long, value_enum, default_value_t = Format::Jsonl)]
    format: Format,
    /// In which order the samples are taken.
    #[arg(long, value_enum, default_value_t = Order::Time)]
    order: Order,
    /// Print the proof of every change of level.
    #[arg(long)]
    proof: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Order {
    /// By time: what would have been seen with every sample in time.
    Time,
    /// As in the file: what was seen. Late samples are put right once those in time have moved on.
    Arrival,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Every change of level and every instrument fault, then the summary.
    Jsonl,
    /// Only the summary.
    Summary,
}

/// No usable value for so long is silence: six samples at ten minutes.
const SILENT_MS: i64 = 3_600_000;
/// A stamp so far from the others' is a wrong clock or late data.
const APART_MS: i64 = 3_600_000;
/// Samples of different points may come mixed within so much time.
const SKEW_MS: u64 = 60_000;

/// What a version made of the history.
#[derive(Debug, Default)]
struct Outcome {
    samples: u64,
    unknown: BTreeMap<PointId, u64>,
    /// Pond level over time.
    pond: Vec<(At, Level)>,
    first: BTreeMap<Level, At>,
    changes: u64,
    faults: BTreeMap<(String, String), (At, u64)>,
    /// The last forecast per point.
    forecasts: BTreeMap<String, ForecastNote>,
    too_late: u64,
    repeated: u64,
    span: Option<(At, At)>,
}

/// Runs it. Exit code 2: a file cannot be read; 3: the truth says that something was missed or false.
pub fn run(args: &ReplayArgs) -> ExitCode {
    match replay(args) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(3),
        Err(error) => {
            eprintln!("gateway: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn replay(args: &ReplayArgs) -> anyhow::Result<bool> {
    let mut history = rows(&args.series)?;
    let arrivals = arrivals(&history);
    if args.order == Order::Time {
        history.sort_by_key(|row| row.at);
    }
    let truth = args.truth.as_deref().map(Truth::read).transpose()?;
    let mut holds = true;
    let names = ["dam", "against"];
    eprintln!(
        "{:<8} {:>9} {:>8} {:>22} {:>22} {:>7} {:>6} {:>8}",
        "version", "samples", "changes", "first orange", "first red", "missed", "false", "lead h"
    );
    for (name, path) in names.into_iter().zip(std::iter::once(&args.dam).chain(&args.against)) {
        let plan = plan(path)?;
        let version = plan.file().version.clone();
        let mut outcome = play(args, name, plan, &history);
        for (point, what, at) in &arrivals {
            outcome.fault(args, name, point, what, *at);
        }
        let scored = truth.as_ref().map(|truth| truth.score(&outcome.pond));
        report(name, &version, &outcome, scored.as_ref());
        holds &= scored.is_none_or(|scored| scored.missed == 0 && scored.wrong == 0);
    }
    Ok(holds)
}

fn plan(path: &Path) -> anyhow::Result<Plan> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {name}"))?;
    let list = |problems: Vec<String>| problems.join("\n  ");
    let file = DamFile::parse(&name, &text)
        .map_err(|problems| anyhow::anyhow!("{}", list(problems.iter().map(ToString::to_string).collect())))?;
    match Plan::new(file) {
        Ok(plan) => Ok(plan),
        Err(problems) => bail!("{name}: {}", list(problems)),
    }
}

fn play(args: &ReplayArgs, name: &str, plan: Plan, history: &[Row]) -> Outcome {
    let mut late = Late::new(DamModel::new(Arc::new(plan)), Late::TAIL_MAX, SKEW_MS);
    let earliest = history.iter().map(|row| row.at).min().unwrap_or_default();
    let latest = history.iter().map(|row| row.at).max().unwrap_or_default();
    let mut outcome = Outcome { span: Some((earliest, latest)), ..Outcome::default() };
    let mut findings = Vec::new();
    for row in history {
        let mono_ms = u64::try_from(row.at.millis_since(earliest)).unwrap_or(0);
        let (quality, reason) = match row.value {
            Some(_) => (Quality::Good, Reason::None),
            None => (Quality::Bad, Reason::Timeout),
        };
        let reading = Reading { point: row.point.clone(), at: row.at, value: row.value, quality, reason };
        outcome.samples += 1;
        findings.clear();
        if !late.defer(&reading, Moment::new(row.at, mono_ms), &mut findings) {
            *outcome.unknown.entry(row.point.clone()).or_default() += 1;
        }
        for finding in &findings {
            outcome.take(args, name, finding);
        }
    }
    findings.clear();
    late.settle(&mut findings);
    findings.iter().for_each(|finding| outcome.take(args, name, finding));
    outcome.too_late = late.too_late();
    outcome.repeated = late.repeated();
    outcome
}

/// What is wrong with the arrival of the samples, in the order of the file.
fn arrivals(history: &[Row]) -> Vec<(PointId, &'static str, At)> {
    let mut arrivals = Arrivals::new(SILENT_MS, APART_MS);
    let fault =
        |row: &Row| Some((row.point.clone(), arrivals.step(&row.point, row.at, row.value.is_some())?.name(), row.at));
    history.iter().filter_map(fault).collect()
}

impl Outcome {
    fn take(&mut self, args: &ReplayArgs, name: &str, finding: &Finding) {
        match finding {
            Finding::Computed(_) => {}
            Finding::Forecast(forecast) => {
                self.forecasts.insert(forecast.note.point.clone(), forecast.note.clone());
                // A failure time moves with every sample; why there is none is told when the reason changes.
                if args.format == Format::Jsonl && (forecast.changed || forecast.note.failure_us.is_some()) {
                    println!("{}", json!({ "version": name, "forecast": forecast.note }));
                }
            }
            Finding::Fault(fault) => {
                for what in &fault.faults {
                    self.fault(args, name, &fault.point, what.name(), fault.at);
                }
            }
            Finding::Level(level) => {
                self.changes += 1;
                if level.subject == Subject::Pond {
                    self.pond.push((level.at, level.to));
                    for reached in Level::WARNINGS.into_iter().filter(|reached| *reached <= level.to) {
                        self.first.entry(reached).or_insert(level.at);
                    }
                }
                if args.format == Format::Jsonl {
                    println!("{}", line(args, name, level));
                }
            }
        }
    }

    /// Remembers a fault; the first of its kind at a point is printed, further ones are counted.
    fn fault(&mut self, args: &ReplayArgs, name: &str, point: &PointId, what: &str, at: At) {
        let entry = self.faults.entry((point.to_string(), what.to_owned())).or_insert((at, 0));
        entry.1 += 1;
        if entry.1 == 1 && args.format == Format::Jsonl {
            println!("{}", json!({ "version": name, "fault": what, "point": point, "at": shown(at) }));
        }
    }
}

fn line(args: &ReplayArgs, name: &str, level: &LevelFinding) -> Value {
    let mut line = json!({ "version": name, "at": shown(level.at), "subject": subject(level.subject), "id": level.id,
        "from": level.from.name(), "to": level.to.name(), "value": level.value, "limit": level.limit,
        "rule": level.rule, "why": level.why });
    if args.proof {
        line["proof"] = serde_json::to_value(&level.proof).unwrap_or(Value::Null);
    }
    line
}

fn subject(subject: Subject) -> &'static str {
    match subject {
        Subject::PointValue => "point_value",
        Subject::PointRate => "point_rate",
        Subject::Item => "item",
        Subject::Hazard => "hazard",
        Subject::Pond => "pond",
    }
}

fn shown(at: At) -> String {
    jiff::Timestamp::from_microsecond(at.micros()).map_or_else(|_| at.micros().to_string(), |at| at.to_string())
}

fn report(name: &str, version: &str, outcome: &Outcome, scored: Option<&Scored>) {
    let first = |level: Level| outcome.first.get(&level).map_or_else(|| "-".to_owned(), |at| shown(*at));
    let faults: Vec<Value> = outcome
        .faults
        .iter()
        .map(|((point, what), (at, times))| json!({ "point": point, "fault": what, "first": shown(*at), "times": times }))
        .collect();
    let lead = scored.and_then(|scored| scored.lead_h);
    println!(
        "{}",
        json!({ "version": name, "summary": { "dam_file": version, "samples": outcome.samples, "changes": outcome.changes,
            "first_yellow": first(Level::Yellow), "first_orange": first(Level::Orange), "first_red": first(Level::Red),
            "faults": faults, "forecasts": outcome.forecasts.values().collect::<Vec<_>>(), "unknown_points": outcome.unknown, "too_late": outcome.too_late, "repeated": outcome.repeated,
            "from": outcome.span.map(|(from, _)| shown(from)), "to": outcome.span.map(|(_, to)| shown(to)),
            "missed": scored.map(|s| s.missed), "false": scored.map(|s| s.wrong), "lead_h": lead } })
    );
    eprintln!(
        "{name:<8} {:>9} {:>8} {:>22} {:>22} {:>7} {:>6} {:>8}",
        outcome.samples,
        outcome.changes,
        first(Level::Orange),
        first(Level::Red),
        scored.map_or_else(|| "-".to_owned(), |s| s.missed.to_string()),
        scored.map_or_else(|| "-".to_owned(), |s| s.wrong.to_string()),
        lead.map_or_else(|| "-".to_owned(), |lead| format!("{lead:.1}"))
    );
    for (point, count) in outcome.unknown.iter().take(10) {
        eprintln!("  {point}: {count} samples of a point that the dam file does not name");
    }
    for (point, note) in &outcome.forecasts {
        eprintln!("  {point}: {}", note.en);
    }
    for ((point, what), (at, times)) in outcome.faults.iter().take(20) {
        eprintln!("  {point}: {what} since {} ({times} times)", shown(*at));
    }
}
