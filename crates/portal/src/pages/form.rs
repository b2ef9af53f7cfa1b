//! What a form sent.

use std::collections::BTreeMap;

use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use secrecy::SecretString;

use super::problem;
use crate::portal::{Browser, Shared};
use crate::session::Session;
use crate::texts::fill;

/// The fields of a form. What is in them may be a credential: it has no `Debug`.
pub(crate) struct Form {
    fields: BTreeMap<String, SecretString>,
}

impl Form {
    /// Reads a form that a session made, and counts it as a change.
    ///
    /// # Errors
    ///
    /// A page that says so, if it is no form of this session's or one too many.
    pub(crate) fn read(
        shared: &Shared,
        browser: &Browser,
        session: &Session,
        headers: &HeaderMap,
        body: &Bytes,
    ) -> Result<Self, Box<Response>> {
        let t = &browser.look.texts;
        let refuse = |status, title: &str, text: &str| {
            Box::new(problem(shared, browser, Some(session), status, title, fill(text, &[])))
        };
        let form = Self::parse(headers, body).filter(|form| {
            use secrecy::ExposeSecret as _;
            let csrf = form.get("csrf");
            is_same_origin(headers) && csrf.is_some_and(|csrf| session.made(csrf.expose_secret()))
        });
        let Some(form) = form else {
            tracing::warn!("refused a form that this session did not make");
            return Err(refuse(StatusCode::FORBIDDEN, &t.forged_title, &t.forged_text));
        };
        if shared.rate.count(session.user.id()).is_err() {
            let status = StatusCode::TOO_MANY_REQUESTS;
            return Err(refuse(status, &t.too_often_title, &t.too_often_text));
        }
        Ok(form)
    }

    /// `application/x-www-form-urlencoded`, each field once.
    fn parse(headers: &HeaderMap, body: &[u8]) -> Option<Self> {
        let kind = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
        let kind = kind.split(';').next().unwrap_or_default().trim();
        if !kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            return None;
        }
        let mut fields = BTreeMap::new();
        for (name, value) in url::form_urlencoded::parse(body) {
            let value = SecretString::from(value.into_owned());
            if fields.insert(name.into_owned(), value).is_some() {
                return None;
            }
        }
        Some(Self { fields })
    }

    pub(crate) fn get(&self, name: &str) -> Option<&SecretString> {
        self.fields.get(name)
    }
}

/// A browser says where a request comes from (Fetch Metadata). One that does not say is left to the token in the form.
fn is_same_origin(headers: &HeaderMap) -> bool {
    match headers.get("sec-fetch-site") {
        Some(site) => site == "same-origin",
        None => true,
    }
}
