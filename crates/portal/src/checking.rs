//! Asking a backend about new values, where its tenant wants that.

use bonafide_mcp::{CheckError, Tenant};
use bonafide_policy::Permit;
use bonafide_vault::{SecretName, VaultError};
use secrecy::SecretString;

use crate::portal::Shared;

/// What is to become of a variable. `None`: it is removed.
pub(crate) type Changes<'a> = [(&'a SecretName, Option<&'a SecretString>)];

/// Why values are not stored.
#[derive(Debug)]
pub(crate) enum Unchecked {
    Vault(VaultError),
    Backend(CheckError),
}

/// Asks the backend whether it accepts what would be stored after `changes`. Says whether it was asked: it is not when
/// the tenant does not want it, when something is still missing, and when nothing new is entered.
pub(crate) async fn check(
    shared: &Shared,
    permit: &Permit,
    tenant: &Tenant,
    changes: &Changes<'_>,
) -> Result<bool, Unchecked> {
    let entered = changes.iter().any(|(_, value)| value.is_some());
    let Some(check) = shared.check.as_ref().filter(|_| entered && tenant.is_checked()) else {
        return Ok(false);
    };
    let names = tenant.secret_names();
    // One that does not open any more must not keep its owner from entering it anew.
    let kept: Vec<SecretName> = names
        .iter()
        .filter(|name| !changes.iter().any(|(changed, _)| changed == name))
        .cloned()
        .collect();
    let stored = shared.secrets.open(permit).read(&kept).await.map_err(Unchecked::Vault)?;
    let values: Vec<Option<&SecretString>> = names
        .iter()
        .map(|name| match changes.iter().find(|(changed, _)| *changed == name) {
            Some((_, value)) => *value,
            None => kept.iter().position(|it| it == name).and_then(|index| stored.get(index)),
        })
        .collect();
    match check.check(permit, tenant, &values).await {
        Ok(()) => Ok(true),
        Err(CheckError::Incomplete) => Ok(false),
        Err(error) => Err(Unchecked::Backend(error)),
    }
}
