//! May this user reach that tenant, and which tenants are there?
//!
//! `cargo bench -p bonafide-benches --bench decide` prints medians of interleaved rounds and the ratio to the limit: a
//! hash join of the user's groups with the tenant's, on names, that gives no reasons and knows no denials.

#![expect(clippy::unwrap_used, reason = "inputs are made right here")]

#[path = "../common/mod.rs"]
mod common;
mod peers;
mod world;

use std::time::{Duration, Instant};

use bonafide_policy::{Policy, TenantId};
use common::{Contender, compare};

use peers::{CasbinRbac, CedarHierarchy, CedarPerRule, HashJoin, ask};
use world::{GROUPS, World};

fn main() {
    for rules in [1_000, 10_000, 100_000] {
        decide(&World::new(rules, GROUPS));
    }
    decide_many_groups(&World::new(100_000, 200));
    one_large_tenant();
}

fn decide(world: &World) {
    let (start, cpu_start) = (Instant::now(), cpu());
    let policy = world.policy();
    let (took, cpu) = (start.elapsed(), cpu().saturating_sub(cpu_start));
    println!("\n{} rules: policy built in {took:?}, {cpu:?} of it on the CPU", world.rules.len());
    let (user, own, foreign) = (&world.user, &world.own, &world.foreign);
    let join = HashJoin::new(world);
    let hierarchy = CedarHierarchy::new(world);
    agree(world, &policy, |tenant| join.allows(world, tenant));
    agree(world, &policy, |tenant| hierarchy.allows(&ask(tenant)));

    // Peers that look at every rule: a hundred thousand take too long to wait for.
    let slow =
        (world.rules.len() <= 10_000).then(|| (CedarPerRule::new(world), CasbinRbac::new(world)));

    let request = ask(own);
    let title = format!("{} rules, {} groups: one tenant", world.rules.len(), world.groups.len());
    let mut contenders = vec![
        Contender::new("hash join (the limit)", || join.allows(world, own)),
        Contender::new("bonafide-policy: permit", || policy.permit(user, own)),
        Contender::new("bonafide-policy: denial", || policy.permit(user, foreign)),
        Contender::new("hash join: denial", || join.allows(world, foreign)),
        Contender::new("cedar, groups below tenants, entities kept", || hierarchy.allows(&request)),
        Contender::new("cedar, the same, entities built per call", || {
            hierarchy.allows_anew(world, own)
        }),
    ];
    if let Some((cedar, casbin)) = &slow {
        agree(world, &policy, |tenant| cedar.allows(&ask(tenant)));
        agree(world, &policy, |tenant| casbin.allows(tenant));
        contenders.push(Contender::new("cedar, a policy for each rule", || cedar.allows(&request)));
        contenders.push(Contender::new("casbin, RBAC", || casbin.allows(own)));
    }
    compare(&title, contenders);

    let permits = policy.permits(user);
    assert_eq!(permits.len(), join.all(world).len());
    let permit = policy.permit(user, own).ok();
    compare(
        &format!("{} rules: all {} tenants of the user", world.rules.len(), permits.len()),
        vec![
            Contender::new("hash join (the limit)", || join.all(world)),
            Contender::new("bonafide-policy: permits", || policy.permits(user)),
            Contender::new("a tool of a permit", || {
                permit.as_ref().map(|permit| permit.allows_tool("create_issue"))
            }),
        ],
    );
}

fn decide_many_groups(world: &World) {
    let (policy, join) = (world.policy(), HashJoin::new(world));
    compare(
        &format!("{} rules, {} groups", world.rules.len(), world.groups.len()),
        vec![
            Contender::new("hash join (the limit)", || join.allows(world, &world.own)),
            Contender::new("bonafide-policy: permit", || policy.permit(&world.user, &world.own)),
            Contender::new("bonafide-policy: denial", || {
                policy.permit(&world.user, &world.foreign)
            }),
            Contender::new("bonafide-policy: permits", || policy.permits(&world.user)),
        ],
    );
}

/// All rules about one tenant, and deny rules among them.
fn one_large_tenant() {
    let mut world = World::new(100_000, GROUPS);
    world.rules.iter_mut().for_each(|(_, tenant)| tenant.clone_from(&world.own));
    let policy = world.policy_with_denies();
    compare(
        "100000 rules and 100 deny rules about one tenant, 30 groups",
        vec![Contender::new("bonafide-policy: permit", || policy.permit(&world.user, &world.own))],
    );
}

/// How long this thread has been on a CPU, where Linux says it.
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanos = stat.split(' ').next().and_then(|nanos| nanos.parse().ok());
    Duration::from_nanos(nanos.unwrap_or_default())
}

/// No contender is measured that does not give the right answers.
fn agree(world: &World, policy: &Policy, allows: impl Fn(&TenantId) -> bool) {
    let theirs = [&world.own, &world.foreign].map(allows);
    let ours = [&world.own, &world.foreign].map(|at| policy.permit(&world.user, at).is_ok());
    assert_eq!((theirs, ours), ([true, false], [true, false]));
}
