//! Scopes that a token lacks, and what its client is told.

use bonafide_policy::{Permit, TenantId};
use bonafide_tower::{Challenge, RequiredScopes};
use bytes::Bytes;
use http::request::Parts;
use http::{Response, StatusCode};
use serde_json::Value;

use super::Shared;
use super::endpoint::Refused;
use super::metrics::Outcome;
use crate::assertion::is_vouched_for;
use crate::message::Message;
use crate::refusal::{code, error};
use crate::{GatewayBody, Tenant};

impl Shared {
    /// Refuses a request whose token lacks scopes, as it is written down. The policy has let it through before: who may
    /// not be here is not sent to get a scope that would not help.
    pub(super) fn require_scopes(
        &self,
        permit: &Permit,
        tenant: &Tenant,
        message: Option<&Message<'_>>,
        body: &Bytes,
        parts: &Parts,
    ) -> Result<(), Refused> {
        let Some(scopes) = tenant.scopes() else { return Ok(()) };
        let body = std::str::from_utf8(body).unwrap_or_default();
        let lacking = scopes.lacking(permit, message.map(|message| (message, body)));
        let Some(needed) = lacking else { return Ok(()) };
        tracing::info!(tenant = tenant.id().as_str(), scopes = %needed, "a token lacks scopes");
        let tool = message.and_then(Message::tool);
        self.trail.denied(&permit.refuse_scopes(tool), &parts.extensions);
        let id = message.and_then(|message| message.id.as_ref());
        Err(Refused::new(Outcome::Denied, self.insufficient_scope(permit, tenant, &needed, id)))
    }

    fn insufficient_scope(
        &self,
        permit: &Permit,
        tenant: &Tenant,
        needed: &RequiredScopes,
        id: Option<&Value>,
    ) -> Response<GatewayBody> {
        let name = tenant.id().as_str();
        // There is no token that could get more.
        if !is_vouched_for(permit.user()) {
            let text = format!("`{name}` wants a token of your own, with the scopes `{needed}`");
            return error(StatusCode::FORBIDDEN, id, code::DENIED, &text);
        }
        let text =
            format!("your token may not do this at `{name}`: it needs the scopes `{needed}`");
        let mut response = error(StatusCode::FORBIDDEN, id, code::DENIED, &text);
        let challenge = Challenge::insufficient_scope(needed);
        self.pointing_to(tenant.id(), Some(tenant), challenge).apply(&mut response);
        response
    }

    /// The challenge with where the metadata is, of a tenant that may not exist.
    pub(super) fn pointing_to(
        &self,
        id: &TenantId,
        tenant: Option<&Tenant>,
        challenge: Challenge,
    ) -> Challenge {
        match self.resource(id, tenant) {
            // Where there is no server to get a token from, the document would lead nowhere.
            Some(resource) if !resource.authorization_servers().is_empty() => {
                challenge.with_resource(&resource)
            }
            _ => challenge,
        }
    }
}
