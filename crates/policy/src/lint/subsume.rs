//! When one rule's conditions follow from another's.

use std::borrow::Borrow;

use bonafide_claims::NameSet;

use crate::compiled::{Conditions, paths};

impl Conditions {
    /// Whether these conditions hold for everybody for whom `narrow` holds. Certain if it says yes.
    pub(crate) fn hold_whenever(&self, narrow: &Self) -> bool {
        let issuer = self.issuer.is_none() || self.issuer == narrow.issuer;
        issuer
            && follows(self.users.as_ref(), narrow.users.as_ref(), |wide, one| {
                wide.as_slice().binary_search(one).is_ok()
            })
            && follows(self.groups.as_ref(), narrow.groups.as_ref(), |wide, group| {
                let name = group.as_str();
                match (self.subtree, narrow.subtree) {
                    (true, _) => paths(name).any(|path| wide.contains(path)),
                    (false, narrow) => !narrow && wide.contains(name),
                }
            })
            && follows(self.roles.as_ref(), narrow.roles.as_ref(), |wide, role| {
                wide.contains(role.borrow())
            })
            && match (&self.scopes, &narrow.scopes) {
                (None, _) => true,
                // All scopes are needed, so the rule that lists more of them is the narrower one.
                (Some(wide), Some(narrow)) => {
                    wide.iter().all(|scope| narrow.contains(scope.borrow()))
                }
                (Some(_), None) => false,
            }
    }
}

/// Whether there is no condition, or one on the other side too with no value that this one does not have.
fn follows<T>(
    wide: Option<&NameSet<T>>,
    narrow: Option<&NameSet<T>>,
    has: impl Fn(&NameSet<T>, &T) -> bool,
) -> bool {
    match (wide, narrow) {
        (None, _) => true,
        (Some(wide), Some(narrow)) => narrow.iter().all(|value| has(wide, value)),
        (Some(_), None) => false,
    }
}
