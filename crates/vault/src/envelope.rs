//! The sealed form of a secret, as stores keep it.

use std::fmt;
use std::sync::Arc;

use zeroize::Zeroizing;

use crate::key::KeyId;
use crate::seal::OpenError;

/// The version of the format that this crate writes: [`format`](crate::format).
pub const FORMAT_VERSION: u8 = 1;

/// Stands in front of a value that is not sealed: see `SecretStore::dangerous_without_sealing`.
const UNSEALED: u8 = 0;

pub(crate) const KEY_ID_LEN: usize = 8;
pub(crate) const NONCE_LEN: usize = 12;
pub(crate) const TAG_LEN: usize = 16;
pub(crate) const HEADER_LEN: usize = 1 + KEY_ID_LEN + NONCE_LEN;

/// A sealed secret: the bytes that a store keeps.
///
/// Cloning costs a reference count. An envelope says which master key it was sealed with, and nothing else
/// without that key; that it came from a store does not mean that it opens. Where sealing was switched off, it
/// holds the value as it is.
#[derive(Clone)]
pub struct Envelope {
    /// The bytes of this one, and perhaps of others of the same owner.
    shared: Arc<[u8]>,
    start: usize,
    end: usize,
}

/// The parts of an envelope, not yet opened.
pub(crate) struct Parts<'a> {
    pub(crate) key: KeyId,
    pub(crate) nonce: [u8; NONCE_LEN],
    pub(crate) ciphertext: &'a [u8],
    pub(crate) tag: &'a [u8],
}

impl Envelope {
    /// The envelope that a store read back. Takes any bytes: what is wrong with them is said when the
    /// envelope is opened, so that one broken row does not hide the others.
    #[must_use]
    pub fn from_bytes(bytes: impl Into<Arc<[u8]>>) -> Self {
        let shared = bytes.into();
        Self { start: 0, end: shared.len(), shared }
    }

    /// The same envelopes, one after the other in one allocation: whoever needs one of them needs the others, and they
    /// come from memory together.
    pub(crate) fn pack<'a>(envelopes: impl Iterator<Item = &'a Self> + Clone) -> Vec<Self> {
        let mut all = Vec::with_capacity(envelopes.clone().map(|one| one.as_bytes().len()).sum());
        envelopes.clone().for_each(|one| all.extend_from_slice(one.as_bytes()));
        let shared: Arc<[u8]> = all.into();
        let mut end = 0;
        let next = envelopes.map(|one| {
            let start = end;
            end += one.as_bytes().len();
            Self { shared: Arc::clone(&shared), start, end }
        });
        next.collect()
    }

    /// A value that is not sealed, in the form of an envelope.
    ///
    /// # Security
    ///
    /// For stores that seal by themselves. It opens only where
    /// [sealing was switched off](crate::SecretStore::dangerous_without_sealing), and is refused everywhere else.
    #[must_use]
    pub fn from_unsealed(value: &str) -> Self {
        let mut bytes = Zeroizing::new(Vec::with_capacity(1 + value.len()));
        bytes.push(UNSEALED);
        bytes.extend_from_slice(value.as_bytes());
        Self::from_bytes(bytes.as_slice())
    }

    /// The value, if this is one that is not sealed.
    #[must_use]
    pub fn unsealed(&self) -> Option<&str> {
        match self.as_bytes().split_first() {
            Some((&UNSEALED, value)) => std::str::from_utf8(value).ok(),
            _ => None,
        }
    }

    /// The bytes to store.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        // The range is one of the bytes. If it were not, nothing does not open.
        self.shared.get(self.start..self.end).unwrap_or_default()
    }

    /// The master key that this envelope names, if it is well formed. Not proven until it is opened.
    #[must_use]
    pub fn key_id(&self) -> Option<KeyId> {
        self.parts().ok().map(|parts| parts.key)
    }

    pub(crate) fn parts(&self) -> Result<Parts<'_>, OpenError> {
        let bytes = self.as_bytes();
        let short = || OpenError::Short { len: bytes.len() };
        let (version, rest) = bytes.split_first().ok_or_else(short)?;
        if *version != FORMAT_VERSION {
            return Err(OpenError::Version { version: *version });
        }
        let (key, rest) = rest.split_first_chunk::<KEY_ID_LEN>().ok_or_else(short)?;
        let (nonce, rest) = rest.split_first_chunk::<NONCE_LEN>().ok_or_else(short)?;
        let (ciphertext, tag) = rest.split_last_chunk::<TAG_LEN>().ok_or_else(short)?;
        Ok(Parts { key: KeyId::from_bytes(*key), nonce: *nonce, ciphertext, tag })
    }
}

impl PartialEq for Envelope {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Envelope {}

/// Shows the length and the key id, never the bytes.
impl fmt::Debug for Envelope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Envelope")
            .field("len", &self.as_bytes().len())
            .field("key_id", &self.key_id())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_is_wrong_with_bytes_that_are_no_envelope() {
        let parts = |bytes: &[u8]| Envelope::from_bytes(bytes).parts().err();
        assert_eq!(parts(&[]), Some(OpenError::Short { len: 0 }));
        assert_eq!(parts(b"\x02"), Some(OpenError::Version { version: 2 }));
        let shortest = HEADER_LEN + TAG_LEN;
        let mut bytes = vec![0; shortest];
        bytes[0] = FORMAT_VERSION;
        assert_eq!(parts(&bytes), None);
        assert_eq!(parts(&bytes[..shortest - 1]), Some(OpenError::Short { len: shortest - 1 }));
    }

    #[test]
    fn packed_ones_have_the_same_bytes() {
        for all in [vec![], vec![""], vec!["", "a", "", "bc", "a"], vec!["abc", "d"]] {
            let all: Vec<_> =
                all.into_iter().map(|bytes| Envelope::from_bytes(bytes.as_bytes())).collect();
            assert_eq!(Envelope::pack(all.iter()), all);
            // Also those that are parts already.
            assert_eq!(Envelope::pack(Envelope::pack(all.iter()).iter()), all);
        }
        let (one, other) = (Envelope::from_bytes(*b"ab"), Envelope::from_bytes(*b"ac"));
        let packed = Envelope::pack([&one, &other].into_iter());
        assert!(packed[0] != packed[1] && packed[0] == one && packed[1] == other);
    }

    #[test]
    fn debug_does_not_show_the_bytes() {
        let shown = format!("{:?}", Envelope::from_bytes(&b"\x01canary"[..]));
        assert_eq!(shown, "Envelope { len: 7, key_id: None, .. }");
    }
}
