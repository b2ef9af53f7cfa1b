//! The checks of a payload whose signature is good: RFC 7519, RFC 8725, RFC 9068, OpenID Connect Core.

use bonafide_jwks::SigningKey;
use bonafide_jwks::strict_json::{Object, Value};

use super::error::{Claim, VerifyError};
use super::issuer::TrustedIssuer;
use super::profile::IssuerRule;
use crate::user::TokenKind;

/// Seconds since the Unix epoch, up to the end of the year 9999.
const LAST_DATE: u64 = 253_402_300_799;

/// When a token may be used, in seconds since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) expiry: u64,
    pub(super) not_before: u64,
    pub(super) issued_at: u64,
}

impl Window {
    pub(super) fn read(claims: &Object<'_>) -> Result<Self, VerifyError> {
        if claims.get(Claim::Expiry.as_str()).is_none() {
            return Err(VerifyError::Missing { claim: Claim::Expiry });
        }
        Self::read_or(claims, 0)
    }

    /// With `expiry` where the claims have none.
    pub(super) fn read_or(claims: &Object<'_>, expiry: u64) -> Result<Self, VerifyError> {
        Ok(Self {
            expiry: date(claims, Claim::Expiry, f64::floor)?.unwrap_or(expiry),
            not_before: date(claims, Claim::NotBefore, f64::ceil)?.unwrap_or(0),
            issued_at: date(claims, Claim::IssuedAt, f64::ceil)?.unwrap_or(0),
        })
    }

    /// Whether the token may be used now: RFC 7519, sections 4.1.4 to 4.1.6.
    pub(super) fn check(&self, now: u64, leeway: u64) -> Result<(), VerifyError> {
        if now >= self.expiry.saturating_add(leeway) {
            return Err(VerifyError::Expired);
        }
        let soon = now.saturating_add(leeway);
        if self.not_before > soon {
            return Err(VerifyError::NotYetValid);
        }
        if self.issued_at > soon { Err(VerifyError::IssuedInFuture) } else { Ok(()) }
    }
}

/// A NumericDate, which may have a fraction; it is rounded so that the token is good for less, not for more.
fn date(
    claims: &Object<'_>,
    claim: Claim,
    round: fn(f64) -> f64,
) -> Result<Option<u64>, VerifyError> {
    let malformed = VerifyError::Malformed { claim };
    match claims.get(claim.as_str()) {
        None => Ok(None),
        Some(Value::Unsigned(date)) if *date <= LAST_DATE => Ok(Some(*date)),
        #[expect(clippy::cast_precision_loss, reason = "the bound is far below 2^53")]
        Some(Value::Float(date)) if (0.0..=LAST_DATE as f64).contains(date) => {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "rounded, and between 0 and the bound"
            )]
            let whole = round(*date) as u64;
            Ok(Some(whole))
        }
        Some(_) => Err(malformed),
    }
}

/// A string that must be there.
pub(super) fn text<'o>(claims: &'o Object<'_>, claim: Claim) -> Result<&'o str, VerifyError> {
    match claims.get(claim.as_str()) {
        None => Err(VerifyError::Missing { claim }),
        Some(Value::String(text)) => Ok(text),
        Some(_) => Err(VerifyError::Malformed { claim }),
    }
}

/// What the token was issued for: RFC 8725, section 3.11, RFC 9068, section 4.
pub(super) fn kind(
    typ: Option<&str>,
    claims: &Object<'_>,
    trusted: &TrustedIssuer,
) -> Result<(), VerifyError> {
    header_type(typ, trusted.kind)?;
    // Logout tokens and security events have an issuer, a subject and an audience too.
    let foreign: &[&str] = match trusted.kind {
        TokenKind::Access => &["events", "at_hash", "c_hash"],
        TokenKind::Id => &["events"],
    };
    if let Some(claim) = foreign.iter().find(|name| claims.get(name).is_some()) {
        return Err(VerifyError::WrongType { claim });
    }
    if claims.get("cnf").is_some() {
        return Err(VerifyError::Bound);
    }
    let Some(rule) = &trusted.profile.rules.kind_claim else { return Ok(()) };
    let wanted = match trusted.kind {
        TokenKind::Access => rule.access,
        TokenKind::Id => rule.id,
    };
    match claims.get(rule.name) {
        Some(Value::String(says)) if says == wanted => Ok(()),
        None if !rule.required => Ok(()),
        _ => Err(VerifyError::WrongType { claim: rule.name }),
    }
}

