//! The variables that a tenant's users fill in.

mod declaration;
mod error;
mod pattern;

use secrecy::{ExposeSecret, SecretString};

pub use declaration::Declaration;
pub use error::{DeclareError, ValueError};
use pattern::Pattern;

use crate::VariableName;

/// A value that each user gives once, such as an API key.
///
/// It is required and secret unless declared otherwise. A secret one is write-only: it can be set and used, and
/// never shown again.
///
/// ```
/// use bonafide_headers::{DeclareError, Variable, ValueError};
///
/// let token = Variable::builder("GITHUB_TOKEN".parse()?)
///     .with_title("Personal access token")
///     .with_pattern("^gh[pousr]_[A-Za-z0-9]{36,}$")
///     .build()?;
/// assert!(token.is_secret() && token.is_required());
/// assert_eq!(token.check(&"hunter2".into()), Err(ValueError::PatternMismatch));
///
/// let shared = Variable::builder("API_KEY".parse()?).with_default("s3cret").build();
/// assert_eq!(shared.unwrap_err(), DeclareError::SecretDefault);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable {
    name: VariableName,
    title: Option<Box<str>>,
    description: Option<Box<str>>,
    required: bool,
    secret: bool,
    default: Option<Box<str>>,
    pattern: Option<Pattern>,
    choices: Vec<Box<str>>,
    min_length: usize,
    max_length: usize,
}

impl Variable {
    /// The longest value, in bytes, whatever the declaration says: what common servers take as one header.
    pub const MAX_VALUE_LEN: usize = 8192;

    /// Starts a declaration.
    pub fn builder(name: VariableName) -> VariableBuilder {
        VariableBuilder { name, declaration: Declaration::default() }
    }

    /// A required, secret variable without further rules.
    #[must_use]
    pub fn new(name: VariableName) -> Self {
        Self {
            name,
            title: None,
            description: None,
            required: true,
            secret: true,
            default: None,
            pattern: None,
            choices: Vec::new(),
            min_length: 0,
            max_length: Self::MAX_VALUE_LEN,
        }
    }

    /// Its name, as templates have it.
    #[must_use]
    pub fn name(&self) -> &VariableName {
        &self.name
    }

    /// A short label; the name if none was given.
    #[must_use]
    pub fn title(&self) -> &str {
        self.title.as_deref().unwrap_or_else(|| self.name.as_str())
    }

    /// What it is and where the user gets one.
    #[must_use]
    pub fn description(&self) -> Option<&str> {
        self.description.as_deref()
    }

    /// Whether requests are refused until it is set. If not, headers that use it are left out meanwhile.
    #[must_use]
    pub fn is_required(&self) -> bool {
        self.required
    }

    /// Whether it must never be shown again. If not, it may be shown to its owner.
    #[must_use]
    pub fn is_secret(&self) -> bool {
        self.secret
    }

    /// What is used while the user has set nothing. Never for a secret.
    #[must_use]
    pub fn default_value(&self) -> Option<&str> {
        self.default.as_deref()
    }

    /// The regular expression that the whole value has to match, as it was declared.
    #[must_use]
    pub fn pattern(&self) -> Option<&str> {
        self.pattern.as_ref().map(Pattern::as_str)
    }

    /// The only values allowed; empty if there is no such list.
    pub fn choices(&self) -> impl ExactSizeIterator<Item = &str> {
        self.choices.iter().map(AsRef::as_ref)
    }

    /// The shortest value, in characters.
    #[must_use]
    pub fn min_length(&self) -> usize {
        self.min_length
    }

    /// The longest value, in characters.
    #[must_use]
    pub fn max_length(&self) -> usize {
        self.max_length
    }

    /// Whether a user may store this value. Call it before storing.
    ///
    /// A line break at the end, as copying from a terminal leaves it, is refused and not trimmed: what is stored
    /// is what the user sent. A page may trim before it calls this; a browser's one-line field does.
    ///
    /// # Errors
    ///
    /// The first rule that the value breaks; the value is not part of it.
    pub fn check(&self, value: &SecretString) -> Result<(), ValueError> {
        self.check_text(value.expose_secret())
    }

    fn check_text(&self, value: &str) -> Result<(), ValueError> {
        if value.trim().is_empty() {
            return Err(ValueError::Empty);
        }
        if value.len() > Self::MAX_VALUE_LEN {
            return Err(ValueError::TooLong { max: self.max_length });
        }
        if value.trim_end_matches(['\r', '\n']).chars().any(char::is_control) {
            return Err(ValueError::ControlCharacter);
        }
        if value.ends_with(['\r', '\n']) {
            return Err(ValueError::TrailingLineBreak);
        }
        if value.trim() != value {
            return Err(ValueError::OuterSpace);
        }
        self.check_rules(value)
    }

    fn check_rules(&self, value: &str) -> Result<(), ValueError> {
        let length = value.chars().count();
        if length < self.min_length {
            return Err(ValueError::TooShort { min: self.min_length });
        }
        if length > self.max_length {
            return Err(ValueError::TooLong { max: self.max_length });
        }
        if !self.choices.is_empty() && !self.choices().any(|choice| choice == value) {
            return Err(ValueError::NotAChoice);
        }
        match &self.pattern {
            Some(pattern) if !pattern.is_match(value) => Err(ValueError::PatternMismatch),
            _ => Ok(()),
        }
    }
}

/// Builds a [`Variable`].
#[derive(Debug, Clone)]
#[must_use]
pub struct VariableBuilder {
    name: VariableName,
    declaration: Declaration,
}

impl VariableBuilder {
    /// A short label.
    pub fn with_title(mut self, title: &str) -> Self {
        self.declaration.title = Some(title.to_owned());
        self
    }

    /// What it is and where the user gets one.
    pub fn with_description(mut self, description: &str) -> Self {
        self.declaration.description = Some(description.to_owned());
        self
    }

    /// Whether requests are refused until it is set; `true` by default.
    pub fn with_required(mut self, required: bool) -> Self {
        self.declaration.required = required;
        self
    }

    /// Whether it must never be shown again; `true` by default.
    pub fn with_secret(mut self, secret: bool) -> Self {
        self.declaration.secret = secret;
        self
    }

    /// What is used while the user has set nothing. Needs `with_secret(false)`.
    pub fn with_default(mut self, default: &str) -> Self {
        self.declaration.default = Some(default.to_owned());
        self
    }

    /// A regular expression (the syntax of `regex-lite`) that the whole value has to match.
    pub fn with_pattern(mut self, pattern: &str) -> Self {
        self.declaration.pattern = Some(pattern.to_owned());
        self
    }

    /// The only values allowed.
    pub fn with_choices<T: Into<String>>(mut self, choices: impl IntoIterator<Item = T>) -> Self {
        self.declaration.choices = Some(choices.into_iter().map(Into::into).collect());
        self
    }

    /// The shortest value, in characters.
    pub fn with_min_length(mut self, min: usize) -> Self {
        self.declaration.min_length = Some(min);
        self
    }

    /// The longest value, in characters.
    pub fn with_max_length(mut self, max: usize) -> Self {
        self.declaration.max_length = Some(max);
        self
    }

    /// Checks the declaration.
    ///
    /// # Errors
    ///
    /// A pattern that does not compile, a default for a secret, or rules that contradict each other.
    pub fn build(self) -> Result<Variable, DeclareError> {
        Variable::declare(self.name, self.declaration)
    }
}

#[cfg(test)]
mod tests;
