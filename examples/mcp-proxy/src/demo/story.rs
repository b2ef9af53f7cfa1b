//! The steps, each with what should happen and a check that it did.

use anyhow::{Context as _, Result, ensure};
use bonafide_testkit::Issuer;
use rmcp::model::{CallToolRequestParams, Tool};

use super::client::Client;
use super::world::{AUDIENCE, World};

const ALICES_KEY: &str = "ghp_aliceAliceAliceAliceAliceAliceAlice01";
const BOBS_KEY: &str = "ghp_bobBobBobBobBobBobBobBobBobBobBobBob02";

/// Tells the story and keeps count of what went wrong.
pub(crate) struct Story<'w> {
    world: &'w World,
    number: usize,
    all_well: bool,
}

impl<'w> Story<'w> {
    pub(crate) fn new(world: &'w World) -> Self {
        Self { world, number: 0, all_well: true }
    }

    /// Whether every step was as it should be.
    pub(crate) async fn tell(&mut self) -> bool {
        let World { origin, idp, .. } = self.world;
        println!("An identity provider at {}, the proxy at {origin},", idp.issuer());
        println!(
            "and behind it two MCP servers: `github` for the group MCP-GitHub, `jira` for MCP-Jira."
        );
        println!("Alice is in both groups, Bob in MCP-GitHub, Carol in none.\n");
        let world = self.world;
        self.step(
            "A caller without a token is sent to the identity provider",
            no_token(world).await,
        );
        self.step("A token that somebody else signed is refused", forged_token(world).await);
        self.step(
            "A token that was issued for another service is refused",
            wrong_audience(world).await,
        );
        self.step(
            "Carol is signed in, but in no group that may use GitHub",
            wrong_group(world).await,
        );
        self.step("Alice may, but has not entered her key: she gets a link", missing(world).await);
        self.step(
            "Alice enters her key; a typo is refused before it is stored",
            enter(world).await,
        );
        self.step("Alice's call reaches GitHub with her key and her name", call(world).await);
        self.step("Bob enters his own key, and only his is sent for him", bob(world).await);
        self.step("Headers that a client makes up do not get through", forged_headers(world).await);
        self.step("A tool that the policy denies is hidden", denied_tool(world).await);
        self.step("Jira gets user name and token as Basic, and Alice's groups", jira(world).await);
        self.all_well
    }

    fn step(&mut self, title: &str, outcome: Result<String>) {
        self.number += 1;
        match outcome {
            Ok(seen) => println!("{:>2}. {title}.\n    ✓ {seen}", self.number),
            Err(error) => {
                self.all_well = false;
                println!("{:>2}. {title}.\n    ✗ not so: {error:#}", self.number);
            }
        }
    }
}

async fn no_token(world: &World) -> Result<String> {
    let response = reqwest::Client::new().post(world.endpoint("github")).body("{}").send().await?;
    ensure!(response.status() == 401, "status {}", response.status());
    let challenge = response.headers().get("www-authenticate").context("no challenge")?;
    let challenge = challenge.to_str()?.to_owned();
    let metadata = challenge
        .split_once("resource_metadata=\"")
        .and_then(|(_, rest)| rest.split_once('"'))
        .map(|(url, _)| url.to_owned())
        .context("the challenge names no metadata")?;
    let document: serde_json::Value =
        reqwest::get(&metadata).await?.error_for_status()?.json().await?;
    let server = document.pointer("/authorization_servers/0").and_then(|server| server.as_str());
    ensure!(server == Some(world.idp.issuer()), "the metadata names another issuer");
    ensure!(
        document.get("resource").and_then(|resource| resource.as_str())
            == Some(world.endpoint("github").as_str()),
        "the metadata is for another resource"
    );
    Ok(format!("401, and {metadata} names the identity provider"))
}

async fn forged_token(world: &World) -> Result<String> {
    let stranger = Issuer::new(world.idp.issuer());
    let token = stranger.user("alice").with_groups(["MCP-GitHub"]).with_audience(AUDIENCE).token();
    refused(world, token).await
}

async fn wrong_audience(world: &World) -> Result<String> {
    let user = world.idp.user("alice").with_groups(["MCP-GitHub"]);
    refused(world, user.with_audience("api://another-service").token()).await
}

async fn refused(world: &World, token: String) -> Result<String> {
    let client = Client::with_token(world, token);
    let (status, _) = client.post_call("github", "whoami").await?;
    ensure!(status == 401, "status {status}");
    Ok("401".to_owned())
}

async fn wrong_group(world: &World) -> Result<String> {
    let carol = Client::sign_in(world, "carol").await?;
    let (status, body) = carol.post_call("github", "whoami").await?;
    ensure!(status == 403, "status {status}");
    let message = body.pointer("/error/message").and_then(|message| message.as_str());
    Ok(format!("403: {}", message.context("no JSON-RPC error")?))
}

