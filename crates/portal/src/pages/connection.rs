//! `/connections/{tenant}`: what a tenant needs from this user.

use std::sync::Arc;

use askama::Template;
use axum::Extension;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse as _, Redirect, Response};
use bonafide_headers::ValueError;
use bonafide_mcp::{CheckError, Directory, LinkError, Tenant};
use bonafide_policy::{DenialKind, Permit};
use bonafide_vault::{SecretStatus, VaultError};
use secrecy::{ExposeSecret as _, SecretString};

use super::date::day;
use super::form::Form;
use super::overview::{Condition, describe};
use super::{Frame, called, page_with, problem, stranger};
use crate::Texts;
use crate::checking::{Unchecked, check};
use crate::links::{OnceLink, Stale};
use crate::portal::{Browser, Shared};
use crate::session::{Session, Visitor};
use crate::state::{Connection, Field};
use crate::texts::fill;
use crate::trail;

#[derive(Template)]
#[template(path = "connection.html")]
struct ConnectionPage<'a> {
    f: Frame<'a>,
    id: &'a str,
    /// What the form's address ends with.
    link: String,
    text: String,
    condition: Condition,
    sentence: String,
    endpoint: String,
    done: Option<String>,
    general: Option<String>,
    failed: bool,
    /// What is said about asking the backend first.
    check_hint: Option<String>,
    fields: Vec<Input<'a>>,
}

/// One variable of the form.
struct Input<'a> {
    name: &'a str,
    title: &'a str,
    description: Option<&'a str>,
    required: bool,
    secret: bool,
    /// A value is stored, be it one that has expired.
    stored: bool,
    /// Since when, until when, and what the backend said.
    status: String,
    trouble: bool,
    value: Option<String>,
    choices: Vec<(&'a str, bool)>,
    default: Option<String>,
    pattern: Option<&'a str>,
    remove_label: String,
    error: Option<String>,
    unreadable: bool,
}

/// What a form came to, shown above it.
#[derive(Default)]
struct Outcome {
    /// What is wrong with single fields, by name.
    errors: Vec<(String, String)>,
    /// What is wrong with all of it.
    general: Option<String>,
    /// What was typed into fields that are not secret.
    typed: Vec<(String, String)>,
    done: Option<String>,
}

/// The tenant and the permit, or a page that says why there is none.
pub(super) fn permit<'d>(
    shared: &Shared,
    browser: &Browser,
    session: &Session,
    directory: &'d Directory,
    tenant: &str,
) -> Result<(&'d Tenant, Permit), Box<Response>> {
    let t = &browser.look.texts;
    let refuse = |status, title: &str, text: &str| {
        Box::new(problem(shared, browser, Some(session), status, title, text.to_owned()))
    };
    let Some(tenant) = directory.tenant(tenant) else {
        return Err(refuse(StatusCode::NOT_FOUND, &t.not_found_title, &t.not_found_text));
    };
    directory.policy().permit(&session.user, tenant.id()).map(|permit| (tenant, permit)).map_err(
        |denial| {
            tracing::info!(tenant = tenant.id().as_str(), %denial, "denied a page");
            shared.record_denial(&denial);
            let text = match denial.kind() {
                DenialKind::GroupsUnknown(_) => &t.denied_groups,
                DenialKind::DeniedBy(_) => &t.denied_by_rule,
                _ => &t.denied_text,
            };
            let title = fill(&t.denied_title, &[("tenant", tenant.title())]);
            refuse(StatusCode::FORBIDDEN, &title, text)
        },
    )
}

pub(super) fn vault_failed(
    shared: &Shared,
    browser: &Browser,
    session: &Session,
    error: &VaultError,
) -> Response {
    tracing::error!(%error, "the vault failed");
    let (t, status) = (&browser.look.texts, StatusCode::SERVICE_UNAVAILABLE);
    let text = t.vault_text.clone().into_owned();
    problem(shared, browser, Some(session), status, &t.vault_title, text)
}

