//! A headquarters with its own certificate authorities and the Mosquitto configuration we ship, with
//! nothing changed but paths and ports.

use crate::process::{Program, binary, free_port, repository, run};
use crate::wait::{eventually, when};
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Authorities, certificates, and what a test needs to reach the programs.
#[derive(Debug)]
pub struct Headquarters {
    folder: PathBuf,
    gateways_port: u16,
    headquarters_port: u16,
    http_port: u16,
}

/// What a client of the broker shows: the stem of its certificate's files, or nothing.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'a>(pub Option<&'a str>);

impl Headquarters {
    /// Makes both authorities and certificates for the broker (`localhost`), an aggregator (`hq`) and a
    /// reader (`lake`).
    ///
    /// # Errors
    /// When the aggregator's command fails.
    pub fn make(folder: &Path) -> Result<Headquarters> {
        let made = Headquarters {
            folder: folder.to_path_buf(),
            gateways_port: free_port()?,
            headquarters_port: free_port()?,
            http_port: free_port()?,
        };
        fs::write(folder.join("read-token"), crate::aggregator::READ_TOKEN)?;
        fs::write(made.settings(), made.text(""))?;
        made.ca(&["init"])?;
        made.issue("localhost", "server", &["--host", "127.0.0.1"])?;
        made.issue("hq", "service", &[])?;
        made.issue("lake", "reader", &[])?;
        fs::write(made.settings(), made.text(&made.served()))?;
        Ok(made)
    }

    /// The aggregator's settings file.
    pub fn settings(&self) -> PathBuf {
        self.folder.join("hq.toml")
    }

    /// Port of the gateways' listener.
    pub fn gateways_port(&self) -> u16 {
        self.gateways_port
    }

    /// Port of headquarters' listener.
    pub fn headquarters_port(&self) -> u16 {
        self.headquarters_port
    }

    /// Address of the aggregator's HTTPS.
    pub fn url(&self) -> String {
        format!("https://localhost:{}", self.http_port)
    }

    /// Port of the aggregator's HTTPS.
    pub fn http_port(&self) -> u16 {
        self.http_port
    }

    fn served(&self) -> String {
        let (here, port) = (self.folder.display(), self.headquarters_port);
        format!(
            "cert_file = \"{here}/localhost.pem\"\nkey_file = \"{here}/localhost.key\"\n\
             read_token_file = \"{here}/read-token\"\n\
             [broker]\nurl = \"mqtts://localhost:{port}\"\nca_file = \"{here}/ca/headquarters/ca.pem\"\n\
             cert_file = \"{here}/hq.pem\"\nkey_file = \"{here}/hq.key\"\n"
        )
    }

    fn text(&self, more: &str) -> String {
        let (here, http, port) = (self.folder.display(), self.http_port, self.gateways_port);
        format!(
            "[store]\nurl = \"sqlite:{here}/hq.db\"\n[identity]\ndir = \"{here}/ca\"\n\
             broker_url = \"mqtts://localhost:{port}\"\n[http]\nlisten = \"127.0.0.1:{http}\"\n{more}"
        )
    }

    /// `aggregator ca …`; returns what it printed.
    ///
    /// # Errors
    /// When it fails.
    pub fn ca(&self, arguments: &[&str]) -> Result<String> {
        run(Command::new(binary("aggregator")?).arg("ca").args(arguments).arg("--config").arg(self.settings()))
    }

    /// Makes `<name>.key` and `<name>.pem` in the test's folder.
    ///
    /// # Errors
    /// When it fails.
    pub fn issue(&self, name: &str, role: &str, more: &[&str]) -> Result<()> {
        let out = self.folder.display().to_string();
        self.ca(&[&["issue", name, "--role", role, "--out", &out], more].concat()).map(drop)
    }

    /// A one-time code for a gateway.
    ///
    /// # Errors
    /// When it fails.
    pub fn code(&self, gateway: &str) -> Result<String> {
        let settings = self.settings();
        let printed = run(Command::new(binary("aggregator")?).args(["enrol-code", gateway, "--config"]).arg(settings))?;
        Ok(printed.lines().next().context("a code")?.to_owned())
    }