/// `typ` is a media type (RFC 7515, section 4.1.9): `application/` may be left out, and case does not count.
fn header_type(typ: Option<&str>, kind: TokenKind) -> Result<(), VerifyError> {
    let Some(typ) = typ else { return Ok(()) };
    let is = |name: &str| {
        let full = typ.split_once('/').filter(|(tree, _)| tree.eq_ignore_ascii_case("application"));
        full.map_or(typ, |(_, rest)| rest).eq_ignore_ascii_case(name)
    };
    if is("JWT") || (is("at+jwt") && kind == TokenKind::Access) {
        Ok(())
    } else {
        Err(VerifyError::WrongType { claim: "typ" })
    }
}

/// Whom the token is for: RFC 7519, section 4.1.3, and OpenID Connect Core, section 3.1.3.7.
pub(super) fn audience(claims: &Object<'_>, trusted: &TrustedIssuer) -> Result<(), VerifyError> {
    let claim = Claim::Audience;
    let ours = |audience: &str| trusted.audiences().any(|ours| ours == audience);
    let several = match claims.get("aud") {
        None if trusted.audiences.is_empty() => return Ok(()),
        None => return Err(VerifyError::Missing { claim }),
        Some(Value::String(audience)) if ours(audience) => false,
        Some(Value::String(_)) => return Err(VerifyError::WrongAudience),
        Some(Value::Array(audiences)) => {
            if audiences.iter().any(|audience| audience.as_str().is_none()) {
                return Err(VerifyError::Malformed { claim });
            }
            if !audiences.iter().filter_map(Value::as_str).any(ours) {
                return Err(VerifyError::WrongAudience);
            }
            audiences.len() > 1
        }
        Some(_) => return Err(VerifyError::Malformed { claim }),
    };
    if several && trusted.kind == TokenKind::Id {
        // One that was issued to somebody else, who names us beside themselves.
        let party = text(claims, Claim::AuthorizedParty)?;
        return if ours(party) { Ok(()) } else { Err(VerifyError::WrongAudience) };
    }
    Ok(())
}

/// The directory that the issuer's name has in it, and that the key may sign for.
pub(super) fn directory(
    issuer: &str,
    claims: &Object<'_>,
    key: SigningKey<'_>,
    trusted: &TrustedIssuer,
) -> Result<(), VerifyError> {
    let claim = Claim::Directory;
    let allowed = match &trusted.profile.rules.issuer {
        IssuerRule::Exact | IssuerRule::Also(_) => return Ok(()),
        IssuerRule::Entra => None,
        IssuerRule::EntraDirectories(allowed) => Some(allowed),
    };
    let tid = text(claims, claim)?;
    if tid.is_empty() || tid.contains('/') {
        return Err(VerifyError::Malformed { claim });
    }
    let named = match allowed {
        None => issuer.split('/').any(|part| part == tid),
        Some(_) => trusted.issuer.as_str().replace("{tenantid}", tid) == issuer,
    };
    if !named || allowed.is_some_and(|allowed| !allowed.contains(tid)) {
        return Err(VerifyError::DirectoryNotAllowed);
    }
    if key.issuer().is_some_and(|of_key| !signs_for(of_key, issuer, tid)) {
        return Err(VerifyError::KeyOfAnotherIssuer);
    }
    Ok(())
}

/// Microsoft publishes keys with the issuer that they sign for. The keys of the version 2.0 endpoint also
/// sign tokens of version 1.0, whose issuer is written differently.
fn signs_for(of_key: &str, issuer: &str, tid: &str) -> bool {
    let of_key = of_key.replace("{tenantid}", tid);
    of_key == issuer
        || (issuer == format!("https://sts.windows.net/{tid}/")
            && of_key == format!("https://login.microsoftonline.com/{tid}/v2.0"))
}
