//! A stream that keeps its client company until its answer is there.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use serde_json::json;
use serde_json::value::RawValue;
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
    token: Box<RawValue>,
    message: String,
    told: u32,
}

impl Progress {
    /// `None` if the token is neither a text nor a number.
    pub(crate) fn new(token: &str, message: String) -> Option<Self> {
        let plain = token.starts_with(|c: char| c == '"' || c == '-' || c.is_ascii_digit());
        let token = RawValue::from_string(token.to_owned()).ok().filter(|_| plain)?;
        Some(Self { token, message, told: 0 })
    }

    fn tell(&mut self) -> Bytes {
        self.told += 1;
        let notification = json!({
            "jsonrpc": "2.0",
            "method": "notifications/progress",
            "params": {
                "progressToken": self.token,
                "progress": f64::from(self.told) * STEP,
                "message": self.message,
            },
        });
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
