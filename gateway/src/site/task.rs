//! The task that owns [`Site`]: feeds it events and time, hands its records to the spool and its
//! wishes to the sirens, and swaps the configuration when asked.

use super::{Act, Site, Standing, event};
use crate::clock;
use crate::config::SiteConfig;
use crate::modbus::{BusCommand, BusEvent};
use crate::qualify::Moment;
use crate::siren::SirenEvent;
use crate::spool::{SpoolHandle, SpoolView};
use crate::uplink::{LinkState, UplinkView};
use crate::vision::{Taken, VisionEvent};
use minewatch_dam::proof::ForecastNote;
use minewatch_domain::wire::{CommandResultV1, CommandV1};
use minewatch_domain::{AlarmTransition, EventKind, Reading, Record};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use tracing::{info, warn};

/// How often silence, a cut link and the clock are looked at.
const TICK: Duration = Duration::from_millis(500);

/// Bus events taken together, so that a burst of polls becomes one group in the spool.
const EVENTS_TOGETHER_MAX: usize = 64;

/// What the local page shows.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// Configuration in force.
    pub config: Arc<SiteConfig>,
    /// Last reading per point.
    pub latest: Vec<Reading>,
    /// Alarms in force, worst first.
    pub alarms: Vec<AlarmTransition>,
    /// Alarms that ask for somebody or are kept back, worst first.
    pub standing: Vec<Standing>,
    /// Proved siren states.
    pub sirens: Vec<(String, bool)>,
    /// What is forecast about movements of the dam.
    pub forecasts: Vec<ForecastNote>,
}

/// Where the answer to an act at the local page goes.
pub type Reply = oneshot::Sender<Result<(), String>>;

/// Requests from outside the pipeline.
#[derive(Debug)]
pub enum Inbox {
    /// The local page wants to show something.
    Snapshot(oneshot::Sender<Snapshot>),
    /// Somebody at the local page asks for something; answered when it is in the ledger.
    Act(Box<Act>, Reply),
    /// An operator at headquarters asks for something.
    Command(Box<CommandV1>),
    /// A configuration was read again: put it in force, or say why not.
    Reload(Result<Arc<SiteConfig>, Vec<String>>),
}

/// The running part of a configuration: bus and siren tasks. Made and ended by `run`.
pub struct Field {
    /// Events of all buses.
    pub buses: mpsc::Receiver<BusEvent>,
    /// Events of all sirens.
    pub siren_events: mpsc::Receiver<SirenEvent>,
    /// One wish per siren, in the configuration's order.
    pub sirens: Vec<watch::Sender<bool>>,
    /// Where each bus takes commands.
    pub commands: Vec<mpsc::Sender<BusCommand>>,
    /// Polls that every bus was told to make more often.
    pub paced: BTreeSet<usize>,
    /// What the vision process says.
    pub vision: mpsc::Receiver<VisionEvent>,
    /// Events of it that are in the ledger.
    pub taken: mpsc::Sender<Taken>,
    /// Ends the tasks and waits for them.
    pub stop: Box<dyn FnOnce() -> Ended + Send>,
}

impl Field {
    /// A field without buses.
    fn idle() -> Field {
        let (_, buses) = mpsc::channel(1);
        let (_, siren_events) = mpsc::channel(1);
        let (_, vision) = mpsc::channel(1);
        let (taken, _) = mpsc::channel(1);
        Field {
            buses,
            siren_events,
            sirens: Vec::new(),
            commands: Vec::new(),
            paced: BTreeSet::new(),
            vision,
            taken,
            stop: Box::new(|| Box::pin(async {})),
        }
    }
}

/// Ends when the field's tasks have ended.
pub type Ended = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

/// Starts buses and sirens; the flags are the first wishes of the sirens.
pub type StartField = Box<dyn Fn(&Arc<SiteConfig>, &[bool]) -> Field + Send + Sync>;

/// What the task needs around it.
pub struct Shell {
    /// The ledger.
    pub spool: SpoolHandle,
    /// The link's state.
    pub link: watch::Receiver<UplinkView>,
    /// Told when the configuration changes.
    pub config_hash: watch::Sender<u64>,
    /// What came of commands; a full queue drops: headquarters asks again.
    pub results: mpsc::Sender<CommandResultV1>,
    /// Starts buses and sirens of a configuration; `wanted` are the first wishes of the sirens.
    pub start_field: StartField,
}

