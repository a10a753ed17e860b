//! The connection that publishes headquarters topics.

use super::board::{Board, News, Site};
use super::event;
use super::place::{Place, Places};
use crate::broker::{BrokerAddress, Burst, Settled, backoff};
use crate::clock;
use crate::handling;
use crate::ingest::Input;
use crate::live::{Latest, Live};
use crate::metrics::Metrics;
use crate::rules::Rules;
use crate::store::{AlarmRow, CaseLine, Filter, OutboxRow, Store, StoreError};
use bytes::Bytes;
use minewatch_alarm::Field;
use minewatch_domain::{At, GatewayId, PointId, SitePath};
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{LastWill, PublishProperties};
use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Messages made before the next write.
const MADE_TOGETHER: usize = 50;
/// Values in one message: some 7 kB. Clients are met that refuse more than 10 KiB, and an alarm is never
/// far behind.
const TOGETHER_VALUES_MAX: usize = 64;
/// Such messages waiting; beyond, new ones are left out and counted. The single values follow.
const TOGETHER_MAX: usize = 1_024;
/// Outbox rows read at once.
const OUTBOX_READ: i64 = 200;
/// How long an alarm of a gateway without a catalogue waits for its site path.
const PATH_WAIT_MS: i64 = 5_000;
/// Open cases stated again after a connection; the worst and newest come first.
const CASES_READ: i64 = 10_000;
/// Alarm states read at once; the worst and newest come first.
const ALARMS_READ: i64 = 10_000;
/// The embedded broker hands a late QoS 1 subscriber only its first 100 retained messages and forgets
/// the rest, so all state is published again this often there; a repeat has the same id.
const REFRESH: Duration = Duration::from_secs(30);
/// How often retained states of alarms cleared long ago are removed from the broker.
const SWEEP: Duration = Duration::from_secs(3_600);
/// Looks at the outbox again, in case a row waits for a path or another process wrote it.
const OUTBOX_LOOK: Duration = Duration::from_secs(2);

/// What the publisher works with.
#[derive(Debug)]
pub struct Publisher {
    /// The broker.
    pub address: BrokerAddress,
    /// Our name there.
    pub client_id: String,
    /// This process.
    pub instance: u64,
    /// News.
    pub board: Board,
    /// State to republish.
    pub live: Live,
    /// The outbox.
    pub store: Store,
    /// Where sent rows are reported.
    pub inputs: mpsc::Sender<Input>,
    /// Counters.
    pub metrics: Metrics,
    /// How alarms behave.
    pub rules: Arc<Rules>,
    /// MQTT 5 properties (content type, expiry) on every message. Off on the embedded broker, which
    /// cannot hand a message with properties to an MQTT 3.1.1 subscriber.
    pub properties: bool,
    /// Sites known, from the store at start and from the board since.
    pub sites: BTreeMap<GatewayId, Site>,
}

/// A message to publish, with the outbox row it comes from.
struct Message {
    topic: Bytes,
    payload: String,
    retain: bool,
    expiry_s: Option<u32>,
    row: Option<i64>,
}

/// What was read from the store.
struct Read {
    outbox: Vec<OutboxRow>,
    states: Vec<AlarmRow>,
    /// Open cases, when everything is to be stated again.
    cases: Vec<CaseLine>,
    /// Cases closed long ago, whose retained state goes.
    closed: Vec<CaseLine>,
    /// Gateways whose alarm states were asked for; empty means all, nothing means only those long cleared.
    due: Option<BTreeSet<GatewayId>>,
}

type Reading = Pin<Box<dyn Future<Output = Result<Read, StoreError>> + Send>>;

async fn wait(reading: &mut Option<Reading>) -> Result<Read, StoreError> {
    match reading {
        Some(reading) => reading.await,
        None => std::future::pending().await,
    }
}

