//! Calls, one by one and at once.

use std::collections::HashSet;
use std::time::Duration;

use bonafide_mcp::Limits;
use bonafide_tests::{CANARY, World, call};
use futures_util::future::join_all;
use http::Version;
use reqwest::{Method, StatusCode};
use serde_json::Value;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;
use tokio::time::timeout;
use tokio_rustls::rustls::version::{TLS12, TLS13};

use crate::authority::{Versions, trusted};
use crate::backend::{Backend, MEETING, NAME};

const SOON: Duration = Duration::from_secs(10);

/// The type of a TLS record: RFC 8446, section 5.1.
const HANDSHAKE: u8 = 22;

pub(crate) async fn best_version() {
    let offers: [(&[&str], Version); 4] = [
        (&["http/1.1"], Version::HTTP_11),
        (&[], Version::HTTP_11),
        (&["h2"], Version::HTTP_2),
        (&["h2", "http/1.1"], Version::HTTP_2),
    ];
    for (protocols, version) in offers {
        let backend = Backend::start(trusted().server(NAME), protocols).await;
        let world = World::start(&[("t", backend.url())], Limits::default()).await;
        let alice = world.user("alice", &["t"]);
        world.store(&alice, "t", CANARY).await;
        let response = world.call("t", &alice, "whoami").send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK, "{protocols:?}");
        let answer: Value = response.json().await.unwrap();
        assert_eq!(answer["id"], 7);
        let seen = backend.seen();
        assert_eq!(seen.len(), 1);
        let seen = &seen[0];
        assert_eq!(seen.version, version, "{protocols:?}");
        assert_eq!(seen.uri.path(), "/mcp");
        // RFC 9113, section 8.3.1: `:authority` stands for `Host`, which is left out.
        let authority = seen.uri.authority().map(|authority| authority.as_str());
        let host = seen.headers.get("host").map(|host| host.to_str().unwrap());
        let expected = Some(backend.authority());
        match version {
            Version::HTTP_2 => assert_eq!((authority, host), (expected.as_deref(), None)),
            _ => assert_eq!((authority, host), (None, expected.as_deref())),
        }
        let sent: Vec<_> = seen.headers.get_all("authorization").iter().collect();
        assert_eq!(sent, [&format!("Bearer {CANARY}")], "{protocols:?}");
        assert_eq!(seen.headers["x-user-id"], "alice");
        let token = alice.token();
        let (head, _) = token.split_once('.').unwrap();
        let mut values = seen.headers.values().map(|value| value.to_str().unwrap());
        assert!(!values.any(|value| value.contains(head)), "{:?}", seen.headers);
    }
}

pub(crate) async fn versions_of_tls() {
    const VERSIONS: [Versions; 2] = [&[&TLS12], &[&TLS13]];
    for versions in VERSIONS {
        let backend = Backend::start(trusted().server_of(NAME, versions), &["h2"]).await;
        let world = World::start(&[("t", backend.url())], Limits::default()).await;
        let alice = world.user("alice", &["t"]);
        world.store(&alice, "t", CANARY).await;
        let response = world.call("t", &alice, "whoami").send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK, "{versions:?}");
    }
}

/// Somebody who takes connections and says nothing.
pub(crate) async fn no_handshake() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("https://{NAME}:{}/mcp", listener.local_addr().unwrap().port());
    let limits = Limits::default().with_answer_time(Duration::from_millis(300));
    let world = World::start(&[("t", url)], limits).await;
    let alice = world.user("alice", &["t"]);
    world.store(&alice, "t", CANARY).await;
    let call = tokio::spawn(world.call("t", &alice, "whoami").send());
    let (mut stream, _) = timeout(SOON, listener.accept()).await.unwrap().unwrap();
    let response = timeout(SOON, call).await.unwrap().unwrap().unwrap();
    assert_eq!(response.status(), StatusCode::GATEWAY_TIMEOUT);
    let error: Value = response.json().await.unwrap();
    assert_eq!((&error["id"], &error["error"]["code"]), (&7.into(), &504.into()), "{error}");
    // Nothing but what opens the handshake has been sent, and nobody waits any more.
    let mut sent = Vec::new();
    timeout(SOON, stream.read_to_end(&mut sent)).await.unwrap().unwrap();
    assert_eq!(sent.first(), Some(&HANDSHAKE));
    assert!(!sent.windows(CANARY.len()).any(|sent| sent == CANARY.as_bytes()));
}

pub(crate) async fn shared_connection() {
    for (protocol, shared) in [("h2", true), ("http/1.1", false)] {
        let backend = Backend::start(trusted().server(NAME), &[protocol]).await;
        let world = World::start(&[("t", backend.url())], Limits::default()).await;
        let names: Vec<String> = (0..MEETING).map(|number| format!("user-{number}")).collect();
        let users: Vec<_> = names.iter().map(|name| world.user(name, &["t"])).collect();
        for (user, name) in users.iter().zip(&names) {
            world.store(user, "t", &format!("key-of-{name}")).await;
        }
        // Those that come before the version is known open one each.
        world.call("t", &users[0], "whoami").send().await.unwrap().error_for_status().unwrap();
        // None is answered before all are there.
        let calls = users.iter().enumerate().map(async |(number, user)| {
            let mut message = call("meet");
            message["id"] = number.into();
            let request = world.request(Method::POST, "t", user).json(&message);
            request.send().await.unwrap().json::<Value>().await.unwrap()
        });
        for (number, answer) in join_all(calls).await.into_iter().enumerate() {
            assert_eq!(answer["id"], number, "{protocol}: {answer}");
            let text = &answer["result"]["content"][0]["text"];
            assert_eq!(text, &format!("Bearer key-of-{}", names[number]), "{protocol}: {answer}");
        }
        let used: HashSet<usize> = backend.seen().iter().map(|seen| seen.connection).collect();
        assert_eq!(backend.seen().len(), MEETING + 1, "{protocol}");
        // The first one's may be used again, or not yet.
        let expected = if shared { 1..=1 } else { MEETING..=MEETING + 1 };
        assert!(expected.contains(&used.len()), "{protocol}: {} connections", used.len());
    }
}
