//! The thread that owns the spool. Its inbox is a closed enum; appends that wait together are
//! committed together (group commit), so the disk's sync rate bounds groups, not records.

use super::store::{Outgoing, SpoolStore};
use super::{Opened, SpoolError, SpoolSettings, StreamId};
use crate::clock;
use minewatch_domain::wire::StreamV1;
use minewatch_domain::{At, Gap, GapReason, Lane, RangeSet, Record};
use std::collections::BTreeMap;
use std::ops::Range;
use tokio::sync::{mpsc, oneshot, watch};
use tracing::{error, warn};

/// Requests waiting for the spool thread: about 10 s of a full site in groups of one poll. When
/// it is full, polls wait (an instrument keeps its value) and nothing is dropped.
const REQUESTS_MAX: usize = 1_024;

/// Appends committed together at most, so that a flood cannot delay an alarm by more than one
/// group.
const GROUP_MAX: usize = 64;

/// Frames just committed and not taken by the uplink yet: a second of a full site. When it is
/// full, further ones are not offered and the uplink reads them from the disk.
const FRESH_MAX: usize = 16;

/// Alarm-lane records held in memory while the disk refuses them: hours of alarms. Beyond it the newest
/// are counted as lost.
const HELD_MAX: usize = 1_024;

/// How often a broken spool is opened again.
const REOPEN_MS: u64 = 1_000;

/// How often free disk space is looked up.
const FREE_CHECK_MS: u64 = 250;

/// Typical bytes of one record in a frame, for the size bound.
const RECORD_BYTES_ESTIMATE: u64 = 64;

enum Request {
    Append { records: Vec<Record>, config: u64 },
    Read { stream: StreamId, range: Range<u64>, bytes_max: usize, reply: oneshot::Sender<Result<Outgoing, SpoolError>> },
    Acked(Vec<(StreamId, u64)>),
    Reconcile { has: BTreeMap<StreamId, RangeSet>, reply: oneshot::Sender<Vec<StreamV1>> },
    Streams(oneshot::Sender<Vec<StreamV1>>),
    Barrier(oneshot::Sender<()>),
}

/// Whether the spool takes records.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum SpoolHealth {
    /// Taking everything.
    #[default]
    Ok,
    /// The size bound is reached: oldest routine records are being dropped, with gap records.
    Full,
    /// Too little free disk: routine records are refused and counted.
    DiskFull,
    /// The disk refuses; records are counted as lost until it can be opened again.
    Broken(String),
}

/// What the rest of the gateway may know of the spool at any time.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SpoolView {
    /// Running epoch; changes when a broken spool is opened again.
    pub epoch: u64,
    /// Next sequence number of the alarm lane.
    pub next_alarm: u64,
    /// Next sequence number of the routine lane.
    pub next_routine: u64,
    /// Bytes of frames held.
    pub held_bytes: u64,
    /// Records the store is not known to have.
    pub unacked: u64,
    /// Records refused or dropped since start, each also in a gap record.
    pub lost_records: u64,
    /// Groups committed since start.
    pub groups: u64,
    /// Health.
    pub health: SpoolHealth,
}

/// A way to the spool thread.
#[derive(Clone)]
pub struct SpoolHandle {
    requests: mpsc::Sender<Request>,
    view: watch::Receiver<SpoolView>,
}

impl SpoolHandle {
    /// Hands records over; waits while the spool is behind.
    ///
    /// # Errors
    /// [`SpoolError::Closed`] when the thread has ended.
    pub async fn append(&self, records: Vec<Record>, config: u64) -> Result<(), SpoolError> {
        self.send(Request::Append { records, config }).await
    }

    /// Reads frames to send.
    ///
    /// # Errors
    /// When the disk refuses or the thread has ended.
    pub async fn read(&self, stream: StreamId, range: Range<u64>, bytes_max: usize) -> Result<Outgoing, SpoolError> {
        let (reply, answer) = oneshot::channel();
        self.send(Request::Read { stream, range, bytes_max, reply }).await?;
        answer.await.map_err(|_| SpoolError::Closed)?
    }

