//! From text to [`Config`], collecting every problem.

use super::rules::rules;
use super::{BrokerMode, Config, Raw, credentials};
use crate::broker::BrokerAddress;
use crate::notify::NotifyConfig;
use crate::regulator::RegulatorConfig;
use crate::sparkplug::SparkplugConfig;
use minewatch_domain::GatewayId;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

/// Every key there is; anything else is refused by name.
const KEYS: &[(&str, &[&str])] = &[
    (
        "broker",
        &[
            "mode",
            "listen",
            "listen_v4",
            "url",
            "ca_file",
            "cert_file",
            "key_file",
            "username",
            "password_file",
            "shared_group",
        ],
    ),
    ("store", &["url", "url_file", "keep_days"]),
    ("http", &["listen", "read_token_file", "cert_file", "key_file", "public_url", "proxy"]),
    (
        "people",
        &[
            "second_factor",
            "three_administrators",
            "session_idle_min",
            "session_max_h",
            "sessions_max",
            "password_days",
            "token_days_max",
            "local_sign_in",
            "setup_token_file",
            "secret_key_file",
        ],
    ),
    ("audit", &["key_file"]),
    ("log", &["format"]),
    ("risk", &["rules_folder"]),
    ("alarms", &["latch_red", "rearm_hours", "shelve_hours_max", "out_of_service_days_max"]),
    ("cases", &["level_min", "reopen_days", "font_file", "deadlines"]),
];

/// Sections that are read, and checked, where they are used.
const OWN_CHECK: &[&str] = &["notify", "sparkplug", "regulator", "evidence", "oidc", "identity", "sink", "feeds"];

/// Shortest read token accepted.
const TOKEN_BYTES_MIN: usize = 16;

fn unknown_keys(table: &toml::Table, problems: &mut Vec<String>) {
    for (key, value) in table {
        let section = KEYS.iter().find(|(name, _)| name == key);
        match (section, value) {
            (Some((_, known)), toml::Value::Table(inner)) => {
                let strange = inner.keys().filter(|inner| !known.contains(&inner.as_str()));
                problems.extend(strange.map(|k| format!("{key}.{k}: unknown key; known: {}", known.join(", "))));
            }
            (Some(_), _) => problems.push(format!("{key}: must be a section [{key}]")),
            // Sections with lists of tables check their own keys.
            (None, toml::Value::Table(_)) if OWN_CHECK.contains(&key.as_str()) => {}
            (None, _) if key == "name" => {}
            (None, _) => {
                let known: Vec<&str> = KEYS.iter().map(|(name, _)| *name).chain(OWN_CHECK.iter().copied()).collect();
                problems.push(format!("{key}: unknown key; known: name, {}", known.join(", ")));
            }
        }
    }
}

/// Certificates, and the folder of business rules.
fn last(
    identity: Option<toml::Table>,
    rules: Option<std::path::PathBuf>,
    problems: &mut Vec<String>,
) -> (Option<crate::identity::IdentityConfig>, Option<std::path::PathBuf>) {
    (crate::identity::parse(identity, problems), risk_rules(rules, problems))
}

/// Rules that do not compile are named here, and not when a warning is missed.
fn risk_rules(folder: Option<std::path::PathBuf>, problems: &mut Vec<String>) -> Option<std::path::PathBuf> {
    let folder = folder?;
    let (rules, _, faults) =
        crate::risk::load(Some(&folder)).compile(&minewatch_risk::dictionary::Dictionary::shipped());
    problems.extend(faults.iter().map(|fault| format!("risk.rules_folder: {fault}")));
    if rules.is_empty() {
        problems.push(format!("risk.rules_folder: {} has no rules", folder.display()));
    }
    Some(folder)
}

fn address(key: &str, text: Option<&str>, default: &str, problems: &mut Vec<String>) -> SocketAddr {
    let text = text.unwrap_or(default);
    text.parse().unwrap_or_else(|_| {
        problems.push(format!("{key}: {text:?} is not an address and port such as {default}"));
        SocketAddr::from(([127, 0, 0, 1], 0))
    })
}

