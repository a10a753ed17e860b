//! A one-time code for a new gateway, asked for by a person: the same as `aggregator enrol-code`.

use super::body::Body;
use super::{Api, Problem};
use crate::clock;
use crate::identity::{EnrolError, fingerprint};
use crate::people::{Action, Actor, Domain, authorize};
use axum::Json;
use axum::extract::State;
use minewatch_domain::{GatewayId, OrgPath};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How long a code works when nothing is said, hours.
const HOURS_DEFAULT: u32 = 72;
const HOURS_MAX: u32 = 720;

/// For which gateway.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct EnrolBody {
    gateway: String,
    /// 1 to 720; 72 when absent.
    hours: Option<u32>,
}

/// The code, shown once, and what the gateway has to be told beside it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct EnrolCodeView {
    gateway: String,
    code: String,
    hours: u32,
    /// SHA-256 of headquarters' authority.
    ca_fingerprint: String,
    /// The broker as gateways reach it.
    broker_url: String,
}

/// Makes a one-time code; a new one ends the old one of that gateway. Recorded, without the code. 404 where this
/// headquarters gives no certificates.
#[utoipa::path(post, path = "/api/v1/enrol-codes", request_body = EnrolBody,
    responses((status = 200, body = EnrolCodeView), (status = 400), (status = 401), (status = 403), (status = 404), (status = 413), (status = 415)))]
pub(super) async fn create(
    State(api): State<Api>,
    actor: Actor,
    Body(body): Body<EnrolBody>,
) -> Result<Json<EnrolCodeView>, Problem> {
    authorize(&actor, Action::ManageSystem, Domain::System, &OrgPath::root())?;
    let gate = api.identity.as_ref().ok_or_else(|| Problem::not_found("authority here: [identity] is not set"))?;
    let gateway = GatewayId::parse(&body.gateway).map_err(|e| Problem::bad(e.to_string()))?;
    let hours = body.hours.unwrap_or(HOURS_DEFAULT);
    if !(1..=HOURS_MAX).contains(&hours) {
        return Err(Problem::bad(format!("hours must be 1 to {HOURS_MAX}")));
    }
    let code = gate.registry.new_code(&gateway, hours, &actor, clock::now()).await.map_err(|error| match error {
        EnrolError::Store(error) => Problem::from(error),
        EnrolError::Full(why) | EnrolError::Request(why) => Problem::bad(why),
        EnrolError::Wrong => Problem::bad("no code can be made"),
    })?;
    let ca_fingerprint =
        fingerprint(gate.headquarters.pem()).map_err(|_| Problem::bad("the authority has no certificate"))?;
    let broker_url = gate.config.broker_url.clone();
    Ok(Json(EnrolCodeView { gateway: gateway.to_string(), code, hours, ca_fingerprint, broker_url }))
}
