//! Settings: read, checked as a whole, and turned into something that can be run.
//!
//! Invariant: every problem is named at once, with where, what and why; unknown keys are refused;
//! what is printed holds no secret. All settings are optional: the defaults are the embedded
//! single-machine set-up on loopback.

mod check;
mod people;
mod rules;

pub(crate) use check::secret;
use rules::{RawAlarms, RawCases};

use crate::broker::{BrokerAddress, Credentials};
use crate::evidence::EvidenceConfig;
use crate::feeds::FeedsConfig;
use crate::identity::IdentityConfig;
use crate::notify::NotifyConfig;
use crate::people::policy::Policy;
use crate::regulator::RegulatorConfig;
use crate::rules::Rules;
use crate::sink::SinkConfig;
use crate::sparkplug::SparkplugConfig;
use serde::Deserialize;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio_rustls::rustls::ServerConfig;

/// The broker to use.
#[derive(Debug, Clone)]
pub enum BrokerMode {
    /// Our own, on loopback.
    Embedded {
        /// MQTT 5.
        v5: SocketAddr,
        /// MQTT 3.1.1, for simple subscribers.
        v4: SocketAddr,
    },
    /// Somebody else's.
    External(BrokerAddress),
}

/// Settings that can be run.
#[derive(Debug, Clone)]
pub struct Config {
    /// Name of this aggregator, part of its MQTT client ids.
    pub name: String,
    /// Broker.
    pub broker: BrokerMode,
    /// Shared-subscription group, when several aggregators share the gateways.
    pub shared_group: Option<String>,
    /// Store address, with its secrets.
    pub store: String,
    /// Readings are kept this long; `None`: for ever.
    pub keep_days: Option<u32>,
    /// Where HTTP listens.
    pub http: SocketAddr,
    /// Token every reader must show.
    pub read_token: Option<String>,
    /// Rules for people.
    pub policy: Policy,
    /// TLS of the HTTP interface.
    pub tls: Option<Tls>,
    /// The key that signs heads of the audit trail; made when it is not there.
    pub audit_key: PathBuf,
    /// Log lines as JSON.
    pub log_json: bool,
    /// Channels.
    pub notify: Arc<NotifyConfig>,
    /// The Sparkplug face.
    pub sparkplug: SparkplugConfig,
    /// Exports to regulators.
    pub regulator: RegulatorConfig,
    /// How alarms and cases behave.
    pub rules: Arc<Rules>,
    /// Clips and snapshots of gateways; `None`: none are taken.
    pub evidence: Option<EvidenceConfig>,
    /// Certificates of gateways; `None`: none are given here.
    pub identity: Option<IdentityConfig>,
    /// A time-series database that gets readings too.
    pub sink: Option<SinkConfig>,
    /// Business feeds; none without the section.
    pub feeds: Option<Arc<FeedsConfig>>,
    /// Folder of business rules instead of the shipped ones.
    pub risk_rules: Option<PathBuf>,
}

/// TLS, ready to serve.
#[derive(Clone)]
pub struct Tls(pub Arc<ServerConfig>);

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tls")
    }
}

