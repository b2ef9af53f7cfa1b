//! Tenants and policy read again, without a restart.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use bonafide_mcp::SharedDirectory;
use tokio::time::sleep;

use crate::config::{Config, Environment};
use crate::health::Health;

/// How often the file is looked at. Looking is cheaper than a watcher for each platform, and sees a file that was
/// replaced by a rename or through a link as well.
const INTERVAL: Duration = Duration::from_secs(2);

pub(crate) struct Reload {
    file: PathBuf,
    directory: SharedDirectory,
    health: Health,
}

/// What changes when a file does.
type Stamp = Option<(SystemTime, u64)>;

impl Reload {
    pub(crate) fn new(file: PathBuf, directory: SharedDirectory, health: Health) -> Self {
        Self { file, directory, health }
    }

    /// Waits for changes, for ever.
    pub(crate) async fn run(self) {
        let mut hangup = Hangup::new();
        let mut seen = self.stamp();
        loop {
            let asked = tokio::select! {
                () = hangup.received() => true,
                () = sleep(INTERVAL) => false,
            };
            let stamp = self.stamp();
            if asked || stamp != seen {
                seen = stamp;
                self.reload();
            }
        }
    }

    fn stamp(&self) -> Stamp {
        let metadata = std::fs::metadata(&self.file).ok()?;
        Some((metadata.modified().ok()?, metadata.len()))
    }

    fn reload(&self) {
        match Config::load(&self.file, &Environment::of_process()) {
            Ok(config) => {
                self.directory.replace(config.directory);
                self.health.set_reload_failed(false);
                metrics::counter!("bonafide_config_reloads_total", "outcome" => "used")
                    .increment(1);
                tracing::info!("tenants and policy were read again");
            }
            Err(error) => {
                self.health.set_reload_failed(true);
                metrics::counter!("bonafide_config_reloads_total", "outcome" => "refused")
                    .increment(1);
                tracing::error!("the new configuration can't be used, the old one stays:\n{error}");
            }
        }
    }
}

/// `SIGHUP`, where there is such a thing.
struct Hangup {
    #[cfg(unix)]
    signal: Option<tokio::signal::unix::Signal>,
}

impl Hangup {
    #[cfg(unix)]
    fn new() -> Self {
        let signal = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup());
        Self { signal: signal.ok() }
    }

    #[cfg(not(unix))]
    fn new() -> Self {
        Self {}
    }

    #[cfg(unix)]
    async fn received(&mut self) {
        let received = match &mut self.signal {
            Some(signal) => signal.recv().await,
            None => None,
        };
        if received.is_none() {
            std::future::pending().await
        }
    }

    #[cfg(not(unix))]
    async fn received(&mut self) {
        std::future::pending().await
    }
}
