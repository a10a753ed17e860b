//! Keeps the revocation lists as the store has them, and says how long certificates last.

use super::authority::Authority;
use super::routes::Gate;
use crate::clock;
use crate::metrics::Metrics;
use minewatch_domain::At;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How soon a revocation made elsewhere is on the list here.
const LOOK: Duration = Duration::from_secs(30);
/// An unchanged list is written anew after this long.
const AGAIN_MS: i64 = 24 * 3_600_000;
/// Certificates that end within this time are counted as ending: a month to send somebody.
const ENDING_MS: i64 = 30 * 24 * 3_600_000;

type Written = Option<(Vec<(String, At)>, At)>;

/// Runs until `stop`.
pub async fn run(gate: Gate, metrics: Metrics, stop: CancellationToken) {
    let mut written: [Written; 2] = [None, None];
    loop {
        for (which, before) in Authority::ALL.into_iter().zip(&mut written) {
            if let Err(error) = list(&gate, which, before).await {
                tracing::error!(authority = which.name(), error = format!("{error:#}"), "revocation list not written");
            }
        }
        let now = clock::now();
        match gate.registry.ends(now).await {
            Ok(ends) => {
                let ending = ends.iter().filter(|(_, end)| end.millis_since(now) < ENDING_MS).count();
                let soonest = ends.iter().map(|(_, end)| end.millis_since(now) / 1_000).min();
                metrics.certificates_ending.set(i64::try_from(ending).unwrap_or(i64::MAX));
                metrics.certificate_seconds_min.set(soonest.unwrap_or(0));
            }
            Err(error) => tracing::warn!(error = &error as &dyn std::error::Error, "certificates not readable"),
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            () = stop.cancelled() => return,
        }
    }
}

async fn list(gate: &Gate, which: Authority, before: &mut Written) -> anyhow::Result<()> {
    let now = clock::now();
    let revoked = gate.registry.revoked(which, now).await?;
    let fresh = |(list, at): &(Vec<(String, At)>, At)| *list == revoked && now.millis_since(*at) < AGAIN_MS;
    if before.as_ref().is_some_and(fresh) {
        return Ok(());
    }
    let ca = match which {
        Authority::Gateways => &gate.gateways,
        Authority::Headquarters => &gate.headquarters,
    };
    ca.write_list(&revoked, now)?;
    *before = Some((revoked, now));
    Ok(())
}
