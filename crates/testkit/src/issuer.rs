//! A token issuer in this process, and the users that it knows.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{SystemTime, UNIX_EPOCH};

use bonafide_claims::{TrustedIssuer, VerifiedUser, Verifier};
use bonafide_jwks::StaticKeys;
use serde_json::{Map, Value, json};

use crate::signer::{Algorithm, Signer};

/// The audience that tokens have unless a test says otherwise.
pub const AUDIENCE: &str = "https://mcp.example.test";

/// How long a token is valid, in seconds, unless a test says otherwise.
pub const LIFETIME: u64 = 3600;

/// Signs tokens in the name of one issuer. No network.
#[derive(Debug, Clone)]
pub struct Issuer {
    issuer: String,
    signer: Arc<Signer>,
}

impl Issuer {
    /// An issuer with a new Ed25519 key.
    #[must_use]
    pub fn new(issuer: &str) -> Self {
        Self::with_algorithm(issuer, Algorithm::EdDsa)
    }

    /// An issuer with a new key for `algorithm`.
    #[must_use]
    pub fn with_algorithm(issuer: &str, algorithm: Algorithm) -> Self {
        let signer = Signer::generate(algorithm, &format!("{}-1", algorithm.name()));
        Self::with_signer(issuer, signer)
    }

    /// An issuer with a key of the test's own.
    #[must_use]
    pub fn with_signer(issuer: &str, signer: Signer) -> Self {
        Self { issuer: issuer.to_owned(), signer: Arc::new(signer) }
    }

    /// The `iss` of its tokens.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The key that signs.
    #[must_use]
    pub fn signer(&self) -> &Signer {
        &self.signer
    }

    /// The public keys as a JWK Set: RFC 7517, section 5.
    #[must_use]
    pub fn jwks(&self) -> String {
        json!({ "keys": [self.signer.jwk()] }).to_string()
    }

    /// A verifier that accepts this issuer's tokens for [`AUDIENCE`].
    ///
    /// # Panics
    ///
    /// If the issuer's name or its keys are not usable.
    #[must_use]
    pub fn verifier(&self) -> Verifier {
        let keys = StaticKeys::from_jwks(self.jwks()).expect("a usable key set");
        let name = self.issuer.parse().expect("an issuer");
        let trusted = TrustedIssuer::builder(name, Arc::new(keys))
            .with_audience(AUDIENCE)
            .build()
            .expect("a trusted issuer");
        Verifier::builder().with_issuer(trusted).build().expect("a verifier")
    }

    /// A user to make tokens for.
    #[must_use]
    pub fn user(&self, subject: &str) -> User {
        let now = now();
        let mut claims = Map::new();
        claims.insert("iss".into(), json!(self.issuer));
        claims.insert("sub".into(), json!(subject));
        claims.insert("aud".into(), json!(AUDIENCE));
        claims.insert("iat".into(), json!(now));
        claims.insert("exp".into(), json!(now + LIFETIME));
        claims.insert("preferred_username".into(), json!(subject));
        User { issuer: self.clone(), claims }
    }
}

/// A user of an [`Issuer`], and the claims that the next token will have.
#[derive(Debug, Clone)]
pub struct User {
    issuer: Issuer,
    claims: Map<String, Value>,
}

impl User {
    /// Sets the claim `groups`.
    #[must_use]
    pub fn with_groups<'a>(self, groups: impl IntoIterator<Item = &'a str>) -> Self {
        self.with_claim("groups", groups.into_iter().collect())
    }

    /// Sets the claim `roles`.
    #[must_use]
    pub fn with_roles<'a>(self, roles: impl IntoIterator<Item = &'a str>) -> Self {
        self.with_claim("roles", roles.into_iter().collect())
    }

    /// Sets the claim `scope`: RFC 8693, section 4.2.
    #[must_use]
    pub fn with_scopes<'a>(self, scopes: impl IntoIterator<Item = &'a str>) -> Self {
        let scopes: Vec<&str> = scopes.into_iter().collect();
        self.with_claim("scope", json!(scopes.join(" ")))
    }

    /// Sets the claim `aud`.
    #[must_use]
    pub fn with_audience(self, audience: &str) -> Self {
        self.with_claim("aud", json!(audience))
    }

    /// Sets any claim, over what was there.
    #[must_use]
    pub fn with_claim(mut self, name: &str, value: Value) -> Self {
        self.claims.insert(name.to_owned(), value);
        self
    }

    /// Leaves a claim out.
    #[must_use]
    pub fn without_claim(mut self, name: &str) -> Self {
        self.claims.remove(name);
        self
    }

    /// The claims as they would be signed.
    #[must_use]
    pub fn claims(&self) -> Value {
        Value::Object(self.claims.clone())
    }

    /// A signed token.
    #[must_use]
    pub fn token(&self) -> String {
        self.issuer.signer.token(&self.claims())
    }
}

impl User {
    /// The user that the verifier makes of this token: signed and verified like any other.
    ///
    /// # Panics
    ///
    /// If the token does not verify.
    #[must_use]
    pub fn verified(&self) -> VerifiedUser {
        let verifier = self.issuer.verifier();
        let token = self.token();
        let mut verification = std::pin::pin!(verifier.verify(&token));
        // The keys are known, so nothing is waited for.
        match verification.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(user) => user.expect("a token that verifies"),
            Poll::Pending => panic!("a verification that waits"),
        }
    }
}

/// Seconds since the Unix epoch.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock past 1970").as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Algorithm;

    #[test]
    fn every_algorithm_verifies() {
        for algorithm in Algorithm::ALL {
            let issuer = Issuer::with_algorithm("https://idp.example", algorithm);
            let user = issuer.user("alice").with_groups(["a", "b"]).verified();
            assert_eq!(user.subject().as_str(), "alice", "{algorithm:?}");
            assert!(user.groups().known().unwrap().contains("a"), "{algorithm:?}");
        }
    }

    #[test]
    fn claims_end_up_in_the_user() {
        let issuer = Issuer::new("https://idp.example");
        let user =
            issuer.user("alice").with_roles(["admin"]).with_scopes(["mcp:use", "x"]).verified();
        assert!(user.roles().contains("admin"));
        assert_eq!(user.scopes().len(), 2);
        assert_eq!(user.username(), Some("alice"));
    }

    #[test]
    #[should_panic(expected = "a token that verifies")]
    fn a_wrong_token_is_no_user() {
        let _ = Issuer::new("https://idp.example").user("alice").with_audience("other").verified();
    }
}
