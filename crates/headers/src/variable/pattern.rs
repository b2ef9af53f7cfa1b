//! The regular expression of a variable, anchored at both ends.

use regex_lite::{Regex, RegexBuilder};

/// The longest pattern, in bytes, and the most memory its program may take, also in bytes: enough for the keys of all
/// vendors we know, and small enough that matching a value of 8 KiB stays in the milliseconds. `regex-lite` is
/// linear in both, there is no backtracking.
const MAX_LEN: usize = 512;
const MAX_PROGRAM: usize = 64 * 1024;

#[derive(Debug, Clone)]
pub(super) struct Pattern {
    source: Box<str>,
    anchored: Regex,
}

impl Pattern {
    /// `None` if it does not compile or is too large.
    ///
    /// It is compiled by itself first: `a)|(b` must not close the group that anchors it.
    pub(super) fn new(source: &str) -> Option<Self> {
        if source.len() > MAX_LEN {
            return None;
        }
        compile(source)?;
        let anchored = compile(&format!("^(?:{source})$"))?;
        Some(Self { source: source.into(), anchored })
    }

    pub(super) fn as_str(&self) -> &str {
        &self.source
    }

    pub(super) fn is_match(&self, value: &str) -> bool {
        self.anchored.is_match(value)
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl Eq for Pattern {}

fn compile(source: &str) -> Option<Regex> {
    RegexBuilder::new(source).size_limit(MAX_PROGRAM).build().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_the_whole_value_only() {
        for (pattern, good, bad) in [
            ("[a-z]+", "abc", "abc1"),
            ("^[a-z]+$", "abc", "1abc"),
            ("a|ab", "ab", "abc"),
            ("(?m)^a$", "a", "a\nb"),
            ("a$", "a", "a\n"),
        ] {
            let pattern = Pattern::new(pattern).unwrap();
            assert!(pattern.is_match(good) && !pattern.is_match(bad), "{pattern:?}");
        }
    }

    #[test]
    fn refuses_patterns_that_are_broken_or_too_large() {
        let long = "a".repeat(513);
        for bad in ["(", "a)|(b", "[z-a]", "(?:a{1000}){1000}", long.as_str()] {
            assert!(Pattern::new(bad).is_none(), "{bad}");
        }
    }
}
