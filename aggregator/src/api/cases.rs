//! Cases: list, detail, steps, evidence.

use super::acts::{ActAnswer, Params, level_name};
use super::query::page_key_text;
use super::{Api, Problem};
use crate::clock;
use crate::operator::{Evidence, Order};
use crate::people::{Action, Actor, Domain};
use crate::store::{CaseLine, Line};
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use minewatch_alarm::{CaseState, TEXT_MAX, What};
use minewatch_domain::{At, PointId};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

/// Largest piece of evidence: a clip of a few seconds, a photograph, a report.
pub(super) const EVIDENCE_BYTES_MAX: usize = 16 << 20;
/// Media types taken; anything a browser could run is not among them.
const MEDIA: [&str; 7] =
    ["image/jpeg", "image/png", "image/webp", "video/mp4", "application/pdf", "application/json", "text/plain"];
/// Kinds of evidence.
const KINDS: [&str; 5] = ["photo", "clip", "readings", "note", "document"];

/// A case in a list.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CaseView {
    id: String,
    state: String,
    open: bool,
    revision: i64,
    level: String,
    domain: String,
    org: String,
    gateway: Option<String>,
    title: super::types::Name,
    place: super::types::Name,
    raised_at: String,
    changed_at: String,
    closed_at: Option<String>,
    due_at: Option<String>,
    overdue: bool,
    round: u64,
    escalated: u64,
    reopened: u64,
    acked_by: Option<String>,
    handler: Option<String>,
    submitted_by: Option<String>,
    verified_by: Option<String>,
    cause: Option<String>,
    measure: Option<String>,
    reason: Option<String>,
    until: Option<String>,
    first_alarm: String,
}

/// A page of cases.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CasePage {
    next: Option<String>,
    rows: Vec<CaseView>,
}

/// A case with everything that belongs to it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CaseDetail {
    pub(super) case: CaseView,
    /// Every step: revision, event, from, to, actor, at, detail.
    pub(super) steps: Vec<Value>,
    /// Its alarms.
    pub(super) alarms: Vec<Value>,
    /// Who was called, who answered, when.
    pub(super) calls: Vec<Value>,
    /// Evidence with its hashes.
    pub(super) evidence: Vec<Value>,
}

pub(super) fn view(case: &CaseLine) -> CaseView {
    let (body, machine) = (&case.body, &case.body.case);
    let name = |zh: &str, en: &str| super::types::Name { zh: zh.to_owned(), en: en.to_owned() };
    let time = |us: i64| clock::text(At(us));
    CaseView {
        id: case.id.clone(),
        state: case.state.clone(),
        open: case.open,
        revision: case.revision,
        level: level_name(case.level),
        domain: case.domain.clone(),
        org: case.org.to_string(),
        gateway: case.gateway.clone(),
        title: name(&case.title_zh, &case.title_en),
        place: name(&body.place_zh, &body.place_en),
        raised_at: time(case.raised_us),
        changed_at: time(case.changed_us),
        closed_at: case.closed_us.map(time),
        due_at: case.due_us.map(time),
        overdue: case.overdue,
        round: machine.round,
        escalated: machine.step.saturating_sub(1),
        reopened: machine.reopened,
        acked_by: machine.acked_by.clone(),
        handler: machine.handler.clone(),
        submitted_by: machine.submitted_by.clone(),
        verified_by: machine.verified_by.clone(),
        cause: machine.cause.clone(),
        measure: machine.measure.clone(),
        reason: machine.reason.clone(),
        until: machine.until.map(clock::text),
        first_alarm: format!("{}/{}", body.first.0, body.first.1),
    }
}

/// Cases, open and worst first, in pages.
#[utoipa::path(get, path = "/api/v1/cases",
    params(("state" = Option<String>, Query), ("org" = Option<String>, Query), ("domain" = Option<String>, Query),
        ("gateway" = Option<String>, Query), ("level" = Option<String>, Query), ("handler" = Option<String>, Query),
        ("after" = Option<String>, Query), ("limit" = Option<u32>, Query)),
    responses((status = 200, body = CasePage)))]
pub(super) async fn list(State(api): State<Api>, actor: Actor, params: Params) -> Result<Json<CasePage>, Problem> {
    let Query(asked) = params.map_err(|e| Problem::bad(e.body_text()))?;
    let Some(mut filter) = asked.filter(&actor, Action::View)? else {
        return Ok(Json(CasePage { next: None, rows: Vec::new() }));
    };
    match asked.state.as_deref() {
        None | Some("open") => filter.standing = true,
        Some("all") => {}
        Some(name) => {
            let known = CaseState::from_name(name).ok_or_else(|| Problem::bad("state must be open, all or a state"))?;
            filter.state = Some(known.name().to_owned());
        }
    }
    let rows = api.store.case_page(&filter).await?;
    let full = rows.len() as i64 == filter.limit;
    let next = rows.last().filter(|_| full);
    let next = next.map(|row| page_key_text(i64::from(row.open), row.level, row.raised_us, &row.id, ""));
    Ok(Json(CasePage { next, rows: rows.iter().map(view).collect() }))
}

