//! `mcp-proxy vault`: what an operator does with the store. Counts on stdout, progress on stderr, secrets nowhere.

use std::fmt::Display;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use bonafide::claims::UserId;
use bonafide::proxy::{Environment, StoreConfig, VaultConfig};
use bonafide::vault::admin::{self, ExistingFile};
use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Write every secret to a file, sealed
    Export {
        #[command(flatten)]
        config: Config,
        /// The file, which must not exist
        #[arg(long)]
        to: PathBuf,
        /// Go on with an export that was broken off
        #[arg(long)]
        go_on: bool,
    },
    /// Store every secret of an export that opens and is not there yet. May be run again
    Import {
        #[command(flatten)]
        config: Config,
        /// The file
        #[arg(long)]
        from: PathBuf,
    },
    /// Seal with the newest master key what is sealed with another one. May be run again
    Rewrap(Config),
    /// Open every secret, and count
    Verify(Config),
    /// Remove all secrets of a user, for every tenant
    RemoveUser {
        #[command(flatten)]
        config: Config,
        /// The issuer, as in the user's tokens
        #[arg(long)]
        issuer: String,
        /// The directory: with Entra ID, the `tid` of the user's tokens
        #[arg(long)]
        directory: Option<String>,
        /// The subject: with Entra ID, the `oid` of the user's tokens
        #[arg(long)]
        subject: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Config {
    /// The configuration file
    #[arg(long)]
    config: PathBuf,
}

/// Ends with status 0 if everything was done and everything opens.
pub(crate) async fn run(command: Command) -> Result<ExitCode> {
    let (Command::Export { config, .. }
    | Command::Import { config, .. }
    | Command::Rewrap(config)
    | Command::Verify(config)
    | Command::RemoveUser { config, .. }) = &command;
    let config = VaultConfig::load(&config.config, &Environment::of_process())?;
    if matches!(config.store, StoreConfig::Memory) {
        bail!(
            "the vault is in the memory of the proxy: there is nothing that this command could reach"
        );
    }
    // An import may be the first thing that a store gets. All else would find nothing, and call that well.
    let store = match command {
        Command::Import { .. } => config.open()?,
        _ => config.open_existing()?,
    };
    let (vault, sealer) = (&**store.vault(), &*store.sealer());
    let mut progress = Progress::default();
    let good = match command {
        Command::Export { to, go_on, .. } => {
            let existing = if go_on { ExistingFile::GoOn } else { ExistingFile::Refuse };
            let show = |report: &_| progress.show(report);
            println!("{}", admin::export_to_file(vault, &to, existing, show).await?);
            true
        }
        Command::Import { from, .. } => {
            let show = |report: &_| progress.show(report);
            let report = admin::import_from_file(vault, sealer, &from, show).await?;
            println!("{report}");
            report.refused == 0
        }
        Command::Rewrap(_) => {
            let report = admin::rewrap(vault, sealer, |report| progress.show(report)).await?;
            println!("{report}");
            report.is_complete()
        }
        Command::Verify(_) => {
            let report = admin::verify(vault, sealer, |report| progress.show(report)).await?;
            println!("{report}");
            report.is_good()
        }
        Command::RemoveUser { issuer, directory, subject, .. } => {
            let directory = directory.map(|text| text.parse()).transpose()?;
            let user = UserId::new(issuer.parse()?, directory, subject.parse()?);
            println!("{} removed", store.remove_user(&user).await?);
            true
        }
    };
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A line on stderr each second, so that a long run is seen to move.
struct Progress(Instant);

impl Default for Progress {
    fn default() -> Self {
        Self(Instant::now())
    }
}

impl Progress {
    fn show(&mut self, report: &impl Display) {
        if self.0.elapsed() >= Duration::from_secs(1) {
            eprintln!("{report}");
            *self = Self::default();
        }
    }
}
