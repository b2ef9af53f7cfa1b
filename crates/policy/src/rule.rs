//! Rules as people write them. Nothing in here is checked yet: that is what building a policy does.

use std::ops::Range;
use std::str::FromStr;
use std::sync::Arc;

use crate::error::{Key, MappingPlace, Problem, Source};

/// Whether a rule gives or takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "lowercase"))]
pub enum Effect {
    /// Those for whom the rule holds may use its tools.
    Allow,
    /// Those for whom the rule holds may not, whatever else allows it.
    Deny,
}

impl Effect {
    /// `allow` or `deny`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
        }
    }
}

impl FromStr for Effect {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Self, Problem> {
        match text {
            "allow" => Ok(Self::Allow),
            "deny" => Ok(Self::Deny),
            _ => Err(Problem::Effect),
        }
    }
}

/// A text and where it stands in the file that it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Text {
    pub(crate) value: String,
    pub(crate) span: Option<Range<usize>>,
}

impl<T: Into<String>> From<T> for Text {
    fn from(value: T) -> Self {
        Self { value: value.into(), span: None }
    }
}

/// The values of one key of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct List<T> {
    pub(crate) items: Vec<T>,
    pub(crate) span: Option<Range<usize>>,
}

impl<T> List<T> {
    fn of<I: Into<T>>(items: impl IntoIterator<Item = I>) -> Option<Self> {
        Some(Self { items: items.into_iter().map(Into::into).collect(), span: None })
    }
}

/// A user as a rule names one: by subject, and by directory where the issuer has several.
///
/// In TOML a subject (`"9d2b…"`) or a table (`{ directory = "72f9…", subject = "9d2b…" }`). Never an e-mail
/// address or a user name: those can be given to somebody else.
///
/// A subject without a directory stands, in an allow rule, for the user whose token has no directory, and in
/// a deny rule for the users of that subject in each directory.
#[derive(Clone, PartialEq, Eq)]
pub struct RuleUser {
    pub(crate) directory: Option<Text>,
    pub(crate) subject: Text,
}

impl RuleUser {
    /// The user `subject` of `directory`: for Microsoft Entra ID `tid` and `oid`.
    pub fn in_directory(directory: impl Into<String>, subject: impl Into<String>) -> Self {
        Self { directory: Some(directory.into().into()), subject: subject.into().into() }
    }
}

impl<T: Into<String>> From<T> for RuleUser {
    fn from(subject: T) -> Self {
        Self { directory: None, subject: subject.into().into() }
    }
}

impl std::fmt::Debug for RuleUser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RuleUser").finish_non_exhaustive()
    }
}

/// One rule: these people may use, or may not use, these tools of these tenants.
///
/// A rule holds for a user if **all** the conditions that it has hold:
///
/// | condition | holds if |
/// |---|---|
/// | groups | the user is in **any** of them |
/// | roles | the user has **any** of them |
/// | scopes | the token has **all** of them: a list of scopes says what is needed, as the `scope` of an `insufficient_scope` challenge does (RFC 6750, section 3) |
/// | users | the user is **any** of them; needs an issuer |
/// | issuer | it signed the token |
///
/// All values compare byte for byte. Only tool names have a wildcard, `*`.
///
/// ```
/// use bonafide_policy::{Policy, Rule};
///
/// let team = Rule::allow("github-team").with_groups(["MCP-GitHub"]).with_tenants(["github"]);
/// let no_delete = Rule::deny("no-delete").with_tenants(["github"]).with_tools(["delete_*"]);
/// assert!(Policy::builder().with_rule(team).with_rule(no_delete).build().is_ok());
///
/// // Who is meant? An allow rule has to say it.
/// let everybody = Rule::allow("oops").with_tenants(["github"]);
/// assert!(Policy::builder().with_rule(everybody).build().is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a rule does nothing until it is given to a `PolicyBuilder`"]
pub struct Rule {
    pub(crate) id: Option<Text>,
    pub(crate) effect: Effect,
    pub(crate) groups: Option<List<Text>>,
    pub(crate) subtree: bool,
    pub(crate) roles: Option<List<Text>>,
    pub(crate) scopes: Option<List<Text>>,
    pub(crate) users: Option<List<RuleUser>>,
    pub(crate) issuer: Option<Text>,
    pub(crate) tenants: Option<List<Text>>,
    pub(crate) tools: Option<List<Text>>,
    /// Where the rule stands in its file.
    pub(crate) span: Option<Range<usize>>,
    /// The file.
    pub(crate) source: Option<Arc<Source>>,
    /// The row of `group_tenant_mapping`.
    pub(crate) row: Option<MappingPlace>,
    /// What reading the rule from its file found wrong.
    pub(crate) misread: Vec<(Key, Option<Range<usize>>, Problem)>,
}

impl Rule {
    /// A rule that gives. Needs at least one condition and one tenant.
    pub fn allow(id: impl Into<String>) -> Self {
        Self::new(Some(id.into().into()), Effect::Allow)
    }

    /// A rule that takes. Without a condition it holds for everybody, without tenants everywhere.
    pub fn deny(id: impl Into<String>) -> Self {
        Self::new(Some(id.into().into()), Effect::Deny)
    }

    pub(crate) fn new(id: Option<Text>, effect: Effect) -> Self {
        Self {
            id,
            effect,
            groups: None,
            subtree: false,
            roles: None,
            scopes: None,
            users: None,
            issuer: None,
            tenants: None,
            tools: None,
            span: None,
            source: None,
            row: None,
            misread: Vec::new(),
        }
    }

    /// Holds only for users in any of these groups.
    pub fn with_groups<T: Into<String>>(self, groups: impl IntoIterator<Item = T>) -> Self {
        Self { groups: List::of(texts(groups)), ..self }
    }

    /// Takes the groups for paths, as Keycloak has them (`/eng`), and what is below a path for part of it
    /// (`/eng/backend`, not `/engineers`). Without this, a path is a name like any other.
    pub fn with_subtree(self) -> Self {
        Self { subtree: true, ..self }
    }

    /// Holds only for users who have any of these roles.
    pub fn with_roles<T: Into<String>>(self, roles: impl IntoIterator<Item = T>) -> Self {
        Self { roles: List::of(texts(roles)), ..self }
    }

    /// Holds only for tokens that have all of these scopes.
    pub fn with_scopes<T: Into<String>>(self, scopes: impl IntoIterator<Item = T>) -> Self {
        Self { scopes: List::of(texts(scopes)), ..self }
    }

    /// Holds only for these users of the rule's issuer.
    pub fn with_users<T: Into<RuleUser>>(self, users: impl IntoIterator<Item = T>) -> Self {
        Self { users: List::of(users), ..self }
    }

    /// Holds only for tokens of this issuer. As the only condition: for each of its users.
    pub fn with_issuer(self, issuer: impl Into<String>) -> Self {
        Self { issuer: Some(issuer.into().into()), ..self }
    }

    /// The tenants that the rule is about. A deny rule without tenants is about all.
    pub fn with_tenants<T: Into<String>>(self, tenants: impl IntoIterator<Item = T>) -> Self {
        Self { tenants: List::of(texts(tenants)), ..self }
    }

    /// The tools that the rule is about. All tools unless told otherwise.
    pub fn with_tools<T: Into<String>>(self, tools: impl IntoIterator<Item = T>) -> Self {
        Self { tools: List::of(texts(tools)), ..self }
    }
}

fn texts<T: Into<String>>(values: impl IntoIterator<Item = T>) -> impl Iterator<Item = Text> {
    values.into_iter().map(|value| Text::from(value.into()))
}