    /// The store has everything below the given numbers.
    ///
    /// # Errors
    /// [`SpoolError::Closed`] when the thread has ended.
    pub async fn acked(&self, upto: Vec<(StreamId, u64)>) -> Result<(), SpoolError> {
        self.send(Request::Acked(upto)).await
    }

    /// Compares with what the store says it has; returns the streams afterwards.
    ///
    /// # Errors
    /// [`SpoolError::Closed`] when the thread has ended.
    pub async fn reconcile(&self, has: BTreeMap<StreamId, RangeSet>) -> Result<Vec<StreamV1>, SpoolError> {
        let (reply, answer) = oneshot::channel();
        self.send(Request::Reconcile { has, reply }).await?;
        answer.await.map_err(|_| SpoolError::Closed)
    }

    /// Everything the spool holds.
    ///
    /// # Errors
    /// [`SpoolError::Closed`] when the thread has ended.
    pub async fn streams(&self) -> Result<Vec<StreamV1>, SpoolError> {
        let (reply, answer) = oneshot::channel();
        self.send(Request::Streams(reply)).await?;
        answer.await.map_err(|_| SpoolError::Closed)
    }

    /// Returns when everything handed over before is durable (or stated as lost).
    ///
    /// # Errors
    /// [`SpoolError::Closed`] when the thread has ended.
    pub async fn barrier(&self) -> Result<(), SpoolError> {
        let (reply, answer) = oneshot::channel();
        self.send(Request::Barrier(reply)).await?;
        answer.await.map_err(|_| SpoolError::Closed)
    }

    /// The spool's state, with change notification.
    pub fn view(&self) -> watch::Receiver<SpoolView> {
        self.view.clone()
    }

    async fn send(&self, request: Request) -> Result<(), SpoolError> {
        self.requests.send(request).await.map_err(|_| SpoolError::Closed)
    }
}

/// A spool at work.
pub struct Running {
    /// The way to it.
    pub handle: SpoolHandle,
    /// What opening it found.
    pub opened: Opened,
    /// Frames as they become durable, for the uplink.
    pub fresh: mpsc::Receiver<(StreamId, Outgoing)>,
    /// Ends when every handle is gone.
    pub thread: std::thread::JoinHandle<()>,
}

/// Opens the spool and starts its thread. The thread ends when every handle is gone.
///
/// # Errors
/// When the folder cannot be used (a damaged spool is put aside instead).
pub fn open(settings: SpoolSettings) -> Result<Running, SpoolError> {
    let (store, opened) = SpoolStore::open(settings.clone(), clock::wall(), rand::random())?;
    let (requests, inbox) = mpsc::channel(REQUESTS_MAX);
    let (fresh, taken) = mpsc::channel(FRESH_MAX);
    let (publish, view) = watch::channel(SpoolView { epoch: opened.epoch, ..SpoolView::default() });
    let actor = Actor {
        settings,
        store: Ok(store),
        publish,
        fresh,
        lost: None,
        held: Vec::new(),
        reopen_at_ms: 0,
        free_checked_ms: 0,
        free: u64::MAX,
    };
    let thread = std::thread::Builder::new()
        .name("spool".into())
        .spawn(move || actor.run(inbox))
        .map_err(|e| SpoolError::Io(e.to_string()))?;
    Ok(Running { handle: SpoolHandle { requests, view }, opened, fresh: taken, thread })
}

/// Records refused since the last gap record.
struct Lost {
    reason: GapReason,
    from: At,
    to: At,
    count: u64,
}

struct Actor {
    settings: SpoolSettings,
    store: Result<SpoolStore, SpoolError>,
    publish: watch::Sender<SpoolView>,
    fresh: mpsc::Sender<(StreamId, Outgoing)>,
    lost: Option<Lost>,
    held: Vec<Record>,
    reopen_at_ms: u64,
    free_checked_ms: u64,
    free: u64,
}

