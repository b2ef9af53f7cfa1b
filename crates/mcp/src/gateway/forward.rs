//! From rendered headers to the backend, and its answer back to the client.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, SystemTime};

use bonafide_policy::Permit;
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use tokio::time::error::Elapsed;
use tokio::time::timeout;

use super::Shared;
use super::credential::{Rendered, echo};
use super::endpoint::{Refused, unable};
use super::metrics::Outcome;
use crate::backend::{
    Answer, CallError, Expected, Source, accept_known_codings, read_answer, request_headers,
    response_headers,
};
use crate::content::describe_content;
use crate::message::{Kind, Message};
use crate::refusal::{code, error};
use crate::rewrite::Rewriter;
use crate::standard_headers::remove_standard_headers;
use crate::{GatewayBody, Tenant};

/// How long after its token's `exp` a standing stream may go on: what verifiers allow clocks to differ by default.
const LEEWAY: Duration = Duration::from_secs(60);

/// Whose request it is, what it says, and what becomes of its answer.
pub(super) struct Exchange<'a> {
    pub(super) permit: &'a Permit,
    pub(super) tenant: &'a Tenant,
    pub(super) message: Option<&'a Message<'a>>,
    /// The body of the message, as the client meant it for the backend.
    pub(super) body: &'a Bytes,
    pub(super) rewriter: Option<Rewriter>,
    /// Whether the answer comes when a task of the user has ended, and not before.
    pub(super) waits: bool,
    /// Whether the client can send its user to a page.
    pub(super) url: bool,
}

impl Shared {
    /// Forwards `sent` if there are headers for it, and asks for what is missing if not.
    pub(super) async fn exchange(
        &self,
        exchange: &mut Exchange<'_>,
        parts: &mut Parts,
        rendered: Rendered,
        sent: Bytes,
    ) -> Result<Response<GatewayBody>, Refused> {
        let Rendered { headers, used, secrets } = rendered;
        let rendered = headers.map_err(|need| self.ask(exchange, &need, &used, false))?;
        let mut headers = self.headers(exchange, parts, rendered)?;
        let Exchange { permit, tenant, message, waits, url, .. } = *exchange;
        let echo = echo(tenant, &secrets, &headers);
        // A standing stream that is undone would take memory as long as it stands.
        let standing = parts.method == Method::GET && !echo.is_empty();
        if exchange.rewriter.is_some() || standing {
            headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        } else if !echo.is_empty() {
            accept_known_codings(&mut headers);
        }
        drop(secrets);
        let method = &parts.method;
        let answered = if waits {
            // Boxed: few requests need it.
            Box::pin(self.wait(permit, tenant, method.clone(), headers, sent)).await
        } else {
            let limit = self.limits.answer_time;
            self.backends.call(tenant, method.clone(), headers, sent, limit).await
        };
        let response = answered.map_err(|failure| {
            tracing::warn!(tenant = tenant.id().as_str(), error = %failure, "no answer");
            unanswered(tenant, message, &failure)
        })?;
        let expected = match message {
            Some(message) if message.kind == Kind::Request => Expected::Answer,
            _ if *method == Method::DELETE => Expected::Nothing,
            _ => Expected::Anything,
        };
        let (mut parts, answer) =
            read_answer(expected, response, &self.limits, exchange.rewriter.take(), echo).await;
        let body = match answer {
            Answer::Passed(body) if *method == Method::GET => body.until(self.end(permit)),
            Answer::Passed(body) if message.is_some_and(Message::is_subscription) => {
                body.until(self.end(permit))
            }
            Answer::Passed(body) => body,
            Answer::CredentialRefused => {
                let refused = Box::pin(self.credential_refused(exchange, &used)).await;
                let why = "it refused the gateway's credential";
                return Err(refused.unwrap_or_else(|| failed(tenant, message, why)));
            }
            Answer::Redirect => {
                return Err(failed(tenant, message, "it redirects, which is not followed"));
            }
            Answer::Garbage(what) => {
                tracing::warn!(tenant = tenant.id().as_str(), what, "an unusable answer");
                return Err(failed(tenant, message, "its answer is not MCP"));
            }
            Answer::TooLong(limit) => {
                let why =
                    format!("its answer has more than the {limit} bytes that can be filtered");
                return Err(failed(tenant, message, &why));
            }
            Answer::Stopped => return Err(unanswered(tenant, message, &CallError::AnswerTime)),
        };
        response_headers(&mut parts.headers);
        self.seal_session(permit, url, &mut parts.headers);
        let mut response = Response::new(body);
        *response.status_mut() = parts.status;
        *response.headers_mut() = parts.headers;
        Ok(response)
    }

