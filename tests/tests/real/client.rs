//! MCP clients that others wrote, each in a process of its own.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Mutex;

use anyhow::{Context as _, Result, anyhow, ensure};
use serde::Deserialize;
use serde_json::Value;

use crate::parts::Process;

/// A process that runs a client, one session per call.
pub(crate) struct Client {
    _process: Process,
    pipes: Mutex<(ChildStdin, BufReader<ChildStdout>)>,
}

/// What came of a session.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Outcome {
    pub(crate) tools: Vec<String>,
    pub(crate) is_error: bool,
    pub(crate) text: Vec<String>,
    pub(crate) progress: Vec<Progress>,
    /// Seconds on the client's clock.
    pub(crate) ended: f64,
    /// The pages that the user was asked to open.
    pub(crate) asked: Vec<String>,
    /// Empty if there was none.
    pub(crate) error: Vec<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Progress {
    pub(crate) progress: f64,
    pub(crate) at: f64,
}

impl Client {
    pub(crate) fn start(mut command: Command) -> Result<Self> {
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut process = Process(child.with_context(|| format!("{command:?} does not start"))?);
        let pipes = process.0.stdin.take().zip(process.0.stdout.take()).context("no pipes")?;
        let pipes = Mutex::new((pipes.0, BufReader::new(pipes.1)));
        let client = Self { _process: process, pipes };
        ensure!(client.exchange("")?.trim() == "ready", "the client is not ready");
        Ok(client)
    }

    /// The answer as it was, and what it says.
    pub(crate) fn call(&self, told: &Value) -> Result<(String, Outcome)> {
        let answer = self.exchange(&format!("{told}\n"))?;
        let outcome = serde_json::from_str(&answer).with_context(|| format!("not so: {answer}"))?;
        Ok((answer, outcome))
    }

    fn exchange(&self, line: &str) -> Result<String> {
        let mut pipes = self.pipes.lock().map_err(|_| anyhow!("a call panicked before"))?;
        pipes.0.write_all(line.as_bytes())?;
        let mut answer = String::new();
        pipes.1.read_line(&mut answer)?;
        Ok(answer)
    }
}
