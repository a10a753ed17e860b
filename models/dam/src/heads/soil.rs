//! Rain and evapotranspiration to recharge: snow, interception and a root zone that drains non-linearly,
//! in daily steps (after the FlexModel of Collenteur et al. 2021). Depths in mm.

/// Weather of one day.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Weather {
    /// Rain and snow, mm.
    pub rain_mm: f64,
    /// Potential evapotranspiration, mm.
    pub evaporation_mm: f64,
    /// Mean temperature, °C; `None` where it is not known: then all of it is rain.
    pub temperature_c: Option<f64>,
}

/// Parameters of the soil.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Soil {
    /// Capacity of the root zone, mm.
    pub capacity_mm: f64,
    /// Exponent of its drainage.
    pub exponent: f64,
    /// Drainage of the full root zone, mm per day.
    pub drainage_mm: f64,
    /// Factor on the potential evapotranspiration.
    pub crop: f64,
    /// Capacity of interception, mm.
    pub interception_mm: f64,
    /// Melt per degree and day, mm.
    pub melt_mm: f64,
    /// Share of what the full root zone cannot hold that still recharges (the rest runs off).
    pub bypass: f64,
    /// Share of the evapotranspiration the root zone cannot give that is taken from the groundwater.
    pub uplift: f64,
}

/// Share of the root zone below which evapotranspiration is limited.
const LIMIT_SHARE: f64 = 0.25;

/// Recharge of every day, mm; negative where plants take more from the groundwater than reaches it.
pub fn recharge(soil: &Soil, weather: &[Weather], out: &mut Vec<f64>) {
    let (mut snow, mut leaves, mut zone) = (0.0_f64, 0.0_f64, 0.5 * soil.capacity_mm);
    out.clear();
    for day in weather {
        let cold = day.temperature_c.is_some_and(|t| t < 0.0);
        let melt = match day.temperature_c {
            Some(t) if t > 0.0 => snow.min(soil.melt_mm * t),
            Some(_) | None => 0.0,
        };
        snow += if cold { day.rain_mm } else { 0.0 } - melt;
        let water = if cold { 0.0 } else { day.rain_mm } + melt;
        let wanted = soil.crop * day.evaporation_mm;
        leaves += water;
        let fallen = (leaves - soil.interception_mm).max(0.0);
        leaves -= fallen;
        let from_leaves = leaves.min(wanted);
        leaves -= from_leaves;
        zone += fallen;
        let over = (zone - soil.capacity_mm).max(0.0);
        zone -= over;
        let share = zone / soil.capacity_mm;
        let taken = ((wanted - from_leaves) * (share / LIMIT_SHARE).min(1.0)).min(zone);
        zone -= taken;
        let drained = (soil.drainage_mm * (zone / soil.capacity_mm).max(0.0).powf(soil.exponent)).min(zone);
        zone -= drained;
        let unmet = wanted - from_leaves - taken;
        out.push(drained + soil.bypass * over - soil.uplift * unmet);
    }
}
