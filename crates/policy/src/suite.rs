//! Tests of a policy, kept beside it.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use bonafide_claims::{IdError, Issuer, UnknownGroups};
use serde::Deserialize;
use serde_spanned::Spanned;

use crate::error::line_of;
use crate::ids::TenantId;
use crate::persona::{Persona, Reach};
use crate::policy::Policy;

/// Tests of a policy: given these people, expect these tenants and tools.
///
/// ```toml
/// issuer = "https://idp.example"       # of each test that names none itself
///
/// [[tests]]
/// name    = "the team writes, and deletes nothing"
/// groups  = ["MCP-GitHub"]
/// tenants = ["github"]                 # exactly these are reached
/// allow   = { github = ["create_issue"] }
/// deny    = { github = ["delete_repo"] }
///
/// [[tests]]
/// name    = "nobody gets in while groups are unknown"
/// unknown_groups = true
/// tenants = []
/// # subject, directory, issuer, roles, scopes: what else there is to say of somebody
/// ```
///
/// A test has to expect something (`tenants`, `allow` or `deny`), or it could not fail. `allow` and `deny` have
/// names of tools, not patterns.
///
/// ```
/// use bonafide_policy::{Policy, PolicyTests};
///
/// let policy = Policy::from_toml(
///     r#"
///     [[rules]]
///     id      = "team"
///     groups  = ["dev"]
///     tenants = ["github"]
///     "#,
/// )?;
/// let tests = PolicyTests::from_toml(
///     r#"
///     issuer = "https://idp.example"
///
///     [[tests]]
///     name    = "developers get in"
///     groups  = ["dev"]
///     tenants = ["github"]
///
///     [[tests]]
///     name    = "testers do, too"
///     groups  = ["test"]
///     tenants = ["github"]
///     "#,
/// )?;
/// let report = tests.run(&policy);
/// assert_eq!((report.passed(), report.failures().len()), (1, 1));
/// assert!(report.to_string().contains("should reach tenant `github`"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct PolicyTests(Vec<Test>);

#[derive(Debug, Clone)]
struct Test {
    name: String,
    persona: Persona,
    tenants: Option<Vec<TenantId>>,
    allow: Vec<(TenantId, String)>,
    deny: Vec<(TenantId, String)>,
}

/// Why a text is no list of policy tests.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
#[non_exhaustive]
pub struct PolicyTestsError {
    /// The line, counted from 1.
    pub line: usize,
    /// What is wrong there, and what would be right.
    pub problem: String,
}

/// What came of running [`PolicyTests`].
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct TestReport {
    passed: usize,
    failures: Vec<TestFailure>,
}

/// A test that failed.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct TestFailure {
    /// The test's name.
    pub test: String,
    /// What was expected and is not so, each with the explanation of the decision.
    pub unmet: Vec<String>,
}

impl TestReport {
    /// How many tests passed.
    #[must_use]
    pub fn passed(&self) -> usize {
        self.passed
    }

    /// The tests that failed.
    #[must_use]
    pub fn failures(&self) -> &[TestFailure] {
        &self.failures
    }

    /// Whether no test failed.
    #[must_use]
    pub fn is_success(&self) -> bool {
        self.failures.is_empty()
    }
}

