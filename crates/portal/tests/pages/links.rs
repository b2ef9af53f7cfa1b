//! Links that were made for one user: by the gateway, and for a single variable.

use std::time::{Duration, SystemTime};

use axum::body::Body;
use axum::http::Request;
use bonafide_claims::UserId;
use bonafide_mcp::LinkSealer;
use serde_json::Value;

use crate::browser::Page;
use crate::world::{CANARY, World};

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_link_from_the_gateway_is_for_the_user_it_was_made_for() {
    let world = World::start().await;
    let links = LinkSealer::new(world.secrets.sealer().keyring()).unwrap();
    let user = |subject: &str| {
        UserId::new(world.idp.issuer().parse().unwrap(), None, subject.parse().unwrap())
    };
    let until = SystemTime::now() + 60 * MINUTE;
    let token = links.seal(&user("alice"), &"one".parse().unwrap(), until).unwrap();
    let path = format!("/connections/one?e={token}");

    // Somebody who is not signed in is asked to, and comes back to the link.
    let mut browser = world.browser();
    let page = browser.sign_in("alice", &path).await;
    assert!(page.status == 200 && page.has("Connect One &#38; Only"), "{}", page.body);

    let mut bob = world.signed_in("bob").await;
    let page = bob.get(&path).await;
    assert_eq!(page.status, 403);
    assert!(page.has("made for somebody else") && page.has("signed in as Bob"), "{}", page.body);

    for wrong in [
        format!("{path}x"),
        format!("/connections/three?e={token}"),
        "/connections/one?e=".to_owned(),
    ] {
        let page = browser.get(&wrong).await;
        assert!(page.status == 410 && page.has("no longer valid"), "{wrong}: {}", page.body);
    }
    world.clock.advance(20 * MINUTE);
    assert_eq!(browser.get(&path).await.status, 200);
    world.clock.advance(20 * MINUTE);
    assert_eq!(browser.get(&path).await.status, 200);
    world.clock.advance(21 * MINUTE);
    assert_eq!(browser.get(&path).await.status, 410);
}

/// Asks the API for a link, as a script does.
async fn make(world: &World, user: &str, groups: &[&str], variable: &str) -> Page {
    let token = world.idp.user(user).with_groups(groups.iter().copied()).token();
    let request = Request::post(format!("/api/tenants/one/variables/{variable}/links"))
        .header("authorization", format!("Bearer {token}"));
    world.browser().send(request.body(Body::empty()).unwrap()).await
}

fn path(page: &Page) -> String {
    assert_eq!(page.status, 201, "{}", page.body);
    let answer: Value = serde_json::from_str(&page.body).unwrap();
    answer["url"].as_str().unwrap().strip_prefix("https://mcp.example.com").unwrap().to_owned()
}

#[tokio::test]
async fn a_link_for_a_variable_sets_that_one_and_only_once() {
    let world = World::start().await;
    let link = path(&make(&world, "alice", &["team"], "KEY").await);
    let mut browser = world.browser();
    let page = browser.sign_in("alice", &link).await;
    assert!(page.has("name=\"v-KEY\"") && !page.has("name=\"v-REGION\""), "{}", page.body);

    let csrf = page.csrf();
    let wrong = browser.post(&link, &[("csrf", &csrf), ("v-KEY", "wrong")]).await;
    assert_eq!(wrong.status, 400, "a wrong value uses it up");
    let other = browser.post(&link, &[("csrf", &csrf), ("v-REGION", "eu")]).await;
    assert_eq!(other.status, 400, "another variable is set");
    let saved = browser.post(&link, &[("csrf", &csrf), ("v-KEY", CANARY)]).await;
    assert_eq!((saved.status, saved.location()), (303, "/connections/one?saved"));
    assert!(browser.get("/connections/one").await.has("Ready"));

    for page in [
        browser.get(&link).await,
        browser.post(&link, &[("csrf", &csrf), ("v-KEY", "canary-2")]).await,
    ] {
        assert!(page.status == 410 && page.has("no longer valid"), "{}", page.body);
    }
    // A new one is for the value as it is now: it ends when that is changed in any other way.
    let first = path(&make(&world, "alice", &["team"], "KEY").await);
    let second = path(&make(&world, "alice", &["team"], "KEY").await);
    let saved = browser.post(&first, &[("csrf", &csrf), ("v-KEY", "canary-3")]).await;
    assert_eq!(saved.status, 303, "{}", saved.body);
    assert_eq!(browser.post(&second, &[("csrf", &csrf), ("v-KEY", "canary-4")]).await.status, 410);
}

