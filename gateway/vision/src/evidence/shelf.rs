//! The evidence on disk: names, descriptions, what may leave, what is kept how long.

use super::boxes::whole_fragments;
use anyhow::Context;
use minewatch_camera::EvidenceSettings;
use minewatch_camera::message::FallSeen;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs;
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use tracing::{info, warn};

/// One event and what is kept of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Meta {
    /// Number of the event.
    pub event: u64,
    /// The camera.
    pub camera: String,
    /// When it was decided, microseconds since 1970.
    pub at_us: i64,
    /// What kind of fall.
    pub kind: String,
    /// The alarm it became and that alarm's revision, once the gateway said so.
    pub alarm: Option<(String, u64)>,
    /// Files, by kind.
    pub files: Vec<Kept>,
}

/// One file of an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// `clip` or `snapshot`.
    pub kind: String,
    /// Name in the folder.
    pub name: String,
    /// Size, bytes.
    pub bytes: u64,
    /// SHA-256, hexadecimal.
    pub sha256: String,
    /// Whether it shows no faces.
    pub blurred: bool,
    /// Whether it was handed to the gateway for sending.
    pub offered: bool,
}

/// What the gateway is asked to send.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Offer<'a> {
    alarm: &'a str,
    revision: u64,
    kind: &'a str,
    camera: &'a str,
    at_us: i64,
    file: PathBuf,
    bytes: u64,
    sha256: &'a str,
}

/// Name of an event's files, without ending.
pub fn file_stem(camera: &str, event: u64) -> String {
    format!("{camera}-{event:010}")
}

/// The folders.
pub struct Shelf {
    clips: PathBuf,
    outbox: PathBuf,
    settings: EvidenceSettings,
}

impl Shelf {
    /// Opens the folders and rescues clips that were being written when the process ended.
    ///
    /// # Errors
    /// When the folders cannot be made.
    pub fn open(settings: &EvidenceSettings) -> anyhow::Result<Shelf> {
        let dir = Path::new(&settings.dir);
        let shelf = Shelf { clips: dir.join("clips"), outbox: dir.join("outbox"), settings: settings.clone() };
        for folder in [&shelf.clips, &shelf.outbox] {
            fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        }
        Ok(shelf)
    }

    /// Path of an event's file.
    pub fn path(&self, camera: &str, event: u64, ending: &str) -> PathBuf {
        self.clips.join(format!("{}.{ending}", file_stem(camera, event)))
    }

    /// Rescues what an ended process left: every `.part` becomes a clip as far as it is whole, and
    /// descriptions without their offers are offered.
    pub fn rescue(&self) {
        for part in self.files("part") {
            match self.close_clip(&part) {
                Ok(Some(clip)) => info!(file = %clip.display(), "clip rescued"),
                Ok(None) => info!(file = %part.display(), "unfinished clip held no whole second"),
                Err(error) => warn!(file = %part.display(), error = format!("{error:#}"), "clip not rescued"),
            }
        }
        for path in self.files("json") {
            let Some(mut meta) = read_meta(&path) else { continue };
            self.add_clip_to(&mut meta);
            self.settle(&mut meta);
        }
    }

