//! The thin driver: makes packages from the queue, delivers them in order.

use super::settings::{Delivery, Platform, RegulatorConfig};
use crate::clock;
use crate::metrics::Metrics;
use crate::notify::Answer;
use crate::notify::http::{Post, Poster};
use crate::store::{Package, Store, StoreError};
use std::io::Write;
use std::path::Path;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Longest wait before a failed delivery is tried again.
const RETRY_MAX: Duration = Duration::from_secs(600);

/// The exporter of all platforms.
#[derive(Debug, Clone)]
#[allow(missing_docs)]
pub struct Exporter {
    pub config: RegulatorConfig,
    pub store: Store,
    pub metrics: Metrics,
}

impl Exporter {
    /// Runs until told to stop.
    pub async fn run(self, stop: CancellationToken) {
        let mut tasks = JoinSet::new();
        for platform in self.config.platforms.clone() {
            tasks.spawn(self.clone().platform(platform, stop.clone()));
        }
        stop.cancelled().await;
        while tasks.join_next().await.is_some() {}
    }

    async fn platform(self, platform: Platform, stop: CancellationToken) {
        let poster = match Poster::new(self.config.guard.clone(), self.config.ca.as_deref()) {
            Ok(poster) => poster,
            Err(error) => return tracing::error!(error, "notify.ca_file is not usable"),
        };
        let mut failures = 0u32;
        let mut pause = Duration::ZERO;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
            pause = match self.turn(&platform, &poster).await {
                Ok(true) => {
                    failures = 0;
                    platform.every
                }
                Ok(false) => {
                    failures += 1;
                    (crate::broker::backoff(failures) * 10).min(RETRY_MAX)
                }
                Err(error) => {
                    failures += 1;
                    tracing::warn!(
                        platform = platform.name,
                        error = &error as &dyn std::error::Error,
                        "export waits for the store"
                    );
                    crate::broker::backoff(failures)
                }
            };
        }
    }

    /// Makes what is to be made and delivers what is to be delivered; `false`: a delivery failed.
    async fn turn(&self, platform: &Platform, poster: &Poster) -> Result<bool, StoreError> {
        let now = clock::now();
        self.store.register_platform(&platform.name, now).await?;
        loop {
            let made = self.store.make_packages(&platform.name, &platform.mapping, clock::now()).await?;
            self.metrics.regulator_unmapped.inc_by(made.unmapped);
            if made.taken == 0 {
                break;
            }
        }
        while let Some(package) = self.store.next_package(&platform.name, clock::now()).await? {
            let answer = deliver(platform, poster, &package).await;
            self.store.package_tried(&platform.name, package.number, &answer, clock::now()).await?;
            match answer {
                Answer::Accepted { .. } => {
                    self.metrics.regulator_packages.inc();
                    self.metrics.regulator_records.inc_by(u64::try_from(package.records).unwrap_or(0));
                }
                Answer::Retry { why, .. } | Answer::Rejected { why } => {
                    // Order is kept: what comes after waits, and the failure is visible.
                    self.metrics.regulator_failures.inc();
                    tracing::error!(platform = platform.name, number = package.number, why, "package not delivered");
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }
}

/// Writes a file so that it appears at once and whole, and survives a power cut.
fn write(folder: &Path, name: &str, content: &str) -> std::io::Result<()> {
    let part = folder.join(format!(".{name}.part"));
    let mut file = std::fs::File::create(&part)?;
    file.write_all(content.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&part, folder.join(name))?;
    std::fs::File::open(folder)?.sync_all()
}

async fn deliver(platform: &Platform, poster: &Poster, package: &Package) -> Answer {
    match &platform.delivery {
        Delivery::Folder(folder) => {
            let (folder, name, content) = (folder.clone(), package.name.clone(), package.content.clone());
            let written = tokio::task::spawn_blocking(move || write(&folder, &name, &content)).await;
            match written {
                Ok(Ok(())) => Answer::Accepted { receipt: format!("written as {}", package.name) },
                Ok(Err(error)) => Answer::Retry { after_ms: None, why: error.to_string() },
                Err(_) => Answer::Retry { after_ms: None, why: "the writing task ended".to_owned() },
            }
        }
        Delivery::Http { url, token } => {
            let mut headers = vec![("idempotency-key", format!("{}-{}", platform.name, package.number))];
            headers.extend(token.as_ref().map(|token| ("authorization", format!("Bearer {}", token.expose()))));
            let post = Post { url: url.expose(), headers, body: package.content.clone() };
            poster.post(post, clock::now().millis().div_euclid(1_000), |_| None).await
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_appears_whole_and_is_the_same_when_written_again() {
        let folder = tempfile::tempdir().expect("folder");
        for _ in 0..2 {
            write(folder.path(), "GJXX_1.txt", "a;b\r\n").expect("written");
            let names: Vec<_> =
                std::fs::read_dir(folder.path()).expect("reads").flatten().map(|e| e.file_name()).collect();
            assert_eq!(names, ["GJXX_1.txt"]);
            assert_eq!(std::fs::read_to_string(folder.path().join("GJXX_1.txt")).expect("reads"), "a;b\r\n");
        }
    }
}
