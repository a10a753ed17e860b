//! The task that judges: reads new facts, lets time pass, tells the writer what the rules say.
//!
//! Invariant: at a start everything is judged from all facts and said in full, what stands no longer
//! included; after it, changes only. The writer compares with what stands, so a repeat is harmless. A
//! warning goes only when its rule is judged and does not hold: while something it needs is not said
//! any more, it stands as it was.

use super::said::Said;
use super::{load, said};
use crate::clock;
use crate::ingest::Input;
use crate::store::{Store, StoreError};
use minewatch_domain::{At, Level, OrgPath};
use minewatch_risk::dictionary::Dictionary;
use minewatch_risk::rule::{Change, Engine, Verdict};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// How often new facts are looked for, and time is let pass.
const LOOK: Duration = Duration::from_millis(500);
/// Facts read at once.
const PAGE: i64 = 5_000;
/// Warnings given to the writer at once: a transaction stays short.
const SAID_MAX: usize = 200;

/// The judging task.
#[derive(Debug)]
pub struct Brain {
    /// Reads facts.
    pub store: Store,
    /// To the writer.
    pub inputs: mpsc::Sender<Input>,
    /// Folder of rules instead of the shipped ones.
    pub rules: Option<PathBuf>,
}

struct Judging {
    engine: Engine,
    next: i64,
    /// Rule and subject of warnings that stand and cannot be judged now; at most as many as stand.
    in_doubt: BTreeSet<(usize, u32)>,
}

impl Brain {
    /// Runs until stopped.
    pub async fn run(self, stop: CancellationToken) {
        let mut judging: Option<Judging> = None;
        loop {
            let step = async {
                match judging.take() {
                    None => self.begin().await,
                    Some(known) => self.step(known).await,
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                done = step => match done {
                    Ok(now) => judging = Some(now),
                    // Judged again from the store: what was read half is not trusted.
                    Err(error) => tracing::warn!(error = &error as &dyn std::error::Error, "facts not readable"),
                },
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    }

    /// Everything from the store, judged, and said in full.
    async fn begin(&self) -> Result<Judging, StoreError> {
        let (rules, world, faults) = load(self.rules.as_deref()).compile(&Dictionary::shipped());
        for fault in &faults {
            tracing::error!(error = %fault, "rule left out");
        }
        let mut judging = Judging { engine: Engine::new(rules, world), next: 0, in_doubt: BTreeSet::new() };
        loop {
            let page = self.store.facts_after(judging.next, PAGE).await?;
            for stored in &page {
                judging.next = stored.number;
                judging.engine.load(&stored.fact);
            }
            if page.is_empty() {
                break;
            }
            tokio::task::yield_now().await;
        }
        if judging.next == 0 {
            return Ok(judging);
        }
        let _all = judging.engine.judge_all(clock::now().micros());
        let standing: Vec<Change> = judging
            .engine
            .standing()
            .into_iter()
            .map(|(rule, subject, after)| Change { rule, subject, before: Verdict::Clear, after })
            .collect();
        let mut known = self.store.risks_standing().await?;
        judging.keep_in_doubt(&standing, &mut known);
        let said = judging.said(&standing);
        let gone = self.gone(&said, &known).await?;
        self.tell(said.into_iter().chain(gone).collect()).await;
        Ok(judging)
    }

    /// Those of the alarms that no rule stands behind any more.
    async fn gone(&self, said: &[Said], known: &[(String, String)]) -> Result<Vec<Said>, StoreError> {
        let here: BTreeSet<(&str, &str)> = said
            .iter()
            .filter(|one| one.level > Level::Normal)
            .map(|one| (one.gateway.as_str(), one.alarm.as_str()))
            .collect();
        let places = self.store.places().await?;
        let ended = known.iter().filter(|(gateway, alarm)| !here.contains(&(gateway.as_str(), alarm.as_str())));
        let clear = |(gateway, alarm): &(String, String)| {
            let gateway = minewatch_domain::GatewayId::parse(gateway).ok()?;
            let rule = alarm.split('.').next().unwrap_or_default();
            Some(Said {
                org: places.get(&gateway).cloned().unwrap_or_else(OrgPath::unassigned),
                alarm: minewatch_domain::PointId::parse(alarm).ok()?,
                kind: said::kind(domain_of(rule)),
                level: Level::Normal,
                at: clock::now(),
                rule: rule.to_uppercase(),
                why: "不再成立 | no longer holds".to_owned(),
                proof: String::new(),
                gateway,
            })
        };
        Ok(ended.filter_map(clear).collect())
    }

    async fn step(&self, mut judging: Judging) -> Result<Judging, StoreError> {
        let page = self.store.facts_after(judging.next, PAGE).await?;
        let now = clock::now().micros();
        let mut changes = judging.engine.advance(now);
        for stored in &page {
            judging.next = stored.number;
            changes.extend(judging.engine.take(&stored.fact));
        }
        let said = judging.said(&changes);
        self.tell(said).await;
        Ok(judging)
    }

    async fn tell(&self, said: Vec<Said>) {
        for part in said.chunks(SAID_MAX) {
            // The writer is gone only when the program ends.
            let _ = self.inputs.send(Input::Risk(part.to_vec())).await;
        }
    }
}

/// The domain of a rule by its first letter, for alarms whose rule is gone.
fn domain_of(rule: &str) -> &'static str {
    match rule.chars().next() {
        Some('c') => "credit",
        Some('t') => "treasury",
        Some('l') => "legal",
        Some(_) | None => "procurement",
    }
}

impl Judging {
    /// The alarms of changes; the last change of a subject counts.
    fn said(&mut self, changes: &[Change]) -> Vec<Said> {
        let at = clock::now();
        changes.iter().filter_map(|change| self.one(change, at)).collect()
    }

    fn one(&mut self, change: &Change, at: At) -> Option<Said> {
        let subject = (change.rule, change.subject);
        let hit = matches!(change.before, Verdict::Hit(..));
        match change.after {
            Verdict::Unknown => {
                if hit {
                    self.in_doubt.insert(subject);
                }
                return None;
            }
            Verdict::Clear if !self.in_doubt.remove(&subject) && !hit => return None,
            Verdict::Clear => {}
            Verdict::Hit(..) => drop(self.in_doubt.remove(&subject)),
        }
        self.alarm(change, at)
    }

    fn alarm(&self, change: &Change, at: At) -> Option<Said> {
        let told = if change.after == Verdict::Clear { Verdict::Unknown } else { change.after };
        let warning = self.engine.warning(change.rule, change.subject, told)?;
        Said::of(self.engine.rules().nth(change.rule)?, &warning, change.after, at)
    }

    /// Takes alarms whose rule cannot be judged now out of those that may be cleared.
    fn keep_in_doubt(&mut self, standing: &[Change], known: &mut Vec<(String, String)>) {
        for change in standing.iter().filter(|change| change.after == Verdict::Unknown) {
            if known.is_empty() {
                return;
            }
            let Some(said) = self.alarm(change, clock::now()) else { continue };
            let before = known.len();
            known.retain(|(gateway, alarm)| gateway != said.gateway.as_str() || alarm != said.alarm.as_str());
            if known.len() < before {
                self.in_doubt.insert((change.rule, change.subject));
            }
        }
    }
}

#[cfg(test)]
#[path = "brain_tests.rs"]
mod tests;
