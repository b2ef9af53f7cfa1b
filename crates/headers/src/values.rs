//! A ready-made set of values, for programs that have no user type of their own, and for tests.

use std::collections::BTreeMap;
use std::fmt;

use secrecy::SecretString;
use serde_json::{Map, Value as Json};

use crate::{Builtin, ClaimPath, Templates, Value, Variables};

/// Owned values for one set of templates.
///
/// A gateway implements [`Variables`] on what it holds anyway and copies nothing; this type is for everybody else.
///
/// ```
/// use bonafide_headers::{Templates, Values, Variable};
///
/// let templates = Templates::builder()
///     .with_variable(Variable::new("API_KEY".parse()?))
///     .with_header("X-Api-Key", "${API_KEY}")
///     .build()?;
/// let mut values = Values::new(&templates);
/// assert!(values.set("API_KEY", "s3cret".into()));
/// assert!(!values.set("API_KEI", "s3cret".into()), "there is no such variable");
/// assert!(templates.render(&values)?.contains_key("x-api-key"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Values {
    names: Vec<Box<str>>,
    declared: Vec<Option<SecretString>>,
    texts: BTreeMap<Builtin, String>,
    lists: BTreeMap<Builtin, Vec<String>>,
    claims: Map<String, Json>,
}

impl Values {
    /// Nothing is set yet.
    #[must_use]
    pub fn new(templates: &Templates) -> Self {
        let names = templates.variables().iter().map(|variable| variable.name().as_str().into());
        Self {
            names: names.collect(),
            declared: templates.variables().iter().map(|_| None).collect(),
            texts: BTreeMap::new(),
            lists: BTreeMap::new(),
            claims: Map::new(),
        }
    }

    /// Sets a declared variable; `false` if there is none of that name. Does not [check](crate::Variable::check).
    #[must_use]
    pub fn set(&mut self, name: &str, value: SecretString) -> bool {
        let index = self.names.iter().position(|declared| **declared == *name);
        let place = index.and_then(|index| self.declared.get_mut(index));
        place.map(|place| *place = Some(value)).is_some()
    }

    /// Sets a built-in that is a text.
    #[must_use]
    pub fn with_text(mut self, builtin: Builtin, text: &str) -> Self {
        self.texts.insert(builtin, text.to_owned());
        self
    }

    /// Sets a built-in that is a list.
    #[must_use]
    pub fn with_list<T: Into<String>>(
        mut self,
        builtin: Builtin,
        items: impl IntoIterator<Item = T>,
    ) -> Self {
        self.lists.insert(builtin, items.into_iter().map(Into::into).collect());
        self
    }

    /// Sets the claims.
    #[must_use]
    pub fn with_claims(mut self, claims: Map<String, Json>) -> Self {
        self.claims = claims;
        self
    }
}

impl Variables for Values {
    fn builtin(&self, builtin: Builtin) -> Value<'_> {
        match self.lists.get(&builtin) {
            Some(items) => Value::list(items),
            None => self.texts.get(&builtin).map(String::as_str).into(),
        }
    }

    fn claim(&self, path: &ClaimPath) -> Value<'_> {
        path.find(&self.claims).into()
    }

    fn declared(&self, index: usize) -> Option<&SecretString> {
        self.declared.get(index)?.as_ref()
    }
}

/// Shows which names are set and no value, not even those that are not secret.
impl fmt::Debug for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let set = self.names.iter().zip(&self.declared).filter(|(_, value)| value.is_some());
        let declared: Vec<_> = set.map(|(name, _)| name).collect();
        let builtins: Vec<_> = self.texts.keys().chain(self.lists.keys()).collect();
        f.debug_struct("Values")
            .field("declared", &declared)
            .field("builtins", &builtins)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_never_shows_a_value() {
        let variable = crate::Variable::new("KEY".parse().unwrap());
        let templates = Templates::builder().with_variable(variable).build().unwrap();
        let claims = serde_json::json!({ "a": "canary" });
        let mut values = Values::new(&templates)
            .with_text(Builtin::Username, "canary")
            .with_list(Builtin::Groups, ["canary"])
            .with_claims(claims.as_object().unwrap().clone());
        assert!(values.set("KEY", "canary".into()));
        assert!(!format!("{values:?}").contains("canary"));
    }
}
