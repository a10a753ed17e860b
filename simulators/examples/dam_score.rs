//! `make dam-score`: the dam model on the simulated dam, over many seeds, held against what is true.
//!
//! An example, so that the simulator itself never links what it judges. Prints one JSON line per bar and
//! a table; ends with code 3 when a bar does not hold. `--seeds N` (default 200), `--only F1,N1`.

use minewatch_dam::Moment;
use minewatch_dam::dam_file::DamFile;
use minewatch_dam::forecast::{Failure, ForecastSettings, Kind, Language, Mark, Outlook, Track, assess};
use minewatch_dam::model::{DamModel, Finding, Late, Plan, Subject};
use minewatch_dam::validate::Arrivals;
use minewatch_domain::{At, Level, PointId, Quality, Reading, Reason};
use minewatch_simulators::scenario::export::DAM_TOML;
use minewatch_simulators::scenario::{Case, InstrumentFault, Sample, Scenario, Truth, channels, play};
use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;
use std::sync::Arc;

const HOUR_MS: f64 = 3_600_000.0;
/// Year-long cases cost a hundred times the others, so one in so many seeds is played.
const YEAR_SHARE: u64 = 20;

/// What the model made of a case.
struct Seen {
    truth: Truth,
    first: BTreeMap<Level, f64>,
    rises: BTreeMap<Level, u64>,
    /// First fault named at each channel after the truth's beginning, hours after it, with its name.
    named: Option<(f64, String)>,
    shear: Vec<Vec<Mark>>,
}

/// The dam file of the simulated dam, ready to run; every problem otherwise.
fn plan() -> Result<Arc<Plan>, Vec<String>> {
    let file = DamFile::parse("dam.toml", DAM_TOML)
        .map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>())?;
    Plan::new(file).map(Arc::new)
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().collect();
    let value = |name: &str| args.iter().position(|arg| arg == name).and_then(|at| args.get(at + 1));
    let seeds = value("--seeds").and_then(|text| text.parse().ok()).unwrap_or(200_u64);
    let only: Option<BTreeSet<String>> = value("--only").map(|list| list.split(',').map(str::to_owned).collect());
    let wanted = |scenario: Scenario| only.as_ref().is_none_or(|only| only.contains(&format!("{scenario:?}")));
    let plan = match plan() {
        Ok(plan) => plan,
        Err(problems) => {
            problems.iter().for_each(|problem| eprintln!("{problem}"));
            return ExitCode::from(2);
        }
    };
    let mut board = Board::default();
    for scenario in Scenario::ALL.into_iter().filter(|scenario| wanted(*scenario)) {
        let year = matches!(scenario, Scenario::N1 | Scenario::N2);
        let count = if year { (seeds / YEAR_SHARE).max(1) } else { seeds };
        let seen: Vec<Seen> = (0..count).map(|seed| watch(&plan, &Case { scenario, seed, fault: None })).collect();
        board.score(scenario, &seen);
    }
    for fault in InstrumentFault::ALL.into_iter().filter(|_| only.is_none()) {
        let case = |seed| Case { scenario: Scenario::I1, seed, fault: Some(fault) };
        // On top of a quiet case: the drift of I1 begins with the fault, so L1, which is quiet, carries it.
        let seen: Vec<Seen> =
            (0..seeds).map(|seed| watch(&plan, &Case { scenario: Scenario::L1, ..case(seed) })).collect();
        board.fault(&format!("fault {}", fault.name()), &seen, 24.0);
    }
    board.end()
}

