//! What the gateway signs about a user, so that a backend need not trust the network.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64URL;
use bonafide_claims::{Assurance, Groups, UserId, VerifiedUser};
use bonafide_vault::{KeyError, Keyring};
use http::{HeaderName, HeaderValue, header};
use secrecy::ExposeSecret as _;
use serde_json::{Map, Value, json};

use crate::Tenant;

/// How long an assertion is good for.
const LIFETIME: Duration = Duration::from_secs(60);

/// How long a key signs. It is published one such time before, and verifies one after.
const PERIOD: u64 = 30 * 24 * 60 * 60;

/// Signs assertions with keys that follow from the master keys and the date: every gateway has the same ones, and
/// nothing has to be stored.
pub(crate) struct Assertions {
    keyring: Keyring,
    issuer: String,
    current: ArcSwap<Keys>,
}

struct Keys {
    period: u64,
    signing: Ed25519KeyPair,
    key_id: String,
    document: Arc<str>,
}

/// An assertion can't be made right now.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AssertionError {
    #[error("no signing key can be derived from the master key")]
    Key(#[from] KeyError),
    #[error("no issuer vouches for the user")]
    NotVouchedFor,
    #[error("the assertion does not fit into a header")]
    Header,
}

impl Assertions {
    pub(crate) fn new(keyring: &Keyring, issuer: &str) -> Result<Self, KeyError> {
        let keys = Keys::of(keyring, period(SystemTime::now()))?;
        let issuer = issuer.trim_end_matches('/').to_owned();
        Ok(Self { keyring: keyring.clone(), issuer, current: ArcSwap::from_pointee(keys) })
    }

    /// The public keys as RFC 7517 has them: those of this period, the one before and the one after.
    pub(crate) fn document(&self, now: SystemTime) -> Result<Arc<str>, KeyError> {
        Ok(Arc::clone(&self.keys(now)?.document))
    }

    /// The value of the tenant's header for this user. Its backend takes it for a token: about a user who is known by
    /// somebody's word only, there is none.
    pub(crate) fn mint(
        &self,
        user: &VerifiedUser,
        tenant: &Tenant,
        header: &HeaderName,
        now: SystemTime,
    ) -> Result<HeaderValue, AssertionError> {
        if !is_vouched_for(user) {
            return Err(AssertionError::NotVouchedFor);
        }
        let keys = self.keys(now)?;
        let head = json!({ "alg": "EdDSA", "typ": "JWT", "kid": keys.key_id });
        let claims = self.claims(user, tenant, now);
        let encode = |value: String| BASE64URL.encode(value);
        let message = format!("{}.{}", encode(head.to_string()), encode(claims.to_string()));
        let signature = BASE64URL.encode(keys.signing.sign(message.as_bytes()));
        let scheme = if *header == header::AUTHORIZATION { "Bearer " } else { "" };
        let value = HeaderValue::try_from(format!("{scheme}{message}.{signature}"));
        let mut value = value.map_err(|_| AssertionError::Header)?;
        value.set_sensitive(true);
        Ok(value)
    }

    fn claims(&self, user: &VerifiedUser, tenant: &Tenant, now: SystemTime) -> Value {
        let issued = seconds(now);
        // No longer than the token that it rests on.
        let expires = (issued + LIFETIME.as_secs()).min(seconds(user.expires_at()).max(issued + 1));
        let mut claims = Map::new();
        claims.insert("iss".into(), self.issuer.as_str().into());
        claims.insert("aud".into(), tenant.url().as_str().into());
        claims.insert("sub".into(), user_id(user.id()).into());
        claims.insert("iat".into(), issued.into());
        claims.insert("exp".into(), expires.into());
        let texts = [
            ("preferred_username", user.username()),
            ("email", user.email()),
            ("name", user.name()),
        ];
        for (name, text) in texts {
            claims.extend(text.map(|text| (name.to_owned(), text.into())));
        }
        // What is not known is not claimed: the backend does not know it either then.
        if let Groups::Known(groups) = user.groups() {
            let groups: Vec<&str> = groups.iter().map(AsRef::as_ref).collect();
            claims.insert("groups".into(), groups.into());
        }
        let roles: Vec<&str> = user.roles().iter().map(AsRef::as_ref).collect();
        claims.insert("roles".into(), roles.into());
        claims.into()
    }

    /// The keys of the period, derived at its first request.
    fn keys(&self, now: SystemTime) -> Result<Arc<Keys>, KeyError> {
        let current = self.current.load_full();
        if current.period == period(now) {
            return Ok(current);
        }
        let keys = Arc::new(Keys::of(&self.keyring, period(now))?);
        self.current.store(Arc::clone(&keys));
        Ok(keys)
    }
}

/// Shows the issuer.
impl fmt::Debug for Assertions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Assertions").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

impl Keys {
    fn of(keyring: &Keyring, period: u64) -> Result<Self, KeyError> {
        let (mut published, mut signing) = (Vec::new(), None);
        for period_of_key in [period, period + 1, period.saturating_sub(1)] {
            for (_, seed) in keyring.subkeys(&format!("bonafide-mcp assertion {period_of_key}"))? {
                let key = Ed25519KeyPair::from_seed_unchecked(seed.expose_secret())
                    .map_err(|_| KeyError::Crypto)?;
                let (key_id, public) = public_key(&key);
                published.push(public);
                // The newest master key in the period that is.
                signing.get_or_insert((key, key_id));
            }
        }
        let (signing, key_id) = signing.ok_or(KeyError::Crypto)?;
        let document = json!({ "keys": published }).to_string().into();
        Ok(Self { period, signing, key_id, document })
    }
}

