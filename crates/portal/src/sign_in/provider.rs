//! The issuer as an OpenID provider: where its endpoints are, and the exchange of a code for tokens.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::http::{Request, Response, header};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bonafide_jwks::strict_json::{self, Object, Value};
use bonafide_jwks::{Limits, Reach, RemoteAddress, Transport, Zone};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::{Mutex, Semaphore};
use url::{Host, Url, form_urlencoded};

use super::error::{SignInConfigError, SignInError};
use super::usable;

/// How long the metadata is used before it is asked for again.
const LIFETIME: Duration = Duration::from_secs(60 * 60);

/// How long an exchange may take.
const TIME: Duration = Duration::from_secs(10);

/// The longest answer, in bytes.
const ANSWER_LEN: usize = 256 * 1024;

/// How many codes are exchanged at once.
const EXCHANGES: usize = 32;

/// Who we are to the issuer, and what we ask for.
pub(super) struct Client {
    pub(super) id: String,
    pub(super) secret: Option<SecretString>,
    pub(super) scopes: String,
    pub(super) resource: Option<String>,
}

pub(super) struct Provider {
    /// What the metadata must call itself.
    name: String,
    /// Where the configuration says it is.
    url: Url,
    pub(super) client: Client,
    transport: Arc<dyn Transport>,
    known: Mutex<Option<(Arc<Metadata>, Instant)>>,
    exchanges: Semaphore,
}

/// What of OpenID Connect Discovery 1.0, section 3, is needed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Metadata {
    pub(super) authorization: Url,
    token: Url,
    pub(super) end_session: Option<Url>,
    /// Whether answers name the issuer: RFC 9207, section 3.
    pub(super) names_itself: bool,
    secret_in_body: bool,
    /// The zone in which the configured host answered.
    home: Option<Zone>,
}

/// What a code was exchanged for.
pub(super) struct Tokens {
    pub(super) id: String,
    pub(super) access: Option<String>,
}

impl Provider {
    pub(super) fn new(
        issuer: &str,
        client: Client,
        transport: Arc<dyn Transport>,
    ) -> Result<Self, SignInConfigError> {
        // Several directories of Entra ID share one document, which names no single one of them.
        let url = issuer.replace("{tenantid}", "organizations");
        let url = Url::parse(&url).map_err(|_| SignInConfigError::Issuer)?;
        if !usable(&url) || url.query().is_some() {
            return Err(SignInConfigError::Issuer);
        }
        Ok(Self {
            name: issuer.to_owned(),
            url,
            client,
            transport,
            known: Mutex::new(None),
            exchanges: Semaphore::new(EXCHANGES),
        })
    }

    /// Whether an answer that calls itself `iss` is from this issuer.
    pub(super) fn is_called(&self, iss: &str) -> bool {
        match self.name.split_once("{tenantid}") {
            None => iss == self.name,
            Some((before, after)) => {
                iss.len() > before.len() + after.len()
                    && iss.starts_with(before)
                    && iss.ends_with(after)
            }
        }
    }

    /// The metadata, fetched if it is not known or too old. Those who come meanwhile wait for the one fetch. An issuer
    /// that can't be asked goes on under the metadata that it had.
    pub(super) async fn metadata(&self) -> Result<Arc<Metadata>, SignInError> {
        let mut known = self.known.lock().await;
        if let Some((metadata, _)) = known.as_ref().filter(|(_, until)| *until > Instant::now()) {
            return Ok(Arc::clone(metadata));
        }
        match self.discover().await {
            Ok(metadata) => {
                let metadata = Arc::new(metadata);
                *known = Some((Arc::clone(&metadata), Instant::now() + LIFETIME));
                Ok(metadata)
            }
            Err(error) => match known.as_mut() {
                Some((metadata, until)) => {
                    tracing::warn!(%error, "the issuer's metadata is not fetched anew");
                    *until = Instant::now() + LIFETIME / 60;
                    Ok(Arc::clone(metadata))
                }
                None => Err(error),
            },
        }
    }

