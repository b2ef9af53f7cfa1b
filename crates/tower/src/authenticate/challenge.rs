//! The `WWW-Authenticate` of a refusal: RFC 6750, section 3, and RFC 9728, section 5.1.

use std::fmt::Write as _;

use bonafide_claims::{VerifyError, VerifyErrorKind};
use http::{HeaderValue, StatusCode, header};

use super::AuthenticateError;
use crate::{ProtectedResource, RequiredScopes};

/// What a client is told when it has no valid token, status 401, or one that may do too little, status 403; and how to
/// get a better one.
///
/// A client that sent no token gets no `error` (RFC 6750, section 3.1). Nor does one whose token could not be
/// checked because its issuer does not answer: the token may well be good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge {
    status: StatusCode,
    error: Option<(&'static str, &'static str)>,
    retry: bool,
    resource: Option<String>,
    scope: Option<String>,
}

impl Challenge {
    /// The challenge for `error`.
    #[must_use]
    pub fn new(error: &AuthenticateError) -> Self {
        let (error, retry) = match error {
            AuthenticateError::NoToken | AuthenticateError::NotTheHop => (None, false),
            // By RFC 6750 a token that is `malformed` is invalid too, and `invalid_request` is for 400.
            AuthenticateError::Malformed(what) => (Some(("invalid_token", *what)), false),
            AuthenticateError::Token(error) if unavailable(error) => (None, true),
            AuthenticateError::Token(error) => {
                (Some(("invalid_token", error.description())), false)
            }
        };
        Self { status: StatusCode::UNAUTHORIZED, error, retry, resource: None, scope: None }
    }

    /// The challenge for a good token that lacks scopes: what was asked for needs all of `needed`, those that the token
    /// has included (RFC 6750, section 3.1).
    ///
    /// Only where more scopes would help: a client that gets them and is refused again starts over.
    #[must_use]
    pub fn insufficient_scope(needed: &RequiredScopes) -> Self {
        let description = "the token lacks a scope that this needs";
        Self {
            status: StatusCode::FORBIDDEN,
            error: Some(("insufficient_scope", description)),
            retry: false,
            resource: None,
            scope: Some(needed.to_string()),
        }
    }

    /// Says where the metadata of `resource` is, and which scopes to ask for: its own, unless the challenge is about others.
    #[must_use]
    pub fn with_resource(mut self, resource: &ProtectedResource) -> Self {
        self.resource = Some(resource.metadata_url().to_string());
        if self.scope.is_none() && !resource.scopes().is_empty() {
            let scopes: Vec<&str> = resource.scopes().iter().map(|scope| scope.as_str()).collect();
            self.scope = Some(scopes.join(" "));
        }
        self
    }

    /// The status: 401, or 403 for a token that lacks scopes.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The value of `WWW-Authenticate`.
    #[must_use]
    pub fn value(&self) -> HeaderValue {
        let mut parameters = Vec::new();
        if let Some((error, description)) = self.error {
            parameters.push(("error", error));
            parameters.push(("error_description", description));
        }
        if let Some(resource) = &self.resource {
            parameters.push(("resource_metadata", resource));
        }
        if let Some(scope) = &self.scope {
            parameters.push(("scope", scope));
        }
        let mut text = String::from("Bearer");
        for (index, (name, value)) in parameters.into_iter().enumerate() {
            text.push_str(if index == 0 { " " } else { ", " });
            let _ = write!(text, "{name}=\"{}\"", quotable(value));
        }
        HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("Bearer"))
    }

    /// Turns `response` into the refusal: status, `WWW-Authenticate`, `Cache-Control: no-store` and, where
    /// asking again soon makes sense, `Retry-After`.
    pub fn apply<B>(&self, response: &mut http::Response<B>) {
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(header::WWW_AUTHENTICATE, self.value());
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if self.retry {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
        }
    }
}

fn unavailable(error: &VerifyError) -> bool {
    error.kind() == VerifyErrorKind::Unavailable
}

/// What may stand between the quotes of a parameter (RFC 6750, section 3): no quote, no backslash, printable
/// ASCII. All values come from us or from the configuration; this holds if one of them is odd.
fn quotable(value: &str) -> String {
    value.chars().filter(|c| (' '..='~').contains(c) && !matches!(c, '"' | '\\')).collect()
}
