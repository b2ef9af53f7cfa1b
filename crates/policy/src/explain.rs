//! Decisions, put into words.

use std::borrow::Borrow;
use std::fmt;

use bonafide_claims::{NameSet, UnknownGroups};

use crate::compiled::{Check, Compiled, CompiledRule, Kind, Refusal, Who};
use crate::denial::DenialKind;
use crate::ids::{RuleId, TenantId};
use crate::rule::Effect;

/// How many rules an explanation lists.
const RULES: usize = 20;

/// How many names a line of an explanation shows.
const NAMES: usize = 10;

/// Why a user may or may not use a tenant, or one tool of it.
///
/// `Display` writes it for people; with the feature `serde` it serializes for programs. It names rules and
/// what they ask for. Of the user it shows only which of that is missing, never what the token says.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Explanation {
    /// The tenant.
    pub tenant: TenantId,
    /// The tool, if the question was about one.
    pub tool: Option<String>,
    /// The answer.
    pub allowed: bool,
    /// The answer in one sentence.
    pub reason: String,
    /// The rules about this tenant: first those that decided, then those that nearly did. Not more than 20.
    pub rules: Vec<RuleReport>,
    /// How many rules about this tenant were considered, listed or not.
    pub considered: usize,
}

/// What a rule had to say.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct RuleReport {
    /// The rule.
    pub rule: RuleId,
    /// Whether it gives or takes.
    pub effect: Effect,
    /// Whether it applies to the user, and to the tool if there is one.
    pub applies: bool,
    /// What it asks for and did not find. Empty if the rule applies, but for groups that are unknown: those
    /// do not keep a deny rule from applying.
    pub missing: Vec<Missing>,
}

/// A condition that is not met.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize),
    serde(tag = "condition", rename_all = "snake_case")
)]
#[non_exhaustive]
pub enum Missing {
    /// The token is of another issuer.
    Issuer {
        /// The issuer that the rule asks for.
        needed: String,
    },
    /// The user is not one of those listed.
    Users {
        /// How many the rule lists.
        listed: usize,
    },
    /// The user is in none of these groups.
    Groups {
        /// The groups that the rule lists.
        any_of: Vec<String>,
    },
    /// Nobody knows whether the user is in any of these groups.
    GroupsUnknown {
        /// Why not.
        why: String,
        /// The groups that the rule lists.
        any_of: Vec<String>,
    },
    /// The user has none of these roles.
    Roles {
        /// The roles that the rule lists.
        any_of: Vec<String>,
    },
    /// The token does not have these scopes.
    Scopes {
        /// Those of the rule's scopes that are missing.
        needed: Vec<String>,
    },
    /// The rule is about other tools.
    Tool {
        /// The patterns that the rule lists.
        any_of: Vec<String>,
    },
}

impl Explanation {
    pub(crate) fn new(
        compiled: &Compiled,
        who: &Who<'_>,
        tenant: &TenantId,
        tool: Option<&str>,
    ) -> Self {
        let decided = compiled.decide(who, tenant).and_then(|grant| match tool {
            Some(tool) => compiled.tool(who, &grant, tool).map(|_| ()),
            None => Ok(()),
        });
        let at = compiled.tenant_numbers.get(tenant).and_then(|number| compiled.tenant(*number));
        let rules = at.into_iter().flat_map(|at| &at.rules).chain(&compiled.everywhere_rules);
        let mut rules: Vec<RuleReport> = rules
            .filter_map(|number| compiled.rule(*number))
            .map(|rule| RuleReport::new(rule, who, tool))
            .collect();
        let considered = rules.len();
        rules.sort_by_key(RuleReport::rank);
        rules.truncate(RULES);
        Self {
            tenant: tenant.clone(),
            tool: tool.map(Into::into),
            allowed: decided.is_ok(),
            reason: reason(compiled, tenant, tool, decided.err()),
            rules,
            considered,
        }
    }
}

fn reason(
    compiled: &Compiled,
    tenant: &TenantId,
    tool: Option<&str>,
    refusal: Option<Refusal>,
) -> String {
    let mut reason = String::new();
    let written = match refusal {
        Some(refusal) => DenialKind::new(compiled, refusal).write(&mut reason, tenant, tool),
        None => return "a rule allows it, and none denies it".to_owned(),
    };
    // Writing to a `String` does not fail.
    written.map_or_else(|_| String::new(), |()| reason)
}

