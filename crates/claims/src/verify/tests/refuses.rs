use serde_json::{Value, json};

use super::mint::*;
use crate::verify::VerifyError;

/// The refusal, without what the variant holds.
fn refusal(token: &str) -> String {
    match verify(&verifier(), token) {
        Ok(_) => "accepted".to_owned(),
        Err(error) => format!("{error:?}"),
    }
}

fn of_claims(changes: Value) -> String {
    refusal(&mint("RS256", &claims_with(changes)))
}

#[test]
fn claims_that_are_missing_or_wrong() {
    for (changes, expected) in [
        (json!({"exp": null}), "Missing { claim: Expiry }"),
        (json!({"iss": null}), "Missing { claim: Issuer }"),
        (json!({"aud": null}), "Missing { claim: Audience }"),
        (json!({"sub": null}), "Missing { claim: Subject }"),
        (json!({"iss": [ISSUER]}), "Malformed { claim: Issuer }"),
        (json!({"iss": "https://idp.example/"}), "UnknownIssuer"),
        (json!({"aud": 5}), "Malformed { claim: Audience }"),
        (json!({"aud": [AUDIENCE, 5]}), "Malformed { claim: Audience }"),
        (json!({"aud": []}), "WrongAudience"),
        (json!({"aud": "api://other"}), "WrongAudience"),
        (json!({"exp": "2000000000"}), "Malformed { claim: Expiry }"),
        (json!({"exp": 1e300}), "Malformed { claim: Expiry }"),
        (json!({"exp": NOW - 60}), "Expired"),
        (json!({"nbf": NOW + 61}), "NotYetValid"),
        (json!({"iat": NOW + 61}), "IssuedInFuture"),
        (json!({"cnf": {"jkt": "x"}}), "Bound"),
    ] {
        assert_eq!(of_claims(changes.clone()), expected, "{changes}");
    }
}

#[test]
fn headers_that_are_not_to_be_followed() {
    let payload = claims().to_string();
    for (header, expected) in [
        (r#"{"alg":"none"}"#, "UnsupportedAlgorithm"),
        (r#"{"alg":"HS256","kid":"rsa"}"#, "AlgorithmNotAllowed"),
        (r#"{"alg":"RS256","kid":"rsa","crit":["x"],"x":1}"#, r#"HeaderMember { member: "crit" }"#),
        (r#"{"alg":"RS256","kid":"rsa","typ":"dpop+jwt"}"#, r#"WrongType { claim: "typ" }"#),
        (r#"{"alg":"RS256","kid":"other"}"#, "UnknownKey"),
        (r#"{"alg":"RS256","kid":"p256"}"#, "UnknownKey"),
    ] {
        assert_eq!(refusal(&token(header, &payload)), expected, "{header}");
    }
}

#[test]
fn text_that_is_no_token() {
    for text in ["", ".", "..", "a.b.c", "a.b", "a.b.c.d", "Bearer a.b.c"] {
        assert!(
            matches!(verify(&verifier(), text), Err(VerifyError::NotCompact | VerifyError::Header)),
            "{text}"
        );
    }
}
