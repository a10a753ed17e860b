//! Rules of the group: seen, checked, written as drafts, submitted, approved by another person, ended.

use super::super::acts::ActAnswer;
use super::super::body::Body;
use super::super::{Api, Problem};
use super::common::{BUSINESS, Counts, Params, at_top, domain, limit, may_somewhere, params, words};
use super::rule_types::{
    Checked, DraftBody, FaultView, RuleActBody, RulePage, RuleRow, RuleView, Saved, TextBody, VersionView, checked,
    row, version_row, version_view,
};
use crate::clock;
use crate::operator::{Order, RuleAct, RuleOrder};
use crate::people::{Action, Actor, Domain};
use crate::risk::{StoredRule, in_force};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use minewatch_domain::OrgPath;
use minewatch_risk::rule::RuleFile;
use serde::Deserialize;
use std::collections::BTreeMap;

/// Texts checked at once: each takes a core for a while.
static CHECKS: tokio::sync::Semaphore = tokio::sync::Semaphore::const_new(2);

/// Which rules.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct RuleParams {
    domain: Option<String>,
    q: Option<String>,
    state: Option<String>,
    after: Option<String>,
    limit: Option<String>,
}

/// Which revision of a draft was seen.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct SeenParams {
    revision: Option<i64>,
}

/// Standing warnings by rule id, those a reader sees.
async fn standing(api: &Api, actor: &Actor) -> Result<BTreeMap<String, Counts>, Problem> {
    let mut counts: BTreeMap<String, Counts> = BTreeMap::new();
    for heap in api.store.warning_heaps().await? {
        let place = OrgPath::parse(&heap.org).unwrap_or_else(|_| OrgPath::unassigned());
        let about = Domain::from_name(&heap.domain).unwrap_or(Domain::Legal);
        if let (Some((id, _)), true) = (heap.rule.split_once('#'), actor.may(Action::View, about, &place)) {
            counts.entry(id.to_owned()).or_default().add(heap.level, heap.count);
        }
    }
    Ok(counts)
}

fn sees(actor: &Actor, domain: &str) -> bool {
    Domain::from_name(domain).is_some_and(|domain| may_somewhere(actor, Action::View, domain))
}

/// Versions of one rule that a reader sees; unknown and foreign ones answer alike.
async fn seen(api: &Api, actor: &Actor, id: &str) -> Result<Vec<StoredRule>, Problem> {
    let versions = api.store.rule_versions(Some(id)).await?;
    match versions.first() {
        Some(first) if sees(actor, &first.domain) => Ok(versions),
        _ => Err(Problem::not_found("rule")),
    }
}

fn holds(row: &RuleRow, q: &str) -> bool {
    let lower = q.to_lowercase();
    [&row.id, &row.name.zh, &row.name.en, &row.owner, &row.negative]
        .iter()
        .any(|text| text.to_lowercase().contains(&lower))
}

/// Rules with their owner, version in force, state and standing warnings, by id.
#[utoipa::path(get, path = "/api/v1/rules",
    params(("domain" = Option<String>, Query), ("q" = Option<String>, Query), ("state" = Option<String>, Query),
        ("after" = Option<String>, Query), ("limit" = Option<i64>, Query)),
    responses((status = 200, body = RulePage)))]
pub(in crate::api) async fn list(
    State(api): State<Api>,
    actor: Actor,
    asked: Params<RuleParams>,
) -> Result<Json<RulePage>, Problem> {
    let asked = params(asked)?;
    let wanted = domain(asked.domain.as_deref())?;
    let limit = limit(asked.limit.as_deref(), 500)? as usize;
    let q = asked.q.as_deref().map(|q| words("q", q, 0)).transpose()?.unwrap_or_default();
    let mut counts = standing(&api, &actor).await?;
    let now = clock::now().micros();
    let all = api.store.rule_versions(None).await?;
    let mut rows = Vec::new();
    for versions in all.chunk_by(|a, b| a.id == b.id) {
        let Some(first) = versions.first() else { continue };
        let after = asked.after.as_deref().is_none_or(|after| first.id.as_str() > after);
        if !after || !sees(&actor, &first.domain) || wanted.is_some_and(|wanted| wanted.name() != first.domain) {
            continue;
        }
        let counts = counts.remove(&first.id).unwrap_or_default();
        let Some(row) = row(versions, &api.judges, counts, now) else { continue };
        let state = match asked.state.as_deref() {
            None => true,
            Some("draft") => row.draft.is_some(),
            Some("submitted") => row.submitted.is_some(),
            Some(state) => row.state == state,
        };
        if state && holds(&row, &q) {
            rows.push(row);
        }
        if rows.len() > limit {
            break;
        }
    }
    let more = rows.len() > limit;
    rows.truncate(limit);
    let next = rows.last().filter(|_| more).map(|row| row.id.clone());
    let faults = api.judges.faults().iter().map(FaultView::from).collect();
    Ok(Json(RulePage { next, rows, faults }))
}

