//! Thermistors and vibrating-wire piezometers.

use super::{GRAVITY, finite};

/// Steinhart–Hart coefficients of Geokon's 3 kΩ thermistor: A, B, C.
pub const GEOKON_3K: (f64, f64, f64) = (1.4051e-3, 2.369e-4, 1.019e-7);

/// Temperature, ℃, of a thermistor of `ohm` by Steinhart–Hart; `None` where the resistance is impossible.
pub fn thermistor_c(ohm: f64, (a, b, c): (f64, f64, f64)) -> Option<f64> {
    if ohm <= 0.0 {
        return None;
    }
    let ln = ohm.ln();
    let inverse_k = a + b * ln + c * ln.powi(3);
    if inverse_k <= 0.0 { None } else { finite(1.0 / inverse_k - 273.15) }
}

/// Digits of a frequency in Hz: f²/1000.
pub fn digits(hertz: f64) -> f64 {
    hertz * hertz / 1_000.0
}

/// Linear calibration of a vibrating-wire piezometer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct VibratingWire {
    /// Gauge factor G, kPa per digit.
    pub g_kpa_per_digit: f64,
    /// Zero reading R0, digits.
    pub r0_digits: f64,
    /// Thermal factor K, kPa per ℃.
    pub k_kpa_per_c: f64,
    /// Temperature at R0, ℃.
    pub t0_c: f64,
    /// Barometric pressure at R0, kPa.
    pub s0_kpa: f64,
    /// Vented: the atmosphere presses on both sides.
    pub vented: bool,
}

impl VibratingWire {
    /// Whether a temperature is needed.
    pub fn needs_temperature(&self) -> bool {
        self.k_kpa_per_c != 0.0
    }

    /// Pore pressure, kPa: `P = G(R0 − R1) + K(T1 − T0) − (S1 − S0)`, the last term for a sealed
    /// instrument only. `None` when a term that is needed has no input.
    pub fn pressure_kpa(&self, r1_digits: f64, t1_c: Option<f64>, s1_kpa: Option<f64>) -> Option<f64> {
        let thermal = if self.needs_temperature() { self.k_kpa_per_c * (t1_c? - self.t0_c) } else { 0.0 };
        let barometric = if self.vented { 0.0 } else { s1_kpa? - self.s0_kpa };
        finite(self.g_kpa_per_digit * (self.r0_digits - r1_digits) + thermal - barometric)
    }
}

/// Height of water, m, of a pressure.
pub fn head_m(kpa: f64) -> f64 {
    kpa / GRAVITY
}

/// Piezometric level, m above the datum, of a pressure at a tip.
pub fn piezometric_level_m(kpa: f64, tip_m: f64) -> f64 {
    tip_m + head_m(kpa)
}

#[cfg(test)]
mod tests {
    use super::super::assert_digits;
    use super::*;

    const WORKED: VibratingWire = VibratingWire {
        g_kpa_per_digit: 0.03012,
        r0_digits: 8906.5,
        k_kpa_per_c: -0.04,
        t0_c: 20.0,
        s0_kpa: 100.32,
        vented: false,
    };

    #[test]
    fn row_1_steinhart_hart_gives_the_printed_temperatures() {
        let c = |ohm| thermistor_c(ohm, GEOKON_3K).expect("possible");
        assert_digits(c(3_000.0), 24.992, 3);
        assert_digits(c(5_000.0), 13.7296, 4);
        assert_digits(c(9_796.0), -0.0177, 4);
        assert_eq!(thermistor_c(0.0, GEOKON_3K), None);
        assert_eq!(thermistor_c(-5.0, GEOKON_3K), None);
    }

    #[test]
    fn row_2_a_sealed_vibrating_wire_gives_the_printed_pressure_head_and_level() {
        let kpa = WORKED.pressure_kpa(8_000.0, Some(12.5), Some(98.75)).expect("inputs are there");
        assert_digits(kpa, 29.173_78, 5);
        assert_digits(head_m(kpa), 2.974_898, 6);
        assert_digits(piezometric_level_m(kpa, 912.40), 915.374_898, 6);
        assert_digits(digits(2_828.427), 8_000.0, 2);
    }

    #[test]
    fn a_missing_barometer_is_never_taken_for_a_constant_one() {
        assert_eq!(WORKED.pressure_kpa(8_000.0, Some(12.5), None), None);
        assert_eq!(WORKED.pressure_kpa(8_000.0, None, Some(98.75)), None);
        let vented = VibratingWire { vented: true, ..WORKED };
        assert!(vented.pressure_kpa(8_000.0, Some(12.5), None).is_some(), "a vented one needs no barometer");
    }
}
