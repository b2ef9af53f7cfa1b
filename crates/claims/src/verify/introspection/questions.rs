//! One question for one token, however many wait for the answer.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared, WeakShared};

use crate::verify::cache::Hit;
use crate::verify::error::VerifyError;

type Outcome = Result<Hit, VerifyError>;
type Answer = BoxFuture<'static, Outcome>;

/// The questions that are open.
#[derive(Default)]
pub(super) struct Questions {
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    by_token: HashMap<Arc<str>, Question>,
    last: u64,
}

/// Held by those who wait: when all of them are gone, so is the question.
struct Question {
    number: u64,
    answer: WeakShared<Answer>,
}

impl Questions {
    /// The answer to the open question about this token, or to a new one. None if `most` are open.
    pub(super) fn join<F>(
        self: &Arc<Self>,
        token: &str,
        most: usize,
        ask: impl FnOnce() -> F,
    ) -> Option<Shared<Answer>>
    where
        F: Future<Output = Outcome> + Send + 'static,
    {
        let mut open = self.locked();
        if let Some(answer) = open.by_token.get(token).and_then(|it| it.answer.upgrade()) {
            return Some(answer);
        }
        if open.by_token.len() >= most {
            return None;
        }
        open.last += 1;
        let (token, number): (Arc<str>, _) = (token.into(), open.last);
        let place = Place { questions: Arc::clone(self), token: Arc::clone(&token), number };
        let asked = ask();
        let answer = async move {
            let _place = place;
            asked.await
        };
        let answer = answer.boxed().shared();
        open.by_token.insert(token, Question { number, answer: answer.downgrade()? });
        Some(answer)
    }

    fn locked(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The place of an open question. Free when it was answered, or when nobody waits any more.
struct Place {
    questions: Arc<Questions>,
    token: Arc<str>,
    number: u64,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.questions.locked();
        // A new question about the same token may have taken the place of one that nobody waited for.
        if open.by_token.get(&self.token).is_some_and(|it| it.number == self.number) {
            open.by_token.remove(&self.token);
        }
    }
}
