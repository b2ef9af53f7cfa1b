//! The text of an id.

use std::cmp::Ordering;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// A part of a text that several ids may share, so that a user with thirty groups costs one allocation for
/// their names and not thirty. Cloning costs a reference count.
#[derive(Clone)]
pub(crate) struct Text {
    shared: Arc<str>,
    start: u32,
    end: u32,
}

impl Text {
    pub(crate) fn as_str(&self) -> &str {
        // The range is one of the text. If it were not, the empty text would be nobody's name.
        self.shared.get(self.start as usize..self.end as usize).unwrap_or_default()
    }

    /// The texts, one after the other, in one allocation.
    pub(crate) fn pack<'a>(
        texts: impl ExactSizeIterator<Item = &'a str> + Clone,
    ) -> impl ExactSizeIterator<Item = Self> {
        let mut all = String::with_capacity(texts.clone().map(str::len).sum());
        all.extend(texts.clone());
        let shared: Arc<str> = all.into();
        let mut end = 0_u32;
        texts.map(move |text| {
            let start = end;
            end = end.saturating_add(length(text));
            Self { shared: Arc::clone(&shared), start, end }
        })
    }
}

/// Ids have at most a kilobyte, and a token at most sixteen.
fn length(text: &str) -> u32 {
    u32::try_from(text.len()).unwrap_or(u32::MAX)
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self { shared: text.into(), start: 0, end: length(text) }
    }
}

impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Text {}

impl PartialOrd for Text {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Text {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_str().cmp(other.as_str())
    }
}

/// As `str` does it, since ids are borrowed as `str` in maps.
impl Hash for Text {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packed_texts_are_the_texts() {
        for texts in [&[][..], &[""], &["a"], &["", "Räte", "", "b"], &["x", "x"]] {
            let packed: Vec<Text> = Text::pack(texts.iter().copied()).collect();
            assert_eq!(packed.iter().map(Text::as_str).collect::<Vec<_>>(), texts);
        }
    }

    #[test]
    fn compares_and_hashes_as_its_text() {
        let hash = |value: &dyn Fn(&mut std::hash::DefaultHasher)| {
            let mut hasher = std::hash::DefaultHasher::new();
            value(&mut hasher);
            hasher.finish()
        };
        let packed: Vec<Text> = Text::pack(["b", "a", "ab", "b"].into_iter()).collect();
        for (one, text) in packed.iter().zip(["b", "a", "ab", "b"]) {
            assert_eq!(hash(&|to| one.hash(to)), hash(&|to| text.hash(to)));
            for other in &packed {
                assert_eq!(one.cmp(other), text.cmp(other.as_str()));
                assert_eq!(one == other, text == other.as_str());
            }
        }
        assert!(packed[0] == Text::from("b"));
    }
}
