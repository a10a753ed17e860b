//! The harness itself: a fault that does not bite, or a peer that is not there, would make every
//! other test here worthless.

use anyhow::Result;
use minewatch_tests::broker::{Mosquitto, Subscriber};
use minewatch_tests::certs::Certs;
use minewatch_tests::forge;
use minewatch_tests::gateway::Gateway;
use minewatch_tests::peers::{self, Maker};
use minewatch_tests::postgres::Postgres;
use minewatch_tests::process::{binary, run, scratch};
use minewatch_tests::relay::{Link, Relay};
use minewatch_tests::site::Site;
use minewatch_tests::slave::{COUNTERS_FROM, CounterSlave};
use minewatch_tests::wait::{eventually, when};
use std::process::Command;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

/// Reads holding register 3 once.
async fn read_counter(stream: &mut TcpStream) -> Result<u16> {
    stream.write_all(&[0, 1, 0, 0, 0, 6, 1, 3, 0, 3, 0, 1]).await?;
    let mut answer = [0u8; 11];
    stream.read_exact(&mut answer).await?;
    Ok(u16::from_be_bytes([answer[9], answer[10]]))
}

const A_WHILE: Duration = Duration::from_millis(400);

#[tokio::test(flavor = "multi_thread")]
async fn the_relay_carries_swallows_and_resets() -> Result<()> {
    let slave = CounterSlave::start(10).await?;
    let relay = Relay::start(slave.port()).await?;
    let mut stream = TcpStream::connect(("127.0.0.1", relay.port())).await?;
    assert_eq!(read_counter(&mut stream).await?, 1, "up");

    relay.set(Link::HalfOpen);
    assert!(
        timeout(A_WHILE, read_counter(&mut stream)).await.is_err(),
        "half-open: silence, and no end of the connection"
    );
    let mut later = TcpStream::connect(("127.0.0.1", relay.port())).await?;
    assert!(
        timeout(A_WHILE, read_counter(&mut later)).await.is_err(),
        "half-open: a new connection stands and is silent"
    );

    relay.set(Link::Refused);
    assert!(timeout(A_WHILE, read_counter(&mut stream)).await?.is_err(), "refused: the old connection is reset");
    let refused = async { read_counter(&mut TcpStream::connect(("127.0.0.1", relay.port())).await?).await };
    assert!(timeout(A_WHILE, refused).await?.is_err(), "refused: so is a new one");

    relay.set(Link::Up);
    let mut stream = TcpStream::connect(("127.0.0.1", relay.port())).await?;
    assert_eq!(read_counter(&mut stream).await?, 2, "up again; nothing of the silent time reached the slave");
    assert_eq!(slave.handed_out(COUNTERS_FROM).len(), 2);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscriber_sees_what_is_published_across_a_broker_restart() -> Result<()> {
    let folder = scratch("harness-broker")?;
    let mut broker = Mosquitto::start(&folder).await?;
    let subscriber = Subscriber::start(&folder, broker.port(), "a/#")?;
    let port = broker.port();
    let heard = async |leaf: &str| {
        eventually("the message is heard", Duration::from_secs(10), async || {
            forge::publish(&folder, port, &format!("a/{leaf}"), b"{\"x\": 1}")?;
            let messages = subscriber.messages(leaf);
            Ok(when(messages.iter().any(|message| message.body["x"] == 1), messages.len()))
        })
        .await
    };
    heard("before").await?;
    broker.kill_9()?;
    broker.restart().await?;
    heard("after").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_with_certificates_comes_up() -> Result<()> {
    let folder = scratch("harness-tls")?;
    let certs = Certs::make(&folder, &["localhost", "gw-a"])?;
    Mosquitto::start_tls(&folder, &certs).await?;
    Ok(())
}

#[test]
fn a_database_of_our_own_comes_up_crashes_and_comes_back() -> Result<()> {
    let postgres = Postgres::start()?;
    postgres.crash()?;
    postgres.restart()
}

#[tokio::test(flavor = "multi_thread")]
async fn slaves_by_others_come_up() -> Result<()> {
    let folder = scratch("harness-peers")?;
    for maker in [Maker::Pymodbus, Maker::Libmodbus] {
        let (_slave, port) = peers::tcp(&folder, maker).await?;
        eventually("it takes connections", Duration::from_secs(10), async || {
            TcpStream::connect(("127.0.0.1", port)).await?;
            Ok(when(true, ""))
        })
        .await?;
        let line = peers::line(&folder, &format!("{maker:?}")).await?;
        peers::rtu(&folder, maker, &line).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_free_port_is_free() -> Result<()> {
    TcpListener::bind(("127.0.0.1", minewatch_tests::process::free_port()?)).await?;
    Ok(())
}

#[test]
fn the_sites_written_here_are_valid() -> Result<()> {
    let folder = scratch("harness-site")?;
    let site = Site::of_counters("gw-check", &[1502, 1503], 100, 1883)?;
    let file = site.write(&folder)?;
    let said = run(Command::new(binary("gateway")?).arg("check").arg(file))?;
    assert!(said.contains("2 devices, 194 points"), "{said}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_alone_reads_every_counter_once_a_second() -> Result<()> {
    let folder = scratch("harness-gateway")?;
    let slave = CounterSlave::start(100).await?;
    let gateway = Gateway::start(&folder, &Site::of_counters("gw-alone", &[slave.port()], 100, 9)?)?;
    eventually("three reads of each counter", Duration::from_secs(20), async || {
        gateway.program().must_run()?;
        Ok(when(slave.total() >= 3 * 97, slave.total()))
    })
    .await?;
    gateway.program().stop(Duration::from_secs(15))?;
    let reads: Vec<usize> = (COUNTERS_FROM..100).map(|register| slave.handed_out(register).len()).collect();
    assert_eq!(reads.iter().min(), reads.iter().max(), "one request reads them all: {reads:?}");
    Ok(())
}
