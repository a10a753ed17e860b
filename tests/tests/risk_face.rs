//! The business side as people meet it: a warning led back to its source record, rules that two people
//! release while warnings stand, what foreign units do not see.

use anyhow::{Context, Result, ensure};
use minewatch_tests::aggregator::{Aggregator, Setup};
use minewatch_tests::people::{Visitor, found, grant};
use minewatch_tests::postgres::Postgres;
use minewatch_tests::process::{binary, run, scratch};
use minewatch_tests::wait::{eventually, when};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const WITHIN: Duration = Duration::from_secs(90);

/// A feed that reads the contracts of the simulated business as a purchasing system would hand them out.
fn settings(folder: &Path) -> Result<String> {
    let same = |name: &str| format!("[[field]]\nto = '{name}'\nfrom = 'fields.{name}'\n");
    let fields =
        ["buyer", "supplier", "category", "class", "amount", "budget", "method", "exemption_id", "approval_id"];
    let dates = ["approved_on", "signed_on"];
    let fields: String = fields.into_iter().chain(dates).map(same).collect();
    let mapping = format!(
        "layout = 'jsonl'\nkind = 'contract'\nkey = ['key']\nevent_at = 'signed_on'\norg_from = 'org'\n{fields}"
    );
    fs::write(folder.join("contracts.toml"), mapping)?;
    let at = folder.display();
    Ok(format!(
        "[feeds]\norg = 'minmetals'\n[[feeds.feed]]\nname = 'erp'\nmapping = '{at}/contracts.toml'\n\
         folder = '{at}/erp'\nsettle_ms = 300\n"
    ))
}

/// Contracts of the simulator, and the keys planted for P01.
fn contracts(folder: &Path) -> Result<(String, Vec<String>)> {
    let out = folder.join("business").display().to_string();
    run(Command::new(binary("simulator")?)
        .args(["business", "--seed", "3", "--months", "6", "--plants", "2", "--out", &out]))?;
    let lines = |name: &str| fs::read_to_string(folder.join("business").join(name));
    let facts = lines("facts.jsonl")?;
    let contracts: Vec<&str> = facts.lines().filter(|line| line.contains("\"kind\":\"contract\"")).collect();
    let label = |line: &str| serde_json::from_str::<Value>(line).ok();
    let labels = lines("labels.jsonl")?;
    let planted = labels.lines().filter_map(label).filter(|label| label["rule"] == "P01");
    let planted: Vec<String> = planted.filter_map(|label| label["dedupe"].as_str().map(str::to_owned)).collect();
    ensure!(contracts.len() > 50 && planted.len() == 2, "{} contracts, {planted:?}", contracts.len());
    Ok((contracts.join("\n") + "\n", planted))
}

/// Whole at once, as a careful sender does it.
fn drop_file(folder: &Path, name: &str, text: &str) -> Result<()> {
    let part = folder.join(format!("{name}.part"));
    fs::write(&part, text)?;
    Ok(fs::rename(part, folder.join(name))?)
}

async fn warnings(visitor: &Visitor, query: &str) -> Result<Vec<Value>> {
    let page = visitor.done("GET", &format!("/api/v1/risk/warnings?{query}"), None).await?;
    // One that returned waits for somebody to acknowledge it, but holds no longer.
    let holds = |row: &&Value| row["isa"] != "RTNUN";
    Ok(page["rows"].as_array().context("rows")?.iter().filter(holds).cloned().collect())
}