/// What the file may say.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Raw {
    name: Option<String>,
    broker: RawBroker,
    store: RawStore,
    http: RawHttp,
    people: RawPeople,
    audit: RawAudit,
    oidc: Option<toml::Table>,
    log: RawLog,
    notify: Option<toml::Table>,
    sparkplug: Option<toml::Table>,
    regulator: Option<toml::Table>,
    alarms: RawAlarms,
    cases: RawCases,
    evidence: Option<toml::Table>,
    identity: Option<toml::Table>,
    sink: Option<toml::Table>,
    feeds: Option<toml::Table>,
    risk: RawRisk,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RawRisk {
    rules_folder: Option<PathBuf>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RawPeople {
    second_factor: Option<String>,
    three_administrators: Option<bool>,
    session_idle_min: Option<u32>,
    session_max_h: Option<u32>,
    sessions_max: Option<u32>,
    password_days: Option<u32>,
    token_days_max: Option<u32>,
    local_sign_in: Option<String>,
    setup_token_file: Option<PathBuf>,
    secret_key_file: Option<PathBuf>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RawAudit {
    key_file: Option<PathBuf>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RawBroker {
    mode: Option<String>,
    listen: Option<String>,
    listen_v4: Option<String>,
    url: Option<String>,
    ca_file: Option<PathBuf>,
    cert_file: Option<PathBuf>,
    key_file: Option<PathBuf>,
    username: Option<String>,
    password_file: Option<PathBuf>,
    shared_group: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RawStore {
    url: Option<String>,
    url_file: Option<PathBuf>,
    keep_days: Option<u32>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RawHttp {
    listen: Option<String>,
    read_token_file: Option<PathBuf>,
    cert_file: Option<PathBuf>,
    key_file: Option<PathBuf>,
    public_url: Option<String>,
    proxy: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RawLog {
    format: Option<String>,
}

impl Config {
    /// The settings of a file, or the defaults.
    ///
    /// # Errors
    /// Every problem found, each with its place.
    pub fn load(file: Option<&Path>) -> Result<Config, Vec<String>> {
        let text = match file {
            Some(path) => std::fs::read_to_string(path).map_err(|e| vec![format!("{}: {e}", path.display())])?,
            None => String::new(),
        };
        Config::parse(&text)
    }

    /// Reads settings from text.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn parse(text: &str) -> Result<Config, Vec<String>> {
        check::config(text)
    }

    /// The settings for people, without secrets.
    pub fn shown(&self) -> String {
        let broker = match &self.broker {
            BrokerMode::Embedded { v5, v4 } => format!("embedded, MQTT 5 on {v5}, MQTT 3.1.1 on {v4}"),
            BrokerMode::External(address) => {
                let login = address.credentials.login.is_some();
                let identity = address.credentials.identity.is_some();
                format!("{} (password: {login}, client certificate: {identity})", address.url())
            }
        };
        format!(
            "name: {}\nbroker: {broker}\nshared group: {}\nstore: {}\nkeep days: {}\nhttp: {} (read token: {}, tls: {})\n\
             identity provider: {}\nsecond factor: {:?}\nthree administrators: {}\naudit key: {}\nlog: {}\n{}\n\
             sparkplug: {} gateways\nregulator: {} platforms\nfeeds: {}",
            self.name,
            self.shared_group.as_deref().unwrap_or("none"),
            crate::store::shown(&self.store),
            self.keep_days.map_or("for ever".to_owned(), |days| days.to_string()),
            self.http,
            self.read_token.is_some(),
            self.tls.is_some(),
            self.policy.provider.as_ref().map_or("none", |provider| &provider.issuer),
            self.policy.second_factor,
            self.policy.three_administrators,
            self.audit_key.display(),
            if self.log_json { "json" } else { "text" },
            self.notify.shown(),
            self.sparkplug.gateways.len(),
            self.regulator.platforms.len(),
            self.feeds.as_ref().map_or(0, |feeds| feeds.feeds.len()),
        )
    }
}

/// Secrets a broker may want, read from files.
fn credentials(raw: &RawBroker, problems: &mut Vec<String>) -> Credentials {
    let mut read = |key: &str, file: &Option<PathBuf>| -> Option<Vec<u8>> {
        let file = file.as_ref()?;
        match std::fs::read(file) {
            Ok(bytes) => Some(bytes),
            Err(error) => {
                problems.push(format!("broker.{key}: {}: {error}", file.display()));
                None
            }
        }
    };
    let ca = read("ca_file", &raw.ca_file);
    let cert = read("cert_file", &raw.cert_file);
    let password = read("password_file", &raw.password_file);
    if raw.cert_file.is_some() != raw.key_file.is_some() {
        problems.push("broker: cert_file and key_file belong together; only one is given".to_owned());
    }
    if raw.username.is_some() != raw.password_file.is_some() {
        problems.push("broker: username and password_file belong together; only one is given".to_owned());
    }
    let key = raw.key_file.as_ref().and_then(|file| people::private_key("broker.key_file", file, problems));
    let key = key.map(String::into_bytes);
    let password = password.map(|bytes| String::from_utf8_lossy(&bytes).trim().to_owned());
    Credentials { ca, identity: cert.zip(key), login: raw.username.clone().zip(password) }
}
