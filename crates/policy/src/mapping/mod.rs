//! The database form of a policy: `group_tenant_mapping`.

mod change;
mod memory;
mod store;

use std::fmt;

pub use change::MappingChange;
pub use memory::MemoryMapping;
pub use store::{Added, MappingStore, Replaced};

use crate::error::{Key, MappingPlace, PolicyErrors, Problem};
use crate::policy::Policy;
use crate::rule::{Effect, Rule};

/// The table's name, the same in every database.
pub const MAPPING_TABLE: &str = "group_tenant_mapping";

/// What a row of `group_tenant_mapping` says: this group may use, or may not use, these tools of this tenant.
///
/// | column | type | if left out | what it is |
/// |---|---|---|---|
/// | `id` | integer | the next one, none twice | the row's number; its rule is called `mapping:17` |
/// | `issuer` | text | null | the issuer whose group is meant; needed once several are trusted |
/// | `group_name` | text | | the group, exactly as tokens have it |
/// | `tenant` | text | | the tenant |
/// | `tools` | text | `*` | patterns for tools, separated by commas |
/// | `effect` | text | `allow` | `allow` or `deny` |
/// | `subtree` | boolean | false | the group is a path, and stands for what is below it too |
/// | `note` | text | null | for people |
///
/// [`MAPPING.md`](https://github.com/bonafide-rs/bonafide/blob/main/crates/policy/MAPPING.md) has the tables of each
/// database, and statements to start from.
///
/// A mapping is text that nobody has checked. Checking is what building the policy does: each row becomes a
/// [`Rule`], and what is wrong with one is reported with the row and the column. [`Mapping::check`] does it for
/// rows that are yet to be written.
///
/// ```
/// use bonafide_policy::{Mapping, MappingRow, Policy};
///
/// let row = |id, mapping| MappingRow { id, mapping };
/// let team = row(17, Mapping::allow("MCP-GitHub", "github"));
/// let no_delete = row(18, Mapping::deny("MCP-GitHub", "github").with_tools("delete_*, drop_*"));
/// assert!(Policy::builder().with_rules([team.into(), no_delete.into()]).build().is_ok());
///
/// let wrong = row(19, Mapping::allow("MCP-GitHub", "GitHub"));
/// let error = Policy::builder().with_rule(wrong.into()).build().unwrap_err();
/// assert!(error.to_string().starts_with("`group_tenant_mapping`, row 19, column `tenant`: "));
/// ```
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Mapping {
    /// The issuer whose group is meant. `None`: the only one that is trusted.
    pub issuer: Option<String>,
    /// The group, exactly as tokens have it. The column is `group_name`: `group` is a word of SQL.
    pub group: String,
    /// The tenant.
    pub tenant: String,
    /// Patterns for tools, separated by commas.
    pub tools: String,
    /// Whether the row gives or takes.
    pub effect: Effect,
    /// Whether the group is a path, and stands for what is below it too.
    pub subtree: bool,
    /// For people. No decision looks at it.
    pub note: Option<String>,
}

/// A [`Mapping`] and the number of its row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MappingRow {
    /// The number: of this row for ever, and of no other one after it.
    pub id: i64,
    /// What the row says.
    pub mapping: Mapping,
}

impl Mapping {
    /// The group may use all tools of the tenant.
    pub fn allow(group: impl Into<String>, tenant: impl Into<String>) -> Self {
        Self {
            issuer: None,
            group: group.into(),
            tenant: tenant.into(),
            tools: "*".to_owned(),
            effect: Effect::Allow,
            subtree: false,
            note: None,
        }
    }

    /// The group may not use any tool of the tenant.
    pub fn deny(group: impl Into<String>, tenant: impl Into<String>) -> Self {
        Self { effect: Effect::Deny, ..Self::allow(group, tenant) }
    }

    /// Means the group of this issuer.
    #[must_use]
    pub fn with_issuer(self, issuer: impl Into<String>) -> Self {
        Self { issuer: Some(issuer.into()), ..self }
    }

    /// Only these tools: patterns, separated by commas.
    #[must_use]
    pub fn with_tools(self, tools: impl Into<String>) -> Self {
        Self { tools: tools.into(), ..self }
    }

    /// Takes the group for a path, and what is below it for part of it.
    #[must_use]
    pub fn with_subtree(self) -> Self {
        Self { subtree: true, ..self }
    }

    /// A note for people.
    #[must_use]
    pub fn with_note(self, note: impl Into<String>) -> Self {
        Self { note: Some(note.into()), ..self }
    }

    /// Checks mappings that are yet to be stored.
    ///
    /// Neither tenants nor issuers are known here: give [`Mapping::proposed`] to a builder that knows them for
    /// the strict way.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with them. [`PolicyError::rule`](crate::PolicyError::rule) is the place in
    /// `mappings`.
    pub fn check(mappings: &[Self]) -> Result<(), PolicyErrors> {
        Policy::builder().with_rules(Self::proposed(mappings)).build().map(drop)
    }

    /// The rules of mappings that are yet to be stored, to be checked.
    #[must_use]
    pub fn proposed(mappings: &[Self]) -> Vec<Rule> {
        let rule = |(at, mapping): (usize, &Self)| {
            let id = format!("mapping:new:{}", at.saturating_add(1));
            mapping.clone().into_rule(id, MappingPlace::Proposed)
        };
        mappings.iter().enumerate().map(rule).collect()
    }

    /// Whether the two say the same, whatever their notes are: a table has one row that says so.
    #[must_use]
    pub fn says_same_as(&self, other: &Self) -> bool {
        self.key() == other.key()
    }

    fn key(&self) -> (Option<&str>, &str, &str, &str, &'static str, bool) {
        let Self { issuer, group, tenant, tools, effect, subtree, note: _ } = self;
        (issuer.as_deref(), group, tenant, tools, effect.as_str(), *subtree)
    }

    fn into_rule(self, id: String, place: MappingPlace) -> Rule {
        let mut rule = match self.effect {
            Effect::Allow => Rule::allow(id),
            Effect::Deny => Rule::deny(id),
        };
        rule.row = Some(place);
        rule = rule.with_groups([self.group]).with_tenants([self.tenant]);
        if let Some(issuer) = self.issuer {
            rule = rule.with_issuer(issuer);
        }
        if self.subtree {
            rule = rule.with_subtree();
        }
        let tools: Vec<_> = self.tools.split(',').map(str::trim).collect();
        // Taken for a pattern, `read_* list_*` would match no tool, which in a deny row is a hole.
        if tools.iter().any(|tool| tool.contains(char::is_whitespace)) {
            rule.misread.push((Key::Tools, None, Problem::ToolList));
        }
        rule.with_tools(tools)
    }
}

impl From<MappingRow> for Rule {
    fn from(row: MappingRow) -> Self {
        let MappingRow { id, mapping } = row;
        mapping.into_rule(format!("mapping:{id}"), MappingPlace::Row(id))
    }
}

/// Shows the tenant. Groups are names of people's departments and projects.
impl fmt::Debug for Mapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mapping")
            .field("effect", &self.effect)
            .field("tenant", &self.tenant)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
