//! `aggregator rules`: check rules, and run them on history.

use super::{Loaded, load};
use crate::config::Config;
use crate::store::Store;
use anyhow::{Context, Result, bail, ensure};
use clap::{Args, Subcommand};
use minewatch_risk::dictionary::Dictionary;
use minewatch_risk::fact::{Fact, from_plain};
use minewatch_risk::rule::{Backtest, Engine, Labels, Score, run_cases};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Bad lines shown one by one; the rest is counted.
const SHOWN_MAX: usize = 20;

/// Rules.
#[derive(Debug, Subcommand)]
pub enum Rules {
    /// Compile rules and run the test cases beside them; without a folder, the shipped ones.
    Check {
        /// A rule file or a folder of them.
        folder: Option<PathBuf>,
    },
    /// Run rules on history, with facts and lists as they were known then.
    Backtest(BacktestArgs),
}

/// Arguments of `rules backtest`.
#[derive(Debug, Args)]
pub struct BacktestArgs {
    /// A rule file or a folder of them; `shipped` for the shipped rules.
    draft: PathBuf,
    /// First day that counts, YYYY-MM-DD.
    #[arg(long)]
    from: String,
    /// Last day that counts.
    #[arg(long)]
    to: String,
    /// JSON lines `{"rule": "P01", "dedupe": "..."}`: what should have been found.
    #[arg(long)]
    labels: Option<PathBuf>,
    /// Facts as JSON lines instead of the store.
    #[arg(long)]
    facts: Option<PathBuf>,
    /// Settings, TOML, that name the store.
    #[arg(long)]
    config: Option<PathBuf>,
    /// Least recall and precision of every labelled rule, in percent, for example `99,95`.
    #[arg(long)]
    bar: Option<String>,
    /// Print the whole result as JSON.
    #[arg(long)]
    json: bool,
}

/// Runs a command of this group.
///
/// # Errors
/// When something cannot be read, a rule is faulty, a test case fails, or a bar is not reached.
pub fn run(command: &Rules) -> Result<()> {
    match command {
        Rules::Check { folder } => check(&load(folder.as_deref())),
        Rules::Backtest(arguments) => backtest(arguments),
    }
}

fn check(loaded: &Loaded) -> Result<()> {
    let dictionary = Dictionary::shipped();
    let (rules, _, faults) = loaded.compile(&dictionary);
    let mut problems: Vec<String> = faults.iter().map(ToString::to_string).collect();
    let mut cases = 0;
    for super::rules::Source { name, file, .. } in &loaded.files {
        let results = run_cases(name, file, &dictionary);
        cases += results.len();
        problems.extend(results.into_iter().filter_map(|result| result.failed).map(|why| format!("{name}: {why}")));
    }
    for problem in &problems {
        println!("{problem}");
    }
    println!("{} rules, {cases} test cases, {} problems", rules.len(), problems.len());
    ensure!(problems.is_empty(), "{} problems", problems.len());
    ensure!(!rules.is_empty(), "no rules found");
    Ok(())
}

fn day(text: &str, what: &str) -> Result<i64> {
    use minewatch_risk::fact::{Value, ValueType};
    match Value::parse(ValueType::Instant, text) {
        Ok(Value::Instant(at)) => Ok(at.as_microsecond()),
        Ok(_) => bail!("--{what} {text}: no day"),
        Err(error) => bail!("--{what}: {error}"),
    }
}

#[derive(Deserialize)]
struct Label {
    rule: String,
    dedupe: String,
}

fn lines(path: &Path) -> Result<impl Iterator<Item = (usize, std::io::Result<String>)>> {
    let file = File::open(path).with_context(|| path.display().to_string())?;
    Ok((1..).zip(BufReader::with_capacity(1 << 20, file).lines()))
}

fn labels(path: &Path) -> Result<Labels> {
    let mut labels = Labels::new();
    for (number, line) in lines(path)? {
        let label: Label = serde_json::from_str(&line?).with_context(|| format!("{}:{number}", path.display()))?;
        labels.insert((label.rule, label.dedupe));
    }
    Ok(labels)
}

