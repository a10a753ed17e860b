//! What people do to alarms, and the list it is done from.

use super::{Api, Problem, query};
use crate::clock;
use crate::handling::{self, HandlingView};
use crate::ingest::Input;
use crate::operator::{Command, Done, Order, Refusal, Reply};
use crate::people::{Action, Actor, Domain};
use crate::store::{Filter, HandledRow, Sight};
use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use minewatch_alarm::{Intent, Isa, TEXT_MAX};
use minewatch_domain::{At, GatewayId, Level, OrgPath, PointId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;
use utoipa::ToSchema;

/// Longest wait for the writer's answer; the order may still be done after it.
const ANSWER_MAX: Duration = Duration::from_secs(10);
/// Rows of one page.
pub(super) const PAGE_MAX: i64 = 1_000;

/// What an order says beside its name.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ActBody {
    /// The version the author saw (`handling.version`).
    version: i64,
    /// RFC 3339 or milliseconds since 1970; of a shelf or an out-of-service time.
    until: Option<String>,
    one_shot: Option<bool>,
    reason: Option<String>,
    work_order: Option<String>,
}

/// What came of an order.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct ActAnswer {
    /// Version or revision now; absent when a second person is needed.
    now: Option<i64>,
    /// The request a second person has to grant.
    request: Option<String>,
}

/// An alarm with the operator's side.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AnnunciatorRow {
    gateway: String,
    alarm: String,
    level: String,
    at: String,
    org: String,
    domain: String,
    handling: Option<HandlingView>,
}

/// A page of alarms.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AnnunciatorPage {
    /// Where the next page begins; absent on the last.
    next: Option<String>,
    rows: Vec<AnnunciatorRow>,
}

/// A suppression that waits for a second person.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RequestView {
    id: String,
    gateway: String,
    /// The alarm, or the case when `gateway` is empty.
    target: String,
    what: serde_json::Value,
    asked_by: String,
    asked_at: String,
    expires_at: String,
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Problem {
        let problem = |status, code, message| Problem { status, code, message };
        match refusal {
            Refusal::NotFound(what) => Problem::not_found(what),
            Refusal::Denied => problem(StatusCode::FORBIDDEN, "forbidden", "not allowed".to_owned()),
            Refusal::Stale(now) => {
                let message = format!("it has changed since it was seen; it is now at {now}");
                problem(StatusCode::CONFLICT, "stale", message)
            }
            Refusal::Conflict(message) => problem(StatusCode::CONFLICT, "conflict", message),
            Refusal::Bad(message) => Problem::bad(message),
        }
    }
}

impl Api {
    /// Hands an order to the writer and waits for its answer.
    pub(super) async fn order(&self, actor: Actor, order: Order) -> Result<Response, Problem> {
        let busy = || {
            let message = "headquarters is busy; try again".to_owned();
            Problem { status: StatusCode::SERVICE_UNAVAILABLE, code: "busy", message }
        };
        let (reply, answer) = Reply::new();
        let id = format!("{:032x}", rand::random::<u128>());
        let command = Command { id, actor, order, at: clock::now(), reply };
        self.orders.try_send(Input::Operator(command)).map_err(|_| busy())?;
        match tokio::time::timeout(ANSWER_MAX, answer).await {
            Ok(Ok(Ok(Done::Now(now)))) => Ok(Json(ActAnswer { now: Some(now), request: None }).into_response()),
            Ok(Ok(Ok(Done::Asked(request)))) => {
                let body = ActAnswer { now: None, request: Some(request) };
                Ok((StatusCode::ACCEPTED, Json(body)).into_response())
            }
            Ok(Ok(Err(refusal))) => Err(refusal.into()),
            Ok(Err(_)) | Err(_) => Err(busy()),
        }
    }
}

/// Where a reader may see something, for the store's filter; `None`: nowhere.
pub(super) fn sight(actor: &Actor, action: Action) -> Option<Sight> {
    let mut places: BTreeMap<OrgPath, Vec<Domain>> = BTreeMap::new();
    for grant in actor.grants.iter().filter(|grant| grant.role.actions().contains(&action)) {
        let domains = Domain::ALL.into_iter().filter(|domain| grant.domains.contain(*domain));
        places.entry(grant.org.clone()).or_default().extend(domains);
    }
    let everything = |(org, domains): (&OrgPath, &Vec<Domain>)| org.depth() == 0 && domains.len() >= Domain::ALL.len();
    if places.iter().any(everything) {
        return Some(Sight::new());
    }
    if places.is_empty() { None } else { Some(places.into_iter().collect()) }
}

/// Filters of a list, as text.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListParams {
    pub(super) org: Option<String>,
    pub(super) domain: Option<String>,
    pub(super) gateway: Option<String>,
    pub(super) level: Option<String>,
    pub(super) isa: Option<String>,
    pub(super) state: Option<String>,
    pub(super) handler: Option<String>,
    pub(super) after: Option<String>,
    pub(super) limit: Option<String>,
}

pub(super) type Params = Result<Query<ListParams>, axum::extract::rejection::QueryRejection>;

