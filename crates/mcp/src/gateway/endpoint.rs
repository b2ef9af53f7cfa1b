//! One request to `/{tenant}/mcp`, from the token to the rendered headers.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bonafide_claims::VerifiedUser;
use bonafide_policy::{Permit, TenantId};
use bonafide_tower::{Challenge, Peer};
use bytes::Bytes;
use http::request::Parts;
use http::{Method, Request, Response, StatusCode, header};
use http_body::Body;
use http_body_util::BodyExt as _;
use serde_json::Value;

use super::Shared;
use super::authorize::{Authorized, Decided, authorize};
use super::forward::Exchange;
use super::held::Held;
use super::metrics::{Metrics, Outcome};
use super::service::{method_not_allowed, not_found};
use crate::ask::{Answered, Retry, invalid_state};
use crate::content::check_content;
use crate::gather::{NotWhole, gather};
use crate::limits::within;
use crate::message::{Message, MessageError};
use crate::quota::Place;
use crate::refusal::{code, error};
use crate::{Directory, GatewayBody, Tenant};

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
        self: &Arc<Self>,
        tenant: Option<TenantId>,
        parts: &mut Parts,
        body: Pin<&mut B>,
    ) -> Response<GatewayBody>
    where
        B: Body<Data = Bytes>,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let started = Instant::now();
        let method = parts.method.clone();
        let (outcome, response) = match self.serve(tenant.as_ref(), parts, body, started).await {
            Ok(served) => served,
            Err(refused) => (refused.outcome, *refused.response),
        };
        self.served(outcome, &method, tenant.as_ref(), response.status(), started);
        response
    }

    /// Counts and logs how a request ended.
    pub(super) fn served(
        &self,
        outcome: Outcome,
        method: &Method,
        tenant: Option<&TenantId>,
        status: StatusCode,
        started: Instant,
    ) {
        self.metrics.count(outcome);
        tracing::info!(
            target: "bonafide_mcp::access",
            http = %method,
            tenant = tenant.map_or("", TenantId::as_str),
            status = status.as_u16(),
            outcome = Metrics::name(outcome),
            milliseconds = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
            "served"
        );
    }

    /// Each step needs what the step before it proved.
    async fn serve<B>(
        self: &Arc<Self>,
        tenant: Option<&TenantId>,
        parts: &mut Parts,
        body: Pin<&mut B>,
        started: Instant,
    ) -> Result<(Outcome, Response<GatewayBody>), Refused>
    where
        B: Body<Data = Bytes>,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let user = self.authenticate(tenant, parts).await?;
        self.hosts.check(parts).map_err(|refusal| {
            Refused::invalid(StatusCode::FORBIDDEN, code::DENIED, &refusal.to_string())
        })?;
        let directory = self.directory.load();
        let tenant = tenant
            .and_then(|tenant| directory.tenant(tenant.as_str()))
            .ok_or_else(|| Refused::new(Outcome::NotFound, not_found()))?;
        // Before anything is read or written down for this user: what is refused counts too.
        let place = self.enter(&user, tenant.id(), started)?.map(Box::new);
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
        let (permit, mut message) = self.admit(&directory, &user, tenant, parts, &body)?;
        let retry = self.retry(&permit, message.as_ref(), &body)?;
        let body = retry.as_ref().map_or_else(|| body.clone(), |retry| retry.body.clone());
        if retry.is_some() {
            let again = Message::parse(&body).map_err(|refusal| invalid_message(None, &refusal))?;
            message = Some(again);
        }
        let authorized = self.authorized(&permit, tenant, message.as_ref(), parts, &body)?;
        let (sent, outcome, waits) =
            (authorized.body.clone(), authorized.outcome(), authorized.waits);
        let id = message.as_ref().and_then(|message| message.id.as_ref());
        let session = self.open_session(&permit, &mut parts.headers, message.as_ref())?;
        session.answer_here(message.as_ref())?;
        let url = session.url || message.as_ref().is_some_and(Message::declares_url);
        let rendered = self.render(&permit, tenant, id).await?;
        session.ends_with(&rendered, id)?;
        if Self::has_to_wait(&rendered, retry.as_ref())
            && let (Some(message), Some(retry)) = (&message, retry)
        {
            match retry.answer {
                Answered::Declined => {
                    let response = self.asker.declined(message, tenant.id());
                    return Err(Refused::new(Outcome::CredentialNeeded, response));
                }
                Answered::Accepted => {
                    let Some(seat) = self.seats.take(permit.user().id(), permit.tenant()) else {
                        let (message, rewriter) = (Some(message), None);
                        let (permit, body) = (&permit, &body);
                        let exchange =
                            Exchange { permit, tenant, message, body, rewriter, waits, url };
                        return Err(self.ask_again(&exchange, &rendered));
                    };
                    let (shared, tenant) = (Arc::clone(self), tenant.clone());
                    let parts = std::mem::replace(parts, Request::new(()).into_parts().0);
                    let held = Held { shared, permit, tenant, parts, retry, url, seat };
                    // Boxed: few requests wait, and every request would carry the room for it.
                    let (outcome, response) = Box::pin(held.answer()).await?;
                    return Ok((outcome, response.map(|body| body.holding(place))));
                }
                Answered::Not => {}
            }
        }
        let message = message.as_ref();
        let rewriter = authorized.rewriter(&permit, message, &mut parts.headers);
        let mut exchange =
            Exchange { permit: &permit, tenant, message, body: &body, rewriter, waits, url };
        let response = self.exchange(&mut exchange, parts, rendered, sent).await?;
        Ok((outcome, response.map(|body| body.holding(place))))
    }

    /// That the user may use the tenant, and what they send to it. Who may not learns that, and nothing about how well the
    /// message was made.
    fn admit<'a>(
        &self,
        directory: &Directory,
        user: &VerifiedUser,
        tenant: &Tenant,
        parts: &Parts,
        body: &'a Bytes,
    ) -> Result<(Permit, Option<Message<'a>>), Refused> {
        let message = match parts.method {
            Method::POST => Some(Message::parse(body)),
            _ => None,
        };
        let read = message.as_ref().and_then(|message| message.as_ref().ok());
        let id = read.and_then(|message| message.id.as_ref());
        let permit = self.permit(directory, user, tenant.id(), id, parts)?;
        self.require_scopes(&permit, tenant, read, body, parts)?;
        if message.is_some() {
            check_content(&parts.headers).map_err(|refusal| {
                let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
                Refused::invalid(status, code::INVALID_REQUEST, &refusal.to_string())
            })?;
        }
        let message = message.transpose().map_err(|refusal| invalid_message(None, &refusal))?;
        Ok((permit, message))
    }

    /// Whether the user may use the tenant, as it is written down.
    pub(super) fn permit(
        &self,
        directory: &Directory,
        user: &VerifiedUser,
        tenant: &TenantId,
        id: Option<&Value>,
        parts: &Parts,
    ) -> Result<Permit, Refused> {
        directory.permit(user, tenant).map_err(|denial| {
            tracing::info!(tenant = tenant.as_str(), %denial, "denied a tenant");
            self.trail.denied(&denial, &parts.extensions);
            let text = format!("you may not use `{}`", tenant.as_str());
            Refused::new(Outcome::Denied, error(StatusCode::FORBIDDEN, id, code::DENIED, &text))
        })
    }

    /// What of the message may go on. What was decided is written down.
    pub(super) fn authorized(
        &self,
        permit: &Permit,
        tenant: &Tenant,
        message: Option<&Message<'_>>,
        parts: &Parts,
        body: &Bytes,
    ) -> Result<Authorized, Refused> {
        let authorized = match message {
            Some(message) => authorize(permit, message, &parts.headers, body),
            None => Ok(Authorized::default()),
        };
        let (decided, authorized) = match authorized {
            Ok(mut authorized) => {
                let decided = std::mem::take(&mut authorized.decided);
                let opened = self.open_tasks(permit, tenant, message, parts, &mut authorized);
                (decided, opened.map(|()| authorized))
            }
            Err(refused) => (Vec::new(), Err(refused)),
        };
        match (&authorized, message) {
            // Not for what it names, but for what it is.
            (Err(refused), Some(message)) if refused.outcome == Outcome::Denied => {
                self.trail.denied(&permit.refuse_tool(&message.method), &parts.extensions);
            }
            _ if decided.is_empty() => {
                self.trail.permitted(permit, message.and_then(Message::tool), &parts.extensions);
            }
            _ => {}
        }
        for Decided { name, comparable } in decided {
            if comparable {
                self.trail.permitted(permit, Some(&name), &parts.extensions);
            } else {
                self.trail.denied(&permit.refuse_tool(&name), &parts.extensions);
            }
        }
        authorized
    }

    /// A place among the requests that the user has open.
    fn enter(
        &self,
        user: &VerifiedUser,
        tenant: &TenantId,
        now: Instant,
    ) -> Result<Option<Place>, Refused> {
        self.meter.enter(user.id(), tenant, now).map_err(|wait| {
            let text = format!("too many requests to `{}`: wait a little", tenant.as_str());
            let mut response = error(StatusCode::TOO_MANY_REQUESTS, None, code::TOO_MANY, &text);
            // In whole seconds, rounded up (RFC 9110, section 10.2.3).
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
            Refused::new(Outcome::TooMany, response)
        })
    }

    /// What the gateway asked for, if this request is the answer to it.
    fn retry(
        &self,
        permit: &Permit,
        message: Option<&Message<'_>>,
        body: &Bytes,
    ) -> Result<Option<Retry>, Refused> {
        let Some(message) = message.filter(|message| message.params.request_state.is_some()) else {
            return Ok(None);
        };
        let body = std::str::from_utf8(body).unwrap_or_default();
        Retry::read(&self.asker.states, permit, message, body, SystemTime::now()).map_err(
            |refusal| Refused::new(Outcome::Invalid, invalid_state(message.id.as_ref(), refusal)),
        )
    }

    pub(super) async fn authenticate(
        &self,
        tenant: Option<&TenantId>,
        parts: &Parts,
    ) -> Result<VerifiedUser, Refused> {
        let peer = parts.extensions.get::<Peer>().map(|peer| peer.0);
        self.authenticator.authenticate_from(&parts.headers, peer).await.map_err(|refusal| {
            tracing::info!(error = %refusal, "refused a request without a valid token");
            let mut challenge = Challenge::new(&refusal);
            if let Some(id) = tenant {
                let directory = self.directory.load();
                challenge = self.pointing_to(id, directory.tenant(id.as_str()), challenge);
            }
            let mut response = Response::new(GatewayBody::default());
            challenge.apply(&mut response);
            Refused::new(Outcome::Unauthenticated, response)
        })
    }
}

