//! An identity provider over real HTTP, a portal in this process, and a clock that can be set.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use axum::Router;
use bonafide_claims::{TrustedIssuer, Verifier};
use bonafide_headers::{Templates, Variable};
use bonafide_jwks::{Clock, RemoteKeys};
use bonafide_mcp::{CredentialCheck, Directory, SharedDirectory, Tenant};
use bonafide_policy::{Policy, Rule};
use bonafide_portal::{Look, Portal, SignIn, SignInBuilder};
use bonafide_testkit::{AUDIENCE, IdentityProvider};
use bonafide_tower::Authenticator;
use bonafide_vault::{Keyring, MasterKey, MemoryVault, SecretStore};

use crate::browser::Browser;

pub(crate) const PUBLIC: &str = "https://mcp.example.com";
pub(crate) const CALLBACK: &str = "https://mcp.example.com/connections/-/callback";
pub(crate) const CANARY: &str = "canary-0123456789";

pub(crate) struct World {
    pub(crate) idp: IdentityProvider,
    pub(crate) router: Router,
    pub(crate) secrets: SecretStore,
    pub(crate) clock: Arc<TestClock>,
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

impl World {
    pub(crate) async fn start() -> Self {
        Self::start_with(|sign_in| sign_in).await
    }

    pub(crate) async fn start_with(change: impl FnOnce(SignInBuilder) -> SignInBuilder) -> Self {
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
        let keyring = Keyring::new(&MasterKey::generate().unwrap()).unwrap();
        let mut world = Self {
            idp,
            router: Router::new(),
            secrets: SecretStore::new(Arc::new(MemoryVault::new()), keyring),
            clock: Arc::default(),
            trusted,
            directory: SharedDirectory::new(directory()),
        };
        let sign_in = change(SignIn::builder(world.trusted.clone(), "portal")).build().unwrap();
        world.router = world.portal().with_sign_in(sign_in).unwrap().router();
        world
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
        .with_check(CredentialCheck::new().unwrap())
        .with_administrators(Rule::allow("admins").with_groups(["admins"]))
        .unwrap()
    }

    /// Another gateway with the same configuration and the same master key.
    pub(crate) fn another_gateway(&self) -> Router {
        let sign_in = SignIn::builder(self.trusted.clone(), "portal").build().unwrap();
        self.portal().with_sign_in(sign_in).unwrap().router()
    }

    /// One that looks different.
    pub(crate) fn with_look(&self, look: Look) -> Router {
        let sign_in = SignIn::builder(self.trusted.clone(), "portal").build().unwrap();
        self.portal().with_look(look).with_sign_in(sign_in).unwrap().router()
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
