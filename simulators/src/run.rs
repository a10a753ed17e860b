//! The wiring of `simulator run`: binds everything first, says so in one JSON line, then spawns.
//!
//! ```text
//! clock ─▶ plant (world + devices) ◀─ Modbus TCP, RTU over TCP, serial lines, counter ports
//!                    ▲
//! control API ───────┴──▶ relays (gateway ⇄ broker)
//! ```

use crate::cli::{LinkArgs, LinkWord, RunArgs};
use crate::control::{self, Controlled};
use crate::modbus::frame::Framing;
use crate::plant::{Plant, Route, valid_speed};
use crate::relay::{self, LinkState, Relay};
use crate::serial;
use crate::server::{Line, SharedPlant, serve_line, serve_tcp};
use anyhow::{Context, bail};
use serde::Serialize;
use serde_json::json;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

/// The world moves four times a second.
const TICK: Duration = Duration::from_millis(250);
/// Open lines get so long to end after a stop.
const DRAIN_MAX: Duration = Duration::from_secs(3);
const HTTP_MAX: Duration = Duration::from_secs(5);
const HTTP_ANSWER_MAX: u64 = 64 * 1024;

/// Where everything listens; printed as one JSON line.
#[derive(Debug, Clone, Serialize)]
pub struct Ready {
    /// Always true.
    pub ready: bool,
    /// Modbus TCP of the dam.
    pub modbus: String,
    /// RTU over TCP of the dam.
    pub rtu_over_tcp: Option<String>,
    /// Serial paths of the dam, for a gateway to open.
    pub rtu: Vec<String>,
    /// Counter devices.
    pub counters: Vec<String>,
    /// Control API.
    pub control: String,
    /// Relays.
    pub relays: Vec<ReadyRelay>,
}

/// One relay.
#[derive(Debug, Clone, Serialize)]
#[allow(missing_docs)]
pub struct ReadyRelay {
    pub listen: String,
    pub to: String,
}

/// Everything bound, nothing running yet.
pub struct Simulator {
    /// Where everything listens.
    pub ready: Ready,
    controlled: Controlled,
    dam: TcpListener,
    dam_rtu: Option<TcpListener>,
    cables: Vec<serial::Cable>,
    counters: Vec<TcpListener>,
    control: TcpListener,
    relays: Vec<(Arc<Relay>, TcpListener)>,
}

async fn bind(what: &str, address: SocketAddr) -> anyhow::Result<(TcpListener, String)> {
    let listener = TcpListener::bind(address).await.with_context(|| format!("{what}: cannot listen on {address}"))?;
    let bound = listener.local_addr()?.to_string();
    Ok((listener, bound))
}

impl Simulator {
    /// Binds every port and opens every line.
    ///
    /// # Errors
    /// When a port is taken, a line cannot be opened, or the control API would leave the machine.
    pub async fn bind(args: &RunArgs) -> anyhow::Result<Simulator> {
        if !args.control.ip().is_loopback() {
            bail!("--control {}: the control API has no login and stays on loopback", args.control);
        }
        let speed = valid_speed(args.speed.unwrap_or_else(|| args.scenario.speed()))?;
        let (dam, modbus) = bind("--modbus", args.modbus).await?;
        let (dam_rtu, rtu_over_tcp) = match args.rtu_over_tcp {
            Some(address) => bind("--rtu-over-tcp", address).await.map(|(l, a)| (Some(l), Some(a)))?,
            None => (None, None),
        };
        let (mut cables, mut rtu) = (Vec::new(), Vec::new());
        for path in &args.rtu {
            let (cable, path) = serial::open(path).with_context(|| format!("--rtu {path}: cannot open"))?;
            cables.push(cable);
            rtu.push(path);
        }
        let (mut counters, mut counter_addresses) = (Vec::new(), Vec::new());
        for address in args.counter_ports.iter().flat_map(|ports| &ports.0) {
            let (listener, address) = bind("--counter-ports", *address).await?;
            counters.push(listener);
            counter_addresses.push(address);
        }
        let mut relays = Vec::new();
        for wanted in &args.relay {
            let (listener, _) = bind("--relay", wanted.listen).await?;
            relays.push((Arc::new(Relay::new(listener.local_addr()?, wanted.to.clone())), listener));
        }
        let (control, control_address) = bind("--control", args.control).await?;
        let plant = Plant::new(args.seed, args.scenario, speed, counters.len());
        let controlled = Controlled {
            plant: SharedPlant::new(plant),
            relays: Arc::new(relays.iter().map(|(relay, _)| relay.clone()).collect()),
            seed: args.seed,
        };
        let ready = Ready {
            ready: true,
            modbus,
            rtu_over_tcp,
            rtu,
            counters: counter_addresses,
            control: control_address,
            relays: relays
                .iter()
                .map(|(relay, _)| ReadyRelay { listen: relay.listen.to_string(), to: relay.to.clone() })
                .collect(),
        };
        Ok(Simulator { ready, controlled, dam, dam_rtu, cables, counters, control, relays })
    }

