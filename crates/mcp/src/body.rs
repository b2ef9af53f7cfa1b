//! The body of what the gateway answers.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::error::Elapsed;
use tokio::time::{Sleep, sleep};

use crate::backend::{Coding, Source, Undecodable};
use crate::limits::after;
use crate::quota::Place;
use crate::rewrite::{EchoFilter, EventError, EventRewriter};
use crate::waiting::Waiting;

/// The body of an answer: the gateway's own, or the backend's as it arrives.
///
/// Dropping it closes the stream from the backend.
#[derive(Debug, Default)]
pub struct GatewayBody {
    /// What has been read already, to be sent first.
    ready: VecDeque<Bytes>,
    rest: Option<Source>,
    pause: Option<Pause>,
    /// When it ends, whatever is still to come.
    end: Option<End>,
    /// What is done to the events of a stream.
    events: Option<Box<EventRewriter>>,
    /// What keeps our own credentials out of it.
    echo: Option<Box<EchoFilter>>,
    /// What takes the place of this body once it is there.
    waiting: Option<Box<Waiting>>,
    /// Free again when all is sent, or nobody is left to send it to.
    place: Option<Box<Place>>,
}

/// Ready when a stream has to end.
struct End(Pin<Box<dyn Future<Output = Result<(), Elapsed>> + Send>>);

impl fmt::Debug for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("End").finish_non_exhaustive()
    }
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
    /// The connection to the backend failed, or the answer is not in its `Content-Encoding`.
    #[error("the backend's answer broke off")]
    Broken(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The backend paused for longer than [`Limits::pause_time`](crate::Limits::pause_time).
    #[error("the backend's answer paused for too long")]
    Paused,
    /// An event had to be looked at, and was longer than
    /// [`Limits::filtered_answer`](crate::Limits::filtered_answer).
    #[error("an event of the backend's answer is too long to be filtered")]
    TooLong,
    /// An event had to be looked at, and was no message.
    #[error("an event of the backend's answer is not a JSON-RPC message")]
    Unreadable,
}

impl From<EventError> for BodyError {
    fn from(error: EventError) -> Self {
        match error {
            EventError::TooLong => Self::TooLong,
            EventError::Unreadable => Self::Unreadable,
        }
    }
}

impl GatewayBody {
    pub(crate) fn full(bytes: impl Into<Bytes>) -> Self {
        Self { ready: VecDeque::from([bytes.into()]), ..Self::default() }
    }

    pub(crate) fn waiting(waiting: Waiting) -> Self {
        Self { waiting: Some(Box::new(waiting)), ..Self::default() }
    }

    /// Keeps the place until it ends.
    pub(crate) fn holding(mut self, place: Option<Box<Place>>) -> Self {
        self.place = place;
        self
    }

    /// `ready` first, then what is still to come, which may pause for `pause` at a time if there is a limit.
    pub(crate) fn stream(ready: VecDeque<Bytes>, rest: Source, pause: Option<Duration>) -> Self {
        let pause = pause.map(|limit| Pause { limit, timer: Box::pin(sleep(limit)) });
        Self { ready, rest: Some(rest), pause, ..Self::default() }
    }

    /// What it means from here on, after `begun`, which was taken out of it.
    pub(crate) fn undone(mut self, coding: Coding, begun: Bytes) -> Result<Self, Undecodable> {
        self.rest = self.rest.take().map(|rest| rest.undone(coding, begun)).transpose()?;
        Ok(self)
    }

    /// All of it, if that is there.
    pub(crate) fn whole(&self) -> Option<&Bytes> {
        let more = self.rest.is_some() || self.events.is_some() || self.waiting.is_some();
        self.ready.front().filter(|_| !more && self.ready.len() == 1)
    }

    /// An event stream, with each event as `events` makes it.
    pub(crate) fn with_events(mut self, events: EventRewriter) -> Self {
        self.events = Some(Box::new(events));
        self
    }

