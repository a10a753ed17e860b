//! The test cases that live beside a rule, run.

use super::compile::compile;
use super::engine::{Engine, Verdict};
use super::file::{Case, CaseKind, Expect, Fault, RuleFile};
use super::table::World;
use crate::dictionary::Dictionary;
use crate::fact::{Fact, from_plain};
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// What a case gave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CaseResult {
    /// Place among the rule's cases.
    pub case: usize,
    /// What it is about.
    pub is: CaseKind,
    /// What came out instead, or could not be read; none: as expected.
    pub failed: Option<String>,
}

type Lines = BTreeMap<String, Map<String, Value>>;

fn fields(words: &[&str], into: &mut Map<String, Value>) -> Result<(), String> {
    let mut said = into.get("fields").and_then(Value::as_object).cloned().unwrap_or_default();
    for word in words {
        match (word.strip_prefix('-'), word.split_once('=')) {
            (_, Some(("org", org))) => drop(into.insert("org".into(), json!(org))),
            (_, Some(("known", at))) => drop(into.insert("known_at".into(), json!(at))),
            (_, Some(("at", at))) => drop(into.insert("event_at".into(), json!(at))),
            (_, Some((name, value))) => drop(said.insert(name.to_owned(), json!(value))),
            (Some(gone), None) if said.remove(gone).is_some() => {}
            (Some(gone), None) => return Err(format!("{gone:?} is not there to be left out")),
            (None, None) => return Err(format!("{word:?} is not field=value")),
        }
    }
    into.insert("fields".into(), Value::Object(said));
    Ok(())
}

/// Applies lines of `facts` or `change`.
fn apply(text: &str, dictionary: &Dictionary, into: &mut Lines) -> Result<(), String> {
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let known = |kind: &str| dictionary.elements(kind).next().is_some();
        match words.as_slice() {
            [gone] if gone.starts_with('-') => {
                into.remove(&gone[1..]).ok_or_else(|| format!("{line}: no such fact"))?;
            }
            [kind, key, at, rest @ ..] if known(kind) => {
                let mut fact = Map::new();
                for (name, value) in [("kind", *kind), ("key", *key), ("event_at", *at), ("org", "group/company")] {
                    fact.insert(name.to_owned(), json!(value));
                }
                fields(rest, &mut fact).map_err(|why| format!("{line}: {why}"))?;
                into.insert((*key).to_owned(), fact);
            }
            [key, rest @ ..] => {
                let fact = into.get_mut(*key).ok_or_else(|| format!("{line}: no such fact"))?;
                fields(rest, fact).map_err(|why| format!("{line}: {why}"))?;
            }
            [] => {}
        }
    }
    Ok(())
}

/// The facts of a case.
///
/// # Errors
/// What of the lines cannot be read.
pub fn facts_of(rule: &RuleFile, case: &Case, dictionary: &Dictionary) -> Result<Vec<Fact>, String> {
    let mut lines = Lines::new();
    apply(&rule.facts, dictionary, &mut lines)?;
    apply(&case.change, dictionary, &mut lines)?;
    let read = |fact: &Map<String, Value>| {
        let line = Value::Object(fact.clone()).to_string();
        from_plain(&line, dictionary).map_err(|error| format!("{line}: {error}"))
    };
    lines.values().map(read).collect()
}

/// A moment as cases write it, microseconds.
fn moment(text: &str) -> Result<i64, String> {
    use crate::fact::{Value as FactValue, ValueType};
    match FactValue::parse(ValueType::Instant, text) {
        Ok(FactValue::Instant(at)) => Ok(at.as_microsecond()),
        Ok(_) => Err(format!("{text:?} is no moment")),
        Err(error) => Err(error.to_string()),
    }
}

fn run(name: &str, rule: &RuleFile, case: &Case, dictionary: &Dictionary) -> Result<(), String> {
    let mut world = World::of(dictionary);
    let faults = |faults: Vec<Fault>| faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
    let compiled = compile(name, rule, &mut world).map_err(faults)?;
    let mut engine = Engine::new(vec![compiled], world);
    let as_of = moment(case.as_of.as_deref().unwrap_or(&rule.as_of))?;
    let mut facts = facts_of(rule, case, dictionary)?;
    facts.retain(|fact| fact.known_at_us <= as_of);
    facts.sort_by_key(|fact| (fact.known_at_us, fact.event_at_us));
    for fact in &facts {
        engine.advance(fact.known_at_us);
        engine.take(fact);
    }
    engine.advance(as_of);
    for (rule, subject, verdict) in engine.standing() {
        if engine.warning(rule, subject, verdict).is_none_or(|warning| warning.proof().is_empty()) {
            return Err("a verdict without its reasons".to_owned());
        }
    }
    let verdicts: Vec<Verdict> = engine.standing().into_iter().map(|(_, _, verdict)| verdict).collect();
    let worst = verdicts.iter().filter_map(|v| if let Verdict::Hit(level, _) = v { Some(*level) } else { None }).max();
    let found = match (worst, verdicts.contains(&Verdict::Unknown)) {
        (Some(_), _) => Expect::Hit,
        (None, true) => Expect::Unknown,
        (None, false) => Expect::Clear,
    };
    let expected = case.expect.unwrap_or(match case.is {
        CaseKind::Hit => Expect::Hit,
        CaseKind::NearMiss | CaseKind::AsOf => Expect::Clear,
        CaseKind::Missing => Expect::Unknown,
    });
    if found != expected {
        return Err(format!("{expected:?} expected, {found:?} found"));
    }
    match (case.level, worst) {
        (Some(level), Some(worst)) if level != worst => {
            Err(format!("level {} expected, {} found", level.name(), worst.name()))
        }
        (_, _) => Ok(()),
    }
}

/// Runs every case of a rule, each with its own facts alone.
pub fn run_cases(name: &str, rule: &RuleFile, dictionary: &Dictionary) -> Vec<CaseResult> {
    let result = |(n, case): (usize, &Case)| CaseResult {
        case: n,
        is: case.is,
        failed: run(name, rule, case, dictionary).err().map(|why| format!("case {n} ({:?}): {why}", case.is)),
    };
    rule.cases.iter().enumerate().map(result).collect()
}
