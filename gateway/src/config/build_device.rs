//! The `[[device]]` entries of a site file, their points, and the polls that read them.
//!
//! Invariant: indices between the lists built here are valid. A device whose instrument file is
//! wrong is left out (its problems are reported with that file).

use super::build::Texts;
use super::build_bus::{bus_index, unit};
use super::build_point::{Settings, point};
use super::csv;
use super::problem::did_you_mean;
use super::site::{Bus, Device, Point, Poll};
use super::table::Table;
use crate::instrument::{RegisterMap, TIMEOUT_MS_MAX, plan};
use minewatch_domain::DeviceId;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Devices per site: four full RTU buses' worth.
const DEVICES_MAX: usize = 1_000;
/// Points per site: what one gateway is meant to carry, with room.
const POINTS_MAX: usize = 20_000;

/// What the devices of a site come to.
#[derive(Default)]
pub(super) struct Built {
    pub(super) devices: Vec<Device>,
    pub(super) points: Vec<Point>,
    pub(super) polls: Vec<Poll>,
}

pub(super) fn devices(
    table: &mut Table<'_>,
    buses: &[Bus],
    maps: &BTreeMap<String, Option<Arc<RegisterMap>>>,
    texts: &Texts,
) -> Built {
    let defaults = table.table_opt("defaults").map(Settings::defaults).unwrap_or_default();
    let mut imported = csv::imported(table, &texts.imports);
    let entries = table.tables("device");
    if entries.len() > DEVICES_MAX {
        table.problem(format!("{} devices; at most {DEVICES_MAX} are allowed", entries.len()));
        return Built::default();
    }
    let mut built = Built::default();
    let maps = Maps { maps, available: &texts.available };
    for entry in entries {
        let Some((device, points)) = device(entry, buses, &maps, &defaults, &mut imported, built.devices.len()) else {
            continue;
        };
        if device.enabled {
            add_polls(&mut built, &device, points);
        }
        built.devices.push(device);
    }
    for (id, entry) in imported.into_iter().flat_map(|(id, entries)| entries.into_iter().map(move |e| (id.clone(), e)))
    {
        let near = did_you_mean(&id, built.devices.iter().map(|device| device.id.as_str()));
        entry.problem(format!("device {id:?} is not defined, or its own problems come first{near}"));
    }
    // Kept for the life of the program.
    built.points.shrink_to_fit();
    built.polls.shrink_to_fit();
    if built.points.len() > POINTS_MAX {
        table.problem(format!("{} points; at most {POINTS_MAX} are allowed", built.points.len()));
    }
    built
}

fn device<'p>(
    mut table: Table<'p>,
    buses: &[Bus],
    maps: &Maps<'_>,
    defaults: &Settings,
    imported: &mut BTreeMap<String, Vec<Table<'p>>>,
    index: usize,
) -> Option<(Device, Vec<Point>)> {
    let id = table.parsed("id", DeviceId::parse);
    let bus = bus_index(&mut table, buses);
    let unit = unit(&mut table, bus.and_then(|bus| buses.get(bus)));
    let map = maps.of(&mut table);
    let name = table.names_opt("name");
    let enabled = table.flag_or("enabled", true);
    let timeout_ms = table.int_opt("timeout_ms", 10..=TIMEOUT_MS_MAX.cast_signed());
    let own = table.table_opt("defaults").map(Settings::defaults).unwrap_or_default();
    let all = table.choice_opt("points", &[("all", true), ("listed", false)]).unwrap_or(false);
    let mut entries = table.tables("point");
    if let Some(more) = id.as_ref().and_then(|id| imported.remove(id.as_str())) {
        entries.extend(more);
    }
    let (Some(id), Some(map)) = (id, map) else {
        table.finish();
        return None;
    };
    let mut map = map;
    let settings = own.over(defaults);
    let mut points: Vec<Point> = Vec::new();
    for entry in entries {
        points.extend(point(entry, &id, index, &mut map, &settings));
    }
    if all {
        let missing: Vec<usize> =
            (0..map.quantities.len()).filter(|q| points.iter().all(|point| point.quantity != *q)).collect();
        points.extend(missing.into_iter().filter_map(|q| settings.clone().point_of(&table, &id, index, &map, q)));
    } else if points.is_empty() {
        table.problem("has no points; add [[device.point]] entries or points = \"all\"");
    }
    table.finish();
    let least = bus.and_then(|bus| buses.get(bus)).map_or(0, |bus| bus.timeout_ms);
    let timeout_ms = timeout_ms.unwrap_or(map.timeout_ms.max(least));
    let name = name.unwrap_or_else(|| map.name.clone());
    Some((Device { id, name, bus: bus?, unit: unit?, map, enabled, timeout_ms }, points))
}

/// The instrument files at hand.
struct Maps<'m> {
    maps: &'m BTreeMap<String, Option<Arc<RegisterMap>>>,
    available: &'m BTreeSet<String>,
}

impl Maps<'_> {
    /// The map a device names; nothing when it has no file, or a wrong one (reported with that file).
    fn of(&self, table: &mut Table<'_>) -> Option<Arc<RegisterMap>> {
        let name = table.text("instrument")?;
        if let Some(map) = self.maps.get(&name) {
            return map.clone();
        }
        let near = did_you_mean(&name, self.maps.keys().chain(self.available).map(String::as_str));
        table.problem(format!("instrument {name:?} has no file{near}"));
        None
    }
}

/// Adds a device's points and groups them into one poll per period.
fn add_polls(built: &mut Built, device: &Device, points: Vec<Point>) {
    let mut periods: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
    for point in points {
        periods.entry(point.period_ms).or_default().push(built.points.len());
        built.points.push(point);
    }
    for (period_ms, points) in periods {
        let wanted: Vec<usize> =
            points.iter().filter_map(|index| built.points.get(*index)).map(|point| point.quantity).collect();
        let plan = plan(&device.map, &wanted);
        built.polls.push(Poll { device: built.devices.len(), period_ms, points, plan });
    }
}
