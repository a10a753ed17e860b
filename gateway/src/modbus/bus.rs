//! The task of one bus: runs what the schedule says, one request at a time, and hands over whole
//! polls.
//!
//! Invariants: commands (the siren) go before polls, also while a finished poll waits for room in
//! the site task's queue; nothing is dropped, a full queue makes polls wait and is counted; a wait
//! inside a poll (trigger, busy) never holds the bus. Deliberately absent: what is due
//! (`schedule`), how a late answer is kept out (`link`), what a value means.

use super::blocks::Blocks;
use super::counters::{BusCounters, add, count};
use super::guard::{WriteError, guarded_write, permit};
use super::link::Link;
use super::request::{Fault, Request, is_gateway_timeout};
use super::schedule::{Change, Mono, Next, Progress, Schedule, Verdict};
use super::setup::{BusConfig, BusPoll, request_of, steps, timings};
use crate::instrument::{Answer, Function, RawReading, ReadRequest, RegisterMap, decode};
use minewatch_domain::{At, DeviceId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// Room for commands to one bus: a few sirens, each with one command at a time. A sender that
/// finds it full tries again at its next step.
pub const COMMANDS_MAX: usize = 16;

/// Reads the wall clock for source times.
pub type WallClock = Arc<dyn Fn() -> At + Send + Sync>;

/// One finished poll.
#[derive(Debug, Clone, PartialEq)]
pub struct PollResult {
    /// Index into [`crate::config::SiteConfig::polls`]; the readings are parallel to its points.
    pub poll: usize,
    /// Device.
    pub device: DeviceId,
    /// When the poll ended, in site time; each reading carries its own source time.
    pub at: At,
    /// One reading per point, bad ones included.
    pub readings: Vec<RawReading>,
    /// Requests that brought nothing, and why.
    pub faults: Vec<RequestFault>,
    /// Polls of the same kind whose time passed unused before this one (bus or site task busy).
    pub skipped: u64,
}

/// A request that brought nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestFault {
    /// The request.
    pub request: Request,
    /// Why.
    pub fault: Fault,
}

/// What a bus task says.
#[derive(Debug, Clone, PartialEq)]
pub enum BusEvent {
    /// A poll is finished, well or badly.
    Polled(PollResult),
    /// A device stopped answering.
    DeviceDown {
        /// Device.
        device: DeviceId,
        /// Its last answer, or the first attempt if it never answered.
        since: At,
        /// When this was decided.
        at: At,
        /// The last fault.
        reason: Fault,
    },
    /// A device answers again.
    DeviceUp {
        /// Device.
        device: DeviceId,
        /// `since` of its [`BusEvent::DeviceDown`].
        down_since: At,
        /// The first answer.
        at: At,
    },
}

/// What a bus task is asked to do besides polling.
#[derive(Debug)]
pub enum BusCommand {
    /// Switch a coil.
    WriteCoil {
        /// Unit address.
        unit: u8,
        /// Coil, 0-based.
        address: u16,
        /// Wanted state.
        on: bool,
        /// Answer timeout.
        timeout: Duration,
        /// Where the outcome goes; a dropped receiver is fine.
        reply: oneshot::Sender<Result<(), WriteError>>,
    },
    /// Read one coil or discrete input.
    ReadBack {
        /// Unit address.
        unit: u8,
        /// [`Function::Coil`] or [`Function::Discrete`].
        function: Function,
        /// Address, 0-based.
        address: u16,
        /// Answer timeout.
        timeout: Duration,
        /// Where the outcome goes.
        reply: oneshot::Sender<Result<bool, Fault>>,
    },
    /// Make these polls at least this often, all others at their own period.
    Pace {
        /// Indices into [`crate::config::SiteConfig::polls`], those of other buses too.
        polls: Arc<BTreeSet<usize>>,
        /// Longest period of these polls.
        period: Duration,
    },
}

