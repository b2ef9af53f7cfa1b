//! From a place in a template to a place in the TOML file that holds it.

/// The position in a TOML file of a place in one of its strings.
///
/// A loader that keeps spans (`toml::Spanned<String>`) knows where the string stands, quotes included; an error knows
/// where in the decoded template it is ([`CompileError::span`](crate::CompileError::span)). Escapes and the kind of
/// quotes lie between them.
///
/// `literal` is the string as the file has it, with its quotes; `offset` is in bytes of the decoded string. The result is
/// in bytes from the start of `literal`. What is not a TOML string is taken as it stands.
///
/// ```
/// use bonafide_headers::{Templates, offset_in_toml};
///
/// let file = r#"Authorization = "Bearer \"${TOKN}\"""#;
/// let literal = &file[16..]; // what `Spanned::span` says
/// let errors = Templates::builder()
///     .with_header("Authorization", r#"Bearer "${TOKN}""#)
///     .build()
///     .unwrap_err();
/// let place = errors.iter().next().unwrap().span();
/// let start = 16 + offset_in_toml(literal, place.start);
/// let end = 16 + offset_in_toml(literal, place.end);
/// assert_eq!(&file[start..end], "TOKN");
/// ```
#[must_use]
pub fn offset_in_toml(literal: &str, offset: usize) -> usize {
    let (quotes, escapes) = match literal.as_bytes() {
        [b'"', b'"', b'"', ..] => (3, true),
        [b'\'', b'\'', b'\'', ..] => (3, false),
        [b'"', ..] => (1, true),
        [b'\'', ..] => (1, false),
        _ => (0, false),
    };
    let mut rest = literal.get(quotes..).unwrap_or_default();
    if quotes == 3 {
        // A line break right after the opening quotes is not part of the string.
        rest = rest.strip_prefix("\r\n").or_else(|| rest.strip_prefix('\n')).unwrap_or(rest);
    }
    let mut decoded = 0;
    while decoded < offset && !rest.is_empty() {
        let (source, value) = if escapes { step(rest) } else { plain(rest) };
        decoded += value;
        rest = rest.get(source..).unwrap_or_default();
    }
    literal.len() - rest.len()
}

/// Bytes in the file and bytes in the decoded string of what comes next.
fn step(rest: &str) -> (usize, usize) {
    let mut characters = rest.chars();
    if characters.next() != Some('\\') {
        return plain(rest);
    }
    match characters.next() {
        Some('x') => scalar(rest, 4),
        Some('u') => scalar(rest, 6),
        Some('U') => scalar(rest, 10),
        Some(' ' | '\t' | '\r' | '\n') => {
            let continued =
                rest.get(1..).unwrap_or_default().trim_start_matches([' ', '\t', '\r', '\n']);
            (rest.len() - continued.len(), 0)
        }
        Some(other) => (1 + other.len_utf8(), 1),
        None => (1, 1),
    }
}

fn scalar(rest: &str, length: usize) -> (usize, usize) {
    let code = rest.get(2..length).and_then(|digits| u32::from_str_radix(digits, 16).ok());
    let character = code.and_then(char::from_u32);
    character.map_or((1, 1), |character| (length, character.len_utf8()))
}

fn plain(rest: &str) -> (usize, usize) {
    let length = rest.chars().next().map_or(1, char::len_utf8);
    (length, length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_place_whatever_the_quotes_and_escapes() {
        for literal in [
            "'a ${X}'",
            "\"a ${X}\"",
            "\"\\\"\\t\\\\ ${X}\"",
            r#""\u00e9\U0001F600\x41 ${X}""#,
            "\"é ${X}\"",
            "'''\n'a' ${X}'''",
            "\"\"\"\r\na\\\n    b ${X}\"\"\"",
            "\"\"\"a\\   \n ${X}\"\"\"",
            r#""\u0024{X}""#,
        ] {
            let document: toml::Table = toml::from_str(&format!("a = {literal}")).unwrap();
            let decoded = document["a"].as_str().unwrap();
            let place = decoded.find("{X}").unwrap();
            let found = offset_in_toml(literal, place);
            assert_eq!(literal.get(found..found + 3), Some("{X}"), "{literal}");
        }
    }

    #[test]
    fn stays_inside_whatever_it_is_given() {
        for literal in
            ["", "\"", "\"\\", "\"\\u12", "'''", "\"\"\"", "x", "\"\\ud800\"", "\"\\xé\""]
        {
            for offset in 0..12 {
                let found = offset_in_toml(literal, offset);
                assert!(literal.is_char_boundary(found), "{literal} {offset}");
            }
        }
    }
}