pub(crate) async fn show(
    State(shared): State<Arc<Shared>>,
    Extension(browser): Extension<Arc<Browser>>,
    Extension(visitor): Extension<Visitor>,
    Path(tenant): Path<String>,
    uri: Uri,
) -> Response {
    let Visitor::User(session) = &visitor else {
        let to = uri.path_and_query().map_or("/connections", |to| to.as_str());
        return stranger(&shared, &browser, &visitor, to);
    };
    let directory = shared.directory.load();
    let (tenant, permit) = match permit(&shared, &browser, session, &directory, &tenant) {
        Ok(found) => found,
        Err(page) => return *page,
    };
    let link = match check_link(&shared, &browser, session, &permit, &uri).await {
        Ok(link) => link,
        Err(page) => return *page,
    };
    match Connection::read(&shared.secrets, tenant, &permit).await {
        Ok(mut connection) => {
            only(&mut connection, link.as_ref());
            let done = done(&browser.look.texts, &connection, uri.query().unwrap_or_default());
            let outcome = Outcome { done, ..Outcome::default() };
            page(&shared, &browser, session, &connection, &outcome)
        }
        Err(error) => vault_failed(&shared, &browser, session, &error),
    }
}

/// A link that says whom it is for: `e` from the gateway, `l` for a single variable. Gives the latter with its token.
async fn check_link(
    shared: &Shared,
    browser: &Browser,
    session: &Session,
    permit: &Permit,
    uri: &Uri,
) -> Result<Option<(String, OnceLink)>, Box<Response>> {
    let query = uri.query().unwrap_or_default();
    let token = |wanted: &str| {
        let mut pairs = url::form_urlencoded::parse(query.as_bytes());
        pairs.find(|(name, _)| name == wanted).map(|(_, token)| token.into_owned())
    };
    let now = shared.clock.now();
    if let Some(token) = token("e") {
        let (user, tenant) = (session.user.id(), permit.tenant());
        match browser.seals.asked.check(&token, user, tenant, now) {
            Ok(()) => {}
            Err(LinkError::OtherUser) => {
                return Err(Box::new(somebody_elses(shared, browser, session)));
            }
            Err(_) => return Err(Box::new(stale(shared, browser, session))),
        }
    }
    let Some(token) = token("l") else { return Ok(None) };
    match browser.seals.once.open(&shared.used_links, &shared.secrets, permit, &token, now).await {
        Ok(Ok(link)) => Ok(Some((token, link))),
        Ok(Err(Stale::OtherUser)) => Err(Box::new(somebody_elses(shared, browser, session))),
        Ok(Err(Stale::Link)) => Err(Box::new(stale(shared, browser, session))),
        Err(error) => Err(Box::new(vault_failed(shared, browser, session, &error.into()))),
    }
}

/// Leaves only what a link is for.
fn only(connection: &mut Connection<'_>, link: Option<&(String, OnceLink)>) {
    if let Some((token, link)) = link {
        connection.fields.retain(|field| field.name.as_str() == link.name);
        connection.link = Some(token.clone());
    }
}

fn somebody_elses(shared: &Shared, browser: &Browser, session: &Session) -> Response {
    tracing::warn!("refused a link that was made for another user");
    let (t, status) = (&browser.look.texts, StatusCode::FORBIDDEN);
    let text = fill(&t.link_other_text, &[("user", &called(session))]);
    problem(shared, browser, Some(session), status, &t.link_other_title, text)
}

fn stale(shared: &Shared, browser: &Browser, session: &Session) -> Response {
    let (t, status) = (&browser.look.texts, StatusCode::GONE);
    let text = t.link_stale_text.clone().into_owned();
    problem(shared, browser, Some(session), status, &t.link_stale_title, text)
}

/// What a form has done, after its redirect. Whoever makes such a link up makes a sentence appear, and nothing else.
fn done(t: &Texts, connection: &Connection<'_>, query: &str) -> Option<String> {
    let title = connection.tenant.title();
    let text = match query {
        "removed" => &t.removed,
        "checked" => &t.saved_checked,
        "saved" if !connection.is_complete() => &t.saved_incomplete,
        "saved" => &t.saved,
        _ => return None,
    };
    Some(fill(text, &[("tenant", title)]))
}

