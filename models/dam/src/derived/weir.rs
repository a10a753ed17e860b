//! Seepage over a 90° V-notch weir: ISO 1438, Kindsvater–Shen.

use super::{GRAVITY, finite};

/// Discharge coefficient of a fully contracted 90° notch.
const CE: f64 = 0.578;
/// Correction of the head for viscosity and surface tension, m.
const KH_M: f64 = 0.000_85;
/// Greatest head of the formula's range, m (ISO 1438 5.5: 0.60 m).
pub const HEAD_M_MAX: f64 = 0.60;

/// Flow, L/s, at a head in metres over a 90° notch: `8/15 · Ce · √(2g) · tan 45° · (h + 0.00085)^2.5`.
/// Zero at no head; `None` for a negative head (a gauge below its zero) or one beyond the formula's range.
pub fn v_notch_l_s(head_m: f64) -> Option<f64> {
    if !(0.0..=HEAD_M_MAX).contains(&head_m) {
        return None;
    }
    if head_m == 0.0 {
        return Some(0.0);
    }
    let flow_m3_s = 8.0 / 15.0 * CE * (2.0 * GRAVITY).sqrt() * (head_m + KH_M).powf(2.5);
    finite(flow_m3_s * 1_000.0)
}

/// The shortcut of Chinese practice, L/s: `1.4 · h^2.5`; for comparison with old records only.
pub fn v_notch_shortcut_l_s(head_m: f64) -> f64 {
    1_400.0 * head_m.max(0.0).powf(2.5)
}

#[cfg(test)]
mod tests {
    use super::super::assert_digits;
    use super::*;

    #[test]
    fn row_4_iso_1438_gives_the_printed_flows() {
        for (head, flow) in [(0.05, 0.796_03), (0.10, 4.409_52), (0.15, 12.066_05), (0.30, 67.776_16)] {
            assert_digits(v_notch_l_s(head).expect("in range"), flow, 5);
        }
        assert_digits(v_notch_shortcut_l_s(0.15), 12.199_90, 5);
        let over = v_notch_shortcut_l_s(0.15) / v_notch_l_s(0.15).expect("in range") - 1.0;
        assert_digits(over * 100.0, 1.1, 1);
    }

    #[test]
    fn a_gauge_below_its_zero_is_no_dry_weir() {
        assert_eq!(v_notch_l_s(0.0), Some(0.0));
        assert_eq!(v_notch_l_s(-0.001), None);
        assert_eq!(v_notch_l_s(0.61), None);
        assert_eq!(v_notch_l_s(f64::NAN), None);
    }
}
