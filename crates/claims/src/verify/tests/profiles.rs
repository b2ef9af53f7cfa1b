use std::sync::Arc;

use bonafide_jwks::StaticKeys;
use serde_json::{Value, json};

use super::mint::*;
use super::refuses::refusal;
use crate::verify::{ClaimMap, Profile, TrustedIssuer, Verifier};
use crate::{Groups, TokenKind, UnknownGroups, VerifiedUser};

const TID: &str = "7f9e0000-0000-0000-0000-000000000001";
const OTHER: &str = "7f9e0000-0000-0000-0000-000000000002";

fn with(issuer_name: &str, profile: Profile) -> Verifier {
    verifier_of(issuer(issuer_name).with_audience(AUDIENCE).with_profile(profile))
}

fn user(verifier: &Verifier, claims: &Value) -> VerifiedUser {
    verify(verifier, &mint("RS256", claims)).unwrap()
}

fn base(issuer: &str, changes: Value) -> Value {
    merge(json!({"iss": issuer, "aud": AUDIENCE, "exp": NOW + 300, "sub": "pairwise"}), changes)
}

fn entra(tid: &str, changes: Value) -> Value {
    let issuer = format!("https://login.microsoftonline.com/{tid}/v2.0");
    base(
        &issuer,
        merge(json!({"tid": tid, "oid": "object", "preferred_username": "ada@x"}), changes),
    )
}

#[test]
fn entra_users_are_directory_and_object() {
    let issuer = format!("https://login.microsoftonline.com/{TID}/v2.0");
    let verifier = with(&issuer, Profile::entra());
    let user =
        user(&verifier, &entra(TID, json!({"groups": ["g1"], "roles": ["r"], "scp": "a b"})));
    assert_eq!(user.id().parts(), [&issuer, TID, "object"]);
    assert_eq!(user.username(), Some("ada@x"));
    assert!(user.scopes().contains("a") && user.scopes().contains("b"));
    for (changes, expected) in [
        (json!({"oid": null}), "Missing(claim: Subject)"),
        (json!({"tid": null}), "Missing(claim: Directory)"),
        (json!({"tid": ""}), "Malformed(claim: Directory)"),
        (json!({"tid": [TID]}), "Malformed(claim: Directory)"),
        (json!({"tid": OTHER}), "DirectoryNotAllowed"),
    ] {
        let token = mint("RS256", &entra(TID, changes.clone()));
        assert_eq!(refusal(&verifier, &token), expected, "{changes}");
    }
}

#[test]
fn entra_tokens_of_version_1_are_read_too() {
    let issuer = format!("https://sts.windows.net/{TID}/");
    let verifier = with(&issuer, Profile::entra());
    let claims = json!({"iss": issuer, "preferred_username": null, "upn": "ada@x", "appid": "app"});
    let user = user(&verifier, &entra(TID, claims));
    assert_eq!((user.username(), user.client_id()), (Some("ada@x"), Some("app")));
}

fn several() -> Verifier {
    let allowed = Profile::entra_directories([TID.parse().unwrap()]);
    with("https://login.microsoftonline.com/{tenantid}/v2.0", allowed)
}

#[test]
fn entra_for_several_directories_takes_those_on_the_list() {
    let issuer = format!("https://login.microsoftonline.com/{TID}/v2.0");
    assert_eq!(user(&several(), &entra(TID, json!({}))).id().parts(), [&issuer, TID, "object"]);
    let cut = format!("https://login.microsoftonline.com/{TID}");
    for (claims, expected) in [
        (entra(OTHER, json!({})), "DirectoryNotAllowed"),
        (entra(OTHER, json!({"tid": TID})), "DirectoryNotAllowed"),
        (entra(TID, json!({"tid": OTHER})), "DirectoryNotAllowed"),
        (entra(TID, json!({"tid": null})), "Missing(claim: Directory)"),
        (entra(TID, json!({"tid": "{tenantid}"})), "DirectoryNotAllowed"),
        (entra("{tenantid}", json!({})), "DirectoryNotAllowed"),
        (entra(TID, json!({"iss": cut})), "UnknownIssuer"),
        (entra(TID, json!({"iss": "https://login.microsoftonline.com//v2.0"})), "UnknownIssuer"),
        (entra(&format!("{TID}/v2.0/{TID}"), json!({"tid": TID})), "DirectoryNotAllowed"),
        (entra(&format!("evil/{TID}"), json!({})), "Malformed(claim: Directory)"),
    ] {
        assert_eq!(refusal(&several(), &mint("RS256", &claims)), expected, "{claims}");
    }
}