/// Plays a case through the model.
fn watch(plan: &Arc<Plan>, case: &Case) -> Seen {
    let ids: Vec<PointId> = channels().iter().filter_map(|channel| PointId::parse(&channel.id).ok()).collect();
    let shears: Vec<usize> = (0..ids.len()).filter(|i| ids[*i].to_string().starts_with("incl-")).collect();
    let mut late = Late::new(DamModel::new(Arc::clone(plan)), Late::TAIL_MAX, 60_000);
    let mut arrivals = Arrivals::new(HOUR_MS as i64 - 1, HOUR_MS as i64);
    let (mut first, mut rises) = (BTreeMap::new(), BTreeMap::new());
    let mut faults: Vec<(f64, PointId, String)> = Vec::new();
    let mut shear = vec![Vec::new(); shears.len()];
    let mut findings = Vec::new();
    let mut pond = Level::Normal;
    let (mut steps, mut quiet) = (0_u32, BTreeSet::new());
    let truth = play(case, |samples: &[Sample]| {
        steps += 1;
        for sample in samples {
            let id = &ids[sample.channel];
            if let (Some(value), Some(n)) = (sample.value, shears.iter().position(|i| *i == sample.channel)) {
                shear[n].push(Mark { day: sample.at_h / 24.0, value });
            }
            // 48 hours of room, so that time stamps before the start stay positive.
            let at = At::from_millis(((sample.at_h + 48.0) * HOUR_MS) as i64);
            if let Some(fault) = arrivals.step(id, at, sample.value.is_some()) {
                faults.push((sample.sent_h, id.clone(), fault.name().to_owned()));
            }
            let (quality, reason) =
                if sample.value.is_some() { (Quality::Good, Reason::None) } else { (Quality::Bad, Reason::Timeout) };
            let reading = Reading { point: id.clone(), at, value: sample.value, quality, reason };
            findings.clear();
            late.defer(&reading, Moment::new(at, at.millis() as u64), &mut findings);
            for finding in &findings {
                match finding {
                    Finding::Computed(_) | Finding::Forecast(_) => {}
                    Finding::Fault(fault) => {
                        faults.extend(
                            fault.faults.iter().map(|f| (sample.sent_h, fault.point.clone(), f.name().to_owned())),
                        );
                    }
                    Finding::Level(level) if level.subject == Subject::Pond => {
                        for reached in Level::WARNINGS.into_iter().filter(|l| *l <= level.to) {
                            first.entry(reached).or_insert(sample.sent_h);
                            if reached > pond {
                                *rises.entry(reached).or_insert(0) += 1;
                            }
                        }
                        pond = level.to;
                    }
                    Finding::Level(_) => {}
                }
            }
        }
        // A step takes ten minutes whether anything arrives or not.
        let now_h = f64::from(steps) / 6.0;
        let now = At::from_millis(((now_h + 48.0) * HOUR_MS) as i64);
        let silent: BTreeSet<PointId> = arrivals.silent(now).cloned().collect();
        faults.extend(silent.difference(&quiet).map(|id| (now_h, id.clone(), "silent".to_owned())));
        quiet = silent;
    });
    let named = truth.fault.as_ref().and_then(|fault| {
        // A group of stations is named by its own id.
        let group = |id: &PointId| plan.file().common_mode.iter().find(|group| group.id == *id);
        let about = |id: &PointId| match group(id) {
            Some(group) => group.points.iter().any(|point| fault.channels.contains(&point.to_string())),
            None => fault.channels.contains(&id.to_string()),
        };
        let hits = faults.iter().filter(|(h, id, _)| *h > fault.from_h && about(id));
        hits.map(|(h, _, what)| (h - fault.from_h, what.clone())).min_by(|a, b| a.0.total_cmp(&b.0))
    });
    Seen { truth, first, rises, named, shear }
}

/// The forecast so many hours before the failure, from the inclinometer that moves most. The others of the
/// moving mass lag behind it by up to two hours, so they are not fitted with it.
fn forecast(seen: &Seen, before_h: f64) -> Outlook {
    let cut = seen.truth.failure_h.unwrap_or(0.0) / 24.0 - before_h / 24.0;
    let marks = seen.shear.first().into_iter().flatten().copied();
    assess(&Track::new(Kind::Displacement, marks).until(cut + 1e-9), &[], None, &ForecastSettings::default())
}

/// Bars and what was reached.
#[derive(Default)]
struct Board {
    short: usize,
}

