//! Command line of the `simulator` program, parsed into what can be run.

use crate::business::BusinessArgs;
use crate::load::LoadArgs;
use crate::scenario::export::ExportArgs;
use crate::world::Scenario;
use clap::{Parser, Subcommand, ValueEnum};
use std::net::{IpAddr, SocketAddr};

/// A seeded tailings pond behind Modbus, a relay that plays the link, and a load generator.
#[derive(Debug, Parser)]
#[command(version)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the world, its Modbus slaves, the relays and the control API in one process.
    Run(RunArgs),
    /// Switch the link of a running simulator.
    Link(LinkArgs),
    /// Play many gateways over MQTT and measure the store's acknowledgements.
    Load(LoadArgs),
    /// Business feeds with planted, labelled risks, as files.
    Business(BusinessArgs),
    /// Scenarios of the dam with known truth, as files.
    #[command(subcommand)]
    World(WorldCommand),
}

/// Subcommands of `world`.
#[derive(Debug, Subcommand)]
pub enum WorldCommand {
    /// Write the measured series, the truth and the dam file of a case.
    Export(ExportArgs),
}

/// Arguments of `run`. Every port may be 0: it is chosen and printed.
#[derive(Debug, Clone, clap::Args)]
pub struct RunArgs {
    /// Modbus TCP address of the dam's instruments.
    #[arg(long, default_value = "127.0.0.1:15020")]
    pub modbus: SocketAddr,
    /// RTU-over-TCP address of the same instruments.
    #[arg(long)]
    pub rtu_over_tcp: Option<SocketAddr>,
    /// Serial device of the same instruments (RTU), or `pty` to make a pseudo-terminal; repeatable.
    #[arg(long)]
    pub rtu: Vec<String>,
    /// Counter devices, one per port: `127.0.0.1:16000-16009`, or `127.0.0.1:0x10` for ten free ports.
    #[arg(long, value_parser = parse_ports)]
    pub counter_ports: Option<Ports>,
    /// Control API, loopback only.
    #[arg(long, default_value = "127.0.0.1:15080")]
    pub control: SocketAddr,
    /// A relay: `127.0.0.1:18831=127.0.0.1:18830` or `listen=127.0.0.1:18831,to=127.0.0.1:18830`; repeatable.
    #[arg(long, value_parser = parse_relay)]
    pub relay: Vec<RelayArg>,
    /// What the weather does.
    #[arg(long, value_enum, default_value_t = Scenario::Normal)]
    pub scenario: Scenario,
    /// Seed of the world, its noise and its random faults.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Simulated seconds per second; default 1 for normal, 5000 for storm.
    #[arg(long)]
    pub speed: Option<f64>,
}

/// Arguments of `link`.
#[derive(Debug, Clone, clap::Args)]
pub struct LinkArgs {
    /// Control API of the running simulator, `http://host:port`.
    #[arg(long, default_value = "http://127.0.0.1:15080")]
    pub control: String,
    /// Which relay, from 0; default all.
    #[arg(long)]
    pub relay: Option<usize>,
    /// Delay of `slow`, milliseconds.
    #[arg(long, default_value_t = 500)]
    pub delay_ms: u64,
    /// What the link should do.
    #[arg(value_enum)]
    pub state: LinkWord,
}

/// The link's states as words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs)]
pub enum LinkWord {
    Up,
    Slow,
    Stalled,
    HalfOpen,
    Refused,
}

/// Most counter ports one process serves.
pub const COUNTER_PORTS_MAX: usize = 1_000;

/// Addresses of the counter devices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ports(pub Vec<SocketAddr>);

fn parse_ports(text: &str) -> Result<Ports, String> {
    let (ip, ports) = text.rsplit_once(':').ok_or("want ADDRESS:FIRST-LAST or ADDRESS:0xCOUNT")?;
    let ip: IpAddr = ip.trim_matches(['[', ']']).parse().map_err(|_| format!("{ip:?} is not an address"))?;
    let number = |text: &str| text.parse::<u16>().map_err(|_| format!("{text:?} is not a port"));
    let ports: Vec<u16> = if let Some(count) = ports.strip_prefix("0x") {
        vec![0; usize::from(number(count)?)]
    } else if let Some((first, last)) = ports.split_once('-') {
        (number(first)?..=number(last)?).collect()
    } else {
        vec![number(ports)?]
    };
    if ports.is_empty() || ports.len() > COUNTER_PORTS_MAX {
        return Err(format!("{} ports; 1 to {COUNTER_PORTS_MAX} are allowed", ports.len()));
    }
    Ok(Ports(ports.into_iter().map(|port| SocketAddr::new(ip, port)).collect()))
}

/// One relay on the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelayArg {
    /// Where gateways connect.
    pub listen: SocketAddr,
    /// Where the bytes go, `host:port`.
    pub to: String,
}

fn parse_relay(text: &str) -> Result<RelayArg, String> {
    let (listen, to) = match text.strip_prefix("listen=") {
        Some(rest) => rest.split_once(",to="),
        None => text.split_once('='),
    }
    .ok_or("want LISTEN=TO or listen=LISTEN,to=TO")?;
    let listen = listen.parse().map_err(|_| format!("{listen:?} is not ADDRESS:PORT"))?;
    match to.rsplit_once(':') {
        Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok() => {
            Ok(RelayArg { listen, to: to.to_owned() })
        }
        Some(_) | None => Err(format!("{to:?} is not HOST:PORT")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn ports_and_relays_are_read_or_refused_with_a_reason() {
        assert_eq!(parse_ports("127.0.0.1:16000-16009").map(|p| p.0.len()), Ok(10));
        assert_eq!(parse_ports("127.0.0.1:0x3").map(|p| p.0), Ok(vec!["127.0.0.1:0".parse().expect("address"); 3]));
        for bad in ["16000", "127.0.0.1:9-8", "127.0.0.1:0x0", "x:1-2", "127.0.0.1:1-60000"] {
            assert!(parse_ports(bad).is_err(), "{bad}");
        }
        let relay = parse_relay("127.0.0.1:18831=broker:1883").expect("valid");
        assert_eq!(parse_relay("listen=127.0.0.1:18831,to=broker:1883"), Ok(relay));
        for bad in ["127.0.0.1:18831", "a=b", "127.0.0.1:1=host", "127.0.0.1:1=:5"] {
            assert!(parse_relay(bad).is_err(), "{bad}");
        }
    }
}
