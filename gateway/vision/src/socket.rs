//! The socket to the gateway: standard input, both ways.

use anyhow::Context;
use minewatch_camera::message::{FromVision, ToVision, encode, take};
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A gateway that does not read for this long is gone or hung; the message waits on disk.
const WRITE_MAX: Duration = Duration::from_secs(5);

/// Opens both ends.
///
/// # Errors
/// When standard input is no socket.
pub fn open() -> anyhow::Result<(Reader, Writer)> {
    let socket = std::io::stdin().as_fd().try_clone_to_owned().context("standard input cannot be used")?;
    let socket = UnixStream::from(socket);
    socket.peer_addr().context("standard input is no socket: this program is started by `gateway run`")?;
    socket.set_write_timeout(Some(WRITE_MAX))?;
    let writer = Writer(Arc::new(Mutex::new(socket.try_clone()?)));
    Ok((Reader { socket, bytes: Vec::new() }, writer))
}

/// Receives messages.
pub struct Reader {
    socket: UnixStream,
    bytes: Vec<u8>,
}

impl Reader {
    /// The next message; `None` when the gateway has gone.
    ///
    /// # Errors
    /// When what comes is no message.
    pub fn receive(&mut self) -> anyhow::Result<Option<ToVision>> {
        let mut buffer = [0; 8_192];
        loop {
            if let Some(message) = take(&mut self.bytes)? {
                return Ok(Some(message));
            }
            match self.socket.read(&mut buffer) {
                Ok(0) | Err(_) => return Ok(None),
                Ok(got) => self.bytes.extend_from_slice(&buffer[..got]),
            }
        }
    }
}

/// Sends messages.
#[derive(Clone)]
pub struct Writer(Arc<Mutex<UnixStream>>);

impl Writer {
    /// Sends one message.
    ///
    /// # Errors
    /// When the gateway has gone.
    pub fn send(&self, message: &FromVision) -> anyhow::Result<()> {
        let mut socket = self.0.lock().map_err(|_| anyhow::anyhow!("a sender panicked"))?;
        socket.write_all(&encode(message)).context("the gateway has gone")
    }
}
