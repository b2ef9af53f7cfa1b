//! URIs that rules can be compared with.

/// Whether nothing in the URI, or in the template of one, is written in a way that a backend may read as another URI
/// (RFC 3986, section 6.2.2): dot segments and empty ones, a scheme or a host with upper-case letters, what is encoded
/// without need or in lower case, separators that are encoded, backslashes, control characters, white space at an end.
pub(super) fn is_unambiguous(uri: &str) -> bool {
    if uri.trim() != uri || uri.contains(|c: char| c == '\\' || c.is_control()) {
        return false;
    }
    let (scheme, rest) = uri.split_once(':').unwrap_or(("", uri));
    let (host, path) = match rest.strip_prefix("//") {
        Some(rest) => {
            let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
            rest.split_at_checked(end).unwrap_or((rest, ""))
        }
        None => ("", rest),
    };
    is_lower_case(scheme) && is_lower_case(host) && has_plain_segments(path) && is_encoded_once(uri)
}

/// What stands in braces is the name of a template's variable.
fn is_lower_case(text: &str) -> bool {
    let mut variable = false;
    text.chars().all(|c| {
        variable = c == '{' || variable && c != '}';
        variable || !c.is_ascii_uppercase()
    })
}

/// The last segment may be empty: a folder.
fn has_plain_segments(path: &str) -> bool {
    let end = path.find(['?', '#']).unwrap_or(path.len());
    let path = path.get(..end).unwrap_or(path);
    !path.contains("//") && path.split('/').all(|segment| segment != "." && segment != "..")
}

/// Whether each encoded byte has to be encoded, as it is, and stays what it is if it is decoded twice.
fn is_encoded_once(uri: &str) -> bool {
    uri.split('%').skip(1).all(|after| {
        let Some(digits) = after.get(..2) else { return false };
        let hex = |c: char| c.is_ascii_digit() || ('A'..='F').contains(&c);
        let Ok(byte) = u8::from_str_radix(digits, 16) else { return false };
        let needless = byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        digits.chars().all(hex)
            && !needless
            && !byte.is_ascii_control()
            && !matches!(byte, b'/' | b'\\' | b'%')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_uri_can_be_compared() {
        for uri in [
            "docs://a",
            "file:///pub/Read%20Me.txt",
            "file:///pub/",
            "file:///pub/..a/.b/...",
            "https://example.com:8080/a?x=B#C",
            "db://{tableName}/{id}",
            "file:///{+path}",
            "urn:isbn:0451450523",
            "x://caf\u{e9}/%C3%A9%3F",
            "no uri",
        ] {
            assert!(is_unambiguous(uri), "{uri}");
        }
    }

    #[test]
    fn a_uri_with_another_spelling_can_not() {
        for uri in [
            "file:///pub/../secret",
            "file:///pub/./x",
            "file:///pub/..",
            "file:///pub/..?x",
            "file:../secret",
            "file:///pub/%2e%2e/secret",
            "file:///pub/%2E./secret",
            "file:///pub/..%2Fsecret",
            "file:///pub/..%2fsecret",
            "file:///pub/%252E%252E/secret",
            "file:///pub//x",
            "file:////secret",
            "FILE:///secret/x",
            "https://Example.com/",
            "https://{x}.Example.com/",
            "file:///%73ecret/x",
            "file:///a%c3%A9",
            "file:///a%",
            "file:///a%2",
            "file:///a%zz",
            "file:///a%+1",
            "file:///pub\\..\\secret",
            "file:///pub%5C..",
            "file:///a%00",
            "file:///a\n",
            " file:///a",
        ] {
            assert!(!is_unambiguous(uri), "{uri}");
        }
    }
}
