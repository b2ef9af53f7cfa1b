//! From a rule as written to a rule that can be relied on.

use std::collections::HashMap;
use std::ops::Range;
use std::str::FromStr;
use std::sync::Arc;

use bonafide_claims::{IdError, Issuer, NameSet, Scope};

use super::conditions::{Conditions, Named};
use crate::error::{Key, MappingPlace, PolicyError, Problem, Source};
use crate::ids::{RuleId, TenantId};
use crate::rule::{Effect, List, Rule, RuleUser, Text};
use crate::tools::{ToolPattern, Tools};

/// How many of the known tenants an error names.
const SHOWN: usize = 10;

pub(super) struct Checked {
    pub(super) id: RuleId,
    pub(super) effect: Effect,
    pub(super) conditions: Conditions,
    pub(super) tenants: Option<Vec<TenantId>>,
    pub(super) tools: Tools,
}

/// What rules are checked against, and what was found.
pub(super) struct Checker<'a> {
    tenants: Option<&'a [TenantId]>,
    issuers: Option<&'a [Issuer]>,
    ids: HashMap<RuleId, usize>,
    problems: Vec<PolicyError>,
    /// The rule that is looked at, and where it stands.
    rule: usize,
    span: Option<Range<usize>>,
    source: Option<Arc<Source>>,
    row: Option<MappingPlace>,
    id: Option<RuleId>,
}

impl<'a> Checker<'a> {
    /// `tenants` and `issuers` are sorted.
    pub(super) fn new(tenants: Option<&'a [TenantId]>, issuers: Option<&'a [Issuer]>) -> Self {
        Self {
            tenants,
            issuers,
            ids: HashMap::new(),
            problems: Vec::new(),
            rule: 0,
            span: None,
            source: None,
            row: None,
            id: None,
        }
    }

    pub(super) fn into_problems(self) -> Vec<PolicyError> {
        self.problems
    }

    /// The rule, or `None` if anything is wrong with it.
    pub(super) fn check(&mut self, number: usize, rule: Rule) -> Option<Checked> {
        let before = self.problems.len();
        self.rule = number;
        self.span.clone_from(&rule.span);
        self.source.clone_from(&rule.source);
        self.row = rule.row;
        self.id = None;
        let id = self.id(&rule);
        self.id.clone_from(&id);
        for (key, span, problem) in rule.misread.iter().cloned() {
            self.report(key, span.as_ref(), problem);
        }
        self.who_and_where(&rule);
        let conditions = Conditions {
            issuer: self.issuer(&rule),
            groups: self.names(Key::Groups, rule.groups.as_ref()),
            subtree: rule.subtree,
            roles: self.names(Key::Roles, rule.roles.as_ref()),
            scopes: self.scopes(rule.scopes.as_ref()),
            users: self.users(rule.users.as_ref()),
        };
        let tenants = self.list(Key::Tenants, rule.tenants.as_ref(), Self::tenant);
        let tools = self.list(Key::Tools, rule.tools.as_ref(), Self::pattern);
        let tools = Tools::new(match tools {
            Some(patterns) => patterns,
            None => vec![ToolPattern::all()],
        });
        if self.problems.len() > before {
            return None;
        }
        Some(Checked { id: id?, effect: rule.effect, conditions, tenants, tools })
    }

    fn report(&mut self, key: Key, span: Option<&Range<usize>>, problem: Problem) {
        let span = span.or(self.span.as_ref()).cloned();
        let source = self.source.as_deref();
        self.problems.push(PolicyError {
            rule: Some(self.rule),
            id: self.id.as_ref().map(ToString::to_string),
            key,
            file: source.and_then(|source| source.file.clone()),
            row: self.row,
            line: source.zip(span.as_ref()).map(|(source, span)| source.line(span.start)),
            span,
            problem,
        });
    }

    fn id(&mut self, rule: &Rule) -> Option<RuleId> {
        let Some(text) = &rule.id else {
            if rule.misread.iter().all(|(key, ..)| *key != Key::Id) {
                self.report(Key::Id, None, Problem::NoId);
            }
            return None;
        };
        let id = match text.value.parse::<RuleId>() {
            Ok(id) => id,
            Err(error) => {
                self.report(Key::Id, text.span.as_ref(), Problem::Id(error));
                return None;
            }
        };
        if let Some(first) = self.ids.get(&id).copied() {
            self.id = Some(id.clone());
            let first = first.saturating_add(1);
            self.report(Key::Id, text.span.as_ref(), Problem::SameId { first });
        } else {
            self.ids.insert(id.clone(), self.rule);
        }
        Some(id)
    }

