//! Serial lines: a device path, or a pseudo-terminal made here (`pty`) for tests without cables.
//! Not here: framing (`modbus::frame`), answering (`server`).

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, Join, ReadBuf};
use tokio::net::unix::pipe;
use tokio_serial::SerialPortBuilderExt;

/// The word that asks for a pseudo-terminal instead of a path.
pub const PTY: &str = "pty";

/// An open serial line.
pub enum Cable {
    /// A device file.
    Port(tokio_serial::SerialStream),
    /// The master side of a pseudo-terminal; the slave side is kept open, so that a gateway may
    /// close and reopen it.
    Pty(Join<pipe::Receiver, pipe::Sender>, File),
}

/// Opens a path at 9600 8N1 or makes a pseudo-terminal; returns it with the path to connect to.
///
/// # Errors
/// When the port cannot be opened.
pub fn open(path: &str) -> io::Result<(Cable, String)> {
    if path == PTY {
        return open_pty();
    }
    let port = tokio_serial::new(path, 9_600).open_native_async()?;
    Ok((Cable::Port(port), path.to_owned()))
}

fn open_pty() -> io::Result<(Cable, String)> {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY)?;
    grantpt(&master)?;
    unlockpt(&master)?;
    let name = ptsname(&master, Vec::new())?;
    let name = name.into_string().map_err(|error| io::Error::other(error.to_string()))?;
    let slave = OpenOptions::new().read(true).write(true).open(&name)?;
    raw(slave.as_fd())?;
    rustix::io::ioctl_fionbio(&master, true)?;
    let writer: OwnedFd = master.try_clone()?;
    // A pty master is read and written like a pipe; the checked constructor accepts FIFOs only.
    let reader = pipe::Receiver::from_owned_fd_unchecked(master)?;
    let writer = pipe::Sender::from_owned_fd_unchecked(writer)?;
    Ok((Cable::Pty(tokio::io::join(reader, writer), slave), name))
}

/// No echo, no translation: bytes pass as they are.
fn raw(fd: impl AsFd) -> io::Result<()> {
    let mut termios = rustix::termios::tcgetattr(&fd)?;
    termios.make_raw();
    rustix::termios::tcsetattr(&fd, rustix::termios::OptionalActions::Now, &termios)?;
    Ok(())
}

impl AsyncRead for Cable {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Cable::Port(port) => Pin::new(port).poll_read(cx, buf),
            Cable::Pty(pty, _) => Pin::new(pty).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Cable {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Cable::Port(port) => Pin::new(port).poll_write(cx, buf),
            Cable::Pty(pty, _) => Pin::new(pty).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Cable::Port(port) => Pin::new(port).poll_flush(cx),
            Cable::Pty(pty, _) => Pin::new(pty).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Cable::Port(port) => Pin::new(port).poll_shutdown(cx),
            Cable::Pty(pty, _) => Pin::new(pty).poll_shutdown(cx),
        }
    }
}
