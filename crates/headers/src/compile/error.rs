//! What can be wrong with templates, shown at the place.

use std::fmt::{self, Display, Formatter};
use std::ops::Range;

use crate::{CompileErrorKind, Template};

/// One thing that is wrong with a header, its template or a variable.
///
/// `{error}` is one line; `{error:#}` adds the template with a caret under the place. Both show the template's
/// own text, and never the value of a variable or of the environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompileError {
    kind: CompileErrorKind,
    header: Option<Box<str>>,
    template: Box<str>,
    span: Range<usize>,
}

impl CompileError {
    /// What is wrong.
    #[must_use]
    pub fn kind(&self) -> &CompileErrorKind {
        &self.kind
    }

    /// The header as it was given; `None` for a variable, and for a template that stands alone.
    #[must_use]
    pub fn header(&self) -> Option<&str> {
        self.header.as_deref()
    }

    /// The template as it was given; empty where the problem is with a name.
    #[must_use]
    pub fn template(&self) -> &str {
        &self.template
    }

    /// The place in [`Self::template`], in bytes, on character boundaries. Empty where the problem is with a name.
    ///
    /// [`offset_in_toml`](crate::offset_in_toml) makes a position in the file from it.
    #[must_use]
    pub fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    pub(crate) fn of_header(kind: CompileErrorKind, header: &str) -> Self {
        Self { kind, header: Some(header.into()), template: "".into(), span: 0..0 }
    }

    pub(crate) fn of_builder(kind: CompileErrorKind) -> Self {
        Self { kind, header: None, template: "".into(), span: 0..0 }
    }
}

impl Display for CompileError {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if let Some(header) = &self.header {
            write!(f, "header `{}`: ", header.escape_debug())?;
        }
        self.kind.fmt(f)?;
        if f.alternate() && !self.template.is_empty() && self.template.len() <= Template::MAX_LEN {
            show(f, &self.template, &self.span)?;
        }
        Ok(())
    }
}

impl std::error::Error for CompileError {}

/// All that is wrong, in the order in which it was given; never empty.
///
/// `{errors}` is one line; `{errors:#}` shows each with its template and a caret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompileErrors(Vec<CompileError>);

impl CompileErrors {
    /// The errors, at least one.
    pub fn iter(&self) -> std::slice::Iter<'_, CompileError> {
        self.0.iter()
    }

    pub(crate) fn unless_empty(
        errors: impl IntoIterator<Item = CompileError>,
    ) -> Result<(), CompileErrors> {
        let errors: Vec<_> = errors.into_iter().collect();
        if errors.is_empty() { Ok(()) } else { Err(Self(errors)) }
    }
}

impl<'a> IntoIterator for &'a CompileErrors {
    type Item = &'a CompileError;
    type IntoIter = std::slice::Iter<'a, CompileError>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl IntoIterator for CompileErrors {
    type Item = CompileError;
    type IntoIter = std::vec::IntoIter<CompileError>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl Display for CompileErrors {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(if f.alternate() { "\n" } else { "; " })?;
            }
            error.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for CompileErrors {}

/// A kind and a place, before it is known whose.
#[derive(Debug)]
pub(crate) struct Problem {
    pub(crate) kind: CompileErrorKind,
    span: Range<usize>,
}

impl Problem {
    pub(crate) fn new(kind: CompileErrorKind, span: Range<usize>) -> Self {
        Self { kind, span }
    }

    pub(crate) fn start(&self) -> usize {
        self.span.start
    }

    pub(crate) fn of_template(self, template: &str) -> CompileError {
        CompileError { kind: self.kind, header: None, template: template.into(), span: self.span }
    }

    pub(crate) fn of_header(self, header: &str, template: &str) -> CompileError {
        CompileError { header: Some(header.into()), ..self.of_template(template) }
    }
}

/// Control characters are shown as one `·` each, so that carets stay in line and terminals stay calm.
fn show(f: &mut Formatter<'_>, template: &str, span: &Range<usize>) -> fmt::Result {
    let columns = |range: Range<usize>| template.get(range).map_or(0, |text| text.chars().count());
    let calm = |character: char| if character.is_control() { '·' } else { character };
    let shown: String = template.chars().map(calm).collect();
    let before = columns(0..span.start);
    let under = columns(span.clone()).max(1);
    write!(f, "\n    {shown}\n    {:before$}{:^<under$}", "", "")
}
