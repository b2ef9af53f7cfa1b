//! Programs that run beside the suite.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

/// How long a program may take to start. Generous: two RSA keys are made on a machine that may be busy.
const START_TIME: Duration = Duration::from_secs(120);

/// A running server. Dropping it ends it.
pub(crate) struct Part {
    process: Process,
    port: u16,
    log: PathBuf,
}

/// A process that is ended, by its id, when this value is dropped: also when a check panics.
pub(crate) struct Process(pub(crate) Child);

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only for a process that has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Part {
    /// Starts a server and waits for the line with which it says that it listens: `ready`, then its port at the end.
    pub(crate) fn start(mut command: Command, log: &Path, ready: &str) -> Result<Self> {
        let output = File::create(log)?;
        command.stdout(output.try_clone()?).stderr(output);
        // Programs of ours end when their standard input does, so that none is left if this process is killed.
        let child = command.stdin(Stdio::piped()).spawn();
        let child = child.with_context(|| format!("{command:?} does not start"))?;
        let mut part = Self { process: Process(child), port: 0, log: log.to_owned() };
        part.port = part.wait_for(ready)?;
        Ok(part)
    }

    /// `http://127.0.0.1:PORT`, without a slash at the end.
    pub(crate) fn origin(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    fn wait_for(&mut self, ready: &str) -> Result<u16> {
        let started = Instant::now();
        loop {
            let output = fs::read_to_string(&self.log)?;
            let port = output
                .lines()
                .filter_map(|line| line.strip_prefix(ready))
                .find_map(|rest| rest.rsplit([' ', ':']).next()?.parse().ok());
            if let Some(port) = port {
                return Ok(port);
            }
            if let Some(status) = self.process.0.try_wait()? {
                bail!("{} ended with {status}:\n{output}", self.log.display());
            }
            if started.elapsed() > START_TIME {
                bail!("{} is not ready:\n{output}", self.log.display());
            }
            sleep(Duration::from_millis(50));
        }
    }
}