/// The variable is again as it was when the link was made.
#[tokio::test]
async fn a_link_that_was_used_is_not_good_again_when_the_value_is_removed() {
    let world = World::start().await;
    let link = path(&make(&world, "alice", &["team"], "KEY").await);
    let mut alice = world.signed_in("alice").await;
    let csrf = alice.get("/connections/one").await.csrf();
    let set = [("csrf", &*csrf), ("v-KEY", CANARY)];
    assert_eq!(alice.post(&link, &set).await.status, 303);
    let removed = alice.post("/connections/one/remove/KEY", &[("csrf", &csrf)]).await;
    assert_eq!(removed.status, 303);
    assert_eq!(alice.get(&link).await.status, 410);
    assert_eq!(alice.post(&link, &set).await.status, 410);
    assert!(alice.get("/connections/one").await.has("Incomplete"));
}

/// There, the same value is the same row: a link could not tell whether it was used.
#[tokio::test]
async fn there_are_no_links_where_secrets_are_not_sealed() {
    let secrets = crate::world::secrets(std::sync::Arc::new(bonafide_vault::MemoryVault::new()));
    let mut world = World::start_over(secrets, |sign_in| sign_in).await;
    let made_before = path(&make(&world, "alice", &["team"], "KEY").await);
    world.secrets = world.secrets.clone().dangerous_without_sealing();
    world.router = world.another_gateway();
    let page = make(&world, "alice", &["team"], "KEY").await;
    assert!(page.status == 404 && page.body.contains("could be used twice"), "{}", page.body);
    let mut alice = world.signed_in("alice").await;
    let csrf = alice.get("/connections/one").await.csrf();
    let set = [("csrf", &*csrf), ("v-KEY", CANARY)];
    assert_eq!(alice.post(&made_before, &set).await.status, 410);
    // Everything else goes on.
    assert_eq!(alice.post("/connections/one", &set).await.status, 303);
    assert!(alice.get("/connections/one").await.has("Ready"));
}

#[tokio::test]
async fn a_link_for_a_variable_is_for_its_user_and_for_minutes() {
    let world = World::start().await;
    let link = path(&make(&world, "alice", &["team"], "KEY").await);
    let mut bob = world.signed_in("bob").await;
    let csrf = bob.get("/connections/one").await.csrf();
    for page in [bob.get(&link).await, bob.post(&link, &[("csrf", &csrf), ("v-KEY", CANARY)]).await]
    {
        assert!(page.status == 403 && page.has("made for somebody else"), "{}", page.body);
    }
    let mut alice = world.signed_in("alice").await;
    assert_eq!(alice.get(&link.replace("/one", "/three")).await.status, 410);
    assert_eq!(alice.get(&link[..link.len() - 1]).await.status, 410);
    world.clock.advance(16 * MINUTE);
    assert_eq!(alice.get(&link).await.status, 410);
    // Nobody gets a link to where they may not go.
    assert_eq!(make(&world, "carol", &[], "KEY").await.status, 403);
    assert_eq!(make(&world, "alice", &["team"], "OTHER").await.status, 404);
}

#[tokio::test]
async fn the_document_names_what_is_there() {
    let world = World::start().await;
    let page = world.browser().get("/api/openapi.json").await;
    assert_eq!(
        (page.status, page.headers["content-type"].to_str().unwrap()),
        (200, "application/json")
    );
    let document: Value = serde_json::from_str(&page.body).unwrap();
    assert_eq!(document["openapi"], "3.1.0");
    for (path, methods) in document["paths"].as_object().unwrap() {
        for method in ["get", "put", "post", "delete"] {
            let uri = path.replace("{tenant}", "one").replace("{name}", "KEY");
            let request = Request::builder().method(&*method.to_uppercase()).uri(uri);
            let token = world.idp.user("alice").with_groups(["team"]).token();
            let request = request.header("authorization", format!("Bearer {token}"));
            let page = world.browser().send(request.body(Body::empty()).unwrap()).await;
            let there = methods.get(method).is_some();
            assert_eq!(page.status != 405, there, "{method} {path}: {}", page.status);
            if there {
                let known = methods[method]["responses"].get(page.status.to_string());
                assert!(known.is_some(), "{method} {path}: {} is not in the document", page.status);
            }
        }
    }
}
