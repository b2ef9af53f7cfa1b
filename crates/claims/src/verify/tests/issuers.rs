use std::time::Duration;

use bonafide_jwks::Algorithm;

use super::mint::*;
use crate::verify::{BuildError, Profile, Verifier};

#[test]
fn terms_that_are_not_safe_are_refused() {
    let name = || ISSUER.parse().unwrap();
    let template = || issuer("https://login.example/{tenantid}/v2.0").with_audience(AUDIENCE);
    let with_audience = || issuer(ISSUER).with_audience(AUDIENCE);
    let directories = || Profile::entra_directories(["d".parse().unwrap()]);
    for (builder, expected) in [
        (issuer(ISSUER), BuildError::NoAudience { issuer: name() }),
        (issuer(ISSUER).with_audience(""), BuildError::EmptyAudience { issuer: name() }),
        (with_audience().with_algorithms([]), BuildError::NoAlgorithm { issuer: name() }),
        (
            with_audience().with_algorithms([Algorithm::Rs256, Algorithm::Hs256]),
            BuildError::MixedAlgorithms { issuer: name() },
        ),
        (
            with_audience().with_leeway(Duration::from_secs(301)),
            BuildError::Leeway { issuer: name() },
        ),
        (with_audience().with_profile(directories()), BuildError::Directories { issuer: name() }),
    ] {
        assert_eq!(builder.build().unwrap_err(), expected);
    }
    let unfit = [
        template(),
        template().with_profile(Profile::entra()),
        template().with_profile(Profile::entra_directories([])),
    ];
    for builder in unfit {
        assert!(matches!(builder.build(), Err(BuildError::Directories { .. })));
    }
    assert!(template().with_profile(directories()).build().is_ok());
}

#[test]
fn a_verifier_has_issuers_and_none_twice() {
    assert_eq!(Verifier::builder().build().unwrap_err(), BuildError::NoIssuer);
    let build =
        |builder: crate::TrustedIssuerBuilder| builder.with_audience(AUDIENCE).build().unwrap();
    let twice = |one, two| {
        Verifier::builder().with_issuer(build(one)).with_issuer(build(two)).build().map(drop)
    };
    let repeated = |name: &str| Err(BuildError::RepeatedIssuer { issuer: name.parse().unwrap() });
    assert_eq!(twice(issuer(ISSUER), issuer(ISSUER)), repeated(ISSUER));
    assert_eq!(twice(issuer(ISSUER), issuer("https://idp.example/")), Ok(()));
    let google = || issuer("https://accounts.google.com").with_profile(Profile::google());
    assert_eq!(twice(google(), issuer("accounts.google.com")), repeated("accounts.google.com"));
    let template = || {
        let profile = Profile::entra_directories(["d".parse().unwrap()]);
        issuer("https://login.example/{tenantid}/v2.0").with_profile(profile)
    };
    assert_eq!(twice(template(), template()), repeated("https://login.example/{tenantid}/v2.0"));
}

#[test]
fn the_issuers_are_listed_in_their_order() {
    let build = |name| issuer(name).with_audience(AUDIENCE).build().unwrap();
    let verifier =
        Verifier::builder().with_issuer(build("b")).with_issuer(build("a")).build().unwrap();
    assert_eq!(verifier.issuers().map(|it| it.issuer().as_str()).collect::<Vec<_>>(), ["b", "a"]);
}

#[test]
fn clients_are_sent_to_issuers_that_exist() {
    let servers = |builder: crate::TrustedIssuerBuilder| {
        let trusted = builder.with_audience(AUDIENCE).build().unwrap();
        let servers = trusted.authorization_servers();
        servers.iter().map(|server| server.as_str().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(servers(issuer(ISSUER)), [ISSUER]);
    let directories = ["b", "a"].map(|directory| directory.parse().unwrap());
    let entra = issuer("https://login.example/{tenantid}/v2.0")
        .with_profile(Profile::entra_directories(directories));
    assert_eq!(servers(entra), ["https://login.example/a/v2.0", "https://login.example/b/v2.0"]);
    let google = issuer("accounts.google.com").with_profile(Profile::google());
    assert_eq!(servers(google), ["https://accounts.google.com"]);
    assert!(servers(issuer("open-webui")).is_empty());
    let shared = issuer("https://webui.example").with_profile(Profile::open_webui());
    assert!(servers(shared).is_empty());
}
