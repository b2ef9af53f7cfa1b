//! Signing in and out.

use std::sync::Arc;

use axum::Extension;
use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Redirect, Response};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64URL;
use bonafide_policy::Action;
use bonafide_tower::Peer;

use super::form::Form;
use super::{issuer_name, message, problem, with_causes};
use crate::portal::{Browser, Shared};
use crate::sealed::random;
use crate::session::{Record, Visitor, drop_session, keep};
use crate::sign_in::{Answer, Pending, SignInError};
use crate::texts::fill;

/// The cookie that binds a sign-in to a browser, and for how long it is kept, in seconds.
const BROWSER: &str = "browser";
const BROWSER_TIME: u64 = 60 * 60;

/// `/connections/-/sign-in?to=…`: off to the issuer.
pub(crate) async fn sign_in(
    State(shared): State<Arc<Shared>>,
    Extension(browser): Extension<Arc<Browser>>,
    peer: Option<Extension<Peer>>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    let peer = peer.map(|Extension(peer)| peer);
    if browser.strangers.count(peer, &headers).is_err() {
        return failed(&shared, &browser, &SignInError::TooOften);
    }
    let query = query.unwrap_or_default();
    let to = url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "to");
    let to = to.map(|(_, to)| to.into_owned());
    let to = to.filter(|to| is_ours(&shared, to)).unwrap_or_else(|| "/connections".to_owned());
    match begin(&shared, &browser, &headers, &to).await {
        Ok(response) => response,
        Err(error) => failed(&shared, &browser, &error),
    }
}

async fn begin(
    shared: &Shared,
    browser: &Browser,
    headers: &HeaderMap,
    to: &str,
) -> Result<Response, SignInError> {
    // One for all sign-ins of a browser, so that two windows do not get into each other's way.
    let bound = match bound(browser, headers) {
        Some(bound) => bound,
        None => random()?,
    };
    let pending = Pending::new(bound, to, shared.now())?;
    let redirect_uri = shared.redirect_uri();
    let url = browser.sign_in.question(&pending, &browser.seals, &redirect_uri).await?;
    let mut response = see_other(url.as_str());
    let value = BASE64URL.encode(bound);
    browser.cookies.set(BROWSER, &value, Some(BROWSER_TIME), response.headers_mut());
    Ok(response)
}

/// `/connections/-/callback`: back from the issuer.
pub(crate) async fn callback(
    State(shared): State<Arc<Shared>>,
    Extension(browser): Extension<Arc<Browser>>,
    peer: Option<Extension<Peer>>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    let (peer, query) = (peer.map(|Extension(peer)| peer), query.unwrap_or_default());
    match complete(&shared, &browser, peer, &headers, &query).await {
        Ok(response) => response,
        Err(error) => failed(&shared, &browser, &error),
    }
}

async fn complete(
    shared: &Shared,
    browser: &Browser,
    peer: Option<Peer>,
    headers: &HeaderMap,
    query: &str,
) -> Result<Response, SignInError> {
    browser.strangers.count(peer, headers).map_err(|_| SignInError::TooOften)?;
    let answer = Answer::read(query)?;
    let bound = bound(browser, headers).ok_or(SignInError::State)?;
    let state = answer.state.as_deref().unwrap_or_default();
    let pending = Pending::open(&browser.seals, state, &bound, shared.now());
    let pending = pending.ok_or(SignInError::State)?;
    // Nobody gets further than this without the cookie of the browser that began it, so the issuer hears of no one else.
    let _place = browser.strangers.enter(peer, headers).map_err(|_| SignInError::TooOften)?;
    let (time, back) = (shared.clock.now(), shared.redirect_uri());
    let asked = browser.sign_in.complete(answer, &pending, &browser.answered, &back, time).await?;
    let record = Record::new(asked.evidence, asked.token, crate::state::unix_seconds(time))?;
    let mut response = see_other(&pending.to);
    keep(browser, &record, headers, response.headers_mut())?;
    tracing::info!(user = ?asked.user, evidence = ?asked.evidence, "signed a user in");
    shared.record(shared.event(Action::SignIn, &asked.user));
    Ok(response)
}

