//! What is known right now, in memory: newest values, links, and the bounded log of live events.
//!
//! Invariant: every event gets its number and enters the log under the lock under which a reader
//! subscribes, so a reader sees no gap and no double. Everything here can be lost: the store and
//! the gateways' next messages rebuild it. Deliberately absent: SQL and sockets.

use crate::people::Domain;
use minewatch_domain::wire::SessionV1;
use minewatch_domain::{At, GatewayId, OrgPath, PointId, Quality, Reason};
use serde::Serialize;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::sync::broadcast;

/// Events kept for readers that resume; older ones cost the reader a snapshot.
pub const EVENTS_MAX: usize = 4_096;
/// Events a slow reader may lag before it is dropped (and resumes by id).
const LAG_MAX: usize = 1_024;
/// A gateway that said nothing for this long is silent. Its heartbeat comes every second.
pub const SILENT_MS: i64 = 10_000;
/// Gateways kept in memory; further ones are stored but not watched.
pub const GATEWAYS_MAX: usize = 20_000;

/// Newest value of a point.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Latest {
    /// Source time.
    pub at: At,
    /// When it came in.
    pub ingested: At,
    /// The value.
    pub value: Option<f64>,
    /// Trust.
    pub quality: Quality,
    /// Why not good.
    pub reason: Reason,
}

/// State of the connection to a gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LinkState {
    /// Heard within the last seconds.
    Online,
    /// Said goodbye, or its will was published.
    Offline,
    /// Not heard for too long.
    Silent,
}

/// What is known of one gateway.
#[derive(Debug, Clone, PartialEq)]
pub struct Link {
    /// State.
    pub state: LinkState,
    /// Since when.
    pub since: At,
    /// Last message of any kind.
    pub heard: Option<At>,
    /// From hello and heartbeat.
    pub session: Option<SessionV1>,
    /// Nonces of the last hello heard, and of the last one whose contents are stored.
    hello: (Option<u64>, Option<u64>),
    /// When the last hello was heard.
    hello_at: Option<At>,
    /// Whether the link alarm was asked for.
    alarmed: bool,
}

impl Link {
    fn new(since: At, heard: Option<At>) -> Link {
        Link {
            state: LinkState::Silent,
            since,
            heard,
            session: None,
            hello: (None, None),
            hello_at: None,
            alarmed: false,
        }
    }

    /// The store knows what the gateway holds: the last hello heard here is stored, or another aggregator
    /// of the same store has committed one since (`stored`), at the earliest since this process runs.
    pub fn announced(&self, stored: Option<At>, started: At) -> bool {
        let own = matches!(self.hello, (Some(heard), Some(stored)) if heard == stored);
        let other = stored.is_some_and(|stored| stored > started && self.hello_at.is_none_or(|heard| stored >= heard));
        own || other
    }
}

/// A link went down or came back; the writer turns it into an alarm transition.
#[derive(Debug, Clone, PartialEq)]
pub struct LinkChange {
    /// Whose.
    pub gateway: GatewayId,
    /// Down or back.
    pub down: bool,
    /// When.
    pub at: At,
    /// Why, in English.
    pub why: String,
}

/// What a live event is about; readers who may not see that are not sent it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum About {
    /// Headquarters itself: whoever is signed in sees it.
    Headquarters,
    /// A gateway, wherever it stands.
    Gateway(GatewayId, Domain),
    /// A node of the organisation.
    Place(OrgPath, Domain),
}

/// One live event.
#[derive(Debug)]
pub struct LiveEvent {
    /// What it is about.
    pub about: About,
    /// Position in the log.
    pub seq: u64,
    /// Event name.
    pub name: &'static str,
    /// JSON.
    pub data: String,
}

/// What a reader gets on opening the stream.
#[derive(Debug)]
pub struct Opened {
    /// Number of the last event at the time.
    pub last: u64,
    /// Missed events, or `None` when a snapshot is needed.
    pub missed: Option<Vec<Arc<LiveEvent>>>,
    /// Events from here on.
    pub events: broadcast::Receiver<Arc<LiveEvent>>,
}

