//! How long a session lasts, and for whom.

use std::time::Duration;

use crate::browser::Browser;
use crate::world::World;

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn any_gateway_with_the_same_key_knows_the_user() {
    let world = World::start().await;
    let browser = world.signed_in("alice").await;
    let mut elsewhere = Browser { router: world.another_gateway(), ..browser };
    assert!(elsewhere.get("/connections").await.has("One &#38; Only"));
    let stranger = World::start().await;
    let mut elsewhere = Browser { router: stranger.router.clone(), ..elsewhere };
    assert!(elsewhere.get("/connections").await.has("Sign in to continue"));
}

#[tokio::test]
async fn a_session_ends_when_it_is_idle() {
    let world = World::start().await;
    let mut browser = world.signed_in("alice").await;
    for _ in 0..4 {
        world.clock.advance(20 * MINUTE);
        assert!(browser.get("/connections").await.has("One &#38; Only"));
    }
    world.clock.advance(30 * MINUTE);
    let page = browser.get("/connections/one").await;
    assert!(page.has("Your session has ended") && !page.has("API"), "{}", page.body);
}

#[tokio::test]
async fn a_session_ends_when_it_is_old_however_much_it_is_used() {
    let world = World::start().await;
    let mut browser = world.signed_in("alice").await;
    let mut minutes = 0;
    while browser.get("/connections").await.has("One &#38; Only") {
        world.clock.advance(10 * MINUTE);
        minutes += 10;
        assert!(minutes <= 8 * 60, "still signed in after {minutes} minutes");
    }
    assert_eq!(minutes, 8 * 60);
}

#[tokio::test]
async fn a_session_ends_with_the_key_that_it_rests_on() {
    let world = World::start().await;
    let mut browser = world.signed_in("alice").await;
    world.idp.rotate();
    // A token with the new key makes the gateway fetch the keys anew.
    let another = world.signed_in("bob").await;
    drop(another);
    let page = browser.get("/connections").await;
    assert!(page.has("Your session has ended"), "{}", page.body);
}

#[tokio::test]
async fn a_cookie_that_was_altered_or_put_together_is_nobodys() {
    let world = World::start().await;
    let mut alice = world.signed_in("alice").await;
    let (name, value) = {
        let session = alice.cookies.iter().find(|(name, _)| name.ends_with("session")).unwrap();
        (session.0.clone(), session.1.clone())
    };
    let state = alice.answer_for("alice", "/connections").await;
    let state = state.split("state=").nth(1).unwrap().split('&').next().unwrap().to_owned();
    let swapped: String = value.chars().rev().collect();
    let short = value[..value.len() - 4].to_owned();
    for wrong in ["", "x", &swapped, &short, &format!("{value}AAAA"), &state] {
        let mut browser = world.browser();
        browser.cookies.insert(name.clone(), wrong.to_owned());
        let page = browser.get("/connections").await;
        assert!(page.has("Sign in to continue"), "{wrong}");
    }
    // A second cookie of the same name might be somebody else's.
    let mut browser = world.browser();
    browser.cookies.insert(name.clone(), format!("{value}; {name}={value}"));
    assert!(browser.get("/connections").await.has("Sign in to continue"));
}

#[tokio::test]
async fn signing_out_ends_the_session_and_leads_to_the_issuers_own() {
    let world = World::start().await;
    let mut browser = world.signed_in("alice").await;
    let csrf = browser.get("/connections").await.csrf();
    let forged = browser.clone().post("/connections/-/sign-out", &[("csrf", "x")]).await;
    assert_eq!(forged.status, 403);
    let page = browser.post("/connections/-/sign-out", &[("csrf", &csrf)]).await;
    assert_eq!(page.status, 200);
    assert!(page.has("You are signed out"), "{}", page.body);
    assert!(page.has(&format!("{}/logout?client_id=portal", world.idp.issuer())), "{}", page.body);
    assert!(!browser.cookies.keys().any(|name| name.contains("session")), "{:?}", browser.cookies);
    assert!(browser.get("/connections/one").await.has("Sign in to continue"));
    // Whoever reloads that page is not told that there is none.
    assert_eq!(browser.get("/connections/-/sign-out").await.location(), "/connections");
}

/// A response that is under way brings the cookie of a session that its user has signed out of meanwhile.
#[tokio::test]
async fn a_session_that_was_signed_out_of_does_not_come_back() {
    let world = World::start().await;
    let mut browser = world.signed_in("alice").await;
    let before = browser.clone();
    world.clock.advance(2 * MINUTE);
    let csrf = browser.get("/connections").await.csrf();
    let renewed = browser.clone();
    assert_ne!(before.cookies, renewed.cookies);
    let another = world.signed_in("alice").await;
    assert_eq!(browser.post("/connections/-/sign-out", &[("csrf", &csrf)]).await.status, 200);
    for mut late in [before, renewed] {
        for path in ["/connections", "/connections/one"] {
            let page = late.get(path).await;
            assert!(page.has("Sign in to continue") && !page.has("API"), "{}", page.body);
            assert!(!page.headers.contains_key("set-cookie"));
        }
        let page = late.post("/connections/one", &[("csrf", &csrf), ("v-KEY", "canary-1")]).await;
        assert!(page.has("Sign in to continue"), "{}", page.body);
    }
    // Another session of the same user goes on, and so does a new one.
    for mut other in [another, world.signed_in("alice").await] {
        assert!(other.get("/connections/one").await.has("Incomplete"));
    }
}

#[tokio::test]
async fn two_sign_ins_in_one_browser_do_not_get_into_each_others_way() {
    let world = World::start().await;
    let mut browser = world.browser();
    let first = browser.answer_for("alice", "/connections/one").await;
    let second = browser.answer_for("alice", "/connections/three").await;
    assert_eq!(browser.get(&first).await.location(), "/connections/one");
    assert_eq!(browser.get(&second).await.location(), "/connections/three");
}

#[tokio::test]
async fn a_token_too_long_for_cookies_is_refused_in_words() {
    let world = World::start().await;
    let groups = |count: usize| -> Vec<String> {
        (0..count).map(|number| format!("{number:036}")).chain(["team".to_owned()]).collect()
    };
    let many = groups(150);
    world.idp.add_user("dora", many.iter().map(String::as_str));
    let mut browser = world.signed_in("dora").await;
    let parts = browser.cookies.keys().filter(|name| name.contains("session")).count();
    assert!(parts > 1, "{parts}");
    assert!(browser.get("/connections").await.has("One &#38; Only"));
    let too_many = groups(300);
    world.idp.add_user("dora", too_many.iter().map(String::as_str));
    let page = world.browser().sign_in("dora", "/connections").await;
    assert!(page.status == 400 && page.has("more groups than"), "{}: {}", page.status, page.body);
}
