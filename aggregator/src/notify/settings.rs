//! Reads the `[notify]` section: channels, their secrets (from files only), their limits; every
//! problem is named at once, and none repeats a secret.

use super::budget::Rate;
use super::config::{Channel, Contact, Kind, Mail, NotifyConfig, Secret, SecretUrl, Template};
use super::guard::{self, Guard};
use super::mail::Protection;
use super::quiet::{Quiet, time_of_day};
use super::sign;
use jiff::tz::TimeZone;
use minewatch_domain::GatewayId;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use url::Url;

/// Channels in one configuration.
const CHANNELS_MAX: usize = 200;
/// Contacts in one configuration.
const CONTACTS_MAX: usize = 5_000;
/// Receivers of one mail or text.
const RECEIVERS_MAX: usize = 50;
/// What WeCom and DingTalk take in a minute.
const ROBOT_PER_MINUTE_MAX: usize = 20;
/// What Feishu takes in a minute.
const FEISHU_PER_MINUTE_MAX: usize = 100;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    base_url: Option<String>,
    default_channel: Option<String>,
    time_zone: Option<String>,
    self_test: Option<String>,
    #[serde(default)]
    allow_networks: Vec<String>,
    ca_file: Option<PathBuf>,
    #[serde(default)]
    channel: Vec<toml::Table>,
    #[serde(default)]
    contact: Vec<RawContact>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawContact {
    person: String,
    email: Option<String>,
    phone: Option<String>,
    channel: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RawChannel {
    name: String,
    kind: String,
    url: Option<String>,
    url_file: Option<PathBuf>,
    secret_file: Option<PathBuf>,
    secret_files: Vec<PathBuf>,
    per_minute: Option<usize>,
    reserve_red: Option<usize>,
    quiet: Option<String>,
    fallback: Option<String>,
    mention_all_red: bool,
    self_test: Option<bool>,
    host: Option<String>,
    port: Option<u16>,
    tls: Option<String>,
    username: Option<String>,
    password_file: Option<PathBuf>,
    from: Option<String>,
    to: Vec<String>,
    template: Option<String>,
    sign_name: Option<String>,
    variables: BTreeMap<String, String>,
    variable_chars_max: Option<usize>,
}

/// Problems of one place.
struct Problems<'a> {
    at: String,
    all: &'a mut Vec<String>,
}

impl Problems<'_> {
    fn say(&mut self, key: &str, what: impl fmt::Display) {
        self.all.push(format!("{}{key}: {what}", self.at));
    }

    fn file(&mut self, key: &str, path: &PathBuf) -> Option<String> {
        match std::fs::read_to_string(path) {
            Ok(text) if text.trim().is_empty() => {
                self.say(key, format_args!("{}: the file is empty", path.display()));
                None
            }
            Ok(text) => Some(text.trim().to_owned()),
            Err(error) => {
                self.say(key, format_args!("{}: {error}", path.display()));
                None
            }
        }
    }
}

