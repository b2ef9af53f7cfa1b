//! Random policies and users: the compiled policy and a plain evaluator give the same answers.

#![expect(clippy::unwrap_used, reason = "a failing test stops there")]

mod reference;

use bonafide_policy::{Policy, Reach, TenantId};
use proptest::option::weighted;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use reference::{PlainRule, PlainUser, applying, compile, may_use, persona};

const TENANTS: [&str; 3] = ["t1", "t2", "t3"];
const GROUPS: [&str; 8] = ["/a", "/a/b", "/a/b/c", "/ab", "a", "A", "b", "b "];
const PATHS: [&str; 4] = ["/a", "/a/b", "/ab", "/x"];
const ROLES: [&str; 3] = ["r1", "r2", "r3"];
const SCOPES: [&str; 3] = ["s1", "s2", "s3"];
const ISSUERS: [&str; 2] = ["https://one.example", "https://one.example/"];
const SUBJECTS: [&str; 3] = ["u1", "u2", "d1"];
const DIRECTORIES: [&str; 2] = ["d1", "d2"];
const PATTERNS: [&str; 12] = ["*", "*", "*", "a", "b", "a*", "*a", "a*b", "*ab", "*a*", "ab", "b*"];

fn some_of(names: &'static [&'static str]) -> impl Strategy<Value = Vec<String>> {
    subsequence(names, 1..=names.len().min(3))
        .prop_map(|names| names.into_iter().map(str::to_owned).collect())
}

fn any_of(names: &'static [&'static str]) -> impl Strategy<Value = Vec<String>> {
    subsequence(names, 0..=names.len())
        .prop_map(|names| names.into_iter().map(str::to_owned).collect())
}

fn one_of(names: &'static [&'static str]) -> impl Strategy<Value = String> {
    select(names).prop_map(str::to_owned)
}

fn rule() -> impl Strategy<Value = PlainRule> {
    let groups = (any::<bool>(), some_of(&GROUPS), some_of(&PATHS));
    let user = (weighted(0.4, one_of(&DIRECTORIES)), one_of(&SUBJECTS));
    (
        weighted(0.6, groups),
        weighted(0.2, some_of(&ROLES)),
        weighted(0.2, some_of(&SCOPES)),
        weighted(0.2, proptest::collection::vec(user, 1..3)),
        weighted(0.3, one_of(&ISSUERS)),
        weighted(0.9, some_of(&TENANTS)),
        some_of(&PATTERNS),
        weighted(0.4, Just(())),
    )
        .prop_map(|(groups, roles, scopes, users, issuer, tenants, tools, deny)| {
            let mut deny = deny.is_some() || tenants.is_none();
            deny |= groups.is_none()
                && roles.is_none()
                && scopes.is_none()
                && users.is_none()
                && issuer.is_none();
            let subtree = groups.as_ref().is_some_and(|(subtree, ..)| *subtree);
            let groups = groups.map(|(_, names, paths)| if subtree { paths } else { names });
            let issuer = issuer.or_else(|| users.as_ref().map(|_| ISSUERS[0].to_owned()));
            PlainRule { deny, groups, subtree, roles, scopes, users, issuer, tenants, tools }
        })
}

fn rules() -> impl Strategy<Value = Vec<PlainRule>> {
    proptest::collection::vec(rule(), 0..8)
}

fn user() -> impl Strategy<Value = PlainUser> {
    (
        one_of(&ISSUERS),
        weighted(0.5, one_of(&DIRECTORIES)),
        one_of(&SUBJECTS),
        weighted(0.85, any_of(&GROUPS)),
        any_of(&ROLES),
        any_of(&SCOPES),
    )
        .prop_map(|(issuer, directory, subject, groups, roles, scopes)| PlainUser {
            issuer,
            directory,
            subject,
            groups,
            roles,
            scopes,
        })
}

/// All names of up to three letters. `z` is in no pattern: with it for each `*`, a name of this list is
/// matched by a pattern, so whatever a policy leaves shows up in here.
fn tools() -> Vec<String> {
    let mut tools = vec![String::new()];
    for length in 0..3 {
        let shorter: Vec<_> = tools.iter().filter(|tool| tool.len() == length).cloned().collect();
        tools.extend(shorter.iter().flat_map(|tool| ["a", "b", "z"].map(|c| format!("{tool}{c}"))));
    }
    tools.retain(|tool| !tool.is_empty());
    tools
}

fn id(tenant: &str) -> TenantId {
    tenant.parse().unwrap()
}

/// What a user may use, as tenants and tools.
fn usable(reach: &Reach) -> Vec<(TenantId, String)> {
    let tools = tools();
    let all = TENANTS.into_iter().map(id);
    let all = all.flat_map(|tenant| tools.iter().map(move |tool| (tenant.clone(), tool.clone())));
    all.filter(|(tenant, tool)| reach.allows(tenant, Some(tool))).collect()
}

fn same_answers(
    policy: &Policy,
    rules: &[PlainRule],
    user: &PlainUser,
) -> Result<(), TestCaseError> {
    let reach = policy.what_if(&persona(user));
    let tools = tools();
    for name in TENANTS {
        let (tenant, rules) = (id(name), applying(rules, user, name));
        for tool in &tools {
            let found = reach.allows(&tenant, Some(tool));
            prop_assert_eq!(found, may_use(&rules, tool), "{} {}", tenant, tool);
        }
        let expected = tools.iter().any(|tool| may_use(&rules, tool));
        prop_assert_eq!(reach.allows(&tenant, None), expected, "{}", tenant);
        // Explaining goes through the tenant's own index, reach through the one over all tenants.
        prop_assert_eq!(reach.explain(&tenant, None).allowed, expected, "{}", tenant);
        for tool in ["a", "ab", "zz"] {
            let explained = reach.explain(&tenant, Some(tool));
            prop_assert_eq!(explained.allowed, may_use(&rules, tool), "{}", explained);
        }
    }
    prop_assert!(!reach.allows(&id("t4"), None));
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn answers_as_the_plain_evaluator_does(rules in rules(), user in user()) {
        same_answers(&compile(&rules), &rules, &user)?;
    }

}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn a_rule_more_moves_access_one_way(rules in rules(), more in rule(), user in user()) {
        let before = compile(&rules).what_if(&persona(&user));
        let mut rules = rules;
        rules.push(more.clone());
        let after = compile(&rules).what_if(&persona(&user));
        let (fewer, others) = if more.deny { (&after, &before) } else { (&before, &after) };
        for (tenant, tool) in usable(fewer) {
            prop_assert!(others.allows(&tenant, Some(&tool)), "{} {}", tenant, tool);
        }
    }
}
