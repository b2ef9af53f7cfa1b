//! A program whose author chose a crypto backend for `jsonwebtoken`, or two, or none, and has `bonafide-claims` in the
//! same tree. It says what each of the two makes of a good and of a forged token, one line each.

use std::panic::catch_unwind;
use std::sync::Arc;

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{self, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bonafide_claims::{Profile, TrustedIssuer, Verifier};
use bonafide_jwks::{KeySource, SharedSecret, StaticKeys};
use futures_util::FutureExt;
use serde_json::{Value, json};

const ISSUER: &str = "https://idp.example";
const AUDIENCE: &str = "https://mcp.example";
const SECRET: &[u8] = b"a shared secret of this program, as long as it has to be";

fn main() {
    let keys = Keys::new();
    let public: Arc<dyn KeySource> =
        Arc::new(StaticKeys::from_jwks(keys.jwks().to_string()).unwrap());
    let shared: Arc<dyn KeySource> = Arc::new(SharedSecret::new(SECRET).unwrap());
    for algorithm in ["RS256", "PS256", "ES256", "ES384", "EdDSA", "HS256"] {
        let (source, profile) = match algorithm {
            "HS256" => (&shared, Profile::open_webui()),
            _ => (&public, Profile::generic()),
        };
        let verifier = verifier(Arc::clone(source), profile);
        let verdict =
            |token: &str| match verifier.verify(token).now_or_never().expect("keys at hand") {
                Ok(user) => format!("accepted {}", user.subject().as_str()),
                Err(error) => format!("{error:?}"),
            };
        let good = keys.token(algorithm, "ada");
        let forged = keys.forged(algorithm);
        println!("bonafide {algorithm}: {}, {}", verdict(&good), verdict(&forged));
    }
    std::panic::set_hook(Box::new(|_| {}));
    let theirs = catch_unwind(|| theirs(&keys.token("HS256", "ada")));
    println!("jsonwebtoken HS256: {}", theirs.unwrap_or("panicked"));
}

fn verifier(keys: Arc<dyn KeySource>, profile: Profile) -> Verifier {
    let issuer = TrustedIssuer::builder(ISSUER.parse().unwrap(), keys);
    let issuer = issuer.with_audience(AUDIENCE).with_profile(profile).build().unwrap();
    Verifier::builder().with_issuer(issuer).build().unwrap()
}

/// What `jsonwebtoken` itself says, with the backend that this build has.
fn theirs(token: &str) -> &'static str {
    let mut validation = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::HS256);
    validation.set_audience(&[AUDIENCE]);
    let key = jsonwebtoken::DecodingKey::from_secret(SECRET);
    match jsonwebtoken::decode::<Value>(token, &key, &validation) {
        Ok(_) => "accepted",
        Err(_) => "refused",
    }
}

struct Keys {
    rsa: RsaKeyPair,
    p256: EcdsaKeyPair,
    p384: EcdsaKeyPair,
    ed25519: Ed25519KeyPair,
}

impl Keys {
    fn new() -> Self {
        Self {
            rsa: RsaKeyPair::generate(KeySize::Rsa2048).unwrap(),
            p256: EcdsaKeyPair::generate(&signature::ECDSA_P256_SHA256_FIXED_SIGNING).unwrap(),
            p384: EcdsaKeyPair::generate(&signature::ECDSA_P384_SHA384_FIXED_SIGNING).unwrap(),
            ed25519: Ed25519KeyPair::generate().unwrap(),
        }
    }

    fn jwks(&self) -> Value {
        let ec = |curve: &str, key: &EcdsaKeyPair| {
            let point = key.public_key().as_ref();
            let (x, y) = point[1..].split_at(point.len() / 2);
            json!({"kty": "EC", "kid": curve, "crv": curve, "x": base64(x), "y": base64(y)})
        };
        // PKCS #1: a sequence of the modulus (256 bytes and a sign byte) and the exponent (3 bytes).
        let der = self.rsa.public_key().as_ref();
        let (n, e) = (&der[der.len() - 261..der.len() - 5], &der[der.len() - 3..]);
        json!({"keys": [
            {"kty": "RSA", "kid": "RSA", "n": base64(n), "e": base64(e)},
            ec("P-256", &self.p256),
            ec("P-384", &self.p384),
            {"kty": "OKP", "kid": "Ed25519", "crv": "Ed25519", "x": base64(self.ed25519.public_key())},
        ]})
    }

    fn token(&self, algorithm: &str, subject: &str) -> String {
        let kid = match algorithm {
            "RS256" | "PS256" => "RSA",
            "ES256" => "P-256",
            "ES384" => "P-384",
            _ => "Ed25519",
        };
        let header = json!({"alg": algorithm, "kid": kid}).to_string();
        let payload =
            json!({"iss": ISSUER, "aud": AUDIENCE, "sub": subject, "exp": 4_102_444_800_u64})
                .to_string();
        let signed = format!("{}.{}", base64(header), base64(payload));
        let signature = base64(self.sign(algorithm, signed.as_bytes()));
        format!("{signed}.{signature}")
    }

    /// Signed for somebody else.
    fn forged(&self, algorithm: &str) -> String {
        let (wanted, real) = (self.token(algorithm, "root"), self.token(algorithm, "ada"));
        let signed = wanted.rsplit_once('.').unwrap().0;
        let signature = real.rsplit_once('.').unwrap().1;
        format!("{signed}.{signature}")
    }

    fn sign(&self, algorithm: &str, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        let rsa = |encoding: &'static dyn signature::RsaEncoding| {
            let mut signature = vec![0; self.rsa.public_modulus_len()];
            self.rsa.sign(encoding, &random, message, &mut signature).unwrap();
            signature
        };
        match algorithm {
            "RS256" => rsa(&signature::RSA_PKCS1_SHA256),
            "PS256" => rsa(&signature::RSA_PSS_SHA256),
            "ES256" => self.p256.sign(&random, message).unwrap().as_ref().to_vec(),
            "ES384" => self.p384.sign(&random, message).unwrap().as_ref().to_vec(),
            "EdDSA" => self.ed25519.sign(message).as_ref().to_vec(),
            _ => hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, SECRET), message).as_ref().to_vec(),
        }
    }
}

fn base64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
