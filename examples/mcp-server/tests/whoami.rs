//! The server as its users run it: an issuer, an audience, a client with a token.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use bonafide_testkit::IdentityProvider;
use rmcp::ServiceExt as _;
use rmcp::model::CallToolRequestParams;
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;

struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The running server and its URL.
fn start(issuer: &str) -> (Ended, String) {
    let mut server = Command::new(env!("CARGO_BIN_EXE_mcp-server"))
        .args([issuer, "my-server", "127.0.0.1:0"])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(server.stderr.take().unwrap()).read_line(&mut line).unwrap();
    let url = line.trim().strip_prefix("listening on ").unwrap_or_else(|| panic!("{line}"));
    (Ended(server), url.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tool_knows_who_is_calling() {
    let idp = IdentityProvider::start().await;
    let (_server, url) = start(idp.issuer());
    let alice = idp.user("alice").with_groups(["a", "b"]).with_audience("my-server");
    let config =
        StreamableHttpClientTransportConfig::with_uri(url.as_str()).auth_header(alice.token());
    let client = ().serve(StreamableHttpClientTransport::from_config(config)).await.unwrap();
    let result = client.call_tool(CallToolRequestParams::new("whoami")).await.unwrap();
    let text = result.content.first().and_then(|content| content.as_text()).unwrap();
    assert_eq!(text.text, "You are alice (alice), in 2 groups.");
    client.cancel().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_for_somebody_else_does_not_get_in() {
    let idp = IdentityProvider::start().await;
    let (_server, url) = start(idp.issuer());
    let token = idp.user("alice").with_audience("another-server").token();
    let response = reqwest::Client::new().post(&url).bearer_auth(token).send().await.unwrap();
    assert_eq!(response.status(), 401);
    let challenge = response.headers()["www-authenticate"].to_str().unwrap();
    let metadata = challenge.split('"').find(|part| part.contains("/.well-known/")).unwrap();
    let document: serde_json::Value = reqwest::get(metadata).await.unwrap().json().await.unwrap();
    assert_eq!(document["resource"], url);
    assert_eq!(document["authorization_servers"][0], idp.issuer());
}
