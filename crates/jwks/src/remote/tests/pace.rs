use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::join_all;

use super::world::*;
use crate::{Freshness, KeySource};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn nothing_is_fetched_before_it_is_needed() {
    let world = World::new();
    let keys = world.keys();
    assert!(keys.current().is_none());
    world.run();
    assert!(world.requests().is_empty());
    assert_eq!(keys.status().freshness, Freshness::Empty);
}

#[test]
fn the_first_token_waits_for_discovery_and_keys() {
    let world = World::new();
    world.serve(&["a"]);
    let keys = world.keys();
    assert!(look_up(&keys, "a").unwrap().unwrap());
    assert_eq!(world.requests(), [CONFIGURATION, KEYS]);
    assert!(look_up(&keys, "a").unwrap().unwrap());
    assert_eq!(world.requests().len(), 2);
}

#[test]
fn ten_thousand_unknown_ids_cost_one_fetch_for_each_cool_down() {
    let world = World::new();
    world.serve(&["a"]);
    let keys = world.keys();
    for n in 0..10_000 {
        assert!(!look_up(&keys, &format!("random {n}")).unwrap().unwrap());
    }
    assert_eq!(world.fetches(), 1);
    world.pass(10 * SECOND);
    for n in 0..10_000 {
        assert!(!look_up(&keys, &format!("random {n}")).unwrap().unwrap());
    }
    assert_eq!(world.fetches(), 2);
    assert_eq!(keys.status().held_back, 9_999 + 9_999);
}

#[test]
fn a_rotation_costs_one_fetch_and_no_refusal() {
    let world = World::new();
    world.serve(&["a"]);
    let keys = world.keys();
    assert!(look_up(&keys, "a").unwrap().unwrap());
    world.pass(5 * MINUTE);
    world.serve(&["a", "b"]);
    for _ in 0..100 {
        assert!(look_up(&keys, "b").unwrap().unwrap());
    }
    assert_eq!(world.fetches(), 2);
    assert_eq!(keys.status().rotations, 2);
}

#[test]
fn all_who_wait_share_one_fetch() {
    let world = World::new();
    world.serve(&["a"]);
    let keys = world.keys();
    let all = join_all((0..100).map(|_| keys.refresh(None))).now_or_never().unwrap();
    assert!(all.iter().all(|set| has(set.as_ref().unwrap(), "a")));
    assert_eq!(world.requests(), [CONFIGURATION, KEYS]);
}

#[test]
fn one_who_stops_waiting_stops_nobody_else() {
    let world = World::new();
    world.on(KEYS, [Act::Hang, ok(jwks(&["a"]))]);
    let keys = world.keys();
    let mut first = Box::pin(keys.refresh(None));
    assert!(first.as_mut().now_or_never().is_none());
    drop(first);
    // The task that was spawned goes on with the same fetch.
    world.run();
    assert_eq!(world.fetches(), 1);
    let mut second = Box::pin(keys.refresh(None));
    assert!(second.as_mut().now_or_never().is_none());
    assert_eq!(world.fetches(), 1);
}

#[test]
fn keys_are_asked_for_again_before_they_end_and_nobody_waits() {
    let world = World::new();
    world.on(KEYS, [ok(jwks(&["a"])).with("cache-control", "max-age=600")]);
    let keys = world.keys();
    assert!(look_up(&keys, "a").unwrap().unwrap());
    world.pass(449 * SECOND);
    assert!(look_up(&keys, "a").unwrap().unwrap());
    world.run();
    assert_eq!(world.fetches(), 1);
    world.pass(SECOND);
    world.serve(&["a", "b"]);
    assert!(look_up(&keys, "a").unwrap().unwrap());
    assert_eq!(world.fetches(), 1, "not in the request");
    world.run();
    assert_eq!(world.fetches(), 2, "beside it");
    assert!(has(&keys.current().unwrap(), "b"));
}

#[test]
fn lifetimes_keep_to_floor_and_ceiling() {
    for (said, due) in [("max-age=0", 45), ("max-age=86400", 2700), ("max-age=600", 450)] {
        let world = World::new();
        world.on(KEYS, [ok(jwks(&["a"])).with("cache-control", said)]);
        let keys = world.keys();
        assert!(look_up(&keys, "a").unwrap().unwrap());
        world.pass((due - 1) * SECOND);
        assert_eq!(keys.status().freshness, Freshness::Fresh, "{said}");
        world.pass(SECOND);
        assert_eq!(keys.status().freshness, Freshness::Due, "{said}");
    }
}

#[test]
fn an_answer_not_modified_renews_the_same_keys() {
    let world = World::new();
    world.on(KEYS, [ok(jwks(&["a"])).with("etag", "\"one\""), status(304)]);
    let keys = world.keys();
    assert!(look_up(&keys, "a").unwrap().unwrap());
    let generation = keys.current().unwrap().generation();
    world.pass(12 * MINUTE);
    assert!(look_up(&keys, "a").unwrap().unwrap());
    world.run();
    assert_eq!(world.last_tag().as_deref(), Some("\"one\""));
    assert_eq!(keys.status().freshness, Freshness::Fresh);
    assert_eq!(keys.status().not_modified, 1);
    assert_eq!(keys.current().unwrap().generation(), generation);
}

#[test]
fn the_same_keys_keep_their_generation_and_others_do_not() {
    let world = World::new();
    let (one, two) = (jwks(&["a"]), jwks(&["a"]));
    world.on(KEYS, [ok(one.clone()), ok(one), ok(two)]);
    let keys = world.keys();
    let mut generations = Vec::new();
    for _ in 0..3 {
        let _ = look_up(&keys, "unknown");
        generations.push(keys.current().unwrap().generation());
        world.pass(MINUTE);
    }
    assert_eq!(generations[0], generations[1]);
    assert_ne!(generations[1], generations[2]);
}

#[test]
fn a_withdrawn_key_is_out_of_use_after_the_lifetime() {
    let world = World::new();
    world.on(KEYS, [ok(jwks(&["a", "b"])), ok(jwks(&["b"]))]);
    let keys = world.keys();
    assert!(look_up(&keys, "a").unwrap().unwrap());
    world.pass(15 * MINUTE);
    assert!(look_up(&keys, "b").unwrap().unwrap());
    world.run();
    assert!(!look_up(&keys, "a").unwrap().unwrap());
}

#[test]
fn a_discovered_place_is_looked_up_again_once_an_hour() {
    let world = World::new();
    world.serve(&["a"]);
    let keys = world.keys();
    for _ in 0..13 {
        let _ = look_up(&keys, "unknown");
        world.pass(10 * MINUTE);
    }
    let lookups = world.requests().iter().filter(|url| *url == CONFIGURATION).count();
    assert_eq!(lookups, 3);
    assert_eq!(world.fetches(), 13);
}
