//! A user signs in with the authorization code flow and PKCE (RFC 6749, section 4.1, and RFC 7636), as a browser and
//! an MCP client do it together.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use reqwest::header;
use serde_json::Value;
use url::Url;

use crate::world::PUBLIC_URL;

const REDIRECT_URI: &str = "http://127.0.0.1/callback";

/// The pair of RFC 7636, appendix B: nobody listens here.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// The token that somebody wants.
#[derive(Clone, Copy)]
pub(crate) struct Wish {
    pub(crate) user: &'static str,
    pub(crate) algorithm: &'static str,
    pub(crate) resource: &'static str,
}

impl Wish {
    pub(crate) fn of(user: &'static str) -> Self {
        Self { user, algorithm: "ES256", resource: PUBLIC_URL }
    }
}

pub(crate) async fn token(http: &reqwest::Client, provider: &str, wish: Wish) -> Result<String> {
    let client_id = format!("client-{}", wish.algorithm);
    let code = code(http, provider, &client_id, wish).await?;
    let form = [
        ("grant_type", "authorization_code"),
        ("client_id", &client_id),
        ("code", &code),
        ("code_verifier", VERIFIER),
        ("redirect_uri", REDIRECT_URI),
        ("resource", wish.resource),
    ];
    let form = Url::parse_with_params("form:", form)?;
    let answer = http
        .post(format!("{provider}/token"))
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(form.query().unwrap_or_default().to_owned())
        .send()
        .await?;
    let status = answer.status();
    let answer: Value = answer.json().await?;
    let token = answer.get("access_token").and_then(Value::as_str);
    token.map(str::to_owned).with_context(|| format!("no token, {status}: {answer}"))
}

/// Follows the redirects with the provider's cookies, up to the one that brings the code.
async fn code(
    http: &reqwest::Client,
    provider: &str,
    client_id: &str,
    wish: Wish,
) -> Result<String> {
    let parameters = [
        ("response_type", "code"),
        ("client_id", client_id),
        ("scope", "openid mcp:use"),
        ("redirect_uri", REDIRECT_URI),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
        ("resource", wish.resource),
        ("login_hint", wish.user),
    ];
    let mut url = Url::parse_with_params(&format!("{provider}/auth"), parameters)?;
    let mut cookies = BTreeMap::new();
    for _ in 0..5 {
        let cookie: Vec<String> =
            cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let answer = http.get(url.clone()).header(header::COOKIE, cookie.join("; ")).send().await?;
        let pairs = answer.headers().get_all(header::SET_COOKIE).iter();
        for (name, value) in pairs.filter_map(|pair| pair.to_str().ok()?.split_once('=')) {
            let value = value.split(';').next().unwrap_or_default();
            cookies.insert(name.to_owned(), value.to_owned());
        }
        let status = answer.status();
        ensure!(status.is_redirection(), "{status} at {url}: {}", answer.text().await?);
        let location = answer.headers().get(header::LOCATION).context("no location")?;
        url = url.join(location.to_str()?)?;
        if url.as_str().starts_with(REDIRECT_URI) {
            let code = url.query_pairs().find(|(name, _)| name == "code");
            return code.map(|(_, code)| code.into_owned()).with_context(|| format!("{url}"));
        }
    }
    anyhow::bail!("the sign-in goes round in circles at {url}")
}
