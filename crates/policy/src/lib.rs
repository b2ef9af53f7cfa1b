//! Who may reach what: verified user, tenant and tool in, [`Permit`] or [`Denial`] out.
//!
//! A [`Policy`] is a list of [`Rule`]s. Each allows or denies some tools of some tenants (MCP backends) to
//! those for whom its conditions hold. The crate decides, and says why; it verifies no token (that is
//! `bonafide-claims`), forwards nothing, and by itself reads no file and no database.
//!
//! # Quick start
//!
//! ```
//! use bonafide_claims::VerifiedUser;
//! use bonafide_policy::{Denial, Persona, Permit, Policy, Rule, TenantId};
//!
//! let policy = Policy::builder()
//!     .with_rule(Rule::allow("github-team").with_groups(["MCP-GitHub"]).with_tenants(["github"]))
//!     .with_rule(Rule::deny("no-delete").with_tenants(["github"]).with_tools(["delete_*"]))
//!     .build()?;
//!
//! // In front of a backend: only a verified user gets a permit.
//! fn admit(policy: &Policy, user: &VerifiedUser, tenant: &TenantId) -> Result<Permit, Denial> {
//!     let permit = policy.permit(user, tenant)?;
//!     permit.tool("create_issue")?;
//!     Ok(permit)
//! }
//!
//! // At the desk: what would somebody reach?
//! let github: TenantId = "github".parse()?;
//! let alice = Persona::new("https://idp.example".parse()?, "alice".parse()?);
//! assert!(!policy.what_if(&alice).allows(&github, None));
//!
//! let alice = alice.with_groups(["MCP-GitHub".parse()?]);
//! let reach = policy.what_if(&alice);
//! assert!(reach.allows(&github, Some("create_issue")));
//! assert!(!reach.allows(&github, Some("delete_repo")));
//! assert!(!reach.allows(&"jira".parse()?, None));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # How a decision is made
//!
//! 1. A rule applies if **all** conditions that it has hold: [`Rule`] has the list.
//! 2. A deny rule that applies takes its tools away, whatever allows them. If it leaves nothing of what is
//!    allowed, the tenant is denied.
//! 3. Of what is left, a user has the tools that some allow rule covers. No such rule, no access.
//! 4. If the user's groups are unknown, an allow rule on groups does not apply, and a deny rule on groups
//!    does: what cannot be told counts against the user. The denial says so ([`DenialKind::GroupsUnknown`]).
//!
//! Listing and calling ask the same function: [`Policy::permits`] has a tenant if and only if
//! [`Policy::permit`] gives one for it, and [`Permit::allows_tool`] is [`Permit::tool`] without the reasons.
//!
//! Names compare byte for byte: no case folding, no trimming, no Unicode normalisation. Groups, roles and
//! scopes are names within an issuer, so [`PolicyBuilder::with_issuers`] refuses rules that leave open which.
//!
//! # What it protects against, and what not
//!
//! * A [`Permit`] has no public constructor, `Default` or `Deserialize`: without a decision there is none, and
//!   without a verified token there is no decision.
//! * A mistake in a rule is an error when the policy is built, not a rule that silently never applies: unknown
//!   tenants, issuers and keys, empty lists, `?` and `[a-z]` in a tool pattern, a user without an issuer.
//! * An empty policy, an unknown tenant and unknown groups deny.
//! * It believes the issuer: who may put people into groups there decides who gets in here.
//! * A permit is as old as its decision. Whoever keeps one asks [`Permit::is_of`] before using it again.
//! * What a tool does with its arguments is not looked at.
//!
//! # Features
//!
//! | feature | default | brings |
//! |---|---|---|
//! | `serde` | no | rules from TOML (`PolicyConfig`, `Policy::from_toml`), tests of a policy (`PolicyTests`), `Serialize` for explanations |
//! | `store` | no | `PolicyStore` (file, memory), the database form (`Mapping`, `MappingStore`), and reload that swaps the policy as a whole (`Reloader`); needs Tokio |
//! | `conformance` | no | the suite that every `MappingStore` has to pass |
//! | `audit` | no | `Audit`: decisions, and what users do, written down by sinks that never hold one up; `AuditTrail` to read them |

#[cfg(feature = "audit")]
mod audit;
mod compiled;
#[cfg(feature = "serde")]
mod config;
#[cfg(feature = "conformance")]
pub mod conformance;
mod denial;
mod error;
mod explain;
mod ids;
mod lint;
#[cfg(feature = "store")]
mod mapping;
mod permit;
mod persona;
mod policy;
mod rule;
#[cfg(feature = "store")]
mod store;
#[cfg(feature = "serde")]
mod suite;
mod tools;

#[cfg(feature = "audit")]
pub use audit::{
    AUDIT_REACH, Action, Audit, AuditBuilder, AuditEntry, AuditError, AuditEvent, AuditPage,
    AuditQuery, AuditSink, AuditTrail, JsonLines, LogSink, MAX_AUDIT_PAGE, Outcome, TrailError,
    rfc3339,
};
#[cfg(feature = "serde")]
pub use config::PolicyConfig;
pub use denial::{Denial, DenialKind};
pub use error::{Key, MappingPlace, PolicyError, PolicyErrors, Problem};
pub use explain::{Explanation, Missing, RuleReport};
pub use ids::{MAX_RULE_LEN, MAX_TENANT_LEN, RuleId, RuleIdError, TenantId, TenantIdError};
pub use lint::{Lint, Linter};
#[cfg(feature = "store")]
pub use mapping::{
    Added, MAPPING_TABLE, Mapping, MappingChange, MappingRow, MappingStore, MemoryMapping, Replaced,
};
pub use permit::{Permit, ToolPermit};
pub use persona::{Persona, Reach, ReachChange, Reached};
pub use policy::{Policy, PolicyBuilder};
pub use rule::{Effect, Rule, RuleUser};
#[cfg(feature = "store")]
pub use store::{
    FileStore, MemoryStore, PolicyHandle, PolicyStatus, PolicyStore, ReloadError, Reloader,
    StoreError,
};
#[cfg(feature = "serde")]
pub use suite::{PolicyTests, PolicyTestsError, TestFailure, TestReport};
pub use tools::{MAX_PATTERN_LEN, MAX_TOOL_LEN, PatternError, ToolPattern};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
