//! `simulator`: see `simulator --help` and the crate's README.

use anyhow::Context;
use clap::Parser;
use minewatch_simulators::cli::{Cli, Command, WorldCommand};
use minewatch_simulators::{business, load, run, scenario};
use std::io::Write;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

fn print(value: &impl serde::Serialize) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", serde_json::to_string(value)?)?;
    out.flush()?;
    Ok(())
}

/// Cancels on Ctrl-C or SIGTERM.
fn stop_on_signal() -> anyhow::Result<CancellationToken> {
    let stop = CancellationToken::new();
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let token = stop.clone();
    tokio::spawn(async move {
        tokio::select! { _ = interrupt.recv() => {} _ = terminate.recv() => {} }
        token.cancel();
    });
    Ok(stop)
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "info".into());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    match Cli::parse().command {
        Command::Run(args) => {
            let stop = stop_on_signal()?;
            let simulator = run::Simulator::bind(&args).await?;
            print(&simulator.ready)?;
            simulator.run(stop).await
        }
        Command::Link(args) => {
            let answer: serde_json::Value = serde_json::from_str(&run::switch_link(&args).await?).context("answer")?;
            print(&answer)
        }
        Command::Business(args) => print(&business::write(&args)?),
        Command::World(WorldCommand::Export(args)) => print(&scenario::export::export(&args)?),
        Command::Load(args) => {
            let stop = stop_on_signal()?;
            print(&load::run(args, stop).await?)
        }
    }
}
