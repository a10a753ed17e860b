//! From the texts of a site's files to a [`SiteConfig`]; pure.
//!
//! Invariant: every problem of every file is reported at once. Deliberately absent: reading files
//! (`load.rs`).

use super::build_bus::{buses, sirens};
use super::build_camera::cameras;
use super::build_device::devices;
use super::check;
use super::problem::{Problem, Problems};
use super::site::{ClientIdentity, ConfigHash, Login, SiteConfig, SpoolConfig, UplinkConfig};
use super::table::Table;
use crate::instrument::RegisterMap;
use minewatch_dam::dam_file::DamFile;
use minewatch_domain::{GatewayId, Location, SitePath};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where the instrument files are when the site file does not say, relative to it.
pub(super) const SENSORS_DIR_DEFAULT: &str = "../sensors";
/// Port of the local page when the site file does not say.
const HTTP_PORT_DEFAULT: u16 = 8_081;

/// The texts a site is built from.
#[derive(Debug, Clone, Default)]
pub struct Texts {
    /// Name of the site file, for problems.
    pub site_name: String,
    /// Folder against which paths in the site file are resolved.
    pub dir: PathBuf,
    /// The site file.
    pub site: String,
    /// Instrument files by id (file name without `.toml`).
    pub instruments: BTreeMap<String, String>,
    /// Ids of every instrument file there is, to suggest one for a mistyped name.
    pub available: BTreeSet<String>,
    /// Point lists by the path the site file names them with.
    pub imports: BTreeMap<String, String>,
    /// The dam file, where the site file names one.
    pub dam: Option<String>,
    /// Camera profiles by id (file name without `.toml`).
    pub profiles: BTreeMap<String, String>,
}

/// Builds a site from texts.
///
/// # Errors
/// Every problem at once.
pub fn build(texts: &Texts) -> Result<SiteConfig, Vec<Problem>> {
    let problems = Problems::default();
    let maps = instruments(texts, &problems);
    let site = Table::parse(&texts.site_name, &texts.site, &problems).and_then(|table| read(table, texts, &maps));
    if let Some(site) = &site {
        check::check(&texts.site_name, site, &problems);
    }
    problems.or(site)
}

/// Parses every instrument file; `None` marks one whose problems are already reported.
fn instruments(texts: &Texts, problems: &Problems) -> BTreeMap<String, Option<Arc<RegisterMap>>> {
    let mut maps = BTreeMap::new();
    for (id, text) in &texts.instruments {
        let map = match RegisterMap::parse(&format!("{id}.toml"), text) {
            Ok(map) => Some(Arc::new(map)),
            Err(found) => {
                problems.extend(found);
                None
            }
        };
        maps.insert(id.clone(), map);
    }
    maps
}

fn read(mut table: Table<'_>, texts: &Texts, maps: &BTreeMap<String, Option<Arc<RegisterMap>>>) -> Option<SiteConfig> {
    table.text_opt("sensors"); // used by `load`
    let dam = dam(&mut table, texts);
    let gateway = table.table("gateway").and_then(|mut gateway| {
        let id = gateway.parsed("id", GatewayId::parse);
        gateway.finish();
        id
    });
    let (name, path, location) = match table.table("site") {
        Some(mut site) => {
            let found = (site.names("name"), path(&mut site), location(&mut site));
            site.finish();
            found
        }
        None => Default::default(),
    };
    let spool = table.table("spool").and_then(|t| spool(t, &texts.dir));
    let uplink = table.table("uplink").and_then(|t| uplink(t, &texts.dir));
    let http = match table.table_opt("http") {
        Some(http) => listen(http, &texts.dir),
        None => Some((SocketAddr::from((Ipv4Addr::LOCALHOST, HTTP_PORT_DEFAULT)), None)),
    };
    let buses = buses(&mut table);
    let built = devices(&mut table, &buses, maps, texts);
    let sirens = sirens(&mut table, &buses);
    let cameras = cameras(&mut table, texts);
    table.finish();
    Some(SiteConfig {
        gateway: gateway?,
        name,
        path: path?,
        location,
        spool: spool?,
        uplink: uplink?,
        http_listen: http.as_ref()?.0,
        http_users: http?.1,
        buses,
        devices: built.devices,
        points: built.points,
        polls: built.polls,
        sirens,
        dam,
        cameras,
        hash: hash(texts),
    })
}

