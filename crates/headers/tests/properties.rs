//! What holds for any values: a rendered header reads back as the values that went in, and a refusal has a reason.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "this is a test")]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bonafide_headers::{Builtin, RenderError, Templates, ValueProblem, Values, Variable};
use http::HeaderValue;
use proptest::prelude::*;

const PREFIX: &str = "before ";
const SUFFIX: &str = " after";

/// Texts of every kind that peers get wrong, beside arbitrary ones.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[ -~]{0,12}",
        2 => "\\PC{0,8}",
        1 => any::<String>(),
        1 => "(\\$\\{KEY\\}|\\$<KEY>|\\$\\$|\\{\\{USER\\}\\}|[:;,\"\\\\]|=\\?base64\\?|\\?=|QQ==| |a){0,6}",
        1 => "[a-z]{0,3}[\r\n\0\t\u{7f}\u{85}][a-z]{0,3}",
    ]
}

fn render(
    template: &str,
    values: impl FnOnce(Values) -> Values,
) -> Result<HeaderValue, RenderError> {
    let open = Variable::builder("OPEN".parse().unwrap()).with_secret(false).build().unwrap();
    let templates = Templates::builder()
        .with_variable(Variable::new("KEY".parse().unwrap()))
        .with_variable(Variable::new("PASS".parse().unwrap()))
        .with_variable(open)
        .with_header("X-Test", template)
        .build()
        .unwrap_or_else(|errors| panic!("{errors:#}"));
    let mut headers = templates.render(&values(Values::new(&templates)))?;
    Ok(headers.remove("x-test").unwrap())
}

fn with(set: &[(&str, &str)]) -> impl FnOnce(Values) -> Values {
    move |mut values| {
        set.iter().for_each(|(name, value)| assert!(values.set(name, (*value).into())));
        values
    }
}

/// The header as text, between what the template says literally.
fn between(value: &HeaderValue) -> String {
    let text = value.to_str().expect("visible ASCII only");
    assert!(!text.chars().any(char::is_control));
    text.strip_prefix(PREFIX).unwrap().strip_suffix(SUFFIX).unwrap().to_owned()
}

fn around(placeholder: &str) -> String {
    format!("{PREFIX}{placeholder}{SUFFIX}")
}

/// As MCP 2026-07-28 has it.
fn decoded(text: &str) -> String {
    let inner = text.strip_prefix("=?base64?").and_then(|rest| rest.strip_suffix("?="));
    inner.map_or(text.to_owned(), |inner| {
        String::from_utf8(STANDARD.decode(inner).unwrap()).unwrap()
    })
}

fn is_blank(text: &str) -> bool {
    text.trim().is_empty()
}

fn has_control(text: &str) -> bool {
    text.chars().any(char::is_control)
}

