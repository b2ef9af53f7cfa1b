//! Where in a payload a value is.

use std::fmt;
use std::str::FromStr;

use bonafide_jwks::strict_json::{Object, Value};

/// Where in a payload a value is: the names of the members on the way to it.
///
/// Written as `groups`, as `realm_access.roles`, as one name that is a URL (`https://example.com/groups`), or
/// as a JSON pointer (RFC 6901) where a name has a dot in it: `/resource_access/my.client/roles`.
///
/// ```
/// use bonafide_claims::{ClaimPath, PathError};
///
/// let path: ClaimPath = "realm_access.roles".parse()?;
/// assert_eq!(path.to_string(), "/realm_access/roles");
/// assert_eq!("realm_access..roles".parse::<ClaimPath>(), Err(PathError::EmptyName));
/// # Ok::<(), PathError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ClaimPath(Box<[Box<str>]>);

/// A text that is no claim path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PathError {
    /// A name on the way is empty, or there is none.
    #[error("a name in the claim path is empty: write `a` or `a.b`")]
    EmptyName,
    /// In a JSON pointer, `~` stands before something else than 0 or 1.
    #[error("`~` in a JSON pointer must be written `~0`")]
    Escape,
}

impl ClaimPath {
    pub(super) fn of<const N: usize>(names: [&str; N]) -> Self {
        Self(names.into_iter().map(Box::from).collect())
    }

    /// The value there.
    pub(super) fn find<'o, 'a>(&self, claims: &'o Object<'a>) -> Option<&'o Value<'a>> {
        let (last, way) = self.0.split_last()?;
        let mut object = claims;
        for name in way {
            object = object.get(name)?.as_object()?;
        }
        object.get(last)
    }
}

impl FromStr for ClaimPath {
    type Err = PathError;

    fn from_str(text: &str) -> Result<Self, PathError> {
        let names: Box<[Box<str>]> = if let Some(pointer) = text.strip_prefix('/') {
            pointer.split('/').map(unescape).collect::<Result<_, _>>()?
        } else if text.contains("://") {
            Box::new([text.into()])
        } else {
            text.split('.').map(Box::from).collect()
        };
        if names.iter().any(|name| name.is_empty()) {
            Err(PathError::EmptyName)
        } else {
            Ok(Self(names))
        }
    }
}

fn unescape(name: &str) -> Result<Box<str>, PathError> {
    let bare = name.replace("~0", "").replace("~1", "");
    if bare.contains('~') {
        return Err(PathError::Escape);
    }
    Ok(name.replace("~1", "/").replace("~0", "~").into())
}

/// As a JSON pointer.
impl fmt::Display for ClaimPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .iter()
            .try_for_each(|name| write!(f, "/{}", name.replace('~', "~0").replace('/', "~1")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_all_spellings() {
        for (text, pointer) in [
            ("groups", "/groups"),
            ("realm_access.roles", "/realm_access/roles"),
            ("https://example.com/groups", "/https:~1~1example.com~1groups"),
            ("/resource_access/my.client/roles", "/resource_access/my.client/roles"),
            ("/a~1b/c~0d", "/a~1b/c~0d"),
            ("cognito:groups", "/cognito:groups"),
        ] {
            let path: ClaimPath = text.parse().unwrap();
            assert_eq!(path.to_string(), pointer, "{text}");
            assert_eq!(pointer.parse(), Ok(path), "{text}");
        }
    }

    #[test]
    fn rejects_empty_names_and_stray_escapes() {
        for text in ["", ".", "a.", ".a", "a..b", "/", "/a/", "//a"] {
            assert_eq!(text.parse::<ClaimPath>(), Err(PathError::EmptyName), "{text}");
        }
        for text in ["/a~", "/a~2", "/~~0"] {
            assert_eq!(text.parse::<ClaimPath>(), Err(PathError::Escape), "{text}");
        }
    }
}
