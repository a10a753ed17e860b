//! What is configured about notifications; read and checked in `settings`. Secrets are never printed.

use super::budget::Rate;
use super::guard::Guard;
use super::mail::Protection;
use super::quiet::Quiet;
use jiff::civil::Time;
use jiff::tz::TimeZone;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use url::Url;

/// A text that is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub(crate) String);

impl Secret {
    /// The text itself, for the one place that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// A URL that may hold a secret (a robot's key): printed as its host only.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretUrl(pub(crate) Url);

impl SecretUrl {
    /// The URL itself.
    pub fn expose(&self) -> &Url {
        &self.0
    }
}

impl fmt::Debug for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}/(secret)", self.0.scheme(), self.0.host_str().unwrap_or("?"))
    }
}

/// A mail server and who it writes to.
#[derive(Debug, Clone)]
#[allow(missing_docs)]
pub struct Mail {
    pub host: String,
    pub port: u16,
    pub protection: Protection,
    pub login: Option<(String, Secret)>,
    pub from: String,
    pub to: Vec<String>,
}

/// An approved template of an SMS or voice provider.
#[derive(Debug, Clone, Default)]
#[allow(missing_docs)]
pub struct Template {
    pub code: String,
    pub sign_name: String,
    pub variables: BTreeMap<String, String>,
    pub variable_chars_max: usize,
}

/// Where and how a channel delivers.
#[derive(Debug, Clone)]
#[allow(missing_docs)]
pub enum Kind {
    WeCom { url: SecretUrl },
    DingTalk { url: SecretUrl, secret: Option<Secret> },
    Feishu { url: SecretUrl, secret: Option<Secret> },
    Email(Mail),
    Webhook { url: SecretUrl, keys: Vec<Secret> },
    Sms { url: SecretUrl, keys: Vec<Secret>, template: Template, to: Vec<String> },
    Voice { url: SecretUrl, keys: Vec<Secret>, template: Template, to: Vec<String> },
}

impl Kind {
    /// Name in the configuration and in metrics.
    pub fn name(&self) -> &'static str {
        match self {
            Kind::WeCom { .. } => "wecom",
            Kind::DingTalk { .. } => "dingtalk",
            Kind::Feishu { .. } => "feishu",
            Kind::Email(_) => "email",
            Kind::Webhook { .. } => "webhook",
            Kind::Sms { .. } => "sms",
            Kind::Voice { .. } => "voice",
        }
    }
}

/// A configured channel.
#[derive(Debug, Clone)]
#[allow(missing_docs)]
pub struct Channel {
    pub name: String,
    pub kind: Kind,
    pub rate: Option<Rate>,
    pub quiet: Option<Quiet>,
    pub fallback: Option<String>,
    pub mention_all_red: bool,
    pub self_test: bool,
}

/// How to reach a person.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Contact {
    pub email: Option<String>,
    pub phone: Option<String>,
    /// The channel this person wants to be reached by.
    pub channel: Option<String>,
}

/// Everything about notifications that is configured.
#[derive(Debug, Clone)]
pub struct NotifyConfig {
    /// Address of the console, put before links.
    pub base_url: Option<String>,
    /// Time zone of messages and quiet hours.
    pub zone: TimeZone,
    /// When channels test themselves; `None`: never.
    pub self_test: Option<Time>,
    /// Where channels may connect to.
    pub guard: Arc<Guard>,
    /// Further CA certificates, PEM.
    pub ca: Option<Vec<u8>>,
    /// Channels by name.
    pub channels: BTreeMap<String, Channel>,
    /// Contacts by person.
    pub contacts: BTreeMap<String, Contact>,
    /// Channel of notices that name none of their own ([`OWN_CHANNEL`]).
    pub default_channel: Option<String>,
}

/// What a notice says when the person's own channel is meant.
pub const OWN_CHANNEL: &str = "default";

impl Default for NotifyConfig {
    fn default() -> NotifyConfig {
        NotifyConfig {
            base_url: None,
            zone: TimeZone::UTC,
            self_test: None,
            guard: Arc::new(Guard::default()),
            ca: None,
            channels: BTreeMap::new(),
            contacts: BTreeMap::new(),
            default_channel: None,
        }
    }
}

impl NotifyConfig {
    /// The channel a notice goes through: the one named by its channel or its target (a robot), else
    /// the first of that kind. For `default`: what the person wants, else the default of the settings.
    pub fn resolve(&self, channel: &str, target: &str) -> Option<&Channel> {
        let own = || self.contacts.get(target).and_then(|contact| contact.channel.as_deref());
        let channel = match channel {
            OWN_CHANNEL => own().or(self.default_channel.as_deref()).unwrap_or(OWN_CHANNEL),
            named => named,
        };
        let of_kind = || self.channels.values().find(|c| c.kind.name() == channel);
        self.channels.get(channel).or_else(|| self.channels.get(target)).or_else(of_kind)
    }

    /// One line per channel, without secrets.
    pub fn shown(&self) -> String {
        let each = self.channels.values().map(|c| {
            let to = match &c.kind {
                Kind::WeCom { url }
                | Kind::DingTalk { url, .. }
                | Kind::Feishu { url, .. }
                | Kind::Webhook { url, .. } => {
                    format!("{url:?}")
                }
                Kind::Sms { url, .. } | Kind::Voice { url, .. } => format!("{url:?}"),
                Kind::Email(mail) => format!("{}:{}", mail.host, mail.port),
            };
            format!("\n  {} ({}): {to}, fallback {}", c.name, c.kind.name(), c.fallback.as_deref().unwrap_or("none"))
        });
        format!("notify: {} channels{}", self.channels.len(), each.collect::<String>())
    }
}
