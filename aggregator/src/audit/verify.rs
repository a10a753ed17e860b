//! The check of the trail: in the running program, and offline by `aggregator verify-audit`.
//!
//! Invariant: an edited, missing or added entry, and a tail cut off behind a signed head, is found
//! and named. What is not found: a rewrite of everything since the last head that left the machine.

use super::head::SignedHead;
use super::{Entry, GENESIS, after, head};
use crate::store::{Store, StoreError};
use serde::Serialize;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

/// Findings told; more are counted.
const FINDINGS_MAX: usize = 100;

/// Something that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Finding {
    /// Where.
    pub seq: i64,
    /// `edited`, `missing`, `relinked`, `tail_cut`, `rewritten`, `head_differs`, `bad_signature`.
    pub what: &'static str,
    /// In a sentence.
    pub detail: String,
}

/// The outcome.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Report {
    /// Entries read.
    pub entries: i64,
    /// Position of the last one.
    pub last_seq: i64,
    /// Its hash.
    pub last_hash: String,
    /// Position up to which a signed head vouches; `None` without a head.
    pub signed_seq: Option<i64>,
    /// What was found, at most a hundred.
    pub findings: Vec<Finding>,
    /// How many there are.
    pub found: u64,
}

/// Walks the chain entry by entry.
#[derive(Debug)]
pub struct Check {
    report: Report,
    expected: i64,
    previous: String,
    signed: Option<SignedHead>,
    met: bool,
}

impl Check {
    /// A check, against a head where there is one. `key`: the public key it must be signed with.
    pub fn new(signed: Option<SignedHead>, key: Option<&str>) -> Check {
        let mut check = Check {
            report: Report { last_hash: GENESIS.to_owned(), ..Report::default() },
            expected: 1,
            previous: GENESIS.to_owned(),
            met: false,
            signed: None,
        };
        if let Some(head) = signed {
            match head.verifies(key) {
                true => {
                    check.report.signed_seq = Some(head.seq);
                    check.met = head.seq == 0;
                    check.signed = Some(head);
                }
                false => check.find(head.seq, "bad_signature", "the head is not signed by the expected key".to_owned()),
            }
        }
        check
    }

    fn find(&mut self, seq: i64, what: &'static str, detail: String) {
        self.report.found += 1;
        if self.report.findings.len() < FINDINGS_MAX {
            self.report.findings.push(Finding { seq, what, detail });
        }
    }

    /// The next entry, in order of its number.
    pub fn step(&mut self, entry: &Entry) {
        self.report.entries += 1;
        if entry.seq > self.expected {
            let (from, to) = (self.expected, entry.seq - 1);
            self.find(from, "missing", format!("entries {from} to {to} are not there"));
        } else if entry.seq < self.expected {
            self.find(entry.seq, "relinked", "an entry stands out of order".to_owned());
        }
        if entry.computed() != entry.hash {
            self.find(entry.seq, "edited", "the entry does not have its own hash".to_owned());
        } else if entry.previous != self.previous && entry.seq == self.expected {
            self.find(entry.seq, "relinked", "the entry does not follow the one before".to_owned());
        }
        if let Some(head) = self.signed.as_ref().filter(|head| head.seq == entry.seq) {
            self.met = true;
            if head.hash != entry.hash {
                self.find(entry.seq, "rewritten", "the signed head has another hash for this entry".to_owned());
            }
        }
        self.expected = entry.seq + 1;
        self.previous = entry.hash.clone();
        self.report.last_seq = entry.seq;
        self.report.last_hash = entry.hash.clone();
    }

    /// The end. `head`: the head row of the database, where there is one.
    pub fn finish(mut self, head: Option<(i64, String)>) -> Report {
        let (seq, hash) = (self.report.last_seq, self.report.last_hash.clone());
        if let Some((at, _)) = head.filter(|(at, of)| (*at, of) != (seq, &hash)) {
            self.find(at, "head_differs", format!("the head row says entry {at}, the last entry is {seq}"));
        }
        if let Some(signed) = self.signed.clone().filter(|_| !self.met) {
            let to = signed.seq;
            let what = if to > seq { "tail_cut" } else { "missing" };
            self.find(to, what, format!("a signed head of {} names entry {to}, which is not there", signed.at));
        }
        self.report
    }
}

/// Checks the trail in the store.
///
/// # Errors
/// When the store does not answer.
pub async fn verify(store: &Store, signed: Option<SignedHead>, key: Option<&str>) -> Result<Report, StoreError> {
    // The head first: entries appended meanwhile are newer than it, never older.
    let before = head(store).await?;
    let mut check = Check::new(signed, key);
    let mut at = 0;
    loop {
        let entries = after(store, at).await?;
        let Some(last) = entries.last() else { break };
        at = last.seq;
        entries.iter().for_each(|entry| check.step(entry));
    }
    // A head row that moved on while we read is not a difference.
    let now = head(store).await?;
    Ok(check.finish(Some(if now.0 == at { now } else { before })))
}

