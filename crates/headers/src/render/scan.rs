//! What a text consists of.

use super::ValueProblem;

pub(super) const ENCODED_START: &str = "=?base64?";
pub(super) const ENCODED_END: &str = "?=";

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// Visible ASCII and spaces.
    Plain,
    /// Other characters too, but no control characters.
    Wide,
    /// Some control character: C0, DEL or C1.
    Control,
}

/// Goes through the whole text without branching, which the compiler vectorises; almost every text is plain.
#[inline]
pub(super) fn class(text: &str) -> Class {
    if text.bytes().fold(true, |plain, byte| plain & matches!(byte, b' '..=b'~')) {
        return Class::Plain;
    }
    class_of_rest(text)
}

#[cold]
fn class_of_rest(text: &str) -> Class {
    if text.chars().any(char::is_control) { Class::Control } else { Class::Wide }
}

#[inline]
pub(super) fn is_blank(text: &str) -> bool {
    match text.as_bytes().first() {
        None => true,
        Some(byte) if byte.is_ascii_graphic() => false,
        Some(_) => text.trim().is_empty(),
    }
}

pub(super) fn has_outer_space(text: &str) -> bool {
    text.starts_with(' ') || text.ends_with(' ')
}

/// Whether a receiver would take the text for an encoded one, in any case of the letters.
pub(super) fn starts_encoded(text: &str) -> bool {
    let start = text.as_bytes().get(..ENCODED_START.len());
    start.is_some_and(|start| start.eq_ignore_ascii_case(ENCODED_START.as_bytes()))
}

/// Whether all of it is one encoded text.
pub(super) fn is_encoded(value: &[u8]) -> bool {
    let start = value.get(..ENCODED_START.len());
    let start = start.filter(|start| start.eq_ignore_ascii_case(ENCODED_START.as_bytes()));
    let rest = start.and_then(|start| value.get(start.len()..));
    let inner = rest.and_then(|rest| rest.strip_suffix(ENCODED_END.as_bytes()));
    let base64 = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/=".contains(byte);
    inner.is_some_and(|inner| inner.iter().all(base64))
}

/// Whether a secret can be sent as it is.
#[inline]
pub(crate) fn check_secret_text(text: &str) -> Result<(), ValueProblem> {
    match class(text) {
        Class::Control => Err(ValueProblem::ControlCharacter),
        Class::Wide => Err(ValueProblem::NotAscii),
        Class::Plain if has_outer_space(text) => Err(ValueProblem::OuterSpace),
        Class::Plain => Ok(()),
    }
}

/// Whether a text can go into `basic` or `base64`. Those could carry control characters, but a key with a line
/// break at its end is a slip of the hand, and RFC 7617 forbids them.
#[inline]
pub(crate) fn check_coded(text: &str) -> Result<(), ValueProblem> {
    if class(text) == Class::Control { Err(ValueProblem::ControlCharacter) } else { Ok(()) }
}
