//! One fact with its source: the end of every drill-down.

use super::super::types::Name;
use super::super::{Api, Problem};
use super::common::{Params, at, kind_name, name, params, sees_fact};
use crate::people::Actor;
use crate::risk::{Stored, dictionary};
use axum::Json;
use axum::extract::State;
use minewatch_risk::fact::{Fact, Value};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Statements about one thing that are told.
const STATEMENTS_MAX: i64 = 200;

/// Which fact.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct FactParams {
    kind: String,
    key: String,
    known_at: Option<String>,
}

/// A field of a fact, as the dictionary calls it.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct FieldView {
    id: String,
    name: Name,
    /// `text`, `decimal`, `money`, `date`, `instant`, `flag` or `list`.
    #[serde(rename = "type")]
    value_type: String,
    value: String,
    unit: String,
}

/// Where a fact was read.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct LineageView {
    feed: String,
    document: String,
    /// Line, path or row within the document.
    locator: String,
    sha256: String,
    came_at: Option<String>,
    via: Option<String>,
    /// What became of the document: `taken`, `partial`, `refused`.
    state: Option<String>,
}

/// One statement about the same thing.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct StatementView {
    known_at: String,
    event_at: String,
    in_force: bool,
    feed: String,
    document: String,
    locator: String,
}

/// A fact.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct FactView {
    kind: String,
    kind_name: Name,
    key: String,
    org: String,
    event_at: String,
    known_at: String,
    in_force: bool,
    fields: Vec<FieldView>,
    lineage: LineageView,
    /// Every statement about the same thing, the newest first.
    statements: Vec<StatementView>,
}

/// The fields of a fact, in the dictionary's order.
pub(super) fn fields(fact: &Fact) -> Vec<FieldView> {
    let view = |element: &minewatch_risk::dictionary::Element| {
        let said = fact.field(element.id.as_str())?;
        let (value, unit) = if let Value::Money(money) = said {
            (money.amount.to_string(), money.currency.clone())
        } else {
            (said.plain(), element.unit.clone())
        };
        Some(FieldView {
            id: element.id.to_string(),
            name: name(&element.name_zh, &element.name_en),
            value_type: element.value_type.name().to_owned(),
            value,
            unit,
        })
    };
    dictionary().elements(fact.kind.as_str()).filter_map(view).collect()
}

/// The statement in force is the one known last.
fn newest(all: &[Stored]) -> Option<&Stored> {
    all.iter().max_by(|a, b| a.fact.precedence(&b.fact).then(a.number.cmp(&b.number)))
}

/// A fact, its fields, where it was read, and what was said of the same thing at other times.
#[utoipa::path(get, path = "/api/v1/risk/fact",
    params(("kind" = String, Query), ("key" = String, Query), ("known_at" = Option<String>, Query)),
    responses((status = 200, body = FactView), (status = 404)))]
pub(in crate::api) async fn fact(
    State(api): State<Api>,
    actor: Actor,
    asked: Params<FactParams>,
) -> Result<Json<FactView>, Problem> {
    let asked = params(asked)?;
    let known = asked.known_at.as_deref().map(|text| super::common::moment("known_at", text)).transpose()?;
    let mut all = api.store.statements(&asked.kind, &asked.key, STATEMENTS_MAX).await?;
    all.retain(|stored| sees_fact(&actor, &stored.fact));
    let in_force = newest(&all).map(|stored| stored.number);
    // Times are told in milliseconds: the statement is the one of that millisecond.
    let wanted = |stored: &&Stored| match known {
        None => Some(stored.number) == in_force,
        Some(known) => stored.fact.known_at_us.div_euclid(1_000) == known.millis(),
    };
    let one = all.iter().find(wanted).ok_or_else(|| Problem::not_found("fact"))?;
    let told = &one.fact.lineage;
    let document = api.store.feed_document(&told.source, &told.sha256).await?;
    let statement = |stored: &Stored| StatementView {
        known_at: at(stored.fact.known_at_us),
        event_at: at(stored.fact.event_at_us),
        in_force: Some(stored.number) == in_force,
        feed: stored.fact.lineage.source.clone(),
        document: stored.fact.lineage.document.clone(),
        locator: stored.fact.lineage.locator.clone(),
    };
    Ok(Json(FactView {
        kind: one.fact.kind.to_string(),
        kind_name: kind_name(one.fact.kind.as_str()),
        key: one.fact.key.clone(),
        org: one.fact.org.to_string(),
        event_at: at(one.fact.event_at_us),
        known_at: at(one.fact.known_at_us),
        in_force: Some(one.number) == in_force,
        fields: fields(&one.fact),
        lineage: LineageView {
            feed: told.source.clone(),
            document: told.document.clone(),
            locator: told.locator.clone(),
            sha256: told.sha256.clone(),
            came_at: document.as_ref().map(|document| at(document.came.micros())),
            via: document.as_ref().map(|document| document.via.clone()),
            state: document.map(|document| document.state),
        },
        statements: all.iter().map(statement).collect(),
    }))
}
