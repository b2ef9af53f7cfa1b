//! A sign-in that has begun: everything that the answer will be checked against.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64URL;

use crate::marks::Marks;
use crate::sealed::{NoRandomness, Purpose, Seals, random, same};

/// How long a user may take at the issuer, in seconds.
const TIME: u64 = 15 * 60;

/// How long an address may be to which somebody comes back, in bytes.
const TO_LEN: usize = 2048;

/// A sign-in that has begun.
///
/// It travels as `state`, sealed: no gateway keeps it, and any of them can go on with it. It is good for the browser
/// that has the cookie with the same `browser` in it (RFC 6749, section 10.12), for one answer at each gateway, and for some
/// minutes.
#[derive(PartialEq, Eq)]
pub(crate) struct Pending {
    browser: [u8; 16],
    nonce: [u8; 16],
    /// RFC 7636, section 4.1.
    verifier: [u8; 32],
    /// In seconds since the Unix epoch.
    until: u64,
    /// The path to come back to.
    pub(crate) to: String,
}

impl Pending {
    pub(crate) fn new(browser: [u8; 16], to: &str, now: u64) -> Result<Self, NoRandomness> {
        let to = if to.len() <= TO_LEN { to } else { "/connections" };
        Ok(Self {
            browser,
            nonce: random()?,
            verifier: random()?,
            until: now.saturating_add(TIME),
            to: to.to_owned(),
        })
    }

    /// Notes that its answer is being used. Says whether it was not before, at this gateway.
    pub(super) fn answer(&self, answered: &Marks, now: u64) -> bool {
        answered.set(self.nonce, self.until, now)
    }

    pub(crate) fn nonce(&self) -> String {
        BASE64URL.encode(self.nonce)
    }

    pub(crate) fn verifier(&self) -> String {
        BASE64URL.encode(self.verifier)
    }

    /// `S256` of the verifier: RFC 7636, section 4.2.
    pub(crate) fn challenge(&self) -> String {
        let verifier = self.verifier();
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, verifier.as_bytes());
        BASE64URL.encode(digest)
    }

    pub(crate) fn seal(&self, seals: &Seals) -> Result<String, NoRandomness> {
        let mut bytes = Vec::with_capacity(72 + self.to.len());
        bytes.extend_from_slice(&self.browser);
        bytes.extend_from_slice(&self.nonce);
        bytes.extend_from_slice(&self.verifier);
        bytes.extend_from_slice(&self.until.to_be_bytes());
        bytes.extend_from_slice(self.to.as_bytes());
        seals.seal(Purpose::SignIn, &bytes)
    }

    /// The sign-in that `state` stands for, if this browser began it and it is not too old.
    pub(crate) fn open(seals: &Seals, state: &str, browser: &[u8], now: u64) -> Option<Self> {
        let bytes = seals.open(Purpose::SignIn, state)?;
        let (bound, rest) = bytes.split_first_chunk::<16>()?;
        let (nonce, rest) = rest.split_first_chunk::<16>()?;
        let (verifier, rest) = rest.split_first_chunk::<32>()?;
        let (until, to) = rest.split_first_chunk::<8>()?;
        let until = u64::from_be_bytes(*until);
        if now >= until || !same(bound, browser) {
            return None;
        }
        let to = String::from_utf8(to.to_vec()).ok()?;
        Some(Self { browser: *bound, nonce: *nonce, verifier: *verifier, until, to })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_good_for_one_browser_and_for_some_minutes() {
        let seals = crate::sealed::tests::seals();
        let pending = Pending::new([7; 16], "/connections/github", 1000).unwrap();
        let state = pending.seal(&seals).unwrap();
        let open = |browser: &[u8], now| Pending::open(&seals, &state, browser, now);
        let opened = open(&[7; 16], 1000 + TIME - 1).unwrap();
        assert_eq!(opened.to, "/connections/github");
        assert_eq!((opened.nonce(), opened.verifier()), (pending.nonce(), pending.verifier()));
        assert!(open(&[7; 16], 1000 + TIME).is_none());
        assert!(open(&[8; 16], 1000).is_none() && open(b"", 1000).is_none());
        assert!(state.len() < 300, "{}", state.len());
    }

    #[test]
    fn each_has_its_own_nonce_and_verifier() {
        let new = || Pending::new([7; 16], "/connections", 0).unwrap();
        let (a, b) = (new(), new());
        assert_ne!(a.nonce(), b.nonce());
        assert_ne!(a.verifier(), b.verifier());
        assert_eq!(a.verifier().len(), 43);
        assert_ne!(a.challenge(), a.verifier());
    }
}
