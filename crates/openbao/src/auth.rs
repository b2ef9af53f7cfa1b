//! Tokens: where they come from, and how they stay valid.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::Method;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::Mutex;

use crate::client::{Answer, Client, Question};
use crate::error::{BuildError, RequestError};
use crate::path;

/// How often it is looked after a session that does not end.
const IDLE: Duration = Duration::from_secs(3600);

/// A session that is younger is not replaced because a request was refused: the policy refuses it.
const YOUNG: Duration = Duration::from_secs(5);

/// What this program shows to get in.
#[derive(Debug, Clone)]
pub struct Credentials(Kind);

#[derive(Debug, Clone)]
enum Kind {
    Token(SecretString),
    AppRole { role_id: SecretString, secret_id: SecretString, mount: String },
}

impl Credentials {
    /// A token. It is renewed as long as the server allows; when that ends, a new one is needed.
    #[must_use]
    pub fn token(token: SecretString) -> Self {
        Self(Kind::Token(token))
    }

    /// An AppRole: tokens are got with it whenever one is needed.
    #[must_use]
    pub fn app_role(role_id: SecretString, secret_id: SecretString) -> Self {
        Self(Kind::AppRole { role_id, secret_id, mount: "approle".to_owned() })
    }

    /// The mount of the AppRole method, if it is not `approle`. Means nothing for a token.
    #[must_use]
    pub fn with_mount(self, mount: impl Into<String>) -> Self {
        match self.0 {
            Kind::AppRole { role_id, secret_id, .. } => {
                Self(Kind::AppRole { role_id, secret_id, mount: mount.into() })
            }
            token @ Kind::Token(_) => Self(token),
        }
    }

    pub(crate) fn check(&self) -> Result<(), BuildError> {
        let sendable = |secret: &SecretString| {
            let text = secret.expose_secret();
            !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
        };
        let what = match &self.0 {
            Kind::Token(token) if !sendable(token) => "token",
            Kind::AppRole { role_id, .. } if !sendable(role_id) => "role id",
            Kind::AppRole { secret_id, .. } if !sendable(secret_id) => "secret id",
            Kind::AppRole { mount, .. } if !path::is_plain(mount) => {
                return Err(BuildError::Path { what: "mount of AppRole" });
            }
            _ => return Ok(()),
        };
        Err(BuildError::Credentials { what })
    }
}

/// A token and how long it lasts.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) token: SecretString,
    since: Instant,
    /// Zero: for ever.
    lifetime: Duration,
    /// What it was at first: the server gives less when the token comes to its end.
    full_lifetime: Duration,
    renewable: bool,
}

impl Session {
    fn new(token: SecretString, lifetime: u64, renewable: bool) -> Self {
        let lifetime = Duration::from_secs(lifetime);
        Self { token, since: Instant::now(), lifetime, full_lifetime: lifetime, renewable }
    }

    fn is_over(&self) -> bool {
        !self.lifetime.is_zero() && self.since.elapsed() >= self.lifetime
    }

    /// How long until it should be renewed.
    fn due(&self) -> Duration {
        if self.lifetime.is_zero() {
            return IDLE;
        }
        // What failed is tried again soon, and not at once.
        let again = (self.lifetime / 20).clamp(Duration::from_secs(1), Duration::from_secs(60));
        (self.lifetime * 2 / 3).saturating_sub(self.since.elapsed()).max(again)
    }
}

/// The session in use.
#[derive(Debug)]
pub(crate) struct Auth {
    credentials: Credentials,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    session: Option<Arc<Session>>,
    /// When the last attempt to get one failed, and with what.
    failure: Option<(Instant, Arc<RequestError>)>,
}

impl Auth {
    pub(crate) fn new(credentials: Credentials) -> Self {
        Self { credentials, held: Mutex::default() }
    }

    /// The session, a new one if there is none. Whoever comes meanwhile waits for the same one, and fails if that
    /// fails: to a server that is away, each would wait for as long as the first one did.
    pub(crate) async fn session(&self, client: &Client) -> Result<Arc<Session>, RequestError> {
        let came = Instant::now();
        let mut held = self.held.lock().await;
        if let Some(session) = held.session.as_ref().filter(|session| !session.is_over()) {
            return Ok(Arc::clone(session));
        }
        if let Some((_, failure)) = held.failure.as_ref().filter(|(failed, _)| *failed >= came) {
            return Err(RequestError::Shared(Arc::clone(failure)));
        }
        match self.log_in(client).await {
            Ok(session) => {
                let session = Arc::new(session);
                *held = Held { session: Some(Arc::clone(&session)), failure: None };
                Ok(session)
            }
            Err(error) => {
                let error = Arc::new(error);
                held.failure = Some((Instant::now(), Arc::clone(&error)));
                Err(RequestError::Shared(error))
            }
        }
    }

