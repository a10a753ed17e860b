//! A storm of alarms with escalations while headquarters is killed: every alarm and case is accounted
//! for, every rung is taken once, every notice is there once and belongs to a step that was committed.
//! MINEWATCH_SEED repeats a run; MINEWATCH_SOAK=1 makes it 10,000 alarms.

use anyhow::{Context, Result, ensure};
use minewatch_domain::wire::{BatchV1, Frame, VERSION, encode};
use minewatch_domain::{AlarmKind, AlarmTransition, At, Lane, Level, PointId, Record};
use minewatch_tests::aggregator::{Aggregator, Setup};
use minewatch_tests::broker::Mosquitto;
use minewatch_tests::forge;
use minewatch_tests::postgres::Postgres;
use minewatch_tests::process::{run, scratch};
use minewatch_tests::scene::soak;
use minewatch_tests::wait::{eventually, when};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// Rungs at 0, 3 and 6 seconds; afterwards nobody is called any more.
const SETTINGS: &str = "[[cases.deadlines]]\nlevel = \"red\"\nladder_minutes = [0, 0.05, 0.1]\n";
const RUNGS: usize = 3;
const EPOCH: u64 = 1_764_000_000_000_000;

/// Sites and alarms of each.
fn size() -> (usize, usize) {
    if soak() { (100, 100) } else { (12, 40) }
}

/// One statement on the store under test, by a client that is not ours.
#[derive(Clone)]
enum Sql {
    Sqlite(String),
    Postgres(String),
}

impl Sql {
    fn run(&self, statement: &str) -> Result<String> {
        let out = match self {
            Sql::Sqlite(file) => {
                let script = "import sqlite3, sys\nc = sqlite3.connect(sys.argv[1], timeout=20)\n\
                    r = c.execute(sys.argv[2]).fetchall()\nc.commit()\nprint(r[0][0] if r else '')";
                run(Command::new("python3").args(["-c", script, file, statement]))?
            }
            Sql::Postgres(url) => run(Command::new("psql").args(["-At", url, "-c", statement]))?,
        };
        Ok(out.trim().to_owned())
    }

    fn count(&self, statement: &str) -> Result<usize> {
        let text = self.run(statement)?;
        text.parse().with_context(|| format!("{statement}: {text:?}"))
    }
}

fn transition(n: usize) -> Result<AlarmTransition> {
    Ok(AlarmTransition {
        alarm: PointId::parse(&format!("p-{n}.threshold"))?,
        revision: 1,
        kind: AlarmKind::Threshold,
        point: None,
        from: Level::Normal,
        to: Level::Red,
        at: At(EPOCH as i64),
        value: Some(1.0),
        limit: Some(0.5),
        rule: "storm".to_owned(),
        why: "storm".to_owned(),
        proof: None,
    })
}

/// The alarms `from..to` of one site as one message.
fn message(site: usize, from: usize, to: usize) -> Result<(String, Vec<u8>)> {
    let gateway = format!("gw-storm-{site:03}");
    let mut frames = Vec::new();
    for n in from..to {
        let record = Record::Alarm(transition(n)?);
        frames.push(Frame::of_record(n as u64, 1, &record).context("a frame")?);
    }
    let batch = BatchV1 {
        version: VERSION,
        gateway: gateway.clone(),
        epoch: EPOCH,
        lane: Lane::Alarm.code(),
        sent_at_us: EPOCH as i64,
        batch: from as u64 + 1,
        points: Vec::new(),
        frames,
    };
    Ok((format!("minewatch/v1/gw/{gateway}/up/alarm"), encode(&batch)))
}