pub(crate) async fn save(
    State(shared): State<Arc<Shared>>,
    Extension(browser): Extension<Arc<Browser>>,
    Extension(visitor): Extension<Visitor>,
    Path(tenant): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let Visitor::User(session) = &visitor else {
        return stranger(&shared, &browser, &visitor, uri.path());
    };
    let form = match Form::read(&shared, &browser, session, &headers, &body) {
        Ok(form) => form,
        Err(page) => return *page,
    };
    let directory = shared.directory.load();
    let (tenant, permit) = match permit(&shared, &browser, session, &directory, &tenant) {
        Ok(found) => found,
        Err(page) => return *page,
    };
    let link = match check_link(&shared, &browser, session, &permit, &uri).await {
        Ok(link) => link,
        Err(page) => return *page,
    };
    let mut connection = match Connection::read(&shared.secrets, tenant, &permit).await {
        Ok(connection) => connection,
        Err(error) => return vault_failed(&shared, &browser, session, &error),
    };
    only(&mut connection, link.as_ref());
    let changes = match changes(&browser.look.texts, &connection, &form) {
        Ok(changes) => changes,
        Err(outcome) => return page(&shared, &browser, session, &connection, &outcome),
    };
    let tried: Vec<_> = changes
        .iter()
        .map(|(field, change)| match change {
            Change::Write(value) => (field.name, Some(value)),
            Change::Remove => (field.name, None),
        })
        .collect();
    let accepted = match check(&shared, &permit, tenant, &tried).await {
        Ok(accepted) => accepted,
        Err(Unchecked::Vault(error)) => return vault_failed(&shared, &browser, session, &error),
        Err(Unchecked::Backend(error)) => {
            let outcome = refused(&browser.look.texts, tenant, &form, &connection, error);
            return page(&shared, &browser, session, &connection, &outcome);
        }
    };
    let link = link.map(|(_, link)| link);
    match make(&shared, &permit, changes, link).await {
        Ok(true) => {}
        Ok(false) => return stale(&shared, &browser, session),
        Err(error) => return vault_failed(&shared, &browser, session, &error),
    }
    let done = if accepted { "checked" } else { "saved" };
    Redirect::to(&format!("/connections/{}?{done}", permit.tenant().as_str())).into_response()
}

