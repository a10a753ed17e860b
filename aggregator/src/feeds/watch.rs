//! Runs every feed, and watches that each one comes.
//!
//! The warnings stand at a gateway of their own, [`GATEWAY`], one alarm a feed, and take the way of
//! every other alarm: the writer, cases, notices.

use super::document::Intake;
use super::overdue::overdue;
use super::settings::FeedConfig;
use super::{folder, query, topic};
use crate::broker::BrokerAddress;
use crate::clock;
use crate::ingest::Input;
use crate::ingest::admit::Batch;
use crate::live::Live;
use crate::metrics::Metrics;
use crate::store::StoreError;
use minewatch_domain::wire::WireRecord;
use minewatch_domain::{AlarmKind, AlarmTransition, Catalogue, GatewayId, Lane, Level, PointId, Record, SitePath};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// The gateway under which feeds' warnings stand.
pub(super) const GATEWAY: &str = "business-feeds";
/// How often lateness is looked at; also the sign of life.
const LOOK: Duration = Duration::from_secs(1);

/// The feeds at work.
#[derive(Debug)]
pub struct Feeds {
    /// Takes documents.
    pub intake: Intake,
    /// The broker.
    pub address: BrokerAddress,
    /// Our name there; the same after a restart, so that the broker knows what we have.
    pub client_id: String,
    /// The writer's inbox.
    pub inputs: mpsc::Sender<Input>,
    /// Links.
    pub live: Live,
    /// Counters.
    pub metrics: Metrics,
}

impl Feeds {
    /// Runs until told to stop.
    pub async fn run(self, stop: CancellationToken) {
        let mut tasks = JoinSet::new();
        for feed in &self.intake.config().feeds {
            if let Some(path) = feed.folder.clone() {
                let (feed, intake, stop) = (Arc::clone(feed), self.intake.clone(), stop.clone());
                tasks.spawn(async move { folder::watch(&feed, &path, &intake, stop).await });
            }
            if feed.query.is_some() {
                let (feed, intake, stop) = (Arc::clone(feed), self.intake.clone(), stop.clone());
                tasks.spawn(async move {
                    if let Some(config) = &feed.query {
                        query::ask(&feed, config, &intake, stop).await;
                    }
                });
            }
        }
        tasks.spawn(topic::hear(self.address.clone(), self.client_id.clone(), self.intake.clone(), stop.clone()));
        self.watch(stop).await;
        while tasks.join_next().await.is_some() {}
    }

    async fn watch(&self, stop: CancellationToken) {
        let Ok(gateway) = GatewayId::parse(GATEWAY) else { return stop.cancelled().await };
        // Later than every earlier start's, as a spool's is.
        let epoch = u64::try_from(clock::now().micros()).unwrap_or(1);
        let mut alarms = Alarms { gateway, epoch, next: [1, 1] };
        if let Some(place) = self.place() {
            self.put(alarms.batch(Lane::Routine, Record::Catalogue(place))).await;
        }
        loop {
            if let Some(change) = self.live.heard(&alarms.gateway, None, clock::now()) {
                let _ = self.inputs.send(Input::Link(change)).await;
            }
            let mut late = 0;
            for feed in &self.intake.config().feeds {
                match self.judge(feed, &mut alarms).await {
                    Ok(is_late) => late += i64::from(is_late),
                    Err(error) => tracing::warn!(feed = %feed.name, error = %error, "lateness not known"),
                }
            }
            self.metrics.feeds_overdue.set(late);
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    }

    /// Raises or clears a feed's warning; whether it is late.
    async fn judge(&self, feed: &FeedConfig, alarms: &mut Alarms) -> Result<bool, StoreError> {
        let now = clock::now();
        let (since, taken, _) = self.intake.store().feed_state(feed.name.as_str(), now).await?;
        let why = overdue(feed, since, taken, now);
        let Ok(alarm) = PointId::parse(&format!("{}.link_down", feed.name)) else { return Ok(why.is_some()) };
        let (revision, level) = self.intake.store().feed_alarm(GATEWAY, alarm.as_str()).await?;
        let raised = level != 0;
        if raised == why.is_some() {
            return Ok(raised);
        }
        let late = why.is_some();
        let (from, to) = if late { (Level::Normal, Level::Orange) } else { (Level::Orange, Level::Normal) };
        let step = AlarmTransition {
            alarm,
            revision: u64::try_from(revision).unwrap_or(0) + 1,
            kind: AlarmKind::LinkDown,
            point: None,
            from,
            to,
            at: now,
            value: None,
            limit: None,
            rule: "feed-overdue#1".to_owned(),
            why: why.unwrap_or_else(|| "a document was taken".to_owned()),
            proof: None,
        };
        self.put(alarms.batch(Lane::Alarm, Record::Alarm(step))).await;
        Ok(late)
    }

    async fn put(&self, batch: Batch) {
        // The writer takes it in the next transaction; at the next look the store says so.
        let _ = self.inputs.send(Input::Batch(batch)).await;
    }

    /// Where feeds stand, so that their warnings reach who answers there.
    fn place(&self) -> Option<Catalogue> {
        let config = self.intake.config();
        let mut levels = config.org.levels().map(str::to_owned);
        let group = levels.next()?;
        if group == minewatch_domain::OrgPath::UNASSIGNED {
            return None;
        }
        let mut level = || levels.next().unwrap_or_else(|| "feeds".to_owned());
        let path = SitePath { group, company: level(), mine: level(), facility: level() };
        Some(Catalogue {
            config: 1,
            site_zh: "业务数据接入".to_owned(),
            site_en: "Business feeds".to_owned(),
            path,
            part: 0,
            parts: 1,
            points: Vec::new(),
            outline: None,
        })
    }
}

/// Numbers of our own records.
struct Alarms {
    gateway: GatewayId,
    epoch: u64,
    next: [u64; 2],
}

impl Alarms {
    fn batch(&mut self, lane: Lane, record: Record) -> Batch {
        let next = &mut self.next[usize::from(lane.code() & 1)];
        let seq = *next;
        *next += 1;
        let numbers = seq..seq + 1;
        Batch {
            gateway: self.gateway.clone(),
            epoch: self.epoch,
            lane,
            batch: seq,
            records: vec![WireRecord { seq, record }],
            impossible: Vec::new(),
            ranges: vec![numbers],
            at: clock::now(),
            bytes: 0,
        }
    }
}
