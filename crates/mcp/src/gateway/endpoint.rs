//! One request to `/{tenant}/mcp`, from the token to the rendered headers.

use std::time::Duration;

use bonafide_claims::VerifiedUser;
use bonafide_headers::{Name, RenderError, VariableName};
use bonafide_policy::{Permit, TenantId};
use bonafide_tower::{Challenge, Peer};
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, Method, Response, StatusCode};
use http_body::Body;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde_json::Value;
use tokio::time::timeout;

use super::Shared;
use super::authorize::{Authorized, authorize};
use super::forward::Exchange;
use super::metrics::Outcome;
use super::service::{challenged_resource, method_not_allowed, not_found};
use super::variables::UserVariables;
use crate::content::check_content;
use crate::message::{Message, MessageError};
use crate::refusal::{ask_for_credential, code, error, missing_text};
use crate::rewrite::Rewriter;
use crate::session::NoRandomness;
use crate::{GatewayBody, Tenant};

/// An answer that the gateway gives by itself, and what it counts as.
pub(super) struct Refused {
    pub(super) outcome: Outcome,
    pub(super) response: Box<Response<GatewayBody>>,
}

impl Refused {
    pub(super) fn new(outcome: Outcome, response: Response<GatewayBody>) -> Self {
        Self { outcome, response: Box::new(response) }
    }

    fn invalid(status: StatusCode, code: i64, text: &str) -> Self {
        Self::new(Outcome::Invalid, error(status, None, code, text))
    }
}

impl Shared {
    pub(super) async fn endpoint<B>(
        &self,
        tenant: Option<TenantId>,
        parts: Parts,
        body: B,
    ) -> Response<GatewayBody>
    where
        B: Body<Data = Bytes>,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let (outcome, response) = match self.serve(tenant, parts, body).await {
            Ok(served) => served,
            Err(refused) => (refused.outcome, *refused.response),
        };
        self.metrics.count(outcome);
        response
    }

    /// Each step needs what the step before it proved.
    async fn serve<B>(
        &self,
        tenant: Option<TenantId>,
        mut parts: Parts,
        body: B,
    ) -> Result<(Outcome, Response<GatewayBody>), Refused>
    where
        B: Body<Data = Bytes>,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let user = self.authenticate(tenant.as_ref(), &parts).await?;
        self.hosts.check(&parts).map_err(|refusal| {
            Refused::invalid(StatusCode::FORBIDDEN, code::DENIED, &refusal.to_string())
        })?;
        let directory = self.directory.load();
        let tenant = tenant
            .and_then(|tenant| directory.tenant(tenant.as_str()))
            .ok_or_else(|| Refused::new(Outcome::NotFound, not_found()))?;
        let body = match parts.method {
            Method::POST => {
                read_body(body, self.limits.request_body, self.limits.request_time).await?
            }
            Method::GET | Method::DELETE => Bytes::new(),
            _ => {
                let response = method_not_allowed("GET, POST, DELETE");
                return Err(Refused::new(Outcome::Invalid, response));
            }
        };
        let message = match parts.method {
            Method::POST => Some(Message::parse(&body)),
            _ => None,
        };
        // A caller who may not be here learns that, and nothing about how well the message was made.
        let permit = directory.policy().permit(&user, tenant.id()).map_err(|denial| {
            tracing::info!(tenant = tenant.id().as_str(), %denial, "denied a tenant");
            self.trail.denied(&denial, &parts.extensions);
            let id = message.as_ref().and_then(|message| message.as_ref().ok()?.id.as_ref());
            let text = format!("you may not use `{}`", tenant.id().as_str());
            Refused::new(Outcome::Denied, error(StatusCode::FORBIDDEN, id, code::DENIED, &text))
        })?;
        if message.is_some() {
            check_content(&parts.headers).map_err(|refusal| {
                let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
                Refused::invalid(status, code::INVALID_REQUEST, &refusal.to_string())
            })?;
        }
        let message = message.transpose().map_err(|refusal| invalid_message(None, &refusal))?;
        let authorized = match &message {
            Some(message) => authorize(&permit, message, &parts.headers, &body),
            None => Ok(Authorized::default()),
        };
        let decided =
            authorized.as_ref().map(|authorized| &*authorized.decided).unwrap_or_default();
        let tool = message.as_ref().and_then(Message::tool);
        if decided.is_empty() {
            self.trail.permitted(&permit, tool, &parts.extensions);
        }
        for name in decided {
            self.trail.permitted(&permit, Some(name), &parts.extensions);
        }
        let Authorized { body: sent, probes, .. } = authorized?;
        for probe in &probes {
            probe.ask_in_header(&mut parts.headers);
        }
        let outcome = if probes.is_empty() { Outcome::Forwarded } else { Outcome::Denied };
        let id = message.as_ref().and_then(|message| message.id.as_ref());
        let session = self.open_session(&permit, &mut parts.headers, id)?;
        let url = session || message.as_ref().is_some_and(Message::declares_url);
        let rendered = self.render(&permit, tenant, message.as_ref()).await?;
        let rewriter = Rewriter::new(&permit, message.as_ref(), probes);
        let exchange =
            Exchange { permit: &permit, tenant, message: message.as_ref(), rewriter, url };
        Ok((outcome, self.forward(exchange, parts, rendered, sent).await?))
    }

    async fn authenticate(
        &self,
        tenant: Option<&TenantId>,
        parts: &Parts,
    ) -> Result<VerifiedUser, Refused> {
        let peer = parts.extensions.get::<Peer>().map(|peer| peer.0);
        self.authenticator.authenticate_from(&parts.headers, peer).await.map_err(|refusal| {
            tracing::info!(error = %refusal, "refused a request without a valid token");
            let mut challenge = Challenge::new(&refusal);
            if let Some(resource) = challenged_resource(self, tenant) {
                challenge = challenge.with_resource(&resource);
            }
            let mut response = Response::new(GatewayBody::default());
            challenge.apply(&mut response);
            Refused::new(Outcome::Unauthenticated, response)
        })
    }

    /// The headers that this user's request carries to this tenant.
    async fn render(
        &self,
        permit: &Permit,
        tenant: &Tenant,
        message: Option<&Message<'_>>,
    ) -> Result<HeaderMap, Refused> {
        let id = message.and_then(|message| message.id.as_ref());
        let secrets = self.secrets.open(permit).read(tenant.secret_names()).await.map_err(|failure| {
            tracing::error!(tenant = tenant.id().as_str(), error = %failure, "the vault failed");
            let text = "your credentials can't be read right now: try again later";
            Refused::new(
                Outcome::VaultFailed,
                error(StatusCode::SERVICE_UNAVAILABLE, id, code::UNAVAILABLE, text),
            )
        })?;
        let variables = UserVariables::new(permit, &secrets);
        tenant.templates().render(&variables).map_err(|failure| {
            tracing::info!(tenant = tenant.id().as_str(), error = %failure, "headers not rendered");
            let text = self.what_to_enter(tenant, &failure);
            Refused::new(Outcome::CredentialNeeded, ask_for_credential(message, &text))
        })
    }

    /// What the user, or failing that the administrator, can do about headers that can't be made.
    fn what_to_enter(&self, tenant: &Tenant, failure: &RenderError) -> String {
        let page = self.page(tenant.id());
        let missing: Vec<&str> = match failure {
            RenderError::Missing(missing) => missing.declared().map(VariableName::as_str).collect(),
            _ => Vec::new(),
        };
        match failure {
            RenderError::Missing(_) if !missing.is_empty() => missing_text(tenant, &missing, &page),
            RenderError::Value { name: Name::Declared(name), problem, .. } => {
                format!(
                    "what you entered for `{name}` can't be sent: {problem}. Open {page} to change it."
                )
            }
            _ => format!("the headers for `{}` can't be made: {failure}", tenant.id().as_str()),
        }
    }
}