impl ListParams {
    /// The store's filter; `None` when the reader sees nothing.
    pub(super) fn filter(&self, actor: &Actor, action: Action) -> Result<Option<Filter>, Problem> {
        let Some(sight) = sight(actor, action) else { return Ok(None) };
        let level = match self.level.as_deref() {
            None => 0,
            Some(text) => {
                let level = Level::WARNINGS.into_iter().find(|level| level.name() == text);
                i64::from(level.ok_or_else(|| Problem::bad("level must be blue, yellow, orange or red"))?.code())
            }
        };
        let limit = match self.limit.as_deref().map(str::parse::<i64>) {
            None => 100,
            Some(Ok(limit)) if (1..=PAGE_MAX).contains(&limit) => limit,
            Some(_) => return Err(Problem::bad(format!("limit must be 1 to {PAGE_MAX}"))),
        };
        let slug = |name: &str, text: &Option<String>| match text {
            Some(text) if PointId::parse(text).is_err() => Err(Problem::bad(format!("{name} must be a slug"))),
            text => Ok(text.clone()),
        };
        let org = self.org.as_deref().map(OrgPath::parse).transpose().map_err(|e| Problem::bad(e.to_string()))?;
        Ok(Some(Filter {
            sight,
            org,
            domain: slug("domain", &self.domain)?,
            gateway: slug("gateway", &self.gateway)?,
            level_min: level,
            prefix: None,
            isa: None,
            standing: false,
            state: None,
            handler: slug("handler", &self.handler)?,
            after: self.after.as_deref().map(query::page_key).transpose()?,
            limit,
        }))
    }
}

/// A level's name.
pub(super) fn level_name(code: i64) -> String {
    u8::try_from(code).ok().and_then(Level::from_code).unwrap_or_default().name().to_owned()
}

/// Alarms with the operator's side, worst and newest first, in pages.
#[utoipa::path(get, path = "/api/v1/annunciator",
    params(("state" = Option<String>, Query), ("isa" = Option<String>, Query), ("org" = Option<String>, Query),
        ("domain" = Option<String>, Query), ("gateway" = Option<String>, Query), ("level" = Option<String>, Query),
        ("after" = Option<String>, Query), ("limit" = Option<u32>, Query)),
    responses((status = 200, body = AnnunciatorPage)))]
pub(super) async fn annunciator(
    State(api): State<Api>,
    actor: Actor,
    params: Params,
) -> Result<Json<AnnunciatorPage>, Problem> {
    let Query(asked) = params.map_err(|e| Problem::bad(e.body_text()))?;
    let Some(mut filter) = asked.filter(&actor, Action::View)? else {
        return Ok(Json(AnnunciatorPage { next: None, rows: Vec::new() }));
    };
    filter.standing = match asked.state.as_deref() {
        None | Some("standing") => true,
        Some("all") => false,
        Some(_) => return Err(Problem::bad("state must be standing or all")),
    };
    filter.isa = match asked.isa.as_deref() {
        None => None,
        Some(name) => {
            let known = Isa::from_name(name).ok_or_else(|| Problem::bad("isa must be a state of ISA-18.2"))?;
            Some(known.name().to_owned())
        }
    };
    let rows = api.store.alarm_page(&filter).await?;
    let full = rows.len() as i64 == filter.limit;
    let next = rows.last().filter(|_| full).map(|r| query::page_key_text(r.level, r.at_us, 0, &r.gateway, &r.alarm));
    let now = clock::now();
    Ok(Json(AnnunciatorPage { next, rows: rows.iter().map(|row| api.annunciator_row(row, now)).collect() }))
}

impl Api {
    fn annunciator_row(&self, row: &HandledRow, now: At) -> AnnunciatorRow {
        let beside = (row.version, row.inhibited_by.as_deref(), row.case_id.as_deref());
        AnnunciatorRow {
            gateway: row.gateway.clone(),
            alarm: row.alarm.clone(),
            level: level_name(row.level),
            at: clock::text(At(row.at_us)),
            org: row.org.clone(),
            domain: row.domain.clone(),
            handling: row.state.as_ref().map(|state| handling::view(state, beside, &self.rules.alarm, now)),
        }
    }
}

fn intent(act: &str, body: &ActBody) -> Result<Intent, Problem> {
    let until = || {
        let text = body.until.as_deref().ok_or_else(|| Problem::bad("until is needed"))?;
        clock::parse(text).ok_or_else(|| Problem::bad("until must be RFC 3339 or milliseconds since 1970"))
    };
    let text = |name: &str, text: &Option<String>| {
        let text = text.as_deref().map(str::trim).unwrap_or_default();
        let length = text.chars().count();
        // PostgreSQL text takes no NUL.
        match (1..=TEXT_MAX).contains(&length) && !text.contains('\0') {
            true => Ok(text.to_owned()),
            false => Err(Problem::bad(format!("{name} needs 1 to {TEXT_MAX} characters"))),
        }
    };
    Ok(match act {
        "acknowledge" => Intent::Acknowledge,
        "silence" => Intent::Silence,
        "unshelve" => Intent::Unshelve,
        "return-to-service" => Intent::ReturnToService,
        "reset" => Intent::Reset,
        "shelve" => Intent::Shelve {
            until: until()?,
            one_shot: body.one_shot.unwrap_or(false),
            reason: text("reason", &body.reason)?,
        },
        "out-of-service" => Intent::OutOfService {
            until: until()?,
            work_order: text("work_order", &body.work_order)?,
            reason: text("reason", &body.reason)?,
        },
        _ => return Err(Problem::not_found("act")),
    })
}

