//! A TCP relay that plays the link between a gateway and its broker.
//!
//! ```text
//! up          bytes pass
//! slow        bytes pass, each piece late by delay_ms
//! stalled     bytes stop and pass later, nothing is lost (a congested radio link)
//! half_open   bytes are swallowed, TCP stays up, new connections are accepted and get silence;
//!             leaving this state resets every connection that lived in it (a NAT that forgot)
//! refused     existing connections are reset, new ones refused: nobody listens
//! ```
//! Invariant: a connection never has a hole in its byte stream: after swallowed bytes only a
//! reset can follow. Bounded: at most [`CONNECTIONS_MAX`] connections; more are reset.

use serde::{Deserialize, Serialize};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

/// Connections per relay; one more is reset.
pub const CONNECTIONS_MAX: usize = 1_024;
/// Longest delay of a slow link: a minute.
pub const DELAY_MS_MAX: u64 = 60_000;
const PIECE_BYTES: usize = 16 * 1024;
const REBIND_PAUSE: Duration = Duration::from_millis(100);

/// What the link does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum LinkState {
    /// Bytes pass.
    Up,
    /// Bytes pass late.
    Slow {
        /// Delay of each piece, milliseconds.
        delay_ms: u64,
    },
    /// Bytes wait.
    Stalled,
    /// Bytes vanish.
    HalfOpen,
    /// Connections are reset and refused.
    Refused,
}

/// What a relay counts.
#[derive(Debug, Default)]
pub struct RelayCounters {
    /// Connections accepted.
    pub connections_total: AtomicU64,
    /// Connections reset by the link.
    pub resets_total: AtomicU64,
    /// Bytes passed from the listening side.
    pub up_bytes_total: AtomicU64,
    /// Bytes passed to the listening side.
    pub down_bytes_total: AtomicU64,
    /// Bytes swallowed while half open.
    pub swallowed_bytes_total: AtomicU64,
}

/// One relay.
#[derive(Debug)]
pub struct Relay {
    /// Where gateways connect.
    pub listen: SocketAddr,
    /// Where the bytes go, `host:port`.
    pub to: String,
    /// The link.
    pub link: watch::Sender<LinkState>,
    /// What it counts.
    pub counters: RelayCounters,
}

/// A relay as shown by the control API.
#[derive(Debug, Serialize)]
#[allow(missing_docs)]
pub struct RelayState {
    pub listen: String,
    pub to: String,
    #[serde(flatten)]
    pub link: LinkState,
    pub connections_total: u64,
    pub resets_total: u64,
    pub up_bytes_total: u64,
    pub down_bytes_total: u64,
    pub swallowed_bytes_total: u64,
}

impl Relay {
    /// A relay for a bound listener; its link is up.
    pub fn new(listen: SocketAddr, to: String) -> Relay {
        Relay { listen, to, link: watch::Sender::new(LinkState::Up), counters: RelayCounters::default() }
    }

    /// The state for the control API.
    pub fn state(&self) -> RelayState {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        RelayState {
            listen: self.listen.to_string(),
            to: self.to.clone(),
            link: *self.link.borrow(),
            connections_total: count(&self.counters.connections_total),
            resets_total: count(&self.counters.resets_total),
            up_bytes_total: count(&self.counters.up_bytes_total),
            down_bytes_total: count(&self.counters.down_bytes_total),
            swallowed_bytes_total: count(&self.counters.swallowed_bytes_total),
        }
    }
}

/// Relays until stopped.
pub async fn serve(relay: Arc<Relay>, listener: TcpListener, stop: CancellationToken) {
    let mut link = relay.link.subscribe();
    let mut listener = Some(listener);
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let connections = TaskTracker::new();
    loop {
        let state = *link.borrow_and_update();
        if state == LinkState::Refused {
            listener = None;
        } else if listener.is_none() {
            match TcpListener::bind(relay.listen).await {
                Ok(bound) => listener = Some(bound),
                Err(error) => warn!(error = &error as &dyn std::error::Error, "relay cannot listen again"),
            }
        }
        let accepted = async {
            match &listener {
                Some(listener) => listener.accept().await,
                None if state == LinkState::Refused => std::future::pending().await,
                None => {
                    tokio::time::sleep(REBIND_PAUSE).await;
                    Err(io::ErrorKind::AddrInUse.into())
                }
            }
        };
        let stream = tokio::select! {
            () = stop.cancelled() => break,
            changed = link.changed() => match changed {
                Ok(()) => continue,
                Err(_) => break,
            },
            accepted = accepted => match accepted {
                Ok((stream, _)) => stream,
                Err(_) => continue,
            },
        };
        relay.counters.connections_total.fetch_add(1, Ordering::Relaxed);
        let Ok(place) = room.clone().try_acquire_owned() else {
            reset(&relay, stream);
            continue;
        };
        let (relay, link, stop) = (relay.clone(), relay.link.subscribe(), stop.clone());
        connections.spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = carry(&relay, stream, link) => {}
            }
            drop(place);
        });
    }
    connections.close();
    connections.wait().await;
}