    /// SHA-256 of headquarters' authority, as openssl says it.
    ///
    /// # Errors
    /// When `openssl` fails.
    pub fn fingerprint(&self) -> Result<String> {
        let ca = self.folder.join("ca/headquarters/ca.pem");
        let printed = run(Command::new("openssl").args(["x509", "-noout", "-fingerprint", "-sha256", "-in"]).arg(ca))?;
        Ok(printed.trim().rsplit('=').next().unwrap_or_default().to_owned())
    }

    /// Writes what the broker reads: certificates, revocation lists and rights.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn give_broker(&self) -> Result<PathBuf> {
        let etc = self.folder.join("mosquitto");
        fs::create_dir_all(&etc)?;
        for authority in ["gateways", "headquarters"] {
            for file in ["ca", "crl"] {
                let from = self.folder.join("ca").join(authority).join(format!("{file}.pem"));
                fs::copy(from, etc.join(format!("{authority}-{file}.pem")))?;
            }
        }
        fs::copy(self.folder.join("localhost.pem"), etc.join("broker.pem"))?;
        fs::copy(self.folder.join("localhost.key"), etc.join("broker.key"))?;
        fs::write(etc.join("headquarters.acl"), self.ca(&["acl"])?)?;
        let shipped = repository().join("deploy/mosquitto");
        fs::copy(shipped.join("gateways.acl"), etc.join("gateways.acl"))?;
        let text = fs::read_to_string(shipped.join("minewatch.conf"))?
            .replace("/etc/mosquitto/minewatch", &etc.display().to_string())
            .replace("listener 8883\n", &format!("listener {} 127.0.0.1\n", self.gateways_port))
            .replace("listener 8884\n", &format!("listener {} 127.0.0.1\n", self.headquarters_port));
        let file = etc.join("minewatch.conf");
        fs::write(&file, format!("{text}user root\n"))?;
        Ok(file)
    }

    /// Starts Mosquitto on the shipped configuration.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn broker(&self) -> Result<Program> {
        let file = self.give_broker()?;
        let program = Program::start(&self.folder, "broker", Command::new("/usr/sbin/mosquitto").arg("-c").arg(file))?;
        listens(&program, self.gateways_port).await?;
        listens(&program, self.headquarters_port).await?;
        Ok(program)
    }

    /// Starts the aggregator and waits until it listens.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn aggregator(&self) -> Result<Program> {
        let mut command = Command::new(binary("aggregator")?);
        let program =
            Program::start(&self.folder, "aggregator", command.arg("run").arg("--config").arg(self.settings()))?;
        listens(&program, self.http_port).await?;
        Ok(program)
    }

    /// GETs from the aggregator over TLS with the read token; the body as text.
    ///
    /// # Errors
    /// When there is no good answer.
    pub async fn get(&self, path: &str) -> Result<String> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let pem = fs::read(self.folder.join("ca/headquarters/ca.pem"))?;
        let roots = reqwest::Certificate::from_pem_bundle(&pem)?;
        let client = reqwest::Client::builder().timeout(Duration::from_secs(20)).tls_certs_only(roots).build()?;
        let asked = client.get(format!("{}{path}", self.url())).bearer_auth(crate::aggregator::READ_TOKEN);
        Ok(asked.send().await?.error_for_status()?.text().await?)
    }

    /// A client of the broker: `mosquitto_pub` or `mosquitto_sub` with a certificate. Ends within 15 s.
    ///
    /// # Errors
    /// When the program cannot be started.
    pub fn client(
        &self,
        program: &str,
        port: u16,
        Shown(who): Shown<'_>,
        arguments: &[&str],
    ) -> Result<(bool, String)> {
        let mut command = Command::new("timeout");
        command.args(["15", program, "-V", "5", "-q", "1", "-h", "localhost", "-p", &port.to_string()]);
        command.arg("--cafile").arg(self.folder.join("ca/headquarters/ca.pem"));
        if let Some(who) = who {
            command.arg("--cert").arg(self.folder.join(format!("{who}.pem")));
            command.arg("--key").arg(self.folder.join(format!("{who}.key")));
        }
        let out = command.args(arguments).output().with_context(|| program.to_owned())?;
        let text = format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
        Ok((out.status.success(), text))
    }
}

async fn listens(program: &Program, port: u16) -> Result<()> {
    eventually("it listens", Duration::from_secs(40), async || {
        program.must_run()?;
        Ok(when(tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok(), "not yet"))
    })
    .await
    .map(drop)
}