    async fn discover(&self) -> Result<Metadata, SignInError> {
        let mut url = self.url.clone();
        let path = format!("{}/.well-known/openid-configuration", url.path().trim_end_matches('/'));
        url.set_path(&path);
        let request = Request::get(url.as_str()).header(header::ACCEPT, "application/json");
        let request = request.body(Bytes::new()).map_err(|_| SignInError::Endpoint("issuer"))?;
        let answer = self.send(request, Reach::ANYWHERE).await?;
        if !answer.status().is_success() {
            return Err(SignInError::Answer("its metadata has no status of success"));
        }
        let home = answer.extensions().get::<RemoteAddress>().map(|remote| Zone::of(remote.0));
        Metadata::read(answer.body(), &self.name, &self.url, home)
    }

    /// Exchanges a code: RFC 6749, section 4.1.3, RFC 7636, section 4.5.
    pub(super) async fn exchange(
        &self,
        metadata: &Metadata,
        code: &str,
        verifier: &str,
        redirect_uri: &str,
    ) -> Result<Tokens, SignInError> {
        let _place = self.exchanges.try_acquire().map_err(|_| SignInError::Busy)?;
        let request = self.token_request(metadata, code, verifier, redirect_uri)?;
        let answer = self.send(request, self.reach(&metadata.token, metadata.home)).await?;
        let body = strict_json::parse(answer.body())
            .map_err(|_| SignInError::Answer("the token endpoint's is no JSON object"))?;
        if !answer.status().is_success() {
            return Err(SignInError::Denied(error_code(text(&body, "error"))));
        }
        let id = text(&body, "id_token").ok_or(SignInError::Answer("there is no `id_token`"))?;
        let access = text(&body, "access_token").map(str::to_owned);
        Ok(Tokens { id: id.to_owned(), access })
    }

    fn token_request(
        &self,
        metadata: &Metadata,
        code: &str,
        verifier: &str,
        redirect_uri: &str,
    ) -> Result<Request<Bytes>, SignInError> {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "authorization_code")
            .append_pair("code", code)
            .append_pair("code_verifier", verifier)
            .append_pair("redirect_uri", redirect_uri);
        if let Some(resource) = &self.client.resource {
            form.append_pair("resource", resource);
        }
        let mut request = Request::post(metadata.token.as_str())
            .header(header::ACCEPT, "application/json")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        match &self.client.secret {
            Some(secret) if !metadata.secret_in_body => {
                request = request.header(header::AUTHORIZATION, basic(&self.client.id, secret));
            }
            Some(secret) => {
                form.append_pair("client_id", &self.client.id)
                    .append_pair("client_secret", secret.expose_secret());
            }
            None => {
                form.append_pair("client_id", &self.client.id);
            }
        }
        let request = request.body(Bytes::from(form.finish()));
        request.map_err(|_| SignInError::Endpoint("token_endpoint"))
    }

    /// What the network named reaches public addresses, and the zone of the host that the configuration named.
    fn reach(&self, url: &Url, home: Option<Zone>) -> Reach {
        let literal = match self.url.host() {
            Some(Host::Ipv4(address)) => Some(Zone::of(address.into())),
            Some(Host::Ipv6(address)) => Some(Zone::of(address.into())),
            _ => None,
        };
        match literal.or(home) {
            _ if url.origin() == self.url.origin() => Reach::ANYWHERE,
            Some(zone) => Reach::public_and(zone),
            None => Reach::PUBLIC,
        }
    }

    async fn send(
        &self,
        request: Request<Bytes>,
        reach: Reach,
    ) -> Result<Response<Bytes>, SignInError> {
        let limits = Limits { timeout: TIME, max_bytes: ANSWER_LEN, reach };
        self.transport.send(request, limits).await.map_err(SignInError::Transport)
    }
}

impl Metadata {
    fn read(
        document: &[u8],
        issuer: &str,
        configured: &Url,
        home: Option<Zone>,
    ) -> Result<Self, SignInError> {
        let document = strict_json::parse(document)
            .map_err(|_| SignInError::Answer("its metadata is no JSON object"))?;
        // OpenID Connect Discovery 1.0, section 4.3: byte for byte.
        if text(&document, "issuer") != Some(issuer) {
            return Err(SignInError::Answer("its metadata is about another issuer"));
        }
        let url = |name: &'static str| {
            let Some(url) = text(&document, name) else { return Ok(None) };
            let url = Url::parse(url).ok().filter(usable);
            let url = url.filter(|url| url.scheme() == "https" || configured.scheme() == "http");
            url.map(Some).ok_or(SignInError::Endpoint(name))
        };
        let required = |name| url(name)?.ok_or(SignInError::Endpoint(name));
        let methods = document.get("token_endpoint_auth_methods_supported");
        let methods = methods.and_then(Value::as_array);
        let knows =
            |method| methods.is_some_and(|all| all.iter().any(|it| it.as_str() == Some(method)));
        Ok(Self {
            authorization: required("authorization_endpoint")?,
            token: required("token_endpoint")?,
            end_session: url("end_session_endpoint")?,
            names_itself: document.get("authorization_response_iss_parameter_supported")
                == Some(&Value::Bool(true)),
            secret_in_body: knows("client_secret_post") && !knows("client_secret_basic"),
            home,
        })
    }
}

