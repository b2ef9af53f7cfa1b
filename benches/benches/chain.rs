//! Each step of the chain by itself, accepted and refused: verify, decide, render, secret read.
//!
//! The comparisons with peers and limits are in the suites of those names.
#![allow(missing_docs, clippy::unwrap_used, reason = "a bench fails loudly")]

use std::hint::black_box;
use std::sync::Arc;

use bonafide_headers::{Templates, Values, Variable};
use bonafide_policy::{Permit, Policy, Rule, TenantId};
use bonafide_sqlite::SqliteVault;
use bonafide_testkit::{Algorithm, Issuer, User};
use bonafide_vault::{Keyring, MasterKey, SecretName, SecretStore};
use criterion::{Criterion, criterion_group, criterion_main};
use futures_util::FutureExt as _;

/// A user in thirty groups: a token of about 3 KB.
fn alice(issuer: &Issuer) -> User {
    let groups: Vec<String> =
        (0..30).map(|group| format!("group-{group:02}-{}", "x".repeat(60))).collect();
    issuer.user("alice").with_groups(groups.iter().map(String::as_str))
}

fn verify(criterion: &mut Criterion) {
    let issuer = Issuer::with_algorithm("https://idp.example", Algorithm::Rs256);
    let verifier = issuer.verifier();
    let tokens: Vec<String> =
        (0..200).map(|number| alice(&issuer).with_claim("jti", number.into()).token()).collect();
    let known = alice(&issuer).token();
    let unsigned = format!("{}.AAAA", known.rsplit_once('.').unwrap().0);
    let foreign = alice(&Issuer::new("https://other.example")).token();
    let run = |token: &str| verifier.verify(token).now_or_never().unwrap().is_ok();
    let mut group = criterion.benchmark_group("verify");
    let mut next = tokens.iter().cycle();
    group.bench_function("one of 200 tokens", |bencher| bencher.iter(|| run(next.next().unwrap())));
    group.bench_function("a known token", |bencher| bencher.iter(|| run(black_box(&known))));
    group.bench_function("a bad signature", |bencher| bencher.iter(|| run(black_box(&unsigned))));
    group.bench_function("an unknown issuer", |bencher| bencher.iter(|| run(black_box(&foreign))));
    group.finish();
}

fn policy() -> Policy {
    let rules = (0..1000).map(|rule| {
        Rule::allow(format!("rule-{rule}"))
            .with_groups([format!("group-{:02}-{}", rule % 100, "x".repeat(60))])
            .with_tenants([format!("tenant-{}", rule % 50)])
    });
    Policy::builder().with_rules(rules).build().unwrap()
}

fn permit(policy: &Policy) -> Permit {
    let tenant: TenantId = "tenant-7".parse().unwrap();
    policy.permit(&alice(&Issuer::new("https://idp.example")).verified(), &tenant).unwrap()
}

fn decide(criterion: &mut Criterion) {
    let policy = policy();
    let user = alice(&Issuer::new("https://idp.example")).verified();
    let (allowed, denied): (TenantId, TenantId) =
        ("tenant-7".parse().unwrap(), "tenant-40".parse().unwrap());
    let mut group = criterion.benchmark_group("decide");
    group.bench_function("a tenant that is allowed", |bencher| {
        bencher.iter(|| policy.permit(black_box(&user), &allowed).is_ok());
    });
    group.bench_function("a tenant that is denied", |bencher| {
        bencher.iter(|| policy.permit(black_box(&user), &denied).is_ok());
    });
    group.bench_function("all tenants of the user", |bencher| {
        bencher.iter(|| policy.permits(black_box(&user)).len());
    });
    group.finish();
}

fn render(criterion: &mut Criterion) {
    let variable = |name: &str| Variable::new(name.parse().unwrap());
    let templates = Templates::builder()
        .with_variable(variable("TOKEN"))
        .with_variable(variable("USER"))
        .with_variable(variable("PASSWORD"))
        .with_header("Authorization", "Bearer ${TOKEN}")
        .with_header("X-User-Id", "${username}")
        .with_header("X-Backend", "Basic ${basic(USER, PASSWORD)}")
        .with_header("X-Constant", "bonafide")
        .build()
        .unwrap();
    let missing = Values::new(&templates);
    let mut values = Values::new(&templates);
    for name in ["TOKEN", "USER", "PASSWORD"] {
        assert!(values.set(name, "0123456789abcdef0123456789abcdef01234567".into()));
    }
    let values = values.with_text(bonafide_headers::Builtin::Username, "alice");
    let mut group = criterion.benchmark_group("render");
    group.bench_function("four headers", |bencher| {
        bencher.iter(|| templates.render(black_box(&values)).is_ok());
    });
    group.bench_function("with everything missing", |bencher| {
        bencher.iter(|| templates.render(black_box(&missing)).is_ok());
    });
    group.finish();
}

fn secret(criterion: &mut Criterion) {
    let directory = tempfile::tempdir().unwrap();
    let vault = SqliteVault::open(directory.path().join("vault.db")).unwrap();
    let keyring = Keyring::new(&MasterKey::generate().unwrap()).unwrap();
    let store = SecretStore::new(Arc::new(vault), keyring);
    let policy = policy();
    let permit = permit(&policy);
    let names: Vec<SecretName> = ["ONE", "TWO", "THREE"].map(|name| name.parse().unwrap()).into();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    for name in &names {
        let value = "0123456789abcdef0123456789abcdef01234567".into();
        runtime.block_on(store.open(&permit).write(name, value)).unwrap();
    }
    let mut group = criterion.benchmark_group("secret");
    group.bench_function("three, warm", |bencher| {
        bencher.iter(|| {
            let secrets = store.open(black_box(&permit)).read(&names).now_or_never().unwrap();
            secrets.unwrap().len()
        });
    });
    group.finish();
}

criterion_group!(chain, verify, decide, render, secret);
criterion_main!(chain);
