//! `[trusted_hop]`

use axum::http::HeaderName;
use bonafide_claims::Issuer;
use bonafide_tower::TrustedHop;

use super::issuers::{IssuerConfig, header_name};
use super::problem::Problems;
use super::secret::{Environment, from_environment};
use super::section::Section;
use super::values;

/// A host in front of the proxy that says who the user is. Without the section there is none.
pub(super) fn read(
    root: &mut Section<'_, '_>,
    issuers: &[IssuerConfig],
    environment: &Environment<'_>,
    problems: &mut Problems<'_>,
) -> Option<TrustedHop> {
    let mut section = root.table(problems, "trusted_hop")?;
    let before = problems.len();
    let issuer = issuer(&mut section, issuers, problems);
    let secret_header = header(&mut section, "header", "\"X-Hop-Secret\"", problems);
    let secret = section.required(problems, "secret", "\"env:HOP_SECRET\"");
    let secret = secret.and_then(|found| from_environment(&found, environment, problems));
    let subject = header(&mut section, "user", "\"X-Forwarded-User\"", problems);
    let username = optional_header(&mut section, "username", problems);
    let email = optional_header(&mut section, "email", problems);
    let groups = optional_header(&mut section, "groups", problems);
    let peers = values::peers(&mut section, "peers", problems);
    if problems.len() > before {
        section.finish(problems);
        return None;
    }
    let mut builder = TrustedHop::builder(issuer?, secret_header?, secret?).with_subject(subject?);
    for peer in peers {
        builder = builder.with_peer(peer);
    }
    if let Some(username) = username {
        builder = builder.with_username(username);
    }
    if let Some(email) = email {
        builder = builder.with_email(email);
    }
    if let Some(groups) = groups {
        builder = builder.with_groups(groups);
    }
    let hop = builder.build().map_err(|error| section.problem(problems, error.to_string())).ok();
    section.finish(problems);
    hop
}

/// The name under which rules speak of its users. Not one that somebody signs tokens under: the hop could speak for
/// those users then.
fn issuer(
    section: &mut Section<'_, '_>,
    issuers: &[IssuerConfig],
    problems: &mut Problems<'_>,
) -> Option<Issuer> {
    let found = section.required(problems, "issuer", "\"corporate-proxy\"")?;
    let issuer: Issuer = match found.value.parse() {
        Ok(issuer) => issuer,
        Err(error) => {
            found.problem(problems, format!("{error}"));
            return None;
        }
    };
    if issuers.iter().any(|other| *other.trusted.issuer() == issuer) || found.value.contains("://")
    {
        found.problem(
            problems,
            "this is a name of its own, and no issuer of tokens: write `\"corporate-proxy\"` or the like",
        );
        return None;
    }
    Some(issuer)
}

fn header(
    section: &mut Section<'_, '_>,
    name: &'static str,
    example: &str,
    problems: &mut Problems<'_>,
) -> Option<HeaderName> {
    let found = section.required(problems, name, example)?;
    header_name(&found, example, problems)
}

fn optional_header(
    section: &mut Section<'_, '_>,
    name: &'static str,
    problems: &mut Problems<'_>,
) -> Option<HeaderName> {
    let found = section.string(problems, name)?;
    header_name(&found, "\"X-Forwarded-Email\"", problems)
}
