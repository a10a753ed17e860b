//! Sends evidence to headquarters: clips and snapshots of falls whose alarm is in the ledger.
//!
//! Invariants: an offer leaves the folder only when headquarters has the whole file and its hash (or
//! can never take it, which is logged); a cut link costs one piece, since headquarters says how far it
//! is; nothing else waits for this. Deliberately absent: what may leave the site (the vision process
//! decides that when it makes the offer).

use crate::config::EvidenceSend;
use anyhow::{Context, bail};
use minewatch_domain::GatewayId;
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// One piece: seconds on a thin link, and little is lost when it is cut.
const PIECE_BYTES: u64 = 256 << 10;

/// How often the folder is looked at: a fall is followed by its snapshot within seconds.
const LOOK: Duration = Duration::from_secs(1);

/// Shortest and longest pause after a failure.
const BACKOFF_MIN: Duration = Duration::from_secs(2);
const BACKOFF_MAX: Duration = Duration::from_secs(60);

/// Longest time one piece may take.
const PIECE_MAX: Duration = Duration::from_secs(30);

/// Offers looked at in one round; the others come next.
const OFFERS_MAX: usize = 256;

/// Pieces of one file in a round: twice the largest file. Beyond it something is wrong at the other end.
const PIECES_MAX: u64 = 2_048;

/// What the vision process offers.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Offer {
    alarm: String,
    revision: u64,
    kind: String,
    file: PathBuf,
    bytes: u64,
    sha256: String,
}

/// What became of an offer.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Outcome {
    /// Headquarters has it.
    Sent,
    /// It can never be sent; why.
    Hopeless(String),
}

/// Answer to a piece.
#[derive(Debug, Deserialize)]
struct Progress {
    offset: u64,
    complete: bool,
}

/// Sends until `stop`.
pub async fn run_upload(gateway: GatewayId, send: EvidenceSend, evidence_dir: PathBuf, stop: CancellationToken) {
    let outbox = evidence_dir.join("outbox");
    let mut pause = LOOK;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
        let round = tokio::select! {
            () = stop.cancelled() => return,
            round = send_all(&gateway, &send, &outbox) => round,
        };
        pause = match round {
            Ok(()) => LOOK,
            Err(error) => {
                warn!(error = format!("{error:#}"), "evidence waits for headquarters");
                (pause * 2).clamp(BACKOFF_MIN, BACKOFF_MAX)
            }
        };
    }
}

async fn send_all(gateway: &GatewayId, send: &EvidenceSend, outbox: &Path) -> anyhow::Result<()> {
    let offers = offers(outbox).await;
    if offers.is_empty() {
        return Ok(());
    }
    let client = client(send)?;
    let token = tokio::fs::read_to_string(&send.token_file)
        .await
        .with_context(|| format!("token file {}", send.token_file.display()))?;
    for path in offers {
        let outcome = match read_offer(&path).await {
            Ok(offer) => send_one(&client, &send.url, token.trim(), gateway, &offer).await?,
            Err(error) => Outcome::Hopeless(format!("{error:#}")),
        };
        match outcome {
            Outcome::Sent => info!(offer = %path.display(), "evidence sent"),
            Outcome::Hopeless(why) => warn!(offer = %path.display(), error = why, "evidence will not be sent"),
        }
        tokio::fs::remove_file(&path).await?;
    }
    Ok(())
}

/// Snapshots before clips: they are small and say the most.
async fn offers(outbox: &Path) -> Vec<PathBuf> {
    let Ok(mut folder) = tokio::fs::read_dir(outbox).await else { return Vec::new() };
    let mut found = Vec::new();
    while let Ok(Some(entry)) = folder.next_entry().await {
        let path = entry.path();
        if path.extension().is_some_and(|extension| extension == "json") && found.len() < OFFERS_MAX {
            found.push(path);
        }
    }
    found.sort_by_key(|path| (path.to_string_lossy().ends_with(".clip.json"), path.clone()));
    found
}

async fn read_offer(path: &Path) -> anyhow::Result<Offer> {
    Ok(serde_json::from_slice(&tokio::fs::read(path).await?)?)
}

fn client(send: &EvidenceSend) -> anyhow::Result<reqwest::Client> {
    // Already there in the program; a second one is refused and changes nothing.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = reqwest::Client::builder().timeout(PIECE_MAX).redirect(reqwest::redirect::Policy::none());
    if let Some(file) = &send.ca_file {
        let pem = std::fs::read(file).with_context(|| format!("ca_file {}", file.display()))?;
        builder = builder.tls_certs_only(reqwest::Certificate::from_pem_bundle(&pem)?);
    }
    Ok(builder.build()?)
}

