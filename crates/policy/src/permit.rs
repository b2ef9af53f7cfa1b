//! The proof that a user may use a tenant.

use std::fmt;
use std::sync::Arc;

use bonafide_claims::VerifiedUser;

use crate::compiled::{Compiled, Grant, Refusal, RuleNo, Who};
use crate::denial::{Denial, DenialKind};
use crate::ids::{RuleId, TenantId};
use crate::policy::Policy;

/// A verified user may use a tenant, and these tools of it: a [`Policy`] decided so.
///
/// Cloning costs a reference count. There is no public constructor, no `Default` and no `Deserialize`, so a
/// function that takes a `Permit` need not ask whether access was decided:
///
/// ```compile_fail
/// use bonafide_policy::Permit;
/// let forged = Permit { inner: unreachable!() };
/// ```
///
/// ```compile_fail
/// let forged = bonafide_policy::Permit::default();
/// ```
///
/// ```compile_fail
/// fn deserialize<T: serde::de::DeserializeOwned>() {}
/// deserialize::<bonafide_policy::Permit>();
/// ```
///
/// # Security
///
/// A permit is as old as the decision. One that is kept is right only as long as
/// [`is_of`](Self::is_of) the policy in force, and not longer than the user's token.
#[derive(Clone)]
pub struct Permit {
    inner: Arc<Permitted>,
}

struct Permitted {
    policy: Policy,
    user: VerifiedUser,
    grant: Grant,
}

impl Permit {
    pub(crate) fn new(policy: Policy, user: VerifiedUser, grant: Grant) -> Self {
        Self { inner: Arc::new(Permitted { policy, user, grant }) }
    }

    /// The user.
    #[must_use]
    pub fn user(&self) -> &VerifiedUser {
        &self.inner.user
    }

    /// The tenant.
    #[must_use]
    pub fn tenant(&self) -> &TenantId {
        &self.inner.grant.tenant
    }

    /// Whether the user may use `tool`: what [`tool`](Self::tool) decides, without the reasons.
    #[must_use]
    pub fn allows_tool(&self, tool: &str) -> bool {
        self.decide(tool).is_ok()
    }

    /// Decides whether the user may use `tool` of the tenant.
    ///
    /// # Errors
    ///
    /// A [`Denial`] unless one of the rules behind the permit covers the tool and no rule takes it away.
    pub fn tool(&self, tool: &str) -> Result<ToolPermit<'_>, Denial> {
        let Permitted { policy, user, grant } = &*self.inner;
        match self.decide(tool) {
            Ok(rule) => Ok(ToolPermit { permit: self, tool: tool.into(), rule }),
            Err(refusal) => {
                let (policy, user, tenant) = (policy.clone(), user.clone(), grant.tenant.clone());
                Err(Denial::new(policy, user, tenant, Some(tool.into()), refusal))
            }
        }
    }

    /// A denial of `tool` for a caller that lets nobody have a tool of such a name, whatever the rules say: one that
    /// has several spellings, say. Its kind is [`NoRule`](crate::DenialKind::NoRule).
    #[must_use]
    pub fn refuse_tool(&self, tool: &str) -> Denial {
        let Permitted { policy, user, grant } = &*self.inner;
        let (policy, user, tenant) = (policy.clone(), user.clone(), grant.tenant.clone());
        Denial::new(policy, user, tenant, Some(tool.into()), Refusal::NoRule)
    }

    /// A denial for a caller that asks for scopes besides the rules, and does not find them in the token: of one tool, or
    /// of the tenant. Its kind is [`ScopesMissing`](DenialKind::ScopesMissing).
    #[must_use]
    pub fn refuse_scopes(&self, tool: Option<&str>) -> Denial {
        let Permitted { policy, user, grant } = &*self.inner;
        let (policy, user, tenant) = (policy.clone(), user.clone(), grant.tenant.clone());
        Denial::of_kind(policy, user, tenant, tool.map(Into::into), DenialKind::ScopesMissing)
    }

    /// Whether there is no tool of the tenant that the user may not use, whatever tools it gets.
    #[must_use]
    pub fn covers_all_tools(&self) -> bool {
        let grant = &self.inner.grant;
        let mut allows = self.compiled().named(&grant.allows);
        grant.denies.is_empty() && allows.any(|(_, rule)| rule.tools.is_all())
    }

    /// The rules that allow, in the order of the policy.
    pub fn rules(&self) -> impl Iterator<Item = &RuleId> {
        self.compiled().named(&self.inner.grant.allows).map(|(_, rule)| &rule.id)
    }

    /// Whether exactly this policy made the permit.
    #[must_use]
    pub fn is_of(&self, policy: &Policy) -> bool {
        self.inner.policy.is_same_as(policy)
    }

    fn compiled(&self) -> &Compiled {
        self.inner.policy.compiled()
    }

    fn decide(&self, tool: &str) -> Result<RuleNo, Refusal> {
        self.compiled().tool(&Who::from(self.user()), &self.inner.grant, tool)
    }
}

/// Shows tenant and rules, and of the user what [`VerifiedUser`] shows.
impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit")
            .field("user", self.user())
            .field("tenant", self.tenant())
            .field("rules", &self.rules().collect::<Vec<_>>())
            .finish()
    }
}

/// A verified user may use one tool of a tenant. Made by [`Permit::tool`] alone.
///
/// ```compile_fail
/// fn forge(permit: &bonafide_policy::Permit) -> bonafide_policy::ToolPermit<'_> {
///     bonafide_policy::ToolPermit { permit, tool: "delete_repo".into(), rule: 0 }
/// }
/// ```
#[derive(Clone)]
pub struct ToolPermit<'a> {
    permit: &'a Permit,
    tool: Box<str>,
    rule: RuleNo,
}

impl ToolPermit<'_> {
    /// The permit for the tenant.
    #[must_use]
    pub fn permit(&self) -> &Permit {
        self.permit
    }

    /// The tool.
    #[must_use]
    pub fn tool(&self) -> &str {
        &self.tool
    }

    /// The first rule that allows the tool.
    #[must_use]
    pub fn rule(&self) -> Option<&RuleId> {
        self.permit.compiled().rule(self.rule).map(|rule| &rule.id)
    }
}

impl fmt::Debug for ToolPermit<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ToolPermit")
            .field("tenant", self.permit.tenant())
            .field("tool", &self.tool)
            .field("rule", &self.rule())
            .finish_non_exhaustive()
    }
}
