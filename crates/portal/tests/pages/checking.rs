//! A new value is tried at the backend before it is stored, where the tenant wants that.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode};
use bonafide_testkit::Server;
use serde_json::Value;

use crate::browser::{Browser, Page};
use crate::world::{CANARY, World};

/// What a backend was asked: the method, and the one of the message.
type Asked = Arc<Mutex<Vec<(Method, String)>>>;

/// A backend that knows the canary, and speaks the newer revision only if told so.
async fn backend(modern_only: bool) -> (Server, Asked) {
    let asked = Asked::default();
    let answer = move |State(asked): State<Asked>,
                       method: Method,
                       headers: HeaderMap,
                       body: Bytes| async move {
        let message: Value = serde_json::from_slice(&body).unwrap_or_default();
        let name = message["method"].as_str().unwrap_or_default().to_owned();
        asked.lock().unwrap().push((method, name.clone()));
        let known =
            headers.get("authorization").is_some_and(|it| *it == *format!("Bearer {CANARY}"));
        // RFC 9112, section 3.2: a server refuses a request without.
        let addressed = headers.get_all("host").iter().count() == 1;
        let status = match (&*name, modern_only, known) {
            _ if !addressed => StatusCode::BAD_REQUEST,
            ("initialize", true, _) => StatusCode::BAD_REQUEST,
            (_, _, false) => StatusCode::UNAUTHORIZED,
            _ => StatusCode::OK,
        };
        (status, [("mcp-session-id", "session")], "{}")
    };
    let router = Router::new().fallback(answer).with_state(Arc::clone(&asked));
    (Server::start(router).await, asked)
}

async fn save(browser: &mut Browser, key: &str) -> Page {
    let csrf = browser.get("/connections/one").await.csrf();
    browser.post("/connections/one", &[("csrf", &csrf), ("v-KEY", key), ("v-TEAM", "blue")]).await
}

#[tokio::test]
async fn only_what_the_backend_accepts_is_stored() {
    for modern_only in [false, true] {
        let world = World::start().await;
        let (server, asked) = backend(modern_only).await;
        world.ask(&format!("{}/mcp", server.origin()));
        let mut alice = world.signed_in("alice").await;
        assert!(alice.get("/connections/one").await.has("Check and save"));

        let page = save(&mut alice, "canary-1").await;
        assert_eq!(page.status, 400, "{modern_only}");
        assert!(page.has("One &#38; Only refused what you entered"), "{}", page.body);
        assert!(page.has("value=\"blue\""), "{}", page.body);
        assert!(
            alice.get("/connections/one").await.has("Incomplete"),
            "it was stored all the same"
        );

        let page = save(&mut alice, CANARY).await;
        assert_eq!((page.status, page.location()), (303, "/connections/one?checked"));
        assert!(alice.get("/connections/one?checked").await.has("accepted what you entered"));
        // The stored value is used for the check of another one, and what it began is ended.
        assert_eq!(save(&mut alice, "").await.status, 303);
        let asked = asked.lock().unwrap();
        let names: Vec<&str> = asked.iter().map(|(_, name)| &**name).collect();
        assert!(names.contains(&"initialize"), "{names:?}");
        assert_eq!(names.contains(&"server/discover"), modern_only, "{names:?}");
        assert!(asked.iter().any(|(method, _)| method == Method::DELETE), "{asked:?}");
    }
}

#[tokio::test]
async fn what_can_not_be_checked_is_not_stored() {
    let world = World::start().await;
    let (server, _) = backend(false).await;
    let origin = server.origin();
    drop(server);
    world.ask(&format!("{origin}/mcp"));
    let mut alice = world.signed_in("alice").await;
    let page = save(&mut alice, CANARY).await;
    assert!(page.status == 400 && page.has("does not answer right now"), "{}", page.body);
    assert!(alice.get("/connections/one").await.has("Incomplete"));
}
