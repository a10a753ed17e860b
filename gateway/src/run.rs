//! The wiring diagram of the gateway. Only this module starts tasks and threads.
//!
//! ```text
//!  bus tasks ──events──▶ site task ──records──▶ spool thread ◀──reads, acks── uplink task ◀─▶ broker
//!      ▲                  │   ▲                     │ view                        │ view
//!      └──coils── siren tasks │◀── link, spool health ──────────────────────────────┘
//!                             └── local page, reload (SIGHUP)
//! ```
//!
//! Shutdown: the field (buses, sirens) is stopped, the site task drains into the spool, the
//! uplink waits briefly for the last acks; a stage that ends unasked ends the process.

use crate::config::{self, SiteConfig};
use crate::modbus::{BusCommand, BusConfig, BusCounters, BusEvent, COMMANDS_MAX, WallClock, run_bus};
use crate::qualify::Moment;
use crate::siren::run_siren;
use crate::site::{self, AlarmBook, Ended, Field, Inbox, Shell, Site};
use crate::spool::{self, SpoolHandle, SpoolSettings};
use crate::uplink::{self, Uplink, UplinkView};
use crate::vision::{Fence, Taken, VisionEvent, VisionView, run_upload, run_vision};
use crate::{clock, http};
use anyhow::{Context, bail};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// Bus events waiting for the site task: about 10 s of a site with 25 polls a second. When it is
/// full the polls wait (an instrument keeps its value).
const EVENTS_MAX: usize = 256;

/// Siren events waiting for the site task.
const SIREN_EVENTS_MAX: usize = 32;

/// Events of the vision process waiting for the site task, and confirmations waiting for it: a fall in every
/// camera of a full site. When it is full the process waits; its events are on its disk.
const VISION_EVENTS_MAX: usize = 64;

/// Requests of the local page waiting for the site task; more are told to come again.
const INBOX_MAX: usize = 16;

/// Results of operator commands waiting for the link; more are dropped, headquarters asks again.
const RESULTS_MAX: usize = 64;

/// Longest time from the stop signal to the end.
const DRAIN_MAX: Duration = Duration::from_secs(10);

