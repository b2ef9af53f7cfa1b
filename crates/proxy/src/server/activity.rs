//! Whether anything happens on a connection by HTTP/2 that is worth keeping it for.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Bytes;
use axum::http::Response;
use hyper::body::{Body, Frame, SizeHint};
use tokio::time::{Instant, sleep};

/// How much of an answer is sent at once, so that a client that takes a long one slowly is seen to take it.
const PIECE: usize = 16 * 1024;

/// How often it is looked, in the time that is waited for.
const LOOKS: u32 = 4;

/// What happens on one connection.
///
/// It is in use while an answer is being made, or an answer's next part is. It is not by what its client could do alone for
/// ever: pings, the head of a request that has no end, an answer that it does not take.
#[derive(Debug, Default)]
pub(super) struct Activity {
    /// Answers that are being made, or that are not taken whole.
    open: AtomicUsize,
    /// Answers, and parts of answers, that are being made.
    waits: AtomicUsize,
    /// How often either changed, or a part of an answer was taken.
    moves: AtomicUsize,
}

/// Why a connection is of no use any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rest {
    /// No request is open.
    Idle,
    /// Nothing is taken of the answers that are.
    Stalled,
}

impl Activity {
    /// Ready once no request was open for the time `idle`, or nothing was taken of what is open for the time `stalled`,
    /// and at most a quarter of the shorter one later.
    pub(super) async fn rests(&self, idle: Duration, stalled: Duration) -> Rest {
        let (mut since, mut seen) = (Instant::now(), self.moves.load(Ordering::Relaxed));
        loop {
            sleep(idle.min(stalled) / LOOKS).await;
            let moves = self.moves.load(Ordering::Relaxed);
            if self.waits.load(Ordering::Relaxed) > 0 || moves != seen {
                (since, seen) = (Instant::now(), moves);
                continue;
            }
            let (rest, time) = match self.open.load(Ordering::Relaxed) {
                0 => (Rest::Idle, idle),
                _ => (Rest::Stalled, stalled),
            };
            if since.elapsed() >= time {
                return rest;
            }
        }
    }

    /// `answer`, seen from here.
    pub(super) async fn of<B>(
        self: Arc<Self>,
        answer: impl Future<Output = Result<Response<B>, Infallible>>,
    ) -> Result<Response<Watched<B>>, Infallible> {
        let open = Counted::new(&self, |activity| &activity.open);
        let wait = Counted::new(&self, |activity| &activity.waits);
        let answer = answer.await?;
        drop(wait);
        Ok(answer.map(|body| Watched { body, rest: Bytes::new(), wait: None, open }))
    }

    fn moved(&self) {
        self.moves.fetch_add(1, Ordering::Relaxed);
    }
}

/// One more of something, until this is dropped.
#[derive(Debug)]
struct Counted {
    activity: Arc<Activity>,
    of: fn(&Activity) -> &AtomicUsize,
}

impl Counted {
    fn new(activity: &Arc<Activity>, of: fn(&Activity) -> &AtomicUsize) -> Self {
        of(activity).fetch_add(1, Ordering::Relaxed);
        activity.moved();
        Self { activity: Arc::clone(activity), of }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        (self.of)(&self.activity).fetch_sub(1, Ordering::Relaxed);
        self.activity.moved();
    }
}

/// The body of an answer, piece by piece.
#[derive(Debug)]
pub(super) struct Watched<B> {
    body: B,
    /// What the body has given and nobody has taken yet.
    rest: Bytes,
    /// While the body has nothing to give.
    wait: Option<Counted>,
    open: Counted,
}

