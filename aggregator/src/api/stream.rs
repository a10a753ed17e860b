//! Live events for browsers: resume by id, or one snapshot.

use super::query::{Asked, event_id};
use super::{Api, Problem};
use crate::clock;
use crate::live::LiveEvent;
use crate::people::{Actor, Identity};
use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream::{self, Stream, StreamExt};
use minewatch_domain::At;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{broadcast, watch};
use tokio::time::Interval;

/// Streams at once; further ones are refused and come again.
const STREAMS_MAX: i64 = 2_000;
/// Between looks at the proof of identity, when nothing says that it changed: a session may end.
const CHECK_MS: i64 = 60_000;
/// Between heartbeats.
const HEARTBEAT: Duration = Duration::from_secs(10);

/// Counts an open stream for as long as it lives.
struct Guard(Api);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.metrics.streams_open.dec();
    }
}

struct Reader {
    identity: Identity,
    versions: watch::Receiver<i64>,
    checked: At,
    first: VecDeque<Event>,
    events: broadcast::Receiver<Arc<LiveEvent>>,
    heartbeat: Interval,
    guard: Guard,
}

fn event(epoch: u64, live: &LiveEvent) -> Event {
    Event::default().id(format!("{epoch}-{}", live.seq)).event(live.name).data(live.data.as_str())
}

async fn next(mut reader: Reader) -> Option<(Result<Event, Infallible>, Reader)> {
    if let Some(first) = reader.first.pop_front() {
        return Some((Ok(first), reader));
    }
    let epoch = reader.guard.0.live.epoch();
    loop {
        tokio::select! {
            live = reader.events.recv() => match live {
                Ok(live) if reader.sees(&live) => return Some((Ok(event(epoch, &live)), reader)),
                Ok(_) => {}
                // Too slow, or the process ends: cut; the reader comes back with its last id.
                Err(_) => return None,
            },
            _ = reader.heartbeat.tick() => {
                if clock::now().millis_since(reader.checked) >= CHECK_MS && !reader.still().await {
                    return None;
                }
                let now = serde_json::json!({ "now": clock::text(clock::now()) });
                return Some((Ok(Event::default().event("heartbeat").data(now.to_string())), reader));
            }
            // People or rights changed: whoever has lost or gained something begins anew.
            _ = reader.versions.changed() => if !reader.still().await { return None },
        }
    }
}

impl Reader {
    fn sees(&self, live: &LiveEvent) -> bool {
        self.guard.0.places.may_see(&self.identity.actor, &live.about)
    }

    /// Whether the proof of identity still stands, with the same rights.
    async fn still(&mut self) -> bool {
        self.checked = clock::now();
        let found = self.guard.0.people.identify(&self.identity.credential, self.checked, true).await;
        match found {
            Ok(Some(identity)) => identity.actor.grants == self.identity.actor.grants,
            Ok(None) => false,
            // The store is away: what the reader sees now it has seen before; asked again soon.
            Err(_) => true,
        }
    }
}

async fn snapshot(api: &Api, actor: &Actor, last: u64) -> Result<Event, Problem> {
    let data = serde_json::json!({
        "gateways": api.gateway_list(actor).await?,
        "points": api.point_list(actor, None).await?,
        "alarms": api.alarm_list(actor, &Asked::default()).await?.0,
        "system": api.system_view(),
    });
    Ok(Event::default().id(format!("{}-{last}", api.live.epoch())).event("snapshot").data(data.to_string()))
}

/// Live events (`text/event-stream`).
#[utoipa::path(get, path = "/api/v1/stream", params(("last" = Option<String>, Query)),
    responses((status = 200, content_type = "text/event-stream", body = String)))]
pub(super) async fn stream(
    State(api): State<Api>,
    identity: Identity,
    headers: HeaderMap,
    Query(asked): Query<Asked>,
) -> Result<Response, Problem> {
    if api.metrics.streams_open.inc() >= STREAMS_MAX {
        api.metrics.streams_open.dec();
        let message = "too many open streams".to_owned();
        return Err(Problem { status: StatusCode::SERVICE_UNAVAILABLE, code: "busy", message });
    }
    let guard = Guard(api.clone());
    let resume = headers.get("last-event-id").and_then(|value| value.to_str().ok()).and_then(event_id);
    let resume = resume.or_else(|| asked.last.as_deref().and_then(event_id));
    let opened = api.live.open(resume);
    let first = match opened.missed {
        Some(missed) => missed
            .iter()
            .filter(|live| api.places.may_see(&identity.actor, &live.about))
            .map(|live| event(api.live.epoch(), live))
            .collect(),
        None => VecDeque::from([snapshot(&api, &identity.actor, opened.last).await?]),
    };
    let heartbeat = tokio::time::interval_at(tokio::time::Instant::now() + HEARTBEAT, HEARTBEAT);
    let (versions, checked) = (api.people.versions(), clock::now());
    let reader = Reader { identity, versions, checked, first, events: opened.events, heartbeat, guard };
    let body: std::pin::Pin<Box<dyn Stream<Item = Result<Event, Infallible>> + Send>> =
        stream::unfold(reader, next).boxed();
    let mut response = Sse::new(body).into_response();
    response.headers_mut().insert("x-accel-buffering", HeaderValue::from_static("no"));
    response.headers_mut().insert("cache-control", HeaderValue::from_static("no-store, no-transform"));
    Ok(response)
}
