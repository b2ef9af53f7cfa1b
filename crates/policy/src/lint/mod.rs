//! What a policy says that it cannot mean.

mod subsume;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use bonafide_claims::GroupName;

use crate::compiled::{Compiled, CompiledRule, CompiledTenant, RuleNo};
use crate::ids::{RuleId, TenantId};
use crate::policy::Policy;
use crate::rule::Effect;

/// Looks for rules that are valid and yet, most likely, not what was meant.
///
/// ```
/// use bonafide_policy::{Linter, Policy, Rule};
///
/// let policy = Policy::builder()
///     .with_rule(Rule::allow("team").with_groups(["dev"]).with_tenants(["github"]))
///     .with_rule(Rule::deny("closed").with_tenants(["github"]))
///     .build()?;
/// let found = Linter::new().lint(&policy);
/// assert_eq!(
///     found.iter().map(ToString::to_string).collect::<Vec<_>>(),
///     ["rule `team` never applies at tenant `github`: rule `closed` denies all of it"],
/// );
/// assert!(Linter::new().lint(&Policy::default()).is_empty());
/// # Ok::<(), bonafide_policy::PolicyErrors>(())
/// ```
#[derive(Debug, Clone, Default)]
#[must_use = "a linter does nothing until `lint` is called"]
pub struct Linter {
    tenants: Option<BTreeSet<TenantId>>,
    seen: Vec<GroupName>,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize),
    serde(tag = "lint", rename_all = "snake_case")
)]
#[non_exhaustive]
pub enum Lint {
    /// An allow rule gives nothing at a tenant, because a deny rule takes it from everybody whom the allow
    /// rule is for.
    Unreachable {
        /// The allow rule.
        rule: RuleId,
        /// The tenant.
        tenant: TenantId,
        /// The deny rule.
        by: RuleId,
    },
    /// A rule says nothing at a tenant that another one does not say.
    Redundant {
        /// The rule.
        rule: RuleId,
        /// The tenant.
        tenant: TenantId,
        /// The rule that says it too.
        by: RuleId,
    },
    /// An allow rule gives more than is left of it: a deny rule takes some of its tools from everybody whom
    /// the allow rule is for. Often meant so.
    Broader {
        /// The allow rule.
        rule: RuleId,
        /// The tenant.
        tenant: TenantId,
        /// The deny rule.
        than: RuleId,
    },
    /// A rule is about a tenant that is not among the known ones.
    UnknownTenant {
        /// The rule.
        rule: RuleId,
        /// The tenant.
        tenant: TenantId,
    },
    /// A known tenant that no rule gives to anybody.
    Unused {
        /// The tenant.
        tenant: TenantId,
    },
    /// Two groups of the policy differ in case or white space only.
    Twins {
        /// A rule with the one group.
        rule: RuleId,
        /// The one group.
        group: String,
        /// A rule with the other group.
        other: RuleId,
        /// The other group.
        twin: String,
    },
    /// A group of the policy was not seen in any token, but one that differs in case or white space only.
    /// The one from the tokens is not shown.
    SeenTwin {
        /// A rule with the group.
        rule: RuleId,
        /// The group.
        group: String,
    },
}

impl Linter {
    /// A linter that knows neither tenants nor tokens.
    pub fn new() -> Self {
        Self::default()
    }

    /// The tenants that there are.
    pub fn with_tenants(mut self, tenants: impl IntoIterator<Item = TenantId>) -> Self {
        self.tenants.get_or_insert_default().extend(tenants);
        self
    }

    /// Groups that verified tokens had.
    pub fn with_seen_groups(mut self, groups: impl IntoIterator<Item = GroupName>) -> Self {
        self.seen.extend(groups);
        self
    }

