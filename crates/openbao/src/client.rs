//! Requests.

use std::time::Duration;

use http::{HeaderValue, Method};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde::de::DeserializeOwned;
use url::Url;
use zeroize::Zeroizing;

use crate::error::RequestError;

const TIMEOUT: Duration = Duration::from_secs(10);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// No answer is longer, in bytes. A listing of a million users has about as much.
const MAX_ANSWER_LEN: usize = 64 * 1024 * 1024;

/// Where the server is, and how it is spoken to.
#[derive(Debug)]
pub(crate) struct Client {
    http: reqwest::Client,
    address: Url,
    namespace: Option<HeaderValue>,
}

/// What the server answered.
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Wiped when it is dropped: it may hold a token or, without sealing, values.
    body: Zeroizing<Vec<u8>>,
}

impl Answer {
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T, RequestError> {
        // The parser's own message may repeat what it read.
        serde_json::from_slice(&self.body).map_err(|_| RequestError::Answer)
    }

    pub(crate) fn refused(&self) -> RequestError {
        RequestError::Status { status: self.status }
    }
}

/// What to ask. The path is below `/v1/`, and made of characters that need no escaping.
pub(crate) struct Question<'a> {
    pub(crate) method: Method,
    pub(crate) path: &'a str,
    pub(crate) list: bool,
    pub(crate) body: Option<Zeroizing<Vec<u8>>>,
}

impl<'a> Question<'a> {
    pub(crate) fn new(method: Method, path: &'a str) -> Self {
        Self { method, path, list: false, body: None }
    }

    pub(crate) fn list(path: &'a str) -> Self {
        Self { list: true, ..Self::new(Method::GET, path) }
    }

    pub(crate) fn post(path: &'a str, body: &impl Serialize) -> Result<Self, RequestError> {
        let body = serde_json::to_vec(body).map_err(|_| RequestError::Json)?;
        Ok(Self { body: Some(Zeroizing::new(body)), ..Self::new(Method::POST, path) })
    }
}

impl Client {
    pub(crate) fn new(
        certificates: Vec<reqwest::Certificate>,
        address: Url,
        namespace: Option<HeaderValue>,
    ) -> Result<Self, reqwest::Error> {
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .https_only(address.scheme() == "https")
            .timeout(TIMEOUT)
            .connect_timeout(CONNECT_TIMEOUT)
            .tls_certs_merge(certificates)
            .build()?;
        Ok(Self { http, address, namespace })
    }

    pub(crate) async fn ask(
        &self,
        token: Option<&SecretString>,
        question: &Question<'_>,
    ) -> Result<Answer, RequestError> {
        let mut url = self.address.clone();
        url.set_path(&format!("/v1/{}", question.path));
        if question.list {
            url.set_query(Some("list=true"));
        }
        let mut request = self.http.request(question.method.clone(), url);
        // Without it, a request that somebody talked a browser into would be taken for one of ours.
        request = request.header("X-Vault-Request", "true");
        if let Some(namespace) = &self.namespace {
            request = request.header("X-Vault-Namespace", namespace);
        }
        if let Some(token) = token {
            // It was checked when the store was made, or comes from the server.
            let mut token =
                HeaderValue::from_str(token.expose_secret()).map_err(|_| RequestError::Answer)?;
            token.set_sensitive(true);
            request = request.header("X-Vault-Token", token);
        }
        if let Some(body) = &question.body {
            request = request.header("Content-Type", "application/json").body(body.to_vec());
        }
        let mut response = request.send().await.map_err(RequestError::unreachable)?;
        let status = response.status().as_u16();
        let mut body = Zeroizing::new(Vec::new());
        while let Some(chunk) = response.chunk().await.map_err(RequestError::unreachable)? {
            if body.len() + chunk.len() > MAX_ANSWER_LEN {
                return Err(RequestError::TooLong { limit: MAX_ANSWER_LEN });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer { status, body })
    }
}
