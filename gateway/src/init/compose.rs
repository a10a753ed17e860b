//! From a command's words to the text of a site file; pure.

use anyhow::Result;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use toml::{Table, Value};

/// group, company, mine, facility.
#[derive(Debug, Clone)]
pub(super) struct Place([String; 4]);

/// `--bus`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum BusArg {
    /// `tcp` or `rtu_over_tcp`.
    Net { kind: &'static str, host: String, port: u16 },
    /// A serial line.
    Serial { path: String, baud: u32, parity: String, stop_bits: u8 },
}

/// `--device`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DeviceArg {
    instrument: String,
    unit: u16,
    /// Empty: all of them.
    quantities: Vec<(String, Option<String>)>,
}

/// The way to headquarters.
#[derive(Debug, Clone)]
pub(super) struct Uplink {
    pub(super) url: String,
    /// Folder of key, certificate and authority.
    pub(super) identity: Option<PathBuf>,
}

impl Uplink {
    pub(super) fn plain(url: &str) -> Uplink {
        Uplink { url: url.to_owned(), identity: None }
    }
}

/// What a site file is composed of.
pub(super) struct Wanted<'a> {
    pub(super) gateway: &'a str,
    pub(super) names: (&'a str, &'a str),
    pub(super) place: &'a Place,
    pub(super) bus: &'a BusArg,
    pub(super) devices: &'a [DeviceArg],
    pub(super) sensors: &'a Path,
    pub(super) state: &'a Path,
    pub(super) listen: SocketAddr,
    pub(super) uplink: Uplink,
}

/// Reads `group/company/mine/facility`.
pub(super) fn place(text: &str) -> Result<Place, String> {
    let levels: Vec<String> = text.split('/').map(str::to_owned).collect();
    levels.try_into().map(Place).map_err(|_| format!("{text:?} must be group/company/mine/facility"))
}

/// Reads `--bus`.
pub(super) fn bus(text: &str) -> Result<BusArg, String> {
    let wrong = || format!("{text:?} must be tcp:HOST:PORT, rtu_over_tcp:HOST:PORT or rtu:PATH:BAUD:PARITY:STOP_BITS");
    let (kind, rest) = text.split_once(':').ok_or_else(wrong)?;
    let net = |kind| {
        let (host, port) = rest.rsplit_once(':').ok_or_else(wrong)?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        Ok(BusArg::Net { kind, host, port: port.parse().map_err(|_| wrong())? })
    };
    match kind {
        "tcp" => net("tcp"),
        "rtu_over_tcp" => net("rtu_over_tcp"),
        "rtu" => {
            let parts: Vec<&str> = rest.split(':').collect();
            let [path, baud, parity, stop_bits] = parts.as_slice() else { return Err(wrong()) };
            let (baud, stop_bits) = (baud.parse().map_err(|_| wrong())?, stop_bits.parse().map_err(|_| wrong())?);
            Ok(BusArg::Serial { path: (*path).to_owned(), baud, parity: (*parity).to_owned(), stop_bits })
        }
        _ => Err(wrong()),
    }
}

/// Reads `--device`.
pub(super) fn device(text: &str) -> Result<DeviceArg, String> {
    let wrong = || format!("{text:?} must be INSTRUMENT@UNIT or INSTRUMENT@UNIT:QUANTITY=UNIT,…");
    let (instrument, rest) = text.split_once('@').ok_or_else(wrong)?;
    let (unit, quantities) = rest.split_once(':').unwrap_or((rest, ""));
    let one = |text: &str| match text.split_once('=') {
        Some((quantity, unit)) => (quantity.to_owned(), Some(unit.to_owned())),
        None => (text.to_owned(), None),
    };
    Ok(DeviceArg {
        instrument: instrument.to_owned(),
        unit: unit.parse().map_err(|_| wrong())?,
        quantities: quantities.split(',').filter(|text| !text.is_empty()).map(one).collect(),
    })
}

