//! What must not come in: each hostile message is refused with a counted, visible reason, and the
//! honest gateway beside it loses nothing.

use anyhow::Result;
use minewatch_domain::wire::{BatchV1, PAYLOAD_BYTES_MAX};
use minewatch_tests::forge;
use minewatch_tests::gateway::Gateway;
use minewatch_tests::ledger::Verdict;
use minewatch_tests::scene::{Plan, Scene};
use minewatch_tests::site::Site;
use minewatch_tests::slave::{CounterSlave, now_us};
use minewatch_tests::wait::{eventually, when};
use serde_json::Value;
use std::fs;
use std::time::Duration;

fn total(counts: &Value) -> u64 {
    match counts {
        Value::Object(map) => map.values().filter_map(Value::as_u64).sum(),
        Value::Array(list) => list.iter().filter_map(|entry| entry["count"].as_u64()).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}

/// Hostile payloads by what is wrong with them, each on its topic.
fn attacks() -> Vec<(&'static str, String, Vec<u8>)> {
    let routine = |gateway: &str| format!("minewatch/v1/gw/{gateway}/up/routine");
    let good = forge::batch("gw-forged", 7, 0, now_us());
    let bent = |bend: fn(&mut BatchV1)| {
        let mut batch = good.clone();
        bend(&mut batch);
        forge::bytes(&batch)
    };
    let cut = |bytes: Vec<u8>| bytes[..bytes.len() / 2].to_vec();
    let to = routine("gw-forged");
    vec![
        ("not CBOR", to.clone(), b"{\"temperature\": 21}".to_vec()),
        ("three bytes of noise", to.clone(), vec![0xff; 3]),
        ("cut in half", to.clone(), cut(forge::bytes(&good))),
        ("unknown version", to.clone(), bent(|batch| batch.version = 9)),
        ("unknown lane", to.clone(), bent(|batch| batch.lane = 77)),
        ("another gateway's name", routine("gw-e2e"), bent(|batch| batch.gateway = "gw-other".to_owned())),
        ("a name that escapes its topic", to.clone(), bent(|batch| batch.points = vec![(1, "a/b/#".to_owned())])),
        ("sequence number at the end of time", to.clone(), bent(|batch| batch.frames[0].first_seq = u64::MAX)),
        (
            "a reading from the year 1",
            to.clone(),
            bent(|batch| {
                if let Some(readings) = &mut batch.frames[0].readings {
                    readings.at_us = -62_000_000_000_000_000;
                }
            }),
        ),
        (
            "columns of different length",
            to.clone(),
            bent(|batch| {
                if let Some(readings) = &mut batch.frames[0].readings {
                    readings.value = vec![1.0; 3];
                }
            }),
        ),
        ("100 kB of nothing", to.clone(), vec![0; 100_000]),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn every_hostile_payload_is_quarantined_and_harms_nobody() -> Result<()> {
    let scene = Scene::start(&Plan { external_broker: true, ..Plan::small("hostile") }).await?;
    let port = scene.broker_port()?;
    for (what, topic, payload) in attacks() {
        let before = total(&scene.api().quarantined().await?);
        forge::publish(&scene.folder, port, &topic, &payload)?;
        eventually(&format!("{what}: counted in the quarantine"), Duration::from_secs(10), async || {
            let counts = scene.api().quarantined().await?;
            Ok(when(total(&counts) > before, counts))
        })
        .await?;
    }
    let quarantine = scene.api().get("/api/v1/quarantine?limit=100").await?;
    println!("{}", quarantine["counts"]);
    println!("{}", scene.settle(Duration::from_secs(60), Verdict::perfect).await?);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_oversized_payload_and_a_giant_topic_do_not_stop_the_honest_gateway() -> Result<()> {
    let scene = Scene::start(&Plan { external_broker: true, ..Plan::small("hostile-big") }).await?;
    let port = scene.broker_port()?;
    let big = vec![0x61; PAYLOAD_BYTES_MAX + 1];
    forge::publish(&scene.folder, port, "minewatch/v1/gw/gw-forged/up/routine", &big)?;
    let giant = format!("minewatch/v1/gw/{}/up/routine", "x".repeat(60_000));
    let _ = forge::publish(&scene.folder, port, &giant, b"x"); // the broker may refuse it by itself
    let deep = format!("minewatch/v1/gw/gw-forged/up/{}", "a/".repeat(150));
    let _ = forge::publish(&scene.folder, port, &deep, b"x");
    scene.wait_reads(3).await?;
    println!("{}", scene.settle(Duration::from_secs(60), Verdict::perfect).await?);
    let counts = scene.api().quarantined().await?;
    assert!(total(&counts) > 0, "the oversized payload is counted: {counts}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_forging_another_ones_future_does_not_hide_its_values() -> Result<()> {
    let scene = Scene::start(&Plan { external_broker: true, ..Plan::small("hostile-forger") }).await?;
    let port = scene.broker_port()?;
    // A well-formed batch under the honest gateway's name, in an epoch of its own.
    let batch = forge::batch("gw-e2e", 1, 0, now_us());
    forge::publish(&scene.folder, port, "minewatch/v1/gw/gw-e2e/up/routine", &forge::bytes(&batch))?;
    scene.wait_reads(5).await?;
    scene.freeze();
    eventually("every value of the honest gateway is stored", Duration::from_secs(60), async || {
        let verdict = scene.verdict().await?;
        Ok(when(verdict.perfect(), &verdict))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_spool_is_reported_and_the_gateway_goes_on() -> Result<()> {
    let mut scene = Scene::start(&Plan::small("hostile-spool")).await?;
    scene.relay.set(minewatch_tests::relay::Link::Refused);
    tokio::time::sleep(Duration::from_secs(3)).await;
    scene.gateway.program().kill_9()?;
    truncate_largest(&scene.folder.join("gw-e2e-spool"))?;
    scene.relay.set(minewatch_tests::relay::Link::Up);
    scene.gateway.restart()?;
    let before = scene.slaves[0].total();
    eventually("the gateway samples again", Duration::from_secs(30), async || {
        scene.gateway.program().must_run()?;
        Ok(when(scene.slaves[0].total() > before, "no read"))
    })
    .await?;
    println!("{}", scene.settle(Duration::from_secs(60), Verdict::honest).await?);
    Ok(())
}

/// Cuts a third off the largest file under `folder`.
fn truncate_largest(folder: &std::path::Path) -> Result<()> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next)? {
            let entry = entry?;
            match entry.file_type()?.is_dir() {
                true => folders.push(entry.path()),
                false => files.push((entry.metadata()?.len(), entry.path())),
            }
        }
    }
    files.sort();
    let (size, path) = files.pop().ok_or_else(|| anyhow::anyhow!("the spool has no files"))?;
    println!("cutting {} from {size} bytes", path.display());
    Ok(fs::File::options().write(true).open(path)?.set_len(size * 2 / 3)?)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_register_map_is_bad_quality_and_not_a_value() -> Result<()> {
    let scene = Scene::start(&Plan::small("hostile-map")).await?;
    // This slave has 10 registers, the map says 20: the device answers with an exception.
    let stranger = CounterSlave::start(10).await?;
    let wrong = Site::of_counters("gw-wrong", &[stranger.port()], 20, scene.relay.port())?;
    let other = Gateway::start(&scene.folder, &wrong)?;
    eventually("the wrong map shows as bad quality with a reason", Duration::from_secs(40), async || {
        other.program().must_run()?;
        let points = scene.api().get("/api/v1/points?gateway=gw-wrong").await?;
        let all = points.as_array().cloned().unwrap_or_default();
        let bad = all.iter().filter(|p| p["latest"]["quality"] == "bad" && p["latest"]["reason"] != "none").count();
        Ok(when(bad > 0, format!("{bad} of {} points bad: {}", all.len(), all.first().cloned().unwrap_or_default())))
    })
    .await?;
    scene.wait_reads(3).await?;
    println!("{}", scene.settle(Duration::from_secs(60), Verdict::perfect).await?);
    Ok(())
}
