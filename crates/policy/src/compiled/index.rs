//! From what a user has to the rules that ask for it.

use std::borrow::Borrow;
use std::collections::HashMap;

use bonafide_claims::{Groups, NameSet};

use super::conditions::{Conditions, Kind, Who, paths};
use super::{CompiledRule, RuleNo};
use crate::rule::Effect;

/// Names of the policy's own, so nobody who sends a token chooses what is in here.
type Names = HashMap<Box<str>, Vec<RuleNo>, foldhash::fast::RandomState>;

/// Rules, filed under the condition of each that the fewest users meet.
///
/// Finding the rules for a user costs one look-up for each name that the user has, however many rules there
/// are; then only those found are looked at.
#[derive(Debug, Default)]
pub(crate) struct Index {
    users: Names,
    groups: Names,
    paths: Names,
    roles: Names,
    scopes: Names,
    issuers: Names,
    /// Rules without a condition.
    always: Vec<RuleNo>,
    /// Deny rules filed under groups: they apply to those whose groups are unknown, too.
    denies_by_group: Vec<RuleNo>,
}

impl Index {
    pub(crate) fn add(&mut self, number: RuleNo, effect: Effect, conditions: &Conditions) {
        if let Some(users) = &conditions.users {
            file(&mut self.users, number, users.iter().map(|named| named.subject.as_str()));
        } else if let Some(groups) = &conditions.groups {
            let names = if conditions.subtree { &mut self.paths } else { &mut self.groups };
            file(names, number, groups.iter().map(Borrow::borrow));
            if effect == Effect::Deny {
                self.denies_by_group.push(number);
            }
        } else if let Some(roles) = &conditions.roles {
            file(&mut self.roles, number, roles.iter().map(Borrow::borrow));
        } else if let Some(scopes) = &conditions.scopes {
            // All of them are needed, so one is enough to find the rule by.
            file(&mut self.scopes, number, scopes.iter().map(Borrow::borrow).take(1));
        } else if let Some(issuer) = &conditions.issuer {
            file(&mut self.issuers, number, [issuer.as_str()]);
        } else {
            self.always.push(number);
        }
    }

    /// Calls `found` with each rule that applies to `who`, in no order, and perhaps more than once.
    pub(crate) fn applying(
        &self,
        rules: &[CompiledRule],
        who: &Who<'_>,
        mut found: impl FnMut(RuleNo, &CompiledRule),
    ) {
        let mut look = |numbers: &[RuleNo], known: Option<Kind>| {
            for &number in numbers {
                let rule = usize::try_from(number).ok().and_then(|at| rules.get(at));
                if let Some(rule) = rule.filter(|rule| rule.applies(who, known)) {
                    found(number, rule);
                }
            }
        };
        look(&self.always, None);
        each(&self.users, [who.subject.as_str()], |numbers| look(numbers, None));
        each(&self.issuers, [who.issuer.as_str()], |numbers| look(numbers, Some(Kind::Issuer)));
        match who.groups {
            Groups::Known(groups) => {
                let names = || groups.iter().map(|group| group.as_str());
                each(&self.groups, names(), |numbers| look(numbers, Some(Kind::Groups)));
                each(&self.paths, names().flat_map(paths), |numbers| {
                    look(numbers, Some(Kind::Groups));
                });
            }
            Groups::Unknown(_) => look(&self.denies_by_group, None),
        }
        each(&self.roles, strs(who.roles), |numbers| look(numbers, Some(Kind::Roles)));
        each(&self.scopes, strs(who.scopes), |numbers| look(numbers, None));
    }

    /// Calls `found` with each rule that may apply to everybody for whom `narrow` holds, and perhaps with
    /// others.
    ///
    /// A rule that needs any of some names is such a one only if it lists all that `narrow` lists, so each of
    /// those leads to it, and the one that the fewest rules list is enough.
    pub(crate) fn about(&self, narrow: &Conditions, mut found: impl FnMut(RuleNo)) {
        let mut look = |numbers: &[RuleNo]| numbers.iter().copied().for_each(&mut found);
        look(&self.always);
        let users = narrow.users.iter().flatten().map(|named| named.subject.as_str());
        look(rarest(&self.users, users));
        let groups = || narrow.groups.iter().flatten().map(|group| group.as_str());
        look(rarest(&self.groups, groups()));
        each(&self.paths, groups().take(1).flat_map(paths), &mut look);
        look(rarest(&self.roles, narrow.roles.iter().flat_map(strs)));
        each(&self.scopes, narrow.scopes.iter().flat_map(strs), &mut look);
        each(&self.issuers, narrow.issuer.iter().map(|issuer| issuer.as_str()), &mut look);
    }
}

/// The shortest of the lists for `wanted`; empty if one of them is.
fn rarest<'n, 'a>(names: &'n Names, wanted: impl Iterator<Item = &'a str>) -> &'n [RuleNo] {
    let lists = wanted.map(|name| names.get(name).map_or(&[][..], Vec::as_slice));
    lists.min_by_key(|numbers| numbers.len()).unwrap_or_default()
}

fn file<'a>(names: &mut Names, number: RuleNo, under: impl IntoIterator<Item = &'a str>) {
    for name in under {
        match names.get_mut(name) {
            Some(numbers) => numbers.push(number),
            None => drop(names.insert(name.into(), vec![number])),
        }
    }
}

fn each<'a>(
    names: &Names,
    have: impl IntoIterator<Item = &'a str>,
    mut found: impl FnMut(&[RuleNo]),
) {
    if names.is_empty() {
        return;
    }
    for name in have {
        if let Some(numbers) = names.get(name) {
            found(numbers);
        }
    }
}

fn strs<T: Borrow<str>>(names: &NameSet<T>) -> impl Iterator<Item = &str> {
    names.iter().map(Borrow::borrow)
}