/// Reads the section; every problem goes to `problems`.
pub fn parse(table: Option<toml::Table>, problems: &mut Vec<String>) -> NotifyConfig {
    let Some(table) = table else { return NotifyConfig::default() };
    let raw: Raw = match table.try_into() {
        Ok(raw) => raw,
        Err(error) => {
            problems.push(format!("notify: {}", error.to_string().trim()));
            return NotifyConfig::default();
        }
    };
    let mut p = Problems { at: "notify.".to_owned(), all: problems };
    let name = raw.time_zone.as_deref().unwrap_or("Asia/Shanghai");
    let zone = TimeZone::get(name).unwrap_or_else(|_| {
        p.say("time_zone", format_args!("{name:?} is not a time zone such as Asia/Shanghai"));
        TimeZone::UTC
    });
    let self_test = match raw.self_test.as_deref().unwrap_or("09:00") {
        "" => None,
        text => time_of_day(text).or_else(|| {
            p.say("self_test", format_args!("{text:?} must be HH:MM, or \"\" for never"));
            None
        }),
    };
    let mut allow = Vec::new();
    for text in &raw.allow_networks {
        match guard::net(text) {
            Some(net) => allow.push(net),
            None => p.say("allow_networks", format_args!("{text:?} is not a network such as 10.20.0.0/16")),
        }
    }
    if let Some(base) = &raw.base_url {
        let sound = Url::parse(base).is_ok_and(|url| matches!(url.scheme(), "https" | "http") && url.host().is_some());
        if !sound {
            p.say("base_url", format_args!("{base:?} must be https://host"));
        }
    }
    let guard = Arc::new(Guard { allow });
    let ca = raw.ca_file.as_ref().and_then(|file| p.file("ca_file", file)).map(String::into_bytes);
    let channels = channels(raw.channel, &guard, problems);
    let contacts = contacts(raw.contact, problems);
    let unknown = |name: &&String| !channels.contains_key(*name);
    if let Some(name) = raw.default_channel.as_ref().filter(unknown) {
        problems.push(format!("notify.default_channel: {name:?} is not a channel"));
    }
    for (person, contact) in &contacts {
        if let Some(name) = contact.channel.as_ref().filter(unknown) {
            problems.push(format!("notify.contact {person:?}: channel: {name:?} is not a channel"));
        }
    }
    let default_channel = raw.default_channel;
    NotifyConfig { base_url: raw.base_url, zone, self_test, guard, ca, channels, contacts, default_channel }
}

fn contacts(raw: Vec<RawContact>, problems: &mut Vec<String>) -> BTreeMap<String, Contact> {
    if raw.len() > CONTACTS_MAX {
        problems.push(format!("notify.contact: {} are more than {CONTACTS_MAX}", raw.len()));
    }
    let mut contacts = BTreeMap::new();
    for (index, contact) in raw.into_iter().take(CONTACTS_MAX).enumerate() {
        let mut p = Problems { at: format!("notify.contact[{index}]."), all: problems };
        if contact.email.as_deref().is_some_and(|email| email.parse::<lettre::message::Mailbox>().is_err()) {
            p.say("email", "not a mail address");
        }
        if contact.phone.as_deref().is_some_and(|phone| !is_phone(phone)) {
            p.say("phone", "must be + and digits, at most 20");
        }
        let entry = Contact { email: contact.email, phone: contact.phone, channel: contact.channel };
        if contacts.insert(contact.person.clone(), entry).is_some() {
            p.say("person", format_args!("{:?} is there twice", contact.person));
        }
    }
    contacts
}

fn is_phone(text: &str) -> bool {
    let digits = text.strip_prefix('+').unwrap_or(text);
    (3..=20).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit())
}

fn channels(raw: Vec<toml::Table>, guard: &Guard, problems: &mut Vec<String>) -> BTreeMap<String, Channel> {
    if raw.len() > CHANNELS_MAX {
        problems.push(format!("notify.channel: {} are more than {CHANNELS_MAX}", raw.len()));
    }
    let mut channels: BTreeMap<String, Channel> = BTreeMap::new();
    let mut names = BTreeSet::new();
    for (index, table) in raw.into_iter().take(CHANNELS_MAX).enumerate() {
        let shown = table.get("name").and_then(toml::Value::as_str).unwrap_or("").to_owned();
        let mut p = Problems { at: format!("notify.channel[{index}] {shown:?}: "), all: problems };
        let raw: RawChannel = match table.try_into() {
            Ok(raw) => raw,
            Err(error) => {
                p.say("file", error.to_string().trim());
                continue;
            }
        };
        if GatewayId::parse(&raw.name).is_err() {
            p.say("name", "must be 1 to 64 of a-z, 0-9, '-', '_', '.'");
        }
        if !names.insert(raw.name.clone()) {
            p.say("name", "is there twice");
        }
        if let Some(channel) = channel(raw, guard, &mut p) {
            channels.insert(channel.name.clone(), channel);
        }
    }
    // Not from the parsed channels: a fallback that exists but has a mistake is not a second mistake.
    for channel in channels.values() {
        if let Some(why) = bad_fallback(channel, &channels, &names) {
            problems.push(format!("notify.channel {:?}: fallback: {why}", channel.name));
        }
    }
    channels
}

