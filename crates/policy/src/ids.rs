//! Names of tenants and rules.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// The longest [`TenantId`], in bytes.
pub const MAX_TENANT_LEN: usize = 64;

/// The longest [`RuleId`], in bytes.
pub const MAX_RULE_LEN: usize = 128;

/// The first path segments that a gateway keeps for itself.
const RESERVED: [&str; 6] = [".well-known", "api", "connections", "healthz", "metrics", "readyz"];

/// A text that is no tenant id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TenantIdError {
    /// The text was empty or longer than [`MAX_TENANT_LEN`].
    #[error("a tenant id has 1 to {MAX_TENANT_LEN} bytes, this has {len}")]
    Length {
        /// How many bytes it had.
        len: usize,
    },
    /// The text does not start with a letter or a digit.
    #[error("a tenant id starts with a lower-case letter or a digit")]
    Start,
    /// The text has a character in it that no tenant id has.
    #[error(
        "a tenant id has only lower-case letters, digits, `-` and `_`, but not what is at byte {at}"
    )]
    Character {
        /// Where, in bytes from the start.
        at: usize,
    },
    /// The text is a path of the gateway itself.
    #[error("`{word}` is a path of the gateway itself: choose another tenant id")]
    Reserved {
        /// The reserved word.
        word: &'static str,
    },
}

/// One MCP backend, as policy, vault and URL paths (`/{tenant}/mcp`) name it.
///
/// Lower-case ASCII letters, digits, `-` and `_`; a letter or a digit first; 1 to 64 bytes. None of `api`,
/// `connections`, `healthz`, `metrics`, `readyz`, `.well-known`. So an id is one path segment that needs no
/// escaping, has one spelling, and cannot be mistaken for `..`, a hidden file or a route of the gateway.
/// Cloning costs a reference count.
///
/// ```
/// use bonafide_policy::TenantId;
///
/// assert_eq!("github".parse::<TenantId>()?.as_str(), "github");
/// for wrong in ["GitHub", "git.hub", "..", "api", "a/b", ""] {
///     assert!(wrong.parse::<TenantId>().is_err());
/// }
/// # Ok::<(), bonafide_policy::TenantIdError>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TenantId(Arc<str>);

impl TenantId {
    /// The id as it stands in the path.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TenantId {
    type Err = TenantIdError;

    fn from_str(text: &str) -> Result<Self, TenantIdError> {
        if text.is_empty() || text.len() > MAX_TENANT_LEN {
            return Err(TenantIdError::Length { len: text.len() });
        }
        if let Some(word) = RESERVED.into_iter().find(|word| *word == text) {
            return Err(TenantIdError::Reserved { word });
        }
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        if let Some(at) = text.bytes().position(|byte| !plain(byte) && byte != b'-' && byte != b'_')
        {
            return Err(TenantIdError::Character { at });
        }
        if !text.bytes().next().is_some_and(plain) {
            return Err(TenantIdError::Start);
        }
        Ok(Self(text.into()))
    }
}

/// A text that is no rule id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RuleIdError {
    /// The text was empty or longer than [`MAX_RULE_LEN`].
    #[error("a rule id has 1 to {MAX_RULE_LEN} bytes, this has {len}")]
    Length {
        /// How many bytes it had.
        len: usize,
    },
    /// The text has a character in it that no rule id has.
    #[error("a rule id has only ASCII letters, digits and `-_.:/@`, but not what is at byte {at}")]
    Character {
        /// Where, in bytes from the start.
        at: usize,
    },
}

/// What a rule is called in logs, explanations and audit events.
///
/// ASCII letters, digits and `-_.:/@`; 1 to 128 bytes: it can be printed anywhere as it is.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleId(Box<str>);

impl RuleId {
    /// The id as it stands in the policy.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for RuleId {
    type Err = RuleIdError;

    fn from_str(text: &str) -> Result<Self, RuleIdError> {
        if text.is_empty() || text.len() > MAX_RULE_LEN {
            return Err(RuleIdError::Length { len: text.len() });
        }
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:/@".contains(&byte);
        match text.bytes().position(|byte| !fits(byte)) {
            Some(at) => Err(RuleIdError::Character { at }),
            None => Ok(Self(text.into())),
        }
    }
}

macro_rules! text {
    ($name:ident) => {
        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }

        #[cfg(feature = "serde")]
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        #[cfg(feature = "serde")]
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

text!(TenantId);
text!(RuleId);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_plain_tenant_ids() {
        for good in ["a", "7", "github", "jira-cloud", "a_b", &"x".repeat(MAX_TENANT_LEN)] {
            assert_eq!(good.parse::<TenantId>().unwrap().as_str(), good);
        }
    }

    #[test]
    fn refuses_what_is_no_plain_path_segment() {
        let character = |at| TenantIdError::Character { at };
        for (text, error) in [
            ("", TenantIdError::Length { len: 0 }),
            (&"x".repeat(65), TenantIdError::Length { len: 65 }),
            ("GitHub", character(0)),
            ("a.b", character(1)),
            ("..", character(0)),
            ("a/b", character(1)),
            ("a%2fb", character(1)),
            ("a b", character(1)),
            ("a\n", character(1)),
            ("é", character(0)),
            ("-a", TenantIdError::Start),
            ("_a", TenantIdError::Start),
        ] {
            assert_eq!(text.parse::<TenantId>(), Err(error), "{text:?}");
        }
    }

    #[test]
    fn refuses_the_paths_of_the_gateway() {
        for word in RESERVED {
            assert_eq!(word.parse::<TenantId>(), Err(TenantIdError::Reserved { word }));
        }
    }

    #[test]
    fn rule_ids_can_be_printed_as_they_are() {
        assert!("team:github/read-only@v1.2_x".parse::<RuleId>().is_ok());
        for (text, error) in [
            ("", RuleIdError::Length { len: 0 }),
            ("a b", RuleIdError::Character { at: 1 }),
            ("a\u{202e}b", RuleIdError::Character { at: 1 }),
            ("a`", RuleIdError::Character { at: 1 }),
        ] {
            assert_eq!(text.parse::<RuleId>(), Err(error), "{text:?}");
        }
    }
}
