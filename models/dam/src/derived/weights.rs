//! Weights and fusion: AHP, entropy weights and Bayes, for indices that sum up several items. They order
//! attention; no warning level is made from them (the levels are the designer's and 5.5.4's).

/// Random index of Saaty for 3 criteria.
const RI_3: f64 = 0.58;
/// Saaty's random indices for 1 to 9 criteria.
const RI: [f64; 9] = [0.0, 0.0, RI_3, 0.90, 1.12, 1.24, 1.32, 1.41, 1.45];
/// Power iterations; the ratio of eigenvalues of a nearly consistent matrix is tiny.
const ITERATIONS: usize = 200;

/// Weights of an analytic hierarchy process.
#[derive(Debug, Clone, PartialEq)]
pub struct Ahp {
    /// One weight per criterion; they sum to 1.
    pub weights: Vec<f64>,
    /// Principal eigenvalue λ.
    pub eigenvalue: f64,
    /// Consistency ratio; above 0.1 the judgements contradict each other.
    pub consistency_ratio: f64,
}

/// AHP by the principal eigenvector of a matrix of pairwise comparisons (1 to 9 criteria). `None` for
/// a matrix that is not square, positive and finite.
pub fn ahp(matrix: &[Vec<f64>]) -> Option<Ahp> {
    let n = matrix.len();
    let random = *RI.get(n.checked_sub(1)?)?;
    if matrix.iter().any(|row| row.len() != n || row.iter().any(|value| !(*value > 0.0 && value.is_finite()))) {
        return None;
    }
    let count = f64::from(u32::try_from(n).ok()?);
    let mut weights = vec![1.0 / count; n];
    let mut eigenvalue = count;
    for _ in 0..ITERATIONS {
        let next: Vec<f64> = matrix.iter().map(|row| row.iter().zip(&weights).map(|(a, w)| a * w).sum()).collect();
        eigenvalue = next.iter().sum();
        weights = next.iter().map(|value| value / eigenvalue).collect();
    }
    let ratio = if random > 0.0 { (eigenvalue - count) / (count - 1.0) / random } else { 0.0 };
    Some(Ahp { weights, eigenvalue, consistency_ratio: ratio })
}

/// Entropy and weight of each indicator.
#[derive(Debug, Clone, PartialEq)]
pub struct EntropyWeights {
    /// `e = −Σ p ln p / ln n` per indicator.
    pub entropy: Vec<f64>,
    /// `w ∝ 1 − e`; they sum to 1.
    pub weights: Vec<f64>,
}

/// Entropy weights of indicators, each given by its non-negative values over the same objects. `None` with
/// fewer than two objects, an indicator without any value, or when no indicator tells objects apart.
pub fn entropy_weights(indicators: &[Vec<f64>]) -> Option<EntropyWeights> {
    let objects = indicators.first()?.len();
    let log_n = f64::from(u32::try_from(objects).ok().filter(|n| *n >= 2)?).ln();
    let mut entropy = Vec::with_capacity(indicators.len());
    for values in indicators {
        let sum: f64 = values.iter().sum();
        if values.len() != objects || !(sum > 0.0 && sum.is_finite()) || values.iter().any(|value| *value < 0.0) {
            return None;
        }
        let terms = values.iter().map(|value| value / sum).filter(|p| *p > 0.0).map(|p| -p * p.ln());
        entropy.push(terms.sum::<f64>() / log_n);
    }
    let spread: f64 = entropy.iter().map(|e| 1.0 - e).sum();
    (spread > 0.0).then(|| EntropyWeights { weights: entropy.iter().map(|e| (1.0 - e) / spread).collect(), entropy })
}

/// Bayes: odds times likelihood ratios, as a probability. The ratios come from measured history only, and
/// dependent evidence is one ratio. `None` unless 0 < prior < 1 and every ratio is positive.
pub fn bayes(prior: f64, likelihood_ratios: &[f64]) -> Option<f64> {
    if !(prior > 0.0 && prior < 1.0) || likelihood_ratios.iter().any(|ratio| !(*ratio > 0.0 && ratio.is_finite())) {
        return None;
    }
    let odds = likelihood_ratios.iter().fold(prior / (1.0 - prior), |odds, ratio| odds * ratio);
    Some(odds / (1.0 + odds))
}

#[cfg(test)]
mod tests {
    use super::super::assert_digits;
    use super::*;

    #[test]
    fn row_18_ahp_gives_the_printed_weights_and_consistency() {
        let third = 1.0 / 3.0;
        let matrix = [vec![1.0, 3.0, 5.0], vec![third, 1.0, 2.0], vec![0.2, 0.5, 1.0]];
        let found = ahp(&matrix).expect("a matrix");
        for (weight, printed) in found.weights.iter().zip([0.648_329, 0.229_651, 0.122_020]) {
            assert_digits(*weight, printed, 6);
        }
        assert_digits(found.eigenvalue, 3.003_694_6, 7);
        assert_digits(found.consistency_ratio, 0.003_185_0, 7);
        assert_eq!(ahp(&[vec![1.0, 2.0]]), None);
    }

    #[test]
    fn row_19_entropy_weights_are_as_printed() {
        let columns = [vec![0.2, 0.4, 0.6, 0.8], vec![0.5, 0.5, 0.5, 0.6], vec![0.9, 0.1, 0.3, 0.7]];
        let found = entropy_weights(&columns).expect("values");
        for (e, printed) in found.entropy.iter().zip([0.923_220, 0.997_618, 0.837_572]) {
            assert_digits(*e, printed, 6);
        }
        for (w, printed) in found.weights.iter().zip([0.317_812, 0.009_858, 0.672_330]) {
            assert_digits(*w, printed, 6);
        }
        assert_eq!(entropy_weights(&[vec![1.0, 1.0]]), None, "alike everywhere: nothing to weigh");
    }

    #[test]
    fn row_20_bayes_gives_the_printed_probability() {
        assert_digits(bayes(0.001, &[20.0, 8.0, 0.5]).expect("a prior"), 0.074_142_7, 7);
        assert_eq!(bayes(0.0, &[2.0]), None);
    }
}
