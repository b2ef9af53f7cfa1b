//! From the cookies of a request to the user who sent it, and back.

use axum::http::HeaderMap;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64URL;
use bonafide_claims::{VerifiedUser, VerifyErrorKind};

use super::Record;
use crate::portal::{Browser, Shared};
use crate::sealed::{Purpose, same};
use crate::sign_in::SignInError;

/// The cookie.
const NAME: &str = "session";

/// A session is written anew when it was not for this long, in seconds.
const RENEW: u64 = 60;

/// Somebody who is signed in.
#[derive(Clone)]
pub(crate) struct Session {
    pub(crate) user: VerifiedUser,
    record: Record,
}

/// Who sent a request.
#[derive(Clone)]
pub(crate) enum Visitor {
    /// A user.
    User(Session),
    /// Somebody who was signed in, and is no longer.
    Ended,
    /// Somebody of whom nothing is known.
    Stranger,
    /// Somebody whose token can't be verified now.
    Unknown,
}

impl Session {
    /// What each form of this session has in it.
    pub(crate) fn csrf(&self) -> String {
        BASE64URL.encode(self.record.csrf)
    }

    /// Ends it: a cookie of it that was copied, or is still on its way, is good no more at this gateway.
    pub(crate) fn sign_out(&self, browser: &Browser, now: u64) {
        browser.signed_out.set(self.record.csrf, self.record.ends(browser.sign_in.absolute()), now);
    }

    pub(crate) fn is_signed_out(&self, browser: &Browser) -> bool {
        self.record.is_signed_out(browser)
    }

    /// Whether a form is one of this session's.
    pub(crate) fn made(&self, csrf: &str) -> bool {
        same(self.csrf().as_bytes(), csrf.as_bytes())
    }
}

/// Who sent a request with these headers.
pub(crate) async fn visit(shared: &Shared, browser: &Browser, headers: &HeaderMap) -> Visitor {
    let Some(sealed) = browser.cookies.read_parts(headers, NAME) else { return Visitor::Stranger };
    let opened = browser.seals.open(Purpose::Session, &sealed);
    let Some(record) = opened.and_then(|bytes| Record::from_bytes(&bytes)) else {
        return Visitor::Stranger;
    };
    let sign_in = &browser.sign_in;
    if !record.is_open(shared.now(), sign_in.idle(), sign_in.absolute()) {
        return Visitor::Ended;
    }
    if record.is_signed_out(browser) {
        return Visitor::Stranger;
    }
    let then = std::time::UNIX_EPOCH + std::time::Duration::from_secs(record.signed_in);
    match sign_in.user(record.evidence, &record.token, then).await {
        Ok(user) => Visitor::User(Session { user, record }),
        Err(error) if error.kind() == VerifyErrorKind::Unavailable => {
            tracing::warn!(%error, "a session can't be verified now");
            Visitor::Unknown
        }
        Err(error) => {
            tracing::info!(%error, "a session has ended");
            Visitor::Ended
        }
    }
}

/// Writes a session to the browser.
pub(crate) fn keep(
    browser: &Browser,
    record: &Record,
    asked: &HeaderMap,
    answer: &mut HeaderMap,
) -> Result<(), SignInError> {
    let bytes = record.to_bytes().ok_or(SignInError::TooLong)?;
    let sealed = browser.seals.seal(Purpose::Session, &bytes)?;
    let kept = browser.cookies.set_parts(NAME, &sealed, asked, answer);
    kept.map_err(|_| SignInError::TooLong)
}

/// Notes that a session was used, once a minute.
pub(crate) fn renew(
    browser: &Browser,
    session: &Session,
    now: u64,
    asked: &HeaderMap,
    answer: &mut HeaderMap,
) {
    if now < session.record.seen.saturating_add(RENEW) {
        return;
    }
    let record = Record { seen: now, ..session.record.clone() };
    if let Err(error) = keep(browser, &record, asked, answer) {
        tracing::warn!(%error, "a session is not kept up");
    }
}

/// Removes the session from the browser.
pub(crate) fn drop_session(browser: &Browser, asked: &HeaderMap, answer: &mut HeaderMap) {
    browser.cookies.remove_parts(NAME, asked, answer);
}
