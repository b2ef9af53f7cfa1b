//! An identity provider over real HTTP, a portal in this process, and a clock that can be set.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use axum::Router;
use bonafide_claims::{TrustedIssuer, Verifier};
use bonafide_headers::{Templates, Variable};
use bonafide_jwks::{Clock, RemoteKeys};
use bonafide_mcp::{CredentialCheck, Directory, SharedDirectory, Tenant};
use bonafide_policy::{Audit, AuditTrail, Policy, Rule};
use bonafide_portal::{Look, Portal, SignIn, SignInBuilder};
use bonafide_testkit::{AUDIENCE, IdentityProvider};
use bonafide_tower::Authenticator;
use bonafide_vault::{Keyring, MasterKey, MemoryVault, SecretStore, Vault};

use crate::browser::Browser;
use crate::written::Written;

pub(crate) const PUBLIC: &str = "https://mcp.example.com";
pub(crate) const CALLBACK: &str = "https://mcp.example.com/connections/-/callback";
pub(crate) const CANARY: &str = "canary-0123456789";

pub(crate) struct World {
    pub(crate) idp: IdentityProvider,
    pub(crate) router: Router,
    pub(crate) secrets: SecretStore,
    pub(crate) clock: Arc<TestClock>,
    pub(crate) audit: Audit,
    pub(crate) written: Written,
    trusted: TrustedIssuer,
    directory: SharedDirectory,
}

#[derive(Debug, Default)]
pub(crate) struct TestClock {
    ahead: AtomicU64,
}

impl TestClock {
    pub(crate) fn advance(&self, time: Duration) {
        self.ahead.fetch_add(time.as_secs(), Ordering::Relaxed);
    }
}

impl Clock for TestClock {
    fn now(&self) -> SystemTime {
        SystemTime::now() + Duration::from_secs(self.ahead.load(Ordering::Relaxed))
    }
}

fn variable(name: &str) -> bonafide_headers::VariableBuilder {
    Variable::builder(name.parse().unwrap())
}

fn tenant(id: &str, title: &str, url: &str) -> Tenant {
    let templates = Templates::builder()
        .with_variable(
            variable("KEY")
                .with_title("API <key>")
                .with_description("Under \"Settings\" & <b>more</b>")
                .with_pattern("^canary-[0-9]+$")
                .build()
                .unwrap(),
        )
        .with_variable(
            variable("REGION")
                .with_title("Region")
                .with_secret(false)
                .with_required(false)
                .with_choices(["eu", "us"])
                .build()
                .unwrap(),
        )
        .with_variable(variable("TEAM").with_secret(false).with_required(false).build().unwrap())
        .with_header("Authorization", "Bearer ${KEY}")
        .with_header("X-Region", "${REGION?}")
        .with_header("X-Team", "${TEAM?}")
        .build()
        .unwrap();
    Tenant::new(id.parse().unwrap(), url.parse().unwrap(), templates).unwrap().with_title(title)
}

/// `one` for the team, `two` for nobody, `three` for the team less those who are suspended.
fn directory() -> Directory {
    let policy = Policy::builder()
        .with_rule(Rule::allow("team").with_groups(["team"]).with_tenants(["one", "three"]))
        .with_rule(Rule::deny("suspended").with_groups(["suspended"]).with_tenants(["three"]))
        .with_rule(Rule::allow("nobody").with_groups(["nobody"]).with_tenants(["two"]))
        .build()
        .unwrap();
    let tenant = |id, title| tenant(id, title, "https://api.example/mcp");
    let tenants = [tenant("one", "One & Only"), tenant("two", "Two"), tenant("three", "Three")];
    Directory::new(tenants, policy)
}

/// A store with a key of its own.
pub(crate) fn secrets(vault: Arc<dyn Vault>) -> SecretStore {
    let keyring = Keyring::new(&MasterKey::generate().unwrap()).unwrap();
    SecretStore::new(vault, keyring)
}

impl World {
    pub(crate) async fn start() -> Self {
        Self::start_with(|sign_in| sign_in).await
    }