    /// Runs until stopped.
    ///
    /// # Errors
    /// When a part ends unasked or lines do not end in time.
    pub async fn run(self, stop: CancellationToken) -> anyhow::Result<()> {
        let tasks = TaskTracker::new();
        let plant = self.controlled.plant.clone();
        tasks.spawn(clock(plant.clone(), stop.clone()));
        tasks.spawn(serve_tcp(self.dam, Framing::Tcp, Route::Dam, plant.clone(), stop.clone()));
        if let Some(listener) = self.dam_rtu {
            tasks.spawn(serve_tcp(listener, Framing::Rtu, Route::Dam, plant.clone(), stop.clone()));
        }
        for cable in self.cables {
            let (plant, stop) = (plant.clone(), stop.clone());
            tasks.spawn(async move {
                serve_line(cable, Framing::Rtu, Route::Dam, &plant, Line::Cable, stop.clone()).await;
                if !stop.is_cancelled() {
                    warn!("serial line ended");
                }
            });
        }
        for (index, listener) in self.counters.into_iter().enumerate() {
            tasks.spawn(serve_tcp(listener, Framing::Tcp, Route::Counter(index), plant.clone(), stop.clone()));
        }
        for (relay, listener) in self.relays {
            tasks.spawn(relay::serve(relay, listener, stop.clone()));
        }
        let app = control::router(self.controlled);
        let until = stop.clone();
        let served = axum::serve(self.control, app).with_graceful_shutdown(async move { until.cancelled().await });
        let control = tasks.spawn(async move { served.await });
        stop.cancelled().await;
        tasks.close();
        if tokio::time::timeout(DRAIN_MAX, tasks.wait()).await.is_err() {
            // A control client that keeps its connection open must not keep the process.
            control.abort();
            info!("some lines did not end in time");
        }
        Ok(())
    }
}

/// Lets the world follow the wall clock, in equal steps so that a seed repeats itself.
async fn clock(plant: SharedPlant, stop: CancellationToken) {
    let mut ticks = tokio::time::interval_at(Instant::now() + TICK, TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => plant.lock().advance(TICK.as_secs_f64()),
        }
    }
}

/// Switches the link of a running simulator; returns its answer.
///
/// # Errors
/// When it cannot be reached or refuses.
pub async fn switch_link(args: &LinkArgs) -> anyhow::Result<String> {
    let state = match args.state {
        LinkWord::Up => LinkState::Up,
        LinkWord::Slow => LinkState::Slow { delay_ms: args.delay_ms },
        LinkWord::Stalled => LinkState::Stalled,
        LinkWord::HalfOpen => LinkState::HalfOpen,
        LinkWord::Refused => LinkState::Refused,
    };
    let mut body = serde_json::to_value(state)?;
    if let Some(relay) = args.relay {
        body["relay"] = json!(relay);
    }
    post(&args.control, "/link", &body.to_string()).await
}

/// One HTTP POST to the control API; too small a need for an HTTP client library.
async fn post(control: &str, path: &str, body: &str) -> anyhow::Result<String> {
    let host = control.strip_prefix("http://").unwrap_or(control).trim_end_matches('/');
    let exchange = async {
        let mut stream = TcpStream::connect(host).await?;
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).await?;
        stream.write_all(body.as_bytes()).await?;
        let mut answer = String::new();
        stream.take(HTTP_ANSWER_MAX).read_to_string(&mut answer).await?;
        anyhow::Ok(answer)
    };
    let answer = tokio::time::timeout(HTTP_MAX, exchange)
        .await
        .with_context(|| format!("{host} does not answer"))?
        .with_context(|| format!("cannot reach {host}"))?;
    let (head, content) = answer.split_once("\r\n\r\n").context("not an HTTP answer")?;
    let status = head.split(' ').nth(1).unwrap_or_default();
    if status != "200" {
        bail!("{host} answered {status}: {}", content.trim());
    }
    Ok(content.trim().to_owned())
}

#[cfg(test)]
mod tests;