#[derive(Debug)]
struct State {
    links: BTreeMap<GatewayId, Link>,
    latest: BTreeMap<GatewayId, BTreeMap<PointId, Latest>>,
    log: VecDeque<Arc<LiveEvent>>,
    seq: u64,
}

/// Shared handle.
#[derive(Debug, Clone)]
pub struct Live {
    epoch: u64,
    state: Arc<Mutex<State>>,
    events: broadcast::Sender<Arc<LiveEvent>>,
}

impl Live {
    /// An empty board. `epoch` tells this process's event numbers from another's.
    pub fn new(epoch: u64) -> Live {
        let state = State { links: BTreeMap::new(), latest: BTreeMap::new(), log: VecDeque::new(), seq: 0 };
        Live { epoch, state: Arc::new(Mutex::new(state)), events: broadcast::channel(LAG_MAX).0 }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// The epoch of event ids.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Appends an event and sends it to every reader.
    pub fn publish(&self, name: &'static str, about: About, data: &impl Serialize) {
        let Ok(data) = serde_json::to_string(data) else { return };
        let mut state = self.lock();
        state.seq += 1;
        let event = Arc::new(LiveEvent { about, seq: state.seq, name, data });
        state.log.push_back(event.clone());
        if state.log.len() > EVENTS_MAX {
            state.log.pop_front();
        }
        let _ = self.events.send(event);
    }

    /// Subscribes; `resume` is the id of the last event the reader has.
    pub fn open(&self, resume: Option<(u64, u64)>) -> Opened {
        let state = self.lock();
        let events = self.events.subscribe();
        let missed = resume.and_then(|(epoch, seq)| {
            let oldest = state.log.front().map_or(state.seq + 1, |event| event.seq);
            let known = epoch == self.epoch && seq <= state.seq && seq + 1 >= oldest;
            known.then(|| state.log.iter().filter(|event| event.seq > seq).cloned().collect())
        });
        Opened { last: state.seq, missed, events }
    }

    /// Takes over newer values; returns those that were newer.
    pub fn update(&self, gateway: &GatewayId, values: &BTreeMap<PointId, Latest>) -> Vec<(PointId, Latest)> {
        let mut state = self.lock();
        let known = state.latest.entry(gateway.clone()).or_default();
        let mut newer = Vec::new();
        for (point, value) in values {
            if known.get(point).is_none_or(|k| k.at < value.at) {
                known.insert(point.clone(), *value);
                newer.push((point.clone(), *value));
            }
        }
        newer
    }

    /// Newest values of a gateway.
    pub fn latest(&self, gateway: &GatewayId) -> BTreeMap<PointId, Latest> {
        self.lock().latest.get(gateway).cloned().unwrap_or_default()
    }

    /// Source time of the newest value of a gateway.
    pub fn latest_at(&self, gateway: &GatewayId) -> Option<At> {
        self.lock().latest.get(gateway)?.values().map(|latest| latest.at).max()
    }

    /// Every gateway with its newest values, for republishing.
    pub fn everything(&self) -> BTreeMap<GatewayId, BTreeMap<PointId, Latest>> {
        self.lock().latest.clone()
    }

    /// Adds a gateway known from the store, not yet heard by this process.
    pub fn known(&self, gateway: GatewayId, heard: Option<At>, now: At) {
        let link = Link::new(heard.unwrap_or(now), heard);
        self.lock().links.entry(gateway).or_insert(link);
    }

    /// Gateways known.
    pub fn gateways(&self) -> Vec<GatewayId> {
        self.lock().links.keys().cloned().collect()
    }

    /// The link of a gateway.
    pub fn link(&self, gateway: &GatewayId) -> Option<Link> {
        self.lock().links.get(gateway).cloned()
    }

    /// Something was heard; returns the change when the link is back.
    pub fn heard(&self, gateway: &GatewayId, session: Option<&SessionV1>, now: At) -> Option<LinkChange> {
        let mut state = self.lock();
        if state.links.len() >= GATEWAYS_MAX && !state.links.contains_key(gateway) {
            return None;
        }
        let link = state.links.entry(gateway.clone()).or_insert_with(|| Link::new(now, None));
        link.heard = Some(now);
        if let Some(session) = session {
            link.session = Some(session.clone());
            if session.want_marks {
                link.hello.0 = Some(session.nonce);
                link.hello_at = Some(now);
            }
        }
        if link.state == LinkState::Online {
            return None;
        }
        link.state = LinkState::Online;
        link.since = now;
        link.alarmed = false;
        let why = "the gateway is heard again".to_owned();
        Some(LinkChange { gateway: gateway.clone(), down: false, at: now, why })
    }

    /// A hello is stored.
    pub fn announced(&self, gateway: &GatewayId, nonce: u64) {
        if let Some(link) = self.lock().links.get_mut(gateway) {
            link.hello.1 = Some(nonce);
        }
    }

    /// The will or a goodbye was published.
    pub fn offline(&self, gateway: &GatewayId, now: At) -> Option<LinkChange> {
        let mut state = self.lock();
        let link = state.links.get_mut(gateway)?;
        if link.state == LinkState::Offline {
            return None;
        }
        *link = Link { state: LinkState::Offline, since: now, alarmed: true, ..link.clone() };
        let why = "the broker says the gateway is gone".to_owned();
        Some(LinkChange { gateway: gateway.clone(), down: true, at: now, why })
    }

    /// How many known gateways do not answer now.
    pub fn not_heard(&self) -> usize {
        self.lock().links.values().filter(|link| link.state != LinkState::Online).count()
    }

    /// Gateways that have become silent. `started` gives every gateway time to be heard after a start.
    pub fn silent(&self, started: At, now: At) -> Vec<LinkChange> {
        let mut changes = Vec::new();
        for (gateway, link) in &mut self.lock().links {
            let last = link.heard.map_or(started, |heard| heard.max(started));
            if link.alarmed || link.state == LinkState::Offline || now.millis_since(last) < SILENT_MS {
                continue;
            }
            if link.state == LinkState::Online {
                link.since = last;
            }
            link.state = LinkState::Silent;
            link.alarmed = true;
            let why = format!("nothing heard for {} s", SILENT_MS / 1_000);
            changes.push(LinkChange { gateway: gateway.clone(), down: true, at: now, why });
        }
        changes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gateway() -> GatewayId {
        GatewayId::parse("gw-1").expect("slug")
    }

    #[test]
    fn a_silent_gateway_is_reported_once_and_its_return_too() {
        let live = Live::new(1);
        assert!(live.heard(&gateway(), None, At(0)).is_some_and(|c| !c.down));
        assert!(live.heard(&gateway(), None, At::from_millis(500)).is_none());
        assert!(live.silent(At(0), At::from_millis(10_499)).is_empty());
        assert_eq!(live.silent(At(0), At::from_millis(10_500)).len(), 1);
        assert!(live.silent(At(0), At::from_millis(20_000)).is_empty());
        assert!(live.heard(&gateway(), None, At::from_millis(21_000)).is_some_and(|c| !c.down));
    }

    #[test]
    fn a_reader_resumes_where_it_left_or_gets_a_snapshot() {
        let live = Live::new(7);
        for n in 0..3 {
            live.publish("x", About::Headquarters, &n);
        }
        let missed = |resume| live.open(resume).missed.map(|m| m.iter().map(|e| e.seq).collect::<Vec<_>>());
        assert_eq!(missed(Some((7, 1))), Some(vec![2, 3]));
        assert_eq!(missed(Some((7, 3))), Some(vec![]));
        assert_eq!(missed(Some((7, 4))), None, "an event from the future");
        assert_eq!(missed(Some((6, 1))), None, "another process");
        assert_eq!(missed(None), None);
    }
}
