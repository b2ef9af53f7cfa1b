use proptest::prelude::*;

use super::*;

#[test]
fn prints_the_canonical_spelling() {
    for (text, canonical) in [
        ("plain", "plain"),
        ("$<KEY>", "${KEY}"),
        ("${ KEY }", "${KEY}"),
        ("${KEY?}", "${KEY?}"),
        ("${KEY:-eu-1}", "${KEY:-eu-1}"),
        ("${KEY:-'a \"b\"'}", r#"${KEY:-"a \"b\""}"#),
        ("$<KEY:-a}b>", r#"${KEY:-"a}b"}"#),
        ("${basic( A ,'x\\\\')}", r#"${basic(A, "x\\")}"#),
        ("${join(groups,\";\")?}", r#"${join(groups, ";")?}"#),
        ("${claims.a-b.'c d'.'e'}", r#"${claims.a-b."c d".e}"#),
        ("$ $$ $x $$$$", "$$ $$ $$x $$$$"),
        ("$$${KEY}$$", "$$${KEY}$$"),
    ] {
        let template: Template = text.parse().unwrap();
        assert_eq!(template.to_string(), canonical, "{text}");
    }
}

#[test]
fn a_dollar_sign_that_opens_nothing_is_itself() {
    for (text, literal) in
        [("$", "$"), ("$x", "$x"), ("5$", "5$"), ("$$", "$"), ("$$$", "$$"), ("$${x}", "${x}")]
    {
        let Template { segments } = text.parse().unwrap();
        assert!(
            matches!(&segments[..], [Segment::Literal(found, _)] if found == literal),
            "{text}"
        );
    }
}

#[test]
fn shows_that_templates_differ() {
    let parse = |text: &str| text.parse::<Template>().unwrap();
    assert_eq!(parse("a ${X}"), parse("a $<X>"));
    for other in ["a ${Y}", "b ${X}", "a ${X?}", "a ${X:-b}", "a ${base64(X)}", "a $${X}"] {
        assert_ne!(parse("a ${X}"), parse(other));
    }
}

fn name() -> impl Strategy<Value = String> {
    let claim = proptest::collection::vec("[a-z-]{1,3}|[^\\p{Cc}]{1,4}", 1..3);
    let claim = claim.prop_map(|path| {
        let quoted = path
            .iter()
            .map(|name| format!(".\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\"")));
        format!("claims{}", quoted.collect::<String>())
    });
    prop_oneof!["[A-Za-z_][A-Za-z0-9_]{0,5}", Just("user.id".to_owned()), claim]
}

fn quoted() -> impl Strategy<Value = String> {
    "[ -~]{1,5}".prop_map(|text| format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'")))
}

fn template() -> impl Strategy<Value = String> {
    let expression = prop_oneof![
        name(),
        name().prop_map(|name| format!("json({name})")),
        name().prop_map(|name| format!("base64( {name} )")),
        (name(), quoted()).prop_map(|(name, text)| format!("basic({name}, {text})")),
        (name(), quoted()).prop_map(|(name, text)| format!("join({name},{text})")),
    ];
    let fallback = prop_oneof![
        Just(String::new()),
        Just("?".to_owned()),
        "[a-z]{1,3}".prop_map(|text| format!(":-{text}")),
        "[a-z$}>'\\\\ ]{0,3}x".prop_map(|text| { format!(":-\"{}\"", text.replace('\\', "\\\\")) }),
    ];
    let brackets = prop_oneof![Just(("${", "}")), Just(("$<", ">"))];
    let insert =
        (brackets, expression, fallback).prop_map(|((open, close), expression, fallback)| {
            format!("{open}{expression}{fallback}{close}")
        });
    let literal = "[!-#%-~$]{1,4}".prop_map(|text| text.replace('$', "$$"));
    proptest::collection::vec(prop_oneof![insert, literal], 1..5).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn printing_and_parsing_again_gives_the_same(text in template()) {
        let template = Template::parse(&text).map_err(|errors| TestCaseError::fail(format!("{errors:#}")))?;
        let printed = template.to_string();
        let again = Template::parse(&printed).map_err(|errors| TestCaseError::fail(format!("{errors:#}")))?;
        prop_assert_eq!(&template, &again);
        prop_assert_eq!(printed, again.to_string());
    }

    #[test]
    fn any_text_parses_or_says_where_not(text in "([ -~]|\\$\\{|\\$<|[}>?'\"(),.:-]|\\PC|\n){0,30}") {
        match Template::parse(&text) {
            Ok(template) => prop_assert_eq!(&Template::parse(&template.to_string()).unwrap(), &template),
            Err(errors) => for error in &errors {
                prop_assert!(text.get(error.span()).is_some());
                prop_assert!(!error.to_string().chars().any(char::is_control));
            },
        }
    }
}
