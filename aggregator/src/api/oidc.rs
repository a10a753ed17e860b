//! Signing in at the identity provider: away, and back again.
//!
//! Invariant: whatever came of it, the browser lands on our own page; a refusal is named in the
//! address (`sign_in=`), for which the page has a sentence in both languages.

use super::sign_in::{bare, with_cookie};
use super::{Api, Problem};
use crate::clock;
use crate::people::policy::Policy;
use crate::people::{Brought, Peer, PeopleError};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

/// Longest code or state read.
const TEXT_BYTES_MAX: usize = 4_096;
/// The cookie lives as long as the question.
const KEPT_S: i64 = 600;

/// Name of the cookie that binds the answer to the browser.
fn name(policy: &Policy) -> String {
    format!("{}-oidc", policy.cookie())
}

/// The page, with what was refused.
fn home(refused: &str) -> Response {
    (StatusCode::SEE_OTHER, [(header::LOCATION, format!("/?sign_in={refused}"))]).into_response()
}

fn told(error: PeopleError) -> Result<Response, Problem> {
    if let PeopleError::Provider(refusal) = error {
        return Ok(home(refusal.code()));
    }
    if matches!(error, PeopleError::Wait { .. }) {
        return Ok(home("wait"));
    }
    Err(error.into())
}

/// Begins: sends the browser to the provider.
#[utoipa::path(get, path = "/api/v1/oidc/start", responses((status = 303), (status = 404)))]
pub(super) async fn start(State(api): State<Api>) -> Result<Response, Problem> {
    let question = match api.people.ask_provider(clock::now()).await {
        Ok(question) => question,
        Err(error) => return told(error),
    };
    let policy = api.people.policy();
    let kept = bare(policy, &name(policy), &question.state, KEPT_S);
    Ok((StatusCode::SEE_OTHER, [(header::SET_COOKIE, kept), (header::LOCATION, question.location)]).into_response())
}

/// What the provider adds to the address; what it adds beyond this is not looked at.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Said {
    code: Option<String>,
    state: Option<String>,
    iss: Option<String>,
}

/// The provider's answer: opens a session and shows the console, or says on our page why not.
#[utoipa::path(get, path = "/api/v1/oidc/callback",
    params(("code" = Option<String>, Query), ("state" = Option<String>, Query), ("iss" = Option<String>, Query)),
    responses((status = 303), (status = 400), (status = 404)))]
pub(super) async fn callback(
    State(api): State<Api>,
    from: Peer,
    headers: HeaderMap,
    said: Result<Query<Said>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(said) = said.map_err(|e| Problem::bad(e.body_text()))?;
    let texts = [&said.code, &said.state, &said.iss];
    if texts.iter().any(|text| text.as_ref().is_some_and(|text| text.len() > TEXT_BYTES_MAX)) {
        return Err(Problem::bad(format!("code, state and iss have at most {TEXT_BYTES_MAX} bytes")));
    }
    let policy = api.people.policy();
    let brought = Brought {
        code: said.code.as_deref().filter(|code| !code.is_empty()),
        state: said.state.as_deref().unwrap_or_default(),
        kept: super::gate::cookie(&headers, &name(policy)).unwrap_or_default(),
        issuer: said.iss.as_deref(),
    };
    let mut response = match api.people.provider_said(&brought, &from, clock::now()).await {
        Ok(secret) => with_cookie(&api, &secret, (StatusCode::SEE_OTHER, [(header::LOCATION, "/")])),
        Err(error) => told(error)?,
    };
    if let Ok(gone) = bare(policy, &name(policy), "", 0).parse() {
        response.headers_mut().append(header::SET_COOKIE, gone);
    }
    Ok(response)
}