    /// Notes an event as it is decided.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn begin(&self, fall: &FallSeen) -> anyhow::Result<Meta> {
        let meta = Meta {
            event: fall.seq,
            camera: fall.camera.clone(),
            at_us: fall.at_us,
            kind: fall.kind.clone(),
            alarm: None,
            files: Vec::new(),
        };
        self.write_meta(&meta)?;
        Ok(meta)
    }

    /// Adds a snapshot.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn snapshot(&self, camera: &str, event: u64, jpeg: &[u8]) -> anyhow::Result<()> {
        let path = self.path(camera, event, "jpg");
        write_whole(&path, jpeg)?;
        self.change(camera, event, |meta| self.add_file(meta, "snapshot", &path, self.settings.blur))
    }

    /// A clip's writing ended: makes it whole and links it to its events.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn clip_ended(&self, camera: &str, events: &[u64], part: &Path) -> anyhow::Result<()> {
        let clip = self.close_clip(part)?;
        for event in events {
            self.change(camera, *event, |meta| match &clip {
                Some(clip) => self.add_file(meta, "clip", clip, false),
                None => Ok(()),
            })?;
        }
        Ok(())
    }

    /// The gateway put the event into the ledger as this alarm.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn taken(&self, camera: &str, event: u64, alarm: &str, revision: u64) -> anyhow::Result<()> {
        self.change(camera, event, |meta| {
            meta.alarm = Some((alarm.to_owned(), revision));
            Ok(())
        })
    }

    /// Removes what is too old or too much, oldest first.
    pub fn tidy(&self, now: SystemTime) {
        let mut files: Vec<(SystemTime, u64, PathBuf)> = fs::read_dir(&self.clips)
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| {
                let data = entry.metadata().ok()?;
                Some((data.modified().ok()?, data.len(), entry.path()))
            })
            .collect();
        files.sort();
        let keep = Duration::from_secs(u64::from(self.settings.keep_days) * 86_400);
        let mut total: u64 = files.iter().map(|(_, bytes, _)| bytes).sum();
        let mut removed = 0u64;
        for (modified, bytes, path) in files {
            let old = now.duration_since(modified).is_ok_and(|age| age > keep);
            if !old && total <= self.settings.size_max_mb << 20 {
                break;
            }
            if fs::remove_file(&path).is_ok() {
                total -= bytes;
                removed += 1;
            }
        }
        if removed > 0 {
            info!(removed, "evidence removed: too old or too much");
        }
    }

    fn files(&self, ending: &str) -> Vec<PathBuf> {
        let entries = fs::read_dir(&self.clips).into_iter().flatten().flatten();
        let mut found: Vec<_> =
            entries.map(|entry| entry.path()).filter(|p| p.extension().is_some_and(|e| e == ending)).collect();
        found.sort();
        found
    }

    /// Cuts a `.part` to its whole fragments and gives it its final name; `None` when nothing is whole.
    fn close_clip(&self, part: &Path) -> anyhow::Result<Option<PathBuf>> {
        let file = fs::OpenOptions::new().read(true).write(true).open(part)?;
        let length = file.metadata()?.len();
        let head = |at| {
            let mut head = [0; 16];
            let got = file.read_at(&mut head, at).ok()?;
            (got >= 8).then_some(head)
        };
        let whole = whole_fragments(head, length);
        if whole == 0 {
            fs::remove_file(part)?;
            return Ok(None);
        }
        if whole < length {
            file.set_len(whole)?;
        }
        file.sync_all()?;
        let clip = part.with_extension("");
        fs::rename(part, &clip)?;
        Ok(Some(clip))
    }

    fn add_clip_to(&self, meta: &mut Meta) {
        let clip = self.path(&meta.camera, meta.event, "mp4");
        if clip.is_file() && meta.files.iter().all(|kept| kept.kind != "clip") {
            let _ = self.add_file(meta, "clip", &clip, false);
        }
    }

    fn add_file(&self, meta: &mut Meta, kind: &str, path: &Path, blurred: bool) -> anyhow::Result<()> {
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let (sha256, bytes) = digest(path)?;
        meta.files.retain(|kept| kept.kind != kind);
        meta.files.push(Kept { kind: kind.to_owned(), name, bytes, sha256, blurred, offered: false });
        Ok(())
    }

    fn change(
        &self,
        camera: &str,
        event: u64,
        change: impl FnOnce(&mut Meta) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let path = self.path(camera, event, "json");
        let mut meta = read_meta(&path).with_context(|| format!("{} cannot be read", path.display()))?;
        change(&mut meta)?;
        self.write_meta(&meta)?;
        self.settle(&mut meta);
        Ok(())
    }

    /// Offers every file that may leave and whose alarm is known: the alarm goes first.
    fn settle(&self, meta: &mut Meta) {
        let Some((alarm, revision)) = meta.alarm.clone() else { return };
        let mut changed = false;
        for kept in meta.files.iter_mut().filter(|kept| !kept.offered && (kept.blurred || !self.settings.blur)) {
            let file = self.clips.join(&kept.name);
            let offer = Offer {
                alarm: &alarm,
                revision,
                kind: &kept.kind,
                camera: &meta.camera,
                at_us: meta.at_us,
                file,
                bytes: kept.bytes,
                sha256: &kept.sha256,
            };
            let name = format!("{}.{}.json", file_stem(&meta.camera, meta.event), kept.kind);
            match serde_json::to_vec(&offer).map_err(Into::into).and_then(|b| write_whole(&self.outbox.join(name), &b))
            {
                Ok(()) => (kept.offered, changed) = (true, true),
                Err(error) => warn!(camera = meta.camera, error = format!("{error:#}"), "evidence not offered"),
            }
        }
        if changed && let Err(error) = self.write_meta(meta) {
            warn!(camera = meta.camera, error = format!("{error:#}"), "evidence description not written");
        }
    }

    fn write_meta(&self, meta: &Meta) -> anyhow::Result<()> {
        write_whole(&self.path(&meta.camera, meta.event, "json"), &serde_json::to_vec_pretty(meta)?)
    }
}

