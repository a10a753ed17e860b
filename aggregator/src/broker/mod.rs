//! The broker: the embedded one, and how to reach any.
//!
//! Invariant: the embedded broker has no topic rights, so it never listens beyond loopback
//! (`config` refuses that). The aggregator is an ordinary MQTT 5 client of either.

mod address;
mod session;

pub use address::{BrokerAddress, Credentials};
pub use session::{Session, backoff};

use minewatch_domain::wire::PAYLOAD_BYTES_MAX;
use rumqttd::{Broker, Config, ConnectionSettings, RouterConfig, ServerSettings};
use std::collections::HashMap;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

/// Connections to the embedded broker; a single machine's site, not a region's.
const CONNECTIONS_MAX: usize = 2_000;
/// Bytes per log segment, and segments per topic filter: what a slow subscriber may lag.
const SEGMENT_BYTES_MAX: usize = 16 << 20;
const SEGMENTS_MAX: usize = 4;

/// The ports an embedded broker really listens on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listening {
    /// MQTT 5.
    pub v5: SocketAddr,
    /// MQTT 3.1.1.
    pub v4: SocketAddr,
}

/// Why the embedded broker is not there.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// The port is taken, or may not be used.
    #[error("embedded broker cannot listen on {0}: {1}")]
    Listen(SocketAddr, std::io::Error),
    /// It did not answer in time.
    #[error("embedded broker did not start on {0}")]
    Start(SocketAddr),
}

/// The broker binds by itself and does not say where, so free ports are chosen before; both are
/// held at once, or the system could give the same one twice.
fn settle(v5: SocketAddr, v4: SocketAddr) -> Result<Listening, BrokerError> {
    let bind = |wanted| TcpListener::bind(wanted).map_err(|e| BrokerError::Listen(wanted, e));
    let at = |probe: &TcpListener, wanted| probe.local_addr().map_err(|e| BrokerError::Listen(wanted, e));
    let (probe_v5, probe_v4) = (bind(v5)?, bind(v4)?);
    Ok(Listening { v5: at(&probe_v5, v5)?, v4: at(&probe_v4, v4)? })
}

fn server(name: &str, listen: SocketAddr) -> HashMap<String, ServerSettings> {
    let connections = ConnectionSettings {
        connection_timeout_ms: 5_000,
        max_payload_size: PAYLOAD_BYTES_MAX + (64 << 10),
        max_inflight_count: 100,
        auth: None,
        external_auth: None,
        dynamic_filters: true,
    };
    let settings =
        ServerSettings { name: name.to_owned(), listen, tls: None, next_connection_delay_ms: 0, connections };
    HashMap::from([(name.to_owned(), settings)])
}

/// Starts the embedded broker on its own threads; it lives as long as the process.
///
/// # Errors
/// When a port cannot be used.
pub async fn start_embedded(v5: SocketAddr, v4: SocketAddr) -> Result<Listening, BrokerError> {
    let listening = settle(v5, v4)?;
    let router = RouterConfig {
        max_connections: CONNECTIONS_MAX,
        max_outgoing_packet_count: 1_000,
        max_segment_size: SEGMENT_BYTES_MAX,
        max_segment_count: SEGMENTS_MAX,
        ..RouterConfig::default()
    };
    let config = Config {
        router,
        v5: Some(server("mqtt-5", listening.v5)),
        v4: Some(server("mqtt-3", listening.v4)),
        ..Config::default()
    };
    let mut broker = Broker::new(config);
    let thread = std::thread::Builder::new().name("broker".to_owned());
    thread
        .spawn(move || {
            if let Err(error) = broker.start() {
                tracing::error!(error = &error as &dyn std::error::Error, "embedded broker stopped");
            }
        })
        .map_err(|e| BrokerError::Listen(v5, e))?;
    for address in [listening.v5, listening.v4] {
        reachable(address).await?;
    }
    Ok(listening)
}

async fn reachable(address: SocketAddr) -> Result<(), BrokerError> {
    for _ in 0..200 {
        if tokio::net::TcpStream::connect(address).await.is_ok() {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Err(BrokerError::Start(address))
}