impl Actor {
    fn run(mut self, mut inbox: mpsc::Receiver<Request>) {
        while let Some(first) = inbox.blocking_recv() {
            let mut group = vec![first];
            while group.len() < GROUP_MAX {
                match inbox.try_recv() {
                    Ok(request) => group.push(request),
                    Err(_) => break,
                }
            }
            self.serve(group);
        }
    }

    fn serve(&mut self, group: Vec<Request>) {
        let mut appends: Vec<(Vec<Record>, u64)> = Vec::new();
        let mut others = Vec::new();
        for request in group {
            match request {
                Request::Append { records, config } => match appends.last_mut() {
                    Some((last, same)) if *same == config => last.extend(records),
                    Some(_) | None => appends.push((records, config)),
                },
                Request::Read { .. }
                | Request::Acked(_)
                | Request::Reconcile { .. }
                | Request::Streams(_)
                | Request::Barrier(_) => others.push(request),
            }
        }
        for (records, config) in appends {
            self.append(records, config);
        }
        for request in others {
            self.answer(request);
        }
        self.show();
    }

    fn append(&mut self, records: Vec<Record>, config: u64) {
        let now = clock::wall();
        self.reopen_if_due(now);
        let admitted = self.admit(records, now);
        if admitted.is_empty() {
            return;
        }
        let note = self.lost.as_ref().map(as_gap);
        let noted = usize::from(note.is_some());
        let mut records: Vec<Record> = note.into_iter().chain(std::mem::take(&mut self.held)).collect();
        records.extend(admitted);
        let outcome = match &mut self.store {
            Err(error) => Err(error.clone()),
            Ok(store) => {
                let incoming = records.len() as u64 * RECORD_BYTES_ESTIMATE;
                store.make_room(incoming, now).and_then(|gaps| {
                    let dropped: u64 = gaps.iter().map(|g| g.count).sum();
                    for draft in store.append(&records, config, now)? {
                        if self.fresh.capacity() > 0 {
                            let _ = self.fresh.try_send(store.outgoing(draft));
                        }
                    }
                    Ok(dropped)
                })
            }
        };
        match outcome {
            Ok(dropped) => {
                self.lost = None;
                self.publish.send_modify(|view| {
                    view.groups += 1;
                    view.lost_records += dropped;
                    view.health = match dropped {
                        0 if view.health == SpoolHealth::Full || view.health == SpoolHealth::Ok => SpoolHealth::Ok,
                        0 => view.health.clone(),
                        _ => SpoolHealth::Full,
                    };
                });
            }
            Err(error) => {
                self.fail(error);
                // The note of what was lost before is made again with the next try.
                self.hold(records.split_off(noted), now);
            }
        }
    }

    /// Takes what the disk refused: alarms, events and gap notes wait for it, readings are counted as lost.
    fn hold(&mut self, refused: Vec<Record>, now: At) {
        let mut lost = 0;
        for record in refused {
            if record.lane() == Lane::Alarm && self.held.len() < HELD_MAX {
                self.held.push(record);
            } else {
                lost += 1;
            }
        }
        self.count_lost(GapReason::DiskFull, lost, now);
    }

    /// Refuses what the free disk space does not allow.
    fn admit(&mut self, records: Vec<Record>, now: At) -> Vec<Record> {
        let ms = clock::mono_ms();
        if ms >= self.free_checked_ms + FREE_CHECK_MS || self.free_checked_ms == 0 {
            self.free_checked_ms = ms.max(1);
            self.free = free_bytes(&self.settings.dir);
        }
        if self.free >= self.settings.min_free_bytes {
            self.set_health(|health| matches!(health, SpoolHealth::DiskFull), SpoolHealth::Ok);
            return records;
        }
        self.set_health(|health| matches!(health, SpoolHealth::Ok | SpoolHealth::Full), SpoolHealth::DiskFull);
        let alarms_too = self.free < self.settings.min_free_bytes / 10;
        let (kept, refused): (Vec<Record>, Vec<Record>) =
            records.into_iter().partition(|r| r.lane() == Lane::Alarm && !alarms_too);
        self.hold(refused, now);
        kept
    }

