//! The control API: HTTP and JSON on loopback, for tests and demonstrations. See the crate's
//! README for the bodies. Deliberately absent: authentication; [`crate::run`] refuses to bind it
//! to anything but loopback.

use crate::fault::Armed;
use crate::plant::{CounterState, PlantError, PlantState};
use crate::relay::{DELAY_MS_MAX, LinkState, Relay, RelayState};
use crate::server::SharedPlant;
use crate::world::Scenario;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// What the control API works on.
#[derive(Debug, Clone)]
pub struct Controlled {
    /// The plant.
    pub plant: SharedPlant,
    /// The relays, in the order given on the command line.
    pub relays: Arc<Vec<Arc<Relay>>>,
    /// Seed for a reset that names none.
    pub seed: u64,
}

/// `GET /state`.
#[derive(Debug, Serialize)]
struct Overview {
    #[serde(flatten)]
    plant: PlantState,
    relays: Vec<RelayState>,
    connections_total: u64,
    refused_total: u64,
    over_limit_total: u64,
}

/// `POST /fault`.
#[derive(Debug, Deserialize)]
struct FaultOrder {
    device: String,
    #[serde(flatten)]
    armed: Armed,
}

/// `POST /clear`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ClearOrder {
    device: Option<String>,
}

/// `POST /scenario`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ScenarioOrder {
    scenario: Scenario,
    speed: Option<f64>,
    #[serde(default)]
    reset: bool,
    seed: Option<u64>,
}

/// `POST /link`.
#[derive(Debug, Deserialize)]
struct LinkOrder {
    relay: Option<usize>,
    #[serde(flatten)]
    link: LinkState,
}

/// A refused order: 400 and why.
struct Refused(String);

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        (StatusCode::BAD_REQUEST, Json(json!({"error": self.0}))).into_response()
    }
}

impl From<PlantError> for Refused {
    fn from(error: PlantError) -> Refused {
        Refused(error.to_string())
    }
}

type Done = Result<Json<serde_json::Value>, Refused>;

fn done() -> Done {
    Ok(Json(json!({"ok": true})))
}

/// The routes.
pub fn router(controlled: Controlled) -> Router {
    Router::new()
        .route("/state", get(state))
        .route("/counters", get(counters))
        .route("/fault", post(fault))
        .route("/clear", post(clear))
        .route("/scenario", post(scenario))
        .route("/link", post(link))
        .with_state(controlled)
}

async fn state(State(on): State<Controlled>) -> Json<Overview> {
    let count = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
    let counters = &on.plant.counters;
    Json(Overview {
        plant: on.plant.lock().state(),
        relays: on.relays.iter().map(|relay| relay.state()).collect(),
        connections_total: count(&counters.connections_total),
        refused_total: count(&counters.refused_total),
        over_limit_total: count(&counters.over_limit_total),
    })
}

async fn counters(State(on): State<Controlled>) -> Json<Vec<CounterState>> {
    Json(on.plant.lock().counters())
}

async fn fault(State(on): State<Controlled>, Json(order): Json<FaultOrder>) -> Done {
    on.plant.lock().arm(&order.device, order.armed)?;
    done()
}

async fn clear(State(on): State<Controlled>, Json(order): Json<ClearOrder>) -> Done {
    on.plant.lock().clear(order.device.as_deref())?;
    done()
}

async fn scenario(State(on): State<Controlled>, Json(order): Json<ScenarioOrder>) -> Done {
    let speed = order.speed.unwrap_or_else(|| order.scenario.speed());
    let reset = order.reset.then(|| order.seed.unwrap_or(on.seed));
    on.plant.lock().scenario(order.scenario, speed, reset)?;
    done()
}

async fn link(State(on): State<Controlled>, Json(order): Json<LinkOrder>) -> Done {
    if matches!(order.link, LinkState::Slow { delay_ms } if delay_ms > DELAY_MS_MAX) {
        return Err(Refused(format!("delay_ms must be at most {DELAY_MS_MAX}")));
    }
    let chosen: Vec<&Arc<Relay>> = match order.relay {
        Some(index) => on.relays.get(index).into_iter().collect(),
        None => on.relays.iter().collect(),
    };
    if chosen.is_empty() {
        return Err(Refused(format!("no such relay; there are {}", on.relays.len())));
    }
    for relay in chosen {
        relay.link.send_replace(order.link);
    }
    done()
}
