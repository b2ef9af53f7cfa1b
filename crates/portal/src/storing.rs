//! Storing what a user entered: all of it or nothing.

use bonafide_policy::Permit;
use bonafide_vault::{
    Envelope, Owner, Record, Replacement, SecretId, SecretName, StoreError, VaultError,
};
use secrecy::SecretString;

use crate::portal::Shared;

/// How often a value is tried that somebody changes at the same moment.
const ATTEMPTS: usize = 5;

/// Stores several values of one user for one tenant in one change of the store. Says for each whether there was one before.
///
/// A value that is changed at the same moment, in another window or by a script, is replaced all the same: whoever comes
/// last counts, as when a single value is written.
///
/// # Errors
///
/// A [`VaultError`]: nothing was stored, or the store does not say.
pub(crate) async fn store(
    shared: &Shared,
    permit: &Permit,
    values: &[(&SecretName, &SecretString)],
) -> Result<Vec<bool>, VaultError> {
    let (user, tenant) = (permit.user().id(), permit.tenant());
    let (owner, sealer) = (Owner::new(user, tenant), shared.secrets.sealer());
    let mut left = Vec::with_capacity(values.len());
    for (index, (name, value)) in values.iter().enumerate() {
        let sealed = sealer.seal(owner, name, value);
        let refused = |source| VaultError::Value { name: (*name).clone(), source };
        let envelope = sealed.map_err(refused)?;
        left.push((index, (*name).clone(), Record::new(envelope, shared.now())));
    }
    let mut replaced = vec![false; values.len()];
    for _ in 0..ATTEMPTS {
        if left.is_empty() {
            return Ok(replaced);
        }
        let names: Vec<SecretName> = left.iter().map(|(_, name, _)| name.clone()).collect();
        let stored = stored(shared, owner, &names).await?;
        for ((index, ..), stored) in left.iter().zip(&stored) {
            if let Some(replaced) = replaced.get_mut(*index) {
                *replaced = stored.is_some();
            }
        }
        let changes = left.iter().zip(stored).map(|((_, name, record), expected)| Replacement {
            id: SecretId::new(user.clone(), tenant.clone(), name.clone()),
            expected,
            record: record.clone(),
        });
        let made = shared.secrets.vault().replace(changes.collect()).await?;
        if made.len() != left.len() {
            let what = "it answered a replacement with more or fewer results than changes";
            return Err(StoreError::Bug { what }.into());
        }
        let mut made = made.into_iter();
        left.retain(|_| made.next() != Some(true));
    }
    if left.is_empty() {
        return Ok(replaced);
    }
    Err(StoreError::unavailable("these values are changed again and again by somebody else").into())
}

/// What is stored now, so that it can be replaced and nothing else.
async fn stored(
    shared: &Shared,
    owner: Owner<'_>,
    names: &[SecretName],
) -> Result<Vec<Option<Envelope>>, StoreError> {
    let records = shared.secrets.vault().read(owner, names).await?;
    if records.len() != names.len() {
        let what = "it answered a read with more or fewer records than names";
        return Err(StoreError::Bug { what });
    }
    Ok(records.into_iter().map(|record| record.map(|it| it.envelope().clone())).collect())
}
