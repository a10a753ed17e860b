//! The evidence pack of a case: everything that was said and done, with hashes, signed (`crate::pack`).

use super::cases::CaseDetail;
use super::{Api, Problem};
use crate::clock;
use crate::pack::sheet::Sheet;
use crate::pack::{self, Comment, SignedPack};
use crate::people::{Action, Actor};
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

/// How the pack is wanted.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PackParams {
    format: Option<String>,
    lang: Option<String>,
}

/// The pack of a case, `format=json` (default), `html` or `pdf`; `lang=zh` (default) or `en` for the latter two.
/// Signed; `aggregator verify-pack` checks it offline. 503 `no_font` where no Chinese font is installed.
#[utoipa::path(get, path = "/api/v1/cases/{id}/pack",
    params(("id" = String, Path), ("format" = Option<String>, Query), ("lang" = Option<String>, Query)),
    responses((status = 200, body = serde_json::Value), (status = 400), (status = 403), (status = 404), (status = 503)))]
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
    let signed = SignedPack::sign(&api.signer, content.to_string());
    let facts = [("sha256", signed.sha256.as_str()), ("key", &signed.key), ("signature", &signed.signature)];
    let chinese = asked.lang.as_deref() != Some("en");
    match asked.format.as_deref() {
        None | Some("json") => {
            let name = format!("attachment; filename=\"{}.json\"", case.id);
            Ok(([(header::CONTENT_DISPOSITION, name)], axum::Json(signed)).into_response())
        }
        Some("html") => {
            let page = Sheet::of(&content, &facts, chinese).html(chinese);
            let page = pack::sealed(&api.signer, page.into_bytes(), Comment::Page);
            Ok(([(header::CONTENT_TYPE, "text/html; charset=utf-8")], page).into_response())
        }
        Some("pdf") => {
            let file = api.pdf(Sheet::of(&content, &facts, chinese)).await?;
            let name = format!("attachment; filename=\"{}.pdf\"", case.id);
            let kind = (header::CONTENT_TYPE, "application/pdf".to_owned());
            Ok(([kind, (header::CONTENT_DISPOSITION, name)], file).into_response())
        }
        Some(_) => Err(Problem::bad("format must be json, html or pdf")),
    }
}

impl Api {
    /// The PDF of a sheet, signed; made beside the runtime, for a font has 20 MB.
    async fn pdf(&self, sheet: Sheet) -> Result<Vec<u8>, Problem> {
        let unavailable =
            |code: &'static str, message: String| Problem { status: StatusCode::SERVICE_UNAVAILABLE, code, message };
        let no_font = "no font with Chinese letters is installed; install fonts-noto-cjk or set cases.font_file; \
                       format=html and format=json work without one";
        let (signer, configured) = (Arc::clone(&self.signer), self.rules.font_file.clone());
        let made = tokio::task::spawn_blocking(move || {
            let font = pack::font::find(configured.as_ref())?;
            Some(pack::pdf::render(&sheet, &font).map(|file| pack::sealed(&signer, file, Comment::Pdf)))
        });
        match made.await {
            Ok(Some(Ok(file))) => Ok(file),
            Ok(Some(Err(error))) => Err(unavailable("no_pdf", error.to_string())),
            Ok(None) => Err(unavailable("no_font", no_font.to_owned())),
            Err(_) => Err(unavailable("no_pdf", "the PDF could not be made".to_owned())),
        }
    }

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
