//! A name that no backend knows, to ask for instead of one that a user may not use.

use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::json::Edits;
use crate::message::{Named, NamedKind};
use crate::session::NoRandomness;

const NAME: HeaderName = HeaderName::from_static("mcp-name");

const LETTERS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// Five bits each: too many to meet the name of a tool by chance, however often somebody tries.
const SHORTEST: usize = 24;
const LONGEST: usize = 64;

/// A name that stands in for another on its way to the backend, and is replaced by it on the way back.
///
/// Servers answer a tool that they do not have in many ways: a tool error, a JSON-RPC error, each in its own words.
/// So that nobody can tell a hidden tool from one that is not there, the backend itself is asked for one that is
/// not there.
#[derive(Debug, Clone)]
pub(crate) struct Probe {
    asked: String,
    /// The name that the client sent, as it stands inside a JSON string.
    sent: String,
}

impl Probe {
    pub(crate) fn new(named: &Named<'_>) -> Result<Self, NoRandomness> {
        let name = &*named.name;
        let scheme = match named.kind {
            NamedKind::Resource => name.split_once(':').map(|(scheme, _)| scheme),
            NamedKind::Tool | NamedKind::Prompt => None,
        };
        let random = random_name(name.len().clamp(SHORTEST, LONGEST))?;
        // The backend may answer one way for each scheme.
        let asked = match scheme.filter(|scheme| is_scheme(scheme)) {
            Some(scheme) => format!("{scheme}://{random}"),
            None => random,
        };
        let quoted = serde_json::Value::from(name).to_string();
        let sent = quoted.trim_start_matches('"');
        let sent = sent.strip_suffix('"').unwrap_or(sent).to_owned();
        Ok(Self { asked, sent })
    }

    /// Asks for the name that is not there.
    pub(crate) fn ask(&self, named: &Named<'_>, body: &mut Edits<'_>) {
        body.replace(named.text, format!("\"{}\"", self.asked));
    }

    /// The same in the header that repeats the name, where there is one.
    pub(crate) fn ask_in_header(&self, headers: &mut HeaderMap) {
        if headers.contains_key(NAME)
            && let Ok(name) = HeaderValue::from_str(&self.asked)
        {
            headers.insert(NAME, name);
        }
    }

    /// The answer as it would be for the name that the client sent.
    pub(crate) fn restore(&self, answer: &str) -> Option<String> {
        answer.contains(&self.asked).then(|| answer.replace(&self.asked, &self.sent))
    }
}

/// RFC 3986, section 3.1.
fn is_scheme(text: &str) -> bool {
    let rest = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
    text.len() <= 32
        && text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(rest)
}

/// A name that nobody can guess.
pub(crate) fn random_name(len: usize) -> Result<String, NoRandomness> {
    let mut bytes = vec![0; len];
    SystemRandom::new().fill(&mut bytes).map_err(|_| NoRandomness)?;
    let letter = |byte: &u8| LETTERS.get(usize::from(byte % 32)).copied().map(char::from);
    // A digit in front is more than some servers take for a name.
    Ok(std::iter::once('t').chain(bytes.iter().skip(1).filter_map(letter)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn probe(kind: NamedKind, name: &str) -> Probe {
        Probe::new(&Named { kind, name: name.into(), text: "" }).unwrap()
    }

    #[test]
    fn asks_for_a_name_that_nobody_can_guess() {
        let (one, other) = (probe(NamedKind::Tool, "rm"), probe(NamedKind::Tool, "rm"));
        assert_ne!(one.asked, other.asked);
        assert_eq!(one.asked.len(), SHORTEST);
        assert_eq!(probe(NamedKind::Prompt, &"x".repeat(40)).asked.len(), 40);
        assert!(probe(NamedKind::Resource, "file:///etc/passwd").asked.starts_with("file://t"));
        assert!(!probe(NamedKind::Resource, "no uri: at all").asked.contains(':'));
    }

    #[test]
    fn the_answer_tells_the_name_that_was_sent() {
        let probe = probe(NamedKind::Tool, "a\"b\"");
        let answer = format!(r#"{{"message":"Unknown tool: {}"}}"#, probe.asked);
        assert_eq!(probe.restore(&answer).unwrap(), r#"{"message":"Unknown tool: a\"b\""}"#);
        assert_eq!(probe.restore("{}"), None);
    }
}
