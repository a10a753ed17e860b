//! Speed of the business rules and indicators on simulated feeds, one core:
//! `cargo run --release -p minewatch-simulators --example risk_bench -- [MONTHS] [VOLUME]`.
//! Prints one JSON line with the metrics `make bench` names.

use anyhow::{Context, Result};
use minewatch_domain::OrgPath;
use minewatch_risk::dictionary::Dictionary;
use minewatch_risk::fact::{Fact, from_plain};
use minewatch_risk::indicator::{Catalogue, Month, Values};
use minewatch_risk::rule::{Engine, RuleFile, SHIPPED, World, compile_all};
use minewatch_simulators::business::{BusinessArgs, write};
use std::collections::BTreeMap;
use std::time::Instant;

/// Facts timed for the growth of cost, early and late.
const SLICE: usize = 20_000;
/// Facts stored when the early slice begins.
const EARLY: usize = 80_000;
/// Facts of the incremental recomputation of indicators.
const BATCH: usize = 10_000;
/// Units of the group in that measurement.
const UNITS: usize = 500;

fn engine(dictionary: &Dictionary) -> Result<Engine> {
    let files: Vec<(&str, RuleFile)> =
        SHIPPED.iter().map(|(name, text)| Ok((*name, RuleFile::read(name, text)?))).collect::<Result<_>>()?;
    let mut world = World::of(dictionary);
    let (rules, faults) = compile_all(files.iter().map(|(name, file)| (*name, file)), &mut world);
    anyhow::ensure!(faults.is_empty(), "{faults:?}");
    Ok(Engine::new(rules, world))
}

/// Seconds for facts from `from` on, at most `SLICE`.
fn slice(times: &[f64], from: usize) -> f64 {
    times.iter().skip(from).take(SLICE).sum()
}

/// Seconds to take `BATCH` facts of `UNITS` units and to compute every indicator they touch.
fn indicators(facts: &[Fact]) -> (f64, usize) {
    let mut values = Values::new(Catalogue::shipped());
    let spread = |(n, fact): (usize, &Fact)| {
        let org =
            OrgPath::parse(&format!("group/company-{}/unit-{}", n % 25, n % UNITS)).unwrap_or_else(|_| OrgPath::root());
        Fact { org, ..fact.clone() }
    };
    let spread: Vec<Fact> = facts.iter().enumerate().map(spread).collect();
    let (before, batch) = spread.split_at(spread.len().saturating_sub(BATCH));
    before.iter().for_each(|fact| drop(values.take(fact)));
    let catalogue = Catalogue::shipped();
    let mut of: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (n, indicator) in catalogue.indicators.iter().enumerate() {
        for measure in catalogue.parts(indicator) {
            of.entry(measure).or_default().push(n);
        }
    }
    let begun = Instant::now();
    let mut touched: std::collections::BTreeSet<(usize, OrgPath, Month)> = std::collections::BTreeSet::new();
    batch.iter().for_each(|fact| touched.extend(values.take(fact)));
    let mut computed = 0;
    for (measure, org, month) in &touched {
        for n in of.get(measure).into_iter().flatten() {
            computed += usize::from(values.value(&catalogue.indicators[*n], org, *month).is_some());
        }
    }
    (begun.elapsed().as_secs_f64(), computed)
}

fn main() -> Result<()> {
    let argument = |n: usize, default: u32| std::env::args().nth(n).map_or(Ok(default), |text| text.parse());
    let out = std::env::temp_dir().join(format!("minewatch-risk-bench-{}", std::process::id()));
    let args = BusinessArgs { seed: 5, months: argument(1, 24)?, volume: argument(2, 8)?, plants: 4, out: out.clone() };
    write(&args)?;
    let (dictionary, text) = (Dictionary::shipped(), std::fs::read_to_string(out.join("facts.jsonl"))?);
    let facts: Vec<Fact> =
        text.lines().map(|line| from_plain(line, &dictionary).context("a fact")).collect::<Result<_>>()?;
    std::fs::remove_dir_all(&out)?;
    let (mut engine, mut times, mut changes) = (engine(&dictionary)?, Vec::with_capacity(facts.len()), 0);
    let begun = Instant::now();
    for fact in &facts {
        let one = Instant::now();
        changes += engine.advance(fact.known_at_us).len() + engine.take(fact).len();
        times.push(one.elapsed().as_secs_f64());
    }
    let seconds = begun.elapsed().as_secs_f64();
    let (indicators_s, computed) = indicators(&facts);
    let told = serde_json::json!({
        "facts": facts.len(), "changes": changes, "seconds": seconds,
        "facts_per_s": facts.len() as f64 / seconds,
        "cost_at_the_end_to_cost_at_1e5": slice(&times, facts.len().saturating_sub(SLICE)) / slice(&times, EARLY),
        "indicators_s_per_10k_facts": indicators_s, "indicator_values": computed,
    });
    println!("{told}");
    Ok(())
}
