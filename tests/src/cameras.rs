//! Simulated RTSP cameras, and the vision process of a gateway as an operator meets it.

use crate::process::{Program, binary};
use crate::wait::{Seen, eventually};
use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use std::io::Write;
use std::path::Path;
use std::process::{ChildStdin, Command};
use std::time::Duration;

/// A running camera simulator.
#[derive(Debug)]
pub struct Cameras {
    program: Program,
    input: ChildStdin,
    port: u16,
}

impl Cameras {
    /// Starts cameras given as `(name, what they show)`.
    ///
    /// # Errors
    /// When the simulator does not come up.
    pub async fn start(folder: &Path, cameras: &[(&str, &str)]) -> Result<Cameras> {
        let mut command = Command::new(binary("simulator-cameras")?);
        command.args(["serve", "--port", "0"]);
        for (name, show) in cameras {
            command.arg("--camera").arg(format!("{name}={show}"));
        }
        let (program, input) = Program::start_fed(folder, "cameras", &mut command)?;
        let port = eventually("the cameras are ready", Duration::from_secs(20), async || {
            program.must_run()?;
            let printed = program.printed();
            let ready = printed.lines().find_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
            Ok(match ready.and_then(|line| line["port"].as_u64()) {
                Some(port) => Seen::Yes(u16::try_from(port)?),
                None => Seen::NotYet(printed),
            })
        })
        .await?;
        Ok(Cameras { program, input, port })
    }

    /// The process.
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// Address of a camera.
    pub fn url(&self, name: &str) -> String {
        format!("rtsp://127.0.0.1:{}/{name}", self.port)
    }

    /// Gives a command; see `simulator-cameras serve --help`.
    ///
    /// # Errors
    /// When the simulator has gone.
    pub fn command(&mut self, line: &str) -> Result<()> {
        writeln!(self.input, "{line}").and_then(|()| self.input.flush()).context("the camera simulator has gone")
    }

    /// The `[evidence]` and `[[camera]]` entries of a site with these cameras; `send` is the text of
    /// `[evidence.send]`.
    pub fn site_entries(&self, evidence: &Path, send: &str, names: &[&str]) -> String {
        let evidence = evidence.display();
        let mut text = format!("[evidence]\ndir = \"{evidence}\"\nbefore_s = 3\nafter_s = 3\n\n{send}");
        for name in names {
            text.push_str(&format!(
                "[[camera]]\nid = \"{name}\"\nname = {{ zh = \"相机\", en = \"Camera\" }}\nurl = \"{}\"\nheight = 360\n\n",
                self.url(name)
            ));
        }
        text
    }
}

/// Process id of the vision process of a gateway.
///
/// # Errors
/// When there is none.
pub fn vision_pid(gateway: &Program) -> Result<Pid> {
    for task in std::fs::read_dir(format!("/proc/{}/task", gateway.id()))? {
        let children = std::fs::read_to_string(task?.path().join("children")).unwrap_or_default();
        for pid in children.split_whitespace() {
            let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
            // The kernel keeps 15 bytes of a name.
            if name.trim().starts_with("gateway-vision") {
                return pid.parse().ok().and_then(Pid::from_raw).context("pid");
            }
        }
    }
    bail!("the gateway has no vision process")
}

/// Sends a signal to the vision process of a gateway.
///
/// # Errors
/// When there is none.
pub fn signal_vision(gateway: &Program, signal: Signal) -> Result<()> {
    Ok(kill_process(vision_pid(gateway)?, signal)?)
}

/// Whether everything these tests need is installed; prints what is missing.
pub fn installed() -> bool {
    for name in ["gateway-vision", "simulator-cameras"] {
        if let Err(error) = binary(name) {
            println!("skipped: {error:#}");
            return false;
        }
    }
    true
}
