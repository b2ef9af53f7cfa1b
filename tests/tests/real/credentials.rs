//! Whose key goes where.

use anyhow::{Context as _, Result, ensure};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::backends::Headers;
use crate::caller::{ALICES_KEY, BOBS_KEY, Caller, Session};
use crate::client::Outcome;
use crate::scan::Needle;
use crate::world::{PUBLIC_URL, World};

pub(crate) async fn fastmcp_reaches_fastmcp_with_alices_key(world: &World) -> Result<()> {
    let alice = world.sign_in("alice").await?;
    alice.enter(ALICES_KEY).await?;
    for (mode, revision) in [("auto", "2026-07-28"), ("legacy", "2025-")] {
        let before = world.recorded("notes")?.0.len();
        let seen = seen(&alice.session(&Session { mode, ..Session::headers() })?).context(mode)?;
        ensure!(header(&seen, "authorization") == Some(&format!("Bearer {ALICES_KEY}")), "{mode}");
        ensure!(header(&seen, "x-user-id") == Some("alice"), "{mode}: {seen}");
        let version = header(&seen, "mcp-protocol-version").unwrap_or_default();
        ensure!(version.starts_with(revision), "{mode}: spoke {version}");
        // Not only the call of the tool: everything that belongs to the session.
        let requests = world.recorded("notes")?.since(before);
        ensure!(requests.len() >= 3, "{mode}: only {} requests", requests.len());
        for request in &requests {
            carries(request, "alice", ALICES_KEY).context(mode)?;
        }
    }
    Ok(())
}

pub(crate) async fn a_user_without_a_key_gets_a_link_and_no_further(world: &World) -> Result<()> {
    let link = format!("{PUBLIC_URL}/connections/notes");
    world.sign_in("alice").await?.enter(ALICES_KEY).await?;
    let carol = world.sign_in("carol").await?;
    let before = world.recorded("notes")?.0.len();
    let answer = carol.call_headers().await?;
    let body: Value = serde_json::from_str(&answer.body)?;
    ensure!(body.pointer("/result/isError") == Some(&true.into()), "{answer:?}");
    ensure!(answer.body.contains(&link), "{answer:?}");
    for mode in ["auto", "legacy"] {
        let outcome = carol.session(&Session { mode, ..Session::headers() })?;
        ensure!(outcome.tools == ["connect_notes"], "{mode}: {outcome:?}");
        ensure!(outcome.is_error && outcome.text.concat().contains(&link), "{mode}: {outcome:?}");
    }
    ensure!(world.recorded("notes")?.0.len() == before, "something reached the server");
    Ok(())
}

pub(crate) async fn bob_is_sent_his_own_key_and_never_sees_alices(world: &World) -> Result<()> {
    world.sign_in("alice").await?.enter(ALICES_KEY).await?;
    let bob = world.sign_in("bob").await?;
    bob.enter(BOBS_KEY).await?;
    let before = world.recorded("notes")?.0.len();
    for mode in ["auto", "legacy"] {
        let seen = seen(&bob.session(&Session { mode, ..Session::headers() })?).context(mode)?;
        ensure!(header(&seen, "authorization") == Some(&format!("Bearer {BOBS_KEY}")), "{mode}");
    }
    for request in &world.recorded("notes")?.since(before) {
        carries(request, "bob", BOBS_KEY)?;
    }
    let list = bob.send(bob.request(Method::GET, "/api/tenants")).await?;
    ensure!(list.status == StatusCode::OK && list.body.contains("NOTES_KEY"), "{list:?}");
    ensure!(!list.body.contains(BOBS_KEY), "a key came back out");
    Ok(())
}

