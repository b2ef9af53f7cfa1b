//! Held against `serde_json`, which accepts more.

use proptest::prelude::*;
use serde_json::{Map, Value as Theirs};

use super::{Object, Value, parse};
use crate::KeySet;

fn any_json() -> impl Strategy<Value = Theirs> {
    let leaf = prop_oneof![
        Just(Theirs::Null),
        any::<bool>().prop_map(Theirs::from),
        any::<u64>().prop_map(Theirs::from),
        any::<i64>().prop_map(Theirs::from),
        (-1e9..1e9).prop_map(Theirs::from),
        ".{0,8}".prop_map(Theirs::from),
    ];
    leaf.prop_recursive(4, 64, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Theirs::from),
            prop::collection::btree_map(".{0,4}", inner, 0..8)
                .prop_map(|members| Theirs::Object(members.into_iter().collect())),
        ]
    })
}

fn any_object() -> impl Strategy<Value = Map<String, Theirs>> {
    prop::collection::btree_map(".{0,4}", any_json(), 0..60)
        .prop_map(|members| members.into_iter().collect())
}

fn same(ours: &Value<'_>, theirs: &Theirs) -> bool {
    match (ours, theirs) {
        (Value::Null, Theirs::Null) => true,
        (Value::Bool(ours), Theirs::Bool(theirs)) => ours == theirs,
        (Value::Unsigned(ours), theirs) => theirs.as_u64() == Some(*ours),
        (Value::Float(ours), Theirs::Number(theirs)) => theirs.as_f64() == Some(*ours),
        (Value::String(ours), Theirs::String(theirs)) => ours == theirs,
        (Value::Array(ours), Theirs::Array(theirs)) => {
            ours.len() == theirs.len()
                && ours.iter().zip(theirs).all(|(ours, theirs)| same(ours, theirs))
        }
        (Value::Object(ours), Theirs::Object(theirs)) => same_object(ours, theirs),
        _ => false,
    }
}

fn same_object(ours: &Object<'_>, theirs: &Map<String, Theirs>) -> bool {
    ours.len() == theirs.len()
        && theirs.iter().all(|(name, theirs)| ours.get(name).is_some_and(|ours| same(ours, theirs)))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_says_everything_once_is_read_as_it_is(object in any_object()) {
        let text = Theirs::Object(object).to_string();
        // Read back, since `serde_json` does not keep the last digit of every number.
        let theirs: Map<String, Theirs> = serde_json::from_str(&text).unwrap();
        prop_assert!(same_object(&parse(text.as_bytes()).unwrap(), &theirs), "{}", text);
    }

    #[test]
    fn what_is_accepted_is_json(text in r#"[{}\[\]",:a0\\u1-]{0,40}"#) {
        if let Ok(ours) = parse(text.as_bytes()) {
            let theirs: Map<String, Theirs> = serde_json::from_str(&text).unwrap();
            prop_assert!(same_object(&ours, &theirs), "{}", text);
        }
    }

    #[test]
    fn a_member_that_is_repeated_is_found(object in any_object(), at in any::<prop::sample::Index>()) {
        prop_assume!(!object.is_empty());
        let name = object.keys().nth(at.index(object.len())).unwrap();
        let text = Theirs::Object(object.clone()).to_string();
        let again = serde_json::to_string(name).unwrap();
        let text = format!("{},{again}:0}}", text.strip_suffix('}').unwrap());
        prop_assert!(parse(text.as_bytes()).is_err(), "{}", text);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse(&bytes);
        let _ = KeySet::from_jwks(&bytes);
    }

    #[test]
    fn no_members_make_a_key_set_panic(members in any_object(), kty in "RSA|EC|OKP|oct|x") {
        let mut key = members;
        key.insert("kty".into(), kty.into());
        let text = serde_json::json!({"keys": [key]}).to_string();
        let _ = KeySet::from_jwks(text.as_bytes());
    }
}
