//! Bodies: bounded in size and in time, refused with a sentence.
//!
//! Invariant: a handler runs only when its body is there, so that nobody's slow line holds one.

use super::Problem;
use super::cases::EVIDENCE_BYTES_MAX;
use axum::body::Body as Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::{StatusCode, header};
use serde::de::DeserializeOwned;
use std::time::Duration;

/// The largest body of a JSON request.
pub(super) const BYTES_MAX: usize = 64 * 1024;
/// A JSON body that drips slower is given up.
const WITHIN: Duration = Duration::from_secs(10);
/// A piece of evidence is a photograph on a mine's line: 16 MiB at 1.2 Mbit/s.
const EVIDENCE_WITHIN: Duration = Duration::from_secs(120);

/// How much is read of a body, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bound {
    bytes: usize,
    within: Duration,
}

impl Bound {
    /// Of a route, by its pattern.
    pub(super) fn of(path: &str) -> Bound {
        match path {
            "/api/v1/cases/{id}/evidence" => Bound { bytes: EVIDENCE_BYTES_MAX, within: EVIDENCE_WITHIN },
            _ => Bound { bytes: BYTES_MAX, within: WITHIN },
        }
    }
}

/// The request with its whole body in memory.
pub(super) async fn whole(request: Request, bound: Bound) -> Result<Request, Problem> {
    let (head, body) = request.into_parts();
    match tokio::time::timeout(bound.within, axum::body::to_bytes(body, bound.bytes)).await {
        Ok(Ok(bytes)) => Ok(Request::from_parts(head, Bytes::from(bytes))),
        Ok(Err(_)) => {
            let message = format!("the body is broken off or larger than {} bytes", bound.bytes);
            Err(Problem { status: StatusCode::PAYLOAD_TOO_LARGE, code: "too_large", message })
        }
        Err(_) => {
            let message = format!("the body did not come within {} s", bound.within.as_secs());
            Err(Problem { status: StatusCode::REQUEST_TIMEOUT, code: "timeout", message })
        }
    }
}

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
        let read = axum::body::to_bytes(request.into_body(), BYTES_MAX).await;
        let bytes = read.map_err(|_| Problem::bad("the body cannot be read"))?;
        // serde's message names the place in the caller's own text; it holds nothing of ours.
        serde_json::from_slice(&bytes).map(Body).map_err(|error| Problem::bad(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes as Chunk;
    use futures_util::stream::{self, StreamExt};
    use std::convert::Infallible;

    fn request(body: Bytes) -> Request {
        Request::new(body)
    }

    #[tokio::test]
    async fn a_body_that_is_not_there_in_time_is_a_timeout_and_one_too_large_is_not_read_on() {
        let bound = Bound { bytes: 8, within: Duration::from_millis(20) };
        let chunk = |text: &'static str| Ok::<_, Infallible>(Chunk::from_static(text.as_bytes()));
        let begun = stream::iter([chunk("{\"a\":")]).chain(stream::pending());
        let slow = whole(request(Bytes::from_stream(begun)), bound).await.map(|_| ());
        assert_eq!(slow.map_err(|problem| problem.status), Err(StatusCode::REQUEST_TIMEOUT));
        let endless = stream::repeat_with(move || chunk("xxxx"));
        let patient = Bound { within: Duration::from_secs(60), ..bound };
        let large = whole(request(Bytes::from_stream(endless)), patient).await.map(|_| ());
        assert_eq!(large.map_err(|problem| problem.status), Err(StatusCode::PAYLOAD_TOO_LARGE));
        let sound = whole(request(Bytes::from("12345678")), patient).await.expect("whole");
        assert_eq!(axum::body::to_bytes(sound.into_body(), 8).await.expect("bytes"), "12345678");
    }

    #[test]
    fn only_evidence_may_be_large() {
        assert_eq!(Bound::of("/api/v1/cases/{id}/{act}").bytes, BYTES_MAX);
        assert_eq!(Bound::of("/api/v1/cases/{id}/evidence").bytes, EVIDENCE_BYTES_MAX);
    }
}