impl PolicyTests {
    /// Reads tests.
    ///
    /// # Errors
    ///
    /// The first thing in the text that makes it no list of tests.
    pub fn from_toml(text: &str) -> Result<Self, PolicyTestsError> {
        let at = |span: Option<Range<usize>>, problem| PolicyTestsError {
            line: line_of(text, span.map_or(0, |span| span.start)),
            problem,
        };
        let file: FileForm = toml::from_str(text).map_err(|error| {
            at(error.span(), error.message().lines().collect::<Vec<_>>().join(", "))
        })?;
        let FileForm { issuer, tests } = file;
        tests
            .into_iter()
            .map(|test| {
                let span = test.span();
                let read = test.into_inner().read(issuer.as_deref());
                read.map_err(|problem| at(Some(span), problem))
            })
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// How many tests there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no test.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Runs all tests against `policy`.
    #[must_use]
    pub fn run(&self, policy: &Policy) -> TestReport {
        let mut report = TestReport { passed: 0, failures: Vec::new() };
        for test in &self.0 {
            let unmet = test.unmet(&policy.what_if(&test.persona));
            if unmet.is_empty() {
                report.passed = report.passed.saturating_add(1);
            } else {
                report.failures.push(TestFailure { test: test.name.clone(), unmet });
            }
        }
        report
    }
}

impl Test {
    fn unmet(&self, reach: &Reach) -> Vec<String> {
        let mut unmet = Vec::new();
        if let Some(expected) = &self.tenants {
            for tenant in expected.iter().filter(|tenant| !reach.allows(tenant, None)) {
                let why = reach.explain(tenant, None);
                unmet.push(format!("should reach tenant `{tenant}`, but {why}"));
            }
            for reached in reach.iter().filter(|reached| !expected.contains(reached.tenant())) {
                let why = reach.explain(reached.tenant(), None);
                unmet.push(format!("should not reach tenant `{}`, but {why}", reached.tenant()));
            }
        }
        let tools = [(true, "should", &self.allow), (false, "should not", &self.deny)];
        for (expected, should, tools) in tools {
            for (tenant, tool) in tools {
                if reach.allows(tenant, Some(tool)) != expected {
                    let (why, tool) = (reach.explain(tenant, Some(tool)), tool.escape_debug());
                    unmet.push(format!(
                        "{should} use tool `{tool}` of tenant `{tenant}`, but {why}"
                    ));
                }
            }
        }
        unmet
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileForm {
    issuer: Option<String>,
    #[serde(default)]
    tests: Vec<Spanned<TestForm>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TestForm {
    name: String,
    issuer: Option<String>,
    directory: Option<String>,
    subject: Option<String>,
    #[serde(default)]
    groups: Vec<String>,
    #[serde(default)]
    unknown_groups: bool,
    #[serde(default)]
    roles: Vec<String>,
    #[serde(default)]
    scopes: Vec<String>,
    tenants: Option<Vec<TenantId>>,
    #[serde(default)]
    allow: BTreeMap<TenantId, Vec<String>>,
    #[serde(default)]
    deny: BTreeMap<TenantId, Vec<String>>,
}

impl TestForm {
    fn read(self, issuer: Option<&str>) -> Result<Test, String> {
        let persona = self.persona(issuer)?;
        let pairs = |tools: BTreeMap<TenantId, Vec<String>>| {
            let tools = tools.into_iter();
            let pairs =
                tools.flat_map(|(at, tools)| tools.into_iter().map(move |t| (at.clone(), t)));
            pairs.collect::<Vec<_>>()
        };
        let (allow, deny) = (pairs(self.allow), pairs(self.deny));
        if self.tenants.is_none() && allow.is_empty() && deny.is_empty() {
            return Err("the test expects nothing: add `tenants`, `allow` or `deny`".to_owned());
        }
        Ok(Test { name: self.name, persona, tenants: self.tenants, allow, deny })
    }

    fn persona(&self, issuer: Option<&str>) -> Result<Persona, String> {
        let issuer = self.issuer.as_deref().or(issuer);
        let issuer: Issuer = name(issuer.ok_or("the test has no `issuer`, nor has the file")?)?;
        let subject = name(self.subject.as_deref().unwrap_or("somebody"))?;
        let mut persona = Persona::new(issuer, subject)
            .with_roles(names(&self.roles)?)
            .with_scopes(names(&self.scopes)?);
        if let Some(directory) = &self.directory {
            persona = persona.with_directory(name(directory)?);
        }
        match (self.unknown_groups, self.groups.is_empty()) {
            (false, _) => Ok(persona.with_groups(names(&self.groups)?)),
            (true, true) => Ok(persona.with_unknown_groups(UnknownGroups::Absent)),
            (true, false) => Err("groups are either listed or unknown: drop one".to_owned()),
        }
    }
}

fn name<T: FromStr<Err = IdError>>(text: &str) -> Result<T, String> {
    text.parse().map_err(|error: IdError| error.to_string())
}

fn names<T: FromStr<Err = IdError>>(texts: &[String]) -> Result<Vec<T>, String> {
    texts.iter().map(|text| name(text)).collect()
}

/// A line with the numbers, then each failure.
impl fmt::Display for TestReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failures.len())?;
        for failure in &self.failures {
            write!(f, "\n{}", failure.test)?;
            for unmet in &failure.unmet {
                write!(f, "\n  {}", unmet.replace('\n', "\n  "))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(tests: &str) -> TestReport {
        let rules = r#"
            [[rules]]
            id = "team"
            groups = ["dev"]
            tenants = ["github", "jira"]
            [[rules]]
            id = "people"
            issuer = "https://other.example"
            users = [{ directory = "d", subject = "ann" }]
            tenants = ["wiki"]
            [[rules]]
            id = "machines"
            roles = ["robot"]
            scopes = ["mcp"]
            tenants = ["wiki"]
            [[rules]]
            id = "no-delete"
            effect = "deny"
            tools = ["delete_*"]
        "#;
        let text = format!("issuer = \"https://idp.example\"\n[[tests]]\nname = \"n\"\n{tests}");
        PolicyTests::from_toml(&text).unwrap().run(&Policy::from_toml(rules).unwrap())
    }

    #[test]
    fn passes_what_is_so() {
        for tests in [
            "tenants = []",
            "groups = [\"dev\"]\ntenants = [\"jira\", \"github\"]",
            "groups = [\"dev\"]\nallow = { jira = [\"read\"] }\ndeny = { jira = [\"delete_x\"], wiki = [\"a\"] }",
            "unknown_groups = true\ntenants = []",
            "issuer = \"https://other.example\"\nsubject = \"ann\"\ndirectory = \"d\"\ntenants = [\"wiki\"]",
            "roles = [\"robot\"]\nscopes = [\"mcp\"]\ntenants = [\"wiki\"]",
        ] {
            let report = run(tests);
            assert!(report.is_success() && report.passed() == 1, "{tests}: {report}");
        }
    }

    #[test]
    fn fails_what_is_not_so() {
        for (tests, unmet) in [
            ("tenants = [\"jira\"]", "should reach tenant `jira`, but denied: no rule allows"),
            (
                "groups = [\"dev\"]\ntenants = [\"jira\"]",
                "should not reach tenant `github`, but allowed",
            ),
            ("groups = [\"dev\"]\nallow = { jira = [\"delete_x\"] }", "should use tool `delete_x`"),
            ("groups = [\"dev\"]\ndeny = { jira = [\"read\"] }", "should not use tool `read`"),
            ("unknown_groups = true\ntenants = [\"jira\"]", "are not known"),
            ("subject = \"ann\"\ndirectory = \"d\"\ntenants = [\"wiki\"]", "should reach"),
        ] {
            let report = run(tests);
            assert!(!report.is_success() && report.passed() == 0, "{tests}");
            assert!(report.to_string().contains(unmet), "{tests}: {report}");
        }
    }

    #[test]
    fn refuses_tests_that_could_not_fail_or_are_misspelt() {
        for (tests, line, problem) in [
            ("", 2, "expects nothing"),
            ("deny = {}", 2, "expects nothing"),
            ("tenants = [\"Jira\"]", 4, "tenant id"),
            ("tenant = [\"jira\"]", 4, "unknown field"),
            (
                "unknown_groups = true\ngroups = [\"a\"]\ntenants = []",
                2,
                "either listed or unknown",
            ),
            ("groups = [\"\"]\ntenants = []", 2, "`group` is empty"),
        ] {
            let text = format!("issuer = \"i\"\n[[tests]]\nname = \"n\"\n{tests}");
            let error = PolicyTests::from_toml(&text).unwrap_err();
            assert_eq!(error.line, line, "{tests} {error}");
            assert!(error.problem.contains(problem), "{tests} {error}");
        }
        let error = PolicyTests::from_toml("[[tests]]\nname = \"n\"\ntenants = []").unwrap_err();
        assert!(error.problem.contains("no `issuer`"), "{error}");
    }
}
