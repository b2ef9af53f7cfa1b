//! One change to a good token, and the refusal that it leads to: RFC 7515, 7519, 8725, 9068.

use serde_json::{Value, json};

use super::mint::*;
use crate::TokenKind;
use crate::verify::{MAX_TOKEN_LEN, Verifier};

/// The refusal, as the variant is written.
pub(super) fn refusal(verifier: &Verifier, token: &str) -> String {
    match verify(verifier, token) {
        Ok(_) => "accepted".to_owned(),
        Err(error) => format!("{error:?}").replace(" { ", "(").replace(" }", ")"),
    }
}

fn of_claims(verifier: &Verifier, changes: &Value) -> String {
    refusal(verifier, &mint("RS256", &claims_with(changes.clone())))
}

fn of_header(header: &str) -> String {
    refusal(&verifier(), &token(header, &claims().to_string()))
}

fn of_payload(payload: &str) -> String {
    refusal(&verifier(), &token(r#"{"alg":"RS256","kid":"rsa"}"#, payload))
}

#[test]
fn the_good_token_is_accepted() {
    assert_eq!(of_claims(&verifier(), &json!({})), "accepted");
}

#[test]
fn claims_that_are_missing_or_of_the_wrong_type() {
    let verifier = verifier();
    for (changes, expected) in [
        (json!({"exp": null}), "Missing(claim: Expiry)"),
        (json!({"iss": null}), "Missing(claim: Issuer)"),
        (json!({"aud": null}), "Missing(claim: Audience)"),
        (json!({"sub": null}), "Missing(claim: Subject)"),
        (json!({"iss": [ISSUER]}), "Malformed(claim: Issuer)"),
        (json!({"iss": 5}), "Malformed(claim: Issuer)"),
        (json!({"iss": {"a": ISSUER}}), "Malformed(claim: Issuer)"),
        (json!({"sub": ["user-1"]}), "Malformed(claim: Subject)"),
        (json!({"sub": 1}), "Malformed(claim: Subject)"),
        (json!({"sub": ""}), "Malformed(claim: Subject)"),
        (json!({"sub": "a\nb"}), "Malformed(claim: Subject)"),
        (json!({"sub": "x".repeat(2000)}), "Malformed(claim: Subject)"),
        (json!({"aud": 5}), "Malformed(claim: Audience)"),
        (json!({"aud": {"a": AUDIENCE}}), "Malformed(claim: Audience)"),
        (json!({"aud": [AUDIENCE, 5]}), "Malformed(claim: Audience)"),
        (json!({"aud": [[AUDIENCE]]}), "Malformed(claim: Audience)"),
        (json!({"exp": "1700000300"}), "Malformed(claim: Expiry)"),
        (json!({"exp": [NOW + 300]}), "Malformed(claim: Expiry)"),
        (json!({"exp": true}), "Malformed(claim: Expiry)"),
        (json!({"exp": -1}), "Malformed(claim: Expiry)"),
        (json!({"exp": 1e300}), "Malformed(claim: Expiry)"),
        (json!({"exp": 253_402_300_800_u64}), "Malformed(claim: Expiry)"),
        (json!({"exp": u64::MAX}), "Malformed(claim: Expiry)"),
        (json!({"nbf": "0"}), "Malformed(claim: NotBefore)"),
        (json!({"nbf": {}}), "Malformed(claim: NotBefore)"),
        (json!({"iat": "0"}), "Malformed(claim: IssuedAt)"),
        (json!({"iat": -5}), "Malformed(claim: IssuedAt)"),
        (json!({"scope": 5}), "Malformed(claim: Scope)"),
        (json!({"scp": {"a": 1}}), "Malformed(claim: Scope)"),
        (json!({"roles": {"admin": true}}), "Malformed(claim: Roles)"),
        (json!({"roles": ["admin", 5]}), "Malformed(claim: Roles)"),
    ] {
        assert_eq!(of_claims(&verifier, &changes), expected, "{changes}");
    }
}

#[test]
fn null_is_a_value_of_the_wrong_type() {
    for (claim, expected) in [
        ("exp", "Malformed(claim: Expiry)"),
        ("nbf", "Malformed(claim: NotBefore)"),
        ("iat", "Malformed(claim: IssuedAt)"),
        ("aud", "Malformed(claim: Audience)"),
        ("iss", "Malformed(claim: Issuer)"),
        ("sub", "Malformed(claim: Subject)"),
    ] {
        let mut claims = claims();
        claims[claim] = Value::Null;
        assert_eq!(of_payload(&claims.to_string()), expected, "{claim}");
    }
}

#[test]
fn names_are_compared_byte_for_byte() {
    let verifier = verifier();
    for (changes, expected) in [
        (json!({"iss": "https://idp.example/"}), "UnknownIssuer"),
        (json!({"iss": "https://IDP.example"}), "UnknownIssuer"),
        (json!({"iss": "http://idp.example"}), "UnknownIssuer"),
        (json!({"iss": "https://idp.example\u{0}"}), "UnknownIssuer"),
        (json!({"iss": " https://idp.example"}), "UnknownIssuer"),
        (json!({"iss": ""}), "UnknownIssuer"),
        (json!({"aud": "api://other"}), "WrongAudience"),
        (json!({"aud": "API://bonafide"}), "WrongAudience"),
        (json!({"aud": "api://bonafide/"}), "WrongAudience"),
        (json!({"aud": "api://bonafide api://other"}), "WrongAudience"),
        (json!({"aud": []}), "WrongAudience"),
        (json!({"aud": ["a", "b"]}), "WrongAudience"),
        (json!({"aud": ["a", AUDIENCE]}), "accepted"),
    ] {
        assert_eq!(of_claims(&verifier, &changes), expected, "{changes}");
    }
}

#[test]
fn time_is_checked_to_the_second() {
    let (leeway, none) = (verifier(), issuer(ISSUER).with_audience(AUDIENCE));
    let none = verifier_of(none.with_leeway(std::time::Duration::ZERO));
    for (changes, with_leeway, without) in [
        (json!({"exp": NOW + 1}), "accepted", "accepted"),
        (json!({"exp": NOW}), "accepted", "Expired"),
        (json!({"exp": NOW as f64 + 0.9}), "accepted", "Expired"),
        (json!({"exp": NOW - 59}), "accepted", "Expired"),
        (json!({"exp": NOW - 60}), "Expired", "Expired"),
        (json!({"exp": 0}), "Expired", "Expired"),
        (json!({"nbf": NOW}), "accepted", "accepted"),
        (json!({"nbf": NOW as f64 + 0.1}), "accepted", "NotYetValid"),
        (json!({"nbf": NOW + 60}), "accepted", "NotYetValid"),
        (json!({"nbf": NOW + 61}), "NotYetValid", "NotYetValid"),
        (json!({"iat": NOW + 1}), "accepted", "IssuedInFuture"),
        (json!({"iat": NOW + 61}), "IssuedInFuture", "IssuedInFuture"),
        (json!({"nbf": null, "iat": null}), "accepted", "accepted"),
    ] {
        assert_eq!(of_claims(&leeway, &changes), with_leeway, "{changes}");
        assert_eq!(of_claims(&none, &changes), without, "{changes}");
    }
}

#[test]
fn headers_that_are_not_followed() {
    for (header, expected) in [
        (
            r#"{"alg":"RS256","kid":"rsa","crit":["exp"],"exp":1}"#,
            r#"HeaderMember(member: "crit")"#,
        ),
        (r#"{"alg":"RS256","kid":"rsa","crit":[]}"#, r#"HeaderMember(member: "crit")"#),
        (r#"{"alg":"RS256","kid":"rsa","b64":false}"#, r#"HeaderMember(member: "b64")"#),
        (r#"{"alg":"RS256","kid":"rsa","b64":true}"#, r#"HeaderMember(member: "b64")"#),
        (r#"{"alg":"RS256","kid":"rsa","jwk":{"kty":"RSA"}}"#, r#"HeaderMember(member: "jwk")"#),
        (r#"{"alg":"RS256","kid":"rsa","jku":"https://evil"}"#, r#"HeaderMember(member: "jku")"#),
        (r#"{"alg":"RS256","kid":"rsa","x5u":"https://evil"}"#, r#"HeaderMember(member: "x5u")"#),
        (r#"{"alg":"RS256","kid":"rsa","x5c":["AA"]}"#, r#"HeaderMember(member: "x5c")"#),
        (r#"{"alg":"RS256","kid":5}"#, "Header"),
        (r#"{"alg":"RS256","kid":null}"#, "Header"),
        (r#"{"alg":"RS256","kid":["rsa"]}"#, "Header"),
        (r#"{"alg":"RS256","kid":"rsa","typ":5}"#, "Header"),
        (r#"{"alg":"RS256","kid":"rsa","cty":5}"#, "Header"),
        (r#"{"alg":"RS256","kid":"rsa","x5t":"AA","other":1}"#, "accepted"),
        (r#"{"alg":"RS256","kid":"rsa"} "#, "accepted"),
        (r#"{"alg":"RS256","kid":"rsa"}{}"#, "Header"),
        (r#"{"alg":"RS256","alg":"RS256","kid":"rsa"}"#, "Header"),
        (r#"{"alg":"RS256","kid":"rsa","\u0061lg":"none"}"#, "Header"),
        (r#"["RS256"]"#, "Header"),
        ("null", "Header"),
        ("", "NotCompact"),
    ] {
        assert_eq!(of_header(header), expected, "{header}");
    }
}

#[test]
fn algorithms_that_are_not_on_the_list() {
    for (header, expected) in [
        (r#"{"kid":"rsa"}"#, "UnsupportedAlgorithm"),
        (r#"{"alg":"none"}"#, "UnsupportedAlgorithm"),
        (r#"{"alg":"None"}"#, "UnsupportedAlgorithm"),
        (r#"{"alg":"nOnE"}"#, "UnsupportedAlgorithm"),
        (r#"{"alg":""}"#, "UnsupportedAlgorithm"),
        (r#"{"alg":"rs256","kid":"rsa"}"#, "UnsupportedAlgorithm"),
        (r#"{"alg":"RS256 ","kid":"rsa"}"#, "UnsupportedAlgorithm"),
        (r#"{"alg":"RS1","kid":"rsa"}"#, "UnsupportedAlgorithm"),
        (r#"{"alg":"ES256K","kid":"p256"}"#, "UnsupportedAlgorithm"),
        (r#"{"alg":"RSA-OAEP","enc":"A256GCM","kid":"rsa"}"#, "UnsupportedAlgorithm"),
        (r#"{"alg":5}"#, "Header"),
        (r#"{"alg":["RS256"]}"#, "Header"),
        (r#"{"alg":"HS256","kid":"rsa"}"#, "AlgorithmNotAllowed"),
        (r#"{"alg":"HS512"}"#, "AlgorithmNotAllowed"),
        (r#"{"alg":"RS256","kid":"p256"}"#, "UnknownKey"),
        (r#"{"alg":"ES256","kid":"rsa"}"#, "UnknownKey"),
        (r#"{"alg":"RS256","kid":"other"}"#, "UnknownKey"),
        (r#"{"alg":"RS256","kid":"RSA"}"#, "UnknownKey"),
        (r#"{"alg":"RS256","kid":""}"#, "UnknownKey"),
        (r#"{"alg":"RS256"}"#, "accepted"),
    ] {
        assert_eq!(of_header(header), expected, "{header}");
    }
    let only = issuer(ISSUER).with_audience(AUDIENCE);
    let only = verifier_of(only.with_algorithms([bonafide_jwks::Algorithm::Es256]));
    assert_eq!(refusal(&only, &mint("RS256", &claims())), "AlgorithmNotAllowed");
    assert_eq!(refusal(&only, &mint("ES256", &claims())), "accepted");
}

#[test]
fn tokens_of_another_kind() {
    let typ = |typ: &str| of_header(&format!(r#"{{"alg":"RS256","kid":"rsa","typ":"{typ}"}}"#));
    for good in ["JWT", "jwt", "at+jwt", "AT+JWT", "application/at+jwt", "application/jwt"] {
        assert_eq!(typ(good), "accepted", "{good}");
    }
    for other in [
        "",
        "oauth-id-jag+jwt",
        "logout+jwt",
        "dpop+jwt",
        "secevent+jwt",
        "kb+jwt",
        "JWE",
        "text/jwt",
        " jwt",
    ] {
        assert_eq!(typ(other), r#"WrongType(claim: "typ")"#, "{other}");
    }
    let verifier = verifier();
    for (changes, expected) in [
        (json!({"token_use": "id"}), r#"WrongType(claim: "token_use")"#),
        (json!({"token_use": "access"}), "accepted"),
        (json!({"at_hash": "x"}), r#"WrongType(claim: "at_hash")"#),
        (json!({"c_hash": "x"}), r#"WrongType(claim: "c_hash")"#),
        (json!({"events": {}}), r#"WrongType(claim: "events")"#),
        (json!({"cnf": {"jkt": "x"}}), "Bound"),
    ] {
        assert_eq!(of_claims(&verifier, &changes), expected, "{changes}");
    }
}

#[test]
fn an_access_token_is_no_id_token() {
    let id = issuer(ISSUER).with_audience("client").with_token_kind(TokenKind::Id);
    let id = verifier_of(id);
    let ours = |changes: Value| claims_with(merge(json!({"aud": "client"}), changes));
    for (changes, expected) in [
        (json!({"at_hash": "x", "nonce": "y"}), "accepted"),
        (json!({"aud": ["client"]}), "accepted"),
        (json!({"aud": ["client", "other"], "azp": "client"}), "accepted"),
        (json!({"aud": ["client", "other"], "azp": "other"}), "WrongAudience"),
        (json!({"aud": ["client", "other"]}), "Missing(claim: AuthorizedParty)"),
        (json!({"events": {}}), r#"WrongType(claim: "events")"#),
    ] {
        assert_eq!(refusal(&id, &mint("RS256", &ours(changes.clone()))), expected, "{changes}");
    }
    let header = r#"{"alg":"RS256","kid":"rsa","typ":"at+jwt"}"#;
    let access = token(header, &ours(json!({})).to_string());
    assert_eq!(refusal(&id, &access), r#"WrongType(claim: "typ")"#);
}

#[test]
fn payloads_that_are_not_strict_json() {
    let good = claims().to_string();
    let body = good.strip_prefix('{').unwrap();
    for payload in [
        format!(r#"{{"sub":"admin",{body}"#),
        format!(r#"{{"s\u0075b":"admin",{body}"#),
        format!(r#"{{"x":{{"a":1,"a":2}},{body}"#),
        format!(r#"{{"x":[{{"a":1,"a":2}}],{body}"#),
        format!("{good}x"),
        format!("{good}{good}"),
        format!("\u{feff}{good}"),
        good.replace("user-1", "user-\u{1}"),
        good.replace(':', "="),
        "[]".to_owned(),
        "null".to_owned(),
        format!(r#"{{"x":{}{},{body}"#, "[".repeat(500), "]".repeat(500)),
        format!(r#"{{"x":1e999,{body}"#),
        format!(r#"{{"x":"\ud800",{body}"#),
    ] {
        assert_eq!(of_payload(&payload), "Payload", "{payload}");
    }
    assert_eq!(of_payload(&format!(r#"{{"x":{{"sub":"admin"}},{body}"#)), "accepted");
}

#[test]
fn text_that_is_no_compact_token() {
    let verifier = verifier();
    let good = mint("RS256", &claims());
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let (header, payload) = signed.split_once('.').unwrap();
    for text in [
        String::new(),
        ".".to_owned(),
        "..".to_owned(),
        format!("{header}.{payload}"),
        format!("{signed}."),
        format!(".{payload}.{signature}"),
        format!("{header}..{signature}"),
        format!("{good}.{signature}"),
        format!("{good}."),
        format!(".{good}"),
        format!("{good}="),
        format!("{good}=="),
        format!("{good}\n"),
        format!(" {good}"),
        format!("Bearer {good}"),
        format!("{header}=.{payload}.{signature}"),
        good.replace('.', ":"),
        format!("{header}.{payload}\n.{signature}"),
        format!("{header}.{payload}.+/+/"),
        r#"{"payload":"","signatures":[]}"#.to_owned(),
        format!("{header}.{payload}.é"),
    ] {
        assert_eq!(refusal(&verifier, &text), "NotCompact", "{text}");
    }
}

#[test]
fn a_signature_has_exactly_one_spelling() {
    // 256 bytes leave four bits of the last character unused.
    let good = mint("RS256", &claims());
    let (rest, last) = good.split_at(good.len() - 1);
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let accepted = |c: &char| verify(&verifier(), &format!("{rest}{c}")).is_ok();
    assert_eq!(alphabet.chars().filter(accepted).collect::<String>(), last);
}

#[test]
fn signatures_that_are_cut_stretched_or_of_another_token() {
    let verifier = verifier();
    for algorithm in ["RS256", "PS256", "ES256", "ES384", "EdDSA"] {
        let good = mint(algorithm, &claims());
        let (signed, signature) = good.rsplit_once('.').unwrap();
        let bytes = base64_bytes(signature);
        let other = mint(algorithm, &claims_with(json!({"sub": "user-2"})));
        let (_, of_other) = other.rsplit_once('.').unwrap();
        for broken in [
            base64(&bytes[..bytes.len() - 1]),
            base64(&bytes[1..]),
            base64([bytes.as_slice(), &[0]].concat()),
            base64([&[0], bytes.as_slice()].concat()),
            base64(vec![0; bytes.len()]),
            base64(vec![0xff; bytes.len()]),
            base64([0]),
            of_other.to_owned(),
        ] {
            let token = format!("{signed}.{broken}");
            assert_eq!(refusal(&verifier, &token), "BadSignature", "{algorithm}");
        }
    }
}

#[test]
fn a_huge_token_is_not_looked_at() {
    let huge = "a".repeat(MAX_TOKEN_LEN + 1);
    assert_eq!(refusal(&verifier(), &huge), format!("TooLong(max: {MAX_TOKEN_LEN})"));
    let filler = "x".repeat(11_000);
    let large = mint("RS256", &claims_with(json!({"filler": filler})));
    assert!(large.len() < MAX_TOKEN_LEN);
    assert_eq!(refusal(&verifier(), &large), "accepted");
}