/// Runs until every source has ended or `stop` is cancelled.
///
/// # Errors
/// When the spool has ended.
pub async fn run(
    mut site: Site,
    mut shell: Shell,
    opening: Vec<Record>,
    mut inbox: mpsc::Receiver<Inbox>,
    stop: tokio_util::sync::CancellationToken,
) -> anyhow::Result<()> {
    let mut field = (shell.start_field)(site.config(), &site.sirens_wanted(clock::wall()));
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    let mut spool_view = shell.spool.view();
    let mut link = shell.link.clone();
    let mut events = Vec::with_capacity(EVENTS_TOGETHER_MAX);
    let mut out = opening;
    let mut results: Vec<CommandResultV1> = Vec::new();
    let mut answers: Vec<(Reply, Result<(), String>)> = Vec::new();
    let mut taken = Vec::new();
    loop {
        flush(&shell, &site, &mut field, &mut out).await?;
        // Durable before said.
        results.drain(..).for_each(|result| drop(shell.results.try_send(result)));
        // Whoever asked may have gone.
        answers.drain(..).for_each(|(reply, answer)| drop(reply.send(answer)));
        pace(&site, &mut field);
        for event in taken.drain(..) {
            // Full or gone: the event is told again and known by its time.
            let _ = field.taken.try_send(event);
        }
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            request = inbox.recv() => match request {
                Some(Inbox::Snapshot(reply)) => drop(reply.send(snapshot(&site))),
                Some(Inbox::Act(act, reply)) => answers.push((reply, site.act(&act, clock::wall(), &mut out))),
                Some(Inbox::Command(command)) => results.push(site.command(&command, clock::wall(), &mut out)),
                Some(Inbox::Reload(read)) => reload(&mut site, &mut shell, &mut field, read, &mut out).await,
                None => break,
            },
            Some(seen) = field.siren_events.recv() => site.siren(&seen, &mut out),
            Some(seen) = field.vision.recv() => taken.extend(site.vision(seen, now(), &mut out)),
            // A site without buses has nothing to wait for here.
            _ = field.buses.recv_many(&mut events, EVENTS_TOGETHER_MAX), if !field.buses.is_closed() || !field.buses.is_empty() => {
                let at = now();
                for seen in events.drain(..) {
                    site.bus(seen, at, &mut out);
                }
            }
            Ok(()) = link.changed() => {
                let view = link.borrow_and_update().clone();
                if view.state == LinkState::Up && view.store_catalogue.is_some_and(|c| c != site.config().hash.short()) {
                    out.extend(site.catalogue());
                }
                site.link(view.state, now(), &mut out);
            }
            _ = tick.tick() => {
                let health = { let view: &SpoolView = &spool_view.borrow_and_update(); view.health.clone() };
                site.spool(&health, now(), &mut out);
                site.tick(now(), &mut out);
            }
        }
    }
    (field.stop)().await;
    last_words(&mut site, (&mut field.buses, &mut field.vision), &mut out);
    out.push(event(EventKind::Stopped, "gateway", clock::wall(), String::new()));
    shell.spool.append(out, site.config().hash.short()).await?;
    shell.spool.barrier().await?;
    Ok(())
}

/// What buses and the vision process said before they ended.
fn last_words(
    site: &mut Site,
    (buses, vision): (&mut mpsc::Receiver<BusEvent>, &mut mpsc::Receiver<VisionEvent>),
    out: &mut Vec<Record>,
) {
    while let Ok(seen) = buses.try_recv() {
        site.bus(seen, now(), out);
    }
    while let Ok(seen) = vision.try_recv() {
        // Not confirmed: the process tells it again at the next start, and its time is known by then.
        site.vision(seen, now(), out);
    }
}

fn now() -> Moment {
    Moment::new(clock::wall(), clock::mono_ms())
}

async fn flush(shell: &Shell, site: &Site, field: &mut Field, out: &mut Vec<Record>) -> anyhow::Result<()> {
    // The siren first: it must not wait for a disk. Also without records: a shelf may have ended.
    for (wish, wanted) in field.sirens.iter().zip(site.sirens_wanted(clock::wall())) {
        wish.send_if_modified(|now| std::mem::replace(now, wanted) != wanted);
    }
    if out.is_empty() {
        return Ok(());
    }
    for record in out.iter() {
        if let Record::Alarm(alarm) = record {
            info!(alarm = %alarm.alarm, from = alarm.from.name(), to = alarm.to.name(), why = alarm.why, "alarm transition");
        }
    }
    let config = site.config().hash.short();
    for piece in pieces(std::mem::take(out)) {
        let large = matches!(piece.first(), Some(Record::Catalogue(_)));
        shell.spool.append(piece, config).await?;
        if large {
            shell.spool.barrier().await?;
        }
    }
    Ok(())
}

