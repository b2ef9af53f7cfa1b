//! Good tokens, and what can be wrong with one.

use bonafide_claims::{TrustedIssuer, Verifier};
use bonafide_jwks::StaticKeys;
use bonafide_testkit::{Algorithm, Signer};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

pub(crate) const ISSUER: &str = "https://idp.example";
pub(crate) const AUDIENCE: &str = "https://mcp.example";

pub(crate) struct Token {
    pub(crate) name: String,
    pub(crate) text: String,
    /// Whether we are to accept it.
    pub(crate) good: bool,
}

/// One issuer with a key of each kind, and a stranger with keys of the same names.
pub(crate) struct World {
    keys: Vec<Signer>,
    strangers: Vec<Signer>,
    now: u64,
}

impl World {
    pub(crate) fn new() -> Self {
        let signer = |algorithm: Algorithm| Signer::generate(algorithm, algorithm.name());
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").as_secs();
        Self {
            keys: Algorithm::ALL.map(signer).into(),
            strangers: Algorithm::ALL.map(signer).into(),
            now,
        }
    }

    pub(crate) fn jwks(&self) -> Value {
        json!({"keys": self.keys.iter().map(Signer::jwk).collect::<Vec<_>>()})
    }

    pub(crate) fn verifier(&self) -> Verifier {
        let keys = Arc::new(StaticKeys::from_jwks(self.jwks().to_string()).expect("keys"));
        let issuer = TrustedIssuer::builder(ISSUER.parse().expect("an issuer"), keys);
        let issuer = issuer.with_audience(AUDIENCE).build().expect("terms");
        Verifier::builder().with_issuer(issuer).build().expect("a verifier")
    }

    pub(crate) fn tokens(&self) -> Vec<Token> {
        let mut tokens = Vec::new();
        for (signer, stranger) in self.keys.iter().zip(&self.strangers) {
            self.claims_of(signer, &mut tokens);
            self.headers_of(signer, &mut tokens);
            self.texts_of(signer, stranger, &mut tokens);
        }
        tokens
    }

    fn claims(&self) -> Value {
        json!({
            "iss": ISSUER, "sub": "user-1", "aud": AUDIENCE, "iat": self.now, "nbf": self.now,
            "exp": self.now + 600, "groups": ["a"], "scope": "mcp:call",
        })
    }

    fn with(&self, changes: &Value) -> Value {
        let mut claims = self.claims();
        for (name, value) in changes.as_object().into_iter().flatten() {
            match value {
                Value::Null => drop(claims.as_object_mut().map(|claims| claims.remove(name))),
                value => claims[name] = value.clone(),
            }
        }
        claims
    }

    fn claims_of(&self, signer: &Signer, tokens: &mut Vec<Token>) {
        let now = self.now;
        for (name, changes, good) in [
            ("good", json!({}), true),
            ("good/list", json!({"aud": ["x", AUDIENCE]}), true),
            ("good/no-nbf-iat", json!({"nbf": null, "iat": null}), true),
            ("good/exp-in-leeway", json!({"exp": now - 20}), true),
            ("good/nbf-in-leeway", json!({"nbf": now + 30}), true),
            ("good/fraction", json!({"exp": now as f64 + 600.5}), true),
            ("good/more", json!({"x": {"y": [1, "z"]}, "name": "Zoë"}), true),
            ("exp/missing", json!({"exp": null}), false),
            ("exp/past", json!({"exp": now - 3600}), false),
            ("exp/zero", json!({"exp": 0}), false),
            ("exp/negative", json!({"exp": -5}), false),
            ("exp/string", json!({"exp": (now + 600).to_string()}), false),
            ("exp/bool", json!({"exp": true}), false),
            ("exp/far", json!({"exp": 253_402_300_800_u64}), false),
            ("exp/huge", json!({"exp": 1e300}), false),
            ("nbf/future", json!({"nbf": now + 3600}), false),
            ("nbf/string", json!({"nbf": "0"}), false),
            ("iat/future", json!({"iat": now + 3600}), false),
            ("iat/string", json!({"iat": "0"}), false),
            ("iss/missing", json!({"iss": null}), false),
            ("iss/other", json!({"iss": "https://other.example"}), false),
            ("iss/slash", json!({"iss": "https://idp.example/"}), false),
            ("iss/case", json!({"iss": "https://IDP.example"}), false),
            ("iss/list", json!({"iss": [ISSUER]}), false),
            ("iss/number", json!({"iss": 5}), false),
            ("aud/missing", json!({"aud": null}), false),
            ("aud/other", json!({"aud": "x"}), false),
            ("aud/slash", json!({"aud": "https://mcp.example/"}), false),
            ("aud/empty", json!({"aud": []}), false),
            ("aud/number", json!({"aud": 5}), false),
            ("aud/mixed", json!({"aud": [AUDIENCE, 5]}), false),
            ("sub/missing", json!({"sub": null}), false),
            ("sub/number", json!({"sub": 5}), false),
            ("sub/empty", json!({"sub": ""}), false),
            ("cnf", json!({"cnf": {"jkt": "x"}}), false),
            ("kind/events", json!({"events": {}}), false),
            ("kind/at_hash", json!({"at_hash": "x"}), false),
            ("kind/token_use", json!({"token_use": "id"}), false),
        ] {
            let text = signer.token(&self.with(&changes));
            tokens.push(Token { name: format!("{name} {}", signer.key_id()), text, good });
        }
    }