/// What is gathered while a poll runs.
#[derive(Debug, Default)]
struct Gathered {
    answers: Vec<Answer>,
    faults: Vec<RequestFault>,
    skipped: u64,
}

#[derive(Debug, Clone, Copy)]
enum Presence {
    Up { last_answer: Option<At> },
    Down { since: At },
}

/// Ends the task: stopped, or nobody listens any more.
struct Ended;

struct Bus {
    config: BusConfig,
    link: Link,
    schedule: Schedule,
    gathered: Vec<Gathered>,
    /// When each poll was last handed over.
    handed_over: Vec<Option<Mono>>,
    /// Blocks that devices refuse.
    blocks: Vec<Blocks>,
    presence: BTreeMap<DeviceId, Presence>,
    started: Instant,
    counters: Arc<BusCounters>,
    clock: WallClock,
    out: mpsc::Sender<BusEvent>,
    commands: mpsc::Receiver<BusCommand>,
    commands_open: bool,
    stop: CancellationToken,
}

/// Polls one bus until `stop`, or until nobody listens to `out`.
pub async fn run_bus(
    config: BusConfig,
    commands: mpsc::Receiver<BusCommand>,
    out: mpsc::Sender<BusEvent>,
    counters: Arc<BusCounters>,
    clock: WallClock,
    stop: CancellationToken,
) {
    let bus_id = config.id.clone();
    info!(bus = bus_id, endpoint = %config.endpoint, polls = config.polls.len(), "modbus bus started");
    let mut bus = Bus {
        link: Link::new(config.endpoint.clone(), config.connect_wait, Arc::clone(&counters), config.seed),
        schedule: Schedule::new(timings(&config.polls), config.pause, config.seed, config.place),
        gathered: config.polls.iter().map(|_| Gathered::default()).collect(),
        handed_over: config.polls.iter().map(|_| None).collect(),
        blocks: config.polls.iter().map(|_| Blocks::default()).collect(),
        presence: BTreeMap::new(),
        started: Instant::now(),
        config,
        counters,
        clock,
        out,
        commands,
        commands_open: true,
        stop,
    };
    while bus.turn().await.is_ok() {}
    info!(bus = bus_id, "modbus bus stopped");
}

fn verdict(map: &RegisterMap, outcome: &Result<Vec<u16>, Fault>) -> Verdict {
    match outcome {
        Ok(_) => Verdict::Answered,
        Err(Fault::Exception(code)) if map.busy.as_ref().is_some_and(|busy| busy.exceptions.contains(code)) => {
            Verdict::Busy
        }
        Err(Fault::Exception(code)) if is_gateway_timeout(*code) => Verdict::Failed,
        Err(Fault::Exception(_)) => Verdict::Refused,
        Err(Fault::Timeout | Fault::LinkDown(_) | Fault::Desync(_) | Fault::NotAsked) => Verdict::Failed,
    }
}

impl Bus {
    fn now(&self) -> Mono {
        self.started.elapsed()
    }

    async fn turn(&mut self) -> Result<(), Ended> {
        if self.stop.is_cancelled() {
            return Err(Ended);
        }
        while let Ok(command) = self.commands.try_recv() {
            self.serve(command).await?;
        }
        match self.schedule.next(self.now()) {
            Next::Run { device, step, skipped } => {
                add(&self.counters.skipped_polls, skipped);
                self.gathered[device].skipped += skipped;
                self.run_step(device, step).await
            }
            Next::Until(at) => self.idle(at).await,
        }
    }

    async fn idle(&mut self, until: Option<Mono>) -> Result<(), Ended> {
        // A far deadline stands for "none": a bus without devices only serves commands.
        let wake = self.started + until.unwrap_or(self.now() + Duration::from_secs(3_600));
        let out = self.out.clone();
        let stop = self.stop.clone();
        tokio::select! {
            biased;
            () = stop.cancelled() => Err(Ended),
            () = out.closed() => Err(Ended),
            command = self.commands.recv(), if self.commands_open => match command {
                Some(command) => self.serve(command).await,
                None => {
                    self.commands_open = false;
                    Ok(())
                }
            },
            () = sleep_until(wake) => Ok(()),
        }
    }

