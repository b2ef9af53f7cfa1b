//! For whom a rule holds.

use bonafide_claims::{
    DirectoryId, GroupName, Groups, Issuer, NameSet, RoleName, Scope, Subject, UnknownGroups,
    VerifiedUser,
};

use crate::rule::Effect;

/// What a decision looks at. Borrowed from a verified user, or from a made-up one for a dry run.
#[derive(Clone, Copy)]
pub(crate) struct Who<'a> {
    pub(crate) issuer: &'a Issuer,
    pub(crate) directory: Option<&'a DirectoryId>,
    pub(crate) subject: &'a Subject,
    pub(crate) groups: &'a Groups,
    pub(crate) roles: &'a NameSet<RoleName>,
    pub(crate) scopes: &'a NameSet<Scope>,
}

impl<'a> Who<'a> {
    pub(crate) fn unknown_groups(&self) -> Option<UnknownGroups> {
        match self.groups {
            Groups::Known(_) => None,
            Groups::Unknown(why) => Some(*why),
        }
    }
}

impl<'a> From<&'a VerifiedUser> for Who<'a> {
    fn from(user: &'a VerifiedUser) -> Self {
        Self {
            issuer: user.issuer(),
            directory: user.id().directory(),
            subject: user.subject(),
            groups: user.groups(),
            roles: user.roles(),
            scopes: user.scopes(),
        }
    }
}

/// The conditions that there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Issuer,
    Users,
    Groups,
    Roles,
    Scopes,
}

impl Kind {
    pub(crate) const ALL: [Self; 5] =
        [Self::Issuer, Self::Users, Self::Groups, Self::Roles, Self::Scopes];
}

/// What came of looking at a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Check {
    Holds,
    Fails,
    /// It rests on groups, and those are unknown.
    Unknown,
}

impl From<bool> for Check {
    fn from(holds: bool) -> Self {
        if holds { Self::Holds } else { Self::Fails }
    }
}

/// A user as a rule names one.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Named {
    pub(crate) subject: Subject,
    pub(crate) directory: Option<DirectoryId>,
}

/// Names of people stay out of logs, a policy's own as well.
impl std::fmt::Debug for Named {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Named(…)")
    }
}

/// The conditions of a rule. What is `None` is no condition; no list is empty.
#[derive(Debug, Default)]
pub(crate) struct Conditions {
    pub(crate) issuer: Option<Issuer>,
    pub(crate) users: Option<NameSet<Named>>,
    pub(crate) groups: Option<NameSet<GroupName>>,
    /// Whether the groups are paths that stand for what is below them too.
    pub(crate) subtree: bool,
    pub(crate) roles: Option<NameSet<RoleName>>,
    pub(crate) scopes: Option<NameSet<Scope>>,
}

impl Conditions {
    /// Whether `holds` is true of each condition that there is.
    pub(crate) fn all(&self, mut holds: impl FnMut(Kind, &Self) -> bool) -> bool {
        Kind::ALL.into_iter().all(|kind| !self.has(kind) || holds(kind, self))
    }

    pub(crate) fn has(&self, kind: Kind) -> bool {
        match kind {
            Kind::Issuer => self.issuer.is_some(),
            Kind::Users => self.users.is_some(),
            Kind::Groups => self.groups.is_some(),
            Kind::Roles => self.roles.is_some(),
            Kind::Scopes => self.scopes.is_some(),
        }
    }

    /// Whether one condition holds. One that the rule does not have does.
    pub(crate) fn check(&self, kind: Kind, effect: Effect, who: &Who<'_>) -> Check {
        match kind {
            Kind::Issuer => self.issuer.as_ref().is_none_or(|issuer| issuer == who.issuer).into(),
            Kind::Users => self.users.as_ref().is_none_or(|users| names(users, effect, who)).into(),
            Kind::Groups => self.check_groups(who),
            Kind::Roles => self.roles.as_ref().is_none_or(|roles| meets(roles, who.roles)).into(),
            Kind::Scopes => {
                let has_all = |needed: &NameSet<Scope>| {
                    needed.iter().all(|scope| who.scopes.contains(scope.as_str()))
                };
                self.scopes.as_ref().is_none_or(has_all).into()
            }
        }
    }

    fn check_groups(&self, who: &Who<'_>) -> Check {
        let Some(wanted) = &self.groups else { return Check::Holds };
        let Groups::Known(groups) = who.groups else { return Check::Unknown };
        if self.subtree {
            groups
                .iter()
                .any(|group| paths(group.as_str()).any(|path| wanted.contains(path)))
                .into()
        } else {
            meets(wanted, groups).into()
        }
    }
}

/// A path and all paths that it is below of, the longest first. The root is none of them.
pub(crate) fn paths(path: &str) -> impl Iterator<Item = &str> {
    let above = path.rmatch_indices('/').filter_map(|(at, _)| path.get(..at));
    std::iter::once(path).chain(above).filter(|path| !path.is_empty())
}

/// Whether the two have a name in common.
fn meets<T: Ord + std::borrow::Borrow<str>>(wanted: &NameSet<T>, have: &NameSet<T>) -> bool {
    let (few, many) = if wanted.len() < have.len() { (wanted, have) } else { (have, wanted) };
    few.iter().any(|name| many.contains(name.borrow()))
}

fn names(users: &NameSet<Named>, effect: Effect, who: &Who<'_>) -> bool {
    // The set is sorted by subject: all that name it stand together.
    let users = users.as_slice();
    let first = users.partition_point(|named| named.subject < *who.subject);
    users.iter().skip(first).take_while(|named| named.subject == *who.subject).any(|named| {
        named.directory.as_ref() == who.directory
            || (named.directory.is_none() && effect == Effect::Deny)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn walks_up_a_path_at_its_separators() {
        let walked = |path| paths(path).collect::<Vec<_>>();
        assert_eq!(walked("/eng/backend/db"), ["/eng/backend/db", "/eng/backend", "/eng"]);
        assert_eq!(walked("/eng"), ["/eng"]);
        assert_eq!(walked("/"), ["/"]);
        assert_eq!(walked("eng"), ["eng"]);
    }
}
