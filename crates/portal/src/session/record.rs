//! What is in the cookie.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64URL;

use crate::portal::Browser;
use crate::sealed::{NoRandomness, random};
use crate::sign_in::Evidence;

/// The layout of the bytes below.
const VERSION: u8 = 1;

/// What is in the cookie, opened.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) evidence: Evidence,
    /// In seconds since the Unix epoch, like all times here.
    pub(crate) signed_in: u64,
    /// When the last request came, to the minute.
    pub(crate) seen: u64,
    /// What forms have to repeat.
    pub(crate) csrf: [u8; 16],
    pub(crate) token: String,
}

impl Record {
    pub(crate) fn new(evidence: Evidence, token: String, now: u64) -> Result<Self, NoRandomness> {
        Ok(Self { evidence, signed_in: now, seen: now, csrf: random()?, token })
    }

    /// Whether it may be used now: neither idle for too long nor too old, nor from the future.
    pub(crate) fn is_open(&self, now: u64, idle: u64, absolute: u64) -> bool {
        let age = now.checked_sub(self.signed_in);
        let rest = now.checked_sub(self.seen);
        self.seen >= self.signed_in
            && age.is_some_and(|age| age < absolute)
            && rest.is_some_and(|rest| rest < idle)
    }

    /// When it ends in any case.
    pub(super) fn ends(&self, absolute: u64) -> u64 {
        self.signed_in.saturating_add(absolute)
    }

    /// Whether its user has signed out here. What forms repeat is made once for each session, and stands for it.
    pub(super) fn is_signed_out(&self, browser: &Browser) -> bool {
        browser.signed_out.has(self.csrf, self.ends(browser.sign_in.absolute()))
    }

    /// The three parts of a token are kept as the bytes that they stand for: a quarter shorter. Base64url is canonical
    /// in every token that was verified, so it can be written again as it was.
    pub(crate) fn to_bytes(&self) -> Option<Vec<u8>> {
        let parts: Vec<Vec<u8>> = self
            .token
            .split('.')
            .map(|part| BASE64URL.decode(part))
            .collect::<Result<_, _>>()
            .ok()?;
        let [header, payload, signature] = parts.as_slice() else { return None };
        let mut bytes = vec![VERSION, u8::from(self.evidence == Evidence::Access)];
        bytes.extend_from_slice(&self.signed_in.to_be_bytes());
        bytes.extend_from_slice(&self.seen.to_be_bytes());
        bytes.extend_from_slice(&self.csrf);
        bytes.extend_from_slice(&u16::try_from(header.len()).ok()?.to_be_bytes());
        bytes.extend_from_slice(&u16::try_from(payload.len()).ok()?.to_be_bytes());
        for part in [header, payload, signature] {
            bytes.extend_from_slice(part);
        }
        Some(bytes)
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let ([version, evidence], rest) = bytes.split_first_chunk::<2>()?;
        let evidence = match (*version, *evidence) {
            (VERSION, 0) => Evidence::Id,
            (VERSION, 1) => Evidence::Access,
            _ => return None,
        };
        let (signed_in, rest) = rest.split_first_chunk::<8>()?;
        let (seen, rest) = rest.split_first_chunk::<8>()?;
        let (csrf, rest) = rest.split_first_chunk::<16>()?;
        let (header, rest) = rest.split_first_chunk::<2>()?;
        let (payload, rest) = rest.split_first_chunk::<2>()?;
        let (header, rest) = rest.split_at_checked(u16::from_be_bytes(*header).into())?;
        let (payload, signature) = rest.split_at_checked(u16::from_be_bytes(*payload).into())?;
        let token = [header, payload, signature].map(|part| BASE64URL.encode(part)).join(".");
        Some(Self {
            evidence,
            signed_in: u64::from_be_bytes(*signed_in),
            seen: u64::from_be_bytes(*seen),
            csrf: *csrf,
            token,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record {
        Record::new(Evidence::Access, "eyJhIjoxfQ.eyJiIjoyfQ.AAECAw".to_owned(), 1000).unwrap()
    }

    #[test]
    fn comes_back_as_it_was_and_shorter_than_its_token() {
        for evidence in [Evidence::Id, Evidence::Access] {
            let record = Record { evidence, ..record() };
            let bytes = record.to_bytes().unwrap();
            assert!(Record::from_bytes(&bytes).is_some_and(|read| read == record));
            for len in 0..38 {
                assert!(Record::from_bytes(&bytes[..len]).is_none(), "{len}");
            }
        }
        let long = format!("eyJhIjoxfQ.{}.AAECAw", "QUFB".repeat(1000));
        let bytes = Record { token: long, ..record() }.to_bytes().unwrap();
        assert!(bytes.len() < 3100, "{}", bytes.len());
    }

    #[test]
    fn ends_when_idle_and_when_old_and_does_not_begin_in_the_future() {
        let record = Record { seen: 1500, ..record() };
        for (now, open) in [(1500, true), (1599, true), (1600, false), (1499, false)] {
            assert_eq!(record.is_open(now, 100, 900), open, "{now}");
        }
        let record = Record { seen: 1850, ..record };
        for (now, open) in [(1899, true), (1900, false)] {
            assert_eq!(record.is_open(now, 100, 900), open, "{now}");
        }
        assert!(!Record { seen: 999, ..record }.is_open(1000, 100, 900));
    }

    #[test]
    fn what_is_no_compact_token_is_not_kept() {
        for token in ["", "a.b", "a.b.c.d", "=.=.="] {
            assert!(Record { token: token.to_owned(), ..record() }.to_bytes().is_none(), "{token}");
        }
    }
}