    async fn run_step(&mut self, index: usize, step: usize) -> Result<(), Ended> {
        let poll = &self.config.polls[index];
        let Some(request) = request_of(poll, step) else { return Ok(()) };
        let started = self.started.elapsed();
        let outcome = {
            let stop = self.stop.clone();
            let run = attempt(&mut self.link, poll, request);
            tokio::select! {
                biased;
                () = stop.cancelled() => return Err(Ended),
                outcome = run => outcome,
            }
        };
        let at = (self.clock)();
        let verdict = verdict(&poll.map, &outcome);
        let progress = self.schedule.done(index, started, self.started.elapsed(), verdict);
        let last_fault = outcome.as_ref().err().cloned();
        if verdict != Verdict::Failed {
            self.answered(index, at).await?;
        }
        match progress {
            Progress::Again => Ok(()),
            Progress::Onward => {
                self.gather(index, request, outcome, at);
                Ok(())
            }
            Progress::Complete { asked, change } => {
                self.gather(index, request, outcome, at);
                self.finish(index, asked, at).await?;
                self.reshape(index, change);
                match (change, last_fault) {
                    (Some(Change::Down), Some(fault)) => self.lost(index, at, fault).await,
                    (Some(Change::Down | Change::Up) | None, _) => Ok(()),
                }
            }
        }
    }

    fn gather(&mut self, index: usize, request: Request, outcome: Result<Vec<u16>, Fault>, at: At) {
        let gathered = &mut self.gathered[index];
        if let Err(fault) = &outcome {
            gathered.faults.push(RequestFault { request, fault: fault.clone() });
        }
        match request {
            Request::Read(_) => gathered.answers.push(Answer { at, words: outcome.map_err(|fault| fault.reason()) }),
            Request::WriteRegister { .. } | Request::WriteCoil { .. } => {}
        }
    }

    /// Hands over a finished poll; requests that were not sent carry the reason that ended it.
    /// A silent device is tried more often than its period: the extra failures are no readings.
    async fn finish(&mut self, index: usize, asked: usize, at: At) -> Result<(), Ended> {
        let now = self.now();
        let poll = &self.config.polls[index];
        let mut gathered = std::mem::take(&mut self.gathered[index]);
        let down = matches!(self.presence.get(&poll.device), Some(Presence::Down { .. }));
        let empty = gathered.answers.iter().all(|answer| answer.words.is_err());
        if down && empty && self.handed_over[index].is_some_and(|last| now < last + poll.period * 9 / 10) {
            return Ok(());
        }
        self.handed_over[index] = Some(now);
        self.blocks[index].polled(&gathered.faults);
        let reason = gathered.faults.last().map_or(Fault::NotAsked.reason(), |last| last.fault.reason());
        for step in asked.. {
            let Some(request) = request_of(poll, step) else { break };
            gathered.faults.push(RequestFault { request, fault: Fault::NotAsked });
            gathered.answers.push(Answer { at, words: Err(reason) });
        }
        let readings = decode(&poll.map, &poll.plan, &gathered.answers, at);
        let result = PollResult {
            poll: poll.poll,
            device: poll.device.clone(),
            at,
            readings,
            faults: gathered.faults,
            skipped: gathered.skipped,
        };
        self.emit(BusEvent::Polled(result)).await
    }

    /// Makes the blocks of the next poll smaller where the device has refused one twice in a row, and as
    /// large as configured again when the device comes back.
    fn reshape(&mut self, index: usize, change: Option<Change>) {
        let poll = &mut self.config.polls[index];
        let Some(plan) = self.blocks[index].reshaped(poll, change == Some(Change::Up)) else { return };
        info!(bus = self.config.id, device = %poll.device, requests = plan.requests.len(), "read blocks changed");
        poll.plan = plan;
        count(&self.counters.blocks_changed);
        let steps = steps(poll);
        self.schedule.replan(index, steps);
    }

