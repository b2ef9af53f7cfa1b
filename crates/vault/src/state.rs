//! Sealing for what leaves this process and comes back: session ids, cookies, links.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::aead::{Aad, LessSafeKey, Nonce};
use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::SecretSlice;
use zeroize::Zeroizing;

use crate::context;
use crate::envelope::{Envelope, FORMAT_VERSION, HEADER_LEN, NONCE_LEN, TAG_LEN};
use crate::key::{KeyError, KeyId};
use crate::keyring::Keyring;
use crate::seal::OpenError;

/// The longest state that is sealed, in bytes.
pub const MAX_STATE_LEN: usize = 64 * 1024;

/// The longest text that is looked at, in bytes: such a state in base64.
const MAX_TEXT_LEN: usize = (HEADER_LEN + MAX_STATE_LEN + TAG_LEN).div_ceil(3) * 4;

/// Seals what a program hands to a client and wants back unread and unaltered, as text that fits into a header,
/// a cookie or a link. Cloning costs a reference count.
///
/// Every process with the same master key understands it, so nothing has to be stored. The newest key of the
/// keyring seals, any opens. Each purpose has a key of its own, which is none of those that seal secrets:
/// what was sealed for one purpose opens for no other. [`format`](crate::format) has the bytes.
///
/// ```
/// use bonafide_vault::{Keyring, MasterKey, StateError, StateSealer};
/// use secrecy::ExposeSecret;
///
/// let keyring = Keyring::new(&MasterKey::generate()?)?;
/// let sealer = StateSealer::new(&keyring, "example session")?;
/// let text = sealer.seal(&[b"alice", b"github"], b"round 7")?;
///
/// let state = sealer.open(&[b"alice", b"github"], &text)?;
/// assert_eq!(state.expose_secret(), b"round 7");
///
/// // For another user, or another purpose: refused.
/// assert_eq!(sealer.open(&[b"bob", b"github"], &text).unwrap_err(), StateError::Refused);
/// let other = StateSealer::new(&keyring, "example cookie")?;
/// assert_eq!(other.open(&[b"alice", b"github"], &text).unwrap_err(), StateError::Refused);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Security
///
/// Sealed is not fresh: the same text opens as often as it is shown, until its master key is gone. What
/// must end, put a time into it; what is good for one use, remember that it was used.
#[derive(Clone)]
pub struct StateSealer(Arc<Keys>);

struct Keys {
    purpose: Box<str>,
    newest: Key,
    older: Vec<Key>,
}

struct Key {
    id: KeyId,
    key: LessSafeKey,
}

/// Why a state was not sealed or not opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// The state, or the text, is longer than any that is sealed: [`MAX_STATE_LEN`].
    #[error("the state has more than {MAX_STATE_LEN} bytes")]
    TooLong,
    /// The text is not what [`StateSealer::seal`] writes.
    #[error("the text is no sealed state")]
    Malformed,
    /// The text names a master key that is not in the keyring.
    #[error("the state was sealed with the master key `{key}`: add that key to the keyring")]
    UnknownKey {
        /// Which key it names.
        key: KeyId,
    },
    /// The text was altered, or sealed for another purpose or with other associated data.
    #[error("the state was altered, or belongs to another purpose or somebody else")]
    Refused,
    /// The cryptography library or the system's random source failed.
    #[error("the cryptography library failed: is the system's random source there?")]
    Crypto,
}

impl StateSealer {
    /// A sealer for one purpose, with the keys of `keyring`.
    ///
    /// The purpose is a constant of the program that says which program and what for, such as
    /// `"bonafide-portal session"`.
    ///
    /// # Errors
    ///
    /// [`KeyError::Crypto`] if the cryptography library fails.
    pub fn new(keyring: &Keyring, purpose: &str) -> Result<Self, KeyError> {
        let mut keys = keyring.keys().map(|root| {
            let key = root.state_key(purpose).map_err(|_| KeyError::Crypto)?;
            Ok(Key { id: root.id(), key })
        });
        // A keyring is never empty.
        let newest = keys.next().unwrap_or(Err(KeyError::Crypto))?;
        let older = keys.collect::<Result<_, KeyError>>()?;
        Ok(Self(Arc::new(Keys { purpose: purpose.into(), newest, older })))
    }

