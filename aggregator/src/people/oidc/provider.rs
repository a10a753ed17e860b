//! The provider itself: discovery, the way there, the exchange of a code for a token.
//!
//! Invariant: connections go only where the guard of outgoing connections lets them, whatever a
//! discovery document says; no redirect is followed; every answer is bounded in time and size.

use super::Refusal;
use super::claims::{Expected, Jwks, Subject, judge};
use crate::notify::guard::Guard;
use crate::notify::http::client;
use crate::people::Grant;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ipnet::IpNet;
use minewatch_domain::At;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use url::Url;

/// Longest wait for the provider.
const WITHIN: Duration = Duration::from_secs(10);
/// Largest answer read.
const ANSWER_BYTES_MAX: usize = 512 * 1024;
/// A discovery document is believed for this long: strangers must not make us ask at every click.
const SEEN_MS: i64 = 300_000;

/// An identity provider.
#[derive(Clone, PartialEq, Eq)]
pub struct Provider {
    /// Issuer, exactly as it writes itself.
    pub issuer: String,
    /// Our name there.
    pub client: String,
    /// Our secret there.
    pub secret: Option<String>,
    /// Our own address, without a path: where it sends browsers back to.
    pub home: String,
    /// The claim that lists groups.
    pub groups_claim: String,
    /// What members of a group may do.
    pub groups: Vec<(String, Grant)>,
    /// Inside networks it may be reached in.
    pub allow: Vec<IpNet>,
    /// Certificates it is known by, beside the system's.
    pub ca: Option<Vec<u8>>,
}

impl std::fmt::Debug for Provider {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Provider").field("issuer", &self.issuer).field("client", &self.client).finish_non_exhaustive()
    }
}

/// What a provider says about itself.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Discovered {
    issuer: String,
    #[serde(deserialize_with = "address")]
    authorization_endpoint: Url,
    #[serde(deserialize_with = "address")]
    token_endpoint: Url,
    #[serde(deserialize_with = "address")]
    jwks_uri: Url,
    end_session_endpoint: Option<String>,
}

fn address<'de, D: Deserializer<'de>>(text: D) -> Result<Url, D::Error> {
    Url::parse(&String::deserialize(text)?).map_err(serde::de::Error::custom)
}

/// The newest discovery document, and when it was read.
pub(crate) type Seen = Arc<Mutex<Option<(At, Discovered)>>>;

#[derive(Debug, Deserialize)]
struct Tokens {
    id_token: String,
}

/// What failed stands in the log; the browser learns only that the provider is away.
fn away(error: impl std::fmt::Display) -> Refusal {
    tracing::warn!(error = %error, "identity provider");
    Refusal::Away
}

async fn answer<T: DeserializeOwned>(request: reqwest::RequestBuilder, refused: Refusal) -> Result<T, Refusal> {
    let mut response = request.timeout(WITHIN).send().await.map_err(|e| away(e.without_url()))?;
    let status = response.status();
    if status.is_client_error() {
        tracing::warn!(status = status.as_u16(), "the identity provider refuses");
        return Err(refused);
    }
    if !status.is_success() {
        return Err(away(format!("HTTP {status}")));
    }
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|e| away(e.without_url()))? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > ANSWER_BYTES_MAX {
            return Err(away("an answer without end"));
        }
    }
    serde_json::from_slice(&bytes).map_err(away)
}

/// `application/x-www-form-urlencoded`, as RFC 6749 wants it also before basic authentication.
fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

impl Provider {
    fn redirect(&self) -> String {
        format!("{}/api/v1/oidc/callback", self.home)
    }

    fn client(&self, url: &Url) -> Result<reqwest::Client, Refusal> {
        let guard = Arc::new(Guard { allow: self.allow.clone() });
        guard.url(url).map_err(away)?;
        client(&guard, self.ca.as_deref(), url.scheme() == "http").map_err(away)
    }

    async fn get<T: DeserializeOwned>(&self, url: Url) -> Result<T, Refusal> {
        answer(self.client(&url)?.get(url), Refusal::Away).await
    }

    /// The discovery document, from memory while it is young.
    pub(super) async fn discovered(&self, seen: &Seen, now: At) -> Result<Discovered, Refusal> {
        let young = |(at, _): &&(At, Discovered)| (0..SEEN_MS).contains(&now.millis_since(*at));
        let known = seen.lock().unwrap_or_else(PoisonError::into_inner).as_ref().filter(young).cloned();
        if let Some((_, found)) = known {
            return Ok(found);
        }
        let address = format!("{}/.well-known/openid-configuration", self.issuer.trim_end_matches('/'));
        let found: Discovered = self.get(Url::parse(&address).map_err(away)?).await?;
        if found.issuer != self.issuer {
            return Err(away(format!("it calls itself {}", found.issuer)));
        }
        *seen.lock().unwrap_or_else(PoisonError::into_inner) = Some((now, found.clone()));
        Ok(found)
    }

    /// Where the browser is sent to.
    pub(super) fn question(&self, found: Discovered, state: &str, nonce: &str, challenge: &str) -> String {
        let mut location = found.authorization_endpoint;
        location.query_pairs_mut().extend_pairs([
            ("response_type", "code"),
            ("client_id", &self.client),
            ("redirect_uri", &self.redirect()),
            ("scope", "openid profile email"),
            ("state", state),
            ("nonce", nonce),
            ("code_challenge", challenge),
            ("code_challenge_method", "S256"),
        ]);
        location.to_string()
    }

    /// Changes a code for a token and believes it, or not.
    pub(super) async fn subject(
        &self,
        seen: &Seen,
        code: &str,
        verifier: &str,
        nonce: &str,
        now: At,
    ) -> Result<Subject, Refusal> {
        let found = self.discovered(seen, now).await?;
        let redirect = self.redirect();
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &redirect),
            ("client_id", &self.client),
            ("code_verifier", verifier),
        ];
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let client = self.client(&found.token_endpoint)?;
        let kind = "application/x-www-form-urlencoded";
        let mut request = client.post(found.token_endpoint).header("content-type", kind).body(body);
        if let Some(secret) = &self.secret {
            let pair = STANDARD.encode(format!("{}:{}", encoded(&self.client), encoded(secret)));
            request = request.header("authorization", format!("Basic {pair}"));
        }
        let tokens: Tokens = answer(request, Refusal::Declined).await?;
        let keys: Jwks = self.get(found.jwks_uri).await?;
        let expected = Expected { issuer: &self.issuer, client: &self.client, nonce, groups_claim: &self.groups_claim };
        judge(&tokens.id_token, &keys, &expected, now).map_err(Refusal::Token)
    }

    /// What membership of these groups gives.
    pub(super) fn grants(&self, groups: &[String]) -> Vec<Grant> {
        let mut held: Vec<Grant> = Vec::new();
        for (_, grant) in self.groups.iter().filter(|(group, _)| groups.contains(group)) {
            if !held.contains(grant) {
                held.push(grant.clone());
            }
        }
        held
    }

    pub(super) async fn sign_out(&self, seen: &Seen, now: At) -> Option<String> {
        let end = self.discovered(seen, now).await.ok()?.end_session_endpoint?;
        let mut end = Url::parse(&end).ok()?;
        end.query_pairs_mut()
            .append_pair("client_id", &self.client)
            .append_pair("post_logout_redirect_uri", &format!("{}/", self.home));
        Some(end.to_string())
    }
}
