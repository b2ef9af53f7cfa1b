//! Users and their secrets.

use std::cell::Cell;

use bonafide_claims::UserId;
use bonafide_policy::{Permit, Policy, Rule, TenantId};
use bonafide_testkit::Issuer;
use bonafide_vault::{Record, Replacement, Sealer, SecretId, SecretName};
use secrecy::SecretString;

const ISSUER: &str = "https://login.example.com/realms/main";
pub(crate) const USERS: usize = 100_000;
pub(crate) const VALUE: &str = "ghp_0123456789abcdef0123456789abcdef0123456789abcdef0123456789ab";

/// Takes permits in turn.
#[derive(Default)]
pub(crate) struct Turn(Cell<usize>);

impl Turn {
    /// Begins with the one at `start`.
    pub(crate) fn from(start: usize) -> Self {
        Self(Cell::new(start))
    }

    pub(crate) fn next<'a>(&self, permits: &'a [Permit]) -> &'a Permit {
        // A step that is no divisor, so that neighbours in time are no neighbours in the file.
        self.0.set((self.0.get() + 769) % permits.len());
        permits.get(self.0.get()).unwrap()
    }
}

fn subject(number: usize) -> String {
    format!("{:08x}-0000-4000-8000-{number:012}", number.wrapping_mul(2_654_435_761) % (1 << 32))
}

pub(crate) fn user(number: usize) -> UserId {
    UserId::new(ISSUER.parse().unwrap(), None, subject(number).parse().unwrap())
}

/// Every so manieth user, permitted to use a tenant.
pub(crate) fn permits(tenant: &str, step: usize) -> Vec<Permit> {
    let issuer = Issuer::new(ISSUER);
    let tenant: TenantId = tenant.parse().unwrap();
    let rule = Rule::allow("staff").with_groups(["staff"]).with_tenants([tenant.as_str()]);
    let policy = Policy::builder().with_rule(rule).build().unwrap();
    let users = (0..USERS).step_by(step).map(|number| issuer.user(&subject(number)));
    users
        .map(|user| policy.permit(&user.with_groups(["staff"]).verified(), &tenant).unwrap())
        .collect()
}

/// The rows of these users: one secret for GitHub, three for Jira, one for Slack.
pub(crate) fn rows(numbers: &[usize], sealer: &Sealer, names: &[SecretName]) -> Vec<Replacement> {
    let places: Vec<(TenantId, &SecretName)> = [("github", 1), ("jira", 3), ("slack", 1)]
        .into_iter()
        .flat_map(|(tenant, count)| names.iter().take(count).map(move |name| (tenant, name)))
        .map(|(tenant, name)| (tenant.parse().unwrap(), name))
        .collect();
    let row = |number: usize, (tenant, name): &(TenantId, &SecretName)| {
        let id = SecretId::new(user(number), tenant.clone(), (*name).clone());
        let sealed = sealer.seal(id.owner(), name, &SecretString::from(VALUE)).unwrap();
        Replacement { id, expected: None, record: Record::new(sealed, 1_700_000_000) }
    };
    let users = numbers.iter().flat_map(|&number| places.iter().map(move |at| (number, at)));
    users.map(|(number, at)| row(number, at)).collect()
}
