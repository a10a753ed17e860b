//! Where each point's values go, worked out once, and the newest value that went there.

use super::event;
use bytes::Bytes;
use minewatch_domain::{At, CataloguePoint, GatewayId, PointId, SitePath};
use std::collections::HashMap;

/// Expiry of a value whose point is not described, seconds.
const EXPIRY_UNKNOWN_S: u32 = 180;
/// Longest expiry, seconds: a week.
const EXPIRY_S_MAX: u64 = 604_800;

/// One point's place.
#[derive(Debug)]
pub(super) struct Place {
    /// Topic of its values.
    pub(super) topic: Bytes,
    /// Unit, where the catalogue names one.
    pub(super) unit: Option<String>,
    /// After so many seconds without a newer value the broker may forget this one.
    pub(super) expiry_s: u32,
    /// Source time of the value last published here.
    pub(super) published: Option<At>,
}

impl Place {
    /// Of a point below `path`.
    pub(super) fn new(
        path: &SitePath,
        gateway: &GatewayId,
        point: &PointId,
        described: Option<&CataloguePoint>,
    ) -> Place {
        let expiry = described.map(|d| 3 * d.period_ms.max(d.keep_alive_ms).div_ceil(1_000));
        Place {
            topic: event::topic(path, &event::value_leaf(gateway, point)).into(),
            unit: described.map(|d| d.unit.clone()),
            expiry_s: expiry.map_or(EXPIRY_UNKNOWN_S, |s| s.clamp(3, EXPIRY_S_MAX) as u32),
            published: None,
        }
    }
}

/// The places of one connection; as many as there are points.
#[derive(Debug, Default)]
pub(super) struct Places(HashMap<GatewayId, HashMap<PointId, Place>>);

impl Places {
    /// The place of a point, made when it is new.
    pub(super) fn of(&mut self, gateway: &GatewayId, point: &PointId, make: impl FnOnce() -> Place) -> &mut Place {
        self.0.entry(gateway.clone()).or_default().entry(point.clone()).or_insert_with(make)
    }

    /// The gateway's path or points have changed.
    pub(super) fn forget(&mut self, gateway: &GatewayId) {
        self.0.remove(gateway);
    }
}
