//! A set of scopes, all of which are needed.

use bonafide_claims::{Scope, VerifiedUser};

use super::ScopeHierarchy;

/// Is about refresh tokens, between a client and its issuer: never about what a resource lets anybody do (MCP 2026-07-28,
/// "authorization", "scope selection").
const OFFLINE_ACCESS: &str = "offline_access";

/// The scopes that something needs: all of them. Default: none.
///
/// ```
/// use bonafide_testkit::Issuer;
/// use bonafide_tower::{RequiredScopes, ScopeHierarchy};
///
/// let needed = RequiredScopes::new(["mcp:use", "github:write"])?;
/// let hierarchy = ScopeHierarchy::new([("mcp:admin", ["mcp:use", "github:write"])])?;
///
/// let idp = Issuer::new("https://idp.example");
/// let user = idp.user("alice").with_scopes(["mcp:use"]).verified();
/// assert!(!needed.are_met_by(&user, &hierarchy));
/// let admin = idp.user("alice").with_scopes(["mcp:admin"]).verified();
/// assert!(needed.are_met_by(&admin, &hierarchy));
/// # Ok::<(), bonafide_tower::ScopeError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RequiredScopes(Vec<Scope>);

/// A list of scopes, or a hierarchy of them, that can't be meant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ScopeError {
    /// There is no scope in a list.
    #[error(
        "an empty list of scopes asks for nothing: name at least one scope, or leave the list out"
    )]
    Empty,
    /// RFC 6749, section 3.3.
    #[error(
        "`{scope}` is no scope: one to 1024 characters of printable ASCII without spaces, quotes and backslashes"
    )]
    Syntax {
        /// The text, escaped and shortened.
        scope: String,
    },
    /// It is between a client and its issuer.
    #[error(
        "`offline_access` asks an issuer for a refresh token and gives no right here: leave it out"
    )]
    OfflineAccess,
    /// A scope implies itself.
    #[error("`{scope}` implies itself: take it out of what `{by}` implies")]
    Cycle {
        /// The scope.
        scope: String,
        /// The one that closes the circle.
        by: String,
    },
}

impl RequiredScopes {
    /// All of these scopes, in this order. One that is named twice counts once.
    ///
    /// # Errors
    ///
    /// If there is none, or one is no scope (RFC 6749, section 3.3) or `offline_access`.
    pub fn new<'a>(scopes: impl IntoIterator<Item = &'a str>) -> Result<Self, ScopeError> {
        let mut required = Self::default();
        for scope in scopes {
            required.add(&self::scope(scope)?);
        }
        if required.is_empty() { Err(ScopeError::Empty) } else { Ok(required) }
    }

    /// These, and those of `other` that are not among them.
    #[must_use]
    pub fn with(mut self, other: &Self) -> Self {
        other.iter().for_each(|scope| self.add(scope));
        self
    }

    fn add(&mut self, scope: &Scope) {
        if !self.0.contains(scope) {
            self.0.push(scope.clone());
        }
    }

    /// The scopes, in the order in which they were named.
    pub fn iter(&self) -> std::slice::Iter<'_, Scope> {
        self.0.iter()
    }

    /// Whether nothing is needed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Those that the user's token neither has nor, by `hierarchy`, implies.
    #[must_use]
    pub fn missing(&self, user: &VerifiedUser, hierarchy: &ScopeHierarchy) -> Self {
        Self(self.lacked_by(user, hierarchy).cloned().collect())
    }

    /// Whether the user's token has, or by `hierarchy` implies, every one of them.
    #[must_use]
    pub fn are_met_by(&self, user: &VerifiedUser, hierarchy: &ScopeHierarchy) -> bool {
        self.lacked_by(user, hierarchy).next().is_none()
    }

    fn lacked_by<'a>(
        &'a self,
        user: &'a VerifiedUser,
        hierarchy: &'a ScopeHierarchy,
    ) -> impl Iterator<Item = &'a Scope> {
        self.iter().filter(|scope| !hierarchy.grants(user.scopes(), scope))
    }
}

/// As a `scope` parameter has them: one space between two (RFC 6749, section 3.3).
impl std::fmt::Display for RequiredScopes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, scope) in self.iter().enumerate() {
            let space = if index == 0 { "" } else { " " };
            write!(f, "{space}{}", scope.as_str())?;
        }
        Ok(())
    }
}

/// One scope of a configuration.
pub(super) fn scope(text: &str) -> Result<Scope, ScopeError> {
    let printable = text.bytes().all(|byte| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e));
    if text == OFFLINE_ACCESS {
        return Err(ScopeError::OfflineAccess);
    }
    text.parse().ok().filter(|_| printable).ok_or_else(|| {
        let scope: String = text.chars().take(64).collect();
        ScopeError::Syntax { scope: scope.escape_debug().to_string() }
    })
}

#[cfg(test)]
mod tests {
    use bonafide_testkit::Issuer;
    use serde_json::json;

    use super::*;

    fn required(scopes: &[&str]) -> Result<RequiredScopes, ScopeError> {
        RequiredScopes::new(scopes.iter().copied())
    }

    #[test]
    fn refuses_what_is_no_scope() {
        assert_eq!(required(&[]), Err(ScopeError::Empty));
        assert_eq!(required(&["a", "offline_access"]), Err(ScopeError::OfflineAccess));
        for wrong in ["", "a b", "a\"", "a\\", "\u{7f}", "a\n", "größe", &"x".repeat(1025)] {
            assert!(matches!(required(&["a", wrong]), Err(ScopeError::Syntax { .. })), "{wrong}");
        }
        let odd =
            ["!", "#", "[", "]", "~", "api://bonafide/mcp.use", "https://a.example/scope?x=1"];
        assert_eq!(required(&odd).unwrap().to_string(), odd.join(" "));
    }

    #[test]
    fn all_of_them_are_needed_and_each_once() {
        let both = required(&["b", "a", "b"]).unwrap();
        assert_eq!(both.to_string(), "b a");
        assert_eq!(both.clone().with(&required(&["a", "c"]).unwrap()).to_string(), "b a c");
        let none = ScopeHierarchy::default();
        let idp = Issuer::new("https://idp.example");
        for (held, missing) in
            [(&["a", "b", "z"][..], &[][..]), (&["a"], &["b"]), (&[], &["b", "a"])]
        {
            let user = idp.user("u").with_scopes(held.iter().copied()).verified();
            assert_eq!(both.missing(&user, &none).to_string(), missing.join(" "));
            assert_eq!(both.are_met_by(&user, &none), missing.is_empty());
        }
    }

    #[test]
    fn scopes_compare_byte_for_byte_whichever_claim_they_come_from() {
        let needed = required(&["mcp:use"]).unwrap();
        let idp = Issuer::new("https://idp.example");
        for (claim, value, met) in [
            ("scope", json!("x mcp:use"), true),
            ("scp", json!("mcp:use x"), true),
            ("scp", json!(["x", "mcp:use"]), true),
            ("scope", json!("MCP:USE"), false),
            ("scope", json!("mcp:use:more"), false),
            ("roles", json!(["mcp:use"]), false),
        ] {
            let user = idp.user("u").with_claim(claim, value).verified();
            assert_eq!(needed.are_met_by(&user, &ScopeHierarchy::default()), met, "{claim}");
        }
    }
}
