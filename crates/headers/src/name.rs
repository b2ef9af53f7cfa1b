//! The names that a template may use.

use std::fmt;
use std::str::FromStr;

use serde_json::{Map, Value as Json};

/// A name that every tenant has, answered from the verified user and the tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Builtin {
    /// `username`: the name the user signs in with. Display data, not an identity.
    Username,
    /// `email`: the user's e-mail address. Display data, not an identity.
    Email,
    /// `name`: the user's full name.
    Name,
    /// `groups`: a list; goes through `json` or `join`.
    Groups,
    /// `roles`: a list; goes through `json` or `join`.
    Roles,
    /// `user.id`: issuer and subject in one text.
    UserId,
    /// `user.subject`: the subject, unique within its issuer.
    Subject,
    /// `user.issuer`: who vouches for the user.
    Issuer,
    /// `tenant`: the backend that the headers are for.
    Tenant,
}

impl Builtin {
    /// All of them, in the order of the documentation.
    pub const ALL: [Self; 9] = [
        Self::Username,
        Self::Email,
        Self::Name,
        Self::Groups,
        Self::Roles,
        Self::UserId,
        Self::Subject,
        Self::Issuer,
        Self::Tenant,
    ];

    /// The name as a template has it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Username => "username",
            Self::Email => "email",
            Self::Name => "name",
            Self::Groups => "groups",
            Self::Roles => "roles",
            Self::UserId => "user.id",
            Self::Subject => "user.subject",
            Self::Issuer => "user.issuer",
            Self::Tenant => "tenant",
        }
    }

    /// Whether its value is a list, which needs `json` or `join`.
    #[must_use]
    pub const fn is_list(self) -> bool {
        matches!(self, Self::Groups | Self::Roles)
    }

    pub(crate) fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|builtin| builtin.as_str() == name)
    }
}

impl fmt::Display for Builtin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The name of a declared variable: a letter or `_`, then letters, digits and `_`, at most 64 in all.
///
/// Not a built-in's name and none of `user`, `claims` and `env`, which stand before a dot. Case counts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VariableName(Box<str>);

impl VariableName {
    /// The longest name, in bytes.
    pub const MAX_LEN: usize = 64;

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for VariableName {
    type Err = VariableNameError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let mut bytes = name.bytes();
        if !bytes.next().is_some_and(is_name_start) || !bytes.all(is_name_byte) {
            return Err(VariableNameError::Invalid);
        }
        if name.len() > Self::MAX_LEN {
            return Err(VariableNameError::TooLong);
        }
        if Builtin::find(name).is_some() || ["user", "claims", "env"].contains(&name) {
            return Err(VariableNameError::Reserved);
        }
        Ok(Self(name.into()))
    }
}

impl fmt::Display for VariableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for VariableName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for VariableName {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        name.parse().map_err(|error| {
            serde::de::Error::custom(format_args!(
                "variable name `{}`: {error}",
                name.escape_debug()
            ))
        })
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for VariableName {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// Why a text is not a [`VariableName`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VariableNameError {
    /// Empty, or a character other than ASCII letters, digits and `_`, or a digit first.
    #[error("use letters, digits and `_`, and no digit first, like `GITHUB_TOKEN`")]
    Invalid,
    /// Longer than [`VariableName::MAX_LEN`].
    #[error("use at most {} characters", VariableName::MAX_LEN)]
    TooLong,
    /// A built-in's name, or one of `user`, `claims` and `env`.
    #[error("this name is built in, choose another, like `MY_TOKEN`")]
    Reserved,
}

/// Where a claim is in the token: the names from the outside in.
///
/// Written `claims.department`, `claims.realm_access.roles`, or with quotes where a claim's name has other
/// characters than letters, digits, `_` and `-`: `claims."https://example.com/plan".name`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClaimPath(Box<[Box<str>]>);

impl ClaimPath {
    pub(crate) fn new(segments: impl IntoIterator<Item = String>) -> Self {
        Self(segments.into_iter().map(String::into_boxed_str).collect())
    }

