//! Four clients that others wrote: FastMCP, the TypeScript SDK, rmcp, and MCP Inspector.

use anyhow::{Context as _, Result, ensure};
use serde_json::json;

use crate::caller::{ALICES_KEY, Caller, Session};
use crate::client::Outcome;
use crate::rmcp_client;
use crate::world::{PUBLIC_URL, World};

const MODES: [&str; 2] = ["auto", "legacy"];

#[derive(Debug, Clone, Copy, PartialEq)]
enum Client {
    FastMcp,
    TypeScript,
    Rmcp,
    Inspector,
}

const ALL: [Client; 4] = [Client::FastMcp, Client::TypeScript, Client::Rmcp, Client::Inspector];

impl Client {
    async fn session(self, caller: &Caller<'_>, session: &Session<'_>) -> Result<Outcome> {
        let world = caller.world;
        let url = world.endpoint(session.tenant);
        let token = caller.token.as_deref().context("no token")?;
        match self {
            Self::FastMcp => caller.session_of(&world.fastmcp, &url, session),
            Self::TypeScript => caller.session_of(&world.typescript, &url, session),
            Self::Rmcp => Ok(rmcp_client::session(&url, token, session).await),
            Self::Inspector => {
                let (written, outcome) = world.inspector.session(&url, token, session)?;
                caller.note(written.as_bytes());
                Ok(outcome)
            }
        }
    }
}

pub(crate) async fn every_client_lists_and_calls_at_every_server(world: &World) -> Result<()> {
    let alice = world.sign_in("alice").await?;
    alice.enter(ALICES_KEY).await?;
    let servers = [
        ("notes", "headers", json!({}), ALICES_KEY),
        ("everything", "echo", json!({ "message": "Grüße" }), "Echo: Grüße"),
        ("rmcp", "whoami", json!({}), r#""x-user-id":"alice""#),
        ("suite", "greet", json!({ "name": "Ada" }), "Hello, Ada!"),
    ];
    for client in ALL {
        for mode in MODES {
            for (tenant, tool, arguments, expected) in &servers {
                let arguments = arguments.clone();
                let session = Session { tenant, tool, arguments, mode, ..Session::headers() };
                let outcome = client.session(&alice, &session).await?;
                let what = format!("{client:?} {mode} {tenant}: {outcome:?}");
                ensure!(outcome.error.is_empty() && !outcome.is_error, "{what}");
                ensure!(outcome.tools.iter().any(|listed| listed == tool), "{what}");
                ensure!(outcome.text.concat().contains(expected), "{what}");
            }
        }
    }
    Ok(())
}

pub(crate) async fn a_denied_tool_is_not_there_for_any_client(world: &World) -> Result<()> {
    let (alice, dave) = (world.sign_in("alice").await?, world.sign_in("dave").await?);
    // The server has it, as somebody else sees.
    let session = Session { tenant: "suite", tool: "not_for_guests", ..Session::headers() };
    let welcome = Client::TypeScript.session(&alice, &session).await?;
    ensure!(welcome.text == ["Welcome."], "{welcome:?}");
    for (caller, tenant, denied, allowed) in [
        (&dave, "suite", "not_for_guests", "greet"),
        (&alice, "rmcp", "delete_everything", "whoami"),
    ] {
        for client in ALL {
            for mode in MODES {
                let ask = async |tool| {
                    let session = Session { tenant, tool, mode, ..Session::headers() };
                    client.session(caller, &session).await
                };
                let outcome = ask(denied).await?;
                let what = format!("{client:?} {mode} {tenant}: {outcome:?}");
                ensure!(outcome.is_error || !outcome.error.is_empty(), "{what}");
                let tools = match client {
                    // It lists before it calls, and does not even call what is not there.
                    Client::Inspector => outcome.tools,
                    _ => {
                        let unknown = ask("no_such_tool").await?;
                        let same = without(&unknown, "no_such_tool") == without(&outcome, denied);
                        ensure!(same, "{what}, but unknown: {unknown:?}");
                        ask(allowed).await?.tools
                    }
                };
                ensure!(tools.iter().any(|tool| tool == allowed), "{client:?} {mode}: {tools:?}");
                ensure!(!tools.iter().any(|tool| tool == denied), "{client:?} {mode}: {tools:?}");
            }
        }
    }
    Ok(())
}

/// What was said, but for the tool's name.
fn without(outcome: &Outcome, tool: &str) -> String {
    [outcome.error.concat(), outcome.text.concat()].concat().replace(tool, "")
}

pub(crate) async fn every_client_is_told_where_to_enter_a_missing_key(world: &World) -> Result<()> {
    let link = format!("{PUBLIC_URL}/connections/notes");
    let carol = world.sign_in("carol").await?;
    let before = world.recorded("notes")?.0.len();
    for client in ALL {
        for mode in MODES {
            // The only tool that there is: some clients call no other.
            let session = Session { tool: "connect_notes", mode, ..Session::headers() };
            let outcome = client.session(&carol, &session).await?;
            ensure!(outcome.tools == ["connect_notes"], "{client:?} {mode}: {outcome:?}");
            let told = [outcome.error.concat(), outcome.text.concat()].concat();
            ensure!(told.contains(&link), "{client:?} {mode}: no link: {outcome:?}");
            ensure!(outcome.asked.is_empty(), "{client:?} {mode} can't open pages: {outcome:?}");
        }
    }
    ensure!(world.recorded("notes")?.0.len() == before, "something reached the server");
    Ok(())
}

pub(crate) async fn clients_that_can_are_sent_to_the_page(world: &World) -> Result<()> {
    let link = format!("{PUBLIC_URL}/connections/notes");
    let carol = world.sign_in("carol").await?;
    let before = world.recorded("notes")?.0.len();
    for client in [Client::TypeScript, Client::Rmcp] {
        for mode in MODES {
            let session =
                Session { mode, opens: true, tool: "connect_notes", ..Session::headers() };
            let outcome = client.session(&carol, &session).await?;
            ensure!(sent_to(&outcome, &link), "{client:?} {mode}: {outcome:?}");
        }
    }
    ensure!(world.recorded("notes")?.0.len() == before, "something reached the server");
    Ok(())
}

/// In the middle of a session, that is, which began with a key.
pub(crate) async fn a_key_that_goes_missing_is_asked_for_at_the_next_call(
    world: &World,
) -> Result<()> {
    let link = format!("{PUBLIC_URL}/connections/notes");
    let carol = world.sign_in("carol").await?;
    carol.enter("notes-key-of-carol-5Rt8").await?;
    let session = Session { opens: true, ..Session::headers() };
    let (url, token) = (world.endpoint("notes"), carol.token.as_deref().context("no token")?);
    let mut before = 0;
    let between = async {
        carol.remove().await?;
        before = world.recorded("notes")?.0.len();
        Ok(())
    };
    let outcome = rmcp_client::session_with(&url, token, &session, between).await?;
    ensure!(sent_to(&outcome, &link), "{outcome:?}");
    ensure!(world.recorded("notes")?.0.len() == before, "something reached the server");
    Ok(())
}

/// Whether the user was asked to open the page, and nothing was done without.
fn sent_to(outcome: &Outcome, link: &str) -> bool {
    let asked = outcome.asked.len() == 1 && outcome.asked.iter().all(|page| page.starts_with(link));
    asked && (outcome.is_error || !outcome.error.is_empty())
}
