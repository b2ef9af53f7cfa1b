use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bonafide_jwks::{Clock, Generation, KeySet, KeySource, KeysUnavailable};
use serde_json::json;

use super::mint::*;
use super::refuses::refusal;
use crate::verify::{TrustedIssuer, Verifier};

/// Keys that the test changes, and a clock that it moves.
#[derive(Debug)]
struct World {
    keys: Mutex<Option<Arc<KeySet>>>,
    asked: AtomicUsize,
    now: AtomicU64,
}

#[async_trait]
impl KeySource for World {
    fn current(&self) -> Option<Arc<KeySet>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        self.keys.lock().unwrap().clone()
    }

    async fn refresh(&self, _: Option<Generation>) -> Result<Arc<KeySet>, KeysUnavailable> {
        let keys = self.keys.lock().unwrap().clone();
        keys.ok_or_else(|| KeysUnavailable::new(std::io::Error::other("gone")))
    }
}

impl Clock for World {
    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(self.now.load(Ordering::SeqCst))
    }
}

fn world(cached: usize) -> (Arc<World>, Verifier) {
    let keys = KeySet::from_jwks(keys().jwks().to_string().as_bytes()).unwrap();
    let world = Arc::new(World {
        keys: Mutex::new(Some(keys)),
        asked: AtomicUsize::new(0),
        now: AtomicU64::new(NOW),
    });
    let issuer = TrustedIssuer::builder(ISSUER.parse().unwrap(), world.clone());
    let verifier = Verifier::builder()
        .with_issuer(issuer.with_audience(AUDIENCE).build().unwrap())
        .with_clock(world.clone())
        .with_cached_tokens(cached)
        .build()
        .unwrap();
    (world, verifier)
}

/// Whether two verifications gave the very same user, which only the cache does.
fn is_cached(verifier: &Verifier, token: &str) -> bool {
    let claims = |user: &crate::VerifiedUser| std::ptr::from_ref(user.claims());
    let (one, two) = (verify(verifier, token).unwrap(), verify(verifier, token).unwrap());
    claims(&one) == claims(&two)
}

#[test]
fn a_token_is_verified_once() {
    let token = mint("RS256", &claims());
    assert!(is_cached(&world(10).1, &token));
    assert!(!is_cached(&world(0).1, &token), "switched off");
}

#[test]
fn a_hit_ends_with_the_token() {
    let (world, verifier) = world(10);
    let token = mint("RS256", &claims());
    assert!(is_cached(&verifier, &token));
    world.now.store(NOW + 359, Ordering::SeqCst);
    assert_eq!(refusal(&verifier, &token), "accepted");
    world.now.store(NOW + 360, Ordering::SeqCst);
    assert_eq!(refusal(&verifier, &token), "Expired");
    world.now.store(NOW - 61, Ordering::SeqCst);
    assert_eq!(refusal(&verifier, &token), "NotYetValid", "the clock was set back");
}

#[test]
fn a_withdrawn_key_ends_every_hit_at_once() {
    let (world, verifier) = world(10);
    let token = mint("RS256", &claims());
    assert!(is_cached(&verifier, &token));
    let mut jwks = keys().jwks();
    jwks["keys"].as_array_mut().unwrap().remove(0);
    *world.keys.lock().unwrap() = Some(KeySet::from_jwks(jwks.to_string().as_bytes()).unwrap());
    assert_eq!(refusal(&verifier, &token), "UnknownKey");
}

#[test]
fn keys_that_are_too_old_end_every_hit() {
    let (world, verifier) = world(10);
    let token = mint("RS256", &claims());
    assert!(is_cached(&verifier, &token));
    *world.keys.lock().unwrap() = None;
    assert!(refusal(&verifier, &token).starts_with("KeysUnavailable"));
}

#[test]
fn a_token_that_differs_anywhere_is_not_found() {
    let (_, verifier) = world(10);
    let token = mint("RS256", &claims());
    assert!(is_cached(&verifier, &token));
    for at in 0..token.len() {
        let mut changed = token.clone().into_bytes();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).unwrap();
        assert_ne!(refusal(&verifier, &changed), "accepted", "byte {at}");
    }
    for other in [format!("{token}A"), token[1..].to_owned(), token[..token.len() - 1].to_owned()] {
        assert_ne!(refusal(&verifier, &other), "accepted");
    }
}

#[test]
fn only_good_tokens_enter_and_only_so_many() {
    let (_, verifier) = world(16);
    let places = || verifier.shared.cache.as_ref().unwrap().len();
    for n in 0..50 {
        let bad = mint("RS256", &claims_with(json!({"jti": n, "aud": "other"})));
        assert_eq!(refusal(&verifier, &bad), "WrongAudience");
        assert_ne!(refusal(&verifier, &format!("{}A", mint("EdDSA", &claims()))), "accepted");
    }
    assert_eq!(places(), 0);
    for n in 0..500 {
        assert_eq!(refusal(&verifier, &mint("EdDSA", &claims_with(json!({"jti": n})))), "accepted");
    }
    assert!(places() <= 64, "{}", places());
}

#[test]
fn what_is_in_use_stays() {
    let (world, verifier) = world(1);
    let kept = mint("EdDSA", &claims_with(json!({"jti": "kept"})));
    assert!(is_cached(&verifier, &kept));
    for n in 0..100 {
        world.now.fetch_add(1, Ordering::SeqCst);
        assert!(is_cached(&verifier, &kept), "{n}");
        assert_eq!(refusal(&verifier, &mint("EdDSA", &claims_with(json!({"jti": n})))), "accepted");
    }
}

#[test]
fn debug_shows_no_token() {
    let (_, verifier) = world(10);
    let token = mint("RS256", &claims());
    assert!(is_cached(&verifier, &token));
    assert!(!format!("{verifier:?}").contains(&token[..20]));
}
