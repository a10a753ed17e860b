//! Strangers at the shipped Mosquitto configuration, and a gateway's way from code to revocation.

use anyhow::{Result, ensure};
use minewatch_tests::gateway::Gateway;
use minewatch_tests::identity::{Headquarters, Shown};
use minewatch_tests::process::{Program, binary, run, scratch};
use minewatch_tests::site::Site;
use minewatch_tests::slave::CounterSlave;
use minewatch_tests::wait::{eventually, when};
use rustix::process::Signal;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

fn openssl(folder: &Path, arguments: &[&str]) -> Result<()> {
    run(Command::new("openssl").current_dir(folder).args(arguments)).map(drop)
}

/// Certificates no headquarters of ours gives: of another authority, and one that ended when it was made.
fn forge(folder: &Path) -> Result<()> {
    let wrong = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=gw-a", "-days", "2"];
    openssl(folder, &[&wrong[..], &["-keyout", "wrong.key", "-out", "wrong.pem"]].concat())?;
    let key = ["req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=gw-a", "-keyout", "expired.key", "-out", "x.csr"];
    openssl(folder, &key)?;
    let sign = ["x509", "-req", "-in", "x.csr", "-CA", "ca/gateways/ca.pem", "-CAkey", "ca/gateways/ca.key"];
    openssl(folder, &[&sign[..], &["-CAcreateserial", "-days", "0", "-out", "expired.pem"]].concat())
}

/// Whoever cannot prove who he is does not get past the handshake, and the log says so.
fn refused_at_the_door(hq: &Headquarters, broker: &Program) -> Result<()> {
    let topic = ["-t", "minewatch/v1/gw/gw-a/up/session", "-m", "x"];
    for (who, port, why) in [
        (Shown(None), hq.gateways_port(), "peer did not return a certificate"),
        (Shown(Some("wrong")), hq.gateways_port(), "certificate verify failed"),
        (Shown(Some("expired")), hq.gateways_port(), "certificate verify failed"),
        (Shown(Some("gw-old")), hq.gateways_port(), "certificate verify failed"),
        (Shown(Some("hq")), hq.gateways_port(), "certificate verify failed"),
        (Shown(Some("lake")), hq.gateways_port(), "certificate verify failed"),
        (Shown(Some("gw-a")), hq.headquarters_port(), "certificate verify failed"),
        (Shown(None), hq.headquarters_port(), "peer did not return a certificate"),
    ] {
        let before = broker.printed().len();
        let (taken, said) = hq.client("mosquitto_pub", port, who, &topic)?;
        ensure!(!taken, "{who:?} got in on {port}: {said}");
        let log = broker.printed();
        ensure!(log[before..].contains(why), "{who:?}: {why:?} is not in\n{}", &log[before..]);
    }
    Ok(())
}

/// Whoever is known gets only what is its own.
fn refused_inside(hq: &Headquarters, broker: &Program) -> Result<()> {
    let (gateways, headquarters) = (hq.gateways_port(), hq.headquarters_port());
    for (who, port, topic, retain) in [
        ("gw-a", gateways, "minewatch/v1/gw/gw-b/up/session", false),
        ("gw-a", gateways, "minewatch/v1/gw/gw-b/status", true),
        ("gw-a", gateways, "minewatch/v1/gw/gw-a/down/cmd", false),
        ("gw-a", gateways, "minewatch/v1/gw/gw-b/down/ack", false),
        ("gw-a", gateways, "minewatch/v1/hq/g/c/m/f/point/p/value", true),
        ("gw-a", gateways, "$SYS/broker/uptime", false),
        ("lake", headquarters, "minewatch/v1/hq/g/c/m/f/point/p/value", true),
        ("lake", headquarters, "minewatch/v1/gw/gw-a/down/cmd", false),
    ] {
        let before = broker.printed().len();
        let flags: &[&str] = if retain { &["-r"] } else { &[] };
        let (_, said) =
            hq.client("mosquitto_pub", port, Shown(Some(who)), &[&["-t", topic, "-m", "x"], flags].concat())?;
        let log = broker.printed();
        let denied = log[before..].lines().any(|line| line.contains("Denied PUBLISH") && line.contains(topic));
        // Mosquitto answers what begins with $ as taken and drops it.
        ensure!(denied || topic.starts_with('$'), "{who} {topic}: {said}\n{}", &log[before..]);
        ensure!(topic.starts_with('$') || said.contains("Not authorized"), "{who} {topic}: {said}");
    }
    // A retained stranger would still be there for who comes later.
    for (who, port, filter) in [
        ("hq", headquarters, "minewatch/v1/gw/gw-b/#"),
        ("hq", headquarters, "minewatch/v1/hq/#"),
        ("gw-a", gateways, "$SYS/#"),
        ("lake", headquarters, "$SYS/#"),
        ("lake", headquarters, "minewatch/v1/gw/#"),
    ] {
        let (_, said) = hq.client("mosquitto_sub", port, Shown(Some(who)), &["-t", filter, "-v", "-W", "1"])?;
        ensure!(!said.contains("minewatch/") && !said.contains("$SYS/"), "{who} read {said}");
    }
    Ok(())
}

