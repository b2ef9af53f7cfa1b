//! Where the time comes from.

use std::fmt::Debug;
use std::time::{Duration, SystemTime};

/// The time of day. Tests bring their own, so that hours pass in no time.
pub trait Clock: Debug + Send + Sync + 'static {
    /// The time now.
    fn now(&self) -> SystemTime;
}

/// The clock of the operating system.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }
}

/// How long ago `then` was. `None` when the clock was set back to before it: nothing can be said then, and
/// the caller takes the answer that is safe.
pub(crate) fn age(now: SystemTime, then: SystemTime) -> Option<Duration> {
    now.duration_since(then).ok()
}
