use super::*;
use crate::{CompileError, Templates, Variable};

/// A dialect, its spelling, ours, the variables and the environment variables.
type Case = (Dialect, &'static str, &'static str, &'static [&'static str], &'static [&'static str]);

#[test]
fn converts_and_says_what_to_declare() {
    let cases: [Case; 9] = [
        (Dialect::OpenWebUi, "{{USER_NAME}} <{{USER_EMAIL}}>", "${name} <${email}>", &[], &[]),
        (Dialect::OpenWebUi, "{{USER_GROUPS}}", r#"${join(groups, ",")}"#, &[], &[]),
        (Dialect::OpenWebUi, "${x} $$ {a} {{}} {{", "$${x} $$$$ {a} {{}} {{", &[], &[]),
        (Dialect::LibreChat, "Bearer {{MY_KEY}}", "Bearer ${MY_KEY}", &["MY_KEY"], &[]),
        (Dialect::LibreChat, "{{A}}{{B}}{{A}}", "${A}${B}${A}", &["A", "B"], &[]),
        (Dialect::LibreChat, "{{LIBRECHAT_USER_ID}}", "${user.id}", &[], &[]),
        (Dialect::LibreChat, "${KEY} ${KEY} $5", "${env.KEY} ${env.KEY} $$5", &[], &["KEY"]),
        (Dialect::Onyx, "Token {key};{user_email}", "Token ${key};${email}", &["key"], &[]),
        (Dialect::Onyx, "${x} {} {", "$$${x} {} {", &["x"], &[]),
    ];
    for (dialect, theirs, ours, variables, env) in cases {
        let converted = dialect.convert(theirs).unwrap_or_else(|errors| panic!("{errors:#}"));
        let names: Vec<_> = converted.variables().iter().map(VariableName::as_str).collect();
        assert_eq!(converted.template(), &ours.parse().unwrap(), "{theirs}");
        assert_eq!(names, variables, "{theirs}");
        assert_eq!(converted.env(), env, "{theirs}");
    }
}

#[test]
fn says_what_has_no_equivalent_and_where() {
    for (dialect, theirs, placeholder, span) in [
        (Dialect::OpenWebUi, "a {{CHAT_ID}}", "CHAT_ID", 2..13),
        (Dialect::OpenWebUi, "{{NOPE}}", "NOPE", 0..8),
        (Dialect::OpenWebUi, "{{ USER_ID }}", " USER_ID ", 0..13),
        (Dialect::LibreChat, "{{LIBRECHAT_OPENID_TOKEN}}", "LIBRECHAT_OPENID_TOKEN", 0..26),
        (Dialect::LibreChat, "{{LIBRECHAT_NEW}}", "LIBRECHAT_NEW", 0..17),
        (Dialect::LibreChat, "{{username}}", "username", 0..12),
        (Dialect::LibreChat, "${a b}", "a b", 0..6),
        (Dialect::Onyx, "{api-key}", "api-key", 0..9),
    ] {
        let errors = dialect.convert(theirs).unwrap_err();
        let found: Vec<&CompileError> = errors.iter().collect();
        let [error] = found[..] else { panic!("{theirs}: {errors}") };
        let Kind::NoEquivalent { placeholder: found, .. } = error.kind() else { panic!("{error}") };
        assert_eq!(found, placeholder);
        assert_eq!((error.span(), error.template()), (span, theirs));
    }
    let errors = Dialect::Onyx.convert("ü {user_email} ").unwrap_err();
    assert_eq!(errors.iter().len(), 2, "{errors}");
}

#[test]
fn every_equivalent_compiles() {
    for dialect in [Dialect::OpenWebUi, Dialect::LibreChat, Dialect::Onyx] {
        for (theirs, outcome) in dialect.table() {
            let Outcome::Is(ours) = outcome else { continue };
            assert!(Templates::builder().with_header("X-Test", ours).build().is_ok(), "{theirs}");
        }
    }
}

#[test]
fn a_missing_value_is_refused_as_everywhere() {
    let converted = Dialect::LibreChat.convert("Bearer {{MY_KEY}}").unwrap();
    let template = converted.template().to_string();
    let mut builder = Templates::builder().with_header("Authorization", &template);
    for name in converted.variables() {
        builder = builder.with_variable(Variable::new(name.clone()));
    }
    let templates = builder.build().unwrap();
    assert!(templates.render(&crate::Values::new(&templates)).is_err());
}