fn text<'o>(object: &'o Object<'_>, name: &str) -> Option<&'o str> {
    object.get(name).and_then(Value::as_str)
}

/// RFC 6749, section 2.3.1: both are form-encoded before they are joined.
fn basic(id: &str, secret: &SecretString) -> String {
    let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let both = format!("{}:{}", encode(id), encode(secret.expose_secret()));
    format!("Basic {}", BASE64_STANDARD.encode(both))
}

/// The errors that RFC 6749 and OpenID Connect Core know. Whatever else stands there is not repeated.
pub(super) fn error_code(code: Option<&str>) -> &'static str {
    const KNOWN: [&str; 16] = [
        "access_denied",
        "account_selection_required",
        "consent_required",
        "interaction_required",
        "invalid_client",
        "invalid_grant",
        "invalid_request",
        "invalid_scope",
        "invalid_target",
        "login_required",
        "server_error",
        "temporarily_unavailable",
        "unauthorized_client",
        "unsupported_grant_type",
        "unsupported_response_type",
        "request_not_supported",
    ];
    KNOWN.into_iter().find(|known| Some(*known) == code).unwrap_or("one that is not known")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(document: &str) -> Result<Metadata, SignInError> {
        let url = Url::parse("https://idp.example").unwrap();
        Metadata::read(document.as_bytes(), "https://idp.example", &url, None)
    }

    #[test]
    fn reads_the_endpoints() {
        let metadata = read(
            r#"{"issuer":"https://idp.example","authorization_endpoint":"https://idp.example/a?p=1",
            "token_endpoint":"https://token.example/t","authorization_response_iss_parameter_supported":true,
            "token_endpoint_auth_methods_supported":["client_secret_post"]}"#,
        )
        .unwrap();
        assert_eq!(metadata.authorization.as_str(), "https://idp.example/a?p=1");
        assert!(metadata.names_itself && metadata.secret_in_body && metadata.end_session.is_none());
    }

    #[test]
    fn rejects_another_issuer_and_endpoints_that_break_the_rules() {
        for document in [
            r#"{"issuer":"https://idp.example/","authorization_endpoint":"https://idp.example/a","token_endpoint":"https://idp.example/t"}"#,
            r#"{"issuer":"https://idp.example","authorization_endpoint":"http://idp.example/a","token_endpoint":"https://idp.example/t"}"#,
            r#"{"issuer":"https://idp.example","authorization_endpoint":"http://127.0.0.1/a","token_endpoint":"https://idp.example/t"}"#,
            r#"{"issuer":"https://idp.example","authorization_endpoint":"https://u@idp.example/a","token_endpoint":"https://idp.example/t"}"#,
            r#"{"issuer":"https://idp.example","authorization_endpoint":"javascript:alert(1)","token_endpoint":"https://idp.example/t"}"#,
            r#"{"issuer":"https://idp.example","authorization_endpoint":"https://idp.example/a"}"#,
            r#"{"issuer":"https://idp.example","issuer":"https://idp.example"}"#,
            "[]",
        ] {
            assert!(read(document).is_err(), "{document}");
        }
    }

    #[test]
    fn client_and_secret_are_encoded_before_they_are_joined() {
        let header = basic("a:b", &SecretString::from("p/ +%"));
        let decoded = BASE64_STANDARD.decode(header.strip_prefix("Basic ").unwrap()).unwrap();
        assert_eq!(decoded, b"a%3Ab:p%2F+%2B%25");
    }

    #[test]
    fn an_error_that_nobody_knows_is_not_repeated() {
        assert_eq!(error_code(Some("access_denied")), "access_denied");
        assert_eq!(error_code(Some("<script>")), "one that is not known");
    }
}
