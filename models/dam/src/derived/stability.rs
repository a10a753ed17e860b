//! Stability: the designer's table, or a surrogate that says that it is one.

use super::finite;

/// An infinite slope with a water table; a surrogate, never a design factor of safety.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct InfiniteSlope {
    /// Effective cohesion, kPa.
    pub cohesion_kpa: f64,
    /// Unit weight, kN/m³.
    pub weight_kn_m3: f64,
    /// Depth of the slip surface, m.
    pub depth_m: f64,
    /// Effective friction angle, degrees.
    pub friction_deg: f64,
    /// Slope angle, degrees.
    pub slope_deg: f64,
}

impl InfiniteSlope {
    /// What stands beside every number this gives.
    pub const LABEL: &'static str = "surrogate, not a design factor of safety";

    /// Surrogate factor of safety with the water `water_depth_m` below ground:
    /// `[c + (γ z cos²β − u) tan φ] / (γ z sin β cos β)`, `u = 9.81 (z − dw) cos²β`. Water below the slip
    /// surface presses nothing. `None` outside the slope's meaning.
    pub fn factor(&self, water_depth_m: f64) -> Option<f64> {
        let (sin, cos) = self.slope_deg.to_radians().sin_cos();
        let weight = self.weight_kn_m3 * self.depth_m;
        if weight <= 0.0 || sin <= 0.0 || cos <= 0.0 || water_depth_m < 0.0 {
            return None;
        }
        let pore = 9.81 * (self.depth_m - water_depth_m).max(0.0) * cos * cos;
        let resisting = self.cohesion_kpa + (weight * cos * cos - pore).max(0.0) * self.friction_deg.to_radians().tan();
        finite(resisting / (weight * sin * cos))
    }
}

/// Factor of safety from a table over two inputs, linear between its entries; `None` outside the table.
pub fn table(rows: &[f64], columns: &[f64], values: &[Vec<f64>], row: f64, column: f64) -> Option<f64> {
    let (i, u) = cell(rows, row)?;
    let (j, v) = cell(columns, column)?;
    let at = |i: usize, j: usize| values.get(i).and_then(|line| line.get(j)).copied();
    let low = at(i, j)? * (1.0 - v) + at(i, j + 1)? * v;
    let high = at(i + 1, j)? * (1.0 - v) + at(i + 1, j + 1)? * v;
    finite(low * (1.0 - u) + high * u)
}

/// The interval a value lies in and how far along it.
fn cell(axis: &[f64], value: f64) -> Option<(usize, f64)> {
    let right = axis.iter().position(|edge| *edge >= value)?;
    let left = match right {
        0 if axis.first() == Some(&value) && axis.len() > 1 => return Some((0, 0.0)),
        0 => return None,
        right => right - 1,
    };
    Some((left, (value - axis[left]) / (axis[right] - axis[left])))
}

#[cfg(test)]
mod tests {
    use super::super::assert_digits;
    use super::*;

    #[test]
    fn row_17_the_infinite_slope_has_the_printed_factors() {
        let slope = InfiniteSlope {
            cohesion_kpa: 5.0,
            weight_kn_m3: 19.0,
            depth_m: 8.0,
            friction_deg: 32.0,
            slope_deg: (1.0f64 / 3.0).atan().to_degrees(),
        };
        for (depth, factor) in [(2.0, 1.2583), (4.0, 1.5003), (6.0, 1.7423), (8.0, 1.9843)] {
            assert_digits(slope.factor(depth).expect("a slope"), factor, 4);
        }
        assert_eq!(slope.factor(-0.1), None, "water above ground is not this formula's");
        assert!(InfiniteSlope::LABEL.contains("surrogate"));
    }

    #[test]
    fn the_designers_table_is_read_between_its_entries_and_never_outside() {
        let (rows, columns) = ([100.0, 102.0], [120.0, 122.0, 124.0]);
        let values = [vec![1.5, 1.4, 1.3], vec![1.3, 1.2, 1.0]];
        assert_digits(table(&rows, &columns, &values, 101.0, 121.0).expect("inside"), 1.35, 9);
        assert_digits(table(&rows, &columns, &values, 100.0, 120.0).expect("a corner"), 1.5, 9);
        assert_digits(table(&rows, &columns, &values, 102.0, 124.0).expect("a corner"), 1.0, 9);
        assert_eq!(table(&rows, &columns, &values, 99.9, 121.0), None);
        assert_eq!(table(&rows, &columns, &values, 101.0, 124.1), None);
    }
}
