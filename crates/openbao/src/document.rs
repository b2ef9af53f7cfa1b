//! What an entry holds: a field for each secret.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bonafide_vault::{Envelope, Record, SecretName, StoreError};
use serde::{Deserialize, Serialize};
use zeroize::Zeroize;

/// All secrets of one owner.
pub(crate) type Rows = BTreeMap<SecretName, Record>;

/// An entry as JSON.
pub(crate) type Document = BTreeMap<String, Field>;

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Field {
    /// A sealed secret, or one that is not.
    Secret(Secret),
    /// A value that somebody entered at the server. Opens only where sealing was switched off.
    Value(Wiped),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Secret {
    /// In base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    envelope: Option<String>,
    /// What is not sealed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    value: Option<Wiped>,
    #[serde(default)]
    unix_seconds: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires_unix_seconds: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    refused_unix_seconds: Option<u64>,
}

/// Text that is wiped when it is dropped.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Wiped(String);

impl Drop for Wiped {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

pub(crate) fn write(rows: &Rows) -> Document {
    rows.iter().map(|(name, record)| (name.as_str().to_owned(), field(record))).collect()
}

fn field(record: &Record) -> Field {
    let value = record.envelope().unsealed().map(|value| Wiped(value.to_owned()));
    let sealed = value.is_none().then(|| STANDARD.encode(record.envelope().as_bytes()));
    Field::Secret(Secret {
        envelope: sealed,
        value,
        unix_seconds: record.unix_seconds(),
        expires_unix_seconds: record.expires_unix_seconds(),
        refused_unix_seconds: record.refused_unix_seconds(),
    })
}

pub(crate) fn read(document: Document) -> Result<Rows, StoreError> {
    let row = |(name, field): (String, Field)| {
        let name = name.parse().map_err(|_| damaged("a field is not the name of a secret"))?;
        Ok((name, record(&field)?))
    };
    document.into_iter().map(row).collect()
}

fn record(field: &Field) -> Result<Record, StoreError> {
    let secret = match field {
        Field::Value(value) => return Ok(Record::new(Envelope::from_unsealed(&value.0), 0)),
        Field::Secret(secret) => secret,
    };
    let envelope = match (&secret.envelope, &secret.value) {
        (Some(text), None) => STANDARD.decode(text).ok().map(Envelope::from_bytes),
        (None, Some(value)) => Some(Envelope::from_unsealed(&value.0)),
        _ => None,
    };
    let envelope = envelope.ok_or_else(|| damaged("a field holds no envelope"))?;
    Ok(Record::new(envelope, secret.unix_seconds)
        .with_expiry(secret.expires_unix_seconds)
        .with_refusal(secret.refused_unix_seconds))
}

pub(crate) fn damaged(what: &'static str) -> StoreError {
    StoreError::Damaged { what }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_wrote() {
        let mut rows = Rows::new();
        let record = |bytes: &[u8]| Record::new(Envelope::from_bytes(bytes), 7);
        rows.insert("A".parse().unwrap(), record(b"\x01sealed"));
        rows.insert("B".parse().unwrap(), record(b"").with_expiry(Some(8)));
        rows.insert("C".parse().unwrap(), record(b"\0value").with_refusal(Some(9)));
        rows.insert("D".parse().unwrap(), record(b"\0\xff"));
        let text = serde_json::to_string(&write(&rows)).unwrap();
        assert_eq!(read(serde_json::from_str(&text).unwrap()).unwrap(), rows);
    }

    #[test]
    fn takes_values_that_were_entered_at_the_server_for_what_they_are() {
        let rows = read(serde_json::from_str(r#"{"A": "typed"}"#).unwrap()).unwrap();
        assert_eq!(rows.values().next().unwrap().envelope().unsealed(), Some("typed"));
    }

    #[test]
    fn refuses_what_it_does_not_write() {
        for text in [
            r#"{"NOT-A-NAME": "x"}"#,
            r#"{"A": {}}"#,
            r#"{"A": {"envelope": "not base64"}}"#,
            r#"{"A": {"envelope": "AA==", "value": "both"}}"#,
        ] {
            let error = read(serde_json::from_str(text).unwrap()).unwrap_err();
            assert!(matches!(error, StoreError::Damaged { .. }), "{text}");
        }
        for text in [r#"{"A": 7}"#, r#"{"A": {"envelope": 7}}"#, r#"{"A": {"other": "x"}}"#] {
            assert!(serde_json::from_str::<Document>(text).is_err(), "{text}");
        }
    }
}
