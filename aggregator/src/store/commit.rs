//! One transaction for all inputs waiting: records, marks, alarms, gaps, catalogue, quarantine, outbox.
//!
//! Invariant: [`Committer::commit`] returns `Ok` only after the database said the transaction is
//! durable; after an error nothing may be acknowledged and the caches start afresh.

mod lifecycle;

use lifecycle::{Life, site_action};

use super::bulk::{self, Row};
use super::life::Places;
use super::marks::{self, StreamKey, Streams};
use super::records::{insert_event, insert_gap, point_num};
use super::{Columns, SLOT_US, Store, StoreError, catalogue, quarantine};
use crate::handling::HandlingView;
use crate::ingest::admit::Batch;
use crate::ingest::{Input, Refused};
use crate::live::Latest;
use crate::operator::{Answer, Reply};
use crate::rules::Rules;
use minewatch_alarm::{Action, Field};
use minewatch_domain::wire::{MarkV1, SessionV1};
use minewatch_domain::{
    AlarmKind, AlarmTransition, At, Catalogue, Gap, GatewayId, Lane, OrgPath, PointId, RangeSet, Record,
};
use sqlx::AnyConnection;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// Marks told in one answer to a hello; more would be a stream in thousands of pieces. The oldest
/// are told first, the gateway sends the rest again and they are found to be duplicates.
const ANSWER_MARKS_MAX: usize = 4_096;

/// An alarm transition that is new to the store.
#[derive(Debug, Clone, PartialEq)]
pub struct AlarmSeen {
    /// Whose.
    pub gateway: GatewayId,
    /// The transition.
    pub transition: AlarmTransition,
    /// When the alarm last left normal.
    pub since: At,
    /// It is now the alarm's state.
    pub state: bool,
}

/// A gap that is new to the store.
#[derive(Debug, Clone, PartialEq)]
pub struct GapSeen {
    /// Whose.
    pub gateway: GatewayId,
    /// Epoch of the record.
    pub epoch: u64,
    /// Sequence number of the record.
    pub seq: u64,
    /// The gap.
    pub gap: Gap,
}

/// What to answer to a hello.
#[derive(Debug, Clone, PartialEq)]
pub struct HelloAnswer {
    /// To whom.
    pub gateway: GatewayId,
    /// Echo.
    pub nonce: u64,
    /// What the store has.
    pub marks: Vec<MarkV1>,
    /// Configuration of the stored catalogue, 0 for none.
    pub catalogue: u64,
}

/// What a commit changed.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Newest value per point, where it is newer than before.
    pub values: BTreeMap<GatewayId, BTreeMap<PointId, Latest>>,
    /// New alarm transitions.
    pub alarms: Vec<AlarmSeen>,
    /// New gaps.
    pub gaps: Vec<GapSeen>,
    /// Answers to hellos.
    pub answers: Vec<HelloAnswer>,
    /// Gateways whose catalogue changed.
    pub catalogues: BTreeSet<GatewayId>,
    /// Readings stored.
    pub readings: u64,
    /// Records that were already there.
    pub duplicates: u64,
    /// Whether the outbox got messages.
    pub outbox: bool,
    /// Alarms whose axes changed.
    pub handled: BTreeMap<(GatewayId, PointId), (AlarmKind, HandlingView)>,
    /// Cases that changed.
    pub cases: Vec<(OrgPath, Field, serde_json::Value)>,
    /// Notices written.
    pub notices: u64,
    /// Whether commands wait to be sent.
    pub commands: bool,
    /// Answers to orders.
    pub replies: Vec<(Reply, Answer)>,
}

/// The writing side of the store; owned by the writer task.
#[derive(Debug)]
pub struct Committer {
    store: Store,
    streams: Streams,
    points: HashMap<GatewayId, HashMap<PointId, i64>>,
    gateways: HashMap<GatewayId, u64>,
    hours: HashMap<i64, At>,
    /// Newest row of each point since the last flush.
    unflushed: HashMap<i64, Row>,
    rules: Arc<Rules>,
    places: Places,
    /// What sites did to alarms, in the running transaction.
    actions: Vec<(GatewayId, PointId, Action)>,
    /// Alarm transitions of the running transaction, applied after every stream is locked.
    transitions: Vec<(GatewayId, AlarmTransition, At)>,
}

