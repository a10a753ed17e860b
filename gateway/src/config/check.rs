//! Checks across a whole site: what no single entry can see.

use super::problem::Problems;
use super::site::{Bus, BusKind, Device, Point, Poll, Siren, SiteConfig};
use crate::instrument::Function;
use std::collections::BTreeMap;

pub(super) fn check(file: &str, site: &SiteConfig, problems: &Problems) {
    unique(file, site, problems);
    units(file, site, problems);
    for poll in &site.polls {
        poll_fits(file, site, poll, problems);
    }
    for bus in 0..site.buses.len() {
        bus_load(file, site, bus, problems);
        slow_neighbours(file, site, bus, problems);
    }
    for point in &site.points {
        point_is_sound(file, site, point, problems);
    }
    for siren in &site.sirens {
        siren_may_be_written(file, site, siren, problems);
    }
    if let Some(dam) = &site.dam {
        super::check_dam::check(file, site, dam, problems);
    }
}

fn device_name(site: &SiteConfig, device: usize) -> String {
    site.devices.get(device).map(|device| format!("device {:?}", device.id.as_str())).unwrap_or_default()
}

fn unique(file: &str, site: &SiteConfig, problems: &Problems) {
    let devices = site.devices.iter().map(|d| ("device", d.id.as_str()));
    let sirens = site.sirens.iter().map(|s| ("siren", s.id.as_str()));
    let cameras = site.cameras.iter().flat_map(|c| &c.names).map(|(id, _)| ("camera", id.as_str()));
    duplicates(file, devices.chain(sirens).chain(cameras), problems);
    duplicates(file, site.buses.iter().map(|b| ("bus", b.id.as_str())), problems);
    duplicates(file, site.points.iter().map(|p| ("point", p.id.as_str())), problems);
    let mut quantities: BTreeMap<(usize, usize), &str> = BTreeMap::new();
    for point in &site.points {
        if let Some(other) = quantities.insert((point.device, point.quantity), point.id.as_str()) {
            problems.add(
                format!("{file}: {}", device_name(site, point.device)),
                format!("points {other:?} and {:?} read the same quantity", point.id.as_str()),
            );
        }
    }
}

fn duplicates<'a>(file: &str, names: impl Iterator<Item = (&'static str, &'a str)>, problems: &Problems) {
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for (what, name) in names {
        let count = seen.entry(name).or_default();
        *count += 1;
        if *count == 2 {
            problems.add(format!("{file}: {what} {name:?}"), "this id is already taken; ids must be unique");
        }
    }
}

fn units(file: &str, site: &SiteConfig, problems: &Problems) {
    let mut seen: BTreeMap<(usize, u8), &Device> = BTreeMap::new();
    for device in site.devices.iter().filter(|device| device.enabled) {
        if let Some(other) = seen.insert((device.bus, device.unit), device) {
            let bus = site.buses.get(device.bus).map_or("", |bus| bus.id.as_str());
            problems.add(
                format!("{file}: device {:?}", device.id.as_str()),
                format!(
                    "unit {} on bus {bus:?} is already device {:?}; both would answer",
                    device.unit,
                    other.id.as_str()
                ),
            );
        }
    }
}

fn poll_fits(file: &str, site: &SiteConfig, poll: &Poll, problems: &Problems) {
    let Some(device) = site.devices.get(poll.device) else { return };
    let place = || format!("{file}: device {:?}", device.id.as_str());
    let (period, timeout) = (poll.period_ms, device.timeout_ms);
    if timeout >= period {
        problems.add(
            place(),
            format!("timeout_ms is {timeout} but must be below period_ms ({period}); a late answer would overlap the next poll"),
        );
    }
    if period < device.map.period_min_ms {
        problems.add(
            place(),
            format!(
                "period_ms is {period} but {} delivers a value every {} ms at best",
                device.map.id, device.map.period_min_ms
            ),
        );
    }
    let waits = occupied_ms(site, device, poll);
    if waits >= period {
        problems.add(place(), format!("period_ms is {period} but its pauses and measuring time alone take {waits} ms"));
    }
}

/// Time that pauses and the measuring wait of one poll take on the bus.
fn occupied_ms(site: &SiteConfig, device: &Device, poll: &Poll) -> u64 {
    let pause = site.buses.get(device.bus).map_or(0, |bus| bus.pause_ms).max(device.map.pause_ms);
    let trigger = device.map.trigger.map_or(0, |t| t.wait_ms + t.stagger_ms_per_address * u64::from(device.unit));
    trigger + pause * poll.plan.requests.len() as u64
}

/// Bits of one request and its answer on a serial line, eleven per byte.
fn serial_bits(poll: &Poll) -> u64 {
    poll.plan.requests.iter().map(|r| 11 * (8 + 5 + 2 * u64::from(r.count) + 8)).sum()
}

#[allow(clippy::cast_precision_loss)] // milliseconds and bits are far below 2^53
fn bus_load(file: &str, site: &SiteConfig, bus: usize, problems: &Problems) {
    let Some(Bus { id, kind, .. }) = site.buses.get(bus) else { return };
    let baud = match kind {
        BusKind::Rtu { line, .. } => Some(line.baud),
        BusKind::Tcp { .. } | BusKind::RtuOverTcp { .. } => None,
    };
    let load: f64 = site
        .polls
        .iter()
        .filter_map(|poll| Some((poll, site.devices.get(poll.device).filter(|device| device.bus == bus)?)))
        .map(|(poll, device)| {
            let pause = site.buses.get(bus).map_or(0, |bus| bus.pause_ms).max(device.map.pause_ms);
            let line = baud.map_or(0.0, |baud| serial_bits(poll) as f64 * 1_000.0 / f64::from(baud));
            ((pause * poll.plan.requests.len() as u64) as f64 + line) / poll.period_ms as f64
        })
        .sum();
    if load > 0.9 {
        problems.add(
            format!("{file}: bus {id:?}"),
            format!(
                "would be busy {:.0} % of the time with lines and pauses alone; poll less often or use two buses",
                load * 100.0
            ),
        );
    }
}