fn reset(relay: &Relay, stream: TcpStream) {
    relay.counters.resets_total.fetch_add(1, Ordering::Relaxed);
    let _ = stream.set_zero_linger();
}

/// Carries one connection to its end.
async fn carry(relay: &Relay, mut client: TcpStream, mut link: watch::Receiver<LinkState>) {
    let _ = client.set_nodelay(true);
    let mut broker = loop {
        let state = *link.borrow_and_update();
        match state {
            LinkState::Up | LinkState::Slow { .. } => match TcpStream::connect(&relay.to).await {
                Ok(broker) => break broker,
                Err(error) => {
                    info!(to = relay.to, error = &error as &dyn std::error::Error, "relay target refused");
                    return reset(relay, client);
                }
            },
            LinkState::Refused => return reset(relay, client),
            LinkState::Stalled => {
                if link.changed().await.is_err() {
                    return;
                }
            }
            LinkState::HalfOpen => {
                swallow(&mut client, &mut link, &relay.counters.swallowed_bytes_total).await;
                return reset(relay, client);
            }
        }
    };
    let _ = broker.set_nodelay(true);
    let ended = {
        let (client_read, client_write) = client.split();
        let (broker_read, broker_write) = broker.split();
        let counters = &relay.counters;
        let swallowed = &counters.swallowed_bytes_total;
        tokio::try_join!(
            pump(client_read, broker_write, link.clone(), &counters.up_bytes_total, swallowed),
            pump(broker_read, client_write, link, &counters.down_bytes_total, swallowed),
        )
    };
    if ended.is_err() {
        reset(relay, client);
        let _ = broker.set_zero_linger();
    }
}

/// The connection must be reset.
struct Reset;

impl From<io::Error> for Reset {
    fn from(_: io::Error) -> Reset {
        Reset
    }
}

/// Takes in bytes until the link is no longer half open.
async fn swallow<R: AsyncRead + Unpin>(from: &mut R, link: &mut watch::Receiver<LinkState>, swallowed: &AtomicU64) {
    let mut sink = [0u8; 4_096];
    let mut open = true;
    while *link.borrow_and_update() == LinkState::HalfOpen {
        tokio::select! {
            changed = link.changed() => if changed.is_err() { return },
            got = from.read(&mut sink), if open => match got {
                Ok(0) | Err(_) => open = false,
                Ok(n) => { swallowed.fetch_add(n as u64, Ordering::Relaxed); }
            },
        }
    }
}

/// Passes bytes one way. `Ok` when the sender has closed its side.
async fn pump<R: AsyncRead + Unpin, W: AsyncWrite + Unpin>(
    mut from: R,
    mut to: W,
    mut link: watch::Receiver<LinkState>,
    passed: &AtomicU64,
    swallowed: &AtomicU64,
) -> Result<(), Reset> {
    let mut buffer = vec![0u8; PIECE_BYTES];
    let (mut at, mut end, mut delayed) = (0, 0, false);
    loop {
        let state = *link.borrow_and_update();
        let delay = match state {
            LinkState::Refused => return Err(Reset),
            LinkState::HalfOpen => {
                swallowed.fetch_add((end - at) as u64, Ordering::Relaxed);
                swallow(&mut from, &mut link, swallowed).await;
                return Err(Reset);
            }
            LinkState::Stalled => {
                link.changed().await.map_err(|_| Reset)?;
                continue;
            }
            LinkState::Slow { delay_ms } => Duration::from_millis(delay_ms),
            LinkState::Up => Duration::ZERO,
        };
        if at < end && !delayed && !delay.is_zero() {
            tokio::select! {
                _ = link.changed() => continue,
                () = tokio::time::sleep(delay) => delayed = true,
            }
        }
        // `read` and `write` take bytes only when they complete, so a change of the link loses none.
        if at < end {
            tokio::select! {
                _ = link.changed() => {}
                wrote = to.write(&buffer[at..end]) => {
                    let n = wrote?;
                    passed.fetch_add(n as u64, Ordering::Relaxed);
                    at += n;
                }
            }
        } else {
            tokio::select! {
                _ = link.changed() => {}
                got = from.read(&mut buffer) => match got? {
                    0 => { to.shutdown().await?; return Ok(()); }
                    n => (at, end, delayed) = (0, n, false),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
