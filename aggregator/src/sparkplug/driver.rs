//! One connection per edge node; the node itself is pure.

use super::node::{self, AlarmMetric, NAMESPACE, Node, Out};
use super::settings::SparkplugConfig;
use crate::broker::{BrokerAddress, Session, backoff};
use crate::clock;
use crate::hq::Site;
use crate::live::{LinkState, Live};
use crate::metrics::Metrics;
use crate::store::{Store, StoreError};
use crate::writer::Sites;
use minewatch_domain::{GatewayId, Level};
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{Filter, LastWill, Packet, Publish};
use rumqttc::v5::{AsyncClient, Event};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// How often news are looked for: a SCADA host sees a value at most this late.
const LOOK: Duration = Duration::from_secs(1);
/// Alarms of one gateway read at once; the worst and newest.
const ALARMS_READ: i64 = 1_000;

/// The Sparkplug face.
#[derive(Debug, Clone)]
#[allow(missing_docs)]
pub struct Sparkplug {
    pub config: SparkplugConfig,
    pub address: BrokerAddress,
    /// Start of our client ids.
    pub client_id: String,
    pub store: Store,
    pub live: Live,
    pub sites: Sites,
    pub metrics: Metrics,
}

/// What a connection knows of the primary host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Host {
    /// None is waited for.
    Unneeded,
    Unknown,
    /// Since when it says so, milliseconds.
    Online(i64),
    Offline(i64),
}

impl Host {
    /// Older words are not believed (a will that arrives after a new birth).
    fn hear(self, online: bool, at_ms: i64) -> Host {
        match self {
            Host::Unneeded => Host::Unneeded,
            Host::Online(since) | Host::Offline(since) if at_ms < since => self,
            Host::Unknown | Host::Online(_) | Host::Offline(_) if online => Host::Online(at_ms),
            Host::Unknown | Host::Online(_) | Host::Offline(_) => Host::Offline(at_ms),
        }
    }

    fn ready(self) -> bool {
        matches!(self, Host::Unneeded | Host::Online(_))
    }
}

impl Sparkplug {
    /// Runs all edge nodes until told to stop.
    pub async fn run(self, stop: CancellationToken) {
        let mut nodes = JoinSet::new();
        for gateway in self.config.gateways.clone() {
            nodes.spawn(self.clone().edge_node(gateway, stop.clone()));
        }
        if nodes.is_empty() {
            stop.cancelled().await;
        }
        while nodes.join_next().await.is_some() {}
    }

    async fn edge_node(self, gateway: GatewayId, stop: CancellationToken) {
        let mut failures = 0;
        loop {
            let error = tokio::select! {
                error = self.connected(&gateway, &mut failures, &stop) => error,
                () = stop.cancelled() => return,
            };
            let Some(error) = error else { return };
            failures += 1;
            tracing::warn!(gateway = gateway.as_str(), error, failures, "Sparkplug connection lost");
            tokio::select! {
                () = tokio::time::sleep(backoff(failures)) => {}
                () = stop.cancelled() => return,
            }
        }
    }

    fn site(&self, gateway: &GatewayId) -> Option<Site> {
        let sites = self.sites.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        sites.get(gateway).filter(|site| site.path.is_some()).cloned()
    }

    /// One connection; `None` when it ended because of `stop`.
    async fn connected(&self, gateway: &GatewayId, failures: &mut u32, stop: &CancellationToken) -> Option<String> {
        // Without a catalogue neither group nor devices are known.
        let group = loop {
            if let Some(path) = self.site(gateway).and_then(|site| site.path) {
                break path.mine;
            }
            tokio::time::sleep(LOOK).await;
        };
        let bd_seq = match self.store.next_bd_seq(gateway).await {
            Ok(number) => number,
            Err(error) => return Some(format!("bdSeq cannot be stored: {error}")),
        };
        let node = Node::new(gateway.clone(), &group, bd_seq);
        let death = node.death(clock::now());
        let will = LastWill::new(death.topic, death.payload, QoS::AtLeastOnce, false, None);
        let session = match Session::new(&self.address, &format!("{}-{gateway}", self.client_id), Some(will)) {
            Ok(session) => session,
            Err(error) => return Some(error),
        };
        let host = if self.config.primary_host.is_some() { Host::Unknown } else { Host::Unneeded };
        let connection = Connection { face: self, gateway, node, host, client: session.client.clone() };
        connection.run(session, failures, stop).await
    }

    async fn alarms(&self, gateway: &GatewayId) -> Result<BTreeMap<String, AlarmMetric>, StoreError> {
        let all = crate::store::Filter {
            gateway: Some(gateway.to_string()),
            limit: ALARMS_READ,
            ..crate::store::Filter::default()
        };
        let rows = self.store.alarms(&all).await?;
        let metric = |row: crate::store::AlarmRow| {
            (row.alarm.clone(), AlarmMetric { level: row.to, active: row.to != Level::Normal, at: row.at })
        };
        Ok(rows.into_iter().map(metric).collect())
    }
}