fn broker(raw: &Raw, problems: &mut Vec<String>) -> BrokerMode {
    let section = &raw.broker;
    let mode = section.mode.as_deref().unwrap_or(if section.url.is_some() { "external" } else { "embedded" });
    match mode {
        "embedded" => {
            if section.url.is_some() {
                problems.push("broker.url: belongs to mode \"external\", but mode is \"embedded\"".to_owned());
            }
            let v5 = address("broker.listen", section.listen.as_deref(), "127.0.0.1:18830", problems);
            let v4 = address("broker.listen_v4", section.listen_v4.as_deref(), "127.0.0.1:18840", problems);
            for (key, listen) in [("broker.listen", v5), ("broker.listen_v4", v4)] {
                if !listen.ip().is_loopback() {
                    problems.push(format!(
                        "{key}: {listen} is not loopback; the embedded broker has no topic rights and would let \
                         anyone speak for any gateway. Use an external MQTT 5 broker (broker.url) for other machines"
                    ));
                }
            }
            if v5 == v4 && v5.port() != 0 {
                problems.push(format!("broker.listen_v4: {v4} is already used by broker.listen"));
            }
            BrokerMode::Embedded { v5, v4 }
        }
        "external" => {
            let Some(url) = &section.url else {
                problems.push("broker.url: missing; mode \"external\" needs it".to_owned());
                return BrokerMode::Embedded { v5: ([127, 0, 0, 1], 0).into(), v4: ([127, 0, 0, 1], 0).into() };
            };
            match BrokerAddress::parse(url) {
                Ok(address) => {
                    if !address.tls && (section.ca_file.is_some() || section.cert_file.is_some()) {
                        problems.push("broker.url: certificates are given, so it must be mqtts://".to_owned());
                    }
                    if address.tls && section.ca_file.is_none() && section.cert_file.is_some() {
                        problems.push("broker.ca_file: needed together with cert_file".to_owned());
                    }
                    BrokerMode::External(BrokerAddress { credentials: credentials(section, problems), ..address })
                }
                Err(why) => {
                    problems.push(format!("broker.url: {why}"));
                    BrokerMode::Embedded { v5: ([127, 0, 0, 1], 0).into(), v4: ([127, 0, 0, 1], 0).into() }
                }
            }
        }
        other => {
            problems.push(format!("broker.mode: {other:?} must be \"embedded\" or \"external\""));
            BrokerMode::Embedded { v5: ([127, 0, 0, 1], 0).into(), v4: ([127, 0, 0, 1], 0).into() }
        }
    }
}

pub(crate) fn secret(key: &str, file: &Path, problems: &mut Vec<String>) -> Option<String> {
    match std::fs::read_to_string(file) {
        Ok(text) => Some(text.trim().to_owned()),
        Err(error) => {
            problems.push(format!("{key}: {}: {error}", file.display()));
            None
        }
    }
}

fn log_json(format: Option<&str>, problems: &mut Vec<String>) -> bool {
    match format {
        None | Some("text") => false,
        Some("json") => true,
        Some(other) => {
            problems.push(format!("log.format: {other:?} must be \"text\" or \"json\""));
            false
        }
    }
}

/// The sections about what leaves headquarters; they check their own keys.
fn outward(
    notify: Option<toml::Table>,
    sparkplug: Option<toml::Table>,
    regulator: Option<toml::Table>,
    problems: &mut Vec<String>,
) -> (Arc<NotifyConfig>, SparkplugConfig, RegulatorConfig) {
    let notify = Arc::new(crate::notify::settings::parse(notify, problems));
    let sparkplug = crate::sparkplug::settings::parse(sparkplug, problems);
    let reach = (notify.guard.clone(), notify.ca.clone());
    let regulator = crate::regulator::settings::parse(regulator, reach, problems);
    (notify, sparkplug, regulator)
}

/// What [`beside`] gives.
type Beside =
    (Option<crate::evidence::EvidenceConfig>, Option<Arc<crate::feeds::FeedsConfig>>, Option<crate::sink::SinkConfig>);

/// The sections about what comes in and goes out beside the broker; they check their own keys.
fn beside(
    evidence: Option<toml::Table>,
    feeds: Option<toml::Table>,
    sink: Option<toml::Table>,
    problems: &mut Vec<String>,
) -> Beside {
    let evidence = crate::evidence::settings::parse(evidence, problems);
    let feeds = crate::feeds::settings::parse(feeds, problems);
    (evidence, feeds, crate::sink::parse(sink, problems))
}

fn store(raw: &Raw, problems: &mut Vec<String>) -> String {
    let store = match (&raw.store.url, &raw.store.url_file) {
        (Some(_), Some(_)) => {
            problems.push("store: url and url_file exclude each other".to_owned());
            String::new()
        }
        (Some(url), None) => url.clone(),
        (None, Some(file)) => secret("store.url_file", file, problems).unwrap_or_default(),
        (None, None) => "sqlite:minewatch.db".to_owned(),
    };
    if !(store.is_empty() || store.starts_with("sqlite:") || store.starts_with("postgres")) {
        problems.push("store.url: must be sqlite:FILE or postgres://user@host/database".to_owned());
    }
    store
}

