//! How a store is set up.

use std::time::Duration;

use http::HeaderValue;
use url::{Host, Url};

use crate::auth::{Auth, Credentials};
use crate::client::Client;
use crate::error::BuildError;
use crate::path;
use crate::vault::{DEFAULT_CACHED_OWNERS, DEFAULT_STALENESS, OpenBaoVault};

/// How to reach the server and what to do there, for an [`OpenBaoVault`].
#[derive(Debug, Clone)]
pub struct OpenBaoVaultBuilder {
    address: String,
    credentials: Credentials,
    mount: String,
    path: String,
    namespace: Option<String>,
    certificates: Option<Vec<u8>>,
    cached_owners: usize,
    staleness: Duration,
}

impl OpenBaoVaultBuilder {
    pub(crate) fn new(address: String, credentials: Credentials) -> Self {
        Self {
            address,
            credentials,
            mount: "secret".to_owned(),
            path: "bonafide".to_owned(),
            namespace: None,
            certificates: None,
            cached_owners: DEFAULT_CACHED_OWNERS,
            staleness: DEFAULT_STALENESS,
        }
    }

    /// The mount of the key-value engine, version 2; `secret` unless told otherwise.
    #[must_use]
    pub fn with_mount(self, mount: impl Into<String>) -> Self {
        Self { mount: mount.into(), ..self }
    }

    /// The path in the engine below which everything is; `bonafide` unless told otherwise. Nothing else may be there.
    #[must_use]
    pub fn with_path(self, path: impl Into<String>) -> Self {
        Self { path: path.into(), ..self }
    }

    /// The namespace of the engine and of the AppRole: the header `X-Vault-Namespace`.
    #[must_use]
    pub fn with_namespace(self, namespace: impl Into<String>) -> Self {
        Self { namespace: Some(namespace.into()), ..self }
    }

    /// Certificates in PEM of authorities that may vouch for the server, besides those of the system.
    #[must_use]
    pub fn with_certificates(self, pem: impl Into<Vec<u8>>) -> Self {
        Self { certificates: Some(pem.into()), ..self }
    }

    /// Keeps secrets of about `owners` pairs of user and tenant in memory, sealed; none if it is 0. The default is
    /// [`DEFAULT_CACHED_OWNERS`].
    #[must_use]
    pub fn with_cached_owners(self, owners: usize) -> Self {
        Self { cached_owners: owners, ..self }
    }

    /// Lets a change that another process has made go unseen for at most `staleness`. The default is
    /// [`DEFAULT_STALENESS`]; with zero, each read asks the server.
    #[must_use]
    pub fn with_staleness(self, staleness: Duration) -> Self {
        Self { staleness, ..self }
    }

    /// Checks everything and makes the store. Asks the server nothing.
    ///
    /// # Errors
    ///
    /// A [`BuildError`] that says what is wrong.
    pub fn build(self) -> Result<OpenBaoVault, BuildError> {
        let address = address(&self.address).ok_or(BuildError::Address)?;
        self.credentials.check()?;
        let paths = [
            ("mount", Some(&self.mount)),
            ("path", Some(&self.path)),
            ("namespace", self.namespace.as_ref()),
        ];
        for (what, given) in paths {
            if given.is_some_and(|given| !path::is_plain(given)) {
                return Err(BuildError::Path { what });
            }
        }
        let namespace = self.namespace.as_deref().map(HeaderValue::from_str).transpose();
        let namespace = namespace.map_err(|_| BuildError::Path { what: "namespace" })?;
        let certificates = self.certificates.as_deref().map(reqwest::Certificate::from_pem_bundle);
        let certificates = certificates
            .transpose()
            .map_err(|source| BuildError::Certificate { source: Box::new(source) })?;
        let client = Client::new(certificates.unwrap_or_default(), address, namespace)
            .map_err(|source| BuildError::Client { source: Box::new(source) })?;
        let cached = if self.staleness.is_zero() { 0 } else { self.cached_owners };
        let auth = Auth::new(self.credentials);
        Ok(OpenBaoVault::new(client, auth, self.mount, self.path, cached, self.staleness))
    }
}

fn address(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let loopback = match url.host()? {
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
        Host::Domain(name) => name == "localhost",
    };
    let safe = url.scheme() == "https" || (url.scheme() == "http" && loopback);
    let bare = url.username().is_empty()
        && url.password().is_none()
        && url.path() == "/"
        && url.query().is_none()
        && url.fragment().is_none();
    (safe && bare).then_some(url)
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;

    use super::*;

    fn token() -> Credentials {
        Credentials::token(SecretString::from("canary-token"))
    }

    fn builder() -> OpenBaoVaultBuilder {
        OpenBaoVault::builder("https://bao.example", token())
    }

    #[test]
    fn takes_https_and_http_on_loopback_only() {
        for address in ["https://bao.example", "https://bao.example:8200/", "http://127.0.0.1:8200"]
        {
            OpenBaoVault::builder(address, token()).build().unwrap();
        }
        for address in [
            "",
            "bao.example",
            "http://bao.example",
            "http://127.0.0.1.example",
            "https://user@bao.example",
            "https://user:password@bao.example",
            "https://bao.example/v1",
            "https://bao.example?x",
            "https://bao.example#x",
            "ftp://127.0.0.1",
        ] {
            let error = OpenBaoVault::builder(address, token()).build().unwrap_err();
            assert!(matches!(error, BuildError::Address), "{address}");
        }
    }

    #[test]
    fn refuses_paths_that_lead_elsewhere() {
        for path in ["", "../sys", "a/../b", "secret/", "a b", "a?b", "a%2e%2e"] {
            let what = |builder: OpenBaoVaultBuilder| match builder.build() {
                Err(BuildError::Path { what }) => what,
                other => panic!("{path}: {other:?}"),
            };
            assert_eq!(what(builder().with_mount(path)), "mount");
            assert_eq!(what(builder().with_path(path)), "path");
            assert_eq!(what(builder().with_namespace(path)), "namespace");
            let role = Credentials::app_role("r".into(), "s".into()).with_mount(path);
            let vault = OpenBaoVault::builder("https://bao.example", role);
            assert_eq!(what(vault), "mount of AppRole");
        }
    }

    #[test]
    fn refuses_credentials_that_cannot_be_sent_and_certificates_that_are_none() {
        for (credentials, expected) in [
            (Credentials::token("".into()), "token"),
            (Credentials::token("a\nb".into()), "token"),
            (Credentials::app_role("".into(), "s".into()), "role id"),
            (Credentials::app_role("r".into(), "s ".into()), "secret id"),
        ] {
            let error = OpenBaoVault::builder("https://bao.example", credentials).build();
            let Err(BuildError::Credentials { what }) = error else { panic!("{expected}") };
            assert_eq!(what, expected);
        }
        let pem = "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----";
        let error = builder().with_certificates(pem).build().unwrap_err();
        assert!(matches!(error, BuildError::Certificate { .. } | BuildError::Client { .. }));
    }

    #[test]
    fn debug_shows_no_credentials() {
        let role = Credentials::app_role("canary".into(), "canary".into());
        let vault = builder().build().unwrap();
        let shown = format!("{:?} {role:?} {vault:?}", builder());
        assert!(!shown.contains("canary"), "{shown}");
    }
}
