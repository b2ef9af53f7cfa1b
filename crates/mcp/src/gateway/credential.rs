//! The credentials of a request: read, rendered, missed, waited for.

use std::sync::Arc;

use aws_lc_rs::digest::{Context, SHA256};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64URL;
use bonafide_headers::{Name, RenderError, VariableName};
use bonafide_policy::Permit;
use bonafide_vault::{Envelope, Secrets};
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Limited};
use serde_json::Value;
use tokio::time::{Duration, Instant, sleep};

use super::Shared;
use super::endpoint::Refused;
use super::forward::Exchange;
use super::metrics::Outcome;
use super::variables::UserVariables;
use crate::ask::{Asked, Need, Question, Retry};
use crate::message::Message;
use crate::refusal::{code, error};
use crate::rewrite::{Probe, Rewriter};
use crate::waiting::{Progress, Waiting};
use crate::{GatewayBody, Tenant};

/// How often the vault is asked whether a credential has arrived.
const POLL: Duration = Duration::from_secs(1);

/// The headers that this user's request carries, or what is missing.
pub(super) struct Rendered {
    pub(super) headers: Result<HeaderMap, Need>,
    pub(super) used: Used,
}

/// What the vault held when the headers were made: sealed, to say later that it was refused.
#[derive(Debug, Clone)]
pub(super) struct Used(Vec<Option<Envelope>>);

impl Used {
    fn new(secrets: &Secrets) -> Self {
        Self((0..secrets.len()).map(|index| secrets.envelope(index).cloned()).collect())
    }

    fn is_nothing(&self) -> bool {
        self.0.iter().all(Option::is_none)
    }

    fn digest(&self) -> String {
        let mut context = Context::new(&SHA256);
        for envelope in &self.0 {
            let bytes = envelope.as_ref().map(Envelope::as_bytes).unwrap_or_default();
            context.update(&(bytes.len() as u64).to_be_bytes());
            context.update(bytes);
        }
        BASE64URL.encode(context.finish())
    }

    fn asked(&self, refused: bool) -> Asked {
        Asked::new(self.digest(), refused)
    }
}

impl Rendered {
    /// Whether nothing has changed since the user was asked.
    fn still_lacks(&self, asked: &Asked) -> bool {
        self.headers.is_err() || asked.refused && self.used.digest() == asked.stored
    }
}

/// A request that waits for its user to enter a credential.
pub(super) struct Held {
    pub(super) shared: Arc<Shared>,
    pub(super) permit: Permit,
    pub(super) tenant: Tenant,
    pub(super) parts: Parts,
    pub(super) retry: Retry,
    /// What goes to the backend in place of the message.
    pub(super) sent: Bytes,
    pub(super) probes: Vec<Probe>,
    pub(super) url: bool,
}

impl Held {
    /// The answer, in the end. It is a stream from now on where the client takes one, so that it hears of us.
    pub(super) async fn answer(self) -> Result<Response<GatewayBody>, Refused> {
        if !accepts_events(&self.parts.headers) {
            return self.finish().await;
        }
        let progress = self.progress();
        let waiting = Waiting::new(Box::pin(self.finish_as_events()), progress);
        let mut response = Response::new(GatewayBody::waiting(waiting));
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
        Ok(response)
    }

    fn progress(&self) -> Option<Progress> {
        let message = Message::parse(&self.retry.body).ok()?;
        let text = format!("Waiting for your credential for {}", self.tenant.title());
        Progress::new(message.params.progress_token?, text)
    }

    async fn finish_as_events(self) -> GatewayBody {
        let limit = self.shared.limits.filtered_answer;
        let body = self.retry.body.clone();
        let response = self.finish().await.unwrap_or_else(|refused| *refused.response);
        let events = HeaderValue::from_static("text/event-stream");
        if response.headers().get(header::CONTENT_TYPE) == Some(&events) {
            return response.into_body();
        }
        let whole = Limited::new(response.into_body(), limit).collect().await;
        let text = whole.ok().and_then(|whole| String::from_utf8(whole.to_bytes().into()).ok());
        let text = text.unwrap_or_else(|| {
            let id = Message::parse(&body).ok().and_then(|message| message.id).unwrap_or_default();
            let error = serde_json::json!({ "code": code::BAD_GATEWAY, "message": "the backend's answer broke off" });
            serde_json::json!({ "jsonrpc": "2.0", "id": id, "error": error }).to_string()
        });
        // In JSON a carriage return is white space, in a stream the end of a line.
        let text = text.replace('\r', " ");
        let lines = text.lines().map(|line| format!("data: {line}\n"));
        GatewayBody::full(lines.chain(["\n".to_owned()]).collect::<String>())
    }

