//! The first look at an answer: most have no list in them.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};

use super::list;
use crate::json::{Text, folds_to};

/// Whether this is one message whose result is an object without a list. Everything else has to be looked at again,
/// whatever is wrong with it.
pub(super) fn has_no_list(text: &str) -> bool {
    let mut parser = serde_json::Deserializer::from_str(text);
    Level::Message.deserialize(&mut parser).is_ok_and(|list| !list) && parser.end().is_ok()
}

/// Finds a list in an object.
#[derive(Clone, Copy)]
enum Level {
    Message,
    Result,
}

impl<'a> DeserializeSeed<'a> for Level {
    type Value = bool;

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'a> Visitor<'a> for Level {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<bool, A::Error> {
        let mut found = false;
        while let Some(Text(key)) = map.next_key()? {
            match self {
                Self::Message if folds_to(&key, "result") => {
                    found |= map.next_value_seed(Self::Result)?;
                }
                Self::Result if list(&key).is_some() => {
                    found = true;
                    map.next_value::<IgnoredAny>()?;
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_message_without_a_list_needs_no_second_look() {
        for text in [
            r#"{"jsonrpc":"2.0","id":7,"result":{"content":[{"tools":[]}],"isError":false}}"#,
            r#"{"id":7,"error":{"code":1,"message":"no","data":{"tools":[]}}}"#,
            r#" {} "#,
        ] {
            assert!(has_no_list(text), "{text}");
        }
        for text in [
            r#"{"id":7,"result":{"tools":[]}}"#,
            r#"{"id":7,"result":{"a":1,"pro\u006dpts":3}}"#,
            r#"{"id":7,"RESULT":{"Re\u017fources":[]}}"#,
            r#"{"result":{"tools":[]},"result":{}}"#,
            r#"{"result":[{"tools":[]}]}"#,
            r#"[{"result":{}}]"#,
            r#"{"result":"#,
            r#"{} {}"#,
            "7",
            "",
        ] {
            assert!(!has_no_list(text), "{text}");
        }
    }
}
