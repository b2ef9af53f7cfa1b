//! Reading what was written down.

use std::error::Error;
use std::fmt;

use async_trait::async_trait;
use serde::Serialize;

use super::event::AuditEvent;
use super::time::rfc3339;

/// How many entries a page has at most.
pub const MAX_AUDIT_PAGE: usize = 200;

/// How many entries a store looks at for one page at most, so that a question about somebody who did nothing does not
/// read them all. A page that found less says where to go on.
pub const AUDIT_REACH: usize = 10_000;

/// Where sinks have written to and what was written can be read again.
#[async_trait]
pub trait AuditTrail: fmt::Debug + Send + Sync + 'static {
    /// The newest entries that fit, newest first.
    ///
    /// # Errors
    ///
    /// A [`TrailError`]; never an empty page in its place.
    async fn recent(&self, query: &AuditQuery) -> Result<AuditPage, TrailError>;
}

/// What is asked of an [`AuditTrail`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AuditQuery {
    /// How many entries at most: 1 to [`MAX_AUDIT_PAGE`].
    pub limit: usize,
    /// Only what is older than this: [`AuditPage::older`] of the page before.
    pub before: Option<String>,
    /// Only what this user did, or what was done to them: the subject, whatever the issuer.
    pub subject: Option<String>,
    /// Only what was about this tenant.
    pub tenant: Option<String>,
}

/// Some entries, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AuditPage {
    /// The entries.
    pub entries: Vec<AuditEntry>,
    /// Where older ones begin, if there may be any.
    pub older: Option<String>,
}

/// An [`AuditEvent`] as it was written down. Nothing about it is verified: whoever may write to the store can have
/// written anything.
///
/// `Serialize` makes one object of it with these names. `Debug` shows no user.
#[derive(Clone, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct AuditEntry {
    /// As [`rfc3339`] writes it.
    pub at: String,
    /// Whose user did it.
    pub issuer: String,
    /// The directory of the issuer, if it has several.
    pub directory: Option<String>,
    /// Who did it.
    pub subject: String,
    /// What they were called at the time.
    pub username: Option<String>,
    /// [`Action::as_str`](super::Action::as_str), or one that a newer version knows.
    pub action: String,
    /// Where.
    pub tenant: Option<String>,
    /// Which tool.
    pub tool: Option<String>,
    /// Which variable.
    pub variable: Option<String>,
    /// Whose user it was done to, if that is somebody else.
    pub owner_issuer: Option<String>,
    /// The directory of that issuer.
    pub owner_directory: Option<String>,
    /// To whom it was done.
    pub owner_subject: Option<String>,
    /// [`Outcome::as_str`](super::Outcome::as_str).
    pub outcome: String,
    /// [`Outcome::reason`](super::Outcome::reason).
    pub reason: Option<String>,
    /// The rules that decided.
    pub rules: Vec<String>,
    /// For which request.
    pub request_id: Option<String>,
}

/// Why an audit was not read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrailError {
    /// The place to begin at is none that this store gave out.
    #[error("this is no place in the audit: begin with the newest page")]
    Place,
    /// The store failed, or does not let this program read.
    #[error("the audit cannot be read now")]
    Store(#[source] Box<dyn Error + Send + Sync>),
}

impl AuditQuery {
    /// The newest `limit` entries: at least one, and at most [`MAX_AUDIT_PAGE`].
    #[must_use]
    pub fn newest(limit: usize) -> Self {
        let limit = limit.clamp(1, MAX_AUDIT_PAGE);
        Self { limit, before: None, subject: None, tenant: None }
    }
}

impl From<&AuditEvent> for AuditEntry {
    fn from(event: &AuditEvent) -> Self {
        let owned = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        let [issuer, directory, subject] = event.user().parts();
        let owner =
            |part: usize| event.owner().and_then(|owner| owned(owner.parts().get(part).copied()?));
        Self {
            at: rfc3339(event.at()),
            issuer: issuer.to_owned(),
            directory: owned(directory),
            subject: subject.to_owned(),
            username: event.username().map(str::to_owned),
            action: event.action().as_str().to_owned(),
            tenant: event.tenant().map(|tenant| tenant.as_str().to_owned()),
            tool: event.tool().map(str::to_owned),
            variable: event.variable().map(str::to_owned),
            owner_issuer: owner(0),
            owner_directory: owner(1),
            owner_subject: owner(2),
            outcome: event.outcome().as_str().to_owned(),
            reason: event.outcome().reason().map(str::to_owned),
            rules: event.rules().iter().map(ToString::to_string).collect(),
            request_id: event.request_id().map(str::to_owned),
        }
    }
}

impl fmt::Debug for AuditEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuditEntry")
            .field("at", &self.at)
            .field("action", &self.action)
            .field("tenant", &self.tenant)
            .field("outcome", &self.outcome)
            .finish_non_exhaustive()
    }
}