/// The thumbprint of RFC 7638 and the JWK of RFC 8037, section 2.
fn public_key(key: &Ed25519KeyPair) -> (String, Value) {
    let x = BASE64URL.encode(key.public_key().as_ref());
    let canonical = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#);
    let key_id = BASE64URL.encode(digest(&SHA256, canonical.as_bytes()));
    let public = json!({ "kty": "OKP", "crv": "Ed25519", "x": x, "kid": key_id, "use": "sig", "alg": "EdDSA" });
    (key_id, public)
}

fn period(now: SystemTime) -> u64 {
    seconds(now) / PERIOD
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// Whether an issuer says who the user is.
pub(crate) fn is_vouched_for(user: &VerifiedUser) -> bool {
    user.assurance() == Assurance::Issuer
}

/// Issuer and subject in one text. An issuer has no `#` (OpenID Connect Discovery, section 2: no fragment), so the
/// first one ends it.
pub(crate) fn user_id(id: &UserId) -> String {
    match id.directory() {
        Some(directory) => {
            format!("{}#{}/{}", id.issuer(), directory.as_str(), id.subject().as_str())
        }
        None => format!("{}#{}", id.issuer(), id.subject().as_str()),
    }
}

#[cfg(test)]
mod tests {
    use bonafide_headers::Templates;
    use bonafide_jwks::{Algorithm, KeySet};
    use bonafide_testkit::Issuer;
    use bonafide_vault::MasterKey;

    use super::*;

    fn assertions(keys: &[&MasterKey]) -> Assertions {
        let keyring = Keyring::new(keys[0]).unwrap();
        let keyring = keys[1..].iter().fold(keyring, |ring, key| ring.with_older(key).unwrap());
        Assertions::new(&keyring, "https://mcp.example.com/").unwrap()
    }

    fn mint(assertions: &Assertions, now: SystemTime) -> String {
        let user = Issuer::new("https://idp.example").user("alice").with_groups(["g"]).verified();
        let url = "https://notes.example/mcp".parse().unwrap();
        let tenant = Tenant::new("t".parse().unwrap(), url, Templates::builder().build().unwrap());
        let name = HeaderName::from_static("x-user");
        let value = assertions.mint(&user, &tenant.unwrap(), &name, now).unwrap();
        assert!(value.is_sensitive());
        value.to_str().unwrap().to_owned()
    }

    /// Whether the keys that `by` publishes at `now` verify the signature.
    fn verifies(token: &str, by: &Assertions, now: SystemTime) -> bool {
        let (message, signature) = token.rsplit_once('.').unwrap();
        let head: Value =
            serde_json::from_slice(&BASE64URL.decode(message.split_once('.').unwrap().0).unwrap())
                .unwrap();
        let keys = KeySet::from_jwks(by.document(now).unwrap().as_bytes()).unwrap();
        let Ok(keys) = keys.candidates(head["kid"].as_str(), Algorithm::EdDsa) else {
            return false;
        };
        keys.verify(message.as_bytes(), &BASE64URL.decode(signature).unwrap()).is_ok()
    }

    #[test]
    fn every_gateway_signs_and_publishes_the_same() {
        let (old, new) = (MasterKey::generate().unwrap(), MasterKey::generate().unwrap());
        let now = SystemTime::now();
        let token = mint(&assertions(&[&old]), now);
        assert!(verifies(&token, &assertions(&[&old]), now));
        assert!(verifies(&token, &assertions(&[&new, &old]), now));
        assert!(!verifies(&token, &assertions(&[&new]), now));
        let rotated = mint(&assertions(&[&new, &old]), now);
        assert!(verifies(&rotated, &assertions(&[&new]), now));
    }

    #[test]
    fn keys_change_and_are_published_before_and_after() {
        let key = MasterKey::generate().unwrap();
        let gateway = assertions(&[&key]);
        let now = SystemTime::now();
        let month = Duration::from_secs(PERIOD);
        let token = mint(&gateway, now);
        for (other, published) in
            [(now - month, true), (now, true), (now + month, true), (now + 2 * month, false)]
        {
            assert_eq!(verifies(&token, &assertions(&[&key]), other), published);
        }
        assert_ne!(mint(&gateway, now + month).split('.').next(), token.split('.').next());
    }

    #[test]
    fn says_nothing_of_a_user_who_is_known_by_somebodys_word() {
        let id = UserId::new("corporate-proxy".parse().unwrap(), None, "ada".parse().unwrap());
        let user = bonafide_claims::dangerous::ToldUser::new(id, SystemTime::now()).believe();
        let url = "https://notes.example/mcp".parse().unwrap();
        let tenant = Tenant::new("t".parse().unwrap(), url, Templates::builder().build().unwrap());
        let name = HeaderName::from_static("x-user");
        let gateway = assertions(&[&MasterKey::generate().unwrap()]);
        let minted = gateway.mint(&user, &tenant.unwrap(), &name, SystemTime::now());
        assert!(matches!(minted, Err(AssertionError::NotVouchedFor)));
    }

    #[test]
    fn nothing_private_is_published_or_shown() {
        let gateway = assertions(&[&MasterKey::generate().unwrap()]);
        let document = gateway.document(SystemTime::now()).unwrap();
        let document: Value = serde_json::from_str(&document).unwrap();
        assert_eq!(document["keys"].as_array().unwrap().len(), 3);
        for key in document["keys"].as_array().unwrap() {
            let mut members: Vec<&str> =
                key.as_object().unwrap().keys().map(String::as_str).collect();
            members.sort_unstable();
            assert_eq!(members, ["alg", "crv", "kid", "kty", "use", "x"]);
        }
        assert!(!format!("{gateway:?}").contains("seed"));
    }
}
