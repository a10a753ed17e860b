//! A PostgreSQL cluster of our own in a temporary folder. PostgreSQL refuses to run as root, so a
//! test that runs as root starts it as the user `postgres`.

use crate::process::{free_port, run};
use anyhow::{Context, Result};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// A running cluster; it is stopped and deleted when dropped.
#[derive(Debug)]
pub struct Postgres {
    // Outside target/: every folder above it must be open to the user `postgres`.
    folder: PathBuf,
    _temporary: Option<TempDir>,
    bin: PathBuf,
    port: u16,
}

impl Postgres {
    /// Makes and starts a cluster with the database `minewatch`.
    ///
    /// # Errors
    /// When PostgreSQL is missing or does not come up.
    pub fn start() -> Result<Postgres> {
        let temporary = tempfile::Builder::new().prefix("minewatch-pg-").tempdir()?;
        let folder = temporary.path().to_path_buf();
        Postgres { folder, _temporary: Some(temporary), bin: bin_folder()?, port: free_port()? }.begin()
    }

    /// As [`Postgres::start`], in a folder that the user `postgres` can reach; it is made, and stays.
    ///
    /// # Errors
    /// When PostgreSQL is missing or does not come up.
    pub fn start_in(folder: PathBuf) -> Result<Postgres> {
        fs::create_dir_all(&folder)?;
        Postgres { folder, _temporary: None, bin: bin_folder()?, port: free_port()? }.begin()
    }

    fn begin(self) -> Result<Postgres> {
        let cluster = self;
        if rustix::process::geteuid().is_root() {
            fs::set_permissions(&cluster.folder, fs::Permissions::from_mode(0o755))?;
            run(Command::new("chown").arg("postgres").arg(&cluster.folder))?;
        }
        let data = cluster.data();
        let options = ["--no-sync", "--wal-segsize=4", "-A", "trust", "-U", "minewatch", "-D"];
        run(cluster.command("initdb").args(options).arg(&data))?;
        let socket = cluster.folder.display();
        let options = format!("-p {} -k {socket} -c listen_addresses=127.0.0.1 -c fsync=on", cluster.port);
        cluster.control("start", &["-o", &options])?;
        let port = cluster.port.to_string();
        run(cluster.command("createdb").args(["-h", "127.0.0.1", "-p", &port, "-U", "minewatch", "minewatch"]))?;
        Ok(cluster)
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    fn command(&self, program: &str) -> Command {
        let path = self.bin.join(program);
        let mut command = match rustix::process::geteuid().is_root() {
            true => {
                let mut command = Command::new("runuser");
                command.args(["-u", "postgres", "--"]).arg(path);
                command
            }
            false => Command::new(path),
        };
        command.current_dir("/");
        command
    }

    fn control(&self, action: &str, more: &[&str]) -> Result<()> {
        let log = self.folder.join("log");
        // pg_ctl's server keeps our pipes open: its output must go to a file, or we would wait for ever.
        let mut command = self.command("pg_ctl");
        command.args([action, "-w", "-s", "-D"]).arg(self.data()).arg("-l").arg(&log).args(more);
        let out = fs::File::create(self.folder.join("control"))?;
        let status = command.stdout(out.try_clone()?).stderr(out).stdin(std::process::Stdio::null()).status()?;
        anyhow::ensure!(status.success(), "pg_ctl {action}: {}", fs::read_to_string(log).unwrap_or_default());
        Ok(())
    }

    /// Address of the database.
    pub fn url(&self) -> String {
        format!("postgres://minewatch@127.0.0.1:{}/minewatch", self.port)
    }

    /// Stops the server at once, as a crash would.
    ///
    /// # Errors
    /// When `pg_ctl` fails.
    pub fn crash(&self) -> Result<()> {
        self.control("stop", &["-m", "immediate"])
    }

    /// Starts it again.
    ///
    /// # Errors
    /// When `pg_ctl` fails.
    pub fn restart(&self) -> Result<()> {
        let options = format!("-p {} -k {} -c listen_addresses=127.0.0.1", self.port, self.folder.display());
        self.control("start", &["-o", &options])
    }
}

impl Postgres {
    /// Starts it again if it has ended.
    ///
    /// # Errors
    /// When `pg_ctl` fails.
    pub fn revive(&self) -> Result<()> {
        match self.control("status", &[]) {
            Ok(()) => Ok(()),
            Err(_) => self.restart(),
        }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let _ = self.control("stop", &["-m", "immediate"]);
    }
}

fn bin_folder() -> Result<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").context("PostgreSQL is missing: run `make setup-full`")?;
    let found = versions.filter_map(|entry| Some(entry.ok()?.path().join("bin"))).filter(|bin| has_initdb(bin)).max();
    found.context("no initdb under /usr/lib/postgresql: run `make setup-full`")
}

fn has_initdb(bin: &Path) -> bool {
    bin.join("initdb").is_file()
}
