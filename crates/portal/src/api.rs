//! `/api/tenants…`: what a user may reach, and what they stored for it.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use bonafide_claims::VerifiedUser;
use bonafide_headers::Variable;
use bonafide_mcp::{CheckError, Directory};
use bonafide_policy::Permit;
use bonafide_tower::User;
use bonafide_vault::{SecretName, VaultError};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use crate::checking::{Unchecked, check};
use crate::portal::Shared;
use crate::problem::Problem;
use crate::state::{Connection, unix_seconds};
use crate::trail;

/// The answer of `GET /api/tenants`.
#[derive(Debug, Serialize)]
pub(crate) struct TenantList {
    tenants: Vec<TenantStatus>,
}

#[derive(Debug, Serialize)]
struct TenantStatus {
    id: String,
    title: String,
    /// The MCP endpoint to give to a client.
    endpoint: String,
    /// The page where a person enters what is missing.
    page: String,
    /// Whether everything that is required is set.
    ready: bool,
    variables: Vec<VariableStatus>,
}

#[derive(Debug, Serialize)]
struct VariableStatus {
    name: String,
    title: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    required: bool,
    secret: bool,
    set: bool,
    /// Seconds since the Unix epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    updated_at: Option<u64>,
    /// From when on it is not used any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<u64>,
    /// When the backend refused it.
    #[serde(skip_serializing_if = "Option::is_none")]
    refused_at: Option<u64>,
    /// Only of variables that are not secret: those are shown back to their owner.
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<String>,
}

/// The body of `PUT …/variables/{name}`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewValue {
    value: String,
}

pub(crate) async fn list(
    State(shared): State<Arc<Shared>>,
    User(user): User,
) -> Result<Json<TenantList>, Problem> {
    let directory = shared.directory.load();
    let mut tenants = Vec::new();
    for tenant in directory.tenants() {
        // The same decision that guards a call: what is listed can be reached.
        let Ok(permit) = directory.policy().permit(&user, tenant.id()) else { continue };
        let connection = Connection::read(&shared.secrets, tenant, &permit).await;
        tenants.push(status(&shared, &connection.map_err(|failure| failed(&failure))?));
    }
    Ok(Json(TenantList { tenants }))
}

