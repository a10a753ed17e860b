//! Programs by other people at every door: Modbus slaves, an MQTT broker with certificates and
//! topic rights, and PostgreSQL as the store.

use anyhow::Result;
use minewatch_tests::aggregator::{Aggregator, Setup};
use minewatch_tests::broker::Mosquitto;
use minewatch_tests::certs::Certs;
use minewatch_tests::gateway::Gateway;
use minewatch_tests::ledger::Verdict;
use minewatch_tests::peers::{self, Maker, SHOWN};
use minewatch_tests::postgres::Postgres;
use minewatch_tests::process::scratch;
use minewatch_tests::scene::{Plan, Scene};
use minewatch_tests::site::{Site, instrument_head, quantity};
use minewatch_tests::slave::CounterSlave;
use minewatch_tests::wait::{eventually, when};
use std::time::Duration;

async fn reads_correctly(test: &str, maker: Maker) -> Result<()> {
    let folder = scratch(test)?;
    let (_tcp, port) = peers::tcp(&folder, maker).await?;
    let line = peers::line(&folder, "line").await?;
    let _rtu = peers::rtu(&folder, maker, &line).await?;
    let aggregator = Aggregator::start(&folder, &Setup::default()).await?;
    let mut site = Site::empty("gw-peer", aggregator.mqtt_port().unwrap_or_default())?;
    let mut instrument = instrument_head("peer", "对端", "Peer");
    SHOWN.iter().for_each(|(id, register, kind, order, _)| instrument.push_str(&quantity(id, *register, kind, order)));
    site.instruments.push(("peer".to_owned(), instrument));
    site.body.push_str("[defaults]\nperiod_ms = 1000\n\n");
    site.add_tcp_device("over-tcp", port, 1, "peer")?;
    site.add_rtu_device("over-rtu", &line.ours, 1, "peer")?;
    let gateway = Gateway::start(&folder, &site)?;
    eventually("every value of the peer is read as it is, over TCP and RTU", Duration::from_secs(40), async || {
        gateway.program().must_run()?;
        let points = aggregator.api().get("/api/v1/points?gateway=gw-peer").await?;
        let value = |id: String| {
            let all = points.as_array()?;
            all.iter().find(|point| point["point"] == id)?["latest"]["value"].as_f64()
        };
        let wrong: Vec<String> = ["over-tcp", "over-rtu"]
            .iter()
            .flat_map(|device| SHOWN.iter().map(move |shown| (format!("{device}.{}", shown.0), shown.4)))
            .filter(|(id, want)| value(id.clone()) != Some(*want))
            .map(|(id, want)| format!("{id} is {:?}, not {want}", value(id.clone())))
            .collect();
        Ok(when(wrong.is_empty(), wrong.join(", ")))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pymodbus_slave_is_read_correctly_over_tcp_and_a_serial_line() -> Result<()> {
    reads_correctly("peers-pymodbus", Maker::Pymodbus).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_libmodbus_slave_is_read_correctly_over_tcp_and_a_serial_line() -> Result<()> {
    reads_correctly("peers-libmodbus", Maker::Libmodbus).await
}

#[tokio::test(flavor = "multi_thread")]
async fn mosquitto_with_certificates_and_topic_rights_carries_everything() -> Result<()> {
    let folder = scratch("peers-tls")?;
    let certs = Certs::make(&folder, &["localhost", "aggregator", "gw-e2e"])?;
    let broker = Mosquitto::start_tls(&folder, &certs).await?;
    let files = |name: &str| {
        format!(
            "ca_file = \"{}\"\ncert_file = \"{}\"\nkey_file = \"{}\"\n",
            certs.ca().display(),
            certs.cert(name).display(),
            certs.key(name).display()
        )
    };
    let url = format!("mqtts://localhost:{}", broker.port());
    let setup = Setup { broker: Some((url.clone(), files("aggregator"))), ..Setup::default() };
    let aggregator = Aggregator::start(&folder, &setup).await?;
    let slave = CounterSlave::start(10).await?;
    let mut site = Site::of_counters("gw-e2e", &[slave.port()], 10, broker.port())?;
    site.uplink = format!("url = \"{url}\"\n{}", files("gw-e2e"));
    let gateway = Gateway::start(&folder, &site)?;
    eventually("values arrive over TLS", Duration::from_secs(40), async || {
        gateway.program().must_run()?;
        let measured = aggregator.api().measured("gw-e2e").await?;
        Ok(when(measured == 7, format!("{measured} of 7 points with a value")))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn postgresql_as_the_store_loses_nothing_when_it_crashes() -> Result<()> {
    let postgres = Postgres::start()?;
    let plan = Plan { store_url: Some(postgres.url()), ..Plan::small("peers-postgres") };
    let mut scene = Scene::start(&plan).await?;
    postgres.crash()?;
    let before = scene.slaves[0].total();
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert!(scene.slaves[0].total() > before, "the site goes on sampling");
    postgres.restart()?;
    if scene.aggregator.program().ended()?.is_some() {
        scene.aggregator.restart().await?;
    }
    println!("{}", scene.settle(Duration::from_secs(90), Verdict::perfect).await?);
    Ok(())
}
