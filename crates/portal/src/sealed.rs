//! What the portal hands to a browser to keep, and nobody but a portal with the same master key can read or write.

use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use bonafide_mcp::LinkSealer;
use bonafide_vault::{KeyError, Keyring, StateSealer};
use secrecy::ExposeSecret as _;

use crate::links::OnceLinks;

/// What a sealed text is for. One that was sealed for one purpose does not open for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    Session,
    SignIn,
}

/// Seals and opens.
#[derive(Debug)]
pub(crate) struct Seals {
    session: StateSealer,
    sign_in: StateSealer,
    /// For the links of the gateway.
    pub(crate) asked: LinkSealer,
    pub(crate) once: OnceLinks,
}

/// The operating system gave no random bytes, or the cryptography library refused to work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the cryptography library failed: is the system's random source there?")]
pub(crate) struct NoRandomness;

impl Seals {
    pub(crate) fn new(keyring: &Keyring) -> Result<Self, KeyError> {
        Ok(Self {
            session: StateSealer::new(keyring, "bonafide-portal session")?,
            sign_in: StateSealer::new(keyring, "bonafide-portal sign-in")?,
            asked: LinkSealer::new(keyring)?,
            once: OnceLinks::new(keyring)?,
        })
    }

    pub(crate) fn seal(&self, purpose: Purpose, state: &[u8]) -> Result<String, NoRandomness> {
        self.of(purpose).seal(&[], state).map_err(|_| NoRandomness)
    }

    /// What was sealed for this purpose; `None` for everything else.
    pub(crate) fn open(&self, purpose: Purpose, sealed: &str) -> Option<Vec<u8>> {
        let opened = self.of(purpose).open(&[], sealed);
        Some(opened.ok()?.expose_secret().to_vec())
    }

    fn of(&self, purpose: Purpose) -> &StateSealer {
        match purpose {
            Purpose::Session => &self.session,
            Purpose::SignIn => &self.sign_in,
        }
    }
}

/// Random bytes that nobody can guess.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], NoRandomness> {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).map_err(|_| NoRandomness)?;
    Ok(bytes)
}

/// Compares without telling by the time it takes how much is equal.
pub(crate) fn same(a: &[u8], b: &[u8]) -> bool {
    aws_lc_rs::constant_time::verify_slices_are_equal(a, b).is_ok()
}

#[cfg(test)]
pub(crate) mod tests {
    use bonafide_vault::MasterKey;

    use super::*;

    pub(crate) fn seals() -> Seals {
        Seals::new(&Keyring::new(&MasterKey::generate().unwrap()).unwrap()).unwrap()
    }

    #[test]
    fn opens_for_its_purpose_only_and_only_unaltered() {
        let seals = seals();
        let sealed = seals.seal(Purpose::Session, b"canary").unwrap();
        assert_eq!(seals.open(Purpose::Session, &sealed).as_deref(), Some(&b"canary"[..]));
        assert_eq!(seals.open(Purpose::SignIn, &sealed), None);
        assert_eq!(self::seals().open(Purpose::Session, &sealed), None);
        for at in 0..sealed.len() {
            let mut altered = sealed.clone().into_bytes();
            altered[at] = if altered[at] == b'A' { b'B' } else { b'A' };
            let altered = String::from_utf8(altered).unwrap();
            assert_eq!(seals.open(Purpose::Session, &altered), None, "{at}");
        }
        assert!(!format!("{seals:?}").contains("canary"));
    }
}
