//! What a policy is made of: checked rules, and indexes over them.

mod build;
mod check;
mod conditions;
mod decide;
mod index;

pub(crate) use build::compile;
pub(crate) use conditions::{Check, Conditions, Kind, Who, paths};
pub(crate) use decide::{Grant, Refusal};
pub(crate) use index::Index;

use std::collections::HashMap;

use crate::ids::{RuleId, TenantId};
use crate::rule::Effect;
use crate::tools::Tools;

/// A rule's place in [`Compiled::rules`], which is its place in the policy.
pub(crate) type RuleNo = u32;

/// A tenant's place in [`Compiled::tenants`].
pub(crate) type TenantNo = u32;

#[derive(Debug)]
pub(crate) struct CompiledRule {
    pub(crate) id: RuleId,
    pub(crate) effect: Effect,
    pub(crate) conditions: Conditions,
    /// `None`: everywhere. Only deny rules have it.
    pub(crate) tenants: Option<Box<[TenantNo]>>,
    pub(crate) tools: Tools,
}

impl CompiledRule {
    /// Whether the rule applies to `who`, given that the condition `known` was found to hold already.
    ///
    /// What cannot be told (groups that are unknown) counts against the user: an allow rule that needs it
    /// does not apply, a deny rule does.
    pub(crate) fn applies(&self, who: &Who<'_>, known: Option<Kind>) -> bool {
        self.conditions.all(|kind, conditions| {
            known == Some(kind)
                || match conditions.check(kind, self.effect, who) {
                    Check::Holds => true,
                    Check::Fails => false,
                    Check::Unknown => self.effect == Effect::Deny,
                }
        })
    }
}

#[derive(Debug)]
pub(crate) struct CompiledTenant {
    pub(crate) id: TenantId,
    /// The rules that name the tenant, by what they need.
    pub(crate) index: Index,
    /// The rules that name the tenant, in order.
    pub(crate) rules: Vec<RuleNo>,
    /// Whether some allow rule needs groups.
    pub(crate) allows_by_group: bool,
}

/// A policy, checked and indexed. Empty, it denies everything.
#[derive(Debug, Default)]
pub(crate) struct Compiled {
    pub(crate) rules: Box<[CompiledRule]>,
    pub(crate) tenants: Box<[CompiledTenant]>,
    pub(crate) tenant_numbers: HashMap<TenantId, TenantNo, foldhash::fast::RandomState>,
    /// The rules that name no tenant, by what they need.
    pub(crate) everywhere: Index,
    /// The rules that name no tenant, in order.
    pub(crate) everywhere_rules: Vec<RuleNo>,
    /// The rules that name tenants, by what they need: where a user's tenants are found from.
    pub(crate) somewhere: Index,
}

impl Compiled {
    pub(crate) fn rule(&self, rule: RuleNo) -> Option<&CompiledRule> {
        self.rules.get(usize::try_from(rule).ok()?)
    }

    pub(crate) fn tenant(&self, tenant: TenantNo) -> Option<&CompiledTenant> {
        self.tenants.get(usize::try_from(tenant).ok()?)
    }
}
