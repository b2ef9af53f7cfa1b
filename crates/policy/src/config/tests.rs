use super::*;
use crate::{PatternError, Policy, TenantIdError};

const GOOD: &str = r#"
[[rules]]
id      = "github-team"
groups  = ["MCP-GitHub"]
tenants = ["github"]

[[rules]]
id      = "people"
users   = ["9d2b", { directory = "72f9", subject = "1a2b" }]
issuer  = "https://idp.example"
tenants = ["github", "jira"]
tools   = ["read_*"]

[[rules]]
id      = "below"
groups  = ["/eng"]
subtree = true
roles   = ["dev"]
scopes  = ["mcp:use"]
effect  = "deny"
"#;

/// Line, rule number from 0, key and problem of everything that is wrong.
fn problems(text: &str) -> Vec<(usize, Option<usize>, Key, Problem)> {
    let errors = Policy::from_toml(text).unwrap_err();
    let places = errors.into_iter();
    places.map(|error| (error.line.unwrap(), error.rule, error.key, error.problem)).collect()
}

#[test]
fn reads_each_key() {
    let config = PolicyConfig::from_toml(GOOD).unwrap();
    let text = |texts: &Option<List<Text>>| {
        texts.as_ref().unwrap().items.iter().map(|text| text.value.clone()).collect::<Vec<_>>()
    };
    let [team, people, below] = &config.rules[..] else { panic!("{config:?}") };
    assert_eq!(team.id.as_ref().unwrap().value, "github-team");
    assert_eq!(text(&team.groups), ["MCP-GitHub"]);
    assert_eq!(text(&team.tenants), ["github"]);
    assert_eq!((team.effect, &team.tools, team.subtree), (Effect::Allow, &None, false));
    assert_eq!(people.issuer.as_ref().unwrap().value, "https://idp.example");
    assert_eq!(text(&people.tools), ["read_*"]);
    let [one, other] = &people.users.as_ref().unwrap().items[..] else { panic!("{people:?}") };
    assert_eq!((one.subject.value.as_str(), one.directory.is_none()), ("9d2b", true));
    assert_eq!(other.subject.value, "1a2b");
    assert_eq!(other.directory.as_ref().unwrap().value, "72f9");
    assert_eq!((below.effect, below.subtree), (Effect::Deny, true));
    assert_eq!(
        (text(&below.roles), text(&below.scopes)),
        (vec!["dev".into()], vec!["mcp:use".into()])
    );
    assert_eq!(Policy::from_toml(GOOD).unwrap().rule_count(), 3);
}

#[test]
fn no_rules_are_a_policy() {
    assert_eq!(Policy::from_toml("").unwrap().rule_count(), 0);
}

#[test]
fn reports_everything_at_once_with_lines() {
    let text = r#"
[[rules]]
id     = "one"
group  = ["a"]
groups = "a"
tenants = ["GitHub",
           "jira"]
tools  = ["delete_?"]

[[rules]]
groups = ["a", 7]
effect = "forbid"
tenants = []
subtree = 1
"#;
    let wrong = |found, expected| Problem::WrongType { found, expected };
    let expected = [
        (4, Some(0), Key::Whole, Problem::UnknownKey { key: "group".into() }),
        (5, Some(0), Key::Groups, wrong("a text", "a list, `[\"…\"]`")),
        (6, Some(0), Key::Tenants, Problem::Tenant(TenantIdError::Character { at: 0 })),
        (8, Some(0), Key::Tools, Problem::Tool(PatternError::Operator { found: '?' })),
        (10, Some(1), Key::Id, Problem::NoId),
        (11, Some(1), Key::Groups, wrong("a number", "a text, `\"…\"`")),
        (12, Some(1), Key::Effect, Problem::Effect),
        (13, Some(1), Key::Tenants, Problem::Empty),
        (14, Some(1), Key::Subtree, wrong("a number", "`true` or `false`")),
    ];
    let found = problems(text);
    for (found, expected) in found.iter().zip(&expected) {
        assert_eq!(found, expected);
    }
    assert_eq!(found.len(), expected.len(), "{found:?}");
}

#[test]
fn refuses_values_of_each_wrong_type() {
    for value in ["7", "true", "1.5", "[[1]]", "[{ a = 1 }]", "[true]"] {
        for key in ["id", "issuer", "groups", "roles", "scopes", "users", "tenants", "tools"] {
            let text = format!("[[rules]]\n{key} = {value}");
            let found = problems(&text);
            let wrong = |(line, .., problem): &(usize, _, _, Problem)| {
                *line == 2 && matches!(problem, Problem::WrongType { .. })
            };
            assert!(found.iter().any(wrong), "{text} {found:?}");
        }
    }
    let dated = problems("[[rules]]\nid = 1979-05-27");
    assert!(matches!(&dated[..], [(2, None, Key::Whole, Problem::Syntax { .. })]), "{dated:?}");
    for rules in ["rules = 7", "rules = [7]", "rule = []", "[[rules", "rules = { id = \"a\" }"] {
        assert!(Policy::from_toml(rules).is_err(), "{rules}");
    }
}

#[test]
fn names_file_positions_inside_a_larger_file() {
    #[derive(Deserialize)]
    struct File {
        policy: PolicyConfig,
    }
    let text =
        "listen = \"x\"\n\n[[policy.rules]]\nid = \"a\"\ngroups = [\"g\"]\ntenants = [\"nope\"]\n";
    let file: File = toml::from_str(text).unwrap();
    let tenant = "github".parse().unwrap();
    let builder = Policy::builder().with_rules(file.policy.rules).with_tenants([tenant]);
    let errors = builder.build().unwrap_err();
    let error = errors.iter().next().unwrap();
    assert_eq!(&text[error.span.clone().unwrap()], "\"nope\"");
    assert_eq!(
        errors.clone().located_in(text).to_string(),
        "line 6: rule `a`, `tenants`: there is no tenant `nope`: there are `github`"
    );
}
