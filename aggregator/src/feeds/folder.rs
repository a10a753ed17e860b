//! The drop folder: whole files in, then moved to `processed` or `rejected`.
//!
//! Invariant: a file is moved only after everything about it is committed, so a kill between the two
//! leaves a file that is found to be a duplicate. Files whose name begins with a dot or ends in
//! `.part`, `.tmp` or `.filepart`, and files that still change, are left alone.

use super::document::{Came, Intake, Report, Verdict};
use super::settings::FeedConfig;
use bytes::Bytes;
use minewatch_feed::Problem;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};
use tokio_util::sync::CancellationToken;

/// How often the folder is looked at.
const LOOK: Duration = Duration::from_millis(500);
/// Files seen at one look; the rest waits.
const FILES_MAX: usize = 1_000;
/// Wait after the store did not take a document.
const RETRY: Duration = Duration::from_secs(2);

type Seen = BTreeMap<PathBuf, (u64, Option<SystemTime>, Instant)>;

/// Watches a feed's folder until told to stop.
pub(super) async fn watch(feed: &FeedConfig, folder: &Path, intake: &Intake, stop: CancellationToken) {
    let mut seen = Seen::new();
    let mut failing = false;
    loop {
        match look(feed, folder, &mut seen) {
            Ok(ready) => {
                failing = false;
                for path in ready {
                    if stop.is_cancelled() {
                        return;
                    }
                    if !one(feed, folder, &path, intake).await {
                        tokio::time::sleep(RETRY).await;
                        break;
                    }
                    seen.remove(&path);
                }
            }
            Err(error) if !failing => {
                failing = true;
                tracing::error!(feed = %feed.name, folder = %folder.display(), error = %error, "the drop folder cannot be read");
            }
            Err(_) => {}
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}

/// Files that have not changed for long enough, in the order of their names.
fn look(feed: &FeedConfig, folder: &Path, seen: &mut Seen) -> io::Result<Vec<PathBuf>> {
    fs::create_dir_all(folder.join("processed"))?;
    fs::create_dir_all(folder.join("rejected"))?;
    let mut found = Seen::new();
    for entry in fs::read_dir(folder)?.flatten().take(FILES_MAX + 2) {
        let (path, data) = (entry.path(), fs::symlink_metadata(entry.path()));
        let Ok(data) = data else { continue };
        let name = entry.file_name().to_string_lossy().to_ascii_lowercase();
        let unfinished = [".part", ".tmp", ".filepart"].iter().any(|ending| name.ends_with(ending));
        if !data.is_file() || name.starts_with('.') || unfinished {
            continue;
        }
        let now = (data.len(), data.modified().ok());
        let since = match seen.get(&path) {
            Some((bytes, modified, since)) if (*bytes, *modified) == now => *since,
            Some(_) | None => Instant::now(),
        };
        found.insert(path, (now.0, now.1, since));
    }
    let settled = Duration::from_millis(u64::try_from(feed.settle_ms).unwrap_or(0));
    let ready = found.iter().filter(|(_, (_, _, since))| since.elapsed() >= settled).map(|(path, _)| path.clone());
    let ready = ready.collect();
    *seen = found;
    Ok(ready)
}

/// Takes one file; `false` when it must be tried again.
async fn one(feed: &FeedConfig, folder: &Path, path: &Path, intake: &Intake) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let size = fs::metadata(path).map_or(0, |data| data.len());
    if size > feed.size_max {
        tracing::warn!(feed = %feed.name, document = name, size, "the file is larger than size_max_mb");
        let why = format!("the file has {size} bytes; at most {} are taken (size_max_mb)", feed.size_max);
        let problem = Problem::document(minewatch_feed::Place::default(), minewatch_feed::Fault::Limit, why);
        return put_away(path, &folder.join("rejected"), &name, &[problem]).is_ok();
    }
    let bytes = match fs::read(path) {
        Ok(bytes) => Bytes::from(bytes),
        Err(error) => {
            tracing::warn!(feed = %feed.name, document = name, error = %error, "the file cannot be read");
            return false;
        }
    };
    let came = Came { name: name.clone(), via: "folder", label: None, bytes };
    let report = match intake.take(feed, &came).await {
        Ok(report) => report,
        Err(error) => {
            tracing::warn!(feed = %feed.name, document = name, error = %error, "the document waits");
            return false;
        }
    };
    let moved = put_away(path, &folder.join(place(&report)), &name, &report.problems);
    if let Err(error) = &moved {
        tracing::error!(feed = %feed.name, document = name, error = %error, "the file cannot be moved; it was taken");
    }
    moved.is_ok()
}

fn place(report: &Report) -> &'static str {
    match (report.verdict, report.first) {
        (Verdict::Refused, _) | (Verdict::Duplicate, Some(Verdict::Refused)) => "rejected",
        (Verdict::Taken | Verdict::Partial | Verdict::Duplicate, _) => "processed",
    }
}

/// Moves a file, with its report beside it; a name that is taken gets a number.
fn put_away(path: &Path, folder: &Path, name: &str, problems: &[Problem]) -> io::Result<()> {
    let free = |n: u32| folder.join(if n == 0 { name.to_owned() } else { format!("{n}-{name}") });
    let target =
        (0..10_000).map(free).find(|target| !target.exists()).ok_or_else(|| io::Error::other("no free name"))?;
    if !problems.is_empty() {
        let mut report = target.clone().into_os_string();
        report.push(".errors.csv");
        fs::write(report, errors(problems))?;
    }
    fs::rename(path, target)
}

/// The problems as CSV for people with a spreadsheet: nothing in it is a formula.
pub(super) fn errors(problems: &[Problem]) -> String {
    let mut out = String::from("\u{feff}line,place,fault,gravity,why,raw\r\n");
    for problem in problems {
        let cells = [
            problem.place.line.to_string(),
            problem.place.to_string(),
            problem.fault.name().to_owned(),
            problem.gravity.name().to_owned(),
            problem.why.clone(),
            problem.raw.clone().unwrap_or_default(),
        ];
        let cells: Vec<String> = cells.iter().map(|cell| harmless(cell)).collect();
        out += &cells.join(",");
        out += "\r\n";
    }
    out
}

/// A quoted cell that no spreadsheet takes for a formula.
fn harmless(cell: &str) -> String {
    let formula = cell.trim_start().starts_with(['=', '+', '-', '@', '\t', '\r', '＝', '＋', '－', '＠']);
    format!("\"{}{}\"", if formula { "'" } else { "" }, cell.replace('"', "\"\""))
}
