//! Master keys in the keyring of the system's user.

use zeroize::Zeroizing;

use crate::keyspec::KeyLoadError;

/// The `service` of all our entries.
#[cfg(all(feature = "keyring", target_os = "linux"))]
const SERVICE: &str = "bonafide";

#[cfg(not(all(feature = "keyring", target_os = "linux")))]
pub(crate) fn read(name: &str) -> Result<Zeroizing<String>, KeyLoadError> {
    Err(KeyLoadError::NoKeyring { name: name.to_owned() })
}

/// On a thread of its own: D-Bus is spoken asynchronously and waited for, which the threads of an async runtime
/// must not do.
#[cfg(all(feature = "keyring", target_os = "linux"))]
pub(crate) fn read(name: &str) -> Result<Zeroizing<String>, KeyLoadError> {
    let ask = || secret_service::ask(name);
    let answer = std::thread::scope(|scope| scope.spawn(ask).join());
    let answer = answer.unwrap_or_else(|_| Err("the keyring's library failed".into()));
    answer.map_err(|source| KeyLoadError::Keyring { name: name.to_owned(), source })
}

#[cfg(all(feature = "keyring", target_os = "linux"))]
mod secret_service {
    use std::error::Error;

    use keyring_core::Error as KeyringError;
    use keyring_core::api::CredentialStoreApi;
    use zbus_secret_service_keyring_store::Store;
    use zeroize::{Zeroize, Zeroizing};

    type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

    pub(super) fn ask(name: &str) -> Result<Zeroizing<String>> {
        let store = Store::new().map_err(harmless)?;
        let entry = store.build(super::SERVICE, name, None).map_err(harmless)?;
        match String::from_utf8(entry.get_secret().map_err(harmless)?) {
            Ok(text) => Ok(Zeroizing::new(text)),
            Err(error) => {
                error.into_bytes().zeroize();
                Err("the entry is not text".into())
            }
        }
    }

    /// Some of the library's errors hold what the entry holds: none of those goes on.
    fn harmless(error: KeyringError) -> Box<dyn Error + Send + Sync> {
        match error {
            KeyringError::PlatformFailure(source) | KeyringError::NoStorageAccess(source) => source,
            KeyringError::NoEntry => "there is no such entry".into(),
            KeyringError::Ambiguous(_) => "there is more than one such entry".into(),
            _ => "the keyring's library failed".into(),
        }
    }
}
