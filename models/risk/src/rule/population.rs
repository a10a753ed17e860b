//! Group statistics: the subjects of one population, in order of their value, and its Tukey fences.
//!
//! Invariant: which members lie beyond a fence is a function of the set of members; when a fence
//! moves, exactly the members it passed are judged again.

use super::cell::Cell;
use super::table::Map;
use crate::procurement::ocds::quantile;

/// Fences as a subject sees them.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Fences {
    /// The subject's value.
    pub value: Option<f64>,
    /// Q1 − k · IQR; none below the least number of members.
    pub low: Option<f64>,
    /// Q3 + k · IQR.
    pub high: Option<f64>,
    /// Members.
    pub members: usize,
}

/// One population, for example the buyers of a year.
#[derive(Debug, Clone, Default)]
pub(super) struct Population {
    sorted: Vec<(f64, u32)>,
    values: Map<u32, f64>,
}

impl Population {
    /// The fences for k times the distance of the quartiles.
    pub(super) fn fences(&self, k: f64, members_min: usize) -> Fences {
        let members = self.sorted.len();
        if members < members_min.max(1) {
            return Fences { members, ..Fences::default() };
        }
        // The quartiles look at four members at most; no copy of the values is made.
        let at = |tau: f64| {
            let h = (members as f64 + 1.0 / 3.0).mul_add(tau, 1.0 / 3.0);
            let below = (h.floor() as usize).clamp(1, members) - 1;
            let near: Vec<f64> = self.sorted[below..members.min(below + 2)].iter().map(|(value, _)| *value).collect();
            match near.as_slice() {
                [low, high] if h >= 1.0 && (h.floor() as usize) < members => (h - h.floor()).mul_add(high - low, *low),
                other => quantile(other, 0.0).unwrap_or(0.0),
            }
        };
        let (q1, q3) = (at(0.25), at(0.75));
        Fences { value: None, low: Some(q1 - k * (q3 - q1)), high: Some(q3 + k * (q3 - q1)), members }
    }

    /// A member's value.
    pub(super) fn value(&self, member: u32) -> Option<f64> {
        self.values.get(&member).copied()
    }

    /// Sets or takes away a member's value.
    pub(super) fn set(&mut self, member: u32, value: Option<f64>) {
        let order = |a: &(f64, u32), b: &(f64, u32)| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1));
        if let Some(old) = self.values.get(&member).copied()
            && let Ok(found) = self.sorted.binary_search_by(|known| order(known, &(old, member)))
        {
            self.sorted.remove(found);
        }
        match value {
            Some(value) => {
                let place = self.sorted.partition_point(|known| order(known, &(value, member)).is_lt());
                self.sorted.insert(place, (value, member));
                self.values.insert(member, value);
            }
            None => {
                self.values.swap_remove(&member);
            }
        }
    }

    /// Members between two positions of a fence.
    pub(super) fn between(&self, before: Option<f64>, after: Option<f64>) -> Vec<u32> {
        let all = || self.sorted.iter().map(|(_, member)| *member).collect();
        let (Some(a), Some(b)) = (before, after) else {
            return if before == after { Vec::new() } else { all() };
        };
        let (low, high) = (a.min(b), a.max(b));
        let from = self.sorted.partition_point(|(value, _)| *value < low);
        let to = self.sorted.partition_point(|(value, _)| *value <= high);
        if low == high { Vec::new() } else { self.sorted[from..to].iter().map(|(_, member)| *member).collect() }
    }
}

/// Populations of a rule by their key.
pub(super) type Populations = Map<Cell, Population>;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn fences_are_those_of_the_whole_set(values in prop::collection::vec(-50.0f64..50.0, 1..40)) {
            let mut population = Population::default();
            for (member, value) in (0u32..).zip(&values) {
                population.set(member, Some(0.0));
                population.set(member, Some(*value));
            }
            let mut sorted = values.clone();
            sorted.sort_by(f64::total_cmp);
            let (q1, q3) = (quantile(&sorted, 0.25).expect("some"), quantile(&sorted, 0.75).expect("some"));
            let fences = population.fences(1.5, 1);
            prop_assert!((fences.high.expect("some") - (q3 + 1.5 * (q3 - q1))).abs() < 1e-9);
            prop_assert!((fences.low.expect("some") - (q1 - 1.5 * (q3 - q1))).abs() < 1e-9);
        }
    }

    #[test]
    fn a_fence_that_moves_names_the_members_it_passed() {
        let mut population = Population::default();
        for member in 0..5u32 {
            population.set(member, Some(f64::from(member)));
        }
        assert_eq!(population.between(Some(1.5), Some(3.0)), [2, 3]);
        assert_eq!(population.between(None, Some(3.0)).len(), 5);
        assert_eq!(population.fences(1.5, 6).high, None);
    }
}
