//! Groups from Microsoft Graph.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bonafide_jwks::strict_json::{self, Object, Value};
use bonafide_jwks::{Clock, Limits, Reach, SystemClock, Transport, TransportError};
use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use http::header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::resolver::{GroupResolver, GroupsUnavailable};
use crate::ids::{DirectoryId, GroupName, UserId};
use crate::names::NameSet;

/// Looks up the groups of a Microsoft Entra ID user in Microsoft Graph: all that the user is in, directly or
/// through others, by object id, as the claim `groups` has them.
///
/// Needs an app registration with the application permission `GroupMember.Read.All` and a client secret. An
/// answer is kept for 5 minutes, and requests for the same user share one lookup. When Graph asks for a pause
/// (`Retry-After`), nobody asks it before that is over.
///
/// # Security
///
/// The access token goes to the configured origin only, whatever `@odata.nextLink` says. A lookup that is not
/// complete is an error, never a part of the groups.
#[derive(Clone)]
pub struct GraphGroups {
    inner: Arc<Inner>,
}

struct Inner {
    terms: GraphGroupsBuilder,
    transport: Arc<dyn Transport>,
    login: Url,
    graph: Url,
    lookups: Mutex<HashMap<UserId, Lookup>>,
    tokens: Mutex<HashMap<DirectoryId, AccessToken>>,
    /// Graph asked not to be asked before.
    pause: Mutex<Option<SystemTime>>,
}

type Outcome = Result<NameSet<GroupName>, GroupsUnavailable>;

struct Lookup {
    outcome: Shared<BoxFuture<'static, Outcome>>,
    started: SystemTime,
}

#[derive(Clone)]
struct AccessToken {
    secret: SecretString,
    until: SystemTime,
}

/// Builds [`GraphGroups`].
#[derive(Clone)]
#[must_use]
pub struct GraphGroupsBuilder {
    client_id: String,
    client_secret: SecretString,
    login: String,
    graph: String,
    lifetime: Duration,
    timeout: Duration,
    clock: Arc<dyn Clock>,
}

/// A URL that no secret is sent to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{what}` is not the origin of an `https` URL: only a loopback address may be reached by `http`"
)]
pub struct GraphBuildError {
    what: &'static str,
}

/// Why the groups could not be looked up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GraphError {
    /// The user's token names no directory.
    #[error("the user has no directory")]
    NoDirectory,
    /// There was no answer.
    #[error("no answer from Microsoft")]
    Transport(#[source] TransportError),
    /// The answer was no success.
    #[error("Microsoft answered with status {0}")]
    Status(StatusCode),
    /// Graph asked for a pause, which is not over.
    #[error("Microsoft Graph asked for a pause, which is not over")]
    Paused,
    /// The answer is not what it should be.
    #[error("the answer of Microsoft is not as documented")]
    Malformed,
    /// A page leads to another server.
    #[error("a page of groups leads to another server")]
    ForeignPage,
    /// More pages than are read.
    #[error("the user has more than {} groups", MAX_PAGES * PAGE)]
    TooMany,
}

const PAGE: usize = 999;
const MAX_PAGES: usize = 20;
const MAX_BYTES: usize = 1024 * 1024;
const MAX_USERS: usize = 10_000;

/// How long a failure stands, so that an outage is not made worse.
const AFTER_FAILURE: Duration = Duration::from_secs(5);

/// The longest pause that is granted.
const LONGEST_PAUSE: Duration = Duration::from_secs(600);

impl GraphGroups {
    /// With the id and the secret of an app registration.
    pub fn builder(
        client_id: impl Into<String>,
        client_secret: SecretString,
    ) -> GraphGroupsBuilder {
        GraphGroupsBuilder {
            client_id: client_id.into(),
            client_secret,
            login: "https://login.microsoftonline.com".to_owned(),
            graph: "https://graph.microsoft.com".to_owned(),
            lifetime: Duration::from_secs(300),
            timeout: Duration::from_secs(5),
            clock: Arc::new(SystemClock),
        }
    }
}

impl GraphGroupsBuilder {
    /// The origins of a national cloud: of its sign-in and of its Graph.
    pub fn with_origins(mut self, login: impl Into<String>, graph: impl Into<String>) -> Self {
        self.login = login.into();
        self.graph = graph.into();
        self
    }

