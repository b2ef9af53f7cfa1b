//! `RequireScopesLayer`: who gets through, and what the others are told.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::convert::Infallible;

use bonafide_claims::VerifiedUser;
use bonafide_testkit::Issuer;
use bonafide_tower::{
    AuthenticateLayer, Authenticator, Peer, ProtectedResource, RequireScopesLayer, RequiredScopes,
    ScopeHierarchy, TrustedHop,
};
use http::{HeaderName, Request, Response, StatusCode, header};
use tower::{Layer as _, ServiceExt as _, service_fn};

const SECRET: &str = "canary: a secret of thirty-two bytes and more";

fn layer() -> RequireScopesLayer {
    let resource = ProtectedResource::new("https://mcp.example/notes/mcp".parse().unwrap());
    let resource = resource.unwrap().with_scope("basic".parse().unwrap());
    RequireScopesLayer::new(RequiredScopes::new(["notes:read", "notes:write"]).unwrap())
        .with_hierarchy(
            ScopeHierarchy::new([("notes:all", ["notes:read", "notes:write"])]).unwrap(),
        )
        .with_resource(resource)
}

async fn call(layer: RequireScopesLayer, user: Option<VerifiedUser>) -> Response<&'static str> {
    let inner = service_fn(|_: Request<()>| async { Ok::<_, Infallible>(Response::new("done")) });
    let mut request = Request::new(());
    if let Some(user) = user {
        request.extensions_mut().insert(user);
    }
    layer.layer(inner).oneshot(request).await.unwrap()
}

fn user(scopes: &[&str]) -> Option<VerifiedUser> {
    let idp = Issuer::new("https://idp.example");
    Some(idp.user("canary").with_scopes(scopes.iter().copied()).verified())
}

#[tokio::test]
async fn lets_through_who_has_all_scopes_or_one_that_implies_them() {
    for scopes in [&["notes:read", "notes:write"][..], &["notes:all"], &["notes:all", "x"]] {
        let response = call(layer(), user(scopes)).await;
        assert_eq!((response.status(), *response.body()), (StatusCode::OK, "done"), "{scopes:?}");
    }
}

#[tokio::test]
async fn a_token_that_lacks_scopes_is_told_all_that_are_needed() {
    for scopes in [&[][..], &["notes:read"], &["notes"], &["notes:write:all"]] {
        let response = call(layer(), user(scopes)).await;
        assert_eq!((response.status(), *response.body()), (StatusCode::FORBIDDEN, ""));
        assert_eq!(response.headers()[header::CACHE_CONTROL], "no-store");
        assert_eq!(
            response.headers()[header::WWW_AUTHENTICATE],
            "Bearer error=\"insufficient_scope\", error_description=\"the token lacks a scope that this needs\", \
             resource_metadata=\"https://mcp.example/.well-known/oauth-protected-resource/notes/mcp\", \
             scope=\"notes:read notes:write\"",
            "{scopes:?}"
        );
    }
}

#[tokio::test]
async fn a_request_without_a_user_goes_no_further() {
    let response = call(layer(), None).await;
    assert_eq!((response.status(), *response.body()), (StatusCode::UNAUTHORIZED, ""));
    let challenge = response.headers()[header::WWW_AUTHENTICATE].to_str().unwrap();
    assert!(challenge.starts_with("Bearer resource_metadata=") && !challenge.contains("error"));
}

#[tokio::test]
async fn a_user_without_a_token_is_not_sent_to_get_a_better_one() {
    let name = HeaderName::from_static;
    let hop = TrustedHop::builder("hop".parse().unwrap(), name("x-hop-secret"), SECRET.into())
        .with_subject(name("x-user-id"))
        .with_peer("10.0.0.7".parse().unwrap())
        .build()
        .unwrap();
    let inner = service_fn(|_: Request<()>| async { Ok::<_, Infallible>(Response::new("done")) });
    let authenticator =
        Authenticator::bearer(Issuer::new("https://idp.example").verifier()).with_trusted_hop(hop);
    let service = AuthenticateLayer::new(authenticator).layer(layer().layer(inner));
    let request = Request::builder().header("x-hop-secret", SECRET).header("x-user-id", "ada");
    let mut request = request.body(()).unwrap();
    request.extensions_mut().insert(Peer("10.0.0.7".parse().unwrap()));
    let response = service.oneshot(request).await.unwrap();
    assert_eq!((response.status(), *response.body()), (StatusCode::FORBIDDEN, ""));
    assert!(!response.headers().contains_key(header::WWW_AUTHENTICATE));
}
