//! Why headers could not be rendered. Never shows a value.

use std::fmt;

use http::HeaderName;

use crate::{Name, VariableName};

/// Why headers could not be rendered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RenderError {
    /// Names without a value, all of them.
    #[error("no value for {0}")]
    Missing(Missing),
    /// A value that the header cannot carry as the template has it.
    #[error("the value of `{name}` cannot go into header `{header}`: {problem}")]
    Value {
        /// The header.
        header: HeaderName,
        /// Whose value it is.
        name: Name,
        /// What is wrong with it, and what would be right.
        problem: ValueProblem,
    },
    /// Each value by itself is in order, but not what they come to.
    #[error("header `{header}` cannot be sent: {problem}")]
    Header {
        /// The header.
        header: HeaderName,
        /// What is wrong with it.
        problem: HeaderProblem,
    },
}

/// The names without a value, each once, in the order in which the templates use them; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing(Vec<Name>);

impl Missing {
    pub(super) fn new(names: Vec<Name>) -> Self {
        Self(names)
    }

    /// All of them.
    #[must_use]
    pub fn names(&self) -> &[Name] {
        &self.0
    }

    /// Those that the user can fill in.
    pub fn declared(&self) -> impl Iterator<Item = &VariableName> {
        self.0.iter().filter_map(|name| match name {
            Name::Declared(name) => Some(name),
            _ => None,
        })
    }

    /// Those that the user cannot do anything about: the token does not say, or the gateway was not told.
    pub fn identity(&self) -> impl Iterator<Item = &Name> {
        self.0.iter().filter(|name| !matches!(name, Name::Declared(_)))
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, name) in self.0.iter().enumerate() {
            let comma = if index > 0 { ", " } else { "" };
            write!(f, "{comma}`{name}`")?;
        }
        Ok(())
    }
}

/// What is wrong with a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ValueProblem {
    /// Nothing or only white space.
    #[error("it is empty, set it")]
    Empty,
    /// A line break or another control character.
    #[error("it contains a line break or another control character, remove it")]
    ControlCharacter,
    /// A secret with other characters than ASCII, outside `basic` and `base64`.
    #[error("it is secret and not plain ASCII, only `basic` and `base64` can carry it unaltered")]
    NotAscii,
    /// A secret that begins or ends with white space, which is lost on the way (RFC 9110, section 5.5).
    #[error("it begins or ends with white space, which would be lost on the way, remove it")]
    OuterSpace,
    /// A list or an object where a text should be, or a number in `basic` or `base64`.
    #[error("it is not a text, write it with `json`, or `join` for a list")]
    NotText,
    /// Something other than a list of texts in `join`.
    #[error("it is not a list of texts, write it with `json`")]
    NotAList,
    /// An item that contains the separator, and so would become two.
    #[error("an item contains the separator, use another one or `json`")]
    SeparatorInItem,
    /// An item that is empty or only white space.
    #[error("an item is empty, use `json`")]
    EmptyItem,
    /// A user name with a colon in `basic`, where the password would begin (RFC 7617, section 2).
    #[error("a user name for `basic` cannot contain `:`, the password would begin there")]
    ColonInUserId,
}

/// What is wrong with a header as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HeaderProblem {
    /// Longer than [`Templates::MAX_VALUE_LEN`](crate::Templates::MAX_VALUE_LEN).
    #[error("it is too long, use fewer or shorter values")]
    TooLong,
    /// Texts that together look like one encoded text.
    #[error("its parts together look like an encoded text, put a separator between them")]
    LooksEncoded,
    /// A bug: all parts were checked.
    #[error("it is not a valid header value, which is a bug, please report it")]
    Invalid,
}
