//! One way from the endpoint to a key set.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, ETAG, IF_NONE_MATCH, LOCATION};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use url::Url;

use super::discovery;
use super::endpoint::{self, Endpoint, EndpointError};
use super::freshness::Lifetimes;
use crate::keys::{KeySet, KeySetError};
use crate::strict_json::JsonError;
use crate::transport::{Limits, Reach, RemoteAddress, Transport, TransportError, Zone};

/// Why there are no new keys.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// There was no answer.
    #[error("no answer from the issuer")]
    Transport(#[source] TransportError),
    /// The answer was no success.
    #[error("the issuer answered with status {0}")]
    Status(StatusCode),
    /// More redirects than are followed, or one without a target.
    #[error("too many redirects, or one that leads nowhere")]
    Redirect,
    /// A redirect or a `jwks_uri` leads to a URL that is not allowed.
    #[error("the issuer points to a URL that is not allowed")]
    Endpoint(#[source] EndpointError),
    /// A redirect or a `jwks_uri` leads to an address that is not allowed.
    #[error("the issuer points to an address that is not allowed")]
    Address,
    /// The discovery document cannot be read.
    #[error("the issuer's metadata cannot be read")]
    Metadata(#[source] JsonError),
    /// The discovery document is about another issuer.
    #[error(
        "the issuer's metadata is about another issuer: `issuer` must be the configured one, byte for byte"
    )]
    WrongIssuer,
    /// The discovery document names no key set.
    #[error("the issuer's metadata has no `jwks_uri`")]
    NoJwksUri,
    /// The key set cannot be used.
    #[error("the issuer's key set cannot be used")]
    Keys(#[source] KeySetError),
    /// The transport panicked.
    #[error("the transport failed: this is a bug in it")]
    Panicked,
}

/// What a fetch found.
pub(super) struct Fetched {
    /// None when they are still the same.
    pub(super) keys: Option<Arc<KeySet>>,
    pub(super) etag: Option<HeaderValue>,
    pub(super) lifetime: Duration,
    pub(super) place: Place,
    /// Whether the place was looked up, and not known before.
    pub(super) located: bool,
}

/// Where the key set was found, so that the next fetch need not discover it again.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) url: Url,
    /// The zone in which the configured host answered.
    home: Option<Zone>,
}

/// What is known from the last fetch.
#[derive(Default)]
pub(super) struct Known {
    pub(super) place: Option<Place>,
    pub(super) etag: Option<HeaderValue>,
}

#[derive(Debug)]
pub(super) struct Fetcher {
    pub(super) endpoint: Endpoint,
    pub(super) transport: Arc<dyn Transport>,
    pub(super) timeout: Duration,
    pub(super) max_bytes: usize,
    pub(super) lifetimes: Lifetimes,
}

const MAX_REDIRECTS: usize = 3;

impl Fetcher {
    /// Fetches the key set, after discovery where that is needed.
    pub(super) async fn fetch(&self, known: Known) -> Result<Fetched, FetchError> {
        // A tag is about what was at the known place, and says nothing about another.
        let (place, etag, located) = match known.place {
            Some(place) => (place, known.etag, false),
            None => (self.locate().await?, None, true),
        };
        let (answer, _) = self.get(&place.url, place.home, etag.as_ref()).await?;
        let lifetime = self.lifetimes.of(answer.headers());
        if answer.status() == StatusCode::NOT_MODIFIED && etag.is_some() {
            return Ok(Fetched { keys: None, etag, lifetime, place, located });
        }
        if !answer.status().is_success() {
            return Err(FetchError::Status(answer.status()));
        }
        let keys = Some(KeySet::from_jwks(answer.body()).map_err(FetchError::Keys)?);
        let etag = answer.headers().get(ETAG).cloned();
        Ok(Fetched { keys, etag, lifetime, place, located })
    }