fn read_meta(path: &Path) -> Option<Meta> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

/// Writes a file so that it is there whole or not at all, also after a power cut.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    use std::io::Write;
    let part = path.with_extension("tmp");
    let mut file = fs::File::create(&part).with_context(|| format!("cannot write {}", part.display()))?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&part, path)?;
    if let Some(folder) = path.parent() {
        fs::File::open(folder)?.sync_all()?;
    }
    Ok(())
}

fn digest(path: &Path) -> anyhow::Result<(String, u64)> {
    let mut file = fs::File::open(path)?;
    let (mut sha, mut total, mut buffer) = (Sha256::new(), 0, vec![0; 1 << 16]);
    loop {
        let got = file.read(&mut buffer)?;
        if got == 0 {
            break;
        }
        sha.update(&buffer[..got]);
        total += got as u64;
    }
    let hex = sha.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    Ok((hex, total))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(dir: &Path) -> EvidenceSettings {
        EvidenceSettings {
            dir: dir.display().to_string(),
            before_s: 10,
            after_s: 10,
            keep_days: 30,
            size_max_mb: 1,
            blur: true,
        }
    }

    fn fall(seq: u64) -> FallSeen {
        FallSeen {
            seq,
            camera: "cam-01".into(),
            at_us: 7,
            kind: "same_level".into(),
            score: 0.9,
            track: 1,
            why: String::new(),
            proof: "{}".into(),
        }
    }

    fn offers(dir: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(dir.join("outbox"))
            .expect("outbox")
            .flatten()
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn nothing_is_offered_before_its_alarm_is_in_the_ledger_and_no_face_ever() {
        let dir = tempfile::tempdir().expect("folder");
        let shelf = Shelf::open(&settings(dir.path())).expect("opens");
        shelf.begin(&fall(1)).expect("begins");
        shelf.snapshot("cam-01", 1, b"blurred").expect("kept");
        let part = shelf.path("cam-01", 1, "mp4.part");
        fs::write(&part, fragments()).expect("written");
        shelf.clip_ended("cam-01", &[1], &part).expect("kept");
        assert_eq!(offers(dir.path()), Vec::<String>::new());
        shelf.taken("cam-01", 1, "cam-01.fall", 4).expect("noted");
        assert_eq!(offers(dir.path()), ["cam-01-0000000001.snapshot.json"], "the clip shows faces and stays");
    }

    #[test]
    fn a_clip_cut_by_a_kill_is_rescued_and_offered_where_faces_may_leave() {
        let dir = tempfile::tempdir().expect("folder");
        let open = EvidenceSettings { blur: false, ..settings(dir.path()) };
        let shelf = Shelf::open(&open).expect("opens");
        shelf.begin(&fall(2)).expect("begins");
        shelf.taken("cam-01", 2, "cam-01.fall", 5).expect("noted");
        let mut bytes = fragments();
        let whole = bytes.len();
        bytes.extend_from_slice(&[0, 0, 1, 0, b'm', b'o', b'o', b'f', 1, 2, 3]);
        fs::write(shelf.path("cam-01", 2, "mp4.part"), bytes).expect("written");
        drop(shelf);
        Shelf::open(&open).expect("opens again").rescue();
        let clip = dir.path().join("clips/cam-01-0000000002.mp4");
        assert_eq!(fs::metadata(clip).expect("rescued").len(), whole as u64);
        assert_eq!(offers(dir.path()), ["cam-01-0000000002.clip.json"]);
    }

    #[test]
    fn the_oldest_goes_first_when_it_is_too_much() {
        let dir = tempfile::tempdir().expect("folder");
        let shelf = Shelf::open(&settings(dir.path())).expect("opens");
        for n in 0..3u64 {
            let path = dir.path().join(format!("clips/{n}.mp4"));
            fs::write(&path, vec![0; 600 << 10]).expect("written");
            let file = fs::File::open(&path).expect("open");
            file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000 + n)).expect("dated");
        }
        shelf.tidy(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_100));
        let left: Vec<_> = shelf.files("mp4").iter().map(|p| p.file_name().map(|n| n.to_owned())).collect();
        assert_eq!(left, [Some("2.mp4".into())]);
    }

    fn fragments() -> Vec<u8> {
        let boxed = |kind: &[u8; 4]| [&24u32.to_be_bytes()[..], kind, &[0; 16]].concat();
        [boxed(b"ftyp"), boxed(b"moov"), boxed(b"moof"), boxed(b"mdat")].concat()
    }
}
