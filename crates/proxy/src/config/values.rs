//! Texts that stand for something else.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bonafide_tower::PeerRange;
use url::Url;

use super::problem::Problems;
use super::section::{Located, Section};

pub(super) fn address(found: &Located<&str>, problems: &mut Problems<'_>) -> Option<SocketAddr> {
    let address = found.value.parse().ok();
    if address.is_none() {
        found.problem(problems, "this is an address and a port: write `\"127.0.0.1:8080\"`");
    }
    address
}

pub(super) fn url(found: &Located<&str>, problems: &mut Problems<'_>) -> Option<Url> {
    let url = Url::parse(found.value).ok().filter(|url| {
        matches!(url.scheme(), "https" | "http")
            && url.has_host()
            && url.username().is_empty()
            && url.password().is_none()
            && url.fragment().is_none()
    });
    if url.is_none() {
        let message = "this is an `https` or `http` URL without user, password and fragment: \
                       write `\"https://…\"`";
        found.problem(problems, message);
    }
    url
}

/// The URL of an origin. On the way to us a token is worth stealing, so `http` is for loopback only.
pub(super) fn origin(found: &Located<&str>, problems: &mut Problems<'_>) -> Option<Url> {
    let url = url(found, problems)?;
    if url.path() != "/" || url.query().is_some() {
        let origin = url.origin().ascii_serialization();
        found.problem(problems, format!("this has no path and no query: write `\"{origin}\"`"));
        return None;
    }
    if url.scheme() == "http" && !is_loopback(&url) {
        found.problem(problems, "tokens would travel in the clear: write an `https` URL");
        return None;
    }
    Some(url)
}

pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

/// A relative path is meant from the file that names it, wherever the process was started.
pub(super) fn beside(file: &Path, path: impl AsRef<Path>) -> PathBuf {
    file.parent().unwrap_or(Path::new("")).join(path)
}

/// A list of addresses and networks.
pub(super) fn peers(
    section: &mut Section<'_, '_>,
    name: &'static str,
    problems: &mut Problems<'_>,
) -> Vec<PeerRange> {
    let found = section.strings(problems, name).unwrap_or_default();
    let mut peers = Vec::new();
    for text in &found {
        match text.value.parse() {
            Ok(peer) => peers.push(peer),
            Err(error) => text.problem(problems, format!("{error}")),
        }
    }
    peers
}

/// A duration such as `60s`, `5m` or `1h`.
pub(super) fn duration(found: &Located<&str>, problems: &mut Problems<'_>) -> Option<Duration> {
    let duration = parse_duration(found.value);
    if duration.is_none() {
        found.problem(
            problems,
            "this is a duration: write a whole number and `s`, `m` or `h`, as in `\"60s\"`",
        );
    }
    duration
}

fn parse_duration(text: &str) -> Option<Duration> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => return None,
    };
    whole(number)?.checked_mul(seconds).map(Duration::from_secs)
}

/// Some days, such as `90d`.
pub(super) fn duration_in_days(text: &str) -> Option<Duration> {
    whole(text.strip_suffix('d')?)?.checked_mul(86_400).map(Duration::from_secs)
}

fn whole(number: &str) -> Option<u64> {
    let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| number.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_durations() {
        let seconds = |text| parse_duration(text).map(|duration| duration.as_secs());
        assert_eq!(seconds("60s"), Some(60));
        assert_eq!(seconds("5m"), Some(300));
        assert_eq!(seconds("1h"), Some(3600));
        assert_eq!(duration_in_days("90d"), Some(Duration::from_secs(7_776_000)));
        assert!(["", "d", "90", "90h", "-1d", "é"].iter().all(|w| duration_in_days(w).is_none()));
        for wrong in
            ["", "s", "60", "1.5s", "-1s", "+1s", "1 s", "1d", "é", "99999999999999999999s"]
        {
            assert_eq!(seconds(wrong), None, "{wrong}");
        }
    }
}
