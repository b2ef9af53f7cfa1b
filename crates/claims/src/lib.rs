//! Signed token in, [`VerifiedUser`] out.

mod ids;
mod names;
mod user;
#[cfg(feature = "verify")]
mod verify;

pub use ids::{
    DirectoryId, GroupName, IdError, Issuer, MAX_ID_LEN, RoleName, Scope, Subject, UserId,
};
pub use names::{Groups, NameSet, UnknownGroups};
pub use user::{TokenKind, VerifiedUser};
#[cfg(feature = "verify")]
pub use verify::{
    BuildError, Claim, ClaimMap, ClaimPath, MAX_LEEWAY, MAX_TOKEN_LEN, PathError, Profile,
    TrustedIssuer, TrustedIssuerBuilder, UnknownProfile, Verifier, VerifierBuilder, VerifyError,
    VerifyErrorKind,
};
