//! `gateway`: the site program. Subcommands parse their arguments and call the library.

use anyhow::Context;
use clap::{Parser, Subcommand};
use minewatch_gateway::qualify::Moment;
use minewatch_gateway::site::{AlarmBook, Site};
use minewatch_gateway::{clock, config, decode, enrol, evaluate, init, people, probe, replay, run, vision};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

/// Minewatch site gateway.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
    /// Logs as JSON lines.
    #[arg(long, global = true)]
    log_json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a site.
    Run {
        /// Site file.
        site: PathBuf,
        /// Print one JSON line with the chosen ports when ready.
        #[arg(long)]
        print_ready: bool,
    },
    /// Check a site file and the instrument files it names; prints every problem at once.
    Check {
        /// Site file.
        site: PathBuf,
    },
    /// Add a person who may act at the local page, or change the password (read from standard input).
    LocalUser {
        /// Site file; its `[http]` section names the file of people.
        #[arg(long)]
        site: PathBuf,
        /// Login name.
        name: String,
        /// Take the person away instead.
        #[arg(long)]
        remove: bool,
    },
    /// Read a device with every type and byte order side by side, for commissioning.
    Probe(Box<probe::ProbeArgs>),
    /// Print a wire message as JSON.
    Decode(decode::DecodeArgs),
    /// Watch a video file or stream for falls and print events; needs the vision program.
    #[command(disable_help_flag = true)]
    Watch(vision::Arguments),
    /// The vision process: started by `run` for a site with cameras.
    #[command(hide = true, disable_help_flag = true)]
    Vision(vision::Arguments),
    /// Get this gateway's certificate from headquarters with a one-time code.
    Enrol(enrol::EnrolArgs),
    /// Write a first site file, enrolled and checked, from one command; headquarters' first-run page composes it.
    Init(Box<init::InitArgs>),
    /// Get the next certificate when a third of the present one's time is left.
    Renew(enrol::RenewArgs),
    /// Run the dam model's forecasts on measured series.
    #[command(subcommand)]
    Evaluate(Box<evaluate::Evaluate>),
    /// Run a history through a version of a dam file, and say what was missed, false and how early.
    Replay(replay::ReplayArgs),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    log_to_stderr(arguments.log_json);
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        tracing::warn!("a crypto provider was installed before");
    }
    let outcome = match arguments.command {
        Command::Check { site } => return check(&site),
        Command::LocalUser { site, name, remove } => local_user(&site, &name, remove),
        Command::Decode(args) => decode::print(&args),
        Command::Watch(args) => vision::exec("watch", &args),
        Command::Vision(args) => vision::exec("vision", &args),
        Command::Evaluate(what) => return evaluate::run(&what),
        Command::Replay(args) => return replay::run(&args),
        Command::Run { site, print_ready } => block_on(run::run(&site, print_ready)),
        Command::Enrol(args) => block_on(enrol::enrol(&args)),
        Command::Init(args) => block_on(init::init(&args)),
        Command::Renew(args) => block_on(enrol::renew(&args)),
        Command::Probe(args) => block_on(probe::probe(*args)),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("gateway: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Changes the file of people that a site file names.
fn local_user(site: &Path, name: &str, remove: bool) -> anyhow::Result<()> {
    let config = config::load(site).map_err(|problems| {
        let texts: Vec<String> = problems.iter().map(ToString::to_string).collect();
        anyhow::anyhow!("{}: {}", site.display(), texts.join("; "))
    })?;
    let file = config.http_users.with_context(|| format!("{}: [http] has no users_file", site.display()))?;
    let done = match remove {
        true => people::remove(&file, name),
        false => {
            eprintln!("password of {name} (one line):");
            let mut line = String::new();
            std::io::stdin().read_line(&mut line).context("no password")?;
            people::set(&file, name, line.trim_end_matches(['\r', '\n']))
        }
    };
    done.map_err(anyhow::Error::msg)?;
    println!("{}: {name} {}", file.display(), if remove { "removed" } else { "set" });
    Ok(())
}

/// One thread: the work is waiting, and every hand-over between threads costs more than the work
/// itself. The disk has its own thread (the spool).
fn block_on(work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work)
}

fn log_to_stderr(json: bool) {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    if json { builder.json().init() } else { builder.init() }
}

fn check(site: &Path) -> ExitCode {
    let loaded = config::load(site).map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>());
    let runnable = loaded.and_then(|config| {
        let now = Moment::new(clock::wall(), clock::mono_ms());
        let config = Arc::new(config);
        Site::new(Arc::clone(&config), AlarmBook::default(), now).map(|_| config)
    });
    match runnable {
        Ok(config) => {
            if let Some(dam) = &config.dam {
                let rules: usize = dam.items.iter().map(|item| item.rules.len()).sum();
                println!(
                    "dam {} (revision {}): {} items, {} rules, {} computed points, {} hazards, {} action plans",
                    dam.dam.id,
                    dam.version,
                    dam.items.len(),
                    rules,
                    dam.derived.len(),
                    dam.hazards.len(),
                    dam.tarps.len()
                );
            }
            println!(
                "{}: ok: gateway {}, {} buses, {} devices, {} points, {} sirens, configuration {}",
                site.display(),
                config.gateway,
                config.buses.len(),
                config.devices.len(),
                config.points.len(),
                config.sirens.len(),
                config.hash.hex()
            );
            ExitCode::SUCCESS
        }
        Err(problems) => {
            for problem in &problems {
                println!("{problem}");
            }
            println!("{}: {} problem(s)", site.display(), problems.len());
            ExitCode::from(2)
        }
    }
}
