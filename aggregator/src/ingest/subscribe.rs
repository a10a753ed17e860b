//! Hears every gateway: one MQTT 5 connection, admission of each message, liveness answers.

use super::acks::Acks;
use super::admit::{Admitted, admit};
use super::{Input, Refused};
use crate::broker::{BrokerAddress, Session, backoff};
use crate::clock;
use crate::hq::Board;
use crate::live::Live;
use crate::metrics::{Labels, Metrics};
use minewatch_domain::topics;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{Filter, Publish, SubscribeReasonCode};
use rumqttc::v5::{Event, Incoming};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// How long a full inbox may hold up the connection before the message is dropped (and resent).
const ROOM_WAIT: Duration = Duration::from_secs(2);

/// What the subscriber works with.
#[derive(Debug, Clone)]
pub struct Subscriber {
    /// The broker.
    pub address: BrokerAddress,
    /// Our name there.
    pub client_id: String,
    /// Shared-subscription group, when several aggregators share the gateways.
    pub group: Option<String>,
    /// The writer's inbox.
    pub inputs: mpsc::Sender<Input>,
    /// Answers.
    pub acks: Acks,
    /// Links.
    pub live: Live,
    /// Headquarters topics.
    pub board: Board,
    /// Counters.
    pub metrics: Metrics,
}

impl Subscriber {
    /// Runs until told to stop.
    pub async fn run(self, stop: CancellationToken) {
        let mut failures = 0;
        loop {
            let error = tokio::select! {
                error = self.connected(&mut failures) => error,
                () = stop.cancelled() => return,
            };
            self.metrics.broker_connected.set(0);
            failures += 1;
            self.metrics.broker_losses.inc();
            tracing::warn!(error, failures, "broker connection lost");
            tokio::select! {
                () = tokio::time::sleep(backoff(failures)) => {}
                () = stop.cancelled() => return,
            }
        }
    }

    async fn connected(&self, failures: &mut u32) -> String {
        let Session { client, mut events } = match Session::new(&self.address, &self.client_id, None) {
            Ok(session) => session,
            Err(error) => return error,
        };
        loop {
            match events.poll().await {
                Ok(Event::Incoming(Incoming::ConnAck(_))) => {
                    let filters = topics::aggregator_filters(self.group.as_deref());
                    let filters = filters.into_iter().map(|path| Filter::new(path, QoS::AtLeastOnce));
                    if let Err(error) = client.try_subscribe_many(filters) {
                        return error.to_string();
                    }
                }
                Ok(Event::Incoming(Incoming::SubAck(ack))) => {
                    let granted = |code: &SubscribeReasonCode| matches!(code, SubscribeReasonCode::Success(_));
                    if !ack.return_codes.iter().all(granted) {
                        return format!("subscription refused: {:?}", ack.return_codes);
                    }
                    *failures = 0;
                    self.metrics.broker_connected.set(1);
                    tracing::info!(broker = self.address.url(), "hearing gateways");
                    // A new instance makes every gateway say hello and send again at once.
                    for gateway in self.live.gateways() {
                        self.acks.alive(&gateway, 0);
                    }
                }
                Ok(Event::Incoming(Incoming::Publish(message))) => self.take(message).await,
                Ok(_) => {}
                Err(error) => return error.to_string(),
            }
        }
    }

    async fn take(&self, message: Publish) {
        let now = clock::now();
        self.metrics.messages.inc();
        self.metrics.payload_bytes.inc_by(message.payload.len() as u64);
        let topic = String::from_utf8_lossy(&message.topic);
        let admitted = match admit(&topic, &message.payload, now) {
            Ok(admitted) => admitted,
            Err(refusal) => {
                self.metrics.refusals.get_or_create(&Labels::reason(refusal.reason.name())).inc();
                tracing::warn!(reason = refusal.reason.name(), detail = refusal.detail, "payload refused");
                let refused = Refused { topic: topic.into_owned(), payload: message.payload, refusal, at: now };
                return self.put(Input::Refused(refused)).await;
            }
        };
        let change = match &admitted {
            Admitted::Batch(batch) => self.live.heard(&batch.gateway, None, now),
            Admitted::Session(gateway, session) => self.live.heard(gateway, Some(session), now),
            Admitted::Status(gateway, status) if status.online => self.live.heard(gateway, None, now),
            Admitted::Status(gateway, _) => self.live.offline(gateway, now),
            Admitted::CommandResult(result) => self.live.heard(&result.gateway, None, now),
        };
        if let Some(change) = change {
            crate::writer::link(&self.live, &self.board, &change.gateway);
            self.put(Input::Link(change)).await;
        }
        match admitted {
            Admitted::Batch(batch) => self.put(Input::Batch(batch)).await,
            Admitted::Session(gateway, session) if session.want_marks => {
                self.put(Input::Hello(gateway, session, now)).await;
            }
            Admitted::Session(gateway, session) => self.acks.alive(&gateway, session.nonce),
            Admitted::CommandResult(result) => self.put(Input::CommandResult(result)).await,
            Admitted::Status(..) => {}
        }
    }

    async fn put(&self, input: Input) {
        match self.inputs.try_send(input) {
            Ok(()) => {}
            Err(mpsc::error::TrySendError::Full(input)) => {
                if self.inputs.send_timeout(input, ROOM_WAIT).await.is_err() {
                    self.metrics.inputs_dropped.inc();
                }
            }
            Err(mpsc::error::TrySendError::Closed(_)) => {}
        }
    }
}
