//! What administrators see, and what they may take away.

use crate::browser::Browser;
use crate::world::{CANARY, World};

async fn enter(browser: &mut Browser, tenant: &str) {
    let path = format!("/connections/{tenant}");
    let csrf = browser.get(&path).await.csrf();
    let page = browser.post(&path, &[("csrf", &csrf), ("v-KEY", CANARY), ("v-TEAM", "blue")]).await;
    assert_eq!(page.status, 303, "{}", page.body);
}

#[tokio::test]
async fn an_administrator_sees_who_has_what_and_takes_it_away() {
    let world = World::start().await;
    let (mut alice, mut bob) = (world.signed_in("alice").await, world.signed_in("bob").await);
    enter(&mut alice, "one").await;
    enter(&mut alice, "three").await;
    enter(&mut bob, "one").await;

    let mut root = world.signed_in("root").await;
    let page = root.get("/connections/-/users").await;
    assert_eq!(page.status, 200, "{}", page.body);
    for text in ["alice", "bob", "one/KEY", "three/KEY", world.idp.issuer()] {
        assert!(page.has(text), "{text}: {}", page.body);
    }
    // Not even what its owner sees again.
    assert!(!page.has("blue"));

    let issuer: String =
        url::form_urlencoded::byte_serialize(world.idp.issuer().as_bytes()).collect();
    let path = format!("/connections/-/user?issuer={issuer}&directory=&subject=alice");
    let page = root.get(&path).await;
    assert!(
        page.has("one / KEY") && page.has("three / TEAM") && page.has("Stored on 20"),
        "{}",
        page.body
    );
    assert!(!page.has("bob") && !page.has("blue"));

    let csrf = page.csrf();
    let who =
        [("csrf", &*csrf), ("issuer", world.idp.issuer()), ("directory", ""), ("subject", "alice")];
    let reset: Vec<_> = who.into_iter().chain([("tenant", "one"), ("name", "KEY")]).collect();
    let page = root.post("/connections/-/user", &reset).await;
    assert_eq!(page.status, 303, "{}", page.body);
    assert!(alice.get("/connections/one").await.has("Incomplete"));
    assert!(alice.get("/connections/three").await.has("Ready"));

    let all: Vec<_> = who.into_iter().chain([("all", "yes")]).collect();
    let page = root.post("/connections/-/user", &all).await;
    assert!(page.status == 303 && page.location().ends_with("&done"), "{}", page.body);
    assert!(root.get(page.location()).await.has("Nothing is stored for this user"));
    assert!(alice.get("/connections/three").await.has("Incomplete"));
    assert!(bob.get("/connections/one").await.has("Ready"), "somebody else lost theirs");
}

#[tokio::test]
async fn others_find_nothing_there_and_take_nothing_away() {
    let world = World::start().await;
    let (mut alice, mut bob) = (world.signed_in("alice").await, world.signed_in("bob").await);
    enter(&mut alice, "one").await;
    let page = bob.get("/connections").await;
    assert!(!page.has("/connections/-/users"));
    let csrf = page.csrf();
    let issuer = world.idp.issuer();
    let all = [("csrf", &*csrf), ("issuer", issuer), ("subject", "alice"), ("all", "yes")];
    assert_eq!(bob.get("/connections/-/users").await.status, 404);
    assert_eq!(bob.get("/connections/-/user?issuer=x&directory=&subject=alice").await.status, 404);
    assert_eq!(bob.post("/connections/-/user", &all).await.status, 404);
    assert!(world.browser().get("/connections/-/users").await.has("Sign in to continue"));
    // An administrator's browser, led by somebody else.
    let mut root = world.signed_in("root").await;
    assert_eq!(root.post("/connections/-/user", &all).await.status, 403);
    assert!(alice.get("/connections/one").await.has("Ready"));
}

#[tokio::test]
async fn an_administrator_whose_groups_are_unknown_is_none() {
    // No access token for us, and an ID token without groups.
    let resource = "https://elsewhere.example";
    let world = World::start_with(|sign_in| sign_in.with_resource(resource)).await;
    world.idp.set_id_token_claim("groups", serde_json::Value::Null);
    let mut root = world.signed_in("root").await;
    assert_eq!(root.get("/connections/-/users").await.status, 404);
}
