//! The HTTP interface (`docs/http-api.md`), live events and the console.
//!
//! Invariant: every request passes the gate; every parameter and every answer is bounded; nothing an
//! answer says comes from an error of the store or the system. Deliberately absent: commands to
//! gateways.

mod access;
mod acts;
mod audit;
mod body;
mod cases;
mod complete;
mod console;
mod enrol;
mod gate;
mod oidc;
mod organisation;
mod outward;
mod own;
mod pack;
mod people;
mod people_types;
mod query;
mod receipts;
mod risk;
mod routes;
mod serve;
mod sign_in;
mod sites;
mod stream;
pub mod types;
pub mod view;

pub(crate) use gate::{Remote, peer};
pub use serve::serve;

use crate::evidence::{self, EvidenceGate};
use crate::ingest::Input;
use crate::live::Live;
use crate::metrics::Metrics;
use crate::people::{Action, Denied, People, Places};
use crate::rules::Rules;
use crate::store::{Store, StoreError};
use crate::system::Health;
use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, delete, get, patch, post, put};
use minewatch_domain::At;
use std::sync::Arc;
use tokio::sync::mpsc;
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
    /// The read token of the settings: sees everything, changes nothing.
    pub token: Option<Arc<str>>,
    /// Channels.
    pub notify: Arc<crate::notify::NotifyConfig>,
    /// Clips and snapshots, where they are taken.
    pub evidence: Option<EvidenceGate>,
    /// Certificates for gateways, where they are given.
    pub identity: Option<crate::identity::Gate>,
    /// Business feeds, where there are some.
    pub feeds: Option<crate::feeds::Intake>,
    /// Who may what.
    pub people: People,
    /// Where gateways stand.
    pub places: Places,
    /// The key whose heads the audit check uses.
    pub audit_key: std::path::PathBuf,
    /// Signs evidence packs, with that key.
    pub signer: Arc<crate::audit::head::Signer>,
    /// Audit checks at once: one, for it reads everything.
    pub checks: Arc<tokio::sync::Semaphore>,
    /// Which business rules judge here.
    pub judges: crate::risk::Judges,
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
    info(
        title = "Minewatch headquarters",
        description = "Interface of the aggregator. Everything but the way in wants a session or a bearer token."
    ),
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
        sites::sites,
        sites::proof,
        sites::forecast,
        stream::stream,
        outward::kpi,
        outward::channels,
        outward::test_channel,
        enrol::create,
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
        receipts::take,
        organisation::get_all,
        organisation::change,
        sign_in::way_in,
        sign_in::sign_in,
        sign_in::setup,
        sign_in::sign_out,
        sign_in::me,
        oidc::start,
        oidc::callback,
        own::password,
        own::begin_factor,
        own::confirm_factor,
        own::end_factor,
        own::break_glass,
        own::sessions,
        own::end_session,
        own::tokens,
        own::create_token,
        own::revoke_token,
        people::list,
        people::create,
        people::change,
        people::reset,
        people::grant,
        people::sessions,
        people::end_session,
        people::tokens,
        people::revoke_token,
        crate::feeds::list,
        crate::feeds::quarantine,
        crate::feeds::replay,
        audit::list,
        audit::check,
        audit::export
    )
)]
struct Description;

/// The OpenAPI description, JSON.
pub fn openapi() -> String {
    let mut all = Description::openapi();
    all.merge(risk::Description::openapi());
    all.to_pretty_json().unwrap_or_default()
}

