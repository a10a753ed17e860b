//! `simulator-cameras`: RTSP cameras that need no camera.

mod film;
mod render;
mod scene;
mod server;
mod source;

use clap::{Parser, Subcommand};
use scene::{Disturbance, Scenario, Scene};
use std::path::PathBuf;
use std::process::ExitCode;

/// Simulated cameras: a drawn yard with people, or a file, over RTSP.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve cameras over RTSP; takes commands on standard input (`help` prints them).
    Serve(server::ServeArgs),
    /// Write a scene to a video file.
    Render(RenderArgs),
}

/// Arguments of `render`.
#[derive(Debug, clap::Args)]
pub(crate) struct RenderArgs {
    /// What happens.
    #[arg(long, value_enum, default_value = "demo")]
    scenario: Scenario,
    /// What disturbs.
    #[arg(long, value_enum, default_value = "none")]
    disturbance: Disturbance,
    /// Seed of noise.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Height of a person as a share of the picture's height.
    #[arg(long, default_value_t = 0.5)]
    person: f32,
    /// Length, seconds; the scenario's period when not given.
    #[arg(long)]
    seconds: Option<f32>,
    /// Pictures a second.
    #[arg(long, default_value_t = 15)]
    fps: u32,
    /// Width, pixels.
    #[arg(long, default_value_t = 640)]
    width: usize,
    /// Height, pixels.
    #[arg(long, default_value_t = 360)]
    height: usize,
    /// The file.
    out: PathBuf,
}

impl RenderArgs {
    fn scene(&self) -> Scene {
        let RenderArgs { scenario, disturbance, seed, person, .. } = *self;
        Scene { scenario, disturbance, seed, person }
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = gstreamer::init().map_err(|error| anyhow::anyhow!("GStreamer cannot be used: {error}"));
    let outcome = outcome.and_then(|()| match &arguments.command {
        Command::Serve(args) => server::serve(args),
        Command::Render(args) => render::render(args),
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("simulator-cameras: {error:#}");
            ExitCode::FAILURE
        }
    }
}
