//! Asking a user for a credential: by a page that their client opens, or by words with a link.

mod retry;
mod stand_in;
mod state;
#[cfg(test)]
mod tests;

use std::fmt;
use std::time::SystemTime;

use bonafide_claims::UserId;
use bonafide_headers::Variable;
use bonafide_policy::{Permit, TenantId};
use bonafide_vault::{KeyError, Keyring, StateError};
use http::{HeaderValue, Response, StatusCode};
use serde_json::{Value, json};
use url::Url;

use crate::assertion::is_vouched_for;
use crate::message::{Kind, Message};
use crate::refusal::{ask_for_credential, code, error, error_with_data, json_response};
use crate::rewrite::random_name;
use crate::{GatewayBody, LINK_TIME, LinkSealer, Tenant};

use stand_in::stand_in;

pub(crate) use retry::{Answered, Retry, RetryError};
pub(crate) use state::{Asked, States};

/// The methods that a server may answer with a question: revision 2026-07-28, "multi round-trip requests".
const MAY_ASK: [&str; 3] = ["prompts/get", "resources/read", "tools/call"];

/// Under which key we ask, beside keys of the backend.
const REQUEST_KEY: &str = "bonafide.credential";

/// What a user, or failing that the administrator, has to do before a request can go on.
#[derive(Debug)]
pub(crate) struct Need {
    /// What is wrong, in a sentence.
    what: String,
    /// What to do on the page, after "Open …". `None` if no page helps.
    there: Option<&'static str>,
}

impl Need {
    /// Variables that the user has not entered, by the titles that the administrator gave them.
    pub(crate) fn missing(tenant: &Tenant, missing: &[&str]) -> Self {
        let titles: Vec<&str> = tenant
            .templates()
            .variables()
            .iter()
            .filter(|variable| missing.contains(&variable.name().as_str()))
            .map(Variable::title)
            .collect();
        let (title, titles) = (tenant.title(), titles.join(", "));
        let what = format!("{title} needs something that only you can enter: {titles}.");
        Self { what, there: Some("and enter it there, then try again.") }
    }

    /// A value that can't be sent as it is.
    pub(crate) fn unusable(name: &str, problem: impl fmt::Display) -> Self {
        let what = format!("what you entered for `{name}` can't be sent: {problem}.");
        Self { what, there: Some("to change it.") }
    }

    /// A value that the backend does not accept.
    pub(crate) fn refused(tenant: &Tenant) -> Self {
        let what = format!("{} refused your stored credential.", tenant.title());
        Self { what, there: Some("and enter a new one, then try again.") }
    }

    /// Something that no user can enter.
    pub(crate) fn configuration(tenant: &TenantId, failure: impl fmt::Display) -> Self {
        Self {
            what: format!("the headers for `{}` can't be made: {failure}", tenant.as_str()),
            there: None,
        }
    }

    fn with_link(&self, page: &str) -> String {
        match self.there {
            Some(there) => format!("{} Open {page} {there}", self.what),
            None => self.what.clone(),
        }
    }

    /// For a user who can't sign in to the page.
    fn without_page(&self, api: &str) -> String {
        match self.there {
            Some(_) => format!(
                "{} The page for it can't be opened without an account that signs in: ask your administrator, or let a \
                 program send it with `PUT {api}`.",
                self.what
            ),
            None => self.what.clone(),
        }
    }
}

/// Makes the questions.
#[derive(Debug)]
pub(crate) struct Asker {
    links: LinkSealer,
    pub(crate) states: States,
    public_url: Url,
}

/// Who is asked what, and because of which request.
pub(crate) struct Question<'a> {
    pub(crate) permit: &'a Permit,
    pub(crate) message: Option<&'a Message<'a>>,
    /// The body of the message, without what was ours.
    pub(crate) body: &'a str,
    /// Whether the client can send its user to a page.
    pub(crate) url: bool,
    pub(crate) need: &'a Need,
    /// What was stored when the question arose.
    pub(crate) asked: Asked,
    pub(crate) tenant: &'a Tenant,
    /// For a session in which we answer ourselves, if the message begins one.
    pub(crate) session: Option<HeaderValue>,
}

impl Asker {
    pub(crate) fn new(keyring: &Keyring, public_url: Url) -> Result<Self, KeyError> {
        let (links, states) = (LinkSealer::new(keyring)?, States::new(keyring, &public_url)?);
        Ok(Self { links, states, public_url })
    }

