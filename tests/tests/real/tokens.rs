//! Which tokens get in.

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64URL;
use reqwest::{Method, StatusCode};
use serde_json::Value;

use crate::caller::{ALICES_KEY, Answer, Caller};
use crate::sign_in::Wish;
use crate::world::{PUBLIC_URL, World};

const ALGORITHMS: [&str; 5] = ["RS256", "PS256", "ES256", "ES384", "EdDSA"];

pub(crate) async fn accepts_tokens_of_all_five_algorithms(world: &World) -> Result<()> {
    for algorithm in ALGORITHMS {
        let alice = world.sign_in_as(Wish { algorithm, ..Wish::of("alice") }).await?;
        let token = alice.token.as_deref().context("no token")?;
        let header = part(token, 0)?;
        ensure!(header.get("alg") == Some(&algorithm.into()), "the provider signed with {header}");
        ensure!(header.get("typ") == Some(&"at+jwt".into()), "not RFC 9068: {header}");
        alice.enter(ALICES_KEY).await.context(algorithm)?;
        let answer = alice.call_headers().await.context(algorithm)?;
        ensure!(answer.status == StatusCode::OK, "{algorithm}: {answer:?}");
        ensure!(answer.body.contains(ALICES_KEY), "{algorithm}: the tool was not called as Alice");
    }
    Ok(())
}

pub(crate) async fn refuses_a_request_without_a_token(world: &World) -> Result<()> {
    let nobody = Caller::new(world, "nobody", None);
    let metadata = format!("{PUBLIC_URL}/.well-known/oauth-protected-resource/notes/mcp");
    let answer = nobody.call_headers().await?;
    ensure!(answer.status == StatusCode::UNAUTHORIZED, "{answer:?}");
    // RFC 6750, section 3.1: no error where there was no token.
    let challenge = format!("Bearer resource_metadata=\"{metadata}\"");
    ensure!(answer.challenge()? == challenge, "{answer:?}");
    ensure!(answer.body.is_empty(), "{answer:?}");

    let path = metadata.strip_prefix(PUBLIC_URL).context("elsewhere")?;
    let document = nobody.send(nobody.request(Method::GET, path)).await?;
    let document: Value = serde_json::from_str(&document.body)?;
    let server = document.pointer("/authorization_servers/0").and_then(Value::as_str);
    ensure!(server == Some(&world.identity_provider.origin()), "{document}");
    let resource = document.get("resource").and_then(Value::as_str);
    ensure!(resource == Some(&format!("{PUBLIC_URL}/notes/mcp")), "{document}");

    let list = nobody.send(nobody.request(Method::GET, "/api/tenants")).await?;
    ensure!(list.status == StatusCode::UNAUTHORIZED, "{list:?}");

    let outcome = nobody.session(&crate::caller::Session::headers())?;
    ensure!(!outcome.error.is_empty(), "the FastMCP client got in: {outcome:?}");
    Ok(())
}

pub(crate) async fn refuses_a_token_for_another_audience(world: &World) -> Result<()> {
    let resource = "https://elsewhere.example.com";
    let alice = world.sign_in_as(Wish { resource, ..Wish::of("alice") }).await?;
    ensure_claims(&alice, "aud", resource)?;
    refused(&alice.call_headers().await?)
}

pub(crate) async fn refuses_a_token_signed_by_another_key(world: &World) -> Result<()> {
    for algorithm in ALGORITHMS {
        let wish = Wish { algorithm, ..Wish::of("alice") };
        let token = world.token(&world.impostor, wish).await?;
        // Nothing but the key gives it away.
        let key_id = format!("key-{algorithm}");
        ensure!(part(&token, 0)?.get("kid") == Some(&key_id.into()), "another key id");
        let alice = Caller::new(world, "alice", Some(token));
        ensure_claims(&alice, "iss", &world.identity_provider.origin())?;
        ensure_claims(&alice, "aud", PUBLIC_URL)?;
        refused(&alice.call_headers().await?).context(algorithm)?;
    }
    Ok(())
}

pub(crate) async fn refuses_a_token_that_was_altered(world: &World) -> Result<()> {
    let bob = world.sign_in("bob").await?;
    let token = bob.token.as_deref().context("no token")?;
    let (header, rest) = token.split_once('.').context("no token")?;
    let (_, signature) = rest.split_once('.').context("no token")?;
    let claims = part(token, 1)?.to_string().replace("bob", "alice");
    let altered = format!("{header}.{}.{signature}", BASE64URL.encode(claims));
    refused(&Caller::new(world, "bob", Some(altered)).call_headers().await?)?;
    let unsigned = format!(
        "{}.{}.",
        BASE64URL.encode(r#"{"alg":"none"}"#),
        BASE64URL.encode(claims_of(token)?)
    );
    refused(&Caller::new(world, "bob", Some(unsigned)).call_headers().await?)
}

/// 401 with the challenge of RFC 6750, section 3.1, and RFC 9728, section 5.1.
fn refused(answer: &Answer) -> Result<()> {
    ensure!(answer.status == StatusCode::UNAUTHORIZED, "{answer:?}");
    let challenge = answer.challenge()?;
    let metadata = format!("{PUBLIC_URL}/.well-known/oauth-protected-resource/notes/mcp");
    ensure!(
        challenge.starts_with("Bearer error=\"invalid_token\", error_description=\""),
        "{challenge}"
    );
    ensure!(challenge.ends_with(&format!(", resource_metadata=\"{metadata}\"")), "{challenge}");
    Ok(())
}

fn ensure_claims(caller: &Caller<'_>, claim: &str, expected: &str) -> Result<()> {
    let claims = part(caller.token.as_deref().context("no token")?, 1)?;
    ensure!(claims.get(claim) == Some(&expected.into()), "the token is another one: {claims}");
    Ok(())
}

fn claims_of(token: &str) -> Result<String> {
    Ok(part(token, 1)?.to_string())
}

fn part(token: &str, index: usize) -> Result<Value> {
    let part = token.split('.').nth(index).context("not a JWT")?;
    Ok(serde_json::from_slice(&BASE64URL.decode(part)?)?)
}
