//! The policy, and how one is made.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use bonafide_claims::{Issuer, VerifiedUser};

use crate::compiled::{Compiled, Who, compile};
use crate::denial::Denial;
use crate::error::PolicyErrors;
use crate::explain::Explanation;
use crate::ids::TenantId;
use crate::permit::Permit;
use crate::persona::{Persona, Reach};
use crate::rule::Rule;

/// Who may use which tools of which tenants. Checked, indexed, and never changed.
///
/// Cloning costs a reference count. The default policy has no rules and denies everything.
///
/// What a decision costs depends on how many groups, roles and scopes the user has and on how many rules
/// apply, not on how many rules there are. If the user's groups are unknown, each deny rule on groups about
/// the tenant is looked at.
#[derive(Clone, Default)]
pub struct Policy {
    compiled: Arc<Compiled>,
}

impl Policy {
    /// A builder without rules.
    pub fn builder() -> PolicyBuilder {
        PolicyBuilder::default()
    }

    /// Reads a policy that stands alone, from TOML with a `[[rules]]` table for each rule.
    ///
    /// Neither tenants nor issuers are known here, so that rules may name any; see
    /// [`PolicyBuilder::with_tenants`] and [`PolicyBuilder::with_issuers`] for the strict way.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with the rules, with lines.
    #[cfg(feature = "serde")]
    pub fn from_toml(text: &str) -> Result<Self, PolicyErrors> {
        let config = crate::config::PolicyConfig::from_toml(text)?;
        Self::builder().with_rules(config.rules).build()
    }

    /// Decides whether `user` may use `tenant`, and which tools of it.
    ///
    /// # Errors
    ///
    /// A [`Denial`] unless a rule allows it and no rule takes it away.
    pub fn permit(&self, user: &VerifiedUser, tenant: &TenantId) -> Result<Permit, Denial> {
        match self.compiled.decide(&Who::from(user), tenant) {
            Ok(grant) => Ok(Permit::new(self.clone(), user.clone(), grant)),
            Err(refusal) => {
                Err(Denial::new(self.clone(), user.clone(), tenant.clone(), None, refusal))
            }
        }
    }

    /// A permit for each tenant that `user` may use: exactly those for which [`permit`](Self::permit) gives
    /// one. In no particular order.
    #[must_use]
    pub fn permits(&self, user: &VerifiedUser) -> Vec<Permit> {
        let grants = self.compiled.reach(&Who::from(user)).into_iter();
        grants.map(|grant| Permit::new(self.clone(), user.clone(), grant)).collect()
    }

    /// Why `user` may or may not use `tenant`, or one tool of it.
    ///
    /// # Security
    ///
    /// Looks at every rule of the tenant, and names rules, groups and roles of the policy: for operators and
    /// logs, not for those who were refused.
    #[must_use]
    pub fn explain(
        &self,
        user: &VerifiedUser,
        tenant: &TenantId,
        tool: Option<&str>,
    ) -> Explanation {
        Explanation::new(&self.compiled, &Who::from(user), tenant, tool)
    }

    /// What somebody like `persona` would reach. Gives no permit.
    #[must_use]
    pub fn what_if(&self, persona: &Persona) -> Reach {
        Reach::new(self.clone(), persona.clone())
    }

    /// The tenants that rules name or that the builder was told of. In no particular order.
    pub fn tenants(&self) -> impl Iterator<Item = &TenantId> {
        self.compiled.tenants.iter().map(|tenant| &tenant.id)
    }

    /// Whether there is a tenant of this name: one that a rule names, or that the builder was told of.
    #[must_use]
    pub fn knows_tenant(&self, tenant: &TenantId) -> bool {
        self.compiled.tenant_numbers.contains_key(tenant)
    }

    /// How many rules there are.
    #[must_use]
    pub fn rule_count(&self) -> usize {
        self.compiled.rules.len()
    }

    /// Whether the two are the very same policy, not only an equal one: what a cache of permits asks before
    /// it uses one.
    #[must_use]
    pub fn is_same_as(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.compiled, &other.compiled)
    }

    pub(crate) fn compiled(&self) -> &Compiled {
        &self.compiled
    }
}

/// Shows how large the policy is.
impl fmt::Debug for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Policy")
            .field("rules", &self.compiled.rules.len())
            .field("tenants", &self.compiled.tenants.len())
            .finish()
    }
}

/// Collects rules, and makes a [`Policy`] of them if all are right.
#[derive(Debug, Clone, Default)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct PolicyBuilder {
    rules: Vec<Rule>,
    tenants: Option<BTreeSet<TenantId>>,
    issuers: Option<BTreeSet<Issuer>>,
}

impl PolicyBuilder {
    /// Adds a rule.
    pub fn with_rule(mut self, rule: Rule) -> Self {
        self.rules.push(rule);
        self
    }

    /// Adds rules.
    pub fn with_rules(mut self, rules: impl IntoIterator<Item = Rule>) -> Self {
        self.rules.extend(rules);
        self
    }

    /// The tenants that there are. A rule that names another one is an error.
    pub fn with_tenants(mut self, tenants: impl IntoIterator<Item = TenantId>) -> Self {
        self.tenants.get_or_insert_default().extend(tenants);
        self
    }

    /// The issuers that are trusted, as they stand in the `iss` of tokens.
    ///
    /// A rule that names another one is an error. If there are several, so is a rule on groups, roles or
    /// scopes that does not say of which issuer: `admins` of one is not `admins` of another. If there is
    /// one, allow rules that name none are bound to it.
    ///
    /// # Security
    ///
    /// A policy that was not told of the issuers takes a rule without `issuer` to be about each of them.
    pub fn with_issuers(mut self, issuers: impl IntoIterator<Item = Issuer>) -> Self {
        self.issuers.get_or_insert_default().extend(issuers);
        self
    }

    /// Checks all rules and makes the policy.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with the rules, all of it at once.
    pub fn build(self) -> Result<Policy, PolicyErrors> {
        let compiled = compile(self.rules, self.tenants.as_ref(), self.issuers.as_ref())?;
        Ok(Policy { compiled: Arc::new(compiled) })
    }
}
