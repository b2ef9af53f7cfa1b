//! The two halves of a sign-in: the question to the issuer, and its answer.

use std::time::SystemTime;

use bonafide_claims::VerifiedUser;
use url::Url;

use super::provider::error_code;
use super::{Evidence, Pending, SignIn, SignInError};
use crate::marks::Marks;
use crate::sealed::{Seals, same};
use crate::state::unix_seconds;

/// What the issuer sent the browser back with: RFC 6749, section 4.1.2, RFC 9207, section 2.
#[derive(Default)]
pub(crate) struct Answer {
    code: Option<String>,
    pub(crate) state: Option<String>,
    iss: Option<String>,
    error: Option<String>,
}

impl Answer {
    /// Reads a query.
    ///
    /// # Errors
    ///
    /// If it says something twice: whichever counted, somebody else may have meant the other.
    pub(crate) fn read(query: &str) -> Result<Self, SignInError> {
        let mut answer = Self::default();
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            let place = match &*name {
                "code" => &mut answer.code,
                "state" => &mut answer.state,
                "iss" => &mut answer.iss,
                "error" => &mut answer.error,
                _ => continue,
            };
            if place.replace(value.into_owned()).is_some() {
                return Err(SignInError::Malformed);
            }
        }
        Ok(answer)
    }
}

/// Who signed in, and the token that says so.
pub(crate) struct Asked {
    pub(crate) user: VerifiedUser,
    pub(crate) evidence: Evidence,
    pub(crate) token: String,
}

impl SignIn {
    /// Where to send the browser: OpenID Connect Core, section 3.1.2.1.
    pub(crate) async fn question(
        &self,
        pending: &Pending,
        seals: &Seals,
        redirect_uri: &str,
    ) -> Result<Url, SignInError> {
        let provider = &self.inner.provider;
        let metadata = provider.metadata().await?;
        let mut url = metadata.authorization.clone();
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &provider.client.id)
            .append_pair("redirect_uri", redirect_uri)
            .append_pair("scope", &provider.client.scopes)
            .append_pair("state", &pending.seal(seals)?)
            .append_pair("nonce", &pending.nonce())
            .append_pair("code_challenge", &pending.challenge())
            .append_pair("code_challenge_method", "S256");
        if let Some(resource) = &provider.client.resource {
            url.query_pairs_mut().append_pair("resource", resource);
        }
        Ok(url)
    }

    /// Checks the answer, exchanges its code, and verifies who it is: OpenID Connect Core, section 3.1.3.7.
    pub(crate) async fn complete(
        &self,
        answer: Answer,
        pending: &Pending,
        answered: &Marks,
        redirect_uri: &str,
        now: SystemTime,
    ) -> Result<Asked, SignInError> {
        let provider = &self.inner.provider;
        let metadata = provider.metadata().await?;
        // Before the code goes anywhere: RFC 9207, section 2.4.
        let named = match &answer.iss {
            Some(iss) => provider.is_called(iss),
            None => !metadata.names_itself,
        };
        if !named {
            return Err(SignInError::WrongIssuer);
        }
        if let Some(error) = &answer.error {
            return Err(SignInError::Denied(error_code(Some(error))));
        }
        let code = answer.code.ok_or(SignInError::Malformed)?;
        // One `state` asks the issuer once, whatever codes somebody makes up.
        if !pending.answer(answered, unix_seconds(now)) {
            return Err(SignInError::State);
        }
        let verifier = pending.verifier();
        let tokens = provider.exchange(&metadata, &code, &verifier, redirect_uri).await?;
        let user = self.user(Evidence::Id, &tokens.id, now).await.map_err(SignInError::Token)?;
        let nonce = user.claims().get("nonce").and_then(|nonce| nonce.as_str()).unwrap_or_default();
        if !same(nonce.as_bytes(), pending.nonce().as_bytes()) {
            return Err(SignInError::Nonce);
        }
        if let Some(token) = tokens.access
            && let Some(user) = self.caller(&user, &token, now).await
        {
            return Ok(Asked { user, evidence: Evidence::Access, token });
        }
        Ok(Asked { user, evidence: Evidence::Id, token: tokens.id })
    }

    /// The user as the gateway would know them by this access token, if it would and if it is the one who signed in.
    async fn caller(
        &self,
        signed_in: &VerifiedUser,
        token: &str,
        now: SystemTime,
    ) -> Option<VerifiedUser> {
        let user = self.user(Evidence::Access, token, now).await.ok()?;
        (user.id() == signed_in.id()).then_some(user)
    }

    /// Where a user ends the session at the issuer, if it has such a place: OpenID Connect RP-Initiated Logout 1.0,
    /// section 2. The client is named by its id; the ID token is not put into a URL.
    pub(crate) async fn end_session(&self, back: &str) -> Option<Url> {
        let provider = &self.inner.provider;
        let mut url = provider.metadata().await.ok()?.end_session.clone()?;
        url.query_pairs_mut()
            .append_pair("client_id", &provider.client.id)
            .append_pair("post_logout_redirect_uri", back);
        Some(url)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_says_something_twice_is_refused() {
        let answer = Answer::read("code=a&state=b&iss=c&session_state=d").ok();
        assert!(answer.is_some_and(|answer| answer.code.as_deref() == Some("a")));
        for query in ["code=a&code=b", "state=a&state=a", "iss=a&%69ss=b"] {
            assert!(matches!(Answer::read(query), Err(SignInError::Malformed)), "{query}");
        }
    }
}
