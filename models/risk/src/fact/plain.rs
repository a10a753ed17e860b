//! Facts as plain JSON lines: every value a text, typed by the dictionary. The form in which
//! simulated feeds, back-tests and test cases of rules hold facts.

use super::value::instant;
use super::{ElementId, Fact, FactKind, Lineage, Value, ValueError};
use crate::dictionary::Dictionary;
use jiff::Timestamp;
use minewatch_domain::OrgPath;
use serde_json::{Map, Value as Json, json};
use std::collections::BTreeMap;

/// Why a line is not a fact.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlainError {
    /// Not a JSON object.
    #[error("not a JSON object: {0}")]
    Json(String),
    /// A part every fact has is missing or of another form.
    #[error("{0}: {1}")]
    Part(&'static str, String),
    /// A field that its kind does not have.
    #[error("{kind} has no element {element}")]
    Unknown {
        /// The kind.
        kind: String,
        /// The field.
        element: String,
    },
    /// A field that cannot be read.
    #[error("{element}: {error}")]
    Value {
        /// The field.
        element: String,
        /// Why.
        error: ValueError,
    },
}

fn text(value: &Json) -> Option<String> {
    match value {
        Json::String(text) => Some(text.clone()),
        Json::Number(number) => Some(number.to_string()),
        Json::Bool(flag) => Some(flag.to_string()),
        Json::Array(members) => members.iter().map(text).collect::<Option<Vec<_>>>().map(|all| all.join("|")),
        Json::Null | Json::Object(_) => None,
    }
}

fn part(object: &Map<String, Json>, name: &'static str) -> Result<String, PlainError> {
    object.get(name).and_then(text).ok_or_else(|| PlainError::Part(name, "is missing".to_owned()))
}

fn moment(object: &Map<String, Json>, name: &'static str) -> Result<i64, PlainError> {
    let said = part(object, name)?;
    instant(&said).map(Timestamp::as_microsecond).ok_or_else(|| PlainError::Part(name, format!("no moment: {said:?}")))
}

/// Reads `{kind, key, org, event_at, known_at, fields: {...}, lineage: {...}}`; without `known_at` it
/// was known when it happened. A field whose value is null was not said.
///
/// # Errors
/// [`PlainError`] says which part is wrong.
pub fn from_plain(line: &str, dictionary: &Dictionary) -> Result<Fact, PlainError> {
    let object: Map<String, Json> = serde_json::from_str(line).map_err(|error| PlainError::Json(error.to_string()))?;
    let kind = FactKind::parse(&part(&object, "kind")?).map_err(|e| PlainError::Part("kind", e.to_string()))?;
    let org = OrgPath::parse(&part(&object, "org")?).map_err(|e| PlainError::Part("org", e.to_string()))?;
    let event_at_us = moment(&object, "event_at")?;
    let known_at_us = if object.contains_key("known_at") { moment(&object, "known_at")? } else { event_at_us };
    let mut fields = BTreeMap::new();
    let said = object.get("fields").and_then(Json::as_object).cloned().unwrap_or_default();
    for (element, value) in said {
        let Some(known) = dictionary.element(kind.as_str(), &element) else {
            return Err(PlainError::Unknown { kind: kind.to_string(), element });
        };
        let Some(text) = text(&value) else { continue };
        let value = Value::parse(known.value_type, &text).map_err(|error| PlainError::Value { element, error })?;
        fields.insert(known.id.clone(), value);
    }
    let lineage = object.get("lineage").map(|lineage| serde_json::from_value::<Lineage>(lineage.clone()));
    let lineage = lineage.transpose().map_err(|e| PlainError::Part("lineage", e.to_string()))?.unwrap_or_default();
    Ok(Fact { kind, key: part(&object, "key")?, org, event_at_us, known_at_us, fields, lineage })
}

/// The line [`from_plain`] reads back.
pub fn to_plain(fact: &Fact) -> String {
    let moment = |us: i64| Timestamp::from_microsecond(us).map(|at| at.to_string()).unwrap_or_default();
    let fields: Map<String, Json> =
        fact.fields.iter().map(|(id, value): (&ElementId, _)| (id.to_string(), Json::String(value.plain()))).collect();
    json!({
        "kind": fact.kind, "key": fact.key, "org": fact.org.as_str(), "event_at": moment(fact.event_at_us),
        "known_at": moment(fact.known_at_us), "fields": fields, "lineage": fact.lineage,
    })
    .to_string()
}