/// What waits to be put into the client, most urgent first.
#[derive(Debug, Default)]
struct Queues {
    alarms: VecDeque<OutboxRow>,
    /// Rows in the queue or with the broker; not to be read again.
    taken: HashSet<i64>,
    states: VecDeque<(String, String)>,
    /// Alarm states are to be read from the store: of all gateways, or of these.
    alarms_due: Option<BTreeSet<GatewayId>>,
    /// Topic and payload of values that came together.
    together: VecDeque<(String, String)>,
    values: BTreeMap<(GatewayId, PointId), Latest>,
    look: bool,
    /// The outbox was read up to this row. Rows stay there until the writer's next commit, so a read from
    /// the start would find the same ones again.
    read_to: i64,
    /// Rows before it are looked at again: one may have waited for its path, or have been committed late.
    again: bool,
    /// States of alarms cleared long ago are to be removed.
    sweep: bool,
    /// A read failed; alarm states are asked for again with the next look.
    states_missed: bool,
    /// Rows the broker has taken, not yet reported to the writer.
    done: Vec<i64>,
}

impl Queues {
    fn wants_reading(&self) -> bool {
        self.alarms_due.is_some() || self.sweep || (self.look && self.alarms.is_empty())
    }
}

impl Publisher {
    fn system_topic() -> String {
        format!("{}/hq/_system/status", minewatch_domain::topics::ROOT)
    }