    /// How long an answer is kept. 5 minutes by default. The verified token keeps it for up to a minute more.
    pub fn with_lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = lifetime;
        self
    }

    /// How long one exchange may take. 5 seconds by default; the groups come in pages of 999.
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// The clock. The operating system's by default.
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// The resolver, over any transport.
    ///
    /// # Errors
    ///
    /// When an origin is none to send a secret to.
    pub fn build_with(self, transport: Arc<dyn Transport>) -> Result<GraphGroups, GraphBuildError> {
        let login = super::introspection::secure_url(&self.login)
            .ok_or(GraphBuildError { what: "login" })?;
        let graph = super::introspection::secure_url(&self.graph)
            .ok_or(GraphBuildError { what: "graph" })?;
        let inner = Inner {
            terms: self,
            transport,
            login,
            graph,
            lookups: Mutex::default(),
            tokens: Mutex::default(),
            pause: Mutex::default(),
        };
        Ok(GraphGroups { inner: Arc::new(inner) })
    }
}

#[async_trait]
impl GroupResolver for GraphGroups {
    async fn groups(&self, user: &UserId) -> Outcome {
        self.inner.lookup(user).await
    }
}

impl Inner {
    /// The lookup for this user that is running or was done a moment ago, or a new one.
    fn lookup(self: &Arc<Self>, user: &UserId) -> Shared<BoxFuture<'static, Outcome>> {
        let now = self.terms.clock.now();
        let mut lookups = locked(&self.lookups);
        if let Some(known) = lookups.get(user).filter(|it| self.is_good(it, now)) {
            return known.outcome.clone();
        }
        if lookups.len() >= MAX_USERS {
            lookups.retain(|_, it| self.is_good(it, now));
        }
        if lookups.len() >= MAX_USERS {
            lookups.clear();
        }
        let (inner, id) = (Arc::clone(self), user.clone());
        let outcome =
            async move { inner.fetch(&id).await.map_err(GroupsUnavailable::new) }.boxed().shared();
        lookups.insert(user.clone(), Lookup { outcome: outcome.clone(), started: now });
        outcome
    }

    fn is_good(&self, lookup: &Lookup, now: SystemTime) -> bool {
        let lifetime = match lookup.outcome.peek() {
            Some(Ok(_)) => self.terms.lifetime,
            Some(Err(_)) => AFTER_FAILURE,
            // Whoever started it may have gone away, and then it goes on with the next who asks.
            None => self.terms.timeout.saturating_mul(MAX_PAGES as u32),
        };
        now.duration_since(lookup.started).is_ok_and(|age| age < lifetime)
    }

    async fn fetch(&self, user: &UserId) -> Result<NameSet<GroupName>, GraphError> {
        let directory = user.directory().ok_or(GraphError::NoDirectory)?;
        let token = self.token(directory).await?;
        let mut next = Some(self.first_page(user)?);
        let mut groups = Vec::new();
        for _ in 0..MAX_PAGES {
            let Some(page) = next else { return Ok(groups.into_iter().collect()) };
            let answer = self.get(&page, &token, directory).await?;
            let page = strict_json::parse(answer.body()).map_err(|_| GraphError::Malformed)?;
            read_page(&page, &mut groups)?;
            next = self.next_page(&page)?;
        }
        if next.is_some() { Err(GraphError::TooMany) } else { Ok(groups.into_iter().collect()) }
    }

    fn first_page(&self, user: &UserId) -> Result<Url, GraphError> {
        let mut url = self.graph.clone();
        // Segment by segment, so that an id with a slash in it leads nowhere else.
        url.path_segments_mut().map_err(|()| GraphError::Malformed)?.clear().extend([
            "v1.0",
            "users",
            user.subject().as_str(),
            "transitiveMemberOf",
            "microsoft.graph.group",
        ]);
        url.set_query(Some(&format!("$select=id&$top={PAGE}")));
        Ok(url)
    }

    fn next_page(&self, page: &Object<'_>) -> Result<Option<Url>, GraphError> {
        let Some(link) = page.get("@odata.nextLink") else { return Ok(None) };
        let url = link.as_str().and_then(|link| Url::parse(link).ok());
        let url = url.ok_or(GraphError::Malformed)?;
        if url.origin() != self.graph.origin() || !url.username().is_empty() {
            return Err(GraphError::ForeignPage);
        }
        Ok(Some(url))
    }

    async fn get(
        &self,
        url: &Url,
        token: &SecretString,
        directory: &DirectoryId,
    ) -> Result<Response<Bytes>, GraphError> {
        let bearer = format!("Bearer {}", token.expose_secret());
        let mut bearer = HeaderValue::try_from(bearer).map_err(|_| GraphError::Malformed)?;
        bearer.set_sensitive(true);
        let request = Request::get(url.as_str()).header(AUTHORIZATION, bearer).body(Bytes::new());
        let answer = self.send(request.map_err(|_| GraphError::Malformed)?).await;
        if let Err(GraphError::Status(StatusCode::UNAUTHORIZED)) = answer {
            locked(&self.tokens).remove(directory);
        }
        answer
    }

    /// An access token for Graph, kept until shortly before it ends: RFC 6749, section 4.4.
    async fn token(&self, directory: &DirectoryId) -> Result<SecretString, GraphError> {
        let now = self.terms.clock.now();
        if let Some(known) = locked(&self.tokens).get(directory).filter(|it| now < it.until) {
            return Ok(known.secret.clone());
        }
        let answer = self.send(self.token_request(directory)?).await?;
        let answer = strict_json::parse(answer.body()).map_err(|_| GraphError::Malformed)?;
        let secret = answer.get("access_token").and_then(Value::as_str);
        let secret = SecretString::from(secret.ok_or(GraphError::Malformed)?);
        let seconds = match answer.get("expires_in") {
            Some(Value::Unsigned(seconds)) => (*seconds).min(86_400),
            _ => 0,
        };
        let until = now + Duration::from_secs(seconds.saturating_sub(60));
        let token = AccessToken { secret: secret.clone(), until };
        locked(&self.tokens).insert(directory.clone(), token);
        Ok(secret)
    }

    fn token_request(&self, directory: &DirectoryId) -> Result<Request<Bytes>, GraphError> {
        let mut url = self.login.clone();
        url.path_segments_mut().map_err(|()| GraphError::Malformed)?.clear().extend([
            directory.as_str(),
            "oauth2",
            "v2.0",
            "token",
        ]);
        let scope = format!("{}/.default", self.graph.origin().ascii_serialization());
        let form = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("grant_type", "client_credentials")
            .append_pair("client_id", &self.terms.client_id)
            .append_pair("client_secret", self.terms.client_secret.expose_secret())
            .append_pair("scope", &scope)
            .finish();
        Request::post(url.as_str())
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Bytes::from(form))
            .map_err(|_| GraphError::Malformed)
    }

    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, GraphError> {
        let now = self.terms.clock.now();
        if locked(&self.pause).is_some_and(|until| now < until) {
            return Err(GraphError::Paused);
        }
        let timeout = self.terms.timeout;
        let limits = Limits { timeout, max_bytes: MAX_BYTES, reach: Reach::ANYWHERE };
        let sent = self.transport.send(request, limits).await;
        let answer = sent.map_err(GraphError::Transport)?;
        if let Some(pause) = pause(answer.status(), answer.headers()) {
            *locked(&self.pause) = Some(now + pause);
        }
        match answer.status() {
            StatusCode::OK => Ok(answer),
            status => Err(GraphError::Status(status)),
        }
    }
}

fn read_page(page: &Object<'_>, groups: &mut Vec<GroupName>) -> Result<(), GraphError> {
    let entries = page.get("value").and_then(Value::as_array).ok_or(GraphError::Malformed)?;
    for entry in entries {
        let id = entry.as_object().and_then(|entry| entry.get("id")?.as_str());
        groups.push(id.and_then(|id| id.parse().ok()).ok_or(GraphError::Malformed)?);
    }
    Ok(())
}

/// How long a server that has too much to do wants to be left alone: RFC 9110, section 10.2.3, in seconds.
fn pause(status: StatusCode, headers: &HeaderMap) -> Option<Duration> {
    if status != StatusCode::TOO_MANY_REQUESTS && status != StatusCode::SERVICE_UNAVAILABLE {
        return None;
    }
    let said = headers.get(RETRY_AFTER).and_then(|it| it.to_str().ok()?.trim().parse().ok());
    Some(said.map_or(AFTER_FAILURE, Duration::from_secs).min(LONGEST_PAUSE))
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for GraphGroups {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GraphGroups")
            .field("graph", &self.inner.terms.graph)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for GraphGroupsBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GraphGroupsBuilder").field("graph", &self.graph).finish_non_exhaustive()
    }
}
