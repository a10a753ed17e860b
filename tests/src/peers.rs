//! Modbus slaves by other people: pymodbus (in the virtual environment made by the set-up step)
//! and libmodbus (compiled from `peers/libmodbus_slave.c`), over TCP and over a serial line.

use crate::process::{Program, free_port, repository, run};
use crate::wait::{eventually, when};
use anyhow::{Result, ensure};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Whose slave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Maker {
    /// pymodbus.
    Pymodbus,
    /// libmodbus.
    Libmodbus,
}

/// The registers both slaves show: quantity, register, type, order, value.
pub const SHOWN: [(&str, u16, &str, &str, f64); 5] = [
    ("word", 0, "u16", "ABCD", 4_660.0),
    ("float-abcd", 2, "f32", "ABCD", 3.25),
    ("float-cdab", 4, "f32", "CDAB", -12.5),
    ("int-dcba", 6, "i32", "DCBA", -70_000.0),
    ("long-badc", 8, "u32", "BADC", 305_419_896.0),
];

/// The program that runs a slave, built if need be.
fn command(folder: &Path, maker: Maker) -> Result<Command> {
    let peers = repository().join("tests/peers");
    match maker {
        Maker::Pymodbus => {
            let python = repository().join(".cache/venv/bin/python");
            ensure!(python.is_file(), "{} is missing: run `make setup-full`", python.display());
            let mut command = Command::new(python);
            command.arg("-B").arg(peers.join("pymodbus_slave.py"));
            Ok(command)
        }
        Maker::Libmodbus => {
            let program = folder.join("libmodbus_slave");
            let flags = run(Command::new("pkg-config").args(["--cflags", "--libs", "libmodbus"]))?;
            run(Command::new("gcc")
                .args(["-O1", "-Wall", "-Werror", "-o"])
                .arg(&program)
                .arg(peers.join("libmodbus_slave.c"))
                .args(flags.split_whitespace()))?;
            Ok(Command::new(program))
        }
    }
}

/// Starts a slave on a TCP port of its own.
///
/// # Errors
/// When the peer is missing or does not come up.
pub async fn tcp(folder: &Path, maker: Maker) -> Result<(Program, u16)> {
    let port = free_port()?;
    let slave =
        Program::start(folder, &format!("{maker:?}-tcp"), command(folder, maker)?.args(["tcp", &port.to_string()]))?;
    eventually("the slave is ready", Duration::from_secs(15), async || {
        slave.must_run()?;
        Ok(when(slave.printed().contains("ready"), slave.printed()))
    })
    .await?;
    Ok((slave, port))
}

/// A serial line made of two pseudo-terminals.
#[derive(Debug)]
pub struct Line {
    /// Keeps the line up.
    pub socat: Program,
    /// The gateway's end.
    pub ours: PathBuf,
    /// The slave's end.
    pub theirs: PathBuf,
}

/// Makes a serial line.
///
/// # Errors
/// When socat is missing or fails.
pub async fn line(folder: &Path, name: &str) -> Result<Line> {
    let (ours, theirs) = (folder.join(format!("{name}-ours")), folder.join(format!("{name}-theirs")));
    let end = |path: &Path| format!("pty,raw,echo=0,link={}", path.display());
    let socat =
        Program::start(folder, &format!("{name}-socat"), Command::new("socat").args([end(&ours), end(&theirs)]))?;
    eventually("both ends of the line are there", Duration::from_secs(5), async || {
        Ok(when(ours.exists() && theirs.exists(), "not there"))
    })
    .await?;
    Ok(Line { socat, ours, theirs })
}

/// Starts a slave at its end of a serial line.
///
/// # Errors
/// When the peer is missing or does not come up.
pub async fn rtu(folder: &Path, maker: Maker, line: &Line) -> Result<Program> {
    let mut command = command(folder, maker)?;
    let slave = Program::start(folder, &format!("{maker:?}-rtu"), command.arg("rtu").arg(&line.theirs))?;
    eventually("the slave is ready", Duration::from_secs(15), async || {
        slave.must_run()?;
        Ok(when(slave.printed().contains("ready"), slave.printed()))
    })
    .await?;
    Ok(slave)
}