impl RuleReport {
    fn new(rule: &CompiledRule, who: &Who<'_>, tool: Option<&str>) -> Self {
        let mut missing = Vec::new();
        for kind in Kind::ALL {
            if rule.conditions.check(kind, rule.effect, who) != Check::Holds {
                missing.push(Missing::new(rule, kind, who));
            }
        }
        let about_tool = tool.is_none_or(|tool| rule.tools.contains(tool));
        if !about_tool {
            let patterns = rule.tools.patterns().iter();
            let any_of = patterns.map(|pattern| pattern.as_str().to_owned()).collect();
            missing.push(Missing::Tool { any_of });
        }
        let applies = about_tool && rule.applies(who, None);
        Self { rule: rule.id.clone(), effect: rule.effect, applies, missing }
    }

    /// What decided comes first: denials, then what allows, then what is nearest to allowing.
    fn rank(&self) -> (bool, bool, usize) {
        let deny = self.effect == Effect::Deny;
        (!self.applies, deny != self.applies, self.missing.len())
    }
}

impl Missing {
    fn new(rule: &CompiledRule, kind: Kind, who: &Who<'_>) -> Self {
        let conditions = &rule.conditions;
        match kind {
            Kind::Issuer => Self::Issuer {
                needed: conditions.issuer.as_ref().map(ToString::to_string).unwrap_or_default(),
            },
            Kind::Users => {
                Self::Users { listed: conditions.users.as_ref().map_or(0, NameSet::len) }
            }
            Kind::Groups => Self::groups(list(conditions.groups.as_ref()), who.unknown_groups()),
            Kind::Roles => Self::Roles { any_of: list(conditions.roles.as_ref()) },
            Kind::Scopes => {
                let mut needed = list(conditions.scopes.as_ref());
                needed.retain(|scope| !who.scopes.contains(scope));
                Self::Scopes { needed }
            }
        }
    }

    fn groups(any_of: Vec<String>, unknown: Option<UnknownGroups>) -> Self {
        match unknown {
            Some(why) => Self::GroupsUnknown { why: why.to_string(), any_of },
            None => Self::Groups { any_of },
        }
    }
}

fn list<T: Borrow<str>>(names: Option<&NameSet<T>>) -> Vec<String> {
    names.into_iter().flatten().map(|name| name.borrow().to_owned()).collect()
}

/// Names between back-ticks, the first ten of them.
struct Quoted<'a>(&'a [String]);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, name) in self.0.iter().take(NAMES).enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}`{}`", name.escape_debug())?;
        }
        match self.0.len().saturating_sub(NAMES) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Issuer { needed } => write!(f, "the token is not of issuer `{needed}`"),
            Self::Users { listed: 1 } => f.write_str("the user is not the one it names"),
            Self::Users { listed } => write!(f, "the user is none of the {listed} it names"),
            Self::Groups { any_of } => write!(f, "in none of the groups {}", Quoted(any_of)),
            Self::GroupsUnknown { why, any_of } => {
                write!(f, "groups unknown ({why}), it asks for any of {}", Quoted(any_of))
            }
            Self::Roles { any_of } => write!(f, "has none of the roles {}", Quoted(any_of)),
            Self::Scopes { needed } => write!(f, "the token lacks the scopes {}", Quoted(needed)),
            Self::Tool { any_of } => write!(f, "it is about the tools {}", Quoted(any_of)),
        }
    }
}

/// One line, without an end of line.
impl fmt::Display for RuleReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let effect = self.effect.as_str();
        let applies = if self.applies { "applies" } else { "does not apply" };
        write!(f, "{effect} rule `{}` {applies}", self.rule)?;
        for (index, missing) in self.missing.iter().enumerate() {
            let before = if index == 0 { ": " } else { "; " };
            write!(f, "{before}{missing}")?;
        }
        Ok(())
    }
}

/// The answer, the reason, and a line for each rule that is listed.
impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let answer = if self.allowed { "allowed" } else { "denied" };
        write!(f, "{answer}: {}", self.reason)?;
        for rule in &self.rules {
            write!(f, "\n  {rule}")?;
        }
        match self.considered.saturating_sub(self.rules.len()) {
            0 => Ok(()),
            more => write!(f, "\n  and {more} other rules about this tenant"),
        }
    }
}