/// `POST /connections/-/sign-out`
pub(crate) async fn sign_out(
    State(shared): State<Arc<Shared>>,
    Extension(browser): Extension<Arc<Browser>>,
    Extension(visitor): Extension<Visitor>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if let Visitor::User(session) = &visitor
        && let Err(page) = Form::read(&shared, &browser, session, &headers, &body)
    {
        return *page;
    }
    if let Visitor::User(session) = &visitor {
        session.sign_out(&browser, shared.now());
        shared.record(shared.event(Action::SignOut, &session.user));
    }
    let mut response = signed_out(&shared, &browser).await;
    drop_session(&browser, &headers, response.headers_mut());
    // Pages that a browser keeps in memory for its back button go as well.
    let clear = HeaderValue::from_static("\"cache\"");
    response.headers_mut().insert("clear-site-data", clear);
    response
}

/// Somebody who reloads the page that says that they are signed out.
pub(crate) async fn sign_out_without_form() -> Redirect {
    Redirect::to("/connections")
}

async fn signed_out(shared: &Shared, browser: &Browser) -> Response {
    let t = &browser.look.texts;
    let issuer = issuer_name(browser);
    let mut links = vec![("/connections".to_owned(), t.sign_in_again.clone().into_owned())];
    if let Some(end) = browser.sign_in.end_session(&shared.url("/connections")).await {
        links.push((end.into(), fill(&t.sign_out_issuer, &[("issuer", &issuer)])));
    }
    let text = fill(&t.signed_out_text, &[("issuer", &issuer)]);
    message(shared, browser, None, StatusCode::OK, &t.signed_out_title, text, links)
}

fn failed(shared: &Shared, browser: &Browser, error: &SignInError) -> Response {
    tracing::warn!(error = %with_causes(error), "a sign-in failed");
    let t = &browser.look.texts;
    let (status, text) = match error {
        _ if error.is_passing() => (StatusCode::SERVICE_UNAVAILABLE, &t.sign_in_unavailable),
        SignInError::State => (StatusCode::BAD_REQUEST, &t.sign_in_stale),
        SignInError::TooOften => (StatusCode::TOO_MANY_REQUESTS, &t.sign_in_too_often),
        SignInError::Denied("access_denied") => (StatusCode::FORBIDDEN, &t.sign_in_denied),
        SignInError::TooLong => (StatusCode::BAD_REQUEST, &t.sign_in_too_long),
        _ => (StatusCode::BAD_REQUEST, &t.sign_in_refused),
    };
    let text = fill(text, &[("issuer", &issuer_name(browser))]);
    problem(shared, browser, None, status, &t.sign_in_failed_title, text)
}

fn bound(browser: &Browser, headers: &HeaderMap) -> Option<[u8; 16]> {
    let value = browser.cookies.read(headers, BROWSER)?;
    BASE64URL.decode(value).ok()?.try_into().ok()
}

/// Whether a path to come back to is one of these pages, however a browser reads it.
fn is_ours(shared: &Shared, to: &str) -> bool {
    let Ok(url) = shared.public_url.join(to) else { return false };
    let path = url.path();
    let below = path == "/connections" || path.starts_with("/connections/");
    let plain = to.starts_with("/connections") && !to.contains(['\\', '\n', '\r', '\t']);
    plain
        && below
        && !path.starts_with("/connections/-/")
        && url.origin() == shared.public_url.origin()
}

fn see_other(to: &str) -> Response {
    let mut response = StatusCode::SEE_OTHER.into_response();
    // Both kinds of addresses were made by `Url` or are ours.
    if let Ok(to) = HeaderValue::try_from(to) {
        response.headers_mut().insert(header::LOCATION, to);
    }
    response
}
