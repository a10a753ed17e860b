//! Administration of people: accounts, rights, sessions and tokens of others.

use super::body::Body;
use super::people_types::{GrantView, PersonView, SessionView, TokenView};
use super::{Api, Problem};
use crate::clock;
use crate::people::{Action, Actor, Domain, Grant, Reset, authorize};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use minewatch_domain::{OrgPath, PersonId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// People belong to all of headquarters, so their administration is a right at its root.
fn must(actor: &Actor, action: Action) -> Result<(), Problem> {
    Ok(authorize(actor, action, Domain::System, &OrgPath::root())?)
}

fn person(text: &str) -> Result<PersonId, Problem> {
    PersonId::parse(text).map_err(|_| Problem::not_found("person"))
}

/// Everybody, with their rights.
#[utoipa::path(get, path = "/api/v1/people", responses((status = 200, body = Vec<PersonView>), (status = 401), (status = 403)))]
pub(super) async fn list(State(api): State<Api>, actor: Actor) -> Result<Json<Vec<PersonView>>, Problem> {
    must(&actor, Action::ManagePeople).or_else(|_| must(&actor, Action::GrantRights))?;
    Ok(Json(api.people.accounts().await?.iter().map(PersonView::of).collect()))
}

/// A new account.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PersonBody {
    /// Login name.
    person: String,
    /// Shown name.
    name: String,
}

/// A password that must be changed at the first sign-in; shown once.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct OneTimeView {
    password: String,
}

/// Makes an account without rights.
#[utoipa::path(post, path = "/api/v1/people", request_body = PersonBody,
    responses((status = 200, body = OneTimeView), (status = 400), (status = 401), (status = 403), (status = 409), (status = 413), (status = 415)))]
pub(super) async fn create(
    State(api): State<Api>,
    actor: Actor,
    Body(body): Body<PersonBody>,
) -> Result<Json<OneTimeView>, Problem> {
    must(&actor, Action::ManagePeople)?;
    let password = api.people.create(&actor, &body.person, &body.name, clock::now()).await?;
    Ok(Json(OneTimeView { password }))
}

/// A change of an account.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ChangeBody {
    /// Shown name.
    name: Option<String>,
    /// Cannot sign in; sessions and tokens end.
    disabled: Option<bool>,
}

/// Renames, disables or enables.
#[utoipa::path(patch, path = "/api/v1/people/{person}", params(("person" = String, Path)), request_body = ChangeBody,
    responses((status = 204), (status = 400), (status = 401), (status = 403), (status = 404), (status = 409), (status = 413), (status = 415)))]
pub(super) async fn change(
    State(api): State<Api>,
    actor: Actor,
    Path(id): Path<String>,
    Body(body): Body<ChangeBody>,
) -> Result<StatusCode, Problem> {
    must(&actor, Action::ManagePeople)?;
    api.people.alter(&actor, &person(&id)?, body.name.as_deref(), body.disabled, clock::now()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What is reset.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ResetBody {
    /// Also takes the second factor off.
    second_factor: bool,
}

/// Gives a one-time password; sessions and tokens end.
#[utoipa::path(post, path = "/api/v1/people/{person}/reset", params(("person" = String, Path)), request_body = ResetBody,
    responses((status = 200, body = OneTimeView), (status = 400), (status = 401), (status = 403), (status = 404), (status = 413), (status = 415)))]
pub(super) async fn reset(
    State(api): State<Api>,
    actor: Actor,
    Path(id): Path<String>,
    Body(body): Body<ResetBody>,
) -> Result<Json<OneTimeView>, Problem> {
    must(&actor, Action::ManagePeople)?;
    let reset = Reset { actor: &actor, person: &person(&id)?, second_factor: body.second_factor, now: clock::now() };
    Ok(Json(OneTimeView { password: api.people.reset(reset).await? }))
}

/// All rights of a person.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct GrantsBody {
    #[schema(value_type = Vec<GrantView>)]
    grants: Vec<Grant>,
}

/// Replaces a person's rights.
#[utoipa::path(put, path = "/api/v1/people/{person}/grants", params(("person" = String, Path)), request_body = GrantsBody,
    responses((status = 204), (status = 400), (status = 401), (status = 403), (status = 404), (status = 409), (status = 413), (status = 415)))]
pub(super) async fn grant(
    State(api): State<Api>,
    actor: Actor,
    Path(id): Path<String>,
    Body(body): Body<GrantsBody>,
) -> Result<StatusCode, Problem> {
    api.people.grant(&actor, &person(&id)?, &body.grants, clock::now()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Open sessions of a person.
#[utoipa::path(get, path = "/api/v1/people/{person}/sessions", params(("person" = String, Path)),
    responses((status = 200, body = Vec<SessionView>), (status = 401), (status = 403)))]
pub(super) async fn sessions(
    State(api): State<Api>,
    actor: Actor,
    Path(id): Path<String>,
) -> Result<Json<Vec<SessionView>>, Problem> {
    must(&actor, Action::GrantRights)?;
    let found = api.people.sessions(&person(&id)?, clock::now()).await?;
    Ok(Json(found.iter().map(|session| SessionView::of(session, &actor.via)).collect()))
}

/// Ends a session of a person.
#[utoipa::path(delete, path = "/api/v1/people/{person}/sessions/{id}", params(("person" = String, Path), ("id" = String, Path)),
    responses((status = 204), (status = 401), (status = 403), (status = 404)))]
pub(super) async fn end_session(
    State(api): State<Api>,
    actor: Actor,
    Path((who, id)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    must(&actor, Action::GrantRights)?;
    api.people.end_session(&actor, &person(&who)?, &id, clock::now()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// API tokens of a person.
#[utoipa::path(get, path = "/api/v1/people/{person}/tokens", params(("person" = String, Path)),
    responses((status = 200, body = Vec<TokenView>), (status = 401), (status = 403)))]
pub(super) async fn tokens(
    State(api): State<Api>,
    actor: Actor,
    Path(id): Path<String>,
) -> Result<Json<Vec<TokenView>>, Problem> {
    must(&actor, Action::GrantRights)?;
    Ok(Json(api.people.tokens(&person(&id)?).await?.iter().map(TokenView::of).collect()))
}

/// Revokes a token of a person.
#[utoipa::path(delete, path = "/api/v1/people/{person}/tokens/{id}", params(("person" = String, Path), ("id" = String, Path)),
    responses((status = 204), (status = 401), (status = 403), (status = 404)))]
pub(super) async fn revoke_token(
    State(api): State<Api>,
    actor: Actor,
    Path((who, id)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    must(&actor, Action::GrantRights)?;
    api.people.revoke_token(&actor, &person(&who)?, &id, clock::now()).await?;
    Ok(StatusCode::NO_CONTENT)
}