#[test]
fn entra_keys_sign_for_their_issuer_only() {
    let mut jwk = keys().rsa_jwk();
    let sign = |verifier: &Verifier, claims: &Value| refusal(verifier, &mint("RS256", claims));
    let v1 = format!("https://sts.windows.net/{TID}/");
    for (of_key, v2_token, v1_token) in [
        (json!("https://login.microsoftonline.com/{tenantid}/v2.0"), "accepted", "accepted"),
        (json!(format!("https://login.microsoftonline.com/{TID}/v2.0")), "accepted", "accepted"),
        (
            json!(format!("https://login.microsoftonline.com/{OTHER}/v2.0")),
            "KeyOfAnotherIssuer",
            "KeyOfAnotherIssuer",
        ),
        (json!("https://evil.example/{tenantid}/v2.0"), "KeyOfAnotherIssuer", "KeyOfAnotherIssuer"),
        (json!(v1), "KeyOfAnotherIssuer", "accepted"),
    ] {
        jwk["issuer"] = of_key.clone();
        let source = StaticKeys::from_jwks(json!({"keys": [jwk]}).to_string()).unwrap();
        let source = Arc::new(source);
        let build = |name: &str| {
            let issuer = TrustedIssuer::builder(name.parse().unwrap(), source.clone());
            verifier_of(issuer.with_audience(AUDIENCE).with_profile(Profile::entra()))
        };
        let v2 = format!("https://login.microsoftonline.com/{TID}/v2.0");
        assert_eq!(sign(&build(&v2), &entra(TID, json!({}))), v2_token, "{of_key}");
        assert_eq!(sign(&build(&v1), &entra(TID, json!({"iss": v1}))), v1_token, "{of_key}");
    }
}

#[test]
fn groups_are_known_or_it_is_known_why_not() {
    let verifier = verifier();
    let groups = |changes: Value| user(&verifier, &claims_with(changes)).groups().clone();
    let unknown = Groups::Unknown;
    for (changes, expected) in [
        (json!({"groups": null}), unknown(UnknownGroups::Absent)),
        (json!({"groups": []}), Groups::Known([].into_iter().collect())),
        (
            json!({"groups": ["a", "a"]}),
            Groups::Known(["a".parse().unwrap()].into_iter().collect()),
        ),
        (json!({"groups": "a"}), unknown(UnknownGroups::WrongType)),
        (json!({"groups": {"a": true}}), unknown(UnknownGroups::WrongType)),
        (json!({"groups": ["a", 5]}), unknown(UnknownGroups::WrongType)),
        (json!({"groups": ["a", ""]}), unknown(UnknownGroups::WrongType)),
        (json!({"groups": ["a", "b\n"]}), unknown(UnknownGroups::WrongType)),
        (json!({"groups": ["a", null]}), unknown(UnknownGroups::WrongType)),
        (
            json!({"groups": null, "_claim_names": {"groups": "src1"}}),
            unknown(UnknownGroups::Overage),
        ),
        (
            json!({"groups": ["a"], "_claim_names": {"groups": "x"}}),
            unknown(UnknownGroups::Overage),
        ),
        (json!({"groups": ["a"], "_claim_names": "groups"}), unknown(UnknownGroups::Overage)),
        (json!({"groups": null, "hasgroups": true}), unknown(UnknownGroups::Overage)),
        (json!({"groups": null, "hasgroups": "true"}), unknown(UnknownGroups::Overage)),
        (json!({"groups": null, "hasgroups": false}), unknown(UnknownGroups::Absent)),
        (json!({"groups": null, "_claim_names": {"other": "x"}}), unknown(UnknownGroups::Absent)),
    ] {
        assert_eq!(groups(changes.clone()), expected, "{changes}");
    }
}

