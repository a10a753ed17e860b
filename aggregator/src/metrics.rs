//! Counters for operators, in Prometheus text.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;
use std::sync::Arc;

/// The one label we use.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Labels {
    reason: String,
}

impl Labels {
    /// By reason.
    pub fn reason(reason: &str) -> Labels {
        Labels { reason: reason.to_owned() }
    }
}

macro_rules! metrics {
    ($($(#[$doc:meta])* $field:ident: $kind:ty = $make:expr, $name:literal, $help:literal;)+) => {
        /// Every metric of the aggregator.
        #[derive(Debug, Clone)]
        pub struct Metrics {
            $(#[doc = $help] pub $field: $kind,)+
            registry: Arc<Registry>,
        }

        impl Metrics {
            /// Registered and at zero.
            pub fn new() -> Metrics {
                let mut registry = Registry::with_prefix("minewatch_aggregator");
                $(let $field: $kind = $make; registry.register($name, $help, $field.clone());)+
                Metrics { $($field,)+ registry: Arc::new(registry) }
            }
        }
    };
}

metrics! {
    broker_restarts: Counter = Counter::default(), "broker_restarts", "Times the embedded broker ended and was started again";
    messages: Counter = Counter::default(), "messages", "Messages heard from gateways";
    payload_bytes: Counter = Counter::default(), "payload_bytes", "Payload bytes heard";
    refusals: Family<Labels, Counter> = Family::default(), "refusals", "Payloads refused, by reason";
    inputs_dropped: Counter = Counter::default(), "inputs_dropped", "Inputs dropped because the inbox was full; they are sent again";
    acks_dropped: Counter = Counter::default(), "acks_dropped", "Acknowledgements dropped because their queue was full";
    readings: Counter = Counter::default(), "readings", "Readings committed";
    duplicates: Counter = Counter::default(), "duplicates", "Records that were already in the store";
    commits: Counter = Counter::default(), "commits", "Transactions committed";
    commit_failures: Counter = Counter::default(), "commit_failures", "Transactions that failed and are tried again";
    commit_seconds: Histogram = Histogram::new(exponential_buckets(0.000_25, 2.0, 16)), "commit_seconds", "Time of one transaction";
    commit_rows: Histogram = Histogram::new(exponential_buckets(1.0, 4.0, 10)), "commit_rows", "Rows of one transaction";
    broker_connected: Gauge = Gauge::default(), "broker_connected", "1 while gateways are heard";
    broker_losses: Counter = Counter::default(), "broker_losses", "Broker connections lost";
    store_ok: Gauge = Gauge::default(), "store_ok", "1 while the store takes transactions";
    outbox_sent: Counter = Counter::default(), "outbox_sent", "Outbox messages taken by the broker";
    values_published: Counter = Counter::default(), "values_published", "Point values published to headquarters topics";
    notices_sent: Family<Labels, Counter> = Family::default(), "notices_sent", "Notices taken by their receiver, by kind of channel";
    notices_retried: Family<Labels, Counter> = Family::default(), "notices_retried", "Attempts that were not taken and are made again, by kind of channel";
    notices_failed: Counter = Counter::default(), "notices_failed", "Notices refused or given up on their channel; the fallback was asked for";
    notices_digested: Counter = Counter::default(), "notices_digested", "Notices sent as part of a digest";
    notices_waiting: Gauge = Gauge::default(), "notices_waiting", "Notices due now, at most 500 counted";
    sparkplug_messages: Counter = Counter::default(), "sparkplug_messages", "Messages of the Sparkplug face";
    regulator_packages: Counter = Counter::default(), "regulator_packages", "Packages delivered to regulators' platforms";
    regulator_records: Counter = Counter::default(), "regulator_records", "Records in them";
    regulator_unmapped: Counter = Counter::default(), "regulator_unmapped", "Exported values that no code table names";
    regulator_failures: Counter = Counter::default(), "regulator_failures", "Deliveries that failed and are tried again";
    hq_left_out: Counter = Counter::default(), "hq_left_out", "Messages of values together that were left out because the broker was slow; the single values follow";
    feed_documents: Family<Labels, Counter> = Family::default(), "feed_documents", "Documents of business feeds, by what became of them";
    feed_facts: Counter = Counter::default(), "feed_facts", "Facts stored from business feeds";
    feed_refused: Counter = Counter::default(), "feed_refused", "Records of business feeds that were refused and are in quarantine";
    feeds_overdue: Gauge = Gauge::default(), "feeds_overdue", "Business feeds that are late";
    hq_refused: Counter = Counter::default(), "hq_refused", "Headquarters messages that the broker refused or would not take";
    sink_points: Counter = Counter::default(), "sink_points", "Readings taken by the time-series database";
    sink_dropped: Counter = Counter::default(), "sink_dropped", "Readings left out because the time-series database was away for too long, or refused them";
    sink_failures: Counter = Counter::default(), "sink_failures", "Requests to the time-series database that failed and are made again";
    certificates_ending: Gauge = Gauge::default(), "certificates_ending", "Names whose newest certificate ends within 30 days";
    certificate_seconds_min: Gauge = Gauge::default(), "certificate_seconds_min", "Seconds until the first of the newest certificates ends; 0 where none is known, negative after its end";
    gateways_silent: Gauge = Gauge::default(), "gateways_silent", "Gateways not heard";
    streams_open: Gauge = Gauge::default(), "streams_open", "Open event streams";
}

impl Default for Metrics {
    fn default() -> Metrics {
        Metrics::new()
    }
}

impl Metrics {
    /// Prometheus text.
    pub fn text(&self) -> String {
        let mut text = String::new();
        let _ = prometheus_client::encoding::text::encode(&mut text, &self.registry);
        text
    }
}
