//! Tenants and policy read again, without a restart.

use std::future::pending;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bonafide_mcp::SharedDirectory;
use bonafide_policy::PolicyStore;
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::config::{Config, Environment, Fixed, Stamp, stamp, with_causes};
use crate::health::{FileState, Health, PolicyState};
use crate::policy::Base;

/// How often the file is looked at. Looking is cheaper than a watcher for each platform, and sees a file that was
/// replaced by a rename or through a link as well.
const INTERVAL: Duration = Duration::from_secs(2);

/// How long to wait after rules that could not be used: a database that fails half-way may go on saying that there
/// is something new.
const PAUSE: Duration = Duration::from_millis(250);

/// How long to leave a database alone that can't say whether its rules changed.
const RETRY: Duration = Duration::from_secs(5);

/// Puts what changed in force: tenants and policy as one, or not at all.
#[derive(Debug)]
pub(crate) struct Reload {
    /// The configuration file, if it is watched.
    pub(crate) file: Option<PathBuf>,
    /// The file as it was when what is in force was read.
    pub(crate) seen: Stamp,
    /// What took effect at the start.
    pub(crate) fixed: Fixed,
    /// What the newest file that can be used says.
    pub(crate) base: Base,
    /// Whether that file waits for rules that can be used, and for a restart then.
    pub(crate) waiting: Option<bool>,
    pub(crate) store: Option<Arc<dyn PolicyStore>>,
    pub(crate) directory: SharedDirectory,
    pub(crate) health: Health,
}

/// Why it is time to look.
enum Event {
    Hangup,
    Tick,
    /// The rules in the database may have changed.
    Rules,
    /// The database can't say whether they did.
    Unknown,
}

impl Reload {
    /// Waits for changes, for ever.
    pub(crate) async fn run(mut self) {
        let mut hangup = Hangup::new();
        let mut ticks = interval(INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut last = self.seen;
        loop {
            let event = tokio::select! {
                () = hangup.received() => Event::Hangup,
                _ = ticks.tick() => Event::Tick,
                event = changed(self.store.as_deref()) => event,
            };
            match event {
                Event::Tick | Event::Hangup => {
                    let asked = matches!(event, Event::Hangup);
                    // Without a file there is nothing to look at, and nothing that ends standing streams.
                    let now = self.file.as_deref().map_or(self.seen, stamp);
                    // Half of a file can be a valid policy without its denials: wait until it is as it was at the
                    // last look.
                    let settled = now == last;
                    last = now;
                    if asked || (settled && now != self.seen) {
                        self.seen = now;
                        self.reload_file().await;
                    }
                }
                Event::Rules => {
                    if !self.reload_rules().await {
                        sleep(PAUSE).await;
                    }
                }
                // Whether they changed is not known: read them, and say so if that fails too. A revocation must not
                // wait for ever, nor must a policy that is old pass for new.
                Event::Unknown => {
                    sleep(RETRY).await;
                    self.reload_rules().await;
                }
            }
        }
    }

    async fn reload_file(&mut self) {
        let Some(file) = &self.file else {
            self.reload_rules().await;
            return;
        };
        let loaded = Config::load(file, &Environment::of_process());
        let loaded = loaded.map(|config| (config.base(), config.fixed != self.fixed));
        match loaded {
            Ok((base, restart)) => {
                self.base = base;
                self.waiting = Some(restart);
                self.reload_rules().await;
            }
            Err(error) => {
                tracing::error!("the new configuration can't be used, the old one stays:\n{error}");
                self.file_is(FileState::Refused);
            }
        }
    }

    fn file_is(&self, state: FileState) {
        let outcome = if state == FileState::Refused { "refused" } else { "used" };
        metrics::counter!("bonafide_config_reloads_total", "outcome" => outcome).increment(1);
        self.health.set_file(state);
    }

    fn file_used(&self, restart: bool) -> FileState {
        tracing::info!("tenants and policy were read again");
        if !restart {
            return FileState::Used;
        }
        tracing::warn!(
            "the file also differs outside of `tenants`, `scopes` and `policy.rules`: that takes effect at a restart"
        );
        FileState::NeedsRestart
    }

    /// Reads the rules in the database again, and says whether they are in force, with the newest file.
    async fn reload_rules(&mut self) -> bool {
        match self.base.directory(self.store.as_ref()).await {
            Ok(directory) => {
                tracing::info!(rules = directory.policy().rule_count(), "policy replaced");
                self.directory.replace(directory);
                self.health.set_policy(PolicyState::Used);
                if let Some(restart) = self.waiting.take() {
                    self.file_is(self.file_used(restart));
                }
                true
            }
            Err(error) => {
                let error = with_causes(&error);
                tracing::error!("the new policy can't be used, the old one stays:\n{error}");
                self.health.set_policy(PolicyState::Refused);
                if self.waiting.is_some() {
                    self.file_is(FileState::Refused);
                }
                false
            }
        }
    }
}

async fn changed(store: Option<&dyn PolicyStore>) -> Event {
    let Some(store) = store else { return pending().await };
    match store.changed().await {
        Ok(()) => Event::Rules,
        Err(error) => {
            let error = with_causes(&error);
            tracing::error!("the rules in the database can't be watched: {error}");
            Event::Unknown
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
