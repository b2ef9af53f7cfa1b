//! The floor with the least of each step: what a gateway can't leave out, without anything around it.
//!
//! It knows a token from the first time on, reads the message, opens one secret, makes four headers, and looks at the
//! answer. It verifies nothing, limits nothing, refuses nearly nothing, writes nothing down. How far a gateway that does
//! is from the floor can be told from here.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, Nonce, UnboundKey};
use bytes::Bytes;
use foldhash::fast::RandomState;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::Error;
use crate::role::{self, CHECKED_PATH, listen, serve};

const NONCE: [u8; 12] = [7; 12];
/// What the secret is bound to.
const BOUND_TO: [u8; 64] = [7; 64];

/// Of a message, what it is decided by.
#[derive(Deserialize)]
struct Call<'a> {
    method: &'a str,
    #[serde(borrow)]
    params: Params<'a>,
}

#[derive(Deserialize)]
struct Params<'a> {
    name: &'a str,
}

struct Steps {
    known: Mutex<HashMap<Box<[u8]>, Arc<str>, RandomState>>,
    key: LessSafeKey,
    sealed: Vec<u8>,
    client: Client<HttpConnector, Full<Bytes>>,
    uri: Uri,
}

impl Steps {
    fn new(backend: &str) -> Result<Self, Error> {
        let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM_SIV, &[7; 32])?);
        let mut sealed = crate::world::GITHUB_TOKEN.as_bytes().to_vec();
        let nonce = Nonce::assume_unique_for_key(NONCE);
        key.seal_in_place_append_tag(nonce, Aad::from(BOUND_TO), &mut sealed)?;
        let (client, uri) = (role::client(), role::uri(backend, CHECKED_PATH)?);
        Ok(Self { known: Mutex::default(), key, sealed, client, uri })
    }

    async fn answer(&self, request: Request<Incoming>) -> Option<Response<Full<Bytes>>> {
        let (mut parts, body) = request.into_parts();
        let user = self.user(&parts.headers)?;
        let body = body.collect().await.ok()?.to_bytes();
        let call: Call<'_> = serde_json::from_slice(&body).ok()?;
        if call.method != "tools/call" || call.params.name.starts_with("delete_") {
            return None;
        }
        let mut secret = self.sealed.clone();
        let nonce = Nonce::assume_unique_for_key(NONCE);
        let secret = self.key.open_in_place(nonce, Aad::from(BOUND_TO), &mut secret).ok()?;
        for name in [header::HOST, header::AUTHORIZATION] {
            parts.headers.remove(name);
        }
        let value = |text: &[&[u8]]| HeaderValue::try_from(text.concat()).ok();
        let authorization = value(&[b"Bearer ", secret])?;
        parts.headers.insert(header::AUTHORIZATION, authorization);
        for (name, suffix) in [("x-user-id", &b""[..]), ("x-user-email", b"@example.com")] {
            let name = HeaderName::from_static(name);
            parts.headers.insert(name, value(&[user.as_bytes(), suffix])?);
        }
        let client = HeaderName::from_static("x-client");
        parts.headers.insert(client, HeaderValue::from_static("bonafide/0.1"));
        parts.uri = self.uri.clone();
        let request = Request::from_parts(parts, Full::new(body));
        let (parts, body) = self.client.request(request).await.ok()?.into_parts();
        let body = body.collect().await.ok()?.to_bytes();
        serde_json::from_slice::<IgnoredAny>(&body).ok()?;
        memchr::memmem::find(&body, secret).is_none().then_some(())?;
        Some(Response::from_parts(parts, Full::new(body)))
    }

    /// Who has this token.
    fn user(&self, headers: &HeaderMap) -> Option<Arc<str>> {
        let token = headers.get(header::AUTHORIZATION)?.as_bytes().strip_prefix(b"Bearer ")?;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(user) = known.get(token) {
            return Some(Arc::clone(user));
        }
        let user: Arc<str> = format!("user-{}", known.len()).into();
        known.insert(token.into(), Arc::clone(&user));
        Some(user)
    }
}

pub(crate) async fn steps(backend: &str) -> Result<(), Error> {
    let steps = Arc::new(Steps::new(backend)?);
    serve(listen().await?, move |request| {
        let steps = Arc::clone(&steps);
        async move {
            steps.answer(request).await.unwrap_or_else(|| {
                let mut response = Response::new(Full::default());
                *response.status_mut() = StatusCode::BAD_GATEWAY;
                response
            })
        }
    })
    .await
}
