//! Changes to a text of which everything else stays.

use std::borrow::Cow;
use std::ops::Range;

use super::JsonError;

/// Changes to parts of one text.
#[derive(Debug)]
pub(crate) struct Edits<'a> {
    text: &'a str,
    changes: Vec<(Range<usize>, String)>,
}

impl<'a> Edits<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self { text, changes: Vec::new() }
    }

    /// Puts `new` where `part` is, which is a slice of the text.
    pub(crate) fn replace(&mut self, part: &str, new: impl Into<String>) {
        let start = part.as_ptr().addr().wrapping_sub(self.text.as_ptr().addr());
        self.changes.push((start..start.wrapping_add(part.len()), new.into()));
    }

    /// Puts `new` behind the first byte of `part`, which is a slice of the text and begins with a bracket.
    pub(crate) fn insert_after_bracket(&mut self, part: &str, new: impl Into<String>) {
        let inside = part.get(1..).unwrap_or_default();
        self.replace(inside.get(..0).unwrap_or_default(), new);
    }

    /// The text with all changes.
    pub(crate) fn apply(mut self) -> Result<Cow<'a, str>, JsonError> {
        if self.changes.is_empty() {
            return Ok(Cow::Borrowed(self.text));
        }
        self.changes.sort_by_key(|(range, _)| range.start);
        let mut changed = String::with_capacity(self.text.len());
        let mut done = 0;
        for (range, new) in &self.changes {
            // What is not of the text, or overlaps, can't be meant.
            let kept = self.text.get(done..range.start).ok_or(JsonError::Unreadable)?;
            changed.push_str(kept);
            changed.push_str(new);
            done = range.end;
        }
        changed.push_str(self.text.get(done..).ok_or(JsonError::Unreadable)?);
        Ok(Cow::Owned(changed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_what_is_meant_and_nothing_else() {
        let text = "one two three";
        let mut edits = Edits::new(text);
        edits.replace(&text[8..], "3");
        edits.replace(&text[4..7], "2");
        edits.insert_after_bracket(text, "-");
        assert_eq!(edits.apply().unwrap(), "o-ne 2 3");
        assert!(matches!(Edits::new(text).apply(), Ok(Cow::Borrowed(same)) if same == text));
    }

    #[test]
    fn refuses_what_overlaps_or_is_of_another_text() {
        let text = "one two";
        let mut edits = Edits::new(text);
        edits.replace(&text[..5], "");
        edits.replace(&text[3..], "");
        assert!(edits.apply().is_err());
        let mut edits = Edits::new(text);
        edits.replace("another text that is somewhere else", "");
        assert!(edits.apply().is_err());
    }
}
