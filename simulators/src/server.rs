//! Lines into the plant: TCP listeners and serial ports.
//!
//! Invariant: the plant is locked only for one pure call, never across an `await`. One lock
//! instead of one task per device, because a slave under load answers tens of thousands of
//! requests a second and each would cost two task switches.
//! Bounded: at most [`CONNECTIONS_MAX`] connections per listener; more are reset and counted.

use crate::modbus::frame::{self, Decoded, Framing};
use crate::plant::{Outcome, Plant, Route};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};

/// Connections per listener: far more masters than a real slave has; one more is reset.
pub const CONNECTIONS_MAX: usize = 256;
/// A serial line silent for so long in the middle of a frame forgets the beginning.
const FRAME_SILENCE: Duration = Duration::from_millis(50);
/// A master that does not take its answer for so long is disconnected.
const WRITE_MAX: Duration = Duration::from_secs(10);

/// What the servers count.
#[derive(Debug, Default)]
pub struct ServerCounters {
    /// Connections accepted.
    pub connections_total: AtomicU64,
    /// Connections reset on a fault's behalf.
    pub refused_total: AtomicU64,
    /// Connections reset because there were too many.
    pub over_limit_total: AtomicU64,
}

/// The plant as its lines share it.
#[derive(Debug, Clone)]
pub struct SharedPlant {
    plant: Arc<Mutex<Plant>>,
    /// What the servers count.
    pub counters: Arc<ServerCounters>,
}

impl SharedPlant {
    /// Shares a plant.
    pub fn new(plant: Plant) -> SharedPlant {
        SharedPlant { plant: Arc::new(Mutex::new(plant)), counters: Arc::default() }
    }

    /// The plant, for one short call. A panic elsewhere does not take the slave down.
    pub fn lock(&self) -> MutexGuard<'_, Plant> {
        self.plant.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Millisecond of the UTC day, as counter devices show it.
pub fn day_ms() -> u32 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    (since.as_millis() % 86_400_000) as u32
}

/// Accepts masters until stopped.
pub async fn serve_tcp(
    listener: TcpListener,
    framing: Framing,
    route: Route,
    plant: SharedPlant,
    stop: CancellationToken,
) {
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let connections = TaskTracker::new();
    loop {
        let stream = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    warn!(error = &error as &dyn std::error::Error, "modbus accept failed");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            },
        };
        if plant.lock().refuses(route) {
            plant.counters.refused_total.fetch_add(1, Ordering::Relaxed);
            let _ = stream.set_zero_linger();
            continue;
        }
        let Ok(place) = room.clone().try_acquire_owned() else {
            plant.counters.over_limit_total.fetch_add(1, Ordering::Relaxed);
            let _ = stream.set_zero_linger();
            continue;
        };
        plant.counters.connections_total.fetch_add(1, Ordering::Relaxed);
        let _ = stream.set_nodelay(true);
        let (plant, stop) = (plant.clone(), stop.clone());
        connections.spawn(async move {
            serve_line(stream, framing, route, &plant, Line::Connection, stop).await;
            drop(place);
        });
    }
    connections.close();
    connections.wait().await;
}

/// What kind of line it is: a connection can be closed, a cable cannot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line {
    /// A TCP connection.
    Connection,
    /// A serial cable.
    Cable,
}

/// Answers the requests of one line until it ends or is stopped.
pub async fn serve_line<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    framing: Framing,
    route: Route,
    plant: &SharedPlant,
    line: Line,
    stop: CancellationToken,
) {
    tokio::select! {
        () = stop.cancelled() => {}
        ended = answer_all(&mut stream, framing, route, plant, line) => {
            if let Err(error) = ended {
                debug!(error = &error as &dyn std::error::Error, "modbus line ended");
            }
        }
    }
}

async fn answer_all<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    framing: Framing,
    route: Route,
    plant: &SharedPlant,
    line: Line,
) -> std::io::Result<()> {
    // One frame is at most 260 bytes; a master may queue a few requests.
    let mut buffer = [0u8; 2_048];
    let mut filled = 0;
    loop {
        let mut used = 0;
        loop {
            match frame::decode(framing, &buffer[used..filled]) {
                Decoded::Frame(adu, length) => {
                    used += length;
                    let answer = plant.lock().answer(route, framing, &adu, day_ms());
                    if answer.delay_ms > 0 {
                        tokio::time::sleep(Duration::from_millis(answer.delay_ms)).await;
                    }
                    match (answer.outcome, line) {
                        (Outcome::Send(adu, damage), _) => {
                            let bytes = frame::encode(framing, &adu, damage);
                            tokio::time::timeout(WRITE_MAX, stream.write_all(&bytes)).await??;
                        }
                        (Outcome::Close, Line::Connection) => return Ok(()),
                        (Outcome::Silence, _) | (Outcome::Close, Line::Cable) => {}
                    }
                }
                Decoded::Skip(bytes) => used += bytes,
                Decoded::More => break,
                Decoded::Lost => return Ok(()),
            }
        }
        buffer.copy_within(used..filled, 0);
        filled -= used;
        let read = stream.read(&mut buffer[filled..]);
        let got = if framing == Framing::Rtu && filled > 0 {
            match tokio::time::timeout(FRAME_SILENCE, read).await {
                Ok(got) => got?,
                Err(_silence) => {
                    filled = 0;
                    continue;
                }
            }
        } else {
            read.await?
        };
        if got == 0 {
            return Ok(());
        }
        filled += got;
    }
}
