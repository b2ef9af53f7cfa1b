//! Rules, and a user who is in some of their groups.

use bonafide_claims::VerifiedUser;
use bonafide_policy::{Policy, Rule, TenantId};
use bonafide_testkit::Issuer;

/// How many groups the user is in.
pub(crate) const GROUPS: usize = 30;

/// In how many of the user's groups there is anything about a tenant.
const USEFUL: usize = 8;

pub(crate) struct World {
    /// Group and tenant of each rule.
    pub(crate) rules: Vec<(String, TenantId)>,
    pub(crate) groups: Vec<String>,
    pub(crate) user: VerifiedUser,
    /// A tenant that the user reaches, and one that the user does not.
    pub(crate) own: TenantId,
    pub(crate) foreign: TenantId,
}

impl World {
    /// Ten rules about each tenant, each for a group of its own.
    pub(crate) fn new(rules: usize, groups: usize) -> Self {
        let tenant = |number: usize| format!("tenant-{number:05}").parse().unwrap();
        let group = |number: usize| format!("MCP-Platform-Team-{number:06}");
        let of = |number: usize| (group(number), tenant(number / 10));
        let rules: Vec<(String, TenantId)> = (0..rules).map(of).collect();
        // Groups that rules are about, far apart, and groups that no rule knows.
        let useful = (0..USEFUL).map(|at| group(at * rules.len() / USEFUL));
        let groups: Vec<String> =
            useful.chain((USEFUL..groups).map(|at| group(10_000_000 + at))).collect();
        let names = groups.iter().map(String::as_str);
        let user = Issuer::new("https://idp.example").user("alice").with_groups(names).verified();
        // Both far from the first rule, so that nobody is lucky.
        let own = tenant((USEFUL - 1) * rules.len() / USEFUL / 10);
        let foreign = tenant(rules.len() / 10 - 1);
        Self { own, foreign, rules, groups, user }
    }

    pub(crate) fn policy(&self) -> Policy {
        Policy::builder().with_rules(self.allows()).build().unwrap()
    }

    pub(crate) fn policy_with_denies(&self) -> Policy {
        let denies = (0..100).map(|number| {
            let rule = Rule::deny(format!("deny-{number}")).with_groups([format!("ban-{number}")]);
            rule.with_tenants([self.own.as_str()])
        });
        Policy::builder().with_rules(self.allows()).with_rules(denies).build().unwrap()
    }

    fn allows(&self) -> impl Iterator<Item = Rule> {
        self.rules.iter().enumerate().map(|(number, (group, tenant))| {
            let rule = Rule::allow(format!("rule-{number}")).with_groups([group]);
            rule.with_tenants([tenant.as_str()])
        })
    }
}
