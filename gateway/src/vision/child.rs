//! One run of the vision process: started, listened to, ended.

use super::program::program;
use anyhow::Context;
use minewatch_camera::message::{FromVision, MessageError, ToVision, encode, take};
use std::os::fd::OwnedFd;
use std::process::Stdio;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::process::{Child, Command};

/// A running vision process; dropping it kills it.
pub(super) struct VisionChild {
    child: Child,
    socket: UnixStream,
    bytes: Vec<u8>,
}

/// Why nothing more comes.
#[derive(Debug, thiserror::Error)]
pub(super) enum ChildError {
    /// The process ended.
    #[error("vision process ended")]
    Ended,
    /// It says what is no message.
    #[error("vision process speaks nonsense: {0}")]
    Nonsense(#[from] MessageError),
}

impl VisionChild {
    /// Starts the process with its end of a socket pair as standard input.
    pub(super) fn start() -> anyhow::Result<VisionChild> {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair().context("no socket pair")?;
        ours.set_nonblocking(true)?;
        let child = Command::new(program()?)
            .arg("vision")
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .context("cannot start the vision process")?;
        Ok(VisionChild { child, socket: UnixStream::from_std(ours)?, bytes: Vec::new() })
    }

    /// The next message. Cancel-safe: what was read stays.
    pub(super) async fn next(&mut self) -> Result<FromVision, ChildError> {
        loop {
            if let Some(message) = take(&mut self.bytes)? {
                return Ok(message);
            }
            match self.socket.read_buf(&mut self.bytes).await {
                Ok(0) | Err(_) => return Err(ChildError::Ended),
                Ok(_) => {}
            }
        }
    }

    /// Says something.
    pub(super) async fn say(&mut self, message: &ToVision) -> Result<(), ChildError> {
        self.socket.write_all(&encode(message)).await.map_err(|_| ChildError::Ended)
    }

    /// Resident memory, bytes; `None` when the process has gone.
    pub(super) fn resident_bytes(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()?)).ok()?;
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        Some(resident.trim().trim_end_matches(" kB").parse::<u64>().ok()? << 10)
    }

    /// How the process ended, for people; kills it when it has not.
    pub(super) async fn end(mut self) -> String {
        let _ = self.child.start_kill();
        match self.child.wait().await {
            Ok(status) => status.to_string(),
            Err(error) => error.to_string(),
        }
    }
}
