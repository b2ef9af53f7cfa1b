//! JWK sets, read key by key.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyOperations, PublicKeyUse};

use super::MAX_KEYS_PER_ID;
use super::prepared::{Labels, PublicKey, Unusable};
use crate::algorithm::Algorithm;
use crate::strict_json::{self, JsonError, Object, Value};

/// How many keys of one set are looked at. Those after it are skipped.
pub const MAX_KEYS: usize = 64;

/// A document that is no set of public keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeySetError {
    /// The document is not strict JSON.
    #[error("the key set cannot be read")]
    Json(#[source] JsonError),
    /// There is no `keys` array.
    #[error("the key set has no array `keys`: RFC 7517, section 5, wants one")]
    NoKeys,
    /// No key of the set can be used.
    #[error("none of the {skipped} keys can be used: publish at least one public signing key")]
    Empty {
        /// How many keys there were.
        skipped: usize,
    },
}

/// Why a key of a set is not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum SkippedKey {
    /// Not a JWK: not an object, or a member of the wrong type.
    #[error("not a JSON Web Key")]
    Malformed,
    /// `use` or `key_ops` says that it is not for verifying signatures.
    #[error("not for verifying signatures")]
    OtherUse,
    /// A symmetric key. Whoever can read it can sign.
    #[error("a symmetric key, which must not be published")]
    Symmetric,
    /// It has private parts, so it is not a secret any more.
    #[error("a private key, which must not be published")]
    Private,
    /// A `kty`, `crv` or `alg` that we do not verify.
    #[error("a kind of key that is not supported")]
    Unsupported,
    /// An RSA key under 2048 or over 8192 bits, an RSA exponent under 65537, or a point that is not on the
    /// curve.
    #[error("a key that is too weak or not valid")]
    Weak,
    /// The set has [`MAX_KEYS_PER_ID`] other keys with this `kid` and algorithm.
    #[error("one key too many with the same `kid`")]
    Repeated,
    /// It comes after [`MAX_KEYS`] others.
    #[error("the set has more than {MAX_KEYS} keys")]
    TooMany,
}

pub(super) fn read(document: &[u8]) -> Result<(Vec<PublicKey>, Vec<SkippedKey>), KeySetError> {
    let set = strict_json::parse(document).map_err(KeySetError::Json)?;
    let entries = set.get("keys").and_then(Value::as_array).ok_or(KeySetError::NoKeys)?;
    let (mut keys, mut skipped) = (Vec::new(), Vec::new());
    for (at, entry) in entries.iter().enumerate() {
        let key = if at < MAX_KEYS { read_key(entry) } else { Err(SkippedKey::TooMany) };
        match key.and_then(|key| admit(&keys, key)) {
            Ok(Some(key)) => keys.push(key),
            Ok(None) => {}
            Err(why) => skipped.push(why),
        }
    }
    if keys.is_empty() {
        return Err(KeySetError::Empty { skipped: skipped.len() });
    }
    Ok((keys, skipped))
}

/// A key that is there already is left out without a word; a third one under the same id with one.
fn admit(keys: &[PublicKey], key: PublicKey) -> Result<Option<PublicKey>, SkippedKey> {
    if keys.contains(&key) {
        return Ok(None);
    }
    let shared = |other: &&PublicKey| {
        key.id().is_some()
            && other.id() == key.id()
            && Algorithm::PUBLIC
                .iter()
                .any(|algorithm| key.fits(*algorithm) && other.fits(*algorithm))
    };
    if keys.iter().filter(shared).count() >= MAX_KEYS_PER_ID {
        return Err(SkippedKey::Repeated);
    }
    Ok(Some(key))
}

fn read_key(entry: &Value<'_>) -> Result<PublicKey, SkippedKey> {
    let members = entry.as_object().ok_or(SkippedKey::Malformed)?;
    check_public(members)?;
    let jwk: Jwk = serde_json::from_value(to_json(entry)).map_err(|_| SkippedKey::Malformed)?;
    check_use(&jwk)?;
    let labels = Labels {
        id: text(members, "kid")?.map(Box::from),
        issuer: text(members, "issuer")?.map(Box::from),
        algorithm: match text(members, "alg")? {
            Some(name) => Some(name.parse().map_err(|_| SkippedKey::Unsupported)?),
            None => None,
        },
    };
    prepare(labels, &jwk.algorithm)
}

/// RFC 7518, section 6: the members that only a private or symmetric key has.
fn check_public(members: &Object<'_>) -> Result<(), SkippedKey> {
    if members.get("k").is_some() || text(members, "kty")? == Some("oct") {
        return Err(SkippedKey::Symmetric);
    }
    if ["d", "p", "q", "dp", "dq", "qi", "oth", "priv"]
        .iter()
        .any(|name| members.get(name).is_some())
    {
        return Err(SkippedKey::Private);
    }
    Ok(())
}

fn check_use(jwk: &Jwk) -> Result<(), SkippedKey> {
    if jwk.common.public_key_use.as_ref().is_some_and(|it| *it != PublicKeyUse::Signature) {
        return Err(SkippedKey::OtherUse);
    }
    match &jwk.common.key_operations {
        Some(operations) if !operations.contains(&KeyOperations::Verify) => {
            Err(SkippedKey::OtherUse)
        }
        _ => Ok(()),
    }
}

