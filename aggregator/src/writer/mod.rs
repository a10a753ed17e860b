//! The one writer: takes all waiting inputs, commits them in one transaction, then tells everyone.
//!
//! Invariant: acknowledgements, live events and headquarters news leave only after the commit.
//! When the store fails nothing is acknowledged; the same inputs are tried again until it works.

mod after;

pub use after::{Sites, Told};

use crate::clock;
use crate::ingest::Input;
use crate::live::LinkChange;
use crate::store::{Committer, LatestMap};
use minewatch_domain::At;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// Rows in one transaction: large enough that the sync is a small part, small enough that a
/// waiting alarm is not held up for long.
const ROWS_MAX: usize = 20_000;
/// How often newest values are flushed.
const FLUSH: Duration = Duration::from_secs(3);
/// How often upkeep is looked at.
const UPKEEP: Duration = Duration::from_secs(30);

/// The writer task.
#[derive(Debug)]
pub struct Writer {
    committer: Committer,
    told: Told,
    keep_days: Option<u32>,
    started: At,
    flush: LatestMap,
    flushed: Instant,
    kept: Instant,
}

impl Writer {
    /// A writer that tells `told`.
    pub fn new(committer: Committer, told: Told, keep_days: Option<u32>, started: At) -> Writer {
        let now = Instant::now();
        Writer { committer, told, keep_days, started, flush: LatestMap::new(), flushed: now, kept: now }
    }

    /// Runs until the inbox is closed and empty.
    pub async fn run(mut self, mut inbox: mpsc::Receiver<Input>) {
        let mut tick = tokio::time::interval(Duration::from_secs(1));
        let mut waiting: Vec<Input> = Vec::new();
        loop {
            tokio::select! {
                biased;
                input = inbox.recv() => match input {
                    Some(input) => waiting.push(input),
                    None => break,
                },
                _ = tick.tick() => self.silence(&mut waiting),
            }
            let mut rows: usize = waiting.iter().map(Input::rows).sum();
            while rows < ROWS_MAX {
                let Ok(input) = inbox.try_recv() else { break };
                rows += input.rows();
                waiting.push(input);
            }
            self.commit(&mut waiting, rows, &inbox).await;
            self.look_after().await;
        }
        let _ = self.committer.store().flush_latest(&self.flush, clock::now()).await;
    }

    fn silence(&mut self, waiting: &mut Vec<Input>) {
        let changes: Vec<LinkChange> = self.told.live.silent(self.started, clock::now());
        for change in changes {
            self.told.link(&change.gateway);
            waiting.push(Input::Link(change));
        }
    }

    /// Commits, again and again until it works; gives up only when the inbox was closed meanwhile.
    async fn commit(&mut self, waiting: &mut Vec<Input>, rows: usize, inbox: &mpsc::Receiver<Input>) {
        let mut failures = 0u32;
        while !waiting.is_empty() {
            let begun = Instant::now();
            match self.committer.commit(waiting, clock::now()).await {
                Ok(outcome) => {
                    self.told.committed(waiting, &outcome, rows, begun.elapsed());
                    for (gateway, values) in &outcome.values {
                        let flush = self.flush.entry(gateway.clone()).or_default();
                        flush.extend(values.iter().map(|(point, latest)| (point.clone(), *latest)));
                    }
                    for gateway in &outcome.catalogues {
                        self.told.site(self.committer.store(), gateway).await;
                    }
                    waiting.clear();
                }
                Err(error) => {
                    failures += 1;
                    self.told.failed(&error, failures);
                    if inbox.is_closed() && failures > 3 {
                        tracing::error!(inputs = waiting.len(), "stopping with inputs not committed; they are sent again");
                        waiting.clear();
                    }
                    tokio::time::sleep(crate::broker::backoff(failures)).await;
                }
            }
        }
    }

    async fn look_after(&mut self) {
        if self.flushed.elapsed() >= FLUSH && !self.flush.is_empty() {
            self.flushed = Instant::now();
            match self.committer.store().flush_latest(&self.flush, clock::now()).await {
                Ok(()) => self.flush.clear(),
                Err(error) => tracing::warn!(error = &error as &dyn std::error::Error, "newest values not flushed"),
            }
        }
        if self.kept.elapsed() >= UPKEEP {
            match self.committer.store().upkeep(clock::now(), self.keep_days).await {
                // With more to do the next round comes after the next inputs, not at once.
                Ok(done) if done.more => {}
                Ok(_) => self.kept = Instant::now(),
                Err(error) => {
                    self.kept = Instant::now();
                    tracing::warn!(error = &error as &dyn std::error::Error, "upkeep of the store failed");
                }
            }
        }
    }
}