pub(super) fn invalid_message(id: Option<&Value>, refusal: &MessageError) -> Refused {
    let code = match refusal {
        MessageError::Syntax => code::PARSE_ERROR,
        MessageError::NoToolName | MessageError::NoName | MessageError::TooManyNames => {
            code::INVALID_PARAMS
        }
        _ => code::INVALID_REQUEST,
    };
    let response = error(StatusCode::BAD_REQUEST, id, code, &refusal.to_string());
    Refused::new(Outcome::Invalid, response)
}

/// Something failed that never should: no randomness, no keys.
pub(super) fn unable(id: Option<&Value>, failure: &dyn std::error::Error) -> Refused {
    tracing::error!(error = %failure, "a request can't be served");
    let text = "the gateway can't serve this right now: try again later";
    let response = error(StatusCode::SERVICE_UNAVAILABLE, id, code::UNAVAILABLE, text);
    Refused::new(Outcome::Failed, response)
}

/// The whole body, within limits of size and time.
async fn read_body<B>(body: Pin<&mut B>, limit: usize, time: Duration) -> Result<Bytes, Refused>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let refuse = |status, text: &str| Refused::invalid(status, code::INVALID_REQUEST, text);
    let too_large = || {
        let text = format!("the body has more than {limit} bytes");
        refuse(StatusCode::PAYLOAD_TOO_LARGE, &text)
    };
    // One that announces as much is not waited for.
    if body.size_hint().lower() > limit as u64 {
        return Err(too_large());
    }
    let body = body.map_err(Into::<Box<dyn std::error::Error + Send + Sync>>::into);
    match within(time, pin!(gather(pin!(body), limit))).await {
        Ok(Ok(whole)) => Ok(whole),
        Ok(Err(NotWhole::TooLong)) => Err(too_large()),
        Ok(Err(NotWhole::Broken(_))) => Err(refuse(StatusCode::BAD_REQUEST, "the body broke off")),
        Err(_) => Err(refuse(StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time")),
    }
}