/// Reads and checks all settings.
pub(super) fn config(text: &str) -> Result<Config, Vec<String>> {
    let table: toml::Table = text.parse().map_err(|e: toml::de::Error| vec![format!("not TOML: {e}")])?;
    let mut problems = Vec::new();
    unknown_keys(&table, &mut problems);
    let raw: Raw = table.try_into().map_err(|e: toml::de::Error| [&problems[..], &[e.to_string()]].concat())?;
    let name = raw.name.clone().unwrap_or_else(|| "hq".to_owned());
    if GatewayId::parse(&name).is_err() {
        problems.push(format!("name: {name:?} must be 1 to 64 of a-z, 0-9, '-', '_', '.'"));
    }
    let broker = broker(&raw, &mut problems);
    let shared_group = raw.broker.shared_group.clone();
    if shared_group.as_deref().is_some_and(|group| GatewayId::parse(group).is_err()) {
        problems.push("broker.shared_group: must be 1 to 64 of a-z, 0-9, '-', '_', '.'".to_owned());
    }
    let store = store(&raw, &mut problems);
    let keep_days = raw.store.keep_days.unwrap_or(400);
    if keep_days > 36_500 {
        problems.push(format!("store.keep_days: {keep_days} is more than a hundred years; 0 keeps for ever"));
    }
    let http = address("http.listen", raw.http.listen.as_deref(), "127.0.0.1:18080", &mut problems);
    let read_token = raw.http.read_token_file.as_deref().and_then(|f| secret("http.read_token_file", f, &mut problems));
    if read_token.as_ref().is_some_and(|token| token.len() < TOKEN_BYTES_MIN) {
        problems.push(format!("http.read_token_file: the token must have at least {TOKEN_BYTES_MIN} characters"));
    }
    let tls = super::people::tls(&raw, &mut problems);
    let mut policy = super::people::policy(&raw, &store, raw.http.cert_file.is_some(), &mut problems);
    policy.provider = crate::people::oidc::settings::parse(raw.oidc, policy.public_url.as_deref(), &mut problems);
    let audit_key = raw.audit.key_file.clone().unwrap_or_else(|| super::people::beside(&store, "minewatch.audit-key"));
    if !http.ip().is_loopback() && !policy.secure {
        problems.push(format!(
            "http.listen: {http} is not loopback and passwords would cross the network in the clear; give \
             http.cert_file and http.key_file, or http.public_url = \"https://...\" behind a proxy that ends TLS"
        ));
    }
    let log_json = log_json(raw.log.format.as_deref(), &mut problems);
    let rules = std::sync::Arc::new(rules(&raw.alarms, &raw.cases, &mut problems));
    let (notify, sparkplug, regulator) = outward(raw.notify, raw.sparkplug, raw.regulator, &mut problems);
    let (evidence, feeds, sink) = beside(raw.evidence, raw.feeds, raw.sink, &mut problems);
    let (identity, risk_rules) = last(raw.identity, raw.risk.rules_folder, &mut problems);
    match problems.is_empty() {
        true => Ok(Config {
            risk_rules,
            evidence,
            feeds,
            identity,
            sink,
            sparkplug,
            regulator,
            name,
            broker,
            shared_group,
            store,
            keep_days: (keep_days > 0).then_some(keep_days),
            http,
            read_token,
            notify,
            rules,
            policy,
            tls,
            audit_key,
            log_json,
        }),
        false => Err(problems),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_settings_everything_is_embedded_and_on_loopback() {
        let config = config("").expect("defaults");
        assert!(config.http.ip().is_loopback());
        assert!(matches!(config.broker, BrokerMode::Embedded { v5, v4 } if v5.port() == 18830 && v4.port() == 18840));
    }

    #[test]
    fn every_problem_is_named_at_once() {
        let problems = config(
            "nonsense = 1\n[broker]\nlisten = '0.0.0.0:1883'\nlisen = 1\n[http]\nlisten = '0.0.0.0:80'\n[log]\nformat = 'x'",
        )
        .expect_err("four problems");
        for place in ["nonsense:", "broker.lisen:", "broker.listen:", "http.listen:", "log.format:"] {
            assert!(problems.iter().any(|p| p.starts_with(place)), "{place} in {problems:#?}");
        }
    }

    #[test]
    fn the_shipped_example_names_every_key_and_is_the_default() {
        let example = include_str!("../../aggregator.example.toml");
        assert!(config(example).is_ok(), "as shipped");
        for (section, keys) in KEYS {
            assert!(example.contains(&format!("[{section}]")), "[{section}]");
            for key in *keys {
                let table = format!("[[{section}.{key}]]");
                assert!(example.contains(&format!("{key} =")) || example.contains(&table), "{section}.{key}");
            }
        }
    }

    #[test]
    fn what_is_shown_holds_no_secret() {
        let config = config("[store]\nurl = 'postgres://me:hunter2@db/mw'").expect("good");
        assert!(!config.shown().contains("hunter2"), "{}", config.shown());
    }
}
