//! Which headers cross the gateway, in both directions.

use bonafide_tower::IdentityHeaders;
use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::answer::{MediaType, media_type};

/// Belongs to one connection (RFC 9110, section 7.6.1), or to the way the message was framed.
fn is_hop_by_hop(name: &str) -> bool {
    matches!(
        name,
        "connection"
            | "keep-alive"
            | "proxy-authenticate"
            | "proxy-authorization"
            | "proxy-connection"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
    )
}

/// Meant for us: credentials, and the names that we were called by.
fn is_ours(name: &str) -> bool {
    matches!(name, "authorization" | "content-length" | "cookie" | "expect" | "host" | "origin")
}

/// Asks a framework for another path, host or method than the request line does.
fn is_override(name: &str) -> bool {
    matches!(
        name,
        "x-host"
            | "x-http-method"
            | "x-http-method-override"
            | "x-method-override"
            | "x-original-host"
            | "x-original-method"
            | "x-original-url"
            | "x-rewrite-url"
    )
}

/// Acts on our whole origin, or says what only we can say.
fn is_for_our_origin(name: &str) -> bool {
    matches!(
        name,
        "alt-svc"
            | "authentication-info"
            | "clear-site-data"
            | "content-location"
            | "link"
            | "location"
            | "nel"
            | "proxy-authentication-info"
            | "public-key-pins"
            | "refresh"
            | "report-to"
            | "reporting-endpoints"
            | "server"
            | "service-worker-allowed"
            | "set-cookie"
            | "set-cookie2"
            | "sourcemap"
            | "strict-transport-security"
            | "via"
            | "www-authenticate"
    ) || name.starts_with("access-control-")
}

/// Shows a page without its scripts, forms and pictures, and as of no origin (Content Security Policy Level 3).
const HARMLESS: &str = "default-src 'none'; sandbox";

/// The client's headers without those that are hop-by-hop, ours, or could forge what a template or another proxy
/// would say. What is left may go to the backend, and rendered headers may be added.
pub(crate) fn request_headers<'a>(
    mut headers: HeaderMap,
    tokens: impl Iterator<Item = &'a HeaderName>,
    protected: &IdentityHeaders,
) -> HeaderMap {
    let named = named_by_connection(&headers);
    remove_if(&mut headers, |name| {
        let text = name.as_str();
        // A name with an underscore is the twin of one with a hyphen for every CGI and WSGI server: `mcp_session_id`
        // would get past all that is done to `Mcp-Session-Id`. nginx drops them too.
        is_hop_by_hop(text)
            || is_ours(text)
            || is_override(text)
            || memchr::memchr(b'_', text.as_bytes()).is_some()
            || protected.contains(name)
    });
    for name in named {
        headers.remove(name);
    }
    for name in tokens {
        headers.remove(name);
    }
    headers
}

/// The backend's headers without those that are hop-by-hop or would speak to the client in our name: its cookies, its
/// demand for credentials, and whatever acts on an origin, which is ours and the portal's too. What it answers one
/// user is for nobody's cache.
pub(crate) fn response_headers(headers: &mut HeaderMap) {
    let named = named_by_connection(headers);
    remove_if(headers, |name| is_hop_by_hop(name.as_str()) || is_for_our_origin(name.as_str()));
    for name in named {
        headers.remove(name);
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if media_type(headers) == MediaType::Other {
        // An error page, for one. A browser that a host in front signs in would run it as ours.
        headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(HARMLESS));
    }
    let cached = headers.get(header::CACHE_CONTROL).and_then(|value| value.to_str().ok());
    if !cached.is_some_and(|value| {
        ["no-store", "no-cache", "private"].iter().any(|word| value.contains(word))
    }) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
}

/// Removes all headers that match, however often each is there.
pub(super) fn remove_if(headers: &mut HeaderMap, matches: impl Fn(&HeaderName) -> bool) {
    let found: Vec<HeaderName> = headers.keys().filter(|name| matches(name)).cloned().collect();
    for name in found {
        headers.remove(name);
    }
}

/// What `Connection` says is for one connection only.
fn named_by_connection(headers: &HeaderMap) -> Vec<HeaderName> {
    headers
        .get_all(header::CONNECTION)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap()))
            .collect()
    }

    fn names(headers: &HeaderMap) -> Vec<&str> {
        let mut names: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn only_what_is_the_clients_own_goes_on() {
        let sent = headers(&[
            ("authorization", "Bearer canary"),
            ("cookie", "a=b"),
            ("proxy-authorization", "Basic canary"),
            ("host", "mcp.example.com"),
            ("content-length", "2"),
            ("connection", "close, X-Hop"),
            ("x-hop", "1"),
            ("te", "trailers"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "h2c"),
            ("origin", "https://mcp.example.com"),
            ("x-forwarded-for", "1.2.3.4"),
            ("x-user-id", "admin"),
            ("x_jira_key", "forged"),
            ("mcp_session_id", "forged"),
            ("transfer_encoding", "chunked"),
            ("x-original-url", "/admin"),
            ("x-http-method-override", "DELETE"),
            ("x-assertion", "canary"),
            ("accept", "text/event-stream"),
            ("content-type", "application/json"),
            ("mcp-session-id", "s"),
            ("mcp-param-region", "eu"),
            ("last-event-id", "7"),
            ("traceparent", "00-0-0-00"),
        ]);
        let protected = IdentityHeaders::new().with_name(&HeaderName::from_static("x-jira-key"));
        let assertion = HeaderName::from_static("x-assertion");
        let tokens = std::iter::once(&assertion);
        assert_eq!(
            names(&request_headers(sent, tokens, &protected)),
            [
                "accept",
                "content-type",
                "last-event-id",
                "mcp-param-region",
                "mcp-session-id",
                "traceparent"
            ]
        );
    }

    #[test]
    fn a_name_beside_what_is_no_text_is_read_too() {
        let mut sent = headers(&[("x-hop", "1"), ("accept", "a")]);
        sent.insert(header::CONNECTION, HeaderValue::from_bytes(b"\xff, X-Hop\t,").unwrap());
        let protected = IdentityHeaders::new();
        assert_eq!(names(&request_headers(sent, std::iter::empty(), &protected)), ["accept"]);
    }

    #[test]
    fn a_backend_does_not_speak_in_our_name() {
        let mut answered = headers(&[
            ("www-authenticate", "Bearer"),
            ("set-cookie", "a=b"),
            ("connection", "keep-alive"),
            ("keep-alive", "timeout=5"),
            ("access-control-allow-origin", "*"),
            ("clear-site-data", "\"*\""),
            ("location", "/elsewhere"),
            ("server", "x"),
            ("content-type", "text/event-stream"),
            ("mcp-session-id", "s"),
        ]);
        response_headers(&mut answered);
        assert_eq!(
            names(&answered),
            ["cache-control", "content-type", "mcp-session-id", "x-content-type-options"]
        );
        assert_eq!(answered[header::CACHE_CONTROL], "no-store");
    }

    #[test]
    fn a_page_of_a_backend_does_nothing_in_our_name() {
        for (media_type, harmless) in [
            ("text/html", true),
            ("image/svg+xml", true),
            ("", true),
            ("application/json; charset=utf-8", false),
            ("text/event-stream", false),
        ] {
            let mut answered = headers(&[("content-type", media_type)]);
            answered.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("img-src *"));
            response_headers(&mut answered);
            let policy = &answered[header::CONTENT_SECURITY_POLICY];
            assert_eq!(policy == HARMLESS, harmless, "{media_type}: {policy:?}");
        }
    }
}
