//! The `[feeds]` section: connectors as data.

use jiff::civil::Time;
use jiff::tz::TimeZone;
use minewatch_domain::{OrgPath, PointId};
use minewatch_feed::bytes::Encoding;
use minewatch_feed::generic::{Layout, Mapping};
use minewatch_feed::reader::Wanted;
use minewatch_feed::sniff::Format;
use minewatch_risk::dictionary::Dictionary;
use serde::Deserialize;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

/// Feeds of one headquarters.
pub const FEEDS_MAX: usize = 500;
/// Largest document taken, MiB, unless a feed says less; it is held in memory while it is read.
pub const SIZE_MB_MAX: u64 = 1_024;
/// Shortest token or secret.
const SECRET_BYTES_MIN: usize = 16;

/// All feeds.
#[derive(Debug)]
pub struct FeedsConfig {
    /// Where feeds stand in the organisation: their warnings go there.
    pub org: OrgPath,
    /// The element dictionary.
    pub dictionary: Arc<Dictionary>,
    /// Each feed.
    pub feeds: Vec<Arc<FeedConfig>>,
}

impl FeedsConfig {
    /// A feed by its name.
    pub fn feed(&self, name: &str) -> Option<&Arc<FeedConfig>> {
        self.feeds.iter().find(|feed| feed.name.as_str() == name)
    }
}

/// One feed.
#[derive(Debug)]
pub struct FeedConfig {
    /// Its name, a slug: it is part of the alarm's.
    pub name: PointId,
    /// The unit its records belong to, where they do not say it.
    pub org: OrgPath,
    /// How its documents are read.
    pub wanted: Wanted,
    /// Zone of times without one, and of the cut-off.
    pub zone: TimeZone,
    /// Largest document, bytes.
    pub size_max: u64,
    /// Folder in which documents are dropped.
    pub folder: Option<PathBuf>,
    /// A file is whole when it has not changed for this long, milliseconds.
    pub settle_ms: i64,
    /// Bearer token of the HTTP push.
    pub token: Option<String>,
    /// HMAC secret of the HTTP push.
    pub secret: Option<String>,
    /// MQTT topic.
    pub topic: Option<String>,
    /// Query of a database.
    pub query: Option<QueryConfig>,
    /// Longest time between two documents, milliseconds.
    pub silence_ms: Option<i64>,
    /// Time of day by which a document must have come, each day (or working day).
    pub cutoff: Option<Time>,
    /// The cut-off is for Mondays to Fridays only.
    pub weekdays: bool,
}

