//! The value of one placeholder: resolved, checked, of known length, not yet written.

use std::fmt::Write as _;

use secrecy::ExposeSecret;
use serde_json::Value as Json;

use super::base64::{Encoder, encoded_len};
use super::json::{self, Counter, Sink, Written};
use super::scan::{self, Class, ENCODED_END, ENCODED_START};
use super::{Failure, ValueProblem};
use crate::compile::{Input, Operand, Shape, Source};
use crate::{Value, Variables};

#[derive(Clone, Copy)]
pub(super) enum Piece<'a> {
    /// As it is.
    Raw(&'a str),
    /// A number or a boolean.
    Scalar(&'a Json),
    /// As `=?base64?…?=`.
    Encoded(&'a str),
    Base64(&'a str),
    Basic(&'a str, &'a str),
    Json(Value<'a>),
    Join {
        items: Value<'a>,
        separator: &'a str,
        encoded: bool,
    },
}

impl Piece<'_> {
    #[inline]
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Raw(text) => text.len(),
            Self::Encoded(text) => {
                ENCODED_START.len() + encoded_len(text.len()) + ENCODED_END.len()
            }
            Self::Base64(text) => encoded_len(text.len()),
            Self::Basic(user, password) => encoded_len(user.len() + 1 + password.len()),
            Self::Scalar(_) | Self::Json(_) | Self::Join { .. } => {
                let mut counter = Counter::default();
                self.write(&mut counter);
                counter.0
            }
        }
    }

    #[inline]
    pub(super) fn write(&self, out: &mut impl Sink) {
        match self {
            Self::Raw(text) => out.put(text.as_bytes()),
            Self::Scalar(json) => {
                // A `Sink` takes everything, so there is no error to pass on.
                let _ = write!(Written(out), "{json}");
            }
            Self::Encoded(text) => encode(out, |encoder| encoder.feed(text.as_bytes())),
            Self::Base64(text) => {
                let mut encoder = Encoder::new(out);
                encoder.feed(text.as_bytes());
                encoder.finish();
            }
            Self::Basic(user, password) => {
                let mut encoder = Encoder::new(out);
                encoder.feed(user.as_bytes());
                encoder.feed(b":");
                encoder.feed(password.as_bytes());
                encoder.finish();
            }
            Self::Json(value) => json::write(out, *value),
            Self::Join { items, separator, encoded: false } => {
                joined(*items, separator, |bytes| out.put(bytes));
            }
            Self::Join { items, separator, encoded: true } => {
                encode(out, |encoder| joined(*items, separator, |bytes| encoder.feed(bytes)));
            }
        }
    }
}

impl Shape {
    #[inline]
    pub(super) fn piece<'a>(
        &'a self,
        variables: &'a dyn Variables,
    ) -> Result<Piece<'a>, Failure<'a>> {
        match self {
            Self::Text(input) => text(input, variables),
            Self::Base64(input) => coded(input, variables).map(Piece::Base64),
            Self::Basic(user, password) => basic(user, password, variables),
            Self::Json(input) => as_json(input, variables),
            Self::Join(input, separator) => join(input, separator, variables),
        }
    }
}

impl Input {
    /// The value with every kind of missing made one, and a JSON text made a text.
    pub(super) fn value<'a>(&'a self, variables: &'a dyn Variables) -> Value<'a> {
        let value = match &self.source {
            Source::Declared { index, default } => {
                let stored = variables.declared(*index).map(ExposeSecret::expose_secret);
                let stored = stored.filter(|text| !scan::is_blank(text)).or(default.as_deref());
                return Value::from(stored);
            }
            Source::Builtin(builtin) => variables.builtin(*builtin),
            Source::Claim(path) => variables.claim(path),
            Source::Env(value) => return Value::Text(value.expose_secret()),
        };
        match value {
            Value::Json(Json::Null) => Value::Missing,
            Value::Text(text) if scan::is_blank(text) => Value::Missing,
            Value::Json(Json::String(text)) if scan::is_blank(text) => Value::Missing,
            Value::Json(Json::String(text)) => Value::Text(text),
            value => value,
        }
    }
}

#[inline]
fn text<'a>(input: &'a Input, variables: &'a dyn Variables) -> Result<Piece<'a>, Failure<'a>> {
    let text = match input.value(variables) {
        Value::Missing => return Err(Failure::Missing(input)),
        Value::Text(text) => text,
        Value::Json(json @ (Json::Number(_) | Json::Bool(_))) => return Ok(Piece::Scalar(json)),
        Value::Json(_) | Value::List(_) => {
            return Err(Failure::Value(input, ValueProblem::NotText));
        }
    };
    if input.secret {
        let checked = scan::check_secret_text(text);
        return checked
            .map(|()| Piece::Raw(text))
            .map_err(|problem| Failure::Value(input, problem));
    }
    match scan::class(text) {
        Class::Control => Err(Failure::Value(input, ValueProblem::ControlCharacter)),
        Class::Wide => Ok(Piece::Encoded(text)),
        Class::Plain if scan::has_outer_space(text) || scan::starts_encoded(text) => {
            Ok(Piece::Encoded(text))
        }
        Class::Plain => Ok(Piece::Raw(text)),
    }
}

