//! Rules in TOML.
//!
//! Every rule is read to its end, whatever is wrong with it: what is misread goes into the rule, and building
//! the policy reports it with everything else.

mod value;

use std::ops::Range;
use std::sync::Arc;

use serde::{Deserialize, Deserializer};

use crate::error::{Key, PolicyError, PolicyErrors, Problem, Source};
use crate::rule::{Effect, List, Rule, RuleUser, Text};
use value::{Spanned, Table, Value};

/// The `[policy]` part of a configuration, or a policy file of its own: a list of rules.
///
/// ```toml
/// [[rules]]
/// id      = "github-team"
/// groups  = ["MCP-GitHub"]
/// tenants = ["github"]
/// tools   = ["*"]                      # default
/// # effect = "deny"                    # default "allow"
/// # roles, scopes, users, issuer       # other conditions: all that are given must hold
/// # subtree = true                     # the groups are paths, and stand for what is below them too
/// ```
///
/// Reads TOML only: a rule remembers where in the file it stands, and no other format says so. What is wrong
/// with a rule, unknown keys and wrong types included, is reported by
/// [`PolicyBuilder::build`](crate::PolicyBuilder::build), all of it at once.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct PolicyConfig {
    /// The rules.
    #[serde(default)]
    pub rules: Vec<Rule>,
}

impl PolicyConfig {
    /// Reads a policy file.
    ///
    /// # Errors
    ///
    /// One [`Problem::Syntax`] if the text is no TOML, or not a list of `[[rules]]`.
    pub fn from_toml(text: &str) -> Result<Self, PolicyErrors> {
        Self::read(None, text)
    }

    pub(crate) fn read(file: Option<&str>, text: &str) -> Result<Self, PolicyErrors> {
        let source = Arc::new(Source::new(file, text));
        let read = toml::from_str::<Self>(text);
        let mut config = read.map_err(|error| PolicyErrors::one(syntax(&error, &source)))?;
        for rule in &mut config.rules {
            rule.source = Some(Arc::clone(&source));
        }
        Ok(config)
    }
}

fn syntax(error: &toml::de::Error, source: &Source) -> PolicyError {
    let message = match error.message() {
        // The parser's own name for the type shows up here, and helps nobody.
        date if date.contains("datetime") => "no key of a policy takes a date".to_owned(),
        message => message.lines().collect::<Vec<_>>().join(", "),
    };
    let span = error.span();
    PolicyError {
        rule: None,
        id: None,
        key: Key::Whole,
        file: source.file.clone(),
        row: None,
        line: span.as_ref().map(|span| source.line(span.start)),
        span,
        problem: Problem::Syntax { message },
    }
}

impl<'de> Deserialize<'de> for Rule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let read = Spanned::<Value>::deserialize(deserializer)?;
        let span = read.span();
        let mut rule = Self::new(None, Effect::Allow);
        rule.span = Some(span.clone());
        match read.into_inner() {
            Value::Table(table) => rule.read(table),
            other => rule.misread(Key::Whole, span, &other, "a table, `[[rules]]`"),
        }
        Ok(rule)
    }
}

impl Rule {
    fn read(&mut self, table: Table) {
        for (name, value) in table {
            let span = value.span();
            let value = value.into_inner();
            match name.get_ref().as_str() {
                "id" => self.id = self.text(Key::Id, span, value, "a text, `\"…\"`"),
                "issuer" => self.issuer = self.text(Key::Issuer, span, value, "a text, `\"…\"`"),
                "effect" => self.read_effect(span, &value),
                "subtree" => match value {
                    Value::Bool(subtree) => self.subtree = subtree,
                    other => self.misread(Key::Subtree, span, &other, "`true` or `false`"),
                },
                "groups" => self.groups = self.texts(Key::Groups, span, value),
                "roles" => self.roles = self.texts(Key::Roles, span, value),
                "scopes" => self.scopes = self.texts(Key::Scopes, span, value),
                "tenants" => self.tenants = self.texts(Key::Tenants, span, value),
                "tools" => self.tools = self.texts(Key::Tools, span, value),
                "users" => self.users = self.list(Key::Users, span, value, Self::user),
                _ => {
                    let (span, key) = (name.span(), name.into_inner());
                    self.misread.push((Key::Whole, Some(span), Problem::UnknownKey { key }));
                }
            }
        }
    }

    fn misread(&mut self, key: Key, span: Range<usize>, value: &Value, expected: &'static str) {
        let problem = Problem::WrongType { found: value.what(), expected };
        self.misread.push((key, Some(span), problem));
    }

    fn read_effect(&mut self, span: Range<usize>, value: &Value) {
        match value {
            Value::Text(text) if text == "allow" => self.effect = Effect::Allow,
            Value::Text(text) if text == "deny" => self.effect = Effect::Deny,
            _ => self.misread.push((Key::Effect, Some(span), Problem::Effect)),
        }
    }

    fn text(
        &mut self,
        key: Key,
        span: Range<usize>,
        value: Value,
        expected: &'static str,
    ) -> Option<Text> {
        match value {
            Value::Text(value) => Some(Text { value, span: Some(span) }),
            other => {
                self.misread(key, span, &other, expected);
                None
            }
        }
    }

    fn texts(&mut self, key: Key, span: Range<usize>, value: Value) -> Option<List<Text>> {
        self.list(key, span, value, move |rule, span, value| {
            rule.text(key, span, value, "a text, `\"…\"`")
        })
    }

    /// A list without the items that are misread, or `None` if it is no list.
    fn list<T>(
        &mut self,
        key: Key,
        span: Range<usize>,
        value: Value,
        mut read: impl FnMut(&mut Self, Range<usize>, Value) -> Option<T>,
    ) -> Option<List<T>> {
        let Value::List(values) = value else {
            self.misread(key, span, &value, "a list, `[\"…\"]`");
            return None;
        };
        if values.is_empty() {
            self.misread.push((key, Some(span), Problem::Empty));
            return None;
        }
        let mut items = Vec::with_capacity(values.len());
        for value in values {
            items.extend(read(self, value.span(), value.into_inner()));
        }
        // A list of which nothing could be read is reported already, and not for being empty.
        (!items.is_empty()).then_some(List { items, span: Some(span) })
    }

    fn user(&mut self, span: Range<usize>, value: Value) -> Option<RuleUser> {
        const EXPECTED: &str = "a subject, `\"…\"`, or `{ directory = \"…\", subject = \"…\" }`";
        let table = match value {
            Value::Table(table) => table,
            other => {
                let subject = self.text(Key::Users, span, other, EXPECTED)?;
                return Some(RuleUser { directory: None, subject });
            }
        };
        let (mut directory, mut subject) = (None, None);
        for (name, value) in table {
            let (at, value) = (value.span(), value.into_inner());
            match name.get_ref().as_str() {
                "directory" => directory = Some(self.text(Key::Users, at, value, EXPECTED)?),
                "subject" => subject = Some(self.text(Key::Users, at, value, EXPECTED)?),
                _ => {
                    self.misread(Key::Users, name.span(), &Value::Key, EXPECTED);
                    return None;
                }
            }
        }
        if subject.is_none() {
            self.misread(Key::Users, span, &Value::Table(Table::new()), EXPECTED);
        }
        Some(RuleUser { directory, subject: subject? })
    }
}

#[cfg(test)]
mod tests;
