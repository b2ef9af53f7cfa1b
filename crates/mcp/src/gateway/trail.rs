//! What was decided for which request, for those who ask later.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use bonafide_policy::{Audit, AuditEvent, Denial, Permit};
use http::request::Parts;
use http::{Extensions, HeaderMap, HeaderName, HeaderValue};

use super::trace::hex;
use crate::session::NoRandomness;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The longest id that is taken over from a request, in bytes.
const MAX_LEN: usize = 128;

/// Names requests, and hands decisions to the audit if there is one.
#[derive(Debug)]
pub(super) struct Trail {
    audit: Option<Audit>,
    /// Of this gateway alone, so that ids of several do not meet: sixteen digits and a hyphen.
    prefix: String,
    next: AtomicU64,
}

/// What a request is called in the audit, in front of the gateway and behind it.
#[derive(Debug, Clone)]
pub(super) struct RequestId(HeaderValue);

impl Trail {
    pub(super) fn new(audit: Option<Audit>) -> Result<Self, NoRandomness> {
        let mut prefix = [0; 8];
        SystemRandom::new().fill(&mut prefix).map_err(|_| NoRandomness)?;
        let prefix = format!("{:016x}-", u64::from_be_bytes(prefix));
        Ok(Self { audit: audit.filter(Audit::has_sinks), prefix, next: AtomicU64::new(0) })
    }

    /// The request's own id, as proxies in front set it, if it can stand in a log as it is; or a new one. The
    /// backend gets the same, and so does the audit if there is one.
    pub(super) fn name(&self, request: &mut Parts) -> RequestId {
        let mut given = request.headers.get_all(&REQUEST_ID).iter();
        let id = given.next().filter(|id| given.next().is_none() && is_plain(id));
        let id = id.cloned().unwrap_or_else(|| self.new_id());
        request.headers.insert(REQUEST_ID, id.clone());
        if self.audit.is_some() {
            request.extensions.insert(RequestId(id.clone()));
        }
        RequestId(id)
    }

    fn new_id(&self) -> HeaderValue {
        let number = hex(self.next.fetch_add(1, Ordering::Relaxed));
        let id = [self.prefix.as_bytes(), &number].concat();
        HeaderValue::try_from(id).unwrap_or(HeaderValue::from_static("-"))
    }

    /// The user may use the tenant, and perhaps the tool that the request is about.
    pub(super) fn permitted(&self, permit: &Permit, tool: Option<&str>, request: &Extensions) {
        if self.audit.is_none() {
            return;
        }
        let now = SystemTime::now();
        let event = match tool.map(|tool| permit.tool(tool)) {
            None => AuditEvent::permitted(permit, now),
            Some(Ok(tool)) => AuditEvent::tool_permitted(&tool, now),
            Some(Err(denial)) => AuditEvent::denied(&denial, now),
        };
        self.record(event, request);
    }

    /// The user may not use the tenant, or the tool that the denial is about.
    pub(super) fn denied(&self, denial: &Denial, request: &Extensions) {
        if self.audit.is_some() {
            self.record(AuditEvent::denied(denial, SystemTime::now()), request);
        }
    }

    fn record(&self, event: AuditEvent, request: &Extensions) {
        let Some(audit) = &self.audit else { return };
        let id = request.get::<RequestId>().and_then(|RequestId(id)| id.to_str().ok());
        audit.record(match id {
            Some(id) => event.with_request_id(id),
            None => event,
        });
    }
}

impl RequestId {
    pub(super) fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }

    /// Tells the client what the request is called here.
    pub(super) fn tell(self, headers: &mut HeaderMap) {
        headers.insert(REQUEST_ID, self.0);
    }
}

fn is_plain(id: &HeaderValue) -> bool {
    let bytes = id.as_bytes();
    (1..=MAX_LEN).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_graphic)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(given: &[&[u8]]) -> String {
        let trail = Trail::new(None).unwrap();
        let (mut request, ()) = http::Request::new(()).into_parts();
        for given in given {
            request.headers.append(REQUEST_ID, HeaderValue::from_bytes(given).unwrap());
        }
        let RequestId(id) = trail.name(&mut request);
        assert_eq!(request.headers.get_all(REQUEST_ID).iter().collect::<Vec<_>>(), [&id]);
        id.to_str().unwrap().to_owned()
    }

    #[test]
    fn takes_over_an_id_that_can_stand_in_a_log() {
        assert_eq!(named(&[b"4bf92f35-77b3:4da6/1"]), "4bf92f35-77b3:4da6/1");
    }

    #[test]
    fn replaces_every_other_one() {
        let long = [b'x'; MAX_LEN + 1];
        let wrong = [&b""[..], b"a b", b"a\tb", b"\xff", &long].map(|given| vec![given]);
        for given in [vec![], vec![&b"a"[..], b"b"]].into_iter().chain(wrong) {
            let id = named(&given);
            assert!(id.len() == 33 && id.ends_with("-0000000000000000"), "{given:?} {id}");
        }
    }

    #[test]
    fn gives_no_id_twice() {
        let trail = Trail::new(None).unwrap();
        let other = Trail::new(None).unwrap();
        let ids = [trail.new_id(), trail.new_id(), other.new_id(), other.new_id()];
        let different: std::collections::HashSet<_> = ids.iter().collect();
        assert_eq!(different.len(), ids.len());
    }
}
