//! What follows a commit: acknowledgements, live events, headquarters news, counters.

use crate::api::view;
use crate::clock;
use crate::hq::{Board, Site};
use crate::ingest::Input;
use crate::ingest::acks::Acks;
use crate::live::{About, Live};
use crate::metrics::Metrics;
use crate::people::Domain;
use crate::store::{Outcome, Store, StoreError};
use crate::system::Health;
use minewatch_domain::wire::MarkV1;
use minewatch_domain::{GatewayId, RangeSet};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Catalogues known, for names and units in live events.
pub type Sites = Arc<Mutex<BTreeMap<GatewayId, Site>>>;

/// Everyone the writer tells.
#[derive(Debug, Clone)]
pub struct Told {
    /// Gateways.
    pub acks: Acks,
    /// Browsers.
    pub live: Live,
    /// Headquarters.
    pub board: Board,
    /// Operators.
    pub metrics: Metrics,
    /// Whether the store works.
    pub health: Health,
    /// Catalogues.
    pub sites: Sites,
    /// A time-series database, where there is one.
    pub sink: Option<crate::sink::Feed>,
}

/// Marks in one acknowledgement; more are told in further ones.
const ACK_MARKS_MAX: usize = 4_096;

/// Ranges of all batches of one gateway, neighbours joined.
type Ranges = BTreeMap<(u64, u8), RangeSet>;

fn marks(ranges: &Ranges) -> Vec<MarkV1> {
    let mark = |(epoch, lane): (u64, u8), r: Range<u64>| MarkV1 { epoch, lane, from: r.start, to: r.end };
    ranges.iter().flat_map(|(key, set)| set.iter().map(move |range| mark(*key, range))).collect()
}

/// Tells readers and headquarters that a link changed; does not wait for the store.
pub fn link(live: &Live, board: &Board, gateway: &GatewayId) {
    board.link(gateway);
    if let Some(state) = live.link(gateway) {
        live.publish("link", About::Gateway(gateway.clone(), Domain::Link), &view::link_event(gateway, &state));
    }
}

impl Told {
    /// A transaction is durable.
    pub fn committed(&self, inputs: &[Input], outcome: &Outcome, rows: usize, took: Duration) {
        let mut ranges: BTreeMap<&GatewayId, Ranges> = BTreeMap::new();
        for input in inputs {
            match input {
                Input::Batch(batch) => {
                    let streams = ranges.entry(&batch.gateway).or_default();
                    let set = streams.entry((batch.epoch, batch.lane.code())).or_default();
                    batch.ranges.iter().for_each(|range| set.insert(range.clone()));
                }
                Input::Refused(refused) => {
                    if let (Some(gateway), Some(batch)) = (&refused.refusal.gateway, refused.refusal.batch) {
                        self.acks.refused(gateway, batch, &refused.refusal.detail);
                    }
                }
                Input::Link(_) | Input::Hello(..) | Input::OutboxSent(_) | Input::Risk(_) => {}
                Input::Operator(_) | Input::CommandsSent(_) | Input::CommandResult(_) | Input::Tick => {}
            }
        }
        for (gateway, ranges) in &ranges {
            for part in marks(ranges).chunks(ACK_MARKS_MAX) {
                self.acks.committed(gateway, part.to_vec());
            }
        }
        for answer in &outcome.answers {
            self.live.announced(&answer.gateway, answer.nonce);
            self.acks.marks(&answer.gateway, answer.nonce, answer.marks.clone(), answer.catalogue);
        }
        // Rows just deleted make room for the next ones to be read.
        if outcome.outbox || inputs.iter().any(|input| matches!(input, Input::OutboxSent(_))) {
            self.board.outbox();
        }
        for (reply, answer) in &outcome.replies {
            reply.send(answer.clone());
        }
        self.news(outcome);
        self.handling(outcome);
        if let Some(sink) = &self.sink {
            sink.committed(inputs);
        }
        self.metrics.commits.inc();
        self.metrics.readings.inc_by(outcome.readings);
        self.metrics.duplicates.inc_by(outcome.duplicates);
        self.metrics.commit_seconds.observe(took.as_secs_f64());
        self.metrics.commit_rows.observe(rows as f64);
        self.works();
    }

    /// The store took a transaction, or answered a probe.
    pub fn works(&self) {
        if self.health.store_works() {
            self.board.system(Ok(()));
            self.metrics.store_ok.set(1);
            tracing::info!("store takes transactions");
            self.live.publish("system", About::Headquarters, &view::store_event(&self.health));
        }
    }

    fn news(&self, outcome: &Outcome) {
        for (gateway, values) in &outcome.values {
            let newer = self.live.update(gateway, values);
            if !newer.is_empty() {
                self.board.values(gateway, &newer);
                let about = About::Gateway(gateway.clone(), Domain::Dam);
                self.live.publish("values", about, &view::values_event(gateway, &newer));
            }
        }
        let sites = self.sites.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        for seen in outcome.alarms.iter().filter(|seen| seen.state) {
            let point = seen.transition.point.as_ref();
            let described = sites.get(&seen.gateway).zip(point).and_then(|(site, point)| site.points.get(point));
            let about = About::Gateway(seen.gateway.clone(), Domain::of_alarm_kind(seen.transition.kind.name()));
            let event = view::alarm_event(&seen.gateway, &seen.transition, seen.since, described);
            self.live.publish("alarm", about, &event);
        }
        for seen in &outcome.gaps {
            self.live.publish(
                "gap",
                About::Gateway(seen.gateway.clone(), Domain::Link),
                &view::gap_event(&seen.gateway, seen.epoch, seen.seq, &seen.gap),
            );
        }
    }

    fn handling(&self, outcome: &Outcome) {
        for ((gateway, alarm), (kind, shown)) in &outcome.handled {
            let about = About::Gateway(gateway.clone(), Domain::of_alarm_kind(kind.name()));
            let event = serde_json::json!({ "gateway": gateway, "alarm": alarm, "handling": shown });
            self.live.publish("handling", about, &event);
        }
        for (org, field, case) in &outcome.cases {
            self.live.publish("case", About::Place(org.clone(), crate::store::domain_of(*field)), case);
        }
    }

    /// A catalogue came into force.
    pub async fn site(&self, store: &Store, gateway: &GatewayId) {
        match store.sites().await {
            Ok(mut all) => {
                if let Some(site) = all.remove(gateway) {
                    self.board.site(gateway, site.clone());
                    let mut sites = self.sites.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                    sites.insert(gateway.clone(), site);
                }
            }
            Err(error) => tracing::warn!(error = &error as &dyn std::error::Error, "catalogue not readable"),
        }
    }

    /// A transaction failed and will be tried again.
    pub fn failed(&self, error: &StoreError, failures: u32) {
        self.metrics.commit_failures.inc();
        self.metrics.store_ok.set(0);
        let text = error.to_string();
        // The first failure is an error in the log; later ones are said now and then.
        if failures.is_power_of_two() && failures > 1 {
            tracing::warn!(error = text, failures, "store still does not take transactions");
        }
        if self.health.store_fails(&text, clock::now()) {
            tracing::error!(error = text, failures, "store does not take transactions; nothing is acknowledged");
            self.board.system(Err(text));
            self.live.publish("system", About::Headquarters, &view::store_event(&self.health));
        }
    }
}