struct Connection<'a> {
    face: &'a Sparkplug,
    gateway: &'a GatewayId,
    node: Node,
    host: Host,
    client: AsyncClient,
}

impl Connection<'_> {
    fn state_topic(&self) -> Option<String> {
        self.face.config.primary_host.as_ref().map(|host| format!("{NAMESPACE}/STATE/{host}"))
    }

    async fn run(mut self, session: Session, failures: &mut u32, stop: &CancellationToken) -> Option<String> {
        let Session { client: _, mut events } = session;
        let mut look = tokio::time::interval(LOOK);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut subscribed = false;
        loop {
            tokio::select! {
                event = events.poll() => match event {
                    Ok(Event::Incoming(Packet::ConnAck(_))) => {
                        *failures = 0;
                        if let Err(error) = self.subscribe() { return Some(error) }
                    }
                    // Births come after the subscription, or a rebirth command could be missed.
                    Ok(Event::Incoming(Packet::SubAck(_))) => subscribed = true,
                    Ok(Event::Incoming(Packet::Publish(message))) => {
                        if let Err(error) = self.hear(&message).await { return Some(error) }
                    }
                    Ok(_) => {}
                    Err(error) => return Some(error.to_string()),
                },
                _ = look.tick(), if subscribed => {
                    if let Err(error) = self.look().await { return Some(error) }
                }
                () = stop.cancelled() => {
                    // The broker would send the will only after its patience; say it now.
                    let death = self.node.die(clock::now());
                    let _ = death.map(|death| self.put(death, QoS::AtLeastOnce));
                    let _ = self.client.try_disconnect();
                    let goodbye = async { while events.poll().await.is_ok() {} };
                    let _ = tokio::time::timeout(LOOK, goodbye).await;
                    return None;
                }
            }
        }
    }

    fn subscribe(&self) -> Result<(), String> {
        let commands = Filter::new(self.node.command_topic(), QoS::AtLeastOnce);
        let state = self.state_topic().map(|topic| Filter::new(topic, QoS::AtLeastOnce));
        self.client.try_subscribe_many(std::iter::once(commands).chain(state)).map_err(|e| e.to_string())
    }

    fn put(&self, out: Out, qos: QoS) -> Result<(), String> {
        self.face.metrics.sparkplug_messages.inc();
        self.client.try_publish(out.topic, qos, false, out.payload).map_err(|e| e.to_string())
    }

    fn put_all(&self, all: Vec<Out>) -> Result<(), String> {
        all.into_iter().try_for_each(|out| self.put(out, QoS::AtMostOnce))
    }

    async fn hear(&mut self, message: &Publish) -> Result<(), String> {
        let topic = String::from_utf8_lossy(&message.topic);
        if self.state_topic().as_deref() == Some(&topic) {
            if let Some((online, at_ms)) = node::host_state(&message.payload) {
                self.host = self.host.hear(online, at_ms);
            }
            return self.look().await;
        }
        if topic == self.node.command_topic() && node::asks_rebirth(&message.payload) && self.node.is_born() {
            tracing::info!(gateway = self.gateway.as_str(), "Sparkplug rebirth asked for");
            let Some(site) = self.face.site(self.gateway) else { return Ok(()) };
            let alarms = self.face.alarms(self.gateway).await.map_err(|e| e.to_string())?;
            let births = self.node.birth(&site, &self.face.live.latest(self.gateway), &alarms, clock::now());
            return self.put_all(births);
        }
        Ok(())
    }

    async fn look(&mut self) -> Result<(), String> {
        let heard = self.face.live.link(self.gateway).is_some_and(|link| link.state == LinkState::Online);
        let now = clock::now();
        if !heard || !self.host.ready() {
            // A death ends the connection, which was opened with its number: the next birth has its own.
            return match self.node.die(now) {
                Some(death) => {
                    self.put(death, QoS::AtLeastOnce)?;
                    self.client.try_disconnect().map_err(|e| e.to_string())
                }
                None => Ok(()),
            };
        }
        let Some(site) = self.face.site(self.gateway) else { return Ok(()) };
        let alarms = match self.face.alarms(self.gateway).await {
            Ok(alarms) => alarms,
            // Values go on while the store fails; alarms come with the next look.
            Err(_) => return Ok(()),
        };
        let news = self.node.data(&site, &self.face.live.latest(self.gateway), &alarms, now);
        self.put_all(news)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_word_of_the_host_is_not_believed() {
        let host = Host::Unknown.hear(true, 100);
        assert!(host.ready());
        assert!(host.hear(false, 50).ready(), "the will of the connection before");
        assert!(!host.hear(false, 100).ready());
        assert!(Host::Unneeded.hear(false, 1).ready());
        assert!(!Host::Unknown.ready());
    }
}
