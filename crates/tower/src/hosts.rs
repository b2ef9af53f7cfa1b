//! `Host` and `Origin`: the defence against DNS rebinding.

use std::net::SocketAddr;

use http::request::Parts;
use http::{HeaderMap, HeaderName, header};
use url::Url;

/// Under which names a server may be addressed, and from which pages.
///
/// A page that a user visits can make their browser call any address, and with DNS rebinding under a name of
/// the attacker's choice. MCP servers must therefore check `Origin` (Streamable HTTP transport, "security
/// warning"); the name in `Host` gives rebinding away where a browser sends no `Origin`.
///
/// ```
/// use bonafide_tower::AllowedHosts;
///
/// let hosts = AllowedHosts::new(&"https://mcp.example.com".parse()?);
/// let request = |host| http::Request::get("/").header("host", host).body(()).unwrap().into_parts().0;
/// assert!(hosts.check(&request("mcp.example.com")).is_ok());
/// assert!(hosts.check(&request("attacker.example")).is_err());
/// # Ok::<(), url::ParseError>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct AllowedHosts {
    /// `host` or `host:port` in lower case, as clients write it.
    authorities: Vec<String>,
    /// As RFC 6454, section 6.2, writes it.
    origins: Vec<String>,
}

/// A request that was addressed to, or came from, the wrong name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HostError {
    /// The `Host` is missing, there twice, or not one of ours.
    #[error("the `Host` header does not name this server")]
    Host,
    /// The `Origin` is there twice, or not one of ours.
    #[error("the `Origin` header names a page that may not call this server")]
    Origin,
}

impl AllowedHosts {
    /// The host and origin of the URL that clients use.
    #[must_use]
    pub fn new(public_url: &Url) -> Self {
        let mut hosts = Self::default();
        let Some(host) = public_url.host_str() else { return hosts };
        hosts.origins.push(public_url.origin().ascii_serialization());
        if let Some(port) = public_url.port_or_known_default() {
            hosts.authorities.push(format!("{host}:{port}"));
        }
        if public_url.port().is_none() {
            hosts.authorities.push(host.to_owned());
        }
        hosts
    }

    /// Adds the loopback names of a listener. Does nothing for other addresses: there the public URL is the
    /// only name.
    #[must_use]
    pub fn with_listener(mut self, address: SocketAddr) -> Self {
        if !address.ip().is_loopback() {
            return self;
        }
        let port = address.port();
        for host in ["127.0.0.1", "[::1]", "localhost"] {
            self.authorities.push(format!("{host}:{port}"));
            self.origins.push(format!("http://{host}:{port}"));
        }
        self
    }

    /// Adds an origin, such as `https://inspector.example.com`, that requests may name in `Origin`: of a page whose own
    /// server or extension calls us, or of a proxy in front that answers for CORS. No header of CORS is sent from here.
    #[must_use]
    pub fn with_origin(mut self, origin: &Url) -> Self {
        self.origins.push(origin.origin().ascii_serialization());
        self
    }

    /// Checks the names in a request.
    ///
    /// # Errors
    ///
    /// If the host is missing or foreign, or an origin is there and foreign. Answer with 403.
    pub fn check(&self, request: &Parts) -> Result<(), HostError> {
        let header = single(&request.headers, &header::HOST).map_err(|()| HostError::Host)?;
        // HTTP/2 has the host in `:authority`; if there is a `Host` as well, both must do.
        let authority = request.uri.authority().map(http::uri::Authority::as_str);
        if header.is_none() && authority.is_none() {
            return Err(HostError::Host);
        }
        // As nearly all clients write it, or as they may.
        let known = |name: &str| {
            self.authorities.iter().any(|ours| ours == name)
                || self.authorities.iter().any(|ours| ours.eq_ignore_ascii_case(name))
        };
        if !header.is_none_or(known) || !authority.is_none_or(known) {
            return Err(HostError::Host);
        }
        let origin = single(&request.headers, &header::ORIGIN).map_err(|()| HostError::Origin)?;
        let trusted = |name: &str| self.origins.iter().any(|ours| ours == name);
        if origin.is_none_or(trusted) { Ok(()) } else { Err(HostError::Origin) }
    }
}

fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, ()> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(());
    }
    value.to_str().map(Some).map_err(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts() -> AllowedHosts {
        AllowedHosts::new(&"https://mcp.example.com".parse().unwrap())
            .with_listener("127.0.0.1:8080".parse().unwrap())
    }

    fn check(uri: &str, headers: &[(&str, &str)]) -> Result<(), HostError> {
        let mut request = http::Request::get(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        hosts().check(&request.body(()).unwrap().into_parts().0)
    }

    #[test]
    fn accepts_the_public_name_and_loopback_of_the_listener() {
        let names = [
            "mcp.example.com",
            "MCP.example.com",
            "mcp.example.com:443",
            "127.0.0.1:8080",
            "localhost:8080",
            "[::1]:8080",
        ];
        for name in names {
            assert_eq!(check("/", &[("host", name)]), Ok(()), "{name}");
        }
    }

    #[test]
    fn refuses_other_hosts() {
        for name in ["attacker.example", "mcp.example.com.evil", "127.0.0.1:9999", "127.0.0.1", ""]
        {
            assert_eq!(check("/", &[("host", name)]), Err(HostError::Host), "{name}");
        }
        assert_eq!(check("/", &[]), Err(HostError::Host));
        let twice = [("host", "mcp.example.com"), ("host", "mcp.example.com")];
        assert_eq!(check("/", &twice), Err(HostError::Host));
    }

    #[test]
    fn both_names_of_an_http2_request_must_do() {
        assert_eq!(check("https://mcp.example.com/", &[]), Ok(()));
        assert_eq!(
            check("https://evil.example/", &[("host", "mcp.example.com")]),
            Err(HostError::Host)
        );
        assert_eq!(
            check("https://mcp.example.com/", &[("host", "evil.example")]),
            Err(HostError::Host)
        );
    }

    #[test]
    fn refuses_foreign_origins() {
        let origin = |value| check("/", &[("host", "mcp.example.com"), ("origin", value)]);
        assert_eq!(origin("https://mcp.example.com"), Ok(()));
        assert_eq!(origin("http://localhost:8080"), Ok(()));
        for value in ["null", "https://evil.example", "http://mcp.example.com", ""] {
            assert_eq!(origin(value), Err(HostError::Origin), "{value}");
        }
    }

    #[test]
    fn a_public_listener_adds_no_names() {
        let hosts = AllowedHosts::new(&"https://mcp.example.com".parse().unwrap())
            .with_listener("0.0.0.0:8080".parse().unwrap());
        let request = http::Request::get("/").header("host", "localhost:8080").body(()).unwrap();
        assert_eq!(hosts.check(&request.into_parts().0), Err(HostError::Host));
    }
}
