//! The page where people of the site act: acknowledge, silence, shelve, test a siren.
//!
//! Invariant: nothing is done without a session of a local account, and no page of another origin can
//! make a browser do it: the cookie is `SameSite=Strict`, every form carries a secret of its session,
//! and a foreign `Origin` is refused. Works without headquarters and without scripts.

use super::session::{LONGEST_MS, Session, Sessions};
use super::{Page, escape, level_zh};
use crate::clock;
use crate::config::SiteConfig;
use crate::people::{self, Users};
use crate::site::{Act, Deed, Inbox, Standing};
use axum::Router;
use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use minewatch_alarm::{Intent, Isa};
use minewatch_domain::{At, GatewayId, PointId};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Semaphore, oneshot};

/// Largest form read, and the longest wait for it.
const FORM_BYTES_MAX: usize = 8 * 1024;
const FORM_WITHIN: Duration = Duration::from_secs(10);
const COOKIE: &str = "minewatch-local";

/// What the page keeps between requests.
pub struct Desk {
    /// The file of people; without one nobody acts here.
    users: Option<PathBuf>,
    gateway: GatewayId,
    sessions: Mutex<Sessions>,
    /// One password hash at once: each takes 19 MiB and a processor of a small machine.
    hashing: Semaphore,
}

impl Desk {
    /// The desk of a site.
    pub fn new(config: &SiteConfig) -> Desk {
        let (users, gateway) = (config.http_users.clone(), config.gateway.clone());
        Desk { users, gateway, sessions: Mutex::default(), hashing: Semaphore::new(1) }
    }

