//! Credentials that a backend sends back.
//!
//! A backend that fails may say with what it was called: `401 from upstream, sent "Bearer …"`. The client must not read
//! that, nor the model behind it. So what was sent in secret is masked in everything but a successful result, which goes on
//! byte for byte. As many `*` take its place, so that lengths stay true and nothing has to be read whole.

use std::fmt;
use std::ops::Range;

use bytes::{Bytes, BytesMut};
use memchr::{memchr_iter, memchr2_iter};
use secrecy::{ExposeSecret as _, SecretString};

use super::events::event_data;
use crate::json::{self, folds_to};

/// A shorter value is no secret, and a word that an error may need.
const SHORTEST: usize = 8;

/// How much of a secret is looked for first. Shorter parts are met too often to be worth it, longer ones no rarer.
const ANCHOR: std::ops::RangeInclusive<usize> = 4..=8;

/// What was sent in secret with one request.
#[derive(Debug, Default)]
pub(crate) struct Echo {
    needles: Vec<Needle>,
    /// All of them, one after the other, so that they are wiped together.
    text: SecretString,
}

/// What is known about where a secret stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// In a JSON message, or several. A successful result goes on as it is.
    Message,
    /// In the events of a stream, each with a message.
    Events,
    /// In an error, whatever it looks like.
    Error,
}

impl Echo {
    /// Looks for these values, and for nothing that is shorter than a secret.
    pub(crate) fn new<'a>(sent: impl IntoIterator<Item = &'a str>) -> Self {
        let mut secrets: Vec<&str> = Vec::new();
        for secret in sent {
            if secret.len() >= SHORTEST && !secrets.contains(&secret) {
                secrets.push(secret);
            }
        }
        // As large as it will be: a text that grows leaves copies behind.
        let mut text = String::with_capacity(secrets.iter().map(|secret| secret.len()).sum());
        let needles = secrets.iter().map(|secret| {
            text.push_str(secret);
            Needle::new(secret, text.len() - secret.len())
        });
        Self { needles: needles.collect(), text: text.into() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.needles.is_empty()
    }

    pub(crate) fn is_in(&self, text: &[u8]) -> bool {
        !self.hits(text).is_empty()
    }

    /// An answer that is whole. What needs no change is not copied.
    pub(crate) fn mask(&self, whole: Bytes, place: Place) -> Bytes {
        let mut hits = self.hits(&whole);
        if !hits.is_empty() && place == Place::Message {
            excuse(&mut hits, &successes(&whole));
        }
        masked(whole, &hits)
    }

    /// Each of them, to be looked for.
    fn wanted(&self) -> impl Iterator<Item = Wanted<'_>> {
        let all = self.text.expose_secret();
        self.needles.iter().filter_map(|needle| {
            let secret = all.get(needle.place.clone())?;
            let anchor = secret.as_bytes().get(needle.anchor.clone())?;
            Some(Wanted { secret, anchor, rare: needle.rare })
        })
    }

    fn hits(&self, text: &[u8]) -> Vec<Range<usize>> {
        let found = self.wanted().filter(|wanted| wanted.may_be_in(text));
        found.flat_map(|wanted| wanted.hits(text)).collect()
    }

    /// Where the end of `text` begins that may be the beginning of a secret.
    fn unfinished(&self, text: &[u8]) -> usize {
        // A secret was sent in a header and has no line end in it: whole events never wait.
        if text.ends_with(b"\n") {
            return text.len();
        }
        let starts = self.wanted().filter_map(|wanted| wanted.unfinished(text));
        starts.min().unwrap_or(text.len())
    }
}

/// An answer that is passed on as it comes.
pub(crate) struct EchoFilter {
    echo: Echo,
    place: Place,
    /// The end of what came, if a secret may begin there.
    held: Bytes,
    /// How much of it is the end of a secret whose beginning went on.
    covered: usize,
    /// Whether what went on so far ends with a line, and with an event.
    after_line: bool,
    after_event: bool,
}

impl EchoFilter {
    pub(crate) fn new(echo: Echo, place: Place) -> Self {
        Self { echo, place, held: Bytes::new(), covered: 0, after_line: true, after_event: true }
    }