/// Routes about people and the audit trail.
fn people_routes() -> Router<Api> {
    Router::new()
        .route("/api/v1/sign-in", get(sign_in::way_in).post(sign_in::sign_in))
        .route("/api/v1/setup", post(sign_in::setup))
        .route("/api/v1/sign-out", post(sign_in::sign_out))
        .route("/api/v1/oidc/start", get(oidc::start))
        .route("/api/v1/oidc/callback", get(oidc::callback))
        .route("/api/v1/me", get(sign_in::me))
        .route("/api/v1/me/password", post(own::password))
        .route("/api/v1/me/second-factor", post(own::begin_factor))
        .route("/api/v1/me/second-factor/confirm", post(own::confirm_factor))
        .route("/api/v1/me/second-factor/end", post(own::end_factor))
        .route("/api/v1/me/break-glass", post(own::break_glass))
        .route("/api/v1/me/sessions", get(own::sessions))
        .route("/api/v1/me/sessions/{id}", delete(own::end_session))
        .route("/api/v1/me/tokens", get(own::tokens).post(own::create_token))
        .route("/api/v1/me/tokens/{id}", delete(own::revoke_token))
        .route("/api/v1/people", get(people::list).post(people::create))
        .route("/api/v1/people/{person}", patch(people::change))
        .route("/api/v1/people/{person}/reset", post(people::reset))
        .route("/api/v1/people/{person}/grants", put(people::grant))
        .route("/api/v1/people/{person}/sessions", get(people::sessions))
        .route("/api/v1/people/{person}/sessions/{id}", delete(people::end_session))
        .route("/api/v1/people/{person}/tokens", get(people::tokens))
        .route("/api/v1/people/{person}/tokens/{id}", delete(people::revoke_token))
        .route("/api/v1/audit", get(audit::list))
        .route("/api/v1/audit/verify", get(audit::check))
        .route("/api/v1/audit/export", get(audit::export))
}

/// All routes. A new one needs its line in `access`.
pub fn router(api: Api) -> Router {
    let secure = api.people.policy().secure;
    let read = Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(routes::ready))
        .route("/api/v1/gateways", get(routes::gateways))
        .route("/api/v1/points", get(routes::points))
        .route("/api/v1/points/{gateway}/{point}/history", get(routes::history))
        .route("/api/v1/points/{gateway}/{point}/forecast", get(sites::forecast))
        .route("/api/v1/sites", get(sites::sites))
        .route("/api/v1/alarms/{gateway}/{alarm}/proof", get(sites::proof))
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
        .route("/api/v1/receipts/{channel}", post(receipts::take))
        .route("/api/v1/organisation", get(organisation::get_all).post(organisation::change))
        .route("/api/v1/ledger", get(routes::ledger))
        .route("/api/v1/quarantine", get(routes::quarantine))
        .route("/api/v1/system", get(routes::system))
        .route("/api/v1/stream", get(stream::stream))
        .route("/api/v1/enrol-codes", post(enrol::create))
        .merge(outward::routes())
        .merge(risk::routes())
        .merge(evidence::routes(api.evidence.clone()))
        .merge(crate::feeds::routes())
        .route("/api/openapi.json", get(|| async { ([(header::CONTENT_TYPE, "application/json")], openapi()) }))
        .merge(people_routes())
        .route("/api/{*rest}", any(|| async { Problem::not_found("route") }))
        .route("/metrics", get(routes::metrics))
        .fallback(console::serve)
        .layer(middleware::from_fn_with_state(api.clone(), gate::gate));
    // Gateways show their own tokens there, and stream bodies that are larger and slower than ours.
    let open = match &api.evidence {
        Some(gate) => Router::new().merge(evidence::upload_routes(gate.clone())),
        None => Router::new(),
    };
    let open = match &api.identity {
        Some(gate) => open.merge(crate::identity::routes(gate.clone())),
        None => open,
    };
    let open = match &api.feeds {
        Some(intake) => open.merge(crate::feeds::push_routes(intake.clone())),
        None => open,
    };
    read.layer(DefaultBodyLimit::max(body::BYTES_MAX))
        .merge(open)
        .layer(middleware::from_fn(move |request, next| harden(secure, request, next)))
        .with_state(api)
}

async fn harden(secure: bool, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    let csp = "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
               object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(csp));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    if secure {
        let year = HeaderValue::from_static("max-age=31536000; includeSubDomains");
        headers.insert(header::STRICT_TRANSPORT_SECURITY, year);
    }
    headers.insert(HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin"));
    headers.insert(HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin"));
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    response
}
