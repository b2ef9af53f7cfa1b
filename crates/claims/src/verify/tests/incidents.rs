//! What went wrong elsewhere, and must not here.
//!
//! | incident | test |
//! |---|---|
//! | a public key as HMAC secret (CVE-2015-9235) | `a_public_key_is_never_a_secret` |
//! | `alg: none` (CVE-2015-2951) | `an_unsigned_token_is_no_token` |
//! | a key in the token: `jwk` (CVE-2018-0114), `jku`, `x5u`, `x5c` | `a_key_in_the_token_is_not_used`, `refuses::headers_that_are_not_followed` |
//! | `kid` as file name, SQL or shell | `a_key_id_is_only_ever_compared` |
//! | signatures of zeros (CVE-2022-21449), cut, stretched, of another token | `zeros_are_no_ecdsa_signature`, `refuses::signatures_that_are_cut_stretched_or_of_another_token` |
//! | one token in many spellings: loose bits, padding, ASN.1 | `refuses::a_signature_has_exactly_one_spelling`, `refuses::text_that_is_no_compact_token`, `an_asn1_signature_is_no_jws_signature` |
//! | issuers that share a `kid` | `issuers_that_share_a_key_id_do_not_share_the_key` |
//! | parts of several tokens, encrypted tokens | `parts_of_two_tokens_make_no_third`, `an_encrypted_token_is_not_compact_jws` |
//! | members twice, in other spellings, at any depth | `refuses::payloads_that_are_not_strict_json` |
//! | lists in `iss`, texts in `exp` (CVE-2026-25537), `null` anywhere | `refuses::claims_that_are_missing_or_of_the_wrong_type`, `refuses::null_is_a_value_of_the_wrong_type` |
//! | `crit` and `b64` not understood | `refuses::headers_that_are_not_followed` |
//! | ID tokens, logout tokens and bound tokens as access tokens | `refuses::tokens_of_another_kind`, `refuses::an_access_token_is_no_id_token` |
//! | huge and deep tokens | `refuses::a_huge_token_is_not_looked_at`, `refuses::payloads_that_are_not_strict_json` |
//! | two tokens under one key of a cache | `cache::tests::two_tokens_with_one_hash_are_two_users`, `cache::a_token_that_differs_anywhere_is_not_found` |
//! | a withdrawn key that goes on verifying | `cache::a_withdrawn_key_ends_every_hit_at_once` |
//! | an inactive token that makes us ask each time | `outside::introspection::a_flood_of_one_dead_token_is_one_question_in_ten_seconds` |
//! | any directory of a cloud, and keys of another | `profiles::entra_for_several_directories_takes_those_on_the_list`, `profiles::entra_keys_sign_for_their_issuer_only` |
//! | too many groups read as none | `profiles::groups_are_known_or_it_is_known_why_not` |

use std::sync::Arc;

use bonafide_jwks::{Algorithm, SharedSecret, StaticKeys};
use serde_json::{Value, json};

use super::mint::*;
use super::refuses::refusal;
use crate::verify::{TrustedIssuer, Verifier};

/// CVE-2015-9235 and its many repetitions: the public key as an HMAC secret.
#[test]
fn a_public_key_is_never_a_secret() {
    let jwk = keys().rsa_jwk();
    let secrets =
        [jwk.to_string(), jwk["n"].as_str().unwrap().to_owned(), keys().jwks().to_string()];
    // Even for an issuer that somebody configured with the wrong list.
    let confused = issuer(ISSUER).with_audience(AUDIENCE).with_algorithms(Algorithm::SHARED);
    let confused = verifier_of(confused);
    for secret in secrets {
        for kid in [json!({"kid": "rsa"}), json!({})] {
            let header = merge(json!({"alg": "HS256"}), kid).to_string();
            let signed = format!("{}.{}", base64(header), base64(claims().to_string()));
            let token = format!("{signed}.{}", base64(mac(secret.as_bytes(), signed.as_bytes())));
            assert_eq!(refusal(&verifier(), &token), "AlgorithmNotAllowed");
            assert_eq!(refusal(&confused, &token), "UnknownKey");
        }
    }
}

#[test]
fn a_secret_verifies_no_public_key_algorithm() {
    let secret = Arc::new(SharedSecret::new(SECRET).unwrap());
    let trusted = |algorithms: &[Algorithm]| {
        let issuer = TrustedIssuer::builder(ISSUER.parse().unwrap(), secret.clone());
        verifier_of(issuer.with_audience(AUDIENCE).with_algorithms(algorithms.to_vec()))
    };
    assert_eq!(refusal(&trusted(&[Algorithm::Hs256]), &mint("HS256", &claims())), "accepted");
    assert_eq!(
        refusal(&trusted(&[Algorithm::Hs256]), &mint("HS512", &claims())),
        "AlgorithmNotAllowed"
    );
    assert_eq!(refusal(&trusted(&[Algorithm::Rs256]), &mint("RS256", &claims())), "UnknownKey");
}

