//! Documents over MQTT: one message is one document; it is acknowledged after its commit.

use super::document::{Came, Intake};
use crate::broker::{BrokerAddress, backoff};
use minewatch_domain::wire::PAYLOAD_BYTES_MAX;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{ConnectProperties, Filter, Publish};
use rumqttc::v5::{AsyncClient, Event, Incoming};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// The broker keeps what came while we were away, seconds.
const SESSION_S: u32 = 7 * 86_400;
/// Attempts to store a document before the connection is made anew and the broker gives it again.
const ATTEMPTS_MAX: u32 = 5;

/// Hears the feeds' topics until told to stop.
pub(super) async fn hear(address: BrokerAddress, client_id: String, intake: Intake, stop: CancellationToken) {
    let topics: Vec<String> = intake.config().feeds.iter().filter_map(|feed| feed.topic.clone()).collect();
    if topics.is_empty() {
        return stop.cancelled().await;
    }
    let mut failures = 0;
    loop {
        let error = tokio::select! {
            error = connected(&address, &client_id, &topics, &intake, &mut failures) => error,
            () = stop.cancelled() => return,
        };
        failures += 1;
        tracing::warn!(error, failures, "feeds: broker connection lost");
        tokio::select! {
            () = tokio::time::sleep(backoff(failures)) => {}
            () = stop.cancelled() => return,
        }
    }
}

async fn connected(
    address: &BrokerAddress,
    client_id: &str,
    topics: &[String],
    intake: &Intake,
    failures: &mut u32,
) -> String {
    let mut options = match address.options(client_id) {
        Ok(options) => options,
        Err(error) => return error,
    };
    options.set_clean_start(false).set_manual_acks(true);
    options.set_connect_properties(ConnectProperties {
        max_packet_size: Some((PAYLOAD_BYTES_MAX + (128 << 10)) as u32),
        session_expiry_interval: Some(SESSION_S),
        receive_maximum: Some(4),
        ..ConnectProperties::new()
    });
    let (client, mut events) = AsyncClient::new(options, 64);
    loop {
        match events.poll().await {
            Ok(Event::Incoming(Incoming::ConnAck(_))) => {
                let filters = topics.iter().map(|topic| Filter::new(topic.clone(), QoS::AtLeastOnce));
                if let Err(error) = client.try_subscribe_many(filters) {
                    return error.to_string();
                }
            }
            Ok(Event::Incoming(Incoming::SubAck(_))) => {
                *failures = 0;
                tracing::info!(topics = topics.len(), "hearing feeds");
            }
            Ok(Event::Incoming(Incoming::Publish(message))) => {
                if let Err(error) = take(intake, &message).await {
                    return error;
                }
                if let Err(error) = client.try_ack(&message) {
                    return error.to_string();
                }
            }
            Ok(_) => {}
            Err(error) => return error.to_string(),
        }
    }
}

async fn take(intake: &Intake, message: &Publish) -> Result<(), String> {
    let topic = String::from_utf8_lossy(&message.topic).into_owned();
    let Some(feed) = intake.config().feeds.iter().find(|feed| feed.topic.as_deref() == Some(&topic)) else {
        return Ok(());
    };
    let name = format!("{topic} {}", crate::clock::text(crate::clock::now()));
    let came = Came { name, via: "mqtt", label: None, bytes: message.payload.clone() };
    let mut attempts = 0;
    loop {
        match intake.take(feed, &came).await {
            Ok(_) => return Ok(()),
            Err(error) if attempts >= ATTEMPTS_MAX => return Err(error.to_string()),
            Err(error) => {
                attempts += 1;
                tracing::warn!(feed = %feed.name, error = %error, "the message waits");
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
        }
    }
}
