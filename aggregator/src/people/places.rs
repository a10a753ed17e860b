//! Where every gateway stands, kept in memory for the filters of lists and streams.
//!
//! Invariant: a gateway that is not known here stands at `unassigned`, which only who sees
//! everything sees. Refreshed from the store every few seconds, for catalogues another aggregator took.

use crate::live::About;
use crate::people::{Action, Actor};
use crate::store::{Store, StoreError};
use minewatch_domain::{GatewayId, OrgPath};
use std::collections::BTreeMap;
use std::sync::{Arc, RwLock};

/// Shared handle.
#[derive(Debug, Clone, Default)]
pub struct Places {
    known: Arc<RwLock<BTreeMap<GatewayId, OrgPath>>>,
}

impl Places {
    /// Reads all from the store.
    ///
    /// # Errors
    /// When it does not answer; what was known stays.
    pub async fn refresh(&self, store: &Store) -> Result<(), StoreError> {
        let read = store.places().await?;
        *self.known.write().unwrap_or_else(std::sync::PoisonError::into_inner) = read;
        Ok(())
    }

    /// Where a gateway stands.
    pub fn of(&self, gateway: &GatewayId) -> OrgPath {
        let known = self.known.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        known.get(gateway).cloned().unwrap_or_else(OrgPath::unassigned)
    }

    /// Whether an actor may see a live event.
    pub fn may_see(&self, actor: &Actor, about: &About) -> bool {
        match about {
            About::Headquarters => true,
            About::Gateway(gateway, domain) => actor.may(Action::View, *domain, &self.of(gateway)),
            About::Place(org, domain) => actor.may(Action::View, *domain, org),
        }
    }
}
