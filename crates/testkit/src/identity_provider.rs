//! An identity provider for development and tests, over real HTTP.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use axum::extract::{Form, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64URL;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::issuer::{AUDIENCE, Issuer, LIFETIME, User};
use crate::server::Server;
use crate::sign_in::{Client, Grant, authorize, end_session, exchange};
use crate::signer::{Algorithm, Signer};

/// Serves discovery, keys and tokens on loopback, and hands a token to whoever asks.
///
/// # Security
///
/// There is no password. It exists so that a demonstration or a test has an issuer to verify against.
#[derive(Debug)]
pub struct IdentityProvider {
    server: Server,
    state: Arc<Shared>,
}

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) origin: String,
    pub(crate) keys: Mutex<Keys>,
    pub(crate) users: Mutex<BTreeMap<String, Vec<String>>>,
    pub(crate) clients: Mutex<BTreeMap<String, Client>>,
    pub(crate) codes: Mutex<BTreeMap<String, Grant>>,
    pub(crate) id_token_claims: Mutex<BTreeMap<String, Value>>,
    key_set_requests: AtomicUsize,
}

#[derive(Debug)]
pub(crate) struct Keys {
    pub(crate) issuer: Issuer,
    generation: usize,
}

impl IdentityProvider {
    /// Starts one that signs with Ed25519.
    pub async fn start() -> Self {
        Self::start_with(Algorithm::EdDsa).await
    }

    /// Starts one that signs with `algorithm`.
    ///
    /// # Panics
    ///
    /// If no port can be bound.
    pub async fn start_with(algorithm: Algorithm) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let origin = format!("http://{}", listener.local_addr().expect("a bound listener"));
        let issuer = Issuer::with_algorithm(&origin, algorithm);
        let state = Arc::new(Shared {
            origin,
            keys: Mutex::new(Keys { issuer, generation: 1 }),
            users: Mutex::default(),
            clients: Mutex::default(),
            codes: Mutex::default(),
            id_token_claims: Mutex::default(),
            key_set_requests: AtomicUsize::new(0),
        });
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(metadata))
            .route("/.well-known/oauth-authorization-server", get(metadata))
            .route("/jwks", get(key_set))
            .route("/authorize", get(authorize))
            .route("/logout", get(end_session))
            .route("/token", post(token))
            .with_state(Arc::clone(&state));
        Self { server: Server::start_on(listener, router), state }
    }

    /// Its issuer, which is also where it listens.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.state.origin
    }

    /// Where a form with `user` and, if wanted, `audience` gets an access token.
    #[must_use]
    pub fn token_endpoint(&self) -> String {
        format!("{}/token", self.server.origin())
    }

    /// Lets `subject` ask the token endpoint for a token with these groups.
    pub fn add_user<'a>(&self, subject: &str, groups: impl IntoIterator<Item = &'a str>) {
        let groups = groups.into_iter().map(str::to_owned).collect();
        lock(&self.state.users).insert(subject.to_owned(), groups);
    }

    /// Lets a client sign users in: authorization code flow with PKCE, at `/authorize`, where a browser is shown whom it
    /// may be. Without a secret it is a public client. Users come back to `redirect_uri` and nowhere else.
    pub fn add_client(&self, client_id: &str, secret: Option<&str>, redirect_uri: &str) {
        let client =
            Client { secret: secret.map(str::to_owned), redirect_uri: redirect_uri.to_owned() };
        lock(&self.state.clients).insert(client_id.to_owned(), client);
    }

    /// Sets a claim of all ID tokens from now on, whatever it would be; `null` leaves it out.
    pub fn set_id_token_claim(&self, name: &str, value: Value) {
        lock(&self.state.id_token_claims).insert(name.to_owned(), value);
    }

    /// A user to make tokens for without HTTP: any claims, registered or not.
    #[must_use]
    pub fn user(&self, subject: &str) -> User {
        lock(&self.state.keys).issuer.user(subject)
    }

    /// Withdraws the signing key and publishes a new one.
    pub fn rotate(&self) {
        let mut keys = lock(&self.state.keys);
        keys.generation += 1;
        let algorithm = keys.issuer.signer().algorithm();
        let key_id = format!("{}-{}", algorithm.name(), keys.generation);
        let signer = Signer::generate(algorithm, &key_id);
        keys.issuer = Issuer::with_signer(&self.state.origin, signer);
    }

    /// How often the key set was asked for.
    #[must_use]
    pub fn key_set_requests(&self) -> usize {
        self.state.key_set_requests.load(Ordering::Relaxed)
    }
}

/// OpenID Connect Discovery 1.0, section 3, and RFC 8414, section 2.
async fn metadata(State(state): State<Arc<Shared>>) -> Json<Value> {
    let origin = &state.origin;
    let algorithm = lock(&state.keys).issuer.signer().algorithm().name();
    Json(json!({
        "issuer": origin,
        "jwks_uri": format!("{origin}/jwks"),
        "token_endpoint": format!("{origin}/token"),
        "authorization_endpoint": format!("{origin}/authorize"),
        "end_session_endpoint": format!("{origin}/logout"),
        "authorization_response_iss_parameter_supported": true,
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": ["none", "client_secret_basic", "client_secret_post"],
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [algorithm],
    }))
}

async fn key_set(State(state): State<Arc<Shared>>) -> Response {
    state.key_set_requests.fetch_add(1, Ordering::Relaxed);
    let keys = lock(&state.keys).issuer.jwks();
    let headers = [
        (header::CONTENT_TYPE, "application/jwk-set+json"),
        (header::CACHE_CONTROL, "max-age=300"),
    ];
    (headers, keys).into_response()
}

async fn token(
    State(state): State<Arc<Shared>>,
    headers: HeaderMap,
    Form(form): Form<BTreeMap<String, String>>,
) -> Response {
    if form.get("grant_type").is_some_and(|grant| grant == "authorization_code") {
        return exchange(&state, &headers, &form);
    }
    let subject = form.get("user").map_or("", String::as_str);
    let Some(groups) = lock(&state.users).get(subject).cloned() else {
        let body = json!({ "error": "invalid_grant", "error_description": "no such user" });
        return (StatusCode::BAD_REQUEST, Json(body)).into_response();
    };
    let audience = form.get("audience").map_or(AUDIENCE, String::as_str);
    let user = lock(&state.keys).issuer.user(subject);
    let token = user.with_groups(groups.iter().map(String::as_str)).with_audience(audience).token();
    let body = json!({ "access_token": token, "token_type": "Bearer", "expires_in": LIFETIME });
    ([(header::CACHE_CONTROL, "no-store")], Json(body)).into_response()
}

impl Shared {
    /// A code for this grant.
    pub(crate) fn give(&self, grant: Grant) -> String {
        let mut random = [0; 16];
        SystemRandom::new().fill(&mut random).expect("random bytes");
        let code = BASE64URL.encode(random);
        lock(&self.codes).insert(code.clone(), grant);
        code
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
