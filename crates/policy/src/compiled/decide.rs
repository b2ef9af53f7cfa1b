//! The one decision function.

use bonafide_claims::UnknownGroups;

use super::{Compiled, CompiledRule, Kind, RuleNo, TenantNo, Who};
use crate::ids::TenantId;
use crate::rule::Effect;
use crate::tools::ToolPattern;

/// The rules that apply to a user at a tenant. Some allow rule is among them, and some tool that it covers
/// is not denied.
#[derive(Debug, Clone)]
pub(crate) struct Grant {
    pub(crate) tenant: TenantId,
    number: TenantNo,
    pub(crate) allows: Vec<RuleNo>,
    pub(crate) denies: Vec<RuleNo>,
}

/// Why there is no access.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    UnknownTenant,
    NoRule,
    DeniedBy(RuleNo),
    GroupsUnknown(UnknownGroups),
}

impl Compiled {
    /// What `who` may do at `tenant`.
    pub(crate) fn decide(&self, who: &Who<'_>, tenant: &TenantId) -> Result<Grant, Refusal> {
        let number = *self.tenant_numbers.get(tenant).ok_or(Refusal::UnknownTenant)?;
        let at = self.tenant(number).ok_or(Refusal::UnknownTenant)?;
        let (mut allows, mut denies) = (Vec::new(), Vec::new());
        for index in [&at.index, &self.everywhere] {
            index.applying(&self.rules, who, |rule, &CompiledRule { effect, .. }| match effect {
                Effect::Allow => allows.push(rule),
                Effect::Deny => denies.push(rule),
            });
        }
        self.conclude(who, number, allows, denies)
    }

    /// What `who` may do at each tenant where there is anything.
    pub(crate) fn reach(&self, who: &Who<'_>) -> Vec<Grant> {
        let mut everywhere = Vec::new();
        self.everywhere.applying(&self.rules, who, |rule, _| everywhere.push(rule));
        let mut found = Vec::new();
        self.somewhere.applying(&self.rules, who, |number, rule| {
            let tenants = rule.tenants.iter().flatten();
            found.extend(tenants.map(|tenant| (*tenant, rule.effect, number)));
        });
        found.sort_unstable();
        let mut grants = Vec::new();
        for found in found.chunk_by(|(one, ..), (other, ..)| one == other) {
            let Some((tenant, ..)) = found.first() else { continue };
            let of = |effect| {
                let found = found.iter().filter(move |(_, is, _)| *is == effect);
                found.map(|(.., rule)| *rule)
            };
            let allows = of(Effect::Allow).collect();
            let denies = of(Effect::Deny).chain(everywhere.iter().copied()).collect();
            grants.extend(self.conclude(who, *tenant, allows, denies));
        }
        grants
    }

    /// Whether the rules that apply leave anything: allow rules, and a tool of theirs that is not denied.
    fn conclude(
        &self,
        who: &Who<'_>,
        number: TenantNo,
        mut allows: Vec<RuleNo>,
        mut denies: Vec<RuleNo>,
    ) -> Result<Grant, Refusal> {
        let tenant = self.tenant(number).ok_or(Refusal::UnknownTenant)?.id.clone();
        for rules in [&mut allows, &mut denies] {
            rules.sort_unstable();
            rules.dedup();
        }
        if !denies.is_empty() {
            self.refuse(who, self.named(&denies).filter(|(_, rule)| rule.tools.is_all()))?;
        }
        if allows.is_empty() {
            return Err(self.not_allowed(who, number));
        }
        if !denies.is_empty() && !self.leaves_a_tool(&allows, &denies) {
            self.refuse(who, self.named(&denies))?;
        }
        Ok(Grant { tenant, number, allows, denies })
    }

    fn not_allowed(&self, who: &Who<'_>, number: TenantNo) -> Refusal {
        let rests_on_groups = self.tenant(number).is_some_and(|at| at.allows_by_group);
        match who.unknown_groups() {
            Some(why) if rests_on_groups => Refusal::GroupsUnknown(why),
            _ => Refusal::NoRule,
        }
    }

    /// Refuses because of one of `denies`, if there is any. One that is certain goes before one that rests
    /// on unknown groups.
    fn refuse<'a>(
        &self,
        who: &Who<'_>,
        denies: impl Iterator<Item = (RuleNo, &'a CompiledRule)>,
    ) -> Result<(), Refusal> {
        let mut refusal = Ok(());
        for (number, rule) in denies {
            match who.unknown_groups() {
                Some(why) if rule.conditions.has(Kind::Groups) => {
                    refusal = Err(Refusal::GroupsUnknown(why));
                }
                _ => return Err(Refusal::DeniedBy(number)),
            }
        }
        refusal
    }

    fn leaves_a_tool(&self, allows: &[RuleNo], denies: &[RuleNo]) -> bool {
        let denied =
            |pattern: &ToolPattern| self.named(denies).any(|(_, deny)| deny.tools.covers(pattern));
        let mut allowed = self.named(allows).flat_map(|(_, rule)| rule.tools.patterns());
        allowed.any(|pattern| !denied(pattern))
    }

    /// The first rule that allows `tool`, if none denies it.
    pub(crate) fn tool(&self, who: &Who<'_>, grant: &Grant, tool: &str) -> Result<RuleNo, Refusal> {
        let denies = self.named(&grant.denies);
        self.refuse(who, denies.filter(|(_, rule)| rule.tools.contains(tool)))?;
        let mut allows = self.named(&grant.allows);
        match allows.find(|(_, rule)| rule.tools.contains(tool)) {
            Some((rule, _)) => Ok(rule),
            None => Err(self.not_allowed(who, grant.number)),
        }
    }

    pub(crate) fn named<'a>(
        &'a self,
        rules: &'a [RuleNo],
    ) -> impl Iterator<Item = (RuleNo, &'a CompiledRule)> {
        rules.iter().filter_map(|&number| Some((number, self.rule(number)?)))
    }
}
