//! One question to headquarters over HTTPS.

use super::trust::Trust;
use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use std::time::Duration;

/// A thin link and a busy headquarters.
const WITHIN: Duration = Duration::from_secs(60);
/// Two certificates and some names.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// What headquarters gives.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Given {
    pub(super) gateway: String,
    pub(super) serial: String,
    pub(super) certificate: String,
    pub(super) ca: String,
    pub(super) ends: String,
    pub(super) ends_us: i64,
    pub(super) broker: Broker,
}

/// The broker, as gateways reach it.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Broker {
    pub(super) url: String,
}

#[derive(Deserialize)]
struct Refused {
    error: Told,
}

#[derive(Deserialize)]
struct Told {
    message: String,
}

/// Asks; an answer that is not good is an error with headquarters' words.
pub(super) async fn ask(url: &str, path: &str, trust: &Trust, body: &serde_json::Value) -> Result<Given> {
    ensure!(
        url.starts_with("https://"),
        "{url:?} must start with https://: the code must not cross the network in the clear"
    );
    let client = reqwest::Client::builder()
        .timeout(WITHIN)
        .redirect(reqwest::redirect::Policy::none())
        .tls_backend_preconfigured(trust.config()?)
        .build()?;
    let whole = format!("{}{path}", url.trim_end_matches('/'));
    let asked = client.post(&whole).header("content-type", "application/json").body(body.to_string());
    let mut answer = asked.send().await.with_context(|| whole.clone())?;
    let status = answer.status();
    let mut bytes = Vec::new();
    while let Some(piece) = answer.chunk().await? {
        bytes.extend_from_slice(&piece);
        ensure!(bytes.len() <= ANSWER_BYTES_MAX, "{whole}: the answer is longer than {ANSWER_BYTES_MAX} bytes");
    }
    if !status.is_success() {
        let told = serde_json::from_slice::<Refused>(&bytes).map(|refused| refused.error.message);
        bail!("{whole}: {status}: {}", told.unwrap_or_default());
    }
    serde_json::from_slice(&bytes).with_context(|| format!("{whole}: not an answer of headquarters"))
}
