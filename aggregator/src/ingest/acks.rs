//! Acknowledgements to gateways, on a connection of their own so that a full inbox never blocks them.

use crate::broker::{BrokerAddress, Session, backoff};
use crate::metrics::Metrics;
use crate::store::DueCommand;
use minewatch_domain::wire::{AckKind, AckV1, CommandV1, MarkV1, VERSION, encode};
use minewatch_domain::{GatewayId, topics};
use rumqttc::v5::mqttbytes::QoS;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Acknowledgements waiting for the broker. When full, further ones are dropped and counted: the
/// gateway sends again and is answered then.
pub const ACKS_MAX: usize = 8_192;

/// A message to a gateway.
#[derive(Debug)]
pub struct Down {
    topic: String,
    payload: Vec<u8>,
}

/// Where acknowledgements are put.
#[derive(Debug, Clone)]
pub struct Acks {
    instance: u64,
    queue: mpsc::Sender<Down>,
    metrics: Metrics,
}

impl Acks {
    /// A queue and its reading end.
    pub fn new(instance: u64, metrics: Metrics) -> (Acks, mpsc::Receiver<Down>) {
        let (queue, reader) = mpsc::channel(ACKS_MAX);
        (Acks { instance, queue, metrics }, reader)
    }

    fn send(&self, gateway: &GatewayId, fill: impl FnOnce(&mut AckV1)) {
        let mut ack = AckV1 {
            version: VERSION,
            gateway: gateway.to_string(),
            instance: self.instance,
            kind: AckKind::Alive,
            nonce: 0,
            marks: Vec::new(),
            batch: 0,
            reason: None,
            catalogue: 0,
        };
        fill(&mut ack);
        if self.queue.try_send(Down { topic: topics::ack(gateway), payload: encode(&ack) }).is_err() {
            self.metrics.acks_dropped.inc();
        }
    }

    /// Ranges the store has just committed.
    pub fn committed(&self, gateway: &GatewayId, marks: Vec<MarkV1>) {
        self.send(gateway, |ack| {
            ack.kind = AckKind::Committed;
            ack.marks = marks;
        });
    }

    /// Answer to hello.
    pub fn marks(&self, gateway: &GatewayId, nonce: u64, marks: Vec<MarkV1>, catalogue: u64) {
        self.send(gateway, |ack| {
            ack.kind = AckKind::Marks;
            ack.nonce = nonce;
            ack.marks = marks;
            ack.catalogue = catalogue;
        });
    }

    /// Answer to a heartbeat, or word of a new instance (nonce 0).
    pub fn alive(&self, gateway: &GatewayId, nonce: u64) {
        self.send(gateway, |ack| ack.nonce = nonce);
    }

    /// A command of an operator; false when the queue is full: it is sent again with the next look.
    pub fn command(&self, due: &DueCommand) -> bool {
        let message = CommandV1 {
            version: VERSION,
            gateway: due.gateway.to_string(),
            id: due.id.clone(),
            expires_us: due.expires.micros(),
            alarm: due.alarm.to_string(),
            action: due.action.to_wire(),
        };
        self.queue.try_send(Down { topic: topics::command(&due.gateway), payload: encode(&message) }).is_ok()
    }

    /// A batch that will never be taken.
    pub fn refused(&self, gateway: &GatewayId, batch: u64, reason: &str) {
        self.send(gateway, |ack| {
            ack.kind = AckKind::Refused;
            ack.batch = batch;
            ack.reason = Some(reason.chars().take(200).collect());
        });
    }
}

/// Publishes acknowledgements until the queue closes.
pub async fn run(address: BrokerAddress, client_id: String, mut queue: mpsc::Receiver<Down>, stop: CancellationToken) {
    let mut failures = 0;
    loop {
        match connected(&address, &client_id, &mut queue, &stop, &mut failures).await {
            Ok(()) => return,
            Err(error) => {
                failures += 1;
                tracing::warn!(error, failures, "acknowledgement connection lost");
            }
        }
        tokio::select! {
            () = tokio::time::sleep(backoff(failures)) => {}
            () = stop.cancelled() => return,
        }
    }
}

async fn connected(
    address: &BrokerAddress,
    client_id: &str,
    queue: &mut mpsc::Receiver<Down>,
    stop: &CancellationToken,
    failures: &mut u32,
) -> Result<(), String> {
    let Session { client, mut events } = Session::new(address, client_id, None)?;
    let mut open = false;
    // Requests the event loop has not taken yet; below the channel's size, so that putting never fails.
    let mut pending = 0usize;
    loop {
        tokio::select! {
            event = events.poll() => match event {
                Ok(rumqttc::v5::Event::Incoming(rumqttc::v5::Incoming::ConnAck(_))) => {
                    open = true;
                    *failures = 0;
                }
                Ok(rumqttc::v5::Event::Outgoing(rumqttc::Outgoing::Publish(_))) => pending = pending.saturating_sub(1),
                Ok(_) => {}
                Err(error) => return Err(error.to_string()),
            },
            down = queue.recv(), if open && pending < 512 => match down {
                Some(Down { topic, payload }) => {
                    let sent = client.try_publish(topic, QoS::AtLeastOnce, false, payload);
                    sent.map_err(|e| e.to_string())?;
                    pending += 1;
                }
                None => {
                    let _ = client.try_disconnect();
                    let drained = async { while events.poll().await.is_ok() {} };
                    let _ = tokio::time::timeout(std::time::Duration::from_secs(1), drained).await;
                    return Ok(());
                }
            },
            () = stop.cancelled() => return Ok(()),
        }
    }
}
