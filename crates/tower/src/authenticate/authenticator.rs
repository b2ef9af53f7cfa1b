//! From the headers of a request to the user who sent it.

use std::net::IpAddr;
use std::sync::Arc;

use bonafide_claims::{Issuer, TrustedIssuer, VerifiedUser, Verifier, VerifyError};
use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::TrustedHop;

/// Finds the token in a request and has it verified.
///
/// A token is taken from `Authorization: Bearer …` (RFC 6750, section 2.1), and from those headers that were
/// named with [`with_assertion`](Self::with_assertion), each with its own verifier: an issuer that is
/// trusted in one place is not trusted in another. Never from the query or the body.
///
/// A [`TrustedHop`] needs no token. There is none unless [`with_trusted_hop`](Self::with_trusted_hop) is called.
#[derive(Debug, Clone)]
pub struct Authenticator {
    inner: Arc<Inner>,
}

#[derive(Debug, Clone)]
struct Inner {
    bearer: Option<Verifier>,
    assertions: Vec<(HeaderName, Verifier)>,
    hop: Option<TrustedHop>,
}

/// Why a request has no verified user.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuthenticateError {
    /// There is no token where one is looked for.
    #[error("no token in the request: send `Authorization: Bearer …`")]
    NoToken,
    /// There is something, but it is not one token in one place.
    #[error("{0}")]
    Malformed(&'static str),
    /// The request has a secret in the header of the trusted hop, and is not from there.
    #[error(
        "the secret of the trusted hop is wrong, or comes from an address that is not the hop's"
    )]
    NotTheHop,
    /// There is a token, and it was refused or could not be checked.
    #[error(transparent)]
    Token(#[from] VerifyError),
}

impl Authenticator {
    /// Takes bearer tokens that `verifier` accepts.
    #[must_use]
    pub fn bearer(verifier: Verifier) -> Self {
        Self {
            inner: Arc::new(Inner { bearer: Some(verifier), assertions: Vec::new(), hop: None }),
        }
    }

    /// Takes no bearer tokens, only what [`with_assertion`](Self::with_assertion) names.
    #[must_use]
    pub fn without_bearer() -> Self {
        Self { inner: Arc::new(Inner { bearer: None, assertions: Vec::new(), hop: None }) }
    }

    /// Also takes a signed assertion in the header `name`, if `verifier` accepts it.
    #[must_use]
    pub fn with_assertion(mut self, name: HeaderName, verifier: Verifier) -> Self {
        Arc::make_mut(&mut self.inner).assertions.push((name, verifier));
        self
    }

    /// Also believes a host in front of us, by its word.
    ///
    /// # Security
    ///
    /// Weaker than any token: see [`TrustedHop`].
    #[must_use]
    pub fn with_trusted_hop(mut self, hop: TrustedHop) -> Self {
        Arc::make_mut(&mut self.inner).hop = Some(hop);
        self
    }

    /// Where clients get the bearer tokens that are accepted: the authorization servers of RFC 9728.
    pub fn authorization_servers(&self) -> impl Iterator<Item = Issuer> {
        let issuers = self.inner.bearer.iter().flat_map(Verifier::issuers);
        issuers.flat_map(TrustedIssuer::authorization_servers)
    }

    /// The headers that may hold a token, or the word of the trusted hop. None of them may reach a service behind us.
    pub fn token_headers(&self) -> impl Iterator<Item = &HeaderName> {
        std::iter::once(&header::AUTHORIZATION)
            .chain(self.inner.assertions.iter().map(|(name, _)| name))
            .chain(self.inner.hop.iter().flat_map(TrustedHop::headers))
    }

    /// The user who sent a request with these headers, from nobody knows where: the trusted hop is not believed then.
    ///
    /// # Errors
    ///
    /// If there is no token, more than one, or one that does not verify.
    pub async fn authenticate(
        &self,
        headers: &HeaderMap,
    ) -> Result<VerifiedUser, AuthenticateError> {
        self.authenticate_from(headers, None).await
    }

