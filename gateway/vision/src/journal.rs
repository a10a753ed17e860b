//! Events decided and not yet in the gateway's ledger, one file each.
//!
//! Invariants: a number is never given twice, also across restarts of either program (the gateway
//! says the highest it took); an event is durable before it is told, and told again after every
//! start until it is taken.

use crate::evidence::write_whole;
use anyhow::Context;
use minewatch_camera::message::FallSeen;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tracing::warn;

/// Events waiting for the gateway: it takes one within milliseconds; hours of a broken gateway fit.
/// Beyond it new events are told but not kept.
const WAITING_MAX: usize = 4_096;

/// See the module.
pub struct Journal {
    dir: PathBuf,
    next: u64,
    waiting: BTreeMap<u64, FallSeen>,
}

impl Journal {
    /// Opens the journal; `taken` is the highest number the gateway took.
    ///
    /// # Errors
    /// When the folder cannot be used.
    pub fn open(dir: &Path, taken: u64) -> anyhow::Result<Journal> {
        std::fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
        let mut waiting = BTreeMap::new();
        let mut next = taken + 1;
        for entry in std::fs::read_dir(dir)?.flatten() {
            let path = entry.path();
            let Some(seq) = path.file_name().and_then(|n| n.to_str()?.strip_suffix(".cbor")?.parse::<u64>().ok())
            else {
                continue;
            };
            next = next.max(seq + 1);
            match std::fs::read(&path).ok().and_then(|bytes| minicbor::decode::<FallSeen>(&bytes).ok()) {
                Some(fall) if seq > taken => drop(waiting.insert(seq, fall)),
                Some(_) => drop(std::fs::remove_file(&path)),
                None => warn!(file = %path.display(), "event file cannot be read; it is left for inspection"),
            }
        }
        Ok(Journal { dir: dir.to_owned(), next, waiting })
    }

    /// Events not yet taken, in order.
    pub fn waiting(&self) -> impl Iterator<Item = &FallSeen> {
        self.waiting.values()
    }

    /// Numbers and keeps an event. The event counts even when the disk refuses: it is then told without
    /// being kept, and the refusal is returned with it.
    pub fn add(&mut self, mut fall: FallSeen) -> (FallSeen, Option<anyhow::Error>) {
        fall.seq = self.next;
        self.next += 1;
        if self.waiting.len() >= WAITING_MAX {
            return (fall, Some(anyhow::anyhow!("{WAITING_MAX} events wait for the gateway already")));
        }
        let mut bytes = Vec::new();
        // Writing to memory does not fail.
        let _ = minicbor::encode(&fall, &mut bytes);
        let kept = write_whole(&self.path(fall.seq), &bytes).err();
        self.waiting.insert(fall.seq, fall.clone());
        (fall, kept)
    }

    /// The gateway has the event in its ledger.
    pub fn taken(&mut self, seq: u64) -> Option<FallSeen> {
        let fall = self.waiting.remove(&seq)?;
        let _ = std::fs::remove_file(self.path(seq));
        Some(fall)
    }

    fn path(&self, seq: u64) -> PathBuf {
        self.dir.join(format!("{seq:020}.cbor"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fall(camera: &str) -> FallSeen {
        FallSeen {
            seq: 0,
            camera: camera.into(),
            at_us: 1,
            kind: "from_height".into(),
            score: 1.0,
            track: 1,
            why: "w".into(),
            proof: "{}".into(),
        }
    }

    #[test]
    fn an_event_decided_before_a_kill_is_told_again_under_its_number_until_it_is_taken() {
        let dir = tempfile::tempdir().expect("folder");
        let mut journal = Journal::open(dir.path(), 0).expect("opens");
        assert_eq!(journal.add(fall("a")).0.seq, 1);
        assert_eq!(journal.add(fall("b")).0.seq, 2);
        assert!(journal.taken(1).is_some());
        drop(journal);
        let mut again = Journal::open(dir.path(), 1).expect("opens");
        assert_eq!(again.waiting().map(|f| (f.seq, f.camera.as_str())).collect::<Vec<_>>(), [(2, "b")]);
        assert_eq!(again.add(fall("c")).0.seq, 3);
    }

    #[test]
    fn a_number_that_the_gateway_knows_is_never_given_again() {
        let dir = tempfile::tempdir().expect("folder");
        let mut journal = Journal::open(dir.path(), 41).expect("opens");
        assert_eq!(journal.add(fall("a")).0.seq, 42);
        drop(journal);
        assert_eq!(Journal::open(dir.path(), 42).expect("opens").waiting().count(), 0, "taken before the kill");
    }
}