    fn with<T>(&self, work: impl FnOnce(&mut Sessions) -> T) -> T {
        work(&mut self.sessions.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether somebody is who they say; wrong passwords slow the name down.
    async fn proved(&self, name: &str, password: &str) -> Result<(), String> {
        let now = clock::mono_ms();
        let wait = self.with(|sessions| sessions.wait_ms(name, now));
        if wait > 0 {
            let seconds = wait.div_ceil(1_000);
            return Err(format!("尝试过多，请等待 {seconds} 秒 / too many attempts; wait {seconds} s"));
        }
        let file = self.users.clone().ok_or_else(|| NOBODY.to_owned())?;
        let (name_of, password) = (name.to_owned(), password.to_owned());
        let _one = self.hashing.acquire().await.map_err(|error| error.to_string())?;
        let checked = tokio::task::spawn_blocking(move || {
            let users: Users = people::read(&file)?;
            Ok::<_, String>(people::verify(&users, &name_of, &password))
        });
        match checked.await {
            Ok(Ok(true)) => Ok(()),
            Ok(Ok(false)) => {
                self.with(|sessions| sessions.failed(name, now));
                Err("姓名或密码错误 / name or password is wrong".to_owned())
            }
            Ok(Err(why)) => {
                tracing::warn!(error = why, "people of the site not readable");
                Err("本地账号文件不可读 / the file of local accounts is not readable".to_owned())
            }
            Err(error) => Err(error.to_string()),
        }
    }
}

const NOBODY: &str =
    "尚未设置本地账号：在网关上运行 gateway local-user / no local accounts yet: run gateway local-user";

/// The routes.
pub(super) fn routes() -> Router<Arc<Page>> {
    Router::new()
        .route("/act", get(desk))
        .route("/act/sign-in", post(sign_in))
        .route("/act/sign-out", post(sign_out))
        .route("/act/alarm", post(alarm))
        .route("/act/siren", post(siren))
}

fn secret() -> String {
    format!("{:032x}{:032x}", rand::random::<u128>(), rand::random::<u128>())
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn cookie(headers: &HeaderMap) -> Option<&str> {
    let pairs = text(headers, "cookie")?.split(';');
    pairs.filter_map(|pair| pair.trim().strip_prefix(COOKIE)?.strip_prefix('=')).next()
}

/// Whether a form comes from our own page, as far as the browser says.
fn ours(headers: &HeaderMap) -> bool {
    let site = text(headers, "sec-fetch-site").is_none_or(|site| site == "same-origin");
    let host = text(headers, "host").unwrap_or_default();
    let origin = text(headers, "origin").is_none_or(|origin| origin.split_once("://").is_some_and(|(_, o)| o == host));
    site && origin
}

/// Reads a form.
async fn form<T: DeserializeOwned>(body: Body) -> Result<T, Response> {
    let read = tokio::time::timeout(FORM_WITHIN, axum::body::to_bytes(body, FORM_BYTES_MAX)).await;
    let refused = |status: StatusCode, why: &str| (status, why.to_owned()).into_response();
    let bytes = read
        .map_err(|_| refused(StatusCode::REQUEST_TIMEOUT, "the form did not come in time\n"))?
        .map_err(|_| refused(StatusCode::PAYLOAD_TOO_LARGE, "the form is too large or broken off\n"))?;
    // A form is written like a query.
    let uri = format!("/?{}", String::from_utf8_lossy(&bytes)).parse::<Uri>().ok();
    let parsed = uri.and_then(|uri| Query::<T>::try_from_uri(&uri).ok());
    parsed.map(|Query(form)| form).ok_or_else(|| refused(StatusCode::BAD_REQUEST, "not a form of this page\n"))
}

fn headers() -> [(header::HeaderName, &'static str); 5] {
    let csp =
        "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";
    [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, csp),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "same-origin"),
    ]
}

/// To the page again: a reload then sends nothing twice.
fn back(cookie: Option<String>) -> Response {
    let mut response = (StatusCode::SEE_OTHER, [(header::LOCATION, "/act")]).into_response();
    if let Some(value) = cookie.and_then(|cookie| cookie.parse().ok()) {
        response.headers_mut().insert(header::SET_COOKIE, value);
    }
    response
}

/// A page that says why not.
fn refused(status: StatusCode, why: &str) -> Response {
    let mut page = opened("无法执行 / not done");
    let _ = write!(page, "<p class=\"bad\" role=\"alert\">{}</p><p><a href=\"/act\">返回 back</a></p>", escape(why));
    (status, headers(), page).into_response()
}

fn opened(title: &str) -> String {
    let mut page = String::from(concat!(
        "<!doctype html><html lang=\"zh\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">",
        "<style>body{font:16px sans-serif;margin:1rem;background:#eee;color:#111}button{font:inherit;min-height:44px;",
        "padding:.4rem 1rem;margin:.2rem}input{font:inherit;min-height:36px;margin:.2rem}fieldset{margin:1rem 0;background:#fff}",
        ".red{border-left:12px solid #b00020}.orange{border-left:12px solid #d45d00}.yellow{border-left:12px solid #f5d000}",
        ".blue{border-left:12px solid #0b57d0}.normal{border-left:12px solid #777}.bad{color:#b00020}</style>"
    ));
    let _ = write!(page, "<title>{0}</title><h1>{0}</h1>", escape(title));
    page
}

async fn desk(State(page): State<Arc<Page>>, headers_in: HeaderMap) -> Result<Response, StatusCode> {
    let session = cookie(&headers_in).and_then(|secret| page.desk.with(|all| all.of(secret, clock::mono_ms())));
    let mut out = opened("现场处置 / act on site");
    out.push_str("<p><a href=\"/\">返回监视页 back to the readings</a></p>");
    match session {
        None if page.desk.users.is_none() => {
            let _ = write!(out, "<p>{NOBODY}</p>");
        }
        None => out.push_str(concat!(
            "<form method=\"post\" action=\"/act/sign-in\"><label>姓名 name <input name=\"name\" required autocomplete=\"username\">",
            "</label> <label>密码 password <input name=\"password\" type=\"password\" required autocomplete=\"current-password\">",
            "</label> <button>登录 sign in</button></form>"
        )),
        Some(session) => {
            let shown = super::snapshot(&page).await?;
            signed_in(&mut out, &session, &shown);
        }
    }
    Ok((headers(), out).into_response())
}

fn isa_zh(isa: Isa) -> &'static str {
    match isa {
        Isa::Norm => "正常",
        Isa::Unack => "未确认",
        Isa::Acked => "已确认",
        Isa::Rtnun => "已恢复未确认",
        Isa::Shlvd => "已搁置",
        Isa::Dsupr => "按设计抑制",
        Isa::Oosrv => "停用检修",
    }
}

fn signed_in(out: &mut String, session: &Session, shown: &crate::site::Snapshot) {
    let hidden = format!("<input type=\"hidden\" name=\"form\" value=\"{}\">", session.form);
    let _ = write!(
        out,
        "<form method=\"post\" action=\"/act/sign-out\">{hidden}{} <button>退出 sign out</button></form>\
         <p>操作会立即生效，写入台账并上报总部。Acts take effect at once, are kept in the ledger and told to headquarters.</p>\
         <h2>报警 Alarms</h2>",
        escape(&session.who)
    );
    if shown.standing.is_empty() {
        out.push_str("<p>没有需要处置的报警 no alarm asks for anybody</p>");
    }
    for known in &shown.standing {
        alarm_form(out, &hidden, known);
    }
    out.push_str("<h2>警笛 Sirens</h2>");
    for (id, on) in &shown.sirens {
        let _ = write!(
            out,
            "<form method=\"post\" action=\"/act/siren\">{hidden}<input type=\"hidden\" name=\"siren\" value=\"{0}\">{0}: {1} \
             <button>试响 {2} 秒 test for {2} s</button></form>",
            escape(id),
            if *on { "响 ON" } else { "静 off" },
            crate::site::SIREN_TEST_MS / 1_000
        );
    }
}

fn alarm_form(out: &mut String, hidden: &str, known: &Standing) {
    let last = &known.last;
    let _ = write!(
        out,
        "<form method=\"post\" action=\"/act/alarm\"><fieldset class=\"{0}\"><legend>{1} {0} · {2} · {3} {4}</legend>\
         <p>{5}</p>{hidden}<input type=\"hidden\" name=\"alarm\" value=\"{2}\">\
         <input type=\"hidden\" name=\"revision\" value=\"{6}\">",
        last.to.name(),
        level_zh(last.to),
        escape(last.alarm.as_str()),
        isa_zh(known.isa),
        known.isa.name(),
        escape(&last.why),
        last.revision
    );
    let button = |out: &mut String, what: &str, label: &str| {
        let _ = write!(out, "<button name=\"what\" value=\"{what}\">{label}</button>");
    };
    if matches!(known.isa, Isa::Unack | Isa::Rtnun) {
        button(out, "acknowledge", "确认 acknowledge");
    }
    if known.sounds {
        button(out, "silence", "消音 silence");
    }
    if known.isa == Isa::Shlvd {
        button(out, "unshelve", "取消搁置 unshelve");
    } else {
        out.push_str(concat!(
            "<p><label>搁置原因 reason <input name=\"reason\" maxlength=\"500\"></label> ",
            "<label>小时 hours <input name=\"hours\" type=\"number\" min=\"1\" max=\"8\" value=\"1\"></label></p>",
            "<p><label>第二人（红色报警）second person (red) <input name=\"second\" autocomplete=\"off\"></label> ",
            "<label>其密码 their password <input name=\"second_password\" type=\"password\" autocomplete=\"off\"></label></p>"
        ));
        button(out, "shelve", "搁置 shelve");
    }
    out.push_str("</fieldset></form>");
}

#[derive(Deserialize)]
struct SignIn {
    name: String,
    password: String,
}

async fn sign_in(State(page): State<Arc<Page>>, headers: HeaderMap, body: Body) -> Response {
    if !ours(&headers) {
        return refused(StatusCode::FORBIDDEN, "请求来自其他页面 / this form is not of our page");
    }
    let asked: SignIn = match form(body).await {
        Ok(asked) => asked,
        Err(response) => return response,
    };
    if let Err(why) = page.desk.proved(&asked.name, &asked.password).await {
        tracing::warn!("sign-in at the local page refused");
        return refused(StatusCode::UNAUTHORIZED, &why);
    }
    let (cookie, form) = (secret(), secret());
    page.desk.with(|sessions| sessions.open(&asked.name, &cookie, form, clock::mono_ms()));
    tracing::info!(person = asked.name, "signed in at the local page");
    back(Some(format!("{COOKIE}={cookie}; Path=/act; HttpOnly; SameSite=Strict; Max-Age={}", LONGEST_MS / 1_000)))
}

#[derive(Deserialize)]
struct Signed<T> {
    form: String,
    #[serde(flatten)]
    rest: T,
}

#[derive(Deserialize)]
struct Nothing {}

/// The session behind a form, and what the form says.
async fn signed<T: DeserializeOwned>(page: &Page, headers: &HeaderMap, body: Body) -> Result<(Session, T), Response> {
    let session = cookie(headers).and_then(|secret| page.desk.with(|all| all.of(secret, clock::mono_ms())));
    let session = session.ok_or_else(|| refused(StatusCode::UNAUTHORIZED, "请先登录 / sign in first"))?;
    let asked: Signed<T> = form(body).await?;
    match ours(headers) && asked.form == session.form {
        true => Ok((session, asked.rest)),
        false => Err(refused(StatusCode::FORBIDDEN, "请求来自其他页面 / this form is not of our page")),
    }
}

async fn sign_out(State(page): State<Arc<Page>>, headers: HeaderMap, body: Body) -> Response {
    if let Err(response) = signed::<Nothing>(&page, &headers, body).await {
        return response;
    }
    page.desk.with(|sessions| sessions.end(cookie(&headers).unwrap_or_default()));
    back(Some(format!("{COOKIE}=; Path=/act; HttpOnly; SameSite=Strict; Max-Age=0")))
}

#[derive(Deserialize)]
struct AlarmForm {
    alarm: String,
    revision: String,
    what: String,
    reason: Option<String>,
    hours: Option<String>,
    second: Option<String>,
    second_password: Option<String>,
}

fn intent(asked: &AlarmForm, now: At) -> Result<Intent, &'static str> {
    Ok(match asked.what.as_str() {
        "acknowledge" => Intent::Acknowledge,
        "silence" => Intent::Silence,
        "unshelve" => Intent::Unshelve,
        "shelve" => {
            let hours =
                asked.hours.as_deref().and_then(|hours| hours.parse::<i64>().ok()).filter(|h| (1..=24).contains(h));
            let hours = hours.ok_or("小时数须为整数 / hours must be a whole number")?;
            let reason = asked.reason.as_deref().unwrap_or_default().trim().to_owned();
            Intent::Shelve { until: now.plus_millis(hours * 3_600_000), one_shot: false, reason }
        }
        _ => return Err("没有这样的操作 / no such act"),
    })
}

