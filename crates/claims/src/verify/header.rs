//! The header of a token: RFC 7515, section 4.

use bonafide_jwks::Algorithm;
use bonafide_jwks::strict_json::{self, Object, Value};

use super::error::VerifyError;

/// What the header says, as far as it is listened to.
pub(super) struct Header<'a> {
    object: Object<'a>,
    pub(super) algorithm: Algorithm,
}

/// Members that would change what is verified, or bring the key to verify with (RFC 8725, section 3.10).
const REFUSED: [&str; 6] = ["crit", "b64", "jwk", "jku", "x5u", "x5c"];

impl<'a> Header<'a> {
    pub(super) fn read(text: &'a [u8]) -> Result<Self, VerifyError> {
        let object = strict_json::parse(text).map_err(|_| VerifyError::Header)?;
        if let Some(member) = REFUSED.into_iter().find(|name| object.get(name).is_some()) {
            return Err(VerifyError::HeaderMember { member });
        }
        let algorithm = text_of(&object, "alg")?.ok_or(VerifyError::UnsupportedAlgorithm)?;
        let algorithm = algorithm.parse().map_err(|_| VerifyError::UnsupportedAlgorithm)?;
        let header = Self { object, algorithm };
        // Types are checked whether or not the member is needed.
        header.kid()?;
        header.typ()?;
        text_of(&header.object, "cty")?;
        Ok(header)
    }

    pub(super) fn kid(&self) -> Result<Option<&str>, VerifyError> {
        text_of(&self.object, "kid")
    }

    pub(super) fn typ(&self) -> Result<Option<&str>, VerifyError> {
        text_of(&self.object, "typ")
    }
}

fn text_of<'o>(object: &'o Object<'_>, name: &str) -> Result<Option<&'o str>, VerifyError> {
    match object.get(name) {
        None => Ok(None),
        Some(value) => Value::as_str(value).map(Some).ok_or(VerifyError::Header),
    }
}
