//! What each kind of issuer puts into its tokens.

use std::str::FromStr;

use bonafide_jwks::Algorithm;

use super::claim_path::ClaimPath;
use crate::ids::DirectoryId;
use crate::names::NameSet;
use crate::user::TokenKind;

/// What a kind of issuer puts into its tokens: where the claims are, and which rules hold besides those for
/// all tokens.
///
/// A profile is data. Start from the one for your issuer and change single claims with
/// [`ClaimMap`](crate::ClaimMap).
///
/// ```
/// use bonafide_claims::{Profile, UnknownProfile};
///
/// assert_eq!("keycloak".parse::<Profile>(), Ok(Profile::keycloak()));
/// assert_eq!("keycloack".parse::<Profile>(), Err(UnknownProfile));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    pub(super) name: &'static str,
    pub(super) map: Sources,
    pub(super) rules: Rules,
}

/// Where the claims are. Of several places, the first that has something counts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Sources {
    pub(super) subject: Vec<ClaimPath>,
    pub(super) directory: Option<ClaimPath>,
    pub(super) username: Vec<ClaimPath>,
    pub(super) email: Vec<ClaimPath>,
    pub(super) name: Vec<ClaimPath>,
    pub(super) groups: Option<ClaimPath>,
    pub(super) roles: Vec<RoleSource>,
}

/// A claim with roles. Those of a single client get its name in front, so that its `admin` is not mistaken
/// for another `admin`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RoleSource {
    pub(super) path: ClaimPath,
    pub(super) client: Option<Box<str>>,
}

/// Which rules hold besides those for all tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rules {
    pub(super) issuer: IssuerRule,
    pub(super) audience: bool,
    pub(super) shared_secret: bool,
    pub(super) kind: TokenKind,
    /// A claim that tells access and ID tokens apart, and what it says for each.
    pub(super) kind_claim: Option<KindClaim>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct KindClaim {
    pub(super) name: &'static str,
    pub(super) access: &'static str,
    pub(super) id: &'static str,
    pub(super) required: bool,
}

/// How `iss` is compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum IssuerRule {
    /// Byte for byte.
    Exact,
    /// Byte for byte, or one of these other spellings of the same issuer.
    Also(&'static [&'static str]),
    /// Byte for byte, and it must name the directory of the user.
    Entra,
    /// With the directory in the place of `{tenantid}`, which must be one of these.
    EntraDirectories(NameSet<DirectoryId>),
}

/// A string that names no profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a profile: use one of entra, keycloak, okta, auth0, google, open-webui, generic")]
pub struct UnknownProfile;

impl Profile {
    /// An issuer that follows OpenID Connect Core and RFC 9068: `groups`, `roles`, `preferred_username`.
    #[must_use]
    pub fn generic() -> Self {
        Self {
            name: "generic",
            map: Sources {
                subject: paths(["sub"]),
                directory: None,
                username: paths(["preferred_username"]),
                email: paths(["email"]),
                name: paths(["name"]),
                groups: Some(ClaimPath::of(["groups"])),
                roles: vec![RoleSource { path: ClaimPath::of(["roles"]), client: None }],
            },
            rules: Rules {
                issuer: IssuerRule::Exact,
                audience: true,
                shared_secret: false,
                kind: TokenKind::Access,
                // Amazon Cognito, and those that imitate it.
                kind_claim: Some(KindClaim {
                    name: "token_use",
                    access: "access",
                    id: "id",
                    required: false,
                }),
            },
        }
    }

    /// Microsoft Entra ID, one directory, tokens of version 1.0 or 2.0.
    ///
    /// The user is `tid` and `oid`, which are the same for every application; `sub` is not. `iss` must name
    /// the directory that `tid` names, and a key that Microsoft published for one issuer only signs for no
    /// other.
    #[must_use]
    pub fn entra() -> Self {
        let generic = Self::generic();
        Self {
            name: "entra",
            map: Sources {
                subject: paths(["oid"]),
                directory: Some(ClaimPath::of(["tid"])),
                username: paths(["preferred_username", "upn", "unique_name"]),
                ..generic.map
            },
            rules: Rules { issuer: IssuerRule::Entra, kind_claim: None, ..generic.rules },
        }
    }

    /// Microsoft Entra ID, several directories: these and no others.
    ///
    /// The issuer is configured with `{tenantid}` where the directory's id stands:
    /// `https://login.microsoftonline.com/{tenantid}/v2.0`.
    #[must_use]
    pub fn entra_directories(allowed: impl IntoIterator<Item = DirectoryId>) -> Self {
        let mut profile = Self::entra();
        profile.rules.issuer = IssuerRule::EntraDirectories(allowed.into_iter().collect());
        profile
    }

