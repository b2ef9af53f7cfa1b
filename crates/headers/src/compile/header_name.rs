//! Which headers a template may set.

use http::HeaderName;

use crate::CompileErrorKind as Kind;

const MAX_LEN: usize = 256;

const HOP: &str = "it belongs to the connection and not to the request (RFC 9110, section 7.6.1)";
const FRAMING: &str = "it says how the body is read";
const ADDRESS: &str = "it says where the request goes";
const NEGOTIATION: &str = "client and backend agree on formats with it";
const MCP: &str = "it belongs to the MCP protocol";
const ORIGIN: &str = "it says which site the request comes from";
const CONDITION: &str = "it changes what the request asks for";
const PATH: &str = "it says which way the request came, which only the proxy knows";
const COOKIE: &str =
    "a `;` in a value would make it several cookies, use `Authorization` or a header of its own";
const RESPONSE: &str = "it belongs to responses";

const FORBIDDEN: [(&str, &str); 44] = [
    ("connection", HOP),
    ("keep-alive", HOP),
    ("te", HOP),
    ("trailer", HOP),
    ("transfer-encoding", HOP),
    ("upgrade", HOP),
    ("http2-settings", HOP),
    ("expect", FRAMING),
    ("host", ADDRESS),
    ("alt-used", ADDRESS),
    ("x-original-url", ADDRESS),
    ("x-rewrite-url", ADDRESS),
    ("x-http-method", CONDITION),
    ("x-http-method-override", CONDITION),
    ("x-method-override", CONDITION),
    ("range", CONDITION),
    ("cache-control", CONDITION),
    ("pragma", CONDITION),
    ("max-forwards", CONDITION),
    ("origin", ORIGIN),
    ("referer", ORIGIN),
    ("last-event-id", MCP),
    ("cookie", COOKIE),
    ("cookie2", COOKIE),
    ("set-cookie", RESPONSE),
    ("www-authenticate", RESPONSE),
    ("location", RESPONSE),
    ("server", RESPONSE),
    ("age", RESPONSE),
    ("allow", RESPONSE),
    ("etag", RESPONSE),
    ("vary", RESPONSE),
    ("date", PATH),
    ("via", PATH),
    ("forwarded", PATH),
    ("x-forwarded-for", PATH),
    ("x-forwarded-host", PATH),
    ("x-forwarded-port", PATH),
    ("x-forwarded-proto", PATH),
    ("x-forwarded-scheme", PATH),
    ("x-forwarded-server", PATH),
    ("x-forwarded-prefix", PATH),
    ("x-real-ip", PATH),
    ("x-client-ip", PATH),
];

const FORBIDDEN_PREFIXES: [(&str, &str); 7] = [
    ("proxy-", HOP),
    ("content-", FRAMING),
    ("accept", NEGOTIATION),
    ("mcp-", MCP),
    ("if-", CONDITION),
    ("sec-", ORIGIN),
    ("access-control-", ORIGIN),
];

/// Commonly written to access logs, or handed on to other services with the request.
const LOGGED: [&str; 10] = [
    "user-agent",
    "from",
    "warning",
    "x-request-id",
    "x-correlation-id",
    "x-amzn-trace-id",
    "x-cloud-trace-context",
    "traceparent",
    "tracestate",
    "baggage",
];

/// Carry credentials even if the template has them literally.
const CREDENTIALS: [&str; 4] = ["authorization", "x-api-key", "api-key", "x-auth-token"];

/// The name as servers that speak CGI or WSGI see it: `X_User_Id` and `X-User-Id` are one header to them.
pub(crate) fn canonical(name: &str) -> String {
    name.to_ascii_lowercase().replace('_', "-")
}

pub(super) fn check(name: &str) -> Result<HeaderName, Kind> {
    let parsed = HeaderName::from_bytes(name.as_bytes()).ok().filter(|_| name.len() <= MAX_LEN);
    let parsed = parsed.ok_or(Kind::InvalidHeaderName)?;
    let canonical = canonical(name);
    let exact = FORBIDDEN.iter().find(|(forbidden, _)| *forbidden == canonical);
    let prefix = || FORBIDDEN_PREFIXES.iter().find(|(prefix, _)| canonical.starts_with(prefix));
    match exact.or_else(prefix) {
        Some((_, reason)) => Err(Kind::ForbiddenHeader { reason }),
        None => Ok(parsed),
    }
}

pub(super) fn is_logged(canonical: &str) -> bool {
    LOGGED.contains(&canonical)
}

pub(super) fn carries_credentials(canonical: &str) -> bool {
    CREDENTIALS.contains(&canonical)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_belongs_to_others() {
        for name in [
            "Host",
            "HOST",
            "Content-Length",
            "Content_Length",
            "Transfer-Encoding",
            "Connection",
            "TE",
            "Trailer",
            "Upgrade",
            "Accept",
            "Accept-Encoding",
            "Content-Type",
            "Content-Encoding",
            "Origin",
            "Cookie",
            "Last-Event-ID",
            "Mcp-Session-Id",
            "MCP-Protocol-Version",
            "mcp_name",
            "Expect",
            "Keep-Alive",
            "Proxy-Authorization",
            "Forwarded",
            "X-Forwarded-For",
            "x_forwarded_host",
            "X-Real-IP",
            "Set-Cookie",
            "If-None-Match",
            "Sec-Fetch-Site",
            "X-HTTP-Method-Override",
            "HTTP2-Settings",
        ] {
            assert!(matches!(check(name), Err(Kind::ForbiddenHeader { .. })), "{name}");
        }
    }

    #[test]
    fn refuses_what_is_not_a_name() {
        for name in
            ["", " ", "X Y", "X:Y", "X\r\nY", "Ünicode", "X-User-Id:", ":path", &"x".repeat(257)]
        {
            assert_eq!(check(name), Err(Kind::InvalidHeaderName), "{name:?}");
        }
    }

    #[test]
    fn allows_what_backends_read() {
        for name in [
            "Authorization",
            "X-Api-Key",
            "X-User-Id",
            "X-Forwarded-User",
            "X-Forwarded-Email",
            "User-Agent",
        ] {
            assert!(check(name).is_ok(), "{name}");
        }
    }
}
