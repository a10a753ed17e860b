//! The link between gateway and broker, as a TCP relay that can be cut in the two ways links die.
//!
//! *Refused*: connections are reset and new ones refused. *Half-open*: bytes stop in both
//! directions while TCP stays up, as with a radio or satellite link; bytes already taken are held
//! and thrown away when the link comes back, because the peers have given up on them by then.

use anyhow::{Context, Result};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

/// State of the link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    /// Bytes flow.
    Up,
    /// Connections are reset at once.
    Refused,
    /// Connections stay, bytes stop.
    HalfOpen,
}

/// A running relay; it stops when dropped.
#[derive(Debug)]
pub struct Relay {
    port: u16,
    link: watch::Sender<Link>,
    accepted: Arc<AtomicU64>,
    _stop: DropGuard,
}

impl Relay {
    /// Starts a relay to a port of the loopback interface.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn start(target: u16) -> Result<Relay> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.context("port for the relay")?;
        let port = listener.local_addr()?.port();
        let (link, state) = watch::channel(Link::Up);
        let accepted = Arc::new(AtomicU64::new(0));
        let stop = CancellationToken::new();
        let run = accept(listener, target, state, accepted.clone());
        tokio::spawn(stop.clone().run_until_cancelled_owned(run));
        Ok(Relay { port, link, accepted, _stop: stop.drop_guard() })
    }

    /// Where gateways connect.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Cuts or restores the link.
    pub fn set(&self, link: Link) {
        self.link.send_replace(link);
    }

    /// Connections accepted so far.
    pub fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::Relaxed)
    }
}

async fn accept(listener: TcpListener, target: u16, link: watch::Receiver<Link>, accepted: Arc<AtomicU64>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        accepted.fetch_add(1, Ordering::Relaxed);
        let link = link.clone();
        tokio::spawn(async move {
            if *link.borrow() == Link::Refused {
                return reset(&stream);
            }
            let _ = carry(stream, target, link).await;
        });
    }
}

fn reset(stream: &TcpStream) {
    // Linger 0: the peer sees a reset, not an orderly end.
    let _ = stream.set_zero_linger();
}

async fn carry(client: TcpStream, target: u16, mut link: watch::Receiver<Link>) -> Result<()> {
    let server = TcpStream::connect(("127.0.0.1", target)).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    client.set_zero_linger()?;
    server.set_zero_linger()?;
    let (client_read, client_write) = client.into_split();
    let (server_read, server_write) = server.into_split();
    let up = copy(client_read, server_write, link.clone());
    let down = copy(server_read, client_write, link.clone());
    tokio::select! {
        end = up => end,
        end = down => end,
        // Cut: everything is dropped, which resets both sides. After a half-open time the
        // connection is dead too, as after a lost radio link whose address was given away.
        _ = async {
            let _ = link.wait_for(|now| *now != Link::Up).await;
            let _ = link.wait_for(|now| *now != Link::HalfOpen).await;
        } => Ok(()),
    }
}

async fn copy(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut link: watch::Receiver<Link>) -> Result<()> {
    let mut buffer = vec![0u8; 64 * 1024];
    loop {
        link.wait_for(|now| *now == Link::Up).await?;
        let read = from.read(&mut buffer).await?;
        if read == 0 {
            return Ok(());
        }
        if *link.borrow() != Link::Up {
            // Taken by the dead link: never delivered.
            std::future::pending::<()>().await;
        }
        to.write_all(&buffer[..read]).await?;
    }
}
