//! The actor as an argument of handlers. The gate in `api` puts it into the request.

use super::Actor;
use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;

impl<S: Sync> FromRequestParts<S> for Actor {
    type Rejection = StatusCode;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Actor, StatusCode> {
        // A route outside the gate has no actor; it is refused rather than served to nobody.
        parts.extensions.get::<Actor>().cloned().ok_or(StatusCode::UNAUTHORIZED)
    }
}
