//! Any text as a token; and any header and payload with a good signature, which gets past the signature check.
#![no_main]

use std::sync::LazyLock;

use bonafide_claims::Verifier;
use bonafide_testkit::Issuer;
use futures_util::FutureExt;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

struct Setup {
    issuer: Issuer,
    verifier: Verifier,
}

static SETUP: LazyLock<Setup> = LazyLock::new(|| {
    let issuer = Issuer::new("https://idp.example");
    let verifier = issuer.verifier();
    Setup { issuer, verifier }
});

fuzz_target!(|text: &str| {
    let Setup { issuer, verifier } = &*SETUP;
    let verify = |token: &str| verifier.verify(token).now_or_never().expect("nothing to wait for");
    // Nobody but the issuer can sign, and the fuzzer does not have its key.
    assert!(verify(text).is_err());

    let (header, payload) = text.split_once('\n').unwrap_or(("", text));
    let header = if header.is_empty() {
        format!(r#"{{"alg":"EdDSA","kid":"{}"}}"#, issuer.signer().key_id())
    } else {
        header.to_owned()
    };
    if let Ok(user) = verify(&issuer.signer().token_from_text(&header, payload)) {
        // What was accepted says what it says in another reader's eyes too.
        let claims: Value = serde_json::from_str(payload).expect("strict JSON is JSON");
        assert_eq!(claims["iss"], "https://idp.example");
        assert_eq!(claims["sub"], user.subject().as_str());
        assert!(claims["exp"].is_number());
        assert_eq!(Value::Object(user.claims().clone()), claims);
    }
});
