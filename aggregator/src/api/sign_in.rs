//! The way in and out: set-up, sign-in, sign-out, and what everybody may know about both.

use super::body::Body;
use super::{Api, Problem};
use crate::clock;
use crate::people::policy::{LocalSignIn, Must, Policy};
use crate::people::{Attempt, Credential, Founder, Grant, Identity, Peer, PeopleError, Role, Via};
use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

impl From<PeopleError> for Problem {
    fn from(error: PeopleError) -> Problem {
        let (status, code) = match &error {
            PeopleError::Store(_) => (StatusCode::SERVICE_UNAVAILABLE, "store_unavailable"),
            PeopleError::Wrong => (StatusCode::UNAUTHORIZED, "wrong"),
            PeopleError::CodeNeeded => (StatusCode::UNAUTHORIZED, "code_needed"),
            PeopleError::ReasonNeeded => (StatusCode::BAD_REQUEST, "reason_needed"),
            PeopleError::Wait { .. } => (StatusCode::TOO_MANY_REQUESTS, "wait"),
            PeopleError::Weak(_) => (StatusCode::BAD_REQUEST, "weak_password"),
            PeopleError::NotFound(_) => (StatusCode::NOT_FOUND, "not_found"),
            PeopleError::Impossible(_) => (StatusCode::CONFLICT, "impossible"),
            PeopleError::Provider(refusal) => (StatusCode::UNAUTHORIZED, refusal.code()),
            PeopleError::Forbidden(_) => (StatusCode::FORBIDDEN, "forbidden"),
            PeopleError::Busy => (StatusCode::SERVICE_UNAVAILABLE, "busy"),
        };
        let message = error.to_string();
        if let PeopleError::Store(error) = error {
            return error.into();
        }
        Problem { status, code, message }
    }
}

/// What a sign-in page must know.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct WayIn {
    /// Nobody is there yet; the set-up waits for its token.
    setup: bool,
    /// Roles of the first people.
    #[schema(value_type = Vec<String>)]
    first_roles: Vec<Role>,
    /// Passwords: `everyone`, or `break_glass` only.
    local: &'static str,
    /// Shortest password, in characters.
    password_chars_min: usize,
    /// There is an identity provider: `/api/v1/oidc/start`.
    provider: bool,
}

/// How to sign in here.
#[utoipa::path(get, path = "/api/v1/sign-in", responses((status = 200, body = WayIn)))]
pub(super) async fn way_in(State(api): State<Api>) -> Json<WayIn> {
    let policy = api.people.policy();
    Json(WayIn {
        setup: api.people.setup_offered(),
        first_roles: policy.first_roles().to_vec(),
        local: match policy.local {
            LocalSignIn::Everyone => "everyone",
            LocalSignIn::BreakGlass => "break_glass",
        },
        password_chars_min: crate::people::PASSWORD_CHARS_MIN,
        provider: policy.provider.is_some(),
    })
}

/// A try to sign in.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SignInBody {
    /// Login name.
    person: String,
    /// Password.
    password: String,
    /// Second factor, when it is asked for (`code_needed`).
    code: Option<String>,
    /// Reason, when it is asked for (`reason_needed`).
    reason: Option<String>,
}

/// A cookie that scripts do not see.
pub(super) fn bare(policy: &Policy, name: &str, value: &str, age_s: i64) -> String {
    let secure = if policy.secure { "; Secure" } else { "" };
    format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age={age_s}{secure}")
}

fn kept(policy: &Policy, secret: &str) -> String {
    bare(policy, policy.cookie(), secret, policy.session_ms / 1_000)
}

/// Takes the cookie away.
pub(super) fn gone(policy: &Policy) -> String {
    bare(policy, policy.cookie(), "", 0)
}

/// An answer that sets the session's cookie.
pub(super) fn with_cookie(api: &Api, secret: &str, body: impl IntoResponse) -> Response {
    ([(header::SET_COOKIE, kept(api.people.policy(), secret))], body).into_response()
}

/// Signs in; the session is a cookie.
#[utoipa::path(post, path = "/api/v1/sign-in", request_body = SignInBody,
    responses((status = 204), (status = 400), (status = 401), (status = 413), (status = 415), (status = 429)))]
