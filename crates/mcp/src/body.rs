//! The body of what the gateway answers.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep};

use hyper::body::Incoming;

/// The body of an answer: the gateway's own, or the backend's as it arrives.
///
/// Dropping it closes the stream from the backend.
#[derive(Debug, Default)]
pub struct GatewayBody {
    /// What has been read already, to be sent first.
    ready: VecDeque<Bytes>,
    rest: Option<Incoming>,
    pause: Option<Pause>,
}

#[derive(Debug)]
struct Pause {
    limit: Duration,
    timer: Pin<Box<Sleep>>,
}

/// A stream from a backend that broke off.
///
/// The status had been sent by then, so all that is left is to end the connection.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BodyError {
    /// The connection to the backend failed.
    #[error("the backend's answer broke off")]
    Broken(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The backend paused for longer than [`Limits::pause_time`](crate::Limits::pause_time).
    #[error("the backend's answer paused for too long")]
    Paused,
}

impl GatewayBody {
    pub(crate) fn full(bytes: impl Into<Bytes>) -> Self {
        Self { ready: VecDeque::from([bytes.into()]), rest: None, pause: None }
    }

    /// `ready` first, then what is still to come, which may pause for `pause` at a time if there is a limit.
    pub(crate) fn stream(ready: VecDeque<Bytes>, rest: Incoming, pause: Option<Duration>) -> Self {
        let pause = pause.map(|limit| Pause { limit, timer: Box::pin(sleep(limit)) });
        Self { ready, rest: Some(rest), pause }
    }
}

impl Body for GatewayBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Some(bytes) = self.ready.pop_front() {
            return Poll::Ready(Some(Ok(Frame::data(bytes))));
        }
        let Self { rest, pause, .. } = &mut *self;
        let Some(body) = rest else { return Poll::Ready(None) };
        match Pin::new(body).poll_frame(cx) {
            Poll::Ready(frame) => {
                if let Some(pause) = pause {
                    pause.timer.as_mut().reset(Instant::now() + pause.limit);
                }
                Poll::Ready(
                    frame.map(|frame| frame.map_err(|error| BodyError::Broken(error.into()))),
                )
            }
            Poll::Pending => {
                let Some(pause) = pause else { return Poll::Pending };
                ready!(pause.timer.as_mut().poll(cx));
                Poll::Ready(Some(Err(BodyError::Paused)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.ready.is_empty() && self.rest.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let ready: u64 = self.ready.iter().map(|bytes| bytes.len() as u64).sum();
        let rest = self.rest.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint);
        let mut hint = SizeHint::new();
        hint.set_lower(ready.saturating_add(rest.lower()));
        if let Some(upper) = rest.upper().and_then(|upper| upper.checked_add(ready)) {
            hint.set_upper(upper);
        }
        hint
    }
}
