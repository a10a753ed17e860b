//! The Hampel identifier over the last trusted samples: median and MAD (median absolute deviation).
//!
//! Invariants: causal (only the past is asked); the window holds trusted values only; its memory is
//! one allocation of `2 * window` numbers, made only where the filter is on. The window is kept sorted
//! as it moves, so a sample costs one insertion and one walk outward from the median, no sort.
//! Not here: what to do with an outlier (`plausible`).

/// 1 / Φ⁻¹(3/4): makes the MAD of normal noise its standard deviation.
const MAD_TO_SIGMA: f64 = 1.4826;

/// A moving window of trusted values, in order of time and in order of size.
#[derive(Debug, Clone)]
pub(super) struct Hampel {
    /// First half: a ring in order of time. Second half: the same values, ascending.
    cells: Box<[f64]>,
    len: u8,
    head: u8,
}

impl Hampel {
    /// Fewest samples with a median deviation at all.
    pub(super) const WINDOW_MIN: u8 = 3;
    /// Most samples: 1.6 KB a point, and a longer window tracks a moving process badly. 7 to 11 are usual.
    pub(super) const WINDOW_MAX: u8 = 101;
    /// Values known before any is judged (fewer where the window is shorter).
    const KNOWN_MIN: u8 = 5;

    /// An empty window.
    pub(super) fn new(window: u8) -> Hampel {
        let cells = vec![0.0; 2 * usize::from(window)].into_boxed_slice();
        Hampel { cells, len: 0, head: 0 }
    }

    /// Forgets everything: the process has moved.
    pub(super) fn clear(&mut self) {
        (self.len, self.head) = (0, 0);
    }

    fn window(&self) -> usize {
        self.cells.len() / 2
    }

    /// Remembers a trusted value; the oldest leaves when the window is full.
    pub(super) fn push(&mut self, value: f64) {
        let window = self.window();
        let (ring, sorted) = self.cells.split_at_mut(window);
        let (mut len, head) = (usize::from(self.len), usize::from(self.head));
        if len == window {
            let oldest = ring[head];
            // The oldest value is in `sorted` bit for bit, so the search cannot miss it.
            let at = sorted.partition_point(|kept| kept.total_cmp(&oldest).is_lt()).min(len - 1);
            sorted.copy_within(at + 1..len, at);
            len -= 1;
        } else {
            self.len += 1;
        }
        let at = sorted[..len].partition_point(|kept| kept.total_cmp(&value).is_lt());
        sorted.copy_within(at..len, at + 1);
        sorted[at] = value;
        ring[head] = value;
        self.head = if head + 1 == window { 0 } else { self.head + 1 };
    }

    /// Median and largest normal deviation from it; `None` until enough values are known.
    pub(super) fn normal(&self, sigmas: f64, resolution: f64) -> Option<(f64, f64)> {
        let window = self.window();
        if self.len < Self::KNOWN_MIN && usize::from(self.len) < window {
            return None;
        }
        let (median, mad) = median_and_mad(&self.cells[window..window + usize::from(self.len)]);
        Some((median, (sigmas * MAD_TO_SIGMA * mad).max(resolution)))
    }
}

/// Median and MAD of ascending, non-empty values, by walking outward from the median.
fn median_and_mad(sorted: &[f64]) -> (f64, f64) {
    let (low, high) = ((sorted.len() - 1) / 2, sorted.len() / 2);
    let median = sorted[low] / 2.0 + sorted[high] / 2.0;
    let mut right = sorted.partition_point(|value| *value < median);
    let mut left = right;
    let (mut before, mut last) = (0.0, 0.0);
    for _ in 0..=high {
        let below = if left > 0 { median - sorted[left - 1] } else { f64::INFINITY };
        let above = if right < sorted.len() { sorted[right] - median } else { f64::INFINITY };
        before = last;
        if below <= above {
            left -= 1;
            last = below;
        } else {
            right += 1;
            last = above;
        }
    }
    let mad = if low == high { last } else { before / 2.0 + last / 2.0 };
    (median, mad)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_reference_series_has_its_limit_and_its_outlier() {
        let mut hampel = Hampel::new(7);
        for value in [10.1, 10.2, 10.0, 15.0, 10.1, 9.9, 10.0] {
            hampel.push(value);
        }
        let (median, limit) = hampel.normal(3.0, 1e-6).unwrap();
        assert!((median - 10.1).abs() < 1e-12);
        assert!((limit - 0.44478).abs() < 1e-9, "{limit}");
        assert!((15.0 - median).abs() > limit);
    }

    #[test]
    fn a_flat_window_falls_back_to_the_resolution() {
        let mut hampel = Hampel::new(5);
        for _ in 0..4 {
            hampel.push(2.0);
        }
        assert_eq!(hampel.normal(3.0, 0.01), None, "too few to judge by");
        hampel.push(2.0);
        assert_eq!(hampel.normal(3.0, 0.01), Some((2.0, 0.01)));
    }

    fn median_of(values: &mut [f64]) -> f64 {
        values.sort_by(f64::total_cmp);
        values[(values.len() - 1) / 2] / 2.0 + values[values.len() / 2] / 2.0
    }

    proptest! {
        #[test]
        fn the_moving_window_agrees_with_sorting_its_values(
            values in prop::collection::vec(prop_oneof![-1e3..1e3f64, Just(0.0), Just(-0.0), Just(7.0)], 5..80),
            window in Hampel::WINDOW_MIN..=Hampel::WINDOW_MAX,
        ) {
            let mut hampel = Hampel::new(window);
            for (count, value) in (1..).zip(&values) {
                hampel.push(*value);
                let from = usize::saturating_sub(count, usize::from(window));
                let mut kept = values[from..count].to_vec();
                let median = median_of(&mut kept);
                let mad = median_of(&mut kept.iter().map(|value| (value - median).abs()).collect::<Vec<_>>());
                if let Some((found, limit)) = hampel.normal(1.0 / MAD_TO_SIGMA, 0.0) {
                    prop_assert!((found - median).abs() < 1e-9 && (limit - mad).abs() < 1e-9);
                }
            }
        }
    }
}