#[test]
fn keycloak_tells_its_tokens_apart_and_its_clients_roles() {
    let realm = "https://kc.example/realms/a";
    let claims = |changes: Value| {
        let roles = json!({
            "typ": "Bearer", "groups": ["/staff/eng", "/staff"], "realm_access": {"roles": ["user"]},
            "resource_access": {"gate": {"roles": ["admin"]}, "account": {"roles": ["manage"]}},
        });
        base(realm, merge(roles, changes))
    };
    let verifier = with(realm, Profile::keycloak().with_client_roles("gate"));
    let user = user(&verifier, &claims(json!({})));
    assert!(user.roles().contains("user") && user.roles().contains("gate:admin"));
    assert!(!user.roles().contains("admin") && !user.roles().contains("manage"));
    assert!(user.groups().known().unwrap().contains("/staff/eng"));
    for (changes, expected) in [
        (json!({"typ": "ID"}), r#"WrongType(claim: "typ")"#),
        (json!({"typ": "Refresh"}), r#"WrongType(claim: "typ")"#),
        (json!({"typ": "DPoP"}), r#"WrongType(claim: "typ")"#),
        (json!({"typ": null}), r#"WrongType(claim: "typ")"#),
        (json!({"realm_access": {"roles": "admin"}}), "accepted"),
        (json!({"realm_access": {"roles": {"admin": 1}}}), "Malformed(claim: Roles)"),
    ] {
        assert_eq!(
            refusal(&verifier, &mint("RS256", &claims(changes.clone()))),
            expected,
            "{changes}"
        );
    }
    let id = issuer(realm).with_audience(AUDIENCE).with_profile(Profile::keycloak());
    let id = verifier_of(id.with_token_kind(TokenKind::Id));
    assert_eq!(refusal(&id, &mint("RS256", &claims(json!({})))), r#"WrongType(claim: "typ")"#);
    assert_eq!(refusal(&id, &mint("RS256", &claims(json!({"typ": "ID"})))), "accepted");
}

#[test]
fn okta_users_are_not_their_login() {
    let org = "https://example.okta.com/oauth2/default";
    let verifier = with(org, Profile::okta());
    let claims = base(
        org,
        json!({
            "sub": "ada@example.com", "uid": "00u1", "cid": "0oa1", "scp": ["mcp:read", "mcp:call"],
            "groups": ["Everyone"],
        }),
    );
    let user_ = user(&verifier, &claims);
    assert_eq!(user_.subject().as_str(), "00u1");
    assert_eq!((user_.username(), user_.client_id()), (Some("ada@example.com"), Some("0oa1")));
    assert!(user_.scopes().contains("mcp:call"));
    assert_eq!(user(&verifier, &base(org, json!({"sub": "0oa1"}))).subject().as_str(), "0oa1");
    let odd = base(org, json!({"uid": 5}));
    assert_eq!(refusal(&verifier, &mint("RS256", &odd)), "Malformed(claim: Subject)");
}

#[test]
fn auth0_claims_have_a_namespace() {
    let verifier = with("https://t.auth0.com/", Profile::auth0("https://example.com/"));
    let claims = base(
        "https://t.auth0.com/",
        json!({
            "sub": "auth0|1", "https://example.com/groups": ["a"], "https://example.com/roles": ["r"],
            "groups": ["not this"], "nickname": "ada", "azp": "client",
        }),
    );
    let user = user(&verifier, &claims);
    assert!(user.groups().known().unwrap().contains("a") && user.roles().contains("r"));
    assert_eq!((user.username(), user.client_id()), (Some("ada"), Some("client")));
}

#[test]
fn google_is_one_issuer_under_two_names() {
    let verifier = with("https://accounts.google.com", Profile::google());
    for name in ["https://accounts.google.com", "accounts.google.com"] {
        let claims = base(
            name,
            json!({"email": "ada@example.com", "email_verified": true, "azp": "android"}),
        );
        let user = user(&verifier, &claims);
        assert_eq!(user.id().parts(), ["https://accounts.google.com", "", "pairwise"]);
        assert_eq!(user.token_kind(), TokenKind::Id);
        assert_eq!(user.email(), Some("ada@example.com"));
        assert_eq!(user.groups(), &Groups::Unknown(UnknownGroups::Absent));
    }
}

#[test]
fn an_address_that_is_not_verified_is_not_shown() {
    let verifier = verifier();
    for (verified, expected) in [
        (json!(true), Some("ada@example.com")),
        (json!("true"), Some("ada@example.com")),
        (json!(null), Some("ada@example.com")),
        (json!(false), None),
        (json!("false"), None),
        (json!(0), None),
    ] {
        let user = user(&verifier, &claims_with(json!({"email_verified": verified.clone()})));
        assert_eq!(user.email(), expected, "{verified}");
    }
}

#[test]
fn single_claims_can_be_elsewhere() {
    let map = ClaimMap::new()
        .with_username("acct.login".parse().unwrap())
        .with_email("/acct/mail".parse().unwrap())
        .with_name("acct.display".parse().unwrap())
        .with_groups("https://example.com/teams".parse().unwrap())
        .with_roles("realm_access.roles".parse().unwrap());
    let verifier = verifier_of(issuer(ISSUER).with_audience(AUDIENCE).with_claim_map(map));
    let user = user(
        &verifier,
        &claims_with(json!({
            "acct": {"login": "l", "mail": "m", "display": "d"}, "https://example.com/teams": ["t"],
            "realm_access": {"roles": ["x"]},
        })),
    );
    assert_eq!((user.username(), user.email(), user.name()), (Some("l"), Some("m"), Some("d")));
    assert!(user.groups().known().unwrap().contains("t") && user.roles().contains("x"));
    assert!(!user.roles().contains("reader"));
}

#[test]
fn only_open_webui_does_without_an_audience() {
    for name in ["entra", "keycloak", "okta", "auth0", "google", "generic"] {
        let profile: Profile = name.parse().unwrap();
        assert_eq!(profile.name(), name);
        assert!(issuer(ISSUER).with_profile(profile).build().is_err(), "{name}");
    }
    let profile: Profile = "open-webui".parse().unwrap();
    assert!(issuer("open-webui").with_profile(profile).build().is_ok());
}
