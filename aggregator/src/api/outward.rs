//! Routes about what leaves headquarters: key figures, channels and notices, the published contract.

use super::query::Asked;
use super::types::{ChannelView, NoticeView};
use super::{Api, Problem};
use crate::clock;
use crate::hq::schemas;
use crate::notify::sender::State as NoticeState;
use crate::people::{Action, Actor};
use axum::extract::{Path, Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use minewatch_alarm::kpi::{Kpi, Window};
use minewatch_domain::{At, OrgPath};

type Params = Result<Query<Asked>, axum::extract::rejection::QueryRejection>;

/// Widest window of key figures: 92 days.
const KPI_US_MAX: i64 = 92 * 86_400_000_000;

/// The routes.
pub(super) fn routes() -> Router<Api> {
    Router::new()
        .route("/api/v1/kpi", get(kpi))
        .route("/api/v1/channels", get(channels))
        .route("/api/v1/channels/{name}/test", post(test_channel))
        .route("/api/v1/notices", get(notices))
        .route("/api/v1/schemas/{name}", get(schema))
        .route("/api/asyncapi.json", get(asyncapi))
}

fn asked(params: Params) -> Result<Asked, Problem> {
    params.map(|Query(asked)| asked).map_err(|e| Problem::bad(e.body_text()))
}

/// Key figures of alarm management (EEMUA 191, ISA-18.2) of a part of the organisation.
#[utoipa::path(get, path = "/api/v1/kpi",
    params(("org" = Option<String>, Query, description = "group/company/mine/facility, or a part of it from the left; everything when absent"),
        ("from" = Option<String>, Query), ("to" = Option<String>, Query)),
    responses((status = 200, description = "Figures; times in microseconds since 1970, durations in seconds", body = Object)))]
pub(super) async fn kpi(State(api): State<Api>, actor: Actor, params: Params) -> Result<Json<Kpi>, Problem> {
    let asked = asked(params)?;
    let org = asked.org.as_deref().map(OrgPath::parse).transpose();
    let org = org.map_err(|e| Problem::bad(format!("org: {e}")))?;
    let now = clock::now();
    let (from, to) = asked.range(now)?;
    let to = At(to.micros().min(now.micros()));
    if to.micros() - from.micros() > KPI_US_MAX {
        return Err(Problem::bad("at most 92 days at once"));
    }
    if !actor.may_any(Action::View, org.as_ref().unwrap_or(&OrgPath::root())) {
        return Err(Problem::not_found("part of the organisation"));
    }
    let window = Window { from, to };
    let facts = api.store.kpi_facts(org.as_ref(), window).await?;
    if facts.cut {
        return Err(Problem::bad(
            "more alarms or steps than can be counted at once; ask for a shorter time or one mine",
        ));
    }
    Ok(Json(minewatch_alarm::kpi::compute(window, &facts.records, &facts.cases)))
}

/// Notification channels and how they last did.
#[utoipa::path(get, path = "/api/v1/channels", responses((status = 200, body = Vec<ChannelView>)))]
pub(super) async fn channels(State(api): State<Api>, actor: Actor) -> Result<Json<Vec<ChannelView>>, Problem> {
    if !looks_after(&actor, &OrgPath::root()) {
        return Err(Problem::forbidden(Action::ManageChannels));
    }
    let known = api.store.channels().await?;
    let views = api.notify.channels.values().map(|channel| {
        let row = known.iter().find(|row| row.channel == channel.name);
        ChannelView {
            name: channel.name.clone(),
            kind: channel.kind.name().to_owned(),
            fallback: channel.fallback.clone(),
            last_ok_at: row.and_then(|row| row.ok).map(clock::text),
            last_failed_at: row.and_then(|row| row.failed).map(clock::text),
            failures: row.map_or(0, |row| row.failures),
            error: row.and_then(|row| row.error.clone()),
        }
    });
    Ok(Json(views.collect()))
}

/// What a channel said to a test message.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub(super) struct ChannelTest {
    delivered: bool,
    /// Its receipt, or why it did not take the message.
    said: String,
}

