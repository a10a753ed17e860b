//! One MQTT 5 connection: made, used until the first error, thrown away.
//!
//! rumqttc's own in-flight state is never trusted across a reconnect (it forgets queued packets
//! when the broker forgot the session); the spool is the truth. Deliberately absent: what is
//! sent and when.

use crate::config::UplinkConfig;
use minewatch_domain::wire::StatusV1;
use minewatch_domain::{GatewayId, topics};
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{LastWill, Packet, PublishProperties};
use rumqttc::v5::{AsyncClient, Event, MqttOptions};
use rumqttc::{NetworkOptions, TlsConfiguration, Transport};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Requests to rumqttc's event loop waiting to be written; above the sum of all send windows.
const REQUESTS_MAX: usize = 128;

/// Packets from the broker waiting for the uplink task. When full, the socket is not read: the
/// broker holds the rest.
const PACKETS_MAX: usize = 256;

/// MQTT keep-alive. Only a second line of defence: our own heartbeats judge the link.
const KEEP_ALIVE: Duration = Duration::from_secs(5);

/// Largest MQTT packet accepted from or sent to the broker, above the wire's own payload limit.
const PACKET_BYTES_MAX: u32 = 2 << 20;

/// What came from the broker.
#[derive(Debug)]
pub(super) enum Heard {
    /// The session stands.
    Connected,
    /// Something that only proves the broker is there (PUBACK, SUBACK, PINGRESP).
    Alive,
    /// A message on one of our `down` topics.
    Message(bytes::Bytes),
    /// A command of an operator.
    Command(bytes::Bytes),
    /// The connection is gone.
    Lost(String),
}

/// A live connection; dropping it closes the socket.
pub(super) struct Connection {
    client: AsyncClient,
    pub(super) heard: mpsc::Receiver<Heard>,
    driver: JoinHandle<()>,
    properties: PublishProperties,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// The outgoing queue is full: the link does not take data.
#[derive(Debug)]
pub(super) struct Congested;

impl Connection {
    /// Starts connecting; the outcome arrives as [`Heard`].
    pub(super) fn open(config: &UplinkConfig, gateway: &GatewayId, session: u64) -> anyhow::Result<Connection> {
        let mut options = MqttOptions::new(gateway.as_str(), &config.host, config.port);
        let will = status(gateway, session, false);
        options
            .set_keep_alive(KEEP_ALIVE)
            .set_clean_start(true)
            .set_connection_timeout(4)
            .set_request_channel_capacity(REQUESTS_MAX)
            .set_outgoing_inflight_upper_limit(REQUESTS_MAX as u16)
            .set_last_will(LastWill::new(topics::status(gateway), will, QoS::AtLeastOnce, true, None));
        options.set_max_packet_size(Some(PACKET_BYTES_MAX));
        let mut network = NetworkOptions::new();
        network.set_tcp_nodelay(true);
        options.set_network_options(network);
        if let Some(login) = &config.login {
            let password = std::fs::read_to_string(&login.password_file)?;
            options.set_credentials(&login.username, password.trim_end());
        }
        if config.tls {
            options.set_transport(Transport::tls_with_config(TlsConfiguration::Rustls(Arc::new(tls(config)?))));
        }
        let (client, mut events) = AsyncClient::new(options, REQUESTS_MAX);
        let (tell, heard) = mpsc::channel(PACKETS_MAX);
        let command = topics::command(gateway);
        let driver = tokio::spawn(async move {
            loop {
                let heard = match events.poll().await {
                    Ok(Event::Incoming(Packet::ConnAck(_))) => Heard::Connected,
                    Ok(Event::Incoming(Packet::Publish(publish))) if publish.topic == command.as_bytes() => {
                        Heard::Command(publish.payload)
                    }
                    Ok(Event::Incoming(Packet::Publish(publish))) => Heard::Message(publish.payload),
                    Ok(Event::Incoming(Packet::Disconnect(bye))) => {
                        Heard::Lost(format!("broker: {:?}", bye.reason_code))
                    }
                    Ok(Event::Incoming(_)) => Heard::Alive,
                    Ok(Event::Outgoing(_)) => continue,
                    Err(error) => Heard::Lost(error.to_string()),
                };
                let last = matches!(heard, Heard::Lost(_));
                if tell.send(heard).await.is_err() || last {
                    return;
                }
            }
        });
        let properties =
            PublishProperties { content_type: Some(topics::CONTENT_TYPE.to_owned()), ..PublishProperties::default() };
        Ok(Connection { client, heard, driver, properties })
    }

    /// Subscribes to the acks and says "online".
    pub(super) fn greet(&self, gateway: &GatewayId, session: u64) -> Result<(), Congested> {
        self.client.try_subscribe(topics::ack(gateway), QoS::AtLeastOnce).map_err(|_| Congested)?;
        self.client.try_subscribe(topics::command(gateway), QoS::AtLeastOnce).map_err(|_| Congested)?;
        let online = status(gateway, session, true);
        self.client.try_publish(topics::status(gateway), QoS::AtLeastOnce, true, online).map_err(|_| Congested)
    }

    /// Says "offline" in an orderly way.
    pub(super) async fn part(&self, gateway: &GatewayId, session: u64) {
        let offline = status(gateway, session, false);
        let _ = self.client.try_publish(topics::status(gateway), QoS::AtLeastOnce, true, offline);
        tokio::time::sleep(Duration::from_millis(50)).await;
        let _ = self.client.try_disconnect();
    }

    /// Queues an encoded message with QoS 1.
    pub(super) fn publish(&self, topic: String, payload: Vec<u8>) -> Result<(), Congested> {
        self.client
            .try_publish_with_properties(topic, QoS::AtLeastOnce, false, payload, self.properties.clone())
            .map_err(|_| Congested)
    }
}

fn status(gateway: &GatewayId, session: u64, online: bool) -> String {
    let status = StatusV1 { version: 1, gateway: gateway.to_string(), online, session };
    serde_json::to_string(&status).unwrap_or_default()
}

fn tls(config: &UplinkConfig) -> anyhow::Result<rustls::ClientConfig> {
    let mut roots = rustls::RootCertStore::empty();
    if let Some(ca) = &config.ca_file {
        for certificate in CertificateDer::pem_file_iter(ca)? {
            roots.add(certificate?)?;
        }
    }
    let builder = rustls::ClientConfig::builder().with_root_certificates(roots);
    Ok(match &config.identity {
        None => builder.with_no_client_auth(),
        Some(identity) => {
            let chain = CertificateDer::pem_file_iter(&identity.cert_file)?.collect::<Result<Vec<_>, _>>()?;
            let key = crate::enrol::secret_file(&identity.key_file)?;
            builder.with_client_auth_cert(chain, PrivateKeyDer::from_pem_slice(key.as_bytes())?)?
        }
    })
}
