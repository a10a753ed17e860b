//! The equations of the pond, the phreatic line, the seepage and the movement, in SI units.
//! Pure functions without state or randomness; `world` puts them together.

/// Standard gravity, m/s².
pub const GRAVITY: f64 = 9.80665;
/// Unit weight of water, kN/m³ (kPa per metre of head).
pub const WATER_KPA_PER_M: f64 = 9.80665;

/// Volume of rain reaching the pond, m³: all of it on the water, a share `runoff` from the rest
/// of the catchment.
pub fn rain_inflow_m3(rain_m: f64, runoff: f64, catchment_m2: f64, water_m2: f64) -> f64 {
    rain_m * water_m2 + runoff * rain_m * (catchment_m2 - water_m2)
}

/// The pond's shape: `V = a (h − h0)^b`, surface `dV/dh`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Basin {
    /// Level of the empty pond, m.
    pub bottom_m: f64,
    /// Factor `a`.
    pub factor: f64,
    /// Exponent `b`; 1 is a basin with vertical walls.
    pub exponent: f64,
}

impl Basin {
    /// Water volume at a level, m³.
    pub fn volume_m3(&self, level_m: f64) -> f64 {
        self.factor * (level_m - self.bottom_m).max(0.0).powf(self.exponent)
    }

    /// Level at a volume, m.
    pub fn level_m(&self, volume_m3: f64) -> f64 {
        self.bottom_m + (volume_m3.max(0.0) / self.factor).powf(1.0 / self.exponent)
    }

    /// Water surface at a level, m².
    pub fn surface_m2(&self, level_m: f64) -> f64 {
        self.factor * self.exponent * (level_m - self.bottom_m).max(0.0).powf(self.exponent - 1.0)
    }
}

/// Flow over a decant weir of width `width_m` under head `head_m`, m³/s (m = 0.40).
pub fn decant_m3s(width_m: f64, head_m: f64) -> f64 {
    0.40 * width_m * (2.0 * GRAVITY).sqrt() * head_m.max(0.0).powf(1.5)
}

/// Length of dry beach, m.
pub fn beach_m(crest_m: f64, level_m: f64, slope: f64) -> f64 {
    ((crest_m - level_m) / slope).max(0.0)
}

/// Height of Dupuit's line above the base at `x` of `length`, between `h1` and `h2`, m.
pub fn dupuit_m(h1: f64, h2: f64, x: f64, length: f64) -> f64 {
    let share = (x / length).clamp(0.0, 1.0);
    (h1 * h1 - (h1 * h1 - h2 * h2) * share).max(0.0).sqrt()
}

/// Dupuit seepage per metre of dam, m²/s.
pub fn dupuit_flow_m2s(k_ms: f64, h1: f64, h2: f64, length: f64) -> f64 {
    k_ms * (h1 * h1 - h2 * h2) / (2.0 * length)
}

/// Exact answer of a first-order lag to a constant target over `dt_s`.
pub fn lag(value: f64, target: f64, tau_s: f64, dt_s: f64) -> f64 {
    target + (value - target) * (-dt_s / tau_s).exp()
}

/// Creep rate that grows with pore pressure, mm/h.
pub fn creep_mm_h(rest_mm_h: f64, kappa_per_kpa: f64, rise_kpa: f64) -> f64 {
    rest_mm_h * (kappa_per_kpa * rise_kpa).exp()
}

/// Rate of a slope on its way to failure, mm/h, by `dv/dt = A v²`: it is `v0` when `lead_h` are
/// left and grows without bound (A = 1 / (v0 · lead)).
pub fn failing_mm_h(v0_mm_h: f64, lead_h: f64, left_h: f64) -> f64 {
    v0_mm_h * lead_h / left_h.max(f64::MIN_POSITIVE)
}

