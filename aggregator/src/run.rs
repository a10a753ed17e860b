//! The wiring: every task is started here, sources are stopped first, the rest drains.

mod outward;
mod people;

use crate::api::{self, Api};
use crate::broker::{self, BrokerAddress, Credentials, Listening};
use crate::clock;
use crate::config::{BrokerMode, Config, Tls};
use crate::feeds::Feeds;
use crate::hq::{Board, Publisher};
use crate::ingest::acks::{self, Acks};
use crate::ingest::subscribe::Subscriber;
use crate::ingest::{INPUTS_MAX, ORDERS_MAX};
use crate::live::Live;
use crate::metrics::Metrics;
use crate::risk::Brain;
use crate::store::{Committer, Store};
use crate::system::Health;
use crate::writer::{Told, Writer};
use anyhow::{Context, Result};
use outward::Outward;
use people::Identities;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Longest time to finish what was begun when told to stop.
const DRAIN_MAX: Duration = Duration::from_secs(15);

/// Runs the program until it is told to stop.
///
/// # Errors
/// When something it cannot run without is not there.
pub fn block_on(config: Config, print_ready: bool) -> Result<()> {
    log(config.log_json);
    // Another provider may only have been installed by ourselves, in a test.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(run(config, print_ready))
}

/// Sends one test message over a channel.
///
/// # Errors
/// What the channel answered.
pub fn notify_test(config: &Config, channel: &str) -> Result<()> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match runtime.block_on(crate::notify::test_once(&config.notify, channel)) {
        Ok(receipt) => {
            println!("{channel}: {receipt}");
            Ok(())
        }
        Err(why) => Err(anyhow::anyhow!("{channel}: {why}")),
    }
}

fn log(json: bool) {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info,rumqttd=off,rumqttc=warn,sqlx=warn"));
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A second call, in a test, keeps the first.
    let _ = if json { lines.json().try_init() } else { lines.try_init() };
}

async fn connect_broker(config: &Config, metrics: &Metrics) -> Result<(BrokerAddress, Option<Listening>)> {
    match &config.broker {
        BrokerMode::External(address) => Ok((address.clone(), None)),
        BrokerMode::Embedded { v5, v4 } => {
            let listening = broker::start_embedded(*v5, *v4, metrics.clone()).await?;
            tracing::info!(late_subscribers = crate::hq::LATE_EMBEDDED, "embedded broker");
            let host = match listening.v5.ip() {
                std::net::IpAddr::V6(ip) => format!("[{ip}]"),
                std::net::IpAddr::V4(ip) => ip.to_string(),
            };
            let port = listening.v5.port();
            let address = BrokerAddress { host, port, tls: false, credentials: Credentials::default() };
            Ok((address, Some(listening)))
        }
    }
}

/// Gives the board and the live state what the store knows.
async fn recall(
    store: &Store,
    live: &Live,
) -> Result<std::collections::BTreeMap<minewatch_domain::GatewayId, crate::hq::Site>> {
    let now = clock::now();
    for row in store.gateways().await? {
        live.known(row.gateway, Some(row.heard), now);
    }
    for (gateway, values) in store.load_latest().await? {
        live.update(&gateway, &values);
    }
    Ok(store.sites().await?)
}

async fn run(config: Config, print_ready: bool) -> Result<()> {
    let (instance, started, metrics) = (rand::random::<u64>() >> 1, clock::now(), Metrics::new());
    let store = Store::open(&config.store).await.context("store")?;
    let http = TcpListener::bind(config.http).await.with_context(|| format!("http.listen {}", config.http))?;
    let (address, listening) = connect_broker(&config, &metrics).await?;

    let (live, board, health) = (Live::new(instance >> 11), Board::default(), Health::working());
    let identities = Identities::open(&config, &store, &metrics).await?;
    let sites = recall(&store, &live).await.context("reading the store")?;
    let ((acks, ack_queue), heard_by) = (Acks::new(instance, metrics.clone()), metrics.clone());
    let ((inputs, inbox), (orders, order_inbox)) = (mpsc::channel(INPUTS_MAX), mpsc::channel(ORDERS_MAX));
    let (sources, stop) = (CancellationToken::new(), CancellationToken::new());
    let client = |role: &str| format!("minewatch-{}-{role}-{instance:016x}", config.name);

    let subscriber = Subscriber {
        address: address.clone(),
        client_id: client("ingest"),
        group: config.shared_group.clone(),
        inputs: inputs.clone(),
        acks: acks.clone(),
        live: live.clone(),
        board: board.clone(),
        metrics: metrics.clone(),
    };
    let shared = Arc::new(Mutex::new(sites.clone()));
    let (feed, sink) = config.sink.as_ref().map(|sink| crate::sink::open(sink, &metrics)).transpose()?.unzip();
    let publisher = Publisher {
        properties: listening.is_none(),
        address: address.clone(),
        client_id: client("hq"),
        instance,
        board: board.clone(),
        live: live.clone(),
        store: store.clone(),
        inputs,
        metrics: metrics.clone(),
        sites,
        rules: Arc::clone(&config.rules),
    };
    let outward = Outward::new(&config, (&store, &heard_by, &live), (&shared, &address), (instance, sink));
    let audit_board = board.clone();
    let feeds_inputs = publisher.inputs.clone();
    let told = Told {
        acks,
        live: live.clone(),
        board,
        metrics: metrics.clone(),
        health: health.clone(),
        sites: shared,
        sink: feed,
    };
    let writer = Writer::new(Committer::new(store.clone(), Arc::clone(&config.rules)), told, started);
    let at = (instance, started, address.url(), listening.is_some());
    let api = identities.api(&config, (&store, &live, &health, &metrics), orders, at)?;

    let (http_address, mut tasks) = (http.local_addr()?, JoinSet::new());
    tasks.spawn(named("ingest", subscriber.run(sources.clone())));
    tasks.spawn(named("headquarters topics", publisher.run(sources.clone())));
    tasks.spawn(named("writer", writer.run(inbox, order_inbox)));
    tasks.spawn(named("acknowledgements", acks::run(address.clone(), client("acks"), ack_queue, stop.clone())));
    identities.spawn(&mut tasks, audit_board, &sources);
    spawn_feeds(&mut tasks, (&config, &api), (&address, live, feeds_inputs), &sources);
    spawn_faces(&mut tasks, (http, api, config.tls.clone()), outward, &sources);

    tracing::info!(http = %http_address, broker = address.url(), store = crate::store::shown(&config.store), "aggregator runs");
    if print_ready {
        ready(&heard_by, http_address, &address, listening, instance).await;
    }
    until_stopped(tasks, &sources, &stop, &store).await
}

