//! Business feeds end to end: a real aggregator, documents by folder, HTTP and MQTT, killed on the way.

use anyhow::{Context, Result, ensure};
use minewatch_tests::aggregator::{Aggregator, Setup};
use minewatch_tests::postgres::Postgres;
use minewatch_tests::process::{binary, repository, scratch};
use minewatch_tests::wait::{eventually, when};
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::{AsyncClient, MqttOptions};
use serde_json::Value;
use sqlx::Row;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const TOKEN: &str = "token of the feeds' tests";
const WITHIN: Duration = Duration::from_secs(60);

fn settings(folder: &Path) -> Result<String> {
    fs::write(folder.join("feed-token"), TOKEN)?;
    fs::write(
        folder.join("list.toml"),
        "layout = 'csv'\nkind = 'list_entry'\nkey = ['list', 'party']\nevent_at = 'valid_from'\n\
         [[field]]\nto = 'list'\nconstant = 'blacklist'\n[[field]]\nto = 'party'\nfrom = 'party'\n\
         [[field]]\nto = 'valid_from'\nfrom = 'from'\n",
    )?;
    let at = folder.display();
    Ok(format!(
        "[feeds]\norg = 'minmetals'\n\
         [[feeds.feed]]\nname = 'bank'\nformat = 'camt'\nfolder = '{at}/bank'\nsettle_ms = 300\n\
         [[feeds.feed]]\nname = 'list'\nmapping = '{at}/list.toml'\nfolder = '{at}/list'\nsettle_ms = 300\n\
         push_token_file = '{at}/feed-token'\ntopic = 'business/list'\n\
         [[feeds.feed]]\nname = 'silent'\nformat = 'mt940'\nfolder = '{at}/silent'\nsettle_ms = 300\nsilence_h = 0.0008\n"
    ))
}

/// A statement of one account; the closing balance is off by `off` cents.
fn statement(number: u32, off: u32) -> String {
    format!(
        "<?xml version='1.0'?>\n<Document xmlns='urn:iso:std:iso:20022:tech:xsd:camt.053.001.08'><BkToCstmrStmt><Stmt><Id>S{number}</Id>\
         <Acct><Id><Othr><Id>4301</Id></Othr></Id></Acct>\
         <Bal><Tp><CdOrPrtry><Cd>OPBD</Cd></CdOrPrtry></Tp><Amt Ccy='CNY'>10.00</Amt><CdtDbtInd>CRDT</CdtDbtInd><Dt><Dt>2026-11-02</Dt></Dt></Bal>\
         <Bal><Tp><CdOrPrtry><Cd>CLBD</Cd></CdOrPrtry></Tp><Amt Ccy='CNY'>7.{off:02}</Amt><CdtDbtInd>CRDT</CdtDbtInd><Dt><Dt>2026-11-02</Dt></Dt></Bal>\
         <Ntry><Amt Ccy='CNY'>3.00</Amt><CdtDbtInd>DBIT</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts><BookgDt><Dt>2026-11-02</Dt></BookgDt></Ntry>\
         </Stmt></BkToCstmrStmt></Document>"
    )
}

/// Whole at once, as a careful sender does it.
fn drop_file(folder: &Path, name: &str, text: &str) -> Result<()> {
    let part = folder.join(format!("{name}.part"));
    fs::write(&part, text)?;
    Ok(fs::rename(part, folder.join(name))?)
}

/// Rows of a query in the aggregator's own store.
async fn rows(url: &str, query: &'static str) -> Result<Vec<String>> {
    sqlx::any::install_default_drivers();
    let pool = sqlx::AnyPool::connect(url).await?;
    let rows = sqlx::query(query).fetch_all(&pool).await?;
    pool.close().await;
    rows.iter().map(|row| Ok(row.try_get::<String, _>(0)?)).collect()
}

fn entries(folder: &Path) -> usize {
    fs::read_dir(folder).map_or(0, |entries| entries.flatten().count())
}