impl Board {
    fn bar(&mut self, what: &str, got: f64, holds: bool, bar: &str, n: usize) {
        self.short += usize::from(!holds);
        let line = serde_json::json!({ "bar": what, "value": (got * 1e4).round() / 1e4, "want": bar, "holds": holds, "cases": n });
        println!("{line}");
        eprintln!("{what:<58} {got:>9.3}  {bar:<9} {:<5} n={n}", if holds { "yes" } else { "NO" });
    }

    fn score(&mut self, scenario: Scenario, seen: &[Seen]) {
        match scenario {
            Scenario::F1 => self.failure("F1", seen),
            Scenario::F3 => self.no_red("F3: share without red", seen),
            Scenario::N1 | Scenario::N2 => self.year(scenario, seen),
            Scenario::I1 => {
                self.fault("I1 drift", seen, 24.0);
            }
            Scenario::I2 => self.fault("I2 reference jump", seen, 1.0),
            Scenario::I3 => {
                self.named("I3 silence: named within 24 h", seen, 24.0);
            }
            Scenario::S2 => {
                let lead = |s: &Seen| Some(s.truth.overtopping_h? - s.first.get(&Level::Red)?);
                let good = seen.iter().filter(|s| lead(s).is_some_and(|lead| lead >= 2.0)).count();
                self.share("S2: red at least 2 h before overtopping", good, seen.len(), 1.0);
            }
            Scenario::L1 => {
                let silent = |s: &Seen| match forecast(s, 1.0) {
                    Outlook::Abstain(_) => {
                        forecast(s, 1.0).explain(Language::English).contains("does not mean that the dam is safe")
                    }
                    Outlook::Failure(_) => true,
                };
                let good = seen.iter().filter(|s| silent(s)).count();
                self.share("L1: never states safety", good, seen.len(), 1.0);
            }
            Scenario::S1 => self.reached("S1: yellow reached", seen, Level::Yellow),
            Scenario::P1 => self.reached("P1: orange reached", seen, Level::Orange),
            Scenario::F2 => self.reached("F2 (weak): yellow reached (no bar in the issue)", seen, Level::Yellow),
            Scenario::E1 => self.no_red("E1: share without red (no bar in the issue)", seen),
        }
    }

    fn share(&mut self, what: &str, good: usize, n: usize, least: f64) {
        let share = good as f64 / n.max(1) as f64;
        self.bar(what, share, share >= least, &format!(">= {least}"), n);
    }

    fn reached(&mut self, what: &str, seen: &[Seen], level: Level) {
        let good = seen.iter().filter(|s| s.first.contains_key(&level)).count();
        self.share(what, good, seen.len(), 0.95);
    }

    fn no_red(&mut self, what: &str, seen: &[Seen]) {
        let good = seen.iter().filter(|s| !s.first.contains_key(&Level::Red)).count();
        self.share(what, good, seen.len(), 1.0);
    }

    fn failure(&mut self, name: &str, seen: &[Seen]) {
        let lead = |s: &Seen| Some(s.truth.failure_h? - s.first.get(&Level::Orange)?);
        let early = seen.iter().filter(|s| lead(s).is_some_and(|lead| lead >= 24.0)).count();
        self.share(&format!("{name}: first orange at least 24 h before"), early, seen.len(), 0.95);
        let false_early = seen.iter().filter(|s| lead(s).is_some_and(|lead| lead > 72.0)).count();
        self.share(&format!("{name}: no orange before the onset"), seen.len() - false_early, seen.len(), 1.0);
        for before_h in [24.0, 6.0] {
            let stated: Vec<(f64, Box<Failure>)> = seen
                .iter()
                .filter_map(|s| match forecast(s, before_h) {
                    Outlook::Failure(failure) => Some((s.truth.failure_h? / 24.0, failure)),
                    Outlook::Abstain(_) => None,
                })
                .collect();
            let near = stated.iter().filter(|(tf, f)| (f.tf - tf).abs() * 24.0 <= 0.1 * before_h).count();
            self.share(&format!("{name}: tf error <= 10 % of the rest at -{before_h} h"), near, seen.len(), 0.8);
            let held = stated.iter().filter(|(tf, f)| f.interval.holds(*tf)).count();
            let share = held as f64 / stated.len().max(1) as f64;
            let what = format!("{name}: 95 % interval holds tf at -{before_h} h");
            self.bar(&what, share, (0.9..=0.99).contains(&share), "0.9..0.99", stated.len());
        }
    }

