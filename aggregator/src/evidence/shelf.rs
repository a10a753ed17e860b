//! The files on disk: `dir/{gateway}/{alarm}/{revision}.{kind}` and beside it `.json`; `.part` while
//! it is not whole.

use minewatch_domain::{GatewayId, PointId};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

/// Largest file taken: two minutes of a 16 Mbit/s stream.
pub(super) const FILE_BYTES_MAX: u64 = 256 << 20;

/// Files of one gateway; a camera that alarms every minute for two days. Further ones are refused.
const FILES_MAX: usize = 8_192;

/// An upload that has not moved for this long is given up.
const STALE_PART: Duration = Duration::from_secs(7 * 86_400);

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EvidenceKind {
    /// Video around the event.
    Clip,
    /// One picture with the decision drawn in.
    Snapshot,
}

impl EvidenceKind {
    /// Name in paths and JSON.
    pub fn name(self) -> &'static str {
        match self {
            EvidenceKind::Clip => "clip",
            EvidenceKind::Snapshot => "snapshot",
        }
    }

    /// The kind of a name.
    pub fn from_name(name: &str) -> Option<EvidenceKind> {
        [EvidenceKind::Clip, EvidenceKind::Snapshot].into_iter().find(|kind| kind.name() == name)
    }

    /// Content type.
    pub fn content_type(self) -> &'static str {
        match self {
            EvidenceKind::Clip => "video/mp4",
            EvidenceKind::Snapshot => "image/jpeg",
        }
    }
}

/// Which file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Whose.
    pub gateway: GatewayId,
    /// The alarm it belongs to.
    pub alarm: PointId,
    /// That alarm's revision.
    pub revision: u64,
    /// What it is.
    pub kind: EvidenceKind,
}

/// A piece of a file.
#[derive(Debug, Clone, Copy)]
pub struct Piece<'a> {
    /// Where it goes.
    pub offset: u64,
    /// Size of the whole file.
    pub length: u64,
    /// SHA-256 of the whole file, hexadecimal.
    pub sha256: &'a str,
    /// The bytes; empty to ask how far it is.
    pub bytes: &'a [u8],
}

/// How far an upload is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Progress {
    /// Where the next piece goes.
    pub offset: u64,
    /// Whole and checked.
    pub complete: bool,
}

/// Why a piece was not taken.
#[derive(Debug, thiserror::Error)]
pub enum EvidenceError {
    /// The piece goes elsewhere.
    #[error("the next piece goes to {0}")]
    Elsewhere(u64),
    /// Another file of this name is there already.
    #[error("another file is kept under this name")]
    Conflict,
    /// The bytes are not those that were named; the upload begins anew.
    #[error("the SHA-256 of what arrived differs; the upload begins anew")]
    Damaged,
    /// It makes no sense.
    #[error("{0}")]
    Bad(String),
    /// There is no room, or the disk refuses.
    #[error("cannot be kept: {0}")]
    Disk(#[from] io::Error),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Named {
    sha256: String,
    bytes: u64,
}

/// The folder. One piece is written at a time: they are small, and order needs no further thought.
#[derive(Debug)]
pub struct Evidence {
    dir: PathBuf,
    size_max_bytes: u64,
    writing: Mutex<()>,
}

impl Evidence {
    /// Uses a folder, made when it is not there.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn open(dir: &Path, size_max_bytes: u64) -> io::Result<Evidence> {
        fs::create_dir_all(dir)?;
        Ok(Evidence { dir: dir.to_owned(), size_max_bytes, writing: Mutex::new(()) })
    }

    /// Takes a piece.
    ///
    /// # Errors
    /// [`EvidenceError`]; nothing of the piece is kept then.
    pub fn put(&self, item: &Item, piece: Piece<'_>) -> Result<Progress, EvidenceError> {
        let sound = piece.sha256.len() == 64 && piece.sha256.bytes().all(|b| b.is_ascii_hexdigit());
        if !sound {
            return Err(EvidenceError::Bad("sha256 must be 64 hexadecimal digits".into()));
        }
        if piece.length == 0 || piece.length > FILE_BYTES_MAX {
            return Err(EvidenceError::Bad(format!("length must be from 1 to {FILE_BYTES_MAX}")));
        }
        let named = Named { sha256: piece.sha256.to_ascii_lowercase(), bytes: piece.length };
        let _one = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let path = self.path(item);
        if let Some(kept) = read_named(&path.with_extension(format!("{}.json", item.kind.name()))) {
            let same = kept == named;
            return same.then_some(Progress { offset: kept.bytes, complete: true }).ok_or(EvidenceError::Conflict);
        }
        self.append(item, &path, &named, piece)
    }

