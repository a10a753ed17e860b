//! Warnings of rules: from the group to the unit, to the warning, to its trace and the facts behind it.

use super::super::types::Name;
use super::super::{Api, Problem, query};
use super::common::{
    BUSINESS, Counts, Params, at, business_sight, domain, kind_name, limit, name, org, params, sees_fact, sentence,
    unit_names,
};
use crate::people::{Action, Actor, Domain};
use crate::store::{AlarmRow, Filter};
use axum::Json;
use axum::extract::{Path, State};
use minewatch_domain::{Level, OrgPath, PointId};
use minewatch_risk::rule::RuleFile;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use utoipa::ToSchema;

/// Alarms whose names begin like the one that is asked for: it and hardly another.
const LIKE_MAX: i64 = 100;
/// Facts named by one warning that are looked up.
const FACTS_MAX: usize = 200;

/// Which units.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct UnitParams {
    org: Option<String>,
    domain: Option<String>,
}

/// A unit with its warnings.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct UnitView {
    org: String,
    name: Option<Name>,
    counts: Counts,
    /// Whether units below it have warnings of their own.
    deeper: bool,
}

/// The units below a node.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct UnitsView {
    org: String,
    name: Option<Name>,
    counts: Counts,
    units: Vec<UnitView>,
}

/// Which warnings.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct WarningParams {
    org: Option<String>,
    domain: Option<String>,
    rule: Option<String>,
    level: Option<String>,
    state: Option<String>,
    after: Option<String>,
    limit: Option<String>,
}

/// A warning.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(in crate::api) struct WarningRow {
    gateway: String,
    alarm: String,
    level: String,
    at: String,
    since: String,
    org: String,
    domain: String,
    /// The immutable version that said it: `P01#1`.
    rule: String,
    /// Name of the rule.
    name: Name,
    /// What it says.
    said: Name,
    /// State of ISA-18.2.
    isa: String,
    case: Option<String>,
}

/// A page of warnings.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct WarningPage {
    next: Option<String>,
    rows: Vec<WarningRow>,
}

/// The version of the rule behind a warning.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct RuleAbout {
    id: String,
    version: i64,
    name: Name,
    owner: String,
    negative: String,
    actions: Vec<Name>,
    due_days: u32,
}

/// A fact behind a warning.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(in crate::api) struct FactRef {
    kind: String,
    kind_name: Name,
    key: String,
    known_at: String,
    /// Whether the reader may open it.
    visible: bool,
    feed: String,
    document: String,
    locator: String,
}

/// A warning with everything behind it.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct WarningView {
    row: WarningRow,
    about: Option<RuleAbout>,
    /// The tree of the rule's answer.
    #[schema(value_type = Option<Object>)]
    trace: Option<Value>,
    facts: Vec<FactRef>,
}

/// The node `depth` levels down on the way to a unit.
fn cut(org: &OrgPath, depth: usize) -> String {
    org.levels().take(depth).collect::<Vec<_>>().join("/")
}

/// The next units below a node that have standing warnings, worst first.
#[utoipa::path(get, path = "/api/v1/risk/units",
    params(("org" = Option<String>, Query), ("domain" = Option<String>, Query)),
    responses((status = 200, body = UnitsView)))]
pub(in crate::api) async fn units(
    State(api): State<Api>,
    actor: Actor,
    asked: Params<UnitParams>,
) -> Result<Json<UnitsView>, Problem> {
    let asked = params(asked)?;
    let (top, wanted) = (org(asked.org.as_deref())?, domain(asked.domain.as_deref())?);
    let named = unit_names(&api).await?;
    let mut all = Counts::default();
    let mut units: BTreeMap<String, (Counts, bool)> = BTreeMap::new();
    for heap in api.store.warning_heaps().await? {
        let place = OrgPath::parse(&heap.org).unwrap_or_else(|_| OrgPath::unassigned());
        let about = Domain::from_name(&heap.domain).unwrap_or(Domain::Legal);
        let seen = top.contains(&place) && actor.may(Action::View, about, &place);
        if !seen || wanted.is_some_and(|wanted| wanted != about) {
            continue;
        }
        all.add(heap.level, heap.count);
        if place.depth() > top.depth() {
            let unit = units.entry(cut(&place, top.depth() + 1)).or_default();
            unit.0.add(heap.level, heap.count);
            unit.1 |= place.depth() > top.depth() + 1;
        }
    }
    let mut units: Vec<UnitView> =
        units.into_iter().map(|(org, (counts, deeper))| UnitView { name: named(&org), org, counts, deeper }).collect();
    units.sort_by_key(|unit| std::cmp::Reverse(unit.counts.weight()));
    Ok(Json(UnitsView { name: named(top.as_str()), org: top.to_string(), counts: all, units }))
}