    /// What can go on once these bytes are there. They are not copied unless a secret is in them, or may begin at their
    /// end.
    pub(crate) fn feed(&mut self, bytes: Bytes) -> Bytes {
        let mut text = match std::mem::take(&mut self.held) {
            held if held.is_empty() => bytes,
            held => [held, bytes].concat().into(),
        };
        let mut hits = self.echo.hits(&text);
        if !hits.is_empty() && self.place == Place::Events {
            excuse(&mut hits, &successful_events(&text, self.after_event));
        }
        let end = self.echo.unfinished(&text);
        // One that is there may be the beginning of a longer one, or end as another begins: it waits too.
        let waiting = hits.iter().filter(|hit| hit.end > end).map(|hit| hit.start);
        let end = waiting.fold(end, usize::min);
        hits.retain(|hit| hit.start < end);
        hits.push(0..std::mem::take(&mut self.covered));
        let covered = hits.iter().map(|hit| hit.end).max().unwrap_or_default();
        self.covered = covered.saturating_sub(end);
        hits.iter_mut().for_each(|hit| hit.end = hit.end.min(end));
        self.held = text.split_off(end);
        self.remember(&text);
        masked(text, &hits)
    }

    /// What was held back, when nothing comes any more.
    pub(crate) fn finish(&mut self) -> Bytes {
        let held = std::mem::take(&mut self.held);
        let mut hits = self.echo.hits(&held);
        hits.push(0..std::mem::take(&mut self.covered));
        masked(held, &hits)
    }

    pub(crate) fn held(&self) -> usize {
        self.held.len()
    }

    fn remember(&mut self, text: &[u8]) {
        if text.is_empty() {
            return;
        }
        let before = without_line_end(text);
        self.after_event = before.is_some_and(|before| match before {
            [] => self.after_line,
            before => without_line_end(before).is_some(),
        });
        self.after_line = before.is_some();
    }
}

impl fmt::Debug for EchoFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EchoFilter").field("place", &self.place).finish_non_exhaustive()
    }
}

/// Where one value stands among all, and what is known about it.
#[derive(Debug)]
struct Needle {
    place: Range<usize>,
    /// A part of the value that encoders of JSON write as it is. Empty if there is none worth looking for.
    anchor: Range<usize>,
    /// Which byte of that part is the rarest.
    rare: usize,
}

/// One value to look for.
struct Wanted<'a> {
    secret: &'a str,
    anchor: &'a [u8],
    rare: usize,
}

/// How far a text that is looked at is a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Match {
    No,
    /// So far, and it ends there.
    Begun,
    /// All of it, in so many bytes.
    Whole(usize),
}

impl Needle {
    /// Of a secret that begins at `start` among all.
    fn new(secret: &str, start: usize) -> Self {
        let plain =
            |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
        let (mut anchor, mut run) = (0..0, 0..0);
        for (at, byte) in secret.bytes().enumerate() {
            run = if plain(byte) { run.start..at + 1 } else { at + 1..at + 1 };
            if run.len() > anchor.len() {
                anchor = run.clone();
            }
            if anchor.len() == *ANCHOR.end() {
                break;
            }
        }
        if anchor.len() < *ANCHOR.start() {
            anchor = 0..0;
        }
        let bytes = secret.as_bytes().get(anchor.clone()).unwrap_or_default().iter().enumerate();
        let rare = bytes.min_by_key(|(_, byte)| commonness(**byte)).map_or(0, |(at, _)| at);
        Self { place: start..start + secret.len(), anchor, rare }
    }
}

/// How often text has such a byte: the rarest first.
fn commonness(byte: u8) -> u8 {
    match byte {
        b'A'..=b'Z' => 0,
        b'a'..=b'z' => 2,
        _ => 1,
    }
}

impl Wanted<'_> {
    fn may_be_in(&self, text: &[u8]) -> bool {
        // However it is written, it is not shorter than it is.
        if text.len() < self.secret.len() {
            return false;
        }
        let Some(rare) = self.anchor.get(self.rare) else { return true };
        let mut starts = memchr_iter(*rare, text).filter_map(|at| at.checked_sub(self.rare));
        starts.any(|start| text.get(start..).is_some_and(|text| text.starts_with(self.anchor)))
    }

    fn hits(&self, text: &[u8]) -> Vec<Range<usize>> {
        let mut hits: Vec<Range<usize>> = Vec::new();
        for start in self.starts(text) {
            if hits.last().is_some_and(|last| start < last.end) {
                continue;
            }
            if let Match::Whole(len) = self.at(text.get(start..).unwrap_or_default()) {
                hits.push(start..start + len);
            }
        }
        hits
    }

    fn unfinished(&self, text: &[u8]) -> Option<usize> {
        // `\u0000` for each byte is the longest way to write it.
        let from = text.len().saturating_sub(self.secret.len() * 6);
        let end = text.get(from..)?;
        let begins = |start: &usize| self.at(end.get(*start..).unwrap_or_default()) == Match::Begun;
        self.starts(end).find(begins).map(|start| from + start)
    }

    /// Where it could begin: with its first byte, or an escape.
    fn starts<'t>(&self, text: &'t [u8]) -> impl Iterator<Item = usize> + use<'t> {
        let first = self.secret.as_bytes().first().copied().unwrap_or(b'\\');
        memchr2_iter(first, b'\\', text)
    }

    /// Whether `text` begins with it, as it is or as a JSON string may have it.
    fn at(&self, text: &[u8]) -> Match {
        let secret = self.secret;
        if text.starts_with(secret.as_bytes()) {
            return Match::Whole(secret.len());
        }
        if secret.as_bytes().starts_with(text) {
            return Match::Begun;
        }
        let mut used = 0;
        for c in secret.chars() {
            match written(c, text.get(used..).unwrap_or_default()) {
                Match::Whole(len) => used += len,
                other => return other,
            }
        }
        Match::Whole(used)
    }
}