/// A chain of fallbacks must end.
fn bad_fallback(from: &Channel, channels: &BTreeMap<String, Channel>, names: &BTreeSet<String>) -> Option<String> {
    let mut seen = BTreeSet::from([from.name.as_str()]);
    let mut next = from.fallback.as_deref();
    while let Some(name) = next {
        if !names.contains(name) {
            return Some(format!("{name:?} is not a channel"));
        }
        if !seen.insert(name) {
            return Some(format!("goes in a circle over {name:?}"));
        }
        next = channels.get(name).and_then(|c| c.fallback.as_deref());
    }
    None
}

fn channel(raw: RawChannel, guard: &Guard, p: &mut Problems<'_>) -> Option<Channel> {
    let per_minute_max = if raw.kind == "feishu" { FEISHU_PER_MINUTE_MAX } else { ROBOT_PER_MINUTE_MAX };
    let robot = matches!(raw.kind.as_str(), "wecom" | "dingtalk" | "feishu");
    let per_minute = raw.per_minute.or(robot.then_some(15));
    let rate = per_minute.map(|per_minute| Rate { per_minute, reserve_red: raw.reserve_red.unwrap_or(per_minute / 3) });
    if let Some(rate) = rate {
        if rate.per_minute == 0 || (robot && rate.per_minute > per_minute_max) {
            p.say("per_minute", format_args!("{} must be 1 to {per_minute_max}", rate.per_minute));
        }
        if rate.reserve_red >= rate.per_minute {
            p.say("reserve_red", "must be below per_minute, or nothing but red is ever sent");
        }
    }
    let quiet = raw.quiet.as_deref().and_then(|text| {
        Quiet::parse(text).or_else(|| {
            p.say("quiet", format_args!("{text:?} must be HH:MM-HH:MM"));
            None
        })
    });
    let (name, fallback, mention_all_red) = (raw.name.clone(), raw.fallback.clone(), raw.mention_all_red);
    let self_test = raw.self_test.unwrap_or(true);
    let kind = kind(raw, guard, p)?;
    Some(Channel { name, kind, rate, quiet, fallback, mention_all_red, self_test })
}

fn kind(raw: RawChannel, guard: &Guard, p: &mut Problems<'_>) -> Option<Kind> {
    match raw.kind.as_str() {
        "wecom" => Some(Kind::WeCom { url: url(&raw, guard, p)? }),
        "dingtalk" => {
            let secret = secret(&raw, p);
            Some(Kind::DingTalk { url: url(&raw, guard, p)?, secret })
        }
        "feishu" => {
            let secret = secret(&raw, p);
            Some(Kind::Feishu { url: url(&raw, guard, p)?, secret })
        }
        "email" => mail(raw, p).map(Kind::Email),
        "webhook" => {
            let keys = keys(&raw, p);
            Some(Kind::Webhook { url: url(&raw, guard, p)?, keys })
        }
        "sms" | "voice" => {
            let (keys, template) = (keys(&raw, p), template(&raw, p));
            for number in raw.to.iter().filter(|number| !is_phone(number)) {
                p.say("to", format_args!("{number:?} must be + and digits, at most 20"));
            }
            let url = url(&raw, guard, p)?;
            Some(match raw.kind.as_str() {
                "sms" => Kind::Sms { url, keys, template, to: raw.to },
                _ => Kind::Voice { url, keys, template, to: raw.to },
            })
        }
        other => {
            p.say("kind", format_args!("{other:?} must be wecom, dingtalk, feishu, email, webhook, sms or voice"));
            None
        }
    }
}

