//! `[vault.openbao]`

use std::path::Path;

use bonafide_openbao::{BuildError, Credentials, OpenBaoVault, OpenBaoVaultBuilder};

use super::problem::Problems;
use super::secret::{Environment, from_environment_or_file};
use super::section::{Located, Section};

/// How the server is reached, and whether values stay as they are.
pub(super) fn read(
    store: &Located<&str>,
    address: &str,
    section: &mut Section<'_, '_>,
    file: &Path,
    environment: &Environment<'_>,
    problems: &mut Problems<'_>,
) -> Option<(OpenBaoVaultBuilder, bool)> {
    let before = problems.len();
    let credentials = credentials(section, file, environment, problems);
    let texts =
        ["mount", "path", "namespace", "certificates"].map(|name| section.string(problems, name));
    let unsealed = section.boolean(problems, "dangerous_unsealed").unwrap_or(false);
    let mut builder = OpenBaoVault::builder(address, credentials?);
    let [mount, path, namespace, certificates] = texts;
    if let Some(mount) = mount {
        builder = builder.with_mount(mount.value);
    }
    if let Some(path) = path {
        builder = builder.with_path(path.value);
    }
    if let Some(namespace) = namespace {
        builder = builder.with_namespace(namespace.value);
    }
    if let Some(found) = certificates {
        match std::fs::read(file.parent().unwrap_or(Path::new("")).join(found.value)) {
            Ok(pem) => builder = builder.with_certificates(pem),
            Err(error) => {
                let message = format!("this file can't be read ({}): check its path", error.kind());
                found.problem(problems, message);
            }
        }
    }
    if problems.len() > before {
        return None;
    }
    match builder.clone().build() {
        Ok(_) => Some((builder, unsealed)),
        Err(BuildError::Address) => {
            store.problem(problems, BuildError::Address.to_string());
            None
        }
        Err(error) => {
            section.problem(problems, error.to_string());
            None
        }
    }
}

fn credentials(
    section: &mut Section<'_, '_>,
    file: &Path,
    environment: &Environment<'_>,
    problems: &mut Problems<'_>,
) -> Option<Credentials> {
    let [token, role_id, secret_id, mount] = ["token", "role_id", "secret_id", "app_role_mount"]
        .map(|name| section.string(problems, name));
    match (token, role_id, secret_id, mount) {
        (Some(token), None, None, None) => {
            from_environment_or_file(&token, file, environment, problems).map(Credentials::token)
        }
        (None, Some(role_id), Some(secret_id), mount) => {
            let secret = from_environment_or_file(&secret_id, file, environment, problems)?;
            let credentials = Credentials::app_role(role_id.value.into(), secret);
            Some(match mount {
                Some(mount) => credentials.with_mount(mount.value),
                None => credentials,
            })
        }
        _ => {
            let message = "write either `token = \"env:NAME\"`, or `role_id = \"…\"` and `secret_id = \"file:PATH\"` \
                           (and `app_role_mount`, if it is not `approle`)";
            section.problem(problems, message);
            None
        }
    }
}