    /// The answer that asks. The client's user is sent to a page where the client can do that, and told of it in
    /// words where it can't. The page signs its visitors in where their issuer is: who has none is not sent there.
    pub(crate) fn ask(&self, question: &Question<'_>) -> Response<GatewayBody> {
        let Question { need, message, .. } = *question;
        let tenant = question.permit.tenant();
        let vouched = is_vouched_for(question.permit.user());
        let page = self.page(tenant);
        let able = question.url && vouched && need.there.is_some();
        let asked = message.filter(|message| able && message.kind == Kind::Request);
        if let Some(asked) = asked.and_then(|message| self.by_page(question, message, &page)) {
            return asked;
        }
        let text = match vouched {
            true => need.with_link(&page),
            false => need.without_page(&self.api(tenant)),
        };
        let would_help = vouched && !question.url && need.there.is_some();
        stand_in(question, &text).unwrap_or_else(|| ask_for_credential(message, &text, would_help))
    }

    /// The answer to a user who does not want to.
    pub(crate) fn declined(
        &self,
        message: &Message<'_>,
        tenant: &TenantId,
    ) -> Response<GatewayBody> {
        let page = self.page(tenant);
        let text = format!(
            "Not done: it needs a credential, which was not entered. It can be entered at {page}."
        );
        ask_for_credential(Some(message), &text, false)
    }

    /// `None` if this revision has no way to ask so, or the question can't be sealed.
    fn by_page(
        &self,
        question: &Question<'_>,
        message: &Message<'_>,
        page: &str,
    ) -> Option<Response<GatewayBody>> {
        let modern = message.params.protocol_version.is_some();
        if modern && !MAY_ASK.contains(&&*message.method) {
            return None;
        }
        let asked = if modern {
            self.input_required(question, message, page)
        } else {
            self.url_error(question, message, page)
        };
        asked.inspect_err(|error| tracing::warn!(%error, "a question can't be sealed")).ok()
    }

    /// Revision 2026-07-28, "multi round-trip requests".
    fn input_required(
        &self,
        question: &Question<'_>,
        message: &Message<'_>,
        page: &str,
    ) -> Result<Response<GatewayBody>, StateError> {
        let (user, tenant) = (question.permit.user().id(), question.permit.tenant());
        let url = self.link(user, tenant, page)?;
        let asked = question.asked.clone().about(message, question.body);
        let state = self.states.seal(user, tenant, &asked)?;
        let request = json!({
            "method": "elicitation/create",
            "params": { "mode": "url", "url": url, "message": text(question.need) },
        });
        Ok(json_response(
            StatusCode::OK,
            &json!({
                "jsonrpc": "2.0",
                "id": message.id,
                "result": {
                    "resultType": "input_required",
                    "inputRequests": { REQUEST_KEY: request },
                    "requestState": state,
                },
            }),
        ))
    }

    /// Revision 2025-11-25, "URL elicitation required error".
    fn url_error(
        &self,
        question: &Question<'_>,
        message: &Message<'_>,
        page: &str,
    ) -> Result<Response<GatewayBody>, StateError> {
        let (user, tenant) = (question.permit.user().id(), question.permit.tenant());
        let elicitation = json!({
            "mode": "url",
            "elicitationId": random_name(32).map_err(|_| StateError::Crypto)?,
            "url": self.link(user, tenant, page)?,
            "message": text(question.need),
        });
        let data = json!({ "elicitations": [elicitation] });
        // SDK clients make a transport failure of any other status.
        let (status, code) = (StatusCode::OK, code::URL_ELICITATION_REQUIRED);
        Ok(error_with_data(status, message.id.as_ref(), code, text(question.need), Some(data)))
    }

    /// A link for this user alone. What stands in it can't be read.
    fn link(&self, user: &UserId, tenant: &TenantId, page: &str) -> Result<String, StateError> {
        let expires = SystemTime::now().checked_add(LINK_TIME).ok_or(StateError::Crypto)?;
        Ok(format!("{page}?e={}", self.links.seal(user, tenant, expires)?))
    }

    /// Where a user enters credentials for the tenant.
    fn page(&self, tenant: &TenantId) -> String {
        format!("{}/connections/{}", self.base(), tenant.as_str())
    }

    /// Where a program does.
    fn api(&self, tenant: &TenantId) -> String {
        format!("{}/api/tenants/{}/variables/NAME", self.base(), tenant.as_str())
    }

    fn base(&self) -> &str {
        self.public_url.as_str().trim_end_matches('/')
    }
}

fn text(need: &Need) -> &str {
    &need.what
}

/// The id of what could not be answered otherwise.
pub(crate) fn invalid_state(id: Option<&Value>, refusal: RetryError) -> Response<GatewayBody> {
    error(StatusCode::BAD_REQUEST, id, code::INVALID_PARAMS, &refusal.to_string())
}
