//! Why rules do not make a policy.

use std::fmt;
use std::ops::Range;

use bonafide_claims::IdError;

use crate::ids::{RuleIdError, TenantId, TenantIdError};
use crate::tools::PatternError;

/// How many problems a message lists: a table can have a problem in each of a hundred thousand rows.
const SHOWN: usize = 100;

/// The part of a rule that a problem is about, by its name in TOML.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Key {
    /// The rule, or the file, as a whole.
    Whole,
    /// `id`
    Id,
    /// `effect`
    Effect,
    /// `groups`
    Groups,
    /// `subtree`
    Subtree,
    /// `roles`
    Roles,
    /// `scopes`
    Scopes,
    /// `users`
    Users,
    /// `issuer`
    Issuer,
    /// `tenants`
    Tenants,
    /// `tools`
    Tools,
}

impl Key {
    /// The name in TOML. Empty for [`Key::Whole`].
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Whole => "",
            Self::Id => "id",
            Self::Effect => "effect",
            Self::Groups => "groups",
            Self::Subtree => "subtree",
            Self::Roles => "roles",
            Self::Scopes => "scopes",
            Self::Users => "users",
            Self::Issuer => "issuer",
            Self::Tenants => "tenants",
            Self::Tools => "tools",
        }
    }

    /// The column of `group_tenant_mapping`. Empty for [`Key::Whole`].
    #[must_use]
    pub fn column(self) -> &'static str {
        match self {
            Self::Groups => "group_name",
            Self::Tenants => "tenant",
            other => other.as_str(),
        }
    }
}

/// Where a rule of the database form comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MappingPlace {
    /// The row with this number.
    Row(i64),
    /// A mapping that is yet to be stored.
    Proposed,
}

/// What is wrong with a rule, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// The text is no TOML, or not of the shape of a policy.
    #[error("this is no policy: {message}")]
    Syntax {
        /// What the TOML parser says.
        message: String,
    },
    /// A key that no rule has.
    #[error(
        "`{}` is no key of a rule: the keys are `id`, `effect`, `groups`, `subtree`, `roles`, `scopes`, \
         `users`, `issuer`, `tenants` and `tools`",
        key.escape_debug()
    )]
    UnknownKey {
        /// The key.
        key: String,
    },
    /// A value of the wrong type.
    #[error("this is {found}: write {expected}")]
    WrongType {
        /// What is there.
        found: &'static str,
        /// What would be right.
        expected: &'static str,
    },
    /// A rule without `id`.
    #[error("the rule has no `id`: give it one, logs and explanations will name it")]
    NoId,
    /// A rule id that is none.
    #[error("{0}")]
    Id(RuleIdError),
    /// Two rules with one id.
    #[error("rule {first} has this id too: give each rule its own")]
    SameId {
        /// The number of the first rule with it, counted from 1.
        first: usize,
    },
    /// An effect other than the two.
    #[error("an effect is `allow` or `deny`")]
    Effect,
    /// A list without a value in it.
    #[error("the list is empty: name at least one, or leave the key out")]
    Empty,
    /// An allow rule that does not say for whom.
    #[error(
        "an allow rule says for whom: add `groups`, `roles`, `scopes` or `users`, or only `issuer` for \
         each user of that issuer"
    )]
    NoCondition,
    /// An allow rule that does not say for which tenants.
    #[error("an allow rule says where: add `tenants`")]
    NoTenants,
    /// A tenant id that is none.
    #[error("{0}")]
    Tenant(TenantIdError),
    /// A tenant that is not among the known ones.
    #[error("there is no tenant `{}`: {}", tenant.escape_debug(), known_tenants(known, *more))]
    UnknownTenant {
        /// The tenant that the rule names.
        tenant: String,
        /// The tenants that there are, ten of them at most.
        known: Vec<TenantId>,
        /// How many others there are.
        more: usize,
    },
    /// A group, role, scope, user or issuer that is no valid name.
    #[error("{0}")]
    Name(IdError),
    /// A scope with a character that none has (RFC 6749, section 3.3), such as a space between two.
    #[error(
        "a scope has no spaces, quotation marks and back-slashes: write each scope as an item of its own"
    )]
    Scope,
    /// A tool pattern that is none.
    #[error("{0}")]
    Tool(PatternError),
    /// `users` without `issuer`.
    #[error("a user is known by issuer and subject: add `issuer`")]
    UsersWithoutIssuer,
    /// A condition on names from tokens, without `issuer`, though several issuers are trusted.
    #[error(
        "several issuers are trusted, and this name may mean something else at each: add `issuer`, and \
         write a rule for each issuer that is meant"
    )]
    AmbiguousIssuer,
    /// An issuer that is not among the trusted ones.
    #[error(
        "`{}` is no trusted issuer: write one exactly as its tokens have it in `iss`",
        issuer.escape_debug()
    )]
    UnknownIssuer {
        /// The issuer that the rule names.
        issuer: String,
    },
    /// Tools in a row of `group_tenant_mapping` with white space between them.
    #[error("the patterns for tools are separated by commas: write `read_*,list_*`")]
    ToolList,
    /// `subtree` without `groups`, or with a group that is no path.
    #[error("`subtree` needs `groups` that are paths: `/` first, a name last")]
    NoPath,
}

