//! JSON in a header: compact, and plain ASCII with everything else as `\uXXXX` (RFC 8259, section 7).

use std::fmt::{self, Write as _};

use serde_json::Value as Json;

use super::base64::encode;
use super::scan::{self, Class};
use crate::Value;

/// Where a value is written; counting first and writing then goes through the same code.
pub(super) trait Sink {
    fn put(&mut self, bytes: &[u8]);

    fn put_base64(&mut self, triples: &[[u8; 3]]);
}

impl Sink for Vec<u8> {
    #[inline]
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }

    fn put_base64(&mut self, triples: &[[u8; 3]]) {
        let start = self.len();
        self.resize(start + triples.len() * 4, 0);
        let (places, _) = self.get_mut(start..).unwrap_or_default().as_chunks_mut::<4>();
        for (place, triple) in places.iter_mut().zip(triples) {
            *place = encode(*triple);
        }
    }
}

#[derive(Default)]
pub(super) struct Counter(pub(super) usize);

impl Sink for Counter {
    #[inline]
    fn put(&mut self, bytes: &[u8]) {
        self.0 += bytes.len();
    }

    fn put_base64(&mut self, triples: &[[u8; 3]]) {
        self.0 += triples.len() * 4;
    }
}

pub(super) struct Written<'a, S>(pub(super) &'a mut S);

impl<S: Sink> fmt::Write for Written<'_, S> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.put(text.as_bytes());
        Ok(())
    }
}

/// The items of a list; a single text is a list of one, as some issuers send it.
pub(super) fn visit(value: Value<'_>, visit: &mut dyn FnMut(&str)) {
    match value {
        Value::Text(text) => visit(text),
        Value::List(items) => items.visit(visit),
        Value::Json(Json::Array(array)) => array.iter().filter_map(Json::as_str).for_each(visit),
        Value::Json(_) | Value::Missing => {}
    }
}

/// The worst class of all texts in the value, names of members included.
pub(super) fn class(value: Value<'_>) -> Class {
    let mut worst = Class::Plain;
    let mut add = |text: &str| match (worst, scan::class(text)) {
        (_, Class::Plain) | (Class::Control, _) => {}
        (_, class) => worst = class,
    };
    match value {
        Value::Missing => {}
        Value::Text(text) => add(text),
        Value::List(items) => items.visit(&mut add),
        Value::Json(json) => texts(json, &mut add),
    }
    worst
}

pub(super) fn write(out: &mut impl Sink, value: Value<'_>) {
    match value {
        Value::Missing => out.put(b"null"),
        Value::Text(text) => string(out, text),
        Value::Json(json) => tree(out, json),
        Value::List(items) => {
            let mut opener: &[u8] = b"[";
            items.visit(&mut |item| {
                out.put(std::mem::replace(&mut opener, b","));
                string(out, item);
            });
            out.put(if opener == b"[" { b"[]" } else { b"]" });
        }
    }
}

fn texts(json: &Json, add: &mut dyn FnMut(&str)) {
    match json {
        Json::String(text) => add(text),
        Json::Array(items) => items.iter().for_each(|item| texts(item, add)),
        Json::Object(members) => members.iter().for_each(|(name, member)| {
            add(name);
            texts(member, add);
        }),
        Json::Null | Json::Bool(_) | Json::Number(_) => {}
    }
}

fn tree(out: &mut impl Sink, json: &Json) {
    match json {
        Json::String(text) => string(out, text),
        Json::Array(items) => {
            out.put(b"[");
            for (index, item) in items.iter().enumerate() {
                out.put(if index > 0 { b"," } else { b"" });
                tree(out, item);
            }
            out.put(b"]");
        }
        Json::Object(members) => {
            out.put(b"{");
            for (index, (name, member)) in members.iter().enumerate() {
                out.put(if index > 0 { b"," } else { b"" });
                string(out, name);
                out.put(b":");
                tree(out, member);
            }
            out.put(b"}");
        }
        Json::Null | Json::Bool(_) | Json::Number(_) => {
            let _ = write!(Written(out), "{json}");
        }
    }
}

fn string(out: &mut impl Sink, text: &str) {
    out.put(b"\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => out.put(&[b'\\', character as u8]),
            ' '..='~' => out.put(&[character as u8]),
            _ => {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    let _ = write!(Written(out), "\\u{unit:04x}");
                }
            }
        }
    }
    out.put(b"\"");
}
