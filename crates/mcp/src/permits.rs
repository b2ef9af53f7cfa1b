//! Decisions about the tenants of a user, kept with the token that they were made for.

use std::fmt;
use std::hash::BuildHasher as _;
use std::sync::{Mutex, PoisonError};

use bonafide_claims::VerifiedUser;
use bonafide_policy::{Denial, Permit, Policy, TenantId};
use foldhash::fast::RandomState;

/// How many are kept: of so many pairs of user and tenant, in the long run.
const SLOTS: usize = 1024;

/// The last permits of one policy.
///
/// What a policy decides follows from the verified user and the tenant alone, so the same permit is good for the very same
/// [`VerifiedUser`], and no other: another token of that user may say something else, and is decided about anew. Only
/// permits are kept, no denials.
pub(crate) struct Permits {
    slots: Box<[Mutex<Option<Permit>>]>,
    hasher: RandomState,
}

impl Permits {
    /// What `policy` says, whose permits these are.
    pub(crate) fn permit(
        &self,
        policy: &Policy,
        user: &VerifiedUser,
        tenant: &TenantId,
    ) -> Result<Permit, Denial> {
        let Some(slot) = self.slot(user, tenant) else { return policy.permit(user, tenant) };
        let is_theirs = |permit: &&Permit| {
            permit.user().is_same_as(user) && permit.tenant() == tenant && permit.is_of(policy)
        };
        let kept = slot.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(permit) = kept.as_ref().filter(is_theirs) {
            return Ok(permit.clone());
        }
        drop(kept);
        let permit = policy.permit(user, tenant)?;
        // What was there is dropped without the lock.
        let _ = slot.lock().unwrap_or_else(PoisonError::into_inner).replace(permit.clone());
        Ok(permit)
    }

    fn slot(&self, user: &VerifiedUser, tenant: &TenantId) -> Option<&Mutex<Option<Permit>>> {
        let hash = u128::from(self.hasher.hash_one((user.id(), tenant)));
        self.slots.get(usize::try_from((hash * self.slots.len() as u128) >> 64).ok()?)
    }
}

impl Permits {
    fn with_slots(slots: usize) -> Self {
        let slots = (0..slots).map(|_| Mutex::default()).collect();
        Self { slots, hasher: RandomState::default() }
    }
}

impl Default for Permits {
    fn default() -> Self {
        Self::with_slots(SLOTS)
    }
}

/// Shows how many there is room for.
impl fmt::Debug for Permits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permits").field("slots", &self.slots.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use bonafide_testkit::Issuer;

    use super::*;

    const RULES: &str = r#"
        [[rules]]
        id = "staff"
        groups = ["staff"]
        tenants = ["github", "jira"]
    "#;

    fn ada(group: &str) -> VerifiedUser {
        Issuer::new("https://idp.example").user("ada").with_groups([group]).verified()
    }

    #[test]
    fn a_permit_is_for_one_token_one_tenant_and_one_policy() {
        let (ada, outside) = (ada("staff"), ada("visitors"));
        // All of them meet in one place.
        let (permits, policy) = (Permits::with_slots(1), Policy::from_toml(RULES).unwrap());
        let tenant = |id: &str| id.parse::<TenantId>().unwrap();
        let permit = |user, id| permits.permit(&policy, user, &tenant(id));
        for id in ["github", "jira", "github"] {
            let permit = permit(&ada, id).unwrap();
            assert_eq!((permit.tenant(), permit.user().id()), (&tenant(id), ada.id()));
        }
        // The same person, with a token that says less; and a tenant that the permit is not for.
        assert!(permit(&outside, "github").is_err());
        assert!(permit(&ada, "notes").is_err());
        assert!(permit(&ada, "github").is_ok());
        let stricter = Policy::default();
        assert!(permits.permit(&stricter, &ada, &tenant("github")).is_err());
    }

    #[test]
    fn what_was_decided_is_not_decided_again() {
        let ada = ada("staff");
        let (permits, policy) = (Permits::default(), Policy::from_toml(RULES).unwrap());
        let tenant = "github".parse().unwrap();
        let first = permits.permit(&policy, &ada, &tenant).unwrap();
        let second = permits.permit(&policy, &ada, &tenant).unwrap();
        assert!(std::ptr::eq(first.user(), second.user()), "two permits");
    }
}
