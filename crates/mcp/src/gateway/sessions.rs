//! The session ids of backends, as clients see them.

use bonafide_policy::Permit;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use serde_json::Value;

use super::Shared;
use super::credential::Rendered;
use super::endpoint::Refused;
use super::metrics::Outcome;
use super::service::method_not_allowed;
use crate::GatewayBody;
use crate::message::{Kind, Message};
use crate::refusal::{code, error};
use crate::session::Session;

const SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");

/// The session that a request is in.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Opened {
    /// Whether the client can send its user to a page.
    pub(super) url: bool,
    /// Whether it was begun with us, while the user's credential was missing: the backend knows nothing of it.
    pub(super) own: bool,
}

/// What no backend gives its sessions (Streamable HTTP, "session management"): the id of those that it knows nothing of.
const OWN: &str = "";

impl Shared {
    /// Replaces the client's session id by the backend's, and says what kind of session it is. An id that was given to somebody else, or for another tenant, is answered like one that has
    /// ended: 404, so that the client starts a session of its own.
    pub(super) fn open_session(
        &self,
        permit: &Permit,
        headers: &mut HeaderMap,
        message: Option<&Message<'_>>,
    ) -> Result<Opened, Refused> {
        if message.is_some_and(|message| message.params.protocol_version.is_some()) {
            // Revision 2026-07-28 has no sessions, and wants the header ignored.
            headers.remove(SESSION_ID);
            return Ok(Opened::default());
        }
        let mut sealed = headers.get_all(SESSION_ID).iter();
        let Some(first) = sealed.next() else { return Ok(Opened::default()) };
        let opened = first
            .to_str()
            .ok()
            .filter(|_| sealed.next().is_none())
            .and_then(|sealed| self.sessions.open(permit.user().id(), permit.tenant(), sealed))
            .and_then(|Session { id, url }| Some((HeaderValue::from_str(id).ok()?, url)));
        let Some((id, url)) = opened else {
            return Err(no_session(message.and_then(|message| message.id.as_ref())));
        };
        let own = id == OWN;
        if own {
            headers.remove(SESSION_ID);
        } else {
            headers.insert(SESSION_ID, id);
        }
        Ok(Opened { url, own })
    }

    /// The id of a session in which we answer as long as the user's credential is missing.
    pub(super) fn own_session(&self, permit: &Permit) -> Option<HeaderValue> {
        let session = Session { id: OWN, url: false };
        let sealed = self.sessions.seal(permit.user().id(), permit.tenant(), session)?;
        HeaderValue::try_from(sealed).ok()
    }

    pub(super) fn seal_session(&self, permit: &Permit, url: bool, headers: &mut HeaderMap) {
        let Some(id) = headers.remove(SESSION_ID) else { return };
        let sealed = id
            .to_str()
            .ok()
            .filter(|id| *id != OWN)
            .and_then(|id| {
                let session = Session { id, url };
                self.sessions.seal(permit.user().id(), permit.tenant(), session)
            })
            .and_then(|sealed| HeaderValue::try_from(sealed).ok());
        // An id that is not visible ASCII is none (Streamable HTTP, "session management"): nothing is passed on.
        if let Some(sealed) = sealed {
            headers.insert(SESSION_ID, sealed);
        }
    }
}

impl Opened {
    /// In a session that no backend knows of, a notification is taken, and a stream refused. Requests go on.
    pub(super) fn answer_here(self, message: Option<&Message<'_>>) -> Result<(), Refused> {
        let response = match message {
            _ if !self.own => return Ok(()),
            Some(message) if message.kind == Kind::Request => return Ok(()),
            Some(_) => {
                let mut accepted = Response::new(GatewayBody::default());
                *accepted.status_mut() = StatusCode::ACCEPTED;
                accepted
            }
            None => method_not_allowed("POST"),
        };
        Err(Refused::new(Outcome::CredentialNeeded, response))
    }

    /// It is over when the credential is there, so that the client begins one with the backend.
    pub(super) fn ends_with(self, rendered: &Rendered, id: Option<&Value>) -> Result<(), Refused> {
        if self.own && rendered.headers.is_ok() { Err(no_session(id)) } else { Ok(()) }
    }
}

fn no_session(id: Option<&Value>) -> Refused {
    let text = "there is no such session: start a new one";
    let response = error(StatusCode::NOT_FOUND, id, code::NOT_FOUND, text);
    Refused::new(Outcome::NotFound, response)
}