    fn year(&mut self, scenario: Scenario, seen: &[Seen]) {
        let rises = |level: Level| seen.iter().map(|s| s.rises.get(&level).copied().unwrap_or(0)).sum::<u64>() as f64;
        let reds = rises(Level::Red);
        self.bar(&format!("{scenario:?}: false reds"), reds, reds == 0.0, "0", seen.len());
        let yellows = rises(Level::Yellow) / (12.0 * seen.len() as f64);
        let what = format!("{scenario:?}: false yellows a month and 50 instruments");
        self.bar(&what, yellows, yellows <= 1.0, "<= 1", seen.len());
    }

    fn named(&mut self, what: &str, seen: &[Seen], within_h: f64) {
        let good = seen.iter().filter(|s| s.named.as_ref().is_some_and(|(h, _)| *h <= within_h)).count();
        let names: BTreeSet<&str> =
            seen.iter().filter_map(|s| s.named.as_ref().map(|(_, name)| name.as_str())).collect();
        self.share(what, good, seen.len(), 1.0);
        eprintln!("{:<58} {names:?}", "");
    }

    fn fault(&mut self, name: &str, seen: &[Seen], within_h: f64) {
        self.named(&format!("{name}: named within {within_h} h"), seen, within_h);
        self.no_red(&format!("{name}: share without red"), seen);
    }

    fn end(self) -> ExitCode {
        eprintln!("{} bar(s) do not hold", self.short);
        if self.short == 0 { ExitCode::SUCCESS } else { ExitCode::from(3) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Plays a few seeds; every bar that the board holds them to must hold.
    fn hold(scenario: Scenario, fault: Option<InstrumentFault>, seeds: std::ops::Range<u64>) {
        let plan = plan().expect("the simulated dam's file runs");
        let seen: Vec<Seen> = seeds.map(|seed| watch(&plan, &Case { scenario, seed, fault })).collect();
        let mut board = Board::default();
        match fault {
            Some(fault) => board.fault(&format!("fault {}", fault.name()), &seen, 24.0),
            None => board.score(scenario, &seen),
        }
        assert_eq!(board.short, 0, "{scenario:?} {fault:?}: a bar does not hold");
    }

    #[test]
    fn a_failure_in_72_hours_is_orange_a_day_before_and_its_time_is_known() {
        let plan = plan().expect("runs");
        let seen = watch(&plan, &Case { scenario: Scenario::F1, seed: 3, fault: None });
        let failure_h = seen.truth.failure_h.expect("fails");
        assert!(seen.first.get(&Level::Orange).is_some_and(|at| failure_h - at >= 24.0), "{:?}", seen.first);
        let Outlook::Failure(stated) = forecast(&seen, 24.0) else { panic!("a day before it is stated") };
        assert!((stated.tf * 24.0 - failure_h).abs() <= 2.4, "{} of {failure_h}", stated.tf * 24.0);
        assert!(stated.interval.holds(failure_h / 24.0), "{:?}", stated.interval);
    }

    #[test]
    fn an_acceleration_that_stops_is_not_red() {
        hold(Scenario::F3, None, 0..1);
    }

    #[test]
    fn overtopping_is_red_two_hours_before() {
        hold(Scenario::S2, None, 0..1);
    }

    #[test]
    fn liquefaction_without_a_precursor_is_never_called_safe() {
        hold(Scenario::L1, None, 0..1);
    }

    #[test]
    fn a_reference_jump_is_named_within_the_hour_and_36_hours_of_silence_within_the_day() {
        hold(Scenario::I2, None, 0..1);
        hold(Scenario::I3, None, 0..1);
    }

    #[test]
    fn a_jumping_a_swapped_and_a_silent_instrument_are_named_without_red() {
        for fault in [InstrumentFault::Unit, InstrumentFault::Swapped, InstrumentFault::Lightning] {
            hold(Scenario::L1, Some(fault), 0..1);
        }
    }
}
