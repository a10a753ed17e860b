use super::document::{Came, Intake, Verdict};
use super::folder::errors;
use super::overdue::overdue;
use super::settings::{self, FeedsConfig};
use crate::metrics::Metrics;
use crate::store::Store;
use bytes::Bytes;
use minewatch_domain::At;
use minewatch_feed::{Fault, Place, Problem};
use std::path::Path;
use std::sync::Arc;

const MAPPING: &str = "layout = 'csv'\nkind = 'list_entry'\nkey = ['list', 'party']\nevent_at = 'valid_from'\n\
    [[field]]\nto = 'list'\nconstant = 'blacklist'\n[[field]]\nto = 'party'\nfrom = 'party'\n\
    [[field]]\nto = 'valid_from'\nfrom = 'from'\n";

fn config(folder: &Path, more: &str) -> Result<Arc<FeedsConfig>, Vec<String>> {
    std::fs::write(folder.join("list.toml"), MAPPING).expect("mapping");
    std::fs::write(folder.join("token"), "0123456789abcdef").expect("token");
    let text = format!(
        "org = 'minmetals'\n[[feed]]\nname = 'list'\nmapping = '{0}/list.toml'\npush_token_file = '{0}/token'\n{more}",
        folder.display()
    );
    let mut problems = Vec::new();
    let config = settings::parse(Some(text.parse().expect("toml")), &mut problems);
    config.filter(|_| problems.is_empty()).ok_or(problems)
}

async fn intake(folder: &Path) -> Intake {
    let store = Store::open(&format!("sqlite:{}/s.db", folder.display())).await.expect("store");
    Intake::new(store, config(folder, "").expect("sound"), Metrics::new())
}

fn came(text: &str) -> Came {
    Came { name: "f".to_owned(), via: "http", label: None, bytes: Bytes::copy_from_slice(text.as_bytes()) }
}

async fn facts(intake: &Intake) -> i64 {
    use crate::store::Columns;
    let row = sqlx::query("SELECT COUNT(*) FROM fact").fetch_one(intake.store().reader()).await.expect("count");
    row.int(0).expect("number")
}

#[tokio::test]
async fn a_document_is_taken_once_and_bad_rows_are_kept_for_a_replay() {
    let folder = tempfile::tempdir().expect("folder");
    let intake = intake(folder.path()).await;
    let feed = Arc::clone(intake.config().feed("list").expect("feed"));
    let text = "party,from\nA,2026-01-01\nB,someday\nC,2026-01-03\n";
    let report = intake.take(&feed, &came(text)).await.expect("taken");
    assert_eq!((report.verdict, report.facts, report.refused), (Verdict::Partial, 2, 1));
    let again = intake.take(&feed, &came(text)).await.expect("known");
    assert_eq!((again.verdict, again.first, facts(&intake).await), (Verdict::Duplicate, Some(Verdict::Partial), 2));
    let held = intake.store().feed_quarantine("list", 10).await.expect("rows");
    assert_eq!((held.len(), held[0].line, held[0].fault.as_str()), (1, 3, "value"));
    assert!(held[0].raw.as_deref().is_some_and(|raw| raw.contains("someday")));
    // The same mapping gives the same; a better one takes the rest, and nothing twice.
    let same = intake.replay(&feed, &report.sha256).await.expect("read").expect("kept");
    assert_eq!((same.verdict, facts(&intake).await), (Verdict::Partial, 2));
    let better = MAPPING.to_owned() + "empty = ['someday']\ndefault = '2026-01-02'\n";
    std::fs::write(folder.path().join("better.toml"), better).expect("mapping");
    let text = format!(
        "org = 'minmetals'\n[[feed]]\nname = 'list'\nmapping = '{0}/better.toml'\npush_token_file = '{0}/token'\n",
        folder.path().display()
    );
    let mut problems = Vec::new();
    let config = settings::parse(Some(text.parse().expect("toml")), &mut problems).expect("sound");
    let feed = Arc::clone(config.feed("list").expect("feed"));
    let intake = Intake::new(intake.store().clone(), config, Metrics::new());
    let replayed = intake.replay(&feed, &report.sha256).await.expect("read").expect("kept");
    assert_eq!((problems.len(), replayed.verdict, facts(&intake).await), (0, Verdict::Taken, 3));
    assert!(intake.store().feed_quarantine("list", 10).await.expect("rows").is_empty());
    assert!(intake.replay(&feed, &report.sha256).await.expect("read").is_none(), "nothing is left to read again");
}

#[tokio::test]
async fn a_broken_document_gives_nothing_and_a_key_names_one_content() {
    let folder = tempfile::tempdir().expect("folder");
    let intake = intake(folder.path()).await;
    let feed = Arc::clone(intake.config().feed("list").expect("feed"));
    let report = intake.take(&feed, &came("party,party\nA,2026-01-01\n")).await.expect("judged");
    assert_eq!((report.verdict, report.facts, facts(&intake).await), (Verdict::Refused, 0, 0));
    let labelled = |text: &str| Came { label: Some("k1".to_owned()), ..came(text) };
    let one = "party,from\nA,2026-01-01\n";
    assert_eq!(intake.take(&feed, &labelled(one)).await.expect("taken").verdict, Verdict::Taken);
    assert_eq!(intake.take(&feed, &labelled(one)).await.expect("known").verdict, Verdict::Duplicate);
    assert!(intake.take(&feed, &labelled("party,from\nB,2026-01-01\n")).await.is_err());
    assert_eq!(facts(&intake).await, 1);
}

