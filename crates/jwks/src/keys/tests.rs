use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::{KeySet, KeySetError, MAX_KEYS, NoKey, SkippedKey};
use crate::Algorithm;

fn base64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A modulus of this many bits. No prime factors needed: nothing is signed with it.
fn modulus(bits: usize) -> Vec<u8> {
    let mut n = vec![0x5a; bits / 8];
    n[0] = 0x80;
    n[bits / 8 - 1] |= 1;
    n
}

fn rsa(changes: Value) -> Value {
    with(json!({"kty": "RSA", "kid": "r", "n": base64(modulus(2048)), "e": "AQAB"}), changes)
}

fn ed(key: &Ed25519KeyPair, changes: Value) -> Value {
    let x = base64(key.public_key());
    with(json!({"kty": "OKP", "crv": "Ed25519", "kid": "e", "x": x}), changes)
}

fn ec(changes: Value) -> Value {
    let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let (x, y) = key.public_key().as_ref()[1..].split_at(32);
    with(json!({"kty": "EC", "crv": "P-256", "kid": "c", "x": base64(x), "y": base64(y)}), changes)
}

fn with(mut base: Value, changes: Value) -> Value {
    base.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    base
}

fn set(keys: &[Value]) -> Result<std::sync::Arc<KeySet>, KeySetError> {
    KeySet::from_jwks(json!({"keys": keys}).to_string().as_bytes())
}

/// What becomes of a key beside a good one.
fn fate(key: Value) -> Option<SkippedKey> {
    let other = Ed25519KeyPair::generate().unwrap();
    let set = set(&[ed(&other, json!({"kid": "other"})), key]).unwrap();
    assert!(set.candidates(Some("other"), Algorithm::EdDsa).is_ok());
    set.skipped().first().copied()
}

#[test]
fn good_keys_are_used() {
    let key = Ed25519KeyPair::generate().unwrap();
    for good in [
        rsa(json!({})),
        rsa(json!({"use": "sig", "alg": "PS384", "x5c": ["AA"], "x5t": "AA", "extra": {"a": 1}})),
        rsa(json!({"key_ops": ["verify"]})),
        rsa(json!({"n": base64([&[0], modulus(4096).as_slice()].concat()), "e": "AAEAAQ"})),
        ec(json!({})),
        ec(json!({"alg": "ES256"})),
        ed(&key, json!({"alg": "EdDSA"})),
        ed(&key, json!({"alg": "Ed25519"})),
    ] {
        assert_eq!(fate(good.clone()), None, "{good}");
    }
}

#[test]
fn every_other_key_is_skipped_with_its_reason() {
    let key = Ed25519KeyPair::generate().unwrap();
    let off_curve = base64([7_u8; 32]);
    for (odd, why) in [
        (json!(5), SkippedKey::Malformed),
        (json!("key"), SkippedKey::Malformed),
        (json!(null), SkippedKey::Malformed),
        (rsa(json!({"kid": 5})), SkippedKey::Malformed),
        (rsa(json!({"alg": 5})), SkippedKey::Malformed),
        (rsa(json!({"use": 5})), SkippedKey::Malformed),
        (rsa(json!({"key_ops": "verify"})), SkippedKey::Malformed),
        (rsa(json!({"x5c": "AA"})), SkippedKey::Malformed),
        (rsa(json!({"n": "A+/="})), SkippedKey::Malformed),
        (rsa(json!({"issuer": 5})), SkippedKey::Malformed),
        (rsa(json!({"use": "enc"})), SkippedKey::OtherUse),
        (rsa(json!({"key_ops": ["sign"]})), SkippedKey::OtherUse),
        (rsa(json!({"key_ops": []})), SkippedKey::OtherUse),
        (json!({"kty": "oct", "k": base64([1; 64]), "kid": "o"}), SkippedKey::Symmetric),
        (rsa(json!({"k": "AAAA"})), SkippedKey::Symmetric),
        (rsa(json!({"d": "AQAB"})), SkippedKey::Private),
        (rsa(json!({"p": "AQAB"})), SkippedKey::Private),
        (ec(json!({"d": "AQAB"})), SkippedKey::Private),
        (ed(&key, json!({"d": "AQAB"})), SkippedKey::Private),
        (rsa(json!({"alg": "HS256"})), SkippedKey::Unsupported),
        (rsa(json!({"alg": "RSA-OAEP"})), SkippedKey::Unsupported),
        (rsa(json!({"alg": "ES256"})), SkippedKey::Unsupported),
        (ec(json!({"alg": "ES384"})), SkippedKey::Unsupported),
        (ec(json!({"crv": "P-521"})), SkippedKey::Unsupported),
        (ec(json!({"crv": "secp256k1"})), SkippedKey::Unsupported),
        (json!({"kty": "OKP", "crv": "Ed448", "x": base64([1; 57])}), SkippedKey::Unsupported),
        (json!({"kty": "OKP", "crv": "X25519", "x": base64([1; 32])}), SkippedKey::Unsupported),
        (json!({"kty": "AKP", "alg": "ML-DSA-44", "pub": "AA"}), SkippedKey::Unsupported),
        (json!({"kid": "nothing"}), SkippedKey::Unsupported),
        (rsa(json!({"n": base64(modulus(1024))})), SkippedKey::Weak),
        (rsa(json!({"n": base64(modulus(2040))})), SkippedKey::Weak),
        (rsa(json!({"n": base64(modulus(8200))})), SkippedKey::Weak),
        (rsa(json!({"n": ""})), SkippedKey::Weak),
        (rsa(json!({"n": base64([0xfe; 256])})), SkippedKey::Weak),
        (rsa(json!({"e": "Aw"})), SkippedKey::Weak),
        (rsa(json!({"e": "AQAA"})), SkippedKey::Weak),
        (rsa(json!({"e": "AQ"})), SkippedKey::Weak),
        (rsa(json!({"e": base64([0xff; 12])})), SkippedKey::Weak),
        (ec(json!({"y": off_curve})), SkippedKey::Weak),
        (ec(json!({"x": base64([1; 31])})), SkippedKey::Malformed),
        (ed(&key, json!({"x": base64([1; 31])})), SkippedKey::Malformed),
        (ed(&key, json!({"x": base64([0; 32])})), SkippedKey::Weak),
    ] {
        assert_eq!(fate(odd.clone()), Some(why), "{odd}");
    }
}

