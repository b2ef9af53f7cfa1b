//! Decisions about users whose tokens were verified.

#![expect(clippy::unwrap_used, reason = "a failing test stops there")]

use bonafide_claims::{UnknownGroups, VerifiedUser};
use bonafide_policy::{
    DenialKind, Effect, Missing, Persona, Policy, PolicyErrors, Problem, ReachChange, Rule,
    RuleUser, TenantId,
};
use bonafide_testkit::Issuer;

const IDP: &str = "https://idp.example";

fn tenant(id: &str) -> TenantId {
    id.parse().unwrap()
}

fn policy(rules: impl IntoIterator<Item = Rule>) -> Policy {
    Policy::builder().with_rules(rules).build().unwrap()
}

fn allow() -> Rule {
    Rule::allow("allow").with_tenants(["github"])
}

fn deny() -> Rule {
    Rule::deny("deny").with_tenants(["github"])
}

fn everybody() -> Rule {
    allow().with_issuer(IDP)
}

/// In groups `dev` and `/eng/backend`, with role `admin` and scopes `mcp:read` and `mcp:write`.
fn alice() -> VerifiedUser {
    Issuer::new(IDP)
        .user("alice")
        .with_groups(["dev", "/eng/backend"])
        .with_roles(["admin"])
        .with_scopes(["mcp:read", "mcp:write"])
        .verified()
}

/// Like Alice, but nobody knows her groups.
fn unknown() -> VerifiedUser {
    let user = Issuer::new(IDP).user("alice").with_roles(["admin"]).without_claim("groups");
    user.verified()
}

fn permits(policy: &Policy, user: &VerifiedUser) -> bool {
    policy.permit(user, &tenant("github")).is_ok()
}

fn kind(policy: &Policy, user: &VerifiedUser) -> DenialKind {
    policy.permit(user, &tenant("github")).unwrap_err().kind().clone()
}

#[test]
fn an_empty_policy_denies_everything() {
    for policy in [Policy::default(), policy([])] {
        assert!(!permits(&policy, &alice()));
        assert!(policy.permits(&alice()).is_empty());
        assert!(matches!(kind(&policy, &alice()), DenialKind::UnknownTenant));
    }
    let known = Policy::builder().with_tenants([tenant("github")]).build().unwrap();
    assert!(matches!(kind(&known, &alice()), DenialKind::NoRule));
}

#[test]
fn a_condition_holds_for_exactly_those_it_names() {
    for (rule, expected) in [
        (allow().with_groups(["dev"]), true),
        (allow().with_groups(["ops", "dev"]), true),
        (allow().with_groups(["ops"]), false),
        (allow().with_groups(["Dev"]), false),
        (allow().with_groups(["dev "]), false),
        (allow().with_groups(["de"]), false),
        (allow().with_groups(["*"]), false),
        (allow().with_groups(["/eng"]), false),
        (allow().with_groups(["/eng"]).with_subtree(), true),
        (allow().with_groups(["/eng/backend"]).with_subtree(), true),
        (allow().with_groups(["/en"]).with_subtree(), false),
        (allow().with_groups(["/eng/back"]).with_subtree(), false),
        (allow().with_groups(["/eng/backend/db"]).with_subtree(), false),
        (allow().with_roles(["admin"]), true),
        (allow().with_roles(["user", "admin"]), true),
        (allow().with_roles(["user"]), false),
        (allow().with_roles(["dev"]), false),
        (allow().with_scopes(["mcp:read"]), true),
        (allow().with_scopes(["mcp:read", "mcp:write"]), true),
        (allow().with_scopes(["mcp:read", "mcp:admin"]), false),
        (allow().with_scopes(["mcp:read", "mcp:xyz"]), false),
        (allow().with_issuer(IDP), true),
        (allow().with_issuer("https://idp.example/"), false),
        (allow().with_users(["alice"]).with_issuer(IDP), true),
        (allow().with_users(["bob", "alice"]).with_issuer(IDP), true),
        (allow().with_users(["bob"]).with_issuer(IDP), false),
        (allow().with_users(["alice"]).with_issuer("https://other.example"), false),
        (allow().with_users([RuleUser::in_directory("d", "alice")]).with_issuer(IDP), false),
        (allow().with_users(["alice"]).with_issuer(IDP).with_groups(["/eng"]).with_subtree(), true),
        (allow().with_users(["alice"]).with_issuer(IDP).with_groups(["/en"]).with_subtree(), false),
        (allow().with_groups(["dev"]).with_roles(["admin"]), true),
        (allow().with_groups(["dev"]).with_roles(["user"]), false),
        (allow().with_groups(["dev"]).with_issuer("https://other.example"), false),
        (allow().with_users(["alice"]).with_issuer(IDP).with_groups(["ops"]), false),
    ] {
        assert_eq!(permits(&policy([rule.clone()]), &alice()), expected, "{rule:?}");
    }
}

