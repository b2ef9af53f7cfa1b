use super::*;
use crate::rule::Rule;

fn allow(id: &str) -> Rule {
    Rule::allow(id).with_tenants(["t"])
}

fn deny(id: &str) -> Rule {
    Rule::deny(id).with_tenants(["t"])
}

fn lint(rules: impl IntoIterator<Item = Rule>) -> Vec<String> {
    let policy = Policy::builder().with_rules(rules).build().unwrap();
    Linter::new().lint(&policy).iter().map(ToString::to_string).collect()
}

const I: &str = "https://idp.example";

#[test]
fn finds_allow_rules_that_give_nothing() {
    let dead = "rule `a` never applies at tenant `t`: rule `d` denies all of it";
    let group = || allow("a").with_groups(["g"]);
    for (allow, deny) in [
        (group(), deny("d")),
        (group(), Rule::deny("d")),
        (group(), deny("d").with_groups(["g", "h"])),
        (group().with_tools(["read_x"]), deny("d").with_tools(["read_*"])),
        (group().with_roles(["r"]), deny("d").with_roles(["r", "s"])),
        (allow("a").with_scopes(["s", "u"]), deny("d").with_scopes(["u"])),
        (allow("a").with_issuer(I), deny("d").with_issuer(I)),
        (
            allow("a").with_users(["u"]).with_issuer(I),
            deny("d").with_users(["u", "v"]).with_issuer(I),
        ),
        (allow("a").with_groups(["/a/b"]), deny("d").with_groups(["/a"]).with_subtree()),
    ] {
        assert_eq!(lint([allow.clone(), deny.clone()]), [dead], "{allow:?} {deny:?}");
    }
}

#[test]
fn is_silent_where_an_allow_rule_still_gives() {
    let group = || allow("a").with_groups(["g", "h"]);
    for deny in [
        deny("d").with_groups(["g"]),
        deny("d").with_groups(["/g"]).with_subtree(),
        deny("d").with_roles(["r"]),
        deny("d").with_scopes(["s"]),
        deny("d").with_issuer(I),
        deny("d").with_users(["u"]).with_issuer(I),
        deny("d").with_groups(["g", "h"]).with_roles(["r"]),
        deny("d").with_groups(["g", "h"]).with_issuer(I),
        Rule::deny("d").with_tenants(["other"]),
    ] {
        assert_eq!(lint([group(), deny.clone()]), [""; 0], "{deny:?}");
    }
    let narrow = deny("d").with_scopes(["s", "u"]);
    assert_eq!(lint([allow("a").with_scopes(["s"]), narrow]), [""; 0]);
    let path = deny("d").with_groups(["/a"]);
    assert_eq!(lint([allow("a").with_groups(["/a"]).with_subtree(), path]), [""; 0]);
}

#[test]
fn finds_rules_that_are_broader_than_a_denial() {
    let rules = [allow("a").with_groups(["g"]), deny("d").with_tools(["delete_*"])];
    let expected = "rule `a` allows tools of tenant `t` that rule `d` takes away again";
    assert_eq!(lint(rules), [expected]);
    let apart = allow("a").with_groups(["g"]).with_tools(["read_*"]);
    assert_eq!(lint([apart, deny("d").with_tools(["delete_*"])]), [""; 0]);
}

#[test]
fn each_finding_has_a_key_of_its_own() {
    let rules = [
        allow("broad").with_groups(["g"]),
        allow("twice").with_groups(["g"]),
        allow("other").with_groups(["G"]).with_tools(["x"]),
        allow("never").with_groups(["h"]).with_tools(["delete_it"]),
        deny("d").with_tools(["delete_*"]),
    ];
    let policy = rules.into_iter().fold(Policy::builder(), |policy, rule| policy.with_rule(rule));
    let linter = Linter::new().with_tenants(["u".parse().unwrap()]);
    let found = linter.with_seen_groups(["H".parse().unwrap()]).lint(&policy.build().unwrap());
    let keys: Vec<_> = found.iter().map(Lint::key).collect();
    let unknown =
        ["broad", "d", "never", "other", "twice"].map(|id| format!("unknown_tenant:{id}"));
    let mut expected = vec!["unreachable:never", "redundant:twice", "broader:broad"];
    expected.extend(unknown.iter().map(String::as_str));
    expected.extend(["unused:u", "twins:other", "seen_twin:never"]);
    assert_eq!(keys, expected);
}

#[test]
fn finds_the_later_of_two_rules_that_say_the_same() {
    let twice = [allow("a").with_groups(["g"]), allow("b").with_groups(["g"])];
    let expected = "rule `b` changes nothing at tenant `t`: rule `a` says it too";
    assert_eq!(lint(twice), [expected]);
    let narrow = allow("b").with_groups(["g"]).with_roles(["r"]).with_tools(["x"]);
    assert_eq!(lint([narrow, allow("a").with_groups(["g"])]), [expected]);
    let denies = [deny("a"), deny("b").with_groups(["g"])];
    assert_eq!(lint(denies), [expected]);
}

#[test]
fn finds_tenants_that_are_unknown_or_unused() {
    let policy = Policy::builder().with_rule(allow("a").with_groups(["g"])).build().unwrap();
    let known = ["u".parse().unwrap()];
    let found = Linter::new().with_tenants(known).lint(&policy);
    let shown: Vec<_> = found.iter().map(ToString::to_string).collect();
    assert_eq!(
        shown,
        [
            "rule `a` is about tenant `t`, which does not exist",
            "no rule allows anybody to use tenant `u`"
        ]
    );
    assert!(Linter::new().with_tenants(["t".parse().unwrap()]).lint(&policy).is_empty());
}

#[test]
fn finds_groups_that_differ_in_case_or_white_space() {
    let rules = [allow("a").with_groups(["Dev"]), allow("b").with_groups(["dev "])];
    let expected =
        "group `Dev` of rule `a` and group `dev ` of rule `b` differ only in case or white space";
    assert_eq!(lint(rules), [expected]);
    let policy = Policy::builder().with_rule(allow("a").with_groups(["Dev"])).build().unwrap();
    let seen = |name: &str| Linter::new().with_seen_groups([name.parse().unwrap()]).lint(&policy);
    let rule: RuleId = "a".parse().unwrap();
    assert_eq!(seen("canary"), []);
    assert_eq!(seen("Dev"), []);
    assert_eq!(seen(" dev"), [Lint::SeenTwin { rule, group: "Dev".into() }]);
}

#[test]
fn looks_at_many_rules_in_reasonable_time() {
    let rules = (0..20_000).map(|number| {
        allow(&format!("r{number}")).with_groups([format!("g{number}"), "all".to_owned()])
    });
    let policy = Policy::builder().with_rules(rules.collect::<Vec<_>>()).build().unwrap();
    assert_eq!(Linter::new().lint(&policy), []);
}
