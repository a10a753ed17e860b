//! What the standards ask of a class of dam. Defaults only: the designer's file wins, and numbers from
//! memory (GB 50863-2013, not seen) say so in [`Tabled::source`].

use crate::dam_file::Construction;

/// A number of a standard with where it is written.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tabled {
    /// The number.
    pub value: f64,
    /// Where it is written, and how sure that is.
    pub source: &'static str,
}

const FREEBOARD: &str = "GB 50863-2013 table 4.2.1 (unverified default)";
const BEACH: &str = "GB 50863-2013 tables 4.2.1, 4.2.2 (unverified default)";
const DEPTH: &str = "GB 50863-2013, least phreatic burial depth (unverified default)";
/// Orange of the phreatic depth: 1.1 times red.
pub const PHREATIC_ORANGE: (f64, &str) = (1.1, "GB 51108-2015 8.3.4 commentary");
/// Orange of a bank's displacement: 0.8 of red.
pub const BANK_ORANGE: (f64, &str) = (0.8, "GB 51108-2015 8.3.8");
/// Yellow of 24 h rain, mm.
pub const RAIN_YELLOW_MM: (f64, &str) = (50.0, "GB 51108-2015, rainstorm class of 24 h");

/// Index of a class in a table of five; `None` for a class that does not exist.
fn index(class: u8) -> Option<usize> {
    (1..=5).contains(&class).then(|| usize::from(class) - 1)
}

/// Least freeboard above the design flood level, m.
pub fn freeboard_m(class: u8) -> Option<Tabled> {
    index(class).map(|at| Tabled { value: [1.5, 1.0, 0.7, 0.5, 0.4][at], source: FREEBOARD })
}

/// Least dry beach at the design flood level, m.
pub fn beach_m(class: u8, construction: Construction) -> Option<Tabled> {
    let table = match construction {
        Construction::Upstream => [150.0, 100.0, 70.0, 50.0, 40.0],
        Construction::Centreline | Construction::Downstream => [100.0, 70.0, 50.0, 35.0, 25.0],
    };
    index(class).map(|at| Tabled { value: table[at], source: BEACH })
}

/// Least depth of the phreatic line below the embankment slope, m, by the height of the embankment:
/// linear between 30 m (2), 60 (4), 100 (6), 150 (8) and 200 m (10).
pub fn phreatic_depth_m(height_m: f64) -> Tabled {
    const KNOTS: [(f64, f64); 5] = [(30.0, 2.0), (60.0, 4.0), (100.0, 6.0), (150.0, 8.0), (200.0, 10.0)];
    let mut depth = KNOTS[0].1;
    for pair in KNOTS.windows(2) {
        let ((h0, d0), (h1, d1)) = (pair[0], pair[1]);
        if height_m > h0 {
            depth = d0 + (d1 - d0) * ((height_m - h0) / (h1 - h0)).min(1.0);
        }
    }
    Tabled { value: depth, source: DEPTH }
}

/// Class by full storage (10⁴ m³) and height (m): the higher of the two where they differ by one, else the
/// higher less one (GB 50863, 39496).
pub fn class(storage_1e4_m3: f64, height_m: f64) -> u8 {
    let of = |value: f64, edges: [f64; 4]| 1 + edges.iter().filter(|edge| value < **edge).count() as u8;
    let by_storage = of(storage_1e4_m3, [50_000.0, 10_000.0, 1_000.0, 100.0]);
    let by_height = of(height_m, [200.0, 100.0, 60.0, 30.0]);
    let (higher, lower) = (by_storage.min(by_height), by_storage.max(by_height));
    if lower - higher <= 1 { higher } else { higher + 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_is_the_higher_of_two_neighbours_and_else_one_below_the_higher() {
        assert_eq!(class(50_000.0, 200.0), 1);
        assert_eq!(class(1_500.0, 62.0), 3);
        assert_eq!(class(1_500.0, 45.0), 3);
        assert_eq!(class(90.0, 120.0), 3, "second by height, fifth by storage");
        assert_eq!(class(50.0, 20.0), 5);
    }

    #[test]
    fn the_burial_depth_is_interpolated_between_heights() {
        for (height, depth) in
            [(10.0, 2.0), (30.0, 2.0), (45.0, 3.0), (60.0, 4.0), (80.0, 5.0), (150.0, 8.0), (300.0, 10.0)]
        {
            assert!((phreatic_depth_m(height).value - depth).abs() < 1e-9, "{height}");
        }
    }

    #[test]
    fn a_class_that_does_not_exist_has_no_numbers() {
        assert_eq!(freeboard_m(0), None);
        assert_eq!(beach_m(6, Construction::Upstream), None);
        assert_eq!(freeboard_m(3).map(|t| t.value), Some(0.7));
        assert_eq!(beach_m(3, Construction::Upstream).map(|t| t.value), Some(70.0));
        assert_eq!(beach_m(5, Construction::Downstream).map(|t| t.value), Some(25.0));
    }
}
