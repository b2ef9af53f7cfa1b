//! Connections without TLS.

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body as _, Frame};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::unconstrained;

use super::deadline::Deadline;
use super::pool::Pool;
use super::relay::Relay;

/// How often a connection reads and writes before others have their turn. An answer takes one or two.
const TURNS: usize = 4;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// A connection by HTTP/1.1, to be used for one request after the other.
///
/// It has no task of its own. Who has sent a request drives it until the answer is read: no other task has to be woken for
/// either, and who drops it closes it, so that the backend learns that nobody waits any more.
#[derive(Debug)]
pub(super) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    /// `None` once it is closed.
    driver: Option<http1::Connection<TokioIo<TcpStream>, Full<Bytes>>>,
    relay: Arc<Relay>,
    /// Of the relay.
    waker: Waker,
    deadline: Deadline,
    /// Where it is kept while nobody uses it.
    pool: Weak<Pool>,
}

/// Why there is no answer.
pub(super) enum SendError {
    /// The connection was closed before anything was sent: another one can be tried.
    Closed(Box<Request<Full<Bytes>>>),
    Broken(Failure),
    Time,
}

impl Connection {
    pub(super) async fn new(io: TokioIo<TcpStream>, pool: &Arc<Pool>) -> hyper::Result<Self> {
        let (sender, driver) = http1::handshake(io).await?;
        let relay = Arc::new(Relay::default());
        Ok(Self {
            sender,
            driver: Some(driver),
            waker: Waker::from(Arc::clone(&relay)),
            relay,
            deadline: Deadline::new(),
            pool: Arc::downgrade(pool),
        })
    }

    /// Sends a request and waits for the head of the answer.
    pub(super) async fn send(
        &mut self,
        request: Request<Full<Bytes>>,
        limit: Duration,
    ) -> Result<Response<Incoming>, SendError> {
        self.deadline.set(limit);
        // The request will be there to be written.
        self.relay.note();
        // What the connection has brought is taken, however much this task has done already.
        let mut answer = pin!(unconstrained(self.sender.try_send_request(request)));
        poll_fn(|cx| {
            match self.drive(cx, |cx| answer.as_mut().poll(cx)) {
                Poll::Ready(Ok(answer)) => {
                    return Poll::Ready(answer.map_err(|mut error| match error.take_message() {
                        Some(request) => SendError::Closed(Box::new(request)),
                        None => SendError::Broken(error.into_error().into()),
                    }));
                }
                Poll::Ready(Err(closed)) => {
                    return Poll::Ready(Err(SendError::Broken(closed.into())));
                }
                Poll::Pending => {}
            }
            self.deadline.poll(cx).map(|()| Err(SendError::Time))
        })
        .await
    }

    /// The next frame of the answer's body.
    pub(super) fn poll_frame(
        &mut self,
        body: &mut Incoming,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Failure>>> {
        Poll::Ready(match ready!(self.drive(cx, |cx| Pin::new(&mut *body).poll_frame(cx))) {
            Ok(frame) => frame.map(|frame| frame.map_err(Into::into)),
            Err(closed) => Some(Err(closed.into())),
        })
    }

    /// Waits for what `part` gives. Nothing but this connection brings that about, so that it needs no waker. It must not be
    /// one that Tokio holds back for the sake of other tasks.
    fn drive<T>(
        &mut self,
        cx: &mut Context<'_>,
        mut part: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<io::Result<T>> {
        let mut nobody = Context::from_waker(Waker::noop());
        self.relay.detach();
        let mut closed = false;
        for turns in 0.. {
            if let Poll::Ready(done) = part(&mut nobody) {
                return Poll::Ready(Ok(done));
            }
            if closed {
                return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
            }
            // Who is polled for something else than this connection has no turn to take.
            if self.relay.attach(cx.waker()) {
                return Poll::Pending;
            }
            if turns == TURNS {
                break;
            }
            closed = self.turn().is_ready();
        }
        // hyper wakes at once who has read much at a time, so that others have their turn.
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Reads and writes what can be. Ready when the connection is closed.
    fn turn(&mut self) -> Poll<()> {
        let Some(driver) = &mut self.driver else { return Poll::Ready(()) };
        self.relay.forget();
        // What goes wrong is told to who waits for the answer.
        let _ = ready!(Pin::new(driver).poll(&mut Context::from_waker(&self.waker)));
        self.driver = None;
        Poll::Ready(())
    }

    /// Whether it can take a request, as far as is known without asking the other end.
    pub(super) fn is_ready(&mut self) -> bool {
        if self.relay.is_woken() && self.turn().is_ready() {
            return false;
        }
        self.sender.is_ready()
    }

    /// The answer is read: somebody else may use it.
    pub(super) fn release(mut self: Box<Self>) {
        self.relay.detach();
        // Mostly it knows by now, and what it was woken for was us.
        let ready = self.sender.is_ready() || self.turn().is_pending() && self.sender.is_ready();
        if ready && let Some(pool) = self.pool.upgrade() {
            self.relay.forget();
            pool.keep(self);
        }
    }
}