    /// Whether a new session may do what was refused with this one. If so, forgets it.
    pub(crate) async fn give_up(&self, refused: &Arc<Session>) -> bool {
        if matches!(self.credentials.0, Kind::Token(_)) || refused.since.elapsed() < YOUNG {
            return false;
        }
        let mut held = self.held.lock().await;
        if held.session.as_ref().is_some_and(|held| Arc::ptr_eq(held, refused)) {
            held.session = None;
        }
        true
    }

    /// How long until [`renew`](Self::renew) should be called.
    pub(crate) async fn due(&self) -> Duration {
        self.held.lock().await.session.as_ref().map_or(IDLE, |session| session.due())
    }

    /// Makes the session last longer, or replaces it. Requests go on with the old one meanwhile.
    pub(crate) async fn renew(&self, client: &Client) {
        let Some(session) = self.held.lock().await.session.clone() else { return };
        if session.lifetime.is_zero() {
            return;
        }
        let renewed = match renewed(client, &session).await {
            // Less and less: the token comes to the end of what the server allows.
            Ok(renewed) if renewed.lifetime >= session.full_lifetime / 2 => Ok(renewed),
            Ok(renewed) => match self.credentials.0 {
                Kind::AppRole { .. } => self.log_in(client).await,
                Kind::Token(_) => Ok(renewed),
            },
            Err(error) => match self.credentials.0 {
                Kind::AppRole { .. } => self.log_in(client).await,
                Kind::Token(_) => Err(error),
            },
        };
        match renewed {
            Ok(renewed) => self.held.lock().await.session = Some(Arc::new(renewed)),
            Err(error) => {
                tracing::warn!(%error, "the session with OpenBao was not renewed: trying again");
            }
        }
    }

    async fn log_in(&self, client: &Client) -> Result<Session, RequestError> {
        match &self.credentials.0 {
            Kind::Token(token) => look_up(client, token).await,
            Kind::AppRole { role_id, secret_id, mount } => {
                let path = format!("auth/{mount}/login");
                let body = json!({
                    "role_id": role_id.expose_secret(), "secret_id": secret_id.expose_secret(),
                });
                let answer = client.ask(None, &Question::post(&path, &body)?).await?;
                let Granted { client_token, lease_duration, renewable } = granted(&answer)?;
                let token = client_token.ok_or(RequestError::Answer)?;
                Ok(Session::new(SecretString::from(token), lease_duration, renewable))
            }
        }
    }
}

/// How long a token lasts that somebody else got. Some policies do not allow the question: such a token is used
/// and not renewed.
async fn look_up(client: &Client, token: &SecretString) -> Result<Session, RequestError> {
    #[derive(Deserialize)]
    struct Found {
        data: Data,
    }
    #[derive(Deserialize)]
    struct Data {
        ttl: u64,
        #[serde(default)]
        renewable: bool,
    }
    let question = Question::new(Method::GET, "auth/token/lookup-self");
    let answer = client.ask(Some(token), &question).await?;
    match answer.status {
        200 => {
            let Found { data } = answer.json()?;
            Ok(Session::new(token.clone(), data.ttl, data.renewable))
        }
        403 => {
            tracing::warn!("OpenBao does not say how long its token lasts: it is not renewed");
            Ok(Session::new(token.clone(), 0, false))
        }
        _ => Err(answer.refused()),
    }
}

async fn renewed(client: &Client, session: &Session) -> Result<Session, RequestError> {
    if !session.renewable {
        return Err(RequestError::Status { status: 403 });
    }
    let question = Question::post("auth/token/renew-self", &json!({}))?;
    let answer = client.ask(Some(&session.token), &question).await?;
    let Granted { lease_duration, renewable, .. } = granted(&answer)?;
    let renewed = Session::new(session.token.clone(), lease_duration, renewable);
    Ok(Session { full_lifetime: session.full_lifetime, ..renewed })
}

#[derive(Deserialize)]
struct Granted {
    #[serde(default)]
    client_token: Option<Box<str>>,
    lease_duration: u64,
    #[serde(default)]
    renewable: bool,
}

fn granted(answer: &Answer) -> Result<Granted, RequestError> {
    #[derive(Deserialize)]
    struct Body {
        auth: Granted,
    }
    if answer.status != 200 {
        return Err(answer.refused());
    }
    Ok(answer.json::<Body>()?.auth)
}