/// One rule with its versions; shown is the one in force.
#[utoipa::path(get, path = "/api/v1/rules/{id}", params(("id" = String, Path)),
    responses((status = 200, body = RuleView), (status = 404)))]
pub(in crate::api) async fn detail(
    State(api): State<Api>,
    actor: Actor,
    Path(id): Path<String>,
) -> Result<Json<RuleView>, Problem> {
    let versions = seen(&api, &actor, &id).await?;
    let counts = standing(&api, &actor).await?.remove(&id).unwrap_or_default();
    let row = row(&versions, &api.judges, counts, clock::now().micros()).ok_or_else(|| Problem::not_found("rule"))?;
    let shown = versions.iter().find(|one| Some(one.version) == row.version).or(versions.last());
    Ok(Json(RuleView {
        shown: shown.map(|one| version_view(one, row.version)),
        versions: versions.iter().rev().map(|one| version_row(one, row.version)).collect(),
        row,
    }))
}

/// One version with its text.
#[utoipa::path(get, path = "/api/v1/rules/{id}/versions/{version}",
    params(("id" = String, Path), ("version" = i64, Path)),
    responses((status = 200, body = VersionView), (status = 404)))]
pub(in crate::api) async fn version(
    State(api): State<Api>,
    actor: Actor,
    Path((id, version)): Path<(String, String)>,
) -> Result<Json<VersionView>, Problem> {
    let versions = seen(&api, &actor, &id).await?;
    let now = in_force(&versions, |one| api.judges.judges(&one.reference()), clock::now().micros());
    let one = versions.iter().find(|one| version.parse() == Ok(one.version));
    one.map(|one| Json(version_view(one, now))).ok_or_else(|| Problem::not_found("version"))
}

/// Checks a text away from the threads that serve; two at once.
async fn check_text(text: String) -> Result<(Option<RuleFile>, Checked), Problem> {
    let busy = |_| {
        let message = "other rules are being checked; try again".to_owned();
        Problem { status: StatusCode::SERVICE_UNAVAILABLE, code: "busy", message }
    };
    let _turn = CHECKS.try_acquire().map_err(busy)?;
    let run = tokio::task::spawn_blocking(move || checked(&text)).await;
    run.map_err(|_| Problem::bad("the text cannot be checked"))
}

/// Reads, compiles and tries a text; nothing is kept.
#[utoipa::path(post, path = "/api/v1/rules/check", request_body = TextBody,
    responses((status = 200, body = Checked), (status = 403), (status = 503)))]
pub(in crate::api) async fn check(actor: Actor, Body(body): Body<TextBody>) -> Result<Json<Checked>, Problem> {
    if !BUSINESS.into_iter().any(|domain| may_somewhere(&actor, Action::ManageRules, domain)) {
        return Err(Problem::forbidden(Action::ManageRules));
    }
    Ok(Json(check_text(body.text).await?.1))
}

fn number(text: &str) -> Result<i64, Problem> {
    let known = text.parse().ok().filter(|version| (1..=i64::from(u32::MAX)).contains(version));
    known.ok_or_else(|| Problem::not_found("version"))
}

/// Keeps a draft: a new version (revision 0), or one that was seen. A faulty one may be kept, not submitted.
#[utoipa::path(put, path = "/api/v1/rules/{id}/versions/{version}",
    params(("id" = String, Path), ("version" = i64, Path)), request_body = DraftBody,
    responses((status = 200, body = Saved), (status = 400), (status = 403), (status = 409)))]
