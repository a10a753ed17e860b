//! Notification channels against strangers who check signature, size, rate and age and count what
//! they get (`peers/notify_stub.py`), while the aggregator is killed.

use anyhow::{Context, Result, ensure};
use minewatch_tests::aggregator::{Aggregator, Setup};
use minewatch_tests::process::{binary, repository, run, scratch};
use minewatch_tests::strangers::{Strangers, add, python};
use minewatch_tests::wait::{eventually, when};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;
use std::time::Duration;

async fn states(aggregator: &Aggregator) -> Result<BTreeMap<String, usize>> {
    let notices = aggregator.api().get("/api/v1/notices?limit=1000").await?;
    let mut counts = BTreeMap::new();
    for notice in notices.as_array().context("a list")? {
        *counts.entry(notice["state"].as_str().unwrap_or("?").to_owned()).or_default() += 1;
    }
    Ok(counts)
}

/// Waits until no notice is under way.
async fn settled(aggregator: &Aggregator, total: usize) -> Result<BTreeMap<String, usize>> {
    eventually("every notice has left", Duration::from_secs(120), async || {
        aggregator.program().must_run()?;
        let counts = states(aggregator).await?;
        let under_way = counts.get("pending").unwrap_or(&0) + counts.get("claimed").unwrap_or(&0);
        let all: usize = counts.values().sum();
        Ok(when(under_way == 0 && all >= total, format!("{counts:?}")))
    })
    .await?;
    states(aggregator).await
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_accept_every_format_and_a_storm_becomes_digests() -> Result<()> {
    let folder = scratch("channels-formats")?;
    let strangers = Strangers::start(&folder, 0).await?;
    let setup = Setup { more: strangers.settings(&folder)?, ..Setup::default() };
    let aggregator = Aggregator::start(&folder, &setup).await?;
    let store = aggregator.data().join("minewatch.db");
    let mut notices: Vec<(String, &str, i64)> = Vec::new();
    for channel in ["wecom", "dingtalk", "feishu", "hook", "duty-sms", "mail"] {
        notices.push((format!("case-7/raised/duty/{channel}"), channel, 4));
        notices.push((format!("case-7/escalated/duty/{channel}"), channel, 3));
    }
    // 300 at once over a robot that takes 20 a minute.
    notices.extend((0..300).map(|n| (format!("storm/{n}"), "dingtalk", 1 + n % 3)));
    add(&store, &notices).await?;
    let counts = settled(&aggregator, notices.len()).await?;
    ensure!(!counts.contains_key("failed"), "{counts:?}");
    ensure!(counts.get("digested").is_some_and(|n| *n >= 290), "{counts:?}");
    let heard = strangers.heard();
    let refused: Vec<&Value> = heard.iter().filter(|v| v["ok"] == false).collect();
    ensure!(refused.is_empty(), "strangers refused: {refused:?}");
    for kind in ["wecom", "dingtalk", "feishu", "webhook", "sms", "email"] {
        ensure!(heard.iter().any(|v| v["kind"] == kind), "{kind} was not called");
    }
    ensure!(heard.iter().filter(|v| v["kind"] == "dingtalk").count() <= 15, "more than its budget");
    let threads: BTreeSet<String> =
        heard.iter().filter(|v| v["kind"] == "email").map(|v| v["thread"].to_string()).collect();
    ensure!(threads.len() == 1, "the mails of one case are one thread: {threads:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_aggregator_sends_every_notice_under_one_key() -> Result<()> {
    let folder = scratch("channels-kills")?;
    // Every seventh request is refused for the moment, so that retries are under way when it is killed.
    let strangers = Strangers::start(&folder, 7).await?;
    let setup = Setup { more: strangers.settings(&folder)?, ..Setup::default() };
    let mut aggregator = Aggregator::start(&folder, &setup).await?;
    let store = aggregator.data().join("minewatch.db");
    let mut wanted = BTreeSet::new();
    for round in 0..3 {
        let notices: Vec<_> = (0..200).map(|n| (format!("round-{round}/{n}"), "hook", 2 + n % 3)).collect();
        wanted.extend(notices.iter().map(|(id, _, _)| id.clone()));
        let before = strangers.heard().len();
        add(&store, &notices).await?;
        // In the midst of sending: some are out, many are not.
        eventually("sending has begun", Duration::from_secs(30), async || {
            let heard = strangers.heard().len() - before;
            Ok(when(heard > 20, heard))
        })
        .await?;
        aggregator.program().kill_9()?;
        aggregator.restart().await?;
    }
    let counts = settled(&aggregator, wanted.len()).await?;
    ensure!(counts == BTreeMap::from([("sent".to_owned(), wanted.len())]), "{counts:?}");
    let notices = aggregator.api().get("/api/v1/notices?limit=1000").await?;
    let keys: BTreeMap<String, String> = notices
        .as_array()
        .context("a list")?
        .iter()
        .map(|n| (n["key"].as_str().unwrap_or("").to_owned(), n["id"].as_str().unwrap_or("").to_owned()))
        .collect();
    ensure!(keys.len() == wanted.len(), "one key each");
    let mut taken: BTreeMap<String, usize> = BTreeMap::new();
    for call in strangers.heard() {
        let key = call["key"].as_str().unwrap_or("").to_owned();
        // The sender was killed before its request was whole: nothing was taken, and no key was heard.
        if key.is_empty() && call["ok"] == false {
            continue;
        }
        ensure!(keys.contains_key(&key), "a key nobody has: {call}");
        *taken.entry(key).or_default() += usize::from(call["ok"] == true);
    }
    let lost: Vec<&String> =
        keys.iter().filter(|(key, _)| taken.get(*key).is_none_or(|n| *n == 0)).map(|(_, id)| id).collect();
    ensure!(lost.is_empty(), "never delivered: {lost:?}");
    let twice = taken.values().filter(|n| **n > 1).count();
    println!("{} notices over 3 kills: all delivered, {twice} of them more than once under the same key", wanted.len());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_is_not_followed_and_the_fallback_is_called() -> Result<()> {
    let folder = scratch("channels-fallback")?;
    let strangers = Strangers::start(&folder, 0).await?;
    let setup = Setup { more: strangers.settings(&folder)?, ..Setup::default() };
    let aggregator = Aggregator::start(&folder, &setup).await?;
    add(&aggregator.data().join("minewatch.db"), &[("case-7/raised/duty/lost".to_owned(), "lost", 4)]).await?;
    let counts = settled(&aggregator, 2).await?;
    ensure!(counts == BTreeMap::from([("failed".to_owned(), 1), ("sent".to_owned(), 1)]), "{counts:?}");
    let kinds: Vec<String> = strangers.heard().iter().map(|v| v["kind"].as_str().unwrap_or("").to_owned()).collect();
    ensure!(kinds == ["redirect", "sms"], "{kinds:?}");
    let channels = aggregator.api().get("/api/v1/channels").await?;
    let lost = channels.as_array().context("a list")?.iter().find(|c| c["name"] == "lost").context("lost")?;
    ensure!(lost["error"].as_str().is_some_and(|why| why.contains("redirects")), "{lost}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_message_can_be_sent_by_hand_and_no_secret_is_shown() -> Result<()> {
    let folder = scratch("channels-by-hand")?;
    let strangers = Strangers::start(&folder, 0).await?;
    let config = folder.join("aggregator.toml");
    fs::write(&config, strangers.settings(&folder)?)?;
    let aggregator = || Command::new(binary("aggregator").unwrap_or_default());
    let said = run(aggregator().args(["notify", "test", "wecom", "--config"]).arg(&config))?;
    ensure!(said.contains("wecom: WeCom ok"), "{said}");
    ensure!(run(aggregator().args(["notify", "test", "nobody", "--config"]).arg(&config)).is_err());
    let shown = run(aggregator().arg("check").arg("--config").arg(&config))?;
    ensure!(shown.contains("wecom") && !shown.contains("wecom-key"), "{shown}");
    // Inside addresses only when they are named.
    fs::write(&config, fs::read_to_string(&config)?.replace("127.0.0.0/8", "10.0.0.0/8"))?;
    let refused = run(aggregator().arg("check").arg("--config").arg(&config)).err().context("must be refused")?;
    ensure!(format!("{refused:#}").contains("allow_networks"), "{refused:#}");
    Ok(())
}

#[test]
fn strangers_compute_the_golden_vectors_too() -> Result<()> {
    let said = run(Command::new(python()?)
        .arg("-B")
        .arg(repository().join("tests/peers/notify_vectors.py"))
        .arg(repository()))?;
    ensure!(said.contains("vectors agree"), "{said}");
    Ok(())
}
