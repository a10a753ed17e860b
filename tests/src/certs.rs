//! A small certificate authority for one test, made with the `openssl` program.

use crate::process::run;
use anyhow::Result;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Certificates in a folder.
#[derive(Debug)]
pub struct Certs {
    folder: PathBuf,
}

impl Certs {
    /// Makes an authority.
    ///
    /// # Errors
    /// When `openssl` is missing or fails.
    pub fn make(folder: &Path, names: &[&str]) -> Result<Certs> {
        let certs = Certs { folder: folder.join("certs") };
        fs::create_dir_all(&certs.folder)?;
        run(openssl(&certs.folder).args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]).args([
            "-subj",
            "/CN=Minewatch test CA",
            "-keyout",
            "ca.key",
            "-out",
            "ca.pem",
        ]))?;
        for name in names {
            certs.issue(name)?;
        }
        Ok(certs)
    }

    fn issue(&self, name: &str) -> Result<()> {
        let (key, csr, cert) = (format!("{name}.key"), format!("{name}.csr"), format!("{name}.pem"));
        let subject = format!("/CN={name}");
        run(openssl(&self.folder)
            .args(["req", "-newkey", "rsa:2048", "-nodes", "-subj", &subject, "-keyout", &key, "-out", &csr]))?;
        fs::write(
            self.folder.join("ext.cnf"),
            format!("basicConstraints=CA:FALSE\nsubjectAltName=DNS:{name},DNS:localhost,IP:127.0.0.1\n"),
        )?;
        let sign = ["x509", "-req", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2"];
        run(openssl(&self.folder).args(sign).args(["-extfile", "ext.cnf", "-in", &csr, "-out", &cert]))?;
        Ok(())
    }

    /// The authority's certificate.
    pub fn ca(&self) -> PathBuf {
        self.folder.join("ca.pem")
    }

    /// A certificate made for `name`.
    pub fn cert(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.pem"))
    }

    /// Its key.
    pub fn key(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.key"))
    }
}

fn openssl(folder: &Path) -> Command {
    let mut command = Command::new("openssl");
    command.current_dir(folder);
    command
}
