//! What a receiver tells later: delivered, failed, or somebody answered. Pure.
//!
//! The adapter of an SMS or voice provider posts it as a Standard Webhook under the channel's own
//! secrets. Invariant: nothing of a body is read before its signature and time were right; a telephone
//! number is changed into a person of the contacts and kept nowhere.

use super::config::{Channel, Contact, Kind, Secret};
use super::sign::{signed, webhook_key};
use crate::operator::{Receipt, Said};
use minewatch_domain::At;
use serde::Deserialize;
use std::collections::BTreeMap;

/// A receipt older or newer than this by its timestamp is not taken (Standard Webhooks: five minutes).
const SKEW_S: i64 = 300;
/// Longest id, answer or detail.
const TEXT_BYTES_MAX: usize = 200;

/// The three headers.
#[derive(Debug, Clone, Copy, Default)]
pub struct Headers<'a> {
    /// `webhook-id`.
    pub id: &'a str,
    /// `webhook-timestamp`, seconds.
    pub timestamp: &'a str,
    /// `webhook-signature`.
    pub signature: &'a str,
}

/// Why a receipt is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The signature or its time.
    #[error("the signature is wrong, or older than five minutes")]
    Unsigned,
    /// The body.
    #[error("{0}")]
    Bad(String),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    /// The `id` of the document that was sent.
    id: String,
    event: String,
    /// The key pressed, or the text sent back.
    answer: Option<String>,
    /// The telephone number that answered.
    by: Option<String>,
    /// Milliseconds since 1970 or RFC 3339; now when absent.
    at: Option<String>,
}

/// The secrets a channel's receipts are signed with; `None`: this kind has none.
fn keys(channel: &Channel) -> Option<&[Secret]> {
    match &channel.kind {
        Kind::Sms { keys, .. } | Kind::Voice { keys, .. } | Kind::Webhook { keys, .. } => Some(keys),
        Kind::WeCom { .. } | Kind::DingTalk { .. } | Kind::Feishu { .. } | Kind::Email(_) => None,
    }
}

/// Whether a channel gives receipts.
pub fn possible(channel: &Channel) -> bool {
    keys(channel).is_some()
}

/// Reads a receipt for a channel.
///
/// # Errors
/// [`Refused`].
pub fn read(
    channel: &Channel,
    contacts: &BTreeMap<String, Contact>,
    headers: Headers<'_>,
    body: &[u8],
    now: At,
) -> Result<Receipt, Refused> {
    let keys: Vec<Vec<u8>> =
        keys(channel).unwrap_or_default().iter().filter_map(|key| webhook_key(key.expose()).ok()).collect();
    let sent: i64 = headers.timestamp.parse().map_err(|_| Refused::Unsigned)?;
    let fresh = now.millis().div_euclid(1_000).checked_sub(sent).is_some_and(|age| age.abs() <= SKEW_S);
    if !fresh || !signed(&keys, headers.id, sent, body, headers.signature) {
        return Err(Refused::Unsigned);
    }
    let bounded = |name: &str, text: &str| match (1..=TEXT_BYTES_MAX).contains(&text.len()) && !text.contains('\0') {
        true => Ok(text.to_owned()),
        false => Err(Refused::Bad(format!("{name} must have 1 to {TEXT_BYTES_MAX} bytes"))),
    };
    let body: Body = serde_json::from_slice(body).map_err(|error| Refused::Bad(error.to_string()))?;
    let answer = body.answer.as_deref().map(|text| bounded("answer", text.trim())).transpose()?;
    let said = match (body.event.as_str(), answer) {
        ("delivered", _) => Said::Delivered,
        ("failed", why) => Said::Failed(why.unwrap_or_default()),
        ("answered", Some(answer)) => Said::Answered(answer),
        ("answered", None) => return Err(Refused::Bad("event answered needs an answer".to_owned())),
        (other, _) => return Err(Refused::Bad(format!("event {other:?} must be delivered, failed or answered"))),
    };
    let at = match body.at.as_deref() {
        None => now,
        Some(text) => crate::clock::parse(text)
            .ok_or_else(|| Refused::Bad("at must be RFC 3339 or milliseconds since 1970".to_owned()))?,
    };
    let phone = |contact: &&Contact| contact.phone.is_some() && contact.phone == body.by;
    let by = contacts.iter().find(|(_, contact)| phone(contact)).map(|(person, _)| person.clone());
    Ok(Receipt { id: bounded("webhook-id", headers.id)?, notice: bounded("id", &body.id)?, said, by, at })
}

