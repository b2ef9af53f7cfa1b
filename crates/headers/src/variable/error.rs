//! What can be wrong with a declaration, and with a value for it.

use crate::Variable;

/// Why a declaration is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DeclareError {
    /// A default for a secret: everybody would share it, and it would stand in the configuration.
    #[error("a secret cannot have a default, remove it or set `secret = false`")]
    SecretDefault,
    /// The pattern does not compile.
    #[error(
        "the pattern is not a regular expression that can be used, see the syntax of `regex-lite` and stay under 512 bytes"
    )]
    InvalidPattern,
    /// No value is both long and short enough.
    #[error(
        "`min_length` is more than `max_length`, or `max_length` more than {}",
        Variable::MAX_VALUE_LEN
    )]
    ImpossibleLength,
    /// An empty list of choices, or one twice.
    #[error("`choices` needs at least one value, and each only once")]
    InvalidChoices,
    /// One of the choices breaks another rule of the same declaration.
    #[error("choice number {position} can never be used: {problem}")]
    UnusableChoice {
        /// Counted from 1.
        position: usize,
        /// The rule it breaks.
        problem: ValueError,
    },
    /// The default breaks another rule of the same declaration.
    #[error("the default can never be used: {problem}")]
    UnusableDefault {
        /// The rule it breaks.
        problem: ValueError,
    },
    /// A control character in the title or the description.
    #[error("title and description are plain text, remove line breaks and control characters")]
    ControlCharacter,
}

/// Why a value is refused. Never says what the value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ValueError {
    /// Nothing, or only white space.
    #[error("the value is empty, enter one")]
    Empty,
    /// Fewer characters than declared.
    #[error("the value is too short, it needs at least {min} characters")]
    TooShort {
        /// The least number of characters.
        min: usize,
    },
    /// More characters than declared, or more bytes than [`Variable::MAX_VALUE_LEN`].
    #[error("the value is too long, it can have at most {max} characters")]
    TooLong {
        /// The greatest number of characters.
        max: usize,
    },
    /// A line break or another control character within the value.
    #[error("the value contains a line break or another control character, remove it")]
    ControlCharacter,
    /// A line break at the end, as copying from a terminal leaves it.
    #[error("the value ends with a line break, remove it")]
    TrailingLineBreak,
    /// White space at an end.
    #[error("the value begins or ends with white space, remove it")]
    OuterSpace,
    /// Not one of the declared choices.
    #[error("the value is not one of the choices, pick one of them")]
    NotAChoice,
    /// Does not match the declared pattern.
    #[error("the value does not look as it should, check that all of it was copied")]
    PatternMismatch,
}
