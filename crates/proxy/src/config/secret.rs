//! Secrets that a configuration names instead of containing.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use secrecy::SecretString;

use super::problem::Problems;
use super::section::Located;

/// Where `env:NAME` is looked up.
pub struct Environment<'a>(Box<Lookup<'a>>);

type Lookup<'a> = dyn Fn(&str) -> Option<String> + 'a;

impl<'a> Environment<'a> {
    /// The variables of this process.
    #[must_use]
    pub fn of_process() -> Self {
        Self(Box::new(|name| std::env::var(name).ok()))
    }

    /// What `lookup` finds: for programs that keep their secrets elsewhere, and for tests.
    #[must_use]
    pub fn new(lookup: impl Fn(&str) -> Option<String> + 'a) -> Self {
        Self(Box::new(lookup))
    }

    pub(crate) fn get(&self, name: &str) -> Option<SecretString> {
        (self.0)(name)
            .filter(|value| !value.is_empty())
            .map(|value| SecretString::from(value.into_boxed_str()))
    }
}

impl fmt::Debug for Environment<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Environment(…)")
    }
}

/// The secret that `env:NAME` names. A secret in the file itself is refused, and not repeated in the message.
pub(super) fn from_environment(
    found: &Located<&str>,
    environment: &Environment<'_>,
    problems: &mut Problems<'_>,
) -> Option<SecretString> {
    let Some(name) = found.value.strip_prefix("env:").filter(|name| !name.is_empty()) else {
        found.problem(
            problems,
            "a secret does not stand in the file: write `\"env:NAME\"` and set NAME",
        );
        return None;
    };
    let secret = environment.get(name);
    if secret.is_none() {
        found.problem(
            problems,
            format!("the environment variable `{name}` is not set or empty: set it"),
        );
    }
    secret
}

/// The secret that `env:NAME` or `file:PATH` names. A relative path is meant from the configuration file.
pub(super) fn from_environment_or_file(
    found: &Located<&str>,
    config: &Path,
    environment: &Environment<'_>,
    problems: &mut Problems<'_>,
) -> Option<SecretString> {
    let Some(path) = found.value.strip_prefix("file:").filter(|path| !path.is_empty()) else {
        return from_environment(found, environment, problems);
    };
    let path = config.parent().unwrap_or(Path::new("")).join(path);
    match read_private(&path) {
        Ok(secret) => Some(secret),
        Err(error) => {
            let message = format!(
                "`{}` can't be used ({error}): put the secret and nothing else into a file that only its owner may read",
                path.display()
            );
            found.problem(problems, message);
            None
        }
    }
}

/// No such file is longer, in bytes.
const MAX_SECRET_FILE_LEN: u64 = 16 * 1024;

fn read_private(path: &Path) -> io::Result<SecretString> {
    let file = File::open(path)?;
    // Of the open file, so that nobody can put another one in its place after the check.
    let metadata = file.metadata()?;
    if !metadata.is_file() || metadata.len() > MAX_SECRET_FILE_LEN {
        return Err(io::Error::other("it is no such file"));
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = metadata.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(io::Error::other(format!("its mode is {mode:03o}")));
        }
    }
    let mut text = String::with_capacity(usize::try_from(metadata.len()).unwrap_or_default());
    file.take(MAX_SECRET_FILE_LEN).read_to_string(&mut text)?;
    let text = SecretString::from(text.into_boxed_str());
    match secrecy::ExposeSecret::expose_secret(&text).trim() {
        "" => Err(io::Error::other("it is empty")),
        secret => Ok(SecretString::from(Box::<str>::from(secret))),
    }
}
