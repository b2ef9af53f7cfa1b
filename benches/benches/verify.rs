//! From a token to a user: RS256 with 2048 bits, a token of 3 KB with 30 groups, unless said otherwise.
//!
//! `cargo bench -p bonafide-benches --bench verify` prints medians of interleaved rounds and the ratio to the limit,
//! which is the bare check of the signature with a prepared key. `-- known garbage` runs only these parts.

#![expect(clippy::panic, reason = "a bench that cannot be set up measures nothing")]

mod common;

use std::cell::Cell;
use std::sync::Arc;

use aws_lc_rs::signature::{ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bonafide_claims::{TrustedIssuer, VerifiedUser, Verifier, VerifyError};
use bonafide_jwks::StaticKeys;
use bonafide_testkit::{AUDIENCE, Algorithm, Issuer, User};
use common::{Contender, compare};
use futures_util::FutureExt as _;
use serde_json::{Value, json};

const ISSUER: &str = "https://idp.example";

type Suite = fn(&Issuer);

fn main() {
    let issuer = Issuer::with_algorithm(ISSUER, Algorithm::Rs256);
    let suites: [(&str, Suite); 5] = [
        ("first-sight", first_sight),
        ("known", known_token),
        ("garbage", garbage),
        ("refusals", refusals),
        ("parts", parts),
    ];
    let wanted: Vec<String> = std::env::args().skip(1).filter(|it| !it.starts_with('-')).collect();
    for (name, suite) in suites {
        if wanted.is_empty() || wanted.iter().any(|it| it == name) {
            suite(&issuer);
        }
    }
}

/// Room for twice as many users as there are.
const ROOM: usize = 20_000;

fn first_sight(issuer: &Issuer) {
    let token = user(issuer, 0).token();
    let limit = Bare::new(issuer, &token);
    let ours = verifier(issuer, 1, 0);
    // As in a cache that is full: each token makes room for the next.
    let kept = verifier(issuer, 1, 16);
    let fifty = verifier(issuer, 50, 0);
    let tokens: Vec<String> = (0..1000).map(|n| user(issuer, n).token()).collect();
    let next = Cell::new(0);
    let peer = Peer::new(issuer);
    assert!(limit.verifies() && verify(&ours, &token).is_ok() && peer.verifies(&token));
    assert!(limit.by_hand(&token));
    let title = format!("first sight of a token of {} bytes", token.len());
    compare(
        &title,
        vec![
            Contender::new("bare signature, key prepared (the limit)", || limit.verifies()),
            Contender::new("by hand: borrowed claims, no checks", || limit.by_hand(&token)),
            Contender::new("bonafide-claims, cache off", || verify(&ours, &token)),
            Contender::new("bonafide-claims, 50 issuers, cache off", || verify(&fifty, &token)),
            Contender::new("bonafide-claims, another each time, kept", || {
                next.set((next.get() + 1) % tokens.len());
                verify(&kept, tokens.get(next.get()).map_or("", String::as_str))
            }),
            Contender::new("jsonwebtoken 11, typed, key kept", || peer.verifies(&token)),
        ],
    );
}

fn known_token(issuer: &Issuer) {
    let small = small(issuer, 0).token();
    let large = user(issuer, 0).token();
    let (one, many, fifty) =
        (verifier(issuer, 1, ROOM), verifier(issuer, 1, ROOM), verifier(issuer, 50, ROOM));
    for verifier in [&one, &many, &fifty] {
        assert!(verify(verifier, &small).is_ok() && verify(verifier, &large).is_ok());
    }
    for n in 0..10_000 {
        assert!(verify(&many, &small_text(issuer, n)).is_ok());
    }
    let limit = Bare::new(issuer, &large);
    let digest = || aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, small.as_bytes());
    let title = format!("known token of {} bytes (or {})", small.len(), large.len());
    compare(
        &title,
        vec![
            Contender::new("bare signature, for scale", || limit.verifies()),
            Contender::new("SHA-256 of the token, for scale", digest),
            Contender::new("1 user", || verify(&one, &small)),
            Contender::new("10,000 users", || verify(&many, &small)),
            Contender::new("1 user, 50 issuers", || verify(&fifty, &small)),
            Contender::new("1 user, the longer token", || verify(&one, &large)),
        ],
    );
}

