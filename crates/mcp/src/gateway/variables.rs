//! What the templates of a tenant can ask for.

use std::cell::OnceCell;

use bonafide_claims::{Groups, VerifiedUser};
use bonafide_headers::{Builtin, ClaimPath, Value, Variables};
use bonafide_policy::Permit;
use bonafide_vault::Secrets;
use secrecy::SecretString;

use crate::assertion::user_id;

/// The verified user, the tenant, and what the vault holds for the two.
pub(crate) struct UserVariables<'a> {
    permit: &'a Permit,
    declared: Declared<'a>,
    /// `user.id`, made when a template asks for it.
    user_id: OnceCell<String>,
}

/// The values of the declared variables, in the order of their declaration.
enum Declared<'a> {
    Stored(&'a Secrets),
    Tried(&'a [Option<&'a SecretString>]),
}

impl<'a> UserVariables<'a> {
    pub(super) fn new(permit: &'a Permit, secrets: &'a Secrets) -> Self {
        Self { permit, declared: Declared::Stored(secrets), user_id: OnceCell::new() }
    }

    /// With values that are not stored yet.
    pub(crate) fn of_values(permit: &'a Permit, values: &'a [Option<&'a SecretString>]) -> Self {
        Self { permit, declared: Declared::Tried(values), user_id: OnceCell::new() }
    }

    fn user(&self) -> &VerifiedUser {
        self.permit.user()
    }
}

impl Variables for UserVariables<'_> {
    fn builtin(&self, builtin: Builtin) -> Value<'_> {
        let user = self.user();
        match builtin {
            Builtin::Username => user.username().into(),
            Builtin::Email => user.email().into(),
            Builtin::Name => user.name().into(),
            Builtin::UserId => Value::Text(self.user_id.get_or_init(|| user_id(user.id()))),
            Builtin::Subject => Value::Text(user.subject().as_str()),
            Builtin::Issuer => Value::Text(user.issuer().as_str()),
            Builtin::Tenant => Value::Text(self.permit.tenant().as_str()),
            // Groups that are not known are missing, so that a template refuses instead of sending an empty list.
            Builtin::Groups => match user.groups() {
                Groups::Known(groups) => Value::list(groups),
                Groups::Unknown(_) => Value::Missing,
            },
            Builtin::Roles => Value::list(user.roles()),
            _ => Value::Missing,
        }
    }

    fn claim(&self, path: &ClaimPath) -> Value<'_> {
        path.find(self.user().claims()).into()
    }

    fn declared(&self, index: usize) -> Option<&SecretString> {
        match self.declared {
            Declared::Stored(secrets) => secrets.get(index),
            Declared::Tried(values) => values.get(index).copied().flatten(),
        }
    }
}
