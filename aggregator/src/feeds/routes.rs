//! Feeds for people: how they do, what is in quarantine, reading it again.

use super::document::Intake;
use super::overdue::overdue;
use super::push::told;
use crate::api::Api;
use crate::people::{Action, Actor, Domain};
use crate::store::StoreError;
use crate::{audit, clock};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use minewatch_domain::At;
use serde_json::json;

/// Documents and rows shown at once.
const SHOWN_MAX: i64 = 200;

/// The routes behind the gate.
pub(crate) fn routes() -> Router<Api> {
    Router::new()
        .route("/api/v1/feeds", get(list))
        .route("/api/v1/feeds/{feed}/quarantine", get(quarantine))
        .route("/api/v1/feeds/{feed}/replay/{sha256}", post(replay))
}

fn problem(status: StatusCode, code: &str, message: &str) -> Response {
    (status, Json(json!({ "error": { "code": code, "message": message } }))).into_response()
}

fn not_found() -> Response {
    problem(StatusCode::NOT_FOUND, "not_found", "no such feed or document")
}

fn unavailable(error: &StoreError) -> Response {
    tracing::warn!(error = %error, "feeds not readable");
    problem(StatusCode::SERVICE_UNAVAILABLE, "store_unavailable", "the store does not answer; see /readyz")
}

/// Every feed the caller may see, with its newest documents.
#[utoipa::path(get, path = "/api/v1/feeds", responses((status = 200, description = "Feeds; times in microseconds since 1970", body = Object)))]
pub(crate) async fn list(State(api): State<Api>, actor: Actor) -> Response {
    let Some(intake) = &api.feeds else { return Json(json!([])).into_response() };
    match views(intake, &actor).await {
        Ok(views) => Json(views).into_response(),
        Err(error) => unavailable(&error),
    }
}

async fn views(intake: &Intake, actor: &Actor) -> Result<Vec<serde_json::Value>, StoreError> {
    let mut views = Vec::new();
    for feed in intake.config().feeds.iter().filter(|feed| actor.may_any(Action::View, &feed.org)) {
        let now = clock::now();
        let (since, taken, watermark) = intake.store().feed_state(feed.name.as_str(), now).await?;
        let documents = intake.store().feed_documents(feed.name.as_str(), 20).await?;
        views.push(json!({
            "name": feed.name, "org": feed.org, "since_us": since.micros(), "taken_us": taken.map(At::micros),
            "overdue": overdue(feed, since, taken, now), "watermark": watermark, "documents": documents,
        }));
    }
    Ok(views)
}

/// What of a feed could not be taken; source records stand there, so it takes the right to look after the system.
#[utoipa::path(get, path = "/api/v1/feeds/{feed}/quarantine", params(("feed" = String, Path)),
    responses((status = 200, description = "Newest first", body = Object)))]
pub(crate) async fn quarantine(State(api): State<Api>, actor: Actor, Path(name): Path<String>) -> Response {
    let Some(intake) = &api.feeds else { return not_found() };
    let Some(feed) = intake.config().feed(&name) else { return not_found() };
    if !actor.may(Action::ViewSystem, Domain::System, &feed.org) {
        return not_found();
    }
    match intake.store().feed_quarantine(&name, SHOWN_MAX).await {
        Ok(held) => Json(held).into_response(),
        Err(error) => unavailable(&error),
    }
}

/// Reads a document in quarantine again, with the mapping that is in force now.
#[utoipa::path(post, path = "/api/v1/feeds/{feed}/replay/{sha256}", params(("feed" = String, Path), ("sha256" = String, Path)),
    responses((status = 200, description = "What became of it", body = Object)))]
pub(crate) async fn replay(
    State(api): State<Api>,
    actor: Actor,
    Path((name, sha256)): Path<(String, String)>,
) -> Response {
    let Some(intake) = &api.feeds else { return not_found() };
    let Some(feed) = intake.config().feed(&name) else { return not_found() };
    if !actor.may(Action::ManageSystem, Domain::System, &feed.org) {
        return not_found();
    }
    let report = match intake.replay(feed, &sha256).await {
        Ok(Some(report)) => report,
        Ok(None) => return not_found(),
        Err(error) => return problem(StatusCode::SERVICE_UNAVAILABLE, "store_unavailable", &error.to_string()),
    };
    let noted = async {
        let mut writing = intake.store().begin().await?;
        let detail = json!({ "verdict": report.verdict, "facts": report.facts, "refused": report.refused });
        let target = format!("{name}/{sha256}");
        audit::append(&mut writing, &actor, "feed.replay", &target, &detail, clock::now()).await?;
        writing.commit().await
    };
    match noted.await {
        Ok(()) => Json(told(&report)).into_response(),
        Err(error) => unavailable(&error),
    }
}
