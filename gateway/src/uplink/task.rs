//! The task that owns the link. Sequential I/O; every decision is in `plan`.

use super::connection::{Connection, Heard};
use super::plan::Planner;
use super::{LinkState, SILENCE_MS_MAX, UplinkView};
use crate::clock;
use crate::config::UplinkConfig;
use crate::site::Inbox;
use crate::spool::{Outgoing, SpoolHandle, SpoolView, StreamId};
use minewatch_domain::wire::{
    AckKind, AckV1, BatchV1, CommandResultV1, CommandV1, SessionV1, StreamV1, VERSION, decode, encode,
};
use minewatch_domain::{At, GatewayId, Lane, RangeSet, topics};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Range;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

/// Heartbeat period; a hello that is not answered is repeated as often.
const HEARTBEAT: Duration = Duration::from_millis(1_000);

/// First and longest wait before connecting again. Short: a site must be heard soon after a cut.
const BACKOFF_MS: (u64, u64) = (200, 2_000);

/// Aggregator instances remembered; more than a site will ever see between two cuts.
const INSTANCES_MAX: usize = 16;

/// Silence of the store after which it is asked, and the link no longer counts as up.
const STORE_SILENCE_MS_MAX: u64 = 5_000;

/// Fresh frames kept at hand; older ones are read from the disk.
const FRESH_MAX: usize = 16;

/// Records acknowledged after which the spool is told at once; fewer wait for the next heartbeat, so
/// that live acks do not wake the disk's thread.
const ACKED_HELD_MAX: u64 = 50_000;

/// Longest wait for the last acks at an orderly stop.
const PART_MS_MAX: u64 = 2_000;

/// What the uplink needs to know.
pub struct Uplink {
    /// This gateway.
    pub gateway: GatewayId,
    /// Where to.
    pub config: UplinkConfig,
    /// The ledger.
    pub spool: SpoolHandle,
    /// Frames as they become durable, so that live data need not be read back from the disk.
    pub fresh: mpsc::Receiver<(StreamId, Outgoing)>,
    /// Configuration in force, first 8 bytes of its hash.
    pub config_hash: watch::Receiver<u64>,
    /// Process start.
    pub started: At,
    /// To the site task: commands of operators.
    pub commands: mpsc::Sender<Inbox>,
    /// What came of them.
    pub results: mpsc::Receiver<CommandResultV1>,
    /// Where the state is shown.
    pub view: watch::Sender<UplinkView>,
}

/// Whether the store's word about its marks has been heard on this connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Connecting,
    /// Hello sent; the nonce its answer must carry.
    Asking(u64),
    Streaming,
}

/// Runs until `stop`.
pub async fn run(mut uplink: Uplink, stop: CancellationToken) {
    let mut backoff = BACKOFF_MS.0;
    while !stop.is_cancelled() {
        let outcome = connect_and_serve(&mut uplink, &stop).await;
        let Err(why) = outcome else { return };
        let was_up = uplink.view.borrow().state != LinkState::Down;
        if was_up {
            warn!(error = %why, "link to headquarters lost");
            backoff = BACKOFF_MS.0;
        } else {
            debug!(error = %why, "link to headquarters not made");
        }
        uplink.show(LinkState::Down, |view| {
            view.losses += u64::from(was_up);
            view.last_error = Some(why);
        });
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(backoff)) => {}
            () = stop.cancelled() => return,
        }
        backoff = (backoff * 2).min(BACKOFF_MS.1);
    }
}

async fn connect_and_serve(uplink: &mut Uplink, stop: &CancellationToken) -> Result<(), String> {
    let session = uplink.started.micros() as u64;
    let connection =
        Connection::open(&uplink.config, &uplink.gateway, session).map_err(|e| format!("cannot connect: {e:#}"))?;
    let view = uplink.spool.view();
    let mut serve = Serve {
        uplink,
        connection,
        planner: Planner::default(),
        stage: Stage::Connecting,
        session,
        instances: BTreeSet::new(),
        heard_ms: clock::mono_ms(),
        store_heard_ms: 0,
        stopping_ms: None,
        fresh: VecDeque::new(),
        acked: BTreeMap::new(),
        acked_records: 0,
    };
    serve.run(view, stop).await
}

