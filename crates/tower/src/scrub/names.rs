//! Which headers say who somebody is, or where they are.

use http::{HeaderMap, HeaderName};

/// Identity headers, `-` and `_` being the same.
struct Names {
    /// Families: everything that begins like this.
    prefixes: &'static [&'static str],
    /// By their whole name.
    whole: &'static [&'static str],
}

impl Names {
    fn contain(&self, name: &str) -> bool {
        self.prefixes.iter().any(|prefix| starts_with(name, prefix))
            || self.whole.iter().any(|whole| same(name, whole))
    }
}

/// Without the `x-` that they begin with.
const WITH_X: Names = Names {
    prefixes: &[
        "amzn-oidc-",
        "auth-request-",
        "authenticated-",
        "authentik-",
        "client-cert",
        "consumer-",
        "credential-",
        "entra-",
        "forwarded-",
        "goog-authenticated-",
        "goog-iap-",
        "ms-client-principal",
        "ms-token-",
        "openwebui-",
        "pomerium-",
        "remote-",
        "ssl-client-",
        "user-",
        "vouch-",
        "webauth-",
    ],
    whole: &[
        "access-token",
        "apigateway-api-userinfo",
        "auth-email",
        "auth-groups",
        "auth-user",
        "auth-username",
        "client-ip",
        "email",
        "endpoint-api-userinfo",
        "groups",
        "id-token",
        "jwt-assertion",
        "principal",
        "real-ip",
        "role",
        "roles",
        "scope-orgid",
        "subject",
        "tenant",
        "tenant-id",
        "user",
        "userid",
        "userinfo",
        "username",
    ],
};

const WITHOUT_X: Names = Names {
    prefixes: &[
        "cf-access-",
        "client-cert",
        "impersonate-",
        "oidc-",
        "remote-",
        "ssl-client-",
        "tailscale-user-",
    ],
    whole: &["forwarded", "true-client-ip"],
};

/// A set of header names that a client must not be able to set: the well-known headers by which proxies and
/// identity providers say who a user is or where a request came from, and those that were added.
///
/// A name matches in any case and with `_` for `-`: CGI and WSGI servers read `X_User_Id` and `X-User-Id` as
/// the same variable.
#[derive(Debug, Clone, Default)]
pub struct IdentityHeaders {
    added: Vec<Box<str>>,
}

impl IdentityHeaders {
    /// The well-known identity headers.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one: the way to protect every header that a template sets.
    #[must_use]
    pub fn with_name(mut self, name: &HeaderName) -> Self {
        self.added.push(fold(name.as_str()).into());
        self
    }

    /// Whether a client may not set this header.
    #[must_use]
    pub fn contains(&self, name: &HeaderName) -> bool {
        let name = name.as_str();
        let is_known = match name.as_bytes() {
            [b'x', b'-' | b'_', ..] => WITH_X.contain(name.get(2..).unwrap_or_default()),
            // What the others begin with.
            [b'c' | b'f' | b'i' | b'o' | b'r' | b's' | b't', ..] => WITHOUT_X.contain(name),
            _ => false,
        };
        is_known || self.added.iter().any(|whole| same(name, whole))
    }

    /// Removes them all, however often each is there.
    pub fn scrub(&self, headers: &mut HeaderMap) {
        let found: Vec<HeaderName> =
            headers.keys().filter(|name| self.contains(name)).cloned().collect();
        for name in found {
            headers.remove(name);
        }
    }
}

/// `HeaderName` is lower case already, so only the underscore is left to fold.
fn fold(name: &str) -> String {
    name.replace('_', "-")
}

fn same(name: &str, folded: &str) -> bool {
    name.len() == folded.len() && starts_with(name, folded)
}

fn starts_with(name: &str, folded: &str) -> bool {
    let folds = |(have, want): (u8, u8)| have == want || (have == b'_' && want == b'-');
    name.len() >= folded.len() && name.bytes().zip(folded.bytes()).all(folds)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(names: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for name in names {
            let name: HeaderName = name.parse().unwrap();
            headers.append(name, "forged".parse().unwrap());
        }
        headers
    }

    #[test]
    fn removes_identity_headers_in_every_spelling() {
        let mut forged = headers(&[
            "X-Auth-User",
            "X-Consumer-Username",
            "X-Endpoint-API-UserInfo",
            "X_Id_Token",
            "X-Userinfo",
            "X-SSL-Client-S-DN",
            "Ssl-Client-Verify",
            "Client-Cert-Chain",
            "OIDC-Claim-Sub",
            "OIDC_CLAIM_sub",
            "Impersonate-User",
            "X-User-Id",
            "x_user_id",
            "X-USER_ID",
            "X-User-Id",
            "X-User",
            "X-OpenWebUI-User-Jwt",
            "X_OpenWebUI_User_Email",
            "X-Entra-Groups",
            "X-Forwarded-User",
            "X-Forwarded-For",
            "Forwarded",
            "X-Auth-Request-Email",
            "Remote-User",
            "REMOTE_USER",
            "X-MS-CLIENT-PRINCIPAL",
            "Cf-Access-Jwt-Assertion",
        ]);
        IdentityHeaders::new().scrub(&mut forged);
        assert_eq!(forged.len(), 0, "{:?}", forged.keys().collect::<Vec<_>>());
    }

    #[test]
    fn every_known_name_is_found() {
        for (start, names) in [("x-", WITH_X), ("x_", WITH_X), ("", WITHOUT_X)] {
            let prefixes = names.prefixes.iter().map(|prefix| format!("{start}{prefix}z"));
            let whole = names.whole.iter().map(|whole| format!("{start}{whole}"));
            for name in prefixes.chain(whole) {
                let name: HeaderName = name.parse().unwrap();
                assert!(IdentityHeaders::new().contains(&name), "{name}");
            }
        }
    }

    #[test]
    fn leaves_other_headers() {
        let names =
            ["accept", "mcp-session-id", "x-request-id", "traceparent", "x-users", "mcp-name"];
        let mut kept = headers(&names);
        IdentityHeaders::new().scrub(&mut kept);
        assert_eq!(kept.len(), names.len());
    }

    #[test]
    fn removes_what_was_added_and_its_twins() {
        let mut forged = headers(&["X-Jira-Key", "x_jira_key", "x-jira-keys"]);
        IdentityHeaders::new().with_name(&HeaderName::from_static("x-jira-key")).scrub(&mut forged);
        assert_eq!(forged.keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["x-jira-keys"]);
    }
}
