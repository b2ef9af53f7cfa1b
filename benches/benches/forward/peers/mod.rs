//! Proxies that others made, with the same backend and the same tokens.
//!
//! Each does less than the gateway: it verifies the token, and sends one constant header.

mod envoy;
mod fastmcp;
mod nginx;

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Error;
use crate::load::Load;
use crate::process::{self, Process};
use crate::world::World;

/// A proxy that is measured beside ours.
pub(crate) struct Peer {
    pub(crate) name: &'static str,
    /// All that it consists of, which share one core.
    pub(crate) processes: Vec<Process>,
    pub(crate) load: Load,
}

/// What a peer is configured with.
struct Setting<'a> {
    issuer: &'a str,
    /// The issuer's keys (RFC 7517).
    key_set: &'a str,
    backend: SocketAddr,
    directory: &'a Path,
}

/// Starts each of them whose program is in `PATH`, and says of the others that they are not there.
pub(crate) async fn start(world: &World) -> Result<Vec<Peer>, Error> {
    let key_set = world.key_set().await?;
    let setting = Setting {
        issuer: world.issuer(),
        key_set: &key_set,
        backend: world.backend.address(),
        directory: world.directory(),
    };
    let mut peers = Vec::new();
    for (program, start) in [
        ("nginx", nginx::start as fn(&Path, &Setting<'_>) -> Result<_, Error>),
        ("envoy", envoy::start),
        ("fastmcp", fastmcp::start),
    ] {
        let Some(path) = find(program) else {
            println!("SKIPPED: there is no `{program}` in PATH");
            continue;
        };
        let (name, processes) = start(&path, &setting)?;
        for process in &processes {
            process::pin(process.id(), 0);
        }
        peers.push(Peer { name, processes, load: world.loads.peer() });
    }
    Ok(peers)
}

fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|directory| directory.join(program))
        .find(|file| file.is_file())
}

/// An address that nobody listens on.
fn free_address() -> Result<SocketAddr, Error> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

fn command(program: &Path, directory: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(directory);
    command
}
