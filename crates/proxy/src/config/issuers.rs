//! `[[issuers]]`

use std::sync::Arc;
use std::time::Duration;

use axum::http::HeaderName;
use bonafide_claims::{
    ClaimMap, ClaimPath, DirectoryId, Issuer, Profile, TokenKind, TrustedIssuer,
};
use bonafide_jwks::{Algorithm, KeySource, RemoteKeys, SharedSecret};
use secrecy::ExposeSecret as _;

use super::problem::Problems;
use super::secret::{Environment, from_environment};
use super::section::{Located, Section};
use super::values;

/// An issuer whose tokens are accepted.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct IssuerConfig {
    /// The issuer on the terms of the file.
    pub trusted: TrustedIssuer,
    /// Where its keys come from.
    pub keys: Arc<dyn KeySource>,
    /// The header that holds its tokens. `None` for `Authorization`.
    pub header: Option<HeaderName>,
}

pub(super) fn read(
    root: &mut Section<'_, '_>,
    environment: &Environment<'_>,
    problems: &mut Problems<'_>,
) -> Vec<IssuerConfig> {
    let sections = root.list_of_tables(problems, "issuers");
    if sections.is_empty() {
        problems.add(None, "issuers", "missing: add `[[issuers]]` with `issuer` and `audiences`");
    }
    let mut seen = Vec::new();
    let mut issuers = Vec::new();
    for mut section in sections {
        let issuer = issuer(&mut section, environment, problems);
        if let Some(issuer) = &issuer {
            let name = issuer.trusted.issuer().clone();
            if seen.contains(&name) {
                section.problem(
                    problems,
                    "this issuer stands twice: give one entry all its audiences",
                );
            }
            seen.push(name);
        }
        section.finish(problems);
        issuers.extend(issuer);
    }
    issuers
}

fn issuer(
    section: &mut Section<'_, '_>,
    environment: &Environment<'_>,
    problems: &mut Problems<'_>,
) -> Option<IssuerConfig> {
    let before = problems.len();
    let name = section.required(problems, "issuer", "\"https://…\"");
    let profile = profile(section, problems);
    let audiences = audiences(section, &profile, problems);
    let algorithms = algorithms(section, problems);
    let jwks_uri = section.string(problems, "jwks_uri");
    let kind = kind(section, problems);
    let header = header(section, problems);
    let secret_given = section.has("secret");
    let secret = secret(section, environment, problems);
    let leeway = section.string(problems, "leeway");
    let leeway = leeway.and_then(|found| values::duration(&found, problems));
    let map = claim_map(section, problems);
    let name = name?;
    if secret_given && secret.is_none() {
        return None;
    }
    let keys = keys(&name, jwks_uri.as_ref(), secret, &profile, problems);
    if problems.len() > before {
        return None;
    }
    let issuer: Issuer = match name.value.parse() {
        Ok(issuer) => issuer,
        Err(error) => {
            name.problem(problems, format!("{error}"));
            return None;
        }
    };
    let terms = Terms { audiences, algorithms, kind, leeway, map };
    let keys = keys?;
    let trusted = build(issuer, Arc::clone(&keys), profile.value, terms);
    match trusted {
        Ok(trusted) => Some(IssuerConfig { trusted, keys, header }),
        Err(error) => {
            section.problem(problems, format!("{error}"));
            None
        }
    }
}

struct Terms<'t> {
    audiences: Vec<Located<&'t str>>,
    algorithms: Option<Vec<Algorithm>>,
    kind: Option<TokenKind>,
    leeway: Option<Duration>,
    map: ClaimMap,
}

fn build(
    issuer: Issuer,
    keys: Arc<dyn KeySource>,
    profile: Profile,
    terms: Terms<'_>,
) -> Result<TrustedIssuer, bonafide_claims::BuildError> {
    let mut builder =
        TrustedIssuer::builder(issuer, keys).with_profile(profile).with_claim_map(terms.map);
    for audience in terms.audiences {
        builder = builder.with_audience(audience.value);
    }
    if let Some(algorithms) = terms.algorithms {
        builder = builder.with_algorithms(algorithms);
    }
    if let Some(kind) = terms.kind {
        builder = builder.with_token_kind(kind);
    }
    if let Some(leeway) = terms.leeway {
        builder = builder.with_leeway(leeway);
    }
    builder.build()
}

/// The profile, and whether it is one for a shared secret.
fn profile(section: &mut Section<'_, '_>, problems: &mut Problems<'_>) -> Located<Profile> {
    let directories = section.strings(problems, "directories");
    let found = section.string(problems, "profile");
    let generic =
        Located { value: Profile::generic(), span: section.span(), key: section.key("profile") };
    let Some(found) = found else {
        if directories.is_some() {
            let message = "`directories` has no effect without `profile = \"entra\"`: add it";
            section.problem(problems, message);
        }
        return generic;
    };
    if let Some(directories) = directories {
        let allowed: Vec<DirectoryId> =
            directories.iter().filter_map(|id| id.value.parse().ok()).collect();
        if found.value != "entra" || allowed.len() != directories.len() {
            found.problem(
                problems,
                "`directories` is a list of directory ids, for the profile `entra`",
            );
        }
        return found.map(|_| Profile::entra_directories(allowed));
    }
    match found.value.parse::<Profile>() {
        Ok(profile) => found.map(|_| profile),
        Err(error) => {
            found.problem(problems, error.to_string());
            generic
        }
    }
}