    /// With what `echo` lets through.
    pub(crate) fn with_echo(mut self, mut echo: EchoFilter) -> Self {
        let ready = std::mem::take(&mut self.ready).into_iter().map(|bytes| echo.feed(bytes));
        self.ready = ready.filter(|bytes| !bytes.is_empty()).collect();
        self.echo = Some(Box::new(echo));
        self
    }

    /// Ends when `end` is ready, whatever it says: cleanly, if it has not ended by then.
    pub(crate) fn until(
        mut self,
        end: impl Future<Output = Result<(), Elapsed>> + Send + 'static,
    ) -> Self {
        self.end = Some(End(Box::pin(end)));
        self
    }
}

impl GatewayBody {
    /// The next frame of the backend's answer, unless it pauses for too long or has to end.
    fn poll_backend(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Self { rest, pause, end, .. } = self;
        if let Some(End(ready)) = end
            && ready.as_mut().poll(cx).is_ready()
        {
            (*rest, *end) = (None, None);
        }
        let Some(body) = rest else { return Poll::Ready(None) };
        match Pin::new(body).poll_frame(cx) {
            Poll::Ready(frame) => {
                if let Some(pause) = pause {
                    pause.timer.as_mut().reset(after(pause.limit));
                }
                Poll::Ready(frame.map(|frame| frame.map_err(BodyError::Broken)))
            }
            Poll::Pending => {
                let Some(pause) = pause else { return Poll::Pending };
                ready!(pause.timer.as_mut().poll(cx));
                Poll::Ready(Some(Err(BodyError::Paused)))
            }
        }
    }
}

impl GatewayBody {
    /// What the client may have of what came.
    fn pass(&mut self, bytes: Bytes) -> Result<Bytes, BodyError> {
        let bytes = match &mut self.events {
            Some(events) => events.feed(&bytes)?,
            None => bytes,
        };
        Ok(match &mut self.echo {
            Some(echo) => echo.feed(bytes),
            None => bytes,
        })
    }

    fn held(&self) -> usize {
        self.echo.as_ref().map_or(0, |echo| echo.held())
    }

    /// What was held back, when nothing comes any more.
    fn finish(&mut self) -> Result<Bytes, BodyError> {
        let last = match self.events.take() {
            Some(mut events) => events.finish()?,
            None => Bytes::new(),
        };
        let Some(mut echo) = self.echo.take() else { return Ok(last) };
        Ok([echo.feed(last), echo.finish()].concat().into())
    }
}

impl Body for GatewayBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        loop {
            if let Some(waiting) = &mut self.waiting {
                match ready!(waiting.poll(cx)) {
                    Ok(body) => {
                        let place = self.place.take();
                        *self = body.holding(place);
                    }
                    Err(bytes) => return Poll::Ready(Some(Ok(Frame::data(bytes)))),
                }
            }
            if let Some(bytes) = self.ready.pop_front() {
                return Poll::Ready(Some(Ok(Frame::data(bytes))));
            }
            let ready = match ready!(self.poll_backend(cx)).transpose()? {
                Some(frame) => match frame.into_data() {
                    Ok(bytes) => self.pass(bytes),
                    // They would get past all that is done to headers, and MCP has none.
                    Err(_trailers) => continue,
                },
                None if self.events.is_none() && self.echo.is_none() => return Poll::Ready(None),
                None => self.finish(),
            };
            let ready = ready.inspect_err(|_| self.rest = None)?;
            if !ready.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(ready))));
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.ready.is_empty()
            && self.events.is_none()
            && self.waiting.is_none()
            && self.held() == 0
            && self.rest.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        if self.events.is_some() || self.waiting.is_some() {
            return SizeHint::default();
        }
        let ready: usize = self.ready.iter().map(Bytes::len).sum();
        let ready = (ready + self.held()) as u64;
        let rest = self.rest.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint);
        let mut hint = SizeHint::new();
        hint.set_lower(ready.saturating_add(rest.lower()));
        if let Some(upper) = rest.upper().and_then(|upper| upper.checked_add(ready)) {
            hint.set_upper(upper);
        }
        hint
    }
}