/// `alg: none` (CVE-2015-2951 and others), in every spelling and with every signature.
#[test]
fn an_unsigned_token_is_no_token() {
    let payload = base64(claims().to_string());
    for name in ["none", "None", "NONE", "nOnE", "NoNe", "none ", "\\u006eone"] {
        let header = base64(format!(r#"{{"alg":"{name}","kid":"rsa"}}"#));
        let good = mint("RS256", &claims());
        for signature in ["AA", good.rsplit_once('.').unwrap().1] {
            let token = format!("{header}.{payload}.{signature}");
            assert_eq!(refusal(&verifier(), &token), "UnsupportedAlgorithm", "{name}");
        }
        assert_eq!(refusal(&verifier(), &format!("{header}.{payload}.")), "NotCompact", "{name}");
    }
}

/// CVE-2018-0114: the key to verify with comes in the token.
#[test]
fn a_key_in_the_token_is_not_used() {
    let header = json!({"alg": "RS256", "kid": "unknown", "jwk": keys().rsa_jwk()});
    let token = token(&header.to_string(), &claims().to_string());
    assert_eq!(refusal(&verifier(), &token), r#"HeaderMember(member: "jwk")"#);
}

/// A `kid` that is meant for a file name, an SQL statement or a shell.
#[test]
fn a_key_id_is_only_ever_compared() {
    for kid in ["../../../../dev/null", "x' UNION SELECT 'key'; --", "|id", "rsa\0", "rsa/../rsa"] {
        let header = json!({"alg": "RS256", "kid": kid}).to_string();
        assert_eq!(refusal(&verifier(), &token(&header, &claims().to_string())), "UnknownKey");
    }
}

/// CVE-2022-21449: a signature of zeros verifies everything.
#[test]
fn zeros_are_no_ecdsa_signature() {
    for (algorithm, len) in [("ES256", 64), ("ES384", 96)] {
        let good = mint(algorithm, &claims());
        let (signed, _) = good.rsplit_once('.').unwrap();
        let token = format!("{signed}.{}", base64(vec![0; len]));
        assert_eq!(refusal(&verifier(), &token), "BadSignature");
    }
}

/// ECDSA signatures in ASN.1, as TLS has them, are not those of JWS (RFC 7518, section 3.4).
#[test]
fn an_asn1_signature_is_no_jws_signature() {
    let good = mint("ES256", &claims());
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let bytes = base64_bytes(signature);
    let integer = |part: &[u8]| [&[2, 33, 0], part].concat();
    let body = [integer(&bytes[..32]), integer(&bytes[32..])].concat();
    let asn1 = [&[0x30, body.len() as u8], body.as_slice()].concat();
    assert_eq!(refusal(&verifier(), &format!("{signed}.{}", base64(asn1))), "BadSignature");
}

/// Two issuers publish different keys under one id: neither signs for the other.
#[test]
fn issuers_that_share_a_key_id_do_not_share_the_key() {
    let other = "https://other.example";
    let mut theirs = keys().jwks();
    let own = base64(aws_lc_rs::signature::KeyPair::public_key(
        &aws_lc_rs::signature::Ed25519KeyPair::generate().unwrap(),
    ));
    theirs["keys"][3]["x"] = Value::from(own);
    let theirs = Arc::new(StaticKeys::from_jwks(theirs.to_string()).unwrap());
    let ours = issuer(ISSUER).with_audience(AUDIENCE).build().unwrap();
    let theirs = TrustedIssuer::builder(other.parse().unwrap(), theirs).with_audience(AUDIENCE);
    let verifier = Verifier::builder()
        .with_issuer(ours)
        .with_issuer(theirs.build().unwrap())
        .with_clock(Arc::new(Stopped(NOW)))
        .build()
        .unwrap();
    assert_eq!(refusal(&verifier, &mint("EdDSA", &claims())), "accepted");
    let posing = mint("EdDSA", &claims_with(json!({"iss": other})));
    assert_eq!(refusal(&verifier, &posing), "BadSignature");
}

/// The header of one token, the payload of another.
#[test]
fn parts_of_two_tokens_make_no_third() {
    let (one, two) =
        (mint("RS256", &claims()), mint("PS256", &claims_with(json!({"sub": "root"}))));
    let part = |token: &str, at: usize| token.split('.').nth(at).unwrap().to_owned();
    for (header, payload, signature) in [(0, 1, 0), (0, 1, 1), (1, 0, 0), (1, 1, 0), (0, 0, 1)] {
        let of = |which: usize| if which == 0 { &one } else { &two };
        let token = [part(of(header), 0), part(of(payload), 1), part(of(signature), 2)].join(".");
        assert_eq!(refusal(&verifier(), &token), "BadSignature");
    }
}

/// An encrypted token has five parts.
#[test]
fn an_encrypted_token_is_not_compact_jws() {
    let header = base64(r#"{"alg":"dir","enc":"A256GCM"}"#);
    assert_eq!(refusal(&verifier(), &format!("{header}..AAAA.AAAA.AAAA")), "NotCompact");
}