impl Committer {
    /// A writer of `store`.
    pub fn new(store: Store, rules: Arc<Rules>) -> Committer {
        Committer {
            store,
            streams: Streams::default(),
            points: HashMap::new(),
            gateways: HashMap::new(),
            hours: HashMap::new(),
            unflushed: HashMap::new(),
            rules,
            places: Places::new(),
            transitions: Vec::new(),
            actions: Vec::new(),
        }
    }

    /// The store.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Commits all inputs in one transaction.
    ///
    /// # Errors
    /// [`StoreError`]; whether the transaction took place is then unknown, and repeating it is harmless.
    pub async fn commit(&mut self, inputs: &[Input], now: At) -> Result<Outcome, StoreError> {
        let result = self.attempt(inputs, now).await;
        if result.is_err() {
            self.streams = Streams::default();
            self.points.clear();
            self.gateways.clear();
            self.hours.clear();
            self.places.clear();
        }
        result
    }

    async fn attempt(&mut self, inputs: &[Input], now: At) -> Result<Outcome, StoreError> {
        let mut transaction = self.store.begin().await?;
        let mut outcome = Outcome::default();
        self.transitions.clear();
        self.actions.clear();
        let mut batches: BTreeMap<StreamKey, Vec<&Batch>> = BTreeMap::new();
        let mut hellos: BTreeMap<&GatewayId, (&SessionV1, At)> = BTreeMap::new();
        let mut life = Life::default();
        let mut refused: Vec<&Refused> = Vec::new();
        let mut sent: Vec<i64> = Vec::new();
        for input in inputs {
            match input {
                Input::Batch(batch) => {
                    batches.entry((batch.gateway.clone(), batch.epoch, batch.lane)).or_default().push(batch);
                }
                Input::Hello(gateway, session, at) => {
                    hellos.insert(gateway, (session, *at));
                }
                Input::Link(change) => life.links.push(change),
                Input::Operator(command) => life.orders.push(command),
                Input::CommandsSent(ids) => life.sent.extend(ids.iter().cloned()),
                Input::CommandResult(result) => life.results.push(result),
                Input::Tick => life.tick = true,
                Input::Risk(said) => life.risks.extend(said),
                Input::Refused(payload) => refused.push(payload),
                Input::OutboxSent(ids) => sent.extend(ids),
            }
        }
        let mut rows = Vec::new();
        for (key, batches) in &batches {
            self.stream(&mut transaction, key, batches, now, &mut rows, &mut outcome).await?;
        }
        outcome.readings = rows.len() as u64;
        bulk::insert(&mut transaction, self.store.dialect, &mut rows).await?;
        self.mark_hours(&mut transaction, &rows, now).await?;
        for (gateway, (session, at)) in hellos {
            let answer = self.hello(&mut transaction, gateway, session, at).await?;
            outcome.answers.push(answer);
        }
        for change in &life.links {
            self.gateway(&mut transaction, &change.gateway, now).await?;
        }
        let quarantined =
            !refused.is_empty() || inputs.iter().any(|i| matches!(i, Input::Batch(b) if !b.impossible.is_empty()));
        for payload in refused {
            quarantine::keep(&mut transaction, payload).await?;
        }
        if quarantined {
            quarantine::trim(&mut transaction).await?;
        }
        for id in sent {
            sqlx::query("DELETE FROM outbox WHERE id = $1").bind(id).execute(&mut *transaction).await?;
        }
        self.live(&mut transaction, &life, now, &mut outcome).await?;
        transaction.commit().await?;
        self.store.grew(outcome.readings);
        for row in rows {
            match self.unflushed.get(&row.point_num) {
                Some(known) if known.at_us >= row.at_us => {}
                Some(_) | None => {
                    self.unflushed.insert(row.point_num, row);
                }
            }
        }
        Ok(outcome)
    }

    /// Writes the newest value of each point that changed since the last flush.
    ///
    /// # Errors
    /// [`StoreError`]; the values are kept for the next flush.
    pub async fn flush_latest(&mut self, now: At) -> Result<(), StoreError> {
        if self.unflushed.is_empty() {
            return Ok(());
        }
        let rows: Vec<Row> = self.unflushed.values().cloned().collect();
        let mut transaction = self.store.begin().await?;
        bulk::latest(&mut transaction, self.store.dialect, &rows).await?;
        sqlx::query(
            "INSERT INTO meta (name, number) VALUES ('latest_flushed_us', $1) \
             ON CONFLICT (name) DO UPDATE SET number = excluded.number",
        )
        .bind(now.micros())
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        self.unflushed.clear();
        Ok(())
    }

