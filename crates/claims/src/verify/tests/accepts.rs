use std::sync::Arc;

use bonafide_jwks::{Algorithm, SharedSecret};
use serde_json::json;

use super::mint::*;
use crate::verify::{Profile, TrustedIssuer};
use crate::{Groups, TokenKind};

#[test]
fn a_good_token_becomes_the_user_it_names() {
    let user = verify(&verifier(), &mint("RS256", &claims())).unwrap();
    assert_eq!(user.issuer().as_str(), ISSUER);
    assert_eq!(user.subject().as_str(), "user-1");
    assert_eq!(user.id().directory(), None);
    assert_eq!(user.token_kind(), TokenKind::Access);
    assert_eq!(user.username(), Some("ada"));
    assert_eq!(user.email(), Some("ada@example.com"));
    assert_eq!(user.name(), Some("Ada Lovelace"));
    assert_eq!(user.client_id(), Some("inspector"));
    let Groups::Known(groups) = user.groups() else { panic!("{:?}", user.groups()) };
    assert!(groups.len() == 2 && groups.contains("MCP-GitHub") && groups.contains("staff"));
    assert!(user.roles().contains("reader"));
    assert!(user.scopes().contains("mcp:read") && user.scopes().contains("mcp:call"));
    assert_eq!(user.claims().get("iat"), Some(&json!(NOW)));
}

#[test]
fn every_algorithm_verifies_and_notices_one_changed_bit() {
    let verifier = verifier();
    for algorithm in Algorithm::PUBLIC.map(Algorithm::as_str).into_iter().chain(["Ed25519"]) {
        let token = mint(algorithm, &claims());
        assert!(verify(&verifier, &token).is_ok(), "{algorithm}");
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let flipped = if signature.starts_with('A') { "B" } else { "A" };
        let changed = format!("{signed}.{flipped}{}", &signature[1..]);
        assert!(verify(&verifier, &changed).is_err(), "{algorithm}");
    }
}

#[test]
fn a_shared_secret_verifies_the_open_webui_assertion() {
    let secret = Arc::new(SharedSecret::new(SECRET).unwrap());
    let verifier = verifier_of(
        TrustedIssuer::builder("open-webui".parse().unwrap(), secret)
            .with_profile(Profile::open_webui()),
    );
    let claims = json!({
        "sub": "7", "email": "ada@example.com", "name": "Ada", "role": "user", "iss": "open-webui",
        "iat": NOW, "exp": NOW + 300,
    });
    let header = r#"{"alg":"HS256","typ":"JWT"}"#;
    let user = verify(&verifier, &token(header, &claims.to_string())).unwrap();
    assert_eq!(user.username(), Some("ada@example.com"));
    assert!(user.roles().contains("user"));
}
