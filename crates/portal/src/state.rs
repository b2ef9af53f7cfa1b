//! What a user has stored for a tenant, as API and pages tell it.

use std::time::SystemTime;

use bonafide_headers::Variable;
use bonafide_mcp::Tenant;
use bonafide_policy::Permit;
use bonafide_vault::{SecretName, SecretStatus, SecretStore, VaultError};
use secrecy::ExposeSecret as _;

/// A tenant that a user may use, and what they stored for it.
pub(crate) struct Connection<'t> {
    pub(crate) tenant: &'t Tenant,
    pub(crate) fields: Vec<Field<'t>>,
    /// The token of the link that leaves only one field.
    pub(crate) link: Option<String>,
}

/// A variable, and what is stored for it.
pub(crate) struct Field<'t> {
    pub(crate) variable: &'t Variable,
    pub(crate) name: &'t SecretName,
    pub(crate) status: SecretStatus,
    /// Only of variables that are not secret: those are shown back to their owner.
    pub(crate) value: Option<String>,
    /// It is stored, is no secret, and does not open any more.
    pub(crate) unreadable: bool,
}

impl<'t> Connection<'t> {
    pub(crate) async fn read(
        secrets: &SecretStore,
        tenant: &'t Tenant,
        permit: &Permit,
    ) -> Result<Self, VaultError> {
        let vault = secrets.open(permit);
        let stored = vault.status(tenant.secret_names()).await?;
        let declared = tenant.templates().variables().iter().zip(tenant.secret_names());
        let mut fields = Vec::with_capacity(stored.len());
        for ((variable, name), status) in declared.zip(stored) {
            // No secret is opened for this. One value that does not open must not hide the others, so that its owner can
            // still see where to enter it anew.
            let (mut value, mut unreadable) = (None, false);
            if !variable.is_secret() && status.is_set() {
                match vault.read(std::slice::from_ref(name)).await {
                    Ok(read) => value = read.get(0).map(|value| value.expose_secret().to_owned()),
                    Err(VaultError::Sealed { .. }) => unreadable = true,
                    Err(error) => return Err(error),
                }
            }
            fields.push(Field { variable, name, status, value, unreadable });
        }
        Ok(Self { tenant, fields, link: None })
    }

    /// Whether everything that is required is set.
    pub(crate) fn is_complete(&self) -> bool {
        self.missing().next().is_none()
    }

    /// What is required and neither set nor given by the administrator.
    pub(crate) fn missing(&self) -> impl Iterator<Item = &Field<'t>> {
        self.fields.iter().filter(|field| field.is_missing())
    }
}

impl Field<'_> {
    pub(crate) fn is_missing(&self) -> bool {
        self.variable.is_required()
            && !self.status.is_set()
            && self.variable.default_value().is_none()
    }
}

/// Seconds since the Unix epoch.
pub(crate) fn unix_seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