/// Longest line of an export.
const LINE_BYTES_MAX: u64 = 64 * 1024;

/// The check of `aggregator verify-audit`: of an export, or of the store when there is none.
///
/// # Errors
/// When a file or the store cannot be read.
pub fn offline(
    store: &str,
    export: Option<&Path>,
    signed: Option<&Path>,
    key: Option<&str>,
) -> Result<Report, StoreError> {
    let signed = signed.map(super::head::read_head).transpose()?;
    match export {
        Some(file) => of_export(file, signed, key),
        None => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                let store = Store::open(store).await?;
                let report = verify(&store, signed, key).await;
                store.close().await;
                report
            })
        }
    }
}

fn of_export(file: &Path, signed: Option<SignedHead>, key: Option<&str>) -> Result<Report, StoreError> {
    let mut check = Check::new(signed, key);
    let mut lines = BufReader::new(std::fs::File::open(file)?);
    let mut number = 0i64;
    loop {
        let mut line = String::new();
        number += 1;
        if (&mut lines).take(LINE_BYTES_MAX).read_line(&mut line)? == 0 {
            break;
        }
        match serde_json::from_str::<Entry>(&line) {
            Ok(entry) => check.step(&entry),
            Err(error) => check.find(number, "edited", format!("line {number} is no entry: {error}")),
        }
    }
    Ok(check.finish(None))
}

#[cfg(test)]
mod tests {
    use super::super::head::Signer;
    use super::*;
    use minewatch_domain::At;
    use proptest::prelude::*;

    fn trail(length: i64) -> Vec<Entry> {
        let mut previous = GENESIS.to_owned();
        let entry = |seq| {
            let text = format!("x{seq}");
            let mut entry = Entry {
                seq,
                at: At(seq),
                person: "li.wei".to_owned(),
                via: "session:1".to_owned(),
                action: "alarm.acknowledge".to_owned(),
                target: text,
                detail: "{}".to_owned(),
                previous: previous.clone(),
                hash: String::new(),
            };
            entry.hash = entry.computed();
            previous.clone_from(&entry.hash);
            entry
        };
        (1..=length).map(entry).collect()
    }

    fn found(entries: &[Entry], signed: Option<SignedHead>) -> Vec<(i64, &'static str)> {
        let mut check = Check::new(signed, None);
        entries.iter().for_each(|entry| check.step(entry));
        check.finish(None).findings.iter().map(|finding| (finding.seq, finding.what)).collect()
    }

    fn signer() -> Signer {
        let folder = tempfile::tempdir().expect("folder");
        Signer::open(&folder.path().join("k.key")).expect("key")
    }

    /// Makes the chain sound again from `from` on, as somebody would who knows how it is made.
    fn rechain(entries: &mut [Entry], from: usize) {
        for at in from..entries.len() {
            entries[at].previous = if at == 0 { GENESIS.to_owned() } else { entries[at - 1].hash.clone() };
            entries[at].hash = entries[at].computed();
        }
    }

    #[test]
    fn a_whole_trail_has_no_findings() {
        let entries = trail(5);
        let head = signer().sign(5, entries[4].hash.clone(), At(0));
        assert_eq!(found(&entries, Some(head)), []);
        assert_eq!(found(&[], None), []);
    }

    #[test]
    fn an_edit_a_deletion_a_cut_tail_and_a_rewrite_are_found() {
        let entries = trail(5);
        let head = || Some(signer().sign(5, entries[4].hash.clone(), At(0)));
        let mut edited = entries.clone();
        edited[2].person = "somebody.else".to_owned();
        assert_eq!(found(&edited, head()), [(3, "edited")]);
        let mut deleted = entries.clone();
        deleted.remove(2);
        assert_eq!(found(&deleted, head()), [(3, "missing")]);
        assert_eq!(found(&entries[..3], head()), [(5, "tail_cut")]);
        assert_eq!(found(&entries[..3], None), [], "without a head a cut tail cannot be seen");
        let mut rewritten = entries.clone();
        rewritten[2].person = "somebody.else".to_owned();
        rechain(&mut rewritten, 2);
        assert_eq!(found(&rewritten, head()), [(5, "rewritten")]);
        let forged = SignedHead { seq: 3, ..head().expect("a head") };
        assert_eq!(found(&entries, Some(forged)), [(3, "bad_signature")]);
    }

    proptest! {
        #[test]
        fn whatever_one_changes_is_found(length in 1i64..30, at in 0usize..30, kind in 0..4) {
            let mut entries = trail(length);
            let head = signer().sign(length, entries[entries.len() - 1].hash.clone(), At(0));
            let at = at % entries.len();
            match kind {
                0 => entries[at].detail.push('x'),
                1 => { entries.remove(at); }
                2 => entries.truncate(at),
                _ => { entries[at].target.push('x'); rechain(&mut entries, at); }
            }
            prop_assert_ne!(found(&entries, Some(head)), vec![]);
        }
    }
}
