//! Starts the real aggregator on free ports, and starts it again on the same ones.

use crate::api::Api;
use crate::process::{Program, binary, free_port};
use crate::wait::{eventually, when};
use anyhow::Result;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// How the aggregator is set up.
#[derive(Debug, Clone, Default)]
pub struct Setup {
    /// Database URL; SQLite in the test's folder when absent.
    pub store_url: Option<String>,
    /// External broker URL and further keys of `[broker]`; the embedded broker when absent.
    pub broker: Option<(String, String)>,
    /// Folder for everything it writes; `<test>/aggregator` when absent.
    pub data: Option<PathBuf>,
    /// Further sections of the settings.
    pub more: String,
    /// Further keys of `[http]`.
    pub http: String,
    /// Further keys of `[people]`.
    pub people: String,
}

/// A running aggregator.
#[derive(Debug)]
pub struct Aggregator {
    folder: PathBuf,
    config: PathBuf,
    data: PathBuf,
    mqtt_port: Option<u16>,
    api: Api,
    program: Program,
}

/// A debug build on a loaded machine needs this long to open its store and its broker.
const READY_WITHIN: Duration = Duration::from_secs(40);

impl Aggregator {
    /// Starts one and waits until it is ready.
    ///
    /// # Errors
    /// When it does not become ready.
    pub async fn start(folder: &Path, setup: &Setup) -> Result<Aggregator> {
        let data = setup.data.clone().unwrap_or_else(|| folder.join("aggregator"));
        fs::create_dir_all(&data)?;
        let http_port = free_port()?;
        let ports = if setup.broker.is_none() { Some((free_port()?, free_port()?)) } else { None };
        let config = folder.join("aggregator.toml");
        fs::write(folder.join("read-token"), READ_TOKEN)?;
        fs::write(&config, config_text(folder, &data, http_port, ports, setup))?;
        let program = launch(folder, &config)?;
        let api = Api::new(http_port)?.with_token(READ_TOKEN)?;
        let started = Aggregator {
            folder: folder.to_path_buf(),
            config,
            data,
            mqtt_port: ports.map(|ports| ports.0),
            api,
            program,
        };
        started.wait_ready().await?;
        Ok(started)
    }

    async fn wait_ready(&self) -> Result<()> {
        let program = &self.program;
        let api = &self.api;
        eventually("aggregator is ready", READY_WITHIN, async || {
            program.must_run()?;
            let system = api.get("/api/v1/system").await?;
            let ready = system["store"]["ok"] == true && system["broker"]["connected"] == true;
            Ok(when(ready, system))
        })
        .await
    }

    /// Its HTTP interface.
    pub fn api(&self) -> &Api {
        &self.api
    }

    /// MQTT 5 port of the embedded broker, when it runs one.
    pub fn mqtt_port(&self) -> Option<u16> {
        self.mqtt_port
    }

    /// Its configuration file.
    pub fn config(&self) -> &Path {
        &self.config
    }

    /// Folder with its store.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// The process.
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// Starts it again with the same configuration and waits until it is ready.
    ///
    /// # Errors
    /// When it does not become ready.
    pub async fn restart(&mut self) -> Result<()> {
        self.program = launch(&self.folder, &self.config)?;
        self.wait_ready().await
    }
}

fn launch(folder: &Path, config: &Path) -> Result<Program> {
    let mut command = Command::new(binary("aggregator")?);
    command.arg("run").arg("--config").arg(config).arg("--print-ready");
    Program::start(folder, "aggregator", &mut command)
}

/// The read token of every aggregator of the tests: sees everything, changes nothing.
pub const READ_TOKEN: &str = "read token of the end-to-end tests";

fn config_text(folder: &Path, data: &Path, http_port: u16, ports: Option<(u16, u16)>, setup: &Setup) -> String {
    let data = data.display();
    let store = setup.store_url.clone().unwrap_or_else(|| format!("sqlite:{data}/minewatch.db"));
    let broker = match (&setup.broker, ports) {
        (Some((url, more)), _) => format!("url = \"{url}\"\n{more}"),
        (None, Some((v5, v4))) => format!("listen = \"127.0.0.1:{v5}\"\nlisten_v4 = \"127.0.0.1:{v4}\"\n"),
        (None, None) => String::new(),
    };
    let (folder, Setup { http, people, more, .. }) = (folder.display(), setup);
    let second = if people.contains("second_factor") { "" } else { "second_factor = \"optional\"\n" };
    format!(
        "[http]\nlisten = \"127.0.0.1:{http_port}\"\nread_token_file = \"{folder}/read-token\"\n{http}\n\
         [people]\nsetup_token_file = \"{folder}/setup-token\"\nsecret_key_file = \"{folder}/secret-key\"\n{second}{people}\n\
         [audit]\nkey_file = \"{folder}/audit-key\"\n\n[store]\nurl = \"{store}\"\n\n[broker]\n{broker}\n{more}"
    )
}
