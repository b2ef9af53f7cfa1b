//! One thing that was decided or done.

use std::fmt;
use std::time::SystemTime;

use bonafide_claims::{UserId, VerifiedUser};
use serde::{Serialize, Serializer};

use super::trail::AuditEntry;
use crate::denial::{Denial, DenialKind};
use crate::ids::{RuleId, TenantId};
use crate::permit::{Permit, ToolPermit};
use crate::tools::MAX_TOOL_LEN;

/// One decision, or one thing that a user did: who, where, what, by which rules, with what outcome. No claims, no
/// arguments, no secrets.
///
/// Made from the decision itself, or from the verified user who did it, so that it cannot name somebody who did not.
///
/// # Security
///
/// It names users: issuer, directory, subject and user name. `Debug` shows of them the issuer at most; a sink shows
/// them, and what it writes to is for those who may know.
#[derive(Clone)]
pub struct AuditEvent {
    at: SystemTime,
    user: UserId,
    username: Option<Box<str>>,
    action: Action,
    tenant: Option<TenantId>,
    tool: Option<Box<str>>,
    variable: Option<Box<str>>,
    owner: Option<UserId>,
    outcome: Outcome,
    rules: Vec<RuleId>,
    request_id: Option<Box<str>>,
}

/// What was decided about, or done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Action {
    /// Using a tenant, or one of its tools.
    Use,
    /// Entering a value for a variable that had none.
    Enter,
    /// Entering a value in place of another one.
    Replace,
    /// Removing a value of one's own.
    Remove,
    /// Making a link that sets a variable once.
    MakeLink,
    /// Using such a link.
    UseLink,
    /// Removing a value of another user.
    Reset,
    /// Removing all values of another user.
    RemoveUser,
    /// Looking at what is for administrators.
    Administer,
    /// Signing in to pages.
    SignIn,
    /// Signing out of them.
    SignOut,
}

/// How it went.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// It was allowed; what the action changes was changed.
    Allowed,
    /// It was denied.
    Denied(DenialKind),
    /// It was allowed, and a store failed: it was done or it was not.
    Failed,
}

impl AuditEvent {
    /// The user may use the tenant.
    #[must_use]
    pub fn permitted(permit: &Permit, at: SystemTime) -> Self {
        let rules = permit.rules().cloned().collect();
        let event = Self::new(Action::Use, permit.user(), at).with_tenant(permit.tenant());
        Self { rules, ..event }
    }

    /// The user may use the tool.
    #[must_use]
    pub fn tool_permitted(tool: &ToolPermit<'_>, at: SystemTime) -> Self {
        let permit = tool.permit();
        let rules = tool.rule().cloned().into_iter().collect();
        let event = Self::new(Action::Use, permit.user(), at).with_tenant(permit.tenant());
        Self { tool: Some(shorten(tool.tool())), rules, ..event }
    }

    /// The user may not.
    #[must_use]
    pub fn denied(denial: &Denial, at: SystemTime) -> Self {
        let rules = match denial.kind() {
            DenialKind::DeniedBy(rule) => vec![rule.clone()],
            _ => Vec::new(),
        };
        let event = Self::new(Action::Use, denial.user(), at).with_tenant(denial.tenant());
        let outcome = Outcome::Denied(denial.kind().clone());
        Self { tool: denial.tool().map(shorten), outcome, rules, ..event }
    }

    /// The user did this.
    #[must_use]
    pub fn new(action: Action, user: &VerifiedUser, at: SystemTime) -> Self {
        Self {
            at,
            user: user.id().clone(),
            username: user.username().map(Into::into),
            action,
            tenant: None,
            tool: None,
            variable: None,
            owner: None,
            outcome: Outcome::Allowed,
            rules: Vec::new(),
            request_id: None,
        }
    }

    /// The tenant that it is about.
    #[must_use]
    pub fn with_tenant(self, tenant: &TenantId) -> Self {
        Self { tenant: Some(tenant.clone()), ..self }
    }

    /// The name of the variable that it is about. Never its value.
    #[must_use]
    pub fn with_variable(self, name: &str) -> Self {
        Self { variable: Some(shorten(name)), ..self }
    }

    /// To whom it was done, if that is somebody else.
    #[must_use]
    pub fn with_owner(self, owner: &UserId) -> Self {
        Self { owner: Some(owner.clone()), ..self }
    }

