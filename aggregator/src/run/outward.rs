//! The tasks beside the way of the records: upkeep of the store, notices, the Sparkplug face, the
//! regulator's export.

use super::named;
use crate::broker::BrokerAddress;
use crate::config::Config;
use crate::hq::Figures;
use crate::live::Live;
use crate::metrics::Metrics;
use crate::notify::Notifier;
use crate::regulator::Exporter;
use crate::sink::Sink;
use crate::sparkplug::Sparkplug;
use crate::store::Store;
use crate::writer::Sites;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// What is started.
pub(super) struct Outward {
    store: Store,
    keep_days: Option<u32>,
    figures: Store,
    notifier: Notifier,
    sparkplug: Sparkplug,
    exporter: Exporter,
    sink: Option<Sink>,
}

impl Outward {
    /// From the settings and what it works with.
    pub(super) fn new(
        config: &Config,
        (store, metrics, live): (&Store, &Metrics, &Live),
        (sites, address): (&Sites, &BrokerAddress),
        (instance, sink): (u64, Option<Sink>),
    ) -> Outward {
        let (store, metrics) = (store.clone(), metrics.clone());
        Outward {
            store: store.clone(),
            keep_days: config.keep_days,
            figures: store.clone(),
            notifier: Notifier {
                config: config.notify.clone(),
                store: store.clone(),
                me: format!("{}-{instance:016x}", config.name),
                metrics: metrics.clone(),
            },
            sparkplug: Sparkplug {
                config: config.sparkplug.clone(),
                address: address.clone(),
                client_id: format!("minewatch-{}-sparkplug-{instance:016x}", config.name),
                store: store.clone(),
                live: live.clone(),
                sites: sites.clone(),
                metrics: metrics.clone(),
            },
            sink,
            exporter: Exporter { config: config.regulator.clone(), store, metrics },
        }
    }

    /// Starts it.
    pub(super) fn spawn(self, tasks: &mut JoinSet<&'static str>, stop: &CancellationToken) {
        tasks.spawn(named("upkeep", self.store.keep_up(self.keep_days, stop.clone())));
        tasks.spawn(named("key figures", Figures { store: self.figures }.run(stop.clone())));
        tasks.spawn(named("notices", self.notifier.run(stop.clone())));
        tasks.spawn(named("Sparkplug", self.sparkplug.run(stop.clone())));
        if let Some(sink) = self.sink {
            tasks.spawn(named("sink", sink.run(stop.clone())));
        }
        tasks.spawn(named("regulator export", self.exporter.run(stop.clone())));
    }
}