async fn send_one(
    client: &reqwest::Client,
    url: &str,
    token: &str,
    gateway: &GatewayId,
    offer: &Offer,
) -> anyhow::Result<Outcome> {
    let Ok(mut file) = tokio::fs::File::open(&offer.file).await else {
        return Ok(Outcome::Hopeless(format!("{} is gone: too old or too much", offer.file.display())));
    };
    let url = format!("{url}/evidence/v1/{gateway}/{}/{}/{}", offer.alarm, offer.revision, offer.kind);
    // An empty piece asks how far it is.
    let mut piece = Vec::new();
    let mut offset = 0;
    for _ in 0..PIECES_MAX {
        let request = client
            .put(&url)
            .bearer_auth(token)
            .header("Upload-Offset", offset)
            .header("Upload-Length", offer.bytes)
            .header("Upload-SHA256", &offer.sha256)
            .body(std::mem::take(&mut piece));
        let answer = request.send().await.map_err(|error| error.without_url()).context("headquarters")?;
        let progress = match answer.status().as_u16() {
            200 | 409 => answer.json::<Progress>().await?,
            410 => return Ok(Outcome::Hopeless("headquarters keeps another file under this name".into())),
            400 | 404 | 413 => {
                return Ok(Outcome::Hopeless(format!("headquarters refuses it: {}", answer.status())));
            }
            status => bail!("headquarters answers {status}"),
        };
        if progress.complete {
            return Ok(Outcome::Sent);
        }
        offset = progress.offset;
        file.seek(std::io::SeekFrom::Start(offset)).await?;
        (&mut file).take(PIECE_BYTES.min(offer.bytes.saturating_sub(offset))).read_to_end(&mut piece).await?;
        if piece.is_empty() {
            return Ok(Outcome::Hopeless(format!("{} is shorter than it was", offer.file.display())));
        }
    }
    bail!("no end after {PIECES_MAX} pieces")
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::extract::State;
    use axum::http::{HeaderMap, StatusCode};
    use axum::response::{IntoResponse, Response};
    use std::sync::{Arc, Mutex};

    /// What arrived, and how many requests.
    type Shared = Arc<Mutex<(Vec<u8>, u32)>>;

    /// A headquarters that loses every second answer after it took the piece.
    async fn forgetful(State(state): State<Shared>, headers: HeaderMap, bytes: axum::body::Bytes) -> Response {
        let number = |name: &str| headers[name].to_str().expect("text").parse::<usize>().expect("number");
        let (offset, length) = (number("upload-offset"), number("upload-length"));
        let mut state = state.lock().expect("lock");
        state.1 += 1;
        if headers["authorization"] != "Bearer secret-of-gw-01" {
            return StatusCode::UNAUTHORIZED.into_response();
        }
        let have = state.0.len();
        if !bytes.is_empty() && offset == have {
            state.0.extend_from_slice(&bytes);
            if state.1 % 2 == 0 {
                return StatusCode::BAD_GATEWAY.into_response();
            }
        }
        let (offset, complete) = (state.0.len(), state.0.len() == length);
        axum::Json(serde_json::json!({ "offset": offset, "complete": complete })).into_response()
    }

    #[tokio::test]
    async fn a_link_that_breaks_again_and_again_delivers_the_file_once_and_whole() {
        let state = Arc::new(Mutex::new((Vec::new(), 0)));
        let app = axum::Router::new().fallback(axum::routing::put(forgetful)).with_state(Arc::clone(&state));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("port");
        let url = format!("http://{}", listener.local_addr().expect("address"));
        tokio::spawn(async move { axum::serve(listener, app).await });
        let dir = tempfile::tempdir().expect("folder");
        let (outbox, file) = (dir.path().join("outbox"), dir.path().join("clip.mp4"));
        std::fs::create_dir(&outbox).expect("folder");
        let content: Vec<u8> = (0..700_000u32).map(|n| (n % 251) as u8).collect();
        std::fs::write(&file, &content).expect("written");
        std::fs::write(dir.path().join("token"), "secret-of-gw-01\n").expect("written");
        let offer = serde_json::json!({ "alarm": "cam-01.fall", "revision": 2, "kind": "clip", "file": file,
            "bytes": content.len(), "sha256": "0" });
        std::fs::write(outbox.join("a.clip.json"), offer.to_string()).expect("written");
        let send = EvidenceSend { url, token_file: dir.path().join("token"), ca_file: None };
        let gateway = GatewayId::parse("gw-01").expect("slug");
        let mut failures = 0;
        while send_all(&gateway, &send, &outbox).await.is_err() {
            failures += 1;
            assert!(failures < 20, "it never ends");
            assert!(outbox.join("a.clip.json").exists(), "an offer stays until it is taken");
        }
        assert!(failures > 0, "the link did break");
        assert_eq!(state.lock().expect("lock").0, content);
        assert!(!outbox.join("a.clip.json").exists());
    }
}
