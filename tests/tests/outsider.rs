//! What somebody tries who has no right to it. Routes come from the OpenAPI description, so that a
//! new one cannot be forgotten.

use anyhow::{Context, Result, ensure};
use futures_util::StreamExt;
use minewatch_tests::aggregator::{Aggregator, Setup};
use minewatch_tests::people::{PASSWORD, Visitor, found, grant, session};
use minewatch_tests::process::scratch;
use minewatch_tests::scene::{Plan, Scene};
use minewatch_tests::wait::{eventually, when};
use serde_json::{Value, json};
use std::time::Duration;

const VERBS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
/// Doors that stand open to strangers.
const OPEN: [(&str, &str); 9] = [
    ("GET", "/api/v1/sign-in"),
    ("HEAD", "/api/v1/sign-in"),
    ("POST", "/api/v1/sign-in"),
    ("POST", "/api/v1/setup"),
    ("GET", "/api/v1/oidc/start"),
    ("HEAD", "/api/v1/oidc/start"),
    ("GET", "/api/v1/oidc/callback"),
    ("HEAD", "/api/v1/oidc/callback"),
    // Signed by the channel; without it 401 all the same.
    ("POST", "/api/v1/receipts/x"),
];

struct Route {
    methods: Vec<String>,
    path: String,
}

/// Every route of the description, with `value` for each parameter of the path.
async fn routes(reader: &Visitor, value: &str) -> Result<Vec<Route>> {
    let description = reader.done("GET", "/api/openapi.json", None).await?;
    let paths = description["paths"].as_object().context("paths")?;
    let fill = |path: &str| {
        let levels = path.split('/').map(|level| if level.starts_with('{') { value } else { level });
        levels.collect::<Vec<_>>().join("/")
    };
    let mut found: Vec<Route> = Vec::new();
    for (path, methods) in paths {
        let methods = methods.as_object().context("methods")?.keys().map(|m| m.to_uppercase()).collect();
        found.push(Route { methods, path: fill(path) });
    }
    ensure!(found.len() > 25, "only {} routes described", found.len());
    Ok(found)
}

async fn alone(test: &str, setup: &Setup) -> Result<Aggregator> {
    Aggregator::start(&scratch(test)?, setup).await
}

