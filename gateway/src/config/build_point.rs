//! The points of a device: settings in three layers (site defaults, device defaults, the point),
//! thresholds, and the identity of the point.

use super::problem::did_you_mean;
use super::site::{Deadband, Hampel, LevelSettings, Point, QualifySettings, RateDirection};
use super::table::Table;
use crate::instrument::{Names, RegisterMap};
use minewatch_domain::{DeviceId, LevelLimits, PointId};
use std::sync::Arc;

/// Poll period when nobody says anything.
const PERIOD_MS_DEFAULT: u64 = 10_000;
/// Keep-alive when nobody says anything; at least the period.
const KEEP_ALIVE_MS_DEFAULT: u64 = 60_000;
/// Longest period: one poll a day.
const PERIOD_MS_MAX: i64 = 86_400_000;
/// Longest delay or silence: a month.
const SPAN_MS_MAX: i64 = 31 * 86_400_000;

/// What a layer says; absent means that the layer below decides.
#[derive(Debug, Clone, Default)]
pub(super) struct Settings {
    period_ms: Option<u64>,
    keep_alive_ms: Option<u64>,
    deadband: Option<Deadband>,
    range: Option<(f64, f64)>,
    rate_max_per_s: Option<f64>,
    hampel: Option<Hampel>,
    stuck_after_ms: Option<u64>,
    stale_after_ms: Option<u64>,
    on_delay_ms: Option<u64>,
    off_delay_ms: Option<u64>,
}

impl Settings {
    /// Reads a `[defaults]` table.
    pub(super) fn defaults(mut table: Table<'_>) -> Settings {
        let settings = Settings::read(&mut table);
        table.finish();
        settings
    }

    fn read(table: &mut Table<'_>) -> Settings {
        Settings {
            period_ms: table.int_opt("period_ms", 10..=PERIOD_MS_MAX),
            keep_alive_ms: table.int_opt("keep_alive_ms", 10..=PERIOD_MS_MAX),
            deadband: deadband(table),
            range: table.range_opt("range"),
            rate_max_per_s: table.size_opt("rate_max_per_s"),
            hampel: table.table_opt("hampel").and_then(hampel),
            stuck_after_ms: table.int_opt("stuck_after_ms", 1..=SPAN_MS_MAX),
            stale_after_ms: table.int_opt("stale_after_ms", 1..=SPAN_MS_MAX),
            on_delay_ms: table.int_opt("on_delay_ms", 0..=SPAN_MS_MAX),
            off_delay_ms: table.int_opt("off_delay_ms", 0..=SPAN_MS_MAX),
        }
    }

    /// This layer over a lower one.
    pub(super) fn over(self, below: &Settings) -> Settings {
        Settings {
            period_ms: self.period_ms.or(below.period_ms),
            keep_alive_ms: self.keep_alive_ms.or(below.keep_alive_ms),
            deadband: self.deadband.or(below.deadband),
            range: self.range.or(below.range),
            rate_max_per_s: self.rate_max_per_s.or(below.rate_max_per_s),
            hampel: self.hampel.or(below.hampel),
            stuck_after_ms: self.stuck_after_ms.or(below.stuck_after_ms),
            stale_after_ms: self.stale_after_ms.or(below.stale_after_ms),
            on_delay_ms: self.on_delay_ms.or(below.on_delay_ms),
            off_delay_ms: self.off_delay_ms.or(below.off_delay_ms),
        }
    }

    /// The point of a quantity that only has settings (`points = "all"`).
    pub(super) fn point_of(
        self,
        table: &Table<'_>,
        device: &DeviceId,
        index: usize,
        map: &RegisterMap,
        quantity: usize,
    ) -> Option<Point> {
        let id = default_id(table, device, map, quantity)?;
        self.finish(index, map, quantity, id, None, LevelSettings::default())
    }

    fn finish(
        self,
        device: usize,
        map: &RegisterMap,
        quantity: usize,
        id: PointId,
        name: Option<Names>,
        levels: LevelSettings,
    ) -> Option<Point> {
        let q = map.quantities.get(quantity)?;
        let period_ms = self.period_ms.unwrap_or(PERIOD_MS_DEFAULT.max(map.period_min_ms));
        let instrument_range = if q.calibration.is_empty() { q.range } else { None };
        Some(Point {
            id,
            name: name.unwrap_or_else(|| q.name.clone()),
            device,
            quantity,
            unit: q.unit.clone(),
            period_ms,
            deadband: self.deadband.unwrap_or(Deadband::None),
            keep_alive_ms: self.keep_alive_ms.unwrap_or(KEEP_ALIVE_MS_DEFAULT.max(period_ms)),
            qualify: QualifySettings {
                range: self.range.or(instrument_range),
                rate_max_per_s: self.rate_max_per_s,
                hampel: self.hampel,
                stuck_after_ms: self.stuck_after_ms,
                stale_after_ms: self.stale_after_ms.unwrap_or(3 * period_ms + map.timeout_ms),
            },
            levels: LevelSettings {
                on_delay_ms: self.on_delay_ms.unwrap_or(0),
                off_delay_ms: self.off_delay_ms.unwrap_or(0),
                ..levels
            },
        })
    }
}

