//! Two aggregators on one PostgreSQL and one Mosquitto share the gateways; `kill -9` of either, of the
//! broker and of the database at random moments. MINEWATCH_SEED repeats a run; MINEWATCH_SOAK=1 goes
//! on for MINEWATCH_SOAK_MINUTES (10).

use anyhow::{Context, Result, ensure};
use minewatch_tests::aggregator::{Aggregator, Setup};
use minewatch_tests::ledger::Verdict;
use minewatch_tests::postgres::Postgres;
use minewatch_tests::process::scratch;
use minewatch_tests::scene::{Plan, Scene, soak};
use minewatch_tests::wait::{eventually, when};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::time::{Duration, Instant};

const SHARED: &str = "shared_group = \"hq\"\n";

/// One round of the short run for each.
const VICTIMS: [Victim; 4] = [Victim::First, Victim::Second, Victim::Broker, Victim::Database];

#[derive(Debug, Clone, Copy)]
enum Victim {
    First,
    Second,
    Broker,
    Database,
}

async fn round(
    scene: &mut Scene,
    second: &mut Aggregator,
    database: &Postgres,
    victim: Victim,
    random: &mut StdRng,
) -> Result<()> {
    let mut pause = |up_to_ms: u64| Duration::from_millis(random.random_range(0..up_to_ms));
    let (before, away) = (pause(1_500), pause(1_500));
    tokio::time::sleep(before).await;
    match victim {
        Victim::First => scene.aggregator.program().kill_9()?,
        Victim::Second => second.program().kill_9()?,
        Victim::Broker => scene.broker.as_mut().context("external broker")?.kill_9()?,
        Victim::Database => database.crash()?,
    }
    tokio::time::sleep(away).await;
    match victim {
        Victim::First => scene.aggregator.restart().await,
        Victim::Second => second.restart().await,
        Victim::Broker => scene.broker.as_mut().context("external broker")?.restart().await,
        Victim::Database => database.restart(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn killing_any_part_of_two_aggregators_loses_and_doubles_nothing() -> Result<()> {
    let given = std::env::var("MINEWATCH_SEED").ok().and_then(|text| text.parse().ok());
    let seed: u64 = given.unwrap_or_else(rand::random);
    println!("MINEWATCH_SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let minutes = std::env::var("MINEWATCH_SOAK_MINUTES").ok().and_then(|text| text.parse().ok()).unwrap_or(10);
    let until = Instant::now() + Duration::from_secs(60 * minutes);

    let database = Postgres::start()?;
    let folder = scratch("scale-out")?;
    let shared = Setup { broker: Some((String::new(), SHARED.to_owned())), ..Setup::default() };
    let plan = Plan { external_broker: true, store_url: Some(database.url()), ..Plan::small("scale-out") };
    let mut scene = Scene::start_in(&plan, folder.clone(), &shared).await?;
    let beside = folder.join("second");
    std::fs::create_dir_all(&beside)?;
    let broker = format!("mqtt://127.0.0.1:{}", scene.broker_port()?);
    let setup =
        Setup { store_url: Some(database.url()), broker: Some((broker, SHARED.to_owned())), ..Setup::default() };
    let mut second = Aggregator::start(&beside, &setup).await?;
    let mut rounds = 0;
    while if soak() { Instant::now() < until } else { rounds < VICTIMS.len() } {
        let victim = VICTIMS[rounds % VICTIMS.len()];
        println!("round {rounds}: kill -9 {victim:?}");
        round(&mut scene, &mut second, &database, victim, &mut random).await?;
        rounds += 1;
    }
    eventually("the gateway is heard again", Duration::from_secs(60), async || {
        let backlog = scene.api().backlog(&scene.site.gateway).await?;
        Ok(when(backlog < 2_000, format!("backlog {backlog}")))
    })
    .await?;
    println!("{rounds} kills: {}", scene.settle(Duration::from_secs(120), Verdict::perfect).await?);
    second.program().must_run()?;
    // Both took part: each has committed something of the one gateway, or the sharing is no sharing.
    let told = second.api().get("/api/v1/gateways").await?;
    ensure!(told.to_string().contains("gw-e2e"), "the second aggregator knows the gateway: {told}");
    Ok(())
}
