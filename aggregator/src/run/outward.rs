//! The tasks that speak to the world outside: notices.

use super::named;
use crate::config::Config;
use crate::metrics::Metrics;
use crate::notify::Notifier;
use crate::store::Store;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Starts them.
pub(super) fn spawn(
    tasks: &mut JoinSet<&'static str>,
    config: &Config,
    (store, metrics): (&Store, &Metrics),
    instance: u64,
    stop: &CancellationToken,
) {
    let notifier = Notifier {
        config: config.notify.clone(),
        store: store.clone(),
        me: format!("{}-{instance:016x}", config.name),
        metrics: metrics.clone(),
    };
    tasks.spawn(named("notices", notifier.run(stop.clone())));
}
