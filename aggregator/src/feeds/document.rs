//! One document: read once to judge it, once to store it.
//!
//! A document whose structure is broken gives no fact at all; one with bad records gives the good
//! ones and a partial state. Facts go in transactions of [`CHUNK`], so that an alarm never waits
//! long for the store; a document that was interrupted is read again from its beginning, and a fact
//! that is already there is not stored twice.

use super::settings::{FeedConfig, FeedsConfig};
use super::shelf::{self, Done, Known};
use crate::audit::hex;
use crate::clock;
use crate::metrics::{Labels, Metrics};
use crate::store::{Store, StoreError};
use bytes::Bytes;
use minewatch_domain::At;
use minewatch_feed::facts::{Context, Out};
use minewatch_feed::reader::read;
use minewatch_feed::{Gravity, Problem};
use minewatch_risk::fact::Fact;
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::sync::Arc;
use tokio::sync::{Mutex, mpsc};

/// Facts of one transaction.
pub(super) const CHUNK: usize = 1_000;
/// Problems of one document held in memory; the rest is counted.
const PROBLEMS_MAX: usize = 1_000;

/// A document that came.
#[derive(Debug, Clone)]
pub struct Came {
    /// Name: file, message id, query.
    pub name: String,
    /// folder, http, mqtt, query.
    pub via: &'static str,
    /// The sender's own key for it.
    pub label: Option<String>,
    /// Its bytes.
    pub bytes: Bytes,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// All of it was taken.
    Taken,
    /// Some records were refused.
    Partial,
    /// Nothing was taken.
    Refused,
    /// The same bytes had been taken before.
    Duplicate,
}

impl Verdict {
    /// Name in metrics and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Taken => "taken",
            Verdict::Partial => "partial",
            Verdict::Refused => "refused",
            Verdict::Duplicate => "duplicate",
        }
    }

    fn of_state(state: &str) -> Option<Verdict> {
        [Verdict::Taken, Verdict::Partial, Verdict::Refused].into_iter().find(|verdict| verdict.name() == state)
    }
}

/// The report on a document.
#[derive(Debug, Clone)]
pub struct Report {
    /// What became of it.
    pub verdict: Verdict,
    /// Of a duplicate: what had become of the first.
    pub first: Option<Verdict>,
    /// SHA-256 of the bytes.
    pub sha256: String,
    /// Facts in it.
    pub facts: u64,
    /// Records refused.
    pub refused: u64,
    /// Records taken with a doubt.
    pub marks: u64,
    /// The first thousand problems.
    pub problems: Vec<Problem>,
}

/// Why a document could not be dealt with now.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The store; try again.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The sender used one key for two contents.
    #[error("the Idempotency-Key was used for another content")]
    Label,
    /// Reading it failed in a way that is our fault.
    #[error("the reader ended unexpectedly")]
    Reader,
}

/// Takes documents, one at a time.
#[derive(Debug, Clone)]
pub struct Intake {
    store: Store,
    config: Arc<FeedsConfig>,
    metrics: Metrics,
    one: Arc<Mutex<()>>,
}

#[derive(Debug, Default)]
struct Judged {
    facts: u64,
    refused: u64,
    marks: u64,
    broken: Option<Problem>,
    problems: Vec<Problem>,
}

impl Intake {
    /// An intake of `config`'s feeds.
    pub fn new(store: Store, config: Arc<FeedsConfig>, metrics: Metrics) -> Intake {
        Intake { store, config, metrics, one: Arc::default() }
    }

    /// The feeds.
    pub fn config(&self) -> &FeedsConfig {
        &self.config
    }

    /// The store.
    pub(super) fn store(&self) -> &Store {
        &self.store
    }

    /// Takes a document. After `Ok` everything about it is committed.
    ///
    /// # Errors
    /// [`Refusal`]: nothing is said about the document, bring it again.
    pub async fn take(&self, feed: &FeedConfig, came: &Came) -> Result<Report, Refusal> {
        let _one = self.one.lock().await;
        let sha256 = hex(&Sha256::digest(&came.bytes));
        let size = i64::try_from(came.bytes.len()).unwrap_or(i64::MAX);
        let mut writing = self.store.begin().await?;
        let about = (sha256.as_str(), came.name.as_str(), came.via, size);
        let known = shelf::begin(&mut writing, feed.name.as_str(), about, came.label.as_deref(), clock::now()).await?;
        if known.state == "label" {
            return Err(Refusal::Label);
        }
        if let Some(first) = Verdict::of_state(&known.state) {
            shelf::again(&mut writing, feed.name.as_str(), &sha256).await?;
            writing.commit().await?;
            return Ok(self.duplicate(first, &known));
        }
        writing.commit().await?;
        self.read(feed, came.name.clone(), came.bytes.clone(), sha256, At(known.came_us)).await
    }

    /// Reads a document in quarantine again, as it came then, with today's mapping.
    ///
    /// # Errors
    /// As [`Intake::take`].
    pub async fn replay(&self, feed: &FeedConfig, sha256: &str) -> Result<Option<Report>, Refusal> {
        let _one = self.one.lock().await;
        let Some((name, _, body)) = self.store.feed_body(feed.name.as_str(), sha256).await? else { return Ok(None) };
        let mut writing = self.store.begin().await?;
        let about = (sha256, name.as_str(), "replay", 0);
        let known = shelf::begin(&mut writing, feed.name.as_str(), about, None, clock::now()).await?;
        writing.commit().await?;
        self.read(feed, name, Bytes::from(body), sha256.to_owned(), At(known.came_us)).await.map(Some)
    }