    /// An answer of any kind: the device is there.
    async fn answered(&mut self, index: usize, at: At) -> Result<(), Ended> {
        let device = &self.config.polls[index].device;
        let up = Presence::Up { last_answer: Some(at) };
        let was = match self.presence.get_mut(device) {
            Some(presence) => std::mem::replace(presence, up),
            None => {
                self.presence.insert(device.clone(), up);
                up
            }
        };
        match was {
            Presence::Up { .. } => Ok(()),
            Presence::Down { since } => {
                info!(bus = self.config.id, device = %device, "device answers again");
                let event = BusEvent::DeviceUp { device: device.clone(), down_since: since, at };
                self.emit(event).await
            }
        }
    }

    /// A whole poll without an answer.
    async fn lost(&mut self, index: usize, at: At, reason: Fault) -> Result<(), Ended> {
        let device = self.config.polls[index].device.clone();
        let since = match self.presence.get(&device) {
            Some(Presence::Down { .. }) => return Ok(()),
            Some(Presence::Up { last_answer }) => last_answer.unwrap_or(at),
            None => at,
        };
        warn!(bus = self.config.id, device = %device, error = %reason, "device does not answer");
        self.presence.insert(device.clone(), Presence::Down { since });
        self.emit(BusEvent::DeviceDown { device, since, at, reason }).await
    }

    /// Hands over an event. When the site task is behind, polls wait here but commands do not.
    async fn emit(&mut self, event: BusEvent) -> Result<(), Ended> {
        let event = match self.out.try_send(event) {
            Ok(()) => return Ok(()),
            Err(TrySendError::Closed(_)) => return Err(Ended),
            Err(TrySendError::Full(event)) => event,
        };
        count(&self.counters.overloads);
        let out = self.out.clone();
        let stop = self.stop.clone();
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return Err(Ended),
                permit = out.reserve() => {
                    permit.map_err(|_| Ended)?.send(event);
                    return Ok(());
                }
                command = self.commands.recv(), if self.commands_open => match command {
                    Some(command) => self.serve(command).await?,
                    None => self.commands_open = false,
                },
            }
        }
    }

    async fn serve(&mut self, command: BusCommand) -> Result<(), Ended> {
        count(&self.counters.commands);
        if let BusCommand::Pace { polls, period } = &command {
            let now = self.now();
            for (index, poll) in self.config.polls.iter().enumerate() {
                self.schedule.pace(index, polls.contains(&poll.poll).then_some(*period), now);
            }
            return Ok(());
        }
        let stop = self.stop.clone();
        tokio::select! {
            biased;
            () = stop.cancelled() => Err(Ended),
            () = obey(&mut self.link, command) => Ok(()),
        }
    }
}

async fn attempt(link: &mut Link, poll: &BusPoll, request: Request) -> Result<Vec<u16>, Fault> {
    if permit(Some(&poll.map), request).is_err() {
        // An instrument file that blocks its own trigger: refused as the device would.
        return Err(Fault::Exception(2));
    }
    link.transact(poll.unit, request, poll.timeout).await
}

async fn obey(link: &mut Link, command: BusCommand) {
    match command {
        BusCommand::WriteCoil { unit, address, on, timeout, reply } => {
            let done = guarded_write(link, None, unit, Request::WriteCoil { address, on }, timeout).await;
            // Nobody waits any more: the state machine has moved on and will read back.
            drop(reply.send(done));
        }
        BusCommand::ReadBack { unit, function, address, timeout, reply } => {
            let request = Request::Read(ReadRequest { function, address, count: 1 });
            let state = link.transact(unit, request, timeout).await;
            drop(reply.send(state.map(|words| words.first().is_some_and(|word| *word != 0))));
        }
        BusCommand::Pace { .. } => {} // the schedule's, taken before
    }
}
