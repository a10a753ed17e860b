//! Quartiles and Tukey fences. Quantiles are estimate 8 of Hyndman and Fan (1996), as the peer's.

/// The quantile `tau` (0..=1) of a sorted list; `None` for an empty one.
pub(crate) fn quantile(sorted: &[f64], tau: f64) -> Option<f64> {
    let (first, last) = (*sorted.first()?, *sorted.last()?);
    let h = (sorted.len() as f64 + 1.0 / 3.0).mul_add(tau, 1.0 / 3.0);
    let below = h.floor();
    if below < 1.0 || tau <= 0.0 {
        return Some(first);
    }
    if below >= sorted.len() as f64 || tau >= 1.0 {
        return Some(last);
    }
    let at = below as usize;
    let (low, high) = (*sorted.get(at - 1)?, *sorted.get(at)?);
    Some((h - below).mul_add(high - low, low))
}

/// Lower and upper quartile of values in any order; `None` for no values.
pub(super) fn quartiles(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    let sorted = sorted(values);
    Some((quantile(&sorted, 0.25)?, quantile(&sorted, 0.75)?))
}

/// The values in rising order.
pub(crate) fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut sorted: Vec<f64> = values.filter(|value| !value.is_nan()).collect();
    sorted.sort_by(f64::total_cmp);
    sorted
}

/// `q1 − 1.5 (q3 − q1)`.
pub(super) fn lower(q1: f64, q3: f64) -> f64 {
    (q3 - q1).mul_add(-1.5, q1)
}

/// `q3 + 1.5 (q3 − q1)`.
pub(super) fn upper(q1: f64, q3: f64) -> f64 {
    (q3 - q1).mul_add(1.5, q3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_hyndman_and_fan_estimate_8() {
        // h = (10 + 1/3) · 0.25 + 1/3 = 2.91667: between the second and the third value.
        let values = [0.0, 0.2, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0];
        let q1 = quantile(&values, 0.25).expect("not empty");
        assert!((q1 - 0.933_333_333_333).abs() < 1e-9, "{q1}");
        assert_eq!(quantile(&[7.0], 0.25), Some(7.0));
        assert_eq!(quantile(&[], 0.25), None);
        assert_eq!(quantile(&[1.0, 2.0], 1.0), Some(2.0));
    }
}