    fn append(&self, item: &Item, path: &Path, named: &Named, piece: Piece<'_>) -> Result<Progress, EvidenceError> {
        let folder = path.parent().ok_or_else(|| EvidenceError::Bad("no folder".into()))?;
        fs::create_dir_all(folder)?;
        // The hash is in the name: an upload of other content is another upload.
        let part = path.with_extension(format!("{}.{}.part", item.kind.name(), &named.sha256[..16]));
        let have = fs::metadata(&part).map_or(0, |data| data.len());
        if piece.bytes.is_empty() && have < named.bytes {
            return Ok(Progress { offset: have, complete: false });
        }
        if piece.offset != have {
            return Err(EvidenceError::Elsewhere(have));
        }
        if have == 0 && self.files(&item.gateway) >= FILES_MAX {
            return Err(EvidenceError::Disk(io::Error::other("this gateway has too many files")));
        }
        if have + piece.bytes.len() as u64 > named.bytes {
            return Err(EvidenceError::Bad("the piece goes beyond the length".into()));
        }
        let mut file = OpenOptions::new().create(true).append(true).open(&part)?;
        file.write_all(piece.bytes)?;
        let offset = have + piece.bytes.len() as u64;
        if offset < named.bytes {
            return Ok(Progress { offset, complete: false });
        }
        file.sync_all()?;
        if digest(&part)? != named.sha256 {
            fs::remove_file(&part)?;
            return Err(EvidenceError::Damaged);
        }
        fs::rename(&part, path)?;
        let about = path.with_extension(format!("{}.json", item.kind.name()));
        fs::write(&about, serde_json::to_vec(named).unwrap_or_default())?;
        File::open(folder)?.sync_all()?;
        Ok(Progress { offset, complete: true })
    }

    /// A whole file: bytes and hash of it; `None` when there is none.
    pub fn get(&self, item: &Item) -> Option<(File, u64, String)> {
        let path = self.path(item);
        let named = read_named(&path.with_extension(format!("{}.json", item.kind.name())))?;
        let mut file = File::open(&path).ok()?;
        file.seek(SeekFrom::Start(0)).ok()?;
        Some((file, named.bytes, named.sha256))
    }

    /// What is kept of an alarm.
    pub fn list(&self, gateway: &GatewayId, alarm: &PointId) -> Vec<(u64, EvidenceKind, u64, String)> {
        let folder = self.dir.join(gateway.as_str()).join(alarm.as_str());
        let mut found = Vec::new();
        for entry in fs::read_dir(folder).into_iter().flatten().flatten().take(FILES_MAX) {
            let name = entry.file_name().to_string_lossy().into_owned();
            let Some(stem) = name.strip_suffix(".json") else { continue };
            let Some((revision, kind)) = stem.split_once('.') else { continue };
            if let (Ok(revision), Some(kind), Some(named)) =
                (revision.parse::<u64>(), EvidenceKind::from_name(kind), read_named(&entry.path()))
            {
                found.push((revision, kind, named.bytes, named.sha256));
            }
        }
        found.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.name().cmp(b.1.name())));
        found
    }

    /// Removes what is older than `keep`, uploads that stand still, and the oldest while it is too much.
    /// Returns how many files went.
    pub fn tidy(&self, keep: Option<Duration>, now: SystemTime) -> usize {
        let mut files = Vec::new();
        walk(&self.dir, 3, &mut |path, data| {
            if let Ok(modified) = data.modified() {
                files.push((modified, data.len(), path.to_owned()));
            }
        });
        files.sort();
        let mut total: u64 = files.iter().map(|(_, bytes, _)| bytes).sum();
        let mut removed = 0;
        for (modified, bytes, path) in files {
            let age = now.duration_since(modified).unwrap_or_default();
            let part = path.extension().is_some_and(|extension| extension == "part");
            let old = keep.is_some_and(|keep| age > keep) || (part && age > STALE_PART);
            if (old || total > self.size_max_bytes) && fs::remove_file(&path).is_ok() {
                total -= bytes;
                removed += 1;
            }
        }
        removed
    }

    fn path(&self, item: &Item) -> PathBuf {
        // Ids are slugs: no separators, and they begin with a letter or digit.
        let folder = self.dir.join(item.gateway.as_str()).join(item.alarm.as_str());
        folder.join(format!("{}.{}", item.revision, item.kind.name()))
    }

    fn files(&self, gateway: &GatewayId) -> usize {
        let mut count = 0;
        walk(&self.dir.join(gateway.as_str()), 2, &mut |_, _| count += 1);
        count
    }
}

fn walk(dir: &Path, depth: u8, found: &mut dyn FnMut(&Path, &fs::Metadata)) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let Ok(data) = entry.metadata() else { continue };
        if data.is_dir() && depth > 1 {
            walk(&entry.path(), depth - 1, found);
        } else if data.is_file() {
            found(&entry.path(), &data);
        }
    }
}

