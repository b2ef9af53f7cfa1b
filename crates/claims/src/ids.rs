//! Names and ids that come out of a token.
//!
//! All of them compare as exact strings: no case folding, no trimming, no normalisation. What a
//! client could not have signed differently is what a policy was written against.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;

use crate::text::Text;

/// The longest id or name that is accepted, in bytes.
pub const MAX_ID_LEN: usize = 1024;

/// A string that is no valid id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdError {
    /// The string was empty.
    #[error("`{what}` is empty: write at least one character")]
    Empty {
        /// Which id.
        what: &'static str,
    },
    /// The string was longer than [`MAX_ID_LEN`].
    #[error("`{what}` has {len} bytes: at most {MAX_ID_LEN} are allowed")]
    TooLong {
        /// Which id.
        what: &'static str,
        /// How many bytes it had.
        len: usize,
    },
    /// The string had a control character in it.
    #[error("`{what}` has a control character at byte {at}: leave it out")]
    Control {
        /// Which id.
        what: &'static str,
        /// Where, in bytes from the start.
        at: usize,
    },
}

fn check(what: &'static str, text: &str) -> Result<(), IdError> {
    if text.is_empty() {
        return Err(IdError::Empty { what });
    }
    if text.len() > MAX_ID_LEN {
        return Err(IdError::TooLong { what, len: text.len() });
    }
    // Nearly all names are plain ASCII, which can be told without decoding characters. To the end, since that is
    // many bytes at a time.
    if text.bytes().fold(true, |plain, byte| plain & (b' '..=b'~').contains(&byte)) {
        return Ok(());
    }
    match text.char_indices().find(|(_, c)| c.is_control()) {
        Some((at, _)) => Err(IdError::Control { what, at }),
        None => Ok(()),
    }
}

/// An id or name, for those who make many at once.
pub(crate) trait Name: Ord {
    /// Whether the text may be one.
    fn check(text: &str) -> Result<(), IdError>;

    /// The id that this text is. It was checked.
    fn of_checked(text: Text) -> Self;
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $what:literal, $debug:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Text);

        impl $name {
            /// The id as it stands in the token or the configuration.
            #[must_use]
            pub fn as_str(&self) -> &str {
                self.0.as_str()
            }
        }

        impl Name for $name {
            fn check(text: &str) -> Result<(), IdError> {
                check($what, text)
            }

            fn of_checked(text: Text) -> Self {
                Self(text)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                check($what, text)?;
                Ok(Self(Text::from(text)))
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;

            fn try_from(text: String) -> Result<Self, IdError> {
                text.parse()
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                self.as_str()
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                self.as_str()
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let show: fn(&str) -> &str = $debug;
                f.debug_tuple(stringify!($name)).field(&format_args!("{}", show(self.as_str()))).finish()
            }
        }
    };
}

fn redacted(_: &str) -> &str {
    "…"
}

id! {
    /// The `iss` of a token: RFC 7519, section 4.1.1. Compared byte for byte.
    ///
    /// Not a secret and not personal: an issuer is only ever one that the configuration trusts, so it
    /// is shown in `Debug` and `Display`.
    Issuer, "issuer", |text| text
}

impl fmt::Display for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

id! {
    /// The user's id within an issuer: `sub` (RFC 7519, section 4.1.2), or `oid` for Microsoft Entra ID.
    Subject, "subject", redacted
}
id! {
    /// The directory of a multi-tenant issuer in which the subject lives: `tid` for Microsoft Entra ID.
    DirectoryId, "directory id", redacted
}
id! {
    /// A group that the issuer says the user is in. An opaque string: a name, a path or an object id.
    GroupName, "group", redacted
}
id! {
    /// A role that the issuer gave the user.
    RoleName, "role", redacted
}
id! {
    /// One scope of an access token: RFC 6749, section 3.3.
    Scope, "scope", redacted
}

/// Who the user is, for good: the issuer, the directory where the issuer has several, and the subject.
///
/// Never an e-mail address or a user name: those can be reassigned to somebody else.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserId {
    issuer: Issuer,
    directory: Option<DirectoryId>,
    subject: Subject,
}

impl UserId {
    /// The id of `subject` at `issuer`.
    ///
    /// # Security
    ///
    /// An id is a name, not a proof. Only the one inside a [`VerifiedUser`](crate::VerifiedUser) says who
    /// sent a request.
    #[must_use]
    pub fn new(issuer: Issuer, directory: Option<DirectoryId>, subject: Subject) -> Self {
        Self { issuer, directory, subject }
    }

    /// The issuer that knows the user.
    #[must_use]
    pub fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    /// The directory within the issuer, where it has several.
    #[must_use]
    pub fn directory(&self) -> Option<&DirectoryId> {
        self.directory.as_ref()
    }

    /// The user within issuer and directory.
    #[must_use]
    pub fn subject(&self) -> &Subject {
        &self.subject
    }

    /// Issuer, directory (empty when there is none) and subject: the parts to key a store by, each in a
    /// column or field of its own.
    #[must_use]
    pub fn parts(&self) -> [&str; 3] {
        [
            self.issuer.as_str(),
            self.directory.as_ref().map_or("", DirectoryId::as_str),
            self.subject.as_str(),
        ]
    }
}

impl fmt::Debug for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserId").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_empty_long_and_control() {
        assert_eq!("".parse::<GroupName>(), Err(IdError::Empty { what: "group" }));
        assert_eq!("a\nb".parse::<Subject>(), Err(IdError::Control { what: "subject", at: 1 }));
        assert_eq!("ä\u{85}".parse::<Subject>(), Err(IdError::Control { what: "subject", at: 2 }));
        assert_eq!("\u{7f}".parse::<Subject>(), Err(IdError::Control { what: "subject", at: 0 }));
        assert!("Räte ~".parse::<GroupName>().is_ok());
        assert_eq!(
            "x".repeat(MAX_ID_LEN + 1).parse::<Issuer>(),
            Err(IdError::TooLong { what: "issuer", len: MAX_ID_LEN + 1 })
        );
    }

    #[test]
    fn compares_exactly() {
        let parse = |text: &str| text.parse::<GroupName>().unwrap();
        assert_ne!(parse("Admins"), parse("admins"));
        assert_ne!(parse("admins"), parse("admins "));
    }

    #[test]
    fn debug_shows_the_issuer_and_nothing_of_the_user() {
        let id = UserId::new(
            "https://idp.example".parse().unwrap(),
            Some("canary-directory".parse().unwrap()),
            "canary-subject".parse().unwrap(),
        );
        let shown = format!("{id:?} {:?} {:?}", id.subject(), id.directory());
        assert!(shown.contains("https://idp.example"), "{shown}");
        assert!(!shown.contains("canary"), "{shown}");
    }

    #[test]
    fn parts_keep_the_directory_apart() {
        let id = |directory: Option<&str>| {
            UserId::new(
                "i".parse().unwrap(),
                directory.map(|d| d.parse().unwrap()),
                "s".parse().unwrap(),
            )
        };
        assert_eq!(id(None).parts(), ["i", "", "s"]);
        assert_eq!(id(Some("d")).parts(), ["i", "d", "s"]);
    }
}