impl<B: Body<Data = Bytes> + Unpin> Body for Watched<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = &mut *self;
        if this.rest.is_empty() {
            let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(context) else {
                let activity = &this.open.activity;
                this.wait.get_or_insert_with(|| Counted::new(activity, |it| &it.waits));
                return Poll::Pending;
            };
            this.wait = None;
            match frame.map(|frame| frame.map(Frame::into_data)) {
                Some(Ok(Ok(data))) => this.rest = data,
                Some(Ok(Err(trailers))) => return Poll::Ready(Some(Ok(trailers))),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
        this.open.activity.moved();
        let piece = this.rest.split_to(this.rest.len().min(PIECE));
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (rest, hint) = (self.rest.len() as u64, self.body.size_hint());
        let mut whole = SizeHint::new();
        whole.set_lower(hint.lower() + rest);
        if let Some(upper) = hint.upper() {
            whole.set_upper(upper + rest);
        }
        whole
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::{BodyExt as _, Full};
    use tokio::time::timeout;

    use super::*;

    const TIME: Duration = Duration::from_millis(100);
    const LONG: Duration = Duration::from_secs(10);

    async fn watched(activity: &Arc<Activity>, bytes: Vec<u8>) -> Watched<Full<Bytes>> {
        let answer = async { Ok(Response::new(Full::from(bytes))) };
        Arc::clone(activity).of(answer).await.unwrap().into_body()
    }

    #[tokio::test]
    async fn a_long_answer_is_sent_in_pieces_and_each_counts() {
        let activity = Arc::new(Activity::default());
        let bytes: Vec<u8> = (0..PIECE * 3 + 1).map(|at| at as u8).collect();
        let mut body = watched(&activity, bytes.clone()).await;
        let mut seen = activity.moves.load(Ordering::Relaxed);
        let (mut pieces, mut whole) = (0, Vec::new());
        while !body.is_end_stream() {
            let left = (bytes.len() - whole.len()) as u64;
            assert_eq!(body.size_hint().exact(), Some(left));
            let piece = body.frame().await.unwrap().unwrap().into_data().unwrap();
            assert!(piece.len() <= PIECE);
            whole.extend_from_slice(&piece);
            pieces += 1;
            let moves = activity.moves.load(Ordering::Relaxed);
            assert!(moves > seen, "nobody saw it");
            seen = moves;
        }
        assert_eq!((pieces, whole), (4, bytes));
        assert!(body.frame().await.is_none());
    }

    #[tokio::test]
    async fn it_rests_when_nothing_is_waited_for_and_nothing_moves() {
        let activity = Arc::new(Activity::default());
        let rest = timeout(LONG, activity.rests(TIME, LONG)).await;
        assert_eq!(rest, Ok(Rest::Idle), "nothing happened at all");

        let answer = Arc::clone(&activity).of(std::future::pending::<Result<Response<()>, _>>());
        let waiting =
            async { tokio::join!(timeout(TIME * 10, answer), activity.rests(TIME, TIME)) };
        let started = Instant::now();
        let (_, rest) =
            timeout(LONG, waiting).await.expect("the answer is not waited for any more");
        assert_eq!(rest, Rest::Idle);
        assert!(started.elapsed() >= TIME * 11, "an answer was waited for");

        let moves = async {
            for _ in 0..20 {
                sleep(TIME / 4).await;
                drop(watched(&activity, vec![1]).await.frame().await);
            }
        };
        let started = Instant::now();
        tokio::join!(moves, activity.rests(TIME, TIME));
        assert!(started.elapsed() >= TIME * 5, "something moved all the time");
    }

    #[tokio::test]
    async fn an_answer_that_is_not_taken_has_its_own_time() {
        let activity = Arc::new(Activity::default());
        let mut body = watched(&activity, vec![0; PIECE + 1]).await;
        assert!(body.frame().await.is_some());
        let started = Instant::now();
        assert_eq!(activity.rests(TIME, TIME * 10).await, Rest::Stalled);
        assert!(started.elapsed() >= TIME * 10, "it was open");
        drop(body);
        let rest = timeout(LONG, activity.rests(TIME, LONG * 2)).await;
        assert_eq!(rest, Ok(Rest::Idle), "it is not open any more");
    }

    #[tokio::test]
    async fn a_body_that_has_nothing_to_give_is_waited_for() {
        let activity = Arc::new(Activity::default());
        let body = http_body_util::StreamBody::new(futures_util::stream::pending::<
            Result<Frame<Bytes>, Infallible>,
        >());
        let answer = async { Ok(Response::new(body)) };
        let mut body = Arc::clone(&activity).of(answer).await.unwrap().into_body();
        // It has not been asked yet: the client may not even take the head.
        assert_eq!(activity.waits.load(Ordering::Relaxed), 0);
        assert!(timeout(TIME, body.frame()).await.is_err());
        assert_eq!(activity.waits.load(Ordering::Relaxed), 1);
        drop(body);
        assert_eq!(activity.waits.load(Ordering::Relaxed), 0);
    }
}
