//! sled behind a journal: what was written since the last fold is in memory and in the journal's file.
//!
//! ```text
//! commit ─▶ journal (append, sync) ─▶ memory ─▶ fold ─▶ sled (batches, flush, sync) ─▶ journal from its start
//! ```
//!
//! Invariants: after [`Ledger::commit`] the writes survive a power cut; reading sees them at once. A fold
//! repeated after a crash changes nothing. Notes ([`Ledger::note`]) are lost in a crash unless a fold came
//! after them, several of one call all together. Deliberately absent: what keys and values mean.

use super::SpoolError;
use super::journal::{FOLD_BYTES, Journal, Write};
use std::collections::BTreeMap;
use std::collections::btree_map::Range as MemoryRange;
use std::iter::Peekable;
use std::ops::Deref;
use std::path::Path;

/// sled's page cache. Small: the spool is written and read in order.
const CACHE_BYTES: u64 = 4 << 20;
/// Writes in one sled batch. sled frees what a batch replaces only after the batch, so that ten thousand
/// names in one would cost tens of megabytes for good.
const TOGETHER_MAX: usize = 64;
/// Writes in memory after which a fold is due, whatever their size.
const WRITES_MAX: usize = 4_096;
/// Where sled keeps the journal's generation.
const K_GENERATION: &[u8] = b"j:generation";

/// The store of the spool's keys.
pub(super) struct Ledger {
    db: sled::Db,
    /// The file below sled, to sync it for real.
    file: std::fs::File,
    journal: Journal,
    generation: u64,
    /// Newer than what sled has.
    memory: Memory,
}

type Memory = BTreeMap<Vec<u8>, Recent>;

/// A write that sled does not have yet; no value is a removal.
struct Recent {
    value: Option<Vec<u8>>,
    /// It is in the journal.
    durable: bool,
}

/// A value found.
pub(super) enum Value<'a> {
    /// In sled.
    Stored(sled::IVec),
    /// Not in sled yet.
    Fresh(&'a [u8]),
}

impl Deref for Value<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Value::Stored(bytes) => bytes,
            Value::Fresh(bytes) => bytes,
        }
    }
}

impl Ledger {
    /// Opens the ledger in `path` and brings sled up to the journal.
    pub(super) fn open(path: &Path) -> Result<Ledger, SpoolError> {
        let db = open_db(path)?;
        let generation = db.get(K_GENERATION)?.and_then(|v| v.as_ref().try_into().ok()).map_or(0, u64::from_be_bytes);
        let file = std::fs::File::open(path.join("db")).map_err(io)?;
        let (journal, found) = Journal::open(&path.join("journal"), generation).map_err(io)?;
        let mut ledger = Ledger { db, file, journal, generation, memory: Memory::new() };
        ledger.remember(found, true);
        ledger.fold()?;
        Ok(ledger)
    }

    /// Makes writes durable, all or none.
    pub(super) fn commit(&mut self, writes: Vec<Write>) -> Result<(), SpoolError> {
        // Before, not after: a fold that fails must not make writes look lost that are in the journal.
        if self.journal.len() >= FOLD_BYTES || self.memory.len() >= WRITES_MAX {
            self.fold()?;
        }
        self.journal.append(&writes).map_err(io)?;
        self.remember(writes, true);
        Ok(())
    }

    /// Writes what may be lost in a crash, all or none of it.
    pub(super) fn note(&mut self, writes: Vec<Write>) {
        self.remember(writes, false);
    }

    fn remember(&mut self, writes: Vec<Write>, durable: bool) {
        self.memory.extend(writes.into_iter().map(|(key, value)| (key, Recent { value, durable })));
    }

    /// Hands everything to sled. Repeated after a crash in between it does the same again: new values may
    /// be written in several batches; removals, notes and the next generation come last and together.
    fn fold(&mut self) -> Result<(), SpoolError> {
        if self.memory.is_empty() {
            return Ok(());
        }
        let next = self.generation + 1;
        let mut last = sled::Batch::default();
        last.insert(K_GENERATION, &next.to_be_bytes());
        let mut batch = sled::Batch::default();
        let mut together = 0;
        for (key, recent) in &self.memory {
            match &recent.value {
                Some(value) if recent.durable => {
                    batch.insert(key.as_slice(), value.as_slice());
                    together += 1;
                }
                Some(value) => last.insert(key.as_slice(), value.as_slice()),
                None => last.remove(key.as_slice()),
            }
            if together == TOGETHER_MAX {
                self.db.apply_batch(std::mem::take(&mut batch))?;
                together = 0;
            }
        }
        self.db.apply_batch(batch)?;
        self.db.apply_batch(last)?;
        self.db.flush()?;
        // sled only asks for the pages to be written out; the disk's own cache and the file's length
        // need a real sync to survive a power cut.
        self.file.sync_data().map_err(io)?;
        self.memory.clear();
        self.generation = next;
        self.journal.rewind(next);
        Ok(())
    }

    /// The value of a key.
    pub(super) fn get(&self, key: &[u8]) -> Result<Option<Value<'_>>, SpoolError> {
        match self.memory.get(key) {
            Some(recent) => Ok(recent.value.as_deref().map(Value::Fresh)),
            None => Ok(self.db.get(key)?.map(Value::Stored)),
        }
    }

    /// Keys in `from..to` with their values, in order.
    pub(super) fn range(&self, from: Vec<u8>, to: Vec<u8>) -> Found<'_> {
        if from >= to {
            return Found { stored: None, fresh: None };
        }
        let stored = self.db.range(from.clone()..to.clone()).peekable();
        Found { stored: Some(stored), fresh: Some(self.memory.range(from..to).peekable()) }
    }

    /// Keys that begin with `tag`.
    pub(super) fn tagged(&self, tag: u8) -> Found<'_> {
        self.range(vec![tag], vec![tag + 1])
    }
}

