use futures_util::FutureExt;

use super::world::*;
use crate::remote::RemoteKeysBuilder;
use crate::{EndpointError, FetchError, KeySource, Reach, RemoteKeys, Zone};

fn failure(keys: &RemoteKeys) -> String {
    let error = keys.refresh(None).now_or_never().unwrap().unwrap_err();
    let source = std::error::Error::source(&error).unwrap();
    format!("{:?}", source.downcast_ref::<FetchError>().unwrap())
}

#[test]
fn rfc_8414_is_the_second_place_to_look() {
    let world = World::new();
    world.serve(&["a"]);
    world.on(CONFIGURATION, [status(404)]);
    let second = "https://idp.example/.well-known/oauth-authorization-server";
    world.on(second, [ok(configuration(KEYS))]);
    assert!(look_up(&world.keys(), "a").unwrap().unwrap());
    assert_eq!(world.requests(), [CONFIGURATION, second, KEYS]);
}

#[test]
fn a_server_error_sends_nobody_to_the_second_place() {
    let world = World::new();
    world.on(CONFIGURATION, [status(503)]);
    assert_eq!(failure(&world.keys()), "Status(503)");
    assert_eq!(world.requests(), [CONFIGURATION]);
}

#[test]
fn the_document_of_another_issuer_is_not_used() {
    for issuer in ["https://idp.example/", "https://IDP.example", "https://evil.example"] {
        let world = World::new();
        world.serve(&["a"]);
        let document = configuration(KEYS).replace(ISSUER, issuer);
        world.on(CONFIGURATION, [ok(document)]);
        assert_eq!(failure(&world.keys()), "WrongIssuer", "{issuer}");
        assert_eq!(world.fetches(), 0);
    }
}

#[test]
fn an_issuer_for_several_directories_names_its_template() {
    let world = World::new();
    world.serve(&["a"]);
    let template = "https://login.example/{tenantid}/v2.0";
    world.on(
        "https://login.example/organizations/v2.0/.well-known/openid-configuration",
        [ok(format!(r#"{{"issuer":"{template}","jwks_uri":"{KEYS}"}}"#))],
    );
    let keys = RemoteKeys::discover("https://login.example/organizations/v2.0")
        .with_document_issuer(template);
    assert!(look_up(&world.build(keys), "a").unwrap().unwrap());
}

#[test]
fn redirects_are_followed_three_times() {
    let world = World::new();
    world.on(KEYS, [redirect("/1")]);
    world.on("https://idp.example/1", [redirect("/2")]);
    world.on("https://idp.example/2", [redirect("/3")]);
    world.on("https://idp.example/3", [ok(jwks(&["a"]))]);
    assert!(look_up(&world.build(RemoteKeys::at(KEYS)), "a").unwrap().unwrap());

    world.on("https://idp.example/3", [redirect("/4")]);
    world.on("https://idp.example/4", [ok(jwks(&["a"]))]);
    assert_eq!(failure(&world.build(RemoteKeys::at(KEYS))), "Redirect");
}

/// What becomes of a `jwks_uri` or a redirect that leads to `url`, for an issuer that answered at `home`.
fn learnt(url: &str, home: Option<&str>) -> [String; 2] {
    let outcome = |world: std::sync::Arc<World>, builder: RemoteKeysBuilder| {
        world.on(url, [ok(jwks(&["a"]))]);
        if let Some(home) = home {
            world.at(home);
        }
        let keys = world.build(builder);
        match keys.refresh(None).now_or_never().unwrap() {
            Ok(_) => "fetched".to_owned(),
            Err(_) => {
                assert!(!world.requests().iter().any(|sent| sent == url), "{url} was asked");
                failure(&keys)
            }
        }
    };
    let discovered = World::new();
    discovered.on(CONFIGURATION, [ok(configuration(url))]);
    let redirected = World::new();
    redirected.on(KEYS, [redirect(url)]);
    [outcome(discovered, RemoteKeys::discover(ISSUER)), outcome(redirected, RemoteKeys::at(KEYS))]
}

#[test]
fn a_learnt_url_obeys_the_rules() {
    for (url, home, expected) in [
        ("https://8.8.8.8/keys", None, "fetched"),
        ("https://keys.example/keys", None, "fetched"),
        ("http://keys.example/keys", None, "Endpoint(NotHttps)"),
        ("https://u:p@keys.example/keys", None, "Endpoint(Credentials)"),
        ("https://127.0.0.1/keys", None, "Address"),
        ("https://10.0.0.1/keys", None, "Address"),
        ("https://169.254.169.254/latest", None, "Address"),
        ("https://[::1]/keys", None, "Address"),
        ("https://[::ffff:10.0.0.1]/keys", None, "Address"),
        ("https://[::ffff:a9fe:a9fe]/keys", None, "Address"),
        ("https://[fe80::1]/keys", None, "Address"),
        ("https://2130706433/keys", None, "Address"),
        ("https://0x7f.1/keys", None, "Address"),
        ("https://10.0.0.1/keys", Some("10.9.9.9"), "fetched"),
        ("https://169.254.169.254/latest", Some("10.9.9.9"), "Address"),
        ("https://127.0.0.1/keys", Some("10.9.9.9"), "Address"),
        ("https://10.0.0.1/keys", Some("93.184.216.34"), "Address"),
    ] {
        assert_eq!(learnt(url, home), [expected, expected], "{url} from {home:?}");
    }
}

#[test]
fn a_learnt_name_is_resolved_within_reach() {
    for (home, reach) in [
        (None, Reach::PUBLIC),
        (Some("93.184.216.34"), Reach::public_and(Zone::Public)),
        (Some("10.9.9.9"), Reach::public_and(Zone::Private)),
    ] {
        let world = World::new();
        world.on(CONFIGURATION, [ok(configuration("https://keys.example/"))]);
        world.on("https://keys.example/", [ok(jwks(&["a"]))]);
        if let Some(home) = home {
            world.at(home);
        }
        assert!(look_up(&world.keys(), "a").unwrap().unwrap());
        assert_eq!(world.last_limits().reach, reach, "{home:?}");
    }
}

#[test]
fn a_configured_host_may_be_anywhere() {
    let world = World::new();
    world.on("https://10.0.0.1/keys", [ok(jwks(&["a"]))]);
    let keys = world.build(RemoteKeys::at("https://10.0.0.1/keys"));
    assert!(look_up(&keys, "a").unwrap().unwrap());
    assert_eq!(world.last_limits().reach, Reach::ANYWHERE);
}

#[test]
fn a_redirect_never_leaves_https() {
    let world = World::new();
    world.on("https://127.0.0.1/keys", [redirect("http://127.0.0.1/keys")]);
    let keys = world.build(RemoteKeys::at("https://127.0.0.1/keys"));
    assert_eq!(failure(&keys), format!("Endpoint({:?})", EndpointError::NotHttps));
}
