//! The way to the issuer and back.

use std::time::Duration;

use bonafide_portal::{PortalError, SignIn, SignInConfigError};
use serde_json::json;
use url::Url;

use crate::world::{CALLBACK, World};

fn parameter(url: &str, name: &str) -> Option<String> {
    let url = Url::parse(url).or_else(|_| Url::parse(&format!("https://x{url}"))).unwrap();
    url.query_pairs().find(|(have, _)| have == name).map(|(_, value)| value.into_owned())
}

#[tokio::test]
async fn a_stranger_is_asked_to_sign_in_and_comes_back_to_where_they_wanted() {
    let world = World::start().await;
    let mut browser = world.browser();
    let page = browser.get("/connections/one").await;
    assert_eq!(page.status, 200);
    assert!(page.has("/connections/-/sign-in?to=%2Fconnections%2Fone"), "{}", page.body);
    assert!(!page.has("API"), "a stranger sees what a tenant needs");
    let page = browser.sign_in("alice", "/connections/one").await;
    assert_eq!(page.status, 200);
    assert!(page.has("Alice") && page.has("Connect One &#38; Only"), "{}", page.body);
}

#[tokio::test]
async fn the_question_has_everything_that_the_answer_is_checked_against() {
    let world = World::start().await;
    let mut browser = world.browser();
    let page = browser.get("/connections/-/sign-in").await;
    let url = page.location().to_owned();
    assert!(url.starts_with(&format!("{}/authorize?", world.idp.issuer())), "{url}");
    for (name, value) in [
        ("response_type", "code"),
        ("client_id", "portal"),
        ("redirect_uri", CALLBACK),
        ("scope", "openid profile email"),
        ("code_challenge_method", "S256"),
    ] {
        assert_eq!(parameter(&url, name).as_deref(), Some(value), "{name}");
    }
    for (name, least) in [("state", 100), ("nonce", 22), ("code_challenge", 43)] {
        assert!(parameter(&url, name).is_some_and(|value| value.len() >= least), "{name}");
    }
    assert_eq!(page.headers["cache-control"], "no-store");
}

#[tokio::test]
async fn an_answer_is_good_once_in_the_browser_that_asked_and_unaltered() {
    let world = World::start().await;
    let mut browser = world.browser();
    let answer = browser.answer_for("alice", "/connections").await;

    let mut other = world.browser();
    assert_eq!(other.get(&answer).await.status, 400, "another browser");
    other.get("/connections/-/sign-in").await;
    assert_eq!(other.get(&answer).await.status, 400, "another browser that signs in too");

    let iss = parameter(&answer, "iss").unwrap();
    let encoded: String = url::form_urlencoded::byte_serialize(iss.as_bytes()).collect();
    for (from, to) in [
        ("state=", "state=x"),
        (&*format!("iss={encoded}"), "iss=https%3A%2F%2Fevil.example"),
        (&*format!("&iss={encoded}"), ""),
        ("code=", "code=1&code="),
    ] {
        assert!(answer.contains(from), "{answer} has no {from}");
        let page = browser.clone().get(&answer.replace(from, to)).await;
        assert_eq!(page.status, 400, "{from} → {to}: {}", page.body);
        assert!(page.has("You are not signed in"), "{from} → {to}");
    }
    // None of them reached the issuer, which takes a code once.
    assert_eq!(browser.get(&answer).await.status, 303);
    assert_eq!(browser.get(&answer).await.status, 400, "a second time");
}

#[tokio::test]
async fn one_sign_in_asks_the_issuer_about_one_code_and_no_more() {
    let world = World::start().await;
    let mut browser = world.browser();
    let answer = browser.answer_for("alice", "/connections").await;
    let made_up = browser.get(&answer.replace("code=", "code=x")).await;
    assert!(made_up.status == 400 && made_up.has("could not be accepted"), "{}", made_up.body);
    for code in ["code=y", "code="] {
        let again = browser.get(&answer.replace("code=", code)).await;
        assert!(again.status == 400 && again.has("completed already"), "{}", again.body);
    }
    // Another sign-in of the same browser is not concerned.
    assert_eq!(browser.sign_in("alice", "/connections").await.status, 200);
}

