//! Entering, replacing and removing.

use bonafide_policy::{Policy, Rule};
use secrecy::ExposeSecret as _;

use crate::browser::{Browser, Page};
use crate::world::{CANARY, World};

async fn save(browser: &mut Browser, fields: &[(&str, &str)]) -> Page {
    let csrf = browser.get("/connections/one").await.csrf();
    let fields: Vec<(&str, &str)> =
        [("csrf", &*csrf)].into_iter().chain(fields.iter().copied()).collect();
    browser.post("/connections/one", &fields).await
}

/// What is stored for a user, straight from the vault.
async fn stored(world: &World, user: &str, name: &str) -> Option<String> {
    let policy = Policy::builder()
        .with_rule(Rule::allow("test").with_groups(["team"]).with_tenants(["one"]))
        .build()
        .unwrap();
    let issuer = world.idp.user(user).with_groups(["team"]);
    let keys = bonafide_jwks::RemoteKeys::discover(world.idp.issuer()).build().unwrap();
    let trusted = bonafide_claims::TrustedIssuer::builder(
        world.idp.issuer().parse().unwrap(),
        std::sync::Arc::new(keys),
    )
    .with_audience(bonafide_testkit::AUDIENCE)
    .build()
    .unwrap();
    let verifier = bonafide_claims::Verifier::builder().with_issuer(trusted).build().unwrap();
    // The user of an access token, as the gateway knows them.
    let user = verifier.verify(&issuer.token()).await.unwrap();
    let permit = policy.permit(&user, &"one".parse().unwrap()).unwrap();
    let names = [name.parse().unwrap()];
    let secrets = world.secrets.open(&permit).read(&names).await.unwrap();
    secrets.get(0).map(|value| value.expose_secret().to_owned())
}

#[tokio::test]
async fn a_value_is_entered_replaced_and_removed_for_the_user_of_the_access_token() {
    let world = World::start().await;
    let mut browser = world.signed_in("alice").await;
    assert!(browser.get("/connections").await.has("Still missing: API &#60;key&#62;."));

    let page = save(&mut browser, &[("v-KEY", CANARY), ("v-REGION", "eu"), ("v-TEAM", "")]).await;
    assert_eq!((page.status, page.location()), (303, "/connections/one?saved"));
    assert_eq!(stored(&world, "alice", "KEY").await.as_deref(), Some(CANARY));
    assert_eq!(stored(&world, "bob", "KEY").await, None);
    let page = browser.get("/connections/one?saved").await;
    assert!(page.has("Saved. One &#38; Only has what it needs."), "{}", page.body);
    assert!(page.has("<option selected>eu</option>") && page.has("Stored on 20"), "{}", page.body);

    // An empty field keeps a secret; white space around a value was copied along.
    let page = save(&mut browser, &[("v-KEY", ""), ("v-REGION", "us"), ("v-TEAM", " blue ")]).await;
    assert_eq!(page.status, 303);
    assert_eq!(stored(&world, "alice", "KEY").await.as_deref(), Some(CANARY));
    assert_eq!(stored(&world, "alice", "TEAM").await.as_deref(), Some("blue"));
    assert_eq!(save(&mut browser, &[("v-KEY", "canary-1")]).await.status, 303);
    assert_eq!(stored(&world, "alice", "KEY").await.as_deref(), Some("canary-1"));

    // What is shown and was emptied goes.
    assert_eq!(save(&mut browser, &[("v-TEAM", "")]).await.status, 303);
    assert_eq!(stored(&world, "alice", "TEAM").await, None);

    let page = browser.get("/connections/one/remove/KEY").await;
    assert!(page.has("Remove API &#60;key&#62;?"), "{}", page.body);
    let csrf = page.csrf();
    let page = browser.post("/connections/one/remove/KEY", &[("csrf", &csrf)]).await;
    assert_eq!((page.status, page.location()), (303, "/connections/one?removed"));
    assert_eq!(stored(&world, "alice", "KEY").await, None);
}

#[tokio::test]
async fn a_wrong_value_is_explained_and_nothing_is_stored() {
    let world = World::start().await;
    let mut browser = world.signed_in("alice").await;
    for (fields, text) in [
        (
            &[("v-KEY", "secret-of-another-kind"), ("v-TEAM", "blue")][..],
            "does not look as it should",
        ),
        (&[("v-KEY", CANARY), ("v-REGION", "mars")], "Choose one of the list"),
        (&[("v-KEY", "canary-1\u{7}2")], "control character"),
        (&[("v-KEY", "")], "Enter at least one value"),
        (&[], "Enter at least one value"),
    ] {
        let page = save(&mut browser, fields).await;
        assert_eq!(page.status, 400, "{fields:?}");
        assert!(page.has(text) && page.has("Nothing was stored yet"), "{text}: {}", page.body);
        assert!(!page.has("secret-of-another-kind"), "a secret is shown again");
        for name in ["KEY", "TEAM", "REGION"] {
            assert_eq!(stored(&world, "alice", name).await, None, "{fields:?}");
        }
    }
    let page = save(&mut browser, &[("v-KEY", "x"), ("v-TEAM", "<blue>")]).await;
    assert!(page.has("value=\"&#60;blue&#62;\""), "what is no secret is lost: {}", page.body);
    assert!(page.has("aria-invalid=\"true\"") && page.has("href=\"#v-KEY\""), "{}", page.body);
}

