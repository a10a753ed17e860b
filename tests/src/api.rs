//! The aggregator's HTTP interface, as `docs/http-api.md` describes it.

use anyhow::{Context, Result};
use futures_util::{StreamExt, TryStreamExt};
use serde::Deserialize;
use serde_json::Value;
use std::time::Duration;

/// Rows asked for in one request.
const PAGE_ROWS: usize = 10_000;
/// Requests under way together; more only queue behind the store's reader.
const REQUESTS_AT_ONCE: usize = 6;

/// A client of one aggregator.
#[derive(Debug, Clone)]
pub struct Api {
    base: String,
    client: reqwest::Client,
}

/// A row of the ledger.
#[derive(Debug, Clone, Deserialize)]
pub struct Row {
    /// Spool epoch; JSON text or number.
    pub epoch: Value,
    /// Sequence number.
    pub seq: u64,
    /// The point.
    pub point: String,
    /// Source time, RFC 3339.
    pub at: String,
    /// The value.
    pub value: Option<f64>,
    /// `good`, `uncertain` or `bad`.
    pub quality: String,
}

#[derive(Deserialize)]
struct Page {
    next: Option<String>,
    rows: Vec<Row>,
}

impl Api {
    /// A client for the aggregator that listens on `port`.
    ///
    /// # Errors
    /// When the client cannot be made.
    pub fn new(port: u16) -> Result<Api> {
        // reqwest comes without a provider (the programs use ring); a second call keeps the first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().timeout(Duration::from_secs(20)).build()?;
        Ok(Api { base: format!("http://127.0.0.1:{port}"), client })
    }

    /// The same, with a bearer token on every request.
    ///
    /// # Errors
    /// When the token cannot stand in a header, or the client cannot be made.
    pub fn with_token(self, token: &str) -> Result<Api> {
        let mut headers = reqwest::header::HeaderMap::new();
        headers.insert(reqwest::header::AUTHORIZATION, format!("Bearer {token}").parse()?);
        let client = reqwest::Client::builder().timeout(Duration::from_secs(20)).default_headers(headers).build()?;
        Ok(Api { client, ..self })
    }

    /// Address of the console.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// GETs a JSON document.
    ///
    /// # Errors
    /// When there is no answer, or it is not JSON with a status of 200.
    pub async fn get(&self, path: &str) -> Result<Value> {
        let url = format!("{}{path}", self.base);
        let answer = self.client.get(&url).send().await?.error_for_status()?;
        answer.json().await.with_context(|| format!("JSON of {url}"))
    }

    /// The Prometheus text.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn metrics(&self) -> Result<String> {
        let answer = self.client.get(format!("{}/metrics", self.base)).send().await?;
        Ok(answer.error_for_status()?.text().await?)
    }

    /// Every reading of some points of a gateway; a point nobody has heard of has none.
    ///
    /// # Errors
    /// When there is no answer, or a row is not as described.
    pub async fn readings(&self, gateway: &str, points: &[String]) -> Result<Vec<Row>> {
        let asked = futures_util::stream::iter(points).map(|point| self.point_readings(gateway, point));
        Ok(asked.buffered(REQUESTS_AT_ONCE).try_collect::<Vec<_>>().await?.concat())
    }

    async fn point_readings(&self, gateway: &str, point: &str) -> Result<Vec<Row>> {
        let mut rows = Vec::new();
        let mut after = String::new();
        loop {
            let path = format!("/api/v1/readings?gateway={gateway}&point={point}&limit={PAGE_ROWS}{after}");
            let answer = self.client.get(format!("{}{path}", self.base)).send().await?;
            if answer.status() == reqwest::StatusCode::NOT_FOUND {
                return Ok(rows);
            }
            let page: Page = answer.error_for_status()?.json().await.with_context(|| format!("JSON of {path}"))?;
            let empty = page.rows.is_empty();
            rows.extend(page.rows);
            after = match page.next {
                Some(next) if !empty => format!("&after={next}"),
                _ => return Ok(rows),
            };
        }
    }

    /// How many points of a gateway have shown a value.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn measured(&self, gateway: &str) -> Result<usize> {
        let points = self.get(&format!("/api/v1/points?gateway={gateway}")).await?;
        let all = points.as_array().map_or(&[][..], Vec::as_slice);
        Ok(all.iter().filter(|point| point["latest"]["value"].is_number()).count())
    }

    /// The ledger's statement about a gateway; `None` when the aggregator has not heard of it.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn ledger(&self, gateway: &str) -> Result<Option<Value>> {
        let all = self.get(&format!("/api/v1/ledger?gateway={gateway}")).await?;
        Ok(all.as_array().and_then(|list| list.iter().find(|entry| entry["gateway"] == gateway)).cloned())
    }

    /// Whether the ledger of a gateway is complete, and its text for messages.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn complete(&self, gateway: &str) -> Result<(bool, String)> {
        let entry = self.ledger(gateway).await?.unwrap_or_default();
        let mut text = entry.to_string();
        text.truncate(text.char_indices().nth(1_500).map_or(text.len(), |(at, _)| at));
        Ok((entry["complete"] == true, text))
    }

    /// Records the gateway still holds unacknowledged, as its last heartbeat said.
    ///
    /// # Errors
    /// When there is no answer or the gateway is not listed.
    pub async fn backlog(&self, gateway: &str) -> Result<u64> {
        let all = self.get("/api/v1/gateways").await?;
        let entry = all.as_array().and_then(|list| list.iter().find(|entry| entry["gateway"] == gateway));
        entry.and_then(|entry| entry["backlog"].as_u64()).context("gateway or its backlog is not listed")
    }

    /// How many payloads and records were quarantined, by reason.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn quarantined(&self) -> Result<Value> {
        Ok(self.get("/api/v1/quarantine?limit=100").await?["counts"].clone())
    }
}
