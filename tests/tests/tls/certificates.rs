//! Backends that are not who they should be.

use bonafide_mcp::Limits;
use bonafide_tests::{CANARY, World};
use reqwest::StatusCode;
use serde_json::Value;

use crate::authority::{Authority, trusted};
use crate::backend::{Backend, NAME};

pub(crate) async fn refused() {
    let servers = [
        ("of an unknown authority", Authority::new().server(NAME)),
        ("for another name", trusted().server("elsewhere.example")),
        ("expired", trusted().expired(NAME)),
    ];
    for (what, server) in servers {
        let backend = Backend::start(server, &["h2", "http/1.1"]).await;
        let world = World::start(&[("t", backend.url())], Limits::default()).await;
        let alice = world.user("alice", &["t"]);
        world.store(&alice, "t", CANARY).await;
        let response = world.call("t", &alice, "whoami").send().await.unwrap();
        assert_eq!(response.status(), StatusCode::BAD_GATEWAY, "{what}");
        let error: Value = response.json().await.unwrap();
        assert_eq!((&error["id"], &error["error"]["code"]), (&7.into(), &502.into()), "{what}");
        assert!(!error.to_string().contains(CANARY), "{what}: {error}");
        assert!(backend.connections() > 0, "{what}: nobody came");
        assert!(backend.seen().is_empty(), "{what}: it was sent a request");
    }
}