/// The dam file the site file names with `dam`.
fn dam(table: &mut Table<'_>, texts: &Texts) -> Option<Arc<DamFile>> {
    let name = table.text_opt("dam")?;
    // Where `load` could not read it, it has said so.
    match DamFile::parse(&name, texts.dam.as_ref()?) {
        Ok(file) => Some(Arc::new(file)),
        Err(found) => {
            found.into_iter().for_each(|problem| table.problem(format!("dam: {problem}")));
            None
        }
    }
}

/// `location = { longitude = …, latitude = … }`, WGS 84 or CGCS 2000, degrees.
fn location(site: &mut Table<'_>) -> Option<Location> {
    let mut table = site.table_opt("location")?;
    let (longitude, latitude) = (table.number("longitude"), table.number("latitude"));
    let found = Location::new(longitude?, latitude?);
    if found.is_none() {
        table.problem("longitude must be -180 to 180 and latitude -90 to 90, in degrees (WGS 84 or CGCS 2000)");
    }
    table.finish();
    found
}

fn path(site: &mut Table<'_>) -> Option<SitePath> {
    let (group, company, mine, facility) =
        (site.slug("group"), site.slug("company"), site.slug("mine"), site.slug("facility"));
    Some(SitePath { group: group?, company: company?, mine: mine?, facility: facility? })
}

fn spool(mut table: Table<'_>, dir: &Path) -> Option<SpoolConfig> {
    let folder = table.text("dir");
    let size_max_mb = table.int_opt("size_max_mb", 16..=1_000_000).unwrap_or(4_096);
    let keep_acked_mb = table.int_opt("keep_acked_mb", 0..=1_000_000).unwrap_or(size_max_mb / 8);
    let min_free_mb = table.int_opt("min_free_mb", 0..=1_000_000).unwrap_or(512);
    if keep_acked_mb >= size_max_mb {
        table.problem(format!(
            "keep_acked_mb is {keep_acked_mb} but must be below size_max_mb ({size_max_mb}); records not yet acknowledged need room"
        ));
    }
    table.finish();
    Some(SpoolConfig { dir: dir.join(folder?), size_max_mb, keep_acked_mb, min_free_mb })
}

fn uplink(mut table: Table<'_>, dir: &Path) -> Option<UplinkConfig> {
    if table.has("password") {
        table.text_opt("password");
        table.problem("password must not stand in a configuration; put it in a file and name it with password_file");
    }
    let url = table.parsed("url", broker_url);
    let file = |text: Option<String>| text.map(|text| dir.join(text));
    let ca_file = file(table.text_opt("ca_file"));
    let (cert_file, key_file) = (file(table.text_opt("cert_file")), file(table.text_opt("key_file")));
    let (username, password_file) = (table.text_opt("username"), file(table.text_opt("password_file")));
    let identity = match (cert_file, key_file) {
        (Some(cert_file), Some(key_file)) => Some(ClientIdentity { cert_file, key_file }),
        (None, None) => None,
        (Some(_), None) | (None, Some(_)) => {
            table.problem("cert_file and key_file belong together; give both or neither");
            None
        }
    };
    let login = match (username, password_file) {
        (Some(username), Some(password_file)) => Some(Login { username, password_file }),
        (None, None) => None,
        (Some(_), None) | (None, Some(_)) => {
            table.problem("username and password_file belong together; give both or neither");
            None
        }
    };
    if let Some((_, _, tls)) = &url {
        if *tls && ca_file.is_none() {
            table.problem(
                "url says mqtts but ca_file is missing; without it the broker cannot be told from an impostor",
            );
        }
        if !tls && (ca_file.is_some() || identity.is_some()) {
            table.problem("ca_file, cert_file and key_file have no effect with mqtt://; write mqtts:// or remove them");
        }
    }
    table.finish();
    let (host, port, tls) = url?;
    Some(UplinkConfig { host, port, tls, ca_file, identity, login })
}

