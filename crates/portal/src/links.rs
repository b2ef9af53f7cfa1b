//! Links that set a single variable, once.

use std::time::{Duration, SystemTime};

use bonafide_claims::UserId;
use bonafide_policy::{Permit, TenantId};
use bonafide_vault::{
    Envelope, KeyError, Keyring, Owner, Record, Replacement, SecretId, SecretName, SecretStore,
    StateSealer, StoreError, VaultError,
};
use secrecy::{ExposeSecret as _, SecretString};

use crate::marks::Marks;
use crate::sealed::same;
use crate::state::unix_seconds;

/// How long a link is good for: 15 minutes.
const TIME: Duration = Duration::from_secs(15 * 60);

/// Makes links that set a single variable of one user, once and soon.
///
/// A link names the state in which the variable was when the link was made: which envelope is stored, or that none is. The
/// store replaces that state and no other, so a link has done its work when the variable was changed, by itself or in
/// any other way, at any gateway. The gateway where it was used remembers it besides: what was entered may be removed again
/// while the link could still be good.
///
/// Where secrets are not sealed the same value is the same envelope, and a state says nothing: no links are made there.
#[derive(Debug)]
pub(crate) struct OnceLinks(StateSealer);

/// A link, opened: it is for this user and variable, and the variable is as it was.
pub(crate) struct OnceLink {
    pub(crate) name: String,
    expected: Option<Envelope>,
    /// What it is remembered by, and until when.
    id: [u8; 16],
    until: u64,
}

/// Why a link is not good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stale {
    /// It was made for somebody else.
    OtherUser,
    /// It is none of ours, too old, or used.
    Link,
}

impl OnceLinks {
    pub(crate) fn new(keyring: &Keyring) -> Result<Self, KeyError> {
        StateSealer::new(keyring, "bonafide-portal link").map(Self)
    }

    /// The token of a new link, and until when it is good. To be asked for only where secrets are sealed.
    pub(crate) async fn make(
        &self,
        secrets: &SecretStore,
        permit: &Permit,
        name: &SecretName,
        now: SystemTime,
    ) -> Result<(String, u64), StoreError> {
        let (user, tenant) = (permit.user().id(), permit.tenant());
        let stored = stored(secrets, user, tenant, name).await?;
        let until = unix_seconds(now + TIME);
        let [issuer, directory, subject] = user.parts();
        let state = serde_json::json!([
            issuer,
            directory,
            subject,
            tenant.as_str(),
            name.as_str(),
            until.to_string(),
            digest(stored.as_ref()),
        ]);
        let token = self.0.seal(&[], state.to_string().as_bytes());
        Ok((token.map_err(StoreError::unavailable)?, until))
    }

    /// What a link is for, if it is good for this user at this tenant now.
    pub(crate) async fn open(
        &self,
        used: &Marks,
        secrets: &SecretStore,
        permit: &Permit,
        token: &str,
        now: SystemTime,
    ) -> Result<Result<OnceLink, Stale>, StoreError> {
        let (user, tenant) = (permit.user().id(), permit.tenant());
        let Some([issuer, directory, subject, of, name, until, state]) = self.read(token) else {
            return Ok(Err(Stale::Link));
        };
        if user.parts() != [&*issuer, &*directory, &*subject] {
            return Ok(Err(Stale::OtherUser));
        }
        let (Ok(until), Ok(secret)) = (until.parse(), name.parse()) else {
            return Ok(Err(Stale::Link));
        };
        let fresh = unix_seconds(now) < until && of == tenant.as_str();
        let id = id(token);
        if !fresh || used.has(id, until) || !secrets.sealer().is_sealing() {
            return Ok(Err(Stale::Link));
        }
        let expected = stored(secrets, user, tenant, &secret).await?;
        if !same(digest(expected.as_ref()).as_bytes(), state.as_bytes()) {
            return Ok(Err(Stale::Link));
        }
        Ok(Ok(OnceLink { name, expected, id, until }))
    }

    fn read(&self, token: &str) -> Option<[String; 7]> {
        let state = self.0.open(&[], token).ok()?;
        serde_json::from_slice(state.expose_secret()).ok()
    }
}

impl OnceLink {
    /// Whether the variable had a value when the link was made, which is the one that it replaces.
    pub(crate) fn replaces(&self) -> bool {
        self.expected.is_some()
    }

    /// Stores the value if the variable still is as it was, and the link was not used; says whether it was so.
    pub(crate) async fn write(
        self,
        used: &Marks,
        secrets: &SecretStore,
        permit: &Permit,
        name: &SecretName,
        value: &SecretString,
        now: SystemTime,
    ) -> Result<bool, VaultError> {
        if !used.set(self.id, self.until, unix_seconds(now)) {
            return Ok(false);
        }
        let (user, tenant) = (permit.user().id(), permit.tenant());
        let envelope = secrets.sealer().seal(Owner::new(user, tenant), name, value);
        let envelope =
            envelope.map_err(|source| VaultError::Value { name: name.clone(), source })?;
        let change = Replacement {
            id: SecretId::new(user.clone(), tenant.clone(), name.clone()),
            expected: self.expected,
            record: Record::new(envelope, unix_seconds(now)),
        };
        Ok(secrets.vault().replace(vec![change]).await?.first() == Some(&true))
    }
}

async fn stored(
    secrets: &SecretStore,
    user: &UserId,
    tenant: &TenantId,
    name: &SecretName,
) -> Result<Option<Envelope>, StoreError> {
    let owner = Owner::new(user, tenant);
    let records = secrets.vault().read(owner, std::slice::from_ref(name)).await?;
    Ok(records.into_iter().flatten().next().map(|record| record.envelope().clone()))
}

/// What a link is remembered by. A sealed text has one form only.
fn id(token: &str) -> [u8; 16] {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, token.as_bytes());
    digest.as_ref().first_chunk().copied().unwrap_or_default()
}

/// What stands for an envelope in a link. Each envelope has a nonce of its own, so the same value stored twice is two.
fn digest(envelope: Option<&Envelope>) -> String {
    use base64::Engine as _;
    let Some(envelope) = envelope else { return String::new() };
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, envelope.as_bytes());
    base64::prelude::BASE64_URL_SAFE_NO_PAD.encode(digest)
}
