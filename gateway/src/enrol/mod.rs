//! How a gateway gets its certificate, and the next one before it ends.
//!
//! Invariant: the private key is made here and never leaves its file (mode 0600); a new key and
//! certificate replace the old ones only together, as one rename of a folder's link; whatever goes wrong
//! leaves the old ones in force. Asking again after a lost answer is free: the key is kept until it
//! has its certificate. Deliberately absent: the connection that uses them (`uplink`), which reads
//! the files at every connect.

mod ask;
mod files;
mod trust;

pub use files::{Identity, secret_file};

use anyhow::{Context, Result, ensure};
use clap::Args;
use files::Folder;
use std::path::{Path, PathBuf};
use trust::Trust;

/// Where a packaged gateway keeps its identity.
const DIR: &str = "/var/lib/minewatch-gateway/identity";

/// `gateway enrol`.
#[derive(Debug, Args)]
pub struct EnrolArgs {
    /// Headquarters, https://host:port.
    #[arg(long)]
    url: String,
    /// The one-time code; `-` reads it from standard input, so that it stands in no process list.
    #[arg(long)]
    code: String,
    /// SHA-256 of headquarters' authority, as `aggregator enrol-code` printed it.
    #[arg(long, required_unless_present = "ca_file")]
    ca_fingerprint: Option<String>,
    /// Headquarters' authority, PEM, instead of the fingerprint.
    #[arg(long, conflicts_with = "ca_fingerprint")]
    ca_file: Option<PathBuf>,
    /// Folder for key, certificate and authority.
    #[arg(long, default_value = DIR)]
    dir: PathBuf,
}

/// `gateway renew`.
#[derive(Debug, Args)]
pub struct RenewArgs {
    /// Folder of key, certificate and authority.
    #[arg(long, default_value = DIR)]
    dir: PathBuf,
    /// Renew now, however long the certificate is good.
    #[arg(long)]
    now: bool,
}

/// Gets the first certificate.
///
/// # Errors
/// When headquarters cannot be proved, refuses, or a file cannot be written.
pub async fn enrol(args: &EnrolArgs) -> Result<()> {
    let trust = match (&args.ca_fingerprint, &args.ca_file) {
        (Some(fingerprint), _) => Trust::Fingerprint(trust::fingerprint(fingerprint)?),
        (None, Some(file)) => Trust::Authority(std::fs::read(file).with_context(|| file.display().to_string())?),
        (None, None) => anyhow::bail!("give --ca-fingerprint or --ca-file: without it an impostor could enrol us"),
    };
    let identity = first(&args.url, &args.code, &trust, &args.dir).await?;
    println!("enrolled as {} until {}", identity.gateway, identity.ends);
    println!("in the site file:\n{}", Folder::open(&args.dir)?.uplink(&identity));
    Ok(())
}

/// Gets the first certificate into `dir`, from a headquarters whose authority has this SHA-256.
///
/// # Errors
/// As [`enrol`].
pub async fn obtain(url: &str, code: &str, ca_fingerprint: &str, dir: &Path) -> Result<Identity> {
    first(url, code, &Trust::Fingerprint(trust::fingerprint(ca_fingerprint)?), dir).await
}

/// A code of `-` is read from standard input.
async fn first(url: &str, code: &str, trust: &Trust, dir: &Path) -> Result<Identity> {
    let code = match code {
        "-" => std::io::read_to_string(std::io::stdin())?,
        code => code.to_owned(),
    };
    let folder = Folder::open(dir)?;
    let (key, request) = folder.pending_key()?;
    let body = serde_json::json!({ "code": code.trim(), "csr": request });
    let given = ask::ask(url, "/enrol/v1", trust, &body).await?;
    folder.take(&key, given, url)
}

/// Gets the next certificate when a third of the present one's time is left.
///
/// # Errors
/// As [`enrol`]; the present certificate stays in force.
pub async fn renew(args: &RenewArgs) -> Result<()> {
    let folder = Folder::open(&args.dir)?;
    let identity = folder.identity()?;
    let left = identity.ends_us.saturating_sub(crate::clock::wall().micros());
    if !args.now && left > identity.life_us / 3 {
        println!("{} is good until {}: nothing to do", identity.gateway, identity.ends);
        return Ok(());
    }
    ensure!(left > 0, "the certificate ended on {}; enrol again with a new code", identity.ends);
    let (key, request) = folder.pending_key()?;
    let signature = folder.sign_renewal(&identity, &request)?;
    let body = serde_json::json!({
        "gateway": identity.gateway, "serial": identity.serial, "csr": request, "signature": signature,
    });
    let trust = Trust::Authority(folder.authority()?);
    let given = ask::ask(&identity.url, "/enrol/v1/renew", &trust, &body).await?;
    ensure!(given.gateway == identity.gateway, "headquarters answered for {:?}; nothing was changed", given.gateway);
    let renewed = folder.take(&key, given, &identity.url)?;
    println!("{}: renewed until {}; used from the next connection on", renewed.gateway, renewed.ends);
    Ok(())
}
