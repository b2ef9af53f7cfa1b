//! `[portal]`

use bonafide_policy::Rule;
use bonafide_portal::{SignIn, SignInConfigError};
use bonafide_tower::PeerRange;

use super::issuers::IssuerConfig;
use super::problem::Problems;
use super::secret::{Environment, from_environment};
use super::section::Section;
use super::values;

/// How users sign in to the portal.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PortalConfig {
    /// At which issuer, as which client, for how long.
    pub sign_in: SignIn,
    /// Who may see what others have stored, and remove it. `None`: nobody.
    pub administrators: Option<Rule>,
    /// Whose `X-Forwarded-For` is believed when sign-ins are counted by address.
    pub trusted_proxies: Vec<PeerRange>,
}

pub(super) fn read(
    root: &mut Section<'_, '_>,
    environment: &Environment<'_>,
    issuers: &[IssuerConfig],
    problems: &mut Problems<'_>,
) -> Option<PortalConfig> {
    let before = problems.len();
    let mut section = root.table(problems, "portal")?;
    let client_id = section.required(problems, "client_id", "\"bonafide\"");
    let secret = section.string(problems, "client_secret");
    let secret = secret.and_then(|found| from_environment(&found, environment, problems));
    let issuer = issuer(&mut section, issuers, problems);
    let scopes = section.strings(problems, "scopes");
    let resource = section.string(problems, "resource");
    let idle = section.string(problems, "idle");
    let idle = idle.and_then(|found| values::duration(&found, problems));
    let session = section.string(problems, "session");
    let session = session.and_then(|found| values::duration(&found, problems));
    let administrators = administrators(&mut section, problems);
    let trusted_proxies = values::peers(&mut section, "trusted_proxies", problems);
    // A client that has lost its secret on the way is no public client.
    let sign_in = match (client_id, issuer, problems.len() > before) {
        (Some(client_id), Some(issuer), false) => {
            let mut builder = SignIn::builder(issuer.trusted.clone(), client_id.value);
            if let Some(secret) = secret {
                builder = builder.with_client_secret(secret);
            }
            if let Some(scopes) = scopes {
                builder = builder.with_scopes(scopes.iter().map(|scope| scope.value));
            }
            if let Some(resource) = resource {
                builder = builder.with_resource(resource.value);
            }
            if let Some(idle) = idle {
                builder = builder.with_idle_limit(idle);
            }
            if let Some(session) = session {
                builder = builder.with_session_limit(session);
            }
            built(builder.build(), &section, problems)
        }
        _ => None,
    };
    section.finish(problems);
    Some(PortalConfig { sign_in: sign_in?, administrators, trusted_proxies })
}

/// The conditions of a rule, all of which must hold. One at least: a rule without any would be for everybody.
fn administrators(section: &mut Section<'_, '_>, problems: &mut Problems<'_>) -> Option<Rule> {
    let mut section = section.table(problems, "administrators")?;
    let mut rule = Rule::allow("administrators");
    let mut conditions = 0;
    for name in ["groups", "roles", "users"] {
        let Some(found) = section.strings(problems, name) else { continue };
        if found.is_empty() {
            continue;
        }
        let texts = found.iter().map(|text| text.value);
        conditions += 1;
        rule = match name {
            "groups" => rule.with_groups(texts),
            "roles" => rule.with_roles(texts),
            _ => rule.with_users(texts),
        };
    }
    if conditions == 0 {
        section.problem(
            problems,
            "who may administer? write `roles = [\"…\"]`, `groups` or `users`; what is given must all hold",
        );
    }
    section.finish(problems);
    Some(rule)
}

fn built(
    sign_in: Result<SignIn, SignInConfigError>,
    section: &Section<'_, '_>,
    problems: &mut Problems<'_>,
) -> Option<SignIn> {
    match sign_in {
        Ok(sign_in) => Some(sign_in),
        Err(error) => {
            section.problem(problems, error.to_string());
            None
        }
    }
}

/// The issuer that users sign in at: the one that is named, or the only one.
fn issuer<'i>(
    section: &mut Section<'_, '_>,
    issuers: &'i [IssuerConfig],
    problems: &mut Problems<'_>,
) -> Option<&'i IssuerConfig> {
    let named = section.string(problems, "issuer");
    // Assertions in a header of their own are not for browsers.
    let mut bearers = issuers.iter().filter(|issuer| issuer.header.is_none());
    if let Some(named) = named {
        let found = bearers.find(|issuer| issuer.trusted.issuer().as_str() == named.value);
        if found.is_none() {
            named.problem(
                problems,
                "users sign in at an issuer whose tokens are taken from `Authorization`: write the `issuer` of one of \
                 `[[issuers]]`",
            );
        }
        return found;
    }
    let first = bearers.next();
    if bearers.next().is_some() {
        section.problem(
            problems,
            "there are several issuers: write `issuer = \"https://…\"`, the one that users sign in at",
        );
        return None;
    }
    if first.is_none() && !issuers.is_empty() {
        section.problem(
            problems,
            "users can't sign in: no issuer's tokens are taken from `Authorization`",
        );
    }
    first
}
