//! Whom to wake.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Wake, Waker};

/// Wakes whoever uses something that has one user after the other, and nobody while it has none.
///
/// What is woken by its own user, in the middle of being used, is noted only: the user is at work already.
#[derive(Debug, Default)]
pub(super) struct Relay {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    user: Option<Waker>,
    woken: bool,
}

impl Relay {
    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it holds the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nobody is woken from now on.
    pub(super) fn detach(&self) {
        let user = self.state().user.take();
        // Dropped without the lock: it may be the last of its task.
        drop(user);
    }

    /// Something is to be done.
    pub(super) fn note(&self) {
        self.state().woken = true;
    }

    /// Forgets what was noted.
    pub(super) fn forget(&self) {
        self.state().woken = false;
    }

    /// Whether something happened that nobody was woken for.
    pub(super) fn is_woken(&self) -> bool {
        self.state().woken
    }

    /// Wakes `user` from now on. Not if something has happened already, which is `false`.
    pub(super) fn attach(&self, user: &Waker) -> bool {
        let mut state = self.state();
        if state.woken {
            return false;
        }
        state.user = Some(user.clone());
        true
    }
}

impl Wake for Relay {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let mut state = self.state();
        state.woken = true;
        let user = state.user.take();
        drop(state);
        if let Some(user) = user {
            user.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn wakes_its_user_once_and_notes_the_rest() {
        let (relay, count) = (Arc::new(Relay::default()), Arc::new(Count::default()));
        let (ours, user) = (Waker::from(Arc::clone(&relay)), Waker::from(Arc::clone(&count)));
        ours.wake_by_ref();
        assert!(relay.is_woken() && !relay.attach(&user));
        relay.forget();
        assert!(relay.attach(&user));
        ours.wake_by_ref();
        ours.wake_by_ref();
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
        relay.forget();
        assert!(relay.attach(&user));
        relay.detach();
        ours.wake();
        assert!(relay.is_woken());
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
    }
}
