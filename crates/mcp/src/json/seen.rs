//! Members that two decoders could tell apart differently.

/// What a key of an object is to somebody who looks for a few.
pub(crate) enum Member {
    Known(&'static str),
    Other,
    Ambiguous,
}

/// Which of a few known members were there already.
pub(crate) struct Seen<const N: usize> {
    known: [&'static str; N],
    seen: [bool; N],
}

impl<const N: usize> Seen<N> {
    pub(crate) fn new(known: [&'static str; N]) -> Self {
        Self { known, seen: [false; N] }
    }

    pub(crate) fn member(&mut self, key: &str) -> Member {
        let mut places = self.known.iter().zip(&mut self.seen);
        match places.find(|(known, _)| key == **known) {
            Some((_, true)) => Member::Ambiguous,
            Some((known, seen)) => {
                *seen = true;
                Member::Known(known)
            }
            None if self.known.iter().any(|known| folds_to(key, known)) => Member::Ambiguous,
            None => Member::Other,
        }
    }
}

/// Whether a decoder that ignores case would take `key` for `known`. The long s and the Kelvin sign are the two
/// characters outside ASCII that fold into it; Java takes the Turkish letters for an `i` as well.
pub(crate) fn folds_to(key: &str, known: &str) -> bool {
    // What is not ASCII is longer than what it folds into.
    if key.len() <= known.len() || key.is_ascii() {
        return key.eq_ignore_ascii_case(known);
    }
    let fold = |c: char| match c {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        '\u{130}' | '\u{131}' => 'i',
        c => c.to_ascii_lowercase(),
    };
    key.chars().map(fold).eq(known.chars().map(fold))
}
