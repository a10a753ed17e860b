//! The task that judges: reads new facts, lets time pass, tells the writer what the rules say.
//!
//! Invariant: at a start everything is judged from all facts and said in full, what stands no longer
//! included; after it, changes only. The writer compares with what stands, so a repeat is harmless. A
//! warning goes only when its rule is judged and does not hold, or was ended by two people, or its file was
//! taken away: while something it needs is not said any more, or its rule cannot be read, it stands as it was. When other rules judge than before, the new ones are compiled and given
//! all facts while the old ones go on judging; then they take over at once and say everything in full.

use super::dictionary;
use super::facts::Standing;
use super::said::Said;
use crate::clock;
use crate::ingest::Input;
use crate::store::{Store, StoreError};
use minewatch_domain::{At, Level, OrgPath};
use minewatch_risk::rule::{Change, Engine, Fault, Verdict};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// How often new facts are looked for, and time is let pass.
const LOOK: Duration = Duration::from_millis(500);
/// Facts read at once.
const PAGE: i64 = 5_000;
/// Warnings given to the writer at once: a transaction stays short.
const SAID_MAX: usize = 200;

/// Which versions of rules judge here now, and what of the files could not be taken.
#[derive(Debug, Clone, Default)]
pub struct Judges(Arc<RwLock<(BTreeSet<String>, Vec<Fault>)>>);

impl Judges {
    /// Whether a version (`P01#1`) judges.
    pub fn judges(&self, reference: &str) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).0.contains(reference)
    }

    /// What could not be taken.
    pub fn faults(&self) -> Vec<Fault> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).1.clone()
    }

    fn set(&self, references: BTreeSet<String>, faults: Vec<Fault>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = (references, faults);
    }
}

/// The judging task.
#[derive(Debug)]
pub struct Brain {
    /// Reads facts.
    pub store: Store,
    /// To the writer.
    pub inputs: mpsc::Sender<Input>,
    /// Folder of rules instead of the shipped ones.
    pub rules: Option<PathBuf>,
    /// Told which rules judge.
    pub judges: Judges,
}

struct Judging {
    engine: Engine,
    next: i64,
    /// The number of the library of rules it was compiled from.
    rules: i64,
    /// Rule and subject of warnings that stand and cannot be judged now; at most as many as stand.
    in_doubt: BTreeSet<(usize, u32)>,
    faults: Vec<Fault>,
    /// Ids of rules that people ended.
    ended: BTreeSet<String>,
}

