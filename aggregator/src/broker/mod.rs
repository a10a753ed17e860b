//! The broker: the embedded one, and how to reach any.
//!
//! Invariant: the embedded broker has no topic rights, so it never listens beyond loopback
//! (`config` refuses that). The aggregator is an ordinary MQTT 5 client of either. The embedded one
//! runs in a child process, so that its crash is a reconnect and nothing more.

mod address;
mod burst;
pub mod child;
mod session;

pub use address::{BrokerAddress, Credentials};
pub use burst::{Burst, Settled};
pub use session::{Session, backoff};

use crate::metrics::Metrics;
use std::net::{SocketAddr, TcpListener};
use std::process::Stdio;
use std::time::Duration;
use tokio::process::{Child, Command};

/// Pause before a broker that ended is started again: long enough not to spin, short enough that
/// gateways hardly notice.
const RESTART_PAUSE: Duration = Duration::from_millis(100);

/// Looks at taken ports before giving up, [`RESTART_PAUSE`] apart.
const PORTS_TRIES: u32 = 20;

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

/// After a crash the broker of the process before may hold its ports for a moment longer.
async fn settle_patiently(v5: SocketAddr, v4: SocketAddr) -> Result<Listening, BrokerError> {
    for _ in 0..PORTS_TRIES {
        if let Ok(listening) = settle(v5, v4) {
            return Ok(listening);
        }
        tokio::time::sleep(RESTART_PAUSE).await;
    }
    settle(v5, v4)
}

/// Starts the embedded broker in a child process and keeps it running: rumqttd can panic in a way
/// that leaves it deaf for ever (see [`child`]), so it is fenced, and started again when it ends.
///
/// # Errors
/// When a port cannot be used.
pub async fn start_embedded(v5: SocketAddr, v4: SocketAddr, metrics: Metrics) -> Result<Listening, BrokerError> {
    let listening = settle_patiently(v5, v4).await?;
    let first = spawn(listening)?;
    for address in [listening.v5, listening.v4] {
        reachable(address).await?;
    }
    tokio::spawn(keep_running(first, listening, metrics));
    Ok(listening)
}

/// The child ends by itself when its standard input closes, so it never outlives this process.
fn spawn(at: Listening) -> Result<Child, BrokerError> {
    let start = || {
        Command::new(std::env::current_exe()?)
            .args(["broker", &at.v5.to_string(), &at.v4.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
    };
    start().map_err(|e| BrokerError::Listen(at.v5, e))
}

async fn keep_running(mut child: Child, at: Listening, metrics: Metrics) {
    loop {
        // Waiting would close the child's standard input, and that tells it to end.
        let lifeline = child.stdin.take();
        let ended = child.wait().await;
        drop(lifeline);
        metrics.broker_restarts.inc();
        tracing::error!(ended = ?ended, "embedded broker ended; starting it again");
        child = loop {
            tokio::time::sleep(RESTART_PAUSE).await;
            match spawn(at) {
                Ok(child) => break child,
                Err(error) => {
                    tracing::error!(error = &error as &dyn std::error::Error, "embedded broker does not start")
                }
            }
        };
    }
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
