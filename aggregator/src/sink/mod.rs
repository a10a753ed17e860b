//! Readings for a time-series database of headquarters: Influx line protocol over HTTP, which InfluxDB,
//! VictoriaMetrics, GreptimeDB, QuestDB and TDengine's adapter take.
//!
//! Invariant: a sink is never the truth and never holds anything up: it is told after the commit, and when
//! it is away for longer than the queue lasts, points are left out and counted. A point sent twice is
//! the same point there (same series, same time). Deliberately absent: alarms and cases (headquarters
//! topics carry them), and reading back (history comes from the store).

mod line;

use crate::identity::SecretFile;
use crate::ingest::Input;
use crate::metrics::Metrics;
use anyhow::{Context, Result};
use line::Lines;
use minewatch_domain::{At, GatewayId, PointId, Quality, Record};
use serde::Deserialize;
use std::path::PathBuf;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use url::Url;

/// Batches waiting: some minutes of a thousand gateways, and at most some tens of megabytes.
const QUEUE_MAX: usize = 4_096;
/// Text of one request.
const REQUEST_BYTES_MAX: usize = 1 << 20;
/// How long points are gathered.
const GATHER: Duration = Duration::from_millis(250);
/// One request.
const WITHIN: Duration = Duration::from_secs(20);
/// Shortest and longest pause after a failure.
const BACKOFF_MIN: Duration = Duration::from_millis(500);
const BACKOFF_MAX: Duration = Duration::from_secs(30);

/// What is configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SinkConfig {
    /// Where lines are posted, for example `http://127.0.0.1:8428/write`.
    pub url: Url,
    /// File of a token, sent as `Authorization: Token …` (InfluxDB) or `Bearer …`.
    pub token_file: Option<PathBuf>,
    /// Name of the measurement.
    pub measurement: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    url: String,
    token_file: Option<PathBuf>,
    measurement: Option<String>,
}

/// Reads the section `[sink]`; every problem goes to `problems`.
pub fn parse(table: Option<toml::Table>, problems: &mut Vec<String>) -> Option<SinkConfig> {
    let raw: Raw = match table?.try_into() {
        Ok(raw) => raw,
        Err(error) => {
            problems.push(format!("sink: {}", error.to_string().trim()));
            return None;
        }
    };
    let measurement = raw.measurement.unwrap_or_else(|| "minewatch".to_owned());
    let slug = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if measurement.is_empty() || measurement.len() > 64 || !measurement.chars().all(slug) {
        problems.push(format!("sink.measurement: {measurement:?} must be 1 to 64 letters, digits or '_'"));
    }
    let Ok(mut url) = Url::parse(&raw.url) else {
        problems.push(format!("sink.url: {:?} is not an address", raw.url));
        return None;
    };
    if !matches!(url.scheme(), "http" | "https") || !url.username().is_empty() || url.password().is_some() {
        problems.push("sink.url: must be http:// or https:// without user and password (token_file)".to_owned());
    }
    if !url.query_pairs().any(|(key, _)| key == "precision") {
        url.query_pairs_mut().append_pair("precision", "u");
    }
    Some(SinkConfig { url, token_file: raw.token_file, measurement })
}

/// A reading on its way.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    /// Gateway.
    pub gateway: GatewayId,
    /// Point.
    pub point: PointId,
    /// Source time.
    pub at: At,
    /// Value.
    pub value: Option<f64>,
    /// Trust.
    pub quality: Quality,
}

/// Where the writer puts what was committed.
#[derive(Debug, Clone)]
pub struct Feed {
    queue: mpsc::Sender<Vec<Point>>,
    metrics: Metrics,
}

impl Feed {
    /// Readings of a transaction that is durable. Does not wait.
    pub fn committed(&self, inputs: &[Input]) {
        for input in inputs {
            let Input::Batch(batch) = input else { continue };
            let readings = batch.records.iter().filter_map(|wire| match &wire.record {
                Record::Reading(reading) => Some(reading),
                Record::Alarm(_) | Record::Gap(_) | Record::Event(_) | Record::Catalogue(_) => None,
            });
            let points: Vec<Point> = readings
                .map(|reading| Point {
                    gateway: batch.gateway.clone(),
                    point: reading.point.clone(),
                    at: reading.at,
                    value: reading.value,
                    quality: reading.quality,
                })
                .collect();
            let count = points.len() as u64;
            if count > 0 && self.queue.try_send(points).is_err() {
                self.metrics.sink_dropped.inc_by(count);
            }
        }
    }
}

