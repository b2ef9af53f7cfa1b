//! JSON taken apart without changing a byte of what is kept.

mod edit;
mod seen;

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer as _, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

pub(crate) use edit::Edits;
pub(crate) use seen::{Member, Seen, folds_to};

/// A string that is borrowed from the text unless it has escapes.
#[derive(serde::Deserialize)]
pub(crate) struct Text<'a>(#[serde(borrow)] pub(crate) Cow<'a, str>);

/// A member of an object: its key, and its value as it is written.
#[derive(Debug)]
pub(crate) struct Entry<'a> {
    pub(crate) key: Cow<'a, str>,
    pub(crate) value: &'a str,
}

/// A text that is not the JSON that was looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum JsonError {
    /// It is no JSON, or JSON of another type.
    Unreadable,
    /// A member is there twice, or in another case.
    Ambiguous,
}

/// The members of an object, in their order.
pub(crate) fn members(text: &str) -> Result<Vec<Entry<'_>>, JsonError> {
    let mut parser = serde_json::Deserializer::from_str(text);
    let members = parser.deserialize_map(Entries).map_err(|_| JsonError::Unreadable)?;
    parser.end().map_err(|_| JsonError::Unreadable)?;
    Ok(members)
}

/// The items of a list, in their order.
pub(crate) fn items(text: &str) -> Result<Vec<&str>, JsonError> {
    let mut parser = serde_json::Deserializer::from_str(text);
    let items = parser.deserialize_seq(Items).map_err(|_| JsonError::Unreadable)?;
    parser.end().map_err(|_| JsonError::Unreadable)?;
    Ok(items)
}

/// The value of the only member of an object with this key.
pub(crate) fn member<'a>(text: &'a str, key: &str) -> Result<Option<&'a str>, JsonError> {
    let mut found = None;
    for entry in members(text)?.into_iter().filter(|entry| folds_to(&entry.key, key)) {
        if found.is_some() || entry.key != key {
            return Err(JsonError::Ambiguous);
        }
        found = Some(entry.value);
    }
    Ok(found)
}

/// The string that this is, if it is one.
pub(crate) fn string(text: &str) -> Option<Cow<'_, str>> {
    serde_json::from_str::<Text<'_>>(text).ok().map(|text| text.0)
}

struct Entries;

impl<'a> Visitor<'a> for Entries {
    type Value = Vec<Entry<'a>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut entries = Vec::new();
        while let Some((Text(key), value)) = map.next_entry::<Text<'a>, &'a RawValue>()? {
            entries.push(Entry { key, value: value.get() });
        }
        Ok(entries)
    }
}

struct Items;

impl<'a> Visitor<'a> for Items {
    type Value = Vec<&'a str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'a>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element::<&'a RawValue>()? {
            items.push(item.get());
        }
        Ok(items)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_an_object_apart_as_it_is_written() {
        let text = r#" {"a": 1.0 , "b\u0063":[ 1,2 ],"a":"x\ny"} "#;
        let members = members(text).unwrap();
        let shown: Vec<_> = members.iter().map(|entry| (&*entry.key, entry.value)).collect();
        assert_eq!(shown, [("a", "1.0"), ("bc", "[ 1,2 ]"), ("a", r#""x\ny""#)]);
        assert_eq!(items("[1, {\"a\":[]} ,\"x\"]").unwrap(), ["1", "{\"a\":[]}", "\"x\""]);
    }

    #[test]
    fn a_member_that_is_there_twice_is_none() {
        assert_eq!(member(r#"{"a":1,"b":2}"#, "b"), Ok(Some("2")));
        assert_eq!(member(r#"{"a":1}"#, "b"), Ok(None));
        for text in [r#"{"a":1,"a":1}"#, r#"{"A":1}"#, r#"{"a":1,"A":1}"#] {
            assert_eq!(member(text, "a"), Err(JsonError::Ambiguous), "{text}");
        }
        for text in ["[]", "{", "{} {}", "3"] {
            assert_eq!(member(text, "a"), Err(JsonError::Unreadable), "{text}");
        }
    }
}