/// The rule's id as the names of its alarms begin.
fn prefix(rule: &str) -> Result<String, Problem> {
    match PointId::parse(&rule.to_lowercase()) {
        Ok(slug) if rule.len() <= 16 && !rule.contains('.') => Ok(format!("{slug}.")),
        _ => Err(Problem::bad("rule must be the id of a rule, for example P01")),
    }
}

/// Reads the versions of rules that warnings name.
struct Namer<'a> {
    api: &'a Api,
    units: BTreeMap<String, String>,
    rules: BTreeMap<String, Option<RuleFile>>,
}

impl Namer<'_> {
    async fn new(api: &Api) -> Result<Namer<'_>, Problem> {
        Ok(Namer { api, units: api.store.risk_units().await?, rules: BTreeMap::new() })
    }

    async fn rule(&mut self, reference: &str) -> Result<Option<&RuleFile>, Problem> {
        if !self.rules.contains_key(reference) {
            let (id, version) = reference.split_once('#').unwrap_or((reference, ""));
            let stored = match version.parse() {
                Ok(version) => self.api.store.rule_version(id, version).await?,
                Err(_) => None,
            };
            self.rules.insert(reference.to_owned(), stored.and_then(|stored| stored.file()));
        }
        Ok(self.rules.get(reference).and_then(Option::as_ref))
    }

    async fn row(&mut self, alarm: &AlarmRow) -> Result<WarningRow, Problem> {
        let title = self.rule(&alarm.rule).await?.map(|file| name(&file.name_zh, &file.name_en));
        let isa =
            alarm.handled.as_ref().map(|handled| handled.state.view(&self.api.rules.alarm, crate::clock::now()).isa());
        Ok(WarningRow {
            gateway: alarm.gateway.to_string(),
            alarm: alarm.alarm.clone(),
            level: alarm.to.name().to_owned(),
            at: at(alarm.at.micros()),
            since: at(alarm.since.micros()),
            org: self.units.get(alarm.gateway.as_str()).cloned().unwrap_or_else(|| OrgPath::UNASSIGNED.to_owned()),
            domain: Domain::of_alarm_kind(&alarm.kind).name().to_owned(),
            name: title.unwrap_or_else(|| name(&alarm.rule, &alarm.rule)),
            rule: alarm.rule.clone(),
            said: sentence(&alarm.why),
            isa: isa.map_or("UNACK", |isa| isa.name()).to_owned(),
            case: alarm.handled.as_ref().and_then(|handled| handled.case_id.clone()),
        })
    }
}

/// Rows of alarms as warnings.
pub(super) async fn rows(api: &Api, alarms: &[AlarmRow]) -> Result<Vec<WarningRow>, Problem> {
    let mut namer = Namer::new(api).await?;
    let mut rows = Vec::with_capacity(alarms.len());
    for alarm in alarms {
        rows.push(namer.row(alarm).await?);
    }
    Ok(rows)
}

impl WarningParams {
    fn filter(&self, actor: &Actor) -> Result<Option<Filter>, Problem> {
        let Some(sight) = business_sight(actor) else { return Ok(None) };
        let standing = match self.state.as_deref() {
            None | Some("standing") => true,
            Some("all") => false,
            Some(_) => return Err(Problem::bad("state must be standing or all")),
        };
        let least = match self.level.as_deref() {
            None => i64::from(standing),
            Some(text) => {
                let level = Level::WARNINGS.into_iter().find(|level| level.name() == text);
                i64::from(level.ok_or_else(|| Problem::bad("level must be blue, yellow, orange or red"))?.code())
            }
        };
        Ok(Some(Filter {
            sight,
            org: self.org.as_deref().map(|text| org(Some(text))).transpose()?,
            domain: domain(self.domain.as_deref())?.map(|domain| domain.name().to_owned()),
            prefix: self.rule.as_deref().map(prefix).transpose()?,
            level_min: least,
            after: self.after.as_deref().map(query::page_key).transpose()?,
            limit: limit(self.limit.as_deref(), 100)?,
            ..Filter::default()
        }))
    }
}

/// Warnings of the business side, worst and newest first.
#[utoipa::path(get, path = "/api/v1/risk/warnings",
    params(("org" = Option<String>, Query), ("domain" = Option<String>, Query), ("rule" = Option<String>, Query),
        ("level" = Option<String>, Query), ("state" = Option<String>, Query), ("after" = Option<String>, Query),
        ("limit" = Option<i64>, Query)),
    responses((status = 200, body = WarningPage)))]
