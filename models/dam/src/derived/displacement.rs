//! Displacement vectors.

use super::finite;

/// A displacement since the first reading, mm.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Vector {
    /// North.
    pub north_mm: f64,
    /// East.
    pub east_mm: f64,
    /// Up.
    pub up_mm: f64,
}

impl Vector {
    /// Horizontal length, mm.
    pub fn horizontal_mm(&self) -> f64 {
        self.north_mm.hypot(self.east_mm)
    }

    /// Length in space, mm.
    pub fn total_mm(&self) -> f64 {
        self.horizontal_mm().hypot(self.up_mm)
    }

    /// Azimuth, degrees from north over east, 0 to 360; `None` without horizontal movement.
    pub fn azimuth_deg(&self) -> Option<f64> {
        (self.horizontal_mm() > 0.0).then(|| self.east_mm.atan2(self.north_mm).to_degrees().rem_euclid(360.0))
    }

    /// Angle to the horizon, degrees; negative for sinking. `None` without movement.
    pub fn plunge_deg(&self) -> Option<f64> {
        (self.total_mm() > 0.0).then(|| self.up_mm.atan2(self.horizontal_mm()).to_degrees())
    }

    /// Movement along an azimuth, mm; negative when it goes the other way.
    pub fn along_mm(&self, azimuth_deg: f64) -> f64 {
        let (sin, cos) = azimuth_deg.to_radians().sin_cos();
        self.north_mm * cos + self.east_mm * sin
    }
}

/// Improved tangent angle (许强), degrees: time scaled by the rate of steady creep, `atan(ΔS / (v0 Δt))`.
/// `None` unless `v0` and `Δt` are positive.
pub fn tangent_angle_deg(moved_mm: f64, days: f64, v0_mm_per_d: f64) -> Option<f64> {
    if days > 0.0 && v0_mm_per_d > 0.0 { finite((moved_mm / v0_mm_per_d / days).atan().to_degrees()) } else { None }
}

#[cfg(test)]
mod tests {
    use super::super::assert_digits;
    use super::*;

    #[test]
    fn row_8_a_vector_has_the_printed_lengths_and_angles() {
        let moved = Vector { north_mm: 3.0, east_mm: 4.0, up_mm: -2.0 };
        assert_digits(moved.horizontal_mm(), 5.0, 9);
        assert_digits(moved.azimuth_deg().expect("moved"), 53.1301, 4);
        assert_digits(moved.total_mm(), 5.385_16, 5);
        assert_digits(moved.plunge_deg().expect("moved"), -21.8014, 4);
        assert_digits(moved.along_mm(53.130_102_354), 5.0, 6);
        assert_digits(moved.along_mm(233.130_102_354), -5.0, 6);
        let still = Vector { north_mm: 0.0, east_mm: 0.0, up_mm: 0.0 };
        assert_eq!((still.azimuth_deg(), still.plunge_deg()), (None, None));
    }

    #[test]
    fn row_10_the_tangent_angle_of_twelve_times_creep_is_85_degrees() {
        assert_digits(tangent_angle_deg(24.0, 1.0, 2.0).expect("positive"), 85.2364, 4);
        assert_digits(tangent_angle_deg(2.0, 1.0, 2.0).expect("positive"), 45.0, 9);
        assert_eq!(tangent_angle_deg(24.0, 1.0, 0.0), None);
    }
}
