//! What users and administrators do is written down, and administrators see it.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{Method, Request};
use bonafide_policy::AuditTrail;

use crate::browser::{Browser, Page};
use crate::world::{CANARY, World};
use crate::written::Away;

async fn save(browser: &mut Browser, path: &str, fields: &[(&str, &str)]) -> Page {
    let csrf = browser.get("/connections/one").await.csrf();
    let fields: Vec<(&str, &str)> =
        [("csrf", &*csrf)].into_iter().chain(fields.iter().copied()).collect();
    browser.post(path, &fields).await
}

async fn api(world: &World, user: &str, method: Method, path: &str, body: &str) -> Page {
    let token = world.idp.user(user).with_groups(["team"]).token();
    let request = Request::builder()
        .method(method)
        .uri(format!("/api/tenants/{path}"))
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", "application/json");
    world.browser().send(request.body(Body::from(body.to_owned())).unwrap()).await
}

#[tokio::test]
async fn what_a_user_does_on_the_pages_is_written_down() {
    let world = World::start().await;
    let mut alice = world.signed_in("alice").await;
    let one = "/connections/one";
    let both = [("v-KEY", CANARY), ("v-TEAM", "canary-team")];
    assert_eq!(save(&mut alice, one, &both).await.status, 303);
    assert_eq!(save(&mut alice, one, &[("v-KEY", "canary-1"), ("v-TEAM", "")]).await.status, 303);
    // What is wrong changes nothing, and what is not there can't be removed.
    assert_eq!(save(&mut alice, one, &[("v-KEY", "wrong")]).await.status, 400);
    for _ in 0..2 {
        assert_eq!(save(&mut alice, "/connections/one/remove/KEY", &[]).await.status, 303);
    }
    assert_eq!(alice.get("/connections/two").await.status, 403);
    assert_eq!(save(&mut alice, "/connections/-/sign-out", &[]).await.status, 200);
    let expected = [
        "sign_in",
        "enter one KEY",
        "enter one TEAM",
        "replace one KEY",
        "remove one TEAM",
        "remove one KEY",
        "use two no_rule denied",
        "sign_out",
    ];
    assert_eq!(world.done_by("alice").await, expected);
    assert!(world.done_by("bob").await.is_empty());
}

#[tokio::test]
async fn what_a_program_does_for_a_user_is_written_down() {
    let world = World::start().await;
    let value = format!("{{\"value\":\"{CANARY}\"}}");
    for (method, path, body, status) in [
        (Method::PUT, "one/variables/KEY", &*value, 204),
        (Method::PUT, "one/variables/KEY", &*value, 204),
        (Method::PUT, "one/variables/KEY", "{\"value\":\"x\"}", 400),
        (Method::POST, "one/variables/KEY/links", "", 201),
        (Method::DELETE, "one/variables/KEY", "", 204),
        (Method::DELETE, "one/variables/KEY", "", 204),
        (Method::PUT, "two/variables/KEY", &*value, 403),
    ] {
        let page = api(&world, "alice", method, path, body).await;
        assert_eq!(page.status, status, "{path}: {}", page.body);
    }
    let expected = [
        "enter one KEY",
        "replace one KEY",
        "make_link one KEY",
        "remove one KEY",
        "use two no_rule denied",
    ];
    assert_eq!(world.done_by("alice").await, expected);
}

#[tokio::test]
async fn a_link_that_is_used_is_written_down_and_one_that_is_not_good_is_not() {
    let world = World::start().await;
    let mut alice = world.signed_in("alice").await;
    let made = api(&world, "alice", Method::POST, "one/variables/KEY/links", "").await;
    let made: serde_json::Value = serde_json::from_str(&made.body).unwrap();
    let link = made["url"].as_str().unwrap().strip_prefix("https://mcp.example.com").unwrap();
    assert_eq!(save(&mut alice, link, &[("v-KEY", CANARY)]).await.status, 303);
    assert_eq!(save(&mut alice, link, &[("v-KEY", CANARY)]).await.status, 410);
    let expected = ["sign_in", "make_link one KEY", "use_link one KEY", "enter one KEY"];
    assert_eq!(world.done_by("alice").await, expected);
}

