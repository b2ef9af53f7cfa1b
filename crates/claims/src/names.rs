//! Sets of names, and groups that may be unknown.

use std::borrow::Borrow;
use std::fmt;

use crate::ids::{GroupName, Name};
use crate::text::Text;

/// A sorted set of names without repetition. Cheap to search and to walk, and never grows.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct NameSet<T>(Box<[T]>);

impl<T> NameSet<T> {
    /// How many names there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no name at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The names, sorted by bytes.
    pub fn iter(&self) -> std::slice::Iter<'_, T> {
        self.0.iter()
    }

    /// The names, sorted by bytes.
    #[must_use]
    pub fn as_slice(&self) -> &[T] {
        &self.0
    }
}

impl<T: Ord + Borrow<str>> NameSet<T> {
    /// Whether exactly this name is in the set.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.0.binary_search_by(|have| have.borrow().cmp(name)).is_ok()
    }
}

/// The set of these names, all in one allocation. Nothing if one of them is no name.
#[cfg_attr(not(feature = "verify"), expect(dead_code, reason = "for the verifier"))]
pub(crate) fn pack<'a, T: Name>(
    names: impl Iterator<Item = Option<&'a str>>,
) -> Option<NameSet<T>> {
    let mut sorted = Vec::with_capacity(names.size_hint().0);
    for name in names {
        let name = name.filter(|name| T::check(name).is_ok())?;
        sorted.push((start(name), name));
    }
    sorted.sort_unstable();
    sorted.dedup();
    let texts = Text::pack(sorted.iter().map(|(_, name)| *name));
    Some(NameSet(texts.map(T::of_checked).collect()))
}

/// A number that sorts as the first eight bytes do. It settles most comparisons.
fn start(name: &str) -> u64 {
    let mut start = [0; 8];
    start.iter_mut().zip(name.bytes()).for_each(|(to, byte)| *to = byte);
    u64::from_be_bytes(start)
}

impl<T> Default for NameSet<T> {
    fn default() -> Self {
        Self(Box::default())
    }
}

impl<T: Ord> FromIterator<T> for NameSet<T> {
    fn from_iter<I: IntoIterator<Item = T>>(names: I) -> Self {
        let mut names: Vec<T> = names.into_iter().collect();
        names.sort_unstable();
        names.dedup();
        Self(names.into_boxed_slice())
    }
}

impl<'a, T> IntoIterator for &'a NameSet<T> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// Shows how many names there are, never which: names come from claims.
impl<T> fmt::Debug for NameSet<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NameSet({})", self.0.len())
    }
}

/// The groups of a user, or why they are not known.
///
/// Unknown is never "no groups": an empty set would let a rule through that is meant for those who are
/// *not* in a group, and would hide a fault of the issuer's configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Groups {
    /// The token said it: exactly these.
    Known(NameSet<GroupName>),
    /// The token did not say it.
    Unknown(UnknownGroups),
}

impl Groups {
    /// The groups, if the token named them.
    #[must_use]
    pub fn known(&self) -> Option<&NameSet<GroupName>> {
        match self {
            Self::Known(groups) => Some(groups),
            Self::Unknown(_) => None,
        }
    }
}

/// Why the groups of a user are not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum UnknownGroups {
    /// The token has no such claim.
    #[error("the token has no groups claim")]
    Absent,
    /// The user is in more groups than the issuer puts into a token (`_claim_names`, `hasgroups`).
    #[error("the token says that there are more groups than it can hold")]
    Overage,
    /// The claim is there, but is no list of valid group names.
    #[error("the groups claim is not a list of names")]
    WrongType,
    /// A resolver was asked, and had no answer.
    #[error("the groups could not be looked up")]
    Unresolved,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(names: &[&str]) -> NameSet<GroupName> {
        names.iter().map(|name| name.parse().unwrap()).collect()
    }

    #[test]
    fn sorts_and_drops_repetitions() {
        let names = set(&["b", "a", "b"]);
        assert_eq!(names.len(), 2);
        assert!(names.contains("a") && names.contains("b") && !names.contains("A"));
    }

    #[test]
    fn a_packed_set_is_the_same_set() {
        for names in [
            &[][..],
            &["a"],
            &["b", "a", "Räte", "b", "long name 2", "long name 1", "long nam", "~", "a b", "a"],
        ] {
            assert_eq!(pack(names.iter().copied().map(Some)), Some(set(names)));
        }
        for name in [None, Some(""), Some("a\n")] {
            assert_eq!(pack::<GroupName>([Some("a"), name].into_iter()), None);
        }
    }

    #[test]
    fn debug_counts_without_showing() {
        let shown = format!("{:?}", Groups::Known(set(&["canary"])));
        assert_eq!(shown, "Known(NameSet(1))");
    }

    #[test]
    fn unknown_is_not_the_empty_set() {
        assert_eq!(Groups::Unknown(UnknownGroups::Absent).known(), None);
        assert_ne!(Groups::Unknown(UnknownGroups::Absent), Groups::Known(set(&[])));
    }
}