pub(super) async fn sign_in(
    State(api): State<Api>,
    from: Peer,
    Body(body): Body<SignInBody>,
) -> Result<Response, Problem> {
    let SignInBody { person, password, code, reason } = body;
    let attempt = Attempt { person, password, code, reason, from };
    match api.people.sign_in(&attempt, clock::now()).await {
        Ok(secret) => Ok(with_cookie(&api, &secret, StatusCode::NO_CONTENT)),
        Err(PeopleError::Wait { seconds }) => {
            let problem = Problem::from(PeopleError::Wait { seconds });
            Ok(([(header::RETRY_AFTER, seconds.to_string())], problem).into_response())
        }
        Err(error) => Err(error.into()),
    }
}

/// One of the first people.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct FounderBody {
    /// Login name.
    person: String,
    /// Shown name.
    name: String,
    /// Password.
    password: String,
    /// One of `first_roles`.
    #[schema(value_type = String)]
    role: Role,
}

/// The set-up.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SetupBody {
    /// From the file that the first start wrote.
    token: String,
    /// One for each of `first_roles`.
    people: Vec<FounderBody>,
}

/// Makes the first people, once.
#[utoipa::path(post, path = "/api/v1/setup", request_body = SetupBody,
    responses((status = 204), (status = 400), (status = 401), (status = 409), (status = 413), (status = 415)))]
pub(super) async fn setup(State(api): State<Api>, Body(body): Body<SetupBody>) -> Result<StatusCode, Problem> {
    let founders: Vec<Founder> = body
        .people
        .into_iter()
        .map(|FounderBody { person, name, password, role }| Founder { person, name, password, role })
        .collect();
    api.people.set_up(&body.token, &founders, clock::now()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Where to go on after signing out.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SignedOut {
    /// Ends the session at the identity provider too.
    location: String,
}

/// Ends one's session; 200 names where the identity provider ends its own.
#[utoipa::path(post, path = "/api/v1/sign-out",
    responses((status = 200, body = SignedOut), (status = 204), (status = 401), (status = 403)))]
pub(super) async fn sign_out(State(api): State<Api>, identity: Identity) -> Result<Response, Problem> {
    let Via::Session(id) = &identity.actor.via else {
        let message = "a token is revoked, not signed out".to_owned();
        return Err(Problem { status: StatusCode::FORBIDDEN, code: "forbidden", message });
    };
    api.people.end_session(&identity.actor, &identity.actor.person, id, clock::now()).await?;
    let cookie = [(header::SET_COOKIE, gone(api.people.policy()))];
    let location = if identity.elsewhere { api.people.provider_sign_out(clock::now()).await } else { None };
    Ok(match location {
        Some(location) => (cookie, Json(SignedOut { location })).into_response(),
        None => (cookie, StatusCode::NO_CONTENT).into_response(),
    })
}

/// Who is signed in.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Me {
    person: String,
    name: String,
    /// `session`, `token` or `read_token`.
    via: &'static str,
    /// What must be done before anything else.
    must: Option<Must>,
    second_factor: bool,
    /// Has a password here.
    local: bool,
    #[schema(value_type = Vec<super::people_types::GrantView>)]
    grants: Vec<Grant>,
    /// Actions allowed on something somewhere.
    actions: Vec<String>,
    ends_at: Option<String>,
    /// Holds a break-glass right.
    may_break_glass: bool,
    broken_until: Option<String>,
    /// A session that does nothing ends after so many seconds.
    idle_s: i64,
}

/// Oneself.
#[utoipa::path(get, path = "/api/v1/me", responses((status = 200, body = Me), (status = 401)))]
pub(super) async fn me(State(api): State<Api>, identity: Identity) -> Json<Me> {
    let may = crate::people::Action::ALL.into_iter().filter(|action| identity.actor.may_somewhere(*action));
    let name = |action| serde_json::to_value(action).ok()?.as_str().map(str::to_owned);
    Json(Me {
        actions: may.filter_map(name).collect(),
        person: identity.actor.person.to_string(),
        name: identity.actor.name,
        via: match identity.credential {
            Credential::Session(_) => "session",
            Credential::Token(_) => "token",
            Credential::ReadToken => "read_token",
        },
        must: identity.must,
        second_factor: identity.second_factor,
        local: identity.local,
        grants: identity.actor.grants,
        ends_at: identity.ends.map(clock::text),
        may_break_glass: identity.may_break,
        broken_until: identity.broken_until.map(clock::text),
        idle_s: api.people.policy().idle_ms / 1_000,
    })
}