    pub(crate) async fn start_with(change: impl FnOnce(SignInBuilder) -> SignInBuilder) -> Self {
        Self::start_over(secrets(Arc::new(MemoryVault::new())), change).await
    }

    /// On a store of one's own.
    pub(crate) async fn start_on(vault: Arc<dyn Vault>) -> Self {
        Self::start_over(secrets(vault), |sign_in| sign_in).await
    }

    pub(crate) async fn start_over(
        secrets: SecretStore,
        change: impl FnOnce(SignInBuilder) -> SignInBuilder,
    ) -> Self {
        let idp = IdentityProvider::start().await;
        idp.add_user("alice", ["team"]);
        idp.add_user("bob", ["team", "suspended"]);
        idp.add_user("carol", []);
        idp.add_user("root", ["admins"]);
        idp.add_client("portal", None, CALLBACK);
        // No pause between two fetches, so that a key that is new is found at once.
        let keys =
            RemoteKeys::discover(idp.issuer()).with_cool_down(Duration::ZERO).build().unwrap();
        let trusted = TrustedIssuer::builder(idp.issuer().parse().unwrap(), Arc::new(keys))
            .with_audience(AUDIENCE)
            .build()
            .unwrap();
        let written = Written::default();
        let audit = Audit::builder().with_sink(written.clone()).start().unwrap();
        let mut world = Self {
            idp,
            router: Router::new(),
            secrets,
            clock: Arc::default(),
            audit,
            written,
            trusted,
            directory: SharedDirectory::new(directory()),
        };
        let sign_in = change(SignIn::builder(world.trusted.clone(), "portal")).build().unwrap();
        let trail: Arc<dyn AuditTrail> = Arc::new(world.written.clone());
        let portal = world.portal().with_audit_trail(trail);
        world.router = portal.with_sign_in(sign_in).unwrap().router();
        world
    }

    /// The portal with a change.
    pub(crate) fn with(&self, change: impl FnOnce(Portal) -> Portal) -> Router {
        let sign_in = SignIn::builder(self.trusted.clone(), "portal").build().unwrap();
        change(self.portal()).with_sign_in(sign_in).unwrap().router()
    }

    pub(crate) fn portal(&self) -> Portal {
        let verifier = Verifier::builder().with_issuer(self.trusted.clone()).build().unwrap();
        Portal::new(
            Authenticator::bearer(verifier),
            self.directory.clone(),
            self.secrets.clone(),
            PUBLIC.parse().unwrap(),
        )
        .with_clock(self.clock.clone())
        .with_audit(self.audit.clone())
        .with_check(CredentialCheck::new().unwrap())
        .with_administrators(Rule::allow("admins").with_groups(["admins"]))
        .unwrap()
    }

    /// Another gateway with the same configuration and the same master key.
    pub(crate) fn another_gateway(&self) -> Router {
        self.with(|portal| portal)
    }

    /// One that looks different.
    pub(crate) fn with_look(&self, look: Look) -> Router {
        self.with(|portal| portal.with_look(look))
    }

    /// What was written down of what a user did, oldest first: action, tenant, variable, whose, outcome.
    pub(crate) async fn done_by(&self, user: &str) -> Vec<String> {
        let audit = self.audit.clone();
        let flush = move || audit.flush(Duration::from_secs(20));
        assert!(tokio::task::spawn_blocking(flush).await.unwrap());
        self.written.by(user)
    }

    /// Makes the backend of `one` this one, which is asked about new values.
    pub(crate) fn ask(&self, backend: &str) {
        let one = tenant("one", "One & Only", backend).with_check(true);
        let policy = Policy::builder()
            .with_rule(Rule::allow("team").with_groups(["team"]).with_tenants(["one"]))
            .build()
            .unwrap();
        self.directory.replace(Directory::new([one], policy));
    }

    pub(crate) fn browser(&self) -> Browser {
        Browser::new(self.router.clone())
    }

    /// A browser in which somebody is signed in.
    pub(crate) async fn signed_in(&self, user: &str) -> Browser {
        let mut browser = self.browser();
        let page = browser.sign_in(user, "/connections").await;
        assert_eq!(page.status, 200, "{}", page.body);
        browser
    }
}