/// An aggregator with two engineers and the simulator's contracts dropped into its folder; P01 stands.
async fn scene(test: &str, store_url: Option<String>) -> Result<(Aggregator, [Visitor; 3], Vec<String>)> {
    let folder = scratch(test)?;
    let setup = Setup { more: settings(&folder)?, store_url, ..Setup::default() };
    let aggregator = Aggregator::start(&folder, &setup).await?;
    let chief = found(&aggregator).await?;
    let engineer = chief.hire("engineer", json!([grant("engineer", "/")])).await?;
    let second = chief.hire("second", json!([grant("engineer", "/")])).await?;
    let (text, planted) = contracts(&folder)?;
    eventually("the folder is there", WITHIN, async || Ok(when(folder.join("erp/rejected").exists(), "no folder")))
        .await?;
    drop_file(&folder.join("erp"), "contracts.jsonl", &text)?;
    eventually("the planted risks are warnings", WITHIN, async || {
        aggregator.program().must_run()?;
        let rows = warnings(&chief, "rule=P01&limit=100").await?;
        Ok(when(rows.len() >= planted.len(), format!("{} warnings of P01", rows.len())))
    })
    .await?;
    Ok((aggregator, [chief, engineer, second], planted))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_planted_risk_is_led_from_the_group_to_its_line_in_the_feed_and_others_see_nothing_of_it() -> Result<()> {
    let (_aggregator, [chief, ..], planted) = scene("risk-drill", None).await?;
    let units = chief.done("GET", "/api/v1/risk/units?domain=procurement", None).await?;
    ensure!(units["units"][0]["org"] == "minmetals" && units["counts"]["orange"].as_i64() >= Some(2), "{units}");
    let below = chief.done("GET", "/api/v1/risk/units?org=minmetals&domain=procurement", None).await?;
    ensure!(
        below["units"].as_array().is_some_and(|all| all.iter().any(|unit| unit["org"] == "minmetals/p01-0")),
        "{below}"
    );
    let rows = warnings(&chief, "org=minmetals/p01-0&rule=P01").await?;
    let row = rows.first().context("the warning of the unit")?;
    ensure!(row["rule"] == "P01#1" && row["name"]["zh"] == "应招未招" && row["case"].is_string(), "{row}");
    let path = format!(
        "/api/v1/risk/warnings/{}/{}",
        row["gateway"].as_str().unwrap_or_default(),
        row["alarm"].as_str().unwrap_or_default()
    );
    let whole = chief.done("GET", &path, None).await?;
    let fact = &whole["facts"][0];
    ensure!(whole["about"]["version"] == 1 && whole["trace"]["of"].is_string(), "{whole}");
    ensure!(fact["kind"] == "contract" && fact["visible"] == true && fact["document"] == "contracts.jsonl", "{fact}");
    ensure!(planted.iter().any(|key| fact["key"] == key.as_str()), "{fact} is none of {planted:?}");
    let source = format!("/api/v1/risk/fact?kind=contract&key={}", fact["key"].as_str().unwrap_or_default());
    let record = chief.done("GET", &source, None).await?;
    ensure!(record["lineage"]["feed"] == "erp" && record["lineage"]["via"] == "folder", "{record}");
    ensure!(record["lineage"]["locator"].as_str().is_some_and(|at| at.starts_with("line ")), "{record}");
    ensure!(
        record["fields"]
            .as_array()
            .is_some_and(|all| all.iter().any(|f| f["id"] == "amount" && f["value"] == "2600000")),
        "{record}"
    );
    let other = chief.hire("other", json!([grant("viewer", "minmetals/c01")])).await?;
    ensure!(warnings(&other, "rule=P01").await?.is_empty(), "a foreign unit's warnings are seen");
    for hidden in [&path, &source] {
        let answer = other.ask("GET", hidden, None).await?;
        ensure!(answer.status == 404, "{hidden} for others: {} {}", answer.status, answer.body);
    }
    let none = other.done("GET", "/api/v1/risk/units", None).await?;
    ensure!(none["counts"]["orange"] == 0 && none["units"] == json!([]), "{none}");
    Ok(())
}

/// The shipped P01 as the next version, judging from `limit` yuan of goods on.
async fn next_version(engineer: &Visitor, limit: u64) -> Result<String> {
    let shipped = engineer.done("GET", "/api/v1/rules/P01", None).await?;
    let text = shipped["shown"]["text"].as_str().context("a text")?;
    ensure!(shipped["row"]["version"] == 1 && shipped["row"]["origin"] == "shipped", "{}", shipped["row"]);
    Ok(text.replace("version = 1", "version = 2").replace("goods = 2000000", &format!("goods = {limit}")))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_is_released_by_two_people_and_takes_over_while_warnings_stand() -> Result<()> {
    release("risk-release", None).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_on_postgresql() -> Result<()> {
    let postgres = Postgres::start()?;
    release("risk-release-postgres", Some(postgres.url())).await
}

/// Puts the draft of engineer before a second person, who sends it back; a draft of nothing is thrown away.
async fn sent_back(engineer: &Visitor, second: &Visitor, path: &str) -> Result<()> {
    let asked = engineer.ask("POST", &format!("{path}/submit"), Some(json!({ "revision": 1 }))).await?;
    ensure!(asked.status == 202, "{asked:?}");
    let wordless = second.ask("POST", &format!("{path}/reject"), Some(json!({ "revision": 2 }))).await?;
    ensure!(wordless.status == 400, "rejected without a reason: {wordless:?}");
    let why = json!({ "revision": 2, "reason": "which contracts?" });
    second.done("POST", &format!("{path}/reject"), Some(why)).await?;
    let version = engineer.done("GET", path, None).await?;
    ensure!(version["about"]["state"] == "draft" && version["about"]["reason"] == "which contracts?", "{version}");
    let request = asked.body["request"].as_str().context("a request")?;
    let late = second.ask("POST", &format!("/api/v1/requests/{request}/grant"), None).await?;
    ensure!(late.status >= 400, "a request that was turned down is granted: {late:?}");
    let text = version["text"].as_str().context("a text")?;
    let other = json!({ "text": text.replace("id = \"P01\"", "id = \"X01\"").replace("version = 2", "version = 1"), "revision": 0 });
    engineer.done("PUT", "/api/v1/rules/X01/versions/1", Some(other)).await?;
    engineer.done("DELETE", "/api/v1/rules/X01/versions/1?revision=1", None).await?;
    let gone = engineer.ask("GET", "/api/v1/rules/X01", None).await?;
    ensure!(gone.status == 404, "a draft that was thrown away is there: {gone:?}");
    Ok(())
}

async fn release(test: &str, store_url: Option<String>) -> Result<()> {
    let (mut aggregator, [chief, engineer, second], _) = scene(test, store_url).await?;
    let standing = warnings(&chief, "rule=P01&limit=1000").await?;
    let text = next_version(&engineer, 2_700_000).await?;
    let bad = engineer
        .done("POST", "/api/v1/rules/check", Some(json!({ "text": text.replace("amount >=", "amont >=") })))
        .await?;
    ensure!(
        bad["ok"] == false && bad["faults"][0]["at"].as_str().is_some_and(|at| at.starts_with("check[0].when")),
        "{bad}"
    );
    let path = "/api/v1/rules/P01/versions/2";
    let saved = engineer.done("PUT", path, Some(json!({ "text": text, "revision": 0 }))).await?;
    ensure!(saved["checked"]["ok"] == true && saved["revision"] == 1, "{saved}");
    let stale = second.ask("PUT", path, Some(json!({ "text": text, "revision": 0 }))).await?;
    ensure!((stale.status, stale.code()) == (409, "stale"), "{stale:?}");
    let frozen = engineer
        .ask(
            "PUT",
            "/api/v1/rules/P01/versions/1",
            Some(json!({ "text": text.replace("version = 2", "version = 1"), "revision": 1 })),
        )
        .await?;
    ensure!(frozen.status == 409, "a released version was written: {frozen:?}");
    sent_back(&engineer, &second, path).await?;
    let asked = engineer.ask("POST", &format!("{path}/submit"), Some(json!({ "revision": 3 }))).await?;
    ensure!(asked.status == 202, "{asked:?}");
    let own = engineer.ask("POST", &format!("{path}/approve"), Some(json!({ "revision": 4 }))).await?;
    ensure!(own.status == 409, "its author approved it: {own:?}");
    let requests = second.done("GET", "/api/v1/requests", None).await?;
    ensure!(requests[0]["target"] == "rule.p01.2", "{requests}");
    let before = chief.done("GET", "/api/v1/rules/P01", None).await?;
    ensure!(before["row"]["version"] == 1 && before["row"]["submitted"] == 2, "{}", before["row"]);
    second.done("POST", &format!("{path}/approve"), Some(json!({ "revision": 4 }))).await?;
    // Killed before anybody can be sure that the engine has taken it over: nothing may be lost.
    aggregator.program().kill_9()?;
    aggregator.restart().await?;
    let rest = standing
        .iter()
        .filter(|row| !row["said"]["en"].as_str().unwrap_or_default().contains("contract of 2600000 yuan"))
        .count();
    ensure!(rest < standing.len(), "none of the planted stands: {standing:?}");
    eventually("only what the new version says stands", WITHIN, async || {
        aggregator.program().must_run()?;
        let rows = warnings(&chief, "rule=P01&limit=1000").await?;
        Ok(when(rows.len() == rest, format!("{} warnings, {rest} expected", rows.len())))
    })
    .await?;
    let after = chief.done("GET", "/api/v1/rules/P01", None).await?;
    ensure!(after["row"]["version"] == 2 && after["versions"][0]["approved_by"] == "second", "{after}");
    let trail = chief.done("GET", "/api/v1/audit?action=rule.&limit=100", None).await?;
    let acts: Vec<&str> = trail.as_array().into_iter().flatten().filter_map(|entry| entry["action"].as_str()).collect();
    for act in ["rule.draft", "rule.submit", "rule.activate"] {
        ensure!(acts.contains(&act), "{act} is not in {acts:?}");
    }
    // Withdrawn without a restart: version 1 judges again, and its warnings come back.
    let asked = second
        .ask("POST", &format!("{path}/withdraw"), Some(json!({ "revision": 5, "reason": "limit was too high" })))
        .await?;
    ensure!(asked.status == 202, "{asked:?}");
    let request = asked.body["request"].as_str().context("a request")?.to_owned();
    ensure!(second.ask("POST", &format!("/api/v1/requests/{request}/grant"), None).await?.status == 409);
    engineer.done("POST", &format!("/api/v1/requests/{request}/grant"), None).await?;
    eventually("the warnings of version 1 stand again", WITHIN, async || {
        let rows = warnings(&chief, "rule=P01&limit=1000").await?;
        Ok(when(rows.len() == standing.len(), format!("{} warnings, {} expected", rows.len(), standing.len())))
    })
    .await?;
    Ok(())
}
