//! The one writer: takes all waiting inputs, commits them in one transaction, then tells everyone.
//!
//! Invariant: acknowledgements, live events and headquarters news leave only after the commit.
//! When the store fails nothing is acknowledged; the same inputs are tried again until it works.

mod after;

pub use after::{Sites, Told, link};

use crate::clock;
use crate::ingest::Input;
use crate::live::LinkChange;
use crate::store::Committer;
use minewatch_domain::At;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// Rows in one transaction under a flood. A page that gets ten rows is written once and not ten times,
/// which more than halves the time the whole queue takes; the longest transaction stays near half a second.
const ROWS_MAX: usize = 100_000;
/// How often silence is looked for.
const TICK: Duration = Duration::from_millis(500);
/// How often newest values are flushed.
const FLUSH: Duration = Duration::from_secs(3);
/// How often an idle store is asked whether it is there.
const PROBE: Duration = Duration::from_secs(5);

/// The writer task.
#[derive(Debug)]
pub struct Writer {
    committer: Committer,
    told: Told,
    started: At,
    flushed: Instant,
    committed: Instant,
    listened: Instant,
    looked: Instant,
    commands: bool,
}

impl Writer {
    /// A writer that tells `told`.
    pub fn new(committer: Committer, told: Told, started: At) -> Writer {
        // The store was just opened; the first failing commit says otherwise.
        told.metrics.store_ok.set(1);
        let now = Instant::now();
        Writer { committer, told, started, flushed: now, committed: now, listened: now, looked: now, commands: true }
    }

    /// Runs until the inbox is closed and empty.
    pub async fn run(mut self, mut inbox: mpsc::Receiver<Input>, mut orders: mpsc::Receiver<Input>) {
        let mut tick = tokio::time::interval(TICK);
        let mut waiting: Vec<Input> = Vec::new();
        loop {
            tokio::select! {
                biased;
                Some(order) = orders.recv() => waiting.push(order),
                input = inbox.recv() => match input {
                    Some(input) => waiting.push(input),
                    None => break,
                },
                _ = tick.tick() => {}
            }
            self.silence(&mut waiting);
            self.due(&mut waiting).await;
            // What people ask overtakes what waits.
            while let Ok(order) = orders.try_recv() {
                waiting.push(order);
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
        let _ = self.committer.flush_latest(clock::now()).await;
    }

    /// Looks for gateways not heard. Also under a flood of inputs: the tick alone would starve then.
    fn silence(&mut self, waiting: &mut Vec<Input>) {
        if self.listened.elapsed() < TICK {
            return;
        }
        self.listened = Instant::now();
        let changes: Vec<LinkChange> = self.told.live.silent(self.started, clock::now());
        self.told.metrics.gateways_silent.set(i64::try_from(self.told.live.not_heard()).unwrap_or(i64::MAX));
        for change in changes {
            link(&self.told.live, &self.told.board, &change.gateway);
            waiting.push(Input::Link(change));
        }
    }

    /// Looks what time has to do, and sends commands to gateways.
    async fn due(&mut self, waiting: &mut Vec<Input>) {
        if self.looked.elapsed() < TICK && !self.commands {
            return;
        }
        self.looked = Instant::now();
        self.commands = false;
        let (store, now) = (self.committer.store(), clock::now());
        match store.anything_due(now).await {
            Ok(true) => waiting.push(Input::Tick),
            Ok(false) => {}
            // The next commit says what is wrong with the store.
            Err(_) => return,
        }
        let Ok(due) = store.commands_due(now).await else { return };
        let sent: Vec<String> =
            due.iter().filter(|due| self.told.acks.command(due)).map(|due| due.id.clone()).collect();
        if !sent.is_empty() {
            waiting.push(Input::CommandsSent(sent));
        }
    }

    /// Commits, again and again until it works; gives up only when the inbox was closed meanwhile.
    async fn commit(&mut self, waiting: &mut Vec<Input>, rows: usize, inbox: &mpsc::Receiver<Input>) {
        let mut failures = 0u32;
        while !waiting.is_empty() {
            let begun = Instant::now();
            match self.committer.commit(waiting, clock::now()).await {
                Ok(outcome) => {
                    self.committed = Instant::now();
                    self.told.committed(waiting, &outcome, rows, begun.elapsed());
                    self.commands |= outcome.commands;
                    for gateway in &outcome.catalogues {
                        self.told.site(self.committer.store(), gateway).await;
                    }
                    waiting.clear();
                }
                Err(error) => {
                    failures += 1;
                    self.told.failed(&error, failures);
                    if inbox.is_closed() && failures > 3 {
                        tracing::error!(
                            inputs = waiting.len(),
                            "stopping with inputs not committed; they are sent again"
                        );
                        waiting.clear();
                    }
                    tokio::time::sleep(crate::broker::backoff(failures)).await;
                }
            }
        }
    }

    /// With nothing to commit, asks the store whether it is there, so that a failure is known before data comes.
    async fn probe(&mut self) {
        if self.committed.elapsed() < PROBE {
            return;
        }
        self.committed = Instant::now();
        match self.committer.store().probe().await {
            Ok(()) => self.told.works(),
            Err(error) => self.told.failed(&error, 1),
        }
    }

    async fn look_after(&mut self) {
        self.probe().await;
        if self.flushed.elapsed() >= FLUSH {
            self.flushed = Instant::now();
            if let Err(error) = self.committer.flush_latest(clock::now()).await {
                tracing::warn!(error = &error as &dyn std::error::Error, "newest values not flushed");
            }
        }
    }
}
