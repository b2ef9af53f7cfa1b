//! Scopes that imply other scopes.

use std::collections::{BTreeMap, BTreeSet};

use bonafide_claims::{NameSet, Scope};

use super::ScopeError;
use super::required::scope;

/// Which scopes imply which others. Default: none does.
///
/// What a scope implies may imply more. MCP 2026-07-28 wants hierarchies to count when it is decided whether a token
/// suffices ("authorization", "runtime insufficient scope errors").
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScopeHierarchy {
    /// For a scope, all others that stand for it too.
    stand_ins: BTreeMap<Scope, BTreeSet<Scope>>,
}

impl ScopeHierarchy {
    /// Each of these scopes implies those that are named with it.
    ///
    /// # Errors
    ///
    /// If one is no scope, implies nothing, or implies itself, by way of others too.
    pub fn new<'a, I>(implied: impl IntoIterator<Item = (&'a str, I)>) -> Result<Self, ScopeError>
    where
        I: IntoIterator<Item = &'a str>,
    {
        let mut direct: BTreeMap<Scope, BTreeSet<Scope>> = BTreeMap::new();
        for (from, to) in implied {
            let to = to.into_iter().map(scope).collect::<Result<BTreeSet<_>, _>>()?;
            if to.is_empty() {
                return Err(ScopeError::Empty);
            }
            direct.entry(scope(from)?).or_default().extend(to);
        }
        let mut stand_ins: BTreeMap<Scope, BTreeSet<Scope>> = BTreeMap::new();
        for from in direct.keys() {
            for to in reached(&direct, from)? {
                stand_ins.entry(to.clone()).or_default().insert(from.clone());
            }
        }
        Ok(Self { stand_ins })
    }

    /// Whether a token with the scopes `held` may do what `needed` is for.
    #[must_use]
    pub fn grants(&self, held: &NameSet<Scope>, needed: &Scope) -> bool {
        held.contains(needed.as_str())
            || self.stand_ins.get(needed).is_some_and(|stand_ins| {
                stand_ins.iter().any(|scope| held.contains(scope.as_str()))
            })
    }

    /// The scopes that others imply.
    pub fn implied(&self) -> impl Iterator<Item = &Scope> {
        self.stand_ins.keys()
    }
}

/// All that `from` implies, directly or not.
fn reached<'a>(
    direct: &'a BTreeMap<Scope, BTreeSet<Scope>>,
    from: &Scope,
) -> Result<BTreeSet<&'a Scope>, ScopeError> {
    let mut reached = BTreeSet::new();
    let mut next: Vec<&Scope> = direct.get(from).into_iter().flatten().collect();
    while let Some(scope) = next.pop() {
        let further = direct.get(scope);
        if scope == from || further.is_some_and(|further| further.contains(from)) {
            let (scope, by) = (from.as_str().to_owned(), scope.as_str().to_owned());
            return Err(ScopeError::Cycle { scope, by });
        }
        if reached.insert(scope) {
            next.extend(further.into_iter().flatten());
        }
    }
    Ok(reached)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(scopes: &[&str]) -> NameSet<Scope> {
        scopes.iter().map(|scope| scope.parse().unwrap()).collect()
    }

    fn grants(hierarchy: &ScopeHierarchy, have: &str, needed: &str) -> bool {
        hierarchy.grants(&held(&[have]), &needed.parse().unwrap())
    }

    #[test]
    fn a_scope_stands_for_all_below_it_and_for_none_above_or_beside() {
        let hierarchy = ScopeHierarchy::new([
            ("admin", vec!["write"]),
            ("write", vec!["read", "comment"]),
            ("audit", vec!["read"]),
        ])
        .unwrap();
        for (have, needed, expected) in [
            ("read", "read", true),
            ("write", "read", true),
            ("admin", "read", true),
            ("admin", "write", true),
            ("audit", "read", true),
            ("audit", "comment", false),
            ("read", "write", false),
            ("write", "admin", false),
            ("comment", "read", false),
            ("other", "other", true),
            ("Admin", "read", false),
        ] {
            assert_eq!(grants(&hierarchy, have, needed), expected, "{have} {needed}");
        }
        assert!(!hierarchy.grants(&held(&[]), &"read".parse().unwrap()));
        assert!(!grants(&ScopeHierarchy::default(), "write", "read"));
    }

    #[test]
    fn two_ways_to_one_scope_are_no_cycle() {
        let diamond = [("a", vec!["b", "c"]), ("b", vec!["d"]), ("c", vec!["d"]), ("b", vec!["e"])];
        let hierarchy = ScopeHierarchy::new(diamond).unwrap();
        assert!(grants(&hierarchy, "a", "d") && grants(&hierarchy, "a", "e"));
        assert_eq!(hierarchy.implied().count(), 4);
    }

    #[test]
    fn refuses_circles_of_any_length() {
        for circle in [
            vec![("a", vec!["a"])],
            vec![("a", vec!["b"]), ("b", vec!["a"])],
            vec![("x", vec!["a"]), ("a", vec!["b"]), ("b", vec!["c"]), ("c", vec!["a"])],
        ] {
            let error = ScopeHierarchy::new(circle).unwrap_err();
            assert!(matches!(error, ScopeError::Cycle { .. }), "{error}");
        }
    }

    #[test]
    fn refuses_what_is_no_scope() {
        assert_eq!(ScopeHierarchy::new([("a", vec![])]), Err(ScopeError::Empty));
        assert_eq!(
            ScopeHierarchy::new([("a", vec!["offline_access"])]),
            Err(ScopeError::OfflineAccess)
        );
        for wrong in [("a b", vec!["c"]), ("a", vec!["b c"])] {
            let error = ScopeHierarchy::new([wrong]).unwrap_err();
            assert!(matches!(error, ScopeError::Syntax { .. }), "{error}");
        }
    }
}
