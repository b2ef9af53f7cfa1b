//! One pass over a message, which builds nothing that no decision rests on.

use std::borrow::Cow;
use std::fmt;

use serde::de::{self, DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use super::{Kind, Message, MessageError, Params};
use crate::json::{Member, Seen, Text};

#[derive(Debug, Default)]
pub(super) struct Raw<'a> {
    jsonrpc: Option<Cow<'a, str>>,
    method: Option<Cow<'a, str>>,
    id: Option<Value>,
    params: Params<'a>,
    answers: bool,
    pub(super) batch: bool,
    pub(super) ambiguous: bool,
}

impl<'a> Raw<'a> {
    pub(super) fn into_message(self) -> Result<Message<'a>, MessageError> {
        if self.jsonrpc.as_deref() != Some("2.0") {
            return Err(MessageError::NotAMessage);
        }
        let kind = match (&self.method, &self.id, self.answers) {
            (Some(_), Some(_), false) => Kind::Request,
            (Some(_), None, false) => Kind::Notification,
            (None, _, true) => Kind::Response,
            _ => return Err(MessageError::NotAMessage),
        };
        let method = self.method.unwrap_or_default();
        if method == "tools/call" && self.params.name.is_none() {
            return Err(MessageError::NoToolName);
        }
        Ok(Message { kind, id: self.id, method, params: self.params })
    }
}

/// Reads the members of the message into `raw`, noting what can't be told apart.
pub(super) struct Members<'r, 'a> {
    pub(super) raw: &'r mut Raw<'a>,
}

impl<'a> DeserializeSeed<'a> for Members<'_, 'a> {
    type Value = ();

    fn deserialize<D: de::Deserializer<'a>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'a> Visitor<'a> for Members<'_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON-RPC message")
    }

    fn visit_seq<A: SeqAccess<'a>>(self, _: A) -> Result<(), A::Error> {
        self.raw.batch = true;
        Err(de::Error::custom("batch"))
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<(), A::Error> {
        let mut seen = Seen::new(["jsonrpc", "id", "method", "params", "result", "error"]);
        while let Some(Text(key)) = map.next_key()? {
            match seen.member(&key) {
                Member::Known("jsonrpc") => {
                    self.raw.jsonrpc = Some(map.next_value::<Text<'a>>()?.0)
                }
                Member::Known("id") => self.raw.id = Some(map.next_value_seed(Id)?),
                Member::Known("method") => self.raw.method = Some(map.next_value::<Text<'a>>()?.0),
                Member::Known("params") => {
                    map.next_value_seed(ParamMembers { raw: &mut *self.raw })?;
                }
                Member::Known(_) => {
                    self.raw.answers = true;
                    map.next_value::<IgnoredAny>()?;
                }
                Member::Other => {
                    map.next_value::<IgnoredAny>()?;
                }
                Member::Ambiguous => {
                    self.raw.ambiguous = true;
                    return Err(de::Error::custom("ambiguous"));
                }
            }
        }
        Ok(())
    }
}

/// Reads the members of `params`, which may also be anything else for methods that we do not look into.
struct ParamMembers<'r, 'a> {
    raw: &'r mut Raw<'a>,
}

impl<'a> DeserializeSeed<'a> for ParamMembers<'_, 'a> {
    type Value = ();

    fn deserialize<D: de::Deserializer<'a>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'a> Visitor<'a> for ParamMembers<'_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<(), A::Error> {
        let mut seen = Seen::new([
            "name",
            "uri",
            "taskId",
            "task",
            "_meta",
            "arguments",
            "cursor",
            "capabilities",
            "requestState",
            "inputResponses",
        ]);
        while let Some(Text(key)) = map.next_key()? {
            let params = &mut self.raw.params;
            match seen.member(&key) {
                Member::Known("name") => params.name = text_or_other(&mut map)?,
                Member::Known("uri") => params.uri = text_or_other(&mut map)?,
                Member::Known("taskId") => params.task_id = text_or_other(&mut map)?,
                Member::Known("task") => {
                    params.task = map.next_value::<&'a RawValue>()?.get().starts_with('{');
                }
                Member::Known("requestState") => params.request_state = text_or_other(&mut map)?,
                Member::Known("capabilities") => {
                    let capabilities = map.next_value::<&'a RawValue>()?.get();
                    params.capabilities.get_or_insert(capabilities);
                }
                Member::Known("_meta") => {
                    let meta = map.next_value::<Meta<'a>>()?;
                    params.protocol_version = meta.protocol_version;
                    params.progress_token = meta.progress_token.map(RawValue::get);
                    params.capabilities =
                        meta.capabilities.map(RawValue::get).or(params.capabilities);
                }
                Member::Known(_) | Member::Other => {
                    map.next_value::<IgnoredAny>()?;
                }
                Member::Ambiguous => {
                    self.raw.ambiguous = true;
                    return Err(de::Error::custom("ambiguous"));
                }
            }
        }
        Ok(())
    }
}

/// A string, or nothing if the member is of another type: other methods may use these names otherwise.
fn text_or_other<'a, A: MapAccess<'a>>(map: &mut A) -> Result<Option<Cow<'a, str>>, A::Error> {
    map.next_value_seed(TextOrOther)
}

/// Keeps a string, and reads over everything else without building it.
struct TextOrOther;

impl<'a> DeserializeSeed<'a> for TextOrOther {
    type Value = Option<Cow<'a, str>>;

    fn deserialize<D: de::Deserializer<'a>>(
        self,
        deserializer: D,
    ) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'a> Visitor<'a> for TextOrOther {
    type Value = Option<Cow<'a, str>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_borrowed_str<E>(self, text: &'a str) -> Result<Self::Value, E> {
        Ok(Some(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Some(Cow::Owned(text.to_owned())))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_seq<A: SeqAccess<'a>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }

    fn visit_map<A: MapAccess<'a>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        while members.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(None)
    }
}

/// The id of a message: a string or a number. Anything else is refused before it is built.
struct Id;

impl<'a> DeserializeSeed<'a> for Id {
    type Value = Value;

    fn deserialize<D: de::Deserializer<'a>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Visitor<'_> for Id {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string or a number")
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::from(text))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(Value::from(number))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(Value::from(number))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        Ok(Value::from(number))
    }
}

#[derive(serde::Deserialize)]
struct Meta<'a> {
    #[serde(borrow, default, rename = "io.modelcontextprotocol/protocolVersion")]
    protocol_version: Option<Cow<'a, str>>,
    #[serde(borrow, default, rename = "io.modelcontextprotocol/clientCapabilities")]
    capabilities: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "progressToken")]
    progress_token: Option<&'a RawValue>,
}
