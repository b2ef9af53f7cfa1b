//! The command line of MCP Inspector: a process for each request.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::caller::Session;
use crate::client::Outcome;

pub(crate) struct Inspector {
    node: PathBuf,
    script: PathBuf,
    home: PathBuf,
}

impl Inspector {
    /// `home`: where it keeps what it remembers of servers.
    pub(crate) fn new(node: PathBuf, real: &Path, home: PathBuf) -> Self {
        let package = real.join("node_modules/@modelcontextprotocol/inspector");
        Self { node, script: package.join("clients/launcher/build/index.js"), home }
    }

    pub(crate) fn session(
        &self,
        url: &str,
        token: &str,
        session: &Session<'_>,
    ) -> Result<(String, Outcome)> {
        let list = self.ask(url, token, session.mode, &["tools/list"])?;
        let arguments = session.arguments.to_string();
        let call =
            ["tools/call", "--tool-name", session.tool, "--tool-args-json", arguments.as_str()];
        let call = self.ask(url, token, session.mode, &call)?;
        let mut outcome = Outcome::default();
        let texts = |value: &Value, list: &str, member: &str| -> Vec<String> {
            let items = value.get(list).and_then(Value::as_array).into_iter().flatten();
            let members = items.filter_map(|item| item.get(member)?.as_str());
            members.map(str::to_owned).collect()
        };
        match result(&list)? {
            Ok(list) => outcome.tools = texts(&list, "tools", "name"),
            Err(error) => outcome.error.push(error),
        }
        match result(&call)? {
            Ok(call) => {
                outcome.text = texts(&call, "content", "text");
                outcome.is_error = call.get("isError") == Some(&true.into());
            }
            Err(error) => outcome.error.push(error),
        }
        let written = [list.stdout, list.stderr, call.stdout, call.stderr].concat();
        Ok((String::from_utf8_lossy(&written).into_owned(), outcome))
    }

    fn ask(&self, url: &str, token: &str, era: &str, method: &[&str]) -> Result<Output> {
        Command::new(&self.node)
            .arg(&self.script)
            .args(["--cli", url, "--transport", "http", "--format", "json", "--quiet"])
            .args(["--protocol-era", era, "--header", &format!("Authorization: Bearer {token}")])
            .arg("--method")
            .args(method)
            .env("HOME", &self.home)
            .env("NO_PROXY", "127.0.0.1")
            .env("no_proxy", "127.0.0.1")
            .output()
            .context("MCP Inspector does not start")
    }
}

/// What it wrote: a result on standard output, or an error beside it.
fn result(output: &Output) -> Result<Result<Value, String>> {
    let written = String::from_utf8_lossy(&output.stdout);
    let result = serde_json::from_str::<Value>(&written).ok();
    if let Some(result) = result.and_then(|mut result| Some(result.get_mut("result")?.take())) {
        return Ok(Ok(result));
    }
    let error = String::from_utf8_lossy(&output.stderr);
    if output.status.success() || error.is_empty() {
        bail!("{}: {written}{error}", output.status);
    }
    Ok(Err(error.into_owned()))
}