/// Sends a test message over one channel now. Recorded.
#[utoipa::path(post, path = "/api/v1/channels/{name}/test", params(("name" = String, Path)),
    responses((status = 200, body = ChannelTest), (status = 403), (status = 404)))]
pub(super) async fn test_channel(
    State(api): State<Api>,
    actor: Actor,
    Path(name): Path<String>,
) -> Result<Json<ChannelTest>, Problem> {
    if !actor.may_any(Action::ManageChannels, &OrgPath::root()) {
        return Err(Problem::forbidden(Action::ManageChannels));
    }
    if !api.notify.channels.contains_key(&name) {
        return Err(Problem::not_found("channel"));
    }
    let answer = crate::notify::test_once(&api.notify, &name).await;
    let (delivered, said) = match answer {
        Ok(receipt) => (true, receipt),
        Err(why) => (false, why),
    };
    let detail = serde_json::json!({ "delivered": delivered });
    api.people.record(&actor, "channel.test", &name, &detail, clock::now()).await?;
    Ok(Json(ChannelTest { delivered, said }))
}

/// Notices, newest first: who was told what, and what came of it.
#[utoipa::path(get, path = "/api/v1/notices",
    params(("state" = Option<String>, Query, description = "pending, claimed, sent, failed, dropped or digested"),
        ("limit" = Option<u32>, Query)),
    responses((status = 200, body = Vec<NoticeView>)))]
pub(super) async fn notices(
    State(api): State<Api>,
    actor: Actor,
    params: Params,
) -> Result<Json<Vec<NoticeView>>, Problem> {
    let asked = asked(params)?;
    let known = ["pending", "claimed", "sent", "failed", "dropped", "digested"];
    if asked.state.as_deref().is_some_and(|state| !known.contains(&state)) {
        return Err(Problem::bad(format!("state must be one of {}", known.join(", "))));
    }
    let rows = api.store.notices(asked.state.as_deref(), asked.limit(100)?).await?;
    let view = |notice: crate::notify::Notice| {
        let (sent, outcome) = match &notice.state {
            NoticeState::Sent { at, receipt, .. } => (Some(*at), Some(receipt.clone())),
            NoticeState::Failed { at, why, .. } | NoticeState::Dropped { at, why } => (Some(*at), Some(why.clone())),
            NoticeState::Digested { into } => (None, Some(into.clone())),
            NoticeState::Pending { .. } | NoticeState::Claimed { .. } => (None, None),
        };
        NoticeView {
            key: crate::notify::public_key(&notice.id),
            state: notice.state.name().to_owned(),
            attempts: notice.state.attempts(),
            level: notice.level.name().to_owned(),
            due_at: clock::text(notice.due),
            ended_at: sent.map(clock::text),
            outcome,
            id: notice.id,
            case: notice.case,
            channel: notice.channel,
            target: notice.target,
            domain: notice.domain,
            org: notice.org,
        }
    };
    let theirs = |notice: &crate::notify::Notice| {
        let place = OrgPath::parse(&notice.org).unwrap_or_else(|_| OrgPath::unassigned());
        looks_after(&actor, &place)
    };
    Ok(Json(rows.into_iter().filter(theirs).map(view).collect()))
}

/// Whether an actor keeps channels, or watches them run, at a place.
fn looks_after(actor: &Actor, org: &OrgPath) -> bool {
    actor.may_any(Action::ManageChannels, org) || actor.may_any(Action::ViewSystem, org)
}

/// A JSON Schema of the headquarters topics; `dataschema` urn:minewatch:schema:{kind}:v1 is
/// `/api/v1/schemas/{kind}.v1.json`.
#[utoipa::path(get, path = "/api/v1/schemas/{name}", params(("name" = String, Path)),
    responses((status = 200, description = "JSON Schema 2020-12", body = Object)))]
pub(super) async fn schema(Path(name): Path<String>) -> Result<Response, Problem> {
    let text = name.strip_suffix(".v1.json").and_then(schemas::json_schema);
    let text = text.ok_or_else(|| Problem::not_found("schema"))?;
    Ok(([(header::CONTENT_TYPE, "application/schema+json")], text).into_response())
}

pub(super) async fn asyncapi() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], schemas::asyncapi()).into_response()
}