#[tokio::test]
async fn one_address_can_not_keep_everybody_else_from_signing_in() {
    let world = World::start().await;
    let behind = world.with(|portal| portal.with_trusted_proxies(["10.0.0.0/8".parse().unwrap()]));
    let peer = |text: &str| Some(text.parse().unwrap());
    let mut stranger = crate::browser::Browser { peer: peer("203.0.113.7"), ..world.browser() };
    let mut refused = 0;
    for number in 0..200 {
        let callback = format!("/connections/-/callback?code=x&state=x{number}");
        let page = stranger.get(&callback).await;
        refused += u32::from(page.status == 429 && page.has("from your network"));
    }
    assert!((50..=80).contains(&refused), "{refused}");
    assert_eq!(stranger.get("/connections/-/sign-in").await.status, 429);
    // What the stranger says about itself changes nothing, unless it is a proxy of ours.
    for (router, address, forwarded, status) in [
        (&world.router, "203.0.113.7", "198.51.100.1", 429),
        (&behind, "10.0.0.1", "198.51.100.1", 303),
        (&world.router, "203.0.113.8", "203.0.113.7", 303),
    ] {
        let mut browser = crate::browser::Browser::new(router.clone());
        browser.peer = peer(address);
        let request = axum::http::Request::get("/connections/-/sign-in");
        let request = request.header("x-forwarded-for", forwarded).body(Default::default());
        assert_eq!(browser.send(request.unwrap()).await.status, status, "{address} {forwarded}");
    }
    let mut other = crate::browser::Browser { peer: peer("203.0.113.8"), ..world.browser() };
    assert_eq!(other.sign_in("alice", "/connections").await.status, 200);
}

#[tokio::test]
async fn a_sign_in_that_takes_too_long_is_begun_again() {
    let world = World::start().await;
    let mut browser = world.browser();
    let answer = browser.answer_for("alice", "/connections").await;
    world.clock.advance(Duration::from_secs(15 * 60));
    let page = browser.get(&answer).await;
    assert!(page.status == 400 && page.has("too long ago"), "{}", page.body);
}

#[tokio::test]
async fn an_id_token_for_another_sign_in_client_or_time_is_refused() {
    for (claim, value) in [
        ("nonce", json!("another")),
        ("nonce", json!(null)),
        ("aud", json!("another-client")),
        ("aud", json!(["portal", "another-client"])),
        ("iss", json!("https://evil.example")),
        ("exp", json!(1_000_000_000)),
        ("sub", json!(null)),
        ("events", json!({})),
    ] {
        let world = World::start().await;
        world.idp.set_id_token_claim(claim, value.clone());
        let mut browser = world.browser();
        let page = browser.sign_in("alice", "/connections").await;
        assert_eq!(page.status, 400, "{claim} {value}: {}", page.body);
        assert!(browser.get("/connections").await.has("Sign in to continue"), "{claim} {value}");
    }
}

#[tokio::test]
async fn somebody_who_cancels_or_may_not_is_told() {
    let world = World::start().await;
    let page = world.browser().sign_in("nobody", "/connections").await;
    assert!(page.status == 403 && page.has("did not let you sign in"), "{}", page.body);
}

#[tokio::test]
async fn nobody_is_sent_elsewhere_after_signing_in() {
    let world = World::start().await;
    for to in [
        "https://evil.example/connections",
        "//evil.example/connections",
        "/\\evil.example/connections",
        "/connections\\..\\..\\evil",
        "/connections/../../evil",
        "/connectionsevil",
        "/connections/-/sign-out",
        "/api/tenants",
        "javascript:alert(1)",
        "/connections\n",
        "",
    ] {
        let mut browser = world.browser();
        let answer = browser.answer_for("alice", to).await;
        let page = browser.get(&answer).await;
        assert_eq!((page.status, page.location()), (303, "/connections"), "{to}");
    }
}

