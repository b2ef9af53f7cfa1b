//! Where master keys come from.

use std::error::Error;
use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use zeroize::Zeroizing;

use crate::key::{KeyError, MasterKey};
use crate::keyring::Keyring;
use crate::system_keyring;

/// No file with keys is longer, in bytes.
const MAX_FILE_LEN: u64 = 64 * 1024;

/// Where the master keys are: `env:NAME`, `file:PATH` or `keyring:NAME`.
///
/// The text there is one key in base64, or several with the newest first, each on a line of its own (elsewhere than
/// in a file, with white space between them). Lines that begin with `#` are left out.
///
/// ```
/// use bonafide_vault::KeySpec;
///
/// let spec: KeySpec = "env:BONAFIDE_VAULT_KEY".parse()?;
/// assert_eq!(spec.to_string(), "env:BONAFIDE_VAULT_KEY");
///
/// // A key has no place in a configuration file.
/// assert!("q83v…the key itself…=".parse::<KeySpec>().is_err());
/// # Ok::<(), bonafide_vault::KeySpecError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeySpec {
    /// An environment variable.
    Env(String),
    /// A file that only its owner may read.
    File(PathBuf),
    /// An entry of the keyring of this system's user (Secret Service on Linux), with the attributes
    /// `service = bonafide` and `username = NAME`. Needs the feature `keyring`.
    Keyring(String),
}

/// A string that does not say where the master keys are.
///
/// Does not repeat the string: somebody may have written the key itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeySpecError {
    /// Neither of the forms.
    #[error("a key is given as `env:NAME`, `file:PATH` or `keyring:NAME`, never as the key itself")]
    Form,
}

/// Why the master keys were not loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyLoadError {
    /// The environment variable is not there, or not text.
    #[error(
        "the environment variable `{name}` is not set: put a key into it that `keygen` printed"
    )]
    Unset {
        /// Which variable.
        name: String,
    },
    /// The file cannot be read.
    #[error("the key file `{path}` cannot be read")]
    Read {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The path leads to something else than a file, or to one that is far too long.
    #[error("`{path}` is no key file: it holds a key in base64 on each line and nothing else")]
    NotAKeyFile {
        /// Which path.
        path: PathBuf,
    },
    /// Others than the owner may read or write the file.
    #[error(
        "the key file `{path}` has mode {mode:03o}: its owner alone may use it, as with `chmod 600`"
    )]
    Permissions {
        /// Which file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The keyring cannot be reached, is locked, or has no such entry.
    #[error(
        "the entry `{name}` of the service `bonafide` cannot be read from the keyring: is it there, and is the \
         keyring unlocked?"
    )]
    Keyring {
        /// Which entry.
        name: String,
        /// What the keyring said.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// This program was built without the keyring, or there is none that it knows on this system.
    #[error(
        "`keyring:{name}` cannot be used: build for Linux with `--features keyring`, or write `file:PATH` with a \
         file that only its owner may read"
    )]
    NoKeyring {
        /// Which entry.
        name: String,
    },
    /// There is no key.
    #[error("`{spec}` holds no key: put one there that `keygen` printed")]
    NoKey {
        /// Where.
        spec: KeySpec,
    },
    /// One of the keys is not usable.
    #[error("key {number} of `{spec}` is not usable")]
    Key {
        /// Where.
        spec: KeySpec,
        /// Which of the keys, from 1.
        number: usize,
        /// Why not.
        #[source]
        source: KeyError,
    },
}

impl FromStr for KeySpec {
    type Err = KeySpecError;

    fn from_str(text: &str) -> Result<Self, KeySpecError> {
        match text.split_once(':') {
            Some(("env", name)) if !name.is_empty() && !name.contains(['=', '\0']) => {
                Ok(Self::Env(name.to_owned()))
            }
            Some(("file", path)) if !path.is_empty() && !path.contains('\0') => {
                Ok(Self::File(path.into()))
            }
            Some(("keyring", name)) if !name.is_empty() && !name.contains('\0') => {
                Ok(Self::Keyring(name.to_owned()))
            }
            _ => Err(KeySpecError::Form),
        }
    }
}

