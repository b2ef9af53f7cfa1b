//! Who is signed in: a session that the browser carries, sealed.
//!
//! What is sealed is the token that the issuer signed, not what was once read from it. So there is one way only to a
//! [`VerifiedUser`]: each request verifies the token again, as of the moment of the sign-in. A key that the issuer
//! withdraws ends the sessions that rest on it. No gateway keeps a session, and any of them knows the user; each remembers
//! which ones were signed out of there.

mod record;
mod visitor;

pub(crate) use record::Record;
pub(crate) use visitor::{Session, Visitor, drop_session, keep, renew, visit};