/// Whether `text` begins with this character as a JSON string may have it: RFC 8259, section 7.
fn written(c: char, text: &[u8]) -> Match {
    let [b'\\', escaped @ ..] = text else {
        let mut buffer = [0; 4];
        let plain = c.encode_utf8(&mut buffer).as_bytes();
        return begins(text, plain);
    };
    match escaped {
        [] => Match::Begun,
        [b'u', ..] => {
            let mut used = 0;
            for unit in c.encode_utf16(&mut [0; 2]) {
                let Some(escape) = text.get(used..used + 6) else { return Match::Begun };
                let digits =
                    escape.strip_prefix(b"\\u").and_then(|it| std::str::from_utf8(it).ok());
                if digits.and_then(|it| u16::from_str_radix(it, 16).ok()) != Some(*unit) {
                    return Match::No;
                }
                used += 6;
            }
            Match::Whole(used)
        }
        [short, ..] if matches!(c, '"' | '\\' | '/') && u32::from(*short) == u32::from(c) => {
            Match::Whole(2)
        }
        [b't', ..] if c == '\t' => Match::Whole(2),
        _ => Match::No,
    }
}

fn begins(text: &[u8], with: &[u8]) -> Match {
    if text.starts_with(with) {
        Match::Whole(with.len())
    } else if with.starts_with(text) {
        Match::Begun
    } else {
        Match::No
    }
}

fn masked(text: Bytes, hits: &[Range<usize>]) -> Bytes {
    if hits.iter().all(Range::is_empty) {
        return text;
    }
    let mut changed = BytesMut::from(text);
    for hit in hits {
        if let Some(secret) = changed.get_mut(hit.clone()) {
            secret.fill(b'*');
        }
    }
    changed.freeze()
}

fn excuse(hits: &mut Vec<Range<usize>>, parts: &[Range<usize>]) {
    hits.retain(|hit| !parts.iter().any(|part| part.start <= hit.start && hit.end <= part.end));
}

/// The messages in a JSON text that are successful results.
fn successes(whole: &[u8]) -> Vec<Range<usize>> {
    let Ok(text) = std::str::from_utf8(whole) else { return Vec::new() };
    let messages = match json::items(text) {
        Ok(messages) => messages,
        Err(_) => vec![text],
    };
    let successful = messages.into_iter().filter(|message| is_success(message));
    successful
        .map(|message| {
            let start = message.as_ptr().addr().wrapping_sub(text.as_ptr().addr());
            start..start.wrapping_add(message.len())
        })
        .collect()
}

/// The events that are here from their first line to their last, and are successful results.
fn successful_events(text: &[u8], after_event: bool) -> Vec<Range<usize>> {
    let (mut events, mut start, mut at) = (Vec::new(), after_event.then_some(0), 0);
    while let Some((content, whole)) = text.get(at..).and_then(line) {
        at += whole;
        if content == 0
            && let Some(start) = start.replace(at)
        {
            events.push(start..at);
        }
    }
    events.retain(|event| {
        let event = text.get(event.clone()).and_then(|event| std::str::from_utf8(event).ok());
        event.is_some_and(|event| is_success(&event_data(event)))
    });
    events
}

/// Whether a message is a result, and no error in any way that a client may read it.
fn is_success(message: &str) -> bool {
    let Ok(members) = json::members(message) else { return false };
    let mut result = None;
    for entry in &members {
        if folds_to(&entry.key, "result") {
            if result.replace(entry.value).is_some() {
                return false;
            }
        } else if folds_to(&entry.key, "error") && entry.value != "null" {
            return false;
        }
    }
    let fine = |entry: &json::Entry<'_>| !folds_to(&entry.key, "isError") || entry.value == "false";
    result.is_some_and(|result| json::members(result).is_ok_and(|members| members.iter().all(fine)))
}

