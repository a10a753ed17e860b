//! `gateway init`: a first site file from one command, as the console's first-run page writes it.
//!
//! Invariant: a site file that is there is never touched; the code is spent only on a site that
//! `gateway check` takes; the file appears whole or not at all. Deliberately absent: limits, sirens,
//! cameras and dams, which a person decides on afterwards.

mod compose;

use crate::{config, enrol};
use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use compose::{BusArg, DeviceArg, Place, Uplink, Wanted};
use minewatch_domain::GatewayId;
use std::fs;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Devices of one command; a larger site is written by hand or as a point list.
const DEVICES_MAX: usize = 32;

/// `gateway init`.
#[derive(Debug, Args)]
pub struct InitArgs {
    /// Gateway id, as headquarters will know it.
    #[arg(long, value_parser = GatewayId::parse)]
    gateway: GatewayId,
    /// Name of the site in Chinese.
    #[arg(long)]
    name_zh: String,
    /// Name of the site in English.
    #[arg(long)]
    name_en: String,
    /// group/company/mine/facility.
    #[arg(long, value_parser = compose::place)]
    place: Place,
    /// The bus: tcp:HOST:PORT, rtu_over_tcp:HOST:PORT or rtu:PATH:BAUD:PARITY:STOP_BITS (none, even, odd).
    #[arg(long, value_parser = compose::bus)]
    bus: BusArg,
    /// An instrument on it: INSTRUMENT@UNIT for all its quantities, INSTRUMENT@UNIT:QUANTITY=UNIT,… for some;
    /// may be given again.
    #[arg(long, value_parser = compose::device, required = true)]
    device: Vec<DeviceArg>,
    /// Headquarters, https://host:port; with --code and --ca-fingerprint.
    #[arg(long, requires_all = ["code", "ca_fingerprint"], required_unless_present = "broker")]
    enrol: Option<String>,
    /// The one-time code; `-` reads it from standard input.
    #[arg(long, requires = "enrol")]
    code: Option<String>,
    /// SHA-256 of headquarters' authority.
    #[arg(long, requires = "enrol")]
    ca_fingerprint: Option<String>,
    /// The broker of a headquarters that gives no certificates.
    #[arg(long, conflicts_with = "enrol")]
    broker: Option<String>,
    /// The site file to write.
    #[arg(long, default_value = "/etc/minewatch-gateway/site.toml")]
    site: PathBuf,
    /// Folder for the ledger and the identity.
    #[arg(long, default_value = "/var/lib/minewatch-gateway")]
    state: PathBuf,
    /// Folder of the instrument files; `sensors` beside the site file when absent.
    #[arg(long)]
    sensors: Option<PathBuf>,
    /// Where the site's own page listens.
    #[arg(long, default_value = "127.0.0.1:8081")]
    listen: std::net::SocketAddr,
}

/// Composes, checks, enrols and writes.
///
/// # Errors
/// Every problem of the site at once; why headquarters refuses; which file cannot be written.
pub async fn init(args: &InitArgs) -> Result<()> {
    ensure!(!args.site.exists(), "{} is there already; nothing was changed", args.site.display());
    ensure!(args.device.len() <= DEVICES_MAX, "{} devices; one command takes {DEVICES_MAX}", args.device.len());
    let folder = args.site.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    fs::create_dir_all(&args.state).with_context(|| args.state.display().to_string())?;
    let state = args.state.canonicalize()?;
    let sensors = match &args.sensors {
        Some(given) => given.canonicalize().with_context(|| given.display().to_string())?,
        None => folder.canonicalize()?.join("sensors"),
    };
    ensure!(sensors.is_dir(), "{} is no folder of instrument files; name it with --sensors", sensors.display());
    let wanted = |uplink: Uplink| Wanted {
        gateway: args.gateway.as_str(),
        names: (&args.name_zh, &args.name_en),
        place: &args.place,
        bus: &args.bus,
        devices: &args.device,
        sensors: &sensors,
        state: &state,
        listen: args.listen,
        uplink,
    };
    // A site that cannot run must not cost a code.
    let current = state.join("identity").join("current");
    let trial = match &args.broker {
        Some(broker) => Uplink::plain(broker),
        None => Uplink { url: "mqtts://headquarters:8883".to_owned(), identity: Some(current.clone()) },
    };
    check(&args.site, &wanted(trial).text()?, false)?;
    let uplink = match (&args.enrol, &args.code, &args.ca_fingerprint, &args.broker) {
        (Some(url), Some(code), Some(fingerprint), _) => {
            let dir = state.join("identity");
            let identity = enrol::obtain(url, code, fingerprint, &dir).await?;
            give(&dir, &state)?;
            ensure!(
                identity.gateway == args.gateway.as_str(),
                "the code is for {}, not for {}; no site file was written",
                identity.gateway,
                args.gateway
            );
            println!("enrolled as {} until {}", identity.gateway, identity.ends);
            Uplink { url: identity.broker_url, identity: Some(current) }
        }
        (_, _, _, Some(broker)) => Uplink::plain(broker),
        _ => bail!("give --enrol with --code and --ca-fingerprint, or --broker"),
    };
    check(&args.site, &wanted(uplink).text()?, true)?;
    println!("{} is written and checked. Start: systemctl start minewatch-gateway", args.site.display());
    println!("(or, without the service: minewatch-gateway run {})", args.site.display());
    Ok(())
}

