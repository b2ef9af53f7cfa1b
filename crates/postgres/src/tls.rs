//! Making sure that the server is the one that is meant.

use std::path::Path;
use std::sync::Arc;

use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt;
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::address::{Address, Authorities};
use crate::pool::BuildError;

/// What makes TLS connections to `address`. Where it is reached in the clear, something that trusts nobody.
pub(crate) fn connector(address: &Address) -> Result<MakeRustlsConnect, BuildError> {
    let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(tls)?;
    let config = match &address.tls {
        Some(Authorities::Platform) => {
            builder.with_platform_verifier().map_err(tls)?.with_no_client_auth()
        }
        Some(Authorities::File(path)) => {
            builder.with_root_certificates(read(path)?).with_no_client_auth()
        }
        None => builder.with_root_certificates(RootCertStore::empty()).with_no_client_auth(),
    };
    Ok(MakeRustlsConnect::new(config))
}

fn tls(error: rustls::Error) -> BuildError {
    BuildError::Tls { source: Box::new(error) }
}

/// The certificates in a PEM file. There is at least one, and each can be used.
fn read(path: &Path) -> Result<RootCertStore, BuildError> {
    let failed = |source| BuildError::Authorities { path: path.to_owned(), source };
    let mut store = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(|error| failed(error.into()))? {
        let certificate = certificate.map_err(|error| failed(error.into()))?;
        store.add(certificate).map_err(|error| failed(error.into()))?;
    }
    if store.is_empty() {
        return Err(failed("there is no certificate in it".into()));
    }
    Ok(store)
}