fn url(raw: &RawChannel, guard: &Guard, p: &mut Problems<'_>) -> Option<SecretUrl> {
    let (key, text) = match (&raw.url, &raw.url_file) {
        (Some(url), None) => ("url", url.clone()),
        (None, Some(file)) => ("url_file", p.file("url_file", file)?),
        (Some(_), Some(_)) | (None, None) => {
            p.say("url", "give exactly one of url and url_file");
            return None;
        }
    };
    // The address of a robot is its secret, so it stands in a file.
    if key == "url" && matches!(raw.kind.as_str(), "wecom" | "dingtalk" | "feishu") {
        p.say("url", "holds the robot's key: put it into a file and give url_file");
        return None;
    }
    match Url::parse(&text) {
        Ok(url) => match guard.url(&url) {
            Ok(()) => return Some(SecretUrl(url)),
            Err(why) => p.say(key, why),
        },
        Err(error) => p.say(key, error),
    }
    None
}

fn secret(raw: &RawChannel, p: &mut Problems<'_>) -> Option<Secret> {
    raw.secret_file.as_ref().and_then(|file| p.file("secret_file", file)).map(Secret)
}

fn keys(raw: &RawChannel, p: &mut Problems<'_>) -> Vec<Secret> {
    if raw.secret_files.is_empty() || raw.secret_files.len() > 2 {
        p.say("secret_files", "give one, or two while the secret is changed");
    }
    let mut keys = Vec::new();
    for file in &raw.secret_files {
        let Some(text) = p.file("secret_files", file) else { continue };
        match sign::webhook_key(&text) {
            Ok(_) => keys.push(Secret(text)),
            Err(why) => p.say("secret_files", format_args!("{}: {why}", file.display())),
        }
    }
    keys
}

fn template(raw: &RawChannel, p: &mut Problems<'_>) -> Template {
    if raw.template.as_deref().unwrap_or("").is_empty() {
        p.say("template", "missing: the provider's code of the approved template");
    }
    for (variable, field) in &raw.variables {
        if !super::sms::FIELDS.contains(&field.as_str()) {
            p.say("variables", format_args!("{variable} = {field:?} must be one of {}", super::sms::FIELDS.join(", ")));
        }
    }
    Template {
        code: raw.template.clone().unwrap_or_default(),
        sign_name: raw.sign_name.clone().unwrap_or_default(),
        variables: raw.variables.clone(),
        variable_chars_max: raw.variable_chars_max.unwrap_or(35).clamp(4, 500),
    }
}

fn mail(raw: RawChannel, p: &mut Problems<'_>) -> Option<Mail> {
    let protection = match raw.tls.as_deref().unwrap_or("starttls") {
        "starttls" => Protection::StartTls,
        "tls" => Protection::Tls,
        "none" => Protection::None,
        other => {
            p.say("tls", format_args!("{other:?} must be starttls, tls, or none (only within notify.allow_networks)"));
            Protection::StartTls
        }
    };
    let standard = if protection == Protection::Tls { 465 } else { 587 };
    if raw.to.len() > RECEIVERS_MAX {
        p.say("to", format_args!("{} receivers are more than {RECEIVERS_MAX}", raw.to.len()));
    }
    let from = raw.from.clone().unwrap_or_default();
    for (key, address) in std::iter::once(("from", &from)).chain(raw.to.iter().map(|to| ("to", to))) {
        if address.parse::<lettre::message::Mailbox>().is_err() {
            p.say(key, format_args!("{address:?} is not a mail address"));
        }
    }
    let password = raw.password_file.as_ref().and_then(|file| p.file("password_file", file)).map(Secret);
    if raw.username.is_some() != raw.password_file.is_some() {
        p.say("username", "belongs together with password_file; only one is given");
    }
    let Some(host) = raw.host else {
        p.say("host", "missing: the mail server");
        return None;
    };
    let login = raw.username.zip(password);
    Some(Mail { host, port: raw.port.unwrap_or(standard), protection, login, from, to: raw.to })
}

#[cfg(test)]
#[path = "settings_tests.rs"]
mod tests;