fn known_tenants(known: &[TenantId], more: usize) -> String {
    let names: Vec<_> = known.iter().map(|tenant| format!("`{tenant}`")).collect();
    match (names.is_empty(), more) {
        (true, _) => "none is configured".to_owned(),
        (false, 0) => format!("there are {}", names.join(", ")),
        (false, more) => format!("there are {} and {more} others", names.join(", ")),
    }
}

/// One problem, and where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PolicyError {
    /// The rule, counted from 0 in the order given. `None` for the file as a whole.
    pub rule: Option<usize>,
    /// The rule's id, where it has a valid one.
    pub id: Option<String>,
    /// The part of the rule.
    pub key: Key,
    /// The bytes of the file that are meant, for rules that come from TOML.
    pub span: Option<Range<usize>>,
    /// The file, for rules that a store read from one.
    pub file: Option<String>,
    /// The row, for rules of the database form.
    pub row: Option<MappingPlace>,
    /// The line, counted from 1. For rules that are part of a larger file, [`PolicyErrors::located_in`]
    /// fills it in.
    pub line: Option<usize>,
    /// What is wrong.
    pub problem: Problem,
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.file, self.line) {
            (Some(file), Some(line)) => write!(f, "{file}, line {line}: ")?,
            (Some(file), None) => write!(f, "{file}: ")?,
            (None, Some(line)) => write!(f, "line {line}: ")?,
            (None, None) => {}
        }
        if let Some(place) = self.row {
            return self.in_table(place, f);
        }
        match (&self.id, self.rule) {
            (Some(id), _) => write!(f, "rule `{id}`")?,
            (None, Some(index)) => write!(f, "rule {}", index.saturating_add(1))?,
            (None, None) => return write!(f, "{}", self.problem),
        }
        match self.key {
            Key::Whole => write!(f, ": {}", self.problem),
            key => write!(f, ", `{}`: {}", key.as_str(), self.problem),
        }
    }
}

impl PolicyError {
    fn in_table(&self, place: MappingPlace, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match place {
            MappingPlace::Row(id) => write!(f, "`group_tenant_mapping`, row {id}")?,
            MappingPlace::Proposed => {
                write!(f, "mapping {}", self.rule.unwrap_or_default().saturating_add(1))?;
            }
        }
        match self.key {
            Key::Whole => write!(f, ": {}", self.problem),
            key => write!(f, ", column `{}`: {}", key.column(), self.problem),
        }
    }
}

impl std::error::Error for PolicyError {}

/// All problems of a set of rules, in the order of the rules. There is at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyErrors(Vec<PolicyError>);

impl PolicyErrors {
    pub(crate) fn check(mut problems: Vec<PolicyError>) -> Result<(), Self> {
        // As they stand in the file: a TOML table comes in the order of its keys.
        let place = |error: &PolicyError| (error.rule, error.span.as_ref().map(|span| span.start));
        problems.sort_by_key(place);
        if problems.is_empty() { Ok(()) } else { Err(Self(problems)) }
    }

    #[cfg(feature = "serde")]
    pub(crate) fn one(problem: PolicyError) -> Self {
        Self(vec![problem])
    }

    /// The problems.
    pub fn iter(&self) -> std::slice::Iter<'_, PolicyError> {
        self.0.iter()
    }

    /// How many problems there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Always false: without a problem there are no errors.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Fills in the lines of rules that were read as part of a larger file, given the text of that file.
    #[must_use]
    pub fn located_in(mut self, text: &str) -> Self {
        for error in self.0.iter_mut().filter(|error| error.line.is_none()) {
            error.line = error.span.as_ref().map(|span| line_of(text, span.start));
        }
        self
    }
}

/// A file that rules were read from: enough of it to say where they stand.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Source {
    pub(crate) file: Option<String>,
    /// Where lines end, in bytes from the start.
    ends: Vec<usize>,
}

impl Source {
    #[cfg(feature = "serde")]
    pub(crate) fn new(file: Option<&str>, text: &str) -> Self {
        let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        Self { file: file.map(Into::into), ends: ends.map(|(at, _)| at).collect() }
    }

    /// The line, counted from 1, of the byte at `at`.
    pub(crate) fn line(&self, at: usize) -> usize {
        self.ends.partition_point(|end| *end < at).saturating_add(1)
    }
}

pub(crate) fn line_of(text: &str, at: usize) -> usize {
    let before = text.as_bytes().get(..at).unwrap_or(text.as_bytes());
    before.iter().filter(|byte| **byte == b'\n').count().saturating_add(1)
}

impl IntoIterator for PolicyErrors {
    type Item = PolicyError;
    type IntoIter = std::vec::IntoIter<PolicyError>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a> IntoIterator for &'a PolicyErrors {
    type Item = &'a PolicyError;
    type IntoIter = std::slice::Iter<'a, PolicyError>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// One problem a line, the first hundred of them.
impl fmt::Display for PolicyErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().take(SHOWN).enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{error}")?;
        }
        match self.0.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => write!(f, "\nand {more} more problems"),
        }
    }
}

impl std::error::Error for PolicyErrors {}
