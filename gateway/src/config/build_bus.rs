//! The `[[bus]]` and `[[siren]]` entries of a site file.

use super::problem::did_you_mean;
use super::site::{Bus, BusKind, Parity, Readback, SerialLine, Siren};
use super::table::Table;
use crate::instrument::{Function, TIMEOUT_MS_MAX};
use minewatch_domain::{DeviceId, Level};
use std::path::PathBuf;

/// Buses per site; each has a task and a connection.
const BUSES_MAX: usize = 64;
/// Sirens per site.
const SIRENS_MAX: usize = 32;

#[derive(Clone, Copy)]
enum Kind {
    Tcp,
    Rtu,
    RtuOverTcp,
}

pub(super) fn buses(table: &mut Table<'_>) -> Vec<Bus> {
    let entries = table.tables("bus");
    if entries.len() > BUSES_MAX {
        table.problem(format!("{} buses; at most {BUSES_MAX} are allowed", entries.len()));
    }
    entries.into_iter().filter_map(bus).collect()
}

fn bus(mut table: Table<'_>) -> Option<Bus> {
    let id = table.slug("id");
    let kind = table.choice("kind", &[("tcp", Kind::Tcp), ("rtu", Kind::Rtu), ("rtu_over_tcp", Kind::RtuOverTcp)]);
    let kind = kind.and_then(|kind| match kind {
        Kind::Tcp => endpoint(&mut table).map(|(host, port)| BusKind::Tcp { host, port }),
        Kind::RtuOverTcp => endpoint(&mut table).map(|(host, port)| BusKind::RtuOverTcp { host, port }),
        Kind::Rtu => serial(&mut table),
    });
    let timeout_ms = table.int_opt("timeout_ms", 10..=TIMEOUT_MS_MAX.cast_signed()).unwrap_or(500);
    let pause_ms = table.int_opt("pause_ms", 0..=60_000).unwrap_or(0);
    let connect_timeout_ms = table.int_opt("connect_timeout_ms", 100..=60_000).unwrap_or(3_000);
    table.finish();
    // A bus with problems keeps its place under its own name, so that its devices are not blamed too.
    let kind = kind.unwrap_or(BusKind::Tcp { host: String::new(), port: 1 });
    Some(Bus { id: id?, kind, timeout_ms, pause_ms, connect_timeout_ms })
}

fn endpoint(table: &mut Table<'_>) -> Option<(String, u16)> {
    let host = table.text("host");
    let port = table.int_opt("port", 1..=65_535).unwrap_or(502);
    Some((host?, port))
}

fn serial(table: &mut Table<'_>) -> Option<BusKind> {
    let path = table.text("path");
    let baud = table.int("baud", 300..=1_000_000);
    let data_bits = table.int_opt("data_bits", 7..=8).unwrap_or(8);
    let parity = table
        .choice_opt("parity", &[("none", Parity::None), ("even", Parity::Even), ("odd", Parity::Odd)])
        .unwrap_or(Parity::None);
    let stop_bits = table.int_opt("stop_bits", 1..=2).unwrap_or(1);
    Some(BusKind::Rtu { path: PathBuf::from(path?), line: SerialLine { baud: baud?, data_bits, parity, stop_bits } })
}

/// The index of the bus an entry names.
pub(super) fn bus_index(table: &mut Table<'_>, buses: &[Bus]) -> Option<usize> {
    let name = table.text("bus")?;
    let found = buses.iter().position(|bus| bus.id == name);
    if found.is_none() {
        let near = did_you_mean(&name, buses.iter().map(|bus| bus.id.as_str()));
        table.problem(format!("bus {name:?} is not defined{near}"));
    }
    found
}

/// A unit address; serial lines know 1 to 247 only.
pub(super) fn unit(table: &mut Table<'_>, bus: Option<&Bus>) -> Option<u8> {
    let serial = bus.is_some_and(|bus| match bus.kind {
        BusKind::Rtu { .. } | BusKind::RtuOverTcp { .. } => true,
        BusKind::Tcp { .. } => false,
    });
    table.int("unit", if serial { 1..=247 } else { 0..=255 })
}

pub(super) fn sirens(table: &mut Table<'_>, buses: &[Bus]) -> Vec<Siren> {
    let entries = table.tables("siren");
    if entries.len() > SIRENS_MAX {
        table.problem(format!("{} sirens; at most {SIRENS_MAX} are allowed", entries.len()));
    }
    entries.into_iter().filter_map(|entry| siren(entry, buses)).collect()
}

fn siren(mut table: Table<'_>, buses: &[Bus]) -> Option<Siren> {
    let id = table.parsed("id", DeviceId::parse);
    let name = table.names("name");
    let bus = bus_index(&mut table, buses);
    let unit = unit(&mut table, bus.and_then(|bus| buses.get(bus)));
    let coil = table.int("coil", 0..=65_535);
    let readback = table.table("readback").and_then(|mut readback| {
        let function = readback.choice("function", &[("coil", Function::Coil), ("discrete", Function::Discrete)]);
        let address = readback.int("address", 0..=65_535);
        readback.finish();
        Some(Readback { function: function?, address: address? })
    });
    let levels = Level::WARNINGS.map(|level| (level.name(), level));
    let level_from = table.choice_opt("level_from", &levels).unwrap_or(Level::Orange);
    let timeout_ms = table.int_opt("timeout_ms", 10..=10_000).unwrap_or(1_000);
    let confirm_ms: u64 = table.int_opt("confirm_ms", 10..=60_000).unwrap_or(2_000);
    if confirm_ms < timeout_ms {
        table.problem(format!(
            "confirm_ms is {confirm_ms} but must not be below timeout_ms ({timeout_ms}); a slow answer would look like a broken siren"
        ));
    }
    table.finish();
    Some(Siren {
        id: id?,
        name,
        bus: bus?,
        unit: unit?,
        coil: coil?,
        readback: readback?,
        level_from,
        timeout_ms,
        confirm_ms,
    })
}
