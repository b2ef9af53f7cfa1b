//! The trusted hop: who is believed, and who is not.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::net::IpAddr;

use bonafide_claims::{Assurance, Groups, UnknownGroups, VerifiedUser};
use bonafide_testkit::Issuer;
use bonafide_tower::{
    AuthenticateError, AuthenticateLayer, Authenticator, Challenge, HopError, Peer, TrustedHop,
    TrustedHopBuilder,
};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use tower::{Layer as _, ServiceExt as _, service_fn};

const SECRET: &str = "canary: a secret of thirty-two bytes and more";
const HOP: &str = "10.0.0.7";

fn name(name: &'static str) -> HeaderName {
    HeaderName::from_static(name)
}

fn builder(secret: &str) -> TrustedHopBuilder {
    TrustedHop::builder("corporate-proxy".parse().unwrap(), name("x-hop-secret"), secret.into())
}

fn hop() -> TrustedHop {
    builder(SECRET)
        .with_subject(name("x-user-id"))
        .with_username(name("x-user-name"))
        .with_email(name("x-user-email"))
        .with_groups(name("x-user-groups"))
        .with_peer(HOP.parse().unwrap())
        .with_peer("fd00::/8".parse().unwrap())
        .build()
        .unwrap()
}

fn headers(of: &[(&'static str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (key, value) in of {
        headers.append(name(key), HeaderValue::from_str(value).unwrap());
    }
    headers
}

async fn user(of: &[(&'static str, &str)], peer: &str) -> Result<VerifiedUser, AuthenticateError> {
    let idp = Issuer::new("https://idp.example");
    let authenticator = Authenticator::bearer(idp.verifier()).with_trusted_hop(hop());
    let peer: Option<IpAddr> = (!peer.is_empty()).then(|| peer.parse().unwrap());
    authenticator.authenticate_from(&headers(of), peer).await
}

#[tokio::test]
async fn a_user_of_the_hop_is_known_and_marked() {
    let said = [
        ("x-hop-secret", SECRET),
        ("x-user-id", "ada"),
        ("x-user-name", "Ada"),
        ("x-user-email", "ada@example.com"),
        ("x-user-groups", "staff, MCP-GitHub,,"),
    ];
    for peer in [HOP, "::ffff:10.0.0.7", "fd00::17"] {
        let user = user(&said, peer).await.unwrap();
        assert_eq!(user.assurance(), Assurance::TrustedHop);
        assert_eq!(user.id().parts(), ["corporate-proxy", "", "ada"]);
        assert_eq!((user.username(), user.email()), (Some("Ada"), Some("ada@example.com")));
        let groups: Vec<_> = user.groups().known().unwrap().iter().map(|it| it.as_str()).collect();
        assert_eq!(groups, ["MCP-GitHub", "staff"]);
        assert!(user.scopes().is_empty() && user.roles().is_empty() && user.claims().is_empty());
        assert!(user.expires_at() > std::time::SystemTime::now());
    }
    let user = user(&said[..2], HOP).await.unwrap();
    assert_eq!(user.groups(), &Groups::Unknown(UnknownGroups::Absent));
}

#[tokio::test]
async fn nobody_else_passes_for_the_hop() {
    let (secret, id) = (("x-hop-secret", SECRET), ("x-user-id", "ada"));
    let wrong = ("x-hop-secret", "canary: a secret of thirty-two bytes and mora");
    for (said, peer, expected) in [
        (vec![secret, id], "10.0.0.8", "NotTheHop"),
        (vec![secret, id], "127.0.0.1", "NotTheHop"),
        (vec![secret, id], "", "NotTheHop"),
        (vec![wrong, id], HOP, "NotTheHop"),
        (vec![("x-hop-secret", ""), id], HOP, "NotTheHop"),
        (vec![("x-hop-secret", &SECRET[..SECRET.len() - 1]), id], HOP, "NotTheHop"),
        (vec![id], HOP, "NoToken"),
        (vec![secret, secret, id], HOP, "Malformed"),
        (vec![secret], HOP, "Malformed"),
        (vec![secret, id, ("x-user-id", "root")], HOP, "Malformed"),
        (vec![secret, ("x-user-id", "")], HOP, "Malformed"),
        (vec![secret, id, ("x-user-groups", "a"), ("x-user-groups", "b")], HOP, "Malformed"),
        (vec![secret, id, ("x-user-groups", &"x".repeat(2000))], HOP, "Malformed"),
        (vec![secret, id, ("authorization", "Bearer a.b.c")], HOP, "Malformed"),
        (vec![secret, id, ("authorization", "Bearer")], HOP, "Malformed"),
    ] {
        let error = user(&said, peer).await.unwrap_err();
        assert!(format!("{error:?}").starts_with(expected), "{said:?} from {peer}: {error:?}");
        let shown = format!("{error} {error:?} {:?}", Challenge::new(&error).value());
        assert!(!shown.contains("canary") && !shown.contains("ada"), "{shown}");
    }
}

#[tokio::test]
async fn without_a_hop_its_headers_mean_nothing() {
    let authenticator = Authenticator::bearer(Issuer::new("https://idp.example").verifier());
    let said = headers(&[("x-hop-secret", SECRET), ("x-user-id", "ada")]);
    let error = authenticator.authenticate_from(&said, Some(HOP.parse().unwrap())).await;
    assert!(matches!(error, Err(AuthenticateError::NoToken)));
}

#[tokio::test]
async fn the_layer_reads_the_peer_and_takes_the_headers_away() {
    let idp = Issuer::new("https://idp.example");
    let authenticator = Authenticator::bearer(idp.verifier()).with_trusted_hop(hop());
    let inner = service_fn(|request: Request<()>| async move {
        let user = request.extensions().get::<VerifiedUser>().unwrap();
        let said = format!("{} {}", user.subject().as_str(), request.headers().len());
        Ok::<_, std::convert::Infallible>(Response::new(said))
    });
    let service = AuthenticateLayer::new(authenticator).layer(inner);
    let request = |peer: Option<&str>| {
        let mut request = Request::new(());
        *request.headers_mut() = headers(&[("x-hop-secret", SECRET), ("x-user-id", "ada")]);
        let peer = peer.map(|peer| Peer(peer.parse().unwrap()));
        peer.map(|peer| request.extensions_mut().insert(peer));
        request
    };
    let served = service.clone().oneshot(request(Some(HOP))).await.unwrap();
    assert_eq!(served.body(), "ada 0");
    for peer in [None, Some("10.0.0.8")] {
        let refused = service.clone().oneshot(request(peer)).await.unwrap();
        assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(refused.headers()["www-authenticate"], "Bearer");
    }
}

#[test]
fn terms_that_anybody_could_meet_are_refused() {
    let subject = || name("x-user-id");
    let peer = || HOP.parse().unwrap();
    let complete = |secret| builder(secret).with_subject(subject()).with_peer(peer());
    for (builder, expected) in [
        (complete("too short"), HopError::ShortSecret),
        (builder(SECRET).with_subject(subject()), HopError::NoPeer),
        (builder(SECRET).with_peer(peer()), HopError::NoSubject),
        (complete(SECRET).with_email(name("x-hop-secret")), HopError::SharedHeader),
        (complete(SECRET).with_subject(name("authorization")), HopError::SharedHeader),
    ] {
        assert_eq!(builder.build().unwrap_err(), expected);
    }
    let shown = format!("{:?} {:?}", hop(), complete(SECRET));
    assert!(!shown.contains("canary"), "{shown}");
}
