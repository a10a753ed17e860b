//! Writes a site configuration and the instrument files it names.

use crate::process::free_port;
use crate::slave::COUNTERS_FROM;
use anyhow::Result;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// A site.
#[derive(Debug, Clone)]
pub struct Site {
    /// Gateway id.
    pub gateway: String,
    /// Registers per counter slave.
    pub registers: u16,
    /// The `[uplink]` table's lines.
    pub uplink: String,
    /// The `[spool]` table's lines, without its folder.
    pub spool: String,
    /// Folder of the spool; `<test>/<gateway>-spool` when absent.
    pub spool_dir: Option<PathBuf>,
    /// Port of the local page.
    pub http_port: u16,
    /// Further lines of `[http]`.
    pub http: String,
    /// Defaults, buses and devices.
    pub body: String,
    /// Instrument files: id and text.
    pub instruments: Vec<(String, String)>,
}

impl Site {
    /// A site without instruments.
    ///
    /// # Errors
    /// When there is no free port for the local page.
    pub fn empty(gateway: &str, broker_port: u16) -> Result<Site> {
        Ok(Site {
            gateway: gateway.to_owned(),
            registers: 0,
            uplink: format!("url = \"mqtt://127.0.0.1:{broker_port}\"\n"),
            spool: "size_max_mb = 512\nmin_free_mb = 16\n".to_owned(),
            spool_dir: None,
            http_port: free_port()?,
            http: String::new(),
            body: String::new(),
            instruments: Vec::new(),
        })
    }

    /// A site with one Modbus TCP bus and counter slave per port, polled each second.
    ///
    /// # Errors
    /// When there is no free port for the local page.
    pub fn of_counters(gateway: &str, slaves: &[u16], registers: u16, broker_port: u16) -> Result<Site> {
        let mut site = Site { registers, ..Site::empty(gateway, broker_port)? };
        site.instruments.push(("counters".to_owned(), counters(registers)));
        site.body.push_str("[defaults]\nperiod_ms = 1000\n\n");
        for (index, port) in slaves.iter().enumerate() {
            site.add_tcp_device(&Site::counter_device(index), *port, 1, "counters")?;
        }
        Ok(site)
    }

    /// Adds a Modbus TCP bus with one device, all its points included.
    ///
    /// # Errors
    /// Never in practice: writing to a text.
    pub fn add_tcp_device(&mut self, device: &str, port: u16, unit: u8, instrument: &str) -> Result<()> {
        write!(
            self.body,
            "[[bus]]\nid = \"{device}-bus\"\nkind = \"tcp\"\nhost = \"127.0.0.1\"\nport = {port}\n\
             connect_timeout_ms = 1000\n\n"
        )?;
        self.add_device(device, &format!("{device}-bus"), unit, instrument)
    }

    /// Adds a Modbus RTU bus with one device, all its points included.
    ///
    /// # Errors
    /// Never in practice: writing to a text.
    pub fn add_rtu_device(&mut self, device: &str, tty: &Path, unit: u8, instrument: &str) -> Result<()> {
        let tty = tty.display();
        write!(self.body, "[[bus]]\nid = \"{device}-bus\"\nkind = \"rtu\"\npath = \"{tty}\"\nbaud = 19200\n\n")?;
        self.add_device(device, &format!("{device}-bus"), unit, instrument)
    }

    fn add_device(&mut self, device: &str, bus: &str, unit: u8, instrument: &str) -> Result<()> {
        Ok(write!(
            self.body,
            "[[device]]\nid = \"{device}\"\nbus = \"{bus}\"\nunit = {unit}\ninstrument = \"{instrument}\"\n\
             timeout_ms = 800\npoints = \"all\"\n\n"
        )?)
    }

    /// Id of the n-th counter device.
    pub fn counter_device(index: usize) -> String {
        format!("dev-{index:02}")
    }

    /// Id of a counter's point.
    pub fn counter_point(index: usize, register: u16) -> String {
        format!("{}.c{:03}", Site::counter_device(index), register)
    }

    /// Writes `<folder>/<gateway>.toml` and the instrument files; returns the former.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn write(&self, folder: &Path) -> Result<PathBuf> {
        let Site { gateway, uplink, spool, http_port, http, body, .. } = self;
        let sensors = folder.join(format!("{gateway}-sensors"));
        fs::create_dir_all(&sensors)?;
        for (id, text) in &self.instruments {
            fs::write(sensors.join(format!("{id}.toml")), text)?;
        }
        let spool_dir = self.spool_dir.clone().unwrap_or_else(|| folder.join(format!("{gateway}-spool")));
        let text = format!(
            "sensors = \"{gateway}-sensors\"\n\n[gateway]\nid = \"{gateway}\"\n\n\
             [site]\nname = {{ zh = \"测试坝\", en = \"Test dam\" }}\n\
             group = \"group\"\ncompany = \"company\"\nmine = \"mine\"\nfacility = \"dam\"\n\n\
             [spool]\ndir = \"{}\"\n{spool}\n[uplink]\n{uplink}\n[http]\nlisten = \"127.0.0.1:{http_port}\"\n{http}\n{body}",
            spool_dir.display()
        );
        let path = folder.join(format!("{gateway}.toml"));
        fs::write(&path, text)?;
        Ok(path)
    }
}

/// An instrument of nothing but counters, `c003` upwards.
fn counters(registers: u16) -> String {
    let count = registers.saturating_sub(COUNTERS_FROM);
    let mut text = instrument_head("counters", "计数器", "Counters");
    for register in COUNTERS_FROM..COUNTERS_FROM + count {
        text.push_str(&quantity(&format!("c{register:03}"), register, "u16", "ABCD"));
    }
    text
}

/// The head of an instrument file.
pub fn instrument_head(id: &str, zh: &str, en: &str) -> String {
    format!(
        "id = \"{id}\"\nname = {{ zh = \"{zh}\", en = \"{en}\" }}\nsource = [\"made by the end-to-end tests\"]\n\
         verified = \"simulator\"\nfunction = \"holding\"\naddress_base = \"zero\"\n\n"
    )
}

/// One quantity of an instrument file.
pub fn quantity(id: &str, register: u16, value_type: &str, order: &str) -> String {
    format!(
        "[[quantity]]\nid = \"{id}\"\nname = {{ zh = \"{id}\", en = \"{id}\" }}\nregister = {register}\n\
         type = \"{value_type}\"\norder = \"{order}\"\nunit = \"1\"\n\n"
    )
}