    /// The names from the outside in; never empty.
    pub fn segments(&self) -> impl ExactSizeIterator<Item = &str> {
        self.0.iter().map(AsRef::as_ref)
    }

    /// Walks from the claims object to the value.
    ///
    /// `None` when a name is absent or when something on the way is not an object.
    #[must_use]
    pub fn find<'a>(&self, claims: &'a Map<String, Json>) -> Option<&'a Json> {
        let mut segments = self.segments();
        let first = claims.get(segments.next()?)?;
        segments.try_fold(first, |value, segment| value.as_object()?.get(segment))
    }
}

impl fmt::Display for ClaimPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("claims")?;
        self.segments().try_for_each(|segment| {
            f.write_str(".")?;
            write_segment(f, segment)
        })
    }
}

/// What a template refers to, as errors report it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Name {
    /// A built-in name.
    Builtin(Builtin),
    /// A claim of the token.
    Claim(ClaimPath),
    /// An environment variable, without the `env.` before it.
    Env(Box<str>),
    /// A variable declared for the tenant, which the user fills in.
    Declared(VariableName),
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Builtin(builtin) => builtin.fmt(f),
            Self::Claim(path) => path.fmt(f),
            Self::Env(name) => write!(f, "env.{name}"),
            Self::Declared(name) => name.fmt(f),
        }
    }
}

pub(crate) const fn is_name_start(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_'
}

pub(crate) const fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

pub(crate) const fn is_segment_byte(byte: u8) -> bool {
    is_name_byte(byte) || byte == b'-'
}

/// Writes one name of a path, quoted where it has to be.
pub(crate) fn write_segment(f: &mut fmt::Formatter<'_>, segment: &str) -> fmt::Result {
    if !segment.is_empty() && segment.bytes().all(is_segment_byte) {
        return f.write_str(segment);
    }
    write_quoted(f, segment)
}

/// Writes a quoted string of the template language.
pub(crate) fn write_quoted(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    use fmt::Write as _;
    f.write_char('"')?;
    for character in text.chars() {
        if matches!(character, '"' | '\\') {
            f.write_char('\\')?;
        }
        f.write_char(character)?;
    }
    f.write_char('"')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_and_refuses_variable_names() {
        for good in ["A", "_", "GITHUB_TOKEN", "x9", "USERNAME", "json"] {
            assert!(good.parse::<VariableName>().is_ok(), "{good}");
        }
        let long = "A".repeat(65);
        for (bad, why) in [
            ("", VariableNameError::Invalid),
            ("9A", VariableNameError::Invalid),
            ("A-B", VariableNameError::Invalid),
            ("a.b", VariableNameError::Invalid),
            ("schlüssel", VariableNameError::Invalid),
            ("A\n", VariableNameError::Invalid),
            (long.as_str(), VariableNameError::TooLong),
            ("username", VariableNameError::Reserved),
            ("groups", VariableNameError::Reserved),
            ("tenant", VariableNameError::Reserved),
            ("env", VariableNameError::Reserved),
            ("claims", VariableNameError::Reserved),
            ("user", VariableNameError::Reserved),
        ] {
            assert_eq!(bad.parse::<VariableName>(), Err(why), "{bad:?}");
        }
    }

    #[test]
    fn finds_claims_by_path_and_prints_it() {
        let claims = serde_json::json!({
            "department": "R&D",
            "realm_access": { "roles": ["a"] },
            "https://example.com/plan": { "na.me": "gold" },
        });
        let claims = claims.as_object().unwrap();
        let path = |segments: &[&str]| ClaimPath::new(segments.iter().map(ToString::to_string));
        let nested = path(&["https://example.com/plan", "na.me"]);
        assert_eq!(nested.find(claims).unwrap(), "gold");
        assert_eq!(nested.to_string(), r#"claims."https://example.com/plan"."na.me""#);
        assert_eq!(
            path(&["realm_access", "roles"]).find(claims).unwrap(),
            &serde_json::json!(["a"])
        );
        assert_eq!(path(&["department", "x"]).find(claims), None);
        assert_eq!(path(&["realm_access.roles"]).find(claims), None);
    }
}
