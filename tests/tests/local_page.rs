//! People who act at the mine's own page: what they do stays when headquarters is away, and travels up.

use anyhow::{Context, Result, ensure};
use minewatch_tests::aggregator::{Aggregator, Setup};
use minewatch_tests::gateway::Gateway;
use minewatch_tests::people::{PASSWORD, found};
use minewatch_tests::process::{free_port, scratch};
use minewatch_tests::relay::{Link, Relay};
use minewatch_tests::site::Site;
use minewatch_tests::wait::{eventually, when};
use reqwest::redirect::Policy;
use std::time::Duration;

/// A browser at the local page.
struct Browser {
    client: reqwest::Client,
    base: String,
    cookie: String,
}

/// The text between two marks.
fn between<'a>(text: &'a str, from: &str, to: &str) -> Option<&'a str> {
    text.split_once(from)?.1.split_once(to).map(|(found, _)| found)
}

impl Browser {
    fn new(port: u16) -> Result<Browser> {
        let client = reqwest::Client::builder().redirect(Policy::none()).build()?;
        Ok(Browser { client, base: format!("http://127.0.0.1:{port}"), cookie: String::new() })
    }

    async fn page(&self) -> Result<String> {
        let asked = self.client.get(format!("{}/act", self.base)).header("cookie", &self.cookie);
        Ok(asked.send().await?.error_for_status()?.text().await?)
    }

    /// Sends a form; status, and the cookie it sets.
    async fn send(&self, path: &str, form: &str, origin: &str) -> Result<(u16, Option<String>)> {
        let asked = self.client.post(format!("{}{path}", self.base)).header("cookie", &self.cookie);
        let asked = asked.header("content-type", "application/x-www-form-urlencoded").header("origin", origin);
        let answer = asked.body(form.to_owned()).send().await?;
        let cookie = answer.headers().get("set-cookie").and_then(|value| value.to_str().ok());
        let cookie = cookie.and_then(|cookie| cookie.split(';').next()).map(str::to_owned);
        Ok((answer.status().as_u16(), cookie))
    }

    async fn sign_in(&mut self, password: &str) -> Result<u16> {
        let form = format!("name=li.wei&password={}", password.replace(' ', "+"));
        let (status, cookie) = self.send("/act/sign-in", &form, &self.base).await?;
        if let Some(cookie) = cookie {
            self.cookie = cookie;
        }
        Ok(status)
    }
}

/// What headquarters knows of the alarm: its state, and who acknowledged it.
async fn seen(aggregator: &Aggregator) -> Result<(String, String)> {
    let page = aggregator.api().get("/api/v1/annunciator?gateway=gw-local").await?;
    let rows = page["rows"].as_array().context("rows")?;
    let row = rows.iter().find(|row| row["alarm"].as_str().is_some_and(|alarm| alarm.ends_with(".device_down")));
    let Some(row) = row else { return Ok(("none".to_owned(), String::new())) };
    let alarm = row["alarm"].as_str().unwrap_or_default();
    let actions = aggregator.api().get(&format!("/api/v1/alarms/gw-local/{alarm}/actions")).await?;
    Ok((row["handling"]["isa"].as_str().unwrap_or_default().to_owned(), actions.to_string()))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_done_at_the_mine_is_refused_to_strangers_and_travels_up() -> Result<()> {
    let folder = scratch("local-page")?;
    let aggregator = Aggregator::start(&folder, &Setup::default()).await?;
    found(&aggregator).await?;
    let relay = Relay::start(aggregator.mqtt_port().context("broker")?).await?;
    // Nobody listens there: the instrument is down, which is an alarm.
    let mut site = Site::of_counters("gw-local", &[free_port()?], 10, relay.port())?;
    site.http = "users_file = \"local-users\"\n".to_owned();
    let config = site.write(&folder)?;
    Gateway::local_user(&config, "li.wei", PASSWORD)?;
    let gateway = Gateway::start(&folder, &site)?;
    eventually("headquarters knows the alarm", Duration::from_secs(60), async || {
        gateway.program().must_run()?;
        let (isa, _) = seen(&aggregator).await?;
        Ok(when(isa == "UNACK", isa))
    })
    .await?;

    let mut browser = Browser::new(site.http_port)?;
    let ours = browser.base.clone();
    ensure!(browser.page().await?.contains("sign in"), "a stranger is asked who it is");
    ensure!(browser.send("/act/alarm", "form=x&alarm=a&revision=1&what=acknowledge", &ours).await?.0 == 401);
    ensure!(browser.sign_in("a wrong password").await? == 401);
    ensure!(browser.sign_in(PASSWORD).await? == 303);
    let page = browser.page().await?;
    let form = between(&page, "name=\"form\" value=\"", "\"").context("a form")?.to_owned();
    let alarm = between(&page, "name=\"alarm\" value=\"", "\"").context("an alarm")?.to_owned();
    let revision = between(&page, "name=\"revision\" value=\"", "\"").context("a revision")?.to_owned();
    let acknowledge = format!("alarm={alarm}&revision={revision}&what=acknowledge");

    let foreign = browser.send("/act/alarm", &format!("form={form}&{acknowledge}"), "http://evil.example").await?;
    ensure!(foreign.0 == 403, "a page of another origin: {foreign:?}");
    ensure!(browser.send("/act/alarm", &format!("form=guess&{acknowledge}"), &ours).await?.0 == 403, "no secret");
    let unreasoned = format!("form={form}&alarm={alarm}&revision={revision}&what=shelve&hours=1&reason=");
    ensure!(browser.send("/act/alarm", &unreasoned, &ours).await?.0 == 409, "a shelf needs a reason");

    relay.set(Link::Refused);
    let done = browser.send("/act/alarm", &format!("form={form}&{acknowledge}"), &ours).await?;
    ensure!(done.0 == 303, "headquarters is not needed: {done:?}");
    ensure!(browser.page().await?.contains("ACKED"), "seen at once on site");
    let again = browser.send("/act/alarm", &format!("form={form}&{acknowledge}"), &ours).await?;
    ensure!(again.0 == 409, "it is acknowledged already: {again:?}");
    relay.set(Link::Up);
    eventually("the act is at headquarters", Duration::from_secs(60), async || {
        let (isa, actions) = seen(&aggregator).await?;
        let told = isa == "ACKED" && actions.contains("li.wei@gw-local") && actions.contains("site");
        Ok(when(told, format!("{isa} {actions}")))
    })
    .await
}
