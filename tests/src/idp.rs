//! A stand-in for an identity provider: discovery, keys, and a token endpoint that checks the
//! client's secret and PKCE and signs for real (RS256 and ES256), or lies where a test wants it to.

use crate::process::run;
use anyhow::{Context, Result, anyhow};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::rand::SystemRandom;
use ring::rsa::PublicKeyComponents;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Largest request read.
const REQUEST_BYTES_MAX: usize = 64 * 1024;
/// The client's secret.
pub const SECRET: &str = "a secret: with & signs";

/// How a token is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signing {
    /// RSA with SHA-256.
    Rs256,
    /// P-256 with SHA-256.
    Es256,
    /// Not at all: `alg` none and an empty signature.
    None,
    /// HMAC with the public key as its secret, the old confusion of algorithms.
    Hs256,
    /// RS256 under the name of the provider's key, by a key that is not its own.
    Stranger,
}

/// What the next code stands for.
#[derive(Debug, Clone)]
struct Next {
    challenge: String,
    claims: Value,
    signing: Signing,
}

struct State {
    rsa: RsaKeyPair,
    stranger: RsaKeyPair,
    ec: EcdsaKeyPair,
    issuer: String,
    next: Option<Next>,
}

/// A running provider.
pub struct Idp {
    state: Arc<Mutex<State>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Idp {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn encoded(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn rsa(folder: &Path, name: &str) -> Result<RsaKeyPair> {
    let file = folder.join(name);
    let make = ["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-outform", "DER", "-out"];
    run(Command::new("openssl").args(make).arg(&file))?;
    // Which of the two forms `openssl` writes depends on its version.
    let bytes = std::fs::read(&file)?;
    RsaKeyPair::from_der(&bytes).or_else(|_| RsaKeyPair::from_pkcs8(&bytes)).map_err(|error| anyhow!("{error}"))
}

impl State {
    fn token(&self, next: &Next) -> Result<String> {
        let header = match next.signing {
            Signing::Rs256 | Signing::Stranger => json!({ "alg": "RS256", "kid": "r1" }),
            Signing::Es256 => json!({ "alg": "ES256", "kid": "e1" }),
            Signing::None => json!({ "alg": "none" }),
            Signing::Hs256 => json!({ "alg": "HS256", "kid": "r1" }),
        };
        let text = format!("{}.{}", encoded(header.to_string()), encoded(next.claims.to_string()));
        let rng = SystemRandom::new();
        let by = |pair: &RsaKeyPair| -> Result<Vec<u8>> {
            let mut mac = vec![0; pair.public().modulus_len()];
            pair.sign(&RSA_PKCS1_SHA256, &rng, text.as_bytes(), &mut mac).map_err(|_| anyhow!("not signed"))?;
            Ok(mac)
        };
        let mac = match next.signing {
            Signing::Rs256 => by(&self.rsa)?,
            Signing::Stranger => by(&self.stranger)?,
            Signing::Es256 => self.ec.sign(&rng, text.as_bytes()).map_err(|_| anyhow!("not signed"))?.as_ref().to_vec(),
            Signing::None => Vec::new(),
            Signing::Hs256 => {
                let parts = PublicKeyComponents::<Vec<u8>>::from(self.rsa.public());
                let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &parts.n);
                ring::hmac::sign(&key, text.as_bytes()).as_ref().to_vec()
            }
        };
        Ok(format!("{text}.{}", encoded(mac)))
    }

    fn keys(&self) -> Value {
        let parts = PublicKeyComponents::<Vec<u8>>::from(self.rsa.public());
        let point = self.ec.public_key().as_ref();
        json!({ "keys": [
            { "kty": "OKP", "crv": "X25519", "kid": "r1", "x": "AA" },
            { "kty": "RSA", "kid": "r1", "use": "sig", "alg": "RS256", "n": encoded(parts.n), "e": encoded(parts.e) },
            { "kty": "EC", "crv": "P-256", "kid": "e1", "use": "sig", "x": encoded(&point[1..33]),
              "y": encoded(&point[33..]) },
        ] })
    }

    fn answer(&mut self, path: &str, head: &str, body: &str) -> Result<(u16, Value)> {
        let issuer = &self.issuer;
        Ok(match path {
            "/.well-known/openid-configuration" => (
                200,
                json!({ "issuer": issuer, "authorization_endpoint": format!("{issuer}/authorize?tenant=1"),
                    "token_endpoint": format!("{issuer}/token"), "jwks_uri": format!("{issuer}/keys"),
                    "end_session_endpoint": format!("{issuer}/end") }),
            ),
            "/keys" => (200, self.keys()),
            "/token" => {
                let verifier = body.split('&').find_map(|pair| pair.strip_prefix("code_verifier=")).unwrap_or_default();
                let shown = encoded(ring::digest::digest(&ring::digest::SHA256, verifier.as_bytes()));
                let secret = "minewatch:a+secret%3A+with+%26+signs";
                let basic = format!("basic {}", STANDARD.encode(secret)).to_lowercase();
                match self.next.take() {
                    Some(next) if next.challenge == shown && head.to_lowercase().contains(&basic) => {
                        (200, json!({ "id_token": self.token(&next)?, "token_type": "Bearer" }))
                    }
                    Some(_) | None => (400, json!({ "error": "invalid_grant" })),
                }
            }
            _ => (404, json!({})),
        })
    }
}

async fn talk(mut socket: TcpStream, state: Arc<Mutex<State>>) -> Result<()> {
    let mut request = Vec::new();
    let (head, body) = loop {
        let mut chunk = [0u8; 4096];
        let read = socket.read(&mut chunk).await?;
        request.extend_from_slice(&chunk[..read]);
        let text = String::from_utf8_lossy(&request).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = |line: &str| line.to_lowercase().strip_prefix("content-length:")?.trim().parse().ok();
            if body.len() >= head.lines().find_map(length).unwrap_or(0) {
                break (head.to_owned(), body.to_owned());
            }
        }
        anyhow::ensure!(read > 0 && request.len() < REQUEST_BYTES_MAX, "no whole request");
    };
    let path = head.split_whitespace().nth(1).context("a path")?.to_owned();
    let (status, answer) = state.lock().unwrap_or_else(PoisonError::into_inner).answer(&path, &head, &body)?;
    let answer = answer.to_string();
    let length = answer.len();
    let text = format!(
        "HTTP/1.1 {status} x\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{answer}"
    );
    Ok(socket.write_all(text.as_bytes()).await?)
}

impl Idp {
    /// Starts one; its keys are made in `folder`.
    ///
    /// # Errors
    /// When `openssl` is missing or it cannot listen.
    pub async fn start(folder: &Path) -> Result<Idp> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let rng = SystemRandom::new();
        let how = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let made = EcdsaKeyPair::generate_pkcs8(how, &rng).map_err(|_| anyhow!("no key"))?;
        let ec = EcdsaKeyPair::from_pkcs8(how, made.as_ref(), &rng).map_err(|error| anyhow!("{error}"))?;
        let issuer = format!("http://{}", listener.local_addr()?);
        let (rsa, stranger) = (rsa(folder, "idp.der")?, rsa(folder, "stranger.der")?);
        let state = Arc::new(Mutex::new(State { rsa, stranger, ec, issuer, next: None }));
        let shared = state.clone();
        let task = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                // A broken-off request is the client's affair.
                let _ = talk(socket, shared.clone()).await;
            }
        });
        Ok(Idp { state, task })
    }

    /// Its name.
    pub fn issuer(&self) -> String {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).issuer.clone()
    }

    /// What the next code stands for.
    pub fn next(&self, challenge: &str, claims: Value, signing: Signing) {
        let next = Next { challenge: challenge.to_owned(), claims, signing };
        self.state.lock().unwrap_or_else(PoisonError::into_inner).next = Some(next);
    }
}
