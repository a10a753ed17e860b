//! The highest event number that is in the ledger.
//!
//! Invariant: written only after the ledger has the event. A kill between the two makes the event come
//! twice, never not at all; the site then knows it by its time.

use std::path::{Path, PathBuf};

/// A file with one number.
pub(super) struct TakenFile {
    path: PathBuf,
}

impl TakenFile {
    pub(super) fn new(dir: &Path) -> TakenFile {
        TakenFile { path: dir.join("taken") }
    }

    /// The number; 0 when nothing was taken yet.
    pub(super) fn read(&self) -> u64 {
        std::fs::read_to_string(&self.path).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0)
    }

    pub(super) fn write(&self, seq: u64) -> std::io::Result<()> {
        if let Some(dir) = self.path.parent() {
            std::fs::create_dir_all(dir)?;
        }
        let part = self.path.with_extension("tmp");
        std::fs::write(&part, seq.to_string())?;
        std::fs::File::open(&part)?.sync_all()?;
        std::fs::rename(&part, &self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_is_remembered_and_a_damaged_file_is_none() {
        let dir = tempfile::tempdir().expect("folder");
        let file = TakenFile::new(dir.path());
        assert_eq!(file.read(), 0);
        file.write(7).expect("written");
        assert_eq!(TakenFile::new(dir.path()).read(), 7);
        std::fs::write(dir.path().join("taken"), "x").expect("written");
        assert_eq!(file.read(), 0);
    }
}
