//! Latencies in a fixed number of buckets: 32 per power of two, so a quantile is right to about
//! three per cent and the memory does not grow with the run.

const SUB: u64 = 32;
const BUCKETS: usize = 64 * SUB as usize;

/// A histogram of microseconds.
#[derive(Debug, Clone)]
pub struct Histogram {
    counts: Vec<u64>,
    total: u64,
    max_us: u64,
}

impl Default for Histogram {
    fn default() -> Histogram {
        Histogram { counts: vec![0; BUCKETS], total: 0, max_us: 0 }
    }
}

fn bucket(us: u64) -> usize {
    if us < SUB {
        return us as usize;
    }
    let shift = us.ilog2() - SUB.ilog2();
    (u64::from(shift + 1) * SUB + (us >> shift) - SUB) as usize
}

/// Highest value of a bucket.
fn upper(index: usize) -> u64 {
    let index = index as u64;
    if index < SUB {
        return index;
    }
    let shift = index / SUB - 1;
    ((index % SUB + SUB + 1) << shift) - 1
}

impl Histogram {
    /// Adds one latency.
    pub fn add(&mut self, us: u64) {
        let us = us.min(1 << 50);
        self.counts[bucket(us)] += 1;
        self.total += 1;
        self.max_us = self.max_us.max(us);
    }

    /// Adds all of another.
    pub fn merge(&mut self, other: &Histogram) {
        self.counts.iter_mut().zip(&other.counts).for_each(|(mine, theirs)| *mine += theirs);
        self.total += other.total;
        self.max_us = self.max_us.max(other.max_us);
    }

    /// The value below which `share` of the latencies lie, milliseconds; `None` without any.
    pub fn quantile_ms(&self, share: f64) -> Option<f64> {
        let wanted = (share * self.total as f64).ceil().max(1.0) as u64;
        let mut seen = 0;
        let index = self.counts.iter().position(|count| {
            seen += count;
            seen >= wanted
        })?;
        Some(upper(index).min(self.max_us) as f64 / 1_000.0)
    }

    /// The longest, milliseconds.
    pub fn max_ms(&self) -> Option<f64> {
        (self.total > 0).then_some(self.max_us as f64 / 1_000.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_empty_histogram_claims_nothing() {
        assert_eq!(Histogram::default().quantile_ms(0.5), None);
        assert_eq!(Histogram::default().max_ms(), None);
    }

    proptest! {
        #[test]
        fn quantiles_are_within_four_per_cent_of_the_sorted_list(
            mut list in prop::collection::vec(0u64..100_000_000, 1..300), share in 0.01f64..1.0,
        ) {
            let mut histogram = Histogram::default();
            list.iter().for_each(|us| histogram.add(*us));
            list.sort_unstable();
            let exact = list[((share * list.len() as f64).ceil() as usize).max(1) - 1] as f64 / 1_000.0;
            let got = histogram.quantile_ms(share).expect("not empty");
            prop_assert!(got >= exact && got <= exact * 1.04 + 0.001, "{} for {}", got, exact);
        }
    }
}
