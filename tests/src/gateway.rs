//! Starts the real gateway on a site, and starts it again on the same spool.

use crate::process::{Program, binary};
use crate::site::Site;
use anyhow::{Result, ensure};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A running gateway.
#[derive(Debug)]
pub struct Gateway {
    folder: PathBuf,
    name: String,
    config: PathBuf,
    program: Program,
}

impl Gateway {
    /// Writes the site's files and starts a gateway on them. It need not reach anybody.
    ///
    /// # Errors
    /// When the files cannot be written or the program is missing.
    pub fn start(folder: &Path, site: &Site) -> Result<Gateway> {
        let config = site.write(folder)?;
        let name = site.gateway.clone();
        let program = launch(folder, &name, &config)?;
        Ok(Gateway { folder: folder.to_path_buf(), name, config, program })
    }

    /// Adds a person who may act at the local page of a site, with the program's own command.
    ///
    /// # Errors
    /// When it is refused.
    pub fn local_user(config: &Path, name: &str, password: &str) -> Result<()> {
        let mut command = Command::new(binary("gateway")?);
        command.arg("local-user").arg("--site").arg(config).arg(name).stdin(Stdio::piped()).stdout(Stdio::null());
        let mut child = command.spawn()?;
        if let Some(mut input) = child.stdin.take() {
            writeln!(input, "{password}")?;
        }
        ensure!(child.wait()?.success(), "local-user {name} was refused");
        Ok(())
    }

    /// The process.
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// Starts it again with the same configuration.
    ///
    /// # Errors
    /// When the program is missing.
    pub fn restart(&mut self) -> Result<()> {
        self.program = launch(&self.folder, &self.name, &self.config)?;
        Ok(())
    }
}

fn launch(folder: &Path, name: &str, config: &Path) -> Result<Program> {
    let mut command = Command::new(binary("gateway")?);
    command.arg("run").arg(config);
    Program::start(folder, name, &mut command)
}
