//! mosquitto as the external broker, and `mosquitto_sub` as the subscriber at headquarters who
//! has never seen our code.

use crate::process::{self, Program};
use crate::wait::{eventually, when};
use anyhow::{Context, Result};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// A mosquitto of our own on a free port, with persistence, in a folder of the test.
#[derive(Debug)]
pub struct Mosquitto {
    folder: PathBuf,
    port: u16,
    program: Program,
}

impl Mosquitto {
    /// Starts a broker without TLS.
    ///
    /// # Errors
    /// When mosquitto is missing or does not come up.
    pub async fn start(folder: &Path) -> Result<Mosquitto> {
        Self::start_with(folder, process::free_port()?, "allow_anonymous true\n").await
    }

    /// Starts a broker that wants client certificates and gives every gateway only its own topics.
    ///
    /// # Errors
    /// When mosquitto is missing or does not come up.
    pub async fn start_tls(folder: &Path, certs: &crate::certs::Certs) -> Result<Mosquitto> {
        let acl = folder.join("acl");
        let rules = "pattern readwrite minewatch/v1/gw/%u/#\nuser aggregator\ntopic readwrite minewatch/#\n";
        fs::write(&acl, rules)?;
        let settings = format!(
            "allow_anonymous false\ncafile {}\ncertfile {}\nkeyfile {}\nrequire_certificate true\n\
             use_identity_as_username true\nuse_username_as_clientid false\nacl_file {}\n",
            certs.ca().display(),
            certs.cert("localhost").display(),
            certs.key("localhost").display(),
            acl.display(),
        );
        Self::start_with(folder, process::free_port()?, &settings).await
    }

    async fn start_with(folder: &Path, port: u16, settings: &str) -> Result<Mosquitto> {
        let config = folder.join("mosquitto.conf");
        let text = format!(
            "per_listener_settings false\nlistener {port} 127.0.0.1\n{settings}persistence true\n\
             persistence_location {}/\nuser root\nmax_queued_messages 100000\nmax_inflight_messages 200\n",
            folder.display()
        );
        fs::write(&config, text)?;
        let program = launch(folder, &config)?;
        let broker = Mosquitto { folder: folder.to_path_buf(), port, program };
        broker.wait_ready().await?;
        Ok(broker)
    }

    async fn wait_ready(&self) -> Result<()> {
        let port = self.port;
        let program = &self.program;
        eventually("mosquitto listens", Duration::from_secs(10), async || {
            program.must_run()?;
            tokio::net::TcpStream::connect(("127.0.0.1", port)).await?;
            Ok(when(true, ""))
        })
        .await
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `kill -9`: what it had not yet written is gone.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn kill_9(&self) -> Result<()> {
        self.program.kill_9()
    }

    /// Starts it again, on the same port and folder.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn restart(&mut self) -> Result<()> {
        self.program = launch(&self.folder, &self.folder.join("mosquitto.conf"))?;
        self.wait_ready().await
    }
}

fn launch(folder: &Path, config: &Path) -> Result<Program> {
    let program = ["/usr/sbin/mosquitto", "/usr/local/sbin/mosquitto"].into_iter().find(|p| Path::new(p).is_file());
    let program = program.context("mosquitto is missing: run `make setup-full`")?;
    Program::start(folder, "mosquitto", Command::new(program).arg("-c").arg(config))
}

/// A running `mosquitto_sub` that writes every message to a file.
#[derive(Debug)]
pub struct Subscriber {
    program: Program,
}

/// A message as the subscriber saw it.
#[derive(Debug, Clone)]
pub struct Message {
    /// Its topic.
    pub topic: String,
    /// Its JSON payload.
    pub body: Value,
}

impl Subscriber {
    /// Subscribes to `filter` at the broker on `port`.
    ///
    /// # Errors
    /// When `mosquitto_sub` is missing.
    pub fn start(folder: &Path, port: u16, filter: &str) -> Result<Subscriber> {
        let mut command = Command::new("mosquitto_sub");
        command.args(["-h", "127.0.0.1", "-V", "5", "-q", "1", "-v", "-t", filter, "-p"]).arg(port.to_string());
        // Reconnects by itself; unbuffered, or a short test would see nothing.
        Ok(Subscriber { program: Program::start(folder, "mosquitto_sub", &mut command)? })
    }

    /// Every whole message received so far whose topic ends in `leaf`.
    pub fn messages(&self, leaf: &str) -> Vec<Message> {
        let printed = self.program.printed();
        let whole = printed.rfind('\n').map_or("", |end| &printed[..end]);
        whole
            .lines()
            .filter_map(|line| line.split_once(' '))
            .filter(|(topic, _)| topic.ends_with(leaf))
            .filter_map(|(topic, body)| {
                Some(Message { topic: topic.to_owned(), body: serde_json::from_str(body).ok()? })
            })
            .collect()
    }
}