/// Whom the tokens must be for. Only the shared secret of Open WebUI stands in for an audience.
fn audiences<'t>(
    section: &mut Section<'t, '_>,
    profile: &Located<Profile>,
    problems: &mut Problems<'_>,
) -> Vec<Located<&'t str>> {
    let before = problems.len();
    let audiences = section.strings(problems, "audiences").unwrap_or_default();
    if audiences.is_empty() && problems.len() == before && !has_shared_secret(&profile.value) {
        let message = "`audiences` is missing: write what the issuer puts into `aud` for this proxy, \
                       as in `audiences = [\"api://bonafide\"]`";
        section.problem(problems, message);
    }
    audiences
}

fn has_shared_secret(profile: &Profile) -> bool {
    profile.name() == Profile::open_webui().name()
}

fn algorithms(
    section: &mut Section<'_, '_>,
    problems: &mut Problems<'_>,
) -> Option<Vec<Algorithm>> {
    let found = section.strings(problems, "algorithms")?;
    let mut algorithms = Vec::new();
    for name in found {
        match name.value.parse() {
            Ok(algorithm) => algorithms.push(algorithm),
            Err(_) => name.problem(
                problems,
                "not an algorithm that is verified: write RS256, PS256, ES256, ES384, EdDSA or their kin",
            ),
        }
    }
    Some(algorithms)
}

fn kind(section: &mut Section<'_, '_>, problems: &mut Problems<'_>) -> Option<TokenKind> {
    let found = section.string(problems, "token")?;
    match found.value {
        "access" => Some(TokenKind::Access),
        "id" => Some(TokenKind::Id),
        _ => {
            found.problem(problems, "write `\"access\"` or `\"id\"`");
            None
        }
    }
}

fn header(section: &mut Section<'_, '_>, problems: &mut Problems<'_>) -> Option<HeaderName> {
    let found = section.string(problems, "header")?;
    let name = header_name(&found, "\"X-OpenWebUI-User-Jwt\"", problems);
    name.filter(|name| *name != axum::http::header::AUTHORIZATION)
}

/// The name of a header that may say who somebody is.
pub(super) fn header_name(
    found: &Located<&str>,
    example: &str,
    problems: &mut Problems<'_>,
) -> Option<HeaderName> {
    let framing =
        ["host", "content-length", "content-type", "cookie", "connection", "transfer-encoding"];
    let usable =
        |name: &HeaderName| !framing.contains(&name.as_str()) && !name.as_str().starts_with("mcp-");
    let name: Option<HeaderName> = found.value.parse().ok().filter(usable);
    if name.is_none() {
        let message = format!("this is the name of a header: write `{example}` or the like");
        found.problem(problems, message);
    }
    name
}

fn secret(
    section: &mut Section<'_, '_>,
    environment: &Environment<'_>,
    problems: &mut Problems<'_>,
) -> Option<Located<SharedSecret>> {
    let found = section.string(problems, "secret")?;
    let text = from_environment(&found, environment, problems)?;
    match SharedSecret::new(text.expose_secret()) {
        Ok(secret) => Some(found.map(|_| secret)),
        Err(error) => {
            found.problem(problems, error.to_string());
            None
        }
    }
}

fn claim_map(section: &mut Section<'_, '_>, problems: &mut Problems<'_>) -> ClaimMap {
    let mut map = ClaimMap::new();
    let Some(mut claims) = section.table(problems, "claims") else { return map };
    for name in ["username", "email", "name", "groups", "roles"] {
        let Some(found) = claims.string(problems, name) else { continue };
        let path: ClaimPath = match found.value.parse() {
            Ok(path) => path,
            Err(error) => {
                found.problem(problems, format!("{error}"));
                continue;
            }
        };
        map = match name {
            "username" => map.with_username(path),
            "email" => map.with_email(path),
            "name" => map.with_name(path),
            "groups" => map.with_groups(path),
            _ => map.with_roles(path),
        };
    }
    claims.finish(problems);
    map
}

fn keys(
    issuer: &Located<&str>,
    jwks_uri: Option<&Located<&str>>,
    secret: Option<Located<SharedSecret>>,
    profile: &Located<Profile>,
    problems: &mut Problems<'_>,
) -> Option<Arc<dyn KeySource>> {
    if let Some(uri) = jwks_uri
        && has_shared_secret(&profile.value)
    {
        let message =
            "the profile `open-webui` has a shared secret, and no keys elsewhere: leave it out";
        uri.problem(problems, message);
        return None;
    }
    match (secret, has_shared_secret(&profile.value)) {
        (Some(secret), true) => return Some(Arc::new(secret.value)),
        (Some(secret), false) => {
            secret.problem(
                problems,
                "only the profile `open-webui` has a shared secret: leave it out",
            );
            return None;
        }
        (None, true) => {
            profile.problem(problems, "this profile needs `secret = \"env:NAME\"`");
            return None;
        }
        (None, false) => {}
    }
    let (found, keys) = match jwks_uri {
        Some(uri) => (uri, RemoteKeys::at(uri.value)),
        // Several directories of Entra ID share one document, which names no single one of them.
        None if issuer.value.contains("{tenantid}") && profile.value.name() != "entra" => {
            profile.problem(problems, "`{tenantid}` in the issuer is for the profile `entra`");
            return None;
        }
        None if issuer.value.contains("{tenantid}") => {
            let url = issuer.value.replace("{tenantid}", "organizations");
            (issuer, RemoteKeys::discover(url).with_document_issuer(issuer.value))
        }
        None => (issuer, RemoteKeys::discover(issuer.value)),
    };
    match keys.build() {
        Ok(keys) => Some(Arc::new(keys)),
        Err(error) => {
            found.problem(problems, format!("{error}"));
            None
        }
    }
}
