//! The embedded broker's own process: rumqttd, and nothing else.
//!
//! Invariant: it ends when its parent does (its standard input closes), and it ends rather than live
//! on deaf. rumqttd 0.20 keeps the wills of all connections of a listener in one mutex and panics
//! with it held when a client comes back in the very moment its old connection ends
//! (`server/broker.rs`); from then on every connection panics on the poisoned mutex. Other panics
//! cost one connection only, and are left to do so.

use minewatch_domain::wire::PAYLOAD_BYTES_MAX;
use rumqttd::{Broker, Config, ConnectionSettings, RouterConfig, ServerSettings};
use std::collections::HashMap;
use std::io::Read;
use std::net::SocketAddr;

/// Connections to the embedded broker; a single machine's site, not a region's.
const CONNECTIONS_MAX: usize = 2_000;
/// Bytes per log segment, and segments per topic filter: what a slow subscriber may lag.
const SEGMENT_BYTES_MAX: usize = 16 << 20;
const SEGMENTS_MAX: usize = 4;

/// Exit status after a panic that would have left the broker deaf (EX_SOFTWARE of sysexits.h).
const EXIT_DEAF: i32 = 70;

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

/// Runs the broker until the parent closes our standard input.
///
/// # Errors
/// When an address is not loopback, or the broker does not start.
pub fn serve(v5: SocketAddr, v4: SocketAddr) -> anyhow::Result<()> {
    anyhow::ensure!(v5.ip().is_loopback() && v4.ip().is_loopback(), "the embedded broker stays on loopback");
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        usual(panic);
        if panic.location().is_some_and(|at| at.file().ends_with("server/broker.rs")) {
            std::process::exit(EXIT_DEAF);
        }
    }));
    let router = RouterConfig {
        max_connections: CONNECTIONS_MAX,
        max_outgoing_packet_count: 1_000,
        max_segment_size: SEGMENT_BYTES_MAX,
        max_segment_count: SEGMENTS_MAX,
        ..RouterConfig::default()
    };
    let config = Config { router, v5: Some(server("mqtt-5", v5)), v4: Some(server("mqtt-3", v4)), ..Config::default() };
    std::thread::Builder::new().name("parent".to_owned()).spawn(|| {
        let mut nothing = [0; 64];
        while std::io::stdin().read(&mut nothing).is_ok_and(|count| count > 0) {}
        std::process::exit(0);
    })?;
    Broker::new(config).start().map_err(|error| anyhow::anyhow!("embedded broker: {error}"))
}