fn prepare(labels: Labels, key: &AlgorithmParameters) -> Result<PublicKey, SkippedKey> {
    let weak = |Unusable| SkippedKey::Weak;
    match key {
        AlgorithmParameters::RSA(rsa) => {
            let (n, e) = (number(&rsa.n)?, number(&rsa.e)?);
            check_rsa(&n, &e)?;
            if labels.algorithm.is_some_and(|only| !is_rsa(only)) {
                return Err(SkippedKey::Unsupported);
            }
            PublicKey::rsa(labels, &n, &e).map_err(weak)
        }
        AlgorithmParameters::EllipticCurve(ec) => {
            let (len, algorithm) = match ec.curve {
                EllipticCurve::P256 => (32, Algorithm::Es256),
                EllipticCurve::P384 => (48, Algorithm::Es384),
                _ => return Err(SkippedKey::Unsupported),
            };
            check_algorithm(&labels, algorithm)?;
            let point = point(&ec.x, &ec.y, len)?;
            match algorithm {
                Algorithm::Es256 => PublicKey::p256(labels, &point),
                _ => PublicKey::p384(labels, &point),
            }
            .map_err(weak)
        }
        AlgorithmParameters::OctetKeyPair(okp) if okp.curve == EllipticCurve::Ed25519 => {
            check_algorithm(&labels, Algorithm::EdDsa)?;
            let key = decode(&okp.x)?;
            check_ed25519(&key)?;
            PublicKey::ed25519(labels, &key).map_err(weak)
        }
        _ => Err(SkippedKey::Unsupported),
    }
}

fn is_rsa(algorithm: Algorithm) -> bool {
    use Algorithm::{Ps256, Ps384, Ps512, Rs256, Rs384, Rs512};
    matches!(algorithm, Rs256 | Rs384 | Rs512 | Ps256 | Ps384 | Ps512)
}

fn check_algorithm(labels: &Labels, algorithm: Algorithm) -> Result<(), SkippedKey> {
    match labels.algorithm {
        Some(only) if only != algorithm => Err(SkippedKey::Unsupported),
        _ => Ok(()),
    }
}

/// NIST SP 800-131A: at least 2048 bits. FIPS 186-5: an odd exponent of at least 65537.
fn check_rsa(n: &[u8], e: &[u8]) -> Result<(), SkippedKey> {
    let bits = n.len() * 8 - n.first().map_or(0, |byte| byte.leading_zeros() as usize);
    let odd = |number: &[u8]| number.last().is_some_and(|byte| byte & 1 == 1);
    let exponent = e
        .iter()
        .try_fold(0_u64, |sum, byte| sum.checked_mul(256).map(|sum| sum | u64::from(*byte)));
    let strong = (2048..=8192).contains(&bits) && odd(n) && odd(e);
    // aws-lc takes exponents of up to 33 bits.
    match exponent {
        Some(65537..=0x1_ffff_ffff) if strong => Ok(()),
        _ => Err(SkippedKey::Weak),
    }
}

/// RFC 7518, section 6.2.1.2: each coordinate in full length.
fn point(x: &str, y: &str, len: usize) -> Result<Vec<u8>, SkippedKey> {
    let (x, y) = (decode(x)?, decode(y)?);
    if x.len() != len || y.len() != len {
        return Err(SkippedKey::Malformed);
    }
    Ok([&[4], x.as_slice(), y.as_slice()].concat())
}

/// 32 bytes, and none of the points of small order, for which anybody can make signatures that verify.
fn check_ed25519(key: &[u8]) -> Result<(), SkippedKey> {
    if key.len() != 32 {
        return Err(SkippedKey::Malformed);
    }
    let unsigned = |other: &[u8; 32]| {
        key.iter().zip(other).enumerate().all(|(at, (ours, theirs))| {
            let mask = if at == 31 { 0x7f } else { 0xff };
            ours & mask == theirs & mask
        })
    };
    if SMALL_ORDER.iter().any(unsigned) { Err(SkippedKey::Weak) } else { Ok(()) }
}

/// The y coordinates of the points of order 1, 2, 4 and 8 on Curve25519, with those that are not reduced.
const SMALL_ORDER: [[u8; 32]; 7] = [
    [0; 32],
    little_endian(1, 0, 0),
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98,
        0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53,
        0xfc, 0x05,
    ],
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67,
        0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac,
        0x03, 0x7a,
    ],
    little_endian(0xec, 0xff, 0x7f),
    little_endian(0xed, 0xff, 0x7f),
    little_endian(0xee, 0xff, 0x7f),
];

const fn little_endian(first: u8, middle: u8, last: u8) -> [u8; 32] {
    let mut bytes = [middle; 32];
    let [low, .., high] = &mut bytes;
    *low = first;
    *high = last;
    bytes
}

fn decode(text: &str) -> Result<Vec<u8>, SkippedKey> {
    URL_SAFE_NO_PAD.decode(text).map_err(|_| SkippedKey::Malformed)
}

/// RFC 7518, section 6.3.1.1, wants no leading zero octets, but some publish the sign byte of ASN.1. The
/// number is the same.
fn number(text: &str) -> Result<Vec<u8>, SkippedKey> {
    let bytes = decode(text)?;
    Ok(bytes.into_iter().skip_while(|byte| *byte == 0).collect())
}

fn text<'a>(members: &'a Object<'_>, name: &str) -> Result<Option<&'a str>, SkippedKey> {
    match members.get(name) {
        None => Ok(None),
        Some(value) => value.as_str().map(Some).ok_or(SkippedKey::Malformed),
    }
}

fn to_json(value: &Value<'_>) -> serde_json::Value {
    match value {
        Value::Null => serde_json::Value::Null,
        Value::Bool(it) => (*it).into(),
        Value::Unsigned(it) => (*it).into(),
        Value::Float(it) => (*it).into(),
        Value::String(it) => (&**it).into(),
        Value::Array(items) => items.iter().map(to_json).collect(),
        Value::Object(object) => {
            object.iter().map(|(name, value)| (name.to_owned(), to_json(value))).collect()
        }
    }
}
