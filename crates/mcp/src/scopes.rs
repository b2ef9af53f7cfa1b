//! Which scopes a token needs at a tenant.

use bonafide_claims::VerifiedUser;
use bonafide_policy::{Permit, ToolPattern};
use bonafide_tower::{RequiredScopes, ScopeHierarchy};

use crate::message::{Kind, Message, NamedKind, is_known, named};

/// The scopes that a token needs at a tenant: basic ones for whatever is asked, and more for some tools.
///
/// They come on top of the policy, which is asked first: a scope gives nobody what no rule gives. To a pattern a prompt is
/// the tool `prompts/NAME`, and a resource or a template the tool `resources/URI`, as in rules.
///
/// ```
/// use bonafide_mcp::TenantScopes;
/// use bonafide_testkit::Issuer;
/// use bonafide_tower::RequiredScopes;
///
/// let scopes = TenantScopes::new(RequiredScopes::new(["mcp:use"])?)
///     .with_tools("create_*".parse()?, RequiredScopes::new(["github:write"])?);
/// let user = Issuer::new("https://idp.example").user("alice").with_scopes(["mcp:use"]).verified();
///
/// assert!(scopes.missing(&user, Some("list_issues")).is_empty());
/// assert_eq!(scopes.missing(&user, Some("create_issue")).to_string(), "github:write");
/// assert_eq!(scopes.needed(Some("create_issue")).to_string(), "mcp:use github:write");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct TenantScopes {
    basic: RequiredScopes,
    tools: Vec<(ToolPattern, RequiredScopes)>,
    hierarchy: ScopeHierarchy,
}

impl TenantScopes {
    /// These for every request. They are what the challenge of a 401 and the metadata name.
    #[must_use]
    pub fn new(basic: RequiredScopes) -> Self {
        Self { basic, ..Self::default() }
    }

    /// These, too, for tools that match the pattern. Of several patterns that match, all count.
    #[must_use]
    pub fn with_tools(mut self, pattern: ToolPattern, scopes: RequiredScopes) -> Self {
        self.tools.push((pattern, scopes));
        self
    }

    /// Scopes that imply others. Default: none does.
    #[must_use]
    pub fn with_hierarchy(mut self, hierarchy: ScopeHierarchy) -> Self {
        self.hierarchy = hierarchy;
        self
    }

    /// The scopes that every request needs.
    #[must_use]
    pub fn basic(&self) -> &RequiredScopes {
        &self.basic
    }

    /// All scopes that any request may need.
    #[must_use]
    pub fn all(&self) -> RequiredScopes {
        self.with_those_of(|_| true)
    }

    /// The scopes that a call of `tool` needs, or any request without one.
    #[must_use]
    pub fn needed(&self, tool: Option<&str>) -> RequiredScopes {
        self.with_those_of(|pattern| tool.is_some_and(|tool| pattern.matches(tool)))
    }

    /// Those of [`needed`](Self::needed) that the user's token neither has nor implies.
    #[must_use]
    pub fn missing(&self, user: &VerifiedUser, tool: Option<&str>) -> RequiredScopes {
        self.needed(tool).missing(user, &self.hierarchy)
    }

    /// What a request needs, if the token of its user does not suffice: the message and its text, or none.
    ///
    /// Only what the permit covers counts: what it does not is answered as if it were not there, with any scope.
    pub(crate) fn lacking(
        &self,
        permit: &Permit,
        asked: Option<(&Message<'_>, &str)>,
    ) -> Option<RequiredScopes> {
        let met = |needed: &RequiredScopes| needed.are_met_by(permit.user(), &self.hierarchy);
        match asked.filter(|_| !self.tools.is_empty()) {
            None => (!met(&self.basic)).then(|| self.basic.clone()),
            Some((message, body)) => {
                Some(self.needed_by(permit, message, body)).filter(|needed| !met(needed))
            }
        }
    }

    fn needed_by(&self, permit: &Permit, message: &Message<'_>, body: &str) -> RequiredScopes {
        if message.kind == Kind::Response {
            return self.basic.clone();
        }
        // What a method does that we do not know, or about what, nobody can say.
        let stateless = message.params.protocol_version.is_some();
        let known = is_known(&message.method, stateless);
        let named = known.then(|| named(&message.method, body));
        let Some(Ok(named)) = named else { return self.all() };
        let allowed = named.iter().filter(|named| named.kind.is_allowed(permit, &named.name));
        allowed.fold(self.basic.clone(), |needed, named| {
            needed.with(&self.needed_for(named.kind, &named.name))
        })
    }

    /// A URI that may be another spelling of one that a pattern matches needs what any resource needs.
    fn needed_for(&self, kind: NamedKind, name: &str) -> RequiredScopes {
        if kind.is_comparable(name) {
            return self.needed(Some(&kind.policy_name(name)));
        }
        self.with_those_of(|pattern| {
            let start = pattern.as_str().split('*').next().unwrap_or_default();
            start.starts_with(RESOURCES)
                || RESOURCES.starts_with(start) && start != pattern.as_str()
        })
    }

    fn with_those_of(&self, counts: impl Fn(&ToolPattern) -> bool) -> RequiredScopes {
        let counting = self.tools.iter().filter(|(pattern, _)| counts(pattern));
        counting.fold(self.basic.clone(), |needed, (_, scopes)| needed.with(scopes))
    }
}

/// How the name of every resource begins, for patterns.
const RESOURCES: &str = "resources/";

#[cfg(test)]
mod tests {
    use bonafide_policy::{Policy, Rule};
    use bonafide_testkit::Issuer;

    use super::*;

    fn required(scopes: &[&str]) -> RequiredScopes {
        RequiredScopes::new(scopes.iter().copied()).unwrap()
    }

