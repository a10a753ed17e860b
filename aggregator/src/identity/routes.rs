//! Enrolment over HTTPS: a code and a request give a certificate; a signature gives the next one.
//!
//! Invariant: whatever was wrong the answer is the same, and who is wrong too often waits. What is
//! public here (certificates of the authorities, revocation lists) is public by nature.

use super::authority::{Authority, Ca};
use super::registry::{Certificate, EnrolError, Registry};
use super::{IdentityConfig, authority};
use crate::api::{Remote, peer};
use crate::clock;
use crate::people::policy::Policy;
use axum::extract::{DefaultBodyLimit, Extension, Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use std::sync::Arc;

/// A code, a request and a signature: far less than this.
const BODY_BYTES_MAX: usize = 2 * authority::REQUEST_BYTES_MAX;

/// What the handlers work with.
#[derive(Debug, Clone)]
pub struct Gate {
    /// The store's side.
    pub registry: Registry,
    /// Signs gateways.
    pub gateways: Arc<Ca>,
    /// What gateways check the broker and this server with.
    pub headquarters: Arc<Ca>,
    /// Settings.
    pub config: IdentityConfig,
    /// Whose word about the caller's address counts.
    pub policy: Policy,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Enrol {
    code: String,
    csr: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Renew {
    gateway: String,
    serial: String,
    csr: String,
    signature: String,
}

/// Routes for gateways: they prove themselves by a code or a signature.
pub fn routes<S: Clone + Send + Sync + 'static>(gate: Gate) -> Router<S> {
    Router::new()
        .route("/enrol/v1", post(enrol))
        .route("/enrol/v1/renew", post(renew))
        .route("/enrol/v1/{authority}/{file}", get(public))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(gate)
}

fn problem(status: StatusCode, code: &str, message: &str) -> Response {
    (status, Json(serde_json::json!({ "error": { "code": code, "message": message } }))).into_response()
}

fn answer(gate: &Gate, outcome: Result<Certificate, EnrolError>) -> Response {
    match outcome {
        Ok(given) => Json(serde_json::json!({
            "gateway": given.name, "serial": given.serial, "certificate": given.pem,
            "ca": gate.headquarters.pem(), "ends": clock::text(given.ends), "ends_us": given.ends.micros(),
            "broker": { "url": gate.config.broker_url },
        }))
        .into_response(),
        Err(error @ EnrolError::Wrong) => problem(StatusCode::UNAUTHORIZED, "unauthorized", &error.to_string()),
        Err(EnrolError::Request(why)) => problem(StatusCode::BAD_REQUEST, "bad_request", &why),
        Err(EnrolError::Full(why)) => problem(StatusCode::CONFLICT, "full", &why),
        Err(EnrolError::Store(error)) => {
            tracing::warn!(error = &error as &dyn std::error::Error, "certificate not given");
            problem(StatusCode::SERVICE_UNAVAILABLE, "store_unavailable", "the store does not answer; try again")
        }
    }
}

/// Asks the throttle before, tells it after.
async fn throttled(
    gate: &Gate,
    address: &str,
    work: impl Future<Output = Result<Certificate, EnrolError>>,
) -> Response {
    match gate.registry.wait_seconds(address, clock::now()).await {
        Ok(0) => {}
        Ok(seconds) => {
            let mut response = problem(StatusCode::TOO_MANY_REQUESTS, "wait", "too many wrong tries from this address");
            if let Ok(value) = seconds.to_string().parse() {
                response.headers_mut().insert(header::RETRY_AFTER, value);
            }
            return response;
        }
        Err(error) => return answer(gate, Err(error)),
    }
    let outcome = work.await;
    match &outcome {
        Ok(given) => tracing::info!(gateway = given.name, serial = given.serial, address, "certificate given"),
        Err(EnrolError::Wrong) => {
            tracing::warn!(address, "certificate refused: wrong code or signature");
            if let Err(error) = gate.registry.failed(address, clock::now()).await {
                return answer(gate, Err(error));
            }
        }
        Err(EnrolError::Request(_) | EnrolError::Full(_) | EnrolError::Store(_)) => {}
    }
    answer(gate, outcome)
}

fn address(gate: &Gate, headers: &HeaderMap, remote: Option<Extension<Remote>>) -> String {
    peer(headers, remote.map(|Extension(remote)| remote.0.ip()), &gate.policy).address
}

async fn enrol(
    State(gate): State<Gate>,
    remote: Option<Extension<Remote>>,
    headers: HeaderMap,
    Json(asked): Json<Enrol>,
) -> Response {
    let from = address(&gate, &headers, remote);
    let (what, how) =
        ((asked.code.as_str(), asked.csr.as_str()), (gate.config.gateway_days, from.as_str(), clock::now()));
    throttled(&gate, &from, gate.registry.enrol(&gate.gateways, what, how)).await
}

async fn renew(
    State(gate): State<Gate>,
    remote: Option<Extension<Remote>>,
    headers: HeaderMap,
    Json(asked): Json<Renew>,
) -> Response {
    let from = address(&gate, &headers, remote);
    let Renew { gateway, serial, csr, signature } = &asked;
    let how = (gate.config.gateway_days, clock::now());
    throttled(&gate, &from, gate.registry.renew(&gate.gateways, (gateway, serial, csr, signature), how)).await
}

async fn public(State(gate): State<Gate>, Path((authority, file)): Path<(String, String)>) -> Response {
    let ca = match authority.as_str() {
        name if name == Authority::Gateways.name() => &gate.gateways,
        name if name == Authority::Headquarters.name() => &gate.headquarters,
        _ => return problem(StatusCode::NOT_FOUND, "not_found", "no such authority"),
    };
    let text = match file.as_str() {
        "ca.pem" => ca.pem().to_owned(),
        "crl.pem" => tokio::fs::read_to_string(ca.list_file()).await.unwrap_or_default(),
        _ => return problem(StatusCode::NOT_FOUND, "not_found", "no such file"),
    };
    ([(header::CONTENT_TYPE, "application/x-pem-file")], text).into_response()
}
