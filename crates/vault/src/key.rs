//! Master keys.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use crate::envelope::KEY_ID_LEN;
use crate::weak::{self, Weakness};

/// How long a master key is, in bytes.
pub const MASTER_KEY_LEN: usize = 32;

/// A master key: 32 random bytes, written in base64.
///
/// Every user's own key is derived from it, so whoever has it and the store has every secret. Wiped from
/// memory when it is dropped.
///
/// ```
/// use bonafide_vault::MasterKey;
/// use secrecy::SecretString;
///
/// let key = MasterKey::generate()?;
/// assert_eq!(MasterKey::from_base64(key.to_base64())?.id()?, key.id()?);
///
/// // Nobody's random bytes: refused.
/// let guessable = SecretString::from("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");
/// assert!(MasterKey::from_base64(guessable).is_err());
/// # Ok::<(), bonafide_vault::KeyError>(())
/// ```
pub struct MasterKey(Zeroizing<[u8; MASTER_KEY_LEN]>);

/// Why something is no master key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The text is not base64 of exactly 32 bytes.
    #[error(
        "a master key is not base64 of 32 bytes: use one that `keygen` printed, with its padding"
    )]
    Encoding,
    /// The bytes are not random.
    #[error("a master key is refused because it {weakness}: use one that `keygen` printed")]
    Weak {
        /// What is wrong with it.
        weakness: Weakness,
    },
    /// The same key twice in one keyring.
    #[error("the master key `{id}` is in the keyring twice: leave one of them out")]
    Twice {
        /// Which key.
        id: KeyId,
    },
    /// The operating system gave no random bytes, or the cryptography library refused to work.
    #[error("the cryptography library failed: is the system's random source there?")]
    Crypto,
}

impl MasterKey {
    /// A new key from the system's random source.
    ///
    /// # Errors
    ///
    /// [`KeyError::Crypto`] if that source fails.
    pub fn generate() -> Result<Self, KeyError> {
        let mut bytes = Zeroizing::new([0; MASTER_KEY_LEN]);
        SystemRandom::new().fill(bytes.as_mut_slice()).map_err(|_| KeyError::Crypto)?;
        Self::from_bytes(bytes)
    }

    /// The key that was written as base64 (RFC 4648, section 4, with padding). White space around it is
    /// left out.
    ///
    /// # Errors
    ///
    /// [`KeyError::Encoding`] if it is not base64 of 32 bytes, and [`KeyError::Weak`] if the bytes are
    /// plainly not random: see [`Weakness`].
    pub fn from_base64(text: SecretString) -> Result<Self, KeyError> {
        Self::decode(text.expose_secret())
    }

    pub(crate) fn decode(text: &str) -> Result<Self, KeyError> {
        // Room for what the decoder may estimate: it rounds up to whole groups of three bytes.
        let mut buffer = Zeroizing::new([0; MASTER_KEY_LEN + 4]);
        let len = STANDARD
            .decode_slice(text.trim(), buffer.as_mut_slice())
            .map_err(|_| KeyError::Encoding)?;
        match buffer.split_first_chunk::<MASTER_KEY_LEN>() {
            Some((bytes, _)) if len == MASTER_KEY_LEN => Self::from_bytes(Zeroizing::new(*bytes)),
            _ => Err(KeyError::Encoding),
        }
    }

    fn from_bytes(bytes: Zeroizing<[u8; MASTER_KEY_LEN]>) -> Result<Self, KeyError> {
        match weak::weakness(&bytes) {
            Some(weakness) => Err(KeyError::Weak { weakness }),
            None => Ok(Self(bytes)),
        }
    }

    /// The key in base64, to be written down by whoever keeps it.
    #[must_use]
    pub fn to_base64(&self) -> SecretString {
        let mut text = Zeroizing::new([0; MASTER_KEY_LEN.div_ceil(3) * 4]);
        let len = STANDARD.encode_slice(self.0.as_slice(), text.as_mut_slice()).unwrap_or_default();
        let text = text.get(..len).and_then(|text| std::str::from_utf8(text).ok());
        SecretString::from(Box::from(text.unwrap_or_default()))
    }