async fn missing(world: &World) -> Result<String> {
    let alice = Client::sign_in(world, "alice").await?;
    let page = format!("{}/connections/github", world.origin);
    // Her client connects, and finds nothing but the way to the page.
    let session = alice.connect("github", &[]).await?;
    let listed = session.list_all_tools().await?;
    let told = |tool: &Tool| tool.description.as_deref().is_some_and(|text| text.contains(&page));
    ensure!(listed.len() == 1 && listed.iter().all(told), "no link in: {listed:?}");
    session.cancel().await?;
    let (status, body) = alice.post_call("github", "whoami").await?;
    let text = body.pointer("/result/content/0/text").and_then(|text| text.as_str());
    let text = text.context("no tool error")?;
    ensure!(status == 200 && text.contains(&page), "status {status}, {text}");
    ensure!(reqwest::get(&page).await?.status() == 200, "the page is not there");
    Ok(text.to_owned())
}

async fn enter(world: &World) -> Result<String> {
    let alice = Client::sign_in(world, "alice").await?;
    let typo = alice.store("github", "GITHUB_TOKEN", "hunter2").await?;
    ensure!(typo.status() == 400, "the typo was taken: status {}", typo.status());
    let stored = alice.store("github", "GITHUB_TOKEN", ALICES_KEY).await?;
    ensure!(stored.status() == 204, "status {}", stored.status());
    Ok("400 for the typo, 204 for the key, which is sealed before it is stored".to_owned())
}

async fn call(world: &World) -> Result<String> {
    let alice = Client::sign_in(world, "alice").await?;
    let seen = alice.headers_at("github", &[]).await?;
    let authorization = seen.get("authorization").map(String::as_str);
    ensure!(authorization == Some(&format!("Bearer {ALICES_KEY}")), "the backend saw another key");
    ensure!(seen.get("x-user-id").map(String::as_str) == Some("alice"), "no X-User-Id");
    let leaked = seen.values().any(|value| value.contains(&alice.token));
    ensure!(!leaked, "her own token went on to the backend");
    Ok("X-User-Id: alice, Authorization: her key; her own token went no further".to_owned())
}

async fn bob(world: &World) -> Result<String> {
    let bob = Client::sign_in(world, "bob").await?;
    let (_, before) = bob.post_call("github", "whoami").await?;
    ensure!(
        before.pointer("/result/isError") == Some(&true.into()),
        "Bob got through without a key"
    );
    bob.store("github", "GITHUB_TOKEN", BOBS_KEY).await?.error_for_status()?;
    let seen = bob.headers_at("github", &[]).await?;
    let authorization = seen.get("authorization").map(String::as_str);
    ensure!(authorization == Some(&format!("Bearer {BOBS_KEY}")), "the backend saw another key");
    ensure!(!seen.values().any(|value| value.contains(ALICES_KEY)), "Alice's key was sent for Bob");
    Ok("before: a link like Alice's; after: Bob's key".to_owned())
}

async fn forged_headers(world: &World) -> Result<String> {
    let alice = Client::sign_in(world, "alice").await?;
    let forged = [
        ("x-user-id", "admin"),
        ("x_user_id", "admin"),
        ("x-forwarded-user", "admin"),
        ("cookie", "a=b"),
    ];
    let seen = alice.headers_at("github", &forged).await?;
    ensure!(seen.get("x-user-id").map(String::as_str) == Some("alice"), "X-User-Id is not hers");
    let through = forged.iter().find(|(name, _)| *name != "x-user-id" && seen.contains_key(*name));
    ensure!(through.is_none(), "{through:?} got through");
    Ok("the backend saw X-User-Id: alice, and nothing of the rest".to_owned())
}

async fn denied_tool(world: &World) -> Result<String> {
    let alice = Client::sign_in(world, "alice").await?;
    let session = alice.connect("github", &[]).await?;
    let listed = session.list_all_tools().await?;
    ensure!(listed.iter().any(|tool| tool.name == "whoami"), "`whoami` is not listed");
    ensure!(!listed.iter().any(|tool| tool.name == "delete_everything"), "it is listed");
    let answer = async |tool: &'static str| {
        let answer = session.call_tool(CallToolRequestParams::new(tool)).await;
        format!("{answer:?}").replace(tool, "TOOL")
    };
    let (denied, absent) = (answer("delete_everything").await, answer("no_such_tool").await);
    ensure!(denied == absent, "its answer tells that it is there: {denied}");
    session.cancel().await?;
    Ok("not listed; and called by name, answered like a tool that is not there".to_owned())
}

async fn jira(world: &World) -> Result<String> {
    let alice = Client::sign_in(world, "alice").await?;
    alice.store("jira", "JIRA_USER", "alice@example.com").await?.error_for_status()?;
    alice.store("jira", "JIRA_TOKEN", "jira-secret").await?.error_for_status()?;
    let seen = alice.headers_at("jira", &[]).await?;
    let authorization = seen.get("authorization").map(String::as_str);
    // printf 'alice@example.com:jira-secret' | base64
    let expected = "Basic YWxpY2VAZXhhbXBsZS5jb206amlyYS1zZWNyZXQ=";
    ensure!(authorization == Some(expected), "the backend saw other credentials");
    let groups = seen.get("x-groups").context("no X-Groups")?;
    ensure!(groups == "MCP-GitHub;MCP-Jira", "the backend saw other groups");
    Ok(format!("Authorization: Basic …, X-Groups: {groups}"))
}