    async fn finish(self) -> Result<Response<GatewayBody>, Refused> {
        let Self { shared, permit, tenant, parts, retry, sent, probes, url } = self;
        let deadline = Instant::now() + shared.limits.credential_time;
        let message = Message::parse(&retry.body)
            .map_err(|refusal| super::endpoint::invalid_message(None, &refusal))?;
        let id = message.id.as_ref();
        let rendered = loop {
            let rendered = shared.render(&permit, &tenant, id).await?;
            if !rendered.still_lacks(&retry.asked) || Instant::now() >= deadline {
                break rendered;
            }
            sleep(POLL).await;
        };
        let refused = rendered.headers.is_ok() && rendered.still_lacks(&retry.asked);
        let rewriter = Rewriter::new(&permit, Some(&message), probes);
        let exchange = Exchange {
            permit: &permit,
            tenant: &tenant,
            message: Some(&message),
            body: &retry.body,
            rewriter,
            url,
        };
        if refused {
            return Err(shared.ask(&exchange, &Need::refused(&tenant), &rendered.used, true));
        }
        shared.exchange(exchange, parts, rendered, sent).await
    }
}

/// RFC 9110, section 12.5.1, as far as MCP clients use it.
fn accepts_events(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::ACCEPT).iter();
    values.filter_map(|value| value.to_str().ok()).any(|value| value.contains("text/event-stream"))
}

impl Shared {
    /// Whether a request that comes again still has to wait.
    pub(super) fn has_to_wait(rendered: &Rendered, retry: Option<&Retry>) -> bool {
        retry.is_some_and(|retry| rendered.still_lacks(&retry.asked))
    }

    /// The headers that this user's request carries to this tenant.
    pub(super) async fn render(
        &self,
        permit: &Permit,
        tenant: &Tenant,
        id: Option<&Value>,
    ) -> Result<Rendered, Refused> {
        let secrets = self.secrets.open(permit).read(tenant.secret_names()).await.map_err(|failure| {
            tracing::error!(tenant = tenant.id().as_str(), error = %failure, "the vault failed");
            let text = "your credentials can't be read right now: try again later";
            Refused::new(
                Outcome::VaultFailed,
                error(StatusCode::SERVICE_UNAVAILABLE, id, code::UNAVAILABLE, text),
            )
        })?;
        let variables = UserVariables::new(permit, &secrets);
        let headers = tenant.templates().render(&variables).map_err(|failure| {
            tracing::info!(tenant = tenant.id().as_str(), error = %failure, "headers not rendered");
            need(tenant, &failure)
        });
        Ok(Rendered { headers, used: Used::new(&secrets) })
    }

    /// Sends the user to where they can do something about it.
    pub(super) fn ask(
        &self,
        exchange: &Exchange<'_>,
        need: &Need,
        used: &Used,
        refused: bool,
    ) -> Refused {
        let response = self.asker.ask(&Question {
            permit: exchange.permit,
            message: exchange.message,
            body: std::str::from_utf8(exchange.body).unwrap_or_default(),
            url: exchange.url,
            need,
            asked: used.asked(refused),
        });
        Refused::new(Outcome::CredentialNeeded, response)
    }

    /// A backend's 401 is about the credential that we sent it, never about the client's token. It is noted, so that
    /// the user sees it where they enter credentials, and they are asked for a better one. `None` if none was sent.
    pub(super) async fn credential_refused(
        &self,
        exchange: &Exchange<'_>,
        used: &Used,
    ) -> Option<Refused> {
        let tenant = exchange.tenant;
        tracing::info!(tenant = tenant.id().as_str(), "the backend refused a credential");
        if used.is_nothing() {
            return None;
        }
        let vault = self.secrets.open(exchange.permit);
        for (name, envelope) in tenant.secret_names().iter().zip(&used.0) {
            let Some(envelope) = envelope else { continue };
            if let Err(error) = vault.mark_refused(name, envelope).await {
                tracing::warn!(tenant = tenant.id().as_str(), %error, "a refusal was not noted");
            }
        }
        Some(self.ask(exchange, &Need::refused(tenant), used, true))
    }
}

/// What the user, or failing that the administrator, can do about headers that can't be made.
fn need(tenant: &Tenant, failure: &RenderError) -> Need {
    let missing: Vec<&str> = match failure {
        RenderError::Missing(missing) => missing.declared().map(VariableName::as_str).collect(),
        _ => Vec::new(),
    };
    match failure {
        RenderError::Missing(_) if !missing.is_empty() => Need::missing(tenant, &missing),
        RenderError::Value { name: Name::Declared(name), problem, .. } => {
            Need::unusable(name.as_str(), problem)
        }
        _ => Need::configuration(tenant.id(), failure),
    }
}