/// The task that sends.
pub struct Sink {
    config: SinkConfig,
    queue: mpsc::Receiver<Vec<Point>>,
    client: reqwest::Client,
    metrics: Metrics,
}

impl std::fmt::Debug for Sink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sink").field("config", &self.config).finish_non_exhaustive()
    }
}

/// A sink and its feed.
///
/// # Errors
/// When the HTTP client cannot be made.
pub fn open(config: &SinkConfig, metrics: &Metrics) -> Result<(Feed, Sink)> {
    let client = reqwest::Client::builder()
        .timeout(WITHIN)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .build()
        .context("sink")?;
    let (tell, queue) = mpsc::channel(QUEUE_MAX);
    let feed = Feed { queue: tell, metrics: metrics.clone() };
    Ok((feed, Sink { config: config.clone(), queue, client, metrics: metrics.clone() }))
}

impl Sink {
    /// Sends until `stop`, or until nobody feeds it any more.
    pub async fn run(mut self, stop: CancellationToken) {
        loop {
            let first = tokio::select! {
                first = self.queue.recv() => match first {
                    Some(first) => first,
                    None => return,
                },
                () = stop.cancelled() => return,
            };
            let lines = self.gather(first).await;
            tokio::select! {
                () = self.deliver(lines) => {}
                () = stop.cancelled() => return,
            }
        }
    }

    async fn gather(&mut self, first: Vec<Point>) -> Lines {
        let mut lines = Lines::new(&self.config.measurement);
        lines.add(&first);
        let until = tokio::time::Instant::now() + GATHER;
        while lines.text().len() < REQUEST_BYTES_MAX {
            match tokio::time::timeout_at(until, self.queue.recv()).await {
                Ok(Some(more)) => lines.add(&more),
                Ok(None) | Err(_) => break,
            }
        }
        lines
    }

    /// Tries until it is taken, or refused for good.
    async fn deliver(&self, lines: Lines) {
        let mut pause = BACKOFF_MIN;
        loop {
            match self.post(lines.text()).await {
                Ok(true) => {
                    self.metrics.sink_points.inc_by(lines.count());
                    return;
                }
                Ok(false) => {
                    self.metrics.sink_dropped.inc_by(lines.count());
                    return;
                }
                Err(error) => {
                    self.metrics.sink_failures.inc();
                    if pause == BACKOFF_MIN {
                        tracing::warn!(error = format!("{error:#}"), "sink does not take points; they wait");
                    }
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(BACKOFF_MAX);
                }
            }
        }
    }

    /// Whether the points were taken (true) or can never be (false).
    async fn post(&self, text: &str) -> Result<bool> {
        let mut request = self.client.post(self.config.url.clone()).header("content-type", "text/plain; charset=utf-8");
        if let Some(file) = &self.config.token_file {
            request = request.header("authorization", format!("Token {}", SecretFile::read(file)?.trim()));
        }
        let answer = request.body(text.to_owned()).send().await.map_err(reqwest::Error::without_url)?;
        let status = answer.status();
        match status.as_u16() {
            200..=299 => Ok(true),
            // What is malformed today is malformed tomorrow; everything else may pass.
            400 | 413 | 422 => {
                tracing::error!(status = status.as_u16(), "sink refuses points for good; they are left out");
                Ok(false)
            }
            other => anyhow::bail!("sink answered {other}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_section_is_checked_and_microseconds_are_asked_for() {
        let mut problems = Vec::new();
        let table: toml::Table = "url = 'http://127.0.0.1:8428/write?db=mw'".parse().expect("toml");
        let config = parse(Some(table), &mut problems).expect("a sink");
        assert!(problems.is_empty() && config.url.as_str().ends_with("/write?db=mw&precision=u"), "{config:?}");
        for bad in ["url = 'ftp://x/'", "url = 'http://u:p@x/'", "url = 'http://x/'\nmeasurement = 'a b'"] {
            let mut problems = Vec::new();
            parse(Some(bad.parse().expect("toml")), &mut problems);
            assert_eq!(problems.len(), 1, "{bad}");
        }
    }
}
