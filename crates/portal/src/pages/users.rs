//! `/connections/-/users`: what administrators see and may take away. Never a value, and nothing is opened.

use std::collections::BTreeMap;
use std::sync::Arc;

use askama::Template;
use axum::Extension;
use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse as _, Redirect, Response};
use bonafide_claims::UserId;
use bonafide_policy::{Action, Outcome};
use bonafide_vault::{Owner, Record, SecretId, SecretName, StoreError};
use secrecy::ExposeSecret as _;
use url::form_urlencoded;

use super::date::day;
use super::form::Form;
use super::{Frame, page_with, problem, stranger};
use crate::portal::{Browser, Shared};
use crate::session::{Session, Visitor};
use crate::texts::fill;
use crate::trail;

/// How many rows are read for one page.
const ROWS: usize = 500;

#[derive(Template)]
#[template(path = "users.html")]
struct UsersPage<'a> {
    f: Frame<'a>,
    users: Vec<Listed>,
    next: Option<String>,
}

struct Listed {
    /// The query that stands for the user.
    query: String,
    subject: String,
    issuer: String,
    values: String,
}

#[derive(Template)]
#[template(path = "user.html")]
struct UserPage<'a> {
    f: Frame<'a>,
    issuer: String,
    directory: String,
    subject: String,
    rows: Vec<Row>,
    /// The query that shows what this user did.
    activity: String,
    done: bool,
}

struct Row {
    tenant: String,
    name: String,
    status: String,
}

/// The session, if it is an administrator's. Others are told that there is nothing here.
pub(super) fn administrator<'v>(
    shared: &Shared,
    browser: &Browser,
    visitor: &'v Visitor,
    to: &str,
) -> Result<&'v Session, Box<Response>> {
    let Visitor::User(session) = visitor else {
        return Err(Box::new(stranger(shared, browser, visitor, to)));
    };
    let Err(denial) = browser.administration(session) else { return Ok(session) };
    if let Some(denial) = denial {
        let event = shared.event(Action::Administer, &session.user);
        shared.record(event.with_outcome(Outcome::Denied(denial.kind().clone())));
    }
    Err(Box::new(nothing(shared, browser, session)))
}

pub(super) fn nothing(shared: &Shared, browser: &Browser, session: &Session) -> Response {
    let (t, status) = (&browser.look.texts, StatusCode::NOT_FOUND);
    let text = t.not_found_text.clone().into_owned();
    problem(shared, browser, Some(session), status, &t.not_found_title, text)
}

fn failed(shared: &Shared, browser: &Browser, session: &Session, error: &StoreError) -> Response {
    tracing::error!(%error, "the vault failed");
    let (t, status) = (&browser.look.texts, StatusCode::SERVICE_UNAVAILABLE);
    let text = t.vault_text.clone().into_owned();
    problem(shared, browser, Some(session), status, &t.vault_title, text)
}

/// Who has something stored.
pub(crate) async fn users(
    State(shared): State<Arc<Shared>>,
    Extension(browser): Extension<Arc<Browser>>,
    Extension(visitor): Extension<Visitor>,
    uri: Uri,
    RawQuery(query): RawQuery,
) -> Response {
    let session = match administrator(&shared, &browser, &visitor, uri.path()) {
        Ok(session) => session,
        Err(page) => return *page,
    };
    // Behind the last row of the page before. A name that no user has is behind all rows of the user.
    let after = user_of(&query.unwrap_or_default()).and_then(|user| last_of(&user));
    let rows = match shared.secrets.vault().scan(after.as_ref(), ROWS).await {
        Ok(rows) => rows,
        Err(error) => return failed(&shared, &browser, session, &error),
    };
    let full = rows.len() == ROWS;
    let mut users: BTreeMap<UserId, Vec<String>> = BTreeMap::new();
    for (id, _) in rows {
        let value = format!("{}/{}", id.owner().tenant().as_str(), id.name().as_str());
        users.entry(id.owner().user().clone()).or_default().push(value);
    }
    let next = users.keys().next_back().filter(|_| full).map(query_of);
    let listed = users.iter().map(|(user, values)| Listed {
        query: query_of(user),
        subject: user.subject().as_str().to_owned(),
        issuer: user.issuer().as_str().to_owned(),
        values: values.join(", "),
    });
    let f = Frame::new(&shared, &browser, Some(session), &browser.look.texts.users_title);
    page_with(StatusCode::OK, &UsersPage { users: listed.collect(), next, f })
}