pub(super) fn invalid_message(id: Option<&Value>, refusal: &MessageError) -> Refused {
    let code = match refusal {
        MessageError::Syntax => code::PARSE_ERROR,
        MessageError::NoToolName | MessageError::NoName => code::INVALID_PARAMS,
        _ => code::INVALID_REQUEST,
    };
    let response = error(StatusCode::BAD_REQUEST, id, code, &refusal.to_string());
    Refused::new(Outcome::Invalid, response)
}

pub(super) fn no_randomness(id: Option<&Value>, failure: NoRandomness) -> Refused {
    tracing::error!(error = %failure, "a request can't be served");
    let text = "the gateway can't serve this right now: try again later";
    let response = error(StatusCode::SERVICE_UNAVAILABLE, id, code::UNAVAILABLE, text);
    Refused::new(Outcome::Failed, response)
}

/// The whole body, within limits of size and time.
async fn read_body<B>(body: B, limit: usize, time: Duration) -> Result<Bytes, Refused>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let refuse = |status, text: &str| Refused::invalid(status, code::INVALID_REQUEST, text);
    match timeout(time, Limited::new(body, limit).collect()).await {
        Ok(Ok(whole)) => Ok(whole.to_bytes()),
        Ok(Err(failure)) if failure.is::<LengthLimitError>() => Err(refuse(
            StatusCode::PAYLOAD_TOO_LARGE,
            &format!("the body has more than {limit} bytes"),
        )),
        Ok(Err(_)) => Err(refuse(StatusCode::BAD_REQUEST, "the body broke off")),
        Err(_) => Err(refuse(StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time")),
    }
}
