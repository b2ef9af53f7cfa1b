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
use bonafide_claims::{UserId, VerifiedUser};
use bonafide_jwks::{Clock, SystemClock};
use bonafide_mcp::{CredentialCheck, SharedDirectory};
use bonafide_policy::{
    Action, Audit, AuditEvent, AuditTrail, Denial, Policy, PolicyErrors, Rule, TenantId,
};
use bonafide_tower::{AllowedHosts, AuthenticateLayer, Authenticator, PeerRange};
use bonafide_vault::{KeyError, SecretStore};
use tokio::time::timeout;
use url::Url;

use crate::cookies::Cookies;
use crate::marks::Marks;
use crate::problem::Problem;
use crate::rate::Rate;
use crate::sealed::Seals;
use crate::session::{Session, Visitor, renew, visit};
use crate::sign_in::{SignIn, is_loopback};
use crate::state::unix_seconds;
use crate::strangers::Strangers;
use crate::{Look, api, pages};

/// The largest request body, in bytes. A credential is short.
const BODY_LIMIT: usize = 64 * 1024;

/// What administrators are allowed, as their policy names it.
const ADMINISTRATION: &str = "administration";

/// How many sign-ins, sessions and links are remembered that must not be good again. 60 bytes each.
const MARKS: usize = 16 * 1024;

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
    proxies: Vec<PeerRange>,
}

/// What API and pages share.
#[derive(Debug, Clone)]
pub(crate) struct Shared {
    pub(crate) directory: SharedDirectory,
    pub(crate) secrets: SecretStore,
    pub(crate) public_url: Url,
    pub(crate) hosts: AllowedHosts,
    pub(crate) rate: Arc<Rate<UserId>>,
    /// Links that have done their work.
    pub(crate) used_links: Arc<Marks>,
    /// Where what users do is written down.
    audit: Option<Audit>,
    /// Where that can be read again.
    pub(crate) trail: Option<Arc<dyn AuditTrail>>,
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
    /// Those who are not signed in yet.
    pub(crate) strangers: Strangers,
    /// Sign-ins whose answer was used.
    pub(crate) answered: Marks,
    /// Sessions that were signed out of.
    pub(crate) signed_out: Marks,
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
        let shared = Shared {
            directory,
            secrets,
            public_url,
            hosts,
            rate: Arc::new(Rate::of_changes()),
            used_links: Arc::new(Marks::new(MARKS)),
            audit: None,
            trail: None,
            clock: Arc::new(SystemClock),
            check: None,
            seals: None,
        };
        Self {
            authenticator,
            shared: Arc::new(shared),
            sign_in: None,
            look: Look::default(),
            administrators: Policy::default(),
            proxies: Vec::new(),
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

    /// Writes down who entered, replaced and removed what, who made and used links, who signed in and out, and what
    /// administrators did to whom. Never a value. Default: nothing is written down.
    #[must_use]
    pub fn with_audit(mut self, audit: Audit) -> Self {
        Arc::make_mut(&mut self.shared).audit = Some(audit);
        self
    }

    /// Shows administrators what was written down, also by the gateway. Default: they are told that there is nothing to
    /// be read here.
    #[must_use]
    pub fn with_audit_trail(mut self, trail: Arc<dyn AuditTrail>) -> Self {
        Arc::make_mut(&mut self.shared).trail = Some(trail);
        self
    }

    /// Believes `X-Forwarded-For` of peers in these networks when it counts sign-ins by address. Default: of nobody.
    ///
    /// An address is known where the server puts a [`Peer`](bonafide_tower::Peer) into the extensions of each request;
    /// otherwise sign-ins are not counted.
    #[must_use]
    pub fn with_trusted_proxies(mut self, proxies: impl IntoIterator<Item = PeerRange>) -> Self {
        self.proxies.extend(proxies);
        self
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
            .route("/connections/-/audit", get(pages::audit))
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

    /// Something that a user does now.
    pub(crate) fn event(&self, action: Action, user: &VerifiedUser) -> AuditEvent {
        AuditEvent::new(action, user, self.clock.now())
    }

    /// Writes it down, if anything is.
    pub(crate) fn record(&self, event: AuditEvent) {
        if let Some(audit) = &self.audit {
            audit.record(event);
        }
    }

    /// Writes down that somebody may not.
    pub(crate) fn record_denial(&self, denial: &Denial) {
        self.record(AuditEvent::denied(denial, self.clock.now()));
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
            strangers: Strangers::new(&portal.proxies),
            answered: Marks::new(MARKS),
            signed_out: Marks::new(MARKS),
            administrators: portal.administrators.clone(),
            style,
            style_path: format!("/connections/-/style.css?{version}"),
        }
    }
}

impl Browser {
    /// Decided by a policy like everything else: what is not known denies. `Err(None)` can't be: the id is one.
    pub(crate) fn administration(&self, session: &Session) -> Result<(), Option<Denial>> {
        let here = ADMINISTRATION.parse::<TenantId>().map_err(|_| None)?;
        self.administrators.permit(&session.user, &here).map(drop).map_err(Some)
    }

    pub(crate) fn is_administrator(&self, session: &Session) -> bool {
        self.administration(session).is_ok()
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
    // Who signs out has just been given other cookies, or was, while this request was under way.
    if let Visitor::User(session) = &visitor
        && !response.headers().contains_key(header::SET_COOKIE)
        && !session.is_signed_out(&browser)
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
