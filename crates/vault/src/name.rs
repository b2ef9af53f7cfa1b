//! What a secret is called.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;

/// The longest name of a secret, in bytes.
pub const MAX_NAME_LEN: usize = 64;

/// The name of one secret of a tenant: `GITHUB_TOKEN`.
///
/// The same names that header templates use: a letter of ASCII or `_`, then letters, digits and `_`, at
/// most [`MAX_NAME_LEN`] in all. Compared byte for byte.
///
/// ```
/// # use bonafide_vault::SecretName;
/// assert!("GITHUB_TOKEN".parse::<SecretName>().is_ok());
/// assert!("github-token".parse::<SecretName>().is_err());
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SecretName(Box<str>);

/// A string that is no name of a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// The string was empty.
    #[error("the name of a secret is empty: write a letter or `_` and then letters, digits or `_`")]
    Empty,
    /// The string was longer than [`MAX_NAME_LEN`].
    #[error("the name of a secret has {len} bytes: at most {MAX_NAME_LEN} are allowed")]
    TooLong {
        /// How many bytes it had.
        len: usize,
    },
    /// A character that names do not have, or a digit in front.
    #[error(
        "the name of a secret has a wrong character at byte {at}: \
         write a letter or `_` and then letters, digits or `_`"
    )]
    Character {
        /// Where, in bytes from the start.
        at: usize,
    },
}

impl SecretName {
    /// The name as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for SecretName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if text.is_empty() {
            return Err(NameError::Empty);
        }
        if text.len() > MAX_NAME_LEN {
            return Err(NameError::TooLong { len: text.len() });
        }
        let fits = |at: usize, byte: u8| {
            byte == b'_' || byte.is_ascii_alphabetic() || (at > 0 && byte.is_ascii_digit())
        };
        match text.bytes().enumerate().find(|&(at, byte)| !fits(at, byte)) {
            Some((at, _)) => Err(NameError::Character { at }),
            None => Ok(Self(text.into())),
        }
    }
}

impl AsRef<str> for SecretName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for SecretName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SecretName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for SecretName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretName({})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_what_templates_take() {
        for name in ["A", "_", "GITHUB_TOKEN", "a1", "_9", &"x".repeat(MAX_NAME_LEN)] {
            assert_eq!(name.parse::<SecretName>().unwrap().as_str(), name);
        }
    }

    #[test]
    fn refuses_everything_else() {
        let too_long = "x".repeat(MAX_NAME_LEN + 1);
        for (name, error) in [
            ("", NameError::Empty),
            (too_long.as_str(), NameError::TooLong { len: MAX_NAME_LEN + 1 }),
            ("1A", NameError::Character { at: 0 }),
            ("A-B", NameError::Character { at: 1 }),
            ("A B", NameError::Character { at: 1 }),
            ("A.B", NameError::Character { at: 1 }),
            ("A\n", NameError::Character { at: 1 }),
            ("AÄ", NameError::Character { at: 1 }),
            ("A\0", NameError::Character { at: 1 }),
        ] {
            assert_eq!(name.parse::<SecretName>(), Err(error), "{name:?}");
        }
    }
}