    /// What only the rule as a whole can have wrong.
    fn who_and_where(&mut self, rule: &Rule) {
        let misread = |key| rule.misread.iter().any(|(wrong, ..)| *wrong == key);
        let named = [&rule.groups, &rule.roles, &rule.scopes].into_iter().any(Option::is_some)
            || [Key::Groups, Key::Roles, Key::Scopes].into_iter().any(misread);
        let users = rule.users.is_some() || misread(Key::Users);
        let issuer = rule.issuer.is_some() || misread(Key::Issuer);
        if rule.effect == Effect::Allow {
            if !(named || users || issuer || misread(Key::Effect)) {
                self.report(Key::Whole, None, Problem::NoCondition);
            }
            if rule.tenants.is_none() && !misread(Key::Tenants) && !misread(Key::Effect) {
                self.report(Key::Whole, None, Problem::NoTenants);
            }
        }
        if users && !issuer {
            let span = rule.users.as_ref().and_then(|users| users.span.as_ref());
            self.report(Key::Users, span, Problem::UsersWithoutIssuer);
        } else if named && !issuer && self.issuers.is_some_and(|issuers| issuers.len() > 1) {
            self.report(Key::Issuer, None, Problem::AmbiguousIssuer);
        }
        self.subtree(rule);
    }

    fn subtree(&mut self, rule: &Rule) {
        if !rule.subtree {
            return;
        }
        let Some(groups) = &rule.groups else {
            return self.report(Key::Subtree, None, Problem::NoPath);
        };
        for group in &groups.items {
            let path = &group.value;
            if !path.starts_with('/') || path.ends_with('/') {
                self.report(Key::Groups, group.span.as_ref(), Problem::NoPath);
            }
        }
    }

    fn issuer(&mut self, rule: &Rule) -> Option<Issuer> {
        let Some(text) = &rule.issuer else {
            // One issuer is trusted: say so, and the rule stays with it whatever is trusted later.
            return match (rule.effect, self.issuers) {
                (Effect::Allow, Some([only])) => Some(only.clone()),
                _ => None,
            };
        };
        let issuer: Issuer = self.name(Key::Issuer, text)?;
        if self.issuers.is_some_and(|issuers| issuers.binary_search(&issuer).is_err()) {
            let problem = Problem::UnknownIssuer { issuer: text.value.clone() };
            self.report(Key::Issuer, text.span.as_ref(), problem);
        }
        Some(issuer)
    }

    fn name<T: FromStr<Err = IdError>>(&mut self, key: Key, text: &Text) -> Option<T> {
        let parsed = text.value.parse();
        parsed.map_err(|error| self.report(key, text.span.as_ref(), Problem::Name(error))).ok()
    }

    fn names<T>(&mut self, key: Key, list: Option<&List<Text>>) -> Option<NameSet<T>>
    where
        T: FromStr<Err = IdError> + Ord,
    {
        let names = self.list(key, list, |checker, text: &Text| checker.name(key, text))?;
        Some(names.into_iter().collect())
    }

    fn scopes(&mut self, list: Option<&List<Text>>) -> Option<NameSet<Scope>> {
        let scopes = self.list(Key::Scopes, list, |checker, text: &Text| {
            // RFC 6749, section 3.3: %x21 / %x23-5B / %x5D-7E.
            if text.value.bytes().any(|byte| !byte.is_ascii_graphic() || b"\"\\".contains(&byte)) {
                checker.report(Key::Scopes, text.span.as_ref(), Problem::Scope);
                return None;
            }
            checker.name(Key::Scopes, text)
        })?;
        Some(scopes.into_iter().collect())
    }

    fn users(&mut self, list: Option<&List<RuleUser>>) -> Option<NameSet<Named>> {
        let users = self.list(Key::Users, list, |checker, user: &RuleUser| {
            let subject = checker.name(Key::Users, &user.subject);
            let directory = match &user.directory {
                Some(directory) => Some(checker.name(Key::Users, directory)?),
                None => None,
            };
            Some(Named { subject: subject?, directory })
        })?;
        Some(users.into_iter().collect())
    }

    fn tenant(&mut self, text: &Text) -> Option<TenantId> {
        let tenant = match text.value.parse::<TenantId>() {
            Ok(tenant) => tenant,
            Err(error) => {
                self.report(Key::Tenants, text.span.as_ref(), Problem::Tenant(error));
                return None;
            }
        };
        if let Some(known) = self.tenants.filter(|known| known.binary_search(&tenant).is_err()) {
            let problem = Problem::UnknownTenant {
                tenant: text.value.clone(),
                known: known.iter().take(SHOWN).cloned().collect(),
                more: known.len().saturating_sub(SHOWN),
            };
            self.report(Key::Tenants, text.span.as_ref(), problem);
        }
        Some(tenant)
    }

    fn pattern(&mut self, text: &Text) -> Option<ToolPattern> {
        let parsed = ToolPattern::parse(&text.value);
        parsed
            .map_err(|error| self.report(Key::Tools, text.span.as_ref(), Problem::Tool(error)))
            .ok()
    }

    /// The checked items of a list, without those that were reported.
    fn list<T, U>(
        &mut self,
        key: Key,
        list: Option<&List<T>>,
        mut check: impl FnMut(&mut Self, &T) -> Option<U>,
    ) -> Option<Vec<U>> {
        let list = list?;
        if list.items.is_empty() {
            self.report(key, list.span.as_ref(), Problem::Empty);
        }
        Some(list.items.iter().filter_map(|item| check(self, item)).collect())
    }
}