/// The refusals that all kinds of placeholders share; `None` if the value is in order so far.
fn common_refusal(texts: &[&str], error: &RenderError) -> bool {
    match error {
        RenderError::Missing(_) => texts.iter().any(|text| is_blank(text)),
        RenderError::Value { problem: ValueProblem::ControlCharacter, .. } => {
            texts.iter().any(|text| has_control(text))
        }
        _ => false,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn a_secret_arrives_unaltered_or_not_at_all(key in text()) {
        match render(&around("${KEY}"), with(&[("KEY", &key)])) {
            Ok(value) => {
                prop_assert!(value.is_sensitive());
                prop_assert_eq!(between(&value), key);
            }
            Err(RenderError::Value { problem: ValueProblem::NotAscii, .. }) => prop_assert!(!key.is_ascii()),
            Err(RenderError::Value { problem: ValueProblem::OuterSpace, .. }) => prop_assert_ne!(key.trim(), &key),
            Err(error) => prop_assert!(common_refusal(&[&key], &error), "{} {:?}", error, key),
        }
    }

    #[test]
    fn an_open_text_reads_back(text in text()) {
        for template in [around("${OPEN}"), "${OPEN}".to_owned()] {
            match render(&template, with(&[("OPEN", &text)])) {
                Ok(value) if template == "${OPEN}" => prop_assert_eq!(decoded(value.to_str().unwrap()), text.clone()),
                Ok(value) => prop_assert_eq!(decoded(&between(&value)), text.clone()),
                Err(error) => prop_assert!(common_refusal(&[&text], &error), "{} {:?}", error, text),
            }
        }
    }

    #[test]
    fn basic_reads_back_as_the_same_two(user in text(), password in text()) {
        match render(&around("${basic(KEY, PASS)}"), with(&[("KEY", &user), ("PASS", &password)])) {
            Ok(value) => {
                prop_assert!(value.is_sensitive());
                let pair = String::from_utf8(STANDARD.decode(between(&value)).unwrap()).unwrap();
                prop_assert_eq!(pair.split_once(':').unwrap(), (user.as_str(), password.as_str()));
            }
            Err(RenderError::Value { problem: ValueProblem::ColonInUserId, .. }) => prop_assert!(user.contains(':')),
            Err(error) => prop_assert!(common_refusal(&[&user, &password], &error)),
        }
    }

    #[test]
    fn base64_reads_back(key in text()) {
        match render(&around("${base64(KEY)}"), with(&[("KEY", &key)])) {
            Ok(value) => prop_assert_eq!(STANDARD.decode(between(&value)).unwrap(), key.as_bytes()),
            Err(error) => prop_assert!(common_refusal(&[&key], &error)),
        }
    }

    #[test]
    fn a_json_list_reads_back_as_the_same_items(items in proptest::collection::vec(text(), 0..5)) {
        let list = items.clone();
        match render(&around("${json(groups)}"), |values| values.with_list(Builtin::Groups, list)) {
            Ok(value) => {
                let read: Vec<String> = serde_json::from_str(&between(&value)).unwrap();
                prop_assert_eq!(read, items);
            }
            Err(error) => {
                prop_assert!(items.iter().any(|item| has_control(item)), "{}", error);
            }
        }
    }

    #[test]
    fn a_joined_list_splits_into_the_same_items(
        items in proptest::collection::vec(text(), 0..5),
        separator in prop_oneof![Just(";"), Just(", "), Just("|")],
    ) {
        let list = items.clone();
        let template = around(&format!("${{join(groups, '{separator}')}}"));
        match render(&template, |values| values.with_list(Builtin::Groups, list)) {
            Ok(value) => {
                let read = decoded(&between(&value));
                prop_assert_eq!(read.split(separator).collect::<Vec<_>>(), items);
            }
            Err(error) => {
                let bad = |item: &String| has_control(item) || is_blank(item) || item.contains(separator);
                prop_assert!(items.is_empty() || items.iter().any(bad), "{} {:?}", error, items);
            }
        }
    }

    #[test]
    fn a_claim_reads_back_as_json(
        number in any::<i64>(),
        flag in any::<bool>(),
        text in "[^\\p{Cc}]{1,8}",
        name in "[^\\p{Cc}]{1,8}",
    ) {
        let claim = serde_json::json!({ name: [number, flag, text, null, { "x": 1.5 }] });
        let claims = serde_json::json!({ "c": claim });
        let claims = claims.as_object().unwrap().clone();
        let value = render(&around("${json(claims.c)}"), |values| values.with_claims(claims)).unwrap();
        prop_assert!(!value.is_sensitive());
        prop_assert_eq!(serde_json::from_str::<serde_json::Value>(&between(&value)).unwrap(), claim);
    }

    #[test]
    fn every_byte_comes_from_the_template_or_its_own_values(
        key in "[!-~]([ -~]{0,8}[!-~])?",
        pass in "[!-~]([ -~]{0,8}[!-~])?",
        literals in proptest::array::uniform3("[!-#%-~]{1,6}"),
    ) {
        let [first, second, third] = &literals;
        let template = format!("{first}${{KEY}}{second}$<PASS>{third}");
        match render(&template, with(&[("KEY", &key), ("PASS", &pass)])) {
            Ok(value) => {
                let expected = format!("{first}{key}{second}{pass}{third}");
                prop_assert_eq!(value.to_str().unwrap(), expected);
            }
            Err(error) => prop_assert!(matches!(error, RenderError::Header { .. }), "{}", error),
        }
    }

    #[test]
    fn errors_never_show_a_value(tail in text()) {
        let value = format!("c4n4ry{tail}");
        for template in ["${KEY}", "${basic(KEY, PASS)}", "${json(KEY)}", "${OPEN} ${PASS}"] {
            if let Err(error) = render(template, with(&[("KEY", &value), ("OPEN", &value)])) {
                let shown = format!("{error} {error:?}");
                prop_assert!(!shown.contains("c4n4ry"));
            }
        }
    }
}
