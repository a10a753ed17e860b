//! Evidence over HTTP. Gateways put, people get.

use super::shelf::{Evidence, EvidenceError, EvidenceKind, Item, Piece};
use crate::people::{Action, Actor, Domain};
use crate::store::Store;
use axum::Json;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, put};
use minewatch_domain::{GatewayId, OrgPath, PointId};
use sha2::{Digest, Sha256};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncReadExt;

/// Largest piece; the gateway sends half of it.
const PIECE_BYTES_MAX: usize = 1 << 20;

/// Read from the disk at once.
const READ_BYTES: usize = 64 << 10;

/// Longest token file.
const TOKEN_BYTES_MAX: u64 = 4_096;

/// What the handlers work with.
#[derive(Debug, Clone)]
pub struct EvidenceGate {
    /// The files.
    pub evidence: Arc<Evidence>,
    /// Folder with one file per gateway, named like it, that holds its token.
    pub tokens_dir: PathBuf,
    /// To know where a gateway stands.
    pub store: Store,
    /// Files are kept this long; `None`: as long as there is room.
    pub keep: Option<Duration>,
}

/// Routes for gateways: they prove themselves by their token.
pub fn upload_routes<S: Clone + Send + Sync + 'static>(gate: EvidenceGate) -> Router<S> {
    Router::new()
        .route("/evidence/v1/{gateway}/{alarm}/{revision}/{kind}", put(upload))
        .layer(DefaultBodyLimit::max(PIECE_BYTES_MAX))
        .with_state(gate)
}

/// Routes for people, to stand behind the gate that makes an [`Actor`]. None where no evidence is taken.
pub fn routes<S: Clone + Send + Sync + 'static>(gate: Option<EvidenceGate>) -> Router<S> {
    let Some(gate) = gate else { return Router::new() };
    Router::new()
        .route("/api/v1/evidence/{gateway}/{alarm}", get(list))
        .route("/api/v1/evidence/{gateway}/{alarm}/{revision}/{kind}", get(download))
        .with_state(gate)
}

fn problem(status: StatusCode, code: &str, message: &str) -> Response {
    (status, Json(serde_json::json!({ "error": { "code": code, "message": message } }))).into_response()
}

fn not_found() -> Response {
    problem(StatusCode::NOT_FOUND, "not_found", "no such evidence")
}

type Names = Path<(String, String, u64, String)>;

fn item(Path((gateway, alarm, revision, kind)): Names) -> Option<Item> {
    Some(Item {
        gateway: GatewayId::parse(&gateway).ok()?,
        alarm: PointId::parse(&alarm).ok()?,
        revision,
        kind: EvidenceKind::from_name(&kind)?,
    })
}

