//! W3C trace context: a client's trace goes on through the gateway.

use std::sync::atomic::{AtomicU64, Ordering};

use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::session::NoRandomness;

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// How long a `traceparent` of version 00 is.
const LEN: usize = 55;

/// Makes ids that do not meet those of other gateways. They are no secrets.
#[derive(Debug)]
pub(super) struct TraceIds {
    /// Of this gateway alone: the first half of each trace's id.
    first: u64,
    next: AtomicU64,
}

/// Odd, so that numbers in a row, times this, are all different and are spread over all that there are.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

impl TraceIds {
    pub(super) fn new() -> Result<Self, NoRandomness> {
        let mut random = [0; 16];
        SystemRandom::new().fill(&mut random).map_err(|_| NoRandomness)?;
        let [first, next] = random.as_chunks().0 else { return Err(NoRandomness) };
        Ok(Self { first: u64::from_ne_bytes(*first), next: u64::from_ne_bytes(*next).into() })
    }

    /// Zero is no id (Trace Context, section 3.2.2).
    fn next(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed).wrapping_mul(SPREAD).max(1)
    }

    /// Gives the request a `traceparent` of our own (Trace Context, section 3.2): a step further in the trace that the
    /// client is in, or the first of a new one.
    ///
    /// The client's is text that anybody could send. It is taken over if it is well formed, and decides nothing.
    pub(super) fn continue_trace(&self, headers: &mut HeaderMap) {
        let mut given = headers.get_all(&TRACEPARENT).iter();
        let parent = given.next().filter(|_| given.next().is_none());
        let parent = parent.and_then(|parent| parent.to_str().ok()).and_then(parse);
        let mut ours = Vec::with_capacity(LEN);
        ours.extend_from_slice(b"00-");
        match parent {
            Some((trace, _)) => ours.extend_from_slice(trace.as_bytes()),
            None => {
                ours.extend_from_slice(&hex(self.first));
                ours.extend_from_slice(&hex(self.next()));
            }
        }
        ours.push(b'-');
        ours.extend_from_slice(&hex(self.next()));
        let sampled = matches!(parent, Some((_, true)));
        ours.extend_from_slice(if sampled { b"-01" } else { b"-00" });
        if parent.is_none() {
            // Section 3.3: a state without its parent means nothing.
            headers.remove(&TRACESTATE);
        }
        // All of it is visible ASCII.
        if let Ok(ours) = HeaderValue::try_from(ours) {
            headers.insert(TRACEPARENT, ours);
        }
    }
}

/// The id of the trace that a request is in, once it was continued.
pub(super) fn trace_id(headers: &HeaderMap) -> &str {
    let parent = headers.get(&TRACEPARENT).and_then(|parent| parent.to_str().ok());
    parent.and_then(|parent| parent.split('-').nth(1)).unwrap_or_default()
}

/// All sixteen digits.
pub(super) fn hex(number: u64) -> [u8; 16] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut digits = [b'0'; 16];
    for (pair, byte) in digits.as_chunks_mut().0.iter_mut().zip(number.to_be_bytes()) {
        let digit = |nibble: u8| DIGITS.get(usize::from(nibble)).copied().unwrap_or_default();
        *pair = [digit(byte >> 4), digit(byte & 15)];
    }
    digits
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
        TraceIds::new().unwrap().continue_trace(&mut headers);
        (trace_id(&headers).to_owned(), headers)
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
    fn gives_no_id_twice() {
        let (ids, other) = (TraceIds::new().unwrap(), TraceIds::new().unwrap());
        let all = (0..1000).flat_map(|_| [ids.next(), other.next()]);
        assert_eq!(all.collect::<std::collections::HashSet<_>>().len(), 2000);
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
