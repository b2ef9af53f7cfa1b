//! A time-out for one request after the other.

use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::runtime::{Handle, Id};
use tokio::task::unconstrained;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::limits::after;

/// When something has to have happened.
///
/// To set and remove a timer takes longer than most of what a request needs, and nearly none of them goes off. So the timer
/// of the request before stays, and when it goes off too early, it is set again.
#[derive(Debug)]
pub(super) struct Deadline {
    at: Instant,
    timer: Option<Timer>,
}

#[derive(Debug)]
struct Timer {
    sleep: Pin<Box<Sleep>>,
    /// Whose clock it goes by. Another one may stand still.
    runtime: Option<Id>,
}

impl Deadline {
    pub(super) fn new() -> Self {
        Self { at: Instant::now(), timer: None }
    }

    /// So long from now.
    pub(super) fn set(&mut self, limit: Duration) {
        let at = after(limit);
        self.at = at;
        let runtime = runtime();
        let fits = |timer: &mut Timer| timer.sleep.deadline() <= at && timer.runtime == runtime;
        self.timer = self.timer.take_if(fits);
    }

    /// Ready when it is over.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let at = self.at;
        let timer = self
            .timer
            .get_or_insert_with(|| Timer { sleep: Box::pin(sleep_until(at)), runtime: runtime() });
        loop {
            // A backend that sends without end may have used up what this task may do at a time.
            ready!(pin!(unconstrained(timer.sleep.as_mut())).poll(cx));
            if timer.sleep.deadline() >= at {
                return Poll::Ready(());
            }
            timer.sleep.as_mut().reset(at);
        }
    }
}

fn runtime() -> Option<Id> {
    Handle::try_current().ok().map(|runtime| runtime.id())
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
        deadline.set(Duration::MAX);
        assert!(poll_fn(|cx| Poll::Ready(over(&mut deadline, cx))).await.is_pending());
    }

    #[test]
    fn goes_by_the_clock_of_who_waits() {
        let runtime =
            || tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let (one, other) = (runtime(), runtime());
        let mut deadline = Deadline::new();
        for runtime in [&one, &other, &one] {
            runtime.block_on(async {
                deadline.set(Duration::from_millis(10));
                poll_fn(|cx| deadline.poll(cx)).await;
                // The timer stays, and nobody drives this runtime for a while.
                deadline.set(Duration::from_millis(10));
                assert!(poll_fn(|cx| Poll::Ready(deadline.poll(cx))).await.is_pending());
            });
        }
    }
}