    /// Publishes until told to stop.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut failures = 0;
        loop {
            let error = tokio::select! {
                Err(error) = self.connected(&mut failures) => error,
                () = stop.cancelled() => return,
            };
            failures += 1;
            tracing::warn!(error, failures, "headquarters connection lost");
            tokio::select! {
                () = tokio::time::sleep(backoff(failures)) => {}
                () = stop.cancelled() => return,
            }
        }
    }

    /// Publishes over one connection, until it fails.
    async fn connected(&mut self, failures: &mut u32) -> Result<std::convert::Infallible, String> {
        let gone = serde_json::json!({ "specversion": "1.0", "type": "minewatch.system.status.v1",
            "source": "/minewatch/hq", "id": format!("{:016x}/gone", self.instance),
            "data": { "instance": format!("{:016x}", self.instance), "online": false } });
        let will = LastWill::new(Self::system_topic(), gone.to_string(), QoS::AtLeastOnce, true, None);
        let mut burst = Burst::open(&self.address, &self.client_id, will).await?;
        *failures = 0;
        // Nothing is known of what the broker still has: publish all state again.
        let mut places = Places::default();
        let mut queues = Queues { look: true, alarms_due: Some(BTreeSet::new()), ..Queues::default() };
        self.restate(&mut queues);
        let mut settled = Vec::new();
        let mut look = tokio::time::interval(OUTBOX_LOOK);
        let mut refresh = tokio::time::interval_at(tokio::time::Instant::now() + REFRESH, REFRESH);
        let mut sweep = tokio::time::interval(SWEEP);
        let mut reading: Option<Reading> = None;
        loop {
            if reading.is_none() && queues.wants_reading() {
                reading = Some(self.read(&mut queues));
            }
            self.fill(&mut burst, &mut queues, &mut places);
            tokio::select! {
                turned = burst.turn(&mut settled) => {
                    turned?;
                    self.settle(&mut settled, &mut queues);
                }
                news = self.board.take() => self.note(news, &mut queues, &mut places),
                read = wait(&mut reading), if reading.is_some() => {
                    reading = None;
                    match read {
                        Ok(read) => self.sort(read, &mut queues),
                        Err(error) => {
                            queues.states_missed = true;
                            tracing::warn!(error = &error as &dyn std::error::Error, "outbox not readable");
                        }
                    }
                }
                _ = refresh.tick(), if !self.properties => {
                    places = Places::default();
                    self.restate(&mut queues);
                    queues.alarms_due = Some(BTreeSet::new());
                }
                _ = sweep.tick() => queues.sweep = true,
                _ = look.tick() => {
                    (queues.look, queues.again) = (true, true);
                    if std::mem::take(&mut queues.states_missed) {
                        queues.alarms_due = Some(BTreeSet::new());
                    }
                    self.report(&mut queues);
                }
            }
        }
    }

    /// Notes what the broker answered. A refused outbox message stays in the outbox, and goes out
    /// again over the next connection; a refused value is counted, the next one follows.
    fn settle(&self, settled: &mut Vec<Settled<Option<i64>>>, queues: &mut Queues) {
        for Settled { tag, taken } in settled.drain(..) {
            match tag {
                Some(row) if taken => {
                    self.metrics.outbox_sent.inc();
                    queues.done.push(row);
                }
                _ if taken => {}
                _ => {
                    self.metrics.hq_refused.inc();
                    tracing::warn!(outbox = tag.is_some(), "broker refused a headquarters message");
                }
            }
        }
        self.report(queues);
    }

    fn path(&self, gateway: &GatewayId) -> Option<&SitePath> {
        self.sites.get(gateway).and_then(|site| site.path.as_ref()).filter(|path| event::is_sound(path))
    }

    fn topic(&self, gateway: &GatewayId, leaf: &str) -> String {
        match self.path(gateway) {
            Some(path) => event::topic(path, leaf),
            None => event::topic(&event::unassigned(), leaf),
        }
    }

    /// Queues all state: after a connection the broker may have forgotten everything.
    fn restate(&self, queues: &mut Queues) {
        let now = clock::now();
        queues.states.push_back((Self::system_topic(), event::system(self.instance, true, None, now)));
        for (gateway, site) in &self.sites {
            self.describe(gateway, site, queues);
        }
        for gateway in self.live.gateways() {
            self.link(&gateway, queues);
        }
        for (gateway, values) in self.live.everything() {
            queues.values.extend(values.into_iter().map(|(point, latest)| ((gateway.clone(), point), latest)));
        }
    }

    fn describe(&self, gateway: &GatewayId, site: &Site, queues: &mut Queues) {
        let now = clock::now();
        for (point, described) in &site.points {
            let topic = format!("{}/hq/_meta/{gateway}/{point}", minewatch_domain::topics::ROOT);
            queues.states.push_back((topic, event::descriptor(gateway, described, site.config, now)));
        }
    }

    fn link(&self, gateway: &GatewayId, queues: &mut Queues) {
        if let Some(link) = self.live.link(gateway).filter(|_| self.path(gateway).is_some()) {
            let topic = self.topic(gateway, &format!("gateway/{gateway}/status"));
            queues.states.push_back((topic, event::status(gateway, &link, clock::now())));
        }
    }

    fn note(&mut self, news: News, queues: &mut Queues, places: &mut Places) {
        for (gateway, site) in news.sites {
            self.describe(&gateway, &site, queues);
            self.sites.insert(gateway.clone(), site);
            self.link(&gateway, queues);
            // The path may be new or another one: all values of the gateway go out again below it.
            places.forget(&gateway);
            let values = self.live.latest(&gateway);
            queues.values.extend(values.into_iter().map(|(point, latest)| ((gateway.clone(), point), latest)));
            (queues.look, queues.again) = (true, true);
            match &mut queues.alarms_due {
                // Empty means all.
                Some(due) if due.is_empty() => {}
                due => {
                    due.get_or_insert_default().insert(gateway);
                }
            }
        }
        for gateway in news.links {
            self.link(&gateway, queues);
        }
        self.together(&news.values, queues);
        queues.values.extend(news.values);
        queues.look |= news.outbox;
        if let Some(head) = news.audit {
            let topic = format!("{}/hq/_audit/head", minewatch_domain::topics::ROOT);
            queues.states.push_back((topic, event::audit_head(self.instance, &head, clock::now())));
        }
        if let Some(state) = news.system {
            let payload = event::system(self.instance, state.is_ok(), state.err().as_deref(), clock::now());
            queues.states.push_back((Self::system_topic(), payload));
        }
    }

    /// Queues new values, many in one message per gateway.
    fn together(&self, values: &BTreeMap<(GatewayId, PointId), Latest>, queues: &mut Queues) {
        let all: Vec<(&GatewayId, &PointId, &Latest)> =
            values.iter().map(|((gateway, point), latest)| (gateway, point, latest)).collect();
        for of_gateway in all.chunk_by(|one, other| one.0 == other.0) {
            let Some((gateway, ..)) = of_gateway.first().copied() else { continue };
            let Some(path) = self.path(gateway) else { continue };
            for part in of_gateway.chunks(TOGETHER_VALUES_MAX) {
                if queues.together.len() >= TOGETHER_MAX {
                    self.metrics.hq_left_out.inc();
                    continue;
                }
                let topic = event::topic(path, &event::values_leaf(gateway));
                queues.together.push_back((topic, event::values(gateway, part)));
            }
        }
    }

    /// Tells the writer which rows the broker has; they are deleted with its next commit. If that
    /// fails, a message goes out twice with one id.
    fn report(&self, queues: &mut Queues) {
        if queues.done.is_empty() {
            return;
        }
        let done = std::mem::take(&mut queues.done);
        match self.inputs.try_send(Input::OutboxSent(done)) {
            Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => {}
            // The writer is behind: told again with the next look.
            Err(mpsc::error::TrySendError::Full(Input::OutboxSent(done))) => queues.done = done,
            Err(mpsc::error::TrySendError::Full(_)) => {}
        }
    }

    /// Reads outbox and due alarm states beside the connection, which must not wait for the store.
    fn read(&self, queues: &mut Queues) -> Reading {
        queues.look = false;
        let after = if std::mem::take(&mut queues.again) { 0 } else { queues.read_to };
        let (due, sweep) = (queues.alarms_due.take(), std::mem::take(&mut queues.sweep));
        let store = self.store.clone();
        Box::pin(async move {
            let outbox = store.outbox(after, OUTBOX_READ).await?;
            let one = due.as_ref().filter(|gateways| !sweep && gateways.len() == 1).and_then(BTreeSet::first);
            let all = Filter { gateway: one.map(ToString::to_string), limit: ALARMS_READ, ..Filter::default() };
            let states = match due.is_some() || sweep {
                true => store.alarms(&all).await?,
                false => Vec::new(),
            };
            let open = Filter { standing: true, limit: CASES_READ, ..Filter::default() };
            let cases = match due.as_ref().is_some_and(BTreeSet::is_empty) {
                true => store.case_page(&open).await?,
                false => Vec::new(),
            };
            let closed = match sweep {
                true => store.cases_closed(event::swept(clock::now()), CASES_READ).await?,
                false => Vec::new(),
            };
            Ok(Read { outbox, states, cases, closed, due })
        })
    }

    /// Queues what was read. Alarm states: a broker that was restarted has forgotten them, and a
    /// new site path wants them in their new place.
    fn sort(&self, read: Read, queues: &mut Queues) {
        let now = clock::now();
        if let Some(last) = read.outbox.last() {
            queues.read_to = last.id;
            queues.look |= read.outbox.len() as i64 == OUTBOX_READ;
        }
        for row in read.outbox {
            let waits = self.path(&row.gateway).is_none() && now.millis_since(row.created) < PATH_WAIT_MS;
            if !waits && queues.taken.insert(row.id) {
                queues.alarms.push_back(row);
            }
        }
        // Rows the broker took long ago are gone from the table; forget them now and then.
        if queues.taken.len() > 20_000 {
            let old = queues.read_to - 10_000;
            queues.taken.retain(|row| *row > old);
        }
        self.restate_cases(&read.cases, true, queues);
        self.restate_cases(&read.closed, false, queues);
        for row in read.states {
            let wanted = read.due.as_ref().is_some_and(|due| due.is_empty() || due.contains(&row.gateway));
            let (Some(transition), Some(path)) = (row.transition(), self.path(&row.gateway)) else { continue };
            let kept = event::is_kept(row.to, row.at, now);
            if kept && !wanted {
                continue;
            }
            let shown = row.handled.as_ref().map(|handled| {
                let beside = (handled.version, handled.inhibited_by.as_deref(), handled.case_id.as_deref());
                handling::view(&handled.state, beside, &self.rules.alarm, now)
            });
            let messages = event::alarm(&row.gateway, &transition, (false, true), shown.as_ref(), row.ingested);
            for state in messages.into_iter().filter(|message| message.retain) {
                // An empty retained message removes the one before.
                let payload = if kept { state.payload } else { String::new() };
                queues.states.push_back((event::topic(path, &state.leaf), payload));
            }
        }
    }

    /// Queues the states of open cases: a broker that was restarted has forgotten them. Of cases that are no
    /// longer `kept` an empty one, which removes what the broker has.
    fn restate_cases(&self, cases: &[CaseLine], kept: bool, queues: &mut Queues) {
        for case in cases {
            let gateway = case.gateway.as_deref().and_then(|gateway| GatewayId::parse(gateway).ok());
            let (Some(gateway), Some(field)) = (gateway, Field::from_name(&case.domain)) else { continue };
            let Some(path) = self.path(&gateway) else { continue };
            let seen = event::CaseSeen {
                id: &case.id,
                revision: case.revision,
                case: &case.body.case,
                field,
                org: &case.org,
                titles: (&case.title_zh, &case.title_en),
                raised: At(case.raised_us),
                due: case.due_us.map(At),
            };
            let message = event::case(&gateway, &seen, At(case.changed_us));
            let payload = if kept { message.payload } else { String::new() };
            queues.states.push_back((event::topic(path, &message.leaf), payload));
        }
    }

    /// Puts into the next write what the window allows: alarms, then states, then values. Not all of a
    /// burst at once: the broker works on the first messages while the next ones are made.
    fn fill(&self, burst: &mut Burst<Option<i64>>, queues: &mut Queues, places: &mut Places) {
        for _ in 0..MADE_TOGETHER {
            if !burst.has_room() {
                return;
            }
            let Some(message) = self.next(queues, places) else { return };
            let properties = self.properties.then(|| PublishProperties {
                payload_format_indicator: Some(1),
                message_expiry_interval: message.expiry_s,
                content_type: Some(event::CONTENT_TYPE.to_owned()),
                ..PublishProperties::default()
            });
            let payload = message.payload.into_bytes();
            if let Err(error) = burst.publish(message.topic, payload, message.retain, properties, message.row) {
                self.metrics.hq_refused.inc();
                tracing::warn!(error, outbox = message.row.is_some(), "headquarters message cannot be sent");
            }
        }
    }

    /// The most urgent message: alarms, states, values together, single values.
    fn next(&self, queues: &mut Queues, places: &mut Places) -> Option<Message> {
        if let Some(row) = queues.alarms.pop_front() {
            queues.look |= queues.alarms.is_empty();
            let retain = row.retain && self.path(&row.gateway).is_some();
            let topic = self.topic(&row.gateway, &row.leaf).into();
            return Some(Message { topic, payload: row.payload, retain, expiry_s: None, row: Some(row.id) });
        }
        if let Some((topic, payload)) = queues.states.pop_front() {
            return Some(Message { topic: topic.into(), payload, retain: true, expiry_s: None, row: None });
        }
        if let Some((topic, payload)) = queues.together.pop_front() {
            return Some(Message { topic: topic.into(), payload, retain: false, expiry_s: None, row: None });
        }
        while let Some(((gateway, point), latest)) = queues.values.pop_first() {
            // Without a site path a value has no place yet; it goes out when the catalogue comes.
            let Some(path) = self.path(&gateway) else { continue };
            let described = || self.sites.get(&gateway).and_then(|site| site.points.get(&point));
            let place = places.of(&gateway, &point, || Place::new(path, &gateway, &point, described()));
            if place.published.is_some_and(|at| at >= latest.at) {
                continue;
            }
            place.published = Some(latest.at);
            self.metrics.values_published.inc();
            let payload = event::value(&gateway, &point, &latest, place.unit.as_deref());
            let topic = place.topic.clone();
            return Some(Message { topic, payload, retain: true, expiry_s: Some(place.expiry_s), row: None });
        }
        None
    }
}
