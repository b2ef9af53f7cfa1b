//! What a compiled header is made of. Nothing here is looked up by name any more.

use http::{HeaderName, HeaderValue};
use secrecy::SecretString;

use crate::{Builtin, ClaimPath, Name};

pub(crate) struct Header {
    pub(crate) name: HeaderName,
    /// The name as it compares: in small letters, `-` for `_`.
    pub(crate) canonical: Box<str>,
    pub(crate) sensitive: bool,
    pub(crate) body: Body,
}

pub(crate) enum Body {
    Constant(HeaderValue),
    Composed {
        parts: Box<[Part]>,
        /// Bytes of all literals together.
        literals: usize,
        inserts: usize,
    },
}

impl Body {
    pub(crate) fn inserts(&self) -> impl Iterator<Item = &Insert> {
        let parts: &[Part] = match self {
            Self::Constant(_) => &[],
            Self::Composed { parts, .. } => parts,
        };
        parts.iter().filter_map(|part| match part {
            Part::Insert(insert) => Some(insert),
            Part::Literal(_) => None,
        })
    }
}

pub(crate) enum Part {
    Literal(Box<str>),
    Insert(Insert),
}

pub(crate) struct Insert {
    pub(crate) shape: Shape,
    pub(crate) fallback: Fallback,
}

pub(crate) enum Fallback {
    Refuse,
    Omit,
    Text(Box<str>),
}

pub(crate) enum Shape {
    Text(Input),
    Base64(Input),
    Basic(Operand, Operand),
    Json(Input),
    Join(Input, Box<str>),
}

impl Shape {
    pub(crate) fn inputs(&self) -> impl Iterator<Item = &Input> {
        let (first, second) = match self {
            Self::Text(input) | Self::Base64(input) | Self::Json(input) | Self::Join(input, _) => {
                (Some(input), None)
            }
            Self::Basic(user, password) => (user.input(), password.input()),
        };
        first.into_iter().chain(second)
    }
}

pub(crate) enum Operand {
    Input(Input),
    Literal(Box<str>),
}

impl Operand {
    fn input(&self) -> Option<&Input> {
        match self {
            Self::Input(input) => Some(input),
            Self::Literal(_) => None,
        }
    }
}

pub(crate) struct Input {
    pub(crate) name: Name,
    pub(crate) source: Source,
    pub(crate) secret: bool,
    /// Declared as not required: a header that uses it is left out while it is unset.
    pub(crate) optional: bool,
}

pub(crate) enum Source {
    Builtin(Builtin),
    Claim(ClaimPath),
    Declared { index: usize, default: Option<Box<str>> },
    Env(SecretString),
}
