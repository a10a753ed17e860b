//! The connection that publishes headquarters topics.

use super::board::{Board, News, Site};
use super::event;
use crate::broker::{BrokerAddress, Session, backoff};
use crate::clock;
use crate::ingest::Input;
use crate::live::{Latest, Live};
use crate::metrics::Metrics;
use crate::store::{AlarmRow, OutboxRow, Store, StoreError};
use minewatch_domain::{At, GatewayId, Level, PointId, SitePath};
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{LastWill, Packet, PublishProperties};
use rumqttc::v5::{AsyncClient, Event};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::pin::Pin;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Messages given to the client and not yet acknowledged by the broker.
const WINDOW: usize = 100;
/// Outbox rows read at once.
const OUTBOX_READ: i64 = 200;
/// How long an alarm of a gateway without a catalogue waits for its site path.
const PATH_WAIT_MS: i64 = 5_000;
/// Alarm states read at once; the worst and newest come first.
const ALARMS_READ: i64 = 10_000;
/// Cleared alarms keep their retained state this long: 30 days.
const CLEARED_KEPT_MS: i64 = 30 * 86_400_000;
/// The embedded broker hands a late QoS 1 subscriber only its first 100 retained messages and forgets
/// the rest, so all state is published again this often there; a repeat has the same id.
const REFRESH: Duration = Duration::from_secs(60);
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
    /// MQTT 5 properties (content type, expiry) on every message. Off on the embedded broker, which
    /// cannot hand a message with properties to an MQTT 3.1.1 subscriber.
    pub properties: bool,
    /// Sites known, from the store at start and from the board since.
    pub sites: BTreeMap<GatewayId, Site>,
}

/// Source time of the value last published, per point.
type Published = HashMap<(GatewayId, PointId), At>;

/// What was read from the store.
struct Read {
    outbox: Vec<OutboxRow>,
    states: Vec<AlarmRow>,
    /// Gateways whose alarm states were asked for; none means all.
    due: BTreeSet<GatewayId>,
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
    values: BTreeMap<(GatewayId, PointId), Latest>,
    /// Outbox row of each message given to the client, in order, until it has a packet id.
    unnumbered: VecDeque<Option<i64>>,
    flying: HashMap<u16, Option<i64>>,
    look: bool,
    /// A read failed; alarm states are asked for again with the next look.
    states_missed: bool,
    /// Rows the broker has taken, not yet reported to the writer.
    done: Vec<i64>,
}

impl Publisher {
    fn system_topic() -> String {
        format!("{}/hq/_system/status", minewatch_domain::topics::ROOT)
    }