/// Stages by name; each ends when told to, or unasked.
type Stages = JoinSet<(&'static str, anyhow::Result<()>)>;

/// Counters of every bus of the running configuration, for the metrics page.
pub type Counters = Arc<Mutex<BTreeMap<String, Arc<BusCounters>>>>;

/// Runs the gateway of a site file until SIGTERM or SIGINT.
///
/// # Errors
/// When the configuration has problems (all are printed), the spool cannot be opened, or a stage
/// ends unasked.
pub async fn run(file: &Path, print_ready: bool) -> anyhow::Result<()> {
    let config = Arc::new(load(file)?);
    let started = clock::wall();
    let now = Moment::new(started, clock::mono_ms());
    let running = spool::open(spool_settings(&config)).context("cannot open the spool")?;
    let (spool, opened, spool_thread) = (running.handle, running.opened, running.thread);
    info!(gateway = %config.gateway, epoch = opened.epoch, config = config.hash.hex(), "gateway starting");
    let book = AlarmBook::restore(opened.alarms.clone(), opened.epoch).with_handling(opened.handling.clone());
    let mut site = Site::new(Arc::clone(&config), book, now).map_err(listed)?;
    let known = opened.catalogue == config.hash.short();
    let opening = site.opening(opened.last_alive, opened.damaged.as_deref(), known, now);

    let (stop, stop_uplink) = (CancellationToken::new(), CancellationToken::new());
    let (config_hash, hash_seen) = watch::channel(config.hash.short());
    let (show_link, link) = watch::channel(UplinkView { since: started, ..UplinkView::default() });
    let ((show_vision, vision), (requests, inbox)) = (watch::channel(VisionView::default()), mpsc::channel(INBOX_MAX));
    let (tell_results, results) = mpsc::channel(RESULTS_MAX);
    let commands = requests.clone();
    let counters: Counters = Arc::default();
    let listener = tokio::net::TcpListener::bind(config.http_listen).await.context("cannot open the local page")?;
    if print_ready {
        println!("{}", ready_line(&listener, opened.epoch)?);
    }

    let mut stages = Stages::new();
    let shell = Shell {
        spool: spool.clone(),
        link: link.clone(),
        config_hash,
        results: tell_results,
        start_field: {
            let (counters, spool) = (Arc::clone(&counters), spool.clone());
            Box::new(move |config, wanted| start_field(config, wanted, &counters, &spool, &show_vision))
        },
    };
    let (site_stop, page_stop, reload_stop) = (stop.clone(), stop.clone(), stop.clone());
    stages.spawn(async move { ("site", site::run(site, shell, opening, inbox, site_stop).await) });
    let (desk, certificate) = (http::Desk::new(&config), config.uplink.certificate());
    let (spool_view, asked) = (spool.view(), requests.clone());
    let page = http::Page { spool: spool_view, link, vision, counters, requests: asked, started, desk, certificate };
    stages.spawn(async move { ("local page", http::serve(listener, page, page_stop).await) });
    let reload_file = file.to_owned();
    stages.spawn(async move { ("reload", reload_on_hangup(reload_file, requests, reload_stop).await) });
    let up = Uplink {
        gateway: config.gateway.clone(),
        config: config.uplink.clone(),
        spool,
        fresh: running.fresh,
        config_hash: hash_seen,
        started,
        view: show_link,
        commands,
        results,
    };
    let uplink_stop = stop_uplink.clone();
    let mut uplink = tokio::spawn(uplink::run(up, uplink_stop));

    let _ = sd_notify::notify(false, &[sd_notify::NotifyState::Ready]);
    let outcome = supervise(&mut stages, &mut uplink).await;
    let _ = sd_notify::notify(false, &[sd_notify::NotifyState::Stopping]);
    stop.cancel();
    let outcome = tokio::time::timeout(DRAIN_MAX, drain(stages, uplink, stop_uplink, outcome))
        .await
        .context("some stage did not end in time")?;
    tokio::task::spawn_blocking(move || spool_thread.join())
        .await?
        .map_err(|_| anyhow::anyhow!("spool thread panicked"))?;
    info!("gateway stopped");
    outcome
}

/// One line for whoever started us with the port left open.
fn ready_line(listener: &tokio::net::TcpListener, epoch: u64) -> anyhow::Result<String> {
    let http = listener.local_addr()?.to_string();
    Ok(serde_json::json!({ "ready": true, "http": http, "epoch": epoch }).to_string())
}

/// The site task's last records reach the spool before the uplink is told to stop, so that they
/// still leave if the link stands.
async fn drain(
    mut stages: Stages,
    uplink: JoinHandle<()>,
    stop_uplink: CancellationToken,
    mut outcome: anyhow::Result<()>,
) -> anyhow::Result<()> {
    while let Some(ended) = stages.join_next().await {
        let ended = ended.map_err(anyhow::Error::from).and_then(|(stage, result)| result.context(stage));
        outcome = outcome.and(ended);
    }
    stop_uplink.cancel();
    if !uplink.is_finished() {
        outcome = outcome.and(uplink.await.context("uplink"));
    }
    outcome
}

fn load(file: &Path) -> anyhow::Result<SiteConfig> {
    config::load(file).map_err(|problems| listed(problems.iter().map(ToString::to_string).collect()))
}

fn listed(problems: Vec<String>) -> anyhow::Error {
    anyhow::anyhow!("configuration has {} problem(s):\n  {}", problems.len(), problems.join("\n  "))
}

fn spool_settings(config: &SiteConfig) -> SpoolSettings {
    SpoolSettings {
        dir: config.spool.dir.clone(),
        size_max_bytes: config.spool.size_max_mb << 20,
        keep_acked_bytes: config.spool.keep_acked_mb << 20,
        min_free_bytes: config.spool.min_free_mb << 20,
    }
}

/// Waits for a stop signal, feeding the watchdog; a stage that ends first is an error.
async fn supervise(stages: &mut Stages, uplink: &mut JoinHandle<()>) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut watchdog_usec = 0;
    let watched = sd_notify::watchdog_enabled(false, &mut watchdog_usec);
    let period = if watched { Duration::from_micros(watchdog_usec / 2) } else { Duration::from_secs(3_600) };
    let mut beat = tokio::time::interval(period.max(Duration::from_millis(100)));
    loop {
        tokio::select! {
            _ = terminate.recv() => return Ok(()),
            _ = interrupt.recv() => return Ok(()),
            ended = &mut *uplink => { ended.context("uplink")?; bail!("uplink ended unasked"); }
            _ = beat.tick() => { let _ = sd_notify::notify(false, &[sd_notify::NotifyState::Watchdog]); }
            Some(ended) = stages.join_next() => {
                let (stage, result) = ended?;
                result.context(stage)?;
                bail!("{stage} ended unasked");
            }
        }
    }
}

