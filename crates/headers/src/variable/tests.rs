use super::*;

fn named(name: &str) -> VariableBuilder {
    Variable::builder(name.parse().unwrap())
}

#[test]
fn is_required_and_secret_unless_declared_otherwise() {
    let variable = named("TOKEN").build().unwrap();
    assert!(variable.is_required() && variable.is_secret());
    assert_eq!(variable, Variable::new("TOKEN".parse().unwrap()));
    assert_eq!(variable.title(), "TOKEN");
    let variable = named("REGION").with_required(false).with_secret(false).build().unwrap();
    assert!(!variable.is_required() && !variable.is_secret());
}

#[test]
fn checks_values() {
    let free = named("A").build().unwrap();
    let ruled = named("A").with_pattern("[a-z]+").with_min_length(2).with_max_length(4).build();
    let ruled = ruled.unwrap();
    let chosen = named("A").with_choices(["eu", "us"]).build().unwrap();
    let long = "x".repeat(Variable::MAX_VALUE_LEN + 1);
    for (variable, value, outcome) in [
        (&free, "ghp_abc $X ${Y} =?base64?QQ==?=", Ok(())),
        (&free, "schlüssel", Ok(())),
        (&free, "", Err(ValueError::Empty)),
        (&free, " \n\t", Err(ValueError::Empty)),
        (&free, "\u{a0}", Err(ValueError::Empty)),
        (&free, "abc\n", Err(ValueError::TrailingLineBreak)),
        (&free, "abc\r\n", Err(ValueError::TrailingLineBreak)),
        (&free, "a\nb", Err(ValueError::ControlCharacter)),
        (&free, "a\r\nSet-Cookie: b\n", Err(ValueError::ControlCharacter)),
        (&free, "a\0b", Err(ValueError::ControlCharacter)),
        (&free, "a\u{7f}", Err(ValueError::ControlCharacter)),
        (&free, "a\u{85}b", Err(ValueError::ControlCharacter)),
        (&free, "a\tb", Err(ValueError::ControlCharacter)),
        (&free, " abc", Err(ValueError::OuterSpace)),
        (&free, "abc ", Err(ValueError::OuterSpace)),
        (&free, long.as_str(), Err(ValueError::TooLong { max: Variable::MAX_VALUE_LEN })),
        (&ruled, "abc", Ok(())),
        (&ruled, "a", Err(ValueError::TooShort { min: 2 })),
        (&ruled, "abcde", Err(ValueError::TooLong { max: 4 })),
        (&ruled, "ab1", Err(ValueError::PatternMismatch)),
        (&chosen, "eu", Ok(())),
        (&chosen, "EU", Err(ValueError::NotAChoice)),
    ] {
        assert_eq!(variable.check(&value.into()), outcome, "{value:?}");
    }
}

#[test]
fn refuses_declarations_that_cannot_work() {
    let open = || named("A").with_secret(false);
    let wrong_default = ValueError::PatternMismatch;
    let wrong_choice = ValueError::TooShort { min: 3 };
    for (builder, why) in [
        (named("A").with_default("x"), DeclareError::SecretDefault),
        (named("A").with_pattern("("), DeclareError::InvalidPattern),
        (named("A").with_min_length(3).with_max_length(2), DeclareError::ImpossibleLength),
        (named("A").with_max_length(10_000), DeclareError::ImpossibleLength),
        (named("A").with_choices(Vec::<String>::new()), DeclareError::InvalidChoices),
        (named("A").with_choices(["a", "a"]), DeclareError::InvalidChoices),
        (named("A").with_title("a\nb"), DeclareError::ControlCharacter),
        (named("A").with_description("a\u{1b}[31m"), DeclareError::ControlCharacter),
        (
            open().with_default("1").with_pattern("[a-z]"),
            DeclareError::UnusableDefault { problem: wrong_default },
        ),
        (
            named("A").with_choices(["abc", "eu"]).with_min_length(3),
            DeclareError::UnusableChoice { position: 2, problem: wrong_choice },
        ),
    ] {
        assert_eq!(builder.build(), Err(why));
    }
    assert_eq!(open().with_default("eu").build().unwrap().default_value(), Some("eu"));
}

#[test]
fn errors_never_show_the_value() {
    let variable = named("A").with_pattern("x").with_choices(["x"]).build().unwrap();
    for value in ["canary", "canary\n", " canary", "can\0ary", &"canary".repeat(2000)] {
        let error = variable.check(&value.into()).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("canary"));
    }
}

#[test]
fn debug_never_shows_a_default_that_may_be_secret() {
    let builder = named("A").with_default("canary");
    assert!(!format!("{builder:?} {builder:#?}").contains("canary"));
    assert!(format!("{:?}", builder.with_secret(false)).contains("canary"));
}
