//! What a client needs to know to get a token for us: RFC 9728.

use bonafide_claims::{Issuer, Scope};
use http::{HeaderName, HeaderValue, header};
use serde_json::json;
use url::Url;

/// Where RFC 9728, section 3, puts the metadata, before the path of the resource.
pub const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

/// A protected resource, and the document that describes it.
///
/// ```
/// use bonafide_tower::ProtectedResource;
///
/// let resource = ProtectedResource::new("https://mcp.example.com/github/mcp".parse()?)?
///     .with_authorization_server("https://idp.example.com".parse()?);
/// assert_eq!(
///     resource.metadata_url().as_str(),
///     "https://mcp.example.com/.well-known/oauth-protected-resource/github/mcp",
/// );
/// assert!(ProtectedResource::new("https://mcp.example.com/#top".parse()?).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct ProtectedResource {
    resource: Url,
    authorization_servers: Vec<Issuer>,
    scopes: Vec<Scope>,
    name: Option<String>,
}

/// A URL that can't name a protected resource.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ResourceError {
    /// Neither `https` nor `http`.
    #[error("a resource is an `https` URL (or `http` on loopback)")]
    Scheme,
    /// RFC 9728, section 1.2, forbids the fragment; a query or a password would end up in every challenge.
    #[error("a resource URL has no user, password, query or fragment: leave it out")]
    NotAPlainUrl,
}

impl ProtectedResource {
    /// The resource at `resource`, as clients address it.
    ///
    /// # Errors
    ///
    /// If the URL is not http(s), or has a user, a query or a fragment.
    pub fn new(resource: Url) -> Result<Self, ResourceError> {
        if !matches!(resource.scheme(), "https" | "http") {
            return Err(ResourceError::Scheme);
        }
        let plain = resource.username().is_empty()
            && resource.password().is_none()
            && resource.query().is_none()
            && resource.fragment().is_none();
        if !plain {
            return Err(ResourceError::NotAPlainUrl);
        }
        Ok(Self { resource, authorization_servers: Vec::new(), scopes: Vec::new(), name: None })
    }

    /// Adds an authorization server whose tokens are accepted, by its issuer identifier. MCP wants one at least: without any, do
    /// not send clients to the document, as they could not get a token by it.
    #[must_use]
    pub fn with_authorization_server(mut self, issuer: Issuer) -> Self {
        self.authorization_servers.push(issuer);
        self
    }

    /// Adds a scope that a client should ask for. MCP wants few: those for basic use, more when they are needed
    /// ([`Challenge::insufficient_scope`](crate::Challenge::insufficient_scope)), and never `offline_access`.
    #[must_use]
    pub fn with_scope(mut self, scope: Scope) -> Self {
        self.scopes.push(scope);
        self
    }

    /// The authorization servers that issue tokens for it.
    #[must_use]
    pub fn authorization_servers(&self) -> &[Issuer] {
        &self.authorization_servers
    }

    /// The name that people know the resource by.
    #[must_use]
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// The resource identifier: its `resource`, without the slash that URLs of a bare origin have.
    #[must_use]
    pub fn identifier(&self) -> &str {
        match self.resource.path() {
            "/" => self.resource.as_str().trim_end_matches('/'),
            _ => self.resource.as_str(),
        }
    }

    /// The scopes that a client should ask for.
    #[must_use]
    pub fn scopes(&self) -> &[Scope] {
        &self.scopes
    }

    /// Where the document is served: the well-known part goes between host and path (section 3.1).
    #[must_use]
    pub fn metadata_url(&self) -> Url {
        let mut url = self.resource.clone();
        url.set_path(&self.metadata_path());
        url
    }

    /// The path of [`metadata_url`](Self::metadata_url).
    #[must_use]
    pub fn metadata_path(&self) -> String {
        match self.resource.path() {
            "/" => WELL_KNOWN.to_owned(),
            path => format!("{WELL_KNOWN}{path}"),
        }
    }

    /// The metadata document, section 2, as JSON text.
    #[must_use]
    pub fn document(&self) -> String {
        let servers: Vec<&str> = self.authorization_servers.iter().map(Issuer::as_str).collect();
        let mut document = json!({
            "resource": self.identifier(),
            "bearer_methods_supported": ["header"],
        });
        if let Some(members) = document.as_object_mut() {
            // A list of none is left out (section 3.2).
            if !servers.is_empty() {
                members.insert("authorization_servers".into(), json!(servers));
            }
            if !self.scopes.is_empty() {
                let scopes: Vec<&str> = self.scopes.iter().map(Scope::as_str).collect();
                members.insert("scopes_supported".into(), json!(scopes));
            }
            if let Some(name) = &self.name {
                members.insert("resource_name".into(), json!(name));
            }
        }
        document.to_string()
    }

    /// The headers to serve the document with. Browsers of any origin may read it: it is public, and clients
    /// that run in a browser need it.
    #[must_use]
    pub fn document_headers() -> [(HeaderName, HeaderValue); 3] {
        [
            (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
            (header::CACHE_CONTROL, HeaderValue::from_static("max-age=300")),
            (header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*")),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resource(url: &str) -> Result<ProtectedResource, ResourceError> {
        ProtectedResource::new(url.parse().unwrap())
    }

    #[test]
    fn puts_the_well_known_part_before_the_path() {
        let cases = [
            ("https://a.example/github/mcp", "/.well-known/oauth-protected-resource/github/mcp"),
            ("https://a.example/", "/.well-known/oauth-protected-resource"),
            ("http://127.0.0.1:8080/x/mcp", "/.well-known/oauth-protected-resource/x/mcp"),
        ];
        for (url, path) in cases {
            assert_eq!(resource(url).unwrap().metadata_path(), path, "{url}");
        }
    }

    #[test]
    fn a_bare_origin_is_named_without_a_slash() {
        assert_eq!(resource("https://a.example/").unwrap().identifier(), "https://a.example");
    }

    #[test]
    fn refuses_what_does_not_name_a_resource() {
        assert_eq!(resource("ftp://a.example/").unwrap_err(), ResourceError::Scheme);
        for url in ["https://u:p@a.example/", "https://a.example/?q=1", "https://a.example/#f"] {
            assert_eq!(resource(url).unwrap_err(), ResourceError::NotAPlainUrl, "{url}");
        }
    }

    #[test]
    fn what_there_is_none_of_is_left_out() {
        let document = resource("https://a.example/github/mcp").unwrap().document();
        let document: serde_json::Value = serde_json::from_str(&document).unwrap();
        let expected = json!({
            "resource": "https://a.example/github/mcp",
            "bearer_methods_supported": ["header"],
        });
        assert_eq!(document, expected);
    }

    #[test]
    fn the_document_has_what_the_rfc_wants() {
        let document = resource("https://a.example/github/mcp")
            .unwrap()
            .with_authorization_server("https://idp.example".parse().unwrap())
            .with_scope("mcp:use".parse().unwrap())
            .with_name("GitHub")
            .document();
        let document: serde_json::Value = serde_json::from_str(&document).unwrap();
        assert_eq!(
            document,
            json!({
                "resource": "https://a.example/github/mcp",
                "authorization_servers": ["https://idp.example"],
                "bearer_methods_supported": ["header"],
                "scopes_supported": ["mcp:use"],
                "resource_name": "GitHub",
            })
        );
    }
}
