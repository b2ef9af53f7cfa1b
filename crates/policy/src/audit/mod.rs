//! What was decided, for those who ask later.

mod json_lines;
mod log;
mod queue;
mod time;

use std::fmt;
use std::time::SystemTime;

use bonafide_claims::{UserId, VerifiedUser};
use serde::ser::{Serialize, SerializeStruct, Serializer};

pub use json_lines::JsonLines;
pub use log::LogSink;
pub use queue::{Audit, AuditBuilder, AuditError, AuditSink};
pub use time::rfc3339;

use crate::denial::{Denial, DenialKind};
use crate::ids::{RuleId, TenantId};
use crate::permit::{Permit, ToolPermit};
use crate::tools::MAX_TOOL_LEN;

/// One decision: who, where, what, by which rules, with what outcome. No claims, no arguments, no secrets.
///
/// Made from the decision itself, so that it cannot say anything else.
///
/// # Security
///
/// It names the user: issuer, directory, subject and user name. `Debug` does not show them; a sink does, and
/// what it writes to is for those who may know.
#[derive(Clone)]
pub struct Decision {
    at: SystemTime,
    user: UserId,
    username: Option<Box<str>>,
    tenant: TenantId,
    tool: Option<Box<str>>,
    outcome: Outcome,
    rules: Vec<RuleId>,
    request_id: Option<Box<str>>,
}

/// How a decision went.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// It was allowed.
    Allowed,
    /// It was denied.
    Denied(DenialKind),
}

impl Decision {
    /// The user may use the tenant.
    #[must_use]
    pub fn permitted(permit: &Permit, at: SystemTime) -> Self {
        let rules = permit.rules().cloned().collect();
        Self::new(at, permit.user(), permit.tenant(), None, Outcome::Allowed, rules)
    }

    /// The user may use the tool.
    #[must_use]
    pub fn tool_permitted(tool: &ToolPermit<'_>, at: SystemTime) -> Self {
        let (permit, name) = (tool.permit(), Some(tool.tool()));
        let rules = tool.rule().cloned().into_iter().collect();
        Self::new(at, permit.user(), permit.tenant(), name, Outcome::Allowed, rules)
    }

    /// The user may not.
    #[must_use]
    pub fn denied(denial: &Denial, at: SystemTime) -> Self {
        let rules = match denial.kind() {
            DenialKind::DeniedBy(rule) => vec![rule.clone()],
            _ => Vec::new(),
        };
        let outcome = Outcome::Denied(denial.kind().clone());
        Self::new(at, denial.user(), denial.tenant(), denial.tool(), outcome, rules)
    }

    fn new(
        at: SystemTime,
        user: &VerifiedUser,
        tenant: &TenantId,
        tool: Option<&str>,
        outcome: Outcome,
        rules: Vec<RuleId>,
    ) -> Self {
        Self {
            at,
            user: user.id().clone(),
            username: user.username().map(Into::into),
            tenant: tenant.clone(),
            tool: tool.map(shorten),
            outcome,
            rules,
            request_id: None,
        }
    }

    /// The request that the decision was made for.
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

    /// Where.
    #[must_use]
    pub fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// Which tool, if it was about one. Of a name that is longer than [`MAX_TOOL_LEN`] the start, and `…`.
    #[must_use]
    pub fn tool(&self) -> Option<&str> {
        self.tool.as_deref()
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

impl Outcome {
    /// `allowed` or `denied`.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Denied(_) => "denied",
        }
    }

    /// Why it was denied: `unknown_tenant`, `no_rule`, `rule`, `groups_unknown` or `scopes_missing`.
    #[must_use]
    pub fn reason(&self) -> Option<&'static str> {
        match self {
            Self::Allowed => None,
            Self::Denied(DenialKind::UnknownTenant) => Some("unknown_tenant"),
            Self::Denied(DenialKind::NoRule) => Some("no_rule"),
            Self::Denied(DenialKind::DeniedBy(_)) => Some("rule"),
            Self::Denied(DenialKind::GroupsUnknown(_)) => Some("groups_unknown"),
            Self::Denied(DenialKind::ScopesMissing) => Some("scopes_missing"),
        }
    }
}

/// One object, times in RFC 3339 and UTC.
impl Serialize for Decision {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let [issuer, directory, subject] = self.user.parts();
        let mut object = serializer.serialize_struct("Decision", 11)?;
        object.serialize_field("at", &time::rfc3339(self.at))?;
        object.serialize_field("issuer", issuer)?;
        object.serialize_field("directory", &Some(directory).filter(|text| !text.is_empty()))?;
        object.serialize_field("subject", subject)?;
        object.serialize_field("username", &self.username)?;
        object.serialize_field("tenant", &self.tenant)?;
        object.serialize_field("tool", &self.tool)?;
        object.serialize_field("outcome", self.outcome.as_str())?;
        object.serialize_field("reason", &self.outcome.reason())?;
        object.serialize_field("rules", &self.rules)?;
        object.serialize_field("request_id", &self.request_id)?;
        object.end()
    }
}

/// Shows the decision, and of the user the issuer.
impl fmt::Debug for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decision")
            .field("user", &self.user)
            .field("tenant", &self.tenant)
            .field("outcome", &self.outcome)
            .field("rules", &self.rules)
            .finish_non_exhaustive()
    }
}