/// Tells the buses which polls are to be made more often; a bus without room is told at the next turn.
fn pace(site: &Site, field: &mut Field) {
    let Some((polls, period)) = site.pace().filter(|(polls, _)| **polls != field.paced) else { return };
    let polls = Arc::new(polls.clone());
    let told =
        |bus: &mpsc::Sender<BusCommand>| bus.try_send(BusCommand::Pace { polls: Arc::clone(&polls), period }).is_ok();
    // Every bus is told, also after one that had no room.
    if field.commands.iter().map(told).filter(|told| !told).count() == 0 {
        info!(polls = polls.len(), "polls of items in an abnormal state are made more often");
        field.paced = polls.as_ref().clone();
    }
}

/// The records in order, each part of a catalogue (200 points) by itself: the disk takes them one after
/// the other, so that a large site does not cost the memory of its whole catalogue, several times over, for good.
fn pieces(records: Vec<Record>) -> Vec<Vec<Record>> {
    let mut pieces: Vec<Vec<Record>> = Vec::new();
    let mut open = false;
    for record in records {
        let large = matches!(record, Record::Catalogue(_));
        match pieces.last_mut().filter(|_| open && !large) {
            Some(piece) => piece.push(record),
            None => pieces.push(vec![record]),
        }
        open = !large;
    }
    pieces
}

async fn reload(
    site: &mut Site,
    shell: &mut Shell,
    field: &mut Field,
    read: Result<Arc<SiteConfig>, Vec<String>>,
    out: &mut Vec<Record>,
) {
    let before = Arc::clone(site.config());
    let outcome = read.and_then(|config| {
        needs_restart(&before, &config)?;
        site.reconfigure(config, now())
    });
    match outcome {
        Ok(()) => {
            // The old field ends first: two masters on one serial line would disturb each other.
            let old = std::mem::replace(field, Field::idle());
            (old.stop)().await;
            *field = (shell.start_field)(site.config(), &site.sirens_wanted(clock::wall()));
            shell.config_hash.send_replace(site.config().hash.short());
            info!(config = site.config().hash.hex(), "configuration applied");
            let detail = format!("{:016x} replaces {:016x}", site.config().hash.short(), before.hash.short());
            out.push(event(EventKind::ConfigApplied, "gateway", clock::wall(), detail));
            out.extend(site.catalogue());
            out.extend(site.settled(now()));
        }
        Err(problems) => {
            warn!(problems = problems.len(), "configuration refused; the old one stays in force");
            for problem in &problems {
                warn!(error = problem, "configuration problem");
            }
            let detail = format!("{} problems; first: {}", problems.len(), problems.first().map_or("", String::as_str));
            out.push(event(EventKind::ConfigRejected, "gateway", clock::wall(), detail));
        }
    }
}

/// What cannot be changed while running.
fn needs_restart(old: &SiteConfig, new: &SiteConfig) -> Result<(), Vec<String>> {
    let checks = [
        (old.gateway == new.gateway, "gateway"),
        (old.spool == new.spool, "spool"),
        (old.uplink == new.uplink, "uplink"),
        (old.http_listen == new.http_listen && old.http_users == new.http_users, "http"),
    ];
    let changed: Vec<String> = checks
        .iter()
        .filter(|(same, _)| !same)
        .map(|(_, what)| format!("{what}: a change takes a restart of the gateway"))
        .collect();
    if changed.is_empty() { Ok(()) } else { Err(changed) }
}

fn snapshot(site: &Site) -> Snapshot {
    Snapshot {
        config: Arc::clone(site.config()),
        latest: site.latest().cloned().collect(),
        alarms: site.alarms().active().into_iter().cloned().collect(),
        standing: site.alarms().standing(clock::wall()),
        forecasts: site.forecasts(),
        sirens: site.sirens().iter().map(|(id, on)| (id.clone(), *on)).collect(),
    }
}