#[test]
fn deny_wins_in_every_order() {
    let denies = [
        deny(),
        deny().with_groups(["dev"]),
        deny().with_groups(["/eng"]).with_subtree(),
        deny().with_roles(["admin"]),
        deny().with_scopes(["mcp:read"]),
        deny().with_issuer(IDP),
        deny().with_users(["alice"]).with_issuer(IDP),
        Rule::deny("deny"),
        Rule::deny("deny").with_groups(["dev"]),
    ];
    for rule in denies {
        for rules in [[everybody(), rule.clone()], [rule.clone(), everybody()]] {
            let DenialKind::DeniedBy(by) = kind(&policy(rules), &alice()) else {
                panic!("{rule:?}")
            };
            assert_eq!(by.as_str(), "deny");
        }
    }
}

#[test]
fn a_deny_rule_for_others_takes_nothing() {
    for rule in [
        deny().with_groups(["ops"]),
        deny().with_groups(["dev"]).with_roles(["user"]),
        deny().with_scopes(["mcp:read", "mcp:admin"]),
        deny().with_users(["bob"]).with_issuer(IDP),
        deny().with_issuer("https://other.example"),
        Rule::deny("deny").with_tenants(["jira"]),
    ] {
        assert!(permits(&policy([everybody(), rule.clone()]), &alice()), "{rule:?}");
    }
}

#[test]
fn unknown_groups_count_against_the_user() {
    assert!(unknown().groups().known().is_none());
    let on_groups = policy([allow().with_groups(["dev"])]);
    assert_eq!(kind(&on_groups, &unknown()), DenialKind::GroupsUnknown(UnknownGroups::Absent));
    let and_more = allow().with_users(["alice"]).with_issuer(IDP).with_groups(["dev"]);
    assert_eq!(
        kind(&policy([and_more]), &unknown()),
        DenialKind::GroupsUnknown(UnknownGroups::Absent)
    );
    let said = on_groups.permit(&unknown(), &tenant("github")).unwrap_err().to_string();
    assert!(said.contains("not known (the token has no groups claim)"), "{said}");
    for denial in [
        deny().with_groups(["ops"]),
        deny().with_groups(["/ops"]).with_subtree(),
        deny().with_groups(["ops"]).with_roles(["admin"]),
        deny().with_users(["alice"]).with_issuer(IDP).with_groups(["ops"]),
        Rule::deny("deny").with_groups(["ops"]),
    ] {
        let policy = policy([allow().with_roles(["admin"]), denial.clone()]);
        let expected = DenialKind::GroupsUnknown(UnknownGroups::Absent);
        assert_eq!(kind(&policy, &unknown()), expected, "{denial:?}");
        assert!(policy.permits(&unknown()).is_empty(), "{denial:?}");
    }
}

