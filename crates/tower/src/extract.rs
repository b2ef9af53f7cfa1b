//! The verified user as an argument of an axum handler.

use axum_core::extract::FromRequestParts;
use bonafide_claims::VerifiedUser;
use http::StatusCode;
use http::request::Parts;

/// The user whom [`AuthenticateLayer`](crate::AuthenticateLayer) let through.
///
/// A route without that layer answers 401: a handler that asks for a user never runs without one.
#[derive(Debug, Clone)]
pub struct User(pub VerifiedUser);

impl<S: Sync> FromRequestParts<S> for User {
    type Rejection = StatusCode;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, StatusCode> {
        match parts.extensions.get::<VerifiedUser>() {
            Some(user) => Ok(Self(user.clone())),
            None => Err(StatusCode::UNAUTHORIZED),
        }
    }
}
