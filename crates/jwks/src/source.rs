//! Where keys come from.

use std::error::Error;
use std::fmt::{self, Debug};
use std::sync::Arc;

use async_trait::async_trait;

use crate::keys::{Generation, KeySet};

/// A source of an issuer's keys.
///
/// [`current`](Self::current) is asked for every token, so it neither waits nor takes a lock that a fetch
/// could hold. [`refresh`](Self::refresh) is asked only when a token names a key that the current set does
/// not have, or when there is no current set.
#[async_trait]
pub trait KeySource: Debug + Send + Sync + 'static {
    /// The keys that may be used now. `None` when there are none yet, or none that are fresh enough.
    fn current(&self) -> Option<Arc<KeySet>>;

    /// Waits for keys other than `seen`, the generation that did not have what was wanted.
    ///
    /// A source that cannot learn anything new just now (it never changes, or it asked a moment ago)
    /// returns its current keys at once.
    ///
    /// # Errors
    ///
    /// When it could not be found out which keys the issuer has now.
    async fn refresh(&self, seen: Option<Generation>) -> Result<Arc<KeySet>, KeysUnavailable>;
}

/// The issuer's keys could not be fetched: the outside world failed, not the token.
///
/// The source is a [`FetchError`](crate::FetchError) when it comes from
/// [`RemoteKeys`](crate::RemoteKeys). All that waited for one fetch share it.
#[derive(Debug, Clone)]
pub struct KeysUnavailable {
    source: Arc<dyn Error + Send + Sync>,
}

impl fmt::Display for KeysUnavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the issuer's keys cannot be fetched")
    }
}

impl Error for KeysUnavailable {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.source)
    }
}

impl KeysUnavailable {
    /// For a source that could not get keys because of `source`.
    #[must_use]
    pub fn new(source: impl Error + Send + Sync + 'static) -> Self {
        Self { source: Arc::new(source) }
    }
}