#[test]
fn unknown_groups_leave_alone_what_does_not_rest_on_them() {
    let unknown = unknown();
    assert!(permits(&policy([allow().with_roles(["admin"])]), &unknown));
    let other = deny().with_groups(["ops"]).with_roles(["user"]);
    assert!(permits(&policy([allow().with_roles(["admin"]), other]), &unknown));
    let part = deny().with_groups(["ops"]).with_tools(["delete_*"]);
    let permit =
        policy([allow().with_roles(["admin"]), part]).permit(&unknown, &tenant("github")).unwrap();
    assert!(permit.allows_tool("read"));
    let denial = permit.tool("delete_repo").unwrap_err();
    assert!(matches!(denial.kind(), DenialKind::GroupsUnknown(_)), "{denial}");
}

#[test]
fn a_user_named_without_a_directory_is_denied_in_each_and_allowed_in_none() {
    let at = |rule: Rule| rule.with_users(["alice"]).with_issuer(IDP);
    let alice = Persona::new(IDP.parse().unwrap(), "alice".parse().unwrap());
    let elsewhere = alice.clone().with_directory("d".parse().unwrap());
    let reaches =
        |policy: &Policy, who: &Persona| policy.what_if(who).allows(&tenant("github"), None);
    let given = policy([at(allow())]);
    assert!(reaches(&given, &alice) && !reaches(&given, &elsewhere));
    let taken = policy([everybody(), at(deny())]);
    assert!(!reaches(&taken, &alice) && !reaches(&taken, &elsewhere));
    let named = RuleUser::in_directory("d", "alice");
    let exact = policy([everybody(), deny().with_users([named]).with_issuer(IDP)]);
    assert!(reaches(&exact, &alice) && !reaches(&exact, &elsewhere));
}

#[test]
fn a_permit_covers_the_tools_of_its_rules_less_those_denied() {
    let policy = policy([
        allow().with_groups(["dev"]).with_tools(["read_*", "search"]),
        Rule::allow("more").with_roles(["admin"]).with_tenants(["github"]).with_tools(["write_*"]),
        Rule::allow("not-hers").with_groups(["ops"]).with_tenants(["github"]),
        deny().with_tools(["*_secret"]),
    ]);
    let permit = policy.permit(&alice(), &tenant("github")).unwrap();
    let rules: Vec<_> = permit.rules().map(|rule| rule.as_str()).collect();
    assert_eq!(rules, ["allow", "more"]);
    assert!(!permit.covers_all_tools());
    for (tool, expected) in [
        ("read_file", Ok("allow")),
        ("write_file", Ok("more")),
        ("search", Ok("allow")),
        ("Search", Err("no rule allows")),
        ("research", Err("no rule allows")),
        ("read_secret", Err("rule `deny` denies")),
        ("", Err("no rule allows")),
    ] {
        assert_eq!(permit.allows_tool(tool), expected.is_ok(), "{tool}");
        match (permit.tool(tool), expected) {
            (Ok(given), Ok(rule)) => {
                assert_eq!((given.tool(), given.rule().unwrap().as_str()), (tool, rule));
            }
            (Err(denial), Err(said)) => {
                assert_eq!(denial.tool(), Some(tool));
                assert!(denial.to_string().contains(said), "{denial}");
            }
            (given, expected) => panic!("{tool}: {given:?}, not {expected:?}"),
        }
    }
}

#[test]
fn a_permit_that_covers_all_tools_says_so() {
    let covers = |rules: Vec<Rule>| {
        policy(rules).permit(&alice(), &tenant("github")).unwrap().covers_all_tools()
    };
    assert!(covers(vec![everybody()]));
    assert!(!covers(vec![everybody().with_tools(["a*"])]));
    assert!(!covers(vec![everybody(), deny().with_tools(["a"])]));
    assert!(covers(vec![everybody(), deny().with_groups(["ops"]).with_tools(["a"])]));
}

