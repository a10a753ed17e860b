//! `POST /api/v1/feeds/{feed}`: a document over HTTP, proved by a token or an HMAC.
//!
//! The answer comes after the commit. `Idempotency-Key` names a document: the same key with the same
//! bytes is a duplicate, with others a conflict. HMAC-SHA256 over `timestamp.body` binds the time, so
//! an old request cannot be played again; within its minutes a repeat is a duplicate by content.

use super::document::{Came, Intake, Refusal, Report, Verdict};
use super::settings::FeedConfig;
use crate::clock;
use crate::people::secret;
use axum::Json;
use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use ring::hmac;
use serde_json::json;
use std::time::Duration;

/// How far a request's time may be from ours, seconds.
const SKEW_S_MAX: i64 = 300;
/// A document that drips slower is given up.
const WITHIN: Duration = Duration::from_secs(300);
/// Problems told in the answer; all are in the quarantine.
const PROBLEMS_TOLD_MAX: usize = 20;
/// Longest Idempotency-Key.
const LABEL_BYTES_MAX: usize = 200;

/// The route for machines; they prove themselves here, not at the gate for people.
pub fn routes<S: Clone + Send + Sync + 'static>(intake: Intake) -> Router<S> {
    Router::new().route("/api/v1/feeds/{feed}", post(push)).with_state(intake)
}

fn problem(status: StatusCode, code: &str, message: &str) -> Response {
    (status, Json(json!({ "error": { "code": code, "message": message } }))).into_response()
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// What the sender shows.
enum Shown {
    Token,
    Signed { timestamp: i64, signature: Vec<u8> },
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.strip_prefix("sha256=").unwrap_or(text).as_bytes();
    let pairs = digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok());
    pairs.collect::<Option<Vec<u8>>>().filter(|bytes| bytes.len() == 32)
}

/// What can be told before the body is read.
fn shown(feed: &FeedConfig, headers: &HeaderMap) -> Result<Shown, String> {
    if let Some(bearer) = text(headers, "authorization").and_then(|value| value.strip_prefix("Bearer ")) {
        return match feed.token.as_deref().is_some_and(|token| secret::same(bearer, token)) {
            true => Ok(Shown::Token),
            false => Err("show this feed's token or signature".to_owned()),
        };
    }
    let signed = feed.secret.as_ref().and(text(headers, "x-minewatch-signature")).and_then(unhex);
    let timestamp = text(headers, "x-minewatch-timestamp").and_then(|text| text.parse::<i64>().ok());
    let (Some(signature), Some(timestamp)) = (signed, timestamp) else {
        return Err("show this feed's token or signature".to_owned());
    };
    let now = clock::now().millis() / 1_000;
    if now.abs_diff(timestamp) > SKEW_S_MAX.unsigned_abs() {
        return Err(format!(
            "x-minewatch-timestamp is {} s from our clock; at most {SKEW_S_MAX} s",
            timestamp.saturating_sub(now)
        ));
    }
    Ok(Shown::Signed { timestamp, signature })
}

fn proven(feed: &FeedConfig, shown: &Shown, body: &[u8]) -> bool {
    match (shown, &feed.secret) {
        (Shown::Token, _) => true,
        (Shown::Signed { timestamp, signature }, Some(secret)) => {
            let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
            let message = [timestamp.to_string().as_bytes(), b".", body].concat();
            hmac::verify(&key, &message, signature).is_ok()
        }
        (Shown::Signed { .. }, None) => false,
    }
}

async fn push(State(intake): State<Intake>, Path(name): Path<String>, headers: HeaderMap, body: Body) -> Response {
    let unknown = || problem(StatusCode::UNAUTHORIZED, "unauthorized", "show this feed's token or signature");
    let Some(feed) = intake.config().feed(&name).cloned() else { return unknown() };
    let shown = match shown(&feed, &headers) {
        Ok(shown) => shown,
        Err(why) => return problem(StatusCode::UNAUTHORIZED, "unauthorized", &why),
    };
    let limit = usize::try_from(feed.size_max).unwrap_or(usize::MAX);
    let length = text(&headers, header::CONTENT_LENGTH.as_str()).and_then(|text| text.parse::<u64>().ok());
    if length.is_some_and(|length| length > feed.size_max) {
        return problem(StatusCode::PAYLOAD_TOO_LARGE, "too_large", &format!("at most {limit} bytes (size_max_mb)"));
    }
    let bytes = match tokio::time::timeout(WITHIN, axum::body::to_bytes(body, limit)).await {
        Ok(Ok(bytes)) => bytes,
        Ok(Err(_)) => {
            return problem(
                StatusCode::PAYLOAD_TOO_LARGE,
                "too_large",
                &format!("not whole, or more than {limit} bytes"),
            );
        }
        Err(_) => return problem(StatusCode::REQUEST_TIMEOUT, "too_slow", "the document did not come in time"),
    };
    if !proven(&feed, &shown, &bytes) {
        return unknown();
    }
    let label = text(&headers, "idempotency-key").map(str::to_owned);
    if label.as_ref().is_some_and(|label| label.is_empty() || label.len() > LABEL_BYTES_MAX) {
        return problem(StatusCode::BAD_REQUEST, "bad_request", "Idempotency-Key must have 1 to 200 bytes");
    }
    let name = label.clone().unwrap_or_else(|| format!("push {}", clock::text(clock::now())));
    // Taken in a task of its own: who hangs up after sending has sent.
    let taking = tokio::spawn(async move { intake.take(&feed, &Came { name, via: "http", label, bytes }).await });
    match taking.await {
        Ok(Ok(report)) => answer(&report),
        Ok(Err(error @ Refusal::Label)) => problem(StatusCode::CONFLICT, "conflict", &error.to_string()),
        Ok(Err(error)) => {
            tracing::warn!(error = %error, "a pushed document was not taken");
            problem(StatusCode::SERVICE_UNAVAILABLE, "store_unavailable", "the document was not taken; send it again")
        }
        Err(_) => problem(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the document was not taken"),
    }
}

/// The report as JSON; a refused document is a 422.
fn answer(report: &Report) -> Response {
    let refused = report.verdict == Verdict::Refused || report.first == Some(Verdict::Refused);
    let status = if refused { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    (status, Json(told(report))).into_response()
}

/// A report for programs.
pub(super) fn told(report: &Report) -> serde_json::Value {
    let problems: Vec<_> = report
        .problems
        .iter()
        .take(PROBLEMS_TOLD_MAX)
        .map(|p| json!({ "line": p.place.line, "place": p.place.to_string(), "fault": p.fault.name(), "gravity": p.gravity.name(), "why": p.why }))
        .collect();
    json!({
        "verdict": report.verdict, "first": report.first, "sha256": report.sha256, "facts": report.facts,
        "refused": report.refused, "marks": report.marks, "problems": problems,
    })
}
