//! `aggregator`: run, check a configuration, or print the interface description.

use anyhow::Context;
use clap::{Parser, Subcommand};
use minewatch_aggregator::identity::command as identity;
use minewatch_aggregator::{api, audit, backup, broker, config::Config, feeds, hq, pack, procurement, risk, run};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(Debug, Parser)]
#[command(name = "aggregator", version, about = "Minewatch headquarters: store, topics, console")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run until told to stop (SIGTERM, SIGINT).
    Run {
        /// Settings, TOML; without it the embedded defaults.
        #[arg(long)]
        config: Option<PathBuf>,
        /// Print one JSON line with the ports in use once everything listens.
        #[arg(long)]
        print_ready: bool,
    },
    /// Check settings and show them without secrets.
    Check {
        /// Settings, TOML.
        #[arg(long)]
        config: Option<PathBuf>,
    },
    /// Check the audit trail: in the store, or in an export without any store.
    VerifyAudit {
        /// Settings, TOML; without it the embedded defaults.
        #[arg(long)]
        config: Option<PathBuf>,
        /// An export (JSON lines) instead of the store.
        #[arg(long)]
        export: Option<PathBuf>,
        /// A signed head, as kept beside the key or as MQTT carried it; by default the one beside the key.
        #[arg(long)]
        head: Option<PathBuf>,
        /// The public key the head must be signed with (base64).
        #[arg(long)]
        key: Option<String>,
    },
    /// Check an evidence pack (JSON, page or PDF) offline: its hash, its signature, its evidence.
    VerifyPack {
        /// The pack.
        file: PathBuf,
        /// The public key it must be signed with (base64), as its house gave it to you.
        #[arg(long)]
        key: Option<String>,
        /// A folder of evidence files to hold against the hashes of a JSON pack.
        #[arg(long)]
        evidence: Option<PathBuf>,
    },
    /// Copy the store while it runs, as it is at one moment, into a new folder.
    Backup(backup::Backup),
    /// Put a backup back into an empty store.
    Restore(backup::Restore),
    /// Check a backup: hash, readable to its end, counts.
    Verify {
        /// Folder of the backup.
        from: PathBuf,
    },
    /// Print the OpenAPI description.
    Openapi,
    /// Print the AsyncAPI description of the headquarters topics, or one of its JSON Schemas.
    Asyncapi {
        /// Name of a schema, for example alarm.state; `cloudevent` is the envelope.
        #[arg(long)]
        schema: Option<String>,
    },
    /// Certificates of gateways and of headquarters.
    #[command(subcommand)]
    Ca(identity::CaCommand),
    /// A one-time code by which a gateway gets its certificate.
    EnrolCode(identity::EnrolCode),
    /// Notification channels.
    Notify {
        #[command(subcommand)]
        what: NotifyCommand,
    },
    /// Procurement red flags over files, in batch.
    #[command(subcommand)]
    Procurement(procurement::Procurement),
    /// Business feeds: look at a document, read the quarantine again.
    #[command(subcommand)]
    Feed(feeds::Feed),
    /// Business rules: check them, run them on history.
    #[command(subcommand)]
    Rules(risk::command::Rules),
    /// The embedded broker's process; started by `run`.
    #[command(hide = true)]
    Broker {
        /// Address of the MQTT 5 listener.
        v5: SocketAddr,
        /// Address of the MQTT 3.1.1 listener.
        v4: SocketAddr,
    },
}

#[derive(Debug, Subcommand)]
enum NotifyCommand {
    /// Send one test message over a channel, past the store, and print what the receiver said.
    Test {
        /// Name of the channel in the settings.
        channel: String,
        /// Settings, TOML.
        #[arg(long)]
        config: PathBuf,
    },
}

fn load(file: Option<&PathBuf>) -> Result<Config, ExitCode> {
    Config::load(file.map(PathBuf::as_path)).map_err(|problems| {
        for problem in problems {
            eprintln!("{problem}");
        }
        ExitCode::from(2)
    })
}

/// Prints the report; anything found is a failure.
fn verify_audit(
    config: &Config,
    export: Option<PathBuf>,
    head: Option<PathBuf>,
    key: Option<&str>,
) -> anyhow::Result<()> {
    let kept = audit::head::head_file(&config.audit_key);
    let head = head.or_else(|| (export.is_none() && kept.exists()).then_some(kept));
    let report = audit::verify::offline(&config.store, export.as_deref(), head.as_deref(), key)?;
    println!("{}", serde_json::to_string_pretty(&report)?);
    match report.found {
        0 => Ok(()),
        found => anyhow::bail!("{found} findings: the audit trail is not as it was written"),
    }
}

/// Prints the report; anything found is a failure.
fn verify_pack(file: &Path, key: Option<&str>, evidence: Option<&Path>) -> anyhow::Result<()> {
    let report = pack::verify_file(file, key, evidence).with_context(|| file.display().to_string())?;
    println!("{}", serde_json::to_string_pretty(&report)?);
    match report.findings.len() {
        0 => Ok(()),
        found => anyhow::bail!("{found} findings: the pack is not as it was signed, or not what it should be"),
    }
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Run { config, print_ready } => match load(config.as_ref()) {
            Ok(config) => run::block_on(config, print_ready),
            Err(code) => return code,
        },
        Command::Check { config } => match load(config.as_ref()) {
            Ok(config) => {
                println!("{}", config.shown());
                Ok(())
            }
            Err(code) => return code,
        },
        Command::VerifyAudit { config, export, head, key } => match load(config.as_ref()) {
            Ok(config) => verify_audit(&config, export, head, key.as_deref()),
            Err(code) => return code,
        },
        Command::VerifyPack { file, key, evidence } => verify_pack(&file, key.as_deref(), evidence.as_deref()),
        Command::Broker { v5, v4 } => broker::child::serve(v5, v4),
        Command::Notify { what: NotifyCommand::Test { channel, config } } => match load(Some(&config)) {
            Ok(config) => run::notify_test(&config, &channel),
            Err(code) => return code,
        },
        Command::Backup(asked) => match load(Some(asked.config())) {
            Ok(config) => backup::backup(&asked, &config),
            Err(code) => return code,
        },
        Command::Restore(asked) => match load(Some(asked.config())) {
            Ok(config) => backup::restore(&asked, &config),
            Err(code) => return code,
        },
        Command::Verify { from } => backup::verify(&from),
        Command::Ca(command) => identity::run(command),
        Command::EnrolCode(asked) => identity::enrol_code(&asked),
        Command::Asyncapi { schema } => hq::print_contract(schema.as_deref()),
        Command::Feed(command) => return feeds::command(&command),
        Command::Procurement(command) => procurement::run(&command),
        Command::Rules(command) => risk::command::run(&command),
        Command::Openapi => {
            println!("{}", api::openapi());
            Ok(())
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("aggregator: {error:#}");
            ExitCode::FAILURE
        }
    }
}
