//! The browser's way to the identity provider: authorization code flow with PKCE.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD as BASE64URL};
use serde_json::{Value, json};
use url::{Url, form_urlencoded};

use crate::identity_provider::{Shared, lock};
use crate::issuer::{AUDIENCE, LIFETIME};

/// A client that may sign users in.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) secret: Option<String>,
    pub(crate) redirect_uri: String,
}

/// A code that was given out.
#[derive(Debug)]
pub(crate) struct Grant {
    user: String,
    client_id: String,
    redirect_uri: String,
    challenge: String,
    nonce: Option<String>,
    resource: Option<String>,
}

type Form = BTreeMap<String, String>;

/// RFC 6749, section 4.1.1. Shows who may sign in, and takes the word of whoever clicks.
pub(crate) async fn authorize(
    State(state): State<Arc<Shared>>,
    Query(asked): Query<Form>,
) -> Response {
    let get = |name: &str| asked.get(name).map_or("", String::as_str);
    let clients = lock(&state.clients);
    let Some(client) = clients.get(get("client_id")) else {
        return (StatusCode::BAD_REQUEST, "there is no such client").into_response();
    };
    // RFC 9700, section 2.1: exactly, and nothing is sent anywhere else.
    if client.redirect_uri != get("redirect_uri") {
        return (StatusCode::BAD_REQUEST, "this redirect URI is not registered").into_response();
    }
    let back = |name: &str, value: &str| {
        let mut url = Url::parse(get("redirect_uri")).expect("a registered redirect URI");
        url.query_pairs_mut()
            .append_pair(name, value)
            .append_pair("state", get("state"))
            .append_pair("iss", &state.origin);
        Redirect::to(url.as_str()).into_response()
    };
    if get("response_type") != "code"
        || get("code_challenge_method") != "S256"
        || get("code_challenge").len() != 43
    {
        return back("error", "invalid_request");
    }
    match asked.get("user").or(asked.get("login_hint")) {
        None => choose(&state, &asked),
        Some(user) if !lock(&state.users).contains_key(user) => back("error", "access_denied"),
        Some(user) => {
            let grant = Grant {
                user: user.clone(),
                client_id: get("client_id").to_owned(),
                redirect_uri: get("redirect_uri").to_owned(),
                challenge: get("code_challenge").to_owned(),
                nonce: asked.get("nonce").cloned(),
                resource: asked.get("resource").cloned(),
            };
            back("code", &state.give(grant))
        }
    }
}

/// A page with a link for each user.
fn choose(state: &Shared, asked: &Form) -> Response {
    let mut links = String::new();
    for user in lock(&state.users).keys().map(String::as_str).chain(["nobody"]) {
        let query = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(asked)
            .append_pair("user", user)
            .finish();
        let label = if user == "nobody" { "Cancel" } else { user };
        let (query, label) = (escape(&query), escape(label));
        let _ = write!(links, "<li><a href=\"/authorize?{query}\">{label}</a></li>");
    }
    Html(format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width\"><title>Identity provider for development</title><style>:root{{color-scheme:\
         light dark;font:1rem/1.5 system-ui,sans-serif}}main{{max-width:28rem;margin:3rem auto;padding:0 1rem}}ul{{\
         list-style:none;padding:0}}a{{display:block;margin:.5rem 0;padding:.75rem 1rem;border:1px solid;border-radius:\
         .5rem;text-transform:capitalize}}</style><main><h1>Who are you?</h1><p>This identity provider is for \
         development: it asks for no password and believes everybody.</p><ul>{links}</ul></main></html>"
    ))
    .into_response()
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// RFC 6749, section 4.1.3: ID token and access token for a code, once.
pub(crate) fn exchange(state: &Shared, headers: &HeaderMap, form: &Form) -> Response {
    let refuse =
        |error: &str| (StatusCode::BAD_REQUEST, Json(json!({ "error": error }))).into_response();
    let get = |name: &str| form.get(name).map_or("", String::as_str);
    let grant = lock(&state.codes).remove(get("code"));
    let Some(grant) = grant else { return refuse("invalid_grant") };
    if !is_client(state, headers, form, &grant.client_id) {
        return refuse("invalid_client");
    }
    let verifier = get("code_verifier");
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, verifier.as_bytes());
    if BASE64URL.encode(digest) != grant.challenge || get("redirect_uri") != grant.redirect_uri {
        return refuse("invalid_grant");
    }
    let groups = lock(&state.users).get(&grant.user).cloned().unwrap_or_default();
    let audience = grant.resource.as_deref().unwrap_or(AUDIENCE);
    let user = lock(&state.keys).issuer.user(&grant.user);
    let user = user.with_claim("name", json!(capitalized(&grant.user)));
    let with_groups = |audience: &str| {
        let user = user.clone().with_audience(audience);
        user.with_groups(groups.iter().map(String::as_str))
    };
    let mut id = with_groups(&grant.client_id);
    if let Some(nonce) = &grant.nonce {
        id = id.with_claim("nonce", json!(nonce));
    }
    for (name, value) in lock(&state.id_token_claims).iter() {
        id = match value {
            Value::Null => id.without_claim(name),
            value => id.with_claim(name, value.clone()),
        };
    }
    let body = json!({
        "access_token": with_groups(audience).token(),
        "id_token": id.token(),
        "token_type": "Bearer",
        "expires_in": LIFETIME,
    });
    ([(header::CACHE_CONTROL, "no-store")], Json(body)).into_response()
}

/// RFC 6749, section 2.3.1, by either way.
fn is_client(state: &Shared, headers: &HeaderMap, form: &Form, expected: &str) -> bool {
    let basic = headers.get(header::AUTHORIZATION).and_then(|value| {
        let encoded = value.to_str().ok()?.strip_prefix("Basic ")?;
        let text = String::from_utf8(BASE64_STANDARD.decode(encoded).ok()?).ok()?;
        let (id, secret) = text.split_once(':')?;
        let decode = |text: &str| {
            let mut pairs = form_urlencoded::parse(text.as_bytes());
            pairs.next().map(|(name, _)| name.into_owned()).unwrap_or_default()
        };
        Some((decode(id), Some(decode(secret))))
    });
    let (id, secret) = basic.unwrap_or_else(|| {
        (form.get("client_id").cloned().unwrap_or_default(), form.get("client_secret").cloned())
    });
    let clients = lock(&state.clients);
    id == expected && clients.get(&id).is_some_and(|client| client.secret == secret)
}

/// OpenID Connect RP-Initiated Logout 1.0: there is no session here that could end.
pub(crate) async fn end_session(
    State(state): State<Arc<Shared>>,
    Query(asked): Query<Form>,
) -> Response {
    let clients = lock(&state.clients);
    let client = asked.get("client_id").and_then(|id| clients.get(id));
    let back = asked.get("post_logout_redirect_uri").and_then(|uri| Url::parse(uri).ok());
    match (client, back) {
        // Anywhere at the client's own origin.
        (Some(client), Some(back))
            if Url::parse(&client.redirect_uri).is_ok_and(|it| it.origin() == back.origin()) =>
        {
            Redirect::to(back.as_str()).into_response()
        }
        _ => "You are signed out.".into_response(),
    }
}

fn capitalized(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
