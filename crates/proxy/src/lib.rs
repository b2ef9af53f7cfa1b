//! The whole proxy as a library: configuration file, wiring, server, reload, health.
//!
//! [`Config`] reads the TOML file of the example `mcp-proxy` and reports everything that is wrong with it at once, each problem
//! with file, line, key and what would be right. [`Proxy`] puts verifier, policy, vault, gateway and portal together and
//! serves them.
//!
//! # Quick start
//!
//! ```no_run
//! use bonafide_proxy::{Config, Environment, Proxy};
//! use tokio::net::TcpListener;
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let file = std::path::PathBuf::from("bonafide.toml");
//! let config = Config::load(&file, &Environment::of_process())?;
//! let listener = TcpListener::bind(config.listen).await?;
//! Proxy::new(config, listener).await?.with_reload(file).serve(std::future::pending()).await?;
//! # Ok(()) }
//! ```
//!
//! A file that can't be used is refused as a whole:
//!
//! ```
//! use bonafide_proxy::{Config, Environment};
//!
//! let error = Config::parse("listen = 8080", "bonafide.toml".as_ref(), &Environment::of_process()).unwrap_err();
//! assert_eq!(error.problems().len(), 5);
//! assert!(error.to_string().starts_with("bonafide.toml:1: `listen`: this is a text: put it between quotes"));
//! ```
//!
//! # The file
//!
//! The repository's README has one. Besides what stands there:
//!
//! * `issuers`: `algorithms`, `jwks_uri`, `token` (`access` or `id`), `header` (where the token is, if not in `Authorization`),
//!   `secret` (`env:NAME`, for `open-webui`), `leeway` (`60s`, at most `5m`), `claims` (paths for `username`, `email`, `name`,
//!   `groups`, `roles`), `directories` (ids, for `entra` with `{tenantid}` in the issuer).
//! * `trusted_hop`: a host in front of the proxy that authenticates users itself and has no token to pass on. `issuer` (the
//!   name under which rules speak of its users), `header` and `secret` (`env:NAME`, at least 32 bytes, compared in constant
//!   time), `peers` (the addresses or networks that it connects from), `user` (the header with the user's id), and if it
//!   has them `username`, `email`, `groups` (headers; groups with commas between). Weaker than a token, and so no rule
//!   holds for its users unless the rule names its `issuer`. Off without this section.
//! * `vault.store`: `memory`, `sqlite:PATH`, a PostgreSQL URL or `openbao+https://HOST:PORT`; `vault.key`: `env:NAME`, `file:PATH` or `keyring:NAME`
//!   (feature `keyring`). Paths are relative to the file. The first key there seals, and all of them open.
//! * `vault.openbao`: `token` (`env:NAME` or `file:PATH`), or `role_id`, `secret_id` (`env:NAME` or `file:PATH`) and
//!   `app_role_mount` (`approle`); `mount` (`secret`) of the key-value engine, version 2, `path` (`bonafide`) in it,
//!   `namespace`, `certificates` (a PEM file, besides the system's). `dangerous_unsealed = true` stores credentials as they
//!   are, for everybody who can read the engine; `vault.key` is needed for sessions and links all the same.
//! * `quotas`: `requests_per_minute`, `burst`, `open_requests`, of one user to one tenant. Default: no limit.
//! * `limits`: of a request, `request_body` (bytes; 4194304), `request_time` (for its body to arrive; `30s`), `connect_time` (to a
//!   backend; `10s`), `answer_time` (until a backend's answer begins; `60s`), `pause_time` (of a JSON answer; `60s`),
//!   `filtered_answer` (bytes that are read whole to be looked into; 16777216), `credential_time` (for a user to enter one;
//!   `60s`), as [`bonafide_mcp::Limits`] says in full; of the server, `head_time` (`15s`), `stall_time` (`60s`), `connections`
//!   (16384), `drain_time` (`10s`). Times are at most `24h`.
//! * `tenants.NAME.assertion`: the header in which the backend gets a signed assertion about the user (`bonafide-mcp`,
//!   "assertions"). Default: none.
//! * `tenants.NAME.env`: environment variables that its templates may use as `${env.NAME}`.
//! * `tenants.NAME.variables.VARIABLE`: `title`, `description`, `required`, `secret`, `default`, `pattern`, `choices`,
//!   `min_length`, `max_length`.
//! * `tenants.NAME.scopes`: scopes that a token needs for the tenant, `["mcp:use"]`. `tenants.NAME.tool_scopes`: what it needs
//!   besides for some tools, `"create_*" = ["github:write"]`; a prompt is the tool `prompts/NAME`, a resource `resources/URI`.
//!   The policy is asked first. A token that lacks scopes gets 403 with `insufficient_scope` and all that the request needs.
//! * `tenants.NAME.task_list`: `true` for a backend that lists to each user only the tasks of their own, by a credential or an
//!   assertion of theirs. Otherwise `tasks/list` is closed; tasks work all the same.
//! * `scopes`: scopes that imply others, for all tenants: `"mcp:admin" = ["mcp:use", "github:write"]`. Where an issuer asks for a
//!   scope by a longer name than its tokens have, as Entra ID does, ask for the long one, which clients are told, and say
//!   here that the short one implies it: `"mcp.use" = ["api://bonafide/mcp.use"]`.
//! * A PostgreSQL URL is `postgres://USER:PASSWORD@HOST:5432/DATABASE` with the parameters that
//!   [`Address`](bonafide_postgres::Address) lists, or `env:NAME`, a variable that has one. With a password in it, the file must be
//!   readable by its owner only.
//! * `policy.store`: a PostgreSQL URL, or `sqlite:PATH`, a file with the table `group_tenant_mapping`, whose rows are rules besides those of the
//!   file. It may be the file of the vault.
//! * `audit`: `sink` (`off`, `log`, `file:PATH` with one JSON object a line, `sqlite:PATH`, the table `audit`, or a PostgreSQL URL, the table `bonafide.audit`), `queue` (how
//!   many events may wait for the sink; 8192), `keep` (how long a database keeps them, such as `90d`; for ever). Decisions, what users enter and
//!   remove, and what administrators do. What is in a database, administrators see in the portal.
//! * `tenants.NAME.check`: `true` to try new values with a call that changes nothing before they are stored.
//! * `portal.administrators`: `roles`, `groups`, `users`; all that are given must hold. They see who has stored what, may
//!   remove it, and see the audit.
//! * `portal`: `client_id` and, for a confidential client, `client_secret` (`env:NAME`); `issuer` if there are several;
//!   `scopes` (`["profile", "email"]`; `openid` always), `resource` (RFC 8707: asks for an access token for the gateway,
//!   so that the pages decide on the very same claims), `idle` (`30m`), `session` (`8h`),
//!   `trusted_proxies` (addresses or networks in front of the proxy whose `X-Forwarded-For` is believed when sign-ins are
//!   counted by address; none). Register
//!   `{public_url}/connections/-/callback` as redirect URI, and `{public_url}/connections` for after sign-out. Without
//!   this section, the pages only say how to use the API.
//!
//! A change of `tenants`, `scopes` and `policy.rules` takes effect by itself within some seconds, or at `SIGHUP`; one of the rules in
//! a database within a second. The rest needs a restart. What can't be used leaves the tenants and the policy before in force as
//! a whole: the log says why, `/readyz` and the metrics `bonafide_config_reloads_total`, `bonafide_policy_reloads_total` and
//! `bonafide_policy_stale` say that.
//!
//! [`PolicyAdmin`] is for an operator's commands: it looks at the policy, and changes the rules in a database while proxies use it.
//!
//! # An operator's commands
//!
//! [`VaultConfig::load`] reads `[vault]` only, and [`VaultConfig::open`] opens it, for programs that carry a store over or seal it
//! again with [`bonafide_vault::admin`] while proxies use it.
//!
//! # Features
//!
//! | feature | default | brings |
//! |---|---|---|
//! | `keyring` | no | master keys from the Secret Service of a Linux desktop |
//!
//! # Limits
//!
//! The head of a request has at most 64 KiB (431), by HTTP/1.1 at most 100 headers, and 15 s to arrive (`limits.head_time`, or
//! [`Proxy::with_head_time`]), from the end of the request before. By HTTP/2, where pings could keep a connection, one on which no
//! request is open for that time is ended (`GOAWAY`): a client that reuses connections and does not read them in between should
//! forget them sooner. A client that takes nothing of what it is sent for 60 s is left (`limits.stall_time`,
//! [`Proxy::with_stall_time`]). Both times are exact to a quarter by HTTP/2. "Nothing" is less than 16 KiB by HTTP/2, and by TCP less
//! than what the system reports at once: with Linux some 64 KiB. A stream with nothing to send stands as long as its client.
//! 16 384 connections may be open (`limits.connections`, [`Proxy::with_connections`]). Bodies and backends are limited by
//! [`bonafide_mcp::Limits`], which `limits` sets. At the end, standing streams end at once, as complete answers, and requests
//! that run have 10 s (`limits.drain_time`, [`Proxy::with_drain_time`]).

mod audit;
mod config;
mod health;
mod policy;
mod policy_admin;
mod proxy;
mod reload;
mod routes;
mod server;
mod stores;

pub use config::{
    AuditConfig, AuditSinkConfig, Config, ConfigError, Environment, IssuerConfig, PolicyConfig,
    PolicyStoreConfig, PortalConfig, Problem, StoreConfig, VaultConfig,
};
pub use policy_admin::{CsvError, PolicyAdmin, PolicyAdminError};
pub use proxy::{Proxy, StartError};