#[tokio::test]
async fn a_forged_form_changes_nothing() {
    let world = World::start().await;
    let mut alice = world.signed_in("alice").await;
    let mut bob = world.signed_in("bob").await;
    let csrf = alice.get("/connections/one").await.csrf();
    let bobs = bob.get("/connections/one").await.csrf();
    let own = [("origin", "https://mcp.example.com"), ("sec-fetch-site", "same-origin")];
    let evil = [("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")];
    let sibling = [("sec-fetch-site", "same-site")];
    let null = [("origin", "null")];
    for (token, headers, what) in [
        ("", &own[..], "no token"),
        (&bobs, &own, "a token of another session"),
        (&csrf[1..], &own, "part of a token"),
        (&csrf, &evil, "from another page"),
        (&csrf, &sibling, "from a sibling domain"),
        (&csrf, &null, "from nowhere"),
    ] {
        for path in ["/connections/one", "/connections/one/remove/KEY", "/connections/-/sign-out"] {
            let fields = [("csrf", token), ("v-KEY", CANARY)];
            let page = alice.clone().post_with(path, &fields, headers).await;
            assert_eq!(page.status, 403, "{what} {path}");
        }
    }
    assert_eq!(stored(&world, "alice", "KEY").await, None);
    // A second token would be anybody's.
    let twice = [("csrf", "x"), ("csrf", &*csrf), ("v-KEY", CANARY)];
    assert_eq!(alice.post("/connections/one", &twice).await.status, 403);
    let page =
        world.browser().post("/connections/one", &[("csrf", &csrf), ("v-KEY", CANARY)]).await;
    assert!(page.has("Sign in to continue"));
    assert_eq!(stored(&world, "alice", "KEY").await, None);
}

#[tokio::test]
async fn an_ended_session_stores_nothing_and_says_so() {
    let world = World::start().await;
    let mut browser = world.signed_in("alice").await;
    let csrf = browser.get("/connections/one").await.csrf();
    world.clock.advance(std::time::Duration::from_secs(31 * 60));
    let page = browser.post("/connections/one", &[("csrf", &csrf), ("v-KEY", CANARY)]).await;
    assert!(page.has("Your session has ended. Nothing was changed."), "{}", page.body);
    assert_eq!(stored(&world, "alice", "KEY").await, None);
}

#[tokio::test]
async fn nobody_gets_to_a_tenant_that_the_policy_denies_and_is_told_why() {
    let world = World::start().await;
    let mut bob = world.signed_in("bob").await;
    let page = bob.get("/connections").await;
    assert!(page.has("One &#38; Only") && !page.has("Two") && !page.has("Three"), "{}", page.body);
    let csrf = page.csrf();
    for (path, status, text) in [
        ("/connections/two", 403, "has not been given access"),
        ("/connections/three", 403, "A rule of your organisation"),
        ("/connections/nowhere", 404, "There is no such page"),
        ("/connections/%3Cscript%3E", 404, "There is no such page"),
    ] {
        let page = bob.get(path).await;
        assert!(page.status == status && page.has(text), "{path}: {} {}", page.status, page.body);
        for path in [path.to_owned(), format!("{path}/remove/KEY")] {
            let page = bob.post(&path, &[("csrf", &csrf), ("v-KEY", CANARY)]).await;
            assert_eq!(page.status, status, "{path}");
        }
    }
    for (path, status) in
        [("/connections/one/remove/NOTHING", 404), ("/connections/two/remove/KEY", 403)]
    {
        assert_eq!(bob.get(path).await.status, status, "{path}");
    }
    let mut carol = world.signed_in("carol").await;
    assert!(carol.get("/connections").await.has("There is no service that your account may use"));
}

#[tokio::test]
async fn changes_are_limited_for_each_user() {
    let world = World::start().await;
    let mut alice = world.signed_in("alice").await;
    let csrf = alice.get("/connections/one").await.csrf();
    let mut statuses = Vec::new();
    for _ in 0..40 {
        let page = alice.post("/connections/one", &[("csrf", &csrf), ("v-KEY", "wrong")]).await;
        statuses.push(page.status);
    }
    assert_eq!(statuses[0], 400);
    assert_eq!(statuses[39], 429);
    let mut bob = world.signed_in("bob").await;
    assert_eq!(save(&mut bob, &[("v-KEY", CANARY)]).await.status, 303);
}
