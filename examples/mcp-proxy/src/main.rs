//! `mcp-proxy`: verified users, group policy and per-user credentials in front of MCP servers.

mod commands;
mod demo;
mod policy;
mod vault;

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use mimalloc::MiMalloc;
use tracing_subscriber::EnvFilter;

/// Keeps the memory of streams that come and go in one piece, where glibc's own takes a fifth more.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Verified users, group policy and per-user credentials in front of MCP servers.
///
/// Without a command it runs the demonstration.
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    /// End after the demonstration's walk
    #[arg(long)]
    once: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show everything on loopback, with nothing to set up, and stay up to be tried
    Demo {
        /// End after the walk: status 0 if every step was as it should be
        #[arg(long)]
        once: bool,
    },
    /// Serve what the configuration says
    Serve {
        /// The configuration file
        #[arg(long)]
        config: PathBuf,
    },
    /// Check a configuration and say all that is wrong with it. Opens no store and asks no other server
    Check {
        /// The configuration file
        #[arg(long)]
        config: PathBuf,
    },
    /// Say what the policy decides for the user of a token, and why
    Explain {
        /// The configuration file
        #[arg(long)]
        config: PathBuf,
        /// A file with the token
        #[arg(long)]
        token_file: PathBuf,
        /// The tenant
        #[arg(long)]
        tenant: String,
        /// A tool of the tenant
        #[arg(long)]
        tool: Option<String>,
    },
    /// Print a new master key for the vault
    Keygen,
    /// Change the rules in a database, also while proxies use them; lint and test the policy
    Policy {
        #[command(subcommand)]
        command: policy::Command,
    },
    /// Carry the vault over, seal it again, check it: also while proxies use it
    Vault {
        #[command(subcommand)]
        command: vault::Command,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    let quiet = matches!(cli.command, None | Some(Command::Demo { .. }));
    log_to_stderr(if quiet { "error" } else { "info" });
    let done = match cli.command {
        None => demo::run(cli.once).await,
        Some(Command::Demo { once }) => demo::run(once || cli.once).await,
        Some(Command::Serve { config }) => commands::serve(config).await,
        Some(Command::Check { config }) => commands::check(&config),
        Some(Command::Explain { config, token_file, tenant, tool }) => {
            commands::explain(&config, &token_file, &tenant, tool.as_deref()).await
        }
        Some(Command::Keygen) => commands::keygen(),
        Some(Command::Policy { command }) => policy::run(command).await,
        Some(Command::Vault { command }) => vault::run(command).await,
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn log_to_stderr(default: &str) {
    let filter = match std::env::var("RUST_LOG") {
        Ok(wanted) if !wanted.is_empty() => EnvFilter::try_new(&wanted).unwrap_or_else(|error| {
            eprintln!("`RUST_LOG` is not understood, so `{default}` is logged: {error}");
            EnvFilter::new(default)
        }),
        _ => EnvFilter::new(default),
    };
    // Colours are for who watches: in a file they stand between the words.
    let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colours);
    log.with_writer(std::io::stderr).init();
}
