//! Child processes that never outlive their test, with their output in `target/e2e/<test>/`.
//!
//! Invariant: dropping a [`Program`] kills and reaps it. Children stay in the test's process
//! group, so that a runner that kills the group (nextest on a time-out) gets them too.

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The repository.
pub fn repository() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}

/// A binary of this workspace, built beforehand by `cargo build --workspace --bins`.
///
/// # Errors
/// When it is not there.
pub fn binary(name: &str) -> Result<PathBuf> {
    let exe = std::env::current_exe()?;
    // target/debug/deps/spine-1234 -> target/debug/<name>
    let folder = exe.parent().and_then(|deps| if deps.ends_with("deps") { deps.parent() } else { Some(deps) });
    let path = folder.context("no folder above the test binary")?.join(name);
    if !path.is_file() {
        bail!("{} is missing: run `cargo build --workspace --bins` first", path.display());
    }
    Ok(path)
}

/// An empty folder for one test: `target/e2e/<test>/`.
///
/// # Errors
/// When it cannot be made.
pub fn scratch(test: &str) -> Result<PathBuf> {
    let folder = repository().join("target/e2e").join(test);
    match fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// A TCP port of the loopback interface that was free a moment ago.
///
/// # Errors
/// When there is none.
pub fn free_port() -> Result<u16> {
    Ok(std::net::TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

/// A running child.
#[derive(Debug)]
pub struct Program {
    name: String,
    id: u32,
    child: Mutex<Child>,
    log: PathBuf,
}

impl Program {
    /// Starts `command`; its output goes to `<folder>/<name>.log`, appended.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(folder: &Path, name: &str, command: &mut Command) -> Result<Program> {
        Program::spawn(folder, name, command.stdin(Stdio::null())).map(|(program, _)| program)
    }

    /// The same for a program that takes commands on its standard input.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start_fed(folder: &Path, name: &str, command: &mut Command) -> Result<(Program, ChildStdin)> {
        let (program, input) = Program::spawn(folder, name, command.stdin(Stdio::piped()))?;
        Ok((program, input.context("no standard input")?))
    }

    fn spawn(folder: &Path, name: &str, command: &mut Command) -> Result<(Program, Option<ChildStdin>)> {
        let log = folder.join(format!("{name}.log"));
        let out = File::options().create(true).append(true).open(&log)?;
        let mut child = command
            .stdout(out.try_clone()?)
            .stderr(out)
            .spawn()
            .with_context(|| format!("start {name}: {command:?}"))?;
        let (id, input) = (child.id(), child.stdin.take());
        Ok((Program { name: name.to_owned(), id, child: Mutex::new(child), log }, input))
    }

    fn child(&self) -> MutexGuard<'_, Child> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pid(&self) -> Result<Pid> {
        i32::try_from(self.id).ok().and_then(Pid::from_raw).context("pid")
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Where its output goes.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// What it has printed so far.
    pub fn printed(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Whether it still runs; its status when not.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn ended(&self) -> Result<Option<ExitStatus>> {
        Ok(self.child().try_wait()?)
    }

    /// Fails with the end of its output if it has ended.
    ///
    /// # Errors
    /// When it has ended.
    pub fn must_run(&self) -> Result<()> {
        match self.ended()? {
            None => Ok(()),
            Some(status) => bail!("{} ended by itself ({status}); it last printed:\n{}", self.name, self.tail()),
        }
    }

    /// The last lines of its output.
    pub fn tail(&self) -> String {
        let text = self.printed();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(25)..].join("\n")
    }

    /// `kill -9`, and waits until it is gone.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn kill_9(&self) -> Result<()> {
        let mut child = self.child();
        child.kill()?;
        child.wait()?;
        Ok(())
    }

    /// Sends a signal.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        Ok(kill_process(self.pid()?, signal)?)
    }

    /// Asks it to end (SIGTERM) and waits.
    ///
    /// # Errors
    /// When it has not ended within the time; it is killed then.
    pub fn stop(&self, within: Duration) -> Result<ExitStatus> {
        self.signal(Signal::TERM)?;
        let began = Instant::now();
        while began.elapsed() < within {
            if let Some(status) = self.ended()? {
                return Ok(status);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let tail = self.tail();
        self.kill_9()?;
        bail!("{} did not end within {within:?} of SIGTERM; it last printed:\n{tail}", self.name)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let mut child = self.child();
        let _ = child.kill();
        let _ = child.wait();
    }
}

/// Runs a command to its end and returns what it printed.
///
/// # Errors
/// When it cannot be started or fails; the message holds its output.
pub fn run(command: &mut Command) -> Result<String> {
    let out = command.stdin(Stdio::null()).output().with_context(|| format!("start {command:?}"))?;
    let text = format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    match out.status.success() {
        true => Ok(text),
        false => bail!("{command:?} failed ({}):\n{text}", out.status),
    }
}