impl Api {
    /// A case its reader may do `action` on; anything else does not exist for that reader.
    pub(super) async fn case_for(&self, actor: &Actor, id: &str, action: Action) -> Result<CaseLine, Problem> {
        let missing = || Problem::not_found("case");
        PointId::parse(id).map_err(|_| missing())?;
        let case = self.store.case(id).await?.ok_or_else(missing)?;
        let domain = Domain::from_name(&case.domain).unwrap_or(Domain::Dam);
        if !actor.may(Action::View, domain, &case.org) {
            return Err(missing());
        }
        match actor.may(action, domain, &case.org) {
            true => Ok(case),
            false => Err(Problem::forbidden(action)),
        }
    }

    pub(super) async fn case_detail(&self, case: &CaseLine) -> Result<CaseDetail, Problem> {
        let id = case.id.as_str();
        let named = |lines: Vec<Line>, names: &[&str]| -> Vec<Value> {
            lines.iter().map(|line| named_line(line, names)).collect()
        };
        Ok(CaseDetail {
            case: view(case),
            steps: named(
                self.store.case_steps(id).await?,
                &["#revision", "event", "from", "to", "actor", "@at", "{detail"],
            ),
            alarms: named(self.store.case_alarms(id).await?, &["gateway", "alarm", "^level", "@joined_at"]),
            calls: named(
                self.store.case_calls(id).await?,
                &["#round", "#step", "target", "channel", "@called_at", "answered_by", "@answered_at"],
            ),
            evidence: named(
                self.store.case_evidence(id).await?,
                &["sha256", "kind", "name", "media_type", "#bytes", "actor", "@at", "note"],
            ),
        })
    }
}

/// A row with names: `#` a number, `@` a time, `^` a level, `{` JSON.
pub(super) fn named_line(line: &Line, names: &[&str]) -> Value {
    let mut fields = serde_json::Map::new();
    for (name, value) in names.iter().zip(line) {
        let number = || value.as_deref().and_then(|text| text.parse::<i64>().ok());
        let (key, shown) = match name.split_at(1) {
            ("#", key) => (key, json!(number())),
            ("@", key) => (key, json!(number().map(|us| clock::text(At(us))))),
            ("^", key) => (key, json!(number().map(level_name))),
            ("{", key) => {
                let read = value.as_deref().and_then(|text| serde_json::from_str::<Value>(text).ok());
                (key, read.unwrap_or_default())
            }
            _ => (*name, json!(value)),
        };
        fields.insert(key.to_owned(), shown);
    }
    Value::Object(fields)
}

/// One case with its steps, alarms, calls and evidence.
#[utoipa::path(get, path = "/api/v1/cases/{id}", params(("id" = String, Path)),
    responses((status = 200, body = CaseDetail), (status = 404)))]
pub(super) async fn detail(
    State(api): State<Api>,
    actor: Actor,
    Path(id): Path<String>,
) -> Result<Json<CaseDetail>, Problem> {
    let case = api.case_for(&actor, &id, Action::View).await?;
    Ok(Json(api.case_detail(&case).await?))
}

/// What a step says beside its name.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct StepBody {
    /// The revision the author saw.
    revision: i64,
    /// The handler, for `assign`.
    to: Option<String>,
    cause: Option<String>,
    measure: Option<String>,
    reason: Option<String>,
    /// RFC 3339 or milliseconds since 1970, for `suppress`.
    until: Option<String>,
}

fn what(act: &str, body: &StepBody) -> Result<What, Problem> {
    let text = |name: &str, text: &Option<String>| {
        let text = text.as_deref().map(str::trim).unwrap_or_default();
        match (1..=TEXT_MAX).contains(&text.chars().count()) && !text.contains('\0') {
            true => Ok(text.to_owned()),
            false => Err(Problem::bad(format!("{name} needs 1 to {TEXT_MAX} characters"))),
        }
    };
    Ok(match act {
        "acknowledge" => What::Acknowledge,
        "assign" => {
            let to = text("to", &body.to)?;
            minewatch_domain::PersonId::parse(&to).map_err(|e| Problem::bad(e.to_string()))?;
            What::Assign { to }
        }
        "start" => What::Start,
        "submit" => What::Submit { cause: text("cause", &body.cause)?, measure: text("measure", &body.measure)? },
        "verify" => What::Verify,
        "reject" => What::Reject { reason: text("reason", &body.reason)? },
        "close" => What::Close,
        "false-positive" => What::FalsePositive { reason: text("reason", &body.reason)? },
        "suppress" => {
            let until = body.until.as_deref().and_then(clock::parse);
            let until = until.ok_or_else(|| Problem::bad("until must be RFC 3339 or milliseconds since 1970"))?;
            What::Suppress { until, reason: text("reason", &body.reason)? }
        }
        "reopen" => What::Reopen { reason: text("reason", &body.reason)? },
        _ => return Err(Problem::not_found("step")),
    })
}

