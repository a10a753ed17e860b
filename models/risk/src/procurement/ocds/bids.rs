//! What several red flags read out of one contracting process.

use super::record::{Award, Bid, Release};
use std::collections::BTreeSet;

impl Release<'_> {
    /// Whether the process was cancelled.
    pub(super) fn is_cancelled(&self) -> bool {
        self.tender.status.get() == Some("cancelled")
    }

    /// Bids that were handed in: with a status, neither only invited nor withdrawn.
    pub(super) fn submitted(&self) -> impl Iterator<Item = &Bid<'_>> {
        let handed_in = |bid: &&Bid<'_>| bid.status.get().is_some_and(|s| s != "invited" && s != "withdrawn");
        self.bids.details.all().iter().filter(handed_in)
    }

    /// Active awards and all bids, once every award is final and both lists are there. An award
    /// that is pending, or has a status unknown to us, may still change what the indicators say.
    pub(super) fn awarded(&self) -> Option<(Vec<&Award<'_>>, &[Bid<'_>])> {
        let (awards, bids) = (self.awards.0.as_ref()?, self.bids.details.0.as_ref()?);
        let mut active = Vec::new();
        for award in awards {
            match award.status.get() {
                Some("active") => active.push(award),
                Some("cancelled" | "unsuccessful") | None => {}
                Some(_) => return None,
            }
        }
        Some((active, bids))
    }

    /// The one supplier of the only active award, and all bids. Several awards mean lots, of which
    /// nothing says which bids compete; several suppliers mean a consortium.
    pub(super) fn single_winner(&self) -> Option<(&str, &[Bid<'_>])> {
        let (active, bids) = self.awarded()?;
        let [award] = active.as_slice() else { return None };
        let [supplier] = award.suppliers.all() else { return None };
        Some((supplier.id.get()?, bids))
    }
}

impl Award<'_> {
    /// Whether the award is in force.
    pub(super) fn is_active(&self) -> bool {
        self.status.get() == Some("active")
    }
}

impl Bid<'_> {
    /// Ids of its tenderers.
    pub(super) fn tenderer_ids(&self) -> impl Iterator<Item = &str> {
        self.tenderers.all().iter().filter_map(|tenderer| tenderer.id.get())
    }

    /// The id of its only tenderer.
    pub(super) fn single_tenderer(&self) -> Option<&str> {
        let [tenderer] = self.tenderers.all() else { return None };
        tenderer.id.get()
    }

    /// Amount and currency, when both are there.
    pub(super) fn price(&self) -> Option<(f64, &str)> {
        Some((self.value.amount.real()?, self.value.currency.get()?))
    }

    pub(super) fn is(&self, status: &str) -> bool {
        self.status.get() == Some(status)
    }
}

/// Ids of the tenderers of all bids of one status.
pub(super) fn tenderers_of<'a>(bids: &'a [Bid<'a>], status: &str) -> BTreeSet<&'a str> {
    bids.iter().filter(|bid| bid.is(status)).flat_map(Bid::tenderer_ids).collect()
}
