//! A gateway on loopback.

use std::sync::Arc;

use axum::Router;
use bonafide_headers::{Templates, Variable};
use bonafide_mcp::{
    Directory, Gateway, GatewayBuilder, Limits, Quotas, SharedDirectory, Tenant, TenantScopes,
};
use bonafide_policy::{Audit, Policy, Rule, TenantId};
use bonafide_testkit::{Issuer, Server, User};
use bonafide_tower::{AllowedHosts, Authenticator};
use bonafide_vault::{Keyring, MasterKey, MemoryVault, SecretStore};
use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// Stands in every credential and every identity that must not show up anywhere.
pub const CANARY: &str = "canary-7f3a";

/// A gateway with one issuer. Each tenant `t` is for the group `g-t`, sends `Authorization: Bearer ${KEY}` and
/// `X-User-Id: ${username}`, and nobody may call its tools `delete_*`.
#[derive(Debug)]
pub struct World {
    pub idp: Issuer,
    pub directory: SharedDirectory,
    pub secrets: SecretStore,
    pub gateway: Gateway,
    server: Server,
    client: Client,
}

impl World {
    pub async fn start(tenants: &[(&str, String)], limits: Limits) -> Self {
        Self::start_with(tenants, |gateway| gateway.with_limits(limits)).await
    }

    pub async fn start_with_quotas(
        tenants: &[(&str, String)],
        limits: Limits,
        quotas: Quotas,
    ) -> Self {
        Self::start_with(tenants, |gateway| gateway.with_limits(limits).with_quotas(quotas)).await
    }

    pub async fn start_with_audit(
        tenants: &[(&str, String)],
        limits: Limits,
        audit: Audit,
    ) -> Self {
        Self::start_with(tenants, |gateway| gateway.with_limits(limits).with_audit(audit)).await
    }

    /// One of several with the same master key, or another one.
    pub async fn start_with_key(tenants: &[(&str, String)], key: &MasterKey) -> Self {
        Self::start_keyed(tenants, key, |gateway| gateway).await
    }

    async fn start_with(
        tenants: &[(&str, String)],
        set: impl FnOnce(GatewayBuilder) -> GatewayBuilder,
    ) -> Self {
        Self::start_keyed(tenants, &MasterKey::generate().unwrap(), set).await
    }

    async fn start_keyed(
        tenants: &[(&str, String)],
        key: &MasterKey,
        set: impl FnOnce(GatewayBuilder) -> GatewayBuilder,
    ) -> Self {
        let idp = Issuer::new("https://idp.example");
        let directory = SharedDirectory::new(directory(tenants));
        let keyring = Keyring::new(key).unwrap();
        let secrets = SecretStore::new(Arc::new(MemoryVault::new()), keyring);
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let public_url = format!("http://{address}").parse().unwrap();
        let gateway = Gateway::builder(
            Authenticator::bearer(idp.verifier()),
            directory.clone(),
            secrets.clone(),
            public_url,
        )
        .with_hosts(AllowedHosts::default().with_listener(address));
        let gateway = set(gateway).build().unwrap();
        let server = Server::start_on(listener, Router::new().fallback_service(gateway.clone()));
        let client = Client::builder().no_proxy().build().unwrap();
        Self { idp, directory, secrets, gateway, server, client }
    }

    /// Lets everybody of a tenant's group use all of its tools, and opens the other tenants to nobody.
    pub fn open(&self, tenant: &str) {
        let rule = Rule::allow("open").with_groups([format!("g-{tenant}")]).with_tenants([tenant]);
        let policy = Policy::builder().with_rule(rule).build().unwrap();
        let directory = self.directory.load();
        self.directory.replace(Directory::new(directory.tenants().cloned(), policy));
    }

    /// Asks for scopes at every tenant.
    pub fn ask_for_scopes(&self, scopes: &TenantScopes) {
        let directory = self.directory.load();
        let tenants = directory.tenants().map(|tenant| tenant.clone().with_scopes(scopes.clone()));
        self.directory.replace(Directory::new(tenants, directory.policy().clone()));
    }

    /// A user in the group of each of these tenants.
    pub fn user(&self, name: &str, tenants: &[&str]) -> User {
        let groups: Vec<String> = tenants.iter().map(|tenant| format!("g-{tenant}")).collect();
        self.idp.user(name).with_groups(groups.iter().map(String::as_str))
    }

    /// Stores the user's `KEY` for a tenant.
    pub async fn store(&self, user: &User, tenant: &str, key: &str) {
        let tenant: TenantId = tenant.parse().unwrap();
        let permit = self.directory.load().policy().permit(&user.verified(), &tenant).unwrap();
        let name = "KEY".parse().unwrap();
        self.secrets.open(&permit).write(&name, key.into()).await.unwrap();
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.server.origin())
    }

    pub fn address(&self) -> std::net::SocketAddr {
        self.server.address()
    }

    /// A request to a tenant's endpoint with the user's token.
    pub fn request(&self, method: Method, tenant: &str, user: &User) -> RequestBuilder {
        self.anonymous(method, &format!("/{tenant}/mcp")).bearer_auth(user.token())
    }

    /// A request without a token.
    pub fn anonymous(&self, method: Method, path: &str) -> RequestBuilder {
        self.client
            .request(method, self.url(path))
            .header("accept", "application/json, text/event-stream")
    }

    /// A call of a tool.
    pub fn call(&self, tenant: &str, user: &User, tool: &str) -> RequestBuilder {
        self.request(Method::POST, tenant, user).json(&call(tool))
    }
}

/// The message that calls a tool. Its id is 7.
pub fn call(tool: &str) -> Value {
    json!({ "jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": { "name": tool } })
}

fn directory(tenants: &[(&str, String)]) -> Directory {
    let ids = || tenants.iter().map(|(id, _)| *id);
    let policy = ids()
        .fold(Policy::builder(), |policy, id| {
            let groups = [format!("g-{id}")];
            policy.with_rule(
                Rule::allow(format!("allow-{id}")).with_groups(groups).with_tenants([id]),
            )
        })
        .with_rule(Rule::deny("no-delete").with_tenants(ids()).with_tools(["delete_*"]))
        .build()
        .unwrap();
    let tenants = tenants.iter().map(|(id, url)| {
        let templates = Templates::builder()
            .with_variable(Variable::new("KEY".parse().unwrap()))
            .with_header("Authorization", "Bearer ${KEY}")
            .with_header("X-User-Id", "${username}")
            .build()
            .unwrap();
        Tenant::new(id.parse().unwrap(), url.parse().unwrap(), templates).unwrap()
    });
    Directory::new(tenants, policy)
}
