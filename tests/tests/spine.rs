//! The spine: sample → spool → broker → store → headquarters topic, with nothing but defaults
//! (embedded broker, SQLite), seen by a subscriber that has none of our code.

use anyhow::Result;
use minewatch_tests::broker::Subscriber;
use minewatch_tests::ledger::Verdict;
use minewatch_tests::scene::{Plan, Scene};
use minewatch_tests::site::Site;
use minewatch_tests::wait::{eventually, when};
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn what_an_instrument_shows_is_stored_once_and_published_at_headquarters() -> Result<()> {
    let scene = Scene::start(&Plan::small("spine")).await?;
    let hq = Subscriber::start(&scene.folder, scene.broker_port()?, "minewatch/v1/hq/#")?;
    eventually("values of every device on the headquarters topics", Duration::from_secs(20), async || {
        let messages = hq.messages("/value");
        let missing: Vec<String> = (0..scene.slaves.len())
            .map(|index| format!("/gw-e2e.{}/value", Site::counter_point(index, 3)))
            .filter(|topic| !messages.iter().any(|m| m.topic.ends_with(topic) && m.body["data"]["value"].is_number()))
            .collect();
        Ok(when(missing.is_empty(), format!("{} messages, nothing for {missing:?}", messages.len())))
    })
    .await?;
    let hq_form = hq.messages("/value").pop().map(|message| message.body).unwrap_or_default();
    for key in ["specversion", "id", "source", "type", "time", "data"] {
        assert!(!hq_form[key].is_null(), "a CloudEvent has {key}: {hq_form}");
    }

    scene.wait_reads(5).await?;
    let verdict = scene.settle(Duration::from_secs(60), Verdict::perfect).await?;
    println!("{verdict}");
    scene.gateway.program().stop(Duration::from_secs(15))?;
    scene.aggregator.program().stop(Duration::from_secs(15))?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_stopped_in_an_orderly_way_continues_without_loss() -> Result<()> {
    let mut scene = Scene::start(&Plan::small("spine-restart")).await?;
    scene.gateway.program().stop(Duration::from_secs(15))?;
    scene.gateway.restart()?;
    scene.wait_reads(3).await?;
    println!("{}", scene.settle(Duration::from_secs(60), Verdict::perfect).await?);
    Ok(())
}