struct Serve<'a> {
    uplink: &'a mut Uplink,
    connection: Connection,
    planner: Planner,
    stage: Stage,
    session: u64,
    instances: BTreeSet<u64>,
    heard_ms: u64,
    store_heard_ms: u64,
    stopping_ms: Option<u64>,
    fresh: VecDeque<(StreamId, Outgoing)>,
    /// Acks the spool has not been told yet.
    acked: BTreeMap<StreamId, u64>,
    acked_records: u64,
}

impl Serve<'_> {
    async fn run(&mut self, mut spool: watch::Receiver<SpoolView>, stop: &CancellationToken) -> Result<(), String> {
        let mut beat = tokio::time::interval(HEARTBEAT);
        beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                heard = self.connection.heard.recv() => match heard {
                    Some(heard) => self.hear(heard).await?,
                    None => return Err("connection ended".into()),
                },
                changed = spool.changed() => {
                    changed.map_err(|_| "spool closed".to_owned())?;
                    let (epoch, alarm, routine) = { let v = spool.borrow_and_update(); (v.epoch, v.next_alarm, v.next_routine) };
                    if self.stage == Stage::Streaming && !self.planner.grow(epoch, alarm, routine) {
                        self.ask().await?;
                    }
                }
                Some(result) = self.uplink.results.recv() => {
                    // Lost with a dead link: headquarters sends the command again and is answered then.
                    let topic = topics::command_result(&self.uplink.gateway);
                    let _ = self.connection.publish(topic, encode(&result));
                }
                _ = beat.tick() => self.beat().await?,
                () = stop.cancelled(), if self.stopping_ms.is_none() => {
                    self.stopping_ms = Some(clock::mono_ms() + PART_MS_MAX);
                }
            }
            self.pump().await?;
            if self.may_part() {
                self.tell_acked().await?;
                self.connection.part(&self.uplink.gateway, self.session).await;
                return Ok(());
            }
        }
    }

    fn may_part(&self) -> bool {
        self.stopping_ms.is_some_and(|deadline| {
            clock::mono_ms() >= deadline || self.stage != Stage::Streaming || self.planner.unacked() == 0
        })
    }

    async fn beat(&mut self) -> Result<(), String> {
        self.tell_acked().await?;
        let now = clock::mono_ms();
        if now.saturating_sub(self.heard_ms) >= SILENCE_MS_MAX {
            return Err(format!("nothing heard for {} ms", now - self.heard_ms));
        }
        match self.stage {
            Stage::Connecting => Ok(()),
            Stage::Asking(_) => self.ask().await,
            Stage::Streaming if now.saturating_sub(self.store_heard_ms) >= STORE_SILENCE_MS_MAX => {
                self.uplink.show(LinkState::AwaitingStore, |_| {});
                self.ask().await
            }
            Stage::Streaming if self.planner.overdue(now) => self.ask().await,
            Stage::Streaming => self.say(false, now, Vec::new()),
        }
    }

    async fn hear(&mut self, heard: Heard) -> Result<(), String> {
        self.heard_ms = clock::mono_ms();
        match heard {
            Heard::Lost(why) => Err(why),
            Heard::Alive => Ok(()),
            Heard::Connected => {
                self.connection.greet(&self.uplink.gateway, self.session).map_err(congested)?;
                self.uplink.show(LinkState::AwaitingStore, |_| {});
                info!("connected to broker");
                self.ask().await
            }
            Heard::Command(payload) => {
                self.command(&payload);
                Ok(())
            }
            Heard::Message(payload) => match decode::<AckV1>(&payload) {
                Ok(ack) if ack.gateway == self.uplink.gateway.as_str() => self.ack(ack).await,
                Ok(ack) => {
                    warn!(gateway = %ack.gateway, "ack for another gateway ignored");
                    Ok(())
                }
                Err(error) => {
                    warn!(error = %error, "unreadable ack ignored");
                    Ok(())
                }
            },
        }
    }

    /// Hands a command to the site task; a full inbox drops it: it is sent again.
    fn command(&self, payload: &[u8]) {
        match decode::<CommandV1>(payload) {
            Ok(command) if command.gateway == self.uplink.gateway.as_str() => {
                let _ = self.uplink.commands.try_send(Inbox::Command(Box::new(command)));
            }
            Ok(command) => warn!(gateway = %command.gateway, "command for another gateway ignored"),
            Err(error) => warn!(error = %error, "unreadable command ignored"),
        }
    }

    /// Asks the store what it has; nothing is sent until it has answered.
    async fn ask(&mut self) -> Result<(), String> {
        self.tell_acked().await?;
        let nonce = clock::mono_ms() << 16 | u64::from(rand::random::<u16>());
        self.stage = Stage::Asking(nonce);
        let streams = self.uplink.spool.streams().await.map_err(|e| e.to_string())?;
        self.say(true, nonce, streams)
    }

    fn say(&self, want_marks: bool, nonce: u64, streams: Vec<StreamV1>) -> Result<(), String> {
        let view = self.uplink.view.borrow().clone();
        let message = SessionV1 {
            version: VERSION,
            gateway: self.uplink.gateway.to_string(),
            nonce,
            want_marks,
            at_us: clock::wall().micros(),
            started_us: self.uplink.started.micros(),
            software: env!("CARGO_PKG_VERSION").to_owned(),
            config: *self.uplink.config_hash.borrow(),
            streams,
            backlog: self.planner.unacked(),
            link_losses: view.losses,
        };
        // A full queue means the link does not take data; the silence check will end it.
        let _ = self.connection.publish(topics::session(&self.uplink.gateway), encode(&message));
        Ok(())
    }

    async fn ack(&mut self, ack: AckV1) -> Result<(), String> {
        self.store_heard_ms = clock::mono_ms();
        let unseen = !self.instances.contains(&ack.instance);
        if unseen && self.instances.len() < INSTANCES_MAX {
            self.instances.insert(ack.instance);
        }
        match (ack.kind, self.stage) {
            (AckKind::Marks, Stage::Asking(nonce)) if nonce == ack.nonce => self.start_streaming(ack).await,
            (AckKind::Committed, Stage::Streaming) => {
                let before = self.planner.unacked();
                let upto = self.planner.acked(&ack.marks);
                let settled = before.saturating_sub(self.planner.unacked());
                self.uplink.show(LinkState::Up, |view| view.acked_records += settled);
                self.acked.extend(upto);
                self.acked_records += settled;
                if self.acked_records >= ACKED_HELD_MAX {
                    self.tell_acked().await?;
                }
                self.ask_if(unseen).await
            }
            (AckKind::Refused, Stage::Streaming) => {
                warn!(
                    error = ack.reason.as_deref().unwrap_or("unknown"),
                    "aggregator refused a batch; the spool keeps it"
                );
                self.uplink.show(LinkState::Up, |view| view.refused += 1);
                self.planner.refused(ack.batch);
                Ok(())
            }
            (AckKind::Alive, Stage::Streaming) => self.ask_if(unseen).await,
            (AckKind::Alive, Stage::Asking(_)) if unseen => self.ask().await,
            (AckKind::Marks | AckKind::Committed | AckKind::Refused | AckKind::Alive, _) => Ok(()),
        }
    }

    /// Lets the spool forget what the store has.
    async fn tell_acked(&mut self) -> Result<(), String> {
        self.acked_records = 0;
        if self.acked.is_empty() {
            return Ok(());
        }
        let upto = std::mem::take(&mut self.acked).into_iter().collect();
        self.uplink.spool.acked(upto).await.map_err(|e| e.to_string())
    }

    /// The wanted frames, from those at hand or from the disk.
    async fn frames(&mut self, stream: StreamId, range: Range<u64>, bytes_max: usize) -> Result<Outgoing, String> {
        while let Ok(frame) = self.uplink.fresh.try_recv() {
            if self.fresh.len() >= FRESH_MAX {
                self.fresh.pop_front();
            }
            self.fresh.push_back(frame);
        }
        let fits = |out: &Outgoing| out.range.start == range.start && out.range.end <= range.end;
        let at_hand = self.fresh.iter().position(|(id, out)| *id == stream && fits(out));
        if let Some((_, out)) = at_hand.and_then(|index| self.fresh.remove(index)) {
            return Ok(out);
        }
        self.uplink.spool.read(stream, range, bytes_max).await.map_err(|e| e.to_string())
    }

    /// An unseen aggregator instance may have come with an older store: ask it.
    async fn ask_if(&mut self, unseen: bool) -> Result<(), String> {
        if unseen { self.ask().await } else { Ok(()) }
    }

    async fn start_streaming(&mut self, ack: AckV1) -> Result<(), String> {
        let mut has: BTreeMap<StreamId, RangeSet> = BTreeMap::new();
        for mark in &ack.marks {
            if let Some(lane) = Lane::from_code(mark.lane) {
                has.entry(StreamId { epoch: mark.epoch, lane }).or_default().insert(mark.from..mark.to);
            }
        }
        let streams = self.uplink.spool.reconcile(has.clone()).await.map_err(|e| e.to_string())?;
        self.planner.reset(&streams, &has);
        // What the store has beyond our own note of it may be forgotten now.
        let upto = has.iter().filter_map(|(id, set)| set.iter().next().filter(|r| r.start == 0).map(|r| (*id, r.end)));
        self.uplink.spool.acked(upto.collect()).await.map_err(|e| e.to_string())?;
        self.stage = Stage::Streaming;
        self.uplink.show(LinkState::Up, |view| view.store_catalogue = Some(ack.catalogue));
        debug!(backlog = self.planner.unacked(), "store answered hello");
        Ok(())
    }

    /// Sends everything the windows allow.
    async fn pump(&mut self) -> Result<(), String> {
        if self.stage != Stage::Streaming {
            return Ok(());
        }
        let mut batches = 0;
        while let Some(want) = self.planner.next() {
            let out = self.frames(want.stream, want.range.clone(), want.bytes_max).await?;
            for lost in out.damaged {
                self.planner.skip(want.stream, lost);
            }
            if out.frames.is_empty() {
                continue;
            }
            let batch = self.planner.sent(&want, out.range, clock::mono_ms());
            let message = BatchV1 {
                version: VERSION,
                gateway: self.uplink.gateway.to_string(),
                epoch: want.stream.epoch,
                lane: want.stream.lane.code(),
                sent_at_us: clock::wall().micros(),
                batch,
                points: out.points,
                frames: out.frames,
            };
            self.connection
                .publish(topics::batch(&self.uplink.gateway, want.stream.lane), encode(&message))
                .map_err(congested)?;
            batches += 1;
        }
        self.uplink.view.send_if_modified(|view| {
            view.batches += batches;
            false
        });
        Ok(())
    }
}

fn congested(_: super::connection::Congested) -> String {
    "outgoing queue full".to_owned()
}

impl Uplink {
    fn show(&self, state: LinkState, change: impl FnOnce(&mut UplinkView)) {
        self.view.send_if_modified(|view| {
            let before = (view.state, view.store_catalogue);
            if view.state != state {
                view.state = state;
                view.since = clock::wall();
            }
            change(view);
            before != (view.state, view.store_catalogue)
        });
    }
}
