//! The policy language once more, as slow and as obvious as it gets.

use bonafide_claims::UnknownGroups;
use bonafide_policy::{Persona, Policy, Rule, RuleUser};

#[derive(Debug, Clone)]
pub(crate) struct PlainRule {
    pub(crate) deny: bool,
    pub(crate) groups: Option<Vec<String>>,
    pub(crate) subtree: bool,
    pub(crate) roles: Option<Vec<String>>,
    pub(crate) scopes: Option<Vec<String>>,
    /// Directory and subject.
    pub(crate) users: Option<Vec<(Option<String>, String)>>,
    pub(crate) issuer: Option<String>,
    /// `None` is every tenant.
    pub(crate) tenants: Option<Vec<String>>,
    pub(crate) tools: Vec<String>,
}

#[derive(Debug, Clone)]
pub(crate) struct PlainUser {
    pub(crate) issuer: String,
    pub(crate) directory: Option<String>,
    pub(crate) subject: String,
    /// `None` is unknown.
    pub(crate) groups: Option<Vec<String>>,
    pub(crate) roles: Vec<String>,
    pub(crate) scopes: Vec<String>,
}

/// The rules that are about the tenant and hold for the user.
pub(crate) fn applying<'a>(
    rules: &'a [PlainRule],
    user: &PlainUser,
    tenant: &str,
) -> Vec<&'a PlainRule> {
    let about = |rule: &PlainRule| match &rule.tenants {
        None => true,
        Some(tenants) => tenants.iter().any(|named| named == tenant),
    };
    rules.iter().filter(|rule| about(rule) && holds(rule, user)).collect()
}

/// Whether somebody to whom these rules apply may use the tool.
pub(crate) fn may_use(rules: &[&PlainRule], tool: &str) -> bool {
    let covers = |rule: &&&PlainRule| {
        rule.tools.iter().any(|pattern| glob(pattern.as_bytes(), tool.as_bytes()))
    };
    let denied = rules.iter().filter(|rule| rule.deny).any(|rule| covers(&rule));
    let allowed = rules.iter().filter(|rule| !rule.deny).any(|rule| covers(&rule));
    allowed && !denied
}

fn holds(rule: &PlainRule, user: &PlainUser) -> bool {
    if let Some(issuer) = &rule.issuer
        && *issuer != user.issuer
    {
        return false;
    }
    if let Some(users) = &rule.users {
        let named = users.iter().any(|(directory, subject)| {
            let anywhere = directory.is_none() && rule.deny;
            *subject == user.subject && (anywhere || *directory == user.directory)
        });
        if !named {
            return false;
        }
    }
    if let Some(groups) = &rule.groups {
        let member = match &user.groups {
            // What nobody knows counts against the user.
            None => rule.deny,
            Some(have) => have.iter().any(|group| {
                groups.iter().any(|wanted| {
                    group == wanted || (rule.subtree && group.starts_with(&format!("{wanted}/")))
                })
            }),
        };
        if !member {
            return false;
        }
    }
    if let Some(roles) = &rule.roles
        && !roles.iter().any(|role| user.roles.contains(role))
    {
        return false;
    }
    if let Some(scopes) = &rule.scopes
        && !scopes.iter().all(|scope| user.scopes.contains(scope))
    {
        return false;
    }
    true
}

fn glob(pattern: &[u8], name: &[u8]) -> bool {
    match (pattern.split_first(), name.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), None) => glob(rest, name),
        (Some((b'*', rest)), Some((_, after))) => glob(rest, name) || glob(pattern, after),
        (Some((wanted, rest)), Some((found, after))) => wanted == found && glob(rest, after),
        _ => false,
    }
}

/// The same rules, compiled.
pub(crate) fn compile(rules: &[PlainRule]) -> Policy {
    let rules = rules.iter().enumerate().map(|(number, rule)| {
        let id = format!("rule-{number}");
        let mut real = if rule.deny { Rule::deny(id) } else { Rule::allow(id) };
        real = real.with_tools(&rule.tools);
        if let Some(groups) = &rule.groups {
            real = real.with_groups(groups);
            if rule.subtree {
                real = real.with_subtree();
            }
        }
        if let Some(roles) = &rule.roles {
            real = real.with_roles(roles);
        }
        if let Some(scopes) = &rule.scopes {
            real = real.with_scopes(scopes);
        }
        if let Some(users) = &rule.users {
            real = real.with_users(users.iter().map(|(directory, subject)| match directory {
                Some(directory) => RuleUser::in_directory(directory, subject),
                None => RuleUser::from(subject),
            }));
        }
        if let Some(issuer) = &rule.issuer {
            real = real.with_issuer(issuer);
        }
        if let Some(tenants) = &rule.tenants {
            real = real.with_tenants(tenants);
        }
        real
    });
    Policy::builder().with_rules(rules).build().unwrap()
}

/// The same user, for a dry run.
pub(crate) fn persona(user: &PlainUser) -> Persona {
    let mut persona = Persona::new(user.issuer.parse().unwrap(), user.subject.parse().unwrap())
        .with_roles(user.roles.iter().map(|name| name.parse().unwrap()))
        .with_scopes(user.scopes.iter().map(|name| name.parse().unwrap()));
    if let Some(directory) = &user.directory {
        persona = persona.with_directory(directory.parse().unwrap());
    }
    match &user.groups {
        Some(groups) => persona.with_groups(groups.iter().map(|name| name.parse().unwrap())),
        None => persona.with_unknown_groups(UnknownGroups::Overage),
    }
}
