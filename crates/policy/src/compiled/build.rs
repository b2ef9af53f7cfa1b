//! From rules to a policy: everything is checked before anything is built.

use std::collections::BTreeSet;

use bonafide_claims::Issuer;

use super::check::{Checked, Checker};
use super::{Compiled, CompiledRule, CompiledTenant, Index, RuleNo, TenantNo};
use crate::error::PolicyErrors;
use crate::ids::TenantId;
use crate::rule::{Effect, Rule};

/// The policy that the rules make, or everything that is wrong with them.
pub(crate) fn compile(
    rules: Vec<Rule>,
    tenants: Option<&BTreeSet<TenantId>>,
    issuers: Option<&BTreeSet<Issuer>>,
) -> Result<Compiled, PolicyErrors> {
    let known: Option<Vec<_>> = tenants.map(|tenants| tenants.iter().cloned().collect());
    let issuers: Option<Vec<_>> = issuers.map(|issuers| issuers.iter().cloned().collect());
    let mut checker = Checker::new(known.as_deref(), issuers.as_deref());
    let checked: Vec<Checked> = rules
        .into_iter()
        .enumerate()
        .filter_map(|(number, rule)| checker.check(number, rule))
        .collect();
    PolicyErrors::check(checker.into_problems())?;

    let mut compiled = Compiled::default();
    let mut tenants = Tenants::default();
    for tenant in known.into_iter().flatten() {
        tenants.number(&mut compiled, tenant);
    }
    let mut done = Vec::with_capacity(checked.len());
    for (number, rule) in (0..).zip(checked) {
        done.push(file(&mut compiled, &mut tenants, number, rule));
    }
    compiled.tenants = tenants.0.into_boxed_slice();
    compiled.rules = done.into_boxed_slice();
    Ok(compiled)
}

#[derive(Default)]
struct Tenants(Vec<CompiledTenant>);

impl Tenants {
    fn number(&mut self, compiled: &mut Compiled, id: TenantId) -> TenantNo {
        if let Some(&number) = compiled.tenant_numbers.get(&id) {
            return number;
        }
        // More than 2^32 tenants do not fit into memory.
        let number = TenantNo::try_from(self.0.len()).unwrap_or(TenantNo::MAX);
        compiled.tenant_numbers.insert(id.clone(), number);
        self.0.push(CompiledTenant {
            id,
            index: Index::default(),
            rules: Vec::new(),
            allows_by_group: false,
        });
        number
    }

    fn tenant(&mut self, number: TenantNo) -> Option<&mut CompiledTenant> {
        self.0.get_mut(usize::try_from(number).ok()?)
    }
}

fn file(
    compiled: &mut Compiled,
    tenants: &mut Tenants,
    number: RuleNo,
    rule: Checked,
) -> CompiledRule {
    let Checked { id, effect, conditions, tenants: named, tools } = rule;
    let named = named.map(|named| {
        let named: BTreeSet<TenantId> = named.into_iter().collect();
        named.into_iter().map(|id| tenants.number(compiled, id)).collect::<Box<[_]>>()
    });
    match &named {
        None => {
            compiled.everywhere.add(number, effect, &conditions);
            compiled.everywhere_rules.push(number);
        }
        Some(named) => {
            compiled.somewhere.add(number, effect, &conditions);
            for tenant in named {
                let Some(tenant) = tenants.tenant(*tenant) else { continue };
                tenant.index.add(number, effect, &conditions);
                tenant.rules.push(number);
                tenant.allows_by_group |= effect == Effect::Allow && conditions.groups.is_some();
            }
        }
    }
    CompiledRule { id, effect, conditions, tenants: named, tools }
}