    async fn locate(&self) -> Result<Place, FetchError> {
        let (url, issuer) = match &self.endpoint {
            Endpoint::KeySet(url) => return Ok(Place { url: url.clone(), home: None }),
            Endpoint::Issuer { url, issuer } => (url, issuer),
        };
        let mut status = StatusCode::NOT_FOUND;
        for place in discovery::places(url) {
            let (answer, home) = self.get(&place, None, None).await?;
            if answer.status().is_success() {
                return Ok(Place { url: discovery::read(answer.body(), issuer)?, home });
            }
            status = answer.status();
            // Only an issuer that does not have the document here may have it at the other place.
            if !status.is_client_error() {
                break;
            }
        }
        Err(FetchError::Status(status))
    }

    /// Gets a document, redirects followed. With it comes the zone of the configured host, once it answered.
    async fn get(
        &self,
        url: &Url,
        home: Option<Zone>,
        etag: Option<&HeaderValue>,
    ) -> Result<(Response<Bytes>, Option<Zone>), FetchError> {
        let (mut url, mut home) = (url.clone(), home);
        for _ in 0..=MAX_REDIRECTS {
            let answer = self.send(&url, home, etag).await?;
            if self.is_configured(&url) {
                home = remote_zone(&url, &answer).or(home);
            }
            if !is_redirect(answer.status()) {
                return Ok((answer, home));
            }
            url = target(&url, answer.headers())?;
        }
        Err(FetchError::Redirect)
    }

    async fn send(
        &self,
        url: &Url,
        home: Option<Zone>,
        etag: Option<&HeaderValue>,
    ) -> Result<Response<Bytes>, FetchError> {
        endpoint::check(url).map_err(FetchError::Endpoint)?;
        let reach = self.reach(url, home);
        if endpoint::literal_address(url).is_some_and(|address| !reach.allows(address)) {
            return Err(FetchError::Address);
        }
        let limits = Limits { timeout: self.timeout, max_bytes: self.max_bytes, reach };
        let mut request = Request::builder().uri(url.as_str()).header(ACCEPT, "application/json");
        if let Some(etag) = etag {
            request = request.header(IF_NONE_MATCH, etag);
        }
        let request = request.body(Bytes::new());
        let request = request.map_err(|_| FetchError::Endpoint(EndpointError::NotAUrl))?;
        self.transport.send(request, limits).await.map_err(|error| match error {
            TransportError::Forbidden => FetchError::Address,
            error => FetchError::Transport(error),
        })
    }

    fn reach(&self, url: &Url, home: Option<Zone>) -> Reach {
        let literal = endpoint::literal_address(self.endpoint.configured()).map(Zone::of);
        match literal.or(home) {
            _ if self.is_configured(url) => Reach::ANYWHERE,
            Some(zone) => Reach::public_and(zone),
            None => Reach::PUBLIC,
        }
    }

    /// Whether the configuration names this origin.
    fn is_configured(&self, url: &Url) -> bool {
        url.origin() == self.endpoint.configured().origin()
    }
}

fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

fn target(from: &Url, headers: &HeaderMap) -> Result<Url, FetchError> {
    let location = headers.get(LOCATION).and_then(|location| location.to_str().ok());
    let mut to =
        location.and_then(|location| from.join(location).ok()).ok_or(FetchError::Redirect)?;
    to.set_fragment(None);
    endpoint::check(&to).map_err(FetchError::Endpoint)?;
    // A redirect from the network to a service of this machine that speaks no TLS: never.
    if from.scheme() == "https" && to.scheme() != "https" {
        return Err(FetchError::Endpoint(EndpointError::NotHttps));
    }
    Ok(to)
}

fn remote_zone(url: &Url, answer: &Response<Bytes>) -> Option<Zone> {
    let seen = answer.extensions().get::<RemoteAddress>().map(|remote| remote.0);
    seen.or_else(|| endpoint::literal_address(url)).map(Zone::of)
}
