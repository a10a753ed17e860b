//! `aggregator ca …` and `aggregator enrol-code`: identity at the command line of headquarters.
//!
//! Works beside a running aggregator: both meet in the store. Deliberately absent: anything a
//! gateway does.

use super::authority::{Authority, Ca, Role, Wanted, fingerprint, replace};
use super::{IdentityConfig, Registry};
use crate::clock;
use crate::config::Config;
use crate::people::{Actor, write_secret};
use crate::store::Store;
use anyhow::{Context, Result, ensure};
use clap::{Args, Subcommand};
use minewatch_domain::GatewayId;
use std::fmt::Write as _;
use std::path::PathBuf;

/// What to do with the authorities.
#[derive(Debug, Subcommand)]
pub enum CaCommand {
    /// Make both authorities in `identity.dir`; what is there is never overwritten.
    Init {
        /// Their common name begins with this.
        #[arg(long, default_value = "Minewatch")]
        label: String,
        /// Which headquarters.
        #[command(flatten)]
        at: Settings,
    },
    /// Make a key and its certificate, for a server, an aggregator, a reader, or a gateway without a network.
    Issue(Box<Issue>),
    /// Take back one certificate (serial number) or all of a name, and write the lists.
    Revoke {
        /// Serial number or name.
        of: String,
        /// Why; stands in the audit trail.
        #[arg(long)]
        reason: String,
        /// Which headquarters.
        #[command(flatten)]
        at: Settings,
    },
    /// Write the revocation lists.
    Crl {
        /// Which headquarters.
        #[command(flatten)]
        at: Settings,
    },
    /// Every certificate: serial number, role, name, end, revoked.
    List {
        /// Which headquarters.
        #[command(flatten)]
        at: Settings,
    },
    /// Print the rights of headquarters' accounts for Mosquitto, from the certificates in force.
    Acl {
        /// Which headquarters.
        #[command(flatten)]
        at: Settings,
    },
}

/// Which headquarters.
#[derive(Debug, Args)]
pub struct Settings {
    /// Settings, TOML, with a section [identity].
    #[arg(long)]
    config: PathBuf,
}

/// `ca issue`.
#[derive(Debug, Args)]
pub struct Issue {
    /// Common name: host, account or gateway id.
    name: String,
    /// What for.
    #[arg(long)]
    role: Role,
    /// Host name or address of a server, beside its name; may be given several times.
    #[arg(long)]
    host: Vec<String>,
    /// How long, days.
    #[arg(long, default_value_t = 365)]
    days: u32,
    /// Folder for NAME.key and NAME.pem.
    #[arg(long)]
    out: PathBuf,
    #[command(flatten)]
    at: Settings,
}

/// `enrol-code`.
#[derive(Debug, Args)]
pub struct EnrolCode {
    /// Gateway id.
    gateway: String,
    /// How long the code works.
    #[arg(long, default_value_t = 72, value_parser = clap::value_parser!(u32).range(1..=720))]
    hours: u32,
    #[command(flatten)]
    at: Settings,
}

impl Settings {
    fn load(&self) -> Result<(Config, IdentityConfig)> {
        let config = Config::load(Some(&self.config)).map_err(|problems| anyhow::anyhow!(problems.join("\n")))?;
        let identity = config.identity.clone().context("the settings have no section [identity]")?;
        Ok((config, identity))
    }
}

async fn registry(config: &Config) -> Result<(Store, Registry)> {
    let store = Store::open(&config.store).await.context("store")?;
    Ok((store.clone(), Registry::new(store)))
}

/// Runs a command of the authorities.
///
/// # Errors
/// What went wrong, with its place.
pub fn run(command: CaCommand) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        match command {
            CaCommand::Init { label, at } => init(&label, &at),
            CaCommand::Issue(issue) => make(&issue).await,
            CaCommand::Revoke { of, reason, at } => revoke(&of, &reason, &at).await,
            CaCommand::Crl { at } => {
                let (config, identity) = at.load()?;
                lists(&registry(&config).await?.1, &identity).await
            }
            CaCommand::List { at } => list(&at).await,
            CaCommand::Acl { at } => acl(&at).await,
        }
    })
}

fn init(label: &str, at: &Settings) -> Result<()> {
    let (_, identity) = at.load()?;
    for which in Authority::ALL {
        let ca = Ca::init(&identity.dir, which, label, clock::now())?;
        println!("{}: made; SHA-256 {}", which.name(), fingerprint(ca.pem())?);
    }
    println!("keep a copy of {} where this machine's fire cannot reach it", identity.dir.display());
    Ok(())
}