async fn reload_on_hangup(file: PathBuf, requests: mpsc::Sender<Inbox>, stop: CancellationToken) -> anyhow::Result<()> {
    let mut hangup = signal(SignalKind::hangup())?;
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            got = hangup.recv() => if got.is_none() { return Ok(()) },
        }
        let path = file.clone();
        let read = tokio::task::spawn_blocking(move || config::load(&path)).await?;
        let read = read.map(Arc::new).map_err(|problems| problems.iter().map(ToString::to_string).collect());
        if requests.send(Inbox::Reload(read)).await.is_err() {
            return Ok(());
        }
    }
}

/// Starts the buses and sirens of a configuration.
fn start_field(
    config: &Arc<SiteConfig>,
    wanted: &[bool],
    counters: &Counters,
    spool: &SpoolHandle,
    show_vision: &watch::Sender<VisionView>,
) -> Field {
    let stop = CancellationToken::new();
    let clock: WallClock = Arc::new(clock::wall);
    let (events, buses) = mpsc::channel::<BusEvent>(EVENTS_MAX);
    let (siren_tell, siren_events) = mpsc::channel(SIREN_EVENTS_MAX);
    let mut tasks = JoinSet::new();
    let mut commands: Vec<mpsc::Sender<BusCommand>> = Vec::new();
    let mut counted = BTreeMap::new();
    for index in 0..config.buses.len() {
        let (command, inbox) = mpsc::channel(COMMANDS_MAX);
        commands.push(command);
        let Some(bus) = BusConfig::of_site(config, index) else { continue };
        let count = Arc::new(BusCounters::default());
        counted.insert(bus.id.clone(), Arc::clone(&count));
        tasks.spawn(run_bus(bus, inbox, events.clone(), count, Arc::clone(&clock), stop.clone()));
    }
    match counters.lock() {
        Ok(mut shared) => *shared = counted,
        Err(_) => warn!("bus counters are lost: a reader panicked"),
    }
    let mut sirens = Vec::new();
    for (siren, wanted) in config.sirens.iter().zip(wanted) {
        let (wish, seen) = watch::channel(*wanted);
        sirens.push(wish);
        let Some(bus) = commands.get(siren.bus) else { continue };
        tasks.spawn(run_siren(siren.clone(), seen, bus.clone(), siren_tell.clone(), Arc::clone(&clock), stop.clone()));
    }
    let (vision, taken) = start_vision(config, spool, show_vision, &mut tasks, &stop);
    let end = move || -> Ended {
        stop.cancel();
        Box::pin(async move { while tasks.join_next().await.is_some() {} })
    };
    Field { buses, siren_events, sirens, commands, paced: BTreeSet::new(), vision, taken, stop: Box::new(end) }
}

/// Starts the vision process of a configuration with cameras.
fn start_vision(
    config: &SiteConfig,
    spool: &SpoolHandle,
    view: &watch::Sender<VisionView>,
    tasks: &mut JoinSet<()>,
    stop: &CancellationToken,
) -> (mpsc::Receiver<VisionEvent>, mpsc::Sender<Taken>) {
    let (events, vision) = mpsc::channel(VISION_EVENTS_MAX);
    let (tell_taken, taken) = mpsc::channel(VISION_EVENTS_MAX);
    if let Some(cameras) = &config.cameras {
        let fence =
            Fence { settings: cameras.settings.clone(), spool: spool.clone(), events, taken, view: view.clone() };
        tasks.spawn(run_vision(fence, stop.clone()));
        if let Some(send) = &cameras.send {
            let dir = PathBuf::from(&cameras.settings.evidence.dir);
            tasks.spawn(run_upload(config.gateway.clone(), send.clone(), dir, stop.clone()));
        }
    }
    (vision, tell_taken)
}
