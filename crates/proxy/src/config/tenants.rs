//! `[tenants.*]`

use bonafide_headers::{CompileErrors, Declaration, Templates, Variable, VariableName};
use bonafide_mcp::{Tenant, TenantError};
use bonafide_policy::TenantId;
use toml::de::DeValue;

use super::problem::Problems;
use super::scopes;
use super::secret::Environment;
use super::section::{Located, Section};
use super::values;

/// The tenants of a file.
pub(super) struct Tenants {
    /// Those that can be used.
    pub(super) tenants: Vec<Tenant>,
    /// The ids of all, so that a rule for a broken tenant is not called unknown as well.
    pub(super) ids: Vec<TenantId>,
}

pub(super) fn read(
    root: &mut Section<'_, '_>,
    environment: &Environment<'_>,
    problems: &mut Problems<'_>,
) -> Tenants {
    let hierarchy = scopes::hierarchy(root, problems);
    let mut tenants = Tenants { tenants: Vec::new(), ids: Vec::new() };
    let sections = root.tables(problems, "tenants");
    if sections.is_empty() {
        problems.add(None, "tenants", "missing: add `[tenants.NAME]` with `url`");
    }
    for (name, mut section) in sections {
        let id = match name.value.parse::<TenantId>() {
            Ok(id) => Some(id),
            Err(error) => {
                name.problem(problems, format!("{error}"));
                None
            }
        };
        tenants.ids.extend(id.clone());
        let scopes = scopes::of_tenant(&mut section, hierarchy.as_ref(), problems);
        let tenant = tenant(id, &mut section, environment, problems);
        let tenant = tenant.map(|tenant| match scopes {
            Some(scopes) => tenant.with_scopes(scopes),
            None => tenant,
        });
        section.finish(problems);
        tenants.tenants.extend(tenant);
    }
    tenants
}

fn tenant(
    id: Option<TenantId>,
    section: &mut Section<'_, '_>,
    environment: &Environment<'_>,
    problems: &mut Problems<'_>,
) -> Option<Tenant> {
    let title = section.string(problems, "title");
    let check = section.boolean(problems, "check").unwrap_or(false);
    let found = section.required(problems, "url", "\"https://…/mcp\"");
    let url = found.as_ref().and_then(|found| values::url(found, problems));
    let assertion = section.string(problems, "assertion");
    let task_list = section.boolean(problems, "task_list").unwrap_or(false);
    let templates = templates(section, environment, problems);
    let tenant = match Tenant::new(id?, url?, templates?) {
        Ok(tenant) => tenant,
        Err(error) => {
            section.problem(problems, format!("{error}"));
            return None;
        }
    };
    if task_list && assertion.is_none() && tenant.templates().header_names().next().is_none() {
        let message = "this backend is told nothing of its users, so it lists to each the tasks of all: leave `task_list` out, \
                       or add `headers` or `assertion`";
        section.problem(problems, message);
    }
    let tenant = tenant.with_check(check).with_task_list(task_list);
    let tenant = match title {
        Some(title) => tenant.with_title(title.value),
        None => tenant,
    };
    let Some(found) = assertion else { return Some(tenant) };
    if check {
        found.problem(
            problems,
            "the check of a new credential sends no assertion: leave `check` out, or this",
        );
    }
    let header = found.value.parse().map_err(|_| TenantError::Assertion);
    match header.and_then(|header| tenant.with_assertion(header)) {
        Ok(tenant) => Some(tenant),
        Err(error) => {
            found.problem(problems, error.to_string());
            None
        }
    }
}

fn templates(
    section: &mut Section<'_, '_>,
    environment: &Environment<'_>,
    problems: &mut Problems<'_>,
) -> Option<Templates> {
    let before = problems.len();
    let mut builder = Templates::builder();
    for name in section.strings(problems, "env").unwrap_or_default() {
        match environment.get(name.value) {
            Some(value) => builder = builder.with_env(name.value, value),
            None => name.problem(
                problems,
                format!("the environment variable `{}` is not set or empty: set it", name.value),
            ),
        }
    }
    for (name, mut declared) in section.tables(problems, "variables") {
        if let Some(variable) = variable(&name, &mut declared, problems) {
            builder = builder.with_variable(variable);
        }
        declared.finish(problems);
    }
    let mut headers = Vec::new();
    if let Some(table) = section.table(problems, "headers") {
        for (name, value) in table.entries() {
            match value.value.get_ref() {
                DeValue::String(template) => {
                    builder = builder.with_header(name.value, template);
                    headers.push((name.value, value));
                }
                _ => value.problem(problems, "this is a text: put it between quotes"),
            }
        }
    }
    // A template that names a variable whose declaration is broken is not itself wrong.
    if problems.len() > before {
        return None;
    }
    match builder.build() {
        Ok(templates) => Some(templates),
        Err(errors) => {
            report(&errors, &headers, section, problems);
            None
        }
    }
}

fn variable(
    name: &Located<&str>,
    section: &mut Section<'_, '_>,
    problems: &mut Problems<'_>,
) -> Option<Variable> {
    let text = |found: Option<Located<&str>>| found.map(|found| found.value.to_owned());
    let declaration = Declaration {
        title: text(section.string(problems, "title")),
        description: text(section.string(problems, "description")),
        required: section.boolean(problems, "required").unwrap_or(true),
        secret: section.boolean(problems, "secret").unwrap_or(true),
        default: text(section.string(problems, "default")),
        pattern: text(section.string(problems, "pattern")),
        choices: section
            .strings(problems, "choices")
            .map(|choices| choices.iter().map(|choice| choice.value.to_owned()).collect()),
        min_length: section.count(problems, "min_length").map(|found| found.value),
        max_length: section.count(problems, "max_length").map(|found| found.value),
    };
    let variable_name: VariableName = match name.value.parse() {
        Ok(name) => name,
        Err(error) => {
            name.problem(problems, format!("{error}"));
            return None;
        }
    };
    match Variable::declare(variable_name, declaration) {
        Ok(variable) => Some(variable),
        Err(error) => {
            section.problem(problems, error.to_string());
            None
        }
    }
}

/// Each problem where its header stands; what is not about a header, at the tenant.
fn report<T>(
    errors: &CompileErrors,
    headers: &[(&str, Located<T>)],
    section: &Section<'_, '_>,
    problems: &mut Problems<'_>,
) {
    for error in errors {
        let place = headers.iter().find(|(name, _)| Some(*name) == error.header());
        match place {
            Some((_, value)) => value.problem(problems, error.kind().to_string()),
            None => section.problem(problems, error.kind().to_string()),
        }
    }
}
