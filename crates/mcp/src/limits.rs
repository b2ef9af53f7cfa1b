//! How much and how long.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use tokio::time::error::Elapsed;
use tokio::time::{Instant, timeout};

/// As good as never, where an hour more would be no time that there is.
const NEVER: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

/// So long from now, however long that is.
pub(crate) fn after(limit: Duration) -> Instant {
    Instant::now() + limit.min(NEVER)
}

/// As [`timeout`], without a timer for what is ready at once: most bodies come with their heads.
///
/// By reference, as the future would take its room twice in here.
pub(crate) async fn within<F: Future>(
    limit: Duration,
    mut future: Pin<&mut F>,
) -> Result<F::Output, Elapsed> {
    match poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await {
        Poll::Ready(output) => return Ok(output),
        Poll::Pending => {}
    }
    timeout(limit, future).await
}

/// The limits of a [`Gateway`](crate::Gateway). The defaults suit most MCP servers.
///
/// Headers are limited by the HTTP server that runs the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// The longest request body, in bytes. Default: 4 MiB, as rmcp has it.
    pub request_body: usize,
    /// How long a client may take to send the body. Default: 30 s.
    pub request_time: Duration,
    /// How long a TCP connection to a backend may take. With its name looked up and TLS it may take
    /// [`answer_time`](Self::answer_time). Default: 10 s.
    pub connect_time: Duration,
    /// How long a backend may take from the request to the head of its answer, and again for a short JSON answer as a
    /// whole. Default: 60 s. `tasks/result`, which is answered when a task has ended (revision 2025-11-25), waits for the head
    /// until the user's token or permit ends, if the task is the user's own.
    pub answer_time: Duration,
    /// How long a JSON answer may pause once it has begun. Default: 60 s. An event stream may pause as long as
    /// its client stays.
    pub pause_time: Duration,
    /// The longest answer, and the longest event of a stream, that is read whole to be filtered, in bytes. A longer one
    /// is an error. Default: 16 MiB. Every answer to a user to whom something of a tenant is closed has this limit; and for
    /// everybody, in revision 2026-07-28, those that may be kept: the lists, `server/discover`, `resources/read`; and answers to
    /// `tasks/…`; and what compressed answers of up to 64 KiB mean, where a credential is looked for. Others have none.
    pub filtered_answer: usize,
    /// How long a request waits for a credential that its user said they enter (revision 2026-07-28). Then they are
    /// asked again. Default: 60 s.
    pub credential_time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            request_body: 4 * 1024 * 1024,
            request_time: Duration::from_secs(30),
            connect_time: Duration::from_secs(10),
            answer_time: Duration::from_secs(60),
            pause_time: Duration::from_secs(60),
            filtered_answer: 16 * 1024 * 1024,
            credential_time: Duration::from_secs(60),
        }
    }
}

impl Limits {
    /// Sets [`request_body`](Self::request_body).
    #[must_use]
    pub fn with_request_body(mut self, bytes: usize) -> Self {
        self.request_body = bytes;
        self
    }

    /// Sets [`request_time`](Self::request_time).
    #[must_use]
    pub fn with_request_time(mut self, time: Duration) -> Self {
        self.request_time = time;
        self
    }

    /// Sets [`connect_time`](Self::connect_time).
    #[must_use]
    pub fn with_connect_time(mut self, time: Duration) -> Self {
        self.connect_time = time;
        self
    }

    /// Sets [`answer_time`](Self::answer_time).
    #[must_use]
    pub fn with_answer_time(mut self, time: Duration) -> Self {
        self.answer_time = time;
        self
    }

    /// Sets [`pause_time`](Self::pause_time).
    #[must_use]
    pub fn with_pause_time(mut self, time: Duration) -> Self {
        self.pause_time = time;
        self
    }

    /// Sets [`filtered_answer`](Self::filtered_answer).
    #[must_use]
    pub fn with_filtered_answer(mut self, bytes: usize) -> Self {
        self.filtered_answer = bytes;
        self
    }

    /// Sets [`credential_time`](Self::credential_time).
    #[must_use]
    pub fn with_credential_time(mut self, time: Duration) -> Self {
        self.credential_time = time;
        self
    }
}
