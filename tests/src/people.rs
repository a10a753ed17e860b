//! People of one aggregator, as browsers and programs meet them.

use crate::aggregator::Aggregator;
use crate::api::Api;
use anyhow::{Context, Result, ensure};
use reqwest::Method;
use serde_json::{Value, json};
use std::fs;

/// Password of everybody in the tests.
pub const PASSWORD: &str = "drei Hasen im Nebel 7";

/// Follows nothing: where we are sent is part of what is tested.
fn client() -> reqwest::Client {
    reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap_or_default()
}

/// An answer, whatever its status.
#[derive(Debug, Clone)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// The cookie it sets, whole.
    pub cookie: Option<String>,
    /// Where it sends a browser.
    pub location: Option<String>,
    /// JSON, or the text.
    pub body: Value,
}

impl Answer {
    /// `error.code`, when it is a refusal.
    pub fn code(&self) -> &str {
        self.body["error"]["code"].as_str().unwrap_or_default()
    }
}

/// Somebody with a session cookie or a token, or nobody.
#[derive(Debug, Clone)]
pub struct Visitor {
    base: String,
    client: reqwest::Client,
    headers: Vec<(&'static str, String)>,
}

impl Visitor {
    /// Without any credential.
    pub fn stranger(api: &Api) -> Visitor {
        Visitor { base: api.base().to_owned(), client: client(), headers: Vec::new() }
    }

    /// The same with one more header on every request.
    pub fn with(&self, name: &'static str, value: &str) -> Visitor {
        let mut headers = self.headers.clone();
        headers.retain(|(known, _)| *known != name);
        headers.push((name, value.to_owned()));
        Visitor { headers, ..self.clone() }
    }

    /// The same as a program with a token.
    pub fn with_token(&self, token: &str) -> Visitor {
        Visitor::with(&Visitor { headers: Vec::new(), ..self.clone() }, "authorization", &format!("Bearer {token}"))
    }

    /// Asks; every status is an answer.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn ask(&self, method: &str, path: &str, body: Option<Value>) -> Result<Answer> {
        let mut request = self.client.request(Method::from_bytes(method.as_bytes())?, format!("{}{path}", self.base));
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.timeout(std::time::Duration::from_secs(30)).send().await?;
        let status = answer.status().as_u16();
        let header = |name: &str| answer.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let (cookie, location) = (header("set-cookie"), header("location"));
        if answer.headers().get("content-type").is_some_and(|kind| kind == "text/event-stream") {
            return Ok(Answer { status, cookie, location, body: Value::Null });
        }
        let text = answer.text().await?;
        Ok(Answer { status, cookie, location, body: serde_json::from_str(&text).unwrap_or(Value::String(text)) })
    }

    /// Asks and wants a status of 2xx.
    ///
    /// # Errors
    /// For any other.
    pub async fn done(&self, method: &str, path: &str, body: Option<Value>) -> Result<Value> {
        let answer = self.ask(method, path, body).await?;
        ensure!((200..300).contains(&answer.status), "{method} {path}: {} {}", answer.status, answer.body);
        Ok(answer.body)
    }

    /// An open event stream, as its response.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn stream(&self) -> Result<reqwest::Response> {
        let mut request = self.client.get(format!("{}/api/v1/stream", self.base));
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        Ok(request.send().await?.error_for_status()?)
    }

    /// Signs in like our page: with an origin, taking the cookie along from then on.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn sign_in(&self, person: &str, password: &str) -> Result<Visitor> {
        let ours = self.with("origin", &self.base.clone());
        let body = json!({ "person": person, "password": password });
        let answer = ours.ask("POST", "/api/v1/sign-in", Some(body)).await?;
        ensure!(answer.status == 204, "sign-in of {person}: {} {}", answer.status, answer.body);
        Ok(ours.with("cookie", &session(&answer)?))
    }

    /// A new person with these grants, signed in with the own password.
    ///
    /// # Errors
    /// When a step is refused.
    pub async fn hire(&self, person: &str, grants: Value) -> Result<Visitor> {
        let made = self.done("POST", "/api/v1/people", Some(json!({ "person": person, "name": person }))).await?;
        self.done("PUT", &format!("/api/v1/people/{person}/grants"), Some(json!({ "grants": grants }))).await?;
        let once = made["password"].as_str().context("a one-time password")?;
        let stranger = Visitor { headers: Vec::new(), ..self.clone() };
        let first = stranger.sign_in(person, once).await?;
        let change = json!({ "old": once, "new": PASSWORD });
        let answer = first.ask("POST", "/api/v1/me/password", Some(change)).await?;
        ensure!(answer.status == 204, "first password of {person}: {} {}", answer.status, answer.body);
        Ok(first.with("cookie", &session(&answer)?))
    }

    /// A token of one's own with these grants.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn token(&self, grants: Value) -> Result<String> {
        let body = json!({ "name": "test", "grants": grants, "days": 1 });
        let made = self.done("POST", "/api/v1/me/tokens", Some(body)).await?;
        Ok(made["token"].as_str().context("a token")?.to_owned())
    }
}

/// `name=value` of the cookie an answer sets.
///
/// # Errors
/// When it sets none.
pub fn session(answer: &Answer) -> Result<String> {
    let cookie = answer.cookie.as_deref().context("no cookie")?;
    Ok(cookie.split(';').next().unwrap_or_default().to_owned())
}

/// A grant as JSON.
pub fn grant(role: &str, org: &str) -> Value {
    json!({ "role": role, "org": org, "domains": ["*"] })
}

/// Does the set-up with the token of the first start and signs the first administrator in.
///
/// # Errors
/// When the set-up is refused.
pub async fn found(aggregator: &Aggregator) -> Result<Visitor> {
    let folder = aggregator.config().parent().context("a folder")?;
    let token = fs::read_to_string(folder.join("setup-token")).context("set-up token")?;
    let chief = json!({ "person": "chief", "name": "Chief", "password": PASSWORD, "role": "administrator" });
    let body = json!({ "token": token.trim(), "people": [chief] });
    let stranger = Visitor::stranger(aggregator.api());
    stranger.done("POST", "/api/v1/setup", Some(body)).await?;
    stranger.sign_in("chief", PASSWORD).await
}
