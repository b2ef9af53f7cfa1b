//! What `jsonwebtoken` 11 lets through with its defaults, and we do not. If one of these fails because the
//! peer became stricter, so much the better: change the expectation.

use jsonwebtoken::{DecodingKey, Validation, decode};
use serde_json::{Value, json};

use super::mint::*;
use super::refuses::refusal;

/// Whether `jsonwebtoken` accepts it, told the issuer and the audience.
fn jsonwebtoken_accepts(token: &str) -> bool {
    let jwk = serde_json::from_value(keys().rsa_jwk()).unwrap();
    let key = DecodingKey::from_jwk(&jwk).unwrap();
    let mut validation = Validation::new(jsonwebtoken::Algorithm::RS256);
    validation.set_issuer(&[ISSUER]);
    validation.set_audience(&[AUDIENCE]);
    decode::<Value>(token, &key, &validation).is_ok()
}

/// Its clock is the operating system's, so these tokens are good until the year 9999.
fn later(changes: Value) -> Value {
    merge(claims_with(json!({"exp": 253_402_300_000_u64})), changes)
}

#[test]
fn what_it_lets_through_in_claims() {
    for (changes, ours) in [
        (json!({"iss": null}), "Missing(claim: Issuer)"),
        (json!({"aud": null}), "Missing(claim: Audience)"),
        (json!({"iss": 5}), "Malformed(claim: Issuer)"),
        (json!({"aud": 5}), "Malformed(claim: Audience)"),
        (json!({"iss": ["https://evil.example", ISSUER]}), "Malformed(claim: Issuer)"),
        (json!({"nbf": 253_402_300_000_u64}), "NotYetValid"),
        (json!({"iat": 253_402_300_000_u64}), "IssuedInFuture"),
        (json!({"sub": null}), "Missing(claim: Subject)"),
        (json!({"cnf": {"jkt": "x"}}), "Bound"),
    ] {
        let token = mint("RS256", &later(changes.clone()));
        assert!(jsonwebtoken_accepts(&token), "{changes}");
        assert_eq!(refusal(&verifier(), &token), ours, "{changes}");
    }
}

#[test]
fn what_it_lets_through_in_headers() {
    for (header, ours) in [
        (json!({"crit": ["unheard-of"], "unheard-of": 1}), r#"HeaderMember(member: "crit")"#),
        (json!({"b64": false}), r#"HeaderMember(member: "b64")"#),
        (json!({"typ": "logout+jwt"}), r#"WrongType(claim: "typ")"#),
        (json!({"jku": "https://evil.example"}), r#"HeaderMember(member: "jku")"#),
        (json!({"kid": "a key that is not there"}), "UnknownKey"),
    ] {
        let header = merge(json!({"alg": "RS256", "kid": "rsa"}), header);
        let token = token(&header.to_string(), &later(json!({})).to_string());
        assert!(jsonwebtoken_accepts(&token), "{header}");
        assert_eq!(refusal(&verifier(), &token), ours, "{header}");
    }
}

#[test]
fn what_it_lets_through_in_json() {
    let payload = later(json!({})).to_string();
    let twice = payload.replacen('{', r#"{"groups":["admins"],"#, 1);
    let token = token(r#"{"alg":"RS256","kid":"rsa"}"#, &twice);
    assert!(jsonwebtoken_accepts(&token));
    assert_eq!(refusal(&verifier(), &token), "Payload");
}

#[test]
fn one_list_with_two_families_works_here() {
    let two = [bonafide_jwks::Algorithm::Rs256, bonafide_jwks::Algorithm::Es256];
    let verifier = verifier_of(issuer(ISSUER).with_audience(AUDIENCE).with_algorithms(two));
    for algorithm in ["RS256", "ES256"] {
        assert_eq!(refusal(&verifier, &mint(algorithm, &claims())), "accepted");
    }
}