#[tokio::test(flavor = "multi_thread")]
async fn without_credentials_every_route_is_closed_for_every_verb() -> Result<()> {
    let aggregator = alone("outsider-closed", &Setup::default()).await?;
    let chief = found(&aggregator).await?;
    let stranger = Visitor::stranger(aggregator.api());
    let mut paths: Vec<String> = routes(&chief, "x").await?.into_iter().map(|route| route.path).collect();
    paths.extend(["/metrics", "/api/openapi.json", "/api/v1/nowhere", "/api/v2/gateways"].map(str::to_owned));
    let wrong = [
        ("nobody", stranger.clone()),
        ("a wrong token", stranger.with_token("mw_0123456789")),
        ("a wrong cookie", stranger.with("cookie", "minewatch=0123456789").with("sec-fetch-site", "same-origin")),
    ];
    let mut seen = 0;
    for path in &paths {
        for verb in VERBS.into_iter().filter(|verb| !OPEN.contains(&(verb, path.as_str()))) {
            for (who, visitor) in &wrong {
                let answer = visitor.ask(verb, path, None).await?;
                ensure!(answer.status == 401, "{who}: {verb} {path} answers {} {}", answer.status, answer.body);
                seen += 1;
            }
        }
    }
    println!("{seen} requests over {} routes refused", paths.len());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_only_sees_changes_nothing_and_reads_nothing_about_people() -> Result<()> {
    let aggregator = alone("outsider-viewer", &Setup::default()).await?;
    let chief = found(&aggregator).await?;
    let viewer = chief.hire("viewer", json!([grant("viewer", "/")])).await?;
    let own = |path: &str| path.starts_with("/api/v1/me") || path == "/api/v1/sign-out";
    let closed = |path: &str| path.starts_with("/api/v1/people") || path.starts_with("/api/v1/audit");
    let mut refused = 0;
    for route in routes(&chief, "chief").await? {
        for method in route.methods.iter().filter(|_| !own(&route.path)) {
            let open = OPEN.contains(&(method.as_str(), route.path.as_str()));
            if open || (method == "GET" && !closed(&route.path)) {
                continue;
            }
            let answer = viewer.ask(method, &route.path, Some(json!({}))).await?;
            // A receipt is believed by its signature alone, whoever is signed in.
            let expected = if route.path.starts_with("/api/v1/receipts/") { 401 } else { 403 };
            ensure!(answer.status == expected, "{method} {} answers {} {}", route.path, answer.status, answer.body);
            refused += 1;
        }
    }
    ensure!(refused >= 12, "only {refused} requests tried");
    let people = chief.done("GET", "/api/v1/people", None).await?;
    ensure!(people.as_array().is_some_and(|all| all.len() == 2), "{people}");
    Ok(())
}

/// Event data of a stream until `enough` holds or the time is over.
async fn events(visitor: &Visitor, within: Duration, enough: impl Fn(&str) -> bool) -> Result<String> {
    let mut body = visitor.stream().await?.bytes_stream();
    let mut text = String::new();
    let reading = async {
        while let Some(Ok(bytes)) = body.next().await {
            text.push_str(&String::from_utf8_lossy(&bytes));
            if enough(&text) {
                break;
            }
        }
    };
    let _ = tokio::time::timeout(within, reading).await;
    Ok(text)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mine_of_others_is_not_there() -> Result<()> {
    let scene = Scene::start(&Plan { devices: 1, ..Plan::small("outsider-mine") }).await?;
    let chief = found(&scene.aggregator).await?;
    let all = ["viewer", "operator", "dispatcher", "engineer"];
    let roles = |org: &str| Value::Array(all.iter().map(|role| grant(role, org)).collect());
    let inside = chief.hire("inside", roles("group/company/mine")).await?;
    let outside = chief.hire("outside", roles("group/company/other")).await?;
    // The place of a gateway is looked up every two seconds.
    eventually("the insider sees the gateway's points", Duration::from_secs(20), async || {
        let points = inside.done("GET", "/api/v1/points", None).await?;
        Ok(when(points.as_array().is_some_and(|all| !all.is_empty()), &points))
    })
    .await?;
    let name = &scene.site.gateway;
    let point = minewatch_tests::site::Site::counter_point(0, 3);
    for path in ["/api/v1/gateways", "/api/v1/points", "/api/v1/ledger"] {
        let theirs = inside.done("GET", path, None).await?;
        ensure!(theirs[0]["gateway"] == json!(name), "{path} for the insider: {theirs}");
        for path in [path.to_owned(), format!("{path}?gateway={name}")] {
            let none = outside.ask("GET", &path, None).await?;
            let unknown = path.contains('?') && none.status == 400;
            ensure!(unknown || none.body == json!([]), "{path} for the outsider: {} {}", none.status, none.body);
        }
    }
    for path in
        [format!("/api/v1/points/{name}/{point}/history"), format!("/api/v1/readings?gateway={name}&point={point}")]
    {
        ensure!(inside.ask("GET", &path, None).await?.status == 200, "{path} for the insider");
        let (hidden, absent) = (
            outside.ask("GET", &path, None).await?,
            outside.ask("GET", &path.replace(name.as_str(), "gw-none"), None).await?,
        );
        ensure!((hidden.status, &hidden.body) == (404, &absent.body), "{path}: {hidden:?} is not {absent:?}");
    }
    for route in routes(&chief, name).await? {
        let query = format!("{}?gateway={name}", route.path);
        for path in [&route.path, &query].into_iter().filter(|path| !path.ends_with("/stream")) {
            let answer = outside.ask("GET", path, None).await?;
            ensure!(answer.status < 500 && !answer.body.to_string().contains("dev-00"), "{path}: {}", answer.body);
        }
    }
    let values = |text: &str| text.contains("event: values");
    let (mine, theirs) = tokio::join!(
        events(&inside, Duration::from_secs(20), values),
        events(&outside, Duration::from_secs(6), |_| false)
    );
    let (mine, theirs) = (mine?, theirs?);
    ensure!(values(&mine) && mine.contains(name), "the insider's stream: {mine}");
    ensure!(theirs.contains("event: snapshot") && !theirs.contains(name), "the outsider's stream: {theirs}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_ends_when_its_session_does() -> Result<()> {
    let aggregator = alone("outsider-stream", &Setup::default()).await?;
    let chief = found(&aggregator).await?;
    let viewer = chief.hire("viewer", json!([grant("viewer", "/")])).await?;
    let mut body = viewer.stream().await?.bytes_stream();
    body.next().await.context("a snapshot")??;
    let sessions = chief.done("GET", "/api/v1/people/viewer/sessions", None).await?;
    let id = sessions[0]["id"].as_str().context("a session")?;
    chief.done("DELETE", &format!("/api/v1/people/viewer/sessions/{id}"), None).await?;
    let ended = tokio::time::timeout(Duration::from_secs(8), async { while body.next().await.is_some() {} }).await;
    ensure!(ended.is_ok(), "the stream of an ended session stays open");
    ensure!(viewer.ask("GET", "/api/v1/me", None).await?.status == 401);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn sign_in_makes_a_new_session_that_others_cannot_ride() -> Result<()> {
    let aggregator = alone("outsider-session", &Setup::default()).await?;
    let chief = found(&aggregator).await?;
    let stranger = Visitor::stranger(aggregator.api());
    let body = json!({ "person": "chief", "password": PASSWORD });
    let fixed = stranger.with("cookie", "minewatch=chosen-by-somebody-else").with("sec-fetch-site", "same-origin");
    let answer = fixed.ask("POST", "/api/v1/sign-in", Some(body.clone())).await?;
    let cookie = answer.cookie.clone().context("a cookie")?;
    ensure!(!cookie.contains("chosen-by-somebody-else"), "{cookie}");
    for attribute in ["HttpOnly", "SameSite=Lax", "Path=/"] {
        ensure!(cookie.contains(attribute), "{attribute} in {cookie}");
    }
    let one = stranger.with("cookie", &session(&answer)?);
    for (site, origin) in [("cross-site", "http://evil.example"), ("same-site", "http://127.0.0.1:1")] {
        let ridden = one.with("sec-fetch-site", site).with("origin", origin);
        let answer = ridden.ask("POST", "/api/v1/sign-out", None).await?;
        ensure!((answer.status, answer.code()) == (403, "cross_site"), "{answer:?}");
    }
    ensure!(one.ask("POST", "/api/v1/sign-out", None).await?.status == 403, "without any word of a browser");
    ensure!(one.ask("GET", "/api/v1/me", None).await?.status == 200, "the session still stands");
    let ours = one.with("sec-fetch-site", "same-origin");
    ensure!(ours.ask("POST", "/api/v1/sign-out", None).await?.status == 204);
    ensure!(one.ask("GET", "/api/v1/me", None).await?.status == 401, "ended at the server");
    let again = json!({ "token": "x", "people": [] });
    ensure!(stranger.ask("POST", "/api/v1/setup", Some(again)).await?.status == 401, "the set-up works once");
    chief.done("GET", "/api/v1/me", None).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn guessing_is_slowed_and_tells_nothing() -> Result<()> {
    let aggregator = alone("outsider-guess", &Setup::default()).await?;
    let chief = found(&aggregator).await?;
    let stranger = Visitor::stranger(aggregator.api());
    let mut told = Vec::new();
    for person in ["chief", "nobody-of-that-name"] {
        let guess = json!({ "person": person, "password": "wrong wrong wrong" });
        let mut statuses = Vec::new();
        for _ in 0..7 {
            let answer = stranger.ask("POST", "/api/v1/sign-in", Some(guess.clone())).await?;
            statuses.push((answer.status, answer.code().to_owned()));
        }
        told.push(statuses);
    }
    ensure!(told[0] == told[1], "an unknown name looks different: {told:?}");
    ensure!(told[0][..5].iter().all(|(status, code)| (*status, code.as_str()) == (401, "wrong")), "{told:?}");
    ensure!(told[0][5..].iter().all(|(status, _)| *status == 429), "not slowed: {told:?}");
    let entries = chief.done("GET", "/api/v1/audit?action=session.refused", None).await?;
    ensure!(entries.as_array().is_some_and(|all| all.len() == 10), "{entries}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_and_headers_that_dawdle_or_swell_are_given_up() -> Result<()> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let aggregator = alone("outsider-slow", &Setup::default()).await?;
    let chief = found(&aggregator).await?;
    let token = chief.token(json!([grant("operator", "/")])).await?;
    let host = aggregator.api().base().trim_start_matches("http://").to_owned();
    let stranger = Visitor::stranger(aggregator.api());
    let huge = json!({ "person": "x".repeat(100_000), "password": "x" });
    ensure!(stranger.ask("POST", "/api/v1/sign-in", Some(huge)).await?.status == 413);
    let length = "content-type: application/json\r\ncontent-length: 60\r\n";
    for begun in [
        "GET /healthz HTTP/1.1\r\nhost: x\r\nx-slow".to_owned(),
        format!("POST /api/v1/sign-in HTTP/1.1\r\nhost: x\r\n{length}\r\n{{\"person\":"),
        format!(
            "POST /api/v1/alarms/gw-1/a-1/acknowledge HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n\
             {length}\r\n{{\"version\":"
        ),
        format!(
            "POST /api/v1/cases/c-1/assign HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n\
             {length}\r\n{{\"revision\":"
        ),
    ] {
        let mut socket = tokio::net::TcpStream::connect(&host).await?;
        socket.write_all(begun.as_bytes()).await?;
        let mut said = Vec::new();
        let ended = tokio::time::timeout(Duration::from_secs(40), socket.read_to_end(&mut said)).await;
        ensure!(ended.is_ok(), "kept open: {begun}");
        let said = String::from_utf8_lossy(&said);
        let refused = if begun.starts_with("POST") { said.contains(" 408 ") } else { !said.contains(" 200 ") };
        ensure!(refused, "{begun}: {said}");
    }
    Ok(())
}
