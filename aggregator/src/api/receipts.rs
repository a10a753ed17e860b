//! Where the adapters of SMS and voice providers tell what became of a notice.
//!
//! Invariant: a channel's own signature is the way in, no session and no token; the body is read only
//! after it was right.

use super::{Api, Problem};
use crate::clock;
use crate::notify::receipt::{self, Headers, Refused};
use crate::operator::Order;
use crate::people::Actor;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;

/// A receipt: `{id, event: delivered|failed|answered, answer?, by?, at?}` under a Standard Webhooks
/// signature with a secret of the channel. A repeat (the same `webhook-id`) changes nothing.
#[utoipa::path(post, path = "/api/v1/receipts/{channel}", params(("channel" = String, Path)),
    request_body(content = Object, content_type = "application/json"),
    responses((status = 200), (status = 400), (status = 401), (status = 404), (status = 408), (status = 413),
        (status = 503)))]
pub(super) async fn take(
    State(api): State<Api>,
    Path(channel): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let known = api.notify.channels.get(&channel).filter(|channel| receipt::possible(channel));
    let unsigned = |refused: &Refused| Problem {
        status: StatusCode::UNAUTHORIZED,
        code: "unsigned",
        message: refused.to_string(),
    };
    // A stranger does not learn which channels there are.
    let known = known.ok_or_else(|| unsigned(&Refused::Unsigned))?;
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let shown =
        Headers { id: text("webhook-id"), timestamp: text("webhook-timestamp"), signature: text("webhook-signature") };
    let read = receipt::read(known, &api.notify.contacts, shown, &body, clock::now());
    let receipt = read.map_err(|refused| match &refused {
        Refused::Unsigned => unsigned(&refused),
        Refused::Bad(why) => Problem::bad(why.clone()),
    })?;
    api.order(Actor::program(), Order::Receipt(receipt)).await
}
