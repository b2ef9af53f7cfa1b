//! `server-everything`: sessions, and events that arrive while the tool runs.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::caller::Session;
use crate::world::World;

/// The tool takes this long, in as many steps.
const SECONDS: f64 = 2.0;
const STEPS: usize = 4;

pub(crate) async fn server_everything_lists_its_tools_and_echoes(world: &World) -> Result<()> {
    let alice = world.sign_in("alice").await?;
    // `auto` asks for the newest revision first, which this server refuses: the refusal must get through as it is.
    for mode in ["auto", "legacy"] {
        let before = world.recorded("everything")?.0.len();
        let echo = alice.session(&Session {
            tenant: "everything",
            tool: "echo",
            arguments: json!({ "message": "Grüße, 世界" }),
            mode,
            ..Session::headers()
        })?;
        ensure!(echo.text == ["Echo: Grüße, 世界"], "{mode}: {echo:?}");
        ensure!(echo.tools.len() > 5 && echo.tools.iter().any(|tool| tool == "echo"), "{echo:?}");
        let requests = world.recorded("everything")?.since(before);
        ensure!(!requests.is_empty(), "nothing reached the server");
        for request in requests {
            ensure!(request.all("x-user-id") == ["alice"], "{}", request.text());
            ensure!(request.all("authorization").is_empty(), "{}", request.text());
        }
    }
    Ok(())
}

pub(crate) async fn progress_arrives_event_by_event(world: &World) -> Result<()> {
    let alice = world.sign_in("alice").await?;
    let id = alice.initialize("everything").await?;
    let call = json!({
        "jsonrpc": "2.0", "id": 7, "method": "tools/call",
        "params": {
            "name": "trigger-long-running-operation",
            "arguments": { "duration": SECONDS, "steps": STEPS },
            "_meta": { "progressToken": "p" },
        },
    });
    let mut response =
        alice.message("everything", &call).header("mcp-session-id", &id).send().await?;
    ensure!(response.status() == StatusCode::OK, "{response:?}");
    let media_type = response.headers().get("content-type").context("no type")?.to_str()?;
    ensure!(media_type.starts_with("text/event-stream"), "{media_type}");
    let mut arrived: Vec<(Instant, Value)> = Vec::new();
    let mut buffer = String::new();
    while let Some(chunk) = response.chunk().await? {
        buffer.push_str(std::str::from_utf8(&chunk)?);
        while let Some((event, rest)) = buffer.split_once("\n\n") {
            let data = event.lines().find_map(|line| line.strip_prefix("data: "));
            if let Some(data) = data.filter(|data| !data.is_empty()) {
                arrived.push((Instant::now(), serde_json::from_str(data)?));
            }
            buffer = rest.to_owned();
        }
    }
    let (result, progress) = arrived.split_last().context("no events")?;
    ensure!(result.1.get("id") == Some(&7.into()), "the last event is not the result: {result:?}");
    let steps: Vec<_> =
        progress.iter().map(|(_, event)| event.pointer("/params/progress")).collect();
    let expected: Vec<Value> = (1..=STEPS).map(Value::from).collect();
    ensure!(steps == expected.iter().map(Some).collect::<Vec<_>>(), "{arrived:?}");
    // Each event at its time: had one waited for the next, a gap would be missing.
    let step = Duration::from_secs_f64(SECONDS / STEPS as f64);
    for (earlier, later) in progress.iter().zip(progress.iter().skip(1)) {
        let gap = later.0 - earlier.0;
        ensure!(gap > step / 2, "two events came together, {gap:?} apart");
    }
    Ok(())
}

pub(crate) async fn fastmcp_sees_progress_while_the_tool_runs(world: &World) -> Result<()> {
    let alice = world.sign_in("alice").await?;
    let outcome = alice.session(&Session {
        tenant: "everything",
        tool: "trigger-long-running-operation",
        arguments: json!({ "duration": SECONDS, "steps": STEPS }),
        ..Session::headers()
    })?;
    ensure!(outcome.text.concat().contains("completed"), "{outcome:?}");
    let steps: Vec<f64> = outcome.progress.iter().map(|step| step.progress).collect();
    ensure!(steps == [1.0, 2.0, 3.0, 4.0], "{outcome:?}");
    let first = outcome.progress.first().context("no progress")?;
    ensure!(outcome.ended - first.at > SECONDS / 2.0, "it came with the result: {outcome:?}");
    Ok(())
}

pub(crate) async fn a_session_has_a_stream_of_its_own_and_an_end(world: &World) -> Result<()> {
    let alice = world.sign_in("alice").await?;
    let id = alice.initialize("everything").await?;
    let path = "/everything/mcp";
    let stream = alice.request(Method::GET, path).header("accept", "text/event-stream");
    let stream = stream.header("mcp-session-id", &id).send().await?;
    ensure!(stream.status() == StatusCode::OK, "{stream:?}");
    drop(stream);
    let end = alice.request(Method::DELETE, path).header("mcp-session-id", &id);
    let ended = alice.send(end).await?;
    ensure!(ended.status == StatusCode::OK, "{ended:?}");
    let list = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" });
    let after = alice.message("everything", &list).header("mcp-session-id", &id);
    let after = alice.send(after).await?;
    ensure!(after.status.is_client_error(), "the session goes on: {after:?}");
    Ok(())
}