#[test]
fn a_tenant_of_which_every_tool_is_denied_is_denied() {
    let rules = |allowed: [&'static str; 2], denied: [&'static str; 2]| {
        policy([everybody().with_tools(allowed), deny().with_tools(denied)])
    };
    assert!(!permits(&rules(["a", "b*"], ["b*", "a"]), &alice()));
    assert!(!permits(&rules(["ab", "abc*"], ["a*", "x"]), &alice()));
    assert!(permits(&rules(["a", "b*"], ["a", "bb*"]), &alice()));
    assert!(permits(&rules(["*", "a"], ["a*", "b*"]), &alice()));
}

#[test]
fn lists_exactly_what_it_permits() {
    let policy = policy([
        Rule::allow("a").with_groups(["dev"]).with_tenants(["one", "two"]),
        Rule::allow("b").with_roles(["admin"]).with_tenants(["two", "three"]),
        Rule::allow("c").with_groups(["ops"]).with_tenants(["four"]),
        Rule::deny("d").with_groups(["dev"]).with_tenants(["three"]),
    ]);
    let mut listed: Vec<_> =
        policy.permits(&alice()).iter().map(|permit| permit.tenant().to_string()).collect();
    listed.sort();
    assert_eq!(listed, ["one", "two"]);
    for id in ["one", "two", "three", "four", "five"] {
        let permitted = policy.permit(&alice(), &tenant(id)).is_ok();
        assert_eq!(permitted, listed.contains(&id.to_owned()), "{id}");
    }
}

#[test]
fn a_permit_knows_its_user_tenant_and_policy() {
    let (mine, other) = (policy([everybody()]), policy([everybody()]));
    let permit = mine.permit(&alice(), &tenant("github")).unwrap();
    assert_eq!(permit.user().subject().as_str(), "alice");
    assert_eq!(permit.tenant(), &tenant("github"));
    assert!(permit.is_of(&mine) && permit.is_of(&mine.clone()) && !permit.is_of(&other));
    assert_eq!(permit.tool("x").unwrap().permit().tenant(), permit.tenant());
}

#[test]
fn a_dry_run_of_a_changed_policy_says_what_changes() {
    let rule = |id: &str, to: &str| Rule::allow(id).with_groups(["dev"]).with_tenants([to]);
    let old = policy([rule("a", "stays"), rule("b", "goes"), rule("c", "tools")]);
    let new =
        policy([rule("a", "stays"), rule("c", "tools").with_tools(["x"]), rule("d", "comes")]);
    let alice = Persona::from(&alice());
    let (old, new) = (old.what_if(&alice), new.what_if(&alice));
    let expected = [
        ReachChange::Gained(tenant("comes")),
        ReachChange::Lost(tenant("goes")),
        ReachChange::Tools(tenant("tools")),
    ];
    assert_eq!(old.changes(&new), expected);
    assert_eq!(old.changes(&old), []);
}

fn problems(built: Result<Policy, PolicyErrors>) -> Vec<Problem> {
    built.unwrap_err().into_iter().map(|error| error.problem).collect()
}

#[test]
fn refuses_rules_that_cannot_be_meant() {
    let build = |rule: Rule| problems(Policy::builder().with_rule(rule).build());
    for (rule, said) in [
        (allow(), "an allow rule says for whom"),
        (Rule::allow("a").with_groups(["dev"]), "an allow rule says where"),
        (Rule::allow("a b").with_groups(["x"]).with_tenants(["t"]), "a rule id has only"),
        (allow().with_groups([""; 0]), "the list is empty"),
        (allow().with_groups([""]), "`group` is empty"),
        (allow().with_groups(["a\u{0}"]), "control character"),
        (allow().with_users(["alice"]), "add `issuer`"),
        (allow().with_scopes(["a b"]), "each scope as an item"),
        (everybody().with_tenants(["GitHub"]), "lower-case letters"),
        (everybody().with_tenants(["api"]), "path of the gateway"),
        (everybody().with_tools(["[a-z]*"]), "the only wildcard is `*`"),
        (everybody().with_subtree(), "`subtree` needs `groups`"),
        (allow().with_groups(["eng"]).with_subtree(), "`subtree` needs `groups`"),
        (allow().with_groups(["/"]).with_subtree(), "`subtree` needs `groups`"),
        (deny().with_tools([""; 0]), "the list is empty"),
        (Rule::deny("d").with_tenants([""; 0]), "the list is empty"),
    ] {
        let found = build(rule.clone());
        assert_eq!(found.len(), 1, "{rule:?} {found:?}");
        assert!(found[0].to_string().contains(said), "{rule:?} {found:?}");
    }
}