async fn alarm(State(page): State<Arc<Page>>, headers: HeaderMap, body: Body) -> Response {
    let (session, asked) = match signed::<AlarmForm>(&page, &headers, body).await {
        Ok(signed) => signed,
        Err(response) => return response,
    };
    let (Ok(alarm), Ok(seen)) = (PointId::parse(&asked.alarm), asked.revision.parse::<u64>()) else {
        return refused(StatusCode::BAD_REQUEST, "没有这个报警 / no such alarm");
    };
    let what = match intent(&asked, clock::wall()) {
        Ok(what) => what,
        Err(why) => return refused(StatusCode::BAD_REQUEST, why),
    };
    let second = asked.second.as_deref().map(str::trim).filter(|name| !name.is_empty());
    if let Some(name) = second
        && let Err(why) = page.desk.proved(name, asked.second_password.as_deref().unwrap_or_default()).await
    {
        return refused(StatusCode::UNAUTHORIZED, &format!("第二人 second person: {why}"));
    }
    done(&page, &session, second, Deed::Alarm { alarm, seen, what }).await
}

#[derive(Deserialize)]
struct SirenForm {
    siren: String,
}

async fn siren(State(page): State<Arc<Page>>, headers: HeaderMap, body: Body) -> Response {
    match signed::<SirenForm>(&page, &headers, body).await {
        Ok((session, asked)) => done(&page, &session, None, Deed::SirenTest { siren: asked.siren }).await,
        Err(response) => response,
    }
}