/// How long the first line is, without and with its end.
fn line(text: &[u8]) -> Option<(usize, usize)> {
    let content = memchr::memchr2(b'\n', b'\r', text)?;
    let end = if text.get(content..)?.starts_with(b"\r\n") { 2 } else { 1 };
    Some((content, content + end))
}

fn without_line_end(text: &[u8]) -> Option<&[u8]> {
    let shorter = text.strip_suffix(b"\r\n").or_else(|| text.strip_suffix(b"\n"));
    shorter.or_else(|| text.strip_suffix(b"\r"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "sk-Canary+7/f3\"a\u{e9}";

    fn echo() -> Echo {
        Echo::new([SECRET, "Zm9vOmJhcg==", "short"])
    }

    fn mask(text: &str, place: Place) -> String {
        let masked = echo().mask(Bytes::copy_from_slice(text.as_bytes()), place);
        assert_eq!(masked.len(), text.len());
        String::from_utf8(masked.to_vec()).unwrap()
    }

    fn stream(chunks: &[&[u8]], place: Place) -> String {
        let mut filter = EchoFilter::new(echo(), place);
        let mut out = Vec::new();
        for chunk in chunks {
            out.extend_from_slice(&filter.feed(Bytes::copy_from_slice(chunk)));
        }
        out.extend_from_slice(&filter.finish());
        String::from_utf8(out).unwrap()
    }

    fn spellings() -> Vec<String> {
        let quoted = serde_json::Value::from(SECRET).to_string();
        let escape = |text: &str| -> String {
            text.encode_utf16().map(|unit| format!("\\u{unit:04X}")).collect()
        };
        vec![
            quoted.trim_matches('"').to_owned(),
            "sk-Canary+7\\/f3\\\"a\\u00e9".to_owned(),
            "sk-Canary\\u002b7\\u002Ff3\\u0022a\\u00E9".to_owned(),
            escape(SECRET).replace(&escape("sk-Canary"), "sk-Canary"),
            "Zm9vOmJhcg==".to_owned(),
        ]
    }

    #[test]
    fn an_error_is_masked_however_the_secret_is_written() {
        for secret in spellings() {
            for (head, tail) in [
                (r#"{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"no: "#, r#""}}"#),
                (r#"{"result":{"isError":true,"content":[{"text":""#, r#""}]}}"#),
                (r#"{"result":{"content":[{"text":""#, r#""}],"isError": true}}"#),
                (r#"{"result":{"text":""#, r#"","IsError":true}}"#),
                (r#"{"result":{},"error":""#, r#""}"#),
                (r#"{"result":1,"result":{"x":""#, r#""}}"#),
                (r#"{"method":"notifications/message","params":{"data":""#, r#""}}"#),
                (r#"[{"result":{}},{"error":{"message":""#, r#""}}]"#),
                ("not JSON: ", ""),
            ] {
                let text = format!("{head}{secret}{tail}");
                let stars = "*".repeat(secret.len());
                assert_eq!(mask(&text, Place::Message), format!("{head}{stars}{tail}"));
            }
        }
        assert_eq!(
            mask(&format!("oops {SECRET}"), Place::Error),
            format!("oops {}", "*".repeat(SECRET.len()))
        );
    }

    #[test]
    fn a_successful_result_goes_on_as_it_is() {
        for secret in spellings() {
            for (head, tail) in [
                (r#"{"jsonrpc":"2.0","id":1,"result":{"content":[{"text":""#, r#""}]}}"#),
                (r#"{"result":{"isError":false,"x":""#, r#""},"error":null}"#),
                (r#"[{"error":1},{"result":{"x":""#, r#""}}]"#),
            ] {
                let text = format!("{head}{secret}{tail}");
                assert_eq!(mask(&text, Place::Message), text);
                assert_ne!(mask(&text, Place::Error), text);
                let event = format!("data: {text}\n\n");
                if !head.starts_with('[') {
                    assert_eq!(stream(&[event.as_bytes()], Place::Events), event);
                }
            }
        }
    }

    #[test]
    fn what_is_no_secret_stays() {
        let text = r#"{"error":{"message":"short: sk-Canary, sk-Canary+7\/f3 and \u0073 are no secrets \\"}}"#;
        assert_eq!(mask(text, Place::Message), text);
        let bytes = Bytes::copy_from_slice(text.as_bytes());
        assert_eq!(echo().mask(bytes.clone(), Place::Error).as_ptr(), bytes.as_ptr(), "copied");
        assert!(Echo::new(["short", "7 bytes"]).is_empty());
    }

    #[test]
    fn a_secret_with_backslashes_is_found_in_text_and_in_json() {
        let echo = Echo::new([r"do\\main\user"]);
        for text in [r"x do\\main\user", r#"{"error":"do\\\\main\\user"}"#] {
            let masked = echo.mask(Bytes::copy_from_slice(text.as_bytes()), Place::Message);
            assert!(masked.ends_with(b"*") || masked.ends_with(b"*\"}"), "{masked:?}");
        }
        let symbols = Echo::new(["!#$%&'()"]);
        assert_eq!(symbols.mask("x!#$%&'()x".into(), Place::Error), "x********x");
    }

    #[test]
    fn a_stream_is_masked_wherever_it_is_cut() {
        for secret in spellings() {
            let text = format!(
                ": hi\n\ndata: {{\"error\":\"{secret}\"}}\n\ndata: {{\"x\":\"{secret}\"}}\r\n\r\nend"
            );
            let masked = text.replace(&*secret, &"*".repeat(secret.len()));
            for size in (1..40).chain([4096]) {
                let chunks: Vec<&[u8]> = text.as_bytes().chunks(size).collect();
                for place in [Place::Events, Place::Error, Place::Message] {
                    assert_eq!(stream(&chunks, place), masked, "{size}");
                }
            }
        }
    }

    #[test]
    fn only_an_event_that_is_whole_can_be_seen_to_be_a_success() {
        let event = "id: 1\ndata: {\"result\":{\"x\":\ndata: \"Zm9vOmJhcg==\"}}\n\n";
        let good = event.repeat(2);
        assert_eq!(stream(&[good.as_bytes()], Place::Events), good);
        let (head, tail) = event.split_at(12);
        for chunks in [[head, tail], ["data: {\"error\":1,\n", event]] {
            let chunks = chunks.map(str::as_bytes);
            assert!(!stream(&chunks, Place::Events).contains("Zm9v"), "{chunks:?}");
        }
        assert_eq!(
            stream(&[b"id: 0\n", b"\n", event.as_bytes()], Place::Events),
            format!("id: 0\n\n{event}")
        );
        let mixed = format!("data: {{\"error\":\"Zm9vOmJhcg==\"}}\n\n{event}");
        assert!(stream(&[mixed.as_bytes()], Place::Events).ends_with(event));
    }

    #[test]
    fn whole_events_do_not_wait_and_are_not_copied() {
        let mut filter = EchoFilter::new(echo(), Place::Events);
        let event = Bytes::from_static(b"data: {\"result\":{}}\n\n");
        let ready = filter.feed(event.clone());
        assert_eq!((ready.as_ptr(), ready.len()), (event.as_ptr(), event.len()));
        assert_eq!(filter.feed("data: sk-Can".into()), "data: ");
        assert_eq!(filter.held(), 6);
        assert_eq!(filter.feed("ada\n".into()), "sk-Canada\n");
        assert_eq!(filter.feed("data: Zm9v".into()), "data: ");
        assert_eq!(filter.finish(), "Zm9v");
    }

    #[test]
    fn one_secret_that_ends_as_another_begins_is_masked_whole() {
        let mut filter = EchoFilter::new(Echo::new(["abcdefgh", "ghijklmn"]), Place::Error);
        let ready = [filter.feed("-abcdefgh".into()), filter.feed("ij".into()), filter.finish()];
        assert_eq!(ready.concat(), b"-********ij");
    }

    #[test]
    fn a_secret_that_begins_with_another_is_masked_whole_wherever_it_is_cut() {
        let secrets = ["ghp-first", "ghp-first-second", "econd-ghp-first"];
        for text in ["x ghp-first-second y", "ghp-first", "ghp-first-second-ghp-first-sec"] {
            let expected = Echo::new(secrets).mask(text.into(), Place::Error);
            for cut in 0..=text.len() {
                for next in cut..=text.len() {
                    let mut filter = EchoFilter::new(Echo::new(secrets), Place::Error);
                    let parts = [&text[..cut], &text[cut..next], &text[next..]];
                    let mut out: Vec<u8> = Vec::new();
                    for part in parts {
                        out.extend_from_slice(&filter.feed(part.into()));
                        assert!(filter.held() <= 2 * 16);
                    }
                    out.extend_from_slice(&filter.finish());
                    assert_eq!(out, expected, "{parts:?}");
                }
            }
        }
    }

    #[test]
    fn nothing_of_it_is_shown() {
        let echo = echo();
        assert!(
            !format!("{echo:?} {:?}", EchoFilter::new(Echo::new([SECRET]), Place::Error))
                .contains("Canary")
        );
    }
}
