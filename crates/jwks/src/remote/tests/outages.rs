use std::time::Duration;

use futures_util::FutureExt;

use super::world::*;
use crate::{FetchError, Freshness, KeySource, RemoteKeys};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn a_dead_issuer_heals_without_a_restart() {
    let world = World::new();
    world.on(CONFIGURATION, [Act::Refuse]);
    let keys = world.keys();
    assert!(look_up(&keys, "a").unwrap().is_err());
    world.on(CONFIGURATION, [ok(configuration(KEYS))]);
    world.serve(&["a"]);
    assert!(look_up(&keys, "a").unwrap().is_err(), "still in the pause");
    world.pass(SECOND);
    assert!(look_up(&keys, "a").unwrap().unwrap());
}

#[test]
fn failures_are_repeated_ever_more_slowly_up_to_a_minute() {
    let world = World::new();
    world.on(CONFIGURATION, [Act::Refuse]);
    let keys = world.keys();
    let mut attempts = Vec::new();
    for second in 0..260 {
        let before = world.requests().len();
        assert!(look_up(&keys, "a").unwrap().is_err());
        if world.requests().len() > before {
            attempts.push(second);
        }
        world.pass(SECOND);
    }
    assert_eq!(attempts, [0, 1, 3, 7, 15, 31, 63, 123, 183, 243]);
    assert_eq!(keys.status().failures_in_a_row, 10);
}

#[test]
fn an_outage_of_an_hour_refuses_no_token() {
    let world = World::new();
    world.serve(&["a"]);
    let keys = world.keys();
    assert!(look_up(&keys, "a").unwrap().unwrap());
    world.on(KEYS, [Act::Refuse]);
    for _ in 0..120 {
        world.pass(MINUTE);
        assert!(look_up(&keys, "a").unwrap().unwrap());
        world.run();
    }
    assert_eq!(keys.status().freshness, Freshness::Stale);
    world.serve(&["a"]);
    world.pass(MINUTE);
    assert!(look_up(&keys, "a").unwrap().unwrap());
    world.on(CONFIGURATION, [ok(configuration(KEYS))]);
    world.run();
    assert_eq!(keys.status().freshness, Freshness::Fresh);
}

#[test]
fn stale_keys_end() {
    let world = World::new();
    world.serve(&["a"]);
    let keys = world.keys();
    assert!(look_up(&keys, "a").unwrap().unwrap());
    world.on(KEYS, [Act::Refuse]);
    world.pass(24 * HOUR + 15 * MINUTE - SECOND);
    assert!(keys.current().is_some());
    world.pass(SECOND);
    assert!(keys.current().is_none());
    assert!(look_up(&keys, "a").unwrap().is_err());
    assert_eq!(keys.status().freshness, Freshness::Expired);
}

#[test]
fn no_answer_but_a_key_set_replaces_keys() {
    for act in [
        status(500),
        status(404),
        status(204),
        ok("<html>maintenance</html>"),
        ok("{}"),
        ok(r#"{"keys":[]}"#),
        ok(r#"{"keys":[{"kty":"oct","k":"AAAA","kid":"a"}]}"#),
        ok(r#"{"keys":[],"keys":[]}"#),
        ok(""),
        redirect(KEYS),
        redirect("http://idp.example/keys"),
        redirect("https://10.0.0.1/keys"),
        Act::Refuse,
        Act::Panic,
    ] {
        let world = World::new();
        world.serve(&["a"]);
        let keys = world.keys();
        assert!(look_up(&keys, "a").unwrap().unwrap());
        world.on(KEYS, [act]);
        world.pass(MINUTE);
        assert!(look_up(&keys, "b").unwrap().is_err(), "nobody knows whether there is such a key");
        assert!(look_up(&keys, "a").unwrap().unwrap());
        assert_eq!(keys.status().failures, 1);
    }
}

#[test]
fn a_server_that_hangs_delays_no_token_whose_key_is_known() {
    let world = World::new();
    world.serve(&["a"]);
    let keys = world.keys();
    assert!(look_up(&keys, "a").unwrap().unwrap());
    world.on(KEYS, [Act::Hang]);
    world.pass(14 * MINUTE);
    assert!(look_up(&keys, "a").unwrap().unwrap(), "starts a refresh, and does not wait");
    world.run();
    assert_eq!(world.fetches(), 2);
    assert!(look_up(&keys, "b").is_none(), "waits: nobody knows that key");
    for _ in 0..1000 {
        assert!(look_up(&keys, "a").unwrap().unwrap());
    }
    assert_eq!(world.fetches(), 2, "and all that wait for one fetch");
}

#[test]
fn a_fetch_that_never_ends_is_given_up() {
    let world = World::new();
    world.on(KEYS, [Act::Hang, ok(jwks(&["a"]))]);
    let keys = world.keys();
    assert!(look_up(&keys, "a").is_none());
    world.pass(59 * SECOND);
    assert!(look_up(&keys, "a").is_none());
    world.pass(SECOND);
    assert!(look_up(&keys, "a").unwrap().unwrap());
}

#[test]
fn a_clock_that_is_set_back_asks_again_and_keeps_the_keys() {
    let world = World::new();
    world.serve(&["a"]);
    let keys = world.keys();
    assert!(look_up(&keys, "a").unwrap().unwrap());
    world.set_back(30 * HOUR);
    assert!(look_up(&keys, "a").unwrap().unwrap());
    world.run();
    assert_eq!(world.fetches(), 2);
    assert_eq!(keys.status().freshness, Freshness::Fresh);
}

#[test]
fn the_reason_is_there_for_the_operator() {
    let world = World::new();
    world.on(
        CONFIGURATION,
        [ok(r#"{"issuer":"https://other.example","jwks_uri":"https://other.example/"}"#)],
    );
    let keys = world.keys();
    let error = keys.refresh(None).now_or_never().unwrap().unwrap_err();
    let source = std::error::Error::source(&error).unwrap();
    assert!(matches!(source.downcast_ref(), Some(FetchError::WrongIssuer)));
}

#[test]
fn one_odd_key_does_not_spoil_the_set() {
    let world = World::new();
    let good = jwks(&["a"]);
    let odd = r#"{"keys":[5,null,"x",{"kty":"EC","crv":"secp256k1"},{"kid":5},{"alg":5},"#;
    world.on(KEYS, [ok(good.replace(r#"{"keys":["#, odd))]);
    let keys = world.keys();
    assert!(look_up(&keys, "a").unwrap().unwrap());
    assert_eq!((keys.status().keys, keys.status().skipped), (1, 6));
}

#[test]
fn debug_names_the_endpoint_and_counts() {
    let world = World::new();
    let shown = format!("{:?}", world.build(RemoteKeys::at(KEYS)));
    assert!(shown.contains("idp.example") && shown.contains("Empty"), "{shown}");
}