/// Keys and values of a range: sled's, with memory over them.
pub(super) struct Found<'a> {
    stored: Option<Peekable<sled::Iter>>,
    fresh: Option<Peekable<MemoryRange<'a, Vec<u8>, Recent>>>,
}

impl<'a> Iterator for Found<'a> {
    type Item = Result<(Vec<u8>, Value<'a>), SpoolError>;

    fn next(&mut self) -> Option<Self::Item> {
        let (stored, fresh) = (self.stored.as_mut()?, self.fresh.as_mut()?);
        loop {
            let fresh_key = fresh.peek().map(|(key, _)| key.as_slice());
            let stored_key = match stored.peek() {
                Some(Ok((key, _))) => Some(key.as_ref()),
                Some(Err(error)) => return Some(Err(error.clone().into())),
                None => None,
            };
            match (stored_key, fresh_key) {
                (None, None) => return None,
                (Some(old), new) if new.is_none_or(|new| old < new) => {
                    let (key, value) = stored.next()?.ok()?;
                    return Some(Ok((key.to_vec(), Value::Stored(value))));
                }
                (old, _) => {
                    if old == fresh_key {
                        stored.next();
                    }
                    let (key, recent) = fresh.next()?;
                    if let Some(value) = &recent.value {
                        return Some(Ok((key.clone(), Value::Fresh(value))));
                    }
                }
            }
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn io(error: std::io::Error) -> SpoolError {
    SpoolError::Io(error.to_string())
}

/// Opens sled. Corruption (also when sled panics over it) is told apart from "in use" and I/O
/// errors: only a damaged spool may be moved aside.
fn open_db(path: &Path) -> Result<sled::Db, SpoolError> {
    let open = || sled::Config::new().path(path).cache_capacity(CACHE_BYTES).flush_every_ms(None).open();
    match std::panic::catch_unwind(std::panic::AssertUnwindSafe(open)) {
        Ok(Ok(db)) => Ok(db),
        Ok(Err(error)) => Err(error.into()),
        Err(_) => Err(SpoolError::Damaged("sled could not read its log".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Model = BTreeMap<Vec<u8>, Vec<u8>>;

    fn apply(model: &mut Model, writes: &[Write]) {
        for (key, value) in writes {
            match value {
                Some(value) => drop(model.insert(key.clone(), value.clone())),
                None => drop(model.remove(key)),
            }
        }
    }

    fn contents(ledger: &Ledger) -> Model {
        let all = ledger.range(vec![0], vec![b'a']).map(|found| found.map(|(key, value)| (key, value.to_vec())));
        all.collect::<Result<_, _>>().expect("readable")
    }

    /// Opens what was just closed: sled's threads let go of its lock a moment after the last handle.
    fn reopened(path: &Path) -> Ledger {
        for _ in 0..1_000 {
            match Ledger::open(path) {
                Ok(ledger) => return ledger,
                Err(SpoolError::Io(why)) if why.contains("lock") => {
                    std::thread::sleep(std::time::Duration::from_millis(10));
                }
                Err(other) => panic!("opened again: {other}"),
            }
        }
        panic!("the lock is still held after ten seconds");
    }

    /// What is done to a ledger, and to a map that stands for it.
    #[derive(Debug, Clone)]
    enum Step {
        Commit(Vec<Write>),
        Fold,
        Crash,
    }

    fn step() -> impl Strategy<Value = Step> {
        let write = (prop::collection::vec(0u8..20, 1..3), prop::option::of(prop::collection::vec(any::<u8>(), 0..40)));
        prop_oneof![
            6 => prop::collection::vec(write, 1..5).prop_map(Step::Commit),
            1 => Just(Step::Fold),
            1 => Just(Step::Crash),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn the_ledger_is_a_map_across_folds_and_crashes(steps in prop::collection::vec(step(), 1..30)) {
            let folder = tempfile::tempdir().expect("folder");
            let mut ledger = Ledger::open(folder.path()).expect("opened");
            let mut model = Model::new();
            for step in steps {
                match step {
                    Step::Commit(writes) => {
                        apply(&mut model, &writes);
                        ledger.commit(writes).expect("durable");
                    }
                    Step::Fold => ledger.fold().expect("folded"),
                    // Nothing is handed over on the way out: what counts is on the disk already.
                    Step::Crash => {
                        drop(ledger);
                        ledger = reopened(folder.path());
                    }
                }
                prop_assert_eq!(&contents(&ledger), &model);
                for key in model.keys() {
                    let found = ledger.get(key).expect("readable").map(|value| value.to_vec());
                    prop_assert_eq!(found.as_ref(), model.get(key));
                }
            }
        }
    }

    #[test]
    fn notes_are_seen_at_once_and_stay_when_a_fold_came_after_them() {
        let folder = tempfile::tempdir().expect("folder");
        let mut ledger = Ledger::open(folder.path()).expect("opened");
        let write = |key: u8, value: Option<u8>| (vec![key], value.map(|v| vec![v]));
        ledger.commit(vec![write(1, Some(1)), write(2, Some(2))]).expect("durable");
        ledger.note(vec![write(1, None), write(3, Some(3))]);
        let after: Model = [(vec![2], vec![2]), (vec![3], vec![3])].into();
        assert_eq!(contents(&ledger), after);
        drop(ledger);
        let mut ledger = reopened(folder.path());
        assert_eq!(contents(&ledger), [(vec![1], vec![1]), (vec![2], vec![2])].into(), "lost together");
        ledger.note(vec![write(1, None), write(3, Some(3))]);
        ledger.fold().expect("folded");
        drop(ledger);
        assert_eq!(contents(&reopened(folder.path())), after);
    }
}
