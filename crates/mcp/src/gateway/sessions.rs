//! The session ids of backends, as clients see them.

use bonafide_policy::Permit;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::Shared;
use super::endpoint::Refused;
use super::metrics::Outcome;
use crate::message::Message;
use crate::refusal::{code, error};
use crate::session::Session;

const SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");

impl Shared {
    /// Replaces the client's session id by the backend's, and says whether the client of this session can send its
    /// user to a page. An id that was given to somebody else, or for another tenant, is answered like one that has
    /// ended: 404, so that the client starts a session of its own.
    pub(super) fn open_session(
        &self,
        permit: &Permit,
        headers: &mut HeaderMap,
        message: Option<&Message<'_>>,
    ) -> Result<bool, Refused> {
        if message.is_some_and(|message| message.params.protocol_version.is_some()) {
            // Revision 2026-07-28 has no sessions, and wants the header ignored.
            headers.remove(SESSION_ID);
            return Ok(false);
        }
        let mut sealed = headers.get_all(SESSION_ID).iter();
        let Some(first) = sealed.next() else { return Ok(false) };
        let opened = first
            .to_str()
            .ok()
            .filter(|_| sealed.next().is_none())
            .and_then(|sealed| self.sessions.open(permit.user().id(), permit.tenant(), sealed))
            .and_then(|Session { id, url }| Some((HeaderValue::from_str(id).ok()?, url)));
        let Some((id, url)) = opened else {
            let id = message.and_then(|message| message.id.as_ref());
            let text = "there is no such session: start a new one";
            let response = error(StatusCode::NOT_FOUND, id, code::NOT_FOUND, text);
            return Err(Refused::new(Outcome::NotFound, response));
        };
        headers.insert(SESSION_ID, id);
        Ok(url)
    }

    pub(super) fn seal_session(&self, permit: &Permit, url: bool, headers: &mut HeaderMap) {
        let Some(id) = headers.remove(SESSION_ID) else { return };
        let sealed = id
            .to_str()
            .ok()
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