    /// Makes sure the gateway has a row; returns the configuration of its catalogue.
    async fn gateway(
        &mut self,
        connection: &mut AnyConnection,
        gateway: &GatewayId,
        now: At,
    ) -> Result<u64, StoreError> {
        if let Some(config) = self.gateways.get(gateway) {
            return Ok(*config);
        }
        sqlx::query("INSERT INTO gateways (gateway, heard_us) VALUES ($1, $2) ON CONFLICT DO NOTHING")
            .bind(gateway.as_str())
            .bind(now.micros())
            .execute(&mut *connection)
            .await?;
        let row = sqlx::query("SELECT COALESCE(catalogue_config, 0) FROM gateways WHERE gateway = $1")
            .bind(gateway.as_str())
            .fetch_one(connection)
            .await?;
        let config = row.int(0)? as u64;
        self.gateways.insert(gateway.clone(), config);
        Ok(config)
    }

    async fn stream(
        &mut self,
        connection: &mut AnyConnection,
        key: &StreamKey,
        batches: &[&Batch],
        now: At,
        rows: &mut Vec<Row>,
        outcome: &mut Outcome,
    ) -> Result<(), StoreError> {
        self.gateway(connection, &key.0, now).await?;
        let stream = self.streams.lock(connection, key).await?;
        let (num, before) = (stream.num, stream.marks.clone());
        let mut after = before.clone();
        let mut work = Vec::new();
        for batch in batches {
            // A frame that is wholly new needs no look at each record.
            let fresh = batch.ranges.iter().all(|r| after.missing_in(r.clone()) == [r.clone()]);
            let held = if fresh { RangeSet::new() } else { after.clone() };
            for range in &batch.ranges {
                after.insert(range.clone());
            }
            work.push((*batch, held));
        }
        if after != before {
            marks::save(connection, num, &before, &after).await?;
            stream.marks = after;
        }
        for (batch, held) in work {
            self.records(connection, (key, num), batch, &held, rows, outcome).await?;
        }
        Ok(())
    }

    async fn records(
        &mut self,
        connection: &mut AnyConnection,
        (key, stream_num): (&StreamKey, i64),
        batch: &Batch,
        held: &RangeSet,
        rows: &mut Vec<Row>,
        outcome: &mut Outcome,
    ) -> Result<(), StoreError> {
        let (gateway, epoch, _) = key;
        let id = (stream_num, gateway);
        for record in &batch.records {
            let seq = record.seq;
            if held.covers(seq..seq + 1) {
                outcome.duplicates += 1;
                continue;
            }
            match &record.record {
                Record::Reading(reading) => {
                    let point_num = self.point(connection, gateway, &reading.point).await?;
                    let latest = Latest {
                        at: reading.at,
                        ingested: batch.at,
                        value: reading.value,
                        quality: reading.quality,
                        reason: reading.reason,
                    };
                    rows.push(Row {
                        slot: reading.at.micros().div_euclid(SLOT_US),
                        point_num,
                        at_us: reading.at.micros(),
                        stream_num,
                        seq: seq as i64,
                        value: reading.value,
                        quality: i64::from(reading.quality.pack(reading.reason)),
                        ingested_us: batch.at.micros(),
                    });
                    newest(outcome, gateway, &reading.point, latest);
                }
                Record::Alarm(transition) => {
                    self.transitions.push((gateway.clone(), transition.clone(), batch.at));
                }
                Record::Gap(gap) => {
                    insert_gap(connection, id, seq, gap).await?;
                    let gap = gap.clone();
                    outcome.gaps.push(GapSeen { gateway: gateway.clone(), epoch: *epoch, seq, gap });
                }
                Record::Event(event) => {
                    insert_event(connection, id, seq, event).await?;
                    if let Some((alarm, action)) = site_action(event) {
                        self.actions.push((gateway.clone(), alarm, action));
                    }
                }
                Record::Catalogue(part) => self.catalogue(connection, gateway, (*epoch, seq), part, outcome).await?,
            }
        }
        for (seq, why) in batch.impossible.iter().filter(|(seq, _)| !held.covers(*seq..seq.saturating_add(1))) {
            quarantine::keep_record(connection, batch, *seq, why).await?;
        }
        Ok(())
    }

