//! A clock, a key server that does what it is told, and tasks that run when the test says so.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Waker};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use futures_util::FutureExt;
use http::{Request, Response};

use crate::remote::{RemoteKeys, RemoteKeysBuilder};
use crate::{
    Algorithm, Clock, KeySet, KeySource, KeysUnavailable, Limits, NoKey, RemoteAddress, Spawn,
    Transport, TransportError,
};

pub(super) const ISSUER: &str = "https://idp.example";
pub(super) const CONFIGURATION: &str = "https://idp.example/.well-known/openid-configuration";
pub(super) const KEYS: &str = "https://idp.example/keys";

/// What the server does with the next request for a URL.
#[derive(Clone)]
pub(super) enum Act {
    Answer { status: u16, headers: Vec<(&'static str, String)>, body: String },
    Refuse,
    Hang,
    Panic,
}

pub(super) fn ok(body: impl Into<String>) -> Act {
    Act::Answer { status: 200, headers: Vec::new(), body: body.into() }
}

pub(super) fn status(status: u16) -> Act {
    Act::Answer { status, headers: Vec::new(), body: "<html>oops</html>".into() }
}

pub(super) fn redirect(to: &str) -> Act {
    let headers = vec![("location", to.to_owned())];
    Act::Answer { status: 302, headers, body: String::new() }
}

impl Act {
    pub(super) fn with(mut self, name: &'static str, value: &str) -> Self {
        if let Self::Answer { headers, .. } = &mut self {
            headers.push((name, value.to_owned()));
        }
        self
    }
}

#[derive(Default)]
pub(super) struct World {
    /// In milliseconds since the epoch.
    now: AtomicU64,
    /// For each URL (`*` for all others), what happens; the last act is repeated.
    acts: Mutex<Vec<(String, VecDeque<Act>)>>,
    requests: Mutex<Vec<(String, Limits, Option<String>)>>,
    tasks: Mutex<Vec<Pin<Box<dyn Future<Output = ()> + Send>>>>,
    address: Mutex<Option<std::net::IpAddr>>,
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("World")
    }
}

impl World {
    pub(super) fn new() -> Arc<Self> {
        let world = Arc::new(Self::default());
        world.now.store(1_700_000_000_000, Ordering::SeqCst);
        world.on(CONFIGURATION, [ok(configuration(KEYS))]);
        world
    }

    pub(super) fn on(&self, url: &str, acts: impl IntoIterator<Item = Act>) {
        let mut all = self.acts.lock().unwrap();
        all.retain(|(have, _)| have != url);
        all.push((url.to_owned(), acts.into_iter().collect()));
    }

    pub(super) fn serve(&self, ids: &[&str]) {
        self.on(KEYS, [ok(jwks(ids))]);
    }

    /// Where the server says it is.
    pub(super) fn at(&self, address: &str) {
        *self.address.lock().unwrap() = Some(address.parse().unwrap());
    }

    pub(super) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().iter().map(|(url, ..)| url.clone()).collect()
    }

    pub(super) fn fetches(&self) -> usize {
        self.requests().iter().filter(|url| *url == KEYS).count()
    }

    pub(super) fn last_limits(&self) -> Limits {
        self.requests.lock().unwrap().last().unwrap().1
    }

    pub(super) fn last_tag(&self) -> Option<String> {
        self.requests.lock().unwrap().last().unwrap().2.clone()
    }

    pub(super) fn pass(&self, time: Duration) {
        self.now.fetch_add(time.as_millis() as u64, Ordering::SeqCst);
    }

    pub(super) fn set_back(&self, time: Duration) {
        self.now.fetch_sub(time.as_millis() as u64, Ordering::SeqCst);
    }

    /// Polls every task that was spawned once.
    pub(super) fn run(&self) {
        let mut tasks = std::mem::take(&mut *self.tasks.lock().unwrap());
        let mut context = Context::from_waker(Waker::noop());
        tasks.retain_mut(|task| task.as_mut().poll(&mut context).is_pending());
        self.tasks.lock().unwrap().extend(tasks);
    }

    pub(super) fn keys(self: &Arc<Self>) -> RemoteKeys {
        self.build(RemoteKeys::discover(ISSUER))
    }

    pub(super) fn build(self: &Arc<Self>, builder: RemoteKeysBuilder) -> RemoteKeys {
        let clock: Arc<dyn Clock> = self.clone();
        builder.with_clock(clock).build_with(self.clone(), self.clone()).unwrap()
    }
}

impl Clock for World {
    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_millis(self.now.load(Ordering::SeqCst))
    }
}

impl Spawn for World {
    fn spawn(&self, task: Pin<Box<dyn Future<Output = ()> + Send>>) {
        self.tasks.lock().unwrap().push(task);
    }
}

#[async_trait]
impl Transport for World {
    async fn send(
        &self,
        request: Request<Bytes>,
        limits: Limits,
    ) -> Result<Response<Bytes>, TransportError> {
        let url = request.uri().to_string();
        let tag =
            request.headers().get("if-none-match").map(|tag| tag.to_str().unwrap().to_owned());
        self.requests.lock().unwrap().push((url.clone(), limits, tag));
        let act = {
            let mut all = self.acts.lock().unwrap();
            let acts = all.iter_mut().find(|(have, _)| *have == url).map(|(_, acts)| acts);
            acts.map(
                |acts| if acts.len() > 1 { acts.pop_front().unwrap() } else { acts[0].clone() },
            )
        };
        match act.unwrap_or_else(|| status(404)) {
            Act::Answer { status, headers, body } => {
                let mut response = Response::builder().status(status);
                for (name, value) in headers {
                    response = response.header(name, value);
                }
                let mut response = response.body(Bytes::from(body)).unwrap();
                if let Some(address) = *self.address.lock().unwrap() {
                    response.extensions_mut().insert(RemoteAddress(address));
                }
                Ok(response)
            }
            Act::Refuse => Err(TransportError::Failed("connection refused".into())),
            Act::Hang => std::future::pending().await,
            Act::Panic => panic!("a transport with a bug"),
        }
    }
}

pub(super) fn configuration(jwks_uri: &str) -> String {
    format!(r#"{{"issuer":"{ISSUER}","jwks_uri":"{jwks_uri}"}}"#)
}

/// A set with a new key for each id.
pub(super) fn jwks(ids: &[&str]) -> String {
    let keys: Vec<String> = ids.iter().map(|id| jwk(id)).collect();
    format!(r#"{{"keys":[{}]}}"#, keys.join(","))
}

fn jwk(id: &str) -> String {
    let key = Ed25519KeyPair::generate().unwrap();
    let x = URL_SAFE_NO_PAD.encode(key.public_key());
    format!(r#"{{"kty":"OKP","crv":"Ed25519","kid":"{id}","x":"{x}"}}"#)
}

pub(super) fn has(keys: &KeySet, id: &str) -> bool {
    keys.candidates(Some(id), Algorithm::EdDsa).is_ok()
}

/// What a verifier does for a token with this key id. `None` when it has to wait.
pub(super) fn look_up(keys: &RemoteKeys, id: &str) -> Option<Result<bool, KeysUnavailable>> {
    let current = keys.current();
    let seen = match &current {
        Some(set) => match set.candidates(Some(id), Algorithm::EdDsa) {
            Err(NoKey::Unknown) => Some(set.generation()),
            found => return Some(Ok(found.is_ok())),
        },
        None => None,
    };
    Some(keys.refresh(seen).now_or_never()?.map(|set| has(&set, id)))
}
