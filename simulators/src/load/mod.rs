//! The load generator: plays thousands of gateways over a few MQTT 5 connections and measures
//! what counts, the store's acknowledgements (a PUBACK only means "in the broker's memory").
//!
//! Invariant: a batch counts as acknowledged when the aggregator said that its whole range is
//! committed; latencies run from the time the batch was due, so a slow sender hides nothing.
//! Deliberately absent: TLS and per-gateway identities (a broker with ACLs needs one connection
//! per gateway: `--connections` equal to `--gateways`), a spool.

mod connection;
mod histogram;
mod player;

pub use histogram::Histogram;
pub use player::Player;

use minewatch_domain::{At, GatewayId, PointId};
use serde::Serialize;
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Arguments of `load`.
#[derive(Debug, Clone, clap::Args)]
pub struct LoadArgs {
    /// Broker, `host:port`, MQTT 5 without TLS.
    #[arg(long, default_value = "127.0.0.1:1883", value_parser = parse_broker)]
    pub broker: (String, u16),
    /// Gateways to play.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub gateways: u32,
    /// MQTT connections they share.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub connections: u32,
    /// Points per gateway: the readings of one batch.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=5_000))]
    pub points: u32,
    /// Batches per second and gateway.
    #[arg(long, default_value_t = 1.0, value_parser = parse_rate)]
    pub rate: f64,
    /// How long to send, seconds.
    #[arg(long, default_value_t = 30)]
    pub seconds: u64,
    /// How long to wait for the last acknowledgements, seconds.
    #[arg(long, default_value_t = 10)]
    pub drain_seconds: u64,
    /// Gateway ids are `PREFIX-00001` and so on.
    #[arg(long, default_value = "load")]
    pub prefix: String,
    /// MQTT user name, if the broker wants one.
    #[arg(long)]
    pub username: Option<String>,
    /// Environment variable that holds the password.
    #[arg(long, default_value = "MINEWATCH_LOAD_PASSWORD")]
    pub password_env: String,
}

fn parse_broker(text: &str) -> Result<(String, u16), String> {
    let text = text.strip_prefix("mqtt://").unwrap_or(text);
    match text.rsplit_once(':').map(|(host, port)| (host, port.parse::<u16>())) {
        Some((host, Ok(port))) if !host.is_empty() => Ok((host.to_owned(), port)),
        Some(_) | None => Err(format!("{text:?} is not HOST:PORT")),
    }
}

fn parse_rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if rate > 0.0 && rate <= 10_000.0 => Ok(rate),
        Ok(_) | Err(_) => Err("want a number above 0 and at most 10000".to_owned()),
    }
}

/// What one connection counted.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    /// Batches sent for the first time.
    pub batches: u64,
    /// Batches acknowledged by the store.
    pub batches_acked: u64,
    /// Batches sent again after a reconnect.
    pub batches_again: u64,
    /// Batches the store refused.
    pub batches_refused: u64,
    /// Batches not made because too many were unacknowledged.
    pub batches_withheld: u64,
    /// Readings sent and not acknowledged at the end.
    pub readings_unacked: u64,
    /// Connections lost or not made.
    pub reconnects: u64,
    /// Words of the aggregator that were not read (malformed, or too many at once).
    pub acks_unread: u64,
    /// Due time to store acknowledgement.
    pub latency: Histogram,
}

impl Tally {
    fn merge(&mut self, other: &Tally) {
        self.batches += other.batches;
        self.batches_acked += other.batches_acked;
        self.batches_again += other.batches_again;
        self.batches_refused += other.batches_refused;
        self.batches_withheld += other.batches_withheld;
        self.readings_unacked += other.readings_unacked;
        self.reconnects += other.reconnects;
        self.acks_unread += other.acks_unread;
        self.latency.merge(&other.latency);
    }
}

/// The result, printed as one JSON line.
#[derive(Debug, Serialize)]
#[allow(missing_docs)]
pub struct Report {
    pub gateways: u32,
    pub connections: u32,
    pub points: u32,
    pub batches_per_s_asked: f64,
    /// From the first batch to the last acknowledgement or the end of the wait.
    pub seconds: f64,
    pub batches_sent: u64,
    pub batches_acked: u64,
    pub batches_again: u64,
    pub batches_refused: u64,
    pub batches_withheld: u64,
    pub readings_sent: u64,
    pub readings_acked: u64,
    pub readings_unacked: u64,
    /// Batches acknowledged by the store per second.
    pub acks_per_s: f64,
    pub readings_acked_per_s: f64,
    pub latency_p50_ms: Option<f64>,
    pub latency_p99_ms: Option<f64>,
    pub latency_max_ms: Option<f64>,
    pub reconnects: u64,
    pub acks_unread: u64,
}

/// The wall clock.
pub(crate) fn now() -> At {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    At(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

/// Sends for the asked time, waits for the rest, and reports.
///
/// # Errors
/// When the prefix makes no gateway id or the password variable is missing.
pub async fn run(args: LoadArgs, stop: CancellationToken) -> anyhow::Result<Report> {
    let password = match &args.username {
        Some(_) => Some(std::env::var(&args.password_env)?),
        None => None,
    };
    let started = now();
    let points = (0..args.points).map(|i| PointId::parse(&format!("p-{i:04}"))).collect::<Result<Vec<_>, _>>()?;
    let connections = args.connections.min(args.gateways);
    let mut shares: Vec<Vec<Player>> = (0..connections).map(|_| Vec::new()).collect();
    for (index, connection) in (0..args.gateways).zip((0..connections).cycle()) {
        let id = GatewayId::parse(&format!("{}-{:05}", args.prefix, index + 1))?;
        let epoch = started.micros() as u64;
        shares[connection as usize].push(Player::new(id, epoch, points.clone(), started));
    }
    let begin = tokio::time::Instant::now();
    let mut tasks = JoinSet::new();
    for (number, players) in shares.into_iter().enumerate() {
        let (args, password, stop) = (args.clone(), password.clone(), stop.clone());
        tasks.spawn(connection::play(number, players, args, password, stop));
    }
    let mut total = Tally::default();
    while let Some(tally) = tasks.join_next().await {
        total.merge(&tally?);
    }
    Ok(report(&args, connections, &total, begin.elapsed().as_secs_f64()))
}

fn report(args: &LoadArgs, connections: u32, total: &Tally, seconds: f64) -> Report {
    let points = u64::from(args.points);
    let per_s = |count: u64| count as f64 / seconds.max(f64::EPSILON);
    Report {
        gateways: args.gateways,
        connections,
        points: args.points,
        batches_per_s_asked: args.rate * f64::from(args.gateways),
        seconds,
        batches_sent: total.batches,
        batches_acked: total.batches_acked,
        batches_again: total.batches_again,
        batches_refused: total.batches_refused,
        batches_withheld: total.batches_withheld,
        readings_sent: total.batches * points,
        readings_acked: total.batches_acked * points,
        readings_unacked: total.readings_unacked,
        acks_per_s: per_s(total.batches_acked),
        readings_acked_per_s: per_s(total.batches_acked * points),
        latency_p50_ms: total.latency.quantile_ms(0.50),
        latency_p99_ms: total.latency.quantile_ms(0.99),
        latency_max_ms: total.latency.max_ms(),
        reconnects: total.reconnects,
        acks_unread: total.acks_unread,
    }
}

#[cfg(test)]
mod tests;
