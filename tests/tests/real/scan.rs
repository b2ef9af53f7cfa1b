//! The search for secrets where none belong.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD_NO_PAD;
use memchr::memmem;

/// Something that must not turn up, in any of the forms in which it could.
pub(crate) struct Needle {
    forms: Vec<Vec<u8>>,
}

impl Needle {
    /// As it is, backwards, in hex, and inside anything that was put into base64.
    pub(crate) fn of(secret: &str) -> Self {
        let bytes = secret.as_bytes();
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let mut forms = vec![
            bytes.to_vec(),
            bytes.iter().rev().copied().collect(),
            hex.to_uppercase().into_bytes(),
            hex.into_bytes(),
        ];
        // Three bytes make four characters, so what stands before a text shifts it in one of three ways. The
        // characters at both ends hold bits of their neighbours and are left out.
        for before in ["", " ", "  "] {
            let shifted = [before.as_bytes(), bytes].concat();
            let text = BASE64_STANDARD_NO_PAD.encode(&shifted).into_bytes();
            let inner = text.get(4..text.len().saturating_sub(4)).unwrap_or_default().to_vec();
            let url_safe = inner.iter().map(|byte| match byte {
                b'+' => b'-',
                b'/' => b'_',
                other => *other,
            });
            forms.push(url_safe.collect());
            forms.push(inner);
        }
        Self { forms }
    }

    /// The parts of a token that say something: claims and signature, each by itself. The header is no secret.
    pub(crate) fn of_token(token: &str) -> Vec<Self> {
        let parts = token.split('.').skip(1);
        parts.map(|part| Self { forms: vec![part.as_bytes().to_vec()] }).collect()
    }

    pub(crate) fn is_in(&self, haystack: &[u8]) -> bool {
        self.forms.iter().any(|form| contains(haystack, form))
    }
}

pub(crate) fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    !needle.is_empty() && memmem::find(haystack, needle).is_some()
}
