//! W3C trace context: a client's trace goes on through the gateway.

use std::fmt::Write as _;

use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use http::{HeaderMap, HeaderName, HeaderValue};

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// Gives the request a `traceparent` of our own (Trace Context, section 3.2): a step further in the trace that the
/// client is in, or the first of a new one. Returns the id of the trace.
///
/// The client's is text that anybody could send. It is taken over if it is well formed, and decides nothing.
pub(super) fn continue_trace(headers: &mut HeaderMap) -> String {
    let mut given = headers.get_all(&TRACEPARENT).iter();
    let parent = given.next().filter(|_| given.next().is_none());
    let parent = parent.and_then(|parent| parent.to_str().ok()).and_then(parse);
    let mut random = [0; 24];
    // Without randomness there is no trace, and the request goes on.
    if SystemRandom::new().fill(&mut random).is_err() {
        headers.remove(&TRACEPARENT);
        return String::new();
    }
    let (new_trace, step) = random.split_at(16);
    let (trace, flags) = match parent {
        Some((trace, sampled)) => (trace.to_owned(), if sampled { "01" } else { "00" }),
        None => {
            // Section 3.3: a state without its parent means nothing.
            headers.remove(&TRACESTATE);
            (hex(new_trace), "00")
        }
    };
    let value = HeaderValue::try_from(format!("00-{trace}-{}-{flags}", hex(step)));
    headers.remove(&TRACEPARENT);
    headers.extend(value.ok().map(|value| (TRACEPARENT, value)));
    trace
}

/// The id of the trace and whether it is sampled.
fn parse(parent: &str) -> Option<(&str, bool)> {
    let mut parts = parent.split('-');
    let (version, trace, step, flags) =
        (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let is_hex = |text: &str, len| {
        text.len() == len && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    };
    let is_id = |text: &str, len| is_hex(text, len) && text.bytes().any(|b| b != b'0');
    // Later versions may have more parts.
    let version_fits =
        is_hex(version, 2) && version != "ff" && (version != "00" || parts.next().is_none());
    let sampled = u8::from_str_radix(flags, 16).ok()? & 1 == 1;
    (version_fits && is_id(trace, 32) && is_id(step, 16) && is_hex(flags, 2))
        .then_some((trace, sampled))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    fn continued(given: &[&str]) -> (String, HeaderMap) {
        let mut headers = HeaderMap::new();
        for given in given {
            headers.append(TRACEPARENT, given.parse().unwrap());
        }
        headers.insert(TRACESTATE, HeaderValue::from_static("a=b"));
        (continue_trace(&mut headers), headers)
    }

    #[test]
    fn a_trace_goes_on_with_a_step_of_ours() {
        for (flags, kept) in [("01", "01"), ("00", "00"), ("ff", "01")] {
            let (trace, headers) = continued(&[&format!("00-{TRACE}-00f067aa0ba902b7-{flags}")]);
            assert_eq!(trace, TRACE);
            let sent = headers[TRACEPARENT].to_str().unwrap();
            assert!(sent.starts_with(&format!("00-{TRACE}-")) && sent.ends_with(kept), "{sent}");
            assert!(parse(sent).is_some() && !sent.contains("00f067aa0ba902b7"), "{sent}");
            assert_eq!(headers[TRACESTATE], "a=b");
        }
    }

    #[test]
    fn what_is_no_trace_begins_a_new_one() {
        let good = format!("00-{TRACE}-00f067aa0ba902b7-01");
        let zero = format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32));
        let wrong = [
            "",
            "x",
            &good.to_uppercase(),
            &format!("{good}-x"),
            &zero,
            &good.replace("00-4", "ff-4"),
        ];
        for given in wrong
            .iter()
            .map(|given| vec![*given])
            .chain([vec![], vec![good.as_str(), good.as_str()]])
        {
            let (trace, headers) = continued(&given);
            assert_ne!(trace, TRACE, "{given:?}");
            assert_eq!(headers.get_all(TRACEPARENT).iter().count(), 1);
            assert!(parse(headers[TRACEPARENT].to_str().unwrap()).is_some());
            assert!(!headers.contains_key(TRACESTATE), "{given:?}");
        }
    }
}
