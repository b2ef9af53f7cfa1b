//! The pages where nobody can sign in: what a tenant needs, and how to enter it by the API.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse as _, Response};
use bonafide_headers::Variable;
use bonafide_mcp::Tenant;

use crate::portal::Shared;

const STYLE: &str = include_str!("../../templates/style.css");

/// No script, nothing from elsewhere, no frame around it.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'self'; base-uri 'none'; \
                                       form-action 'none'; frame-ancestors 'none'";

#[derive(Template)]
#[template(path = "plain/overview.html")]
struct Overview {
    list_url: String,
}

#[derive(Template)]
#[template(path = "plain/tenant.html")]
struct TenantPage<'a> {
    title: &'a str,
    endpoint: String,
    variables: Vec<Entry<'a>>,
}

struct Entry<'a> {
    variable: &'a Variable,
    url: String,
}

#[derive(Template)]
#[template(path = "plain/unknown.html")]
struct Unknown;

pub(crate) async fn overview(State(shared): State<Arc<Shared>>) -> Response {
    page(StatusCode::OK, &Overview { list_url: shared.url("/api/tenants") })
}

pub(crate) async fn tenant(
    State(shared): State<Arc<Shared>>,
    Path(tenant): Path<String>,
) -> Response {
    let directory = shared.directory.load();
    let Some(tenant) = directory.tenant(&tenant) else {
        return page(StatusCode::NOT_FOUND, &Unknown);
    };
    let variables = tenant.templates().variables().iter();
    let page_of_tenant = TenantPage {
        title: tenant.title(),
        endpoint: shared.url(&format!("/{}/mcp", tenant.id().as_str())),
        variables: variables.map(|variable| entry(&shared, tenant, variable)).collect(),
    };
    page(StatusCode::OK, &page_of_tenant)
}

pub(crate) async fn style() -> Response {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], STYLE).into_response()
}

fn entry<'a>(shared: &Shared, tenant: &Tenant, variable: &'a Variable) -> Entry<'a> {
    let name = variable.name().as_str();
    let url = shared.url(&format!("/api/tenants/{}/variables/{name}", tenant.id().as_str()));
    Entry { variable, url }
}

fn page(status: StatusCode, template: &impl Template) -> Response {
    let Ok(html) = template.render() else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let mut response = (status, Html(html)).into_response();
    let headers = response.headers_mut();
    headers
        .insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(CONTENT_SECURITY_POLICY));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}
