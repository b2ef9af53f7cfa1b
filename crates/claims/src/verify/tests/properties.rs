use proptest::prelude::*;
use serde_json::json;

use super::mint::*;
use crate::verify::ClaimPath;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn no_text_becomes_a_user(text in "[A-Za-z0-9_.-]{0,200}|.{0,60}") {
        prop_assert!(verify(&verifier(), &text).is_err());
    }

    #[test]
    fn no_header_and_no_payload_make_it_panic(header in ".{0,80}", payload in ".{0,80}") {
        let _ = verify(&verifier(), &token(&header, &payload));
    }

    #[test]
    fn whatever_is_changed_is_noticed(
        at in any::<prop::sample::Index>(),
        byte in "[A-Za-z0-9_.=-]",
        algorithm in "RS256|ES256|EdDSA",
    ) {
        let good = mint(&algorithm, &claims());
        let mut changed = good.clone();
        let at = at.index(good.len());
        changed.replace_range(at..=at, &byte);
        prop_assume!(changed != good);
        prop_assert!(verify(&verifier(), &changed).is_err());
    }

    #[test]
    fn only_the_right_audience_issuer_and_time_are_accepted(
        issuer in prop_oneof![3 => Just(ISSUER.to_owned()), 1 => "https://idp[.]example.{0,2}"],
        audiences in prop::collection::vec(prop_oneof![Just(AUDIENCE.to_owned()), "[a-z]{0,5}"], 0..4),
        expiry in NOW - 200..NOW + 200,
        not_before in NOW - 200..NOW + 200,
    ) {
        let changes = json!({
            "iss": issuer, "aud": audiences, "exp": expiry, "nbf": not_before, "iat": NOW - 500,
        });
        let accepted = verify(&verifier(), &mint("EdDSA", &claims_with(changes))).is_ok();
        let right = issuer == ISSUER
            && audiences.iter().any(|audience| audience == AUDIENCE)
            && NOW < expiry + 60
            && not_before <= NOW + 60;
        prop_assert_eq!(accepted, right);
    }

    #[test]
    fn a_claim_path_reads_back(names in prop::collection::vec(".{1,6}", 1..4)) {
        let pointer: String =
            names.iter().map(|name| format!("/{}", name.replace('~', "~0").replace('/', "~1"))).collect();
        let path: ClaimPath = pointer.parse().unwrap();
        prop_assert_eq!(path.to_string(), pointer);
    }
}
