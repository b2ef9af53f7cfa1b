//! The credentials of a request: read, rendered, missed, waited for.

use aws_lc_rs::digest::{Context, SHA256};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64URL;
use bonafide_headers::{Name, RenderError, Variable, VariableName};
use bonafide_policy::Permit;
use bonafide_vault::{Envelope, SecretName, Secrets};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;

use super::Shared;
use super::endpoint::Refused;
use super::forward::Exchange;
use super::metrics::Outcome;
use super::variables::UserVariables;
use crate::Tenant;
use crate::ask::{Asked, Need, Question, Retry};
use crate::assertion::is_vouched_for;
use crate::message::Message;
use crate::refusal::{code, error};
use crate::rewrite::Echo;

/// The headers that this user's request carries, or what is missing.
pub(super) struct Rendered {
    pub(super) headers: Result<HeaderMap, Need>,
    pub(super) used: Used,
    pub(super) secrets: Secrets,
}

/// What the vault held when the headers were made: sealed, to say later that it was refused.
#[derive(Debug, Clone)]
pub(super) struct Used(Vec<Option<Envelope>>);

impl Used {
    fn new(secrets: &Secrets) -> Self {
        Self((0..secrets.len()).map(|index| secrets.envelope(index).cloned()).collect())
    }

    /// What was stored for the variables that stand in a template.
    fn sent<'a>(
        &'a self,
        tenant: &'a Tenant,
    ) -> impl Iterator<Item = (&'a Variable, &'a SecretName, &'a Envelope)> {
        let templates = tenant.templates();
        let stored = templates.variables().iter().zip(tenant.secret_names()).zip(&self.0);
        stored
            .filter_map(|((variable, name), envelope)| Some((variable, name, envelope.as_ref()?)))
            .filter(|(variable, ..)| {
                templates.unused_variables().all(|unused| unused.name() != variable.name())
            })
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
    pub(super) fn still_lacks(&self, asked: &Asked) -> bool {
        self.headers.is_err() || asked.refused && self.used.digest() == asked.stored
    }
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
        if tenant.assertion().is_some() && !is_vouched_for(permit.user()) {
            let text = format!(
                "`{}` is told by a signed assertion who its users are, and there is none about users without a token \
                 of their own",
                tenant.id().as_str()
            );
            tracing::info!(
                tenant = tenant.id().as_str(),
                "no assertion about a user of the trusted hop"
            );
            let response = error(StatusCode::FORBIDDEN, id, code::DENIED, &text);
            return Err(Refused::new(Outcome::Denied, response));
        }
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
        Ok(Rendered { headers, used: Used::new(&secrets), secrets })
    }

    /// Sends the user to where they can do something about it.
    pub(super) fn ask(
        &self,
        exchange: &Exchange<'_>,
        need: &Need,
        used: &Used,
        refused: bool,
    ) -> Refused {
        let begins = |message: &&Message<'_>| message.method == "initialize";
        let session = exchange.message.filter(begins);
        let response = self.asker.ask(&Question {
            permit: exchange.permit,
            tenant: exchange.tenant,
            session: session.and_then(|_| self.own_session(exchange.permit)),
            message: exchange.message,
            body: std::str::from_utf8(exchange.body).unwrap_or_default(),
            url: exchange.url,
            need,
            asked: used.asked(refused),
        });
        Refused::new(Outcome::CredentialNeeded, response)
    }

    /// Asks for what is missing; or for something better, if nothing is and the backend did not accept it.
    pub(super) fn ask_again(&self, exchange: &Exchange<'_>, rendered: &Rendered) -> Refused {
        match &rendered.headers {
            Err(need) => self.ask(exchange, need, &rendered.used, false),
            Ok(_) => self.ask(exchange, &Need::refused(exchange.tenant), &rendered.used, true),
        }
    }

    /// A backend's 401 is about the credential that we sent it, never about the client's token. The secrets that were
    /// sent are marked, so that the user sees it where they enter them, and they are asked for better ones. `None` if
    /// nothing was sent that they entered, or if `Authorization` held our own assertion: it is about that one then.
    pub(super) async fn credential_refused(
        &self,
        exchange: &Exchange<'_>,
        used: &Used,
    ) -> Option<Refused> {
        let tenant = exchange.tenant;
        tracing::info!(tenant = tenant.id().as_str(), "the backend refused a credential");
        if tenant.assertion() == Some(&header::AUTHORIZATION) || used.sent(tenant).next().is_none()
        {
            return None;
        }
        let vault = self.secrets.open(exchange.permit);
        for (variable, name, envelope) in used.sent(tenant) {
            if !variable.is_secret() {
                continue;
            }
            if let Err(error) = vault.mark_refused(name, envelope).await {
                tracing::warn!(tenant = tenant.id().as_str(), %error, "a refusal was not noted");
            }
        }
        Some(self.ask(exchange, &Need::refused(tenant), used, true))
    }
}

/// What a backend must not send back in an error: the user's secrets, those of the environment, and the headers that have
/// secrets in them. `Basic` and `Bearer` are no secret, what stands behind them is (RFC 9110, section 11.4).
pub(super) fn echo(tenant: &Tenant, secrets: &Secrets, headers: &HeaderMap) -> Echo {
    let variables = tenant.templates().variables().iter().enumerate();
    let stored = variables
        .filter(|(_, variable)| variable.is_secret())
        .filter_map(|(index, _)| secrets.get(index));
    let values = stored.chain(tenant.templates().env_values()).map(SecretString::expose_secret);
    let sent = headers.values().filter(|value| value.is_sensitive()).map(HeaderValue::as_bytes);
    let sent = sent.map(|value| match memchr::memchr(b' ', value) {
        Some(space) => value.get(space + 1..).unwrap_or_default(),
        None => value,
    });
    let sent = sent.filter_map(|value| std::str::from_utf8(value).ok());
    Echo::new(values.chain(sent))
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