/// Makes the changes of a form and writes them down: all new values at once, by a link only as long as it is good. Says
/// whether it was.
async fn make(
    shared: &Shared,
    permit: &Permit,
    changes: Vec<(&Field<'_>, Change)>,
    link: Option<OnceLink>,
) -> Result<bool, VaultError> {
    let mut written = Vec::with_capacity(changes.len());
    let mut removed = Vec::new();
    for (field, change) in &changes {
        match change {
            Change::Write(value) => written.push((field.name, value)),
            Change::Remove => removed.push(field.name),
        }
    }
    match (link, written.first()) {
        (Some(link), Some((name, value))) => {
            if !trail::store_by_link(shared, permit, link, name, value).await? {
                return Ok(false);
            }
        }
        _ => trail::store(shared, permit, &written).await?,
    }
    for name in removed {
        trail::remove(shared, permit, name).await?;
    }
    Ok(true)
}

/// What a backend said about new values.
fn refused(
    t: &Texts,
    tenant: &Tenant,
    form: &Form,
    connection: &Connection<'_>,
    error: CheckError,
) -> Outcome {
    let text = match error {
        CheckError::Refused => &t.check_refused,
        CheckError::Unreachable => &t.check_unreachable,
        _ => &t.check_failed,
    };
    let visible = connection.fields.iter().filter(|field| !field.variable.is_secret());
    let typed = visible.filter_map(|field| {
        let name = field.variable.name().as_str();
        let typed = form.get(&format!("v-{name}"))?;
        Some((name.to_owned(), typed.expose_secret().to_owned()))
    });
    Outcome {
        general: Some(fill(text, &[("tenant", tenant.title())])),
        typed: typed.collect(),
        ..Outcome::default()
    }
}

enum Change {
    Write(SecretString),
    Remove,
}

/// What a form asks to be changed, or what is wrong with it: then nothing is changed at all.
fn changes<'c, 't>(
    t: &Texts,
    connection: &'c Connection<'t>,
    form: &Form,
) -> Result<Vec<(&'c Field<'t>, Change)>, Outcome> {
    let mut outcome = Outcome::default();
    let mut changes = Vec::new();
    for field in &connection.fields {
        let variable = field.variable;
        let name = variable.name().as_str();
        let Some(typed) = form.get(&format!("v-{name}")) else { continue };
        // A person's field is one line, and white space around it was copied along.
        let typed = typed.expose_secret().trim();
        if !variable.is_secret() {
            outcome.typed.push((name.to_owned(), typed.to_owned()));
        }
        if field.value.as_deref() == Some(typed) {
            continue;
        }
        if typed.is_empty() {
            // What is shown in its field and was emptied is meant to go; a secret's field is always empty.
            match field.value {
                Some(_) if variable.is_required() => {
                    outcome.errors.push((name.to_owned(), t.value_empty.clone().into_owned()));
                }
                Some(_) => changes.push((field, Change::Remove)),
                None => {}
            }
            continue;
        }
        let typed = SecretString::from(typed);
        match variable.check(&typed) {
            Ok(()) => changes.push((field, Change::Write(typed))),
            Err(error) => {
                outcome.errors.push((name.to_owned(), wrong(t, variable.is_secret(), error)))
            }
        }
    }
    if outcome.errors.is_empty() && changes.is_empty() && connection.missing().next().is_some() {
        outcome.general = Some(t.nothing_entered.clone().into_owned());
    }
    if outcome.errors.is_empty() && outcome.general.is_none() { Ok(changes) } else { Err(outcome) }
}

/// What is wrong with a value, in words.
fn wrong(t: &Texts, secret: bool, error: ValueError) -> String {
    let number = |count: usize| count.to_string();
    let text = match error {
        ValueError::Empty => t.value_empty.clone().into_owned(),
        ValueError::TooShort { min } => fill(&t.value_short, &[("min", &number(min))]),
        ValueError::TooLong { max } => fill(&t.value_long, &[("max", &number(max))]),
        ValueError::ControlCharacter | ValueError::TrailingLineBreak => {
            t.value_control.clone().into_owned()
        }
        ValueError::NotAChoice => t.value_choice.clone().into_owned(),
        ValueError::PatternMismatch => t.value_pattern.clone().into_owned(),
        _ => t.value_wrong.clone().into_owned(),
    };
    if secret { format!("{text} {}", t.enter_again) } else { text }
}

fn page(
    shared: &Shared,
    browser: &Browser,
    session: &Session,
    connection: &Connection<'_>,
    outcome: &Outcome,
) -> Response {
    let t = &browser.look.texts;
    let tenant = connection.tenant;
    let (condition, sentence) = describe(t, connection);
    let title = fill(&t.connect_title, &[("tenant", tenant.title())]);
    let failed = outcome.general.is_some() || !outcome.errors.is_empty();
    let page = ConnectionPage {
        f: Frame::new(shared, browser, Some(session), &title),
        id: tenant.id().as_str(),
        link: connection.link.as_ref().map(|token| format!("?l={token}")).unwrap_or_default(),
        text: fill(&t.connect_text, &[("tenant", tenant.title())]),
        condition,
        sentence,
        endpoint: shared.endpoint(tenant.id()),
        done: outcome.done.clone(),
        general: outcome.general.clone(),
        failed,
        check_hint: (tenant.is_checked() && shared.check.is_some())
            .then(|| fill(&t.check_hint, &[("tenant", tenant.title())])),
        fields: connection
            .fields
            .iter()
            .map(|field| input(t, tenant.title(), field, outcome))
            .collect(),
    };
    page_with(if failed { StatusCode::BAD_REQUEST } else { StatusCode::OK }, &page)
}

fn input<'a>(t: &Texts, tenant: &str, field: &'a Field<'_>, outcome: &Outcome) -> Input<'a> {
    let variable = field.variable;
    let name = variable.name().as_str();
    let of = |pairs: &[(String, String)]| {
        pairs.iter().find(|(of, _)| of == name).map(|(_, text)| text.clone())
    };
    let value = of(&outcome.typed).or_else(|| field.value.clone());
    let choices =
        variable.choices().map(|choice| (choice, value.as_deref() == Some(choice))).collect();
    let default = variable.default_value().filter(|_| !field.status.is_set());
    Input {
        name,
        title: variable.title(),
        description: variable.description(),
        required: variable.is_required(),
        secret: variable.is_secret(),
        stored: field.status.updated_at().is_some(),
        status: status(t, tenant, &field.status),
        trouble: field.status.needs_attention(),
        value,
        choices,
        default: default.map(|value| fill(&t.default_hint, &[("value", value)])),
        pattern: variable.pattern(),
        remove_label: fill(&t.remove_what, &[("variable", variable.title())]),
        error: of(&outcome.errors),
        unreadable: field.unreadable,
    }
}

/// Since when a value is stored, until when, and whether the backend refused it.
fn status(t: &Texts, tenant: &str, status: &SecretStatus) -> String {
    let date = |text: &str, time| fill(text, &[("date", &day(time)), ("tenant", tenant)]);
    let since = status.updated_at().map(|time| date(&t.stored_since, time));
    let until = if status.is_expired() { &t.expired_since } else { &t.stored_until };
    let until = status.expires_at().map(|time| date(until, time));
    let refused = status.refused_at().map(|time| date(&t.refused_since, time));
    [since, until, refused].into_iter().flatten().collect::<Vec<_>>().join(", ")
}
