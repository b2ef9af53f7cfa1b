//! Templates of other products, read into ours.

mod tables;

use std::ops::Range;

use tables::Outcome;

use crate::compile::Problem;
use crate::name::{is_name_byte, is_name_start};
use crate::template::check_ends;
use crate::{CompileErrorKind as Kind, CompileErrors, Template, VariableName};

/// A product whose header templates can be taken over.
///
/// Only the spelling is converted. The behaviour is ours: where these products send an empty text or the placeholder
/// itself when a value is missing, a render is refused. What has no equivalent is an error that says why.
///
/// | Open WebUI | here | |
/// |---|---|---|
/// | `{{USER_ID}}` | `${user.subject}` | the `sub` of the token that Open WebUI signs is this id |
/// | `{{USER_NAME}}` | `${name}` | theirs is percent-encoded, ours `=?base64?…?=` if it is not plain ASCII |
/// | `{{USER_EMAIL}}` | `${email}` | |
/// | `{{USER_ROLE}}` | `${claims.role}` | |
/// | `{{USER_GROUPS}}` | `${join(groups, ",")}` | theirs percent-encodes each name; ours refuses a name with a comma |
/// | `{{USER_GROUP_IDS}}` | – | ids of Open WebUI's own database |
/// | `{{CHAT_ID}}`, `{{MESSAGE_ID}}`, `{{USER_MESSAGE_ID}}`, `{{USER_MESSAGE_PARENT_ID}}`, `{{FILE_ID}}`, `{{FILE_NAME}}`, `{{FILE_CONTENT_TYPE}}`, `{{TASK}}`, `{{USER_AGENT}}` | – | about the conversation, not about a verified user |
///
/// | LibreChat | here | |
/// |---|---|---|
/// | `{{LIBRECHAT_USER_ID}}` | `${user.id}` | theirs is an id of LibreChat's database; ours is issuer and subject |
/// | `{{LIBRECHAT_USER_USERNAME}}`, `…_NAME}}`, `…_EMAIL}}` | `${username}`, `${name}`, `${email}` | |
/// | `{{LIBRECHAT_USER_OPENIDID}}`, `{{LIBRECHAT_OPENID_USER_ID}}` | `${user.subject}` | |
/// | `{{LIBRECHAT_OPENID_USER_EMAIL}}`, `…_USER_NAME}}`, `…_EXPIRES_AT}}` | `${email}`, `${name}`, `${claims.exp}` | |
/// | `{{LIBRECHAT_USER_EMAILVERIFIED}}` | `${claims.email_verified}` | |
/// | `{{LIBRECHAT_USER_ROLE}}`, `…_PROVIDER}}`, `…_TWOFACTORENABLED}}`, `…_TERMSACCEPTED}}`, `…_GOOGLEID}}` and other providers' ids | – | from LibreChat's database |
/// | `{{LIBRECHAT_OPENID_TOKEN}}`, `…_ACCESS_TOKEN}}`, `…_ID_TOKEN}}`, `{{LIBRECHAT_GRAPH_ACCESS_TOKEN}}` | – | the caller's token never goes to a backend |
/// | `{{LIBRECHAT_BODY_…}}` | – | about the conversation |
/// | `{{MY_KEY}}` of `customUserVars` | `${MY_KEY}` | declare the variable |
/// | `${NAME}` | `${env.NAME}` | allow the variable with `with_env` |
///
/// | Onyx | here | |
/// |---|---|---|
/// | `{user_email}` | `${email}` | |
/// | `{key}` | `${key}` | declare the variable |
///
/// As of Open WebUI 0.12 ([`utils/headers.py`][1]), LibreChat ([MCP servers][2]; `packages/api/src/utils/env.ts`) and Onyx
/// ([`features/mcp/models.py`][3]).
///
/// [1]: https://github.com/open-webui/open-webui/blob/main/backend/open_webui/utils/headers.py
/// [2]: https://www.librechat.ai/docs/configuration/librechat_yaml/object_structure/mcp_servers
/// [3]: https://github.com/onyx-dot-app/onyx/blob/main/backend/onyx/server/features/mcp/models.py
///
/// ```
/// use bonafide_headers::Dialect;
///
/// let converted = Dialect::LibreChat.convert("Bearer {{MY_KEY}}")?;
/// assert_eq!(converted.template().to_string(), "Bearer ${MY_KEY}");
/// assert_eq!(converted.variables()[0].as_str(), "MY_KEY");
/// assert!(Dialect::OpenWebUi.convert("{{CHAT_ID}}").is_err());
/// # Ok::<(), bonafide_headers::CompileErrors>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Dialect {
    /// Open WebUI: `{{USER_NAME}}`.
    OpenWebUi,
    /// LibreChat: `{{LIBRECHAT_USER_ID}}`, `{{MY_KEY}}` and `${NAME}`.
    LibreChat,
    /// Onyx: `{user_email}` and `{key}`.
    Onyx,
}