#[cfg(test)]
mod tests {
    use super::super::sign::webhook;
    use super::*;
    use crate::notify::config::{SecretUrl, Template};

    const NOW: At = At(1_795_000_000_000_000);
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    fn voice() -> Channel {
        let template = Template {
            code: "v".to_owned(),
            sign_name: "s".to_owned(),
            variables: BTreeMap::new(),
            variable_chars_max: 20,
        };
        let url = SecretUrl("https://adapter.example/call".parse().expect("URL"));
        Channel {
            name: "voice".to_owned(),
            kind: Kind::Voice { url, keys: vec![Secret(SECRET.to_owned())], template, to: Vec::new() },
            rate: None,
            quiet: None,
            fallback: None,
            mention_all_red: false,
            self_test: false,
        }
    }

    fn taken(body: &str, id: &str, shift_s: i64, key: &str) -> Result<Receipt, Refused> {
        let key = webhook_key(key).expect("key");
        let sent = NOW.millis() / 1_000 + shift_s;
        let signature = format!("v1a,ignored {}", webhook(&[key], id, sent, body));
        let timestamp = sent.to_string();
        let headers = Headers { id, timestamp: &timestamp, signature: &signature };
        let li = Contact { phone: Some("+8613800000000".to_owned()), ..Contact::default() };
        read(&voice(), &BTreeMap::from([("li.wei".to_owned(), li)]), headers, body.as_bytes(), NOW)
    }

    #[test]
    fn a_signed_answer_names_the_person_and_not_the_number() {
        let body = r#"{"id":"msg_1","event":"answered","answer":"1","by":"+8613800000000","at":"1794999990000"}"#;
        let receipt = taken(body, "rcpt-1", 0, SECRET).expect("taken");
        assert_eq!((receipt.by.as_deref(), &receipt.said), (Some("li.wei"), &Said::Answered("1".to_owned())));
        assert_eq!(
            (receipt.id.as_str(), receipt.notice.as_str(), receipt.at.millis()),
            ("rcpt-1", "msg_1", 1_794_999_990_000)
        );
        let stranger = body.replace("+8613800000000", "+8613911111111");
        assert_eq!(taken(&stranger, "rcpt-1", 0, SECRET).expect("taken").by, None);
    }

    #[test]
    fn what_is_not_signed_or_not_now_is_not_even_read() {
        let body = r#"{"id":"msg_1","event":"delivered"}"#;
        let other = "whsec_b3RoZXIga2V5IG9mIHRoaXJ0eS10d28gYnl0ZXMh";
        assert_eq!(taken(body, "r", 0, other), Err(Refused::Unsigned));
        for shift in [-301, 301, i64::MIN / 2] {
            assert_eq!(taken(body, "r", shift, SECRET), Err(Refused::Unsigned), "{shift}");
        }
        assert!(taken(body, "r", -300, SECRET).is_ok());
        let headers = Headers { id: "r", timestamp: "x", signature: "v1,AAAA" };
        assert_eq!(read(&voice(), &BTreeMap::new(), headers, body.as_bytes(), NOW), Err(Refused::Unsigned));
        for bad in [
            "{}",
            r#"{"id":"m","event":"answered"}"#,
            r#"{"id":"m","event":"sung"}"#,
            r#"{"id":"","event":"delivered"}"#,
        ] {
            assert!(matches!(taken(bad, "r", 0, SECRET), Err(Refused::Bad(_))), "{bad}");
        }
    }
}
