//! Live events for browsers: resume by id, or one snapshot.

use super::query::{Asked, event_id};
use super::{Api, Problem};
use crate::clock;
use crate::live::LiveEvent;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream::{self, Stream, StreamExt};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast;
use tokio::time::Interval;

/// Streams at once; further ones are refused and come again.
const STREAMS_MAX: i64 = 2_000;
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
    let event = tokio::select! {
        live = reader.events.recv() => match live {
            Ok(live) => event(epoch, &live),
            // Too slow, or the process ends: cut; the reader comes back with its last id.
            Err(_) => return None,
        },
        _ = reader.heartbeat.tick() => {
            let now = serde_json::json!({ "now": clock::text(clock::now()) });
            Event::default().event("heartbeat").data(now.to_string())
        }
    };
    Some((Ok(event), reader))
}

async fn snapshot(api: &Api, last: u64) -> Result<Event, Problem> {
    let data = serde_json::json!({
        "gateways": api.gateway_list().await?,
        "points": api.point_list(None).await?,
        "alarms": api.alarm_list(true, None, 1_000).await?,
        "system": api.system_view(),
    });
    Ok(Event::default().id(format!("{}-{last}", api.live.epoch())).event("snapshot").data(data.to_string()))
}

/// Live events (`text/event-stream`).
#[utoipa::path(get, path = "/api/v1/stream", params(("last" = Option<String>, Query)),
    responses((status = 200, content_type = "text/event-stream", body = String)))]
pub(super) async fn stream(
    State(api): State<Api>,
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
        Some(missed) => missed.iter().map(|live| event(api.live.epoch(), live)).collect(),
        None => VecDeque::from([snapshot(&api, opened.last).await?]),
    };
    let heartbeat = tokio::time::interval_at(tokio::time::Instant::now() + HEARTBEAT, HEARTBEAT);
    let reader = Reader { first, events: opened.events, heartbeat, guard };
    let body: std::pin::Pin<Box<dyn Stream<Item = Result<Event, Infallible>> + Send>> =
        stream::unfold(reader, next).boxed();
    let mut response = Sse::new(body).into_response();
    response.headers_mut().insert("x-accel-buffering", HeaderValue::from_static("no"));
    response.headers_mut().insert("cache-control", HeaderValue::from_static("no-store, no-transform"));
    Ok(response)
}