async fn push(aggregator: &Aggregator, body: String) -> Result<(u16, Value)> {
    let url = format!("{}/api/v1/feeds/list", aggregator.api().base());
    let request = reqwest::Client::new().post(url).bearer_auth(TOKEN).header("Idempotency-Key", "monday").body(body);
    let answer = request.send().await?;
    Ok((answer.status().as_u16(), answer.json().await?))
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_come_by_folder_http_and_mqtt_and_a_feed_that_does_not_is_an_alarm() -> Result<()> {
    let folder = scratch("feeds-ways")?;
    let aggregator = Aggregator::start(&folder, &Setup { more: settings(&folder)?, ..Setup::default() }).await?;
    let store = format!("sqlite:{}/minewatch.db", aggregator.data().display());
    eventually("the folders are there", WITHIN, async || Ok(when(folder.join("bank/rejected").exists(), "no folder")))
        .await?;
    drop_file(&folder.join("bank"), "good.xml", &statement(1, 0))?;
    drop_file(&folder.join("bank"), "break.xml", &statement(2, 1))?;
    let half = statement(3, 0);
    drop_file(&folder.join("bank"), "half.xml", &half[..half.len() - 40])?;
    fs::write(folder.join("bank/still.xml.part"), "<a")?;
    eventually("three files are put away", WITHIN, async || {
        aggregator.program().must_run()?;
        let seen = (entries(&folder.join("bank/processed")), entries(&folder.join("bank/rejected")));
        Ok(when(seen == (2, 2), format!("{seen:?}")))
    })
    .await?;
    ensure!(folder.join("bank/still.xml.part").exists(), "an unfinished file was touched");
    let report = fs::read_to_string(folder.join("bank/rejected/half.xml.errors.csv"))?;
    ensure!(report.contains("syntax") && report.contains("document"), "{report}");
    let breaks = rows(
        &store,
        "SELECT body FROM fact WHERE kind = 'statement' AND body LIKE '%break: 7.00 CNY expected, 7.01 found%'",
    )
    .await?;
    ensure!(breaks.len() == 1, "{breaks:?}");
    let lineage = rows(
        &store,
        "SELECT source || ' ' || document || ' ' || locator FROM fact WHERE kind = 'bank_entry' ORDER BY 1",
    )
    .await?;
    ensure!(lineage.len() == 2 && lineage[0].starts_with("bank break.xml line 2, /Document/"), "{lineage:?}");

    let table = "party,from\nA,2026-01-01\nB,never\n";
    let (status, first) = push(&aggregator, table.to_owned()).await?;
    ensure!(status == 200 && first["verdict"] == "partial" && first["problems"][0]["line"] == 3, "{status} {first}");
    let (status, again) = push(&aggregator, table.to_owned()).await?;
    ensure!(status == 200 && again["verdict"] == "duplicate", "{status} {again}");
    let (status, other) = push(&aggregator, "party,from\nZ,2026-01-01\n".to_owned()).await?;
    ensure!(status == 409, "{status} {other}");
    let url = format!("{}/api/v1/feeds/list", aggregator.api().base());
    let refused = reqwest::Client::new().post(&url).bearer_auth("wrong").body(table).send().await?;
    ensure!(refused.status() == 401, "{}", refused.status());

    publish(aggregator.mqtt_port().context("port")?, "party,from\nC,2026-01-03\n").await?;
    eventually("what MQTT brought is a fact", WITHIN, async || {
        let parties = rows(&store, "SELECT fact_key FROM fact WHERE kind = 'list_entry' ORDER BY 1").await?;
        Ok(when(parties == ["blacklist|A", "blacklist|C"], format!("{parties:?}")))
    })
    .await?;

    eventually("the feed that does not come is an alarm", WITHIN, async || {
        let alarms = aggregator.api().get("/api/v1/alarms?gateway=business-feeds").await?;
        let late = alarms.as_array().context("alarms")?.iter().any(|a| a.to_string().contains("silent.link_down"));
        Ok(when(late, alarms))
    })
    .await?;
    let feeds = aggregator.api().get("/api/v1/feeds").await?;
    ensure!(feeds.as_array().is_some_and(|f| f.len() == 3 && f[2]["overdue"].is_string()), "{feeds}");
    Ok(())
}

async fn publish(port: u16, text: &'static str) -> Result<()> {
    let mut options = MqttOptions::new("feeds-test", "127.0.0.1", port);
    options.set_keep_alive(Duration::from_secs(10));
    let (client, mut events) = AsyncClient::new(options, 8);
    client.publish("business/list", QoS::AtLeastOnce, false, text).await?;
    let taken = async {
        loop {
            match events.poll().await {
                Ok(rumqttc::v5::Event::Incoming(rumqttc::v5::Incoming::PubAck(_))) => return Ok(()),
                Ok(_) => {}
                Err(error) => return Err(anyhow::anyhow!("{error}")),
            }
        }
    };
    tokio::time::timeout(WITHIN, taken).await?
}

/// Kills the aggregator again and again while files come; nothing is lost and nothing is there twice.
async fn kills(folder: &Path, setup: Setup, store: String) -> Result<()> {
    const FILES: u32 = 12;
    const ROWS: u32 = 1_500;
    let mut aggregator = Aggregator::start(folder, &setup).await?;
    eventually("the folder is there", WITHIN, async || Ok(when(folder.join("list/rejected").exists(), "no folder")))
        .await?;
    for file in 0..FILES {
        let rows: String = (0..ROWS).map(|row| format!("P{file}-{row},2026-01-01\n")).collect();
        drop_file(&folder.join("list"), &format!("{file:02}.csv"), &format!("party,from\n{rows}"))?;
        if file % 4 == 3 {
            let wanted = entries(&folder.join("list/processed")) + 1;
            eventually("a file is put away", WITHIN, async || {
                let seen = entries(&folder.join("list/processed"));
                Ok(when(seen >= wanted, seen.to_string()))
            })
            .await?;
            aggregator.program().kill_9()?;
            aggregator.restart().await?;
        }
    }
    eventually("every file is put away", WITHIN * 2, async || {
        aggregator.program().must_run()?;
        let seen = entries(&folder.join("list/processed"));
        Ok(when(seen == FILES as usize, seen.to_string()))
    })
    .await?;
    let keys = rows(&store, "SELECT fact_key FROM fact WHERE kind = 'list_entry' ORDER BY 1").await?;
    let mut once = keys.clone();
    once.dedup();
    ensure!(keys.len() == (FILES * ROWS) as usize, "{} facts of {}", keys.len(), FILES * ROWS);
    ensure!(once.len() == keys.len(), "{} facts are there twice", keys.len() - once.len());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_during_pick_up_loses_and_doubles_nothing_sqlite() -> Result<()> {
    let folder = scratch("feeds-kills-sqlite")?;
    let store = format!("sqlite:{}/aggregator/minewatch.db", folder.display());
    kills(&folder, Setup { more: settings(&folder)?, ..Setup::default() }, store).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_during_pick_up_loses_and_doubles_nothing_postgres() -> Result<()> {
    let folder = scratch("feeds-kills-postgres")?;
    let postgres = Postgres::start()?;
    let setup = Setup { more: settings(&folder)?, store_url: Some(postgres.url()), ..Setup::default() };
    kills(&folder, setup, postgres.url()).await
}

fn inspect(file: &Path, more: &[&str]) -> Result<(i32, String, String)> {
    let output = Command::new(binary("aggregator")?).args(["feed", "inspect"]).arg(file).args(more).output()?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok((output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr)))
}

#[test]
fn inspect_shows_what_a_document_becomes_and_every_fault_with_its_place() -> Result<()> {
    let folder = scratch("feeds-inspect")?;
    let file = folder.join("one");
    fs::write(&file, statement(1, 0))?;
    let (code, out, said) = inspect(&file, &[])?;
    ensure!(code == 0 && out.contains("settles=yes") && said.starts_with("2 facts"), "{code} {out} {said}");
    fs::write(&file, statement(1, 0).replace(">3.00<", ">three<"))?;
    let (code, out, _) = inspect(&file, &[])?;
    ensure!(code == 1 && out.contains("! line 2, /Document/BkToCstmrStmt/Stmt/Ntry/Amt:"), "{code} {out}");
    fs::write(&file, "<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>")?;
    let (code, out, _) = inspect(&file, &["--as", "camt"])?;
    ensure!(code == 2 && out.contains("document type is refused"), "{code} {out}");
    fs::write(&file, "a,b\n1,2\n")?;
    let (code, _, said) = inspect(&file, &[])?;
    ensure!(code == 2 && said.contains("--mapping"), "{code} {said}");
    Ok(())
}

#[test]
fn real_ocds_samples_load_and_every_record_that_does_not_is_explained() -> Result<()> {
    let path = repository().parent().map(|above| above.join("shared/data/business/ocds_real_samples.jsonl"));
    let Some(path) = path.filter(|path| path.exists()) else {
        println!("skipped: ../shared/data/business/ocds_real_samples.jsonl is not there");
        return Ok(());
    };
    let (_, out, said) = inspect(&path, &["--as", "ocds", "--json", "--limit", "1000000"])?;
    let lines: Vec<Value> = out.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let (facts, problems): (Vec<&Value>, Vec<&Value>) = lines.iter().partition(|line| line["kind"].is_string());
    println!("{said}");
    ensure!(facts.len() > 200, "only {} facts", facts.len());
    let explained =
        |p: &&Value| p["why"].as_str().is_some_and(|why| !why.is_empty()) && p["line"].as_u64().is_some_and(|n| n > 0);
    ensure!(problems.iter().all(explained), "a problem without place or reason");
    let seen: std::collections::BTreeSet<String> = facts
        .iter()
        .filter_map(|fact| fact["lineage"]["locator"].as_str())
        .chain(problems.iter().filter_map(|p| p["place"].as_str()))
        .filter_map(|place| Some(place.split(',').next()?.to_owned()))
        .collect();
    ensure!(seen.len() == 160, "{} of 160 lines gave a fact or a reason", seen.len());
    Ok(())
}
