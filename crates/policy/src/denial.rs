//! The answer "no", and why.

use std::fmt;

use bonafide_claims::{UnknownGroups, VerifiedUser};

use crate::compiled::{Compiled, Refusal, Who};
use crate::explain::Explanation;
use crate::ids::{RuleId, TenantId};
use crate::policy::Policy;

/// How much of a tool's name a message shows, in characters.
const SHOWN: usize = 64;

/// Why a user may not use a tenant, or a tool of it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum DenialKind {
    /// The policy has no tenant of this name.
    UnknownTenant,
    /// No rule allows it.
    NoRule,
    /// A rule denies it.
    DeniedBy(RuleId),
    /// It rests on groups, and the user's are not known.
    GroupsUnknown(UnknownGroups),
    /// The rules allow it, and the token lacks scopes that are asked for besides: [`Permit::refuse_scopes`].
    ///
    /// [`Permit::refuse_scopes`]: crate::Permit::refuse_scopes
    ScopesMissing,
}

/// A policy's "no" to a user, a tenant and perhaps a tool.
///
/// The message says which of the [`DenialKind`]s it is. It names tenant, tool and rule, and nothing of the
/// user.
#[derive(Clone)]
pub struct Denial {
    inner: Box<Denied>,
}

#[derive(Clone)]
struct Denied {
    policy: Policy,
    user: VerifiedUser,
    tenant: TenantId,
    tool: Option<Box<str>>,
    kind: DenialKind,
}

impl Denial {
    pub(crate) fn new(
        policy: Policy,
        user: VerifiedUser,
        tenant: TenantId,
        tool: Option<Box<str>>,
        refusal: Refusal,
    ) -> Self {
        let kind = DenialKind::new(policy.compiled(), refusal);
        Self::of_kind(policy, user, tenant, tool, kind)
    }

    pub(crate) fn of_kind(
        policy: Policy,
        user: VerifiedUser,
        tenant: TenantId,
        tool: Option<Box<str>>,
        kind: DenialKind,
    ) -> Self {
        Self { inner: Box::new(Denied { policy, user, tenant, tool, kind }) }
    }

    /// Why, in a form to match on.
    #[must_use]
    pub fn kind(&self) -> &DenialKind {
        &self.inner.kind
    }

    /// The user who was refused.
    #[must_use]
    pub fn user(&self) -> &VerifiedUser {
        &self.inner.user
    }

    /// The tenant.
    #[must_use]
    pub fn tenant(&self) -> &TenantId {
        &self.inner.tenant
    }

    /// The tool, if it was one that was refused and not the tenant.
    #[must_use]
    pub fn tool(&self) -> Option<&str> {
        self.inner.tool.as_deref()
    }

    /// Which rules were considered, and what each asks for that the user does not have. Worked out when
    /// asked for: a refusal itself stays cheap.
    ///
    /// # Security
    ///
    /// Names rules, groups and roles of the policy: for operators and logs, not for those who were refused.
    #[must_use]
    pub fn explain(&self) -> Explanation {
        let Denied { policy, user, tenant, tool, .. } = &*self.inner;
        Explanation::new(policy.compiled(), &Who::from(user), tenant, tool.as_deref())
    }
}

impl DenialKind {
    pub(crate) fn new(compiled: &Compiled, refusal: Refusal) -> Self {
        match refusal {
            Refusal::UnknownTenant => Self::UnknownTenant,
            Refusal::NoRule => Self::NoRule,
            Refusal::GroupsUnknown(why) => Self::GroupsUnknown(why),
            Refusal::DeniedBy(rule) => match compiled.rule(rule) {
                Some(rule) => Self::DeniedBy(rule.id.clone()),
                None => Self::NoRule,
            },
        }
    }

    /// The message for `tenant` and `tool`.
    pub(crate) fn write(
        &self,
        f: &mut impl fmt::Write,
        tenant: &TenantId,
        tool: Option<&str>,
    ) -> fmt::Result {
        match self {
            Self::UnknownTenant => return write!(f, "there is no tenant `{tenant}`"),
            Self::NoRule => f.write_str("no rule allows this user")?,
            Self::DeniedBy(rule) => write!(f, "rule `{rule}` denies this user")?,
            Self::GroupsUnknown(why) => {
                write!(f, "the groups of this user are not known ({why}), and they decide on")?;
            }
            Self::ScopesMissing => f.write_str("the token lacks scopes that are needed for")?,
        }
        if let Some(tool) = tool {
            let shown: String = tool.chars().take(SHOWN).collect();
            write!(f, " tool `{}` of", shown.escape_debug())?;
        }
        write!(f, " tenant `{tenant}`")
    }
}

impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.kind.write(f, &self.inner.tenant, self.inner.tool.as_deref())
    }
}

/// Shows what the message shows.
impl fmt::Debug for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Denial")
            .field("kind", &self.inner.kind)
            .field("tenant", &self.inner.tenant)
            .finish_non_exhaustive()
    }
}

impl std::error::Error for Denial {}
