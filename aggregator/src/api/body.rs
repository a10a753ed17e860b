//! JSON bodies: bounded in size and in time, refused with a sentence.

use super::Problem;
use axum::extract::{FromRequest, Request};
use axum::http::{StatusCode, header};
use serde::de::DeserializeOwned;
use std::time::Duration;

/// The largest body of a JSON request.
pub(super) const BYTES_MAX: usize = 64 * 1024;
/// A body that drips slower is given up.
const WITHIN: Duration = Duration::from_secs(10);

/// A JSON body.
#[derive(Debug)]
pub(super) struct Body<T>(pub(super) T);

impl<S: Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Body<T>, Problem> {
        let kind = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
        let kind = kind.split(';').next().unwrap_or_default().trim();
        if !kind.eq_ignore_ascii_case("application/json") {
            let message = "the body must be application/json".to_owned();
            return Err(Problem { status: StatusCode::UNSUPPORTED_MEDIA_TYPE, code: "bad_request", message });
        }
        let read = tokio::time::timeout(WITHIN, axum::body::to_bytes(request.into_body(), BYTES_MAX)).await;
        let bytes = match read {
            Ok(Ok(bytes)) => bytes,
            Ok(Err(_)) => {
                let message = format!("the body is broken off or larger than {BYTES_MAX} bytes");
                return Err(Problem { status: StatusCode::PAYLOAD_TOO_LARGE, code: "too_large", message });
            }
            Err(_) => {
                let message = "the body did not come in time".to_owned();
                return Err(Problem { status: StatusCode::REQUEST_TIMEOUT, code: "timeout", message });
            }
        };
        // serde's message names the place in the caller's own text; it holds nothing of ours.
        serde_json::from_slice(&bytes).map(Body).map_err(|error| Problem::bad(error.to_string()))
    }
}