    /// All findings, sorted.
    #[must_use]
    pub fn lint(&self, policy: &Policy) -> Vec<Lint> {
        let compiled = policy.compiled();
        let mut found = Vec::new();
        for tenant in &compiled.tenants {
            overlaps(compiled, tenant, &mut found);
        }
        self.tenants(compiled, &mut found);
        self.groups(compiled, &mut found);
        found.sort();
        found.dedup();
        found
    }

    fn tenants(&self, compiled: &Compiled, found: &mut Vec<Lint>) {
        let Some(known) = &self.tenants else { return };
        let mut used = BTreeSet::new();
        for at in &compiled.tenants {
            for (_, rule) in compiled.named(&at.rules) {
                if !known.contains(&at.id) {
                    let (rule, tenant) = (rule.id.clone(), at.id.clone());
                    found.push(Lint::UnknownTenant { rule, tenant });
                } else if rule.effect == Effect::Allow {
                    used.insert(&at.id);
                }
            }
        }
        let unused = known.iter().filter(|tenant| !used.contains(tenant));
        found.extend(unused.map(|tenant| Lint::Unused { tenant: tenant.clone() }));
    }

    fn groups(&self, compiled: &Compiled, found: &mut Vec<Lint>) {
        let mut alike: BTreeMap<String, BTreeMap<&str, &RuleId>> = BTreeMap::new();
        for rule in &compiled.rules {
            for group in rule.conditions.groups.iter().flatten() {
                let group = group.as_str();
                alike.entry(fold(group)).or_default().entry(group).or_insert(&rule.id);
            }
        }
        for names in alike.values() {
            let mut names = names.iter();
            let Some((group, rule)) = names.next() else { continue };
            found.extend(names.map(|(twin, other)| Lint::Twins {
                rule: (*rule).clone(),
                group: (*group).to_owned(),
                other: (*other).clone(),
                twin: (*twin).to_owned(),
            }));
        }
        let seen: BTreeSet<&str> = self.seen.iter().map(GroupName::as_str).collect();
        for name in &seen {
            let twins = alike.get(&fold(name)).into_iter().flatten();
            let twins = twins.filter(|(group, _)| !seen.contains(*group));
            found.extend(twins.map(|(group, rule)| Lint::SeenTwin {
                rule: (*rule).clone(),
                group: (*group).to_owned(),
            }));
        }
    }
}

/// A name without what people get wrong: case and white space.
fn fold(name: &str) -> String {
    name.chars().filter(|c| !c.is_whitespace()).flat_map(char::to_lowercase).collect()
}

/// Compares each rule of a tenant with those whose conditions hold whenever its own do.
fn overlaps(compiled: &Compiled, at: &CompiledTenant, found: &mut Vec<Lint>) {
    for (number, rule) in compiled.named(&at.rules) {
        let mut wider = Vec::new();
        for index in [&at.index, &compiled.everywhere] {
            index.about(&rule.conditions, |other| wider.push(other));
        }
        wider.sort_unstable();
        wider.dedup();
        let others = compiled.named(&wider).filter(|(other, wide)| {
            *other != number && wide.conditions.hold_whenever(&rule.conditions)
        });
        let others: Vec<_> = others.collect();
        found.extend(overlap(&at.id, (number, rule), &others));
    }
}