/// A device whose answer may take longer than a neighbour's period makes the neighbour wait.
fn slow_neighbours(file: &str, site: &SiteConfig, bus: usize, problems: &Problems) {
    let polls = || {
        site.polls
            .iter()
            .filter_map(|poll| Some((poll, site.devices.get(poll.device)?)))
            .filter(|(_, device)| device.bus == bus)
    };
    let mut slow: BTreeMap<&str, &Device> = BTreeMap::new();
    slow.extend(polls().map(|(_, device)| (device.id.as_str(), device)));
    for device in slow.values() {
        let hurried = polls()
            .filter(|(_, other)| other.id != device.id)
            .filter(|(poll, _)| poll.period_ms <= device.timeout_ms)
            .min_by_key(|(poll, _)| poll.period_ms);
        if let Some((poll, other)) = hurried {
            problems.add(
                format!("{file}: device {:?}", device.id.as_str()),
                format!(
                    "may take timeout_ms ({}) to answer, while device {:?} on the same bus is polled every {} ms; give it a bus of its own or a shorter timeout",
                    device.timeout_ms,
                    other.id.as_str(),
                    poll.period_ms
                ),
            );
        }
    }
}

fn point_is_sound(file: &str, site: &SiteConfig, point: &Point, problems: &Problems) {
    let place = || format!("{file}: {}: point {:?}", device_name(site, point.device), point.id.as_str());
    let period = point.period_ms;
    if point.keep_alive_ms < period {
        problems.add(
            place(),
            format!("keep_alive_ms is {} but must not be below period_ms ({period})", point.keep_alive_ms),
        );
    }
    let q = &point.qualify;
    if q.stale_after_ms <= period {
        problems.add(
            place(),
            format!(
                "stale_after_ms is {} but must be above period_ms ({period}); every value would be stale",
                q.stale_after_ms
            ),
        );
    }
    if q.stuck_after_ms.is_some_and(|stuck| stuck <= 2 * period) {
        problems.add(place(), format!("stuck_after_ms must be above two periods ({})", 2 * period));
    }
    if q.rate_max_per_s == Some(0.0) {
        problems.add(place(), "rate_max_per_s is 0; every change would be called impossible");
    }
    if point.levels.on_delay_ms > 0 && point.levels.on_delay_ms < period {
        problems.add(
            place(),
            format!(
                "on_delay_ms is {} but must be 0 or at least period_ms ({period}); it would have no effect",
                point.levels.on_delay_ms
            ),
        );
    }
    thresholds_can_be_reached(&place, point, problems);
}

fn thresholds_can_be_reached(place: &dyn Fn() -> String, point: &Point, problems: &Problems) {
    let levels = &point.levels;
    let all = |l: &minewatch_domain::LevelLimits| {
        [("blue", l.blue), ("yellow", l.yellow), ("orange", l.orange), ("red", l.red)]
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)))
            .collect::<Vec<_>>()
    };
    let (high, low) = (all(&levels.high), all(&levels.low));
    if let Some((range_low, range_high)) = point.qualify.range {
        for (side, name, value) in
            high.iter().map(|(n, v)| ("high", n, v)).chain(low.iter().map(|(n, v)| ("low", n, v)))
        {
            if !(range_low..=range_high).contains(value) {
                problems.add(
                    place(),
                    format!("{side}.{name} is {value}, outside the valid range [{range_low}, {range_high}]; it could never be reached"),
                );
            }
        }
    }
    if let (Some((name, first_high)), Some((low_name, first_low))) = (high.first(), low.first())
        && first_low >= first_high
    {
        problems.add(
            place(),
            format!(
                "low.{low_name} is {first_low} but must be below high.{name} ({first_high}); no value would be normal"
            ),
        );
    }
    for (name, rate) in all(&levels.rate_per_h) {
        if rate <= 0.0 {
            problems.add(
                place(),
                format!("rate_per_h.{name} is {rate} but must be above 0; the direction is rate_direction"),
            );
        }
    }
}

fn siren_may_be_written(file: &str, site: &SiteConfig, siren: &Siren, problems: &Problems) {
    let place = || format!("{file}: siren {:?}", siren.id.as_str());
    for device in site.devices.iter().filter(|device| device.bus == siren.bus && device.unit == siren.unit) {
        if let Some(blocked) = device.map.write_blocked(Function::Coil, siren.coil) {
            problems.add(place(), format!("coil {} is blocked by {}: {}", siren.coil, device.map.id, blocked.reason));
        }
    }
    let slow = site.devices.iter().filter(|device| device.enabled && device.bus == siren.bus);
    if let Some(slow) = slow.filter(|device| device.timeout_ms > siren.confirm_ms).max_by_key(|d| d.timeout_ms) {
        problems.add(
            place(),
            format!(
                "must be confirmed within confirm_ms ({}) but may wait {} ms behind device {:?} on the same bus; give the siren a bus of its own",
                siren.confirm_ms,
                slow.timeout_ms,
                slow.id.as_str()
            ),
        );
    }
}
