//! Single claims that are elsewhere than the profile says.

use super::claim_path::ClaimPath;
use super::profile::{RoleSource, Sources};

/// Claims that are elsewhere than the [`Profile`](crate::Profile) says. What is not given stays as it is.
///
/// Who the user *is* (`sub`, or `tid` and `oid`) is not among them: that is up to the profile.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[must_use]
pub struct ClaimMap {
    username: Option<ClaimPath>,
    email: Option<ClaimPath>,
    name: Option<ClaimPath>,
    groups: Option<ClaimPath>,
    roles: Option<ClaimPath>,
}

impl ClaimMap {
    /// Nothing changed.
    pub fn new() -> Self {
        Self::default()
    }

    /// Where the user name is.
    pub fn with_username(mut self, path: ClaimPath) -> Self {
        self.username = Some(path);
        self
    }

    /// Where the e-mail address is.
    pub fn with_email(mut self, path: ClaimPath) -> Self {
        self.email = Some(path);
        self
    }

    /// Where the name is.
    pub fn with_name(mut self, path: ClaimPath) -> Self {
        self.name = Some(path);
        self
    }

    /// Where the groups are.
    pub fn with_groups(mut self, path: ClaimPath) -> Self {
        self.groups = Some(path);
        self
    }

    /// Where the roles are.
    pub fn with_roles(mut self, path: ClaimPath) -> Self {
        self.roles = Some(path);
        self
    }

    pub(super) fn apply(self, sources: &mut Sources) {
        if let Some(path) = self.username {
            sources.username = vec![path];
        }
        if let Some(path) = self.email {
            sources.email = vec![path];
        }
        if let Some(path) = self.name {
            sources.name = vec![path];
        }
        if self.groups.is_some() {
            sources.groups = self.groups;
        }
        if let Some(path) = self.roles {
            sources.roles = vec![RoleSource { path, client: None }];
        }
    }
}