/// The gravest thing to be said about `rule`, given all rules that apply whenever it does.
fn overlap(
    tenant: &TenantId,
    (number, rule): (RuleNo, &CompiledRule),
    others: &[(RuleNo, &CompiledRule)],
) -> Option<Lint> {
    let tenant = tenant.clone();
    let all_of = |other: &CompiledRule| {
        rule.tools.patterns().iter().all(|pattern| other.tools.covers(pattern))
    };
    let some_of = |other: &CompiledRule| {
        other.tools.patterns().iter().any(|pattern| rule.tools.covers(pattern))
            || rule.tools.patterns().iter().any(|pattern| other.tools.covers(pattern))
    };
    let of = |effect| others.iter().filter(move |(_, other)| other.effect == effect);
    let id = rule.id.clone();
    if rule.effect == Effect::Allow
        && let Some((_, by)) = of(Effect::Deny).find(|(_, deny)| all_of(deny))
    {
        return Some(Lint::Unreachable { rule: id, tenant, by: by.id.clone() });
    }
    let says_it_too = |(other, wide): &&(RuleNo, &CompiledRule)| {
        // Of two that say the same, the later one is the redundant one.
        all_of(wide)
            && (*other < number
                || !rule.conditions.hold_whenever(&wide.conditions)
                || !wide.tools.patterns().iter().all(|pattern| rule.tools.covers(pattern)))
    };
    if let Some((_, by)) = of(rule.effect).find(says_it_too) {
        return Some(Lint::Redundant { rule: id, tenant, by: by.id.clone() });
    }
    let taken = of(Effect::Deny).find(|(_, deny)| some_of(deny));
    let (_, than) = taken.filter(|_| rule.effect == Effect::Allow)?;
    Some(Lint::Broader { rule: id, tenant, than: than.id.clone() })
}

impl Lint {
    /// What was found and where, in short: `broader:RULE`, `unused:TENANT`. It stays the same as long as the rule has its id, so
    /// that a finding that is meant can be written down as such.
    ///
    /// ```
    /// use bonafide_policy::{Linter, Policy, Rule};
    ///
    /// let policy = Policy::builder()
    ///     .with_rule(Rule::allow("team").with_groups(["dev"]).with_tenants(["github"]))
    ///     .with_rule(Rule::deny("keep").with_tenants(["github"]).with_tools(["delete_*"]))
    ///     .build()?;
    /// let found = Linter::new().lint(&policy);
    /// assert_eq!(found.iter().map(|lint| lint.key()).collect::<Vec<_>>(), ["broader:team"]);
    /// # Ok::<(), bonafide_policy::PolicyErrors>(())
    /// ```
    #[must_use]
    pub fn key(&self) -> String {
        let (kind, of) = match self {
            Self::Unreachable { rule, .. } => ("unreachable", rule.as_str()),
            Self::Redundant { rule, .. } => ("redundant", rule.as_str()),
            Self::Broader { rule, .. } => ("broader", rule.as_str()),
            Self::UnknownTenant { rule, .. } => ("unknown_tenant", rule.as_str()),
            Self::Unused { tenant } => ("unused", tenant.as_str()),
            Self::Twins { rule, .. } => ("twins", rule.as_str()),
            Self::SeenTwin { rule, .. } => ("seen_twin", rule.as_str()),
        };
        format!("{kind}:{of}")
    }
}

impl fmt::Display for Lint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable { rule, tenant, by } => {
                write!(
                    f,
                    "rule `{rule}` never applies at tenant `{tenant}`: rule `{by}` denies all of it"
                )
            }
            Self::Redundant { rule, tenant, by } => {
                write!(
                    f,
                    "rule `{rule}` changes nothing at tenant `{tenant}`: rule `{by}` says it too"
                )
            }
            Self::Broader { rule, tenant, than } => write!(
                f,
                "rule `{rule}` allows tools of tenant `{tenant}` that rule `{than}` takes away again"
            ),
            Self::UnknownTenant { rule, tenant } => {
                write!(f, "rule `{rule}` is about tenant `{tenant}`, which does not exist")
            }
            Self::Unused { tenant } => write!(f, "no rule allows anybody to use tenant `{tenant}`"),
            Self::Twins { rule, group, other, twin } => write!(
                f,
                "group `{}` of rule `{rule}` and group `{}` of rule `{other}` differ only in case or white space",
                group.escape_debug(),
                twin.escape_debug()
            ),
            Self::SeenTwin { rule, group } => write!(
                f,
                "group `{}` of rule `{rule}` is in no token seen, but one is that differs only in case or white space",
                group.escape_debug()
            ),
        }
    }
}

#[cfg(test)]
mod tests;
