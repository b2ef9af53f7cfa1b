//! What verification takes from the allocator. Alone in its binary, and one test: the counter is process-wide.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use std::alloc::System;
use std::sync::Arc;

use bonafide_claims::{TrustedIssuer, VerifiedUser, Verifier, VerifyError};
use bonafide_jwks::StaticKeys;
use bonafide_testkit::{AUDIENCE, Algorithm, Issuer, User};
use futures_util::FutureExt as _;
use serde_json::json;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, Stats, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const ISSUER: &str = "https://idp.example";

#[test]
fn known_tokens_take_nothing_and_garbage_less_than_good_ones() {
    let issuer = Issuer::with_algorithm(ISSUER, Algorithm::Rs256);
    let verifier = verifier(&issuer);
    let good = user(&issuer, "known").token();
    assert!((1590..1620).contains(&good.len()), "{}", good.len());
    assert!(verify(&verifier, &good).is_ok());

    let hit = taken(|| verify(&verifier, &good).is_ok());
    assert_eq!(
        (hit.allocations, hit.bytes_allocated, hit.reallocations),
        (0, 0, 0),
        "a known token"
    );

    let another = user(&issuer, "another").token();
    let first = taken(|| verify(&verifier, &another).is_ok());
    assert!(first.bytes_allocated > first.bytes_deallocated, "it is kept");
    assert!(first.allocations <= 30, "{first:?}");

    for (what, token) in garbage(&issuer, &good) {
        assert!(verify(&verifier, &token).is_err(), "{what}");
        let flood = taken(|| (0..1000).all(|_| verify(&verifier, &token).is_err()));
        assert_eq!(flood.bytes_allocated, flood.bytes_deallocated, "{what}: something is kept");
        assert!(flood.allocations < 1000 * first.allocations, "{what}: {flood:?} and {first:?}");
        assert!(flood.bytes_allocated < 1000 * first.bytes_allocated, "{what}: {flood:?}");
    }
    let hit = taken(|| verify(&verifier, &good).is_ok());
    assert_eq!(hit.allocations, 0, "garbage does not make room for itself");
}

fn taken(run: impl FnOnce() -> bool) -> Stats {
    let region = Region::new(ALLOCATOR);
    assert!(run());
    region.change()
}

fn verify(verifier: &Verifier, token: &str) -> Result<VerifiedUser, VerifyError> {
    verifier.verify(token).now_or_never().expect("keys that are there")
}

fn verifier(issuer: &Issuer) -> Verifier {
    let keys = StaticKeys::from_jwks(issuer.jwks()).expect("keys");
    let trusted = TrustedIssuer::builder(ISSUER.parse().expect("an issuer"), Arc::new(keys));
    let trusted = trusted.with_audience(AUDIENCE).build().expect("terms");
    Verifier::builder().with_issuer(trusted).build().expect("a verifier")
}

/// A user whose token has 1.6 KB.
fn user(issuer: &Issuer, name: &str) -> User {
    let filler = "x".repeat(446 - name.len() * 4);
    let groups = (0..8).map(|group| format!("{group:08}-0000-4000-8000-000000000000"));
    let groups: Vec<String> = groups.collect();
    issuer
        .user(name)
        .with_groups(groups.iter().map(String::as_str))
        .with_claim("filler", json!(filler))
}

/// Tokens as long as the good one, none of which is one.
fn garbage(issuer: &Issuer, good: &str) -> Vec<(&'static str, String)> {
    let (signed, signature) = good.rsplit_once('.').expect("three parts");
    let stranger = Issuer::with_algorithm(ISSUER, Algorithm::Rs256);
    let claims = user(issuer, "known").claims();
    let header = |header| issuer.signer().token_with_header(&header, &claims);
    vec![
        ("noise", "x".repeat(good.len())),
        ("three parts of noise", format!("{0}.{0}.{0}", "x".repeat(good.len() / 3))),
        ("a megabyte", "a".repeat(1 << 20)),
        ("signed by a stranger", user(&stranger, "known").token()),
        ("another signature", format!("{signed}.A{}", signature.get(1..).expect("a signature"))),
        ("no signature", format!("{signed}.")),
        ("an unknown key", header(json!({"alg": "RS256", "kid": "x"}))),
        ("alg: none", header(json!({"alg": "none"}))),
        ("expired", user(issuer, "known").with_claim("exp", json!(1)).token()),
        ("for another audience", user(issuer, "known").with_claim("aud", json!("x")).token()),
    ]
}
