//! `gateway-vision`: started by `gateway run` (as `vision`) and by `gateway watch`.

use clap::{Parser, Subcommand};
use minewatch_vision::{control, watch};
use std::process::ExitCode;

/// Minewatch cameras.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Watch the cameras of a running gateway; talks to it over standard input.
    Vision,
    /// Watch one file or stream and print events.
    Watch(Box<watch::WatchArgs>),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info,ort=warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let outcome = gstreamer::init().map_err(|error| anyhow::anyhow!("GStreamer cannot be used: {error}"));
    let outcome = outcome.and_then(|()| match &arguments.command {
        Command::Vision => control::run(),
        Command::Watch(args) => watch::watch(args),
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("gateway-vision: {error:#}");
            ExitCode::FAILURE
        }
    }
}
