//! The file in front of sled: every group of writes is one append and one sync of it.
//!
//! sled needs a thread's hop and seven wakened threads for each flush, and writes a page again for each
//! value that joins it. A group is durable here first; sled gets many groups at once ([`super::ledger`]).
//! The file is made at its full size, so that a sync has no metadata to write, and is written from its
//! start again after each fold.
//!
//! Invariant: [`Journal::append`] returns `Ok` only after the bytes are synced; what is read back is a
//! prefix of what was appended since the last [`Journal::rewind`], a torn or foreign entry ends it.
//! Deliberately absent: what the writes mean, and when to rewind.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Bytes appended after which the ledger folds the journal into sled: a quarter of a minute of a thousand
/// readings a second. Bounds the work of an opening and the memory of what is not in sled yet.
pub(super) const FOLD_BYTES: u64 = 256 << 10;

/// Size made beforehand: one group may come on top of [`FOLD_BYTES`]. A larger one lets the file grow.
const MADE_BYTES: u64 = FOLD_BYTES + (128 << 10);

/// Generation, length and checksum of an entry.
const HEAD: usize = 8 + 4 + 4;
/// Length that stands for a removal.
const REMOVED: u32 = u32::MAX;

/// A key and its new value; `None` removes it.
pub(super) type Write = (Vec<u8>, Option<Vec<u8>>);

/// The open file.
#[derive(Debug)]
pub(super) struct Journal {
    file: File,
    generation: u64,
    end: u64,
}

impl Journal {
    /// Opens or makes the file and reads the entries of `generation`, oldest first.
    pub(super) fn open(path: &Path, generation: u64) -> io::Result<(Journal, Vec<Write>)> {
        let file = File::options().read(true).write(true).create(true).truncate(false).open(path)?;
        let length = file.metadata()?.len();
        let mut bytes = vec![0; usize::try_from(length).unwrap_or(usize::MAX)];
        file.read_exact_at(&mut bytes, 0)?;
        let (writes, end) = read(&bytes, generation);
        if length < MADE_BYTES {
            file.write_all_at(&vec![0; usize::try_from(MADE_BYTES - length).unwrap_or(0)], length)?;
            file.sync_all()?;
        }
        Ok((Journal { file, generation, end: end as u64 }, writes))
    }

    /// Bytes since the last rewind.
    pub(super) fn len(&self) -> u64 {
        self.end
    }

    /// Makes `writes` durable, all or none.
    pub(super) fn append(&mut self, writes: &[Write]) -> io::Result<()> {
        let entry = entry(self.generation, writes)?;
        self.file.write_all_at(&entry, self.end)?;
        self.file.sync_data()?;
        self.end += entry.len() as u64;
        Ok(())
    }

    /// Everything so far is elsewhere: entries of older generations no longer count.
    pub(super) fn rewind(&mut self, generation: u64) {
        self.generation = generation;
        self.end = 0;
    }
}

fn entry(generation: u64, writes: &[Write]) -> io::Result<Vec<u8>> {
    let too_long = |_| io::Error::from(io::ErrorKind::InvalidInput);
    let mut out = vec![0; HEAD];
    for (key, value) in writes {
        out.extend_from_slice(&u32::try_from(key.len()).map_err(too_long)?.to_be_bytes());
        let length = value.as_ref().map_or(Ok(REMOVED), |value| u32::try_from(value.len()).map_err(too_long))?;
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(key);
        out.extend_from_slice(value.as_deref().unwrap_or_default());
    }
    let length = u32::try_from(out.len() - HEAD).map_err(too_long)?;
    out[..8].copy_from_slice(&generation.to_be_bytes());
    out[8..12].copy_from_slice(&length.to_be_bytes());
    let checksum = checksum(&out[..12], &out[HEAD..]);
    out[12..HEAD].copy_from_slice(&checksum.to_be_bytes());
    Ok(out)
}

fn checksum(head: &[u8], body: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(head);
    hasher.update(body);
    hasher.finalize()
}

