//! The kinds of [`CompileError`](crate::CompileError).

use crate::{Builtin, Template, VariableName};

/// What is wrong with a header, its template or a variable, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CompileErrorKind {
    /// The placeholder has no end.
    #[error(
        "this placeholder has no end, close it with `{closer}` or write `$$` for a dollar sign"
    )]
    Unclosed {
        /// `}` or `>`, depending on how it was opened.
        closer: char,
    },
    /// Something else should stand here.
    #[error("expected {expected}, found {}", found_text(*.found))]
    Expected {
        /// What should stand here.
        expected: &'static str,
        /// What does; `None` at the end of the template.
        found: Option<char>,
    },
    /// The quoted text has no end.
    #[error("this text has no end, close it with the quote that opened it")]
    UnclosedString,
    /// A backslash before something other than a quote or a backslash.
    #[error("a backslash escapes a quote or a backslash, write `\\\\` for a backslash")]
    InvalidEscape,
    /// A character that a header cannot carry as it is.
    #[error("`{}` cannot stand in a header, use visible ASCII characters and spaces", .found.escape_debug())]
    InvalidCharacter {
        /// The character.
        found: char,
    },
    /// A quoted claim name with nothing in it.
    #[error("a claim's name is empty, write the name between the quotes")]
    EmptyClaimName,
    /// A default with nothing in it.
    #[error(
        "this default is empty, write a text after `:-`, or `?` to leave the header out when nothing is set"
    )]
    EmptyDefault,
    /// A default with characters that need quotes.
    #[error("put this default in quotes, as in `${{REGION:-\"a b\"}}`")]
    UnquotedDefault,
    /// A placeholder within a default.
    #[error("a default is plain text, a placeholder cannot stand in it")]
    NestedPlaceholder,
    /// White space at an end of the template.
    #[error("white space at the ends of a header is lost on the way, remove it")]
    OuterSpace,
    /// A template with nothing in it.
    #[error("the template is empty, write what the header should say or leave the header out")]
    EmptyTemplate,
    /// Longer than [`Template::MAX_LEN`].
    #[error("the template is too long, use at most {} bytes", Template::MAX_LEN)]
    TemplateTooLong,
    /// More than [`Templates::MAX_INSERTS`](crate::Templates::MAX_INSERTS) placeholders in one template.
    #[error("too many placeholders in one header, use at most {}", crate::Templates::MAX_INSERTS)]
    TooManyPlaceholders,
    /// No such function.
    #[error("there is no function `{name}`{}, use `basic`, `base64`, `json` or `join`", hint(.suggestion))]
    UnknownFunction {
        /// The name that was used.
        name: String,
        /// A function whose name is near.
        suggestion: Option<String>,
    },
    /// Neither a built-in nor a declared variable.
    #[error("`{}` is neither built in nor declared{}, declare it as a variable or correct the name", .name.escape_debug(), hint(.suggestion))]
    UnknownName {
        /// The name that was used.
        name: String,
        /// A known name that is near.
        suggestion: Option<String>,
    },
    /// An environment variable that is not on the allow-list.
    #[error(
        "`env.{name}` is not on the list of environment variables that templates may use, add it there or declare a variable"
    )]
    EnvNotAllowed {
        /// The name, without `env.`.
        name: String,
    },
    /// An environment variable whose value cannot be used as the template uses it.
    #[error("the value of `env.{name}` cannot be used here: {problem}")]
    EnvUnusable {
        /// The name, without `env.`.
        name: String,
        /// Why.
        problem: crate::ValueProblem,
    },
    /// The same environment variable was given twice.
    #[error("environment variable `{name}` is given twice, give it once")]
    DuplicateEnv {
        /// The name, without `env.`.
        name: String,
    },
    /// Not a name for an environment variable.
    #[error("`{}` cannot be used as `env.<NAME>`, use letters, digits and `_`", .name.escape_debug())]
    InvalidEnvName {
        /// The name, without `env.`.
        name: String,
    },
    /// A list where a text should be.
    #[error("`{name}` is a list, write `json({name})` or `join({name}, \";\")`")]
    ListNeedsFunction {
        /// The list.
        name: Builtin,
    },
    /// A text where `join` needs a list.
    #[error("`{name}` is one text and not a list, write it without `join`")]
    NotAList {
        /// The name.
        name: String,
    },
    /// A separator that is empty, or that begins as it ends, so that items could not be told apart.
    #[error("items could not be told apart with this separator, use a single character like `;`")]
    AmbiguousSeparator,
    /// A literal user name of `basic` with a colon, where the password would begin (RFC 7617, section 2).
    #[error("a user name for `basic` cannot contain `:`, the password would begin there")]
    ColonInUserId,
    /// A secret in a header that is commonly logged or passed on.
    #[error(
        "`{name}` is secret and this header is commonly logged or passed on, use `Authorization` or a header of its own"
    )]
    SecretInLoggedHeader {
        /// The secret.
        name: String,
    },
    /// Not a header name.
    #[error("this is not a header name, use letters, digits and `-`")]
    InvalidHeaderName,
    /// A header that templates may not set.
    #[error("templates cannot set this header: {reason}")]
    ForbiddenHeader {
        /// Whose it is.
        reason: &'static str,
    },
    /// The same header twice; names compare without case and with `_` as `-`.
    #[error("this is the same header as `{}`, keep one of them", .other.escape_debug())]
    DuplicateHeader {
        /// The earlier one, as it was given.
        other: String,
    },
    /// More than [`Templates::MAX_HEADERS`](crate::Templates::MAX_HEADERS).
    #[error("too many headers, use at most {}", crate::Templates::MAX_HEADERS)]
    TooManyHeaders,
    /// The same variable twice.
    #[error("variable `{name}` is declared twice, keep one")]
    DuplicateVariable {
        /// The variable.
        name: VariableName,
    },
    /// A placeholder of another product that has no counterpart here.
    #[error("`{}` has no equivalent: {reason}", .placeholder.escape_debug())]
    NoEquivalent {
        /// The placeholder, without its braces.
        placeholder: String,
        /// Why.
        reason: &'static str,
    },
}

fn hint(suggestion: &Option<String>) -> String {
    suggestion.as_ref().map_or_else(String::new, |near| format!(", did you mean `{near}`"))
}

fn found_text(found: Option<char>) -> String {
    found.map_or_else(|| "the end".to_owned(), |found| format!("`{}`", found.escape_debug()))
}
