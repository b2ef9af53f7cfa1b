//! Secrets that a configuration names instead of containing.

use std::fmt;

use secrecy::SecretString;

use super::problem::Problems;
use super::section::Located;

/// Where `env:NAME` is looked up.
pub struct Environment<'a>(Box<Lookup<'a>>);

type Lookup<'a> = dyn Fn(&str) -> Option<String> + 'a;

impl<'a> Environment<'a> {
    /// The variables of this process.
    #[must_use]
    pub fn of_process() -> Self {
        Self(Box::new(|name| std::env::var(name).ok()))
    }

    /// What `lookup` finds: for programs that keep their secrets elsewhere, and for tests.
    #[must_use]
    pub fn new(lookup: impl Fn(&str) -> Option<String> + 'a) -> Self {
        Self(Box::new(lookup))
    }

    pub(crate) fn get(&self, name: &str) -> Option<SecretString> {
        (self.0)(name)
            .filter(|value| !value.is_empty())
            .map(|value| SecretString::from(value.into_boxed_str()))
    }
}

impl fmt::Debug for Environment<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Environment(…)")
    }
}

/// The secret that `env:NAME` names. A secret in the file itself is refused, and not repeated in the message.
pub(super) fn from_environment(
    found: &Located<&str>,
    environment: &Environment<'_>,
    problems: &mut Problems<'_>,
) -> Option<SecretString> {
    let Some(name) = found.value.strip_prefix("env:").filter(|name| !name.is_empty()) else {
        found.problem(
            problems,
            "a secret does not stand in the file: write `\"env:NAME\"` and set NAME",
        );
        return None;
    };
    let secret = environment.get(name);
    if secret.is_none() {
        found.problem(
            problems,
            format!("the environment variable `{name}` is not set or empty: set it"),
        );
    }
    secret
}
