//! Where values come from when a set of templates is rendered.

use std::fmt;

use secrecy::SecretString;
use serde_json::Value as Json;

use crate::{Builtin, ClaimPath};

/// What the program that renders knows about this request.
///
/// Names were resolved when the templates were compiled: a built-in arrives as an enum, a declared variable as
/// its position in [`Templates::variables`](crate::Templates::variables).
///
/// # Security
///
/// Answer from verified data only. A missing value is [`Value::Missing`], never a stand-in: the renderer then
/// refuses, uses the template's default or leaves the header out, as the template says.
pub trait Variables {
    /// The value of a built-in name.
    fn builtin(&self, builtin: Builtin) -> Value<'_>;

    /// The claim at that path, usually [`Value::from`] what [`ClaimPath::find`] found.
    fn claim(&self, path: &ClaimPath) -> Value<'_>;

    /// What the user stored for the declared variable at that position, if anything.
    fn declared(&self, index: usize) -> Option<&SecretString>;
}

/// One value, borrowed from whoever holds it.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub enum Value<'a> {
    /// Unset. Texts that are empty or only white space count as missing too, as does JSON `null`.
    Missing,
    /// A text.
    Text(&'a str),
    /// A list of texts; see [`Value::list`].
    List(&'a dyn Items),
    /// A claim as the token has it.
    Json(&'a Json),
}

impl<'a> Value<'a> {
    /// A list from anything that holds texts, without copying: `Value::list(&self.groups)`.
    pub fn list(items: &'a impl Items) -> Self {
        Self::List(items)
    }
}

impl<'a> From<Option<&'a str>> for Value<'a> {
    fn from(text: Option<&'a str>) -> Self {
        text.map_or(Self::Missing, Self::Text)
    }
}

impl<'a> From<Option<&'a Json>> for Value<'a> {
    fn from(json: Option<&'a Json>) -> Self {
        json.map_or(Self::Missing, Self::Json)
    }
}

/// Shows which kind it is and never the value, so that it can be logged.
impl fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "Missing",
            Self::Text(_) => "Text(…)",
            Self::List(_) => "List(…)",
            Self::Json(_) => "Json(…)",
        })
    }
}

/// A list of texts that can be read more than once, the same each time.
///
/// Implemented for every collection that can be iterated by reference over something that is `AsRef<str>`: `Vec`,
/// arrays, `Box<[T]>`, `BTreeSet`, and sets of a program's own, of `String` or of a newtype for group names.
pub trait Items {
    /// Calls `visit` with each item, in order.
    fn visit(&self, visit: &mut dyn FnMut(&str));
}

impl<C: ?Sized> Items for C
where
    for<'a> &'a C: IntoIterator<Item: AsRef<str>>,
{
    fn visit(&self, visit: &mut dyn FnMut(&str)) {
        self.into_iter().for_each(|item| visit(item.as_ref()));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    struct Group(String);

    impl AsRef<str> for Group {
        fn as_ref(&self) -> &str {
            &self.0
        }
    }

    #[test]
    fn debug_never_shows_a_value() {
        let json = Json::from("canary");
        let groups = vec![Group("canary".into())];
        for value in [Value::Text("canary"), Value::Json(&json), Value::list(&groups)] {
            assert!(!format!("{value:?} {value:#?}").contains("canary"));
        }
        assert_eq!(format!("{:?}", Value::Missing), "Missing");
    }

    #[test]
    fn reads_newtypes_in_every_container() {
        let group = || Group("a".into());
        let vec = vec![group()];
        let boxed: Box<[Group]> = Box::new([group()]);
        let array = [group()];
        let set = BTreeSet::from(["a"]);
        let lists: [&dyn Items; 4] = [&vec, &boxed, &array, &set];
        for list in lists {
            let mut seen = Vec::new();
            list.visit(&mut |item| seen.push(item.to_owned()));
            assert_eq!(seen, ["a"]);
        }
    }
}
