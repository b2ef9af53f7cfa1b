//! A request that waits for its user to enter a credential.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bonafide_policy::Permit;
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use serde::de::IgnoredAny;
use serde_json::{Value, json};
use tokio::time::{Duration, Instant, sleep};
use tracing::Instrument as _;

use super::Shared;
use super::endpoint::{Refused, invalid_message};
use super::forward::Exchange;
use super::metrics::Outcome;
use crate::ask::Retry;
use crate::backend::{MediaType, media_type};
use crate::gather::{NotWhole, gather};
use crate::limits::after;
use crate::message::Message;
use crate::quota::Seat;
use crate::refusal::{code, error};
use crate::waiting::{Progress, Waiting};
use crate::{GatewayBody, Tenant};

/// How often the vault is asked whether a credential has arrived.
const POLL: Duration = Duration::from_secs(1);

/// A request that waits for its user to enter a credential.
pub(super) struct Held {
    pub(super) shared: Arc<Shared>,
    /// As it was when the request came. Whether it still is, is decided when the request goes on.
    pub(super) permit: Permit,
    pub(super) tenant: Tenant,
    /// With the client's token, and the names that the client sent.
    pub(super) parts: Parts,
    pub(super) retry: Retry,
    pub(super) url: bool,
    pub(super) seat: Seat,
}

type Served = Result<(Outcome, Response<GatewayBody>), Refused>;

impl Held {
    /// The answer, in the end. It is a stream from now on where the client takes one, so that it hears of us.
    pub(super) async fn answer(self) -> Served {
        if !accepts_events(&self.parts.headers) {
            return self.finish().await;
        }
        let progress = self.progress();
        let answer = Box::pin(self.finish_as_events().in_current_span());
        let mut response = Response::new(GatewayBody::waiting(Waiting::new(answer, progress)));
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
        Ok((Outcome::Held, response))
    }

    fn progress(&self) -> Option<Progress> {
        let message = Message::parse(&self.retry.body).ok()?;
        let text = format!("Waiting for your credential for {}", self.tenant.title());
        Progress::new(message.params.progress_token?, text)
    }

    /// The answer as what is left of a stream. Its head has been sent: what it ends as is counted here.
    async fn finish_as_events(mut self) -> GatewayBody {
        // Whoever wraps an answer has to read it, and the head that would say how it is encoded has gone.
        let plain = HeaderValue::from_static("identity");
        self.parts.headers.insert(header::ACCEPT_ENCODING, plain);
        let (shared, body) = (Arc::clone(&self.shared), self.retry.body.clone());
        let (method, tenant) = (self.parts.method.clone(), self.tenant.id().clone());
        let started = std::time::Instant::now();
        let finished = self.finish().await;
        let (outcome, response) =
            finished.unwrap_or_else(|refused| (refused.outcome, *refused.response));
        let status = response.status();
        let events = as_events(response, shared.limits.filtered_answer).await;
        let (outcome, events) = events.map(|events| (outcome, events)).unwrap_or_else(|failure| {
            let outcome =
                if failure.0 == code::BAD_GATEWAY { Outcome::BackendFailed } else { outcome };
            (outcome, failure.tell(&body))
        });
        shared.served(outcome, &method, Some(&tenant), status, started);
        events
    }

    async fn finish(self) -> Served {
        let Self { shared, permit, tenant, mut parts, retry, url, seat } = self;
        let message =
            Message::parse(&retry.body).map_err(|refusal| invalid_message(None, &refusal))?;
        let id = message.id.as_ref();
        let deadline = after(shared.limits.credential_time);
        while shared.render(&permit, &tenant, id).await?.still_lacks(&retry.asked)
            && Instant::now() < deadline
            && !shared.draining.load(Ordering::Acquire)
        {
            sleep(POLL).await;
        }
        drop(seat);
        // Meanwhile the token may have ended, the user may have lost the right, and the backend may be elsewhere.
        let user = shared.authenticate(Some(tenant.id()), &parts).await?;
        let directory = shared.directory.load();
        let tenant = directory.tenant(tenant.id().as_str()).ok_or_else(|| {
            let text = "there is no such tenant any more";
            let response = error(StatusCode::NOT_FOUND, id, code::NOT_FOUND, text);
            Refused::new(Outcome::NotFound, response)
        })?;
        let permit = shared.permit(&directory, &user, tenant.id(), id, &parts)?;
        shared.require_scopes(&permit, tenant, Some(&message), &retry.body, &parts)?;
        let authorized = shared.authorized(&permit, tenant, Some(&message), &parts, &retry.body)?;
        let (sent, outcome, waits) =
            (authorized.body.clone(), authorized.outcome(), authorized.waits);
        let rewriter = authorized.rewriter(&permit, Some(&message), &mut parts.headers);
        let rendered = shared.render(&permit, tenant, id).await?;
        let (message, body) = (Some(&message), &retry.body);
        let mut exchange =
            Exchange { permit: &permit, tenant, message, body, rewriter, waits, url };
        if rendered.still_lacks(&retry.asked) {
            return Err(shared.ask_again(&exchange, &rendered));
        }
        Ok((outcome, shared.exchange(&mut exchange, &mut parts, rendered, sent).await?))
    }
}

/// RFC 9110, section 12.5.1, as far as MCP clients use it.
fn accepts_events(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::ACCEPT).iter();
    values.filter_map(|value| value.to_str().ok()).any(|value| value.contains("text/event-stream"))
}

/// Why an answer is none for a stream: a code and words.
struct NoEvents(i64, String);

impl NoEvents {
    fn of_backend(why: impl Into<String>) -> Self {
        Self(code::BAD_GATEWAY, why.into())
    }

    fn tell(&self, body: &Bytes) -> GatewayBody {
        let id: Value =
            Message::parse(body).ok().and_then(|message| message.id).unwrap_or_default();
        let error = json!({ "code": self.0, "message": self.1 });
        let message = json!({ "jsonrpc": "2.0", "id": id, "error": error });
        GatewayBody::full(format!("data: {message}\n\n"))
    }
}

/// A stream as it is, a message as an event.
async fn as_events(response: Response<GatewayBody>, limit: usize) -> Result<GatewayBody, NoEvents> {
    let (parts, body) = response.into_parts();
    if parts.status == StatusCode::UNAUTHORIZED {
        let text = "your token is not valid any more: send the request again with a new one";
        return Err(NoEvents(code::UNAUTHENTICATED, text.to_owned()));
    }
    let encodings = parts.headers.get_all(header::CONTENT_ENCODING);
    if encodings.iter().any(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return Err(NoEvents::of_backend(
            "the backend's answer is encoded, which was not asked for",
        ));
    }
    if media_type(&parts.headers) == MediaType::Events {
        return Ok(body);
    }
    let whole = gather(pin!(body), limit).await.map_err(|failure| {
        NoEvents::of_backend(match failure {
            NotWhole::TooLong => format!("the backend's answer has more than {limit} bytes"),
            NotWhole::Broken(_) => "the backend's answer broke off".to_owned(),
        })
    })?;
    let text = std::str::from_utf8(&whole).ok();
    let text = text.filter(|text| serde_json::from_str::<IgnoredAny>(text).is_ok());
    let status = parts.status.as_u16();
    let text = text.ok_or_else(|| {
        NoEvents::of_backend(format!("the backend's answer, of status {status}, is not JSON"))
    })?;
    // In JSON a carriage return is white space, in a stream the end of a line.
    let text = text.replace('\r', " ");
    let lines = text.lines().map(|line| format!("data: {line}\n"));
    Ok(GatewayBody::full(lines.chain(["\n".to_owned()]).collect::<String>()))
}
