//! The export to a regulator's platform while the aggregator is killed: nothing lost, nothing twice.

use anyhow::{Context, Result, ensure};
use minewatch_tests::aggregator::{Aggregator, Setup};
use minewatch_tests::process::{repository, scratch};
use minewatch_tests::strangers::{Strangers, now_us, open};
use minewatch_tests::wait::{eventually, when};
use sqlx::Connection;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::time::Duration;

/// Steps of one alarm.
const STEPS: i64 = 300;

/// Adds steps of an alarm, as a commit of a gateway's batch would.
async fn steps(store: &Path, alarm: &str, revisions: std::ops::Range<i64>) -> Result<()> {
    let mut connection = open(store).await?;
    let mut transaction = connection.begin().await?;
    for revision in revisions {
        let (from, to) = if revision % 2 == 1 { (0i64, 4i64) } else { (4, 0) };
        sqlx::query(
            "INSERT INTO alarm_journal (gateway, alarm, revision, kind, point, from_level, to_level, at_us, value, \
             limit_value, rule, why, ingested_us) VALUES ('gw-1', $1, $2, 'threshold', 'pz', $3, $4, $5, 1.5, 1.0, 'r#1', 'w', $5)",
        )
        .bind(alarm)
        .bind(revision)
        .bind(from)
        .bind(to)
        .bind(now_us()?)
        .execute(&mut *transaction)
        .await?;
    }
    transaction.commit().await?;
    Ok(())
}

/// Ids in the files of a folder, with how often each is there.
fn exported(folder: &Path) -> Result<BTreeMap<String, usize>> {
    let mut seen = BTreeMap::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|e| e == "txt") {
            for line in fs::read_to_string(path)?.lines() {
                let id = line.split(';').nth(2).context("three fields")?.to_owned();
                *seen.entry(id).or_default() += 1;
            }
        }
    }
    Ok(seen)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_step_reaches_file_and_http_platforms_once_over_kills() -> Result<()> {
    let folder = scratch("regulator")?;
    let strangers = Strangers::start(&folder, 3).await?;
    let files = folder.join("platform");
    fs::create_dir_all(&files)?;
    let token = folder.join("token");
    fs::write(&token, "token-of-the-platform\n")?;
    let mapping = |name: &str| repository().join("firmware-configs/regulator").join(name).display().to_string();
    let more = format!(
        "[notify]\nallow_networks = [\"127.0.0.0/8\"]\n\
         [[regulator.platform]]\nname = \"province\"\nmapping = \"{}\"\nfolder = \"{}\"\nevery_s = 1\n\
         [[regulator.platform]]\nname = \"nation\"\nmapping = \"{}\"\nurl = \"http://127.0.0.1:{}/regulator\"\ntoken_file = \"{}\"\nevery_s = 1\n",
        mapping("example-file.toml"),
        files.display(),
        mapping("example-http.toml"),
        strangers.http(),
        token.display(),
    );
    let mut aggregator = Aggregator::start(&folder, &Setup { more, ..Setup::default() }).await?;
    let store = aggregator.data().join("minewatch.db");
    let mut wanted = BTreeSet::new();
    // Both platforms are registered before the first step.
    let mut connection = open(&store).await?;
    eventually("both platforms are registered", Duration::from_secs(30), async || {
        let rows = sqlx::query("SELECT platform FROM regulator_state").fetch_all(&mut connection).await?;
        Ok(when(rows.len() == 2, rows.len()))
    })
    .await?;
    for round in 0..3 {
        let alarm = format!("a{round}.high");
        for part in 0..3 {
            let from = 1 + part * STEPS / 3;
            steps(&store, &alarm, from..from + STEPS / 3).await?;
        }
        wanted.extend((1..=STEPS).map(|revision| format!("gw-1/{alarm}/{revision}")));
        let before = exported(&files)?.len();
        eventually("exporting has begun", Duration::from_secs(60), async || {
            let now = exported(&files)?.len();
            Ok(when(now > before, now))
        })
        .await?;
        aggregator.program().kill_9()?;
        aggregator.restart().await?;
    }
    let nation = || -> BTreeMap<String, BTreeSet<String>> {
        let mut seen: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for call in strangers.heard().iter().filter(|call| call["kind"] == "regulator" && call["ok"] == true) {
            for id in call["ids"].as_array().into_iter().flatten().filter_map(|id| id.as_str()) {
                seen.entry(id.to_owned()).or_default().insert(call["key"].to_string());
            }
        }
        seen
    };
    eventually("both platforms have every step", Duration::from_secs(120), async || {
        aggregator.program().must_run()?;
        let (province, nation) = (exported(&files)?.len(), nation().len());
        Ok(when(
            province == wanted.len() && nation == wanted.len(),
            format!("{province} and {nation} of {}", wanted.len()),
        ))
    })
    .await?;
    let province = exported(&files)?;
    ensure!(province.keys().cloned().collect::<BTreeSet<_>>() == wanted, "other steps than happened");
    ensure!(province.values().all(|n| *n == 1), "a step in two files");
    ensure!(nation().values().all(|keys| keys.len() == 1), "a step under two keys");
    let parts = fs::read_dir(&files)?.flatten().filter(|e| e.path().extension().is_some_and(|e| e == "part")).count();
    println!("{} steps, 3 kills: each once in files and under one key; {parts} unfinished files left", wanted.len());
    Ok(())
}