/// Loads the text as the site file it would be; keeps it when told to and nothing is wrong.
fn check(site: &Path, text: &str, keep: bool) -> Result<()> {
    let trial = site.with_extension("toml.new");
    let _ = fs::remove_file(&trial);
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o640)
        .open(&trial)
        .with_context(|| trial.display().to_string())?;
    std::io::Write::write_all(&mut file, text.as_bytes())?;
    file.sync_all()?;
    let loaded = config::load(&trial);
    let outcome = match loaded {
        Err(problems) => {
            let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
            Err(anyhow::anyhow!("the site would not run:\n{}", lines.join("\n")))
        }
        Ok(_) if !keep => Ok(()),
        // A link fails where the name is taken: nobody's file is replaced.
        Ok(_) => readable(&trial, site)
            .and_then(|()| fs::hard_link(&trial, site).with_context(|| site.display().to_string())),
    };
    fs::remove_file(&trial)?;
    outcome
}

/// The service reads the file through its folder's group.
fn readable(file: &Path, site: &Path) -> Result<()> {
    let folder = site.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let (owner, group) = (fs::metadata(file)?.uid(), fs::metadata(folder)?.gid());
    if owner == 0 {
        std::os::unix::fs::chown(file, None, Some(group)).with_context(|| file.display().to_string())?;
    }
    Ok(())
}

/// Run by root, the identity goes to whoever owns the state: the service's account.
fn give(dir: &Path, state: &Path) -> Result<()> {
    let (made, wanted) = (fs::metadata(dir)?, fs::metadata(state)?);
    if made.uid() != 0 || wanted.uid() == 0 {
        return Ok(());
    }
    let mut waiting = vec![dir.to_path_buf()];
    while let Some(path) = waiting.pop() {
        std::os::unix::fs::lchown(&path, Some(wanted.uid()), Some(wanted.gid()))
            .with_context(|| path.display().to_string())?;
        if fs::symlink_metadata(&path)?.is_dir() {
            waiting.extend(fs::read_dir(&path)?.filter_map(|entry| Some(entry.ok()?.path())));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        init: InitArgs,
    }

    fn line(folder: &Path, more: &[&str]) -> InitArgs {
        let sensors = concat!(env!("CARGO_MANIFEST_DIR"), "/../firmware-configs/sensors");
        let (site, state) = (folder.join("site.toml"), folder.join("state"));
        let fixed = ["init", "--gateway", "gw-1", "--name-zh", "一号\"库", "--name-en", "Pond 1", "--sensors", sensors];
        let paths = ["--site", site.to_str().expect("path"), "--state", state.to_str().expect("path")];
        Line::try_parse_from(fixed.iter().chain(&paths).chain(more)).unwrap_or_else(|e| panic!("{e}")).init
    }

    const PLACE: [&str; 4] = ["--place", "group/company/mine/pond-1", "--broker", "mqtt://127.0.0.1:1883"];

    #[tokio::test]
    async fn one_command_makes_a_site_that_runs_and_never_a_second_one() {
        let dir = tempfile::tempdir().expect("folder");
        let more = ["--bus", "tcp:127.0.0.1:15020", "--device", "sim-dam-pond@1", "--device", "vegapuls-60@7:pv=m"];
        let args = line(dir.path(), &[&PLACE[..], &more].concat());
        init(&args).await.expect("written");
        let site = config::load(&dir.path().join("site.toml")).expect("a site");
        let points: Vec<&str> = site.points.iter().map(|point| point.id.as_str()).collect();
        assert_eq!(points, ["d1.level", "d1.freeboard", "d1.beach", "d2.pv"]);
        assert_eq!((site.gateway.as_str(), site.name.zh.as_str()), ("gw-1", "一号\"库"));
        let before = fs::read(dir.path().join("site.toml")).expect("file");
        let refused = init(&args).await.expect_err("a second time").to_string();
        assert!(refused.contains("nothing was changed"), "{refused}");
        assert_eq!(fs::read(dir.path().join("site.toml")).expect("file"), before);
    }

    #[tokio::test]
    async fn a_site_that_cannot_run_is_refused_with_every_problem_and_leaves_nothing() {
        let dir = tempfile::tempdir().expect("folder");
        let more = ["--bus", "rtu:/dev/ttyS1:9600:none:1", "--device", "sim-dam-pont@1", "--device", "keller-30x@300"];
        let refused = init(&line(dir.path(), &[&PLACE[..], &more].concat())).await.expect_err("refused").to_string();
        assert!(refused.contains("did you mean \"sim-dam-pond\"") && refused.contains("300"), "{refused}");
        let left: Vec<_> = fs::read_dir(dir.path()).expect("list").filter_map(|e| Some(e.ok()?.file_name())).collect();
        assert_eq!(left, ["state"], "only the empty state folder");
    }
}
