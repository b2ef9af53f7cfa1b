//! The router.

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post, put};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64URL;
use bonafide_jwks::{Clock, SystemClock};
use bonafide_mcp::{CredentialCheck, SharedDirectory};
use bonafide_policy::{Policy, PolicyErrors, Rule, TenantId};
use bonafide_tower::{AllowedHosts, AuthenticateLayer, Authenticator};
use bonafide_vault::{KeyError, SecretStore};
use tokio::time::timeout;
use url::Url;

use crate::cookies::Cookies;
use crate::problem::Problem;
use crate::rate::WriteRate;
use crate::sealed::Seals;
use crate::session::{Session, Visitor, renew, visit};
use crate::sign_in::{SignIn, is_loopback};
use crate::state::unix_seconds;
use crate::{Look, api, pages};

/// The largest request body, in bytes. A credential is short.
const BODY_LIMIT: usize = 64 * 1024;

/// What administrators are allowed, as their policy names it.
const ADMINISTRATION: &str = "administration";

/// How long a request may take, its body included.
const REQUEST_TIME: Duration = Duration::from_secs(30);

/// The API (`/api/tenants…`) and the pages (`/connections…`) of the contract.
#[derive(Debug, Clone)]
pub struct Portal {
    authenticator: Authenticator,
    shared: Arc<Shared>,
    sign_in: Option<(SignIn, Arc<Seals>)>,
    look: Look,
    administrators: Policy,
}

/// What API and pages share.
#[derive(Debug, Clone)]
pub(crate) struct Shared {
    pub(crate) directory: SharedDirectory,
    pub(crate) secrets: SecretStore,
    pub(crate) public_url: Url,
    pub(crate) hosts: AllowedHosts,
    pub(crate) rate: Arc<WriteRate>,
    pub(crate) clock: Arc<dyn Clock>,
    /// Asks backends about new values.
    pub(crate) check: Option<CredentialCheck>,
    /// Where users can sign in.
    pub(crate) seals: Option<Arc<Seals>>,
}

/// What the pages need besides, for users who sign in.
#[derive(Debug)]
pub(crate) struct Browser {
    pub(crate) sign_in: SignIn,
    pub(crate) seals: Arc<Seals>,
    pub(crate) cookies: Cookies,
    pub(crate) look: Look,
    administrators: Policy,
    style: String,
    pub(crate) style_path: String,
}

/// Why a portal can't be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PortalError {
    /// Credentials and cookies would travel in the clear.
    #[error("the public URL is `http` and not on loopback: users can only sign in over `https`")]
    NotHttps,
    /// No keys can be derived from the master key.
    #[error("no keys can be derived from the master key")]
    Keys(#[source] KeyError),
}

impl Portal {
    /// A portal for the users that `authenticator` knows, over the same tenants, policy and vault as the gateway.
    #[must_use]
    pub fn new(
        authenticator: Authenticator,
        directory: SharedDirectory,
        secrets: SecretStore,
        public_url: Url,
    ) -> Self {
        let hosts = AllowedHosts::new(&public_url);
        let (rate, clock) = (Arc::default(), Arc::new(SystemClock));
        let shared =
            Shared { directory, secrets, public_url, hosts, rate, clock, check: None, seals: None };
        Self {
            authenticator,
            shared: Arc::new(shared),
            sign_in: None,
            look: Look::default(),
            administrators: Policy::default(),
        }
    }

    /// Under which names and from which pages it may be called. Default: those of the public URL.
    #[must_use]
    pub fn with_hosts(mut self, hosts: AllowedHosts) -> Self {
        Arc::make_mut(&mut self.shared).hosts = hosts;
        self
    }

    /// How users sign in to the pages. Without, the pages only say how to use the API.
    ///
    /// # Errors
    ///
    /// When users could not do so safely: if the public URL is `http` and not on loopback.
    pub fn with_sign_in(mut self, sign_in: SignIn) -> Result<Self, PortalError> {
        let url = &self.shared.public_url;
        if url.scheme() != "https" && !is_loopback(url) {
            return Err(PortalError::NotHttps);
        }
        // With the master key of the vault, so that every gateway that reads the vault knows the users of the others.
        let sealer = self.shared.secrets.sealer();
        let seals = Seals::new(sealer.keyring()).map_err(PortalError::Keys)?;
        let seals = Arc::new(seals);
        Arc::make_mut(&mut self.shared).seals = Some(Arc::clone(&seals));
        Ok(Self { sign_in: Some((sign_in, seals)), ..self })
    }

    /// What the pages look like.
    #[must_use]
    pub fn with_look(self, look: Look) -> Self {
        Self { look, ..self }
    }

    /// How backends are asked about new values, for those tenants that want it ([`Tenant::with_check`]). Without, values
    /// are stored as they are.
    ///
    /// [`Tenant::with_check`]: bonafide_mcp::Tenant::with_check
    #[must_use]
    pub fn with_check(mut self, check: CredentialCheck) -> Self {
        Arc::make_mut(&mut self.shared).check = Some(check);
        self
    }

    /// For whom `rule` holds may see who has stored what, and remove it; never a value. Default: nobody.
    ///
    /// Only the rule's conditions count: groups, roles, scopes, users and issuer.
    ///
    /// # Errors
    ///
    /// When the rule is not right.
    pub fn with_administrators(self, rule: Rule) -> Result<Self, PolicyErrors> {
        let rule = rule.with_tenants([ADMINISTRATION]);
        Ok(Self { administrators: Policy::builder().with_rule(rule).build()?, ..self })
    }

