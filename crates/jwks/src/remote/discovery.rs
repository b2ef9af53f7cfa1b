//! Where an issuer publishes its keys: OpenID Connect Discovery 1.0, section 4, and RFC 8414, section 3.

use url::Url;

use super::endpoint;
use super::fetch::FetchError;
use crate::strict_json::{self, Value};

/// The places to look for the document, in this order.
///
/// OpenID Connect appends the well-known path to the issuer, RFC 8414 puts it between host and path.
pub(super) fn places(issuer: &Url) -> [Url; 2] {
    let path = issuer.path().trim_end_matches('/');
    let (mut appended, mut inserted) = (issuer.clone(), issuer.clone());
    appended.set_path(&format!("{path}/.well-known/openid-configuration"));
    inserted.set_path(&format!("/.well-known/oauth-authorization-server{path}"));
    [appended, inserted]
}

/// The `jwks_uri` of the document, which must be about `issuer`.
pub(super) fn read(document: &[u8], issuer: &str) -> Result<Url, FetchError> {
    let metadata = strict_json::parse(document).map_err(FetchError::Metadata)?;
    let text = |name: &str| metadata.get(name).and_then(Value::as_str);
    if text("issuer") != Some(issuer) {
        return Err(FetchError::WrongIssuer);
    }
    let jwks_uri = text("jwks_uri").ok_or(FetchError::NoJwksUri)?;
    endpoint::key_url(jwks_uri).map_err(FetchError::Endpoint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_in_both_places() {
        let places = |issuer: &str| places(&Url::parse(issuer).unwrap()).map(|url| url.to_string());
        assert_eq!(
            places("https://idp.example"),
            [
                "https://idp.example/.well-known/openid-configuration",
                "https://idp.example/.well-known/oauth-authorization-server"
            ]
        );
        assert_eq!(
            places("https://idp.example/realms/a/"),
            [
                "https://idp.example/realms/a/.well-known/openid-configuration",
                "https://idp.example/.well-known/oauth-authorization-server/realms/a"
            ]
        );
    }

    #[test]
    fn rejects_a_document_about_another_issuer() {
        let read = |document: &str| read(document.as_bytes(), "https://idp.example");
        let good = r#"{"issuer":"https://idp.example","jwks_uri":"https://idp.example/keys"}"#;
        assert_eq!(read(good).unwrap().as_str(), "https://idp.example/keys");
        for document in [
            r#"{"issuer":"https://idp.example/","jwks_uri":"https://idp.example/keys"}"#,
            r#"{"issuer":"https://IDP.example","jwks_uri":"https://idp.example/keys"}"#,
            r#"{"issuer":["https://idp.example"],"jwks_uri":"https://idp.example/keys"}"#,
            r#"{"jwks_uri":"https://idp.example/keys"}"#,
        ] {
            assert!(matches!(read(document), Err(FetchError::WrongIssuer)), "{document}");
        }
    }

    #[test]
    fn rejects_a_key_url_that_breaks_the_rules() {
        for url in ["http://idp.example/keys", "file:///keys", "keys", "https://u:p@idp.example/"] {
            let document = format!(r#"{{"issuer":"https://idp.example","jwks_uri":"{url}"}}"#);
            let read = read(document.as_bytes(), "https://idp.example");
            assert!(matches!(read, Err(FetchError::Endpoint(_))), "{url}");
        }
        let none = read(br#"{"issuer":"https://idp.example"}"#, "https://idp.example");
        assert!(matches!(none, Err(FetchError::NoJwksUri)));
    }
}
