//! One MCP backend and what it is sent.

use std::sync::Arc;

use bonafide_headers::Templates;
use bonafide_policy::TenantId;
use bonafide_tower::IdentityHeaders;
use bonafide_vault::SecretName;
use http::{HeaderName, HeaderValue, Uri, header};
use url::Url;

use crate::TenantScopes;
use crate::backend::Pool;

/// An MCP backend: where it is, and which headers each user's requests carry to it.
///
/// Cloning costs a reference count. Clones share the connections that are kept to a backend without TLS; a tenant that is
/// made anew begins with none.
#[derive(Debug, Clone)]
pub struct Tenant {
    title: Arc<str>,
    checked: bool,
    assertion: Option<HeaderName>,
    scopes: Option<Arc<TenantScopes>>,
    task_list: bool,
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    id: TenantId,
    url: Url,
    uri: Uri,
    target: Uri,
    plain: Option<Plain>,
    templates: Templates,
    secrets: Vec<SecretName>,
    protected: IdentityHeaders,
}

/// What is only there without TLS.
#[derive(Debug)]
pub(crate) struct Plain {
    /// What `Host` says. Over TLS the connection may turn out to be HTTP/2, which has `:authority` instead.
    pub(crate) host: HeaderValue,
    pub(crate) pool: Arc<Pool>,
}

/// What can't be made a tenant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TenantError {
    /// The URL of the backend is not one that requests can be sent to.
    #[error("a backend is an `https` or `http` URL with a host, and no user, password or fragment")]
    Url,
    /// A variable has a name under which the vault can't keep it.
    #[error("`{name}` can't be kept in a vault: use letters, digits and `_`")]
    Name {
        /// The variable's name.
        name: String,
    },
    /// The assertion can't go into this header.
    #[error(
        "the assertion goes into `Authorization` or a header whose name begins with `X-`, and which no template sets"
    )]
    Assertion,
}

impl Tenant {
    /// The backend at `url`, which gets the headers that `templates` make.
    ///
    /// # Errors
    ///
    /// If the URL can't be called.
    pub fn new(id: TenantId, url: Url, templates: Templates) -> Result<Self, TenantError> {
        let callable = matches!(url.scheme(), "https" | "http")
            && url.has_host()
            && url.username().is_empty()
            && url.password().is_none()
            && url.fragment().is_none();
        if !callable {
            return Err(TenantError::Url);
        }
        let uri: Uri = url.as_str().parse().map_err(|_| TenantError::Url)?;
        let target = uri.path_and_query().cloned().map_or_else(Uri::default, Uri::from);
        let plain = host(&url).map(|host| Plain { host, pool: Arc::default() });
        let secrets = templates
            .variables()
            .iter()
            .map(|variable| {
                let name = variable.name().as_str();
                name.parse().map_err(|_| TenantError::Name { name: name.to_owned() })
            })
            .collect::<Result<_, _>>()?;
        let protected = templates
            .header_names()
            .fold(IdentityHeaders::new(), |headers, name| headers.with_name(name));
        let title = id.as_str().into();
        Ok(Self {
            title,
            checked: false,
            assertion: None,
            scopes: None,
            task_list: false,
            inner: Arc::new(Inner { id, url, uri, target, plain, templates, secrets, protected }),
        })
    }

    /// The name that people know the backend by. Default: the id.
    #[must_use]
    pub fn with_title(mut self, title: &str) -> Self {
        self.title = title.into();
        self
    }

    /// Whether users' new values are tried with a call that changes nothing before they are stored:
    /// [`CredentialCheck`](crate::CredentialCheck). Default: they are not.
    #[must_use]
    pub fn with_check(mut self, check: bool) -> Self {
        self.checked = check;
        self
    }

    /// Whether new values are tried before they are stored. They are not where the backend wants an assertion besides, which
    /// the check does not send.
    #[must_use]
    pub fn is_checked(&self) -> bool {
        self.checked && self.assertion.is_none()
    }

