//! `kill -9` at random moments of gateway, broker and aggregator, with the link up and away.
//! Nothing may be lost without an explanation, doubled or invented. The seed is printed;
//! MINEWATCH_SEED repeats a run, MINEWATCH_SOAK=1 goes on for MINEWATCH_SOAK_HOURS.

use anyhow::{Context, Result};
use minewatch_tests::ledger::Verdict;
use minewatch_tests::relay::Link;
use minewatch_tests::scene::{Plan, Scene, soak};
use minewatch_tests::wait::{eventually, when};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::time::{Duration, Instant};

/// Rounds of the short run: each victim twice, link up and away.
const ROUNDS: usize = 6;

#[derive(Debug, Clone, Copy)]
enum Victim {
    Gateway,
    Broker,
    Aggregator,
}

const VICTIMS: [Victim; 3] = [Victim::Gateway, Victim::Broker, Victim::Aggregator];

fn pause(random: &mut StdRng, up_to_ms: u64) -> Duration {
    Duration::from_millis(random.random_range(0..up_to_ms))
}

async fn round(scene: &mut Scene, victim: Victim, link: Link, random: &mut StdRng) -> Result<()> {
    scene.relay.set(link);
    tokio::time::sleep(pause(random, 3_000)).await;
    match victim {
        Victim::Gateway => scene.gateway.program().kill_9()?,
        Victim::Broker => scene.broker.as_mut().context("external broker")?.kill_9()?,
        Victim::Aggregator => scene.aggregator.program().kill_9()?,
    }
    tokio::time::sleep(pause(random, 2_000)).await;
    match victim {
        Victim::Gateway => scene.gateway.restart()?,
        Victim::Broker => scene.broker.as_mut().context("external broker")?.restart().await?,
        Victim::Aggregator => scene.aggregator.restart().await?,
    }
    tokio::time::sleep(pause(random, 2_000)).await;
    scene.relay.set(Link::Up);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn killing_any_part_at_any_moment_loses_nothing_unexplained() -> Result<()> {
    let given_seed = std::env::var("MINEWATCH_SEED").ok().and_then(|text| text.parse().ok());
    let seed: u64 = given_seed.unwrap_or_else(rand::random);
    println!("MINEWATCH_SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let hours: f64 = std::env::var("MINEWATCH_SOAK_HOURS").ok().and_then(|text| text.parse().ok()).unwrap_or(8.0);
    let until = Instant::now() + Duration::from_secs_f64(hours * 3_600.0);

    let mut scene = Scene::start(&Plan { external_broker: true, ..Plan::small("kills") }).await?;
    let mut rounds = 0;
    while if soak() { Instant::now() < until } else { rounds < ROUNDS } {
        let victim = VICTIMS[rounds % VICTIMS.len()];
        let link = match random.random_range(0..3) {
            0 => Link::Up,
            1 => Link::Refused,
            _ => Link::HalfOpen,
        };
        println!("round {rounds}: kill -9 {victim:?} with the link {link:?}");
        round(&mut scene, victim, link, &mut random).await?;
        rounds += 1;
    }
    eventually("the gateway is heard again", Duration::from_secs(60), async || {
        let backlog = scene.api().backlog(&scene.site.gateway).await?;
        Ok(when(backlog < 2_000, format!("backlog {backlog}")))
    })
    .await?;
    let verdict = scene.settle(Duration::from_secs(90), Verdict::honest).await?;
    println!("{rounds} kills: {verdict}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_gateway_samples_again_and_says_what_it_missed() -> Result<()> {
    let mut scene = Scene::start(&Plan::small("kill-gateway")).await?;
    scene.gateway.program().kill_9()?;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let before = scene.slaves[0].total();
    scene.gateway.restart()?;
    let began = Instant::now();
    eventually("the gateway samples again", Duration::from_secs(20), async || {
        Ok(when(scene.slaves[0].total() > before, "no read"))
    })
    .await?;
    println!("sampling {:?} after the restart", began.elapsed());
    eventually("the time without power is a gap in the ledger", Duration::from_secs(30), async || {
        let ledger = scene.api().ledger(&scene.site.gateway).await?.unwrap_or_default();
        let noted = ledger["gaps"].as_array().is_some_and(|gaps| gaps.iter().any(|gap| gap["reason"] == "power_off"));
        Ok(when(noted, &ledger["gaps"]))
    })
    .await?;
    println!("{}", scene.settle(Duration::from_secs(60), Verdict::honest).await?);
    Ok(())
}

/// Process ids of the children of all threads of a process.
fn children(of: u32) -> Result<Vec<i32>> {
    let mut found = Vec::new();
    for task in std::fs::read_dir(format!("/proc/{of}/task"))? {
        let text = std::fs::read_to_string(task?.path().join("children")).unwrap_or_default();
        found.extend(text.split_whitespace().filter_map(|pid| pid.parse::<i32>().ok()));
    }
    Ok(found)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_embedded_broker_that_crashes_is_started_again_and_nothing_is_lost() -> Result<()> {
    let scene = Scene::start(&Plan::small("kill-embedded-broker")).await?;
    for round in 0..3 {
        let brokers = children(scene.aggregator.program().id())?;
        assert_eq!(brokers.len(), 1, "round {round}: the embedded broker is one child process");
        let broker = rustix::process::Pid::from_raw(brokers[0]).context("pid")?;
        rustix::process::kill_process(broker, rustix::process::Signal::KILL)?;
        scene.wait_reads(4).await?;
        scene.aggregator.program().must_run()?;
    }
    let metrics = scene.api().metrics().await?;
    assert!(metrics.contains("minewatch_aggregator_broker_restarts_total 3"), "the restarts are counted");
    println!("{}", scene.settle(Duration::from_secs(60), Verdict::perfect).await?);
    Ok(())
}