#[tokio::test]
async fn a_confidential_client_shows_its_secret_by_either_way() {
    let secret = "p/ +%:&=s";
    for (given, status) in [(Some(secret), 200), (Some("wrong"), 400), (None, 400)] {
        let world = World::start_with(|sign_in| match given {
            Some(given) => sign_in.with_client_secret(given.into()),
            None => sign_in,
        })
        .await;
        world.idp.add_client("portal", Some(secret), CALLBACK);
        let page = world.browser().sign_in("alice", "/connections").await;
        assert_eq!(page.status, status, "{given:?}: {}", page.body);
        assert!(!page.has(secret));
    }
}

#[tokio::test]
async fn groups_come_from_the_access_token_where_there_is_one_for_us() {
    let resource = bonafide_testkit::AUDIENCE;
    let world = World::start_with(|sign_in| sign_in.with_resource(resource)).await;
    world.idp.set_id_token_claim("groups", json!(null));
    let page = world.browser().sign_in("alice", "/connections").await;
    assert!(page.has("One &#38; Only") && !page.has("which groups you are in"), "{}", page.body);

    // One for somebody else says nothing, and an ID token without groups is not one of a user without groups.
    let world =
        World::start_with(|sign_in| sign_in.with_resource("https://elsewhere.example")).await;
    world.idp.set_id_token_claim("groups", json!(null));
    let mut browser = world.browser();
    let page = browser.sign_in("alice", "/connections").await;
    assert!(!page.has("One &#38; Only") && page.has("which groups you are in"), "{}", page.body);
    let page = browser.get("/connections/one").await;
    assert!(page.status == 403 && page.has("which groups you are in"), "{}", page.body);
}

#[tokio::test]
async fn an_issuer_that_does_not_answer_is_named_and_nobody_is_signed_in() {
    let world = World::start().await;
    let mut browser = world.browser();
    drop(world.idp);
    let page = browser.get("/connections/-/sign-in").await;
    assert!(page.status == 503 && page.has("does not answer"), "{}", page.body);
    assert_eq!(browser.get("/connections").await.status, 200);
}

#[tokio::test]
async fn half_a_configuration_is_refused() {
    let world = World::start().await;
    let verifier = bonafide_testkit::Issuer::new("urn:not-a-place").verifier();
    let trusted = verifier.issuers().next().unwrap().clone();
    let build = |sign_in: bonafide_portal::SignInBuilder| sign_in.build().unwrap_err();
    assert!(matches!(build(SignIn::builder(trusted.clone(), "")), SignInConfigError::Client(_)));
    assert!(matches!(build(SignIn::builder(trusted, "portal")), SignInConfigError::Issuer));
    let verifier = bonafide_testkit::Issuer::new("https://idp.example").verifier();
    let trusted = verifier.issuers().next().unwrap().clone();
    let sign_in = || SignIn::builder(trusted.clone(), "portal");
    for (idle, limit) in [(59, 3600), (3601, 3600), (60, 24 * 3600 + 1)] {
        let (idle, limit) = (Duration::from_secs(idle), Duration::from_secs(limit));
        let error = build(sign_in().with_idle_limit(idle).with_session_limit(limit));
        assert!(matches!(error, SignInConfigError::Limits), "{idle:?} {limit:?}");
    }
    let portal = bonafide_portal::Portal::new(
        bonafide_tower::Authenticator::bearer(verifier.clone()),
        Default::default(),
        world.secrets.clone(),
        "http://mcp.example.com".parse().unwrap(),
    );
    let error = portal.with_sign_in(sign_in().build().unwrap()).unwrap_err();
    assert!(matches!(error, PortalError::NotHttps));
}
