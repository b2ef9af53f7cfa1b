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
        // Nothing panics while it holds the lock.
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
        let idle = std::mem::take(&mut state.idle);
        let (kept, closed): (Vec<_>, Vec<_>) = idle
            .into_iter()
            .map(|mut idle| {
                let keep = !idle.seen && idle.connection.is_ready();
                idle.seen = true;
                (idle, keep)
            })
            .partition(|(_, keep)| *keep);
        state.idle = kept.into_iter().map(|(idle, _)| idle).collect();
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
