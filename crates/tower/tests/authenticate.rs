//! `AuthenticateLayer` under axum: who gets through, and what the others are told.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use bonafide_claims::{TrustedIssuer, Verifier};
use bonafide_jwks::{KeySource, KeysUnavailable};
use bonafide_testkit::{AUDIENCE, Issuer, Signer};
use bonafide_tower::{AuthenticateLayer, Authenticator, ProtectedResource, User};
use http::{HeaderMap, HeaderName, Request, Response, StatusCode, header};
use http_body_util::BodyExt as _;
use std::sync::Arc;
use tower::ServiceExt as _;

const ISSUER: &str = "https://idp.example";

fn resource() -> ProtectedResource {
    ProtectedResource::new("https://mcp.example/github/mcp".parse().unwrap())
        .unwrap()
        .with_authorization_server(ISSUER.parse().unwrap())
        .with_scope("mcp:use".parse().unwrap())
}

fn app(authenticator: Authenticator) -> Router {
    async fn who(User(user): User, headers: HeaderMap) -> String {
        let token = headers.contains_key("authorization") || headers.contains_key("x-assertion");
        format!("{} {token}", user.subject().as_str())
    }
    Router::new()
        .route("/", get(who))
        .layer(AuthenticateLayer::new(authenticator).with_resource(resource()))
}

async fn call(app: Router, headers: &[(&str, &str)]) -> Response<Body> {
    let mut request = Request::get("/");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    app.oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
}

async fn text(response: Response<Body>) -> String {
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

fn challenge(response: &Response<Body>) -> &str {
    response.headers()[header::WWW_AUTHENTICATE].to_str().unwrap()
}

#[tokio::test]
async fn a_valid_token_gets_through_and_goes_no_further() {
    let idp = Issuer::new(ISSUER);
    let token = format!("Bearer {}", idp.user("alice").token());
    let response =
        call(app(Authenticator::bearer(idp.verifier())), &[("authorization", &token)]).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(text(response).await, "alice false");
}

#[tokio::test]
async fn a_caller_without_a_token_is_told_where_to_get_one() {
    let app = app(Authenticator::bearer(Issuer::new(ISSUER).verifier()));
    for headers in [&[][..], &[("authorization", "Basic dTpw")][..]] {
        let response = call(app.clone(), headers).await;
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(response.headers()[header::CACHE_CONTROL], "no-store");
        assert_eq!(
            challenge(&response),
            "Bearer resource_metadata=\"https://mcp.example/.well-known/oauth-protected-resource/github/mcp\", \
             scope=\"mcp:use\""
        );
    }
}

#[tokio::test]
async fn a_bad_token_is_called_invalid_and_not_repeated() {
    let idp = Issuer::new(ISSUER);
    let app = app(Authenticator::bearer(idp.verifier()));
    let stranger = Issuer::with_signer(ISSUER, Signer::generate(Default::default(), "EdDSA-1"));
    let tokens = [
        stranger.user("canary").token(),
        idp.user("canary").with_audience("https://other.example").token(),
        idp.user("canary").with_claim("exp", 1_000_000.into()).token(),
        idp.user("canary").without_claim("exp").token(),
        "canary".to_owned(),
    ];
    for token in tokens {
        let response = call(app.clone(), &[("authorization", &format!("Bearer {token}"))]).await;
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        assert!(
            challenge(&response).starts_with("Bearer error=\"invalid_token\", error_description=")
        );
        assert!(!format!("{:?}", response.headers()).contains("canary"));
        assert_eq!(text(response).await, "");
    }
}

#[tokio::test]
async fn what_no_token_looks_like_is_not_taken_for_one() {
    let idp = Issuer::new(ISSUER);
    let name = HeaderName::from_static("x-assertion");
    let app = app(Authenticator::bearer(idp.verifier()).with_assertion(name, idp.verifier()));
    let token = idp.user("alice").token();
    for (name, value) in [
        ("authorization", "Bearer".to_owned()),
        ("authorization", format!("Bearer {token} {token}")),
        ("authorization", format!("Bearer {token},{token}")),
        ("x-assertion", format!("\"{token}\"")),
    ] {
        let response = call(app.clone(), &[(name, &value)]).await;
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        assert!(challenge(&response).contains("error=\"invalid_token\""), "{name}");
    }
}

#[tokio::test]
async fn two_tokens_are_none() {
    let idp = Issuer::new(ISSUER);
    let token = idp.user("alice").token();
    let bearer = format!("Bearer {token}");
    let name = HeaderName::from_static("x-assertion");
    let app = app(Authenticator::bearer(idp.verifier()).with_assertion(name, idp.verifier()));
    let refused: [&[(&str, &str)]; 3] = [
        &[("authorization", &bearer), ("authorization", &bearer)],
        &[("authorization", &bearer), ("x-assertion", &token)],
        &[("x-assertion", &token), ("x-assertion", &token)],
    ];
    for headers in refused {
        let response = call(app.clone(), headers).await;
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{}", headers.len());
        assert!(challenge(&response).contains("error=\"invalid_token\""));
    }
    let response = call(app, &[("x-assertion", &token)]).await;
    assert_eq!(text(response).await, "alice false");
}

#[tokio::test]
async fn an_issuer_is_trusted_in_its_place_only() {
    let (users, webui) = (Issuer::new(ISSUER), Issuer::new("https://webui.example"));
    let name = HeaderName::from_static("x-assertion");
    let app = app(Authenticator::bearer(users.verifier()).with_assertion(name, webui.verifier()));
    let bearer = format!("Bearer {}", webui.user("alice").token());
    let misplaced = [("authorization", bearer), ("x-assertion", users.user("alice").token())];
    for (name, value) in &misplaced {
        let response = call(app.clone(), &[(name, value)]).await;
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{name}");
    }
}

/// An issuer that nobody can reach.
#[derive(Debug)]
struct Away;

#[async_trait::async_trait]
impl KeySource for Away {
    fn current(&self) -> Option<Arc<bonafide_jwks::KeySet>> {
        None
    }

    async fn refresh(
        &self,
        _: Option<bonafide_jwks::Generation>,
    ) -> Result<Arc<bonafide_jwks::KeySet>, KeysUnavailable> {
        Err(KeysUnavailable::new(std::io::Error::other("away")))
    }
}

#[tokio::test]
async fn a_token_that_cannot_be_checked_is_refused_and_not_called_invalid() {
    let trusted = TrustedIssuer::builder(ISSUER.parse().unwrap(), Arc::new(Away))
        .with_audience(AUDIENCE)
        .build()
        .unwrap();
    let verifier = Verifier::builder().with_issuer(trusted).build().unwrap();
    let token = format!("Bearer {}", Issuer::new(ISSUER).user("alice").token());
    let response = call(app(Authenticator::bearer(verifier)), &[("authorization", &token)]).await;
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(response.headers()[header::RETRY_AFTER], "5");
    assert!(!challenge(&response).contains("error="));
}
