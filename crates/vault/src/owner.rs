//! Whose secret it is.

use bonafide_claims::UserId;
use bonafide_policy::TenantId;

use crate::name::SecretName;

/// A user and a tenant: whose secrets, and for which backend. What a store keys its rows by, together with
/// the [`SecretName`].
///
/// A name, not a proof: making one opens nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Owner<'a> {
    user: &'a UserId,
    tenant: &'a TenantId,
}

impl<'a> Owner<'a> {
    /// The secrets of `user` for `tenant`.
    #[must_use]
    pub fn new(user: &'a UserId, tenant: &'a TenantId) -> Self {
        Self { user, tenant }
    }

    /// The user.
    #[must_use]
    pub fn user(self) -> &'a UserId {
        self.user
    }

    /// The tenant.
    #[must_use]
    pub fn tenant(self) -> &'a TenantId {
        self.tenant
    }

    /// Issuer, directory (empty when there is none), subject and tenant: the columns of a table. Never to
    /// be joined into one string.
    #[must_use]
    pub fn parts(self) -> [&'a str; 4] {
        let [issuer, directory, subject] = self.user.parts();
        [issuer, directory, subject, self.tenant.as_str()]
    }
}

/// The whole key of one row: user, tenant and name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SecretId {
    user: UserId,
    tenant: TenantId,
    name: SecretName,
}

impl SecretId {
    /// The secret `name` of `user` for `tenant`.
    #[must_use]
    pub fn new(user: UserId, tenant: TenantId, name: SecretName) -> Self {
        Self { user, tenant, name }
    }

    /// The user and the tenant.
    #[must_use]
    pub fn owner(&self) -> Owner<'_> {
        Owner::new(&self.user, &self.tenant)
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &SecretName {
        &self.name
    }
}