    fn scopes() -> TenantScopes {
        let patterns = [
            ("create_*", "write"),
            ("*_repo", "repo"),
            ("prompts/secret", "prompts"),
            ("resources/file:///etc/*", "etc"),
        ];
        let scopes = TenantScopes::new(required(&["use"]));
        patterns.into_iter().fold(scopes, |scopes, (pattern, scope)| {
            scopes.with_tools(pattern.parse().unwrap(), required(&[scope]))
        })
    }

    fn permit(rules: impl IntoIterator<Item = Rule>, held: &[&str]) -> Permit {
        let user = Issuer::new("https://idp.example").user("u").with_groups(["g"]);
        let policy = Policy::builder().with_rules(rules).build().unwrap();
        let user = user.with_scopes(held.iter().copied()).verified();
        policy.permit(&user, &"t".parse().unwrap()).unwrap()
    }

    fn everything(held: &[&str]) -> Permit {
        permit([Rule::allow("all").with_groups(["g"]).with_tenants(["t"])], held)
    }

    fn lacking(scopes: &TenantScopes, permit: &Permit, method: &str, params: &str) -> String {
        let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{params}}}"#);
        let message = Message::parse(body.as_bytes()).unwrap();
        scopes.lacking(permit, Some((&message, &body))).unwrap_or_default().to_string()
    }

    #[test]
    fn each_request_needs_the_basic_scopes_and_those_of_what_it_names() {
        let (scopes, nothing) = (scopes(), everything(&[]));
        for (method, params, needed) in [
            ("tools/list", "{}", "use"),
            ("initialize", "{}", "use"),
            ("tools/call", r#"{"name":"list_issues"}"#, "use"),
            ("tools/call", r#"{"name":"create_issue"}"#, "use write"),
            ("tools/call", r#"{"name":"create_repo"}"#, "use write repo"),
            ("tools/call", r#"{"name":"recreate_issue"}"#, "use"),
            ("tools/call", r#"{"name":"prompts/secret"}"#, "use prompts"),
            ("prompts/get", r#"{"name":"secret"}"#, "use prompts"),
            ("prompts/get", r#"{"name":"create_x"}"#, "use"),
            ("resources/read", r#"{"uri":"file:///etc/passwd"}"#, "use etc"),
            ("resources/read", r#"{"uri":"file:///tmp/x"}"#, "use"),
            ("resources/subscribe", r#"{"uri":"file:///etc/passwd"}"#, "use etc"),
            (
                "completion/complete",
                r#"{"ref":{"type":"ref/prompt","name":"secret"}}"#,
                "use prompts",
            ),
            (
                "subscriptions/listen",
                r#"{"notifications":{"resourceSubscriptions":["file:///tmp/x","file:///etc/y"]}}"#,
                "use etc",
            ),
        ] {
            assert_eq!(lacking(&scopes, &nothing, method, params), needed, "{method} {params}");
        }
        assert_eq!(scopes.lacking(&nothing, None).unwrap().to_string(), "use");
    }

    #[test]
    fn what_can_not_be_told_needs_all_that_it_could_be() {
        let (scopes, nothing) = (scopes(), everything(&[]));
        for (method, params, needed) in [
            ("vendor/run", "{}", "use write repo prompts etc"),
            ("resources/read", r#"{"uri":5}"#, "use write repo prompts etc"),
            (
                "completion/complete",
                r#"{"ref":{"name":"a"},"Ref":{}}"#,
                "use write repo prompts etc",
            ),
            // Other spellings of one that a pattern matches: all that some resource may need.
            ("resources/read", r#"{"uri":"FILE:///etc/passwd"}"#, "use repo etc"),
            ("resources/read", r#"{"uri":"file:///tmp/../etc/passwd"}"#, "use repo etc"),
            ("resources/read", r#"{"uri":"file:///%65tc/passwd"}"#, "use repo etc"),
        ] {
            assert_eq!(lacking(&scopes, &nothing, method, params), needed, "{method} {params}");
        }
        let wide = TenantScopes::default().with_tools("*".parse().unwrap(), required(&["any"]));
        let params = r#"{"uri":"FILE:///x"}"#;
        assert_eq!(lacking(&wide, &nothing, "resources/read", params), "any");
    }

    #[test]
    fn a_token_with_all_of_them_lacks_nothing() {
        let scopes = scopes();
        let params = r#"{"name":"create_issue"}"#;
        for (held, needed) in
            [(&["use", "write"][..], ""), (&["use"], "use write"), (&["write"], "use write")]
        {
            assert_eq!(lacking(&scopes, &everything(held), "tools/call", params), needed);
        }
        let hierarchy = ScopeHierarchy::new([("admin", ["use", "write"])]).unwrap();
        let scopes = scopes.with_hierarchy(hierarchy);
        assert_eq!(lacking(&scopes, &everything(&["admin"]), "tools/call", params), "");
    }

    #[test]
    fn what_the_policy_hides_asks_for_no_scope() {
        let allow = Rule::allow("all").with_groups(["g"]).with_tenants(["t"]);
        let deny = Rule::deny("no").with_tenants(["t"]).with_tools(["create_issue"]);
        let some = permit([allow, deny], &["use"]);
        let call = |name: &str| {
            lacking(&scopes(), &some, "tools/call", &format!(r#"{{"name":"{name}"}}"#))
        };
        assert_eq!(call("create_issue"), "");
        assert_eq!(call("create_label"), "use write");
    }

    #[test]
    fn without_scopes_nothing_is_needed() {
        let none = TenantScopes::default();
        assert_eq!(lacking(&none, &everything(&[]), "vendor/run", "{}"), "");
        assert!(none.lacking(&everything(&[]), None).is_none());
    }
}