    /// The clock that sessions end by. The operating system's by default.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        Arc::make_mut(&mut self.shared).clock = clock;
        self
    }

    /// Where the issuer sends users back to: the redirect URI to register there.
    #[must_use]
    pub fn redirect_uri(&self) -> String {
        self.shared.redirect_uri()
    }

    /// The routes.
    ///
    /// # Security
    ///
    /// The API asks for a token with every request and looks at no cookie; the pages look at cookies and at no token.
    pub fn router(&self) -> Router {
        let api = Router::new()
            .route("/api/tenants", get(api::list))
            .route("/api/tenants/{tenant}/variables/{name}", put(api::write).delete(api::remove))
            .route("/api/tenants/{tenant}/variables/{name}/links", post(api::make_link))
            .layer(DefaultBodyLimit::max(BODY_LIMIT))
            .layer(from_fn(in_time))
            .layer(from_fn_with_state(Arc::clone(&self.shared), check_host))
            .layer(AuthenticateLayer::new(self.authenticator.clone()));
        let pages = match &self.sign_in {
            Some((sign_in, seals)) => self.pages(sign_in.clone(), Arc::clone(seals)),
            None => Router::new()
                .route("/connections", get(pages::plain::overview))
                .route("/connections/-/style.css", get(pages::plain::style))
                .route("/connections/{tenant}", get(pages::plain::tenant)),
        };
        let pages = pages.route("/api/openapi.json", get(api::document));
        let pages = pages.layer(from_fn_with_state(Arc::clone(&self.shared), check_host));
        api.merge(pages).with_state(Arc::clone(&self.shared))
    }

    fn pages(&self, sign_in: SignIn, seals: Arc<Seals>) -> Router<Arc<Shared>> {
        let look = self.look.clone();
        let browser = Arc::new(Browser::new(sign_in, seals, look, self));
        let guard = (Arc::clone(&self.shared), Arc::clone(&browser));
        let account = Router::new()
            .route("/connections/-/sign-in", get(pages::sign_in))
            .route("/connections/-/callback", get(pages::callback))
            .route("/connections/-/style.css", get(style));
        let signed_in = Router::new()
            .route("/connections", get(pages::overview))
            .route(
                "/connections/-/sign-out",
                post(pages::sign_out).get(pages::sign_out_without_form),
            )
            .route("/connections/-/users", get(pages::users))
            .route("/connections/-/user", get(pages::user).post(pages::take))
            .route("/connections/{tenant}", get(pages::show).post(pages::save))
            .route("/connections/{tenant}/remove/{name}", get(pages::ask).post(pages::remove))
            .layer(from_fn_with_state(guard, with_visitor));
        let pages = account.merge(signed_in).layer(DefaultBodyLimit::max(BODY_LIMIT));
        pages.layer(from_fn(in_time)).layer(Extension(browser))
    }
}

impl Shared {
    /// The public URL of a path that begins with `/`.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.public_url.as_str().trim_end_matches('/'))
    }

    pub(crate) fn page(&self, tenant: &TenantId) -> String {
        self.url(&format!("/connections/{}", tenant.as_str()))
    }

    /// The MCP endpoint to give to a client.
    pub(crate) fn endpoint(&self, tenant: &TenantId) -> String {
        self.url(&format!("/{}/mcp", tenant.as_str()))
    }

    pub(crate) fn redirect_uri(&self) -> String {
        self.url("/connections/-/callback")
    }

    /// Seconds since the Unix epoch.
    pub(crate) fn now(&self) -> u64 {
        unix_seconds(self.clock.now())
    }
}

impl Browser {
    fn new(sign_in: SignIn, seals: Arc<Seals>, look: Look, portal: &Portal) -> Self {
        let style = look.css();
        // Another style sheet has another address, so that it may be kept by browsers.
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, style.as_bytes());
        let version = BASE64URL.encode(digest.as_ref().get(..9).unwrap_or_default());
        Self {
            sign_in,
            seals,
            cookies: Cookies::new(portal.shared.public_url.scheme() == "https"),
            look,
            administrators: portal.administrators.clone(),
            style,
            style_path: format!("/connections/-/style.css?{version}"),
        }
    }
}

impl Browser {
    /// Decided by a policy like everything else: what is not known denies.
    pub(crate) fn is_administrator(&self, session: &Session) -> bool {
        let here = ADMINISTRATION.parse::<TenantId>();
        here.is_ok_and(|here| self.administrators.permit(&session.user, &here).is_ok())
    }
}

async fn style(Extension(browser): Extension<Arc<Browser>>) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/css; charset=utf-8"),
        (header::CACHE_CONTROL, "public, max-age=86400"),
    ];
    (headers, browser.style.clone()).into_response()
}

/// Finds out who is asking, and keeps their session up.
async fn with_visitor(
    State((shared, browser)): State<(Arc<Shared>, Arc<Browser>)>,
    mut request: Request,
    next: Next,
) -> Response {
    let asked = request.headers().clone();
    let visitor = visit(&shared, &browser, &asked).await;
    request.extensions_mut().insert(visitor.clone());
    let mut response = next.run(request).await;
    // Who signs out has just been given other cookies.
    if let Visitor::User(session) = &visitor
        && !response.headers().contains_key(header::SET_COOKIE)
    {
        renew(&browser, session, shared.now(), &asked, response.headers_mut());
    }
    response
}

/// A client that does not send what it announced is not waited for.
async fn in_time(request: Request, next: Next) -> Response {
    match timeout(REQUEST_TIME, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Problem::with_status(StatusCode::REQUEST_TIMEOUT, "the request took too long")
            .into_response(),
    }
}

/// Refuses names and pages that are not ours, and keeps answers out of caches.
async fn check_host(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let mut response = match shared.hosts.check(&parts) {
        Ok(()) => next.run(Request::from_parts(parts, body)).await,
        Err(refusal) => Problem::forbidden(refusal.to_string()).into_response(),
    };
    let headers = response.headers_mut();
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
