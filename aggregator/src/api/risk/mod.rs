//! The business side: warnings drilled down to their source record, rules, indicators, the battle map,
//! counterparties.
//!
//! Invariant: rows of units and domains a reader does not see are not there, single things of them answer
//! as unknown ones do; what belongs to the whole group (rules, catalogue, dictionary) is seen by whoever sees
//! its domain somewhere, and changed only with the right at the top. Deliberately absent: decisions
//! (`models/risk`), and who approves (the writer's orders).

mod common;
mod fact;
mod rule_types;
mod rules;
mod warnings;

use super::Api;
use axum::Router;
use axum::routing::{get, post};
use utoipa::OpenApi;

#[derive(OpenApi)]
#[openapi(paths(
    warnings::units,
    warnings::list,
    warnings::detail,
    fact::fact,
    rules::list,
    rules::detail,
    rules::version,
    rules::check,
    rules::write,
    rules::discard,
    rules::act
))]
pub(super) struct Description;

/// The routes; each has its line in `access`.
pub(super) fn routes() -> Router<Api> {
    Router::new()
        .route("/api/v1/risk/units", get(warnings::units))
        .route("/api/v1/risk/warnings", get(warnings::list))
        .route("/api/v1/risk/warnings/{gateway}/{alarm}", get(warnings::detail))
        .route("/api/v1/risk/fact", get(fact::fact))
        .route("/api/v1/rules", get(rules::list))
        .route("/api/v1/rules/check", post(rules::check))
        .route("/api/v1/rules/{id}", get(rules::detail))
        .route("/api/v1/rules/{id}/versions/{version}", get(rules::version).put(rules::write).delete(rules::discard))
        .route("/api/v1/rules/{id}/versions/{version}/{act}", post(rules::act))
}
