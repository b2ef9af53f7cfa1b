//! Signed token in, [`VerifiedUser`] out.

mod ids;
mod names;
mod user;

pub use ids::{
    DirectoryId, GroupName, IdError, Issuer, MAX_ID_LEN, RoleName, Scope, Subject, UserId,
};
pub use names::{Groups, NameSet, UnknownGroups};
pub use user::{TokenKind, VerifiedUser};