    /// Publishes until told to stop.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut failures = 0;
        let mut published = Published::new();
        loop {
            let error = tokio::select! {
                error = self.connected(&mut failures, &mut published) => error,
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

    async fn connected(&mut self, failures: &mut u32, published: &mut Published) -> String {
        let gone = serde_json::json!({ "specversion": "1.0", "type": "minewatch.system.status.v1",
            "source": "/minewatch/hq", "id": format!("{:016x}/gone", self.instance),
            "data": { "instance": format!("{:016x}", self.instance), "online": false } });
        let will = LastWill::new(Self::system_topic(), gone.to_string(), QoS::AtLeastOnce, true, None);
        let Session { client, mut events } = Session::new(&self.address, &self.client_id, Some(will));
        // Nothing is known of what the broker still has: publish all state again.
        published.clear();
        let mut queues = Queues { look: true, alarms_due: Some(BTreeSet::new()), ..Queues::default() };
        self.restate(&mut queues);
        let mut open = false;
        let mut look = tokio::time::interval(OUTBOX_LOOK);
        let mut refresh = tokio::time::interval_at(tokio::time::Instant::now() + REFRESH, REFRESH);
        let mut reading: Option<Reading> = None;
        loop {
            if open {
                if reading.is_none() && (queues.alarms_due.is_some() || (queues.look && queues.alarms.is_empty())) {
                    reading = Some(self.read(&mut queues));
                }
                if let Err(error) = self.fill(&client, &mut queues, published) {
                    return error;
                }
            }
            tokio::select! {
                event = events.poll() => match event {
                    Ok(Event::Incoming(Packet::ConnAck(_))) => { open = true; *failures = 0; }
                    Ok(Event::Outgoing(rumqttc::Outgoing::Publish(id))) => {
                        let row = queues.unnumbered.pop_front().flatten();
                        queues.flying.insert(id, row);
                    }
                    Ok(Event::Incoming(Packet::PubAck(ack))) => {
                        if let Some(Some(row)) = queues.flying.remove(&ack.pkid) {
                            self.metrics.outbox_sent.inc();
                            queues.done.push(row);
                            self.report(&mut queues);
                        }
                    }
                    Ok(_) => {}
                    Err(error) => return error.to_string(),
                },
                news = self.board.take(), if open => self.note(news, &mut queues, published),
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
                _ = refresh.tick(), if open && !self.properties => {
                    published.clear();
                    self.restate(&mut queues);
                    queues.alarms_due = Some(BTreeSet::new());
                }
                _ = look.tick(), if open => {
                    queues.look = true;
                    if std::mem::take(&mut queues.states_missed) {
                        queues.alarms_due = Some(BTreeSet::new());
                    }
                    self.report(&mut queues);
                }
            }
        }
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

    fn note(&mut self, news: News, queues: &mut Queues, published: &mut Published) {
        for (gateway, site) in news.sites {
            self.describe(&gateway, &site, queues);
            self.sites.insert(gateway.clone(), site);
            self.link(&gateway, queues);
            // The path may be new or another one: all values of the gateway go out again below it.
            published.retain(|(of, _), _| *of != gateway);
            let values = self.live.latest(&gateway);
            queues.values.extend(values.into_iter().map(|(point, latest)| ((gateway.clone(), point), latest)));
            queues.look = true;
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
        queues.values.extend(news.values);
        queues.look |= news.outbox;
        if let Some(state) = news.system {
            let payload = event::system(self.instance, state.is_ok(), state.err().as_deref(), clock::now());
            queues.states.push_back((Self::system_topic(), payload));
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
        let due = queues.alarms_due.take();
        let store = self.store.clone();
        Box::pin(async move {
            let outbox = store.outbox(OUTBOX_READ).await?;
            let states = match &due {
                None => Vec::new(),
                Some(gateways) => {
                    let one = gateways.first().filter(|_| gateways.len() == 1);
                    store.alarms(false, one, ALARMS_READ).await?
                }
            };
            Ok(Read { outbox, states, due: due.unwrap_or_default() })
        })
    }

    /// Queues what was read. Alarm states: a broker that was restarted has forgotten them, and a
    /// new site path wants them in their new place.
    fn sort(&self, read: Read, queues: &mut Queues) {
        let now = clock::now();
        for row in read.outbox {
            let waits = self.path(&row.gateway).is_none() && now.millis_since(row.created) < PATH_WAIT_MS;
            if !waits && queues.taken.insert(row.id) {
                queues.alarms.push_back(row);
            }
        }
        // Rows the broker took long ago are gone from the table; forget them now and then.
        if queues.taken.len() > 20_000 {
            queues.taken.clear();
        }
        for row in read.states {
            let wanted = read.due.is_empty() || read.due.contains(&row.gateway);
            let recent = row.to != Level::Normal || now.millis_since(row.at) < CLEARED_KEPT_MS;
            let (Some(transition), Some(path)) = (row.transition(), self.path(&row.gateway)) else { continue };
            if wanted && recent {
                let messages = event::alarm(&row.gateway, &transition, true, row.ingested);
                let states = messages.into_iter().filter(|message| message.retain);
                queues.states.extend(states.map(|message| (event::topic(path, &message.leaf), message.payload)));
            }
        }
    }

    /// Gives the client what the window allows: alarms, then states, then values.
    fn fill(&self, client: &AsyncClient, queues: &mut Queues, published: &mut Published) -> Result<(), String> {
        while queues.unnumbered.len() + queues.flying.len() < WINDOW {
            let (topic, payload, retain, expiry, row) = if let Some(row) = queues.alarms.pop_front() {
                if queues.alarms.is_empty() {
                    queues.look = true;
                }
                let retain = row.retain && self.path(&row.gateway).is_some();
                (self.topic(&row.gateway, &row.leaf), row.payload, retain, None, Some(row.id))
            } else if let Some((topic, payload)) = queues.states.pop_front() {
                (topic, payload, true, None, None)
            } else if let Some(((gateway, point), latest)) = queues.values.pop_first() {
                let key = (gateway, point);
                // Without a site path a value has no place yet; it goes out when the catalogue comes.
                if self.path(&key.0).is_none() || published.get(&key).is_some_and(|at| *at >= latest.at) {
                    continue;
                }
                let described = self.sites.get(&key.0).and_then(|site| site.points.get(&key.1));
                let payload = event::value(&key.0, &key.1, &latest, described.map(|d| d.unit.as_str()));
                let expiry = described.map(|d| 3 * d.period_ms.max(d.keep_alive_ms).div_ceil(1_000));
                let topic = self.topic(&key.0, &event::value_leaf(&key.0, &key.1));
                published.insert(key, latest.at);
                self.metrics.values_published.inc();
                (topic, payload, true, Some(expiry.unwrap_or(180).clamp(3, 604_800) as u32), None)
            } else {
                return Ok(());
            };
            let sent = match self.properties {
                true => {
                    let properties = PublishProperties {
                        payload_format_indicator: Some(1),
                        message_expiry_interval: expiry,
                        content_type: Some(event::CONTENT_TYPE.to_owned()),
                        ..PublishProperties::default()
                    };
                    client.try_publish_with_properties(topic, QoS::AtLeastOnce, retain, payload, properties)
                }
                false => client.try_publish(topic, QoS::AtLeastOnce, retain, payload),
            };
            sent.map_err(|e| e.to_string())?;
            queues.unnumbered.push_back(row);
        }
        Ok(())
    }
}
