//! Control charts for small lasting shifts: CUSUM and EWMA.

/// Two-sided CUSUM of standardised values: `S = max(0, S + z − k)`, alarm above `h`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CusumChart {
    h: f64,
    k: f64,
    high: f64,
    low: f64,
}

impl CusumChart {
    /// An empty chart; h = 5 and k = 0.5 detect one standard deviation in about ten values.
    pub fn new(h: f64, k: f64) -> CusumChart {
        CusumChart { h, k, high: 0.0, low: 0.0 }
    }

    /// Takes a standardised value; whether either sum is above h.
    pub fn step(&mut self, z: f64) -> bool {
        if z.is_finite() {
            // Bounded, so that a long fault does not take as long to be over.
            self.high = (self.high + z - self.k).clamp(0.0, 2.0 * self.h);
            self.low = (self.low - z - self.k).clamp(0.0, 2.0 * self.h);
        }
        self.high > self.h || self.low > self.h
    }

    /// The upper sum.
    pub fn high(&self) -> f64 {
        self.high
    }
}

/// Width of an EWMA chart in standard deviations of the value: `L √(λ / (2 − λ))`.
pub fn ewma_limit_sigmas(lambda: f64, l: f64) -> f64 {
    l * (lambda / (2.0 - lambda)).sqrt()
}

/// Exponentially weighted moving average of standardised values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EwmaChart {
    lambda: f64,
    limit: f64,
    average: f64,
}

impl EwmaChart {
    /// A chart at its centre.
    pub fn new(lambda: f64, l: f64) -> EwmaChart {
        EwmaChart { lambda, limit: ewma_limit_sigmas(lambda, l), average: 0.0 }
    }

    /// Takes a standardised value; whether the average is outside the limit.
    pub fn step(&mut self, z: f64) -> bool {
        if z.is_finite() {
            self.average += self.lambda * (z - self.average);
        }
        self.average.abs() > self.limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_23_cusum_has_the_printed_sums_and_alarms_at_the_eighth() {
        let mut chart = CusumChart::new(5.0, 0.5);
        let values = [0.2, -0.1, 0.4, 1.5, 1.8, 1.2, 2.0, 1.6];
        let mut alarms = Vec::new();
        for (z, printed) in values.into_iter().zip([0.0, 0.0, 0.0, 1.0, 2.3, 3.0, 4.5, 5.6]) {
            alarms.push(chart.step(z));
            assert!((chart.high() - printed).abs() < 1e-9, "{} is not {printed}", chart.high());
        }
        assert_eq!(alarms.iter().position(|alarm| *alarm), Some(7));
        assert!(chart.step(1.9));
    }

    #[test]
    fn a_shift_down_is_found_too_and_a_shift_that_ends_is_over() {
        let mut chart = CusumChart::new(5.0, 0.5);
        assert!((0..8).any(|_| chart.step(-1.5)));
        (0..1_000).for_each(|_| _ = chart.step(-9.0));
        assert!((0..30).any(|_| !chart.step(0.0)), "thirty quiet values end it, however long it was");
        assert!(!chart.step(f64::NAN));
    }

    #[test]
    fn row_24_the_width_of_ewma_is_as_printed() {
        assert!((ewma_limit_sigmas(0.2, 2.962) - 0.987_333).abs() < 5e-7);
        let mut chart = EwmaChart::new(0.2, 2.962);
        assert!(!chart.step(2.0), "one value of two sigmas is no trend");
        assert!((0..8).any(|_| chart.step(2.0)));
    }
}