async fn make(issue: &Issue) -> Result<()> {
    let (config, identity) = issue.at.load()?;
    let hosts = match issue.role {
        Role::Server => [std::slice::from_ref(&issue.name), issue.host.as_slice()].concat(),
        Role::Gateway | Role::Service | Role::Reader => {
            ensure!(issue.host.is_empty(), "--host belongs to a server");
            GatewayId::parse(&issue.name).context("name")?;
            Vec::new()
        }
    };
    ensure!((1..=3_650).contains(&issue.days), "--days must be from 1 to 3650");
    let key_file = issue.out.join(format!("{}.key", issue.name));
    ensure!(!key_file.exists(), "{} is there already; nothing was changed", key_file.display());
    let ca = Ca::open(&identity.dir, issue.role.authority())?;
    let now = clock::now();
    let wanted = Wanted { name: &issue.name, role: issue.role, hosts: &hosts, from: now, days: issue.days };
    let (key, issued) = ca.issue(&wanted)?;
    let (_, registry) = registry(&config).await?;
    registry.record(&issue.name, issue.role, &issued, now).await?;
    write_secret(&key_file, key.as_bytes())?;
    // A server sends its authority too: a gateway that enrols knows only the fingerprint of that.
    let chain = match issue.role {
        Role::Server => format!("{}{}", issued.pem, ca.pem()),
        Role::Gateway | Role::Service | Role::Reader => issued.pem.clone(),
    };
    let file = issue.out.join(format!("{}.pem", issue.name));
    replace(&file, &chain).with_context(|| file.display().to_string())?;
    println!("{} {} {}: {}", issued.serial, issue.role.name(), issue.name, file.display());
    Ok(())
}

async fn lists(registry: &Registry, identity: &IdentityConfig) -> Result<()> {
    let now = clock::now();
    for which in Authority::ALL {
        let (ca, revoked) = (Ca::open(&identity.dir, which)?, registry.revoked(which, now).await?);
        ca.write_list(&revoked, now)?;
        println!("{}: {} revoked", ca.list_file().display(), revoked.len());
    }
    Ok(())
}

async fn revoke(of: &str, reason: &str, at: &Settings) -> Result<()> {
    let (config, identity) = at.load()?;
    let (_, registry) = registry(&config).await?;
    let done = registry.revoke(of, reason, clock::now()).await?;
    ensure!(done > 0, "nothing in force has the serial number or name {of:?}");
    println!("{of}: {done} revoked; the broker must read the list again (docs/security.md)");
    lists(&registry, &identity).await
}

async fn list(at: &Settings) -> Result<()> {
    let (config, _) = at.load()?;
    for one in registry(&config).await?.1.all().await? {
        let state = one.revoked.map_or_else(String::new, |at| format!(" revoked {}", clock::text(at)));
        println!("{} {:8} {} until {}{state}", one.serial, one.role, one.name, clock::text(one.ends));
    }
    Ok(())
}

/// The rights of the accounts at headquarters; gateways have one pattern on a listener of their own.
pub fn headquarters_acl(accounts: &[(String, String)]) -> String {
    let mut text = "# Written by `aggregator ca acl`: accounts at headquarters, from their certificates.\n".to_owned();
    for (name, role) in accounts {
        let rights = match role.as_str() {
            "service" => "topic readwrite minewatch/v1/#\ntopic readwrite spBv1.0/#\n",
            "reader" => "topic read minewatch/v1/hq/#\ntopic read spBv1.0/#\n",
            _ => continue,
        };
        let _ = write!(text, "\nuser {name}\n{rights}");
    }
    text
}

async fn acl(at: &Settings) -> Result<()> {
    let (config, _) = at.load()?;
    let now = clock::now();
    let mut accounts: Vec<(String, String)> = Vec::new();
    for one in registry(&config).await?.1.all().await? {
        let account = (one.name, one.role);
        if one.revoked.is_none() && one.ends > now && !accounts.contains(&account) {
            accounts.push(account);
        }
    }
    print!("{}", headquarters_acl(&accounts));
    Ok(())
}

/// Prints a code and what to type at the gateway.
///
/// # Errors
/// When the id is none, or the store does not answer.
pub fn enrol_code(asked: &EnrolCode) -> Result<()> {
    let gateway = GatewayId::parse(&asked.gateway).context("gateway id")?;
    let (config, identity) = asked.at.load()?;
    let ca = Ca::open(&identity.dir, Authority::Headquarters)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let code = runtime.block_on(async {
        let (_, registry) = registry(&config).await?;
        anyhow::Ok(registry.new_code(&gateway, asked.hours, &Actor::program(), clock::now()).await?)
    })?;
    let url = config.policy.public_url.clone().unwrap_or_else(|| "https://HEADQUARTERS:PORT".to_owned());
    println!("{code}");
    eprintln!("for {gateway}, once, within {} hours. At the gateway:", asked.hours);
    eprintln!("  gateway enrol --url {url} --code {code} --ca-fingerprint {}", fingerprint(ca.pem())?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readers_only_read_and_gateways_have_no_account_at_headquarters() {
        let role = |name: &str, role: &str| (name.to_owned(), role.to_owned());
        let text = headquarters_acl(&[role("gw-1", "gateway"), role("hq", "service"), role("lake", "reader")]);
        assert!(!text.contains("gw-1"), "{text}");
        assert!(text.contains("user hq\ntopic readwrite minewatch/v1/#"), "{text}");
        let reader = text.split("user lake").nth(1).expect("a block");
        assert!(reader.contains("topic read minewatch/v1/hq/#") && !reader.contains("write"), "{reader}");
    }
}