#[test]
fn a_member_twice_in_one_key_refuses_the_document() {
    let text = br#"{"keys":[{"kty":"RSA","kid":"a","kid":"b"}]}"#;
    assert!(matches!(KeySet::from_jwks(text), Err(KeySetError::Json(_))));
}

#[test]
fn a_document_without_usable_keys_is_no_set() {
    let read = |text: &str| KeySet::from_jwks(text.as_bytes()).unwrap_err();
    assert!(matches!(read("[]"), KeySetError::Json(_)));
    assert!(matches!(read("<html>"), KeySetError::Json(_)));
    assert_eq!(read("{}"), KeySetError::NoKeys);
    assert_eq!(read(r#"{"keys":{}}"#), KeySetError::NoKeys);
    assert_eq!(read(r#"{"keys":[]}"#), KeySetError::Empty { skipped: 0 });
    assert_eq!(read(r#"{"keys":[{"kty":"oct","k":"AA"}]}"#), KeySetError::Empty { skipped: 1 });
}

#[test]
fn keys_after_the_limit_are_skipped() {
    let keys: Vec<Value> = (0..MAX_KEYS + 3)
        .map(|n| ed(&Ed25519KeyPair::generate().unwrap(), json!({"kid": n.to_string()})))
        .collect();
    let set = set(&keys).unwrap();
    assert_eq!((set.len(), set.skipped()), (MAX_KEYS, [SkippedKey::TooMany; 3].as_slice()));
}

#[test]
fn a_key_is_chosen_by_id_and_algorithm() {
    let key = Ed25519KeyPair::generate().unwrap();
    let set = set(&[rsa(json!({"alg": "RS256"})), ed(&key, json!({}))]).unwrap();
    let find = |kid, algorithm| set.candidates(kid, algorithm).map(drop);
    assert_eq!(find(Some("r"), Algorithm::Rs256), Ok(()));
    assert_eq!(find(Some("r"), Algorithm::Rs512), Err(NoKey::WrongAlgorithm));
    assert_eq!(find(Some("r"), Algorithm::EdDsa), Err(NoKey::WrongAlgorithm));
    assert_eq!(find(Some("r"), Algorithm::Hs256), Err(NoKey::WrongAlgorithm));
    assert_eq!(find(Some("R"), Algorithm::Rs256), Err(NoKey::Unknown));
    assert_eq!(find(Some(""), Algorithm::Rs256), Err(NoKey::Unknown));
    assert_eq!(find(None, Algorithm::Rs256), Ok(()));
    assert_eq!(find(None, Algorithm::Es256), Err(NoKey::Unknown));
    // Not unknown: no newer key set would have it, so nobody need ask for one.
    assert_eq!(find(None, Algorithm::Hs256), Err(NoKey::WrongAlgorithm));
    assert_eq!(find(Some("other"), Algorithm::Hs256), Err(NoKey::WrongAlgorithm));
}

#[test]
fn without_an_id_only_a_single_key_is_chosen() {
    let keys = ["a", "b"].map(|kid| rsa(json!({"kid": kid, "n": base64(modulus(2048 + 8 * kid.len() * usize::from(kid == "b")))})));
    let set = set(&keys).unwrap();
    assert_eq!(set.len(), 2);
    assert_eq!(set.candidates(None, Algorithm::Rs256).map(drop), Err(NoKey::Ambiguous));
}

#[test]
fn two_keys_with_one_id_both_verify_and_a_third_is_skipped() {
    let pairs = [(); 3].map(|()| Ed25519KeyPair::generate().unwrap());
    let keys: Vec<Value> = pairs.iter().map(|pair| ed(pair, json!({}))).collect();
    let set = set(&[keys.clone(), keys].concat()).unwrap();
    assert_eq!((set.len(), set.skipped().first()), (2, Some(&SkippedKey::Repeated)));
    let candidates = set.candidates(Some("e"), Algorithm::EdDsa).unwrap();
    let verifies =
        |pair: &Ed25519KeyPair| candidates.verify(b"m", pair.sign(b"m").as_ref()).is_ok();
    assert_eq!(pairs.iter().map(verifies).collect::<Vec<_>>(), [true, true, false]);
    assert!(candidates.verify(b"n", pairs[0].sign(b"m").as_ref()).is_err());
}

#[test]
fn debug_shows_no_key_material() {
    let shown = format!("{:?}", set(&[rsa(json!({}))]).unwrap());
    assert!(shown.starts_with("KeySet { keys: 1"), "{shown}");
    let secret = crate::SharedSecret::new([b'c'; 64]).unwrap();
    assert!(!format!("{secret:?}").contains("cccc"));
}
