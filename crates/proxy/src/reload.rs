//! Tenants and policy read again, without a restart.

use std::path::PathBuf;
use std::time::Duration;

use bonafide_mcp::SharedDirectory;
use tokio::time::sleep;

use crate::config::{Config, Environment, Stamp, stamp};
use crate::health::{FileState, Health};

/// How often the file is looked at. Looking is cheaper than a watcher for each platform, and sees a file that was
/// replaced by a rename or through a link as well.
const INTERVAL: Duration = Duration::from_secs(2);

pub(crate) struct Reload {
    file: PathBuf,
    /// The file as it was when what is in force was read.
    seen: Stamp,
    /// The sections that took effect at the start.
    fixed: String,
    directory: SharedDirectory,
    health: Health,
}

impl Reload {
    pub(crate) fn new(
        file: PathBuf,
        seen: Stamp,
        fixed: String,
        directory: SharedDirectory,
        health: Health,
    ) -> Self {
        Self { file, seen, fixed, directory, health }
    }

    /// Waits for changes, for ever.
    pub(crate) async fn run(mut self) {
        let mut hangup = Hangup::new();
        let mut last = self.seen;
        loop {
            let asked = tokio::select! {
                () = hangup.received() => true,
                () = sleep(INTERVAL) => false,
            };
            let now = stamp(&self.file);
            // Half of a file can be a valid policy without its denials: wait until it is as it was at the last look.
            let settled = now == last;
            last = now;
            if asked || (settled && now != self.seen) {
                self.seen = now;
                self.reload();
            }
        }
    }

    fn reload(&self) {
        match Config::load(&self.file, &Environment::of_process()) {
            Ok(config) => {
                let restart = config.fixed != self.fixed;
                self.directory.replace(config.directory);
                self.health.set_file(if restart {
                    FileState::NeedsRestart
                } else {
                    FileState::Used
                });
                metrics::counter!("bonafide_config_reloads_total", "outcome" => "used")
                    .increment(1);
                tracing::info!("tenants and policy were read again");
                if restart {
                    tracing::warn!(
                        "the file also differs outside of `tenants` and `policy`: that takes effect at a restart"
                    );
                }
            }
            Err(error) => {
                self.health.set_file(FileState::Refused);
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
