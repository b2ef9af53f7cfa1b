//! Parts of a key as parts of a path.

use bonafide_vault::Owner;

/// What stands for an empty part. No other part is written so.
const EMPTY: &str = "~";

/// A text as one part of a path, readable where it can be: see the crate's documentation.
pub(crate) fn encode(text: &str) -> String {
    if text.is_empty() {
        return EMPTY.to_owned();
    }
    let mut part = String::with_capacity(text.len());
    for (at, byte) in text.bytes().enumerate() {
        // No dot in front, so that no part is `.` or `..`.
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_') || (byte == b'.' && at > 0) {
            part.push(char::from(byte));
        } else {
            const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
            let digit =
                |nibble: u8| DIGITS.get(usize::from(nibble)).copied().map_or('0', char::from);
            part.extend(['~', digit(byte >> 4), digit(byte & 15)]);
        }
    }
    part
}

/// The text of a part; `None` if [`encode`] does not write it so.
pub(crate) fn decode(part: &str) -> Option<String> {
    if part == EMPTY {
        return Some(String::new());
    }
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part;
    while let Some(byte) = rest.as_bytes().first() {
        let (len, value) = match byte {
            b'~' => (3, u8::from_str_radix(rest.get(1..3)?, 16).ok()?),
            byte => (1, *byte),
        };
        bytes.push(value);
        rest = rest.get(len..)?;
    }
    let text = String::from_utf8(bytes).ok()?;
    (encode(&text) == part).then_some(text)
}

/// Where the entry of an owner is, below the mount.
pub(crate) fn of(prefix: &str, owner: Owner<'_>) -> String {
    join(prefix, &owner.parts())
}

pub(crate) fn join(prefix: &str, parts: &[&str]) -> String {
    parts.iter().fold(prefix.to_owned(), |path, part| path + "/" + &encode(part))
}

/// Whether a mount, a prefix or a namespace is plain: what an operator writes is taken as it is or refused.
pub(crate) fn is_plain(path: &str) -> bool {
    path.split('/').all(|part| !part.is_empty() && !part.contains('~') && encode(part) == part)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn writes_parts_readably_and_none_that_means_something_else() {
        for (text, part) in [
            ("", "~"),
            ("alice", "alice"),
            ("https://idp.example", "https~3A~2F~2Fidp.example"),
            (".", "~2E"),
            ("..", "~2E."),
            ("../a", "~2E.~2Fa"),
            ("a/b", "a~2Fb"),
            ("~", "~7E"),
            ("a%2Fb", "a~252Fb"),
            ("ü", "~C3~BC"),
            ("a b?c#d", "a~20b~3Fc~23d"),
        ] {
            assert_eq!(encode(text), part);
            assert_eq!(decode(part).as_deref(), Some(text));
        }
    }

    #[test]
    fn refuses_parts_that_it_does_not_write() {
        for part in ["", ".", "a~", "a~2", "a~2f", "~41", "~GG", "~C3", "a/b", "a b", "ü", "~+4"] {
            assert_eq!(decode(part).filter(|text| !text.is_empty()), None, "{part}");
        }
        assert!(is_plain("secret") && is_plain("team/secret.v2"));
        for path in ["", "/", "a/", "/a", "a//b", "..", "a/../b", "a b", "~", "a?b", "ä"] {
            assert!(!is_plain(path), "{path}");
        }
    }

    proptest! {
        #[test]
        fn every_text_comes_back(text in ".{0,40}") {
            let part = encode(&text);
            prop_assert!(part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.~".contains(&b)));
            prop_assert_eq!(decode(&part), Some(text));
        }

        #[test]
        fn nothing_is_read_that_is_not_written_so(part in "[a-f0-9~./-]{0,12}") {
            if let Some(text) = decode(&part) {
                prop_assert_eq!(encode(&text), part);
            }
        }
    }
}