#[test]
fn refuses_two_rules_with_one_id() {
    let found = problems(Policy::builder().with_rules([everybody(), everybody()]).build());
    assert_eq!(found, [Problem::SameId { first: 1 }]);
}

#[test]
fn refuses_tenants_and_issuers_that_it_was_not_told_of() {
    let builder = Policy::builder().with_tenants([tenant("jira")]);
    let found = problems(builder.with_rule(everybody()).build());
    assert!(matches!(&found[..], [Problem::UnknownTenant { .. }]), "{found:?}");
    let issuers = [format!("{IDP}/").parse().unwrap()];
    let found = problems(Policy::builder().with_issuers(issuers).with_rule(everybody()).build());
    assert!(matches!(&found[..], [Problem::UnknownIssuer { .. }]), "{found:?}");
}

#[test]
fn of_several_issuers_a_rule_names_one() {
    let issuers = || [IDP.parse().unwrap(), "https://other.example".parse().unwrap()];
    let build = |rule| Policy::builder().with_issuers(issuers()).with_rule(rule).build();
    for rule in [
        allow().with_groups(["dev"]),
        allow().with_roles(["admin"]),
        allow().with_scopes(["mcp:read"]),
        deny().with_groups(["dev"]),
    ] {
        assert_eq!(problems(build(rule.clone())), [Problem::AmbiguousIssuer], "{rule:?}");
        assert!(build(rule.with_issuer(IDP)).is_ok());
    }
    assert!(build(deny()).is_ok());
}

#[test]
fn an_allow_rule_is_bound_to_the_only_trusted_issuer() {
    let build = |rule: Rule| {
        let builder = Policy::builder().with_issuers(["https://other.example".parse().unwrap()]);
        builder.with_rule(rule).build().unwrap()
    };
    assert!(!permits(&build(allow().with_groups(["dev"])), &alice()));
    let other = Issuer::new("https://other.example").user("alice").with_groups(["dev"]);
    assert!(permits(&build(allow().with_groups(["dev"])), &other.verified()));
}

#[test]
fn names_all_problems_of_all_rules() {
    let rules = [allow(), Rule::allow("b").with_users(["u"]), everybody()];
    let errors = Policy::builder().with_rules(rules).build().unwrap_err();
    let rules: Vec<_> = errors.iter().map(|error| error.rule).collect();
    assert_eq!(rules, [Some(0), Some(1), Some(1), Some(2)]);
    assert_eq!(errors.to_string().lines().count(), 4);
}

#[test]
fn explains_what_was_missing() {
    let policy = policy([
        Rule::allow("far").with_tenants(["github"]).with_groups(["ops"]).with_roles(["user"]),
        Rule::allow("near").with_tenants(["github"]).with_scopes(["mcp:read", "mcp:admin"]),
        Rule::allow("people").with_tenants(["github"]).with_users(["bob"]).with_issuer(IDP),
        Rule::allow("other").with_tenants(["jira"]).with_groups(["dev"]),
    ]);
    let denial = policy.permit(&alice(), &tenant("github")).unwrap_err();
    let explained = denial.explain();
    assert_eq!(explained, policy.explain(&alice(), &tenant("github"), None));
    assert!(!explained.allowed && explained.considered == 3);
    let near = &explained.rules[0];
    assert_eq!((near.rule.as_str(), near.effect, near.applies), ("near", Effect::Allow, false));
    assert_eq!(near.missing, [Missing::Scopes { needed: vec!["mcp:admin".into()] }]);
    assert_eq!(
        explained.to_string(),
        "denied: no rule allows this user tenant `github`\n  \
         allow rule `near` does not apply: the token lacks the scopes `mcp:admin`\n  \
         allow rule `people` does not apply: the user is not the one it names\n  \
         allow rule `far` does not apply: in none of the groups `ops`; has none of the roles `user`"
    );
}