/// Hands it to the site and waits until it is in the ledger.
async fn done(page: &Page, session: &Session, second: Option<&str>, deed: Deed) -> Response {
    let busy = || refused(StatusCode::SERVICE_UNAVAILABLE, "网关忙，请重试 / the gateway is busy; try again");
    let named = |name: &str| format!("{name}@{}", page.desk.gateway);
    let id = format!("{}-{:032x}", page.desk.gateway, rand::random::<u128>());
    let act = Act { id, by: named(&session.who), second: second.map(named), deed };
    let (reply, answer) = oneshot::channel();
    if page.requests.try_send(Inbox::Act(Box::new(act), reply)).is_err() {
        return busy();
    }
    match answer.await {
        Ok(Ok(())) => back(None),
        Ok(Err(why)) => refused(StatusCode::CONFLICT, &why),
        Err(_) => busy(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers_of(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| ((*name).parse().expect("name"), value.parse().expect("value"))).collect()
    }

    #[test]
    fn forms_of_other_pages_are_known_by_what_the_browser_says() {
        let host = ("host", "127.0.0.1:8081");
        for (said, good) in [
            (&[host][..], true),
            (&[host, ("origin", "http://127.0.0.1:8081")], true),
            (&[host, ("sec-fetch-site", "same-origin")], true),
            (&[host, ("origin", "http://evil.example")], false),
            (&[host, ("origin", "null")], false),
            (&[host, ("sec-fetch-site", "cross-site")], false),
            (&[host, ("sec-fetch-site", "same-site"), ("origin", "http://127.0.0.1:8081")], false),
        ] {
            assert_eq!(ours(&headers_of(said)), good, "{said:?}");
        }
    }

    #[tokio::test]
    async fn a_form_is_read_like_a_query_and_bounded() {
        let body = "form=f&alarm=p-1.threshold&revision=7&what=shelve&reason=%E6%8D%A2+%E8%A1%A8&hours=2&second=";
        let asked: Signed<AlarmForm> = form(Body::from(body)).await.expect("a form");
        assert_eq!((asked.form.as_str(), asked.rest.reason.as_deref()), ("f", Some("换 表")));
        let Ok(Intent::Shelve { until, reason, .. }) = intent(&asked.rest, At(0)) else { panic!("a shelf") };
        assert_eq!((until, reason.as_str()), (At(7_200_000_000), "换 表"));
        let large = format!("form=f&alarm={}", "x".repeat(FORM_BYTES_MAX));
        assert_eq!(form::<Nothing>(Body::from(large)).await.map(|_| ()).expect_err("large").status(), 413);
        assert!(form::<Signed<AlarmForm>>(Body::from("alarm=x")).await.is_err(), "fields are missing");
    }
}