/// A step of a case: `acknowledge`, `assign`, `start`, `submit`, `verify`, `reject`, `close`,
/// `false-positive`, `suppress` or `reopen`. A stale revision is 409.
#[utoipa::path(post, path = "/api/v1/cases/{id}/{act}", params(("id" = String, Path), ("act" = String, Path)),
    request_body = StepBody,
    responses((status = 200, body = ActAnswer), (status = 202, body = ActAnswer), (status = 400), (status = 403),
        (status = 404), (status = 409)))]
pub(super) async fn act(
    State(api): State<Api>,
    actor: Actor,
    Path((id, act)): Path<(String, String)>,
    Json(body): Json<StepBody>,
) -> Result<Response, Problem> {
    PointId::parse(&id).map_err(|_| Problem::not_found("case"))?;
    let what = what(&act, &body)?;
    api.order(actor, Order::Case { case: id, seen: body.revision, what }).await
}

/// What a piece of evidence is.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EvidenceParams {
    kind: String,
    name: String,
    note: Option<String>,
    /// What the sender computed; a difference is refused.
    sha256: Option<String>,
}

/// Adds evidence: the body is the file, at most 16 MiB, with its media type.
#[utoipa::path(post, path = "/api/v1/cases/{id}/evidence",
    params(("id" = String, Path), ("kind" = String, Query), ("name" = String, Query), ("note" = Option<String>, Query),
        ("sha256" = Option<String>, Query)),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 200, body = ActAnswer), (status = 400), (status = 403), (status = 404), (status = 413)))]
pub(super) async fn add_evidence(
    State(api): State<Api>,
    actor: Actor,
    Path(id): Path<String>,
    params: Result<Query<EvidenceParams>, axum::extract::rejection::QueryRejection>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    PointId::parse(&id).map_err(|_| Problem::not_found("case"))?;
    let Query(asked) = params.map_err(|e| Problem::bad(e.body_text()))?;
    let media = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !MEDIA.contains(&media) {
        return Err(Problem::bad(format!("content-type must be one of {}", MEDIA.join(", "))));
    }
    if !KINDS.contains(&asked.kind.as_str()) {
        return Err(Problem::bad(format!("kind must be one of {}", KINDS.join(", "))));
    }
    if body.is_empty() {
        return Err(Problem::bad("the body is the file; it is empty"));
    }
    let plain =
        |name: &str, text: &str, max: usize| match text.chars().count() <= max && !text.chars().any(char::is_control) {
            true => Ok(text.to_owned()),
            false => Err(Problem::bad(format!("{name} must have at most {max} characters and no control characters"))),
        };
    let sha256 = Sha256::digest(&body).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    if asked.sha256.as_ref().is_some_and(|said| !said.eq_ignore_ascii_case(&sha256)) {
        return Err(Problem::bad("the body does not have the hash that was said"));
    }
    let evidence = Evidence {
        case: id,
        kind: asked.kind,
        name: plain("name", &asked.name, 200)?,
        media_type: media.to_owned(),
        sha256,
        note: plain("note", asked.note.as_deref().unwrap_or_default(), TEXT_MAX)?,
        body: body.to_vec(),
    };
    api.order(actor, Order::Evidence(evidence)).await
}

/// The bytes of one piece of evidence, always as a download.
#[utoipa::path(get, path = "/api/v1/cases/{id}/evidence/{sha256}",
    params(("id" = String, Path), ("sha256" = String, Path)),
    responses((status = 200, content_type = "application/octet-stream", body = Vec<u8>), (status = 404)))]
pub(super) async fn get_evidence(
    State(api): State<Api>,
    actor: Actor,
    Path((id, sha256)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let case = api.case_for(&actor, &id, Action::View).await?;
    let missing = || Problem::not_found("evidence");
    let sound = sha256.len() == 64 && sha256.bytes().all(|b| b.is_ascii_hexdigit());
    let found = if sound { api.store.evidence_body(&case.id, &sha256).await? } else { None };
    let (media, _, body) = found.ok_or_else(missing)?;
    let disposition = format!("attachment; filename=\"{}\"", &sha256[..16]);
    Ok(([(header::CONTENT_TYPE, media), (header::CONTENT_DISPOSITION, disposition)], body).into_response())
}
