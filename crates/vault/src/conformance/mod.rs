//! The suite that shows that a store keeps the contract of [`Vault`]. Feature `conformance`.
//!
//! Every store in this workspace runs it, and so can yours, from a test:
//!
//! ```
//! use std::sync::Arc;
//! use bonafide_vault::{MemoryVault, Vault, conformance};
//!
//! # fn main() {
//! # let runtime = tokio::runtime::Builder::new_multi_thread().build().unwrap();
//! # runtime.block_on(async {
//! conformance::run(|| async { Arc::new(MemoryVault::new()) as Arc<dyn Vault> }).await;
//! # });
//! # }
//! ```
//!
//! It must run inside a Tokio runtime, one with several threads if it is to find races. It panics with what it
//! expected when the store does something else.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a suite stops at the first fault that it finds"
)]

mod changes;
mod concurrency;
mod keys;
mod sealed;

use std::sync::Arc;

use bonafide_claims::UserId;
use bonafide_policy::TenantId;

use crate::envelope::Envelope;
use crate::key::MasterKey;
use crate::keyring::Keyring;
use crate::name::SecretName;
use crate::owner::{Owner, SecretId};
use crate::seal::Sealer;
use crate::vault::{Record, Vault};

/// Runs every case, each on an empty store that `fresh` makes.
///
/// # Panics
///
/// When the store does not keep the contract.
pub async fn run<F, Fut>(fresh: F)
where
    F: Fn() -> Fut,
    Fut: Future<Output = Arc<dyn Vault>>,
{
    keys::answers_in_the_order_of_the_question(&*fresh().await).await;
    keys::keeps_look_alikes_apart(&*fresh().await).await;
    keys::gives_back_what_was_written(&*fresh().await).await;
    changes::replaces_and_removes(&*fresh().await).await;
    changes::removes_one_user_everywhere_and_no_other(&*fresh().await).await;
    changes::replaces_only_what_is_as_expected(&*fresh().await).await;
    changes::scans_every_row_once(&*fresh().await).await;
    sealed::opens_only_where_it_was_sealed(&*fresh().await).await;
    sealed::never_opens_when_tampered_with(&*fresh().await).await;
    sealed::carries_everything_to_another_store(&*fresh().await).await;
    concurrency::readers_see_whole_values(fresh().await).await;
    concurrency::writers_see_their_own_changes(fresh().await).await;
    concurrency::replacements_are_never_lost(fresh().await).await;
    concurrency::rewraps_under_load(fresh().await).await;
    concurrency::survives_callers_who_stop_waiting(fresh().await).await;
}

fn user(issuer: &str, directory: Option<&str>, subject: &str) -> UserId {
    let directory = directory.map(|directory| directory.parse().unwrap());
    UserId::new(issuer.parse().unwrap(), directory, subject.parse().unwrap())
}

fn person(subject: &str) -> UserId {
    user("https://idp.example", None, subject)
}

fn tenant(tenant: &str) -> TenantId {
    tenant.parse().unwrap()
}

fn name(name: &str) -> SecretName {
    name.parse().unwrap()
}

fn record(bytes: impl AsRef<[u8]>) -> Record {
    Record::new(Envelope::from_bytes(bytes.as_ref()), 1_700_000_000)
}

fn sealer() -> Sealer {
    Sealer::new(Keyring::new(&MasterKey::generate().unwrap()).unwrap())
}

fn id(owner: Owner<'_>, name: &SecretName) -> SecretId {
    SecretId::new(owner.user().clone(), owner.tenant().clone(), name.clone())
}

async fn read_one(vault: &dyn Vault, owner: Owner<'_>, name: &SecretName) -> Option<Record> {
    let mut read = vault.read(owner, std::slice::from_ref(name)).await.unwrap();
    assert_eq!(read.len(), 1, "one name was asked for");
    read.pop().unwrap()
}
