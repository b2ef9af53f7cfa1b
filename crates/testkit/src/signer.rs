//! Key pairs that sign tokens, and their public halves as JWKs.

use std::fmt;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair,
    EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RSA_PSS_SHA256,
    RsaKeyPair,
};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64URL;
use serde_json::{Value, json};

/// What a [`Signer`] signs with: the `alg` of RFC 7518, section 3.1, and RFC 8037.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256, a 2048-bit key.
    Rs256,
    /// RSASSA-PSS with SHA-256, a 2048-bit key.
    Ps256,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// ECDSA on P-384 with SHA-384.
    Es384,
    /// Ed25519. The default: its keys are made in microseconds.
    #[default]
    EdDsa,
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Rs256, Self::Ps256, Self::Es256, Self::Es384, Self::EdDsa];

    /// The name in a token's `alg`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Ps256 => "PS256",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::EdDsa => "EdDSA",
        }
    }
}

enum KeyPair {
    Rsa(RsaKeyPair),
    Ecdsa(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

/// A private key with a key id. Signs whatever it is told to, valid or not.
pub struct Signer {
    algorithm: Algorithm,
    key_id: String,
    key: KeyPair,
}

impl Signer {
    /// A new random key.
    #[must_use]
    pub fn generate(algorithm: Algorithm, key_id: &str) -> Self {
        let key = match algorithm {
            Algorithm::Rs256 | Algorithm::Ps256 => {
                KeyPair::Rsa(RsaKeyPair::generate(KeySize::Rsa2048).expect("an RSA key"))
            }
            Algorithm::Es256 => KeyPair::Ecdsa(ecdsa(&ECDSA_P256_SHA256_FIXED_SIGNING)),
            Algorithm::Es384 => KeyPair::Ecdsa(ecdsa(&ECDSA_P384_SHA384_FIXED_SIGNING)),
            Algorithm::EdDsa => {
                KeyPair::Ed25519(Ed25519KeyPair::generate().expect("an Ed25519 key"))
            }
        };
        Self { algorithm, key_id: key_id.to_owned(), key }
    }

    /// What it signs with.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Its `kid`.
    #[must_use]
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    /// The public key as a JWK: RFC 7517.
    #[must_use]
    pub fn jwk(&self) -> Value {
        let mut jwk = match &self.key {
            KeyPair::Rsa(key) => {
                let public = key.public_key();
                json!({
                    "kty": "RSA",
                    "n": encode(public.modulus().big_endian_without_leading_zero()),
                    "e": encode(public.exponent().big_endian_without_leading_zero()),
                })
            }
            KeyPair::Ecdsa(key) => {
                let point = key.public_key().as_ref();
                let (x, y) = point.split_at(1).1.split_at(point.len() / 2);
                let curve = if self.algorithm == Algorithm::Es256 { "P-256" } else { "P-384" };
                json!({ "kty": "EC", "crv": curve, "x": encode(x), "y": encode(y) })
            }
            KeyPair::Ed25519(key) => {
                json!({ "kty": "OKP", "crv": "Ed25519", "x": encode(key.public_key().as_ref()) })
            }
        };
        jwk["kid"] = json!(self.key_id);
        jwk["alg"] = json!(self.algorithm.name());
        jwk["use"] = json!("sig");
        jwk
    }

    /// A signed token with the usual header: `alg`, `kid` and `typ: JWT`.
    #[must_use]
    pub fn token(&self, claims: &Value) -> String {
        let header = json!({ "alg": self.algorithm.name(), "kid": self.key_id, "typ": "JWT" });
        self.token_with_header(&header, claims)
    }

    /// A signed token with any header and any payload: the way to make a wrong one.
    #[must_use]
    pub fn token_with_header(&self, header: &Value, claims: &Value) -> String {
        self.token_from_text(&header.to_string(), &claims.to_string())
    }

    /// A signed token from texts that need not even be JSON.
    #[must_use]
    pub fn token_from_text(&self, header: &str, payload: &str) -> String {
        let input = format!("{}.{}", encode(header.as_bytes()), encode(payload.as_bytes()));
        let signature = encode(&self.sign(input.as_bytes()));
        format!("{input}.{signature}")
    }

    /// The bare signature of `message`.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match &self.key {
            KeyPair::Rsa(key) => {
                let mut signature = vec![0; key.public_modulus_len()];
                match self.algorithm {
                    Algorithm::Ps256 => key.sign(&RSA_PSS_SHA256, &random, message, &mut signature),
                    _ => key.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature),
                }
                .expect("an RSA signature");
                signature
            }
            KeyPair::Ecdsa(key) => {
                key.sign(&random, message).expect("an ECDSA signature").as_ref().to_vec()
            }
            KeyPair::Ed25519(key) => key.sign(message).as_ref().to_vec(),
        }
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer")
            .field("algorithm", &self.algorithm)
            .field("key_id", &self.key_id)
            .finish_non_exhaustive()
    }
}

fn ecdsa(algorithm: &'static EcdsaSigningAlgorithm) -> EcdsaKeyPair {
    EcdsaKeyPair::generate(algorithm).expect("an ECDSA key")
}

fn encode(bytes: &[u8]) -> String {
    BASE64URL.encode(bytes)
}
