//! A stream that keeps its client company until its answer is there.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;
use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::GatewayBody;

/// How often a client hears that we are still waiting: often enough for proxies that end silent connections.
const TICK: Duration = Duration::from_secs(5);

/// How far one notification is from the next. The backend counts after us, perhaps from 1, and progress must grow:
/// so ours comes nowhere near.
const STEP: f64 = 1e-6;

type Answer = Pin<Box<dyn Future<Output = GatewayBody> + Send>>;

/// An answer that is still to come.
pub(crate) struct Waiting {
    answer: Answer,
    ticks: Interval,
    progress: Option<Progress>,
}

/// How to tell a client what we are waiting for.
#[derive(Debug)]
pub(crate) struct Progress {
    /// The caller's token, as it is written.
    token: String,
    message: String,
    told: u32,
}

impl Progress {
    /// `None` if the token is neither a text nor a number. What the message was parsed by takes more than there is:
    /// numbers beyond all bounds, halves of characters.
    pub(crate) fn new(token: &str, message: String) -> Option<Self> {
        match serde_json::from_str(token).ok()? {
            Value::String(_) | Value::Number(_) => {
                Some(Self { token: token.trim().to_owned(), message, told: 0 })
            }
            _ => None,
        }
    }

    fn tell(&mut self) -> Bytes {
        self.told += 1;
        let (token, message) = (&self.token, Value::from(self.message.as_str()));
        let progress = Value::from(f64::from(self.told) * STEP);
        let params =
            format!(r#"{{"progressToken":{token},"progress":{progress},"message":{message}}}"#);
        let notification =
            format!(r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{params}}}"#);
        format!("data: {notification}\n\n").into()
    }
}

impl Waiting {
    pub(crate) fn new(answer: Answer, progress: Option<Progress>) -> Self {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { answer, ticks, progress }
    }

    /// The answer, or something to send until then.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<GatewayBody, Bytes>> {
        if let Poll::Ready(body) = self.answer.as_mut().poll(cx) {
            return Poll::Ready(Ok(body));
        }
        self.ticks.poll_tick(cx).map(|_| {
            let told = self.progress.as_mut().map(Progress::tell);
            Err(told.unwrap_or(Bytes::from_static(b": waiting\n\n")))
        })
    }
}

impl fmt::Debug for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waiting").field("progress", &self.progress).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_a_token_as_it_is_written_and_takes_no_other() {
        for token in ["\"p\"", "\"a\\u0062\"", "7", "-1.50", "12345678901234567890123"] {
            let told = Progress::new(token, "a \"b\"\n".into()).unwrap().tell();
            let text = std::str::from_utf8(&told).unwrap().strip_prefix("data: ").unwrap();
            assert!(text.contains(&format!("\"progressToken\":{token},")), "{text}");
            let told: Value = serde_json::from_str(text).unwrap();
            assert_eq!(told["params"]["message"], "a \"b\"\n");
        }
        for token in ["1e999", "-1e999", "\"\\ud800\"", "null", "{}", "[1]", "true", "", "1 2"] {
            assert!(Progress::new(token, String::new()).is_none(), "{token}");
        }
    }
}
