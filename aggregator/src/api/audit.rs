//! The audit trail over HTTP: a page, the check, the export. Reading it out is itself recorded.

use super::{Api, Problem};
use crate::audit::{self, Entry, PAGE_MAX, Wanted, verify};
use crate::clock;
use crate::people::{Action, Actor, Domain, authorize};
use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use minewatch_domain::{At, OrgPath};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// An entry.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct EntryView {
    seq: i64,
    at: String,
    person: String,
    via: String,
    action: String,
    target: String,
    /// JSON text.
    detail: String,
    hash: String,
}

impl EntryView {
    fn of(entry: &Entry) -> EntryView {
        EntryView {
            seq: entry.seq,
            at: clock::text(entry.at),
            person: entry.person.clone(),
            via: entry.via.clone(),
            action: entry.action.clone(),
            target: entry.target.clone(),
            detail: entry.detail.clone(),
            hash: entry.hash.clone(),
        }
    }
}

/// What to look for.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    before: Option<i64>,
    limit: Option<i64>,
    person: Option<String>,
    action: Option<String>,
}

type Params = Result<Query<Asked>, QueryRejection>;

/// Longest text looked for.
const TEXT_BYTES_MAX: usize = 100;

fn must(actor: &Actor) -> Result<(), Problem> {
    Ok(authorize(actor, Action::ViewAudit, Domain::System, &OrgPath::root())?)
}

/// Entries, newest first.
#[utoipa::path(get, path = "/api/v1/audit",
    params(("before" = Option<i64>, Query, minimum = 1), ("limit" = Option<i64>, Query, minimum = 1, maximum = 1000),
        ("person" = Option<String>, Query, max_length = 100), ("action" = Option<String>, Query, max_length = 100)),
    responses((status = 200, body = Vec<EntryView>), (status = 400), (status = 401), (status = 403)))]
pub(super) async fn list(
    State(api): State<Api>,
    actor: Actor,
    params: Params,
) -> Result<Json<Vec<EntryView>>, Problem> {
    must(&actor)?;
    let Query(asked) = params.map_err(|e| Problem::bad(e.body_text()))?;
    let limit = asked.limit.unwrap_or(100);
    if !(1..=PAGE_MAX).contains(&limit) || asked.before.is_some_and(|before| before < 1) {
        return Err(Problem::bad(format!("limit must be 1 to {PAGE_MAX}, before at least 1")));
    }
    let strange = |text: &Option<String>| text.as_ref().is_some_and(|t| t.len() > TEXT_BYTES_MAX || t.contains('\0'));
    if strange(&asked.person) || strange(&asked.action) {
        return Err(Problem::bad(format!("person and action have at most {TEXT_BYTES_MAX} bytes")));
    }
    let wanted = Wanted { before: asked.before.unwrap_or(0), person: asked.person, action: asked.action };
    let entries = audit::page(&api.store, &wanted, limit).await?;
    Ok(Json(entries.iter().map(EntryView::of).collect()))
}

/// Checks the whole chain, against the head this machine signed last.
#[utoipa::path(get, path = "/api/v1/audit/verify",
    responses((status = 200, body = verify::Report), (status = 401), (status = 403), (status = 503)))]
pub(super) async fn check(State(api): State<Api>, actor: Actor) -> Result<Json<verify::Report>, Problem> {
    must(&actor)?;
    let Ok(_one) = api.checks.try_acquire() else {
        let message = "a check is running; try again".to_owned();
        return Err(Problem { status: axum::http::StatusCode::SERVICE_UNAVAILABLE, code: "busy", message });
    };
    let file = audit::head::head_file(&api.audit_key);
    // None yet: the program signs within seconds of its start.
    let signed = audit::head::read_head(&file).ok();
    Ok(Json(verify::verify(&api.store, signed, None).await?))
}

/// The whole trail as JSON lines, as `aggregator verify-audit --export` reads it.
#[utoipa::path(get, path = "/api/v1/audit/export",
    responses((status = 200, content_type = "application/x-ndjson", body = String), (status = 401), (status = 403)))]
pub(super) async fn export(State(api): State<Api>, actor: Actor) -> Result<Response, Problem> {
    must(&actor)?;
    let detail = serde_json::json!({});
    api.people.record(&actor, "audit.export", "audit", &detail, clock::now()).await?;
    let pages = stream::unfold(Some((api, 0i64)), |state| async move {
        let (api, at) = state?;
        match audit::after(&api.store, at).await {
            Ok(entries) if entries.is_empty() => None,
            Ok(entries) => {
                let last = entries.last().map_or(at, |entry| entry.seq);
                let lines: String =
                    entries.iter().filter_map(|e| serde_json::to_string(e).ok()).map(|line| line + "\n").collect();
                Some((Ok(Bytes::from(lines)), Some((api, last))))
            }
            // Broken off, so that nobody takes a part for the whole.
            Err(error) => Some((Err(std::io::Error::other(error)), None)),
        }
    });
    let name = format!("attachment; filename=\"minewatch-audit-{}.ndjson\"", day(clock::now()));
    let headers = [(header::CONTENT_TYPE, "application/x-ndjson".to_owned()), (header::CONTENT_DISPOSITION, name)];
    Ok((headers, Body::from_stream(pages)).into_response())
}

fn day(now: At) -> String {
    clock::text(now).chars().take(10).collect()
}
