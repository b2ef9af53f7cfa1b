//! The MCP gateway as a tower service: verified user in, that user's headers out, streams through.
//!
//! [`Gateway`] serves `/{tenant}/mcp` (Streamable HTTP, revisions 2025-03-26 to 2026-07-28) and the metadata document of
//! each tenant. For a request it verifies the token, asks the policy, reads the user's secrets, renders the tenant's
//! headers, and only then calls the tenant's backend; each step needs what the step before it proved. The answer is
//! passed on as it arrives.
//!
//! # Quick start
//!
//! ```
//! use std::sync::Arc;
//! use bonafide_headers::{Templates, Variable};
//! use bonafide_mcp::{Directory, Gateway, SharedDirectory, Tenant};
//! use bonafide_policy::{Policy, Rule};
//! use bonafide_testkit::Issuer;
//! use bonafide_tower::Authenticator;
//! use bonafide_vault::{Keyring, MasterKey, MemoryVault, SecretStore};
//! use http::{Request, StatusCode};
//! use http_body_util::Empty;
//! use bytes::Bytes;
//! use tower::ServiceExt;
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let templates = Templates::builder()
//!     .with_variable(Variable::new("GITHUB_TOKEN".parse()?))
//!     .with_header("Authorization", "Bearer ${GITHUB_TOKEN}")
//!     .build()?;
//! let github = Tenant::new("github".parse()?, "https://api.githubcopilot.com/mcp/".parse()?, templates)?;
//! let team = Rule::allow("team").with_groups(["MCP-GitHub"]).with_tenants(["github"]);
//! let directory = Directory::new([github], Policy::builder().with_rule(team).build()?);
//!
//! let idp = Issuer::new("https://idp.example");
//! let secrets = SecretStore::new(Arc::new(MemoryVault::new()), Keyring::new(&MasterKey::generate()?)?);
//! let gateway = Gateway::builder(
//!     Authenticator::bearer(idp.verifier()),
//!     SharedDirectory::new(directory),
//!     secrets,
//!     "https://mcp.example.com".parse()?,
//! )
//! .build()?;
//!
//! // Nobody gets in without a token, whatever they ask for.
//! let request = Request::get("/github/mcp").body(Empty::<Bytes>::new())?;
//! assert_eq!(gateway.clone().oneshot(request).await?.status(), StatusCode::UNAUTHORIZED);
//!
//! // And with one, nobody gets where the policy does not let them.
//! let token = format!("Bearer {}", idp.user("carol").with_groups(["Marketing"]).token());
//! let request = Request::get("/github/mcp").header("host", "mcp.example.com").header("authorization", token);
//! let response = gateway.oneshot(request.body(Empty::<Bytes>::new())?).await?;
//! assert_eq!(response.status(), StatusCode::FORBIDDEN);
//! # Ok(()) }
//! ```
//!
//! # What crosses the gateway
//!
//! * A request body is read whole, up to [`Limits::request_body`], and goes on byte for byte. A decision rests on it: what
//!   two parsers could read in different ways (a member twice, or in another case), batches, and headers that contradict
//!   the body (`Mcp-Method`, `Mcp-Name`, `MCP-Protocol-Version`) are refused.
//! * Of the client's headers, credentials, hop-by-hop headers, the well-known headers by which somebody could claim to be
//!   somebody or ask for another path or method, and every name with an underscore stay here; so does everything under
//!   the name of a header that a template sets. The query stays here too.
//! * A body goes on as JSON in UTF-8, whatever the client called it; one that is announced as something else is refused.
//! * An event stream is passed on event by event. A standing one, opened with GET or by
//!   `subscriptions/listen`, ends with the token of its user, when another policy comes into force, or when the gateway is
//!   about to end ([`Gateway::drain`]); the client opens another if it still may. A call that runs goes on to its end. A JSON
//!   answer of up to 64 KiB is read whole, so that a broken one becomes an error that the client can read. A client that leaves ends its request at the backend.
//! * Redirects are not followed. A backend's 401 is about the credential that we sent, and becomes a request to enter a
//!   better one. Other statuses and their bodies are passed on.
//! * A credential that a backend says back does not reach the client: in everything that is no successful result, as many
//!   `*` take the place of what was sent in secret, as the user entered it, as a template wrote it, and as encoders of JSON escape it
//!   (eight bytes and more; what is declared `secret = false` is none). A response header that holds one is left out. A
//!   successful result goes on byte for byte, if it can be seen to be one: a JSON answer of more than 64 KiB, and an event that
//!   does not come at once, are masked in any case.
//! * An answer that the backend has compressed goes on as it came, unless it has to be looked at. Where a credential was
//!   sent, backends are asked for `gzip`, `zstd` or nothing of the kind, as far as the client takes it, and for nothing of the
//!   kind on a standing stream; what they compress is undone to look for the credential, and goes on compressed if it is not there. A stream, an answer of more than 64 KiB of
//!   compressed bytes, and whatever something has to be masked in reach the client without compression, and so do lists that
//!   are filtered. What is not in its `Content-Encoding`, is in another (`br`, or several), or was short and means more than
//!   [`Limits::filtered_answer`] is an error; of a backend's own error in another coding, the status is left.
//! * A connection to a backend serves one user after the other, as with every proxy for HTTP/1.1. One on which more came than
//!   the answer is closed. A backend is trusted to answer each request once: a second answer that comes when the next request is
//!   on its way could not be told from the answer to that.
//! * Trailers stay here, in both directions.
//! * `Mcp-Session-Id` is the backend's own id behind a tag that binds it to user and tenant. The key of the tag comes from
//!   the vault's master key, so that every gateway with that key knows it, and none keeps sessions.
//! * So are task ids, in both eras: see "tasks".
//! * `Last-Event-ID` and the `id` of events go through as they are. What is resumed belongs to the session, whose id is bound, as
//!   event ids are about one session (2025-11-25, "resumability"). A backend that gives what it kept for one session to
//!   another that knows its event ids, or that resumes without sessions, has to make those ids unguessable.
//! * `X-Request-Id` goes through, or is made here: clients, backends and the audit ([`GatewayBuilder::with_audit`]) see
//!   the same.
//!
//! # What clients are told
//!
//! | status | when |
//! |---|---|
//! | 401 | no valid token, whatever else is wrong |
//! | 403 | a foreign `Host` or `Origin`; a tenant that is denied (JSON-RPC error [`code::DENIED`]); a user of a trusted hop, where the backend gets assertions |
//! | 403 with `insufficient_scope` | the token lacks scopes of the tenant, or of what is asked (JSON-RPC error [`code::DENIED`]) |
//! | 404 | no such tenant or session |
//! | 200 | a missing or refused credential: a URL elicitation, a tool error, or a JSON-RPC error ([`code::CREDENTIAL_NEEDED`]) |
//! | 400, 405, 408, 413, 415 | no message, no method of ours, too slow, too large, not JSON in UTF-8 |
//! | 429 | more than the [`Quotas`] of this user |
//! | 502, 504 | the backend can't be used, or takes longer than it may, or than the user may have its answer |
//! | 503 | the vault can't be read |
//!
//! `CHECKLIST.md`, beside this crate's manifest, has every requirement of the specification with the test that shows it.
//!
//! # Who sees what
//!
//! One decision guards a call and filters the lists: a tool is listed if and only if it may be called. A policy speaks
//! of tools; a prompt is to it the tool `prompts/NAME`, and a resource or a template the tool `resources/URI`. A rule
//! without `tools`, or with `*`, covers all of them; a rule for `read_*` covers no prompt and no resource.
//!
//! * For a user to whom something of a tenant is closed, every answer is looked at, JSON and event streams, POST and
//!   GET: whatever has the shape of a list of tools, prompts, resources or templates is filtered. Such answers are asked
//!   for without compression, lose `ETag` and the like, and have a limit ([`Limits::filtered_answer`]). What is left goes on byte for byte,
//!   cursors and unknown members included. A page may come out shorter, or empty, with a cursor to the next.
//! * In revision 2026-07-28, `cacheScope` becomes `private` in everything that may be kept, for every user: a client that
//!   serves many must not show one what it keeps for another. These answers have the same limit.
//! * For such a user the methods are those of the specification. Any other, a vendor's or an extension's, is answered with
//!   `-32601` (404 in revision 2026-07-28, 200 before) and does not reach the backend; a notification is dropped.
//! * A message names up to 256 resources; one with more is answered with 400.
//! * Rules are compared with URIs as they are written. For such a user a URI that could be another one is not covered:
//!   one with dot segments or empty ones, upper-case letters in scheme or host, characters that are encoded without need,
//!   in lower case or as separators, backslashes, control characters. What a backend takes for the same beyond that
//!   (`file:/x` and `file:///x`, say) it alone knows: allow the resources that somebody may have, rather than deny others.
//! * A name that is closed to the user (`tools/call`, `prompts/get`, `resources/read`, `resources/subscribe`,
//!   `completion/complete`, `subscriptions/listen`) does not reach the backend. A random name takes its place, in body and
//!   `Mcp-Name`, and the name that the client sent takes the place of that one in the answer.
//!
//! That last one is for the question whether a tool is there. An answer of our own would tell: a tool that the policy
//! lets somebody call and that is not there is answered by the backend, and no two servers do it alike (a tool error, or
//! `-32602` with words of their own). So the backend makes this answer too, about a name that it can't know. It learns
//! that somebody asked, gets the arguments, and has nothing to run: put no server behind the gateway that runs any name
//! that it is given. What still differs is a server that treats names differently by how they are written (their
//! first letters, say), or that tells which names are similar: it tells its names to everybody who may call it. And a stream
//! that is resumed tells the random name: that the policy denies one, not whether it is there.
//!
//! # Scopes
//!
//! A tenant may ask for scopes in the tokens of its users ([`Tenant::with_scopes`]): basic ones for whatever is asked of it, GET and
//! DELETE included, and more for the tools, prompts and resources that a pattern matches. They come on top of the policy:
//!
//! * The policy is asked first, and its denial stays a 403 without a challenge: no scope would help. What it hides is
//!   answered as if it were not there, whatever scopes it would need.
//! * A token that lacks scopes gets 403 with `insufficient_scope` and *all* scopes that this very request needs, those that
//!   it has included, so that a client gets them in one go. The same request gets the same list, whatever the token has.
//! * What needs a scope that the token lacks is listed all the same: a client must know of it to ask for the scope.
//! * The challenge of a 401 and the metadata name the basic scopes. Both are public.
//! * Scopes may imply others ([`TenantScopes::with_hierarchy`]). The rules of a policy compare scopes as they are written.
//! * A request of a method that is not in the specification, or that names a resource in a way that could be another spelling,
//!   needs all scopes that it could need.
//! * A user of a [trusted hop](bonafide_tower::TrustedHop) has no scopes, and no token that could get some: a 403 without a
//!   challenge.
//! * The pages and the API where credentials are entered ask for no scopes: they use no tool.
//!
//! # Tasks
//!
//! A backend that runs tasks (revision 2025-11-25, and the extension `io.modelcontextprotocol/tasks` of 2026-07-28) often shows and ends
//! them for anybody who names one. So the ids that clients see are the backend's own behind a tag that binds them to user
//! and tenant, as those of sessions are:
//!
//! * In a request about a task whose id was not given to this user for this tenant, a random id takes its place, as for a
//!   hidden tool: the backend answers as it does for a task that is not there. A subscription to such a task is left out.
//! * Ids are replaced in what begins a task, in the answers to `tasks/…`, in a subscription with `taskIds`, and in the GET streams of
//!   revision 2025-11-25: `taskId` where the specification has it, and `io.modelcontextprotocol/related-task`. Tasks that a *client* runs for
//!   a server keep their ids. Other answers are not looked at: one that mentions a task there has the backend's id in it,
//!   which nobody can use.
//! * `tasks/list` is answered with `-32601`, and `initialize` does not offer it: which of a backend's tasks are whose, nobody but the
//!   backend could say. [`Tenant::with_task_list`] opens it, for a backend that lists to each user their own.
//! * `tasks/result` of revision 2025-11-25 is answered when the task has ended. So [`Limits::answer_time`] does not hold for it: it waits
//!   as long as its client stays, its token is good and the policy is in force, if the task is the user's own, and until
//!   [`Gateway::drain`].
//! * A task belongs to a user, not to a token or a tool: as long as the tenant is theirs, who began one may see how it ends, with a
//!   token of fewer scopes too, and after a rule took the tool away.
//!
//! # Asking for a credential
//!
//! A user whose credential is missing, unusable or refused is asked for it, in the way that their client can:
//!
//! * Revision 2026-07-28, with `elicitation.url`: `tools/call`, `prompts/get` and `resources/read` are answered with
//!   `input_required`, a URL elicitation and a `requestState`. The state is sealed for this user, tenant and request, and good
//!   for an hour ([`LINK_TIME`]); another one is refused. It holds what the backend itself had asked for, if the credential
//!   went missing in the middle of that. When the request comes again, what is ours is taken out of it, and it
//!   waits for the credential, up to [`Limits::credential_time`] (or [`Gateway::drain`]) and as long as its client stays; then it goes on, or the user
//!   is asked again. It waits as an event stream where the client takes one, with progress where the client wants that. When
//!   it goes on, everything is decided again: the token, the tenant, what the message names. Of one user, four wait at one
//!   tenant, and 256 of all users; one more is asked again at once.
//! * Revision 2025-11-25, with `elicitation.url` in `initialize`: error `-32042` with a URL elicitation, for every request. That
//!   the client can is sealed into its session id.
//! * Otherwise: a tool error with the link in words, a JSON-RPC error with it for other methods.
//!
//! A client that can't open pages has to get as far as a call first. So the gateway answers in the place of a backend that
//! can't be asked, while something is missing that the user can enter: `initialize` and `server/discover`, with the link as
//! `instructions`, `ping`, and `tools/list`, with one tool `connect_TENANT` whose description has the link. In revisions with
//! sessions that is a session of the gateway's own, sealed as all are; it ends with 404 when the credential is there, so that
//! the client begins one with the backend. In 2026-07-28 nobody may keep these answers; a client that has begun so with a backend
//! of older revisions only has to connect again once the credential is there.
//!
//! The URL of an elicitation ends in a token that only [`LinkSealer`] reads, so that the page can turn away everybody but
//! the user whom it was made for. The page has to sign its visitors in: a link is no proof of who opens it. A user of a
//! [trusted hop](bonafide_tower::TrustedHop) can't sign in there: they get no link, but words, and the path of the API.
//!
//! A backend's 401, or its 403 with `WWW-Authenticate`, is about the credential that was sent to it. The secrets that were
//! sent are marked in the vault, and the user is asked for others. Where `Authorization` holds the gateway's own assertion, none
//! is marked, and the answer is a 502. A request that waits does not try the same one twice.
//!
//! # Assertions
//!
//! A backend that is told `X-User-Id` has to trust the network. One whose tenant has [`Tenant::with_assertion`] is told by a
//! JWT (`EdDSA`): `iss` is the gateway's public URL, `aud` the backend's URL as it is configured, `sub` the issuer and the
//! subject of the user (`https://idp.example#alice`), and `preferred_username`, `email`, `name`, `groups` and `roles` are what the
//! user's own token said. It is good for 60 seconds. There is none about a user of a
//! [trusted hop](bonafide_tower::TrustedHop), for whom no issuer vouches: a backend would take somebody's word for a proof. Their
//! requests to such a tenant are denied. A Rust backend verifies it with the feature `gateway` of `bonafide-tower`:
//!
//! ```
//! # fn main() -> Result<(), bonafide_tower::GatewayError> {
//! use bonafide_tower::{AuthenticateLayer, Authenticator};
//!
//! let layer = AuthenticateLayer::new(Authenticator::of_gateway(
//!     "https://mcp.example.com",
//!     "https://notes.example.com/mcp",
//!     "x-bonafide-assertion",
//! )?);
//! # let _ = layer; Ok(()) }
//! ```
//!
//! The signing keys follow from the vault's master key and the date. Every gateway with that key has the same ones; one signs
//! for 30 days, and is at `/.well-known/jwks.json` 30 days before and after. A new master key brings new ones at once: give
//! it to all gateways as an older key first if backends must not notice.
//!
//! # What is counted, traced and logged
//!
//! * [`Quotas`] limit the requests of one user to one tenant, by rate and by how many are open. One too many is a 429 with
//!   `Retry-After` and a JSON-RPC error ([`code::TOO_MANY`]). Each gateway counts by itself.
//! * `traceparent` goes on as a step of ours in the client's trace, or begins one; `tracestate` and `baggage` go on. Nothing
//!   is decided by them, and what a message says of traces in `_meta` is left alone.
//! * Each request has a span with its `X-Request-Id` and trace, and ends with one event at the target `bonafide_mcp::access`:
//!   method, tenant, status, outcome, milliseconds to the head of the answer. No name, argument or credential is in it.
//! * `bonafide_mcp_requests_total` counts by outcome. A stream that waits for a credential is counted and logged as `held`, and
//!   again as what it ends as.

mod ask;
mod assertion;
mod backend;
mod body;
mod check;
mod content;
mod directory;
mod gateway;
mod gather;
mod json;
mod limits;
mod link;
mod message;
mod permits;
mod quota;
mod refusal;
mod rewrite;
mod scopes;
mod session;
mod standard_headers;
mod tag;
mod tasks;
mod tenant;
mod waiting;

pub use backend::TlsError;
pub use body::{BodyError, GatewayBody};
pub use check::{CheckError, CredentialCheck};
pub use directory::{Directory, SharedDirectory};
pub use gateway::{BuildError, Gateway, GatewayBuilder};
pub use limits::Limits;
pub use link::{LINK_TIME, LinkError, LinkSealer};
pub use quota::Quotas;
pub use refusal::code;
pub use scopes::TenantScopes;
pub use session::NoRandomness;
pub use tenant::{Tenant, TenantError};
