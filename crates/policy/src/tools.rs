//! Patterns for tool names, the only place where a rule has wildcards.

use std::str::FromStr;

/// The longest tool pattern, in bytes.
pub const MAX_PATTERN_LEN: usize = 256;

/// The longest tool name that anything covers, in bytes. MCP suggests at most 128.
pub const MAX_TOOL_LEN: usize = 1024;

/// What other pattern languages read as an operator. Read literally, a rule with one of them would match
/// no tool, which in a deny rule is a hole; so it is an error, and `*` can stand for the character.
const NOT_OURS: [char; 10] = ['?', '[', ']', '{', '}', '\\', '^', '$', '|', '!'];

/// A text that is no tool pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PatternError {
    /// The pattern was empty or longer than [`MAX_PATTERN_LEN`].
    #[error("a tool pattern has 1 to {MAX_PATTERN_LEN} bytes, this has {len}")]
    Length {
        /// How many bytes it had.
        len: usize,
    },
    /// The pattern has a control character or white space at an end.
    #[error("a tool pattern has no control characters and no white space around it")]
    Space,
    /// The pattern has a character that other pattern languages give a meaning.
    #[error("`{found}` has no meaning in a tool pattern: the only wildcard is `*`")]
    Operator {
        /// The character.
        found: char,
    },
}

/// A tool name in which `*` stands for any text, the empty one included. Anchored at both ends, and the
/// case counts.
///
/// ```
/// use bonafide_policy::ToolPattern;
///
/// let pattern: ToolPattern = "create_*".parse()?;
/// assert!(pattern.matches("create_issue") && !pattern.matches("recreate_issue"));
/// assert!("create_?".parse::<ToolPattern>().is_err());
/// # Ok::<(), bonafide_policy::PatternError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ToolPattern {
    text: Box<str>,
}

impl ToolPattern {
    /// The pattern of a rule that says nothing of tools.
    pub(crate) fn all() -> Self {
        Self { text: "*".into() }
    }

    pub(crate) fn parse(text: &str) -> Result<Self, PatternError> {
        if text.is_empty() || text.len() > MAX_PATTERN_LEN {
            return Err(PatternError::Length { len: text.len() });
        }
        if text.trim() != text || text.chars().any(char::is_control) {
            return Err(PatternError::Space);
        }
        if let Some(found) = text.chars().find(|c| NOT_OURS.contains(c)) {
            return Err(PatternError::Operator { found });
        }
        Ok(Self { text: text.into() })
    }

    /// The pattern as it is written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    fn is_all(&self) -> bool {
        self.text.bytes().all(|byte| byte == b'*')
    }

    fn is_exact(&self) -> bool {
        !self.text.contains('*')
    }

    /// Whether it stands for this name.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        let Some((head, rest)) = self.text.split_once('*') else {
            return *self.text == *name;
        };
        let Some(mut name) = name.strip_prefix(head) else { return false };
        let (middle, tail) = rest.rsplit_once('*').unwrap_or(("", rest));
        // Taking each part at its first place leaves the most for those after it.
        for part in middle.split('*') {
            match name.split_once(part) {
                Some((_, after)) => name = after,
                None => return false,
            }
        }
        name.ends_with(tail)
    }

    /// Whether each name that `other` matches is matched by this one.
    ///
    /// The literal parts of a pattern have no `*`, so what matches the *text* of `other` does it with each
    /// `*` of `other` inside one of its own, and goes on matching whatever stands there instead. The other
    /// way round, a character that occurs in no pattern put for each `*` of `other` is a name that it
    /// matches: several patterns together cover `other` only if one of them does.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        self.matches(&other.text)
    }
}

impl FromStr for ToolPattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        Self::parse(text)
    }
}

/// The tools of one rule.
#[derive(Debug, Clone)]
pub(crate) struct Tools {
    all: bool,
    patterns: Box<[ToolPattern]>,
    /// How many of the patterns, from the start, have no wildcard; they are sorted.
    exact: usize,
}

