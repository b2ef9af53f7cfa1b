//! A declaration as configuration has it.

use std::collections::BTreeSet;
use std::fmt;

use super::pattern::Pattern;
use super::{DeclareError, ValueError, Variable};
use crate::VariableName;

/// The rules of a [`Variable`] without its name, as a configuration file declares them.
///
/// With the feature `serde` it can be deserialized; unknown keys are refused.
///
/// ```
/// # #[cfg(feature = "serde")] {
/// use std::collections::BTreeMap;
/// use bonafide_headers::{Declaration, Variable, VariableName};
///
/// let declared: BTreeMap<VariableName, Declaration> = toml::from_str(r#"
///     [GITHUB_TOKEN]
///     title   = "Personal access token"
///     pattern = "^gh[pousr]_[A-Za-z0-9]{36,}$"
/// "#).unwrap();
/// for (name, declaration) in declared {
///     let variable = Variable::declare(name, declaration).unwrap();
///     assert!(variable.is_secret());
/// }
/// assert!(toml::from_str::<Declaration>("secrets = true").is_err());
/// # }
/// ```
#[derive(Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize), serde(default, deny_unknown_fields))]
pub struct Declaration {
    /// A short label.
    pub title: Option<String>,
    /// What it is and where the user gets one.
    pub description: Option<String>,
    /// Whether requests are refused until it is set; `true` by default.
    pub required: bool,
    /// Whether it must never be shown again; `true` by default.
    pub secret: bool,
    /// What is used while the user has set nothing. Needs `secret = false`.
    pub default: Option<String>,
    /// A regular expression that the whole value has to match.
    pub pattern: Option<String>,
    /// The only values allowed.
    pub choices: Option<Vec<String>>,
    /// The shortest value, in characters.
    pub min_length: Option<usize>,
    /// The longest value, in characters.
    pub max_length: Option<usize>,
}

impl Default for Declaration {
    fn default() -> Self {
        Self {
            title: None,
            description: None,
            required: true,
            secret: true,
            default: None,
            pattern: None,
            choices: None,
            min_length: None,
            max_length: None,
        }
    }
}

/// Hides a default that stands with a secret: [`Variable::declare`] refuses it, and until then it may be one.
impl fmt::Debug for Declaration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let default =
            self.default.as_deref().map(|text| if self.secret { "[REDACTED]" } else { text });
        f.debug_struct("Declaration")
            .field("title", &self.title)
            .field("description", &self.description)
            .field("required", &self.required)
            .field("secret", &self.secret)
            .field("default", &default)
            .field("pattern", &self.pattern)
            .field("choices", &self.choices)
            .field("min_length", &self.min_length)
            .field("max_length", &self.max_length)
            .finish()
    }
}

impl Variable {
    /// Checks a declaration.
    ///
    /// # Errors
    ///
    /// A pattern that does not compile, a default for a secret, or rules that contradict each other.
    pub fn declare(name: VariableName, declaration: Declaration) -> Result<Self, DeclareError> {
        let texts = [&declaration.title, &declaration.description];
        if texts.into_iter().flatten().any(|text| text.chars().any(char::is_control)) {
            return Err(DeclareError::ControlCharacter);
        }
        let pattern = declaration.pattern.as_deref();
        let pattern =
            pattern.map(|source| Pattern::new(source).ok_or(DeclareError::InvalidPattern));
        let boxed = |text: Option<String>| text.map(String::into_boxed_str);
        let variable = Self {
            name,
            title: boxed(declaration.title),
            description: boxed(declaration.description),
            required: declaration.required,
            secret: declaration.secret,
            default: boxed(declaration.default),
            pattern: pattern.transpose()?,
            min_length: declaration.min_length.unwrap_or(0),
            max_length: declaration.max_length.unwrap_or(Self::MAX_VALUE_LEN),
            choices: choices(declaration.choices)?,
        };
        variable.check_itself()?;
        Ok(variable)
    }

    fn check_itself(&self) -> Result<(), DeclareError> {
        if self.min_length > self.max_length || self.max_length > Self::MAX_VALUE_LEN {
            return Err(DeclareError::ImpossibleLength);
        }
        for (index, choice) in self.choices().enumerate() {
            self.check_text(choice).map_err(|problem: ValueError| {
                DeclareError::UnusableChoice { position: index + 1, problem }
            })?;
        }
        let Some(default) = self.default_value() else { return Ok(()) };
        if self.secret {
            return Err(DeclareError::SecretDefault);
        }
        self.check_text(default).map_err(|problem| DeclareError::UnusableDefault { problem })
    }
}

fn choices(declared: Option<Vec<String>>) -> Result<Vec<Box<str>>, DeclareError> {
    let Some(choices) = declared else { return Ok(Vec::new()) };
    let distinct: BTreeSet<&String> = choices.iter().collect();
    if choices.is_empty() || distinct.len() < choices.len() {
        return Err(DeclareError::InvalidChoices);
    }
    Ok(choices.into_iter().map(String::into_boxed_str).collect())
}
