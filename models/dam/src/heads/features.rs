//! What the weather of the past looks like from a day: exponential memories of water, evapotranspiration
//! and of the recharge of standard soils, from days to a year. Inputs of [`super::kernel`].

use super::soil::{Soil, Weather, recharge};
use super::storage::exponential;

/// Time constants of the memories, days: each 2.5 times the one before.
const MEMORIES_D: [f64; 6] = [2.0, 6.0, 15.0, 40.0, 100.0, 250.0];
/// A memory beyond a year, for slow aquifers.
const LONG_D: f64 = 600.0;
/// Root zones of sand, loam and clay, mm of water.
const ROOT_ZONES_MM: [f64; 3] = [40.0, 100.0, 200.0];

/// Which memories a member of the committee sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum View {
    /// Water and evapotranspiration.
    Weather,
    /// The same with memories beyond a year and three soils.
    Long,
    /// Water, evapotranspiration and one middling soil.
    OneSoil,
    /// Water, evapotranspiration and three soils.
    ThreeSoils,
}

impl View {
    pub(super) const ALL: [View; 4] = [View::Weather, View::Long, View::OneSoil, View::ThreeSoils];
}

/// The columns of a view, each with a value for every day of the weather.
pub(super) fn columns(view: View, weather: &[Weather]) -> Vec<Vec<f64>> {
    let mut memories = MEMORIES_D.to_vec();
    let soils = match view {
        View::Weather => &[][..],
        View::OneSoil => &ROOT_ZONES_MM[1..2],
        View::ThreeSoils => &ROOT_ZONES_MM[..],
        View::Long => {
            memories.push(LONG_D);
            &ROOT_ZONES_MM[..]
        }
    };
    let mut inputs = vec![
        weather.iter().map(|day| day.rain_mm).collect::<Vec<f64>>(),
        weather.iter().map(|day| day.evaporation_mm).collect(),
    ];
    for capacity_mm in soils {
        let mut water = Vec::with_capacity(weather.len());
        recharge(&standard_soil(*capacity_mm), weather, &mut water);
        inputs.push(water);
    }
    inputs.iter().flat_map(|input| memories.iter().map(|tau| exponential(input, *tau))).collect()
}

/// A root zone of ordinary behaviour; what a well makes of it is learnt.
fn standard_soil(capacity_mm: f64) -> Soil {
    Soil {
        capacity_mm,
        exponent: 3.0,
        drainage_mm: 5.0,
        crop: 1.0,
        interception_mm: 1.0,
        melt_mm: 3.0,
        bypass: 1.0,
        uplift: 0.6,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_view_has_its_memories_and_a_wet_week_is_remembered_by_all_of_them() {
        let day = |rain_mm| Weather { rain_mm, evaporation_mm: 1.0, temperature_c: Some(10.0) };
        let weather: Vec<Weather> = (0..400).map(|i| day(if (200..207).contains(&i) { 20.0 } else { 1.0 })).collect();
        let count = View::ALL.map(|view| columns(view, &weather).len());
        assert_eq!(count, [12, 35, 18, 30]);
        for column in columns(View::Weather, &weather).iter().take(MEMORIES_D.len()) {
            assert!(column[207] > column[199], "rain is remembered");
        }
    }
}
