//! Keys and tokens for tests.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{self as sig, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RsaKeyPair};
use aws_lc_rs::{hmac, rsa::KeySize};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bonafide_jwks::{Clock, StaticKeys};
use futures_util::FutureExt;
use serde_json::{Value, json};

use crate::verify::{TrustedIssuer, TrustedIssuerBuilder, Verifier, VerifyError};
use crate::{Issuer, VerifiedUser};

pub(super) const ISSUER: &str = "https://idp.example";
pub(super) const AUDIENCE: &str = "api://bonafide";
pub(super) const NOW: u64 = 1_700_000_000;
pub(super) const SECRET: &[u8] =
    b"a shared secret of the tests, which has at least sixty-four bytes in it";

pub(super) struct Keys {
    rsa: RsaKeyPair,
    p256: EcdsaKeyPair,
    p384: EcdsaKeyPair,
    ed25519: Ed25519KeyPair,
}

pub(super) fn keys() -> &'static Keys {
    static KEYS: OnceLock<Keys> = OnceLock::new();
    KEYS.get_or_init(|| Keys {
        rsa: RsaKeyPair::generate(KeySize::Rsa2048).unwrap(),
        p256: EcdsaKeyPair::generate(&sig::ECDSA_P256_SHA256_FIXED_SIGNING).unwrap(),
        p384: EcdsaKeyPair::generate(&sig::ECDSA_P384_SHA384_FIXED_SIGNING).unwrap(),
        ed25519: Ed25519KeyPair::generate().unwrap(),
    })
}

pub(super) fn base64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

pub(super) fn base64_bytes(text: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text).unwrap()
}

pub(super) fn mac(secret: &[u8], message: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), message).as_ref().to_vec()
}

impl Keys {
    pub(super) fn rsa_jwk(&self) -> Value {
        // PKCS #1: a sequence of the modulus (256 bytes and a sign byte) and the exponent (3 bytes).
        let der = self.rsa.public_key().as_ref();
        let (n, e) = (&der[der.len() - 261..der.len() - 5], &der[der.len() - 3..]);
        json!({"kty": "RSA", "kid": "rsa", "use": "sig", "n": base64(n), "e": base64(e)})
    }

    pub(super) fn jwks(&self) -> Value {
        let ec = |kid: &str, crv: &str, key: &EcdsaKeyPair| {
            let (x, y) =
                key.public_key().as_ref()[1..].split_at((key.public_key().as_ref().len() - 1) / 2);
            json!({"kty": "EC", "kid": kid, "crv": crv, "x": base64(x), "y": base64(y)})
        };
        json!({"keys": [
            self.rsa_jwk(),
            ec("p256", "P-256", &self.p256),
            ec("p384", "P-384", &self.p384),
            {"kty": "OKP", "kid": "ed25519", "crv": "Ed25519", "x": base64(self.ed25519.public_key())},
        ]})
    }

    pub(super) fn sign(&self, algorithm: &str, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        let rsa = |encoding: &'static dyn sig::RsaEncoding| {
            let mut signature = vec![0; self.rsa.public_modulus_len()];
            self.rsa.sign(encoding, &random, message, &mut signature).unwrap();
            signature
        };
        let mac = |hash| hmac::sign(&hmac::Key::new(hash, SECRET), message).as_ref().to_vec();
        match algorithm {
            "RS256" => rsa(&sig::RSA_PKCS1_SHA256),
            "RS384" => rsa(&sig::RSA_PKCS1_SHA384),
            "RS512" => rsa(&sig::RSA_PKCS1_SHA512),
            "PS256" => rsa(&sig::RSA_PSS_SHA256),
            "PS384" => rsa(&sig::RSA_PSS_SHA384),
            "PS512" => rsa(&sig::RSA_PSS_SHA512),
            "ES256" => self.p256.sign(&random, message).unwrap().as_ref().to_vec(),
            "ES384" => self.p384.sign(&random, message).unwrap().as_ref().to_vec(),
            "EdDSA" | "Ed25519" => self.ed25519.sign(message).as_ref().to_vec(),
            "HS256" => mac(hmac::HMAC_SHA256),
            "HS384" => mac(hmac::HMAC_SHA384),
            "HS512" => mac(hmac::HMAC_SHA512),
            _ => Vec::from(*b"no signature"),
        }
    }
}

pub(super) fn kid_of(algorithm: &str) -> &'static str {
    match algorithm {
        "ES256" => "p256",
        "ES384" => "p384",
        "EdDSA" | "Ed25519" => "ed25519",
        _ => "rsa",
    }
}

/// A good payload.
pub(super) fn claims() -> Value {
    json!({
        "iss": ISSUER, "sub": "user-1", "aud": AUDIENCE, "exp": NOW + 300, "iat": NOW, "nbf": NOW,
        "preferred_username": "ada", "email": "ada@example.com", "name": "Ada Lovelace",
        "groups": ["MCP-GitHub", "staff"], "roles": ["reader"], "scope": "mcp:read mcp:call",
        "client_id": "inspector",
    })
}

/// The good payload with these members in it, or without those that are null.
pub(super) fn claims_with(changes: Value) -> Value {
    merge(claims(), changes)
}

pub(super) fn merge(mut base: Value, changes: Value) -> Value {
    for (name, value) in changes.as_object().unwrap() {
        if value.is_null() {
            base.as_object_mut().unwrap().remove(name);
        } else {
            base[name] = value.clone();
        }
    }
    base
}

/// A token with any header and payload, signed as its header says.
pub(super) fn token(header: &str, payload: &str) -> String {
    let algorithm = serde_json::from_str::<Value>(header)
        .ok()
        .and_then(|header| Some(header.get("alg")?.as_str()?.to_owned()))
        .unwrap_or_default();
    let signed = format!("{}.{}", base64(header), base64(payload));
    let signature = keys().sign(&algorithm, signed.as_bytes());
    format!("{signed}.{}", base64(signature))
}

pub(super) fn mint(algorithm: &str, claims: &Value) -> String {
    let header = json!({"alg": algorithm, "typ": "JWT", "kid": kid_of(algorithm)});
    token(&header.to_string(), &claims.to_string())
}

/// A clock that stands still.
#[derive(Debug)]
pub(super) struct Stopped(pub(super) u64);

impl Clock for Stopped {
    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(self.0)
    }
}

pub(super) fn static_keys() -> Arc<StaticKeys> {
    Arc::new(StaticKeys::from_jwks(keys().jwks().to_string()).unwrap())
}

pub(super) fn issuer(name: &str) -> TrustedIssuerBuilder {
    let issuer: Issuer = name.parse().unwrap();
    TrustedIssuer::builder(issuer, static_keys())
}

pub(super) fn verifier_of(issuer: TrustedIssuerBuilder) -> Verifier {
    let clock = Arc::new(Stopped(NOW));
    Verifier::builder().with_issuer(issuer.build().unwrap()).with_clock(clock).build().unwrap()
}

pub(super) fn verifier() -> Verifier {
    verifier_of(issuer(ISSUER).with_audience(AUDIENCE))
}

/// Verifies, and fails if that has to wait.
pub(super) fn verify(verifier: &Verifier, token: &str) -> Result<VerifiedUser, VerifyError> {
    verifier.verify(token).now_or_never().expect("ready at the first poll")
}