pub(in crate::api) async fn write(
    State(api): State<Api>,
    actor: Actor,
    Path((id, version)): Path<(String, String)>,
    Body(body): Body<DraftBody>,
) -> Result<Json<Saved>, Problem> {
    let version = number(&version)?;
    if body.text.contains('\0') {
        return Err(Problem::bad("text must not hold NUL"));
    }
    let (file, checked) = check_text(body.text.clone()).await?;
    let Some(file) = file else {
        let why = checked.faults.first().map(|fault| format!("{}: {}", fault.at, fault.why)).unwrap_or_default();
        return Err(Problem::bad(why));
    };
    if file.id != id || i64::from(file.version) != version {
        return Err(Problem::bad(format!("the text names {}, not {id}#{version}", file.reference())));
    }
    if checked.faults.iter().any(|fault| fault.at == "id") {
        return Err(Problem::bad("id: 1 to 16 of A-Z, 0-9 and '-'"));
    }
    let about = domain(Some(&file.domain))?.ok_or_else(|| Problem::bad("domain is needed"))?;
    at_top(&actor, Action::ManageRules, about)?;
    let act = RuleAct::Write { text: body.text, domain: about };
    let order = RuleOrder { id: id.clone(), version, seen: body.revision, act };
    api.order(actor, Order::Rule(order)).await?;
    let kept = api.store.rule_version(&id, version).await?.ok_or_else(|| Problem::not_found("version"))?;
    Ok(Json(Saved { id, version, revision: kept.revision, checked }))
}

/// Throws a draft away.
#[utoipa::path(delete, path = "/api/v1/rules/{id}/versions/{version}",
    params(("id" = String, Path), ("version" = i64, Path), ("revision" = i64, Query)),
    responses((status = 200, body = ActAnswer), (status = 403), (status = 404), (status = 409)))]
pub(in crate::api) async fn discard(
    State(api): State<Api>,
    actor: Actor,
    Path((id, version)): Path<(String, String)>,
    asked: Params<SeenParams>,
) -> Result<Response, Problem> {
    let seen = params(asked)?.revision.ok_or_else(|| Problem::bad("revision is needed"))?;
    let order = RuleOrder { id, version: number(&version)?, seen, act: RuleAct::Discard };
    api.order(actor, Order::Rule(order)).await
}

/// `submit` or `withdraw` (202: another person approves), `approve`, or `reject`.
#[utoipa::path(post, path = "/api/v1/rules/{id}/versions/{version}/{act}",
    params(("id" = String, Path), ("version" = i64, Path), ("act" = String, Path)), request_body = RuleActBody,
    responses((status = 200, body = ActAnswer), (status = 202, body = ActAnswer), (status = 400), (status = 403),
        (status = 404), (status = 409)))]
pub(in crate::api) async fn act(
    State(api): State<Api>,
    actor: Actor,
    Path((id, version, act)): Path<(String, String, String)>,
    Body(body): Body<RuleActBody>,
) -> Result<Response, Problem> {
    let version = number(&version)?;
    let reason = || words("reason", body.reason.as_deref().unwrap_or_default(), 1);
    let act = match act.as_str() {
        "submit" => {
            let kept = api.store.rule_version(&id, version).await?.ok_or_else(|| Problem::not_found("version"))?;
            let (_, checked) = check_text(kept.text).await?;
            if !checked.ok {
                let fault = checked.faults.iter().map(|fault| format!("{}: {}", fault.at, fault.why));
                let why = fault.chain(checked.cases.into_iter().filter_map(|case| case.failed)).collect::<Vec<_>>();
                return Err(Problem::bad(format!("not ready: {}", why.join("; "))));
            }
            RuleAct::Submit
        }
        "approve" => RuleAct::Approve,
        "reject" => RuleAct::Reject(reason()?),
        "withdraw" => RuleAct::Withdraw(reason()?),
        _ => return Err(Problem::not_found("act")),
    };
    api.order(actor, Order::Rule(RuleOrder { id, version, seen: body.revision, act })).await
}

impl Api {
    /// Where a request about a rule stands: at the top, in the rule's domain.
    pub(in crate::api) async fn rule_place(&self, asked: &str) -> Result<Option<(OrgPath, String)>, Problem> {
        let asked: serde_json::Value = serde_json::from_str(asked).unwrap_or_default();
        let (Some(id), Some(version)) = (asked["rule"].as_str(), asked["version"].as_i64()) else { return Ok(None) };
        Ok(self.store.rule_version(id, version).await?.map(|one| (OrgPath::root(), one.domain)))
    }
}
