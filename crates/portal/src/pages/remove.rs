//! `/connections/{tenant}/remove/{name}`: asks before a value is removed.

use std::sync::Arc;

use askama::Template;
use axum::Extension;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Redirect, Response};
use bonafide_headers::Variable;
use bonafide_mcp::Tenant;
use bonafide_vault::SecretName;

use super::connection::{permit, vault_failed};
use super::form::Form;
use super::{Frame, page_with, problem, stranger};
use crate::portal::{Browser, Shared};
use crate::session::Visitor;
use crate::texts::fill;
use crate::trail;

#[derive(Template)]
#[template(path = "remove.html")]
struct RemovePage<'a> {
    f: Frame<'a>,
    id: &'a str,
    name: &'a str,
    text: String,
}

/// The question.
pub(crate) async fn ask(
    State(shared): State<Arc<Shared>>,
    Extension(browser): Extension<Arc<Browser>>,
    Extension(visitor): Extension<Visitor>,
    Path((tenant, name)): Path<(String, String)>,
) -> Response {
    let Visitor::User(session) = &visitor else {
        return stranger(&shared, &browser, &visitor, &format!("/connections/{tenant}"));
    };
    let directory = shared.directory.load();
    let (tenant, _) = match permit(&shared, &browser, session, &directory, &tenant) {
        Ok(found) => found,
        Err(page) => return *page,
    };
    let t = &browser.look.texts;
    let Some((variable, _)) = declared(tenant, &name) else {
        let (status, text) = (StatusCode::NOT_FOUND, t.not_found_text.clone().into_owned());
        return problem(&shared, &browser, Some(session), status, &t.not_found_title, text);
    };
    let title = fill(&t.remove_title, &[("variable", variable.title())]);
    let text = if variable.is_required() { &t.remove_text } else { &t.remove_optional_text };
    let page = RemovePage {
        f: Frame::new(&shared, &browser, Some(session), &title),
        id: tenant.id().as_str(),
        name: variable.name().as_str(),
        text: fill(text, &[("tenant", tenant.title())]),
    };
    page_with(StatusCode::OK, &page)
}

/// The answer.
pub(crate) async fn remove(
    State(shared): State<Arc<Shared>>,
    Extension(browser): Extension<Arc<Browser>>,
    Extension(visitor): Extension<Visitor>,
    Path((tenant, name)): Path<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let Visitor::User(session) = &visitor else {
        return stranger(&shared, &browser, &visitor, &format!("/connections/{tenant}"));
    };
    if let Err(page) = Form::read(&shared, &browser, session, &headers, &body) {
        return *page;
    }
    let directory = shared.directory.load();
    let (tenant, permit) = match permit(&shared, &browser, session, &directory, &tenant) {
        Ok(found) => found,
        Err(page) => return *page,
    };
    let Some((_, name)) = declared(tenant, &name) else {
        let t = &browser.look.texts;
        let (status, text) = (StatusCode::NOT_FOUND, t.not_found_text.clone().into_owned());
        return problem(&shared, &browser, Some(session), status, &t.not_found_title, text);
    };
    if let Err(error) = trail::remove(&shared, &permit, name).await {
        return vault_failed(&shared, &browser, session, &error);
    }
    Redirect::to(&format!("/connections/{}?removed", permit.tenant().as_str())).into_response()
}

fn declared<'t>(tenant: &'t Tenant, name: &str) -> Option<(&'t Variable, &'t SecretName)> {
    let variables = tenant.templates().variables().iter().zip(tenant.secret_names());
    let mut variables = variables;
    variables.find(|(variable, _)| variable.name().as_str() == name)
}
