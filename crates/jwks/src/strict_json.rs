//! JSON that says one thing: a member twice is an error, wherever it stands.
//!
//! RFC 8259 leaves it open what `{"a":1,"a":2}` means, and parsers differ: the first, the last, both. RFC
//! 7519, section 4 lets a verifier refuse it, and we do, in headers, payloads, key sets and metadata alike.
//! Names are compared after escapes are read, so `"a"` and `"\u0061"` are the same member.
//!
//! ```
//! use bonafide_jwks::strict_json;
//!
//! let object = strict_json::parse(br#"{"a":{"b":1}}"#)?;
//! assert!(object.get("a").is_some());
//! assert!(strict_json::parse(br#"{"a":{"b":1,"\u0062":2}}"#).is_err());
//! # Ok::<(), strict_json::JsonError>(())
//! ```

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

/// How deep objects and arrays may be nested.
pub const MAX_DEPTH: u8 = 24;

/// A JSON value that borrows its strings from the text where it can.
#[derive(Clone, PartialEq)]
pub enum Value<'a> {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number without fraction or exponent, not negative.
    Unsigned(u64),
    /// Any other number.
    Float(f64),
    /// A string.
    String(Cow<'a, str>),
    /// An array.
    Array(Vec<Value<'a>>),
    /// An object.
    Object(Object<'a>),
}

/// A JSON object whose members have different names.
#[derive(Clone, PartialEq, Default)]
pub struct Object<'a> {
    members: Vec<(Cow<'a, str>, Value<'a>)>,
    /// One bit for each [`kind`] of name, so that most names that are not there need no search.
    kinds: u64,
}

/// A text that is not a JSON object, or says something twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JsonError {
    /// No JSON object, or not only that.
    #[error("not a JSON object: write one object, in UTF-8, and nothing after it")]
    Syntax,
    /// A member stands twice in the same object.
    #[error("a member stands twice in one JSON object: write it once")]
    DuplicateMember,
    /// Nested too deep.
    #[error("JSON nested deeper than {MAX_DEPTH} levels: write it flatter")]
    TooDeep,
}

/// Reads one JSON object.
///
/// # Errors
///
/// When the text is something else, when a member stands twice, when it is nested too deep.
pub fn parse(text: &[u8]) -> Result<Object<'_>, JsonError> {
    let text = std::str::from_utf8(text).map_err(|_| JsonError::Syntax)?;
    let mut reader = serde_json::Deserializer::from_str(text);
    let fault = std::cell::Cell::new(JsonError::Syntax);
    let seed = Seed { depth: 0, fault: &fault };
    let value = seed.deserialize(&mut reader).map_err(|_| fault.get())?;
    reader.end().map_err(|_| JsonError::Syntax)?;
    match value {
        Value::Object(object) => Ok(object),
        _ => Err(JsonError::Syntax),
    }
}

impl<'a> Object<'a> {
    /// The member of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value<'a>> {
        if self.kinds & 1 << kind(name) == 0 {
            return None;
        }
        self.members.iter().find(|(have, _)| have == name).map(|(_, value)| value)
    }

    /// All members, in the order of the text.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value<'a>)> {
        self.members.iter().map(|(name, value)| (&**name, value))
    }

    /// How many members there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether there is no member.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }
}

impl<'a> Value<'a> {
    /// The string, if it is one.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// The array, if it is one.
    #[must_use]
    pub fn as_array(&self) -> Option<&[Value<'a>]> {
        match self {
            Self::Array(items) => Some(items),
            _ => None,
        }
    }

    /// The object, if it is one.
    #[must_use]
    pub fn as_object(&self) -> Option<&Object<'a>> {
        match self {
            Self::Object(object) => Some(object),
            _ => None,
        }
    }
}

/// Shows the kind, never the content.
impl fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("Null"),
            Self::Bool(_) => f.write_str("Bool(…)"),
            Self::Unsigned(_) | Self::Float(_) => f.write_str("Number(…)"),
            Self::String(_) => f.write_str("String(…)"),
            Self::Array(items) => write!(f, "Array({})", items.len()),
            Self::Object(object) => write!(f, "{object:?}"),
        }
    }
}

/// Counts the members, shows none.
impl fmt::Debug for Object<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Object({})", self.members.len())
    }
}

/// With its feature `arbitrary_precision`, which any crate in a build can switch on, `serde_json` hands a
/// number over as an object with this one member. It is read as the number it is in either build.
const NUMBER_IN_DISGUISE: &str = "$serde_json::private::Number";

#[derive(Clone, Copy)]
struct Seed<'f> {
    depth: u8,
    fault: &'f std::cell::Cell<JsonError>,
}

