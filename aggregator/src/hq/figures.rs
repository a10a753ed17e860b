//! Key figures every ten minutes, one message for every facility, also when nothing happened.
//!
//! Invariant: a window is published once, whatever the number of aggregators: whoever moves the
//! mark in the store puts the messages into the outbox, in the same transaction.

use super::event::{self, Outgoing};
use super::payload::{Envelope, KpiV1, SplitV1};
use crate::clock;
use crate::store::{Store, StoreError};
use minewatch_alarm::kpi::{self, Kpi, Window};
use minewatch_domain::{At, GatewayId, OrgPath};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Ten minutes.
const WINDOW_US: i64 = 600_000_000;
/// After the end of a window: time for what is on its way.
const SETTLE_US: i64 = 15_000_000;
/// How often the clock is looked at.
const LOOK: Duration = Duration::from_secs(5);
/// Ten in ten minutes are a flood.
const FLOOD: usize = 10;

/// The task.
#[derive(Debug, Clone)]
pub struct Figures {
    /// Journal and outbox.
    pub store: Store,
}

/// The last window that has ended and settled at `now`.
fn window(now: At) -> Window {
    let to = (now.micros() - SETTLE_US).div_euclid(WINDOW_US) * WINDOW_US;
    Window { from: At(to - WINDOW_US), to: At(to) }
}

fn message(org: &OrgPath, kpi: &Kpi) -> Outgoing {
    let count = |n: usize| n as u64;
    let (from, to) = (clock::text(kpi.from), clock::text(kpi.to));
    let data = KpiV1 {
        org: org.as_str().into(),
        from: from.into(),
        to: to.clone().into(),
        annunciated: count(kpi.annunciated),
        by_level: SplitV1 {
            blue: count(kpi.split.blue),
            yellow: count(kpi.split.yellow),
            orange: count(kpi.split.orange),
            red: count(kpi.split.red),
        },
        flood: kpi.annunciated >= FLOOD,
        standing: count(kpi.standing),
        stale: count(kpi.stale.len()),
        shelved: count(kpi.shelved),
        out_of_service: count(kpi.out_of_service),
        sequence: kpi.to.micros(),
    };
    let id = format!("kpi/{org}/{}", kpi.to.micros());
    let envelope = Envelope {
        specversion: "1.0".into(),
        kind: "minewatch.kpi.10min.v1".into(),
        source: "/minewatch/hq".into(),
        id: id.clone().into(),
        subject: Some(org.as_str().into()),
        time: Some(to.into()),
        datacontenttype: Some("application/json".into()),
        dataschema: Some("urn:minewatch:schema:kpi.10min:v1".into()),
        data,
    };
    let payload = serde_json::to_string(&envelope).unwrap_or_default();
    Outgoing { key: id, leaf: "kpi/10min".to_owned(), retain: false, payload }
}

impl Figures {
    /// Publishes each window when it has ended, until told to stop.
    pub async fn run(self, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(LOOK) => {}
            }
            if let Err(error) = self.turn(window(clock::now())).await {
                tracing::warn!(error = &error as &dyn std::error::Error, "key figures wait for the store");
            }
        }
    }

    async fn turn(&self, window: Window) -> Result<(), StoreError> {
        if self.store.figures_mark().await? >= window.to {
            return Ok(());
        }
        // One gateway of each facility lends its topics.
        let mut facilities: BTreeMap<OrgPath, GatewayId> = BTreeMap::new();
        for row in self.store.gateways().await? {
            if let Some(path) = row.path.as_ref().filter(|path| event::is_sound(path)) {
                facilities.entry(OrgPath::of_site(path)).or_insert(row.gateway);
            }
        }
        let mut messages = Vec::new();
        for (org, gateway) in facilities {
            let facts = self.store.kpi_facts(Some(&org), window).await?;
            messages.push((gateway, message(&org, &kpi::compute(window, &facts.records, &facts.cases))));
        }
        self.store.publish_figures(window.to, &messages, clock::now()).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_published_when_it_has_ended_and_settled() {
        let at = |minute: i64, second: i64| At((minute * 60 + second) * 1_000_000);
        assert_eq!(window(at(20, 14)), Window { from: at(0, 0), to: at(10, 0) });
        assert_eq!(window(at(20, 15)), Window { from: at(10, 0), to: at(20, 0) });
    }

    #[test]
    fn a_facility_where_nothing_happened_says_so() {
        let org = OrgPath::parse("g/c/m/f").expect("path");
        let window = window(At(1_795_600_830_000_000));
        let message = message(&org, &kpi::compute(window, &[], &[]));
        assert_eq!((message.leaf.as_str(), message.retain), ("kpi/10min", false));
        let read: Envelope<'_, KpiV1<'_>> = serde_json::from_str(&message.payload).expect("as typed");
        assert_eq!((read.data.annunciated, read.data.flood), (0, false));
    }
}
