//! What the MCP servers saw, told by themselves and not by the answers that came back.

use std::path::Path;

use anyhow::{Context as _, Result};

/// The requests that reached a server, oldest first.
pub(crate) struct Recorded(pub(crate) Vec<Headers>);

/// The headers of a request, as they were on the wire.
#[derive(Debug)]
pub(crate) struct Headers(Vec<(String, String)>);

impl Recorded {
    pub(crate) fn read(file: &Path) -> Result<Self> {
        // A server that was not asked yet has no file.
        let Ok(text) = std::fs::read_to_string(file) else { return Ok(Self(Vec::new())) };
        let requests = text.lines().map(|line| Ok(Headers(serde_json::from_str(line)?)));
        requests.collect::<Result<_>>().map(Self).context("a record is broken")
    }

    /// Those after the first `count`.
    pub(crate) fn since(mut self, count: usize) -> Vec<Headers> {
        self.0.split_off(count.min(self.0.len()))
    }
}

impl Headers {
    /// Every value of a header, under its own name or one that CGI servers take for the same.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        let same = |have: &str| have.replace('_', "-").eq_ignore_ascii_case(name);
        self.0.iter().filter(|(have, _)| same(have)).map(|(_, value)| value.as_str()).collect()
    }

    pub(crate) fn text(&self) -> String {
        self.0.iter().map(|(name, value)| format!("{name}: {value}\n")).collect()
    }
}
