//! A time-out for one request after the other.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// When something has to have happened.
///
/// To set and remove a timer takes longer than most of what a request needs, and nearly none of them goes off. So the timer
/// of the request before stays, and when it goes off too early, it is set again.
#[derive(Debug)]
pub(super) struct Deadline {
    at: Instant,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Deadline {
    pub(super) fn new() -> Self {
        Self { at: Instant::now(), timer: None }
    }

    /// So long from now.
    pub(super) fn set(&mut self, limit: Duration) {
        self.at = Instant::now() + limit;
        if self.timer.as_ref().is_some_and(|timer| timer.deadline() > self.at) {
            self.timer = None;
        }
    }

    /// Ready when it is over.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let at = self.at;
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(at)));
        loop {
            ready!(timer.as_mut().poll(cx));
            if timer.deadline() >= at {
                return Poll::Ready(());
            }
            timer.as_mut().reset(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    #[tokio::test]
    async fn is_over_when_the_last_one_that_was_set_is() {
        let mut deadline = Deadline::new();
        let over = |deadline: &mut Deadline, cx: &mut Context<'_>| deadline.poll(cx);
        deadline.set(Duration::from_millis(40));
        assert!(poll_fn(|cx| Poll::Ready(over(&mut deadline, cx))).await.is_pending());
        tokio::time::sleep(Duration::from_millis(20)).await;
        // Its timer goes off after 20 of these.
        let begin = Instant::now();
        deadline.set(Duration::from_millis(40));
        poll_fn(|cx| over(&mut deadline, cx)).await;
        assert!(begin.elapsed() >= Duration::from_millis(40));
        // A shorter one does not wait for the timer of a longer one.
        deadline.set(Duration::from_secs(600));
        assert!(poll_fn(|cx| Poll::Ready(over(&mut deadline, cx))).await.is_pending());
        deadline.set(Duration::from_millis(10));
        poll_fn(|cx| over(&mut deadline, cx)).await;
    }
}