/// Business feeds, where there are some.
fn spawn_feeds(
    tasks: &mut JoinSet<&'static str>,
    (config, api): (&Config, &Api),
    (address, live, inputs): (&BrokerAddress, Live, mpsc::Sender<crate::ingest::Input>),
    sources: &CancellationToken,
) {
    let rules = config.risk_rules.clone();
    let judges = api.judges.clone();
    let brain = Brain { store: api.store.clone(), inputs: inputs.clone(), rules, judges };
    tasks.spawn(named("business rules", brain.run(sources.clone())));
    let Some(intake) = api.feeds.clone() else { return };
    let (address, metrics) = (address.clone(), api.metrics.clone());
    let client_id = format!("minewatch-{}-feeds", config.name);
    let feeds = Feeds { intake, address, client_id, inputs, live, metrics };
    tasks.spawn(named("feeds", feeds.run(sources.clone())));
}

/// What people and other programs see, and the upkeep of evidence.
fn spawn_faces(
    tasks: &mut JoinSet<&'static str>,
    (http, api, tls): (TcpListener, Api, Option<Tls>),
    outward: Outward,
    sources: &CancellationToken,
) {
    if let Some(gate) = api.evidence.clone() {
        tasks.spawn(named("evidence", gate.keep_up(sources.clone())));
    }
    tasks.spawn(named("http", api::serve(http, tls.map(|tls| tls.0), api, sources.clone())));
    outward.spawn(tasks, sources);
    tasks.spawn(named("watchdog", watchdog(sources.clone())));
}

/// Waits until gateways are heard, so that what is sent after the ready line arrives; five seconds at most.
async fn heard(metrics: &Metrics) {
    for _ in 0..500 {
        if metrics.broker_connected.get() == 1 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// One line for whoever started us with ports left open.
async fn ready(
    metrics: &Metrics,
    http: SocketAddr,
    address: &BrokerAddress,
    listening: Option<Listening>,
    instance: u64,
) {
    heard(metrics).await;
    let ready = serde_json::json!({ "ready": true, "http": http.to_string(),
        "mqtt": listening.map_or_else(|| format!("{}:{}", address.host, address.port), |l| l.v5.to_string()),
        "mqtt_v4": listening.map(|l| l.v4.to_string()), "instance": format!("{instance:016x}") });
    println!("{ready}");
}

/// Waits for a signal or a task that ends unasked; then stops the sources and lets the rest drain.
async fn until_stopped(
    mut tasks: JoinSet<&'static str>,
    sources: &CancellationToken,
    stop: &CancellationToken,
    store: &Store,
) -> Result<()> {
    let _ = sd_notify::notify(false, &[sd_notify::NotifyState::Ready]);
    let outcome = tokio::select! {
        signal = signals() => signal,
        Some(ended) = tasks.join_next() => Err(anyhow::anyhow!("task {} ended unasked", ended.unwrap_or("(panicked)"))),
    };
    let _ = sd_notify::notify(false, &[sd_notify::NotifyState::Stopping]);
    match &outcome {
        Ok(()) => tracing::info!("stopping"),
        Err(error) => tracing::error!(error = %error, "stopping"),
    }
    sources.cancel();
    let drained = tokio::time::timeout(DRAIN_MAX, async { while tasks.join_next().await.is_some() {} }).await;
    stop.cancel();
    if drained.is_err() {
        tracing::error!("not everything could be finished in time");
    }
    store.close().await;
    outcome
}

async fn named(name: &'static str, task: impl Future<Output = ()>) -> &'static str {
    task.await;
    name
}

async fn signals() -> Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = terminate.recv() => {}
        result = tokio::signal::ctrl_c() => result?,
    }
    Ok(())
}

/// Tells systemd that the runtime still runs tasks.
async fn watchdog(stop: CancellationToken) {
    let mut usec = 0;
    let wanted = sd_notify::watchdog_enabled(false, &mut usec);
    let period = if wanted && usec > 0 { Duration::from_micros(usec / 3) } else { Duration::from_secs(3_600) };
    loop {
        tokio::select! {
            () = tokio::time::sleep(period) => {
                let _ = sd_notify::notify(false, &[sd_notify::NotifyState::Watchdog]);
            }
            () = stop.cancelled() => return,
        }
    }
}