    /// Seals `state`, bound to `associated_data`: a list of fields, each by itself, in this order. The text
    /// has letters, digits, `-` and `_` only.
    ///
    /// # Errors
    ///
    /// [`StateError::TooLong`], and [`StateError::Crypto`] if the system's random source fails.
    pub fn seal(&self, associated_data: &[&[u8]], state: &[u8]) -> Result<String, StateError> {
        let mut nonce = [0; NONCE_LEN];
        SystemRandom::new().fill(&mut nonce).map_err(|_| StateError::Crypto)?;
        self.seal_with(nonce, associated_data, state)
    }

    pub(crate) fn seal_with(
        &self,
        nonce: [u8; NONCE_LEN],
        associated_data: &[&[u8]],
        state: &[u8],
    ) -> Result<String, StateError> {
        if state.len() > MAX_STATE_LEN {
            return Err(StateError::TooLong);
        }
        let Key { id, key } = &self.0.newest;
        // Wiped when this function ends early: until it is encrypted, the state stands in it.
        let mut bytes = Zeroizing::new(Vec::with_capacity(HEADER_LEN + state.len() + TAG_LEN));
        bytes.push(FORMAT_VERSION);
        bytes.extend_from_slice(id.as_bytes());
        bytes.extend_from_slice(&nonce);
        bytes.extend_from_slice(state);
        let text = bytes.get_mut(HEADER_LEN..).ok_or(StateError::Crypto)?;
        let nonce = Nonce::assume_unique_for_key(nonce);
        let data = Aad::from(context::state_data(*id, &self.0.purpose, associated_data));
        let tag =
            key.seal_in_place_separate_tag(nonce, data, text).map_err(|_| StateError::Crypto)?;
        bytes.extend_from_slice(tag.as_ref());
        Ok(URL_SAFE_NO_PAD.encode(bytes.as_slice()))
    }

    /// Opens what [`seal`](Self::seal) gave for the same purpose and the same `associated_data`.
    ///
    /// There is one text for each sealed state: one that is altered in any way, padded or spaced does not open.
    ///
    /// # Errors
    ///
    /// The reason why it does not open. Tell the client none of them: they are for the log.
    pub fn open(
        &self,
        associated_data: &[&[u8]],
        text: &str,
    ) -> Result<SecretSlice<u8>, StateError> {
        if text.len() > MAX_TEXT_LEN {
            return Err(StateError::TooLong);
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| StateError::Malformed)?;
        let envelope = Envelope::from_bytes(bytes);
        let parts = envelope.parts().map_err(|error| match error {
            OpenError::Short { .. } | OpenError::Version { .. } => StateError::Malformed,
            _ => StateError::Crypto,
        })?;
        let mut keys = std::iter::once(&self.0.newest).chain(&self.0.older);
        let key = keys.find(|key| key.id == parts.key);
        let Key { id, key } = key.ok_or(StateError::UnknownKey { key: parts.key })?;
        let mut state = Zeroizing::new(vec![0; parts.ciphertext.len()]);
        let nonce = Nonce::assume_unique_for_key(parts.nonce);
        let data = Aad::from(context::state_data(*id, &self.0.purpose, associated_data));
        key.open_separate_gather(nonce, data, parts.ciphertext, parts.tag, &mut state)
            .map_err(|_| StateError::Refused)?;
        // As long as the state from the start, so that this copies nothing.
        Ok(SecretSlice::from(std::mem::take(&mut *state)))
    }
}

