//! `[scopes]`, and the scopes of a tenant.

use bonafide_mcp::TenantScopes;
use bonafide_policy::ToolPattern;
use bonafide_tower::{RequiredScopes, ScopeError, ScopeHierarchy};

use super::problem::Problems;
use super::section::{Located, Section, texts};

/// `[scopes]`: each key is a scope, and its value a list of those that it implies.
pub(super) fn hierarchy(
    root: &mut Section<'_, '_>,
    problems: &mut Problems<'_>,
) -> Option<ScopeHierarchy> {
    let Some(table) = root.table(problems, "scopes") else {
        return Some(ScopeHierarchy::default());
    };
    let before = problems.len();
    let mut implied = Vec::new();
    for (name, value) in table.entries() {
        check(name.value, &name, problems);
        let below = required(&value, problems);
        implied.push((name, below.unwrap_or_default()));
    }
    if problems.len() > before {
        return None;
    }
    let pairs = implied.iter().map(|(name, below)| (name.value, below.iter().map(AsRef::as_ref)));
    match ScopeHierarchy::new(pairs) {
        Ok(hierarchy) => Some(hierarchy),
        Err(error) => {
            let by = match &error {
                ScopeError::Cycle { by, .. } => Some(by.as_str()),
                _ => None,
            };
            match implied.iter().find(|(name, _)| Some(name.value) == by) {
                Some((name, _)) => name.problem(problems, error.to_string()),
                None => table.problem(problems, error.to_string()),
            }
            None
        }
    }
}

/// `scopes` and `tool_scopes` of a tenant. `None` if it asks for none.
pub(super) fn of_tenant(
    section: &mut Section<'_, '_>,
    hierarchy: Option<&ScopeHierarchy>,
    problems: &mut Problems<'_>,
) -> Option<TenantScopes> {
    let basic = section.value("scopes");
    let tools = section.table(problems, "tool_scopes");
    if basic.is_none() && tools.is_none() {
        return None;
    }
    let basic = basic.and_then(|found| required(&found, problems)).unwrap_or_default();
    let hierarchy = hierarchy.cloned().unwrap_or_default();
    let mut scopes = TenantScopes::new(basic).with_hierarchy(hierarchy);
    for (pattern, value) in tools.iter().flat_map(Section::entries) {
        let needed = required(&value, problems);
        match pattern.value.parse::<ToolPattern>() {
            Ok(pattern) => scopes = scopes.with_tools(pattern, needed.unwrap_or_default()),
            Err(error) => pattern.problem(problems, error.to_string()),
        }
    }
    Some(scopes)
}

/// A list of scopes, each looked at where it stands.
fn required(
    found: &Located<&toml::Spanned<toml::de::DeValue<'_>>>,
    problems: &mut Problems<'_>,
) -> Option<RequiredScopes> {
    let texts = texts(found, problems)?;
    let good = texts.iter().filter(|text| check(text.value, text, problems)).count();
    if good < texts.len() {
        return None;
    }
    match RequiredScopes::new(texts.iter().map(|text| text.value)) {
        Ok(scopes) => Some(scopes),
        Err(error) => {
            found.problem(problems, error.to_string());
            None
        }
    }
}

fn check<T>(scope: &str, place: &Located<T>, problems: &mut Problems<'_>) -> bool {
    let wrong = RequiredScopes::new([scope]).err();
    if let Some(error) = &wrong {
        place.problem(problems, error.to_string());
    }
    wrong.is_none()
}