    fn headers_of(&self, signer: &Signer, tokens: &mut Vec<Token>) {
        let (alg, kid) = (signer.algorithm().name(), signer.key_id());
        let payload = self.claims().to_string();
        let twice = payload.replacen('{', r#"{"sub":"root","#, 1);
        let own = format!(r#""alg":"{alg}","kid":"{kid}""#);
        for (name, header, payload, good) in [
            ("header/plain", format!("{{{own}}}"), &payload, true),
            ("header/at+jwt", format!(r#"{{{own},"typ":"at+jwt"}}"#), &payload, true),
            ("header/other", format!(r#"{{{own},"x":{{"y":1}}}}"#), &payload, true),
            ("header/no-kid", format!(r#"{{"alg":"{alg}"}}"#), &payload, true),
            ("header/unknown-kid", format!(r#"{{"alg":"{alg}","kid":"x"}}"#), &payload, false),
            ("header/kid-number", format!(r#"{{"alg":"{alg}","kid":5}}"#), &payload, false),
            ("header/typ", format!(r#"{{{own},"typ":"dpop+jwt"}}"#), &payload, false),
            ("header/crit", format!(r#"{{{own},"crit":["x"],"x":1}}"#), &payload, false),
            ("header/b64", format!(r#"{{{own},"b64":false,"crit":["b64"]}}"#), &payload, false),
            ("header/jku", format!(r#"{{{own},"jku":"https://evil.example"}}"#), &payload, false),
            ("header/jwk", format!(r#"{{{own},"jwk":{}}}"#, signer.jwk()), &payload, false),
            ("header/no-alg", format!(r#"{{"kid":"{kid}"}}"#), &payload, false),
            ("header/none", format!(r#"{{"alg":"none","kid":"{kid}"}}"#), &payload, false),
            ("header/HS256", format!(r#"{{"alg":"HS256","kid":"{kid}"}}"#), &payload, false),
            (
                "header/case",
                format!(r#"{{"alg":"{}","kid":"{kid}"}}"#, alg.to_lowercase()),
                &payload,
                false,
            ),
            ("header/list", "[]".to_owned(), &payload, false),
            ("twice/header", format!(r#"{{"alg":"none",{own}}}"#), &payload, false),
            ("twice/payload", format!("{{{own}}}"), &twice, false),
        ] {
            let text = signer.token_from_text(&header, payload);
            tokens.push(Token { name: format!("{name} {kid}"), text, good });
        }
    }

    fn texts_of(&self, signer: &Signer, stranger: &Signer, tokens: &mut Vec<Token>) {
        let good = signer.token(&self.claims());
        let (signed, signature) = good.rsplit_once('.').expect("three parts");
        let forged = stranger.token(&self.claims());
        let other = signer.token(&self.with(&json!({"sub": "user-2"})));
        let of_other = other.rsplit_once('.').expect("three parts").1;
        let flipped = if signature.starts_with('A') { "B" } else { "A" };
        for (name, text) in [
            ("text/forged", forged),
            ("text/other-signature", format!("{signed}.{of_other}")),
            ("text/flipped", format!("{signed}.{flipped}{}", &signature[1..])),
            ("text/cut", good[..good.len() - 4].to_owned()),
            ("text/no-signature", format!("{signed}.")),
            ("text/two-parts", signed.to_owned()),
            ("text/four-parts", format!("{good}.x")),
            ("text/padded", format!("{good}=")),
            ("text/loose-bits", loose_bits(&good)),
            ("text/garbage", "x".repeat(600)),
        ] {
            tokens.push(Token { name: format!("{name} {}", signer.key_id()), text, good: false });
        }
    }
}

/// Another spelling of the same signature: the bits of the last character that stand for nothing are set.
fn loose_bits(token: &str) -> String {
    const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let (rest, last) = token.split_at(token.len() - 1);
    let at = ALPHABET.find(last).expect("base64url");
    let next = ALPHABET.chars().nth(at ^ 1).expect("base64url");
    format!("{rest}{next}")
}