impl Tools {
    pub(crate) fn new(mut patterns: Vec<ToolPattern>) -> Self {
        let all = patterns.iter().any(ToolPattern::is_all);
        patterns.sort_by(|a, b| (!a.is_exact(), &a.text).cmp(&(!b.is_exact(), &b.text)));
        patterns.dedup();
        let exact = patterns.iter().take_while(|pattern| pattern.is_exact()).count();
        Self { all, patterns: patterns.into_boxed_slice(), exact }
    }

    pub(crate) fn is_all(&self) -> bool {
        self.all
    }

    pub(crate) fn patterns(&self) -> &[ToolPattern] {
        &self.patterns
    }

    pub(crate) fn contains(&self, name: &str) -> bool {
        if name.is_empty() || name.len() > MAX_TOOL_LEN {
            return false;
        }
        let (exact, globs) = self.patterns.split_at_checked(self.exact).unwrap_or_default();
        self.all
            || exact.binary_search_by(|pattern| (*pattern.text).cmp(name)).is_ok()
            || globs.iter().any(|glob| glob.matches(name))
    }

    pub(crate) fn covers(&self, pattern: &ToolPattern) -> bool {
        self.all || self.patterns.iter().any(|own| own.covers(pattern))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> ToolPattern {
        ToolPattern::parse(text).unwrap()
    }

    #[test]
    fn matches_the_whole_name_or_nothing() {
        for (text, name, expected) in [
            ("read", "read", true),
            ("read", "Read", false),
            ("read", "read_file", false),
            ("read", "thread", false),
            ("*", "", true),
            ("*", "anything", true),
            ("read_*", "read_", true),
            ("read_*", "read_file", true),
            ("read_*", "unread_file", false),
            ("*_file", "read_file", true),
            ("*_file", "read_files", false),
            ("a*a", "a", false),
            ("a*a", "aa", true),
            ("a*b*c", "abc", true),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "acb", false),
            ("*ab*ab*", "abab", true),
            ("*ab*ab*", "ab", false),
            ("**", "x", true),
            ("a**b", "ab", true),
            ("é*", "éa", true),
        ] {
            assert_eq!(pattern(text).matches(name), expected, "{text} {name}");
        }
    }

    #[test]
    fn covers_what_is_narrower() {
        for (wide, narrow, expected) in [
            ("*", "a*", true),
            ("a*", "*", false),
            ("a*", "ab*", true),
            ("a*", "a*b", true),
            ("a*c", "a*b*c", true),
            ("a*b*c", "a*c", false),
            ("a*a", "a*", false),
            ("**", "*", true),
            ("*", "**", true),
            ("x", "x", true),
        ] {
            assert_eq!(pattern(wide).covers(&pattern(narrow)), expected, "{wide} {narrow}");
        }
    }

    #[test]
    fn refuses_other_pattern_languages() {
        for found in NOT_OURS {
            let text = format!("a{found}");
            assert_eq!(ToolPattern::parse(&text), Err(PatternError::Operator { found }));
        }
        assert_eq!(ToolPattern::parse(""), Err(PatternError::Length { len: 0 }));
        assert_eq!(ToolPattern::parse(" a"), Err(PatternError::Space));
        assert_eq!(ToolPattern::parse("a\u{7}b"), Err(PatternError::Space));
    }

    #[test]
    fn no_rule_covers_an_empty_or_endless_name() {
        let tools = Tools::new(vec![pattern("*")]);
        assert!(tools.contains("a") && tools.contains(&"a".repeat(MAX_TOOL_LEN)));
        assert!(!tools.contains("") && !tools.contains(&"a".repeat(MAX_TOOL_LEN + 1)));
    }

    #[test]
    fn finds_exact_names_among_globs() {
        let tools = Tools::new(["z", "b*", "a", "m"].map(pattern).to_vec());
        for (name, expected) in
            [("a", true), ("m", true), ("z", true), ("bb", true), ("n", false), ("b*", true)]
        {
            assert_eq!(tools.contains(name), expected, "{name}");
        }
    }
}
