//! "Did you mean": the nearest of the known names.

/// The candidate that differs in case only, or by at most two edits and less than half of the word.
pub(crate) fn suggest<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<String> {
    let lower = word.to_ascii_lowercase();
    candidates
        .into_iter()
        .map(|candidate| (distance(&lower, &candidate.to_ascii_lowercase()), candidate))
        .filter(|(distance, candidate)| *distance <= 2 && distance * 2 < candidate.len())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate.to_owned())
}

/// Levenshtein distance in bytes. Names are short, so the simple table does.
fn distance(left: &str, right: &str) -> usize {
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (index, left_byte) in left.bytes().enumerate() {
        let mut diagonal = index;
        let mut before = index + 1;
        for (cell, right_byte) in row.iter_mut().skip(1).zip(right.bytes()) {
            let substituted = diagonal + usize::from(left_byte != right_byte);
            diagonal = *cell;
            *cell = substituted.min(diagonal + 1).min(before + 1);
            before = *cell;
        }
        if let Some(first) = row.first_mut() {
            *first = index + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suggests_what_is_near_and_nothing_else() {
        let known = ["username", "email", "GITHUB_TOKEN", "json"];
        for (word, suggestion) in [
            ("usernme", Some("username")),
            ("userName", Some("username")),
            ("USERNAME", Some("username")),
            ("github_token", Some("GITHUB_TOKEN")),
            ("GITHUB_TOKN", Some("GITHUB_TOKEN")),
            ("jsn", Some("json")),
            ("js", None),
            ("department", None),
            ("", None),
        ] {
            assert_eq!(suggest(word, known).as_deref(), suggestion, "{word}");
        }
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("abc", ""), 3);
    }
}