impl Brain {
    /// Runs until stopped.
    pub async fn run(self, stop: CancellationToken) {
        let work = async {
            loop {
                // Judged again from the store after a failure: what was read half is not trusted.
                if let Err(error) = self.judge().await {
                    tracing::warn!(error = &error as &dyn std::error::Error, "facts not readable");
                }
                tokio::time::sleep(LOOK).await;
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = work => {}
        }
    }

    /// Judges until the store fails.
    async fn judge(&self) -> Result<(), StoreError> {
        let mut judging = self.begin().await?;
        loop {
            tokio::time::sleep(LOOK).await;
            judging = if self.store.rules_changed().await? == judging.rules {
                self.step(judging).await?
            } else {
                self.reload(judging).await?
            };
        }
    }

    /// Everything from the store, judged, and said in full.
    async fn begin(&self) -> Result<Judging, StoreError> {
        let judging = self.prepare().await?;
        self.take_over(judging).await
    }

    /// The rules that judge now take over; the old ones judge until the new ones have read all facts.
    async fn reload(&self, old: Judging) -> Result<Judging, StoreError> {
        let mut old = Some(old);
        let fresh = {
            let mut preparing = std::pin::pin!(self.prepare());
            loop {
                tokio::select! {
                    biased;
                    done = &mut preparing => break done?,
                    () = tokio::time::sleep(LOOK) => {}
                }
                if let Some(judging) = old.take() {
                    old = Some(self.step(judging).await?);
                }
            }
        };
        drop(old);
        let judging = self.take_over(fresh).await?;
        tracing::info!(rules = judging.engine.rules().count(), "other business rules judge from now on");
        Ok(judging)
    }

    /// An engine over the rules that judge, with all facts, not judged yet.
    async fn prepare(&self) -> Result<Judging, StoreError> {
        // Read before the rules: a change in between is seen again.
        let number = self.store.rules_changed().await?;
        let (loaded, ended) = self.store.rules_that_judge(self.rules.as_deref()).await?;
        let (rules, world, faults) = loaded.compile(dictionary());
        for fault in &faults {
            tracing::error!(error = %fault, "rule left out");
        }
        let engine = Engine::new(rules, world);
        let mut judging = Judging { engine, next: 0, rules: number, in_doubt: BTreeSet::new(), faults, ended };
        self.catch_up(&mut judging).await?;
        Ok(judging)
    }

    async fn catch_up(&self, judging: &mut Judging) -> Result<(), StoreError> {
        loop {
            let page = self.store.facts_after(judging.next, PAGE).await?;
            for stored in &page {
                judging.next = stored.number;
                judging.engine.load(&stored.fact);
            }
            if page.is_empty() {
                return Ok(());
            }
            tokio::task::yield_now().await;
        }
    }

    /// Reads what came in the meantime, judges everything, and says it in full.
    async fn take_over(&self, mut judging: Judging) -> Result<Judging, StoreError> {
        self.catch_up(&mut judging).await?;
        self.judges.set(judging.references(), judging.faults.clone());
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
        let gone = judging.gone(&said, &known);
        self.tell(said.into_iter().chain(gone).collect()).await;
        Ok(judging)
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

    /// The versions that judge.
    fn references(&self) -> BTreeSet<String> {
        self.engine.rules().map(|rule| rule.file.reference()).collect()
    }

    /// Whether some rule could not be taken, so that one that is not here may be it.
    fn rules_missing(&self) -> bool {
        let here = self.references();
        self.faults.iter().any(|fault| !here.contains(&fault.file))
    }

    /// Those of the alarms that no rule stands behind any more.
    fn gone(&self, said: &[Said], known: &[Standing]) -> Vec<Said> {
        let here: BTreeSet<(&str, &str)> = said
            .iter()
            .filter(|one| one.level > Level::Normal)
            .map(|one| (one.gateway.as_str(), one.alarm.as_str()))
            .collect();
        let judged: BTreeSet<String> = self.engine.rules().map(|rule| rule.file.id.to_lowercase()).collect();
        let ended: BTreeSet<String> = self.ended.iter().map(|id| id.to_lowercase()).collect();
        let missing = self.rules_missing();
        let clear = |one: &Standing| {
            let rule = one.alarm.split('.').next().unwrap_or_default();
            if missing && !judged.contains(rule) && !ended.contains(rule) {
                return None;
            }
            let why = if judged.contains(rule) {
                "不再成立 | no longer holds"
            } else {
                "规则已停用 | the rule no longer judges"
            };
            Some(Said {
                org: OrgPath::parse(&one.org).unwrap_or_else(|_| OrgPath::unassigned()),
                alarm: minewatch_domain::PointId::parse(&one.alarm).ok()?,
                kind: minewatch_domain::AlarmKind::from_name(&one.kind)?,
                level: Level::Normal,
                at: clock::now(),
                rule: rule.to_uppercase(),
                why: why.to_owned(),
                proof: String::new(),
                gateway: minewatch_domain::GatewayId::parse(&one.gateway).ok()?,
            })
        };
        let left = known.iter().filter(|one| !here.contains(&(one.gateway.as_str(), one.alarm.as_str())));
        left.filter_map(clear).collect()
    }

    /// Takes alarms whose rule cannot be judged now out of those that may be cleared.
    fn keep_in_doubt(&mut self, standing: &[Change], known: &mut Vec<Standing>) {
        for change in standing.iter().filter(|change| change.after == Verdict::Unknown) {
            if known.is_empty() {
                return;
            }
            let Some(said) = self.alarm(change, clock::now()) else { continue };
            let before = known.len();
            known.retain(|one| one.gateway != said.gateway.as_str() || one.alarm != said.alarm.as_str());
            if known.len() < before {
                self.in_doubt.insert((change.rule, change.subject));
            }
        }
    }
}

#[cfg(test)]
#[path = "brain_tests.rs"]
mod tests;