    /// Sends an assertion about the user in this header: a JWT that the gateway signs, good for 60 seconds and for this
    /// tenant's URL as `aud`. In `Authorization` it is a bearer token. Users of a trusted hop are denied such a tenant: no
    /// issuer vouches for them. Default: none is sent.
    ///
    /// # Errors
    ///
    /// [`TenantError::Assertion`] if a template sets the header, or it is not one for such things.
    pub fn with_assertion(mut self, header: HeaderName) -> Result<Self, TenantError> {
        let fits = header == header::AUTHORIZATION || header.as_str().starts_with("x-");
        if !fits || self.inner.templates.header_names().any(|name| *name == header) {
            return Err(TenantError::Assertion);
        }
        self.assertion = Some(header);
        Ok(self)
    }

    /// The header that holds the assertion.
    #[must_use]
    pub fn assertion(&self) -> Option<&HeaderName> {
        self.assertion.as_ref()
    }

    /// Asks for scopes in the tokens of its users, besides what the policy says. Default: for none.
    #[must_use]
    pub fn with_scopes(mut self, scopes: TenantScopes) -> Self {
        self.scopes = Some(Arc::new(scopes));
        self
    }

    /// The scopes that its users' tokens need.
    #[must_use]
    pub fn scopes(&self) -> Option<&TenantScopes> {
        self.scopes.as_deref()
    }

    /// Whether its users may list their tasks (`tasks/list`, revision 2025-11-25). Default: they may not.
    ///
    /// # Security
    ///
    /// Only for a backend that knows its users apart, by a credential or an assertion of their own, and lists to each of them
    /// their own tasks. What it lists is taken to be the caller's: of one that lists the tasks of all, each could read and end
    /// those of the others.
    #[must_use]
    pub fn with_task_list(mut self, listed: bool) -> Self {
        self.task_list = listed;
        self
    }

    /// Whether its users may list their tasks.
    #[must_use]
    pub fn has_task_list(&self) -> bool {
        self.task_list
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> &TenantId {
        &self.inner.id
    }

    /// The name that people know it by.
    #[must_use]
    pub fn title(&self) -> &str {
        &self.title
    }

    /// Where it is.
    #[must_use]
    pub fn url(&self) -> &Url {
        &self.inner.url
    }

    /// Its header templates and the variables that they need.
    #[must_use]
    pub fn templates(&self) -> &Templates {
        &self.inner.templates
    }

    /// Under which names the vault keeps the variables, in the order of [`Templates::variables`].
    #[must_use]
    pub fn secret_names(&self) -> &[SecretName] {
        &self.inner.secrets
    }

    pub(crate) fn uri(&self) -> &Uri {
        &self.inner.uri
    }

    /// What stands in the request line of HTTP/1.1: path and query.
    pub(crate) fn target(&self) -> &Uri {
        &self.inner.target
    }

    pub(crate) fn plain(&self) -> Option<&Plain> {
        self.inner.plain.as_ref()
    }

    /// The headers that no client may set on its way to this backend.
    pub(crate) fn protected_headers(&self) -> &IdentityHeaders {
        &self.inner.protected
    }
}

fn host(url: &Url) -> Option<HeaderValue> {
    let host = url.host_str().filter(|_| url.scheme() == "http")?;
    match url.port() {
        Some(port) => HeaderValue::try_from(format!("{host}:{port}")).ok(),
        None => HeaderValue::from_str(host).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_is_as_in_the_url_and_only_where_it_is_sent() {
        for (url, expected) in [
            ("http://notes.example/mcp", Some("notes.example")),
            ("http://notes.example:80/mcp", Some("notes.example")),
            ("http://notes.example:8080/mcp", Some("notes.example:8080")),
            ("http://[::1]:8080/mcp", Some("[::1]:8080")),
            ("https://notes.example:8443/mcp", None),
        ] {
            let host = host(&url.parse().unwrap());
            assert_eq!(host.as_ref().map(|host| host.to_str().unwrap()), expected, "{url}");
        }
    }
}