#[test]
fn explains_what_decided_first() {
    let policy = policy([everybody(), allow2(), deny().with_tools(["delete_*"])]);
    let explained = policy.explain(&alice(), &tenant("github"), Some("delete_repo"));
    let order: Vec<_> =
        explained.rules.iter().map(|rule| (rule.rule.as_str(), rule.applies)).collect();
    assert_eq!(order, [("deny", true), ("allow", true), ("second", false)]);
    assert!(explained.reason.contains("rule `deny` denies this user tool `delete_repo`"));
    assert!(policy.explain(&alice(), &tenant("github"), Some("read")).allowed);
}

fn allow2() -> Rule {
    Rule::allow("second").with_tenants(["github"]).with_groups(["ops"])
}

#[cfg(feature = "serde")]
#[test]
fn explains_to_programs() {
    let policy = policy([allow().with_groups(["ops"])]);
    let explained = policy.explain(&alice(), &tenant("github"), Some("read"));
    assert_eq!(
        serde_json::to_value(&explained).unwrap(),
        serde_json::json!({
            "tenant": "github",
            "tool": "read",
            "allowed": false,
            "reason": "no rule allows this user tool `read` of tenant `github`",
            "rules": [{
                "rule": "allow",
                "effect": "allow",
                "applies": false,
                "missing": [{ "condition": "groups", "any_of": ["ops"] }],
            }],
            "considered": 1,
        })
    );
}

#[test]
fn an_explanation_lists_no_more_than_twenty_rules() {
    let many = (0..50).map(|number| {
        Rule::allow(format!("r{number}")).with_tenants(["github"]).with_groups(["ops"])
    });
    let explained = policy(many).explain(&alice(), &tenant("github"), None);
    assert_eq!((explained.rules.len(), explained.considered), (20, 50));
    assert!(explained.to_string().ends_with("and 30 other rules about this tenant"));
}

#[test]
fn shows_nothing_of_the_user() {
    let user = Issuer::new(IDP)
        .user("canary-subject")
        .with_groups(["canary-group"])
        .with_roles(["canary-role"])
        .with_scopes(["canary:scope"])
        .with_claim("email", "canary@example.com".into())
        .verified();
    let rules = [
        everybody(),
        Rule::allow("x").with_tenants(["jira"]).with_users(["canary-user"]).with_issuer(IDP),
    ];
    let policy = policy(rules.clone());
    let permit = policy.permit(&user, &tenant("github")).unwrap();
    let denial = policy.permit(&user, &tenant("jira")).unwrap_err();
    let reach = policy.what_if(&Persona::from(&user));
    let shown = format!(
        "{policy:?} {permit:?} {permit:#?} {:?} {denial:?} {denial} {:?} {} {reach:?} {:?} {:?}",
        permit.tool("a"),
        denial.explain(),
        denial.explain(),
        Persona::from(&user),
        rules[1].clone().with_groups(["g"]),
    );
    assert!(!shown.contains("canary"), "{shown}");
}

#[test]
fn a_message_shows_a_strange_tool_name_harmlessly() {
    let permit = policy([everybody().with_tools(["a"])]).permit(&alice(), &tenant("github"));
    let denial = permit.unwrap().tool(&format!("x\n\u{1b}[31m{}", "y".repeat(500))).unwrap_err();
    let said = denial.to_string();
    assert!(said.len() < 200 && !said.contains('\n') && !said.contains('\u{1b}'), "{said:?}");
}
