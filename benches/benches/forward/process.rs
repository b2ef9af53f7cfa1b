//! Processes that can be pinned and measured: this program again in one of its roles, or another one.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::Error;

/// How long another program may take until it listens.
const START_TIME: Duration = Duration::from_secs(60);

/// A process that listens on loopback. Dropping it ends it; one in a role also ends by itself when its standard input
/// does.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    address: SocketAddr,
}

impl Process {
    /// Starts the role and waits for the address that it prints.
    pub(crate) fn start(arguments: &[&str]) -> Result<Self, Error> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        if let Some(stdout) = child.stdout.take() {
            BufReader::new(stdout).read_line(&mut line)?;
        }
        match line.trim().parse() {
            Ok(address) => Ok(Self { child, address }),
            Err(_) => {
                child.kill()?;
                child.wait()?;
                Err(format!("no address from {arguments:?}").into())
            }
        }
    }

    /// Starts another program and waits until it listens on `address`.
    pub(crate) fn spawn(mut command: Command, address: SocketAddr) -> Result<Self, Error> {
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn()?;
        let mut process = Self { child, address };
        let end = Instant::now() + START_TIME;
        while TcpStream::connect(address).is_err() {
            if let Some(status) = process.child.try_wait()? {
                return Err(format!("{command:?} ended: {status}").into());
            }
            if Instant::now() > end {
                return Err(format!("{command:?} does not listen on {address}").into());
            }
            thread::sleep(Duration::from_millis(50));
        }
        Ok(process)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// How long its threads have run, from Linux's scheduler, in nanoseconds where `/proc/PID/stat` has ticks of ten
    /// milliseconds.
    pub(crate) fn cpu_time(&self) -> Option<Duration> {
        let threads = fs::read_dir(format!("/proc/{}/task", self.id())).ok()?;
        threads
            .map(|thread| {
                let line = fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?;
                Some(Duration::from_nanos(line.split(' ').next()?.parse().ok()?))
            })
            .sum()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Keeps all threads of a process on one core, where there is `taskset`. Says whether it does.
pub(crate) fn pin(id: u32, core: usize) -> bool {
    Command::new("taskset")
        .args(["-a", "-c", "-p", &core.to_string(), &id.to_string()])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}
