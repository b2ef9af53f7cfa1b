//! Who signs the backends' certificates.

use std::sync::{Arc, LazyLock};

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd,
};
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;
use tokio_rustls::rustls::{DEFAULT_VERSIONS, ServerConfig, SupportedProtocolVersion};

pub(crate) type Versions = &'static [&'static SupportedProtocolVersion];

pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// The one that the gateway knows.
pub(crate) fn trusted() -> &'static Authority {
    static TRUSTED: LazyLock<Authority> = LazyLock::new(Authority::new);
    &TRUSTED
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    /// A server that can prove to be `name`.
    pub(crate) fn server(&self, name: &str) -> ServerConfig {
        self.server_of(name, DEFAULT_VERSIONS)
    }

    /// One that speaks these versions of TLS.
    pub(crate) fn server_of(&self, name: &str, versions: Versions) -> ServerConfig {
        self.sign(CertificateParams::new([name.to_owned()]).unwrap(), versions)
    }

    /// One that could until some years ago.
    pub(crate) fn expired(&self, name: &str) -> ServerConfig {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.not_after = date_time_ymd(2020, 1, 1);
        self.sign(params, DEFAULT_VERSIONS)
    }

    fn sign(&self, params: CertificateParams, versions: Versions) -> ServerConfig {
        let key = KeyPair::generate().unwrap();
        let certificate: Certificate = params.signed_by(&key, &self.0).unwrap();
        let key = PrivatePkcs8KeyDer::from(key.serialize_der());
        ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(versions)
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key.into())
            .unwrap()
    }
}
