//! Groups that do not fit into a token.

use std::error::Error;
use std::fmt::{self, Debug};
use std::sync::Arc;

use async_trait::async_trait;

use crate::ids::{GroupName, UserId};
use crate::names::{Groups, NameSet, UnknownGroups};
use crate::user::Verified;

/// Looks up the groups of a user whose token says that there are more than it can hold.
#[async_trait]
pub trait GroupResolver: Debug + Send + Sync + 'static {
    /// All groups of the user, spelt as the issuer's tokens spell them.
    ///
    /// An implementation keeps its answers for a short time, and bounds how long it takes.
    ///
    /// # Errors
    ///
    /// When not all groups could be found out. Part of them is no answer.
    async fn groups(&self, user: &UserId) -> Result<NameSet<GroupName>, GroupsUnavailable>;
}

/// The groups of a user could not be looked up.
#[derive(Debug, Clone)]
pub struct GroupsUnavailable {
    source: Arc<dyn Error + Send + Sync>,
}

impl GroupsUnavailable {
    /// For a resolver that got no answer because of `source`.
    #[must_use]
    pub fn new(source: impl Error + Send + Sync + 'static) -> Self {
        Self { source: Arc::new(source) }
    }
}

impl fmt::Display for GroupsUnavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the user's groups cannot be looked up")
    }
}

impl Error for GroupsUnavailable {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.source)
    }
}

/// What came of asking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    Answered,
    Failed,
}

impl Asked {
    /// For how many seconds the outcome may be kept with the token.
    pub(super) fn lifetime(self) -> u64 {
        match self {
            Self::Answered => 60,
            Self::Failed => 5,
        }
    }
}

/// Asks for the groups, if the token has too many of them and there is somebody to ask.
pub(super) async fn resolve(
    user: &mut Verified,
    resolver: Option<&dyn GroupResolver>,
) -> Option<Asked> {
    let resolver = resolver?;
    if user.groups != Groups::Unknown(UnknownGroups::Overage) {
        return None;
    }
    match resolver.groups(&user.id).await {
        Ok(groups) => {
            user.groups = Groups::Known(groups);
            Some(Asked::Answered)
        }
        Err(error) => {
            let cause = error.source.to_string();
            tracing::warn!(issuer = %user.id.issuer(), cause, "cannot look up the groups of a user");
            user.groups = Groups::Unknown(UnknownGroups::Unresolved);
            Some(Asked::Failed)
        }
    }
}
