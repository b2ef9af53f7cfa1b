//! Which headers cross the gateway, in both directions.

use bonafide_tower::IdentityHeaders;
use http::{HeaderMap, HeaderName, header};

/// Belong to one connection (RFC 9110, section 7.6.1), or to the way the message was framed.
const HOP_BY_HOP: [HeaderName; 9] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// Meant for us: credentials, and the names that we were called by.
const OURS: [HeaderName; 6] = [
    header::AUTHORIZATION,
    header::COOKIE,
    header::HOST,
    header::CONTENT_LENGTH,
    header::EXPECT,
    header::ORIGIN,
];

/// The client's headers without those that are hop-by-hop, ours, or could forge what a template or another proxy
/// would say. What is left may go to the backend, and rendered headers may be added.
pub(crate) fn request_headers(
    mut headers: HeaderMap,
    tokens: impl Iterator<Item = HeaderName>,
    protected: &IdentityHeaders,
) -> HeaderMap {
    remove_hop_by_hop(&mut headers);
    for name in OURS.into_iter().chain(tokens) {
        headers.remove(name);
    }
    protected.scrub(&mut headers);
    headers
}

/// The backend's headers without those that are hop-by-hop or would speak to the client in our name: its cookies,
/// its demand for credentials, and what it says of origins and of names for itself.
pub(crate) fn response_headers(headers: &mut HeaderMap) {
    remove_hop_by_hop(headers);
    for name in [
        header::SET_COOKIE,
        header::WWW_AUTHENTICATE,
        header::ALT_SVC,
        header::STRICT_TRANSPORT_SECURITY,
        header::ACCESS_CONTROL_ALLOW_ORIGIN,
        header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
    ] {
        headers.remove(name);
    }
}

fn remove_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in named.into_iter().chain(HOP_BY_HOP) {
        headers.remove(name);
    }
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
            ("x-assertion", "canary"),
            ("accept", "text/event-stream"),
            ("content-type", "application/json"),
            ("mcp-session-id", "s"),
            ("mcp-param-region", "eu"),
            ("last-event-id", "7"),
            ("traceparent", "00-0-0-00"),
        ]);
        let protected = IdentityHeaders::new().with_name(&HeaderName::from_static("x-jira-key"));
        let tokens = std::iter::once(HeaderName::from_static("x-assertion"));
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
    fn a_backend_does_not_speak_in_our_name() {
        let mut answered = headers(&[
            ("www-authenticate", "Bearer"),
            ("set-cookie", "a=b"),
            ("connection", "keep-alive"),
            ("keep-alive", "timeout=5"),
            ("access-control-allow-origin", "*"),
            ("content-type", "text/event-stream"),
            ("mcp-session-id", "s"),
        ]);
        response_headers(&mut answered);
        assert_eq!(names(&answered), ["content-type", "mcp-session-id"]);
    }
}