pub(crate) async fn bob_can_not_use_alices_session(world: &World) -> Result<()> {
    let (alice, bob) = (world.sign_in("alice").await?, world.sign_in("bob").await?);
    alice.enter(ALICES_KEY).await?;
    bob.enter(BOBS_KEY).await?;
    let id = alice.initialize("notes").await?;
    let call = json!({
        "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": "headers" }
    });
    let by_alice = alice.message("notes", &call).header("mcp-session-id", &id);
    let by_alice = alice.send(by_alice).await?;
    ensure!(by_alice.body.contains(ALICES_KEY), "the session is not hers: {by_alice:?}");
    let before = world.recorded("notes")?.0.len();
    for request in [
        bob.message("notes", &call),
        bob.request(Method::GET, "/notes/mcp").header("accept", "text/event-stream"),
        bob.request(Method::DELETE, "/notes/mcp"),
    ] {
        let answer = bob.send(request.header("mcp-session-id", &id)).await?;
        ensure!(answer.status == StatusCode::NOT_FOUND, "{answer:?}");
    }
    ensure!(world.recorded("notes")?.0.len() == before, "something reached the server");
    Ok(())
}

pub(crate) async fn headers_that_a_client_makes_up_do_not_arrive(world: &World) -> Result<()> {
    let made_up = [
        ("X-User-Id", "x-user-id"),
        ("x_user_id", "x-user-id"),
        ("X-USER_ID", "x-user-id"),
        ("X-Forwarded-User", "x-forwarded-user"),
        ("X-Auth-Request-Email", "x-auth-request-email"),
        ("Remote-User", "remote-user"),
        ("Cookie", "cookie"),
    ];
    let alice = world.sign_in("alice").await?;
    alice.enter(ALICES_KEY).await?;
    for (typed, name) in made_up {
        let session = Session { headers: json!({ typed: "forged=admin" }), ..Session::headers() };
        // Without the proxy it does arrive: client and server would have passed it on.
        let before = world.recorded("notes")?.0.len();
        let directly = Caller::new(world, "alice", None);
        directly.session_at(&format!("{}/mcp", world.notes.origin()), &session)?;
        let direct = world.recorded("notes")?.since(before);
        let arrived = direct.iter().all(|request| request.all(name) == ["forged=admin"]);
        ensure!(!direct.is_empty() && arrived, "`{typed}` does not even arrive directly");

        let before = world.recorded("notes")?.0.len();
        seen(&alice.session(&session)?).context(typed)?;
        for request in world.recorded("notes")?.since(before) {
            carries(&request, "alice", ALICES_KEY).context(typed)?;
            ensure!(!request.text().contains("forged"), "`{typed}` arrived: {}", request.text());
        }
    }
    Ok(())
}

pub(crate) async fn a_tenant_of_another_team_is_closed(world: &World) -> Result<()> {
    let bob = world.sign_in("bob").await?;
    let before = world.recorded("everything")?.0.len();
    let call = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" });
    let answer = bob.post("everything", &call).await?;
    ensure!(answer.status == StatusCode::FORBIDDEN, "{answer:?}");
    let list = bob.send(bob.request(Method::GET, "/api/tenants")).await?;
    ensure!(!list.body.contains("everything"), "{list:?}");
    ensure!(world.recorded("everything")?.0.len() == before, "something reached the server");
    Ok(())
}

/// What the tool `headers` told.
fn seen(outcome: &Outcome) -> Result<Value> {
    ensure!(outcome.error.is_empty() && !outcome.is_error, "{outcome:?}");
    ensure!(outcome.tools == ["headers"], "{outcome:?}");
    Ok(serde_json::from_str(outcome.text.first().context("no text")?)?)
}

fn header<'a>(seen: &'a Value, name: &str) -> Option<&'a str> {
    seen.get(name).and_then(Value::as_str)
}

/// This user's name and key, each once, and nobody else's key.
fn carries(request: &Headers, user: &str, key: &str) -> Result<()> {
    ensure!(request.all("x-user-id") == [user], "{}", request.text());
    ensure!(request.all("authorization") == [format!("Bearer {key}")], "{}", request.text());
    for other in [ALICES_KEY, BOBS_KEY].into_iter().filter(|other| *other != key) {
        let found = Needle::of(other).is_in(request.text().as_bytes());
        ensure!(!found, "somebody else's key was sent for {user}");
    }
    Ok(())
}