/// Does something to an alarm: `acknowledge`, `silence`, `shelve`, `unshelve`, `out-of-service`,
/// `return-to-service` or `reset`. A stale version is 409; red needs a second person (202).
#[utoipa::path(post, path = "/api/v1/alarms/{gateway}/{alarm}/{act}",
    params(("gateway" = String, Path), ("alarm" = String, Path), ("act" = String, Path)),
    request_body = ActBody,
    responses((status = 200, body = ActAnswer), (status = 202, body = ActAnswer), (status = 400), (status = 403),
        (status = 404), (status = 409)))]
pub(super) async fn act(
    State(api): State<Api>,
    actor: Actor,
    Path((gateway, alarm, act)): Path<(String, String, String)>,
    Json(body): Json<ActBody>,
) -> Result<Response, Problem> {
    let gateway = GatewayId::parse(&gateway).map_err(|_| Problem::not_found("alarm"))?;
    let alarm = PointId::parse(&alarm).map_err(|_| Problem::not_found("alarm"))?;
    let what = intent(&act, &body)?;
    api.order(actor, Order::Alarm { gateway, alarm, seen: body.version, what }).await
}

/// Every action on one alarm, of headquarters and of the site.
#[utoipa::path(get, path = "/api/v1/alarms/{gateway}/{alarm}/actions",
    params(("gateway" = String, Path), ("alarm" = String, Path)),
    responses((status = 200, body = Vec<serde_json::Value>), (status = 404)))]
pub(super) async fn actions(
    State(api): State<Api>,
    actor: Actor,
    Path((gateway, alarm)): Path<(String, String)>,
) -> Result<Json<Vec<serde_json::Value>>, Problem> {
    let known = api.store.handled(&gateway, &alarm).await?.ok_or_else(|| Problem::not_found("alarm"))?;
    let org = OrgPath::parse(&known.org).unwrap_or_else(|_| OrgPath::unassigned());
    let domain = Domain::from_name(&known.domain).unwrap_or(Domain::Dam);
    if !actor.may(Action::View, domain, &org) {
        return Err(Problem::not_found("alarm"));
    }
    let actions = api.store.actions(&gateway, &alarm).await?;
    Ok(Json(actions.iter().filter_map(|text| serde_json::from_str(text).ok()).collect()))
}

/// Suppressions that wait for a second person.
#[utoipa::path(get, path = "/api/v1/requests", responses((status = 200, body = Vec<RequestView>)))]
pub(super) async fn requests(State(api): State<Api>, actor: Actor) -> Result<Json<Vec<RequestView>>, Problem> {
    let mut views = Vec::new();
    for line in api.store.requests(clock::now().micros()).await? {
        let text = |column: usize| line.get(column).cloned().flatten().unwrap_or_default();
        let (gateway, target) = (text(1), text(2));
        let place = match gateway.is_empty() {
            true if target.starts_with("rule.") => api.rule_place(&text(3)).await?,
            true => api.store.case(&target).await?.map(|case| (case.org.clone(), case.domain)),
            false => api
                .store
                .handled(&gateway, &target)
                .await?
                .map(|row| (OrgPath::parse(&row.org).unwrap_or_else(|_| OrgPath::unassigned()), row.domain)),
        };
        let visible = place.is_some_and(|(org, domain)| {
            actor.may(Action::View, Domain::from_name(&domain).unwrap_or(Domain::Dam), &org)
        });
        if visible {
            let time = |column: usize| clock::text(At(text(column).parse().unwrap_or(0)));
            let what: serde_json::Value = serde_json::from_str(&text(3)).unwrap_or_default();
            let what = what.get("what").cloned().unwrap_or(what);
            let (asked_by, asked_at, expires_at) = (text(4), time(5), time(6));
            views.push(RequestView { id: text(0), gateway, target, what, asked_by, asked_at, expires_at });
        }
    }
    Ok(Json(views))
}

/// A second person agrees.
#[utoipa::path(post, path = "/api/v1/requests/{id}/grant", params(("id" = String, Path)),
    responses((status = 200, body = ActAnswer), (status = 403), (status = 404), (status = 409)))]
pub(super) async fn grant(State(api): State<Api>, actor: Actor, Path(id): Path<String>) -> Result<Response, Problem> {
    if PointId::parse(&id).is_err() {
        return Err(Problem::not_found("request"));
    }
    api.order(actor, Order::Grant { request: id }).await
}
