//! One's own password, second factor, sessions and tokens.

use super::body::Body;
use super::people_types::{GrantView, SessionView, TokenView};
use super::sign_in::with_cookie;
use super::{Api, Problem};
use crate::clock;
use crate::people::{Credential, Grant, Identity, NewToken, Peer};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What only a person at a browser does: a token must not lengthen its own life.
fn in_person(identity: &Identity) -> Result<(), Problem> {
    match identity.credential {
        Credential::Session(_) => Ok(()),
        Credential::Token(_) | Credential::ReadToken => {
            let message = "sign in for this; a token cannot do it".to_owned();
            Err(Problem { status: StatusCode::FORBIDDEN, code: "forbidden", message })
        }
    }
}

/// A change of one's password.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PasswordBody {
    old: String,
    new: String,
}

/// Changes one's password: all sessions end, a new one begins.
#[utoipa::path(post, path = "/api/v1/me/password", request_body = PasswordBody,
    responses((status = 204), (status = 400), (status = 401), (status = 403), (status = 409), (status = 413), (status = 415)))]
pub(super) async fn password(
    State(api): State<Api>,
    identity: Identity,
    from: Peer,
    Body(body): Body<PasswordBody>,
) -> Result<Response, Problem> {
    in_person(&identity)?;
    let secret = api.people.change_password(&identity, (&body.old, &body.new), &from, clock::now()).await?;
    Ok(with_cookie(&api, &secret, StatusCode::NO_CONTENT))
}

/// A secret for an authenticator.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct EnrolmentView {
    secret: String,
    uri: String,
}

/// Begins to enrol a second factor.
#[utoipa::path(post, path = "/api/v1/me/second-factor",
    responses((status = 200, body = EnrolmentView), (status = 401), (status = 403), (status = 409)))]
pub(super) async fn begin_factor(State(api): State<Api>, identity: Identity) -> Result<Json<EnrolmentView>, Problem> {
    in_person(&identity)?;
    let enrolment = api.people.begin_second_factor(&identity).await?;
    Ok(Json(EnrolmentView { secret: enrolment.secret, uri: enrolment.uri }))
}

/// A code of an authenticator.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CodeBody {
    code: String,
}

/// Codes that each replace the authenticator once.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RecoveryView {
    recovery_codes: Vec<String>,
}

/// Turns the second factor on with its first code.
#[utoipa::path(post, path = "/api/v1/me/second-factor/confirm", request_body = CodeBody,
    responses((status = 200, body = RecoveryView), (status = 400), (status = 401), (status = 403), (status = 413), (status = 415)))]
pub(super) async fn confirm_factor(
    State(api): State<Api>,
    identity: Identity,
    Body(body): Body<CodeBody>,
) -> Result<Json<RecoveryView>, Problem> {
    in_person(&identity)?;
    let recovery_codes = api.people.confirm_second_factor(&identity, &body.code, clock::now()).await?;
    Ok(Json(RecoveryView { recovery_codes }))
}

/// One's password.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ConfirmBody {
    password: String,
}

/// Takes the second factor off.
#[utoipa::path(post, path = "/api/v1/me/second-factor/end", request_body = ConfirmBody,
    responses((status = 204), (status = 400), (status = 401), (status = 403), (status = 413), (status = 415)))]
pub(super) async fn end_factor(
    State(api): State<Api>,
    identity: Identity,
    Body(body): Body<ConfirmBody>,
) -> Result<StatusCode, Problem> {
    in_person(&identity)?;
    api.people.end_second_factor(&identity, &body.password, clock::now()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Why the glass is broken.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ReasonBody {
    reason: String,
}

/// Until when the break-glass right is open.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct BrokenView {
    until: String,
}

/// Breaks the glass for an hour; the reason stands in the audit trail.
#[utoipa::path(post, path = "/api/v1/me/break-glass", request_body = ReasonBody,
    responses((status = 200, body = BrokenView), (status = 400), (status = 401), (status = 403), (status = 413), (status = 415)))]
pub(super) async fn break_glass(
    State(api): State<Api>,
    identity: Identity,
    Body(body): Body<ReasonBody>,
) -> Result<Json<BrokenView>, Problem> {
    let until = api.people.break_glass(&identity, &body.reason, clock::now()).await?;
    Ok(Json(BrokenView { until: clock::text(until) }))
}

/// One's open sessions.
#[utoipa::path(get, path = "/api/v1/me/sessions", responses((status = 200, body = Vec<SessionView>), (status = 401)))]
pub(super) async fn sessions(State(api): State<Api>, identity: Identity) -> Result<Json<Vec<SessionView>>, Problem> {
    let found = api.people.sessions(&identity.actor.person, clock::now()).await?;
    Ok(Json(found.iter().map(|session| SessionView::of(session, &identity.actor.via)).collect()))
}

/// Ends one of one's sessions.
#[utoipa::path(delete, path = "/api/v1/me/sessions/{id}", params(("id" = String, Path)),
    responses((status = 204), (status = 401), (status = 404)))]
pub(super) async fn end_session(
    State(api): State<Api>,
    identity: Identity,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    api.people.end_session(&identity.actor, &identity.actor.person, &id, clock::now()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// One's API tokens.
#[utoipa::path(get, path = "/api/v1/me/tokens", responses((status = 200, body = Vec<TokenView>), (status = 401)))]
pub(super) async fn tokens(State(api): State<Api>, identity: Identity) -> Result<Json<Vec<TokenView>>, Problem> {
    Ok(Json(api.people.tokens(&identity.actor.person).await?.iter().map(TokenView::of).collect()))
}

/// A token to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TokenBody {
    /// What it is for.
    name: String,
    /// What it may do; no more than its owner.
    #[schema(value_type = Vec<GrantView>)]
    grants: Vec<Grant>,
    /// Days until it ends.
    days: u32,
}

/// A new token, shown once.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct NewTokenView {
    id: String,
    token: String,
}

/// Makes an API token.
#[utoipa::path(post, path = "/api/v1/me/tokens", request_body = TokenBody,
    responses((status = 200, body = NewTokenView), (status = 400), (status = 401), (status = 403), (status = 409), (status = 413), (status = 415)))]
pub(super) async fn create_token(
    State(api): State<Api>,
    identity: Identity,
    Body(body): Body<TokenBody>,
) -> Result<Json<NewTokenView>, Problem> {
    in_person(&identity)?;
    let wanted = NewToken { name: body.name, grants: body.grants, days: body.days };
    let (id, token) = api.people.create_token(&identity, &wanted, clock::now()).await?;
    Ok(Json(NewTokenView { id, token }))
}

/// Revokes one of one's tokens.
#[utoipa::path(delete, path = "/api/v1/me/tokens/{id}", params(("id" = String, Path)),
    responses((status = 204), (status = 401), (status = 404)))]
pub(super) async fn revoke_token(
    State(api): State<Api>,
    identity: Identity,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    api.people.revoke_token(&identity.actor, &identity.actor.person, &id, clock::now()).await?;
    Ok(StatusCode::NO_CONTENT)
}