    /// The user who sent a request with these headers from this address.
    ///
    /// # Errors
    ///
    /// If there is no token, more than one, or one that does not verify; or if the request claims to come over the
    /// trusted hop, and does not.
    pub async fn authenticate_from(
        &self,
        headers: &HeaderMap,
        peer: Option<IpAddr>,
    ) -> Result<VerifiedUser, AuthenticateError> {
        let told = match &self.inner.hop {
            Some(hop) => hop.user(headers, peer)?,
            None => None,
        };
        match (self.token(headers), told) {
            (Err(AuthenticateError::NoToken), Some(user)) => Ok(user),
            (token, None) => {
                let (verifier, token) = token?;
                // Tokens are long, and most have been looked at before.
                if let Some(known) = verifier.recall(token) {
                    return Ok(known?);
                }
                let token = text(token).ok_or(NOT_A_TOKEN)?;
                Ok(verifier.verify(token).await?)
            }
            // Whichever of them won, somebody else could have meant the other.
            (_, Some(_)) => Err(AuthenticateError::Malformed(
                "a token and the word of the trusted hop in one request",
            )),
        }
    }

    /// The one token of the request, and who may accept it. Of what characters it is, is not known yet.
    ///
    /// Two tokens are refused even if both are good (RFC 6750, section 2): whichever of them won, somebody
    /// else along the way could have meant the other.
    fn token<'a>(
        &'a self,
        headers: &'a HeaderMap,
    ) -> Result<(&'a Verifier, &'a [u8]), AuthenticateError> {
        let mut found = None;
        if let Some(verifier) = &self.inner.bearer
            && let Some(value) = only(headers, &header::AUTHORIZATION)?
            && let Some(token) = bearer_token(value.as_bytes())
        {
            found = Some((verifier, token));
        }
        for (name, verifier) in &self.inner.assertions {
            let Some(value) = only(headers, name)? else { continue };
            if found.replace((verifier, value.as_bytes())).is_some() {
                return Err(AuthenticateError::Malformed("more than one token in the request"));
            }
        }
        found.ok_or(AuthenticateError::NoToken)
    }
}

const NOT_A_TOKEN: AuthenticateError =
    AuthenticateError::Malformed("the credentials are not a bearer token");

pub(super) fn only<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
) -> Result<Option<&'a HeaderValue>, AuthenticateError> {
    let mut values = headers.get_all(name).iter();
    let first = values.next();
    match values.next() {
        None => Ok(first),
        Some(_) => {
            Err(AuthenticateError::Malformed("a header that holds the token is there twice"))
        }
    }
}

/// The token of `Bearer TOKEN`, the scheme in any case (RFC 9110, section 11.1). `None` for other schemes: a
/// client that offers Basic has not offered a token.
fn bearer_token(value: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = match value.iter().position(|byte| *byte == b' ') {
        Some(space) => value.split_at(space),
        None => (value, &b""[..]),
    };
    scheme.eq_ignore_ascii_case(b"bearer").then(|| without_spaces(rest))
}

fn without_spaces(mut text: &[u8]) -> &[u8] {
    while let [b' ', rest @ ..] | [rest @ .., b' '] = text {
        text = rest;
    }
    text
}

/// The token, if it has only characters of a `b64token` (RFC 6750, section 2.1).
fn text(token: &[u8]) -> Option<&str> {
    let is_token68 = |byte: u8| {
        byte.is_ascii_alphanumeric()
            || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'+' | b'/' | b'=')
    };
    // Looks at all bytes, so that the compiler can take sixteen and more at a time: tokens are long.
    let all = token.iter().fold(!token.is_empty(), |yes, byte| yes & is_token68(*byte));
    std::str::from_utf8(token).ok().filter(|_| all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_bearer_token_and_nothing_else() {
        let read = |value: &'static str| bearer_token(value.as_bytes()).map(text);
        assert_eq!(read("Bearer a.b.c"), Some(Some("a.b.c")));
        assert_eq!(read("bEARER  a.b.c "), Some(Some("a.b.c")));
        assert_eq!(read("Basic dTpw"), None);
        assert_eq!(read("Bearera.b.c"), None);
        for refused in ["Bearer", "Bearer ", "Bearer a b", "Bearer a,b", "Bearer \"a\""] {
            assert_eq!(read(refused), Some(None), "{refused}");
        }
        for refused in [
            &b"Bearer a.b.\xc3\xa9"[..],
            b"Bearer a.b.\xff",
            b"Basic \xff",
            b"Bearer a\tb",
            b"Bearer a\t",
        ] {
            assert_eq!(bearer_token(refused).and_then(text), None, "{refused:?}");
        }
    }
}
