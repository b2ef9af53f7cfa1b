//! A template as it is written, before its names mean anything.

mod parse;
mod print;

use std::ops::Range;

pub(crate) use parse::check_ends;

use crate::CompileErrors;

/// The text of one header, parsed but not yet bound to any variables.
///
/// Mostly of use to programs that check, convert or print templates; to render some, give their text to
/// [`Templates::builder`](crate::Templates::builder). `Display` prints the canonical spelling, which parses to
/// an equal template.
///
/// ```
/// use bonafide_headers::Template;
///
/// let template: Template = "Bearer $<GITHUB_TOKEN>".parse()?;
/// assert_eq!(template.to_string(), "Bearer ${GITHUB_TOKEN}");
/// assert!("Bearer ${GITHUB_TOKEN".parse::<Template>().is_err());
/// # Ok::<(), bonafide_headers::CompileErrors>(())
/// ```
///
/// `Debug` shows literal text. A credential belongs in a variable or in `env.<NAME>`, not in a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    pub(crate) segments: Vec<Segment>,
}

impl Template {
    /// The longest template, in bytes.
    pub const MAX_LEN: usize = 4096;

    /// Reads a template.
    ///
    /// # Errors
    ///
    /// All that is wrong with its syntax, each with its place.
    pub fn parse(text: &str) -> Result<Self, CompileErrors> {
        let (template, problems) = parse::parse(text);
        CompileErrors::unless_empty(problems.into_iter().map(|problem| problem.of_template(text)))?;
        Ok(template)
    }

    pub(crate) fn parse_problems(text: &str) -> (Self, Vec<crate::compile::Problem>) {
        parse::parse(text)
    }
}

impl std::str::FromStr for Template {
    type Err = CompileErrors;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

/// Literal segments are never empty and never stand side by side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Segment {
    Literal(String, Span),
    Insert(Insert),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Insert {
    pub(crate) expression: Expression,
    pub(crate) fallback: Fallback,
    pub(crate) span: Span,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Expression {
    Value(Reference),
    Base64(Reference),
    Basic(Argument, Argument),
    Json(Reference),
    Join(Reference, String, Span),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Argument {
    Reference(Reference),
    Text(String, Span),
}

/// A dotted name: at least one segment, only the first is certain to be a plain word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reference {
    pub(crate) segments: Vec<String>,
    pub(crate) span: Span,
}

/// What happens when the value is missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fallback {
    Refuse,
    Omit,
    Text(String, Span),
}

/// Where something stands in the text. Not part of its meaning: all spans are equal, so that a template and its
/// canonical spelling are.
#[derive(Debug, Clone)]
pub(crate) struct Span(pub(crate) Range<usize>);

impl PartialEq for Span {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Span {}

#[cfg(test)]
mod tests;
