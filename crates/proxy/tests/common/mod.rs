//! What the tests of a whole proxy begin with.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use bonafide_proxy::{Config, Proxy};
use bonafide_vault::MasterKey;
use secrecy::ExposeSecret as _;
use tokio::net::TcpListener;

/// Writes a new master key to `vault.key`, which only its owner may read.
pub(crate) fn write_key(directory: &Path) {
    let file = directory.join("vault.key");
    fs::write(&file, MasterKey::generate().unwrap().to_base64().expose_secret()).unwrap();
    #[cfg(unix)]
    fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
}

/// A proxy that listens where the configuration says, and where that is.
pub(crate) async fn proxy(config: Config) -> (Proxy, SocketAddr) {
    let listener = TcpListener::bind(config.listen).await.unwrap();
    let address = listener.local_addr().unwrap();
    (Proxy::new(config, listener).await.unwrap(), address)
}
