use super::*;
use crate::persona::Persona;
use crate::tools::PatternError;

fn row(id: i64, mapping: Mapping) -> MappingRow {
    MappingRow { id, mapping }
}

fn policy(rows: impl IntoIterator<Item = MappingRow>) -> Policy {
    Policy::builder().with_rules(rows.into_iter().map(Rule::from)).build().unwrap()
}

fn reach(policy: &Policy, groups: &[&str], tool: &str) -> bool {
    let persona = Persona::new("https://idp.example".parse().unwrap(), "ann".parse().unwrap())
        .with_groups(groups.iter().map(|group| group.parse().unwrap()));
    policy.what_if(&persona).allows(&"github".parse().unwrap(), Some(tool))
}

#[test]
fn a_row_is_a_rule() {
    let policy = policy([
        row(1, Mapping::allow("dev", "github")),
        row(2, Mapping::deny("dev", "github").with_tools("delete_*, drop")),
        row(3, Mapping::allow("/eng", "github").with_subtree().with_tools("read_*")),
        row(4, Mapping::allow("far", "github").with_issuer("https://other.example")),
    ]);
    for (groups, tool, expected) in [
        (&["dev"][..], "read", true),
        (&["dev"], "delete_repo", false),
        (&["dev"], "drop", false),
        (&["Dev"], "read", false),
        (&["/eng/backend"], "read_file", true),
        (&["/eng/backend"], "write_file", false),
        (&["/engineers"], "read_file", false),
        (&["far"], "read", false),
        (&[], "read", false),
    ] {
        assert_eq!(reach(&policy, groups, tool), expected, "{groups:?} {tool}");
    }
}

#[test]
fn its_rule_is_named_after_the_row() {
    let policy = policy([row(17, Mapping::deny("dev", "github"))]);
    let persona = Persona::new("https://idp.example".parse().unwrap(), "ann".parse().unwrap())
        .with_groups(["dev".parse().unwrap()]);
    let why = policy.what_if(&persona).explain(&"github".parse().unwrap(), None).to_string();
    assert!(why.contains("`mapping:17`"), "{why}");
}

#[test]
fn what_is_wrong_is_said_with_row_and_column() {
    let known = ["github".parse().unwrap()];
    let base = Policy::builder().with_tenants(known).with_issuers(
        ["a", "b"].map(|issuer| format!("https://{issuer}.example").parse().unwrap()),
    );
    let right =
        |group: &str, tenant: &str| Mapping::allow(group, tenant).with_issuer("https://a.example");
    for (mapping, column, problem) in [
        (right("g", "GitHub"), "tenant", "a tenant id has only lower-case letters"),
        (right("g", "gitlab"), "tenant", "there is no tenant `gitlab`"),
        (right("", "github"), "group_name", "`group` is empty"),
        (right("g", "github").with_tools(""), "tools", "a tool pattern has 1 to 256 bytes"),
        (right("g", "github").with_tools("a,,b"), "tools", "a tool pattern has 1 to 256 bytes"),
        (right("g", "github").with_tools("a b"), "tools", "are separated by commas"),
        (right("g", "github").with_tools("delete_?"), "tools", "`?` has no meaning"),
        (right("g", "github").with_subtree(), "group_name", "that are paths"),
        (right("g", "github").with_issuer("https://c.example"), "issuer", "no trusted issuer"),
        (Mapping::allow("g", "github"), "issuer", "several issuers are trusted"),
    ] {
        let stored = base.clone().with_rule(row(17, mapping.clone()).into());
        let error = stored.build().unwrap_err();
        let start = format!("`group_tenant_mapping`, row 17, column `{column}`: ");
        let said = error.to_string();
        assert!(said.starts_with(&start) && said.contains(problem), "{said}");
        assert_eq!(error.iter().next().unwrap().row, Some(MappingPlace::Row(17)));

        let proposed = [right("fine", "github"), mapping];
        let proposed = base.clone().with_rules(Mapping::proposed(&proposed));
        let error = proposed.build().unwrap_err();
        let start = format!("mapping 2, column `{column}`: ");
        assert!(error.to_string().starts_with(&start), "{error}");
    }
}

#[test]
fn what_is_to_be_stored_is_checked() {
    assert_eq!(Mapping::check(&[Mapping::allow("g", "github")]), Ok(()));
    let wrong = [Mapping::allow("g", "github"), Mapping::deny("g", "github").with_tools("!")];
    let errors = Mapping::check(&wrong).unwrap_err();
    let error = errors.iter().next().unwrap();
    assert_eq!((errors.len(), error.rule), (1, Some(1)));
    assert_eq!(error.problem, Problem::Tool(PatternError::Operator { found: '!' }));
}

#[test]
fn a_table_of_nothing_but_mistakes_makes_a_message_of_bounded_length() {
    let wrong = vec![Mapping::allow("g", "GitHub"); 1000];
    let said = Mapping::check(&wrong).unwrap_err().to_string();
    assert_eq!(said.lines().count(), 101);
    assert!(said.ends_with("and 900 more problems"), "{said}");
}

#[test]
fn effects_are_two_words() {
    assert_eq!(("allow".parse(), "deny".parse()), (Ok(Effect::Allow), Ok(Effect::Deny)));
    for wrong in ["", "Allow", "allow ", "forbid"] {
        assert_eq!(wrong.parse::<Effect>(), Err(Problem::Effect));
    }
}

#[test]
fn a_change_keeps_what_is_said_already() {
    let note = |mapping: Mapping| mapping.with_note("new");
    let [a, b, c] = ["a", "b", "c"].map(|group| Mapping::allow(group, "github"));
    let rows = [row(1, a.clone()), row(5, b.clone()), row(7, Mapping::deny("a", "github"))];
    let change = MappingChange::between(&rows, &[note(b.clone()), c.clone(), a, c.clone(), b]);
    assert_eq!(change.add, [c]);
    assert_eq!(change.remove, [7]);
    assert_eq!(change.notes, [(5, Some("new".to_owned()))]);
    assert_eq!(change.summary(), Replaced { added: 1, removed: 1, kept: 2 });
}

#[test]
fn debug_shows_no_group() {
    let shown = format!("{:?}", row(1, Mapping::allow("canary", "github").with_note("canary")));
    assert!(shown.contains("github") && !shown.contains("canary"), "{shown}");
}
