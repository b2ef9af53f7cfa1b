use std::sync::Arc;

use async_trait::async_trait;
use bonafide_jwks::{Generation, KeySet, KeySource, KeysUnavailable};
use serde_json::json;

use super::mint::*;
use crate::verify::{TrustedIssuer, VerifyErrorKind};

/// A source whose issuer is away.
#[derive(Debug)]
struct Away;

#[async_trait]
impl KeySource for Away {
    fn current(&self) -> Option<Arc<KeySet>> {
        None
    }

    async fn refresh(&self, _: Option<Generation>) -> Result<Arc<KeySet>, KeysUnavailable> {
        Err(KeysUnavailable::new(std::io::Error::other("connection refused")))
    }
}

#[test]
fn an_issuer_that_is_away_is_not_the_tokens_fault() {
    let away = TrustedIssuer::builder(ISSUER.parse().unwrap(), Arc::new(Away));
    let verifier = verifier_of(away.with_audience(AUDIENCE));
    let error = verify(&verifier, &mint("RS256", &claims())).unwrap_err();
    assert_eq!(error.kind(), VerifyErrorKind::Unavailable);
    let text = token("{}", "{}");
    assert_eq!(verify(&verifier, &text).unwrap_err().kind(), VerifyErrorKind::Token);
}

#[test]
fn no_error_shows_a_value_of_the_token() {
    let canary = "canary";
    let verifier = verifier();
    let tokens = [
        canary.to_owned(),
        format!("{canary}.{canary}.{canary}"),
        mint("RS256", &claims_with(json!({"iss": canary}))),
        mint("RS256", &claims_with(json!({"aud": canary}))),
        mint("RS256", &claims_with(json!({"exp": canary}))),
        mint("RS256", &claims_with(json!({"sub": [canary]}))),
        mint("RS256", &claims_with(json!({"roles": {canary: canary}}))),
        token(&format!(r#"{{"alg":"{canary}"}}"#), "{}"),
        token(&format!(r#"{{"alg":"RS256","kid":"{canary}"}}"#), &claims().to_string()),
        token(&format!(r#"{{"alg":"RS256","kid":"rsa","typ":"{canary}"}}"#), &claims().to_string()),
        token(r#"{"alg":"RS256","kid":"rsa"}"#, &format!(r#"{{"{canary}":1,"{canary}":2}}"#)),
    ];
    for token in tokens {
        let error = verify(&verifier, &token).unwrap_err();
        let mut shown = format!("{error} {error:?} {}", error.description());
        let mut source = std::error::Error::source(&error);
        while let Some(error) = source {
            shown += &format!(" {error} {error:?}");
            source = error.source();
        }
        assert!(!shown.contains(canary) && !shown.contains(&token), "{shown}");
    }
}

#[test]
fn no_debug_shows_the_user_or_a_secret() {
    let verifier = verifier();
    let changes = json!({
        "sub": "canary", "email": "canary", "name": "canary", "preferred_username": "canary",
        "groups": ["canary"], "roles": ["canary"], "scope": "canary", "client_id": "canary",
    });
    let user = verify(&verifier, &mint("RS256", &claims_with(changes))).unwrap();
    let shown = format!("{user:?} {verifier:?}");
    assert!(!shown.contains("canary"), "{shown}");
}

#[test]
fn what_the_client_is_told_fits_in_a_header() {
    let verifier = verifier();
    for (changes, expected) in [
        (json!({"exp": 1}), "The token expired"),
        (json!({"nbf": NOW + 999}), "The token is not valid yet"),
        (json!({"aud": "other"}), "The token is meant for another audience"),
        (json!({"iss": "other"}), "The token is not valid"),
        (json!({"cnf": {}}), "The token is not valid"),
    ] {
        let error = verify(&verifier, &mint("RS256", &claims_with(changes))).unwrap_err();
        assert_eq!(error.description(), expected);
        // RFC 6750, section 3: no quotation mark and no backslash.
        assert!(error.description().chars().all(|c| c.is_ascii_graphic() && c != '"' || c == ' '));
    }
}
