//! How long an answer is good: RFC 9111, as far as a key set needs it.

use std::time::Duration;

use http::HeaderMap;
use http::header::{AGE, CACHE_CONTROL};

/// How long keys may be used.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lifetimes {
    pub(crate) least: Duration,
    pub(crate) most: Duration,
    /// When the answer does not say.
    pub(crate) unsaid: Duration,
}

impl Lifetimes {
    /// The lifetime of an answer with these headers.
    pub(crate) fn of(&self, headers: &HeaderMap) -> Duration {
        said(headers).unwrap_or(self.unsaid).clamp(self.least, self.most.max(self.least))
    }
}

/// What `Cache-Control` says, less `Age`. A value that cannot be read counts as zero: the floor holds then.
fn said(headers: &HeaderMap) -> Option<Duration> {
    let mut max_age: Option<u64> = None;
    for line in headers.get_all(CACHE_CONTROL) {
        for directive in line.to_str().ok()?.split(',') {
            let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
            match name.trim().to_ascii_lowercase().as_str() {
                "no-store" | "no-cache" => return Some(Duration::ZERO),
                "max-age" if max_age.is_none() => {
                    max_age = Some(value.trim().trim_matches('"').parse().unwrap_or(0));
                }
                _ => {}
            }
        }
    }
    let age = headers.get(AGE).and_then(|age| age.to_str().ok()?.trim().parse().ok()).unwrap_or(0);
    Some(Duration::from_secs(max_age?.saturating_sub(age)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lifetime(lines: &[(&'static str, &'static str)]) -> u64 {
        let lifetimes = Lifetimes {
            least: Duration::from_secs(60),
            most: Duration::from_secs(3600),
            unsaid: Duration::from_secs(900),
        };
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, value.parse().unwrap());
        }
        lifetimes.of(&headers).as_secs()
    }

    #[test]
    fn keeps_to_what_is_said_between_floor_and_ceiling() {
        for (lines, expected) in [
            (&[][..], 900),
            (&[("cache-control", "max-age=600")][..], 600),
            (&[("cache-control", "public, Max-Age = \"600\" , must-revalidate")][..], 600),
            (&[("cache-control", "public"), ("cache-control", "max-age=600")][..], 600),
            (&[("cache-control", "max-age=600"), ("age", "100")][..], 500),
            (&[("cache-control", "max-age=600"), ("age", "1000")][..], 60),
            (&[("cache-control", "max-age=1")][..], 60),
            (&[("cache-control", "max-age=86400")][..], 3600),
            (&[("cache-control", "max-age=99999999999999999999")][..], 60),
            (&[("cache-control", "no-store")][..], 60),
            (&[("cache-control", "max-age=600, no-cache")][..], 60),
            (&[("cache-control", "s-maxage=600")][..], 900),
        ] {
            assert_eq!(lifetime(lines), expected, "{lines:?}");
        }
    }
}
