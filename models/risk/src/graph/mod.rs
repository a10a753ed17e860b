//! The graph of parties: who owns whom, as of any day.
//!
//! Invariants: an edge counts only within its validity; a walk is bounded in hops and in parties.
//! Deliberately absent: names, and what a relation means for a rule.

#[cfg(test)]
mod tests;

use crate::rule::Sym;
use rustc_hash::FxBuildHasher;
use std::collections::{BTreeMap, BTreeSet};

/// Longest chain of ownership that is followed.
pub const HOPS_MAX: u32 = 3;
/// Most parties one walk visits; what lies beyond is not reached.
const WALK_MAX: usize = 4_096;

type Map<K, V> = indexmap::IndexMap<K, V, FxBuildHasher>;

/// A share held for a time.
#[derive(Debug, Clone, PartialEq)]
pub struct Edge {
    /// Who holds.
    pub owner: Sym,
    /// Of whom.
    pub owned: Sym,
    /// Part of the capital, 0 to 1.
    pub share: f64,
    /// Held to control, whatever the share.
    pub control: bool,
    /// From, microseconds.
    pub from_us: i64,
    /// Until (not included).
    pub to_us: Option<i64>,
}

impl Edge {
    fn holds(&self, at_us: i64) -> bool {
        self.from_us <= at_us && self.to_us.is_none_or(|to| at_us < to)
    }
}

/// How far a walk goes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reach {
    /// Edges at most.
    pub hops: u32,
    /// Least share of every edge, unless it controls.
    pub edge_min: f64,
    /// Least product of the shares; an edge that controls counts as 1.
    pub product_min: f64,
}

/// Edges by both ends.
#[derive(Debug, Clone, Default)]
pub struct Graph {
    edges: Map<Sym, Edge>,
    owners: Map<Sym, BTreeSet<Sym>>,
    owned: Map<Sym, BTreeSet<Sym>>,
}

impl Graph {
    /// Adds or replaces the edge with this key.
    pub fn put(&mut self, key: Sym, edge: Edge) {
        self.remove(key);
        self.owners.entry(edge.owned).or_default().insert(key);
        self.owned.entry(edge.owner).or_default().insert(key);
        self.edges.insert(key, edge);
    }

    /// Takes the edge away.
    pub fn remove(&mut self, key: Sym) {
        if let Some(edge) = self.edges.swap_remove(&key) {
            if let Some(keys) = self.owners.get_mut(&edge.owned) {
                keys.remove(&key);
            }
            if let Some(keys) = self.owned.get_mut(&edge.owner) {
                keys.remove(&key);
            }
        }
    }

    /// No edges at all.
    pub fn is_empty(&self) -> bool {
        self.edges.is_empty()
    }

    fn step(&self, party: Sym, up: bool) -> impl Iterator<Item = (Sym, &Edge)> {
        let side = if up { &self.owners } else { &self.owned };
        let keys = side.get(&party).into_iter().flatten();
        keys.filter_map(|key| self.edges.get(key)).map(move |edge| (if up { edge.owner } else { edge.owned }, edge))
    }

    /// Everyone a walk from `party` reaches, itself included, with the largest product of shares.
    fn walk(&self, party: Sym, up: bool, at_us: Option<i64>, reach: Reach) -> BTreeMap<Sym, f64> {
        let mut best = BTreeMap::from([(party, 1.0)]);
        let mut front = BTreeMap::from([(party, 1.0)]);
        for _ in 0..reach.hops.min(2 * HOPS_MAX) {
            let mut next: BTreeMap<Sym, f64> = BTreeMap::new();
            for (from, product) in &front {
                for (to, edge) in self.step(*from, up) {
                    let counts =
                        at_us.is_none_or(|at| edge.holds(at)) && (edge.control || edge.share >= reach.edge_min);
                    let product = product * if edge.control { 1.0 } else { edge.share };
                    let better = best.get(&to).is_none_or(|known| product > *known);
                    if counts && product >= reach.product_min && better && best.len() < WALK_MAX {
                        best.insert(to, product);
                        next.insert(to, product);
                    }
                }
            }
            front = next;
        }
        best
    }

    /// The party and whoever controls it.
    pub fn controllers(&self, party: Sym, at_us: i64, reach: Reach) -> BTreeSet<Sym> {
        self.walk(party, true, Some(at_us), reach).into_keys().collect()
    }

    /// Whether two different parties have a controller in common, or one controls the other.
    pub fn related(&self, a: Sym, b: Sym, at_us: i64, reach: Reach) -> bool {
        if a == b || self.is_empty() {
            return a == b;
        }
        let above = self.controllers(a, at_us, reach);
        self.controllers(b, at_us, reach).iter().any(|one| above.contains(one))
    }

    /// The head of the group: of those that hold the party by a product of at least `product_min`,
    /// the one none of them holds; of several the first by name's number.
    pub fn head(&self, party: Sym, at_us: i64, product_min: f64) -> Sym {
        let reach = Reach { hops: HOPS_MAX, edge_min: 0.0, product_min };
        let above = self.controllers(party, at_us, reach);
        let held =
            |one: &Sym| self.controllers(*one, at_us, reach).iter().any(|other| other != one && above.contains(other));
        above.iter().copied().find(|one| *one != party && !held(one)).unwrap_or(party)
    }

    /// All of the group a party belongs to, its head included.
    pub fn group(&self, party: Sym, at_us: i64, product_min: f64) -> BTreeSet<Sym> {
        let head = self.head(party, at_us, product_min);
        let reach = Reach { hops: HOPS_MAX, edge_min: 0.0, product_min };
        let mut all: BTreeSet<Sym> = self.walk(head, false, Some(at_us), reach).into_keys().collect();
        all.insert(party);
        all
    }

    /// Everyone whose relations a change at `party` can touch, at whatever time.
    pub fn around(&self, party: Sym) -> BTreeSet<Sym> {
        let reach = Reach { hops: HOPS_MAX, edge_min: 0.0, product_min: 0.0 };
        let above = self.walk(party, true, None, reach);
        let below = above.keys().flat_map(|one| self.walk(*one, false, None, reach).into_keys());
        below.take(WALK_MAX).collect()
    }
}
