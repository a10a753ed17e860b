//! The link goes away under ten devices of 100 registers each second: refused, and half-open
//! (the case in which every measured peer lost data). Nothing may be lost, doubled or unexplained.

use anyhow::Result;
use minewatch_tests::ledger::Verdict;
use minewatch_tests::relay::Link;
use minewatch_tests::scene::{Plan, Scene, soak};
use minewatch_tests::wait::{eventually, when};
use std::time::Duration;

async fn outage(plan: Plan, link: Link) -> Result<()> {
    let away = Duration::from_secs(if soak() { 60 } else { 15 });
    let scene = Scene::start(&plan).await?;
    let given = || scene.slaves.iter().map(|slave| slave.total()).sum::<usize>();
    let before = given();
    scene.relay.set(link);
    tokio::time::sleep(away).await;
    let during = given() - before;
    scene.gateway.program().must_run()?;
    scene.relay.set(Link::Up);
    let asked = usize::from(plan.devices) * 97 * usize::try_from(away.as_secs())?;
    assert!(during > asked / 2, "sampling went on while the link was away: {during} values of {asked}");

    eventually("the backlog has drained", Duration::from_secs(60), async || {
        let backlog = scene.api().backlog(&scene.site.gateway).await?;
        Ok(when(backlog < 5_000, format!("backlog {backlog}")))
    })
    .await?;
    let verdict = scene.settle(Duration::from_secs(90), Verdict::perfect).await?;
    println!("{link:?} for {away:?}, {during} values taken while away: {verdict}");
    let ledger = scene.api().ledger(&scene.site.gateway).await?.unwrap_or_default();
    let unexplained = ledger["streams"]
        .as_array()
        .map_or(1, |streams| streams.iter().filter_map(|stream| stream["unexplained"].as_u64()).sum());
    assert_eq!(unexplained, 0, "{ledger}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_link_loses_nothing() -> Result<()> {
    outage(Plan::measured("outage-refused"), Link::Refused).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_half_open_link_loses_nothing() -> Result<()> {
    outage(Plan::measured("outage-half-open"), Link::HalfOpen).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_half_open_link_to_an_external_broker_loses_nothing() -> Result<()> {
    outage(Plan { external_broker: true, ..Plan::measured("outage-mosquitto") }, Link::HalfOpen).await
}
