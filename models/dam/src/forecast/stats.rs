//! Small statistics shared by the forecasts: medians, correlation, quantiles of distributions, a seeded
//! random source. Total: what cannot be computed is `None`, never a made-up number.

use statrs::distribution::{ContinuousCDF, FisherSnedecor, StudentsT};

/// Turns a median absolute deviation into a standard deviation (normal errors).
pub const MAD_TO_SIGMA: f64 = 1.482_602_218_505_602;

/// Median; `None` of nothing.
pub fn median(values: &[f64]) -> Option<f64> {
    quantile(values, 0.5)
}

/// Quantile by linear interpolation between order statistics (type 7); `None` of nothing.
pub fn quantile(values: &[f64], share: f64) -> Option<f64> {
    let mut sorted: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().checked_sub(1)?;
    let at = share.clamp(0.0, 1.0) * last as f64;
    let (low, high) = (sorted.get(at.floor() as usize)?, sorted.get(at.ceil() as usize)?);
    Some(low + (high - low) * (at - at.floor()))
}

/// Robust standard deviation: 1.4826 times the median absolute deviation from the median.
pub fn robust_sigma(values: &[f64]) -> Option<f64> {
    let middle = median(values)?;
    let deviations: Vec<f64> = values.iter().map(|value| (value - middle).abs()).collect();
    median(&deviations).map(|mad| MAD_TO_SIGMA * mad)
}

/// Pearson's correlation; `None` below three pairs or without spread.
pub fn correlation(pairs: &[(f64, f64)]) -> Option<f64> {
    if pairs.len() < 3 {
        return None;
    }
    let n = pairs.len() as f64;
    let (mx, my) = (pairs.iter().map(|p| p.0).sum::<f64>() / n, pairs.iter().map(|p| p.1).sum::<f64>() / n);
    let (mut xx, mut yy, mut xy) = (0.0, 0.0, 0.0);
    for (x, y) in pairs {
        xx += (x - mx).powi(2);
        yy += (y - my).powi(2);
        xy += (x - mx) * (y - my);
    }
    let spread = (xx * yy).sqrt();
    (spread > 0.0).then(|| xy / spread)
}

/// Lag-one autocorrelation of residuals, limited to 0..=0.95: negative dependence is not used to make
/// an interval narrower.
pub fn dependence(residuals: &[f64]) -> f64 {
    let total: f64 = residuals.iter().map(|r| r * r).sum();
    let lagged: f64 = residuals.iter().zip(residuals.iter().skip(1)).map(|(a, b)| a * b).sum();
    if total > 0.0 { (lagged / total).clamp(0.0, 0.95) } else { 0.0 }
}

/// Two-sided Student quantile: `t` with `confidence` of the mass within ±t.
pub fn student(confidence: f64, freedom: f64) -> Option<f64> {
    let distribution = StudentsT::new(0.0, 1.0, freedom).ok()?;
    Some(distribution.inverse_cdf(0.5 + confidence / 2.0))
}

/// Quantile of Fisher's F with 1 and `freedom` degrees of freedom.
pub fn fisher_one(confidence: f64, freedom: f64) -> Option<f64> {
    if freedom <= 0.0 {
        return None;
    }
    // F(1, v) is t(v) squared; the Student quantile is the better conditioned of the two.
    student(confidence, freedom).map(|t| t * t)
}

/// Probability that F(`above`, `below`) exceeds `value`.
pub fn fisher_tail(value: f64, above: f64, below: f64) -> Option<f64> {
    let distribution = FisherSnedecor::new(above, below).ok()?;
    Some(distribution.sf(value))
}

/// Seeded random source (splitmix64) for the bootstrap: the same seed gives the same interval.
#[derive(Debug, Clone)]
pub struct Draw(u64);

impl Draw {
    /// A source for one seed.
    pub fn new(seed: u64) -> Draw {
        Draw(seed)
    }

    /// A number in `0..below`; 0 when `below` is 0.
    pub fn below(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^= z >> 31;
        ((u128::from(z) * below as u128) >> 64) as usize
    }
}
