//! How a body is written: the way that we read it, or not at all.

use http::{HeaderMap, HeaderValue, header};

/// A body that is announced as something other than JSON in UTF-8.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("send the message as `Content-Type: application/json`, in UTF-8 and not encoded")]
pub(crate) struct NotPlainJson;

/// Refuses a body that a backend would decode in another way than we do: in UTF-7, say, quotes can hide from us that
/// end a string for others. The MCP transport has JSON in UTF-8 only.
pub(crate) fn check_content(headers: &HeaderMap) -> Result<(), NotPlainJson> {
    let plain = |value: &HeaderValue| {
        value.to_str().is_ok_and(|value| value.eq_ignore_ascii_case("identity"))
    };
    if !headers.get_all(header::CONTENT_ENCODING).iter().all(plain) {
        return Err(NotPlainJson);
    }
    let mut types = headers.get_all(header::CONTENT_TYPE).iter();
    match (types.next(), types.next()) {
        // Absent: we say what it is when it goes on.
        (None, _) => Ok(()),
        (Some(only), None) if only.to_str().is_ok_and(is_utf8_json) => Ok(()),
        _ => Err(NotPlainJson),
    }
}

/// Says of a body that was checked what it was checked as, and nothing else.
pub(crate) fn describe_content(headers: &mut HeaderMap) {
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.remove(header::CONTENT_ENCODING);
}

fn is_utf8_json(value: &str) -> bool {
    // As nearly all clients write it.
    if value == "application/json" {
        return true;
    }
    let mut parts = value.split(';').map(str::trim);
    let json =
        parts.next().is_some_and(|media_type| media_type.eq_ignore_ascii_case("application/json"));
    json && parts.all(|parameter| {
        parameter.is_empty()
            || parameter.eq_ignore_ascii_case("charset=utf-8")
            || parameter.eq_ignore_ascii_case("charset=\"utf-8\"")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_json_in_utf8_is_read() {
        let check = |pairs: &[(&'static str, &'static str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.append(*name, HeaderValue::from_static(value));
            }
            check_content(&headers).is_ok()
        };
        assert!(check(&[]));
        for good in [
            "application/json",
            "Application/JSON; charset=UTF-8",
            "application/json;charset=\"utf-8\"",
        ] {
            assert!(check(&[("content-type", good)]), "{good}");
        }
        for bad in [
            "application/json; charset=utf-7",
            "text/plain",
            "application/json; x=y",
            "application/json, x/y",
        ] {
            assert!(!check(&[("content-type", bad)]), "{bad}");
        }
        assert!(!check(&[
            ("content-type", "application/json"),
            ("content-type", "application/json")
        ]));
        assert!(check(&[("content-encoding", "identity")]));
        for encoding in ["br", "gzip", "utf-7", "identity, br"] {
            assert!(!check(&[("content-encoding", encoding)]), "{encoding}");
        }
    }
}