    fn duplicate(&self, first: Verdict, known: &Known) -> Report {
        self.metrics.feed_documents.get_or_create(&Labels::reason(Verdict::Duplicate.name())).inc();
        let number = |n: i64| u64::try_from(n).unwrap_or(0);
        Report {
            verdict: Verdict::Duplicate,
            first: Some(first),
            sha256: known.sha256.clone(),
            facts: number(known.facts),
            refused: number(known.refused),
            marks: number(known.marks),
            problems: Vec::new(),
        }
    }

    fn context(&self, feed: &FeedConfig, name: &str, sha256: &str, came: At) -> Context {
        Context {
            source: feed.name.to_string(),
            document: name.to_owned(),
            sha256: sha256.to_owned(),
            org: feed.org.clone(),
            known_at_us: came.micros(),
            zone: feed.zone.clone(),
            dictionary: Arc::clone(&self.config.dictionary),
        }
    }

    async fn read(
        &self,
        feed: &FeedConfig,
        name: String,
        bytes: Bytes,
        sha256: String,
        came: At,
    ) -> Result<Report, Refusal> {
        let context = self.context(feed, &name, &sha256, came);
        let (wanted, look, body) = (feed.wanted.clone(), context.clone(), bytes.clone());
        let judged = tokio::task::spawn_blocking(move || judge(read(&body[..], wanted, look))).await;
        let judged = judged.map_err(|_| Refusal::Reader)?;
        if judged.broken.is_none() {
            self.store_facts(feed, bytes.clone(), context).await?;
        }
        let verdict = match (&judged.broken, judged.refused, judged.facts) {
            (Some(_), _, _) | (None, 1.., 0) => Verdict::Refused,
            (None, 0, _) => Verdict::Taken,
            (None, _, _) => Verdict::Partial,
        };
        let detail = judged.broken.as_ref().map(ToString::to_string).unwrap_or_default();
        let kept = (verdict != Verdict::Taken).then_some(&bytes[..]);
        let facts = if judged.broken.is_some() { 0 } else { judged.facts };
        let done = Done {
            state: verdict.name(),
            facts,
            refused: judged.refused,
            marks: judged.marks,
            detail: &detail,
            problems: &judged.problems,
            body: kept,
        };
        let mut writing = self.store.begin().await?;
        shelf::done(&mut writing, feed.name.as_str(), &sha256, &done, clock::now()).await?;
        writing.commit().await?;
        self.metrics.feed_documents.get_or_create(&Labels::reason(verdict.name())).inc();
        self.metrics.feed_refused.inc_by(judged.refused);
        let (refused, marks) = (judged.refused, judged.marks);
        tracing::info!(feed = %feed.name, document = name, verdict = verdict.name(), facts, refused, marks, detail, "document");
        Ok(Report { verdict, first: None, sha256, facts, refused, marks, problems: judged.problems })
    }

    /// Stores the facts of a document, a chunk a transaction.
    async fn store_facts(&self, feed: &FeedConfig, bytes: Bytes, context: Context) -> Result<(), Refusal> {
        let (chunks, mut inbox) = mpsc::channel::<Vec<Fact>>(2);
        let wanted = feed.wanted.clone();
        let reader = tokio::task::spawn_blocking(move || {
            let mut chunk = Vec::with_capacity(CHUNK);
            for out in read(&bytes[..], wanted, context) {
                let Out::Fact(fact) = out else { continue };
                chunk.push(*fact);
                if chunk.len() == CHUNK && chunks.blocking_send(std::mem::take(&mut chunk)).is_err() {
                    return;
                }
            }
            let _ = chunks.blocking_send(chunk);
        });
        while let Some(facts) = inbox.recv().await {
            let mut writing = self.store.begin().await?;
            let taken = crate::risk::take(&mut writing, &facts, clock::now().micros()).await?;
            writing.commit().await?;
            self.metrics.feed_facts.inc_by(taken.stored);
        }
        reader.await.map_err(|_| Refusal::Reader)
    }
}

/// Reads a document for its problems.
fn judge(outs: impl Iterator<Item = Out>) -> Judged {
    let mut judged = Judged::default();
    for out in outs {
        let problem = match out {
            Out::Fact(_) => {
                judged.facts += 1;
                continue;
            }
            Out::Problem(problem) => problem,
        };
        match problem.gravity {
            Gravity::Mark => judged.marks += 1,
            Gravity::Record => judged.refused += 1,
            Gravity::Document => judged.broken = judged.broken.take().or_else(|| Some(problem.clone())),
        }
        // What costs the document is always told, whatever came before it.
        if judged.problems.len() < PROBLEMS_MAX || problem.gravity == Gravity::Document {
            judged.problems.push(problem);
        }
    }
    // The document's own fault first.
    judged.problems.sort_by_key(|problem| std::cmp::Reverse(problem.gravity));
    judged
}