impl Dialect {
    /// Reads a template of that product.
    ///
    /// # Errors
    ///
    /// All placeholders without an equivalent, each with its place in the original.
    pub fn convert(self, template: &str) -> Result<Converted, CompileErrors> {
        let mut conversion = Conversion::new(self);
        conversion.read(template);
        check_ends(template, &mut conversion.problems);
        conversion.problems.sort_by_key(Problem::start);
        let problems = conversion.problems.into_iter().map(|problem| problem.of_template(template));
        CompileErrors::unless_empty(problems)?;
        Ok(Converted {
            template: Template::parse(&conversion.text)?,
            variables: conversion.variables,
            env: conversion.env,
        })
    }

    fn brackets(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::OpenWebUi => &[("{{", "}}")],
            Self::LibreChat => &[("{{", "}}"), ("${", "}")],
            Self::Onyx => &[("{", "}")],
        }
    }

    fn table(self) -> &'static [(&'static str, Outcome)] {
        match self {
            Self::OpenWebUi => tables::OPEN_WEBUI,
            Self::LibreChat => tables::LIBRECHAT,
            Self::Onyx => tables::ONYX,
        }
    }
}

/// A template of another product in our spelling, and what has to be declared for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Converted {
    template: Template,
    variables: Vec<VariableName>,
    env: Vec<String>,
}

impl Converted {
    /// The template; `to_string` gives its text.
    #[must_use]
    pub fn template(&self) -> &Template {
        &self.template
    }

    /// The variables to declare, each once, in order of use.
    #[must_use]
    pub fn variables(&self) -> &[VariableName] {
        &self.variables
    }

    /// The environment variables to allow, each once, in order of use.
    #[must_use]
    pub fn env(&self) -> &[String] {
        &self.env
    }
}

struct Conversion {
    dialect: Dialect,
    text: String,
    variables: Vec<VariableName>,
    env: Vec<String>,
    problems: Vec<Problem>,
}

impl Conversion {
    fn new(dialect: Dialect) -> Self {
        let (variables, env, problems) = (Vec::new(), Vec::new(), Vec::new());
        Self { dialect, text: String::new(), variables, env, problems }
    }

    fn read(&mut self, template: &str) {
        let mut position = 0;
        while let Some(rest) = template.get(position..).filter(|rest| !rest.is_empty()) {
            let opened = self.dialect.brackets().iter().find(|(open, _)| rest.starts_with(open));
            position += match opened.and_then(|(open, close)| inner(rest, open, close)) {
                Some((name, length)) => {
                    self.placeholder(name, rest.starts_with('$'), position..position + length);
                    length
                }
                None => self.literal(rest, position),
            };
        }
    }

    fn placeholder(&mut self, name: &str, is_env: bool, span: Range<usize>) {
        if is_env {
            return self.env(name, span);
        }
        let known = self.dialect.table().iter().find(|(theirs, _)| *theirs == name);
        match (known, self.dialect) {
            (Some((_, Outcome::Is(ours))), _) => self.text.push_str(ours),
            (Some((_, Outcome::Nothing(reason))), _) => self.refuse(name, reason, span),
            (None, Dialect::OpenWebUi) => self.refuse(name, tables::UNKNOWN, span),
            (None, Dialect::LibreChat) if name.starts_with("LIBRECHAT_") => {
                self.refuse(name, tables::UNKNOWN, span);
            }
            (None, _) => self.variable(name, span),
        }
    }

    fn variable(&mut self, name: &str, span: Range<usize>) {
        let Ok(variable) = name.parse::<VariableName>() else {
            return self.refuse(name, tables::BAD_NAME, span);
        };
        self.insert(name);
        if !self.variables.contains(&variable) {
            self.variables.push(variable);
        }
    }

    fn env(&mut self, name: &str, span: Range<usize>) {
        let mut bytes = name.bytes();
        if !bytes.next().is_some_and(is_name_start) || !bytes.all(is_name_byte) {
            return self.refuse(name, tables::BAD_NAME, span);
        }
        self.insert(&format!("env.{name}"));
        if !self.env.iter().any(|known| known == name) {
            self.env.push(name.to_owned());
        }
    }

    fn insert(&mut self, name: &str) {
        self.text.push_str("${");
        self.text.push_str(name);
        self.text.push('}');
    }

    /// One character that stands for itself.
    fn literal(&mut self, rest: &str, position: usize) -> usize {
        let Some(found) = rest.chars().next() else { return 0 };
        let length = found.len_utf8();
        match found {
            '$' => self.text.push_str("$$"),
            ' '..='~' => self.text.push(found),
            _ => {
                let kind = Kind::InvalidCharacter { found };
                self.problems.push(Problem::new(kind, position..position + length));
            }
        }
        length
    }

    fn refuse(&mut self, name: &str, reason: &'static str, span: Range<usize>) {
        let kind = Kind::NoEquivalent { placeholder: name.to_owned(), reason };
        self.problems.push(Problem::new(kind, span));
    }
}

/// The name between the brackets and the length with them. Brackets around nothing, or never closed, are text.
fn inner<'a>(rest: &'a str, open: &str, close: &str) -> Option<(&'a str, usize)> {
    let name = rest.strip_prefix(open)?;
    let name = name.get(..name.find(close)?).filter(|name| !name.is_empty())?;
    Some((name, open.len() + name.len() + close.len()))
}

#[cfg(test)]
mod tests;