/// The writes of all whole entries of `generation` from the start, and where they end.
fn read(bytes: &[u8], generation: u64) -> (Vec<Write>, usize) {
    let mut writes = Vec::new();
    let mut at = 0;
    while let Some((body, next)) = whole_entry(bytes, at, generation) {
        let Some(found) = pairs(body) else { break };
        writes.extend(found);
        at = next;
    }
    (writes, at)
}

fn whole_entry(bytes: &[u8], at: usize, generation: u64) -> Option<(&[u8], usize)> {
    let head = bytes.get(at..at.checked_add(HEAD)?)?;
    let length = u32::from_be_bytes(head[8..12].try_into().ok()?);
    let next = (at + HEAD).checked_add(usize::try_from(length).ok()?)?;
    let body = bytes.get(at + HEAD..next)?;
    let whole = head[..8] == generation.to_be_bytes()
        && head[12..HEAD] == checksum(&head[..12], body).to_be_bytes()
        && !body.is_empty();
    whole.then_some((body, next))
}

fn pairs(mut body: &[u8]) -> Option<Vec<Write>> {
    let mut pairs = Vec::new();
    while !body.is_empty() {
        let (head, rest) = body.split_at_checked(8)?;
        let key_len = u32::from_be_bytes(head[..4].try_into().ok()?);
        let value_len = u32::from_be_bytes(head[4..].try_into().ok()?);
        let (key, rest) = rest.split_at_checked(usize::try_from(key_len).ok()?)?;
        let (value, rest) = match value_len {
            REMOVED => (None, rest),
            length => {
                let (value, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
                (Some(value.to_vec()), rest)
            }
        };
        pairs.push((key.to_vec(), value));
        body = rest;
    }
    Some(pairs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn writes() -> impl Strategy<Value = Vec<Write>> {
        let bytes = |max| prop::collection::vec(any::<u8>(), 0..max);
        prop::collection::vec((bytes(20), prop::option::of(bytes(200))), 1..8)
    }

    proptest! {
        #[test]
        fn what_was_appended_is_read_back_and_a_torn_end_costs_only_the_torn_entry(
            groups in prop::collection::vec(writes(), 1..6), cut: prop::sample::Index, generation in 1u64..,
        ) {
            let mut bytes = Vec::new();
            let mut ends = vec![(0, 0)];
            for group in &groups {
                bytes.extend(entry(generation, group).expect("short"));
                ends.push((bytes.len(), ends.last().map_or(0, |(_, n)| n + group.len())));
            }
            let all: Vec<Write> = groups.concat();
            prop_assert_eq!(read(&bytes, generation), (all.clone(), bytes.len()));
            let cut = cut.index(bytes.len());
            let (end, count) = ends.iter().rev().find(|(end, _)| *end <= cut).copied().expect("zero");
            prop_assert_eq!(read(&bytes[..cut], generation), (all[..count].to_vec(), end));
            prop_assert_eq!(read(&bytes, generation ^ 1).0, Vec::<Write>::new(), "another generation");
        }

        #[test]
        fn any_flipped_bit_ends_the_reading_before_it(group in writes(), flip: prop::sample::Index) {
            let mut bytes = entry(7, &group).expect("short");
            let bit = flip.index(bytes.len() * 8);
            bytes[bit / 8] ^= 1 << (bit % 8);
            prop_assert_eq!(read(&bytes, 7).0, Vec::<Write>::new());
        }

        #[test]
        fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), generation: u64) {
            let _ = read(&bytes, generation);
        }
    }

    #[test]
    fn a_file_is_written_from_its_start_again_and_what_is_left_behind_does_not_count() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("journal");
        let write = |n: u8| vec![(vec![n], Some(vec![n; 100]))];
        let (mut journal, found) = Journal::open(&path, 3).expect("made");
        assert!(found.is_empty());
        for n in 0..5 {
            journal.append(&write(n)).expect("durable");
        }
        journal.rewind(4);
        journal.append(&write(9)).expect("durable");
        drop(journal);
        let (journal, found) = Journal::open(&path, 4).expect("opened");
        assert_eq!(found, write(9));
        assert_eq!(journal.len(), std::fs::metadata(&path).expect("file").len().min(journal.len()));
        let (_, old) = Journal::open(&path, 3).expect("opened");
        assert!(old.is_empty(), "the first entry was overwritten, so nothing of before can be read");
    }
}
