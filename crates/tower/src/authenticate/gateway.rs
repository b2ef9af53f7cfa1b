//! Users for whom a gateway vouches.

use std::sync::Arc;

use bonafide_claims::{BuildError, IdError, TrustedIssuer, Verifier};
use bonafide_jwks::{EndpointError, RemoteKeys};
use http::header::{AUTHORIZATION, HeaderName, InvalidHeaderName};
use url::Url;

use super::Authenticator;

/// Why a gateway can't be believed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GatewayError {
    /// Its URL can't be the issuer of a token.
    #[error("the gateway's URL can't be an issuer: write its `public_url`")]
    Issuer(#[source] IdError),
    /// Its keys can't be fetched from there.
    #[error(
        "no keys can be fetched from the gateway's URL: write its `public_url`, with `https` unless it is on loopback"
    )]
    Keys(#[source] EndpointError),
    /// Its assertions could not be verified safely.
    #[error("the assertions can't be verified: write our own URL as the gateway has it")]
    Terms(#[source] BuildError),
    /// That is no name of a header.
    #[error(
        "the header can't have that name: write the one that the gateway's tenant has as `assertion`"
    )]
    Header(#[source] InvalidHeaderName),
}

impl Authenticator {
    /// Takes the signed assertions of a bonafide gateway, and nothing else: all that a backend behind one needs.
    ///
    /// `gateway` is its `public_url`, `own` the URL of this backend as the gateway has it, and `header` where the tenant has
    /// its `assertion`. The keys are at `{gateway}/.well-known/jwks.json`, and are fetched when the first request comes.
    ///
    /// ```
    /// # fn main() -> Result<(), bonafide_tower::GatewayError> {
    /// use bonafide_tower::{AuthenticateLayer, Authenticator};
    ///
    /// let layer = AuthenticateLayer::new(Authenticator::of_gateway(
    ///     "https://mcp.example.com",
    ///     "https://notes.example.com/mcp",
    ///     "x-bonafide-assertion",
    /// )?);
    /// # let _ = layer; Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// If one of them can't be what it is for.
    pub fn of_gateway(gateway: &str, own: &str, header: &str) -> Result<Self, GatewayError> {
        let (gateway, own) = (normal(gateway), normal(own));
        let gateway = gateway.trim_end_matches('/');
        let header: HeaderName = header.parse().map_err(GatewayError::Header)?;
        let issuer = gateway.parse().map_err(GatewayError::Issuer)?;
        let keys = RemoteKeys::at(format!("{gateway}/.well-known/jwks.json")).build();
        let keys = Arc::new(keys.map_err(GatewayError::Keys)?);
        let terms = TrustedIssuer::builder(issuer, keys).with_audience(own).build();
        let terms = terms.map_err(GatewayError::Terms)?;
        let verifier =
            Verifier::builder().with_issuer(terms).build().map_err(GatewayError::Terms)?;
        Ok(match header {
            AUTHORIZATION => Self::bearer(verifier),
            header => Self::without_bearer().with_assertion(header, verifier),
        })
    }
}

/// As the gateway writes a URL, whatever its configuration looks like: WHATWG URL Standard, section 4.5. What is none is
/// refused where it is used.
fn normal(url: &str) -> String {
    Url::parse(url).map_or_else(|_| url.to_owned(), Url::into)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_not_be_is_named() {
        let own = "https://notes.example.com/mcp";
        let of = |gateway, own, header| Authenticator::of_gateway(gateway, own, header).map(drop);
        assert!(of("https://mcp.example.com/", own, "x-a").is_ok());
        assert!(of("https://mcp.example.com", own, "authorization").is_ok());
        assert!(matches!(of("", own, "x-a"), Err(GatewayError::Issuer(_))));
        assert!(matches!(of("http://mcp.example.com", own, "x-a"), Err(GatewayError::Keys(_))));
        assert!(matches!(of("https://a.example", "", "x-a"), Err(GatewayError::Terms(_))));
        assert!(matches!(of("https://a.example", own, "x a"), Err(GatewayError::Header(_))));
    }
}
