//! URLs that keys may be fetched from.

use std::net::IpAddr;

use url::{Host, Url};

/// Where the keys are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Endpoint {
    /// To be discovered.
    Issuer {
        /// What the configuration says, which the document is looked for under.
        url: Url,
        /// What the document must say.
        issuer: Box<str>,
    },
    /// At this URL.
    KeySet(Url),
}

impl Endpoint {
    /// The URL that the configuration names. Its host may be anywhere.
    pub(crate) fn configured(&self) -> &Url {
        match self {
            Self::Issuer { url, .. } | Self::KeySet(url) => url,
        }
    }
}

/// A URL that no keys are fetched from.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EndpointError {
    /// Not an absolute URL with a host.
    #[error("not an absolute URL: write it with `https://` and a host")]
    NotAUrl,
    /// Neither `https`, nor `http` on loopback.
    #[error("not `https`: only a loopback address may be reached by `http`")]
    NotHttps,
    /// It has a user name or a password.
    #[error("the URL has a user name or password in it: leave them out")]
    Credentials,
    /// It has a fragment, or an issuer has a query: RFC 8414, section 2.
    #[error("the URL has a query or fragment: leave it out")]
    QueryOrFragment,
}

/// Reads the URL of an issuer.
pub(super) fn issuer(text: &str) -> Result<Url, EndpointError> {
    let url = key_url(text)?;
    if url.query().is_some() { Err(EndpointError::QueryOrFragment) } else { Ok(url) }
}

/// Reads the URL of a document.
pub(super) fn key_url(text: &str) -> Result<Url, EndpointError> {
    let url = Url::parse(text).map_err(|_| EndpointError::NotAUrl)?;
    check(&url)?;
    Ok(url)
}

/// The rules that every URL obeys, whether it comes from the configuration or from the network.
pub(super) fn check(url: &Url) -> Result<(), EndpointError> {
    if !url.has_host() || url.cannot_be_a_base() {
        return Err(EndpointError::NotAUrl);
    }
    if url.scheme() != "https" && !(url.scheme() == "http" && is_loopback(url)) {
        return Err(EndpointError::NotHttps);
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(EndpointError::Credentials);
    }
    if url.fragment().is_some() { Err(EndpointError::QueryOrFragment) } else { Ok(()) }
}

/// A loopback address, or `localhost`, which RFC 6761 keeps for one.
fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

/// The address that stands in the URL, if it is one and not a name.
pub(super) fn literal_address(url: &Url) -> Option<IpAddr> {
    match url.host()? {
        Host::Ipv4(address) => Some(IpAddr::V4(address)),
        Host::Ipv6(address) => Some(IpAddr::V6(address)),
        Host::Domain(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_https_and_loopback() {
        for text in [
            "https://idp.example/",
            "https://10.0.0.1/keys",
            "http://127.0.0.1:8080/realms/a",
            "http://[::1]:8080",
            "http://localhost:9000",
        ] {
            assert!(issuer(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn rejects_the_rest() {
        for (text, expected) in [
            ("idp.example", EndpointError::NotAUrl),
            ("", EndpointError::NotAUrl),
            ("file:///etc/passwd", EndpointError::NotAUrl),
            ("http://idp.example", EndpointError::NotHttps),
            ("http://10.0.0.1", EndpointError::NotHttps),
            ("http://127.0.0.1.example", EndpointError::NotHttps),
            ("http://localhost.example", EndpointError::NotHttps),
            ("ftp://127.0.0.1", EndpointError::NotHttps),
            ("https://user@idp.example", EndpointError::Credentials),
            ("https://:pw@idp.example", EndpointError::Credentials),
            ("https://idp.example/#x", EndpointError::QueryOrFragment),
            ("https://idp.example/?x", EndpointError::QueryOrFragment),
        ] {
            assert_eq!(issuer(text), Err(expected), "{text}");
        }
        assert!(key_url("https://idp.example/keys?p=policy").is_ok());
    }
}