#[test]
fn a_feed_is_late_by_silence_or_by_its_cutoff_and_not_before_it_was_known() {
    let folder = tempfile::tempdir().expect("folder");
    let config = config(folder.path(), "silence_h = 2\nzone = 'UTC'\n").expect("sound");
    let hour = |h: i64| At(h * 3_600_000_000);
    let feed = config.feed("list").expect("feed");
    assert_eq!(overdue(feed, hour(0), None, hour(2)), None);
    assert!(overdue(feed, hour(0), None, hour(3)).is_some_and(|why| why.contains("nothing taken")));
    assert_eq!(overdue(feed, hour(0), Some(hour(2)), hour(3)), None);
    let config = self::config(folder.path(), "cutoff = '09:30'\nweekdays = true\nzone = 'UTC'\n").expect("sound");
    let feed = config.feed("list").expect("feed");
    // 1970-01-01 is a Thursday: Friday's document is missing until it comes, the weekend asks for none.
    assert_eq!(overdue(feed, hour(10), Some(hour(10)), hour(33)), None, "Friday 09:00");
    assert!(
        overdue(feed, hour(10), Some(hour(10)), hour(34)).is_some_and(|why| why.contains("cut-off")),
        "Friday 10:00"
    );
    assert_eq!(overdue(feed, hour(10), Some(hour(35)), hour(36)), None, "it came late");
    assert_eq!(overdue(feed, hour(10), Some(hour(32)), hour(80)), None, "Sunday");
    assert!(overdue(feed, hour(10), Some(hour(32)), hour(4 * 24 + 10)).is_some(), "Monday 10:00");
    assert_eq!(overdue(feed, hour(35), None, hour(36)), None, "known only after the cut-off");
}

#[test]
fn settings_name_every_problem_at_once() {
    let folder = tempfile::tempdir().expect("folder");
    let more = "size_max_mb = 0\nsilence_h = -1\ncutoff = 'noon'\ntopic = 'a/#'\n[[feed]]\nname = 'x'\nformat = 'pdf'\n[[feed]]\nname = 'list'\nformat = 'camt'\n";
    let problems = config(folder.path(), more).expect_err("problems");
    for word in ["size_max_mb", "silence_h", "cutoff", "topic", "format", "no way in", "stands twice"] {
        assert!(problems.iter().any(|p| p.contains(word)), "{word} in {problems:#?}");
    }
}

#[test]
fn nothing_in_an_error_report_is_a_formula() {
    let raw = |text: &str| Problem::record(Place::line(2), Fault::Value, "=1+1").with_raw(text);
    let report = errors(&[raw("=cmd|' /C calc'!A0"), raw(" @SUM(1)"), raw("-2\"x"), raw("plain")]);
    for line in report.lines().skip(1) {
        for cell in line.split("\",\"") {
            let cell = cell.trim_start_matches('"').trim_start();
            assert!(!cell.starts_with(['=', '+', '-', '@']), "{line}");
        }
    }
    assert!(report.starts_with('\u{feff}') && report.contains("-2\"\"x"));
}

#[test]
fn every_shipped_mapping_fits_the_dictionary() {
    let dictionary = minewatch_risk::dictionary::Dictionary::shipped();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("feeds");
    let mut seen = 0;
    for entry in std::fs::read_dir(folder)
        .expect("folder")
        .flatten()
        .filter(|e| e.path().extension().is_some_and(|x| x == "toml"))
    {
        seen += 1;
        let read = settings::read_mapping(&entry.path(), &dictionary);
        assert!(read.is_ok(), "{}: {:?}", entry.path().display(), read.err());
    }
    assert!(seen >= 10, "only {seen} mappings");
}

#[tokio::test]
async fn a_database_is_read_from_its_watermark_on() {
    let folder = tempfile::tempdir().expect("folder");
    let (at, source) = (folder.path().display(), folder.path().join("source.db"));
    sqlx::any::install_default_drivers();
    let pool = sqlx::AnyPool::connect(&format!("sqlite:{}?mode=rwc", source.display())).await.expect("source");
    let run = async |text: &'static str| sqlx::query(text).execute(&pool).await.expect("source");
    run("CREATE TABLE l (n INTEGER, party TEXT, since TEXT)").await;
    run("INSERT INTO l VALUES (1, 'A', '2026-01-01'), (2, 'B', '2026-01-02')").await;
    std::fs::write(folder.path().join("rows.toml"), MAPPING.replace("'csv'", "'jsonl'").replace("'from'", "'since'"))
        .expect("mapping");
    std::fs::write(folder.path().join("url"), format!("sqlite:{}", source.display())).expect("url");
    let text = format!(
        "[[feed]]\nname = 'erp'\nmapping = '{at}/rows.toml'\n[feed.query]\nurl_file = '{at}/url'\nwatermark = 'n'\nbegin = '0'\n\
         query = 'SELECT n, party, since FROM l WHERE n > CAST($1 AS INTEGER) ORDER BY n'\n"
    );
    let mut problems = Vec::new();
    let config = settings::parse(Some(text.parse().expect("toml")), &mut problems).expect("section");
    assert_eq!(problems, Vec::<String>::new());
    let store = Store::open(&format!("sqlite:{at}/s.db")).await.expect("store");
    let intake = Intake::new(store, Arc::clone(&config), Metrics::new());
    let feed = config.feed("erp").expect("feed");
    let ask = async || super::query::once(feed, feed.query.as_ref().expect("query"), &intake).await;
    assert_eq!((ask().await, facts(&intake).await), (Ok(2), 2));
    assert_eq!((ask().await, facts(&intake).await), (Ok(0), 2));
    run("INSERT INTO l VALUES (3, 'C', '2026-01-03')").await;
    assert_eq!((ask().await, facts(&intake).await), (Ok(1), 3));
}