fn deadband(table: &mut Table<'_>) -> Option<Deadband> {
    let absolute = table.size_opt("deadband");
    let percent = table.size_opt("deadband_percent");
    match (absolute, percent) {
        (Some(_), Some(_)) => {
            table.problem("deadband and deadband_percent are both given; name one");
            None
        }
        (Some(0.0), None) | (None, Some(0.0)) => Some(Deadband::None),
        (Some(size), None) => Some(Deadband::Absolute(size)),
        (None, Some(percent)) if percent <= 50.0 => Some(Deadband::Percent(percent)),
        (None, Some(percent)) => {
            table.problem(format!("deadband_percent is {percent}; above 50 a doubling could go unrecorded"));
            None
        }
        (None, None) => None,
    }
}

fn hampel(mut table: Table<'_>) -> Option<Hampel> {
    let window: Option<usize> = table.int("window", 3..=i64::try_from(Hampel::WINDOW_MAX).unwrap_or(i64::MAX));
    let threshold = table.number("threshold");
    if threshold.is_some_and(|threshold| threshold < 1.0) {
        table.problem("threshold must be 1 or more; below that ordinary noise would be called a spike");
    }
    table.finish();
    Some(Hampel { window: window?, threshold: threshold? })
}

/// Reads one `[[device.point]]`.
pub(super) fn point(
    mut table: Table<'_>,
    device: &DeviceId,
    index: usize,
    map: &mut Arc<RegisterMap>,
    below: &Settings,
) -> Option<Point> {
    let quantity = quantity(&mut table, map);
    let own_id = if table.has("id") { Some(table.parsed("id", PointId::parse)) } else { table.asks("id") };
    let name = table.names_opt("name");
    let settings = Settings::read(&mut table).over(below);
    let levels = levels(&mut table);
    let calibration = table.numbers("calibration");
    let unit = table.text_opt("unit");
    if !calibration.is_empty() && unit.is_none() {
        table.problem("calibration needs unit: the unit of the calibrated value");
    }
    let known = quantity.and_then(|q| map.quantities.get(q)).map(|q| q.unit.clone()).filter(|unit| !unit.is_empty());
    if let (true, Some(_), Some(known)) = (calibration.is_empty(), &unit, known) {
        table.problem(format!("unit is {known:?} by the instrument file; another one needs a calibration"));
    }
    let Some(quantity) = quantity else {
        table.finish();
        return None;
    };
    if let Some(unit) = unit
        && let Some(q) = Arc::make_mut(map).quantities.get_mut(quantity)
    {
        q.calibration = calibration;
        q.unit = unit;
    }
    let id = match own_id {
        Some(id) => id,
        None => default_id(&table, device, map, quantity),
    };
    table.finish();
    settings.finish(index, map, quantity, id?, name, levels)
}

fn quantity(table: &mut Table<'_>, map: &RegisterMap) -> Option<usize> {
    let text = table.text("quantity")?;
    let found = map.quantity_index(&text);
    if found.is_none() {
        let near = did_you_mean(&text, map.quantities.iter().map(|quantity| quantity.id.as_str()));
        table.problem(format!("quantity {text:?} is not in {}{near}", map.id));
    }
    found
}

fn default_id(table: &Table<'_>, device: &DeviceId, map: &RegisterMap, quantity: usize) -> Option<PointId> {
    let text = format!("{device}.{}", map.quantities.get(quantity)?.id);
    match PointId::parse(&text) {
        Ok(id) => Some(id),
        Err(error) => {
            table.problem(format!("{error}; give the point an id"));
            None
        }
    }
}

fn levels(table: &mut Table<'_>) -> LevelSettings {
    let directions =
        [("rising", RateDirection::Rising), ("falling", RateDirection::Falling), ("either", RateDirection::Either)];
    LevelSettings {
        high: limits(table, "high", Order::Rising),
        low: limits(table, "low", Order::Falling),
        rate_per_h: limits(table, "rate_per_h", Order::Rising),
        rate_direction: table.choice_opt("rate_direction", &directions).unwrap_or_default(),
        hysteresis: table.size_opt("hysteresis").unwrap_or(0.0),
        on_delay_ms: 0,
        off_delay_ms: 0,
    }
}

#[derive(Clone, Copy)]
enum Order {
    Rising,
    Falling,
}

/// Four optional thresholds that must get worse from blue to red.
fn limits(table: &mut Table<'_>, key: &'static str, order: Order) -> LevelLimits {
    let Some(mut table) = table.table_opt(key) else { return LevelLimits::default() };
    let limits = LevelLimits {
        blue: table.number_opt("blue"),
        yellow: table.number_opt("yellow"),
        orange: table.number_opt("orange"),
        red: table.number_opt("red"),
    };
    let named = [("blue", limits.blue), ("yellow", limits.yellow), ("orange", limits.orange), ("red", limits.red)];
    let given: Vec<(&str, f64)> = named.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
    if given.is_empty() {
        table.problem("holds no threshold; name at least one of blue, yellow, orange, red");
    }
    for pair in given.windows(2) {
        let [(mild, a), (worse, b)] = pair else { continue };
        match order {
            Order::Rising if b <= a => {
                table
                    .problem(format!("{worse} is {b} but must be above {mild} ({a}); the worse level must come later"));
            }
            Order::Falling if b >= a => {
                table
                    .problem(format!("{worse} is {b} but must be below {mild} ({a}); the worse level must come later"));
            }
            Order::Rising | Order::Falling => {}
        }
    }
    table.finish();
    limits
}