/// Host, port and whether TLS is wanted, of `mqtt://host[:port]` or `mqtts://host[:port]`.
fn broker_url(url: &str) -> Result<(String, u16, bool), String> {
    let (tls, rest) = match url.split_once("://") {
        Some(("mqtt", rest)) => (false, rest),
        Some(("mqtts", rest)) => (true, rest),
        Some(_) | None => return Err(format!("{url:?} must start with mqtt:// or mqtts://")),
    };
    let rest = rest.trim_end_matches('/');
    if rest.contains('@') {
        return Err("the URL must not hold a user name or password; use username and password_file".into());
    }
    if rest.contains(['/', '?', '#']) {
        return Err(format!("{url:?} must end after the port"));
    }
    let (host, port) = host_port(rest, if tls { 8_883 } else { 1_883 })?;
    Ok((host, port, tls))
}

fn host_port(text: &str, default: u16) -> Result<(String, u16), String> {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => (
            host,
            port.parse::<u16>()
                .ok()
                .filter(|p| *p > 0)
                .ok_or_else(|| format!("port {port:?} is not from 1 to 65535"))?,
        ),
        Some(_) | None => (text, default),
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    if host.is_empty() || host.contains(char::is_whitespace) {
        return Err(format!("{text:?} has no host"));
    }
    Ok((host.to_owned(), port))
}

/// Where the local page listens, and the file of people who may act at it.
fn listen(mut table: Table<'_>, dir: &Path) -> Option<(SocketAddr, Option<PathBuf>)> {
    let remote = table.flag_or("allow_remote", false);
    let users = table.text_opt("users_file").map(|file| dir.join(file));
    let listen = table.parsed("listen", |text| {
        text.parse::<SocketAddr>().map_err(|_| format!("{text:?} is not an address and port such as 127.0.0.1:8081"))
    });
    if let Some(address) = listen
        && !address.ip().is_loopback()
        && !remote
    {
        table.problem(format!(
            "listen {address} can be reached from other machines; set allow_remote = true if that network is trusted"
        ));
    }
    table.finish();
    Some((listen?, users))
}

/// SHA-256 over every text with its name, each preceded by its length.
fn hash(texts: &Texts) -> ConfigHash {
    let mut sha = Sha256::new();
    let mut add = |name: &str, text: &str| {
        for part in [name, text] {
            sha.update((part.len() as u64).to_be_bytes());
            sha.update(part.as_bytes());
        }
    };
    add("site", &texts.site);
    texts.instruments.iter().for_each(|(name, text)| add(name, text));
    texts.imports.iter().for_each(|(name, text)| add(name, text));
    texts.dam.iter().for_each(|text| add("dam", text));
    texts.profiles.iter().for_each(|(name, text)| add(name, text));
    ConfigHash(sha.finalize().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broker_url_holds_a_host_and_a_port_and_never_a_secret() {
        assert_eq!(broker_url("mqtt://127.0.0.1:18830"), Ok(("127.0.0.1".into(), 18_830, false)));
        assert_eq!(broker_url("mqtts://hq.example.com"), Ok(("hq.example.com".into(), 8_883, true)));
        assert_eq!(broker_url("mqtt://[::1]:1"), Ok(("::1".into(), 1, false)));
        for bad in ["", "http://x", "mqtt://", "mqtt://a:b@x", "mqtt://x:0", "mqtt://x/y", "mqtt://x:70000"] {
            assert!(broker_url(bad).is_err(), "{bad:?} must be refused");
        }
    }
}