impl Seed<'_> {
    fn deeper<E: serde::de::Error>(self) -> Result<Self, E> {
        if self.depth >= MAX_DEPTH {
            self.fault.set(JsonError::TooDeep);
            return Err(E::custom("depth"));
        }
        Ok(Self { depth: self.depth + 1, fault: self.fault })
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Value<'de>;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Value<'de>, D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Value<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value<'de>, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value<'de>, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value<'de>, E> {
        Ok(Value::Unsigned(value))
    }

    #[expect(clippy::cast_precision_loss, reason = "a negative number is only ever refused")]
    fn visit_i64<E>(self, value: i64) -> Result<Value<'de>, E> {
        Ok(u64::try_from(value).map_or(Value::Float(value as f64), Value::Unsigned))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value<'de>, E> {
        Ok(Value::Float(value))
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Value<'de>, E> {
        Ok(Value::String(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value<'de>, E> {
        Ok(Value::String(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value<'de>, A::Error> {
        let seed = self.deeper()?;
        let mut array = Vec::with_capacity(if self.depth == 1 { 32 } else { 2 });
        while let Some(item) = items.next_element_seed(seed)? {
            array.push(item);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value<'de>, A::Error> {
        let seed = self.deeper()?;
        // A payload has about twenty claims, anything within it a few members.
        let capacity = if self.depth == 0 { 24 } else { 4 };
        let mut object = Object { members: Vec::with_capacity(capacity), kinds: 0 };
        let mut many = None;
        while let Some(name) = members.next_key_seed(Name)? {
            if object.is_empty() && name == NUMBER_IN_DISGUISE {
                return number(&mut members);
            }
            if !object.lacks(&name, &mut many) {
                self.fault.set(JsonError::DuplicateMember);
                return Err(A::Error::custom("duplicate"));
            }
            object.kinds |= 1 << kind(&name);
            object.members.push((name, members.next_value_seed(seed)?));
        }
        Ok(Value::Object(object))
    }
}

fn number<'de, A: MapAccess<'de>>(members: &mut A) -> Result<Value<'de>, A::Error> {
    let text = members.next_value_seed(Name)?;
    if members.next_key_seed(Name)?.is_some() {
        return Err(A::Error::custom("number"));
    }
    if let Ok(whole) = text.parse() {
        return Ok(Value::Unsigned(whole));
    }
    text.parse().map(Value::Float).map_err(A::Error::custom)
}

/// A string, borrowed from the text unless it has escapes.
struct Name;

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Cow<'de, str>, D::Error> {
        reader.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Name {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Borrowed(text))
    }

    fn visit_str<E>(self, text: &str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Owned(text.to_owned()))
    }
}

/// An object with more members than this gets a set of their names, so that none costs more than its length.
const MANY: usize = 48;

impl Object<'_> {
    /// Whether there is no member of that name yet.
    fn lacks(&self, name: &str, many: &mut Option<HashSet<Box<str>>>) -> bool {
        if self.members.len() < MANY {
            return self.get(name).is_none();
        }
        let names = || self.members.iter().map(|(name, _)| Box::from(&**name)).collect();
        many.get_or_insert_with(names).insert(name.into())
    }
}

/// A number below 64 that is the same for the same name.
fn kind(name: &str) -> u8 {
    let bytes = name.as_bytes();
    let mix = |hash: u32, byte: Option<&u8>| hash.wrapping_mul(37) ^ u32::from(*byte.unwrap_or(&0));
    let ends = mix(mix(bytes.len() as u32, bytes.first()), bytes.last());
    let hash = mix(ends, bytes.get(bytes.len() / 2));
    ((hash ^ (hash >> 6) ^ (hash >> 12)) & 63) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejects_a_member_twice_at_any_depth() {
        for text in [
            r#"{"a":1,"a":1}"#,
            r#"{"a":1,"b":2,"\u0061":3}"#,
            r#"{"x":{"a":1,"a":2}}"#,
            r#"{"x":[{"a":1,"a":2}]}"#,
            r#"{"":1,"":2}"#,
        ] {
            assert_eq!(parse(text.as_bytes()), Err(JsonError::DuplicateMember), "{text}");
        }
    }

    #[test]
    fn rejects_a_member_twice_among_many() {
        let members: Vec<String> = (0..300).map(|n| format!("\"member{n}\":{n}")).collect();
        let once = format!("{{{}}}", members.join(","));
        assert_eq!(parse(once.as_bytes()).unwrap().len(), 300);
        for again in [0, 47, 48, 49, 299] {
            let twice = format!("{{{},\"member{again}\":0}}", members.join(","));
            assert_eq!(parse(twice.as_bytes()), Err(JsonError::DuplicateMember), "{again}");
        }
    }

    #[test]
    fn allows_the_same_name_in_different_objects() {
        let object = parse(br#"{"a":{"a":1},"b":[{"a":1},{"a":2}]}"#).unwrap();
        assert_eq!(object.get("b").and_then(Value::as_array).map(<[_]>::len), Some(2));
    }

    #[test]
    fn rejects_what_is_no_object() {
        for text in
            ["", "[]", "1", "\"a\"", "null", "{} {}", "{}x", "{\"a\":}", "{\"a\":1,}", "{'a':1}"]
        {
            assert_eq!(parse(text.as_bytes()), Err(JsonError::Syntax), "{text}");
        }
        assert_eq!(parse(b"{\"a\":\"\xff\"}"), Err(JsonError::Syntax));
        assert_eq!(parse(br#"{"a":"\ud800"}"#), Err(JsonError::Syntax));
    }

    #[test]
    fn rejects_what_is_too_deep() {
        let nest = |n: usize| format!("{{\"a\":{}{}}}", "[".repeat(n), "]".repeat(n));
        assert!(parse(nest(usize::from(MAX_DEPTH) - 1).as_bytes()).is_ok());
        assert_eq!(parse(nest(usize::from(MAX_DEPTH)).as_bytes()), Err(JsonError::TooDeep));
        assert_eq!(parse(nest(100_000).as_bytes()), Err(JsonError::TooDeep));
    }

    #[test]
    fn reads_a_number_in_disguise_as_a_number() {
        let object = parse(br#"{"a":{"$serde_json::private::Number":"12"}}"#).unwrap();
        assert_eq!(object.get("a"), Some(&Value::Unsigned(12)));
    }

    #[test]
    fn debug_shows_no_content() {
        let object = parse(br#"{"canary":"canary"}"#).unwrap();
        assert_eq!(format!("{object:?} {:?}", object.get("canary")), "Object(1) Some(String(…))");
    }
}

#[cfg(test)]
#[path = "strict_json_properties.rs"]
mod properties;
