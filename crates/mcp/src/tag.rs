//! Tags that bind what a backend calls something to a user and a tenant.

use std::fmt;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64URL;
use bonafide_claims::UserId;
use bonafide_policy::TenantId;
use bonafide_vault::{KeyError, Keyring};
use secrecy::ExposeSecret as _;

/// How many bytes of the HMAC go into a tag. 128 bits can't be guessed, and half the MAC is what RFC 2104,
/// section 5, asks for at least.
const TAG_LEN: usize = 16;

/// The keys of one purpose, one for each master key, newest first.
///
/// A tag is HMAC-SHA256 over user, tenant and some texts. It costs no memory, is the same each time, and is known at every
/// gateway with the same master key.
pub(crate) struct TagKeys(Vec<hmac::Key>);

impl TagKeys {
    pub(crate) fn new(keyring: &Keyring, purpose: &str) -> Result<Self, KeyError> {
        let keys = keyring.subkeys(purpose)?;
        let key = |bytes: &[u8; 32]| hmac::Key::new(hmac::HMAC_SHA256, bytes);
        Ok(Self(keys.iter().map(|(_, bytes)| key(bytes.expose_secret())).collect()))
    }

    /// The tag with the newest key. `None` only without a key, which no keyring is.
    pub(crate) fn tag(&self, user: &UserId, tenant: &TenantId, texts: &[&str]) -> Option<String> {
        let tag = hmac::sign(self.0.first()?, &bound(user, tenant, texts));
        Some(BASE64URL.encode(tag.as_ref().get(..TAG_LEN)?))
    }

    /// Whether one of the keys made this tag.
    pub(crate) fn is_tag(
        &self,
        tag: &str,
        user: &UserId,
        tenant: &TenantId,
        texts: &[&str],
    ) -> bool {
        let Ok(tag) = BASE64URL.decode(tag) else { return false };
        let bound = bound(user, tenant, texts);
        self.0.iter().any(|key| {
            let expected = hmac::sign(key, &bound);
            let expected = expected.as_ref().get(..TAG_LEN).unwrap_or_default();
            aws_lc_rs::constant_time::verify_slices_are_equal(expected, &tag).is_ok()
        })
    }
}

impl fmt::Debug for TagKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TagKeys").field("keys", &self.0.len()).finish()
    }
}

/// Every part with its length before it, so that no two lists of parts give the same bytes.
fn bound(user: &UserId, tenant: &TenantId, texts: &[&str]) -> Vec<u8> {
    let [issuer, directory, subject] = user.parts();
    let whose = [issuer, directory, subject, tenant.as_str()];
    let parts = whose.iter().chain(texts);
    let mut bytes = Vec::with_capacity(parts.clone().map(|part| part.len() + 8).sum());
    for part in parts {
        bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
        bytes.extend_from_slice(part.as_bytes());
    }
    bytes
}