async fn upload(State(gate): State<EvidenceGate>, names: Names, headers: HeaderMap, bytes: Bytes) -> Response {
    let Some(item) = item(names) else { return not_found() };
    if !gate.knows(&item.gateway, &headers).await {
        return problem(StatusCode::UNAUTHORIZED, "unauthorized", "show this gateway's token");
    }
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let number = |name: &str| text(name).and_then(|text| text.parse::<u64>().ok());
    let (Some(offset), Some(length), Some(sha256)) =
        (number("upload-offset"), number("upload-length"), text("upload-sha256"))
    else {
        let message = "Upload-Offset, Upload-Length and Upload-SHA256 are needed";
        return problem(StatusCode::BAD_REQUEST, "bad_request", message);
    };
    let evidence = Arc::clone(&gate.evidence);
    let named = item.clone();
    let put = move || evidence.put(&named, Piece { offset, length, sha256: &sha256, bytes: &bytes });
    let outcome = match tokio::task::spawn_blocking(put).await {
        Ok(outcome) => outcome,
        Err(_) => return problem(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the piece was not taken"),
    };
    match outcome {
        Ok(progress) => {
            if progress.complete {
                let (gateway, alarm, kind) = (&item.gateway, &item.alarm, item.kind.name());
                tracing::info!(%gateway, %alarm, revision = item.revision, kind, "evidence kept");
            }
            Json(progress).into_response()
        }
        Err(EvidenceError::Elsewhere(offset)) => {
            (StatusCode::CONFLICT, Json(serde_json::json!({ "offset": offset, "complete": false }))).into_response()
        }
        Err(error @ EvidenceError::Conflict) => problem(StatusCode::GONE, "conflict", &error.to_string()),
        Err(error @ EvidenceError::Damaged) => problem(StatusCode::UNPROCESSABLE_ENTITY, "damaged", &error.to_string()),
        Err(error @ EvidenceError::Bad(_)) => problem(StatusCode::BAD_REQUEST, "bad_request", &error.to_string()),
        Err(error @ EvidenceError::Disk(_)) => {
            tracing::warn!(gateway = %item.gateway, error = %error, "evidence not kept");
            problem(StatusCode::INSUFFICIENT_STORAGE, "no_room", "the piece cannot be kept now")
        }
    }
}

async fn list(State(gate): State<EvidenceGate>, actor: Actor, Path(names): Path<(String, String)>) -> Response {
    let (Ok(gateway), Ok(alarm)) = (GatewayId::parse(&names.0), PointId::parse(&names.1)) else { return not_found() };
    if !gate.may_see(&actor, &gateway).await {
        return not_found();
    }
    let evidence = Arc::clone(&gate.evidence);
    let (of, about) = (gateway.clone(), alarm.clone());
    let found = tokio::task::spawn_blocking(move || evidence.list(&of, &about)).await.unwrap_or_default();
    let items: Vec<_> = found
        .into_iter()
        .map(|(revision, kind, bytes, sha256)| {
            let href = format!("/api/v1/evidence/{gateway}/{alarm}/{revision}/{}", kind.name());
            serde_json::json!({ "revision": revision, "kind": kind, "bytes": bytes, "sha256": sha256, "href": href })
        })
        .collect();
    Json(items).into_response()
}

async fn download(State(gate): State<EvidenceGate>, actor: Actor, names: Names) -> Response {
    let Some(item) = item(names) else { return not_found() };
    if !gate.may_see(&actor, &item.gateway).await {
        return not_found();
    }
    let (evidence, wanted) = (Arc::clone(&gate.evidence), item.clone());
    let found = tokio::task::spawn_blocking(move || evidence.get(&wanted)).await.ok().flatten();
    let Some((file, bytes, sha256)) = found else { return not_found() };
    let headers = [
        (header::CONTENT_TYPE, item.kind.content_type().to_owned()),
        (header::CONTENT_LENGTH, bytes.to_string()),
        (header::ETAG, format!("\"{sha256}\"")),
    ];
    let pieces = futures_util::stream::try_unfold(tokio::fs::File::from_std(file), async |mut file| {
        let mut piece = Vec::with_capacity(READ_BYTES);
        (&mut file).take(READ_BYTES as u64).read_to_end(&mut piece).await?;
        Ok::<_, std::io::Error>((!piece.is_empty()).then_some((Bytes::from(piece), file)))
    });
    (headers, Body::from_stream(pieces)).into_response()
}

impl EvidenceGate {
    /// Whether the request shows the token of this gateway.
    async fn knows(&self, gateway: &GatewayId, headers: &HeaderMap) -> bool {
        let path = self.tokens_dir.join(gateway.as_str());
        match tokio::fs::metadata(&path).await {
            Ok(data) if data.is_file() && data.len() <= TOKEN_BYTES_MAX => {}
            Ok(_) | Err(_) => return false,
        }
        let Ok(token) = tokio::fs::read_to_string(&path).await else { return false };
        let shown = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let shown = shown.and_then(|value| value.strip_prefix("Bearer "));
        token.trim().len() >= 16 && shown.is_some_and(|shown| same(shown.as_bytes(), token.trim().as_bytes()))
    }

    /// Whether the actor may see falls where this gateway stands.
    async fn may_see(&self, actor: &Actor, gateway: &GatewayId) -> bool {
        let sites = self.store.gateways().await.unwrap_or_default();
        let path = sites.into_iter().find(|row| row.gateway == *gateway).and_then(|row| row.path);
        let org = path.as_ref().map_or_else(OrgPath::unassigned, OrgPath::of_site);
        actor.may(Action::View, Domain::Fall, &org)
    }
}

/// Whether two secrets are equal, in time that does not tell how far they agree.
fn same(a: &[u8], b: &[u8]) -> bool {
    let (a, b) = (Sha256::digest(a), Sha256::digest(b));
    a.iter().zip(b.iter()).fold(0u8, |acc, (x, y)| acc | (x ^ y)) == 0
}
