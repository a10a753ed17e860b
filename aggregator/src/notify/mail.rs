//! E-mail: one thread per case, a list id per organisation, plain text.

use super::answer::Answer;
use super::config::Mail;
use super::guard::Guard;
use super::message::Message;
use super::public_key;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, MessageBuilder};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport, Tokio1Executor};
use minewatch_domain::At;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

/// Longest e-mail text, bytes.
const TEXT_BYTES_MAX: usize = 20_000;
/// Longest subject, bytes.
const SUBJECT_BYTES_MAX: usize = 180;
/// One SMTP command.
const TIMEOUT: Duration = Duration::from_secs(10);

/// How the connection is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protection {
    /// TLS from the first byte (port 465).
    Tls,
    /// Upgraded, never without (port 587).
    StartTls,
    /// None; only to addresses the configuration names.
    None,
}

fn raw(builder: MessageBuilder, name: &'static str, value: String) -> MessageBuilder {
    builder.raw_header(HeaderValue::new(HeaderName::new_from_ascii_str(name), value))
}

/// Letters that may stand in an id.
fn slug(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '.' }).collect()
}

/// The mail of a message.
///
/// # Errors
/// A sentence, when an address is not one.
pub(super) fn compose(message: &Message, mail: &Mail, to: &[String], now: At) -> Result<lettre::Message, String> {
    let domain = mail.from.rsplit('@').next().unwrap_or("localhost").trim_end_matches('>');
    let mailbox = |text: &str| text.parse::<Mailbox>().map_err(|e| format!("{text:?} is not a mail address: {e}"));
    let date = SystemTime::UNIX_EPOCH + Duration::from_micros(u64::try_from(now.micros()).unwrap_or(0));
    let subject = super::message::cut(
        &format!("{} {} {}", message.heading_zh(), message.body.place_zh, message.body.what_zh),
        SUBJECT_BYTES_MAX,
    );
    let mut builder = lettre::Message::builder()
        .from(mailbox(&mail.from)?)
        .subject(subject)
        .date(date)
        .message_id(Some(format!("<{}@{domain}>", public_key(&message.id))));
    for address in to {
        builder = builder.to(mailbox(address)?);
    }
    if let Some(case) = &message.case {
        // Every mail of a case answers the same (never sent) root, so clients show one thread.
        let root = format!("<{}.thread@{domain}>", public_key(case));
        builder = builder.in_reply_to(root.clone()).references(root);
    }
    let list = slug(&message.org.split('/').rev().collect::<Vec<_>>().join("."));
    builder = raw(builder, "List-Id", format!("<{list}.minewatch.{domain}>"));
    builder = raw(builder, "Auto-Submitted", "auto-generated".to_owned());
    builder = raw(builder, "X-Minewatch-Level", message.level.name().to_owned());
    if message.level >= minewatch_domain::Level::Orange {
        builder = raw(builder, "X-Priority", "1".to_owned());
    }
    builder = builder.header(ContentType::TEXT_PLAIN);
    builder.body(message.plain(TEXT_BYTES_MAX)).map_err(|e| e.to_string())
}

/// Sends one mail.
pub(super) async fn send(mail: &Mail, guard: &Guard, ca: Option<&[u8]>, letter: lettre::Message) -> Answer {
    let transport = match transport(mail, guard, ca).await {
        Ok(transport) => transport,
        Err(answer) => return answer,
    };
    match transport.send(letter).await {
        Ok(response) => {
            let said = response.message().collect::<Vec<_>>().join(" ");
            Answer::Accepted { receipt: format!("{} {}", response.code(), super::message::cut(&said, 160)) }
        }
        Err(error) if error.is_permanent() => Answer::Rejected { why: format!("SMTP: {error}") },
        Err(error) => Answer::Retry { after_ms: None, why: format!("SMTP: {error}") },
    }
}

async fn transport(
    mail: &Mail,
    guard: &Guard,
    ca: Option<&[u8]>,
) -> Result<AsyncSmtpTransport<Tokio1Executor>, Answer> {
    let retry = |why: String| Answer::Retry { after_ms: None, why };
    let found = tokio::net::lookup_host((mail.host.as_str(), mail.port)).await;
    let found: Vec<SocketAddr> = found.map_err(|e| retry(format!("{}: {e}", mail.host)))?.collect();
    let good = guard.permitted(found, mail.protection == Protection::None).map_err(|why| Answer::Rejected { why })?;
    // The address that was checked is the one connected to; the name is for the certificate.
    let address = good.first().ok_or_else(|| retry("no address".to_owned()))?.ip().to_string();
    let tls = || -> Result<TlsParameters, lettre::transport::smtp::Error> {
        let mut builder = TlsParameters::builder(mail.host.clone());
        if let Some(pem) = ca {
            builder = builder.add_root_certificate(Certificate::from_pem(pem)?);
        }
        builder.build()
    };
    let tls = match mail.protection {
        Protection::None => Tls::None,
        Protection::StartTls => Tls::Required(tls().map_err(|e| retry(format!("TLS: {e}")))?),
        Protection::Tls => Tls::Wrapper(tls().map_err(|e| retry(format!("TLS: {e}")))?),
    };
    let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(address)
        .port(mail.port)
        .tls(tls)
        .timeout(Some(TIMEOUT));
    if let Some((user, password)) = &mail.login {
        builder = builder.credentials(Credentials::new(user.clone(), password.expose().to_owned()));
    }
    Ok(builder.build())
}

#[cfg(test)]
mod tests {
    use super::super::message::tests::message;
    use super::*;

    fn mail() -> Mail {
        Mail {
            host: "smtp.example".to_owned(),
            port: 587,
            protection: Protection::StartTls,
            login: None,
            from: "Minewatch <alarm@hq.example>".to_owned(),
            to: vec!["duty@hq.example".to_owned()],
        }
    }

    #[test]
    fn the_mails_of_a_case_are_one_thread_on_one_list() {
        let header = |text: &str, name: &str| {
            let found = text.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")));
            found.map(|value| value.trim().to_owned())
        };
        let of = |id: &str| {
            let message = Message { id: id.to_owned(), ..message() };
            let letter = compose(&message, &mail(), &mail().to, At(1_795_600_800_000_000)).expect("mail");
            String::from_utf8(letter.formatted()).expect("text")
        };
        let (one, two) = (of("case-7/raised/a/mail"), of("case-7/escalated/a/mail"));
        assert_eq!(header(&one, "References"), header(&two, "References"));
        assert_eq!(header(&one, "In-Reply-To"), header(&one, "References"));
        assert_ne!(header(&one, "Message-ID"), header(&two, "Message-ID"));
        assert_eq!(header(&one, "List-Id").as_deref(), Some("<pond-a.mine-1.north.tongling.minewatch.hq.example>"));
        assert_eq!(header(&one, "Auto-Submitted").as_deref(), Some("auto-generated"));
        assert_eq!(header(&one, "Date").as_deref(), Some("Wed, 25 Nov 2026 10:00:00 +0000"));
        assert_eq!(one, of("case-7/raised/a/mail"), "a repeated mail is the same mail");
    }

    #[test]
    fn a_header_cannot_be_smuggled_in_by_a_name() {
        let mut hostile = message();
        hostile.body.place_zh = super::super::message::clean("甲库\r\nBcc: all@hq.example");
        let letter = compose(&hostile, &mail(), &mail().to, At(0)).expect("mail");
        let text = String::from_utf8(letter.formatted()).expect("text");
        assert!(!text.lines().any(|line| line.starts_with("Bcc")), "{text}");
    }
}