/// A database that is asked.
#[derive(Debug)]
pub struct QueryConfig {
    /// Address with its secrets.
    pub url: String,
    /// One SELECT; `$1` is the watermark, columns are texts.
    pub query: String,
    /// Column that rises: its largest value is the next watermark.
    pub watermark: String,
    /// The first watermark.
    pub begin: String,
    /// Seconds between questions.
    pub every_s: u64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    org: Option<String>,
    dictionary: Option<Vec<PathBuf>>,
    #[serde(default)]
    feed: Vec<RawFeed>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFeed {
    name: String,
    org: Option<String>,
    format: Option<String>,
    mapping: Option<PathBuf>,
    encoding: Option<String>,
    zone: Option<String>,
    size_max_mb: Option<u64>,
    folder: Option<PathBuf>,
    settle_ms: Option<i64>,
    push_token_file: Option<PathBuf>,
    push_secret_file: Option<PathBuf>,
    topic: Option<String>,
    query: Option<RawQuery>,
    silence_h: Option<f64>,
    cutoff: Option<String>,
    #[serde(default)]
    weekdays: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawQuery {
    url_file: PathBuf,
    query: String,
    watermark: String,
    begin: Option<String>,
    every_s: Option<u64>,
}

/// Reads the section; every problem goes to `problems`.
pub fn parse(table: Option<toml::Table>, problems: &mut Vec<String>) -> Option<Arc<FeedsConfig>> {
    let raw: Raw = match table?.try_into() {
        Ok(raw) => raw,
        Err(error) => {
            problems.push(format!("feeds: {}", error.to_string().trim()));
            return None;
        }
    };
    let dictionary = Arc::new(dictionary(raw.dictionary.as_deref().unwrap_or_default(), problems));
    let org = org("feeds.org", raw.org.as_deref(), &OrgPath::unassigned(), problems);
    if raw.feed.len() > FEEDS_MAX {
        problems.push(format!("feeds.feed: {} feeds; at most {FEEDS_MAX}", raw.feed.len()));
    }
    let mut names = BTreeSet::new();
    let mut topics = BTreeSet::new();
    let mut feeds = Vec::new();
    for feed in raw.feed {
        if !names.insert(feed.name.clone()) {
            problems.push(format!("feeds.feed: the name {:?} stands twice", feed.name));
        }
        if feed.topic.as_ref().is_some_and(|topic| !topics.insert(topic.clone())) {
            problems.push(format!("feeds.feed {}: another feed has this topic", feed.name));
        }
        feeds.extend(one(feed, &org, &dictionary, problems).map(Arc::new));
    }
    Some(Arc::new(FeedsConfig { org, dictionary, feeds }))
}

fn dictionary(files: &[PathBuf], problems: &mut Vec<String>) -> Dictionary {
    let mut texts: Vec<(String, String)> =
        minewatch_risk::dictionary::SHIPPED.iter().map(|(n, t)| ((*n).to_owned(), (*t).to_owned())).collect();
    for file in files {
        match std::fs::read_to_string(file) {
            Ok(text) => texts.push((file.display().to_string(), text)),
            Err(error) => problems.push(format!("feeds.dictionary: {}: {error}", file.display())),
        }
    }
    let (read, faults) = Dictionary::read(texts.iter().map(|(name, text)| (name.as_str(), text.as_str())));
    problems.extend(faults.iter().map(|f| format!("feeds.dictionary: {} line {}: {}", f.file, f.line, f.why)));
    read
}

fn org(key: &str, text: Option<&str>, default: &OrgPath, problems: &mut Vec<String>) -> OrgPath {
    let Some(text) = text else { return default.clone() };
    OrgPath::parse(text).unwrap_or_else(|error| {
        problems.push(format!("{key}: {error}"));
        default.clone()
    })
}

/// How a feed's documents are read: a format by name, or a mapping file.
fn wanted(raw: &RawFeed, dictionary: &Dictionary, problems: &mut Vec<String>) -> Option<Wanted> {
    let key = format!("feeds.feed {}", raw.name);
    let encoding = raw.encoding.as_deref().unwrap_or("auto");
    let Some(encoding) = Encoding::from_name(encoding) else {
        problems.push(format!("{key}.encoding: {encoding:?} is not known"));
        return None;
    };
    match (&raw.format, &raw.mapping) {
        (Some(format), None) => match Format::from_name(format).filter(|format| *format != Format::Mapped) {
            Some(format) => Some(Wanted::Format(format, encoding)),
            None => {
                problems.push(format!("{key}.format: {format:?} must be camt, pain, mt940 or ocds"));
                None
            }
        },
        (None, Some(file)) => match read_mapping(file, dictionary) {
            Ok(mapping) => Some(Wanted::Mapped(Box::new(mapping))),
            Err(why) => {
                problems.extend(why.into_iter().map(|why| format!("{key}.mapping: {}: {why}", file.display())));
                None
            }
        },
        (Some(_), Some(_)) | (None, None) => {
            problems.push(format!("{key}: needs either format or mapping"));
            None
        }
    }
}

/// A mapping file.
///
/// # Errors
/// Every problem found.
pub fn read_mapping(file: &std::path::Path, dictionary: &Dictionary) -> Result<Mapping, Vec<String>> {
    let text = std::fs::read_to_string(file).map_err(|error| vec![error.to_string()])?;
    Mapping::parse(&text, dictionary)
}

fn one(raw: RawFeed, above: &OrgPath, dictionary: &Dictionary, problems: &mut Vec<String>) -> Option<FeedConfig> {
    let key = format!("feeds.feed {}", raw.name);
    let name = PointId::parse(&raw.name).map_err(|error| problems.push(format!("{key}: {error}"))).ok();
    let wanted = wanted(&raw, dictionary, problems);
    let zone = raw.zone.as_deref().unwrap_or("Asia/Shanghai");
    let zone = TimeZone::get(zone).map_err(|error| problems.push(format!("{key}.zone: {error}"))).ok();
    let mut secret = |what: &str, file: &Option<PathBuf>| {
        let read = crate::config::secret(&format!("{key}.{what}"), file.as_deref()?, problems)?;
        if read.len() < SECRET_BYTES_MIN {
            problems.push(format!("{key}.{what}: must have at least {SECRET_BYTES_MIN} characters"));
        }
        Some(read)
    };
    let token = secret("push_token_file", &raw.push_token_file);
    let hmac = secret("push_secret_file", &raw.push_secret_file);
    let query = raw.query.as_ref().and_then(|query| query_of(&key, query, problems));
    let lines = matches!(&wanted, Some(Wanted::Mapped(mapping)) if mapping.layout == Layout::Jsonl);
    if query.is_some() && wanted.is_some() && !lines {
        problems.push(format!("{key}.query: needs a mapping with layout = \"jsonl\""));
    }
    if raw.folder.is_none() && token.is_none() && hmac.is_none() && raw.topic.is_none() && raw.query.is_none() {
        problems.push(format!("{key}: has no way in (folder, push_token_file, push_secret_file, topic or query)"));
    }
    if raw.topic.as_ref().is_some_and(|t| t.is_empty() || t.contains(['+', '#']) || t.starts_with("mw/")) {
        problems.push(format!("{key}.topic: must be one topic, without wildcards, outside of mw/"));
    }
    let size = raw.size_max_mb.unwrap_or(64);
    if !(1..=SIZE_MB_MAX).contains(&size) {
        problems.push(format!("{key}.size_max_mb: {size} must be 1 to {SIZE_MB_MAX}"));
    }
    let silence = raw.silence_h.filter(|hours| {
        let sound = hours.is_finite() && (0.0..=8_760.0).contains(hours) && *hours > 0.0;
        if !sound {
            problems.push(format!("{key}.silence_h: {hours} must be more than 0 and at most 8760"));
        }
        sound
    });
    let cutoff = raw.cutoff.as_deref().and_then(|text| {
        text.parse::<Time>()
            .map_err(|_| problems.push(format!("{key}.cutoff: {text:?} is not a time such as 09:30")))
            .ok()
    });
    Some(FeedConfig {
        name: name?,
        org: org(&format!("{key}.org"), raw.org.as_deref(), above, problems),
        wanted: wanted?,
        zone: zone?,
        size_max: size << 20,
        folder: raw.folder,
        settle_ms: raw.settle_ms.unwrap_or(2_000).clamp(0, 3_600_000),
        token,
        secret: hmac,
        topic: raw.topic,
        query,
        silence_ms: silence.map(|hours| (hours * 3_600_000.0) as i64),
        cutoff,
        weekdays: raw.weekdays,
    })
}

fn query_of(key: &str, raw: &RawQuery, problems: &mut Vec<String>) -> Option<QueryConfig> {
    let url = crate::config::secret(&format!("{key}.query.url_file"), &raw.url_file, problems)?;
    if !(url.starts_with("postgres://") || url.starts_with("postgresql://") || url.starts_with("sqlite:")) {
        problems.push(format!("{key}.query.url_file: must hold postgres://... or sqlite:FILE"));
    }
    let text = raw.query.trim_start().get(..6).unwrap_or_default().to_ascii_lowercase();
    if text != "select" || raw.query.contains(';') {
        problems.push(format!("{key}.query.query: must be one SELECT"));
    }
    Some(QueryConfig {
        url,
        query: raw.query.clone(),
        watermark: raw.watermark.clone(),
        begin: raw.begin.clone().unwrap_or_default(),
        every_s: raw.every_s.unwrap_or(60).clamp(1, 86_400),
    })
}
