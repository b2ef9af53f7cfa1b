//! From a payload that passed all checks to a user.

use std::borrow::Cow;
use std::sync::OnceLock;

use bonafide_jwks::strict_json::{Object, Value};

use super::check::Window;
use super::claim_path::ClaimPath;
use super::error::{Claim, VerifyError};
use super::issuer::TrustedIssuer;
use super::profile::{IssuerRule, RoleSource};
use crate::ids::{Issuer, RoleName, Scope, Subject, UserId};
use crate::names::{Groups, NameSet, UnknownGroups, pack};
use crate::user::{Assurance, Verified};

/// The user, without the payload, which the claims still borrow from.
pub(super) fn user(
    issuer: &str,
    claims: &Object<'_>,
    window: &Window,
    trusted: &TrustedIssuer,
) -> Result<Verified, VerifyError> {
    let sources = &trusted.profile.map;
    let unverified = claims.get("email_verified").is_some_and(|it| !is_true(it));
    Ok(Verified {
        id: id(issuer, claims, trusted)?,
        kind: trusted.kind,
        assurance: Assurance::Issuer,
        username: first_text(claims, &sources.username),
        email: first_text(claims, &sources.email).filter(|_| !unverified),
        name: first_text(claims, &sources.name),
        groups: groups(claims, sources.groups.as_ref()),
        roles: roles(claims, &sources.roles)?,
        scopes: scopes(claims)?,
        client_id: ["client_id", "azp", "appid", "cid"]
            .into_iter()
            .find_map(|name| claims.get(name)?.as_str())
            .map(Box::from),
        expires_at: window.expiry,
        payload: Box::default(),
        claims: OnceLock::new(),
    })
}

fn id(issuer: &str, claims: &Object<'_>, trusted: &TrustedIssuer) -> Result<UserId, VerifyError> {
    let malformed = |claim| move |_| VerifyError::Malformed { claim };
    let issuer: Issuer = match &trusted.profile.rules.issuer {
        // One user, one id, however the issuer writes its name.
        IssuerRule::Exact | IssuerRule::Also(_) | IssuerRule::Entra => trusted.issuer.clone(),
        IssuerRule::EntraDirectories(_) => issuer.parse().map_err(malformed(Claim::Issuer))?,
    };
    let directory = match &trusted.profile.map.directory {
        None => None,
        Some(path) => {
            let text = required(claims, std::slice::from_ref(path), Claim::Directory)?;
            Some(text.parse().map_err(malformed(Claim::Directory))?)
        }
    };
    let subject = required(claims, &trusted.profile.map.subject, Claim::Subject)?;
    let subject: Subject = subject.parse().map_err(malformed(Claim::Subject))?;
    Ok(UserId::new(issuer, directory, subject))
}

/// The first of these that is there. It must be a string then: another place is no way around that.
fn required<'o>(
    claims: &'o Object<'_>,
    paths: &[ClaimPath],
    claim: Claim,
) -> Result<&'o str, VerifyError> {
    let value = paths.iter().find_map(|path| path.find(claims));
    let value = value.ok_or(VerifyError::Missing { claim })?;
    value.as_str().ok_or(VerifyError::Malformed { claim })
}

fn first_text(claims: &Object<'_>, paths: &[ClaimPath]) -> Option<Box<str>> {
    let mut texts = paths.iter().filter_map(|path| path.find(claims)?.as_str());
    texts.find(|text| !text.is_empty()).map(Box::from)
}

/// Some issuers write it as a string.
fn is_true(value: &Value<'_>) -> bool {
    matches!(value, Value::Bool(true)) || value.as_str() == Some("true")
}

fn groups(claims: &Object<'_>, path: Option<&ClaimPath>) -> Groups {
    if overage(claims, path) {
        return Groups::Unknown(UnknownGroups::Overage);
    }
    match path.and_then(|path| path.find(claims)) {
        None => Groups::Unknown(UnknownGroups::Absent),
        Some(value) => {
            let names = value.as_array().and_then(|items| pack(items.iter().map(Value::as_str)));
            names.map_or(Groups::Unknown(UnknownGroups::WrongType), Groups::Known)
        }
    }
}

/// Whether the token says that there are more groups than it holds: distributed claims (OpenID Connect Core,
/// section 5.6.2) or Microsoft's `hasgroups`.
fn overage(claims: &Object<'_>, path: Option<&ClaimPath>) -> bool {
    let elsewhere = match claims.get("_claim_names") {
        None => false,
        // What cannot be read might be about the groups.
        Some(names) => names.as_object().is_none_or(|names| {
            names.get("groups").is_some() || path.is_some_and(|path| path.find(names).is_some())
        }),
    };
    elsewhere
        || claims
            .get("hasgroups")
            .is_some_and(|it| !matches!(it, Value::Bool(false)) && it.as_str() != Some("false"))
}

fn roles(claims: &Object<'_>, sources: &[RoleSource]) -> Result<NameSet<RoleName>, VerifyError> {
    let malformed = || VerifyError::Malformed { claim: Claim::Roles };
    let mut found: Vec<Cow<'_, str>> = Vec::new();
    for source in sources {
        let Some(value) = source.path.find(claims) else { continue };
        for role in list(value) {
            let role = role.ok_or_else(malformed)?;
            found.push(match &source.client {
                None => role.into(),
                // An empty role would become a good name.
                Some(_) if role.is_empty() => return Err(malformed()),
                Some(client) => format!("{client}:{role}").into(),
            });
        }
    }
    pack(found.iter().map(|role| Some(&**role))).ok_or_else(malformed)
}

/// `scope` (RFC 8693, section 4.2: one string) and `scp` (Microsoft: one string; Okta: a list).
fn scopes(claims: &Object<'_>) -> Result<NameSet<Scope>, VerifyError> {
    let malformed = || VerifyError::Malformed { claim: Claim::Scope };
    let mut found: Vec<&str> = Vec::new();
    for value in ["scope", "scp"].into_iter().filter_map(|name| claims.get(name)) {
        for text in list(value) {
            let text = text.ok_or_else(malformed)?;
            found.extend(text.split(' ').filter(|scope| !scope.is_empty()));
        }
    }
    pack(found.into_iter().map(Some)).ok_or_else(malformed)
}

/// A list of strings, or a single one. None for whatever is no string.
fn list<'v>(value: &'v Value<'_>) -> impl Iterator<Item = Option<&'v str>> {
    let items = value.as_array().unwrap_or(std::slice::from_ref(value));
    items.iter().map(Value::as_str)
}