    fn set_health(&self, when: impl Fn(&SpoolHealth) -> bool, to: SpoolHealth) {
        self.publish.send_if_modified(|view| {
            let change = when(&view.health) && view.health != to;
            if change {
                warn!(health = ?to, "spool health changed");
                view.health = to.clone();
            }
            change
        });
    }

    fn count_lost(&mut self, reason: GapReason, count: u64, now: At) {
        if count == 0 {
            return;
        }
        let lost = self.lost.get_or_insert(Lost { reason, from: now, to: now, count: 0 });
        lost.to = now;
        lost.count += count;
        self.publish.send_modify(|view| view.lost_records += count);
    }

    fn fail(&mut self, error: SpoolError) {
        if self.store.is_ok() {
            error!(error = %error, "spool write failed; opening it again");
            self.reopen_at_ms = clock::mono_ms() + REOPEN_MS;
            self.store = Err(error.clone());
        }
        self.set_health(|_| true, SpoolHealth::Broken(error.to_string()));
    }

    fn reopen_if_due(&mut self, now: At) {
        if self.store.is_ok() || clock::mono_ms() < self.reopen_at_ms {
            return;
        }
        self.reopen_at_ms = clock::mono_ms() + REOPEN_MS;
        match SpoolStore::open(self.settings.clone(), now, rand::random()) {
            Ok((store, opened)) => {
                warn!(epoch = opened.epoch, "spool opened again");
                self.store = Ok(store);
                self.set_health(|_| true, SpoolHealth::Ok);
            }
            Err(error) => self.store = Err(error),
        }
    }

    fn answer(&mut self, request: Request) {
        let now = clock::wall();
        let store = match &mut self.store {
            Ok(store) => store,
            Err(error) => return refuse(request, error),
        };
        let outcome = match request {
            Request::Append { .. } => Ok(()),
            Request::Read { stream, range, bytes_max, reply } => {
                let _ = reply.send(store.read(stream, range, bytes_max, now));
                Ok(())
            }
            Request::Acked(upto) => upto.into_iter().try_for_each(|(stream, upto)| store.acked(stream, upto)),
            Request::Reconcile { has, reply } => store.reconcile(&has, now).map(|gaps| {
                if !gaps.is_empty() {
                    warn!(ranges = gaps.len(), "store went back in time; gap records written");
                }
                let _ = reply.send(store.streams());
            }),
            Request::Streams(reply) => {
                let _ = reply.send(store.streams());
                Ok(())
            }
            Request::Barrier(reply) => {
                let _ = reply.send(());
                Ok(())
            }
        };
        if let Err(error) = outcome {
            self.fail(error);
        }
    }

    fn show(&self) {
        let Ok(store) = &self.store else { return };
        let (epoch, held, unacked) = (store.epoch(), store.held_bytes(), store.unacked());
        let next = |lane| store.next_seq(lane);
        self.publish.send_if_modified(|view| {
            let before = (view.epoch, view.next_alarm, view.next_routine);
            view.epoch = epoch;
            (view.held_bytes, view.unacked) = (held, unacked);
            (view.next_alarm, view.next_routine) = (next(Lane::Alarm), next(Lane::Routine));
            before != (view.epoch, view.next_alarm, view.next_routine)
        });
    }
}

fn refuse(request: Request, error: &SpoolError) {
    match request {
        Request::Read { reply, .. } => drop(reply.send(Err(error.clone()))),
        Request::Barrier(reply) => drop(reply.send(())),
        Request::Append { .. } | Request::Acked(_) | Request::Reconcile { .. } | Request::Streams(_) => {}
    }
}

fn as_gap(lost: &Lost) -> Record {
    Record::Gap(Gap {
        reason: lost.reason,
        subject: "gateway".to_owned(),
        from: lost.from,
        to: lost.to,
        seqs: None,
        count: lost.count,
    })
}

fn free_bytes(dir: &std::path::Path) -> u64 {
    rustix::fs::statvfs(dir).map_or(u64::MAX, |fs| fs.f_bavail.saturating_mul(fs.f_frsize))
}

#[cfg(test)]
mod tests;
