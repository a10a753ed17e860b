//! The HTTP interface (`docs/http-api.md`), live events and the console.
//!
//! Invariant: read-only; every parameter and every answer is bounded. Deliberately absent: writes.

mod acts;
mod cases;
mod complete;
mod console;
mod organisation;
mod outward;
mod pack;
mod query;
mod routes;
mod stream;
pub mod types;
pub mod view;

use crate::evidence::{self, EvidenceGate};
use crate::ingest::Input;
use crate::live::Live;
use crate::metrics::Metrics;
use crate::people::{Action, Actor, Denied};
use crate::rules::Rules;
use crate::store::{Store, StoreError};
use crate::system::Health;
use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use minewatch_domain::At;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use utoipa::OpenApi;

/// What the handlers work with.
#[derive(Debug, Clone)]
pub struct Api {
    /// Reads.
    pub store: Store,
    /// Live state.
    pub live: Live,
    /// Store health.
    pub health: Health,
    /// Counters.
    pub metrics: Metrics,
    /// This process.
    pub instance: u64,
    /// Since when it runs.
    pub started: At,
    /// The broker, without secrets.
    pub broker_url: String,
    /// Whether it is ours.
    pub embedded: bool,
    /// Where orders of people go.
    pub orders: mpsc::Sender<Input>,
    /// How alarms behave.
    pub rules: Arc<Rules>,
    /// What readers must show.
    pub token: Option<Arc<str>>,
    /// Channels.
    pub notify: Arc<crate::notify::NotifyConfig>,
    /// Clips and snapshots, where they are taken.
    pub evidence: Option<EvidenceGate>,
}

/// An error answer.
#[derive(Debug)]
pub struct Problem {
    status: StatusCode,
    code: &'static str,
    message: String,
}

impl Problem {
    fn bad(message: impl Into<String>) -> Problem {
        Problem { status: StatusCode::BAD_REQUEST, code: "bad_request", message: message.into() }
    }

    /// Signed in, but without the right. Things of others are `not_found` instead, so that ids tell nothing.
    fn forbidden(action: Action) -> Problem {
        Problem { status: StatusCode::FORBIDDEN, code: "forbidden", message: format!("not allowed: {action:?}") }
    }

    fn not_found(what: &str) -> Problem {
        Problem { status: StatusCode::NOT_FOUND, code: "not_found", message: format!("no such {what}") }
    }
}

impl From<Denied> for Problem {
    fn from(denied: Denied) -> Problem {
        Problem::forbidden(denied.action)
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Problem {
        tracing::warn!(error = &error as &dyn std::error::Error, "read failed");
        let message = "the store does not answer; see /readyz".to_owned();
        Problem { status: StatusCode::SERVICE_UNAVAILABLE, code: "store_unavailable", message }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = serde_json::json!({ "error": { "code": self.code, "message": self.message } });
        (self.status, axum::Json(body)).into_response()
    }
}

#[derive(OpenApi)]
#[openapi(
    info(title = "Minewatch headquarters", description = "Read-only interface of the aggregator."),
    paths(
        routes::gateways,
        routes::points,
        routes::history,
        routes::readings,
        routes::alarms,
        routes::journal,
        routes::events,
        routes::ledger,
        routes::quarantine,
        routes::system,
        stream::stream,
        outward::kpi,
        outward::channels,
        outward::notices,
        outward::schema,
        acts::annunciator,
        acts::act,
        acts::actions,
        acts::requests,
        acts::grant,
        cases::list,
        cases::detail,
        cases::act,
        cases::add_evidence,
        cases::get_evidence,
        pack::pack,
        organisation::get_all,
        organisation::change
    )
)]
struct Description;

/// The OpenAPI description, JSON.
pub fn openapi() -> String {
    Description::openapi().to_pretty_json().unwrap_or_default()
}