/// What one user has stored.
pub(crate) async fn user(
    State(shared): State<Arc<Shared>>,
    Extension(browser): Extension<Arc<Browser>>,
    Extension(visitor): Extension<Visitor>,
    RawQuery(query): RawQuery,
) -> Response {
    let session = match administrator(&shared, &browser, &visitor, "/connections") {
        Ok(session) => session,
        Err(page) => return *page,
    };
    let query = query.unwrap_or_default();
    let Some(user) = user_of(&query) else { return nothing(&shared, &browser, session) };
    let rows = match rows_of(&shared, &user).await {
        Ok(rows) => rows,
        Err(error) => return failed(&shared, &browser, session, &error),
    };
    let t = &browser.look.texts;
    let [issuer, directory, subject] = user.parts().map(str::to_owned);
    let page = UserPage {
        f: Frame::new(&shared, &browser, Some(session), &subject),
        activity: form_urlencoded::Serializer::new(String::new())
            .append_pair("user", &subject)
            .finish(),
        issuer,
        directory,
        subject,
        rows: rows
            .iter()
            .map(|(id, record)| Row {
                tenant: id.owner().tenant().as_str().to_owned(),
                name: id.name().as_str().to_owned(),
                status: status(t, record),
            })
            .collect(),
        done: query.ends_with("&done"),
    };
    page_with(StatusCode::OK, &page)
}

fn status(t: &crate::Texts, record: &Record) -> String {
    let since = fill(&t.stored_since, &[("date", &day(record.updated_at()))]);
    let refused = record
        .refused_at()
        .map(|time| fill(&t.refused_since, &[("tenant", &*t.the_service), ("date", &day(time))]));
    [Some(since), refused].into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// Takes a value, or everything, from a user.
pub(crate) async fn take(
    State(shared): State<Arc<Shared>>,
    Extension(browser): Extension<Arc<Browser>>,
    Extension(visitor): Extension<Visitor>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let session = match administrator(&shared, &browser, &visitor, "/connections") {
        Ok(session) => session,
        Err(page) => return *page,
    };
    let form = match Form::read(&shared, &browser, session, &headers, &body) {
        Ok(form) => form,
        Err(page) => return *page,
    };
    let get = |name: &str| form.get(name).map_or("", |value| value.expose_secret());
    let user = user_from(get("issuer"), get("directory"), get("subject"));
    let Some(user) = user else { return nothing(&shared, &browser, session) };
    let vault = shared.secrets.vault();
    let taken = if get("all") == "yes" {
        let event = shared.event(Action::RemoveUser, &session.user).with_owner(&user);
        trail::change(&shared, event, vault.remove_user(&user)).await.map(drop)
    } else {
        let (Ok(tenant), Ok(name)) = (get("tenant").parse(), get("name").parse::<SecretName>())
        else {
            return nothing(&shared, &browser, session);
        };
        let event = shared.event(Action::Reset, &session.user).with_tenant(&tenant);
        let event = event.with_variable(name.as_str()).with_owner(&user);
        let remove = vault.remove(Owner::new(&user, &tenant), &name);
        trail::change(&shared, event, remove).await.map(drop)
    };
    match taken {
        Ok(()) => {
            Redirect::to(&format!("/connections/-/user?{}&done", query_of(&user))).into_response()
        }
        Err(error) => failed(&shared, &browser, session, &error),
    }
}

/// All rows of one user. They stand together, in the order of the store.
async fn rows_of(shared: &Shared, user: &UserId) -> Result<Vec<(SecretId, Record)>, StoreError> {
    let mut found = Vec::new();
    let mut after = first_of(user);
    if let Some(first) = &after {
        // The one row that a user could have at that very key.
        let names = std::slice::from_ref(first.name());
        let row = shared.secrets.vault().read(first.owner(), names).await?;
        found.extend(row.into_iter().flatten().map(|record| (first.clone(), record)));
    }
    loop {
        let rows = shared.secrets.vault().scan(after.as_ref(), ROWS).await?;
        let (count, last) = (rows.len(), rows.last().map(|(id, _)| id.clone()));
        found.extend(rows.into_iter().filter(|(id, _)| id.owner().user() == user));
        if count < ROWS || last.as_ref().is_none_or(|id| id.owner().user() > user) {
            return Ok(found);
        }
        after = last;
    }
}

/// The smallest key that a row of a user can have: no tenant is before `0`, and no name before `A`.
fn first_of(user: &UserId) -> Option<SecretId> {
    Some(SecretId::new(user.clone(), "0".parse().ok()?, "A".parse().ok()?))
}

/// Behind all rows of a user.
fn last_of(user: &UserId) -> Option<SecretId> {
    let tenant = "z".repeat(bonafide_policy::MAX_TENANT_LEN).parse().ok()?;
    let name = "z".repeat(bonafide_vault::MAX_NAME_LEN).parse().ok()?;
    Some(SecretId::new(user.clone(), tenant, name))
}

fn user_from(issuer: &str, directory: &str, subject: &str) -> Option<UserId> {
    let directory = match directory {
        "" => None,
        directory => Some(directory.parse().ok()?),
    };
    Some(UserId::new(issuer.parse().ok()?, directory, subject.parse().ok()?))
}

fn query_of(user: &UserId) -> String {
    let [issuer, directory, subject] = user.parts();
    let pairs = [("issuer", issuer), ("directory", directory), ("subject", subject)];
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

fn user_of(query: &str) -> Option<UserId> {
    let pairs: BTreeMap<_, _> = form_urlencoded::parse(query.as_bytes()).collect();
    let get = |name: &str| pairs.get(name).map_or("", |value| &**value);
    user_from(get("issuer"), get("directory"), get("subject"))
}