fn garbage(issuer: &Issuer) {
    let good = user(issuer, 0).token();
    let verifier = verifier(issuer, 1, 0);
    let (signed, signature) = good.rsplit_once('.').unwrap_or_default();
    let random = "x".repeat(good.len());
    let stranger = Issuer::with_algorithm(ISSUER, Algorithm::Rs256);
    let forged = user(&stranger, 0).token();
    let flipped = format!("{signed}.A{}", signature.get(1..).unwrap_or_default());
    let other_id = issuer
        .signer()
        .token_with_header(&json!({"alg": "RS256", "kid": "random"}), &user(issuer, 0).claims());
    let huge = "a".repeat(1 << 20);
    let deep = issuer.signer().token_from_text(
        r#"{"alg":"RS256"}"#,
        &format!(r#"{{"a":{}{}}}"#, "[".repeat(4000), "]".repeat(4000)),
    );
    for token in [&random, &forged, &flipped, &other_id, &huge, &deep] {
        assert!(verify(&verifier, token).is_err());
    }
    compare(
        "garbage, beside a good token",
        vec![
            Contender::new("a good token", || verify(&verifier, &good)),
            Contender::new("signed by a stranger", || verify(&verifier, &forged)),
            Contender::new("one changed byte in the signature", || verify(&verifier, &flipped)),
            Contender::new("unknown key id", || verify(&verifier, &other_id)),
            Contender::new("no token at all, as long", || verify(&verifier, &random)),
            Contender::new("1 MB", || verify(&verifier, &huge)),
            Contender::new("nested 4,000 deep", || verify(&verifier, &deep)),
        ],
    );
}

fn refusals(issuer: &Issuer) {
    let verifier = verifier(issuer, 1, 0);
    let good = user(issuer, 0).token();
    let of = |name: &str, value: Value| user(issuer, 0).with_claim(name, value).token();
    let (expired, audience) = (of("exp", json!(1)), of("aud", json!("other")));
    let unknown = of("iss", json!("https://other.example"));
    for token in [&expired, &audience, &unknown] {
        assert!(verify(&verifier, token).is_err());
    }
    compare(
        "refusals, beside success",
        vec![
            Contender::new("a good token", || verify(&verifier, &good)),
            Contender::new("expired", || verify(&verifier, &expired)),
            Contender::new("wrong audience", || verify(&verifier, &audience)),
            Contender::new("unknown issuer", || verify(&verifier, &unknown)),
        ],
    );
}

fn parts(issuer: &Issuer) {
    let token = user(issuer, 0).token();
    let payload = token.split('.').nth(1).unwrap_or_default();
    let json = URL_SAFE_NO_PAD.decode(payload).unwrap_or_default();
    compare(
        "parts",
        vec![
            Contender::new("base64 of the payload", || URL_SAFE_NO_PAD.decode(payload)),
            Contender::new("strict JSON, borrowed", || {
                bonafide_jwks::strict_json::parse(&json).map(|object| object.len())
            }),
            Contender::new("serde_json::Value", || serde_json::from_slice::<Value>(&json)),
        ],
    );
}

fn verify(verifier: &Verifier, token: &str) -> Result<VerifiedUser, VerifyError> {
    let ready = verifier.verify(token).now_or_never();
    ready.unwrap_or_else(|| panic!("a verification that waits"))
}

/// A verifier that trusts the issuer and as many others as it takes.
fn verifier(issuer: &Issuer, issuers: usize, cached: usize) -> Verifier {
    let keys = StaticKeys::from_jwks(issuer.jwks()).unwrap_or_else(|error| panic!("{error}"));
    let trusted = |name: &str| {
        let name = name.parse().unwrap_or_else(|error| panic!("{error}"));
        let trusted = TrustedIssuer::builder(name, Arc::new(keys.clone())).with_audience(AUDIENCE);
        trusted.build().unwrap_or_else(|error| panic!("{error}"))
    };
    let others = (1..issuers).map(|n| trusted(&format!("{ISSUER}/{n}")));
    let builder = Verifier::builder().with_issuer(trusted(ISSUER)).with_cached_tokens(cached);
    let builder = others.fold(builder, bonafide_claims::VerifierBuilder::with_issuer);
    builder.build().unwrap_or_else(|error| panic!("{error}"))
}

/// A user whose token has 3 KB and 30 groups, as Entra ID makes them.
fn user(issuer: &Issuer, n: usize) -> User {
    // In no order, as object ids are.
    let groups: Vec<String> = (0..30)
        .map(|group| format!("{:08x}-0000-4000-8000-{n:012}", 0x9e37_79b9_u32.wrapping_mul(group)))
        .collect();
    issuer
        .user(&format!("user-{n}"))
        .with_groups(groups.iter().map(String::as_str))
        .with_roles(["reader", "writer"])
        .with_scopes(["mcp:read", "mcp:call", "openid", "profile", "email"])
        .with_claim("name", json!("Ada Lovelace"))
        .with_claim("email", json!("ada.lovelace@example.com"))
        .with_claim("azp", json!("0b9e8c1d-0000-4000-8000-00000000c11e"))
        .with_claim("tid", json!("7f9e0000-0000-4000-8000-000000000001"))
        .with_claim("oid", json!("0b1ec700-0000-4000-8000-000000000001"))
        .with_claim("rh", json!("0.ARoAv4j5cvGGr0GRqy180BHbR".repeat(10)))
        .with_claim("uti", json!("fqiBqXLPj0eQa82S-IYFAA"))
        .with_claim("ver", json!("2.0"))
}

/// A user whose token has 1.6 KB.
fn small(issuer: &Issuer, n: usize) -> User {
    let groups: Vec<String> =
        (0..8).map(|group| format!("{group:08}-0000-4000-8000-{n:012}")).collect();
    issuer
        .user(&format!("user-{n}"))
        .with_groups(groups.iter().map(String::as_str))
        .with_claim("name", json!("Ada Lovelace"))
        .with_claim("email", json!("ada.lovelace@example.com"))
        .with_claim("rh", json!("0.ARoAv4j5cvGGr0GRqy180BHbR".repeat(14)))
}

fn small_text(issuer: &Issuer, n: usize) -> String {
    small(issuer, n).token()
}

/// The bare signature check.
struct Bare {
    key: ParsedPublicKey,
    message: Vec<u8>,
    signature: Vec<u8>,
}

impl Bare {
    fn new(issuer: &Issuer, token: &str) -> Self {
        let jwk = issuer.signer().jwk();
        let number = |name: &str| {
            let text = jwk.get(name).and_then(Value::as_str).unwrap_or_default();
            URL_SAFE_NO_PAD.decode(text).unwrap_or_default()
        };
        let key = RsaPublicKeyComponents { n: number("n"), e: number("e") }
            .to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256)
            .unwrap_or_else(|error| panic!("{error}"));
        let (message, signature) = token.rsplit_once('.').unwrap_or_default();
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap_or_default();
        Self { key, message: message.as_bytes().to_vec(), signature }
    }

    fn verifies(&self) -> bool {
        self.key.verify_sig(&self.message, &self.signature).is_ok()
    }

    /// What one would write for speed: split, decode, check the signature, borrow a few claims. It accepts any issuer,
    /// audience, time and type, and members that stand twice.
    fn by_hand(&self, token: &str) -> bool {
        let (signed, signature) = token.rsplit_once('.').unwrap_or_default();
        let (_, payload) = signed.split_once('.').unwrap_or_default();
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap_or_default();
        let payload = URL_SAFE_NO_PAD.decode(payload).unwrap_or_default();
        self.key.verify_sig(signed.as_bytes(), &signature).is_ok()
            && serde_json::from_slice::<Borrowed<'_>>(&payload).is_ok()
    }
}

