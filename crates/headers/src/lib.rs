//! Header templates that carry each user's own credentials, compiled once and rendered in one pass.
//!
//! An administrator writes `Authorization: Bearer ${GITHUB_TOKEN}` once, and each user's request leaves with that user's
//! token. This crate parses such templates, says which variables users have to fill in, checks what they enter, and
//! renders an [`http::HeaderMap`]. It stores nothing, verifies nobody, reads neither files nor the environment, and
//! sends nothing: values come from an implementation of [`Variables`], which is yours.
//!
//! # Quick start
//!
//! ```
//! use bonafide_headers::{Builtin, RenderError, Templates, Values, Variable};
//!
//! let templates = Templates::builder()
//!     .with_variable(Variable::new("JIRA_TOKEN".parse()?))
//!     .with_header("Authorization", "Basic ${basic(email, JIRA_TOKEN)}")
//!     .with_header("X-Groups", "${json(groups)}")
//!     .with_header("X-Department", "${claims.department?}")
//!     .build()?;
//!
//! let mut values = Values::new(&templates)
//!     .with_text(Builtin::Email, "ada@example.com")
//!     .with_list(Builtin::Groups, ["staff", "R&D; secret"]);
//! let Err(RenderError::Missing(missing)) = templates.render(&values) else { panic!() };
//! assert_eq!(missing.declared().next().unwrap().as_str(), "JIRA_TOKEN"); // ask the user for it
//!
//! assert!(values.set("JIRA_TOKEN", "s3cret".into()));
//! let headers = templates.render(&values)?;
//! assert_eq!(headers["authorization"], "Basic YWRhQGV4YW1wbGUuY29tOnMzY3JldA==");
//! assert_eq!(headers["x-groups"], r#"["staff","R&D; secret"]"#);
//! assert!(!headers.contains_key("x-department"));
//! assert_eq!(format!("{:?}", headers["authorization"]), "Sensitive");
//!
//! let errors = Templates::builder().with_header("X-User", "${usernme}").build().unwrap_err();
//! assert!(errors.to_string().contains("did you mean `username`"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Grammar
//!
//! ```text
//! template    = { literal | "$$" | placeholder } ;             "$$" is a dollar sign
//! placeholder = "${" body "}" | "$<" body ">" ;                the same thing, two spellings
//! body        = expression [ "?" | ":-" default ] ;
//! expression  = name
//!             | "basic" "(" argument "," argument ")"          user and password, RFC 7617
//!             | "base64" "(" name ")"
//!             | "json" "(" name ")"
//!             | "join" "(" name "," string ")" ;               a list and its separator
//! argument    = name | string ;
//! name        = word { "." ( word | string ) } ;
//! default     = string | { any character but the closer, quotes, "\" and "$" } ;
//! string      = '"' { character | escape } '"' | "'" { character | escape } "'" ;
//! escape      = "\" ( '"' | "'" | "\" ) ;
//! word        = letter or "_", in a path also digit or "-", then letters, digits, "_" and "-" ;
//! literal     = any other text, of visible ASCII and spaces ;  a "$" that opens nothing is itself
//! ```
//!
//! Spaces are allowed around names, commas and brackets within a placeholder. White space at the ends of a template is an
//! error, since it is lost on the way (RFC 9110, section 5.5).
//!
//! | name | value |
//! |---|---|
//! | `username`, `email`, `name` | display data of the user |
//! | `user.id`, `user.subject`, `user.issuer` | the user's identity |
//! | `groups`, `roles` | lists, for `json` and `join` |
//! | `tenant` | the backend that the headers are for |
//! | `claims.realm_access.roles`, `claims."https://example.com/plan"` | a claim of the token; quote names with dots |
//! | `env.NAME` | the environment variable, if [allowed](TemplatesBuilder::with_env) |
//! | anything else | a [declared variable](Variable), which cannot have a built-in's name |
//!
//! # How values are written
//!
//! | | identity and open variables | secrets and `env` |
//! |---|---|---|
//! | as text | plain ASCII as it is; else, and if it begins with `=?base64?` or has spaces at its ends, `=?base64?…?=` with the UTF-8 text, as MCP 2026-07-28 does | plain ASCII as it is, anything else is an error |
//! | `basic`, `base64` | UTF-8 in base64 | the same |
//! | `json` | compact, with `\uXXXX` for what is not ASCII | plain ASCII only |
//! | `join` | items with the separator between them, then as text | – |
//!
//! * Missing is what is unset, empty, or only white space; JSON `null`; and in `join` an empty list. In `json` an empty
//!   list is `[]`.
//! * `${X?}` leaves the header out when `X` is missing. So does a variable declared as not required, unless it has a default.
//!   `${X:-text}` writes the text instead.
//! * Control characters are an error everywhere, C1 and the line break at the end included: `base64` could carry them, but
//!   they are a slip of the hand.
//! * A secret with white space at an end is an error as text, since it would arrive without it. [`Variable::check`] refuses
//!   it before it is stored.
//! * `join` refuses an item that is empty or contains the separator, and separators that overlap with themselves.
//!
//! # Which headers
//!
//! Refused when compiled: names that are not valid; the same name twice, where case does not count and `_` is `-`, since
//! CGI and WSGI servers read `X_User_Id` as `X-User-Id`; hop-by-hop headers; `Host`, `Content-*`, `Accept*`, `Origin`,
//! `Referer`, `Expect`, `If-*`, `Range`, `Sec-*`, `Mcp-*`, `Last-Event-ID` and what else belongs to the request, the protocol or
//! the response; `Forwarded`, `Via`, `X-Real-IP` and those `X-Forwarded-*` that say which way a request came, but not
//! `X-Forwarded-User` and its like, which backends read; and `Cookie`, where a `;` in a value would make two cookies. A secret is
//! also refused in headers that are commonly logged or passed on, such as `User-Agent` and `traceparent`.
//!
//! # Security
//!
//! Protects against: placeholders and empty credentials on the wire; a value that is expanded again; header injection and
//! request splitting; one group read as two; a user name that moves the password of `basic`; text that pretends to be
//! encoded; a declared variable that shadows an identity; the client's own copy of a header
//! ([`Templates::render_into`] removes it in every spelling); secrets in errors, in `Debug` and in the `Debug` of the rendered
//! map. While rendering, a secret is only copied into the header itself; three bytes that the base64 encoder keeps are wiped.
//!
//! Does not protect against: an identity that nobody verified; a backend that logs its headers; an administrator who
//! writes a credential into a template literally; two free texts side by side (`${a}-${b}` reads the same for `x-y`, `z` and
//! `x`, `y-z`: use `json` or two headers). The rendered `HeaderMap` holds secrets in memory that `http` does not wipe.
//!
//! # Configuration
//!
//! [`Declaration`] deserializes what a variable's table has, and templates are plain strings. For errors with positions, keep
//! spans and map each error with [`offset_in_toml`]:
//!
//! ```
//! # #[cfg(feature = "serde")] {
//! use std::collections::BTreeMap;
//! use bonafide_headers::{Declaration, Templates, Variable, VariableName, offset_in_toml};
//! use toml::Spanned;
//!
//! #[derive(serde::Deserialize)]
//! struct Tenant {
//!     headers: BTreeMap<String, Spanned<String>>,
//!     variables: BTreeMap<VariableName, Declaration>,
//! }
//!
//! let file = r#"
//! headers.Authorization = "Bearer \"${GITHUB_TOKN}\""
//! [variables.GITHUB_TOKEN]
//! title = "Personal access token"
//! "#;
//! let tenant: Tenant = toml::from_str(file).unwrap();
//! let mut builder = Templates::builder();
//! for (name, declaration) in tenant.variables {
//!     builder = builder.with_variable(Variable::declare(name, declaration).unwrap());
//! }
//! for (name, template) in &tenant.headers {
//!     builder = builder.with_header(name, template.get_ref());
//! }
//! for error in builder.build().unwrap_err() {
//!     let literal = tenant.headers[error.header().unwrap()].span();
//!     let start = literal.start + offset_in_toml(&file[literal], error.span().start);
//!     assert!(file[start..].starts_with("GITHUB_TOKN"));
//!     assert_eq!(file[..start].lines().count(), 2, "the line");
//! }
//! # }
//! ```
//!
//! # Features
//!
//! | feature | default | what |
//! |---|---|---|
//! | `serde` | yes | `Deserialize` for [`Declaration`] and [`VariableName`] |

mod compile;
mod dialect;
mod name;
mod position;
mod render;
mod suggest;
mod template;
mod value;
mod values;
mod variable;

pub use compile::{CompileError, CompileErrorKind, CompileErrors, Templates, TemplatesBuilder};
pub use dialect::{Converted, Dialect};
pub use name::{Builtin, ClaimPath, Name, VariableName, VariableNameError};
pub use position::offset_in_toml;
pub use render::{HeaderProblem, Missing, RenderError, ValueProblem};
pub use template::Template;
pub use value::{Items, Value, Variables};
pub use values::Values;
pub use variable::{Declaration, DeclareError, ValueError, Variable, VariableBuilder};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