fn subscriber(folder: &Path, who: &str, port: u16, filter: &str) -> Result<Program> {
    let mut command = Command::new("mosquitto_sub");
    command.args(["-V", "5", "-q", "1", "-h", "localhost", "-p", &port.to_string(), "-v", "-t", filter]);
    command.arg("--cafile").arg(folder.join("ca/headquarters/ca.pem"));
    command.arg("--cert").arg(folder.join(format!("{who}.pem"))).arg("--key").arg(folder.join(format!("{who}.key")));
    // As another gateway would write it, to take its session over.
    command.args(["-i", "gw-b", "--will-topic", "minewatch/v1/gw/gw-b/status", "--will-payload", "foreign will"]);
    Program::start(folder, &format!("sub-{who}"), &mut command)
}

/// The broker's log says so: the subscriber prints nothing before its first message.
async fn subscribed(program: &Program, broker: &Program, client: &str) -> Result<()> {
    eventually("it is subscribed", Duration::from_secs(20), async || {
        program.must_run()?;
        Ok(when(broker.printed().contains(&format!("Sending SUBACK to {client}\n")), broker.tail()))
    })
    .await
    .map(drop)
}

/// gw-a calls itself gw-b, listens to gw-b's tree, and leaves a will in it.
async fn no_session_is_taken_over(hq: &Headquarters, folder: &Path, broker: &Program) -> Result<()> {
    let victim = subscriber(folder, "gw-b", hq.gateways_port(), "minewatch/v1/gw/gw-b/down/#")?;
    subscribed(&victim, broker, "gw-b").await?;
    let reader = {
        let mut command = Command::new("mosquitto_sub");
        command.args([
            "-V",
            "5",
            "-q",
            "1",
            "-h",
            "localhost",
            "-p",
            &hq.headquarters_port().to_string(),
            "-v",
            "-i",
            "reader",
        ]);
        command.arg("--cafile").arg(folder.join("ca/headquarters/ca.pem")).args(["-t", "minewatch/v1/gw/+/status"]);
        command.arg("--cert").arg(folder.join("hq.pem")).arg("--key").arg(folder.join("hq.key"));
        Program::start(folder, "sub-hq", &mut command)?
    };
    subscribed(&reader, broker, "reader").await?;
    let before = broker.printed().len();
    let thief = subscriber(folder, "gw-a", hq.gateways_port(), "minewatch/v1/gw/gw-b/#")?;
    eventually("gw-a is subscribed", Duration::from_secs(20), async || {
        thief.must_run()?;
        Ok(when(broker.printed()[before..].contains("Sending SUBACK to gw-a\n"), broker.tail()))
    })
    .await?;
    let down = ["-t", "minewatch/v1/gw/gw-b/down/ack", "-m", "for gw-b only"];
    let (taken, said) = hq.client("mosquitto_pub", hq.headquarters_port(), Shown(Some("hq")), &down)?;
    ensure!(taken, "{said}");
    eventually("gw-b still hears its own topic", Duration::from_secs(20), async || {
        victim.must_run()?;
        Ok(when(victim.printed().contains("for gw-b only"), victim.tail()))
    })
    .await?;
    ensure!(!thief.printed().contains("for gw-b only"), "gw-a heard what was for gw-b: {}", thief.tail());
    ensure!(broker.printed().contains("as gw-a (p5"), "gw-a is itself, whatever it wrote into CONNECT");
    // Its will goes nowhere; the will of gw-b itself does arrive, so the reader would have seen it.
    thief.kill_9()?;
    victim.kill_9()?;
    eventually("the will in gw-b's own tree arrives", Duration::from_secs(20), async || {
        Ok(when(reader.printed().contains("gw-b/status foreign will"), reader.tail()))
    })
    .await?;
    ensure!(
        reader.printed().matches("gw-b/status foreign will").count() == 1,
        "one will, gw-b's own: {}",
        reader.tail()
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_get_nothing_from_the_shipped_broker_configuration() -> Result<()> {
    let folder = scratch("identity-strangers")?;
    let hq = Headquarters::make(&folder)?;
    for gateway in ["gw-a", "gw-b", "gw-old"] {
        hq.issue(gateway, "gateway", &[])?;
    }
    hq.ca(&["revoke", "gw-old", "--reason", "stolen"])?;
    forge(&folder)?;
    let broker = hq.broker().await?;
    let own = ["-t", "minewatch/v1/gw/gw-a/up/session", "-m", "x"];
    let (taken, said) = hq.client("mosquitto_pub", hq.gateways_port(), Shown(Some("gw-a")), &own)?;
    ensure!(taken && !said.contains("Not authorized"), "its own tree is open to a gateway: {said}");
    refused_at_the_door(&hq, &broker)?;
    refused_inside(&hq, &broker)?;
    no_session_is_taken_over(&hq, &folder, &broker).await
}

fn enrol(hq: &Headquarters, folder: &Path, code: &str, fingerprint: &str, dir: &str) -> Result<String> {
    run(Command::new(binary("gateway")?).current_dir(folder).args([
        "enrol",
        "--url",
        &hq.url(),
        "--code",
        code,
        "--ca-fingerprint",
        fingerprint,
        "--dir",
        dir,
    ]))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_enrols_is_heard_renews_and_is_shut_out_when_revoked() -> Result<()> {
    let folder = scratch("identity-enrol")?;
    let hq = Headquarters::make(&folder)?;
    let broker = hq.broker().await?;
    let aggregator = hq.aggregator().await?;
    let (code, fingerprint) = (hq.code("gw-e2e")?, hq.fingerprint()?);
    let other = format!("00{}", &fingerprint[2..]);
    ensure!(enrol(&hq, &folder, &code, &other, "id").is_err(), "another authority is no headquarters");
    ensure!(enrol(&hq, &folder, "wrong-code", &fingerprint, "id").is_err(), "a wrong code");
    enrol(&hq, &folder, &code, &fingerprint, "id")?;
    ensure!(enrol(&hq, &folder, &code, &fingerprint, "id-2").is_err(), "a code works once");

    let slave = CounterSlave::start(20).await?;
    let mut site = Site::of_counters("gw-e2e", &[slave.port()], 20, 0)?;
    let at = folder.join("id/current");
    let (port, at) = (hq.gateways_port(), at.display());
    site.uplink = format!(
        "url = \"mqtts://localhost:{port}\"\nca_file = \"{at}/ca.pem\"\ncert_file = \"{at}/gateway.pem\"\n\
         key_file = \"{at}/gateway.key\"\n"
    );
    let gateway = Gateway::start(&folder, &site)?;
    heard(&hq, &[gateway.program(), &aggregator]).await?;

    run(Command::new(binary("gateway")?).current_dir(&folder).args(["renew", "--now", "--dir", "id"]))?;
    let local = format!("http://127.0.0.1:{}/metrics", site.http_port);
    let metrics = reqwest::get(&local).await?.text().await?;
    let left = metrics.lines().find_map(|l| l.strip_prefix("minewatch_gateway_certificate_seconds "));
    ensure!(left.is_some_and(|s| s.parse::<i64>().is_ok_and(|s| s > 300 * 86_400)), "{left:?}");

    hq.ca(&["revoke", "gw-e2e", "--reason", "end of the test"])?;
    hq.give_broker()?;
    // The list is read again by a signal; who is connected stays until the connection ends.
    broker.signal(Signal::HUP)?;
    let renewed = run(Command::new(binary("gateway")?).current_dir(&folder).args(["renew", "--now", "--dir", "id"]));
    ensure!(renewed.is_err(), "a revoked certificate gets no successor");
    gateway.program().kill_9()?;
    let before = broker.printed().len();
    let again = Gateway::start(&folder, &site)?;
    eventually("the revoked gateway is refused", Duration::from_secs(30), async || {
        again.program().must_run()?;
        Ok(when(broker.printed()[before..].contains("certificate verify failed"), broker.tail()))
    })
    .await?;
    let secrets = format!("{}{}", aggregator.printed(), gateway.program().printed());
    ensure!(!secrets.contains(&code) && !secrets.contains("PRIVATE KEY"), "a secret stands in a log");
    Ok(())
}

async fn heard(hq: &Headquarters, programs: &[&Program]) -> Result<()> {
    eventually("values of the gateway are in the store", Duration::from_secs(60), async || {
        programs.iter().try_for_each(|program| program.must_run())?;
        let points = hq.get("/api/v1/points").await?;
        Ok(when(points.contains("dev-00.c003") && points.contains("\"good\""), points))
    })
    .await
    .map(drop)
}

/// What a scanner would find: no old protocol, no weak suite; and who says nothing keeps nobody waiting.
#[tokio::test(flavor = "multi_thread")]
async fn our_own_listener_speaks_new_tls_only_and_a_silent_peer_blocks_nobody() -> Result<()> {
    let folder = scratch("identity-tls")?;
    let hq = Headquarters::make(&folder)?;
    let broker = hq.broker().await?;
    let _aggregator = hq.aggregator().await?;
    let ca = folder.join("ca/headquarters/ca.pem").display().to_string();
    let scan = |port: u16, arguments: &[&str]| -> bool {
        let mut command = Command::new("timeout");
        command.args(["20", "openssl", "s_client", "-connect", &format!("localhost:{port}"), "-CAfile", &ca, "-brief"]);
        // Security level 0 lets this openssl offer what it would not offer by itself.
        command.args(arguments).stdin(std::process::Stdio::null());
        command.output().is_ok_and(|out| out.status.success())
    };
    let mut silent = Vec::new();
    for port in [hq.http_port(), hq.gateways_port()] {
        for _ in 0..50 {
            silent.push(tokio::net::TcpStream::connect(("127.0.0.1", port)).await?);
        }
    }
    let old = "@SECLEVEL=0";
    for (arguments, good) in [
        (&["-tls1_3"][..], true),
        (&["-tls1_2"], true),
        (&["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"], false),
        (&["-tls1", "-cipher", "ALL:@SECLEVEL=0"], false),
        (&["-tls1_2", "-cipher", &format!("AES128-SHA:AES256-SHA:{old}")], false),
        (&["-tls1_2", "-cipher", &format!("ECDHE-ECDSA-AES128-SHA:ECDHE-RSA-AES128-SHA:{old}")], false),
        (&["-tls1_2", "-cipher", &format!("aNULL:eNULL:RC4:3DES:{old}")], false),
    ] {
        ensure!(scan(hq.http_port(), arguments) == good, "console: {arguments:?} should be {good}");
        let with_cert = [arguments, &["-cert", "lake.pem", "-key", "lake.key"]].concat();
        let here: Vec<String> = with_cert
            .iter()
            .map(|a| if a.starts_with("lake.") { folder.join(a).display().to_string() } else { (*a).to_owned() })
            .collect();
        let here: Vec<&str> = here.iter().map(String::as_str).collect();
        ensure!(scan(hq.headquarters_port(), &here) == good, "broker: {arguments:?} should be {good}");
    }
    broker.must_run()?;
    ensure!(hq.get("/healthz").await? == "ok\n", "fifty silent peers keep nobody waiting");
    drop(silent);
    Ok(())
}