/// Depth fallen by `t_s` of a design storm of `depth_mm` in `length_s`: power-law intensities
/// around a peak at 0.4 of its length (Chicago shape, exponent 0.6), exact in total.
pub fn storm_depth_mm(depth_mm: f64, length_s: f64, t_s: f64) -> f64 {
    const PEAK: f64 = 0.4;
    const EXPONENT: f64 = 0.4;
    let x = (t_s / length_s).clamp(0.0, 1.0);
    if x <= PEAK {
        depth_mm * PEAK * (1.0 - ((PEAK - x) / PEAK).powf(EXPONENT))
    } else {
        depth_mm * (PEAK + (1.0 - PEAK) * ((x - PEAK) / (1.0 - PEAK)).powf(EXPONENT))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(got: f64, want: f64, within: f64) {
        assert!((got - want).abs() <= within, "{got} is not {want} ± {within}");
    }

    #[test]
    fn after_ten_days_a_piezometer_of_fifteen_days_has_answered_by_0_486583() {
        let mut level = 0.0;
        for _ in 0..10 * 24 * 6 {
            level = lag(level, 1.0, 15.0 * 86_400.0, 600.0);
        }
        close(level, 0.486_583, 5e-7);
    }

    #[test]
    fn a_storm_of_250_mm_fills_255_000_cubic_metres_and_lifts_the_pond_by_1_02_m() {
        let inflow = rain_inflow_m3(0.250, 0.85, 1.2e6, 0.0);
        close(inflow, 255_000.0, 1e-6);
        let basin = Basin { bottom_m: 110.0, factor: 0.25e6, exponent: 1.0 };
        let before = 122.60;
        let after = basin.level_m(basin.volume_m3(before) + inflow);
        close(after - before, 1.02, 1e-9);
        close(beach_m(125.0, before, 0.015), 160.0, 1e-9);
        close(beach_m(125.0, before, 0.015) - beach_m(125.0, after, 0.015), 68.0, 1e-9);
    }

    #[test]
    fn dupuit_gives_the_worked_line_and_flow() {
        for (x, h) in [(30.0, 17.435_60), (60.0, 14.422_21), (90.0, 10.583_01)] {
            close(dupuit_m(20.0, 4.0, x, 120.0), h, 5e-6);
        }
        close(dupuit_flow_m2s(2e-6, 20.0, 4.0, 120.0), 3.2e-6, 1e-12);
    }

    #[test]
    fn the_72_hour_failure_has_the_worked_rates() {
        for (left, rate) in [(72.0, 0.5), (24.0, 1.5), (6.0, 6.0), (1.0, 36.0)] {
            close(failing_mm_h(0.5, 72.0, left), rate, 1e-9);
        }
    }

    #[test]
    fn a_basin_has_the_level_of_its_volume_and_the_surface_of_its_slope() {
        let basin = Basin { bottom_m: 110.0, factor: 10_000.0, exponent: 2.0 };
        for level in [110.0, 115.5, 122.6] {
            close(basin.level_m(basin.volume_m3(level)), level, 1e-9);
        }
        let slope = (basin.volume_m3(122.601) - basin.volume_m3(122.599)) / 0.002;
        close(basin.surface_m2(122.6), slope, 1e-3);
    }

    #[test]
    fn a_design_storm_gives_its_whole_depth_and_is_heaviest_at_its_peak() {
        close(storm_depth_mm(350.0, 86_400.0, 0.0), 0.0, 1e-9);
        close(storm_depth_mm(350.0, 86_400.0, 0.4 * 86_400.0), 140.0, 1e-9);
        close(storm_depth_mm(350.0, 86_400.0, 90_000.0), 350.0, 1e-9);
        let hour = |h: f64| {
            storm_depth_mm(350.0, 86_400.0, (h + 1.0) * 3_600.0) - storm_depth_mm(350.0, 86_400.0, h * 3_600.0)
        };
        assert!(hour(9.6) > 50.0 && hour(1.0) < 12.0 && hour(22.0) < 12.0);
    }
}