/// All routes.
pub fn router(api: Api) -> Router {
    let open = Router::new().route("/healthz", get(|| async { "ok\n" })).route("/readyz", get(routes::ready));
    let read = Router::new()
        .route("/api/v1/gateways", get(routes::gateways))
        .route("/api/v1/points", get(routes::points))
        .route("/api/v1/points/{gateway}/{point}/history", get(routes::history))
        .route("/api/v1/readings", get(routes::readings))
        .route("/api/v1/alarms", get(routes::alarms))
        .route("/api/v1/alarms/{gateway}/{alarm}/journal", get(routes::journal))
        .route("/api/v1/events", get(routes::events))
        .route("/api/v1/annunciator", get(acts::annunciator))
        .route("/api/v1/alarms/{gateway}/{alarm}/actions", get(acts::actions))
        .route("/api/v1/alarms/{gateway}/{alarm}/{act}", post(acts::act))
        .route("/api/v1/requests", get(acts::requests))
        .route("/api/v1/requests/{id}/grant", post(acts::grant))
        .route("/api/v1/cases", get(cases::list))
        .route("/api/v1/cases/{id}", get(cases::detail))
        .route("/api/v1/cases/{id}/{act}", post(cases::act))
        .route(
            "/api/v1/cases/{id}/evidence",
            post(cases::add_evidence).layer(DefaultBodyLimit::max(cases::EVIDENCE_BYTES_MAX)),
        )
        .route("/api/v1/cases/{id}/evidence/{sha256}", get(cases::get_evidence))
        .route("/api/v1/cases/{id}/pack", get(pack::pack))
        .route("/api/v1/organisation", get(organisation::get_all).post(organisation::change))
        .route("/api/v1/ledger", get(routes::ledger))
        .route("/api/v1/quarantine", get(routes::quarantine))
        .route("/api/v1/system", get(routes::system))
        .route("/api/v1/stream", get(stream::stream))
        .merge(outward::routes())
        .merge(evidence::routes(api.evidence.clone()))
        .route("/api/openapi.json", get(|| async { ([(header::CONTENT_TYPE, "application/json")], openapi()) }))
        .route("/api/{*rest}", get(|| async { Problem::not_found("route") }))
        .route("/metrics", get(routes::metrics))
        .fallback(get(console::serve))
        .layer(middleware::from_fn_with_state(api.clone(), identify));
    let open = match &api.evidence {
        Some(gate) => open.merge(evidence::upload_routes(gate.clone())),
        None => open,
    };
    open.merge(read).layer(middleware::from_fn(harden)).with_state(api)
}

/// Whether two secrets are equal, in time that does not tell how far they agree.
fn same(a: &[u8], b: &[u8]) -> bool {
    use sha2::{Digest, Sha256};
    let (a, b) = (Sha256::digest(a), Sha256::digest(b));
    a.iter().zip(b.iter()).fold(0u8, |acc, (x, y)| acc | (x ^ y)) == 0
}

/// The gate: whoever comes through is an [`Actor`].
async fn identify(State(api): State<Api>, mut request: Request, next: Next) -> Response {
    if let Some(token) = &api.token {
        let shown = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let shown = shown.and_then(|value| value.strip_prefix("Bearer "));
        if !shown.is_some_and(|shown| same(shown.as_bytes(), token.as_bytes())) {
            let message = "show the read token: Authorization: Bearer ...".to_owned();
            let problem = Problem { status: StatusCode::UNAUTHORIZED, code: "unauthorized", message };
            return ([(header::WWW_AUTHENTICATE, "Bearer")], problem).into_response();
        }
    }
    request.extensions_mut().insert(Actor::read_token());
    next.run(request).await
}

async fn harden(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    let csp = "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
               object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(csp));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin"));
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    response
}

/// Serves until told to stop; open streams are then cut.
pub async fn serve(listener: TcpListener, api: Api, stop: CancellationToken) {
    let served = axum::serve(listener, router(api)).with_graceful_shutdown(stop.clone().cancelled_owned());
    // Event streams never end by themselves, so the graceful end gets two seconds only.
    let cut = async {
        stop.cancelled().await;
        tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    };
    tokio::select! {
        result = served => if let Err(error) = result { tracing::error!(error = &error as &dyn std::error::Error, "http stopped") },
        () = cut => {}
    }
}
