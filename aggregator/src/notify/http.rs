//! One guarded POST: no redirects, no proxy of the environment, bounded time and answer.

use super::answer::{self, Answer};
use super::guard::{Guard, GuardedResolver};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, Response};
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;
use url::Url;

/// One request, from the name to the last byte; below the time of one attempt.
const ATTEMPT_MAX: Duration = Duration::from_secs(10);
/// Bytes of an answer that are read; a robot's is below 200.
const ANSWER_BYTES_MAX: usize = 64 << 10;

/// The HTTP clients of all channels.
#[derive(Debug, Clone)]
pub struct Poster {
    guard: Arc<Guard>,
    secure: Client,
    plain: Client,
}

/// What is posted.
#[derive(Debug)]
pub struct Post<'a> {
    /// Where; may hold secrets, so it is never in an error.
    pub url: &'a Url,
    /// Header fields beside the content type.
    pub headers: Vec<(&'static str, String)>,
    /// JSON.
    pub body: String,
}

/// A client that connects only where `guard` lets it; `plain`: for `http://`.
///
/// # Errors
/// When the certificates are none.
pub fn client(guard: &Arc<Guard>, ca: Option<&[u8]>, plain: bool) -> Result<Client, String> {
    let mut builder = Client::builder()
        .redirect(Policy::none())
        .no_proxy()
        .https_only(!plain)
        .timeout(ATTEMPT_MAX)
        .connect_timeout(ATTEMPT_MAX / 2)
        .pool_max_idle_per_host(1)
        .user_agent(concat!("minewatch/", env!("CARGO_PKG_VERSION")))
        .dns_resolver(GuardedResolver { guard: guard.clone(), plain });
    if let Some(pem) = ca {
        let certificates = Certificate::from_pem_bundle(pem).map_err(|e| e.to_string())?;
        builder = builder.tls_certs_merge(certificates);
    }
    builder.build().map_err(|e| e.to_string())
}

impl Poster {
    /// Clients that go only where `guard` lets them.
    ///
    /// # Errors
    /// When the certificates are none.
    pub fn new(guard: Arc<Guard>, ca: Option<&[u8]>) -> Result<Poster, String> {
        Ok(Poster { secure: client(&guard, ca, false)?, plain: client(&guard, ca, true)?, guard })
    }

    /// Posts; `judge` reads the body of a 2xx answer.
    pub async fn post(&self, post: Post<'_>, now_s: i64, judge: impl Fn(&[u8]) -> Option<Answer>) -> Answer {
        if let Err(why) = self.guard.url(post.url) {
            return Answer::Rejected { why };
        }
        let client = if post.url.scheme() == "http" { &self.plain } else { &self.secure };
        let mut request = client.post(post.url.clone()).header("content-type", "application/json; charset=utf-8");
        for (name, value) in post.headers {
            request = request.header(name, value);
        }
        match request.body(post.body).send().await {
            Ok(response) => read(response, now_s, judge).await,
            Err(error) => unsent(error),
        }
    }
}

async fn read(mut response: Response, now_s: i64, judge: impl Fn(&[u8]) -> Option<Answer>) -> Answer {
    let status = response.status().as_u16();
    let retry_after = response.headers().get("retry-after").and_then(|value| value.to_str().ok()).map(str::to_owned);
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() > ANSWER_BYTES_MAX => break,
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => break,
            Err(_) => return Answer::Retry { after_ms: None, why: format!("HTTP {status}: the answer broke off") },
        }
    }
    let by_status = answer::of_status(status, retry_after.as_deref(), now_s);
    match by_status {
        Answer::Accepted { .. } => judge(&body).unwrap_or(by_status),
        Answer::Retry { .. } | Answer::Rejected { .. } => by_status,
    }
}

/// The cause of a failed request without its URL, which may be a secret.
fn unsent(error: reqwest::Error) -> Answer {
    let error = error.without_url();
    let mut why = error.to_string();
    let mut cause: Option<&dyn Error> = error.source();
    while let Some(inner) = cause {
        why = format!("{why}: {inner}");
        cause = inner.source();
    }
    Answer::Retry { after_ms: None, why: super::message::cut(&why, 300) }
}