#[tokio::test]
async fn what_an_administrator_does_says_to_whom() {
    let world = World::start().await;
    let mut alice = world.signed_in("alice").await;
    assert_eq!(save(&mut alice, "/connections/one", &[("v-KEY", CANARY)]).await.status, 303);
    let mut root = world.signed_in("root").await;
    let csrf = root.get("/connections/-/users").await.csrf();
    let who =
        [("csrf", &*csrf), ("issuer", world.idp.issuer()), ("directory", ""), ("subject", "alice")];
    for what in [&[("tenant", "one"), ("name", "KEY")][..], &[("all", "yes")]] {
        let form: Vec<_> = who.iter().chain(what).copied().collect();
        assert_eq!(root.post("/connections/-/user", &form).await.status, 303);
        assert_eq!(alice.post("/connections/-/user", &form).await.status, 404);
    }
    let expected = ["sign_in", "reset one KEY alice", "remove_user alice"];
    assert_eq!(world.done_by("root").await, expected);
    let tried = "administer no_rule denied";
    assert_eq!(world.done_by("alice").await, ["sign_in", "enter one KEY", tried, tried]);

    let page = root.get("/connections/-/audit?user=alice").await;
    for text in [
        "Reset a value of alice",
        "one / KEY",
        "Removed everything of alice",
        "Entered a value",
        "Administration",
        "no rule allows it",
        world.idp.issuer(),
    ] {
        assert!(page.has(text), "{text}: {}", page.body);
    }
    assert!(root.get("/connections/-/users").await.has("href=\"/connections/-/audit\""));
    assert!(page.has("value=\"alice\""), "{}", page.body);
}

#[tokio::test]
async fn the_activity_is_shown_newest_first_page_by_page_and_by_user_and_tenant() {
    let world = World::start().await;
    let mut alice = world.signed_in("alice").await;
    let mut bob = world.signed_in("bob").await;
    let value = format!("{{\"value\":\"{CANARY}\"}}");
    for _ in 0..28 {
        for user in ["alice", "bob"] {
            api(&world, user, Method::PUT, "one/variables/KEY", &value).await;
        }
    }
    api(&world, "bob", Method::PUT, "three/variables/KEY", &value).await;
    world.done_by("alice").await;
    let mut root = world.signed_in("root").await;
    world.done_by("root").await;

    let first = root.get("/connections/-/audit").await;
    let rows = |page: &Page| page.body.matches("<tr><td>").count();
    assert_eq!((first.status, rows(&first)), (200, 50));
    assert!(first.body.len() < 50_000, "{}", first.body.len());
    assert!(first.body.find("Signed in") < first.body.find("Replaced a value"), "{}", first.body);
    let (_, rest) = first.body.split_once("/connections/-/audit?").unwrap();
    let older = rest.split_once('"').unwrap().0.replace("&#38;", "&");
    let second = root.get(&format!("/connections/-/audit?{older}")).await;
    assert_eq!(rows(&second), 10, "{}", second.body);
    assert!(second.has(">Newest</a>") && !second.has(">Older</a>"), "{}", second.body);

    let bobs = root.get("/connections/-/audit?user=+bob+&tenant=three").await;
    assert!(rows(&bobs) == 1 && bobs.has("three / KEY"), "{}", bobs.body);
    let bobs = root.get("/connections/-/audit?user=bob&tenant=one").await;
    assert_eq!(rows(&bobs), 28);
    assert!(bobs.has("<option selected>one</option>") && !bobs.has(">alice<"), "{}", bobs.body);
    let nobody = root.get("/connections/-/audit?user=%3Cscript%3E&tenant=gone").await;
    assert!(nobody.has("There is nothing that fits.") && nobody.has("&#60;script&#62;"));
    assert!(!nobody.has("<script") && nobody.has("<option selected>gone</option>"));
    assert_eq!(root.get("/connections/-/audit?before=x").await.status, 404);

    for browser in [&mut alice, &mut bob] {
        let page = browser.get("/connections/-/audit").await;
        assert!(page.status == 404 && !page.has("Replaced"), "{}", page.body);
    }
    let page = world.browser().get("/connections/-/audit").await;
    assert!(page.has("Sign in to continue") && !page.has("Replaced"));
}

#[tokio::test]
async fn an_audit_that_can_not_be_read_is_said_in_words() {
    let world = World::start().await;
    let root = world.signed_in("root").await;
    let mut nowhere = Browser { router: world.another_gateway(), ..root.clone() };
    let page = nowhere.get("/connections/-/audit").await;
    assert!(page.status == 200 && page.has("No audit is kept"), "{}", page.body);
    let away: Arc<dyn AuditTrail> = Arc::new(Away);
    let router = world.with(|portal| portal.with_audit_trail(away));
    let page = Browser { router, ..root }.get("/connections/-/audit").await;
    assert!(page.status == 503 && page.has("cannot be read right now"), "{}", page.body);
    assert!(!page.has("database is away"), "{}", page.body);
}
