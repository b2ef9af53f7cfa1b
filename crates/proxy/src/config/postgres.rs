//! `postgres://…`, wherever a store is named.

use std::path::Path;

use bonafide_postgres::Address;
use secrecy::ExposeSecret as _;

use super::problem::Problems;
use super::secret::{self, Environment};
use super::section::Located;

/// Whether a text names a PostgreSQL database: its URL, or the environment variable that has it.
pub(super) fn is_named(text: &str) -> bool {
    ["postgres:", "postgresql:", "env:"].iter().any(|start| text.starts_with(start))
}

/// The database that a URL, or the environment variable `env:NAME`, names. A password in the file is for a file that
/// only its owner may read.
pub(super) fn address(
    found: &Located<&str>,
    file: &Path,
    environment: &Environment<'_>,
    problems: &mut Problems<'_>,
) -> Option<Address> {
    let in_file = !found.value.starts_with("env:");
    let parsed = if in_file {
        found.value.parse::<Address>()
    } else {
        secret::from_environment(found, environment, problems)?.expose_secret().parse()
    };
    let address = match parsed {
        Ok(address) => address.relative_to(file.parent().unwrap_or(Path::new(""))),
        // It repeats nothing of the text.
        Err(error) => {
            found.problem(problems, error.to_string());
            return None;
        }
    };
    if in_file && address.has_password() && others_may_read(file) {
        let message = "others may read this file, and there is a password in the URL: `chmod 600` the file, or write \
                       `\"env:NAME\"` and set NAME to the URL";
        found.problem(problems, message);
        return None;
    }
    Some(address)
}

#[cfg(unix)]
fn others_may_read(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(file).is_ok_and(|metadata| metadata.permissions().mode() & 0o077 != 0)
}

/// Other systems have no such bits: there the directory has to protect the file.
#[cfg(not(unix))]
fn others_may_read(_file: &Path) -> bool {
    false
}

/// What to say of a database that is reached in the clear.
pub(super) fn warning(key: &str, address: &Address) -> Option<String> {
    let in_the_clear = !address.uses_tls() && !address.is_local();
    in_the_clear.then(|| {
        format!(
            "`{key}`: this database is reached in the clear: leave `sslmode=disable` out unless the network between is \
             yours"
        )
    })
}
