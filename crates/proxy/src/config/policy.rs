//! `[policy]`

use bonafide_claims::Issuer;
use bonafide_policy::{Policy, PolicyError, Rule, TenantId};
use serde::Deserialize as _;
use toml::de::{DeValue, ValueDeserializer};

use super::problem::Problems;
use super::section::Section;

/// The policy. Without rules it denies everything, which is a policy too.
pub(super) fn read(
    root: &mut Section<'_, '_>,
    issuers: &[Issuer],
    tenants: &[TenantId],
    problems: &mut Problems<'_>,
) -> Option<Policy> {
    let mut builder = Policy::builder()
        .with_tenants(tenants.iter().cloned())
        .with_issuers(issuers.iter().cloned());
    let Some(mut section) = root.table(problems, "policy") else {
        return builder.build().ok();
    };
    if let Some(store) = section.string(problems, "store") {
        let message = "rules in a database are not supported yet: leave this out and write `[[policy.rules]]`";
        store.problem(problems, message);
    }
    if let Some(found) = section.value("rules") {
        match found.value.get_ref() {
            DeValue::Array(rules) => {
                for rule in rules.iter() {
                    match Rule::deserialize(ValueDeserializer::from(rule.clone())) {
                        Ok(rule) => builder = builder.with_rule(rule),
                        Err(error) => problems.add(
                            Some(rule.span()),
                            found.key.clone(),
                            error.message().to_owned(),
                        ),
                    }
                }
            }
            _ => found.problem(problems, "this is a list of tables: write `[[policy.rules]]`"),
        }
    }
    section.finish(problems);
    match builder.build() {
        Ok(policy) => Some(policy),
        Err(errors) => {
            for error in errors {
                report(error, problems);
            }
            None
        }
    }
}

fn report(error: PolicyError, problems: &mut Problems<'_>) {
    let rule = match (&error.id, error.rule) {
        (Some(id), _) => format!(" (rule `{id}`)"),
        (None, _) => String::new(),
    };
    let key = match (error.rule, error.key.as_str()) {
        (None, _) => "policy".to_owned(),
        (Some(index), "") => format!("policy.rules[{index}]"),
        (Some(index), key) => format!("policy.rules[{index}].{key}"),
    };
    problems.add(error.span.clone(), key, format!("{}{rule}", error.problem));
}