fn read_named(path: &Path) -> Option<Named> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

fn digest(path: &Path) -> io::Result<String> {
    let (mut file, mut sha, mut buffer) = (File::open(path)?, Sha256::new(), vec![0; 1 << 16]);
    loop {
        let got = file.read(&mut buffer)?;
        if got == 0 {
            return Ok(sha.finalize().iter().map(|byte| format!("{byte:02x}")).collect());
        }
        sha.update(&buffer[..got]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn item() -> Item {
        Item {
            gateway: GatewayId::parse("gw-01").expect("slug"),
            alarm: PointId::parse("cam-01.fall").expect("slug"),
            revision: 3,
            kind: EvidenceKind::Clip,
        }
    }

    fn sha(bytes: &[u8]) -> String {
        Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn a_file_in_any_pieces_with_repeats_arrives_whole(
            bytes in proptest::collection::vec(any::<u8>(), 1..2_000),
            sizes in proptest::collection::vec(1usize..400, 1..40),
            repeat in any::<bool>(),
        ) {
            let dir = tempfile::tempdir().expect("folder");
            let evidence = Evidence::open(dir.path(), 1 << 20).expect("opens");
            let hash = sha(&bytes);
            let mut offset = 0usize;
            for size in sizes.iter().cycle() {
                let end = (offset + size).min(bytes.len());
                let piece = Piece { offset: offset as u64, length: bytes.len() as u64, sha256: &hash, bytes: &bytes[offset..end] };
                let progress = evidence.put(&item(), piece).expect("taken");
                if repeat && !progress.complete {
                    prop_assert!(matches!(evidence.put(&item(), piece), Err(EvidenceError::Elsewhere(at)) if at == end as u64));
                }
                offset = end;
                prop_assert_eq!(progress.complete, offset == bytes.len());
                if progress.complete { break; }
            }
            let (mut file, length, kept) = evidence.get(&item()).expect("kept");
            let mut read = Vec::new();
            file.read_to_end(&mut read).expect("read");
            prop_assert_eq!((read, length, kept), (bytes, offset as u64, hash));
        }
    }

    #[test]
    fn damaged_bytes_are_thrown_away_and_another_file_does_not_replace_a_kept_one() {
        let dir = tempfile::tempdir().expect("folder");
        let evidence = Evidence::open(dir.path(), 1 << 20).expect("opens");
        let hash = sha(b"right");
        let put = |bytes: &'static [u8], hash: &str| {
            evidence.put(&item(), Piece { offset: 0, length: 5, sha256: hash, bytes })
        };
        assert!(matches!(put(b"wrong", &hash), Err(EvidenceError::Damaged)));
        assert!(evidence.get(&item()).is_none(), "nothing damaged is ever shown");
        assert!(put(b"right", &hash).expect("taken").complete);
        assert!(put(b"right", &hash).expect("known").complete, "said again");
        assert!(matches!(put(b"other", &sha(b"other")), Err(EvidenceError::Conflict)));
        assert_eq!(evidence.list(&item().gateway, &item().alarm).len(), 1);
    }

    #[test]
    fn a_length_or_hash_that_makes_no_sense_is_refused() {
        let dir = tempfile::tempdir().expect("folder");
        let evidence = Evidence::open(dir.path(), 1 << 20).expect("opens");
        let hash = sha(b"x");
        for (length, hash) in [(0, hash.as_str()), (FILE_BYTES_MAX + 1, &hash), (1, "../../etc"), (1, "")] {
            let piece = Piece { offset: 0, length, sha256: hash, bytes: b"x" };
            assert!(matches!(evidence.put(&item(), piece), Err(EvidenceError::Bad(_))), "{length} {hash}");
        }
    }

    #[test]
    fn the_oldest_goes_when_it_is_too_much() {
        let dir = tempfile::tempdir().expect("folder");
        let evidence = Evidence::open(dir.path(), 1_000).expect("opens");
        for revision in 1..=3u64 {
            let bytes = [u8::try_from(revision).expect("small"); 600];
            let hash = sha(&bytes);
            let item = Item { revision, ..item() };
            evidence.put(&item, Piece { offset: 0, length: 600, sha256: &hash, bytes: &bytes }).expect("taken");
            for ending in ["clip", "clip.json"] {
                let file =
                    File::open(dir.path().join(format!("gw-01/cam-01.fall/{revision}.{ending}"))).expect("there");
                file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000 + revision))
                    .expect("dated");
            }
        }
        evidence.tidy(None, SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_010));
        let left: Vec<_> = evidence.list(&item().gateway, &item().alarm).iter().map(|(r, ..)| *r).collect();
        assert_eq!(left, [3]);
    }
}
