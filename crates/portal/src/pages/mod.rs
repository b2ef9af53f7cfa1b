//! The pages.

mod account;
mod audit;
mod connection;
mod date;
mod form;
mod overview;
pub(crate) mod plain;
mod remove;
mod users;

use askama::Template;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse as _, Response};

pub(crate) use account::{callback, sign_in, sign_out, sign_out_without_form};
pub(crate) use audit::audit;
pub(crate) use connection::{save, show};
pub(crate) use overview::overview;
pub(crate) use remove::{ask, remove};
pub(crate) use users::{take, user, users};

use crate::Texts;
use crate::portal::{Browser, Shared};
use crate::session::{Session, Visitor};
use crate::texts::fill;

/// No script, nothing from elsewhere, no frame around it, and forms that lead nowhere else.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; \
     form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// What all pages have around them.
pub(crate) struct Frame<'a> {
    t: &'a Texts,
    /// What stands before the name of the pages in the window's title.
    title: String,
    name: String,
    header: Option<&'a str>,
    footer: Option<&'a str>,
    style: &'a str,
    user: Option<String>,
    signed_in_as: String,
    administrator: bool,
    csrf: String,
}

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignInPage<'a> {
    f: Frame<'a>,
    text: String,
    ended: bool,
    to: String,
}

/// A heading, what happened, and where to go.
#[derive(Template)]
#[template(path = "message.html")]
struct Message<'a> {
    f: Frame<'a>,
    text: String,
    links: Vec<(String, String)>,
}

impl<'a> Frame<'a> {
    pub(crate) fn new(
        shared: &'a Shared,
        browser: &'a Browser,
        session: Option<&Session>,
        title: &str,
    ) -> Self {
        let (look, t) = (&browser.look, &*browser.look.texts);
        let host = || shared.public_url.host_str().unwrap_or_default().to_owned();
        Self {
            t,
            title: title.to_owned(),
            name: look.name.as_deref().map_or_else(host, str::to_owned),
            header: look.header.as_deref(),
            footer: look.footer.as_deref(),
            style: &browser.style_path,
            user: session.map(called),
            administrator: session.is_some_and(|session| browser.is_administrator(session)),
            signed_in_as: fill(&t.signed_in_as, &[("user", "")]),
            csrf: session.map(Session::csrf).unwrap_or_default(),
        }
    }
}

/// What to call a user: for display, never to tell users apart.
fn called(session: &Session) -> String {
    let user = &session.user;
    let name = user.name().or(user.username()).or(user.email());
    name.unwrap_or_else(|| user.subject().as_str()).to_owned()
}

/// An error and what caused it, in one line.
fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

/// The host of the issuer, as people know it.
fn issuer_name(browser: &Browser) -> String {
    let issuer = browser.sign_in.issuer().as_str();
    let host = url::Url::parse(issuer).ok();
    host.and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_else(|| issuer.to_owned())
}

/// A page for those who are not signed in. `to` is where they wanted to go.
pub(crate) fn stranger(
    shared: &Shared,
    browser: &Browser,
    visitor: &Visitor,
    to: &str,
) -> Response {
    let t = &browser.look.texts;
    let issuer = issuer_name(browser);
    if matches!(visitor, Visitor::Unknown) {
        let text = fill(&t.sign_in_unavailable, &[("issuer", &issuer)]);
        return problem(
            shared,
            browser,
            None,
            StatusCode::SERVICE_UNAVAILABLE,
            &t.sign_in_failed_title,
            text,
        );
    }
    let host = shared.public_url.host_str().unwrap_or_default();
    let page = SignInPage {
        f: Frame::new(shared, browser, None, &t.sign_in_title),
        text: fill(&t.sign_in_text, &[("host", host), ("issuer", &issuer)]),
        ended: matches!(visitor, Visitor::Ended),
        to: url::form_urlencoded::byte_serialize(to.as_bytes()).collect(),
    };
    page_with(StatusCode::OK, &page)
}

/// A page that says what went wrong, with the way back.
pub(crate) fn problem(
    shared: &Shared,
    browser: &Browser,
    session: Option<&Session>,
    status: StatusCode,
    title: &str,
    text: String,
) -> Response {
    let t = &browser.look.texts;
    let link = if session.is_some() { &t.back } else { &t.sign_in_again };
    let links = vec![("/connections".to_owned(), link.clone().into_owned())];
    message(shared, browser, session, status, title, text, links)
}

pub(crate) fn message(
    shared: &Shared,
    browser: &Browser,
    session: Option<&Session>,
    status: StatusCode,
    title: &str,
    text: String,
    links: Vec<(String, String)>,
) -> Response {
    let f = Frame::new(shared, browser, session, title);
    page_with(status, &Message { f, text, links })
}

pub(crate) fn page_with(status: StatusCode, template: &impl Template) -> Response {
    let Ok(html) = template.render() else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let mut response = (status, Html(html)).into_response();
    protect(&mut response);
    response
}

/// What every page is sent with.
fn protect(response: &mut Response) {
    let headers = response.headers_mut();
    let mut set = |name, value| headers.insert(name, HeaderValue::from_static(value));
    set(header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY);
    // Not `no-referrer`: a browser would call the origin of our own forms `null` then (Fetch, "append a request
    // `Origin` header"), and they would be refused like foreign ones.
    set(header::REFERRER_POLICY, "same-origin");
    set(header::X_FRAME_OPTIONS, "DENY");
    set(
        header::HeaderName::from_static("permissions-policy"),
        "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    );
    set(header::HeaderName::from_static("cross-origin-opener-policy"), "same-origin");
    set(header::HeaderName::from_static("cross-origin-resource-policy"), "same-origin");
}
