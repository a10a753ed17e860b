//! The evidence pack of a case: everything that was said and done, with hashes, as JSON or as a page to print.
//!
//! Invariant: the hash covers the JSON as served, so that whoever holds a pack can check it without us.

use super::cases::CaseDetail;
use super::{Api, Problem};
use crate::clock;
use crate::people::{Action, Actor};
use axum::extract::{Path, Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// How the pack is wanted.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PackParams {
    format: Option<String>,
    lang: Option<String>,
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The pack of a case, `format=json` (default) or `html`; `lang=zh` (default) or `en` for the page.
#[utoipa::path(get, path = "/api/v1/cases/{id}/pack",
    params(("id" = String, Path), ("format" = Option<String>, Query), ("lang" = Option<String>, Query)),
    responses((status = 200, body = serde_json::Value), (status = 403), (status = 404)))]
pub(super) async fn pack(
    State(api): State<Api>,
    actor: Actor,
    Path(id): Path<String>,
    params: Result<Query<PackParams>, axum::extract::rejection::QueryRejection>,
) -> Result<Response, Problem> {
    let Query(asked) = params.map_err(|e| Problem::bad(e.body_text()))?;
    let case = api.case_for(&actor, &id, Action::Export).await?;
    api.people.record(&actor, "case.export", &id, &json!({}), clock::now()).await?;
    let detail = api.case_detail(&case).await?;
    let alarms = api.alarm_histories(&detail).await?;
    let content = json!({
        "pack": "minewatch-case-v1",
        "made_at": clock::text(clock::now()),
        "made_by": actor.person,
        "case": detail.case,
        "steps": detail.steps,
        "alarms": alarms,
        "calls": detail.calls,
        "evidence": detail.evidence,
    });
    let text = content.to_string();
    let hash = hex(&Sha256::digest(text.as_bytes()));
    match asked.format.as_deref() {
        None | Some("json") => {
            let whole = json!({ "sha256": hash, "content": text });
            let name = format!("attachment; filename=\"{}.json\"", case.id);
            Ok(([(header::CONTENT_DISPOSITION, name)], axum::Json(whole)).into_response())
        }
        Some("html") => {
            let chinese = asked.lang.as_deref() != Some("en");
            let page = html(&content, &hash, chinese);
            Ok(([(header::CONTENT_TYPE, "text/html; charset=utf-8")], page).into_response())
        }
        Some(_) => Err(Problem::bad("format must be json or html")),
    }
}

impl Api {
    /// Each alarm of a case with its transitions and what people did to it.
    async fn alarm_histories(&self, detail: &CaseDetail) -> Result<Vec<Value>, Problem> {
        let mut out = Vec::new();
        for alarm in &detail.alarms {
            let name = |key: &str| alarm.get(key).and_then(Value::as_str).unwrap_or_default();
            let (gateway, id) = (super::query::gateway(name("gateway"))?, super::query::point(name("alarm"))?);
            let rows = self.store.journal(&gateway, &id, 1_000).await?;
            let transitions: Vec<Value> = rows
                .iter()
                .map(|row| {
                    json!({ "revision": row.revision, "from": row.from, "to": row.to, "at": clock::text(row.at),
                        "value": row.value, "limit": row.limit, "rule": row.rule, "why": row.why, "proof": row.proof })
                })
                .collect();
            let actions: Vec<Value> = self
                .store
                .actions(gateway.as_str(), id.as_str())
                .await?
                .iter()
                .filter_map(|text| serde_json::from_str(text).ok())
                .collect();
            out.push(json!({ "gateway": gateway, "alarm": id, "transitions": transitions, "actions": actions }));
        }
        Ok(out)
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => escaped(text),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => escaped(&value.to_string()),
    }
}

fn table(title: &str, rows: &Value) -> String {
    let rows = rows.as_array().map(Vec::as_slice).unwrap_or_default();
    let Some(Value::Object(first)) = rows.first() else { return String::new() };
    let keys: Vec<&String> = first.keys().collect();
    let head: String = keys.iter().map(|key| format!("<th>{}</th>", escaped(key))).collect();
    let line = |row: &Value| -> String {
        let cells = keys.iter().map(|key| format!("<td>{}</td>", cell(row.get(key.as_str()).unwrap_or(&Value::Null))));
        format!("<tr>{}</tr>", cells.collect::<String>())
    };
    let body: String = rows.iter().map(line).collect();
    format!("<h2>{}</h2><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>", escaped(title))
}

fn html(content: &Value, hash: &str, chinese: bool) -> String {
    let say = |zh: &'static str, en: &'static str| if chinese { zh } else { en };
    let case = &content["case"];
    let lang = say("zh", "en");
    let title = format!("{} {}", cell(&case["id"]), cell(&case["title"][lang]));
    let facts = case.as_object().map(|fields| {
        let row =
            |(key, value): (&String, &Value)| format!("<tr><th>{}</th><td>{}</td></tr>", escaped(key), cell(value));
        fields.iter().map(row).collect::<String>()
    });
    let mut alarms = String::new();
    for alarm in content["alarms"].as_array().map(Vec::as_slice).unwrap_or_default() {
        let name = format!("{} {}/{}", say("报警", "Alarm"), cell(&alarm["gateway"]), cell(&alarm["alarm"]));
        alarms.push_str(&table(&name, &alarm["transitions"]));
        alarms.push_str(&table(say("处置", "Actions"), &alarm["actions"]));
    }
    format!(
        "<!doctype html><html lang=\"{lang}\"><head><meta charset=\"utf-8\"><title>{title}</title></head><body>\
         <h1>{title}</h1><p>{}: {}</p><p>SHA-256: <code>{hash}</code></p><table>{}</table>{}{}{}{alarms}</body></html>",
        say("导出时间", "Made at"),
        cell(&content["made_at"]),
        facts.unwrap_or_default(),
        table(say("步骤", "Steps"), &content["steps"]),
        table(say("叫应记录", "Calls and answers"), &content["calls"]),
        table(say("证据", "Evidence"), &content["evidence"]),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_wrote_cannot_become_a_script_on_the_page() {
        let content = json!({ "made_at": "t", "case": { "id": "c-1", "title": { "zh": "<script>" } },
            "steps": [{ "actor": "<img onerror=x>" }], "alarms": [], "calls": [], "evidence": [] });
        let page = html(&content, "00", true);
        assert!(!page.contains("<script>") && !page.contains("<img"), "{page}");
        assert!(page.contains("&lt;script&gt;") && page.contains("&lt;img onerror=x&gt;"));
    }
}
