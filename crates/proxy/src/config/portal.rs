//! `[portal]`

use secrecy::SecretString;

use super::problem::Problems;
use super::secret::{Environment, from_environment};
use super::section::Section;

/// The OpenID Connect client that the portal signs users in with.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PortalConfig {
    /// Its id at the issuer.
    pub client_id: String,
    /// Its secret, if it is a confidential client.
    pub client_secret: Option<SecretString>,
}

pub(super) fn read(
    root: &mut Section<'_, '_>,
    environment: &Environment<'_>,
    problems: &mut Problems<'_>,
) -> Option<PortalConfig> {
    let mut section = root.table(problems, "portal")?;
    let client_id = section.required(problems, "client_id", "\"bonafide\"");
    let client_secret = section.string(problems, "client_secret");
    let client_secret =
        client_secret.and_then(|found| from_environment(&found, environment, problems));
    section.finish(problems);
    Some(PortalConfig { client_id: client_id?.value.to_owned(), client_secret })
}
