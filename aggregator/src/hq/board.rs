//! Where the writer leaves what headquarters should hear: a conflating board, so that it never waits.

use crate::live::Latest;
use minewatch_domain::{CataloguePoint, GatewayId, PointId, SitePath};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::sync::Notify;

/// Values waiting; one per point, so it is bounded by the points known. Beyond this, values of new
/// points are left out until others have gone (they stay in the store and come with their next sample).
const VALUES_MAX: usize = 200_000;

/// What a gateway's catalogue says, as far as topics need it.
#[derive(Debug, Clone, Default)]
pub struct Site {
    /// Where it stands; `None` until a catalogue has come.
    pub path: Option<SitePath>,
    /// Configuration of the catalogue.
    pub config: u64,
    /// Its points.
    pub points: BTreeMap<PointId, CataloguePoint>,
}

/// What is new.
#[derive(Debug, Default)]
pub struct News {
    /// Values to publish.
    pub values: BTreeMap<(GatewayId, PointId), Latest>,
    /// Gateways whose link changed.
    pub links: BTreeSet<GatewayId>,
    /// Gateways whose descriptors are to be published.
    pub sites: BTreeMap<GatewayId, Site>,
    /// The outbox has messages.
    pub outbox: bool,
    /// The state of the store changed.
    pub system: Option<Result<(), String>>,
    /// A signed head of the audit trail.
    pub audit: Option<serde_json::Value>,
}

impl News {
    /// Nothing to tell.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
            && self.links.is_empty()
            && self.sites.is_empty()
            && !self.outbox
            && self.system.is_none()
            && self.audit.is_none()
    }
}

/// Shared handle.
#[derive(Debug, Clone, Default)]
pub struct Board {
    news: Arc<Mutex<News>>,
    bell: Arc<Notify>,
}

impl Board {
    fn lock(&self) -> MutexGuard<'_, News> {
        self.news.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Newer values of a gateway.
    pub fn values(&self, gateway: &GatewayId, values: &[(PointId, Latest)]) {
        let mut news = self.lock();
        for (point, latest) in values {
            if news.values.len() < VALUES_MAX {
                news.values.insert((gateway.clone(), point.clone()), *latest);
            }
        }
        drop(news);
        self.bell.notify_one();
    }

    /// A link changed.
    pub fn link(&self, gateway: &GatewayId) {
        self.lock().links.insert(gateway.clone());
        self.bell.notify_one();
    }

    /// A catalogue came into force.
    pub fn site(&self, gateway: &GatewayId, site: Site) {
        self.lock().sites.insert(gateway.clone(), site);
        self.bell.notify_one();
    }

    /// The outbox has messages.
    pub fn outbox(&self) {
        self.lock().outbox = true;
        self.bell.notify_one();
    }

    /// The store works, or does not.
    pub fn system(&self, state: Result<(), String>) {
        self.lock().system = Some(state);
        self.bell.notify_one();
    }

    /// The audit trail has a new signed head.
    pub fn audit(&self, head: serde_json::Value) {
        self.lock().audit = Some(head);
        self.bell.notify_one();
    }

    /// Waits for news and takes them.
    pub async fn take(&self) -> News {
        loop {
            let news = std::mem::take(&mut *self.lock());
            if !news.is_empty() {
                return news;
            }
            self.bell.notified().await;
        }
    }
}
