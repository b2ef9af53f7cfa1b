//! The three parts of a token: RFC 7515, section 7.1.

use base64_simd::URL_SAFE_NO_PAD;

use super::error::VerifyError;

/// The longest token that is looked at, in bytes. More than most servers take in a header.
pub const MAX_TOKEN_LEN: usize = 16 * 1024;

/// A token, taken apart and decoded. Nothing in it is verified.
pub(super) struct Compact<'t> {
    pub(super) header: Vec<u8>,
    pub(super) payload: Vec<u8>,
    pub(super) signature: Vec<u8>,
    /// Header and payload as they were signed.
    pub(super) signed: &'t [u8],
}

impl<'t> Compact<'t> {
    /// Takes a token apart.
    ///
    /// Each part is canonical: no padding, no white space, no set bits after the end. So there is exactly
    /// one text for one token.
    pub(super) fn read(token: &'t str) -> Result<Self, VerifyError> {
        if token.len() > MAX_TOKEN_LEN {
            return Err(VerifyError::TooLong { max: MAX_TOKEN_LEN });
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(VerifyError::NotCompact)?;
        let (header, payload) = signed.split_once('.').ok_or(VerifyError::NotCompact)?;
        Ok(Self {
            header: decode(header)?,
            payload: decode(payload)?,
            signature: decode(signature)?,
            signed: signed.as_bytes(),
        })
    }
}

fn decode(part: &str) -> Result<Vec<u8>, VerifyError> {
    if part.is_empty() {
        return Err(VerifyError::NotCompact);
    }
    // A dot too many is no character of base64url.
    URL_SAFE_NO_PAD.decode_to_vec(part).map_err(|_| VerifyError::NotCompact)
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD as OTHER;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn decodes_what_another_decoder_does_and_nothing_else(
            bytes in prop::collection::vec(any::<u8>(), 1..200),
            at in any::<prop::sample::Index>(),
            changed in "[A-Za-z0-9_+/=. -]|.",
            text in "[A-Za-z0-9_-]{1,80}|.{1,80}",
        ) {
            let good = OTHER.encode(&bytes);
            prop_assert_eq!(decode(&good).ok(), Some(bytes));
            let (before, after) = good.split_at(at.index(good.len()));
            for text in [format!("{before}{changed}{}", &after[1..]), format!("{before}{changed}{after}"), text] {
                prop_assert_eq!(decode(&text).ok(), OTHER.decode(&text).ok(), "{}", text);
            }
        }
    }
}
