//! Dry runs: what would somebody like this reach?

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use bonafide_claims::{
    DirectoryId, GroupName, Groups, Issuer, NameSet, RoleName, Scope, Subject, UnknownGroups,
    VerifiedUser,
};

use crate::compiled::{Compiled, CompiledRule, Grant, Who};
use crate::explain::Explanation;
use crate::ids::{RuleId, TenantId};
use crate::policy::Policy;

/// A user who need not exist, for dry runs and tests of a policy.
///
/// It proves nothing, so a [`Policy`] gives it no permit: only an account of what it would reach.
#[derive(Clone)]
pub struct Persona {
    issuer: Issuer,
    directory: Option<DirectoryId>,
    subject: Subject,
    groups: Groups,
    roles: NameSet<RoleName>,
    scopes: NameSet<Scope>,
}

impl Persona {
    /// Somebody known to `issuer` as `subject`, in no group, without role or scope.
    #[must_use]
    pub fn new(issuer: Issuer, subject: Subject) -> Self {
        Self {
            issuer,
            directory: None,
            subject,
            groups: Groups::Known(NameSet::default()),
            roles: NameSet::default(),
            scopes: NameSet::default(),
        }
    }

    /// The directory of the issuer that the subject lives in.
    #[must_use]
    pub fn with_directory(self, directory: DirectoryId) -> Self {
        Self { directory: Some(directory), ..self }
    }

    /// Exactly these groups.
    #[must_use]
    pub fn with_groups(self, groups: impl IntoIterator<Item = GroupName>) -> Self {
        Self { groups: Groups::Known(groups.into_iter().collect()), ..self }
    }

    /// Groups that nobody knows.
    #[must_use]
    pub fn with_unknown_groups(self, why: UnknownGroups) -> Self {
        Self { groups: Groups::Unknown(why), ..self }
    }

    /// Exactly these roles.
    #[must_use]
    pub fn with_roles(self, roles: impl IntoIterator<Item = RoleName>) -> Self {
        Self { roles: roles.into_iter().collect(), ..self }
    }

    /// Exactly these scopes.
    #[must_use]
    pub fn with_scopes(self, scopes: impl IntoIterator<Item = Scope>) -> Self {
        Self { scopes: scopes.into_iter().collect(), ..self }
    }

    fn who(&self) -> Who<'_> {
        Who {
            issuer: &self.issuer,
            directory: self.directory.as_ref(),
            subject: &self.subject,
            groups: &self.groups,
            roles: &self.roles,
            scopes: &self.scopes,
        }
    }
}

/// Somebody with everything that this user has: "what would they reach under the new policy?"
impl From<&VerifiedUser> for Persona {
    fn from(user: &VerifiedUser) -> Self {
        Self {
            issuer: user.issuer().clone(),
            directory: user.id().directory().cloned(),
            subject: user.subject().clone(),
            groups: user.groups().clone(),
            roles: user.roles().clone(),
            scopes: user.scopes().clone(),
        }
    }
}

impl fmt::Debug for Persona {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Persona")
            .field("issuer", &self.issuer)
            .field("groups", &self.groups)
            .finish_non_exhaustive()
    }
}

/// What a [`Persona`] would reach under a policy. Proves nothing, and opens nothing.
#[derive(Debug, Clone)]
pub struct Reach {
    policy: Policy,
    persona: Persona,
    grants: Vec<Grant>,
}

impl Reach {
    pub(crate) fn new(policy: Policy, persona: Persona) -> Self {
        let grants = policy.compiled().reach(&persona.who());
        Self { policy, persona, grants }
    }

    /// The tenants that the persona would reach, each with its tools.
    pub fn iter(&self) -> impl Iterator<Item = Reached<'_>> {
        let compiled = self.policy.compiled();
        self.grants.iter().map(move |grant| Reached { compiled, grant })
    }

    /// Whether the persona could use `tool` of `tenant`; without a tool, whether it could use any.
    #[must_use]
    pub fn allows(&self, tenant: &TenantId, tool: Option<&str>) -> bool {
        let compiled = self.policy.compiled();
        let who = self.persona.who();
        let grant = self.iter().find(|reached| reached.tenant() == tenant);
        match (grant, tool) {
            (Some(reached), Some(tool)) => compiled.tool(&who, reached.grant, tool).is_ok(),
            (reached, _) => reached.is_some(),
        }
    }

    /// What is different under another policy, or for somebody else: from this to `other`, sorted.
    ///
    /// Patterns are compared as they are written: `["*"]` and `["*", "a"]` are the same tools, and reported.
    #[must_use]
    pub fn changes(&self, other: &Self) -> Vec<ReachChange> {
        let by_tenant = |reach: &'_ Self| -> BTreeMap<TenantId, [Vec<String>; 2]> {
            let owned = |patterns: Vec<&str>| patterns.into_iter().map(str::to_owned).collect();
            let tools = reach.iter().map(|reached| {
                (reached.tenant().clone(), [owned(reached.allowed()), owned(reached.denied())])
            });
            tools.collect()
        };
        let (old, new) = (by_tenant(self), by_tenant(other));
        let tenants: BTreeSet<_> = old.keys().chain(new.keys()).collect();
        let change = |tenant: &TenantId| match (old.get(tenant), new.get(tenant)) {
            (None, _) => Some(ReachChange::Gained(tenant.clone())),
            (_, None) => Some(ReachChange::Lost(tenant.clone())),
            (old, new) => (old != new).then(|| ReachChange::Tools(tenant.clone())),
        };
        tenants.into_iter().filter_map(change).collect()
    }

    /// Why, or why not.
    #[must_use]
    pub fn explain(&self, tenant: &TenantId, tool: Option<&str>) -> Explanation {
        Explanation::new(self.policy.compiled(), &self.persona.who(), tenant, tool)
    }
}

/// A difference between what two personas, or one under two policies, would reach.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum ReachChange {
    /// The tenant would be reached, and was not.
    Gained(TenantId),
    /// The tenant would not be reached any more.
    Lost(TenantId),
    /// The tenant would be reached with other tools.
    Tools(TenantId),
}

/// One tenant that a persona would reach.
#[derive(Debug, Clone, Copy)]
pub struct Reached<'a> {
    compiled: &'a Compiled,
    grant: &'a Grant,
}

impl<'a> Reached<'a> {
    /// The tenant.
    #[must_use]
    pub fn tenant(&self) -> &'a TenantId {
        &self.grant.tenant
    }

    /// The rules that allow.
    pub fn rules(&self) -> impl Iterator<Item = &'a RuleId> {
        self.compiled.named(&self.grant.allows).map(|(_, rule)| &rule.id)
    }

    /// The tool patterns that are allowed, sorted.
    #[must_use]
    pub fn allowed(&self) -> Vec<&'a str> {
        patterns(self.compiled.named(&self.grant.allows).map(|(_, rule)| rule))
    }

    /// The tool patterns that are taken away again, sorted.
    #[must_use]
    pub fn denied(&self) -> Vec<&'a str> {
        patterns(self.compiled.named(&self.grant.denies).map(|(_, rule)| rule))
    }
}

fn patterns<'a>(rules: impl Iterator<Item = &'a CompiledRule>) -> Vec<&'a str> {
    let mut patterns: Vec<_> =
        rules.flat_map(|rule| rule.tools.patterns()).map(|pattern| pattern.as_str()).collect();
    patterns.sort_unstable();
    patterns.dedup();
    patterns
}