impl fmt::Display for KeySpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "env:{name}"),
            Self::File(path) => write!(f, "file:{}", path.display()),
            Self::Keyring(name) => write!(f, "keyring:{name}"),
        }
    }
}

impl KeySpec {
    /// Reads the keys. The first one seals.
    ///
    /// # Errors
    ///
    /// A [`KeyLoadError`] that says what is missing or wrong, and where; never what was found there.
    ///
    /// # Security
    ///
    /// The permissions of a file are checked on Unix only; elsewhere its directory has to protect it. An
    /// environment variable can be read by everything else that runs as the same user, and stays in memory
    /// as long as the process: prefer a file. What is in a keyring, every program of the same user can read
    /// while it is unlocked.
    pub fn load(&self) -> Result<Keyring, KeyLoadError> {
        let text = match self {
            Self::Env(name) => read_env(name)?,
            Self::File(path) => read_file(path)?,
            Self::Keyring(name) => system_keyring::read(name)?,
        };
        let keys = text.lines().filter(|line| !line.trim_start().starts_with('#'));
        let mut ring = None;
        for (at, key) in keys.flat_map(str::split_whitespace).enumerate() {
            let added = MasterKey::decode(key).and_then(|key| match ring.take() {
                None => Keyring::new(&key),
                Some(ring) => Keyring::with_older(ring, &key),
            });
            let number = at + 1;
            ring = Some(added.map_err(|source| KeyLoadError::Key {
                spec: self.clone(),
                number,
                source,
            })?);
        }
        ring.ok_or_else(|| KeyLoadError::NoKey { spec: self.clone() })
    }
}

fn read_env(name: &str) -> Result<Zeroizing<String>, KeyLoadError> {
    let text = std::env::var_os(name).map(OsString::into_string);
    match text {
        Some(Ok(text)) => Ok(Zeroizing::new(text)),
        _ => Err(KeyLoadError::Unset { name: name.to_owned() }),
    }
}

fn read_file(path: &Path) -> Result<Zeroizing<String>, KeyLoadError> {
    let failed = |source| KeyLoadError::Read { path: path.to_owned(), source };
    let file = File::open(path).map_err(failed)?;
    // Of the open file, so that nobody can put another one in its place after the check.
    let metadata = file.metadata().map_err(failed)?;
    if !metadata.is_file() || metadata.len() > MAX_FILE_LEN {
        return Err(KeyLoadError::NotAKeyFile { path: path.to_owned() });
    }
    check_owner_only(path, &metadata)?;
    // Large enough from the start, so that no copy is left behind by growing.
    let room = usize::try_from(MAX_FILE_LEN).unwrap_or_default() + 1;
    let mut text = Zeroizing::new(String::with_capacity(room));
    match file.take(MAX_FILE_LEN).read_to_string(&mut text) {
        Ok(_) => Ok(text),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            Err(KeyLoadError::NotAKeyFile { path: path.to_owned() })
        }
        Err(source) => Err(failed(source)),
    }
}

#[cfg(unix)]
fn check_owner_only(path: &Path, metadata: &std::fs::Metadata) -> Result<(), KeyLoadError> {
    use std::os::unix::fs::PermissionsExt;
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 == 0 {
        return Ok(());
    }
    Err(KeyLoadError::Permissions { path: path.to_owned(), mode })
}