    async fn catalogue(
        &mut self,
        connection: &mut AnyConnection,
        gateway: &GatewayId,
        position: (u64, u64),
        part: &Catalogue,
        outcome: &mut Outcome,
    ) -> Result<(), StoreError> {
        if let Some(config) = catalogue::part(connection, gateway, position, part).await? {
            self.gateways.insert(gateway.clone(), config);
            self.points.remove(gateway);
            self.places.remove(gateway);
            outcome.catalogues.insert(gateway.clone());
        }
        Ok(())
    }

    async fn point(
        &mut self,
        connection: &mut AnyConnection,
        gateway: &GatewayId,
        point: &PointId,
    ) -> Result<i64, StoreError> {
        if let Some(num) = self.points.get(gateway).and_then(|points| points.get(point)) {
            return Ok(*num);
        }
        let num = point_num(connection, gateway, point).await?;
        self.points.entry(gateway.clone()).or_default().insert(point.clone(), num);
        Ok(num)
    }

    /// Notes which hours need their roll-up made again; each at most once a minute.
    async fn mark_hours(&mut self, connection: &mut AnyConnection, rows: &[Row], now: At) -> Result<(), StoreError> {
        let hours: BTreeSet<i64> = rows.iter().map(|row| row.slot.div_euclid(60)).collect();
        if self.hours.len() > 10_000 {
            self.hours.clear();
        }
        for hour in hours {
            if self.hours.get(&hour).is_some_and(|noted| now.millis_since(*noted) < 60_000) {
                continue;
            }
            sqlx::query(
                "INSERT INTO hourly_due (hour, due_us) VALUES ($1, $2) \
                 ON CONFLICT (hour) DO UPDATE SET due_us = excluded.due_us",
            )
            .bind(hour)
            .bind(now.plus_millis(120_000).micros())
            .execute(&mut *connection)
            .await?;
            self.hours.insert(hour, now);
        }
        Ok(())
    }

    async fn hello(
        &mut self,
        connection: &mut AnyConnection,
        gateway: &GatewayId,
        session: &SessionV1,
        at: At,
    ) -> Result<HelloAnswer, StoreError> {
        self.gateway(connection, gateway, at).await?;
        let mut told = Vec::new();
        for stream in &session.streams {
            let Some(lane) = Lane::from_code(stream.lane) else { continue };
            let held = self.streams.lock(connection, &(gateway.clone(), stream.epoch, lane)).await?;
            // Read again rather than trust the cache: this answer is how a restored store is noticed.
            held.marks = marks::load(connection, held.num).await?;
            let mark =
                |r: std::ops::Range<u64>| MarkV1 { epoch: stream.epoch, lane: stream.lane, from: r.start, to: r.end };
            told.extend(held.marks.iter().map(mark));
            sqlx::query(
                "UPDATE streams SET next_seq = CASE WHEN next_seq < $1 THEN $1 ELSE next_seq END, \
                 closed = CASE WHEN closed = 0 THEN $2 ELSE closed END WHERE stream_num = $3",
            )
            .bind(stream.next as i64)
            .bind(i64::from(stream.closed))
            .bind(held.num)
            .execute(&mut *connection)
            .await?;
        }
        told.truncate(ANSWER_MARKS_MAX);
        let bounded = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        sqlx::query(
            "UPDATE gateways SET software = $1, config = $2, started_us = $3, backlog = $4, link_losses = $5, \
             heard_us = $6 WHERE gateway = $7",
        )
        .bind(session.software.as_str())
        .bind(session.config as i64)
        .bind(session.started_us)
        .bind(bounded(session.backlog))
        .bind(bounded(session.link_losses))
        .bind(at.micros())
        .bind(gateway.as_str())
        .execute(&mut *connection)
        .await?;
        let catalogue = self.gateway(connection, gateway, at).await?;
        Ok(HelloAnswer { gateway: gateway.clone(), nonce: session.nonce, marks: told, catalogue })
    }
}

fn newest(outcome: &mut Outcome, gateway: &GatewayId, point: &PointId, latest: Latest) {
    if !outcome.values.contains_key(gateway) {
        outcome.values.insert(gateway.clone(), BTreeMap::new());
    }
    let Some(points) = outcome.values.get_mut(gateway) else { return };
    match points.get_mut(point) {
        Some(known) if known.at >= latest.at => {}
        Some(known) => *known = latest,
        None => {
            points.insert(point.clone(), latest);
        }
    }
}