#[derive(serde::Deserialize)]
#[expect(dead_code, reason = "read by nobody, parsed all the same")]
struct Borrowed<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    exp: u64,
    #[serde(borrow)]
    groups: Vec<&'a str>,
}

/// `jsonwebtoken`, as its documentation shows it, into a struct.
struct Peer {
    key: jsonwebtoken::DecodingKey,
    validation: jsonwebtoken::Validation,
}

#[derive(serde::Deserialize)]
#[expect(dead_code, reason = "read by nobody, parsed by the peer")]
struct Claims {
    iss: String,
    sub: String,
    aud: String,
    exp: u64,
    groups: Vec<String>,
    roles: Vec<String>,
    scope: String,
    name: String,
    email: String,
    preferred_username: String,
}

impl Peer {
    fn new(issuer: &Issuer) -> Self {
        let jwk = serde_json::from_value(issuer.signer().jwk());
        let jwk = jwk.unwrap_or_else(|error| panic!("{error}"));
        let key = jsonwebtoken::DecodingKey::from_jwk(&jwk);
        let mut validation = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::RS256);
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[AUDIENCE]);
        Self { key: key.unwrap_or_else(|error| panic!("{error}")), validation }
    }

    fn verifies(&self, token: &str) -> bool {
        jsonwebtoken::decode::<Claims>(token, &self.key, &self.validation).is_ok()
    }
}