#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "it can fail on Unix")]
fn check_owner_only(_path: &Path, _metadata: &std::fs::Metadata) -> Result<(), KeyLoadError> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;

    use secrecy::ExposeSecret;

    use super::*;

    fn key_file(text: &str) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file
    }

    fn load(file: &tempfile::NamedTempFile) -> Result<Keyring, KeyLoadError> {
        KeySpec::File(file.path().to_owned()).load()
    }

    #[test]
    fn parses_three_forms_and_says_what_to_write_instead_of_others() {
        assert_eq!("env:A".parse(), Ok(KeySpec::Env("A".into())));
        assert_eq!("file:/a:b".parse(), Ok(KeySpec::File("/a:b".into())));
        assert_eq!("keyring:x y".parse(), Ok(KeySpec::Keyring("x y".into())));
        for text in ["", "env", "env:", "file:", "keyring:", "ENV:A", "env:A=B", "vault:x", "a key"]
        {
            assert_eq!(text.parse::<KeySpec>(), Err(KeySpecError::Form), "{text}");
        }
    }

    #[test]
    fn loads_several_keys_with_the_newest_first() {
        let (new, old) = (MasterKey::generate().unwrap(), MasterKey::generate().unwrap());
        let (a, b) = (new.to_base64(), old.to_base64());
        let text =
            format!("# in use\n{}\r\n\n  # retired\n{}", a.expose_secret(), b.expose_secret());
        let ring = load(&key_file(&text)).unwrap();
        assert_eq!(ring.ids().collect::<Vec<_>>(), [new.id().unwrap(), old.id().unwrap()]);
    }

    #[test]
    fn says_which_key_is_wrong_and_never_what_it_is() {
        let good = MasterKey::generate().unwrap().to_base64();
        let error = load(&key_file(&format!("{}\ncanary", good.expose_secret()))).unwrap_err();
        assert!(matches!(&error, KeyLoadError::Key { number: 2, source: KeyError::Encoding, .. }));
        assert!(!format!("{error} {error:?}").contains("canary"));
        let twice = format!("{0} {0}", good.expose_secret());
        let error = load(&key_file(&twice)).unwrap_err();
        assert!(matches!(
            error,
            KeyLoadError::Key { number: 2, source: KeyError::Twice { .. }, .. }
        ));
    }

    #[test]
    fn refuses_files_without_keys() {
        for text in ["", "\n\n", "# only a comment\n"] {
            assert!(matches!(load(&key_file(text)), Err(KeyLoadError::NoKey { .. })), "{text:?}");
        }
        let long = "#".repeat(usize::try_from(MAX_FILE_LEN).unwrap() + 1);
        assert!(matches!(load(&key_file(&long)), Err(KeyLoadError::NotAKeyFile { .. })));
        let directory = tempfile::tempdir().unwrap();
        let spec = KeySpec::File(directory.path().to_owned());
        assert!(matches!(spec.load(), Err(KeyLoadError::NotAKeyFile { .. })));
        let spec = KeySpec::File(directory.path().join("absent"));
        assert!(matches!(spec.load(), Err(KeyLoadError::Read { .. })));
        let file = key_file("");
        fs::write(file.path(), b"\xff\xfe").unwrap();
        assert!(matches!(load(&file), Err(KeyLoadError::NotAKeyFile { .. })));
    }

    #[cfg(unix)]
    #[test]
    fn refuses_files_that_others_may_use() {
        use std::os::unix::fs::PermissionsExt;
        let file = key_file(MasterKey::generate().unwrap().to_base64().expose_secret());
        for mode in [0o640, 0o604, 0o620, 0o602, 0o666, 0o601] {
            fs::set_permissions(file.path(), fs::Permissions::from_mode(mode)).unwrap();
            let Err(KeyLoadError::Permissions { mode: found, .. }) = load(&file) else {
                panic!("{mode:o}")
            };
            assert_eq!(found, mode);
        }
        for mode in [0o600, 0o400] {
            fs::set_permissions(file.path(), fs::Permissions::from_mode(mode)).unwrap();
            load(&file).unwrap();
        }
    }

    #[cfg(not(all(feature = "keyring", target_os = "linux")))]
    #[test]
    fn says_how_to_get_a_keyring() {
        let error = "keyring:x".parse::<KeySpec>().unwrap().load().unwrap_err();
        assert!(matches!(&error, KeyLoadError::NoKeyring { .. }));
        assert!(error.to_string().contains("`--features keyring`"), "{error}");
    }

    #[test]
    fn reads_the_environment() {
        // Set by cargo for each test; not a key.
        let spec: KeySpec = "env:CARGO_PKG_NAME".parse().unwrap();
        let error = spec.load().unwrap_err();
        assert!(matches!(error, KeyLoadError::Key { number: 1, .. }), "{error:?}");
        let spec: KeySpec = "env:BONAFIDE_TEST_IS_NOT_SET".parse().unwrap();
        assert!(matches!(spec.load(), Err(KeyLoadError::Unset { .. })));
    }
}