    /// How it went. Otherwise it was allowed.
    #[must_use]
    pub fn with_outcome(self, outcome: Outcome) -> Self {
        Self { outcome, ..self }
    }

    /// The request that it was part of.
    #[must_use]
    pub fn with_request_id(self, id: &str) -> Self {
        Self { request_id: Some(id.into()), ..self }
    }

    /// When.
    #[must_use]
    pub fn at(&self) -> SystemTime {
        self.at
    }

    /// Who.
    #[must_use]
    pub fn user(&self) -> &UserId {
        &self.user
    }

    /// What the user was called at the time. May be somebody else's name by now.
    #[must_use]
    pub fn username(&self) -> Option<&str> {
        self.username.as_deref()
    }

    /// What.
    #[must_use]
    pub fn action(&self) -> Action {
        self.action
    }

    /// Where, if it was about a tenant.
    #[must_use]
    pub fn tenant(&self) -> Option<&TenantId> {
        self.tenant.as_ref()
    }

    /// Which tool, if it was about one. Of a name that is longer than [`MAX_TOOL_LEN`] the start, and `…`.
    #[must_use]
    pub fn tool(&self) -> Option<&str> {
        self.tool.as_deref()
    }

    /// Which variable, if it was about one.
    #[must_use]
    pub fn variable(&self) -> Option<&str> {
        self.variable.as_deref()
    }

    /// To whom it was done, if that is somebody else.
    #[must_use]
    pub fn owner(&self) -> Option<&UserId> {
        self.owner.as_ref()
    }

    /// With what outcome.
    #[must_use]
    pub fn outcome(&self) -> &Outcome {
        &self.outcome
    }

    /// The rules that decided: those that allowed, or the one that denied.
    #[must_use]
    pub fn rules(&self) -> &[RuleId] {
        &self.rules
    }

    /// For which request.
    #[must_use]
    pub fn request_id(&self) -> Option<&str> {
        self.request_id.as_deref()
    }
}

/// What no rule can cover is a tool's name no more, and may be as long as a request: its start is enough.
fn shorten(tool: &str) -> Box<str> {
    if tool.len() <= MAX_TOOL_LEN {
        return tool.into();
    }
    let end = (0..=MAX_TOOL_LEN).rev().find(|end| tool.is_char_boundary(*end)).unwrap_or_default();
    format!("{}…", tool.get(..end).unwrap_or_default()).into()
}

impl Action {
    /// `use`, `enter`, `replace`, `remove`, `make_link`, `use_link`, `reset`, `remove_user`, `administer`, `sign_in` or
    /// `sign_out`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Use => "use",
            Self::Enter => "enter",
            Self::Replace => "replace",
            Self::Remove => "remove",
            Self::MakeLink => "make_link",
            Self::UseLink => "use_link",
            Self::Reset => "reset",
            Self::RemoveUser => "remove_user",
            Self::Administer => "administer",
            Self::SignIn => "sign_in",
            Self::SignOut => "sign_out",
        }
    }
}

impl Outcome {
    /// `allowed`, `denied` or `failed`.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Denied(_) => "denied",
            Self::Failed => "failed",
        }
    }

    /// Why it was denied: `unknown_tenant`, `no_rule`, `rule`, `groups_unknown` or `scopes_missing`.
    #[must_use]
    pub fn reason(&self) -> Option<&'static str> {
        match self {
            Self::Allowed | Self::Failed => None,
            Self::Denied(DenialKind::UnknownTenant) => Some("unknown_tenant"),
            Self::Denied(DenialKind::NoRule) => Some("no_rule"),
            Self::Denied(DenialKind::DeniedBy(_)) => Some("rule"),
            Self::Denied(DenialKind::GroupsUnknown(_)) => Some("groups_unknown"),
            Self::Denied(DenialKind::ScopesMissing) => Some("scopes_missing"),
        }
    }
}

/// As [`AuditEntry`].
impl Serialize for AuditEvent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        AuditEntry::from(self).serialize(serializer)
    }
}

/// Shows what was decided, and of the user the issuer.
impl fmt::Debug for AuditEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuditEvent")
            .field("user", &self.user)
            .field("action", &self.action)
            .field("tenant", &self.tenant)
            .field("outcome", &self.outcome)
            .field("rules", &self.rules)
            .finish_non_exhaustive()
    }
}
