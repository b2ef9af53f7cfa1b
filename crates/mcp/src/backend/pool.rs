//! Connections that nobody uses at the moment.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::sleep;

use super::plain::Connection;

/// How often they are looked through. Who was there twice is closed: after 30 to 60 seconds.
const ROUND: Duration = Duration::from_secs(30);

/// The kept connections to one backend.
#[derive(Default)]
pub(crate) struct Pool {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The one used last at the end.
    idle: Vec<Idle>,
    /// Whether somebody looks through them.
    swept: bool,
}

struct Idle {
    connection: Box<Connection>,
    seen: bool,
}

impl Pool {
    fn state(&self) -> MutexGuard<'_, State> {
        // What is left after a panic is in order: connections that nobody uses.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One that can be used, if there is any.
    pub(super) fn take(&self) -> Option<Box<Connection>> {
        loop {
            let Idle { mut connection, .. } = self.state().idle.pop()?;
            if connection.is_ready() {
                return Some(connection);
            }
        }
    }

    pub(super) fn keep(self: Arc<Self>, connection: Box<Connection>) {
        let mut state = self.state();
        state.idle.push(Idle { connection, seen: false });
        if std::mem::replace(&mut state.swept, true) {
            return;
        }
        drop(state);
        let sweeper = Sweeper(Arc::downgrade(&self));
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(sweep(sweeper));
        }
    }

    /// Closes what was not used since the last round, or was closed by the other end.
    pub(super) fn round(&self) {
        let mut state = self.state();
        let is_over = |idle: &mut Idle| {
            std::mem::replace(&mut idle.seen, true) || !idle.connection.is_ready()
        };
        let closed: Vec<Idle> = state.idle.extract_if(.., is_over).collect();
        drop(state);
        drop(closed);
    }
}

async fn sweep(sweeper: Sweeper) {
    loop {
        sleep(ROUND).await;
        let Some(pool) = sweeper.0.upgrade() else { return };
        pool.round();
    }
}

/// Looks through the pool as long as that is there, unless its runtime ends before: then another has to.
struct Sweeper(Weak<Pool>);

impl Drop for Sweeper {
    fn drop(&mut self) {
        if let Some(pool) = self.0.upgrade() {
            pool.state().swept = false;
        }
    }
}

/// Shows how many there are.
impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("idle", &self.state().idle.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use tokio::runtime::Builder;

    use super::*;

    #[test]
    fn whose_sweeper_ended_with_its_runtime_gets_another() {
        let pool = Arc::new(Pool::default());
        pool.state().swept = true;
        let runtime = Builder::new_current_thread().enable_time().build().unwrap();
        runtime.spawn(sweep(Sweeper(Arc::downgrade(&pool))));
        runtime.block_on(tokio::task::yield_now());
        assert!(pool.state().swept);
        drop(runtime);
        assert!(!pool.state().swept);
    }
}
