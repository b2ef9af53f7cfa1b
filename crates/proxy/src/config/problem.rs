//! What is wrong with a configuration file, all of it at once.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// A configuration that can't be used.
///
/// Its `Display` has a line for each problem: file, line, key, what is wrong and what would be right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    file: PathBuf,
    problems: Vec<Problem>,
}

/// One problem, and where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Problem {
    /// The line, counted from 1. `None` for what is missing from the file as a whole.
    pub line: Option<usize>,
    /// The key, such as `tenants.github.url`. Empty for the file as a whole.
    pub key: String,
    /// What is wrong, and what to write instead. Never a secret.
    pub message: String,
}

impl ConfigError {
    /// The file.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// The problems, in the order of their lines. There is at least one.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    pub(crate) fn unreadable(file: &Path, error: &std::io::Error) -> Self {
        let message =
            format!("the file can't be read ({}): check its path and permissions", error.kind());
        let problem = Problem { line: None, key: String::new(), message };
        Self { file: file.to_owned(), problems: vec![problem] }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{}", self.file.display())?;
            if let Some(line) = problem.line {
                write!(f, ":{line}")?;
            }
            f.write_str(": ")?;
            if !problem.key.is_empty() {
                write!(f, "`{}`: ", problem.key)?;
            }
            f.write_str(&problem.message)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

/// Collects problems while a file is read.
#[derive(Debug)]
pub(crate) struct Problems<'a> {
    text: &'a str,
    found: Vec<Problem>,
}

impl<'a> Problems<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self { text, found: Vec::new() }
    }

    pub(crate) fn add(
        &mut self,
        span: Option<Range<usize>>,
        key: impl Into<String>,
        message: impl Into<String>,
    ) {
        let line = span.map(|span| line_of(self.text, span.start));
        self.found.push(Problem { line, key: key.into(), message: message.into() });
    }

    pub(crate) fn len(&self) -> usize {
        self.found.len()
    }

    /// `Err` if anything was found.
    pub(crate) fn finish(mut self, file: &Path) -> Result<(), ConfigError> {
        if self.found.is_empty() {
            return Ok(());
        }
        self.found.sort_by_key(|problem| (problem.line.is_none(), problem.line));
        Err(ConfigError { file: file.to_owned(), problems: self.found })
    }
}

fn line_of(text: &str, at: usize) -> usize {
    let before = text.as_bytes().get(..at).unwrap_or(text.as_bytes());
    before.iter().filter(|byte| **byte == b'\n').count() + 1
}
