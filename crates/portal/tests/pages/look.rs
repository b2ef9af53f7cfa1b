//! What pages are sent with, how large they are, and what an embedding program changes.

use std::time::{Duration, Instant};

use bonafide_portal::{Look, Texts};

use crate::browser::{Browser, Page};
use crate::world::World;

#[tokio::test]
async fn every_page_runs_nothing_loads_nothing_and_is_kept_nowhere() {
    let world = World::start().await;
    let mut alice = world.signed_in("alice").await;
    let mut stranger = world.browser();
    let paths =
        ["/connections", "/connections/one", "/connections/two", "/connections/one/remove/KEY"];
    let mut root = world.signed_in("root").await;
    for (browser, path) in
        paths.map(|path| (true, path)).into_iter().chain(paths.map(|path| (false, path)))
    {
        let page = if browser { alice.get(path).await } else { stranger.get(path).await };
        strict(path, &page);
    }
    for path in ["/connections/-/users", "/connections/-/audit", "/connections/-/audit?user=x"] {
        let mut page = root.get(path).await;
        page.body = page.body.replace(world.idp.issuer(), "issuer");
        strict(path, &page);
    }
}

/// What every page is sent with.
fn strict(path: &str, page: &Page) {
    let header = |name: &str| page.headers[name].to_str().unwrap().to_owned();
    let policy = header("content-security-policy");
    for part in [
        "default-src 'none'",
        "style-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    ] {
        assert!(policy.contains(part), "{path}: {policy}");
    }
    assert!(!policy.contains("unsafe") && !policy.contains("script-src"), "{path}: {policy}");
    assert_eq!(header("cache-control"), "no-store", "{path}");
    assert_eq!(header("referrer-policy"), "same-origin", "{path}");
    assert_eq!(header("x-content-type-options"), "nosniff", "{path}");
    for word in ["<script", " style=", "<style", "javascript:", "http://", "src=", " onclick"] {
        assert!(!page.has(word), "{path} has {word}");
    }
    assert!(page.body.len() < 50_000, "{path}: {}", page.body.len());
}

#[tokio::test]
async fn what_an_administrator_or_a_user_wrote_is_text_and_never_markup() {
    let world = World::start().await;
    let mut alice = world.signed_in("alice").await;
    let page = alice.get("/connections/one").await;
    assert!(page.has("API &#60;key&#62;") && page.has("&#60;b&#62;more"), "{}", page.body);
    assert!(!page.has("<key>") && !page.has("<b>"), "{}", page.body);
}

#[tokio::test]
async fn an_embedding_program_brings_its_own_look() {
    let world = World::start().await;
    let alice = world.signed_in("alice").await;
    let mut texts = Texts::english();
    texts.lang = "de".into();
    texts.connections = "Verbindungen".into();
    texts.incomplete_text = "Es fehlt: {names} <b>".into();
    let look = Look::default()
        .with_header_html("<p id=\"theirs\">Example Corp</p>")
        .with_footer_html("<p>Help</p>")
        .with_extra_style(".theirs { color: red }")
        .with_texts(texts);
    let mut browser = Browser { router: world.with_look(look), ..alice.clone() };
    let page = browser.get("/connections").await;
    for text in ["<p id=\"theirs\">", "<p>Help</p>", "lang=\"de\"", "<h1>Verbindungen</h1>"] {
        assert!(page.has(text), "{text}: {}", page.body);
    }
    assert!(page.has("Es fehlt: API &#60;key&#62; &#60;b&#62;"), "{}", page.body);
    let style = |page: &crate::browser::Page| {
        let (_, rest) = page.body.split_once("stylesheet\" href=\"").unwrap();
        rest.split_once('"').unwrap().0.to_owned()
    };
    let theirs = style(&page);
    assert!(browser.get(&theirs).await.has(".theirs { color: red }"));
    let ours = style(&alice.clone().get("/connections").await);
    assert_ne!(ours, theirs);
    let whole = Look::default().with_style("main { color: blue }");
    let mut browser = Browser { router: world.with_look(whole), ..alice };
    let page = browser.get("/connections").await;
    let sheet = browser.get(&style(&page)).await;
    assert!(sheet.has("main { color: blue }") && !sheet.has("--accent"), "{}", sheet.body);
    assert!(sheet.headers["cache-control"].to_str().unwrap().contains("max-age"));
}

/// Generous, for a build without optimisation on a machine that is busy: the goal is 5 ms in a release build.
#[tokio::test]
async fn a_page_is_made_in_no_time() {
    let world = World::start().await;
    let mut alice = world.signed_in("alice").await;
    let mut best = Duration::MAX;
    for _ in 0..50 {
        let start = Instant::now();
        assert_eq!(alice.get("/connections/one").await.status, 200);
        best = best.min(start.elapsed());
    }
    println!("a page takes {best:?} at best");
    assert!(best < Duration::from_millis(20), "{best:?}");
}
