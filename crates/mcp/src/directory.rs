//! The tenants and the policy over them, replaced as one.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::{ArcSwap, Guard};
use bonafide_claims::VerifiedUser;
use bonafide_policy::{Denial, Permit, Policy, TenantId};
use tokio::sync::watch;

use crate::Tenant;
use crate::permits::Permits;

/// Which tenants there are and who may reach them.
///
/// Default: none, and nobody.
#[derive(Debug, Default)]
pub struct Directory {
    tenants: BTreeMap<TenantId, Tenant>,
    policy: Policy,
    permits: Permits,
}

impl Directory {
    /// These tenants under this policy. Of two tenants with one id the later stays.
    #[must_use]
    pub fn new(tenants: impl IntoIterator<Item = Tenant>, policy: Policy) -> Self {
        let tenants = tenants.into_iter().map(|tenant| (tenant.id().clone(), tenant)).collect();
        Self { tenants, policy, permits: Permits::default() }
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

    /// Whether `user` may use `tenant`, as the [policy](Self::policy) decides. What it decided about this very token a moment
    /// ago is still at hand.
    ///
    /// # Errors
    ///
    /// A [`Denial`] unless a rule allows it and no rule takes it away.
    pub fn permit(&self, user: &VerifiedUser, tenant: &TenantId) -> Result<Permit, Denial> {
        self.permits.permit(&self.policy, user, tenant)
    }

    fn has_made(&self, permit: &Permit) -> bool {
        permit.is_of(&self.policy) && self.tenants.contains_key(permit.tenant())
    }
}

/// The directory in force. Clones share it.
///
/// A request that has [loaded](Self::load) a directory keeps it to its end: it never sees the policy of one and
/// the tenants of another. A standing stream ends when the policy that opened it is replaced.
#[derive(Debug, Clone, Default)]
pub struct SharedDirectory {
    current: Arc<ArcSwap<Directory>>,
    replaced: watch::Sender<()>,
}

impl SharedDirectory {
    /// Starts with `directory`.
    #[must_use]
    pub fn new(directory: Directory) -> Self {
        Self { current: Arc::new(ArcSwap::from_pointee(directory)), ..Self::default() }
    }

    /// The directory in force now. Takes no lock.
    #[must_use]
    pub fn load(&self) -> Arc<Directory> {
        Guard::into_inner(self.current.load())
    }

    /// Puts `directory` in force for every request from now on. Standing streams under another policy end.
    pub fn replace(&self, directory: Directory) {
        self.current.store(Arc::new(directory));
        self.look_again();
    }

    /// Ready when the policy in force is no longer the one that made `permit`, its tenant is gone, or `draining` is set
    /// and [seen](Self::look_again).
    pub(crate) fn outlived(
        &self,
        permit: Permit,
        draining: Arc<AtomicBool>,
    ) -> impl Future<Output = ()> + Send + use<> {
        let directory = self.clone();
        async move {
            // First, so that no change gets between the look and the wait.
            let mut replaced = directory.replaced.subscribe();
            while !draining.load(Ordering::Acquire)
                && directory.load().has_made(&permit)
                && replaced.changed().await.is_ok()
            {}
        }
    }

    /// Has whoever waits for a change look again. A channel of their own would take room in each idle stream.
    pub(crate) fn look_again(&self) {
        self.replaced.send_replace(());
    }
}