    /// What the key is called: the same for the same bytes, everywhere.
    ///
    /// # Errors
    ///
    /// [`KeyError::Crypto`] if the cryptography library fails.
    pub fn id(&self) -> Result<KeyId, KeyError> {
        Ok(crate::keyring::RootKey::new(self)?.id())
    }

    pub(crate) fn expose(&self) -> &[u8; MASTER_KEY_LEN] {
        &self.0
    }

    /// For the published test vectors, whose keys everybody knows.
    #[cfg(test)]
    pub(crate) fn from_known_bytes(bytes: [u8; MASTER_KEY_LEN]) -> Self {
        Self(Zeroizing::new(bytes))
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey(…)")
    }
}

/// What a master key is called: 8 bytes derived from the key, shown as 16 hexadecimal digits.
///
/// Nobody chooses it, so a key and its name cannot be mixed up. It says nothing about the key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId([u8; KEY_ID_LEN]);

/// A string that is no key id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a key id is 16 hexadecimal digits in lower case")]
pub struct KeyIdError;

impl KeyId {
    pub(crate) fn from_bytes(bytes: [u8; KEY_ID_LEN]) -> Self {
        Self(bytes)
    }

    /// The bytes, as they stand in an envelope.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; KEY_ID_LEN] {
        &self.0
    }
}

impl FromStr for KeyId {
    type Err = KeyIdError;

    fn from_str(text: &str) -> Result<Self, KeyIdError> {
        let digits = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if text.len() != 2 * KEY_ID_LEN || !text.bytes().all(digits) {
            return Err(KeyIdError);
        }
        let id = u64::from_str_radix(text, 16).map_err(|_| KeyIdError)?;
        Ok(Self(id.to_be_bytes()))
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", u64::from_be_bytes(self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(text: &str) -> Result<(), KeyError> {
        MasterKey::from_base64(SecretString::from(text)).map(drop)
    }

    #[test]
    fn generated_keys_differ_and_survive_being_written_down() {
        let (a, b) = (MasterKey::generate().unwrap(), MasterKey::generate().unwrap());
        assert_ne!(a.expose(), b.expose());
        let text = a.to_base64();
        assert_eq!(text.expose_secret().len(), 44);
        let padded = format!(" {}\n", text.expose_secret());
        assert_eq!(MasterKey::from_base64(padded.into()).unwrap().expose(), a.expose());
    }

    #[test]
    fn refuses_what_is_not_base64_of_32_bytes() {
        let good = MasterKey::generate().unwrap().to_base64();
        let good = good.expose_secret();
        let unpadded = good.trim_end_matches('=');
        let twice = format!("{good}{good}");
        for text in [
            "",
            "=",
            "c2hvcnQ=",
            unpadded,
            &twice,
            &format!("{unpadded}A"),
            "päss",
            &"A".repeat(48),
        ] {
            assert_eq!(decode(text), Err(KeyError::Encoding), "{text}");
        }
        // 31 and 33 bytes.
        for len in [31, 33, 34] {
            assert_eq!(decode(&STANDARD.encode(vec![7; len])), Err(KeyError::Encoding), "{len}");
        }
    }

    #[test]
    fn refuses_weak_keys() {
        let text = STANDARD.encode(b"correct horse battery staple 123");
        assert_eq!(decode(&text), Err(KeyError::Weak { weakness: Weakness::Text }));
    }

    #[test]
    fn debug_and_errors_do_not_show_the_key() {
        let key = MasterKey::generate().unwrap();
        assert_eq!(format!("{key:?}"), "MasterKey(…)");
        let canary = "canarycanarycanarycanarycanarycanarycanaryca";
        let error = decode(canary).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("canary"));
    }

    #[test]
    fn key_ids_parse_as_they_are_shown() {
        let id = MasterKey::generate().unwrap().id().unwrap();
        assert_eq!(id.to_string().parse(), Ok(id));
        for text in ["", "0", "+123456789abcdef", "0123456789ABCDEF", "0123456789abcdef0"] {
            assert_eq!(text.parse::<KeyId>(), Err(KeyIdError), "{text}");
        }
    }
}
