//! The tenants and the policy over them, replaced as one.

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};
use bonafide_policy::{Policy, TenantId};

use crate::Tenant;

/// Which tenants there are and who may reach them.
///
/// Default: none, and nobody.
#[derive(Debug, Default)]
pub struct Directory {
    tenants: BTreeMap<TenantId, Tenant>,
    policy: Policy,
}

impl Directory {
    /// These tenants under this policy. Of two tenants with one id the later stays.
    #[must_use]
    pub fn new(tenants: impl IntoIterator<Item = Tenant>, policy: Policy) -> Self {
        let tenants = tenants.into_iter().map(|tenant| (tenant.id().clone(), tenant)).collect();
        Self { tenants, policy }
    }

    /// The tenant with that id.
    #[must_use]
    pub fn tenant(&self, id: &str) -> Option<&Tenant> {
        self.tenants.get(id)
    }

    /// All tenants, sorted by id.
    pub fn tenants(&self) -> impl Iterator<Item = &Tenant> {
        self.tenants.values()
    }

    /// Who may reach them.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.policy
    }
}

/// The directory in force. Clones share it.
///
/// A request that has [loaded](Self::load) a directory keeps it to its end: it never sees the policy of one and
/// the tenants of another.
#[derive(Debug, Clone, Default)]
pub struct SharedDirectory {
    current: Arc<ArcSwap<Directory>>,
}

impl SharedDirectory {
    /// Starts with `directory`.
    #[must_use]
    pub fn new(directory: Directory) -> Self {
        Self { current: Arc::new(ArcSwap::from_pointee(directory)) }
    }

    /// The directory in force now. Takes no lock.
    #[must_use]
    pub fn load(&self) -> Arc<Directory> {
        Guard::into_inner(self.current.load())
    }

    /// Puts `directory` in force for every request from now on.
    pub fn replace(&self, directory: Directory) {
        self.current.store(Arc::new(directory));
    }
}
