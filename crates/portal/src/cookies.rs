//! Cookies: RFC 6265.

use axum::http::{HeaderMap, HeaderValue, header};

/// How long one cookie's value may be. Browsers keep 4096 bytes with name and attributes.
const PART_LEN: usize = 3800;

/// How many cookies one value may be split over. A server in front of us may take 8 KiB of cookies and no more, so
/// longer values are the exception.
const PARTS: usize = 4;

/// A value that fits into no cookies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooLong;

/// Writes cookies with the strictest attributes that a sign-in allows.
///
/// Over https the names begin with `__Host-`: a browser then takes them from this very host only, for all of its paths,
/// and over TLS. `SameSite=Lax` and not `Strict`, because a user comes here by a link from elsewhere; nothing that
/// changes anything is done by following a link.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cookies {
    secure: bool,
}

impl Cookies {
    pub(crate) fn new(secure: bool) -> Self {
        Self { secure }
    }

    fn name(self, name: &str) -> String {
        let prefix = if self.secure { "__Host-" } else { "" };
        format!("{prefix}bonafide-{name}")
    }

    fn part(self, name: &str, number: usize) -> String {
        match number {
            0 => self.name(name),
            _ => format!("{}-{number}", self.name(name)),
        }
    }

    /// The value of a cookie. `None` if it is not there, or there twice: then one of them is not ours.
    pub(crate) fn read(self, headers: &HeaderMap, name: &str) -> Option<String> {
        find(headers, &self.name(name)).map(str::to_owned)
    }

    /// A value that was split.
    pub(crate) fn read_parts(self, headers: &HeaderMap, name: &str) -> Option<String> {
        let mut value = find(headers, &self.part(name, 0))?.to_owned();
        for number in 1..PARTS {
            match find(headers, &self.part(name, number)) {
                Some(part) => value.push_str(part),
                None => break,
            }
        }
        Some(value)
    }

    /// The headers that set a cookie.
    pub(crate) fn set(self, name: &str, value: &str, max_age: Option<u64>, answer: &mut HeaderMap) {
        self.put(&self.name(name), value, max_age, answer);
    }

    /// Sets a value that may have to be split, for as long as the browser is open, and removes the parts of a longer one.
    pub(crate) fn set_parts(
        self,
        name: &str,
        value: &str,
        asked: &HeaderMap,
        answer: &mut HeaderMap,
    ) -> Result<(), TooLong> {
        let parts: Vec<&str> = split(value).collect();
        if parts.len() > PARTS {
            return Err(TooLong);
        }
        for number in 0..PARTS {
            match parts.get(number) {
                Some(part) => self.put(&self.part(name, number), part, None, answer),
                None => self.remove_part(name, number, asked, answer),
            }
        }
        Ok(())
    }

    pub(crate) fn remove_parts(self, name: &str, asked: &HeaderMap, answer: &mut HeaderMap) {
        for number in 0..PARTS {
            self.remove_part(name, number, asked, answer);
        }
    }

    fn remove_part(self, name: &str, number: usize, asked: &HeaderMap, answer: &mut HeaderMap) {
        let name = self.part(name, number);
        if pairs(asked).any(|(have, _)| have == name) {
            self.put(&name, "", Some(0), answer);
        }
    }

    fn put(self, name: &str, value: &str, max_age: Option<u64>, answer: &mut HeaderMap) {
        let secure = if self.secure { "; Secure" } else { "" };
        let age = max_age.map(|seconds| format!("; Max-Age={seconds}")).unwrap_or_default();
        let cookie = format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax{secure}{age}");
        // Names are ours and values are base64url: a cookie that is no header can't be made.
        if let Ok(mut cookie) = HeaderValue::try_from(cookie) {
            cookie.set_sensitive(true);
            answer.append(header::SET_COOKIE, cookie);
        }
    }
}

fn split(value: &str) -> impl Iterator<Item = &str> {
    value.as_bytes().chunks(PART_LEN).filter_map(|part| std::str::from_utf8(part).ok())
}

fn pairs(headers: &HeaderMap) -> impl Iterator<Item = (&str, &str)> {
    let headers = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    headers.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='))
}

fn find<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let mut found = pairs(headers).filter(|(have, _)| *have == name);
    let (_, value) = found.next()?;
    found.next().is_none().then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The cookies that a browser has after an answer.
    fn browser(answer: &HeaderMap) -> HeaderMap {
        let mut asked = HeaderMap::new();
        let kept: Vec<&str> = answer
            .get_all(header::SET_COOKIE)
            .iter()
            .filter_map(|cookie| cookie.to_str().ok()?.split(';').next())
            .collect();
        asked.insert(header::COOKIE, kept.join("; ").parse().unwrap());
        asked
    }

    #[test]
    fn a_long_value_is_split_and_put_together() {
        let cookies = Cookies::new(true);
        for len in [0, 1, PART_LEN, PART_LEN + 1, PARTS * PART_LEN] {
            let value: String = ('a'..='z').cycle().take(len).collect();
            let mut answer = HeaderMap::new();
            cookies.set_parts("session", &value, &HeaderMap::new(), &mut answer).unwrap();
            for cookie in answer.get_all(header::SET_COOKIE) {
                let cookie = cookie.to_str().unwrap();
                assert!(cookie.starts_with("__Host-bonafide-session"), "{cookie}");
                let attributes = "; Path=/; HttpOnly; SameSite=Lax; Secure";
                assert!(cookie.len() < 4096 && cookie.ends_with(attributes), "{len}");
            }
            if len > 0 {
                let read = cookies.read_parts(&browser(&answer), "session");
                assert_eq!(read.as_deref(), Some(&*value), "{len}");
            }
        }
        let value = "x".repeat(PARTS * PART_LEN + 1);
        let mut answer = HeaderMap::new();
        let long = cookies.set_parts("session", &value, &HeaderMap::new(), &mut answer);
        assert_eq!((long, answer.len()), (Err(TooLong), 0));
    }

    #[test]
    fn parts_of_a_longer_value_are_removed() {
        let cookies = Cookies::new(false);
        let mut first = HeaderMap::new();
        cookies
            .set_parts("session", &"x".repeat(2 * PART_LEN), &HeaderMap::new(), &mut first)
            .unwrap();
        let mut second = HeaderMap::new();
        cookies.set_parts("session", "short", &browser(&first), &mut second).unwrap();
        let removed = "bonafide-session-1=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0";
        assert!(second.get_all(header::SET_COOKIE).iter().any(|cookie| cookie == removed));
        let mut none = HeaderMap::new();
        cookies.remove_parts("session", &browser(&first), &mut none);
        assert_eq!(none.get_all(header::SET_COOKIE).iter().count(), 2);
    }

    #[test]
    fn a_cookie_that_is_there_twice_is_none() {
        let mut asked = HeaderMap::new();
        asked.insert(header::COOKIE, "bonafide-a=1; x=2; bonafide-a=3".parse().unwrap());
        assert_eq!(Cookies::new(false).read(&asked, "a"), None);
        asked.insert(header::COOKIE, "bonafide-a=1; bonafide-b=2".parse().unwrap());
        assert_eq!(Cookies::new(false).read(&asked, "a").as_deref(), Some("1"));
        assert_eq!(Cookies::new(true).read(&asked, "a"), None);
    }
}
