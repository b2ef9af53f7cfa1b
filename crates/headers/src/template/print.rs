//! The canonical spelling.

use std::fmt::{self, Display, Formatter, Write as _};

use super::{Argument, Expression, Fallback, Insert, Reference, Segment, Template};
use crate::name::{write_quoted, write_segment};

impl Display for Template {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.segments.iter().try_for_each(|segment| match segment {
            Segment::Literal(text, _) => literal(f, text),
            Segment::Insert(insert) => insert.fmt(f),
        })
    }
}

impl Display for Insert {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "${{{}", self.expression)?;
        match &self.fallback {
            Fallback::Refuse => {}
            Fallback::Omit => f.write_char('?')?,
            Fallback::Text(text, _) => {
                f.write_str(":-")?;
                default(f, text)?;
            }
        }
        f.write_char('}')
    }
}

impl Display for Expression {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(reference) => reference.fmt(f),
            Self::Base64(reference) => write!(f, "base64({reference})"),
            Self::Basic(user, password) => write!(f, "basic({user}, {password})"),
            Self::Json(reference) => write!(f, "json({reference})"),
            Self::Join(reference, separator, _) => {
                write!(f, "join({reference}, ")?;
                write_quoted(f, separator)?;
                f.write_char(')')
            }
        }
    }
}

impl Display for Argument {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reference(reference) => reference.fmt(f),
            Self::Text(text, _) => write_quoted(f, text),
        }
    }
}

impl Display for Reference {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (index, segment) in self.segments.iter().enumerate() {
            if index > 0 {
                f.write_char('.')?;
            }
            write_segment(f, segment)?;
        }
        Ok(())
    }
}

/// Every dollar sign is doubled, which is right whatever follows it.
fn literal(f: &mut Formatter<'_>, text: &str) -> fmt::Result {
    text.chars().try_for_each(|character| match character {
        '$' => f.write_str("$$"),
        other => f.write_char(other),
    })
}

fn default(f: &mut Formatter<'_>, text: &str) -> fmt::Result {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./+".contains(&byte);
    if text.bytes().all(plain) { f.write_str(text) } else { write_quoted(f, text) }
}