pub(crate) async fn write(
    State(shared): State<Arc<Shared>>,
    User(user): User,
    Path((tenant, name)): Path<(String, String)>,
    body: Result<Json<NewValue>, JsonRejection>,
) -> Result<StatusCode, Problem> {
    let directory = shared.directory.load();
    let (permit, variable, name) = find(&shared, &directory, &user, &tenant, &name)?;
    count(&shared, &user)?;
    let Json(NewValue { value }) = body.map_err(|refusal| wrong_body(&refusal))?;
    let value = SecretString::from(value.into_boxed_str());
    variable.check(&value).map_err(|wrong| Problem::bad_request(wrong.to_string()))?;
    try_out(&shared, &directory, &permit, &name, &value).await?;
    let stored = trail::store(&shared, &permit, &[(&name, &value)]).await;
    stored.map_err(|failure| failed(&failure))?;
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) async fn remove(
    State(shared): State<Arc<Shared>>,
    User(user): User,
    Path((tenant, name)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    let directory = shared.directory.load();
    let (permit, _, name) = find(&shared, &directory, &user, &tenant, &name)?;
    count(&shared, &user)?;
    trail::remove(&shared, &permit, &name).await.map_err(|failure| failed(&failure))?;
    Ok(StatusCode::NO_CONTENT)
}

/// Asks the backend about the value, where its tenant wants that.
async fn try_out(
    shared: &Shared,
    directory: &Directory,
    permit: &Permit,
    name: &SecretName,
    value: &SecretString,
) -> Result<(), Problem> {
    let Some(tenant) = directory.tenant(permit.tenant().as_str()) else { return Ok(()) };
    match check(shared, permit, tenant, &[(name, Some(value))]).await {
        Ok(_) => Ok(()),
        Err(Unchecked::Vault(failure)) => Err(failed(&failure)),
        Err(Unchecked::Backend(CheckError::Refused)) => {
            Err(Problem::bad_request("the backend refused this value: nothing was stored"))
        }
        Err(Unchecked::Backend(error)) => {
            let status = StatusCode::BAD_GATEWAY;
            Err(Problem::with_status(status, format!("{error}: nothing was stored")))
        }
    }
}

/// The answer of `POST …/variables/{name}/links`.
#[derive(Debug, Serialize)]
pub(crate) struct NewLink {
    url: String,
    expires_at: u64,
}

pub(crate) async fn make_link(
    State(shared): State<Arc<Shared>>,
    User(user): User,
    Path((tenant, name)): Path<(String, String)>,
) -> Result<(StatusCode, Json<NewLink>), Problem> {
    let directory = shared.directory.load();
    let (permit, _, name) = find(&shared, &directory, &user, &tenant, &name)?;
    count(&shared, &user)?;
    let seals = shared.seals.as_ref().ok_or_else(|| {
        Problem::not_found("nobody can sign in to the pages here, so there are no links to them")
    })?;
    if !shared.secrets.sealer().is_sealing() {
        let detail =
            "secrets are stored as they are here, so a link could be used twice: there are none";
        return Err(Problem::not_found(detail));
    }
    let made = seals.once.make(&shared.secrets, &permit, &name, shared.clock.now()).await;
    let (token, expires_at) = made.map_err(|failure| failed(&failure.into()))?;
    trail::link_made(&shared, &permit, &name);
    let url = format!("{}?l={token}", shared.page(permit.tenant()));
    Ok((StatusCode::CREATED, Json(NewLink { url, expires_at })))
}

/// `/api/openapi.json`: what is here, for programs.
pub(crate) async fn document() -> Response {
    let headers = [
        (header::CONTENT_TYPE, "application/json"),
        (header::CACHE_CONTROL, "public, max-age=3600"),
    ];
    (headers, include_str!("openapi.json")).into_response()
}

/// Counts a change, and refuses one too many.
fn count(shared: &Shared, user: &VerifiedUser) -> Result<(), Problem> {
    shared.rate.count(user.id()).map_err(Problem::too_often)
}

/// The permit for the tenant and the declaration of the variable, if there are both.
fn find<'a>(
    shared: &Shared,
    directory: &'a Directory,
    user: &VerifiedUser,
    tenant: &str,
    name: &str,
) -> Result<(Permit, &'a Variable, SecretName), Problem> {
    let tenant =
        directory.tenant(tenant).ok_or_else(|| Problem::not_found("there is no such tenant"))?;
    let permit = directory.policy().permit(user, tenant.id()).map_err(|denial| {
        tracing::info!(tenant = tenant.id().as_str(), %denial, "denied a tenant");
        shared.record_denial(&denial);
        Problem::forbidden(format!("you may not use `{}`", tenant.id().as_str()))
    })?;
    tenant
        .templates()
        .variables()
        .iter()
        .zip(tenant.secret_names())
        .find(|(_, known)| known.as_str() == name)
        .map(|(variable, name)| (permit, variable, name.clone()))
        .ok_or_else(|| Problem::not_found("this tenant has no such variable"))
}

fn status(shared: &Shared, connection: &Connection<'_>) -> TenantStatus {
    let tenant = connection.tenant;
    let variables = connection.fields.iter().map(|field| VariableStatus {
        name: field.variable.name().as_str().to_owned(),
        title: field.variable.title().to_owned(),
        description: field.variable.description().map(str::to_owned),
        required: field.variable.is_required(),
        secret: field.variable.is_secret(),
        set: field.status.is_set(),
        updated_at: field.status.updated_at().map(unix_seconds),
        expires_at: field.status.expires_at().map(unix_seconds),
        refused_at: field.status.refused_at().map(unix_seconds),
        value: field.value.clone(),
    });
    TenantStatus {
        id: tenant.id().as_str().to_owned(),
        title: tenant.title().to_owned(),
        endpoint: shared.endpoint(tenant.id()),
        page: shared.page(tenant.id()),
        ready: connection.is_complete(),
        variables: variables.collect(),
    }
}

fn failed(failure: &VaultError) -> Problem {
    tracing::error!(error = %failure, "the vault failed");
    Problem::unavailable("the vault does not answer right now: try again later")
}

/// Names the fault and not the text around it, which could be the credential.
fn wrong_body(refusal: &JsonRejection) -> Problem {
    let detail = match refusal {
        JsonRejection::MissingJsonContentType(_) => "send `Content-Type: application/json`",
        JsonRejection::BytesRejection(_) => "the body is too large or broke off",
        _ => "the body is not `{\"value\": \"…\"}`",
    };
    Problem::with_status(refusal.status(), detail)
}