    /// Keycloak: roles of the realm, group paths as they are (`/staff/eng`).
    ///
    /// Its tokens say in the claim `typ` what they are: `Bearer` or `ID`.
    #[must_use]
    pub fn keycloak() -> Self {
        let generic = Self::generic();
        Self {
            name: "keycloak",
            map: Sources {
                roles: vec![RoleSource {
                    path: ClaimPath::of(["realm_access", "roles"]),
                    client: None,
                }],
                ..generic.map
            },
            rules: Rules {
                kind_claim: Some(KindClaim {
                    name: "typ",
                    access: "Bearer",
                    id: "ID",
                    required: true,
                }),
                ..generic.rules
            },
        }
    }

    /// Adds the roles of one Keycloak client (`resource_access`), with its name and a colon in front:
    /// `my-client:admin`.
    #[must_use]
    pub fn with_client_roles(mut self, client: &str) -> Self {
        self.map.roles.push(RoleSource {
            path: ClaimPath::of(["resource_access", client, "roles"]),
            client: Some(client.into()),
        });
        self
    }

    /// Okta. In access tokens the user is `uid`, since `sub` is the login there, which can be reassigned;
    /// in ID tokens, and for a client without a user, `sub`.
    #[must_use]
    pub fn okta() -> Self {
        let generic = Self::generic();
        Self {
            name: "okta",
            map: Sources {
                subject: paths(["uid", "sub"]),
                username: paths(["preferred_username", "sub"]),
                ..generic.map
            },
            rules: generic.rules,
        }
    }

    /// Auth0. Groups and roles are in claims that a namespace of your own stands in front of:
    /// `Profile::auth0("https://example.com/")` reads `https://example.com/groups` and `…/roles`.
    #[must_use]
    pub fn auth0(namespace: &str) -> Self {
        let claim = |name: &str| ClaimPath::of([format!("{namespace}{name}").as_str()]);
        let generic = Self::generic();
        Self {
            name: "auth0",
            map: Sources {
                username: vec![
                    claim("username"),
                    ClaimPath::of(["preferred_username"]),
                    ClaimPath::of(["nickname"]),
                ],
                email: vec![claim("email"), ClaimPath::of(["email"])],
                name: vec![claim("name"), ClaimPath::of(["name"])],
                groups: Some(claim("groups")),
                roles: vec![RoleSource { path: claim("roles"), client: None }],
                ..generic.map
            },
            rules: generic.rules,
        }
    }

    /// Google: ID tokens, whose issuer is written with or without `https://`. They have no groups.
    #[must_use]
    pub fn google() -> Self {
        let generic = Self::generic();
        Self {
            name: "google",
            map: Sources { username: paths(["email"]), roles: Vec::new(), ..generic.map },
            rules: Rules {
                issuer: IssuerRule::Also(&["accounts.google.com", "https://accounts.google.com"]),
                kind: TokenKind::Id,
                kind_claim: None,
                ..generic.rules
            },
        }
    }

    /// The assertion that Open WebUI sends in `X-OpenWebUI-User-Jwt`: HS256, with `role`, without `aud`.
    ///
    /// # Security
    ///
    /// Without an audience, whoever receives such an assertion can pass it on to everybody else who has the
    /// same secret. Use a secret of its own for each pair of Open WebUI and gateway.
    #[must_use]
    pub fn open_webui() -> Self {
        let generic = Self::generic();
        Self {
            name: "open-webui",
            map: Sources {
                username: paths(["email"]),
                roles: vec![RoleSource { path: ClaimPath::of(["role"]), client: None }],
                ..generic.map
            },
            rules: Rules {
                audience: false,
                shared_secret: true,
                kind_claim: None,
                ..generic.rules
            },
        }
    }

    /// The name in a configuration: `entra`, `keycloak`, `okta`, `auth0`, `google`, `open-webui`, `generic`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// What a token of this issuer may be signed with, unless a list is given.
    pub(super) fn default_algorithms(&self) -> Vec<Algorithm> {
        if self.rules.shared_secret { vec![Algorithm::Hs256] } else { Algorithm::PUBLIC.to_vec() }
    }
}

impl FromStr for Profile {
    type Err = UnknownProfile;

    /// The profile of that name. `auth0` has no namespace then: name its claims in a
    /// [`ClaimMap`](crate::ClaimMap).
    fn from_str(name: &str) -> Result<Self, UnknownProfile> {
        Ok(match name {
            "entra" => Self::entra(),
            "keycloak" => Self::keycloak(),
            "okta" => Self::okta(),
            "auth0" => Self::auth0(""),
            "google" => Self::google(),
            "open-webui" => Self::open_webui(),
            "generic" => Self::generic(),
            _ => return Err(UnknownProfile),
        })
    }
}

fn paths<const N: usize>(names: [&str; N]) -> Vec<ClaimPath> {
    names.into_iter().map(|name| ClaimPath::of([name])).collect()
}