fn table<const N: usize>(entries: [(&str, Value); N]) -> Table {
    entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

fn text(value: impl ToString) -> Value {
    Value::String(value.to_string())
}

fn path(value: &Path) -> Value {
    text(value.display())
}

impl BusArg {
    fn table(&self) -> Table {
        match self {
            BusArg::Net { kind, host, port } => table([
                ("id", text("bus")),
                ("kind", text(kind)),
                ("host", text(host)),
                ("port", Value::Integer(i64::from(*port))),
            ]),
            BusArg::Serial { path, baud, parity, stop_bits } => table([
                ("id", text("bus")),
                ("kind", text("rtu")),
                ("path", text(path)),
                ("baud", Value::Integer(i64::from(*baud))),
                ("parity", text(parity)),
                ("stop_bits", Value::Integer(i64::from(*stop_bits))),
            ]),
        }
    }
}

impl DeviceArg {
    fn table(&self, number: usize) -> Table {
        let mut device = table([
            ("id", text(format!("d{number}"))),
            ("bus", text("bus")),
            ("unit", Value::Integer(i64::from(self.unit))),
            ("instrument", text(&self.instrument)),
        ]);
        let point = |(quantity, unit): &(String, Option<String>)| {
            let mut point = table([("quantity", text(quantity))]);
            if let Some(unit) = unit {
                point.insert("unit".to_owned(), text(unit));
            }
            Value::Table(point)
        };
        match self.quantities.is_empty() {
            true => device.insert("points".to_owned(), text("all")),
            false => device.insert("point".to_owned(), Value::Array(self.quantities.iter().map(point).collect())),
        };
        device
    }
}

impl Wanted<'_> {
    /// The site file.
    ///
    /// # Errors
    /// When a value cannot stand in TOML.
    pub(super) fn text(&self) -> Result<String> {
        let [group, company, mine, facility] = &self.place.0;
        let names = table([("zh", text(self.names.0)), ("en", text(self.names.1))]);
        let mut uplink = table([("url", text(&self.uplink.url))]);
        if let Some(dir) = &self.uplink.identity {
            for (key, file) in [("ca_file", "ca.pem"), ("cert_file", "gateway.pem"), ("key_file", "gateway.key")] {
                uplink.insert(key.to_owned(), path(&dir.join(file)));
            }
        }
        let devices = self.devices.iter().enumerate().map(|(at, device)| Value::Table(device.table(at + 1)));
        let site = table([
            ("sensors", path(self.sensors)),
            ("gateway", Value::Table(table([("id", text(self.gateway))]))),
            (
                "site",
                Value::Table(table([
                    ("name", Value::Table(names)),
                    ("group", text(group)),
                    ("company", text(company)),
                    ("mine", text(mine)),
                    ("facility", text(facility)),
                ])),
            ),
            (
                "spool",
                Value::Table(table([
                    ("dir", path(&self.state.join("spool"))),
                    ("size_max_mb", Value::Integer(4_096)),
                    ("keep_acked_mb", Value::Integer(256)),
                    ("min_free_mb", Value::Integer(256)),
                ])),
            ),
            ("uplink", Value::Table(uplink)),
            ("http", Value::Table(table([("listen", text(self.listen))]))),
            ("bus", Value::Array(vec![Value::Table(self.bus.table())])),
            ("device", Value::Array(devices.collect())),
        ]);
        let head =
            "# Written by `gateway init`. Limits, sirens and cameras: see the README beside the instrument files.\n";
        Ok(format!("{head}{}", toml::to_string(&site)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_are_no_bus_device_or_place_are_refused() {
        for wrong in ["tcp", "tcp:host", "tcp:host:70000", "rtu:/dev/ttyS0:9600", "usb:1:2", "rtu:/dev/x:fast:none:1"] {
            assert!(bus(wrong).is_err(), "{wrong}");
        }
        for wrong in ["pond", "pond@", "pond@one", "pond@-1"] {
            assert!(device(wrong).is_err(), "{wrong}");
        }
        for wrong in ["a/b/c", "a/b/c/d/e", ""] {
            assert!(place(wrong).is_err(), "{wrong}");
        }
        let six = BusArg::Net { kind: "tcp", host: "fe80::1".to_owned(), port: 502 };
        assert_eq!(bus("tcp:[fe80::1]:502"), Ok(six));
    }
}
