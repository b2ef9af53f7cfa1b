//! A browser that keeps cookies, follows redirects when told, and runs no script.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Method, Request, Response, header};
use bonafide_jwks::{Limits, Reach, ReqwestTransport, Transport as _};
use bonafide_tower::Peer;
use http_body_util::BodyExt as _;
use tower::ServiceExt as _;
use url::form_urlencoded;

use crate::world::{CANARY, PUBLIC};

#[derive(Clone)]
pub(crate) struct Browser {
    pub(crate) router: Router,
    pub(crate) cookies: BTreeMap<String, String>,
    /// Where it is, as the server sees it.
    pub(crate) peer: Option<IpAddr>,
}

pub(crate) struct Page {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Page {
    pub(crate) fn location(&self) -> &str {
        self.headers.get(header::LOCATION).map_or("", |location| location.to_str().unwrap())
    }

    /// The token of the page's forms.
    pub(crate) fn csrf(&self) -> String {
        let (_, rest) = self.body.split_once("name=\"csrf\" value=\"").unwrap();
        rest.split_once('"').unwrap().0.to_owned()
    }

    pub(crate) fn has(&self, text: &str) -> bool {
        self.body.contains(text)
    }
}

impl Browser {
    pub(crate) fn new(router: Router) -> Self {
        Self { router, cookies: BTreeMap::new(), peer: None }
    }

    pub(crate) async fn get(&mut self, path: &str) -> Page {
        let request = Request::get(path).body(Body::empty()).unwrap();
        self.send(request).await
    }

    /// Sends a form as a browser does, from a page of ours.
    pub(crate) async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Page {
        let headers = [("origin", PUBLIC), ("sec-fetch-site", "same-origin")];
        self.post_with(path, fields, &headers).await
    }

    pub(crate) async fn post_with(
        &mut self,
        path: &str,
        fields: &[(&str, &str)],
        headers: &[(&str, &str)],
    ) -> Page {
        let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let mut request =
            Request::post(path).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(Body::from(form)).unwrap()).await
    }

    pub(crate) async fn send(&mut self, mut request: Request<Body>) -> Page {
        let headers = request.headers_mut();
        if !headers.contains_key(header::HOST) {
            headers.insert(header::HOST, "mcp.example.com".parse().unwrap());
        }
        let cookies: Vec<String> =
            self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        if !cookies.is_empty() {
            headers.insert(header::COOKIE, cookies.join("; ").parse().unwrap());
        }
        if let Some(peer) = self.peer {
            request.extensions_mut().insert(Peer(peer));
        }
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let response = self.router.clone().oneshot(request).await.unwrap();
        let page = read(response).await;
        self.keep(&page.headers);
        // Nothing that was ever entered is ever shown, whatever was asked.
        assert!(!page.body.contains(CANARY), "{method} {path} shows a secret:\n{}", page.body);
        page
    }

    fn keep(&mut self, headers: &HeaderMap) {
        for cookie in headers.get_all(header::SET_COOKIE) {
            let cookie = cookie.to_str().unwrap();
            let (pair, attributes) = cookie.split_once("; ").unwrap();
            assert!(
                attributes.starts_with("Path=/; HttpOnly; SameSite=Lax; Secure"),
                "{attributes}"
            );
            let (name, value) = pair.split_once('=').unwrap();
            assert!(name.starts_with("__Host-"), "{name}");
            if attributes.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
    }

    /// Goes to the issuer, up to its answer: the path with which it sends the browser back.
    pub(crate) async fn answer_for(&mut self, user: &str, to: &str) -> String {
        let to: String = form_urlencoded::byte_serialize(to.as_bytes()).collect();
        let page = self.get(&format!("/connections/-/sign-in?to={to}")).await;
        assert_eq!(page.status, 303, "{}", page.body);
        let answer = fetch(&format!("{}&user={user}", page.location())).await;
        answer.location().strip_prefix(PUBLIC).unwrap().to_owned()
    }

    /// Signs in and shows the page that comes then.
    pub(crate) async fn sign_in(&mut self, user: &str, to: &str) -> Page {
        let answer = self.answer_for(user, to).await;
        let page = self.get(&answer).await;
        if page.status != 303 {
            return page;
        }
        let location = page.location().to_owned();
        self.get(&location).await
    }
}

/// A GET over the network that follows no redirect.
pub(crate) async fn fetch(url: &str) -> Page {
    let limits =
        Limits { timeout: Duration::from_secs(5), max_bytes: 1 << 20, reach: Reach::ANYWHERE };
    let request = Request::builder().method(Method::GET).uri(url).body(Bytes::new()).unwrap();
    let response = ReqwestTransport.send(request, limits).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = String::from_utf8(body.to_vec()).unwrap();
    Page { status: parts.status.as_u16(), headers: parts.headers, body }
}

async fn read(response: Response<Body>) -> Page {
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let body = String::from_utf8(body.to_vec()).unwrap();
    Page { status: parts.status.as_u16(), headers: parts.headers, body }
}
