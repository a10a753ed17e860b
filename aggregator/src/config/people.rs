//! Settings of people, TLS and audit, collecting every problem.

use super::check::secret;
use super::{Raw, Tls};
use crate::people::policy::{LocalSignIn, Policy, SecondFactor};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

fn within(key: &str, value: Option<u32>, default: u32, (least, most): (u32, u32), problems: &mut Vec<String>) -> u32 {
    let value = value.unwrap_or(default);
    if !(least..=most).contains(&value) {
        problems.push(format!("{key}: {value} must be {least} to {most}"));
    }
    value
}

/// Files of ours stand beside the database, or where we run.
pub(super) fn beside(store: &str, name: &str) -> PathBuf {
    let file = store.strip_prefix("sqlite:").map(|rest| rest.strip_prefix("//").unwrap_or(rest));
    let folder = file.map(Path::new).and_then(Path::parent).unwrap_or(Path::new(""));
    folder.join(name)
}

/// The rules for people.
pub(super) fn policy(raw: &Raw, store: &str, tls: bool, problems: &mut Vec<String>) -> Policy {
    let people = &raw.people;
    let second_factor = match people.second_factor.as_deref() {
        None | Some("administrators") => SecondFactor::Administrators,
        Some("optional") => SecondFactor::Optional,
        Some("everyone") => SecondFactor::Everyone,
        Some(other) => {
            problems.push(format!(
                "people.second_factor: {other:?} must be \"optional\", \"administrators\" or \"everyone\""
            ));
            SecondFactor::Everyone
        }
    };
    let local = match people.local_sign_in.as_deref() {
        None | Some("everyone") => LocalSignIn::Everyone,
        Some("break_glass") => LocalSignIn::BreakGlass,
        Some(other) => {
            problems.push(format!("people.local_sign_in: {other:?} must be \"everyone\" or \"break_glass\""));
            LocalSignIn::BreakGlass
        }
    };
    let public_url = raw.http.public_url.as_deref().map(|url| url.trim_end_matches('/').to_owned());
    let sound = |url: &String| {
        url.split_once("://")
            .is_some_and(|(s, rest)| matches!(s, "http" | "https") && !rest.is_empty() && !rest.contains('/'))
    };
    if public_url.as_ref().is_some_and(|url| !sound(url)) {
        problems.push("http.public_url: must be an origin such as https://mine.example, without a path".to_owned());
    }
    let proxy = raw.http.proxy.as_deref().map(|text| {
        text.parse().unwrap_or_else(|_| {
            problems.push(format!("http.proxy: {text:?} is not an IP address"));
            std::net::IpAddr::from([127, 0, 0, 1])
        })
    });
    let days = people.password_days.unwrap_or(0);
    let idle = within("people.session_idle_min", people.session_idle_min, 30, (1, 1_440), problems);
    let hours = within("people.session_max_h", people.session_max_h, 12, (1, 168), problems);
    Policy {
        second_factor,
        local,
        three_administrators: people.three_administrators.unwrap_or(false),
        idle_ms: i64::from(idle) * 60_000,
        session_ms: i64::from(hours) * 3_600_000,
        sessions_max: i64::from(within("people.sessions_max", people.sessions_max, 5, (1, 100), problems)),
        password_days: (days > 0).then_some(days),
        token_days_max: within("people.token_days_max", people.token_days_max, 365, (1, 3_650), problems),
        setup_token_file: people.setup_token_file.clone().unwrap_or_else(|| beside(store, "minewatch.setup-token")),
        secret_key_file: people.secret_key_file.clone().unwrap_or_else(|| beside(store, "minewatch.secret-key")),
        provider: None,
        secure: tls || public_url.as_deref().is_some_and(|url| url.starts_with("https://")),
        public_url,
        proxy,
    }
}

/// Certificate and key of our own TLS.
pub(super) fn tls(raw: &Raw, problems: &mut Vec<String>) -> Option<Tls> {
    let (cert, key) = match (&raw.http.cert_file, &raw.http.key_file) {
        (Some(cert), Some(key)) => (cert, key),
        (None, None) => return None,
        (Some(_), None) | (None, Some(_)) => {
            problems.push("http: cert_file and key_file belong together; only one is given".to_owned());
            return None;
        }
    };
    let chain = secret("http.cert_file", cert, problems)?;
    let key_text = private_key("http.key_file", key, problems)?;
    match server(chain.as_bytes(), key_text.as_bytes()) {
        Ok(config) => Some(Tls(Arc::new(config))),
        Err(why) => {
            problems.push(format!("http.cert_file, http.key_file: {why}"));
            None
        }
    }
}

/// A private key, from a file that others cannot read.
pub(super) fn private_key(key: &str, file: &Path, problems: &mut Vec<String>) -> Option<String> {
    match crate::identity::SecretFile::read(file) {
        Ok(text) => Some(text),
        Err(error) => {
            problems.push(format!("{key}: {error:#}"));
            None
        }
    }
}

fn server(chain: &[u8], key: &[u8]) -> Result<ServerConfig, String> {
    let chain: Vec<CertificateDer<'static>> =
        CertificateDer::pem_slice_iter(chain).collect::<Result<_, _>>().map_err(|e| e.to_string())?;
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|e| e.to_string())?;
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .map_err(|e| e.to_string())?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}