async fn storm(folder: &Path, store_url: &str, sql: &Sql, aggregators: usize) -> Result<()> {
    let given_seed = std::env::var("MINEWATCH_SEED").ok().and_then(|text| text.parse().ok());
    let seed: u64 = given_seed.unwrap_or_else(rand::random);
    println!("MINEWATCH_SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let broker = Mosquitto::start(folder).await?;
    let mut running = Vec::new();
    for n in 0..aggregators {
        let own = folder.join(format!("hq-{n}"));
        std::fs::create_dir_all(&own)?;
        let group = if aggregators > 1 { "shared_group = \"hq\"\n" } else { "" };
        let url = format!("mqtt://127.0.0.1:{}", broker.port());
        let setup = Setup {
            store_url: Some(store_url.to_owned()),
            broker: Some((url, group.to_owned())),
            more: SETTINGS.to_owned(),
            ..Setup::default()
        };
        running.push(Aggregator::start(&own, &setup).await?);
    }
    sql.run("INSERT INTO responsible_parties VALUES ('/', '*', 'duty', 'li', '', 1, 0)")?;
    let (sites, alarms) = size();
    let mut messages = Vec::new();
    for site in 0..sites {
        for from in (0..alarms).step_by(20) {
            messages.push(message(site, from, (from + 20).min(alarms))?);
        }
    }
    let mut kills = 0;
    for (n, (topic, payload)) in messages.iter().enumerate() {
        forge::publish(folder, broker.port(), topic, payload)?;
        if n % (messages.len() / 4).max(1) == 1 {
            let victim = random.random_range(0..running.len());
            tokio::time::sleep(Duration::from_millis(random.random_range(0..400))).await;
            running[victim].program().kill_9()?;
            running[victim].restart().await?;
            kills += 1;
        }
    }
    // As gateways do that have no acknowledgement: everything once more.
    for (topic, payload) in &messages {
        forge::publish(folder, broker.port(), topic, payload)?;
    }
    let expected = sites * alarms;
    eventually("every alarm is in the journal", Duration::from_secs(90), async || {
        let found = sql.count("SELECT COUNT(*) FROM alarm_journal WHERE rule = 'storm'")?;
        Ok(when(found == expected, format!("{found} of {expected}")))
    })
    .await?;
    eventually("every rung is taken", Duration::from_secs(90), async || {
        let taken = sql.count(
            "SELECT COUNT(*) FROM escalation_steps e JOIN cases c ON c.case_id = e.case_id WHERE c.dedupe LIKE '%/dam'",
        )?;
        Ok(when(taken >= sites * RUNGS, format!("{taken} of {}", sites * RUNGS)))
    })
    .await?;
    accounted(sql, sites, alarms)?;
    println!("{expected} alarms of {sites} sites, {kills} kills, {aggregators} aggregators: all accounted for");
    Ok(())
}

fn accounted(sql: &Sql, sites: usize, alarms: usize) -> Result<()> {
    let dam = "c.dedupe LIKE '%/dam'";
    let same = |what: &str, statement: String, expected: usize| -> Result<()> {
        let found = sql.count(&statement)?;
        ensure!(found == expected, "{what}: {found}, expected {expected}");
        Ok(())
    };
    same("alarms", "SELECT COUNT(*) FROM alarms WHERE alarm LIKE 'p-%' AND isa = 'UNACK'".into(), sites * alarms)?;
    same("cases of ponds", format!("SELECT COUNT(*) FROM cases c WHERE {dam} AND state = 'pushed'"), sites)?;
    let joined = format!("SELECT COUNT(*) FROM case_alarms a JOIN cases c ON c.case_id = a.case_id WHERE {dam}");
    same("alarms in cases", joined, sites * alarms)?;
    let steps = format!("SELECT COUNT(*) FROM escalation_steps e JOIN cases c ON c.case_id = e.case_id WHERE {dam}");
    same("rungs", steps, sites * RUNGS)?;
    let notices = format!("SELECT COUNT(*) FROM notice n JOIN cases c ON c.case_id = n.case_id WHERE {dam}");
    same("notices", notices, sites * RUNGS)?;
    let keys = format!(
        "SELECT COUNT(DISTINCT n.case_id || n.step || n.target || n.channel) FROM notice n \
         JOIN cases c ON c.case_id = n.case_id WHERE {dam}"
    );
    same("keys of notices", keys, sites * RUNGS)?;
    let orphans = "SELECT COUNT(*) FROM notice n LEFT JOIN escalation_steps e ON e.case_id = n.case_id AND \
        n.step = CAST(e.round AS TEXT) || '.' || CAST(e.step AS TEXT) WHERE e.case_id IS NULL AND n.case_id IS NOT NULL";
    same("notices of steps that were rolled back", orphans.into(), 0)?;
    let called =
        "SELECT (SELECT COUNT(*) FROM case_journal WHERE event = 'called') - (SELECT COUNT(*) FROM escalation_steps)";
    same("calls in the journal beyond the steps", called.into(), 0)?;
    let holes = "SELECT COUNT(*) FROM cases c WHERE c.revision <> (SELECT COUNT(*) FROM case_journal j WHERE j.case_id = c.case_id)";
    same("cases with holes in their journal", holes.into(), 0)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_of_alarms_survives_kills_on_sqlite() -> Result<()> {
    let folder = scratch("storm-sqlite")?;
    let file = folder.join("storm.db").display().to_string();
    storm(&folder, &format!("sqlite:{file}"), &Sql::Sqlite(file.clone()), 1).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_of_alarms_survives_kills_of_two_aggregators_on_postgresql() -> Result<()> {
    let folder = scratch("storm-postgres")?;
    let cluster = Postgres::start()?;
    let url = cluster.url();
    storm(&folder, &url, &Sql::Postgres(url.clone()), 2).await
}
