//! Finding and becoming the sibling program.

use anyhow::{Context, bail};
use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;

/// Name of the program that links GStreamer and ONNX Runtime.
const PROGRAM: &str = "gateway-vision";

/// Arguments passed on as they are.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Arguments of the vision program; `--help` shows them.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    rest: Vec<OsString>,
}

/// Path of the vision program: beside this one.
///
/// # Errors
/// When it is not installed.
pub fn program() -> anyhow::Result<PathBuf> {
    let here = std::env::current_exe().context("cannot tell where this program is")?;
    let path = here.with_file_name(PROGRAM);
    if !path.is_file() {
        bail!("{} is not installed; cameras need it, everything else works without", path.display());
    }
    Ok(path)
}

/// Becomes the vision program with the given subcommand; returns only when that fails.
///
/// # Errors
/// When the program is not installed or cannot be started.
pub fn exec(subcommand: &str, arguments: &Arguments) -> anyhow::Result<()> {
    let path = program()?;
    let error = std::process::Command::new(&path).arg(subcommand).args(&arguments.rest).exec();
    Err(error).with_context(|| format!("cannot start {}", path.display()))
}
