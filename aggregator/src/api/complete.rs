//! Whether headquarters may say that it has everything. Pure.
//!
//! Invariant: never `complete` about a gateway that cannot be heard right now: what it recorded
//! meanwhile is not known here, and unknown must not look like safe.

use crate::live::LinkState;
use minewatch_domain::At;
use serde::Serialize;
use utoipa::ToSchema;

/// A word older than this no longer speaks for now. A gateway says something every second; a
/// late one or a lost one must not make the statement flicker, five missed ones are a dead link.
/// Half of the silence that raises the link alarm.
pub(super) const WORD_AGE_MS_MAX: u64 = 5_000;

/// Why the ledger of a gateway is not complete, or not known to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum WhyNot {
    /// The gateway said goodbye, or the broker says that it is gone.
    LinkOffline,
    /// The gateway has not been heard for some seconds.
    LinkSilent,
    /// Headquarters itself is not connected to the broker.
    BrokerLost,
    /// The store does not take transactions.
    StoreFailing,
    /// The gateway has not yet told this process what it holds.
    HelloPending,
    /// Records are missing without an explanation.
    Missing,
}

/// How well headquarters sees a gateway.
#[derive(Debug, Clone)]
pub struct Sight {
    /// Its link; `None` when it is not watched.
    pub link: Option<crate::live::Link>,
    /// The store takes transactions.
    pub store_works: bool,
    /// Gateways can be heard.
    pub broker_connected: bool,
    /// When the store last committed a hello of the gateway, by this or another aggregator.
    pub hello_stored: Option<At>,
    /// Start of this process.
    pub started: At,
    /// Now.
    pub now: At,
}

impl Sight {
    /// The gateway's last word.
    pub fn as_of(&self) -> Option<At> {
        self.link.as_ref().and_then(|link| link.heard)
    }

    /// Every reason not to say complete, when of the known records all are `accounted` for or not.
    pub fn why_not(&self, accounted: bool) -> Vec<WhyNot> {
        let state = self.link.as_ref().map(|link| link.state);
        // A word from the future is as doubtful as an old one: the clock was set back.
        let age = self.as_of().map(|heard| self.now.millis_since(heard).unsigned_abs());
        let recent = state == Some(LinkState::Online) && age.is_some_and(|age| age <= WORD_AGE_MS_MAX);
        let offline = state == Some(LinkState::Offline);
        let announced = self.link.as_ref().is_some_and(|link| link.announced(self.hello_stored, self.started));
        let reasons = [
            (offline, WhyNot::LinkOffline),
            (!offline && !recent, WhyNot::LinkSilent),
            (!self.broker_connected, WhyNot::BrokerLost),
            (!self.store_works, WhyNot::StoreFailing),
            (!announced, WhyNot::HelloPending),
            (!accounted, WhyNot::Missing),
        ];
        reasons.into_iter().filter_map(|(holds, reason)| holds.then_some(reason)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live::Live;
    use minewatch_domain::GatewayId;
    use minewatch_domain::wire::SessionV1;

    fn hello() -> SessionV1 {
        SessionV1 {
            version: 1,
            gateway: "gw-1".to_owned(),
            nonce: 4,
            want_marks: true,
            at_us: 0,
            started_us: 0,
            software: "x".to_owned(),
            config: 0,
            streams: Vec::new(),
            backlog: 0,
            link_losses: 0,
        }
    }

    fn sight(live: &Live, gateway: &GatewayId, now_ms: i64) -> Sight {
        let link = live.link(gateway);
        Sight {
            link,
            store_works: true,
            broker_connected: true,
            hello_stored: None,
            started: At(0),
            now: At::from_millis(now_ms),
        }
    }

    #[test]
    fn only_a_gateway_that_is_heard_and_has_told_everything_is_complete() {
        let gateway = GatewayId::parse("gw-1").expect("slug");
        let live = Live::new(1);
        let seen = |now_ms| sight(&live, &gateway, now_ms).why_not(true);
        assert_eq!(seen(0), [WhyNot::LinkSilent, WhyNot::HelloPending], "never heard");
        live.heard(&gateway, Some(&hello()), At(0));
        assert_eq!(seen(0), [WhyNot::HelloPending], "its hello is not stored");
        live.announced(&gateway, 3);
        assert_eq!(seen(0), [WhyNot::HelloPending], "another hello is stored");
        live.announced(&gateway, 4);
        assert_eq!(seen(0), []);
        assert_eq!(seen(5_000), []);
        assert_eq!(seen(5_001), [WhyNot::LinkSilent]);
        assert_eq!(seen(-5_001), [WhyNot::LinkSilent], "the clock was set back");
        live.offline(&gateway, At(1));
        assert_eq!(seen(0), [WhyNot::LinkOffline]);
        live.heard(&gateway, None, At(2));
        assert_eq!(seen(0), []);
    }

    #[test]
    fn a_hello_that_another_aggregator_stored_counts_unless_a_later_one_was_heard_here() {
        let gateway = GatewayId::parse("gw-1").expect("slug");
        let live = Live::new(1);
        live.heard(&gateway, None, At(10));
        let at = |hello_stored, started| Sight {
            hello_stored: Some(At(hello_stored)),
            started: At(started),
            ..sight(&live, &gateway, 0)
        };
        assert_eq!(at(7, 5).why_not(true), [], "stored since this process runs");
        assert_eq!(at(5, 5).why_not(true), [WhyNot::HelloPending], "of before; perhaps before a restore");
        live.heard(&gateway, Some(&hello()), At(20));
        assert_eq!(at(19, 5).why_not(true), [WhyNot::HelloPending], "a later one waits here");
        assert_eq!(at(20, 5).why_not(true), [], "repeated, and stored by another");
    }

    #[test]
    fn what_fails_at_headquarters_is_said_too() {
        let gateway = GatewayId::parse("gw-1").expect("slug");
        let live = Live::new(1);
        live.heard(&gateway, Some(&hello()), At(0));
        live.announced(&gateway, 4);
        let broken = Sight { store_works: false, broker_connected: false, ..sight(&live, &gateway, 0) };
        assert_eq!(broken.why_not(false), [WhyNot::BrokerLost, WhyNot::StoreFailing, WhyNot::Missing]);
        assert_eq!(sight(&live, &gateway, 0).as_of(), Some(At(0)));
    }
}
