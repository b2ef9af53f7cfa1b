//! From rendered headers to the backend, and its answer back to the client.

use bonafide_policy::Permit;
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};

use super::Shared;
use super::endpoint::Refused;
use super::metrics::Outcome;
use crate::backend::{Answer, read_answer, request_headers, response_headers};
use crate::message::Message;
use crate::refusal::{ask_for_credential, code, error};
use crate::{GatewayBody, Tenant};

const SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");

impl Shared {
    pub(super) async fn forward(
        &self,
        permit: &Permit,
        tenant: &Tenant,
        parts: Parts,
        rendered: HeaderMap,
        message: Option<&Message<'_>>,
        body: Bytes,
    ) -> Result<Response<GatewayBody>, Refused> {
        let tokens = self.authenticator.token_headers().cloned();
        let mut headers = request_headers(parts.headers, tokens, tenant.protected_headers());
        self.open_session(permit, &mut headers, message)?;
        headers.extend(rendered);
        let method = parts.method;
        let response =
            self.backends.call(tenant, method.clone(), headers, body).await.map_err(|failure| {
                tracing::warn!(tenant = tenant.id().as_str(), error = %failure, "no answer");
                failed(tenant, message, failure.is_timeout(), "it can't be reached")
            })?;
        let (mut parts, answer) = read_answer(&method, response, &self.limits).await;
        let body = match answer {
            Answer::Passed(body) => body,
            Answer::CredentialRefused => return Err(self.credential_refused(tenant, message)),
            Answer::Redirect => {
                return Err(failed(tenant, message, false, "it redirects, which is not followed"));
            }
            Answer::Garbage(what) => {
                tracing::warn!(tenant = tenant.id().as_str(), what, "an unusable answer");
                return Err(failed(tenant, message, false, "its answer is not MCP"));
            }
            Answer::Stopped => return Err(failed(tenant, message, true, "it stopped")),
        };
        response_headers(&mut parts.headers);
        self.seal_session(permit, &mut parts.headers);
        let mut response = Response::new(body);
        *response.status_mut() = parts.status;
        *response.headers_mut() = parts.headers;
        Ok(response)
    }

    /// Replaces the client's session id by the backend's. An id that was given to somebody else, or for another
    /// tenant, is answered like one that has ended: 404, so that the client starts a session of its own.
    fn open_session(
        &self,
        permit: &Permit,
        headers: &mut HeaderMap,
        message: Option<&Message<'_>>,
    ) -> Result<(), Refused> {
        let mut sealed = headers.get_all(SESSION_ID).iter();
        let Some(first) = sealed.next() else { return Ok(()) };
        let opened = first
            .to_str()
            .ok()
            .filter(|_| sealed.next().is_none())
            .and_then(|sealed| self.sessions.open(permit.user().id(), permit.tenant(), sealed))
            .and_then(|id| HeaderValue::from_str(id).ok());
        let Some(id) = opened else {
            let id = message.and_then(|message| message.id.as_ref());
            let text = "there is no such session: start a new one";
            let response = error(StatusCode::NOT_FOUND, id, code::NOT_FOUND, text);
            return Err(Refused::new(Outcome::NotFound, response));
        };
        headers.insert(SESSION_ID, id);
        Ok(())
    }

    fn seal_session(&self, permit: &Permit, headers: &mut HeaderMap) {
        let Some(id) = headers.remove(SESSION_ID) else { return };
        let sealed = id
            .to_str()
            .ok()
            .map(|id| self.sessions.seal(permit.user().id(), permit.tenant(), id))
            .and_then(|sealed| HeaderValue::try_from(sealed).ok());
        // An id that is not visible ASCII is none (Streamable HTTP, "session management"): nothing is passed on.
        if let Some(sealed) = sealed {
            headers.insert(SESSION_ID, sealed);
        }
    }

    /// A backend's 401 is about the credential that we sent it, never about the client's token.
    fn credential_refused(&self, tenant: &Tenant, message: Option<&Message<'_>>) -> Refused {
        tracing::info!(tenant = tenant.id().as_str(), "the backend refused a credential");
        if tenant.secret_names().is_empty() {
            return failed(tenant, message, false, "it refused the gateway's credential");
        }
        let text = format!(
            "{} refused your stored credential. Open {} and enter a new one, then try again.",
            tenant.title(),
            self.page(tenant.id()),
        );
        Refused::new(Outcome::CredentialNeeded, ask_for_credential(message, &text))
    }
}

fn failed(tenant: &Tenant, message: Option<&Message<'_>>, timeout: bool, why: &str) -> Refused {
    let id = message.and_then(|message| message.id.as_ref());
    let tenant = tenant.id().as_str();
    if timeout {
        let text = format!("the backend `{tenant}` did not answer in time");
        let response = error(StatusCode::GATEWAY_TIMEOUT, id, code::GATEWAY_TIMEOUT, &text);
        return Refused::new(Outcome::BackendTimeout, response);
    }
    let text = format!("the backend `{tenant}` failed: {why}");
    let response = error(StatusCode::BAD_GATEWAY, id, code::BAD_GATEWAY, &text);
    Refused::new(Outcome::BackendFailed, response)
}