#[inline]
fn coded<'a>(input: &'a Input, variables: &'a dyn Variables) -> Result<&'a str, Failure<'a>> {
    match input.value(variables) {
        Value::Missing => Err(Failure::Missing(input)),
        Value::Text(text) => match scan::check_coded(text) {
            Ok(()) => Ok(text),
            Err(problem) => Err(Failure::Value(input, problem)),
        },
        Value::Json(_) | Value::List(_) => Err(Failure::Value(input, ValueProblem::NotText)),
    }
}

/// If either is missing and may be, that decides: the header is left out rather than refused.
#[inline]
fn basic<'a>(
    user: &'a Operand,
    password: &'a Operand,
    variables: &'a dyn Variables,
) -> Result<Piece<'a>, Failure<'a>> {
    match (operand(user, variables), operand(password, variables)) {
        (Ok(name), Ok(_)) if name.as_bytes().contains(&b':') => match user {
            Operand::Input(input) => Err(Failure::Value(input, ValueProblem::ColonInUserId)),
            Operand::Literal(_) => Err(Failure::Header(super::HeaderProblem::Invalid)),
        },
        (Ok(user), Ok(password)) => Ok(Piece::Basic(user, password)),
        (_, Err(Failure::Missing(input))) if input.optional => Err(Failure::Missing(input)),
        (Err(missing @ Failure::Missing(_)), _) | (_, Err(missing @ Failure::Missing(_))) => {
            Err(missing)
        }
        (Err(failure), _) | (_, Err(failure)) => Err(failure),
    }
}

#[inline]
fn operand<'a>(operand: &'a Operand, variables: &'a dyn Variables) -> Result<&'a str, Failure<'a>> {
    match operand {
        Operand::Literal(text) => Ok(text),
        Operand::Input(input) => coded(input, variables),
    }
}

fn as_json<'a>(input: &'a Input, variables: &'a dyn Variables) -> Result<Piece<'a>, Failure<'a>> {
    let value = input.value(variables);
    match (value, json::class(value)) {
        (Value::Missing, _) => Err(Failure::Missing(input)),
        (_, Class::Control) => Err(Failure::Value(input, ValueProblem::ControlCharacter)),
        (_, Class::Wide) if input.secret => Err(Failure::Value(input, ValueProblem::NotAscii)),
        _ => Ok(Piece::Json(value)),
    }
}

fn join<'a>(
    input: &'a Input,
    separator: &'a str,
    variables: &'a dyn Variables,
) -> Result<Piece<'a>, Failure<'a>> {
    let items = input.value(variables);
    let texts = match items {
        Value::Missing => return Err(Failure::Missing(input)),
        Value::Json(Json::Array(array)) => array.iter().all(Json::is_string),
        Value::Json(_) => false,
        Value::Text(_) | Value::List(_) => true,
    };
    if !texts {
        return Err(Failure::Value(input, ValueProblem::NotAList));
    }
    let mut list = Inspected::default();
    json::visit(items, &mut |item| list.add(item, separator));
    match list.problem {
        Some(problem) => Err(Failure::Value(input, problem)),
        None if list.count == 0 => Err(Failure::Missing(input)),
        None => Ok(Piece::Join { items, separator, encoded: list.encoded || list.ends_in_space }),
    }
}

/// What the items of a list come to.
#[derive(Default)]
struct Inspected {
    count: usize,
    problem: Option<ValueProblem>,
    encoded: bool,
    ends_in_space: bool,
}

impl Inspected {
    fn add(&mut self, item: &str, separator: &str) {
        let class = scan::class(item);
        let problem = if class == Class::Control {
            Some(ValueProblem::ControlCharacter)
        } else if scan::is_blank(item) {
            Some(ValueProblem::EmptyItem)
        } else if item.contains(separator) {
            Some(ValueProblem::SeparatorInItem)
        } else {
            None
        };
        self.problem = self.problem.or(problem);
        self.encoded |= class == Class::Wide;
        self.encoded |= self.count == 0 && (item.starts_with(' ') || scan::starts_encoded(item));
        self.ends_in_space = item.ends_with(' ');
        self.count += 1;
    }
}

fn joined(items: Value<'_>, separator: &str, mut put: impl FnMut(&[u8])) {
    let mut first = true;
    json::visit(items, &mut |item| {
        if !std::mem::take(&mut first) {
            put(separator.as_bytes());
        }
        put(item.as_bytes());
    });
}

fn encode<S: Sink>(out: &mut S, feed: impl FnOnce(&mut Encoder<'_, S>)) {
    out.put(ENCODED_START.as_bytes());
    let mut encoder = Encoder::new(out);
    feed(&mut encoder);
    encoder.finish();
    out.put(ENCODED_END.as_bytes());
}
