use std::ops::Range;

use super::*;
use crate::{Builtin, Template, ValueProblem, Variable};

type Kind = CompileErrorKind;

fn builder() -> TemplatesBuilder {
    Templates::builder()
        .with_variable(Variable::new("KEY".parse().unwrap()))
        .with_variable(Variable::new("PASS".parse().unwrap()))
        .with_env("GOOD", "x:y".into())
        .with_env("BLANK", " ".into())
        .with_env("BROKEN", "c4n4ry\n".into())
        .with_env("WIDE", "c4n4ryü".into())
}

fn error(template: &str) -> CompileError {
    let Err(errors) = builder().with_header("X-Test", template).build() else {
        panic!("{template} compiles")
    };
    let mut errors = errors.into_iter();
    let first = errors.next().unwrap();
    assert_eq!(errors.next(), None, "{template}");
    assert_eq!(first.header(), Some("X-Test"));
    assert_eq!(first.template(), template);
    first
}

fn unknown(name: &str, suggestion: Option<&str>) -> Kind {
    Kind::UnknownName { name: name.into(), suggestion: suggestion.map(Into::into) }
}

fn unusable(name: &str, problem: ValueProblem) -> Kind {
    Kind::EnvUnusable { name: name.into(), problem }
}

#[test]
fn says_what_is_wrong_and_where() {
    let long = "x".repeat(Template::MAX_LEN + 1);
    let many = "${KEY}".repeat(Templates::MAX_INSERTS + 1);
    let cases: Vec<(&str, Kind, Range<usize>)> = vec![
        ("a ${KEY", Kind::Unclosed { closer: '}' }, 2..7),
        ("a $<KEY}", Kind::Unclosed { closer: '>' }, 2..8),
        ("${", Kind::Unclosed { closer: '}' }, 0..2),
        (
            "${}",
            Kind::Expected {
                expected: "a name, like `GITHUB_TOKEN` or `username`",
                found: Some('}'),
            },
            2..3,
        ),
        ("${KEY!}", Kind::Expected { expected: "`}`, `?` or `:-`", found: Some('!') }, 5..6),
        ("$<KEY}>", Kind::Expected { expected: "`>`, `?` or `:-`", found: Some('}') }, 5..6),
        (
            "${claims.}",
            Kind::Expected { expected: "a name after the dot", found: Some('}') },
            9..10,
        ),
        ("${json(groups}", Kind::Expected { expected: "`)`", found: Some('}') }, 13..14),
        ("${claims.\"x}", Kind::UnclosedString, 9..12),
        (r#"${claims."\n"}"#, Kind::InvalidEscape, 10..11),
        ("${claims.''}", Kind::EmptyClaimName, 9..11),
        ("Grün", Kind::InvalidCharacter { found: 'ü' }, 2..4),
        ("a\nb ${KEY}", Kind::InvalidCharacter { found: '\n' }, 1..2),
        ("${KEY:-ü}", Kind::InvalidCharacter { found: 'ü' }, 7..9),
        ("${join(groups, '\u{7f}')}", Kind::InvalidCharacter { found: '\u{7f}' }, 16..17),
        ("${KEY:-}", Kind::EmptyDefault, 5..7),
        ("${KEY:-' '}", Kind::EmptyDefault, 5..10),
        ("${KEY:- x}", Kind::UnquotedDefault, 7..9),
        ("${KEY:-$x}", Kind::UnquotedDefault, 7..8),
        ("${KEY:-a'b}", Kind::UnquotedDefault, 8..9),
        ("${KEY:-${PASS}}", Kind::NestedPlaceholder, 7..9),
        (" ${KEY}", Kind::OuterSpace, 0..1),
        ("Bearer ", Kind::OuterSpace, 6..7),
        ("", Kind::EmptyTemplate, 0..0),
        (&long, Kind::TemplateTooLong, 0..0),
        (&many, Kind::TooManyPlaceholders, 0..many.len()),
        (
            "${jsn(groups)}",
            Kind::UnknownFunction { name: "jsn".into(), suggestion: Some("json".into()) },
            2..5,
        ),
        ("${usernme}", unknown("usernme", Some("username")), 2..9),
        ("${key}", unknown("key", Some("KEY")), 2..5),
        ("${department}", unknown("department", None), 2..12),
        ("${user.subjct}", unknown("user.subjct", Some("user.subject")), 2..13),
        ("${claims}", unknown("claims", None), 2..8),
        ("${env}", unknown("env", None), 2..5),
        ("${env.HOME}", Kind::EnvNotAllowed { name: "HOME".into() }, 2..10),
        ("${env.BLANK}", unusable("BLANK", ValueProblem::Empty), 2..11),
        ("${env.BROKEN}", unusable("BROKEN", ValueProblem::ControlCharacter), 2..12),
        ("${base64(env.BROKEN)}", unusable("BROKEN", ValueProblem::ControlCharacter), 9..19),
        ("${env.WIDE}", unusable("WIDE", ValueProblem::NotAscii), 2..10),
        ("${basic(env.GOOD, KEY)}", unusable("GOOD", ValueProblem::ColonInUserId), 8..16),
        ("${groups}", Kind::ListNeedsFunction { name: Builtin::Groups }, 2..8),
        ("${base64(roles)}", Kind::ListNeedsFunction { name: Builtin::Roles }, 9..14),
        ("${basic(groups, KEY)}", Kind::ListNeedsFunction { name: Builtin::Groups }, 8..14),
        ("${join(username, ';')}", Kind::NotAList { name: "username".into() }, 7..15),
        ("${join(KEY, ';')}", Kind::NotAList { name: "KEY".into() }, 7..10),
        ("${join(groups, '')}", Kind::AmbiguousSeparator, 15..17),
        ("${join(groups, ';;')}", Kind::AmbiguousSeparator, 15..19),
        ("${join(groups, 'a-a')}", Kind::AmbiguousSeparator, 15..20),
        ("${basic('a:b', KEY)}", Kind::ColonInUserId, 8..13),
    ];
    for (template, kind, span) in cases {
        let error = error(template);
        assert_eq!((error.kind(), error.span()), (&kind, span), "{template}");
        assert!(template.get(error.span()).is_some());
        assert!(!format!("{error:#} {error:?}").contains("c4n4ry"));
    }
}

#[test]
fn shows_the_template_with_a_caret() {
    let shown = format!("{:#}", error("Bearer ${usernme} x"));
    let lines: Vec<&str> = shown.lines().collect();
    assert!(
        lines[0].ends_with("did you mean `username`, declare it as a variable or correct the name")
    );
    assert_eq!(lines[1..], ["    Bearer ${usernme} x", "             ^^^^^^^"]);
}

#[test]
fn carets_stand_under_the_place_behind_wide_and_control_characters() {
    let Err(errors) = Template::parse("é\t${") else { panic!("parses") };
    let shown = format!("{errors:#}");
    let last = shown.lines().rev().take(2).collect::<Vec<_>>();
    assert_eq!(last[1], "    é·${");
    assert!(last.iter().all(|line| !line.chars().any(char::is_control)));
    assert_eq!(last[0], "      ^^");
}

#[test]
fn lists_all_problems_at_once() {
    let errors = builder()
        .with_variable(Variable::new("KEY".parse().unwrap()))
        .with_env("GOOD", "again".into())
        .with_env("A-B", "x".into())
        .with_header("Host", "${nope} ${KEY!} ${basic(groups, 'a', b)} ${env.HOME}")
        .with_header("X-A", "a")
        .with_header("x_a", "${KEY")
        .with_header("X Y", "a")
        .build()
        .unwrap_err();
    let kinds: Vec<String> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(errors.iter().len(), 11, "{kinds:#?}");
    assert!(matches!(errors.iter().next().unwrap().kind(), Kind::DuplicateVariable { .. }));
    assert!(
        kinds.iter().any(|text| text.starts_with("header `x_a`: this is the same header as `X-A`"))
    );
    let host = errors.iter().filter(|error| error.header() == Some("Host"));
    let starts: Vec<usize> = host.map(|error| error.span().start).collect();
    assert_eq!(starts, [0, 2, 13, 35, 43], "the name first, then by position");
    assert_eq!(errors.to_string().lines().count(), 1);
}

#[test]
fn refuses_duplicates_in_any_spelling() {
    for (first, second) in
        [("X-A", "X-A"), ("X-A", "x-a"), ("X-User-Id", "X_USER_ID"), ("X_A", "X-A")]
    {
        let errors =
            builder().with_header(first, "a").with_header(second, "b").build().unwrap_err();
        let kinds: Vec<_> = errors.iter().map(CompileError::kind).collect();
        assert_eq!(kinds, [&Kind::DuplicateHeader { other: first.into() }]);
    }
}

#[test]
fn refuses_secrets_where_they_would_be_logged() {
    for (header, template, refused) in [
        ("User-Agent", "x ${KEY}", true),
        ("X-Request-Id", "${base64(env.GOOD)}", true),
        ("traceparent", "${basic(username, KEY)}", true),
        ("User-Agent", "x ${username}", false),
        ("X-Key", "${KEY}", false),
    ] {
        let built = builder().with_header(header, template).build();
        assert_eq!(built.is_err(), refused, "{header}");
        if let Err(errors) = built {
            assert!(matches!(
                errors.iter().next().unwrap().kind(),
                Kind::SecretInLoggedHeader { .. }
            ));
        }
    }
}

#[test]
fn tells_which_variables_are_needed_and_unused() {
    let variable = |name: &str| Variable::builder(name.parse().unwrap());
    let templates = Templates::builder()
        .with_variable(variable("NEEDED").build().unwrap())
        .with_variable(variable("OPTIONAL").with_required(false).build().unwrap())
        .with_variable(variable("FALLBACK").build().unwrap())
        .with_variable(variable("DEFAULT").with_secret(false).with_default("x").build().unwrap())
        .with_variable(variable("UNUSED").build().unwrap())
        .with_header("X-A", "${basic(NEEDED, OPTIONAL)} ${FALLBACK?} ${DEFAULT}")
        .with_header("X-B", "${claims.b} ${claims.a.x} ${claims.b}")
        .build()
        .unwrap();
    let names = |variables: &mut dyn Iterator<Item = &Variable>| {
        variables.map(|variable| variable.name().to_string()).collect::<Vec<_>>()
    };
    assert_eq!(names(&mut templates.needed_variables()), ["NEEDED"]);
    assert_eq!(names(&mut templates.unused_variables()), ["UNUSED"]);
    assert_eq!(
        templates.claims().map(ToString::to_string).collect::<Vec<_>>(),
        ["claims.a.x", "claims.b"]
    );
    assert_eq!(templates.variables().len(), 5);
    assert_eq!(templates.header_names().collect::<Vec<_>>(), ["x-a", "x-b"]);
}

#[test]
fn too_many_headers_are_refused() {
    let mut all = builder();
    for number in 0..=Templates::MAX_HEADERS {
        all = all.with_header(&format!("X-{number}"), "a");
    }
    let errors = all.build().unwrap_err();
    assert_eq!(errors.iter().map(CompileError::kind).collect::<Vec<_>>(), [&Kind::TooManyHeaders]);
}

#[test]
fn debug_never_shows_the_environment_or_literals() {
    let builder = builder().with_header("X-A", "c4n4ry ${env.GOOD}").with_env("C", "c4n4ry".into());
    assert!(!format!("{builder:?} {builder:#?}").contains("c4n4ry"));
    let templates = builder.build().unwrap();
    assert!(!format!("{templates:?} {templates:#?}").contains("c4n4ry"));
}
