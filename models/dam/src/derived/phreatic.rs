//! The phreatic line between piezometers (Dupuit) and how deep it lies.

use super::finite;

/// Height of Dupuit's line above the base at `x` of `length`: `h² = h1² − (h1² − h2²) x / L`. `None`
/// outside 0..=length: the line is never extrapolated.
pub fn dupuit_m(h1_m: f64, h2_m: f64, x_m: f64, length_m: f64) -> Option<f64> {
    if length_m <= 0.0 || !(0.0..=length_m).contains(&x_m) {
        return None;
    }
    finite((h1_m * h1_m - (h1_m * h1_m - h2_m * h2_m) * x_m / length_m).max(0.0).sqrt())
}

/// Dupuit's seepage per metre of dam, m²/s: `q = k (h1² − h2²) / 2L`.
pub fn dupuit_flow_m2_s(k_m_s: f64, h1_m: f64, h2_m: f64, length_m: f64) -> Option<f64> {
    if length_m <= 0.0 { None } else { finite(k_m_s * (h1_m * h1_m - h2_m * h2_m) / (2.0 * length_m)) }
}

/// A height at a place of a section, both in m.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spot {
    /// Distance downstream of the crest.
    pub x_m: f64,
    /// Height above the datum.
    pub z_m: f64,
}

/// A section: its base and its ground, x increasing.
#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    /// Impervious base, m above the datum.
    pub base_m: f64,
    /// Ground, x strictly increasing.
    pub ground: Vec<Spot>,
}

/// The phreatic line at one place.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Burial {
    /// Where, m downstream of the crest.
    pub x_m: f64,
    /// Height of the line, m above the datum, not above ground.
    pub line_m: f64,
    /// Its depth below ground, m; 0 where it comes out.
    pub depth_m: f64,
}

impl Profile {
    /// Ground height at `x`, linear between its spots; `None` outside them.
    pub fn ground_m(&self, x_m: f64) -> Option<f64> {
        let after = self.ground.iter().position(|spot| spot.x_m >= x_m)?;
        let right = self.ground[after];
        if after == 0 {
            return (right.x_m <= x_m).then_some(right.z_m);
        }
        let left = self.ground[after - 1];
        finite(left.z_m + (right.z_m - left.z_m) * (x_m - left.x_m) / (right.x_m - left.x_m))
    }

    /// The line at `x` between piezometers (levels in m, x increasing): h² above the base is linear
    /// between neighbours; clipped at the ground; `None` outside the first and last.
    pub fn burial_at(&self, piezometers: &[Spot], x_m: f64) -> Option<Burial> {
        let ground_m = self.ground_m(x_m)?;
        let after = piezometers.iter().position(|spot| spot.x_m >= x_m)?;
        let right = piezometers[after];
        let line_m = if right.x_m <= x_m {
            right.z_m
        } else {
            let left = piezometers.get(after.checked_sub(1)?)?;
            let above = |spot: &Spot| (spot.z_m - self.base_m).max(0.0);
            self.base_m + dupuit_m(above(left), above(&right), x_m - left.x_m, right.x_m - left.x_m)?
        };
        let line_m = line_m.min(ground_m);
        Some(Burial { x_m, line_m, depth_m: ground_m - line_m })
    }

    /// The shallowest place of the line between the first and last piezometer: looked for at the
    /// piezometers, at the breaks of the ground, and at [`Profile::STEPS`] places between each two.
    pub fn shallowest(&self, piezometers: &[Spot]) -> Option<Burial> {
        let (first, last) = (piezometers.first()?, piezometers.last()?);
        let between = piezometers.windows(2).flat_map(|pair| {
            let width = pair[1].x_m - pair[0].x_m;
            (1..Self::STEPS).map(move |step| pair[0].x_m + width * f64::from(step) / f64::from(Self::STEPS))
        });
        let breaks = self.ground.iter().map(|spot| spot.x_m).filter(|x| (first.x_m..=last.x_m).contains(x));
        piezometers
            .iter()
            .map(|spot| spot.x_m)
            .chain(breaks)
            .chain(between)
            .filter_map(|x| self.burial_at(piezometers, x))
            .min_by(|a, b| a.depth_m.total_cmp(&b.depth_m))
    }

    /// Places looked at between two piezometers.
    pub const STEPS: u32 = 16;
}

#[cfg(test)]
mod tests {
    use super::super::assert_digits;
    use super::*;

    fn profile() -> Profile {
        let ground = [(-60.0, 124.1), (0.0, 125.0), (100.0, 100.0)];
        Profile { base_m: 95.0, ground: ground.map(|(x_m, z_m)| Spot { x_m, z_m }).to_vec() }
    }

    fn spots(list: &[(f64, f64)]) -> Vec<Spot> {
        list.iter().map(|(x_m, z_m)| Spot { x_m: *x_m, z_m: *z_m }).collect()
    }

    #[test]
    fn row_7_dupuit_gives_the_printed_line_and_flow() {
        for (x, h) in [(30.0, 17.435_60), (60.0, 14.422_21), (90.0, 10.583_01)] {
            assert_digits(dupuit_m(20.0, 4.0, x, 120.0).expect("inside"), h, 5);
        }
        let q = dupuit_flow_m2_s(2e-6, 20.0, 4.0, 120.0).expect("a length");
        assert_digits(q * 1e6, 3.2, 9);
        assert_digits(q * 86_400.0, 0.276_48, 9);
        assert_eq!(dupuit_m(20.0, 4.0, -0.1, 120.0), None);
        assert_eq!(dupuit_m(20.0, 4.0, 120.1, 120.0), None);
    }

    #[test]
    fn between_piezometers_the_square_of_the_height_is_linear_and_outside_nothing_is_said() {
        let line = spots(&[(0.0, 115.0), (120.0, 99.0)]);
        let flat = Profile { base_m: 95.0, ground: spots(&[(-10.0, 130.0), (200.0, 130.0)]) };
        let at = |x| flat.burial_at(&line, x);
        assert_digits(at(60.0).expect("inside").line_m, 95.0 + 14.422_21, 5);
        assert_digits(at(60.0).expect("inside").depth_m, 35.0 - 14.422_21, 5);
        assert_eq!(at(-0.5), None, "upstream of the first piezometer");
        assert_eq!(at(120.5), None, "downstream of the last");
    }

    #[test]
    fn the_line_is_clipped_at_the_ground_and_the_shallowest_place_is_found_between_piezometers() {
        let wet = spots(&[(0.0, 120.0), (90.0, 110.0)]);
        let burial = profile().shallowest(&wet).expect("a place");
        assert_digits(burial.depth_m, 0.0, 9);
        let notch = Profile { base_m: 0.0, ground: spots(&[(0.0, 20.0), (50.0, 12.0), (100.0, 20.0)]) };
        let burial = notch.shallowest(&spots(&[(0.0, 10.0), (100.0, 10.0)])).expect("a place");
        assert_digits(burial.x_m, 50.0, 9);
        assert_digits(burial.depth_m, 2.0, 9);
    }

    proptest::proptest! {
        #[test]
        fn a_higher_level_never_deepens_the_line(
            a in 96.0..118.0f64, b in 96.0..112.0f64, rise in 0.0..5.0f64, x in 0.0..80.0f64,
        ) {
            let (low, high) = (spots(&[(0.0, a), (80.0, b)]), spots(&[(0.0, a + rise), (80.0, b)]));
            let depth = |line: &[Spot]| profile().burial_at(line, x).expect("inside").depth_m;
            proptest::prop_assert!(depth(&high) <= depth(&low) + 1e-9);
        }
    }
}