/// Facts of a file, in order of when they were known; a bad line is named and costs itself.
fn facts_of(path: &Path, dictionary: &Dictionary) -> Result<Vec<Fact>> {
    let (mut facts, mut bad) = (Vec::new(), 0);
    for (number, line) in lines(path)? {
        match from_plain(&line?, dictionary) {
            Ok(fact) => facts.push(fact),
            Err(error) => {
                bad += 1;
                if bad <= SHOWN_MAX {
                    eprintln!("{}:{number}: {error}", path.display());
                }
            }
        }
    }
    if bad > 0 {
        eprintln!("{bad} lines are no facts");
    }
    ensure!(!facts.is_empty(), "{}: no facts", path.display());
    facts.sort_by_key(|fact| (fact.known_at_us, fact.event_at_us));
    Ok(facts)
}

fn stored(config: Option<&Path>) -> Result<Vec<Fact>> {
    let config = Config::load(config).map_err(|problems| anyhow::anyhow!("{problems:?}"))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let store = Store::open(&config.store).await?;
        let (mut facts, mut next) = (Vec::new(), 0);
        loop {
            let page = store.facts_after(next, 10_000).await?;
            let Some(last) = page.last() else { break };
            next = last.number;
            facts.extend(page.into_iter().map(|stored| stored.fact));
        }
        store.close().await;
        facts.sort_by_key(|fact: &Fact| (fact.known_at_us, fact.event_at_us));
        Ok(facts)
    })
}

fn backtest(arguments: &BacktestArgs) -> Result<()> {
    let dictionary = Dictionary::shipped();
    let shipped = arguments.draft.as_os_str() == "shipped";
    let loaded = load((!shipped).then_some(arguments.draft.as_path()));
    let (rules, world, faults) = loaded.compile(&dictionary);
    if !faults.is_empty() {
        bail!("{}", faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"));
    }
    let (from, to) = (day(&arguments.from, "from")?, day(&arguments.to, "to")? + 86_400_000_000 - 1);
    ensure!(from < to, "--from must be before --to");
    let labels = arguments.labels.as_deref().map(labels).transpose()?;
    let facts = match &arguments.facts {
        Some(path) => facts_of(path, &dictionary)?,
        None => stored(arguments.config.as_deref())?,
    };
    let begun = Instant::now();
    let mut run = Backtest::new(Engine::new(rules, world), from, to);
    facts.iter().for_each(|fact| run.take(fact));
    let scores = run.finish(labels.as_ref());
    let seconds = begun.elapsed().as_secs_f64();
    if arguments.json {
        let told = serde_json::json!({ "facts": facts.len(), "seconds": seconds, "rules": scores });
        println!("{}", serde_json::to_string_pretty(&told)?);
    } else {
        table(&scores);
        println!("{} facts in {seconds:.2} s, {:.0} facts/s", facts.len(), facts.len() as f64 / seconds);
    }
    arguments.bar.as_deref().map_or(Ok(()), |bar| reached(bar, &scores, labels.as_ref()))
}

fn table(scores: &BTreeMap<String, Score>) {
    let percent = |part: Option<f64>| part.map_or("-".to_owned(), |part| format!("{:.1}", part * 100.0));
    println!("rule  raised   hits misses  false  quiet unknown recall% precision%");
    for (id, score) in scores {
        println!(
            "{id:<5} {:>6} {:>6} {:>6} {:>6} {:>6} {:>7} {:>7} {:>10}",
            score.raised,
            score.hits,
            score.misses,
            score.false_alarms,
            score.quiet,
            score.unknown,
            percent(score.recall),
            percent(score.precision)
        );
        for (what, all) in [("missed", &score.missed), ("unexpected", &score.unexpected)] {
            all.iter().take(3).for_each(|one| println!("      {what}: {one}"));
        }
    }
}

fn reached(bar: &str, scores: &BTreeMap<String, Score>, labels: Option<&Labels>) -> Result<()> {
    let parts: Vec<f64> = bar.split(',').filter_map(|part| part.trim().parse().ok()).collect();
    let ([recall, precision], Some(labels)) = (parts.as_slice(), labels) else {
        bail!("--bar RECALL,PRECISION needs --labels");
    };
    let mut short = Vec::new();
    for id in labels.iter().map(|(rule, _)| rule).collect::<std::collections::BTreeSet<_>>() {
        let score = scores.get(id).cloned().unwrap_or_default();
        let holds = |part: Option<f64>, bar: f64| part.is_some_and(|part| part * 100.0 >= bar);
        if !holds(score.recall, *recall) || !holds(score.precision, *precision) {
            short.push(id.clone());
        }
    }
    ensure!(short.is_empty(), "below the bar: {}", short.join(", "));
    Ok(())
}