/// Shows the purpose and the ids of the keys.
impl fmt::Debug for StateSealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys = std::iter::once(&self.0.newest).chain(&self.0.older);
        f.debug_struct("StateSealer")
            .field("purpose", &self.0.purpose)
            .field("keys", &keys.map(|key| key.id).collect::<Vec<_>>())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;
    use crate::key::MasterKey;
    use crate::seal::Sealer;

    const DATA: &[&[u8]] = &[b"alice", b"github"];

    fn ring() -> Keyring {
        Keyring::new(&MasterKey::generate().unwrap()).unwrap()
    }

    fn sealer(keyring: &Keyring) -> StateSealer {
        StateSealer::new(keyring, "test").unwrap()
    }

    fn opened(sealer: &StateSealer, data: &[&[u8]], text: &str) -> Result<Vec<u8>, StateError> {
        sealer.open(data, text).map(|state| state.expose_secret().to_vec())
    }

    #[test]
    fn opens_what_it_sealed_and_never_writes_the_same_twice() {
        let sealer = sealer(&ring());
        for state in [&b""[..], b"x", b"\0\xff", &[7; MAX_STATE_LEN]] {
            let text = sealer.seal(DATA, state).unwrap();
            assert!(text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'));
            assert!(text.len() <= MAX_TEXT_LEN);
            assert_eq!(opened(&sealer, DATA, &text).unwrap(), state);
            assert_ne!(sealer.seal(DATA, state).unwrap(), text);
        }
        assert_eq!(sealer.seal(DATA, &[7; MAX_STATE_LEN + 1]), Err(StateError::TooLong));
    }

    #[test]
    fn opens_in_another_process_with_the_same_keys_and_in_no_other() {
        let (old, new) = (MasterKey::generate().unwrap(), MasterKey::generate().unwrap());
        let before = sealer(&Keyring::new(&old).unwrap());
        let text = before.seal(DATA, b"state").unwrap();
        let elsewhere = sealer(&Keyring::new(&old).unwrap());
        assert_eq!(opened(&elsewhere, DATA, &text).unwrap(), b"state");

        let rotated = sealer(&Keyring::new(&new).unwrap().with_older(&old).unwrap());
        assert_eq!(opened(&rotated, DATA, &text).unwrap(), b"state");
        let text = rotated.seal(DATA, b"state").unwrap();
        let key = new.id().unwrap();
        assert_eq!(opened(&before, DATA, &text), Err(StateError::UnknownKey { key }));
    }

    #[test]
    fn refuses_other_data_and_other_purposes() {
        let keyring = ring();
        let sealer = sealer(&keyring);
        let text = sealer.seal(DATA, b"state").unwrap();
        let others: [&[&[u8]]; 8] = [
            &[],
            &[b"alice"],
            &[b"github", b"alice"],
            &[b"aliceg", b"ithub"],
            &[b"alicegithub"],
            &[b"alice", b"github", b""],
            &[b"", b"alice", b"github"],
            &[b"alice", b"Github"],
        ];
        for data in others {
            assert_eq!(opened(&sealer, data, &text), Err(StateError::Refused), "{data:?}");
        }
        for purpose in ["", "tes", "test2", "Test"] {
            let other = StateSealer::new(&keyring, purpose).unwrap();
            assert_eq!(opened(&other, DATA, &text), Err(StateError::Refused), "{purpose}");
        }
    }

    #[test]
    fn refuses_every_altered_text() {
        let sealer = sealer(&ring());
        let text = sealer.seal(DATA, b"state").unwrap();
        let bytes = URL_SAFE_NO_PAD.decode(&text).unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut altered = bytes.clone();
            altered[bit / 8] ^= 1 << (bit % 8);
            assert!(opened(&sealer, DATA, &URL_SAFE_NO_PAD.encode(altered)).is_err(), "bit {bit}");
        }
        for len in 0..text.len() {
            assert!(opened(&sealer, DATA, &text[..len]).is_err(), "{len}");
        }
        let malformed = [
            format!("{text}="),
            format!("{text}A"),
            format!(" {text}"),
            format!("{text}\n"),
            "ä".to_owned(),
            "AA".to_owned(),
        ];
        for altered in malformed {
            assert!(opened(&sealer, DATA, &altered).is_err(), "{altered:?}");
        }
        let long = "A".repeat(MAX_TEXT_LEN + 1);
        assert_eq!(opened(&sealer, DATA, &long), Err(StateError::TooLong));
    }

    /// 53 bytes leave four bits of the last letter unused: they must be zero.
    #[test]
    fn there_is_one_text_for_each_state() {
        let sealer = sealer(&ring());
        let text = sealer.seal(DATA, &[7; 16]).unwrap();
        let (rest, last) = text.split_at(text.len() - 1);
        let same_bytes = (b'A'..=b'Z').chain(b'a'..=b'z').chain(b'0'..=b'9').map(char::from);
        let opening: Vec<_> = same_bytes
            .chain(['-', '_'])
            .filter(|letter| opened(&sealer, DATA, &format!("{rest}{letter}")).is_ok())
            .collect();
        assert_eq!(opening, last.chars().collect::<Vec<_>>());
    }

    /// The same master key, the same shape of bytes, and yet neither opens as the other.
    #[test]
    fn a_secret_is_no_state_and_a_state_no_secret() {
        let keyring = ring();
        let (user, tenant) = (
            bonafide_claims::UserId::new("i".parse().unwrap(), None, "s".parse().unwrap()),
            "t".parse().unwrap(),
        );
        let (owner, name) = (crate::Owner::new(&user, &tenant), "N".parse().unwrap());
        let secrets = Sealer::new(keyring.clone());
        let envelope = secrets.seal(owner, &name, &"value".into()).unwrap();
        let as_state = URL_SAFE_NO_PAD.encode(envelope.as_bytes());
        let fields: &[&[u8]] = &[b"i", b"", b"s", b"t", b"N"];
        for data in [fields, &[], &[b"s"]] {
            assert_eq!(opened(&sealer(&keyring), data, &as_state), Err(StateError::Refused));
        }
        let state = sealer(&keyring).seal(fields, b"value").unwrap();
        let as_secret = Envelope::from_bytes(URL_SAFE_NO_PAD.decode(state).unwrap());
        assert_eq!(secrets.check(owner, &name, &as_secret), Err(OpenError::Refused));
    }

    #[test]
    fn nothing_shows_the_state() {
        let sealer = sealer(&ring());
        let text = sealer.seal(DATA, b"canary").unwrap();
        let refused = sealer.open(&[b"canary"], &text).unwrap_err();
        let malformed = sealer.open(DATA, "canary canary").unwrap_err();
        let state = sealer.open(DATA, &text).unwrap();
        let shown =
            format!("{text} {sealer:?} {state:?} {refused} {refused:?} {malformed} {malformed:?}");
        assert!(!shown.contains("canary"), "{shown}");
        let bytes = URL_SAFE_NO_PAD.decode(&text).unwrap();
        assert!(!bytes.windows(6).any(|part| part == b"canary"));
    }

    #[test]
    fn subkeys_differ_by_purpose_and_master_key_and_are_the_same_everywhere() {
        let (old, new) = (MasterKey::generate().unwrap(), MasterKey::generate().unwrap());
        let ring = Keyring::new(&new).unwrap().with_older(&old).unwrap();
        let keys = |ring: &Keyring, purpose: &str| -> Vec<(KeyId, [u8; 32])> {
            let keys = ring.subkeys(purpose).unwrap();
            keys.iter().map(|(id, key)| (*id, *key.expose_secret())).collect()
        };
        let a = keys(&ring, "a");
        assert_eq!(a.iter().map(|(id, _)| *id).collect::<Vec<_>>(), ring.ids().collect::<Vec<_>>());
        assert_eq!(keys(&Keyring::new(&old).unwrap(), "a")[0], a[1]);
        let b = keys(&ring, "b");
        let mut all: Vec<_> = a.iter().chain(&b).map(|(_, key)| *key).collect();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 4);
        assert!(!format!("{:?}", ring.subkeys("a").unwrap()).contains(&format!("{:?}", a[0].1)));
    }
}
