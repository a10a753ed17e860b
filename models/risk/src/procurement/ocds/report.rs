//! What the red flags found, and its JSON form.

use indexmap::IndexMap;
use rustc_hash::FxBuildHasher;
use serde::{Serialize, Serializer};
use std::collections::{BTreeMap, BTreeSet};

/// A red flag; the codes are those of the Open Contracting Partnership's guide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Indicator {
    /// Short period to hand in bids.
    R003,
    /// One bid only, in a competitive procedure.
    R018,
    /// Price close to the winning bid.
    R024,
    /// A top bidder that hardly ever wins.
    R025,
    /// Identical bid prices.
    R028,
    /// A late bid won.
    R030,
    /// All bids but the winner's were disqualified.
    R035,
    /// The lowest bid was disqualified.
    R036,
    /// Many disqualified bids.
    R038,
    /// A supplier of many unlike things.
    R048,
    /// Price far from the winning bid.
    R058,
}

/// A map with the order of insertion and no random state, so that output is the same every time.
pub(super) type Ordered<V> = IndexMap<String, V, FxBuildHasher>;
/// Values of the indicators that flag one subject.
pub(super) type Flagged = BTreeMap<Indicator, f64>;

/// Everything found. Values that raised nothing, or could not be computed, are absent.
#[derive(Debug, Default, PartialEq, Serialize)]
pub struct Report {
    /// By contracting process.
    #[serde(rename = "OCID", skip_serializing_if = "IndexMap::is_empty")]
    pub(super) processes: Ordered<Flagged>,
    /// By buyer.
    #[serde(rename = "Buyer", skip_serializing_if = "IndexMap::is_empty")]
    pub(super) buyers: Ordered<Flagged>,
    /// By procuring entity.
    #[serde(rename = "ProcuringEntity", skip_serializing_if = "IndexMap::is_empty")]
    pub(super) procuring_entities: Ordered<Flagged>,
    /// By tenderer.
    #[serde(rename = "Tenderer", skip_serializing_if = "IndexMap::is_empty")]
    pub(super) tenderers: Ordered<Flagged>,
    /// Quartiles and fences used, rounded to four decimals.
    #[serde(rename = "Meta", skip_serializing_if = "Option::is_none")]
    pub(super) meta: Option<BTreeMap<Indicator, Meta>>,
    /// Contracting processes to organisations.
    #[serde(rename = "Maps", skip_serializing_if = "Option::is_none")]
    pub(super) maps: Option<Maps>,
}

impl Report {
    /// Leaves the quartiles and fences out.
    pub fn without_meta(mut self) -> Report {
        self.meta = None;
        self
    }

    /// How many subjects of each group each indicator flags.
    pub fn counts(&self) -> Vec<(&'static str, Indicator, usize)> {
        let groups = [
            ("OCID", &self.processes),
            ("Buyer", &self.buyers),
            ("ProcuringEntity", &self.procuring_entities),
            ("Tenderer", &self.tenderers),
        ];
        let mut counts = BTreeMap::new();
        for (order, (group, flagged)) in groups.into_iter().enumerate() {
            for indicator in flagged.values().flat_map(BTreeMap::keys) {
                *counts.entry((order, group, *indicator)).or_insert(0) += 1;
            }
        }
        counts.into_iter().map(|((_, group, indicator), count)| (group, indicator, count)).collect()
    }
}

/// Named numbers an indicator was computed with.
#[derive(Debug, Default, Clone, PartialEq)]
pub(super) struct Meta(pub(super) Vec<(String, f64)>);

impl Serialize for Meta {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, (value * 10_000.0).round() / 10_000.0)))
    }
}

/// Which organisations stand behind a flagged process.
#[derive(Debug, Default, PartialEq, Serialize)]
pub(super) struct Maps {
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub(super) ocid_buyer_r038: Ordered<String>,
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub(super) ocid_procuringentity_r038: Ordered<String>,
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub(super) ocid_tenderer: Ordered<BTreeSet<String>>,
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub(super) ocid_tenderer_r024: Ordered<BTreeSet<String>>,
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub(super) ocid_tenderer_r028: Ordered<BTreeSet<String>>,
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub(super) ocid_tenderer_r030: Ordered<BTreeSet<String>>,
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub(super) ocid_tenderer_r035: Ordered<BTreeSet<String>>,
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub(super) ocid_tenderer_r058: Ordered<BTreeSet<String>>,
}