    /// Waits for an answer as long as the user may have it.
    async fn wait(
        &self,
        permit: &Permit,
        tenant: &Tenant,
        method: Method,
        headers: HeaderMap,
        sent: Bytes,
    ) -> Result<Response<Source>, CallError> {
        let mut call = pin!(self.backends.call(tenant, method, headers, sent, Duration::MAX));
        let mut end = pin!(self.end(permit));
        poll_fn(|cx| match call.as_mut().poll(cx) {
            Poll::Pending => end.as_mut().poll(cx).map(|_| Err(CallError::Ended)),
            answered => answered,
        })
        .await
    }

    /// What of the client's headers goes on, with those that were rendered.
    fn headers(
        &self,
        exchange: &Exchange<'_>,
        parts: &mut Parts,
        rendered: HeaderMap,
    ) -> Result<HeaderMap, Refused> {
        let Exchange { permit, tenant, message, .. } = *exchange;
        let tokens = self.authenticator.token_headers();
        let given = std::mem::take(&mut parts.headers);
        let mut headers = request_headers(given, tokens, tenant.protected_headers());
        match message {
            Some(_) => describe_content(&mut headers),
            None => remove_standard_headers(&mut headers),
        }
        // A template makes one value.
        for (name, value) in rendered {
            if let Some(name) = name {
                headers.insert(name, value);
            }
        }
        if let Some(name) = tenant.assertion() {
            let minted = self.assertions.mint(permit.user(), tenant, name, SystemTime::now());
            let assertion = minted.map_err(|failure| {
                let id = message.and_then(|message| message.id.as_ref());
                unable(id, &failure)
            })?;
            headers.insert(name, assertion);
        }
        Ok(headers)
    }

    /// Ready when what stands has to end: with the token that it was asked for with, with the policy that let it be
    /// asked for, or with the gateway. The client asks again, if it still may.
    fn end(&self, permit: &Permit) -> impl Future<Output = Result<(), Elapsed>> + Send + use<> {
        let expires = permit.user().expires_at();
        let expires = expires.checked_add(LEEWAY).unwrap_or(expires);
        let left = expires.duration_since(SystemTime::now()).unwrap_or_default();
        let draining = Arc::clone(&self.draining);
        timeout(left, self.directory.outlived(permit.clone(), draining))
    }
}

fn unanswered(tenant: &Tenant, message: Option<&Message<'_>>, failure: &CallError) -> Refused {
    let name = tenant.id().as_str();
    let (outcome, text) = match failure {
        CallError::Connection(_) => return failed(tenant, message, "it can't be reached"),
        CallError::ConnectTime(_) | CallError::AnswerTime => {
            (Outcome::BackendTimeout, format!("the backend `{name}` did not answer in time"))
        }
        CallError::Ended => (
            Outcome::Ended,
            format!(
                "your token has ended, the policy has changed or the gateway is about to end while `{name}` was at \
                 it: ask again"
            ),
        ),
    };
    let id = message.and_then(|message| message.id.as_ref());
    let response = error(StatusCode::GATEWAY_TIMEOUT, id, code::GATEWAY_TIMEOUT, &text);
    Refused::new(outcome, response)
}

fn failed(tenant: &Tenant, message: Option<&Message<'_>>, why: &str) -> Refused {
    let id = message.and_then(|message| message.id.as_ref());
    let text = format!("the backend `{}` failed: {why}", tenant.id().as_str());
    let response = error(StatusCode::BAD_GATEWAY, id, code::BAD_GATEWAY, &text);
    Refused::new(Outcome::BackendFailed, response)
}
