//! What the gateway asked for, as the client brings it back.

use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::digest::{Context, SHA256};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64URL;
use bonafide_claims::UserId;
use bonafide_policy::TenantId;
use bonafide_vault::{KeyError, Keyring, StateError, StateSealer};
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use url::Url;

use crate::LINK_TIME;
use crate::json;
use crate::message::Message;

/// What a state of ours begins with, so that one of the backend's is not taken for it.
const KIND: &str = "bonafide.1.";

/// How much of the digest of a gateway's URL goes into its states.
const URL_DIGEST_LEN: usize = 9;

/// Members of `params` that differ from one try to the next.
const OF_A_TRY: [&str; 3] = ["_meta", "inputResponses", "requestState"];

/// What was asked, when, and because of which request.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Asked {
    /// Digest of what was stored for the user then.
    pub(crate) stored: String,
    /// Whether that was complete, and the backend did not accept it.
    pub(crate) refused: bool,
    /// Seconds since the start of 1970.
    pub(super) expires: u64,
    /// Digest of the request.
    pub(super) request: String,
    /// What the backend had asked to bring back, in the middle of a dialogue of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) state: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) responses: Option<Box<RawValue>>,
}

impl Asked {
    pub(crate) fn new(stored: String, refused: bool) -> Self {
        Self { stored, refused, ..Self::default() }
    }

    /// Because of this request, which goes on as it is once the answer is there.
    pub(super) fn about(mut self, message: &Message<'_>, body: &str) -> Self {
        let responses = json::member(body, "params").ok().flatten().and_then(|params| {
            json::member(params, "inputResponses").ok().flatten().map(str::to_owned)
        });
        self.expires = seconds(SystemTime::now()).saturating_add(LINK_TIME.as_secs());
        self.request = digest(&message.method, body);
        self.state = message.params.request_state.as_deref().map(str::to_owned);
        self.responses = responses.and_then(|responses| RawValue::from_string(responses).ok());
        self
    }
}

/// Seals states for one user and one tenant.
#[derive(Debug)]
pub(crate) struct States {
    sealer: StateSealer,
    /// In front of every state, and of none of a backend that is a gateway like this one.
    prefix: String,
}

impl States {
    /// The same for all gateways that clients know by this URL.
    pub(super) fn new(keyring: &Keyring, public_url: &Url) -> Result<Self, KeyError> {
        let sealer = StateSealer::new(keyring, "bonafide-mcp request state")?;
        let url = aws_lc_rs::digest::digest(&SHA256, public_url.as_str().as_bytes());
        let url = url.as_ref().get(..URL_DIGEST_LEN).unwrap_or_default();
        Ok(Self { sealer, prefix: format!("{KIND}{}.", BASE64URL.encode(url)) })
    }

    /// What follows the prefix of a state of ours. `None` for one of the backend's.
    pub(super) fn sealed<'a>(&self, state: &'a str) -> Option<&'a str> {
        state.strip_prefix(&self.prefix)
    }

    pub(super) fn seal(
        &self,
        user: &UserId,
        tenant: &TenantId,
        asked: &Asked,
    ) -> Result<String, StateError> {
        let state = serde_json::to_vec(asked).map_err(|_| StateError::Malformed)?;
        let sealed = self.sealer.seal(&bound(user, tenant), &state)?;
        Ok(format!("{}{sealed}", self.prefix))
    }

    pub(super) fn open(
        &self,
        user: &UserId,
        tenant: &TenantId,
        sealed: &str,
    ) -> Result<Asked, StateError> {
        let state = self.sealer.open(&bound(user, tenant), sealed)?;
        serde_json::from_slice(state.expose_secret()).map_err(|_| StateError::Malformed)
    }
}

fn bound<'a>(user: &'a UserId, tenant: &'a TenantId) -> [&'a [u8]; 4] {
    let [issuer, directory, subject] = user.parts();
    [issuer, directory, subject, tenant.as_str()].map(str::as_bytes)
}

pub(super) fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// Which request this is: method and parameters, however they are written.
pub(super) fn digest(method: &str, body: &str) -> String {
    let mut context = Context::new(&SHA256);
    let mut add = |text: &str| {
        context.update(&(text.len() as u64).to_be_bytes());
        context.update(text.as_bytes());
    };
    add(method);
    let params = json::member(body, "params").ok().flatten();
    let mut members = params.and_then(|params| json::members(params).ok()).unwrap_or_default();
    members.retain(|entry| !OF_A_TRY.contains(&&*entry.key));
    members.sort_by(|a, b| a.key.cmp(&b.key));
    for entry in members {
        add(&entry.key);
        let mut text = String::new();
        match serde_json::from_str::<Value>(entry.value) {
            Ok(value) => write(&value, &mut text),
            Err(_) => text.push_str(entry.value),
        }
        add(&text);
    }
    BASE64URL.encode(context.finish())
}

/// One text for each value: members sorted, no space.
fn write(value: &Value, text: &mut String) {
    match value {
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_by_key(|(key, _)| *key);
            text.push('{');
            for (key, value) in members {
                text.push_str(&Value::from(key.as_str()).to_string());
                text.push(':');
                write(value, text);
                text.push(',');
            }
            text.push('}');
        }
        Value::Array(items) => {
            text.push('[');
            for item in items {
                write(item, text);
                text.push(',');
            }
            text.push(']');
        }
        scalar => text.push_str(&scalar.to_string()),
    }
}