pub(in crate::api) async fn list(
    State(api): State<Api>,
    actor: Actor,
    asked: Params<WarningParams>,
) -> Result<Json<WarningPage>, Problem> {
    let Some(filter) = params(asked)?.filter(&actor)? else {
        return Ok(Json(WarningPage { next: None, rows: Vec::new() }));
    };
    let alarms = api.store.alarms(&filter).await?;
    let full = alarms.len() as i64 == filter.limit;
    let key = |row: &AlarmRow| {
        let level = i64::from(row.to.code());
        query::page_key_text(level, row.at.micros(), 0, row.gateway.as_str(), &row.alarm)
    };
    let next = alarms.last().filter(|_| full).map(key);
    Ok(Json(WarningPage { next, rows: rows(&api, &alarms).await? }))
}

/// Every fact a proof names, once, what was judged first.
fn named_facts(proof: &Value) -> Vec<(String, String, i64)> {
    fn walk(at: &Value, seen: &mut BTreeSet<(String, String, i64)>, into: &mut Vec<(String, String, i64)>) {
        for row in at["subject"]
            .as_object()
            .map(|_| &at["subject"])
            .into_iter()
            .chain(at["rows"].as_array().into_iter().flatten())
        {
            let text = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
            let one = (text("kind"), text("key"), row["known_at_us"].as_i64().unwrap_or_default());
            if into.len() < FACTS_MAX && seen.insert(one.clone()) {
                into.push(one);
            }
        }
        at["from"].as_array().into_iter().flatten().for_each(|below| walk(below, seen, into));
    }
    let mut found = Vec::new();
    walk(proof, &mut BTreeSet::new(), &mut found);
    found
}

async fn fact_refs(api: &Api, actor: &Actor, proof: &Value) -> Result<Vec<FactRef>, Problem> {
    let mut refs = Vec::new();
    for (kind, key, known) in named_facts(proof) {
        let all = api.store.statements(&kind, &key, 200).await?;
        let said = all.into_iter().find(|stored| stored.fact.known_at_us == known);
        let said = said.filter(|stored| sees_fact(actor, &stored.fact)).map(|stored| stored.fact.lineage);
        let visible = said.is_some();
        let told = said.unwrap_or_default();
        refs.push(FactRef {
            kind_name: kind_name(&kind),
            kind,
            key,
            known_at: at(known),
            visible,
            feed: told.source,
            document: told.document,
            locator: told.locator,
        });
    }
    Ok(refs)
}

fn about(file: &RuleFile) -> RuleAbout {
    let pair = |(zh, en): (&String, &String)| name(zh, en);
    RuleAbout {
        id: file.id.clone(),
        version: i64::from(file.version),
        name: name(&file.name_zh, &file.name_en),
        owner: file.owner.clone(),
        negative: file.negative.clone(),
        actions: file.actions_zh.iter().zip(&file.actions_en).map(pair).collect(),
        due_days: file.due_days,
    }
}

/// A warning with the rule behind it, its trace, and the facts the trace names.
#[utoipa::path(get, path = "/api/v1/risk/warnings/{gateway}/{alarm}",
    params(("gateway" = String, Path), ("alarm" = String, Path)),
    responses((status = 200, body = WarningView), (status = 404)))]
pub(in crate::api) async fn detail(
    State(api): State<Api>,
    actor: Actor,
    Path((gateway, alarm)): Path<(String, String)>,
) -> Result<Json<WarningView>, Problem> {
    let missing = || Problem::not_found("warning");
    let (gateway, alarm) = (query::gateway(&gateway)?, query::point(&alarm)?);
    let known = api.store.handled(gateway.as_str(), alarm.as_str()).await?.ok_or_else(missing)?;
    let about_domain = Domain::from_name(&known.domain).filter(|domain| BUSINESS.contains(domain));
    let place = OrgPath::parse(&known.org).unwrap_or_else(|_| OrgPath::unassigned());
    if !about_domain.is_some_and(|domain| actor.may(Action::View, domain, &place)) {
        return Err(missing());
    }
    let (of, like) = (Some(gateway.to_string()), Some(alarm.to_string()));
    let filter = Filter { gateway: of, prefix: like, limit: LIKE_MAX, ..Filter::default() };
    let rows_of = api.store.alarms(&filter).await?;
    let row = rows_of.iter().find(|row| row.alarm == alarm.as_str()).ok_or_else(missing)?;
    let level = known.state.as_ref().map(|_| row.to).filter(|level| *level != Level::Normal);
    let proof = api.store.proof(&gateway, &alarm, level).await?;
    let trace: Option<Value> = proof.and_then(|proof| serde_json::from_str(&proof.proof).ok());
    let facts = match &trace {
        Some(trace) => fact_refs(&api, &actor, trace).await?,
        None => Vec::new(),
    };
    let mut namer = Namer::new(&api).await?;
    let shown = namer.row(row).await?;
    let about = namer.rule(&row.rule).await?.map(about);
    Ok(Json(WarningView { row: shown, about, trace, facts }))
}
