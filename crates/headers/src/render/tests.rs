use std::fmt::Debug;

use serde_json::json;

use super::*;
use crate::{Builtin, Values, Variable, VariableName};

const CANARY: &str = "c4n4ry";

fn optional(name: &str) -> Variable {
    Variable::builder(name.parse().unwrap()).with_required(false).build().unwrap()
}

fn open(name: &str) -> Variable {
    Variable::builder(name.parse().unwrap()).with_secret(false).build().unwrap()
}

/// `KEY` and `PASS` are secrets, `OPT` an optional secret, `OPEN` not secret, `REGION` has a default.
fn compile(template: &str) -> Templates {
    let region = Variable::builder("REGION".parse().unwrap()).with_secret(false).with_default("eu");
    Templates::builder()
        .with_variable(Variable::new("KEY".parse().unwrap()))
        .with_variable(Variable::new("PASS".parse().unwrap()))
        .with_variable(optional("OPT"))
        .with_variable(open("OPEN"))
        .with_variable(region.build().unwrap())
        .with_env("SHARED", "env-value".into())
        .with_header("X-Test", template)
        .build()
        .unwrap_or_else(|errors| panic!("{errors:#}"))
}

fn values(templates: &Templates, set: &[(&str, &str)]) -> Values {
    let claims = json!({
        "department": "R&D", "number": 42, "yes": true, "nothing": null, "blank": " ",
        "https://x.example/y": { "plan": "gold" }, "list": ["a", "b"], "mixed": ["a", 1],
        "object": { "k": "Zoë" }, "broken": { "k": ["a\nb", "ü"] }, "single": "admin",
    });
    let mut values = Values::new(templates)
        .with_text(Builtin::Username, "ada")
        .with_text(Builtin::Email, "ada@example.com")
        .with_list(Builtin::Groups, ["MCP-GitHub", "staff"])
        .with_list(Builtin::Roles, [""; 0])
        .with_claims(claims.as_object().unwrap().clone());
    for (name, value) in set {
        assert!(values.set(name, (*value).into()));
    }
    values
}

fn render(template: &str, set: &[(&str, &str)]) -> Result<Option<String>, RenderError> {
    let templates = compile(template);
    let headers = templates.render(&values(&templates, set))?;
    Ok(headers.get("x-test").map(|value| value.to_str().unwrap().to_owned()))
}

#[test]
fn renders_the_grammar() {
    let set = [("KEY", "ghp_1"), ("PASS", "p:ä ")];
    for (template, rendered) in [
        ("plain", "plain"),
        ("Bearer ${KEY}", "Bearer ghp_1"),
        ("Bearer $<KEY>", "Bearer ghp_1"),
        ("${ KEY }", "ghp_1"),
        ("${username}/${email}", "ada/ada@example.com"),
        ("Basic ${basic(username, KEY)}", "Basic YWRhOmdocF8x"),
        ("Basic ${basic(KEY, '')}", "Basic Z2hwXzE6"),
        ("Basic ${basic(\"x-token\", PASS)}", "Basic eC10b2tlbjpwOsOkIA=="),
        ("${base64(PASS)}", "cDrDpCA="),
        ("${json(groups)}", r#"["MCP-GitHub","staff"]"#),
        ("${json(roles)}", "[]"),
        ("${json(KEY)}", r#""ghp_1""#),
        ("${json(claims.object)}", "{\"k\":\"Zo\\u00eb\"}"),
        ("${json(claims.number)}", "42"),
        ("${join(groups, \";\")}", "MCP-GitHub;staff"),
        ("${join(groups, ', ')}", "MCP-GitHub, staff"),
        ("${join(claims.list, '|')}", "a|b"),
        ("${join(claims.single, '|')}", "admin"),
        ("${claims.department}", "R&D"),
        ("${claims.number}/${claims.yes}", "42/true"),
        ("${claims.\"https://x.example/y\".plan}", "gold"),
        ("${env.SHARED}", "env-value"),
        ("${REGION}", "eu"),
        ("${REGION:-us}", "eu"),
        ("${name:-nobody}", "nobody"),
        ("${name:-\"a } b\"}", "a } b"),
        ("$<name:-\"a > b\">", "a > b"),
        ("${username:-nobody}", "ada"),
        ("${join(roles, ';'):-none}", "none"),
        ("$5 $$ $${KEY} $x$", "$5 $ ${KEY} $x$"),
    ] {
        assert_eq!(render(template, &set), Ok(Some(rendered.to_owned())), "{template}");
    }
}

#[test]
fn leaves_optional_headers_out() {
    for template in [
        "${name?}",
        "a ${name?} ${username}",
        "${OPT}",
        "${join(roles, ';')?}",
        "${basic(username, OPT)}",
        "${basic(KEY, OPT)}",
        "${basic(OPT, KEY)}",
        "${basic(KEY, PASS)?}",
        "${KEY?} ${PASS}",
        "${PASS} ${KEY?}",
        "${claims.absent?}",
    ] {
        assert_eq!(render(template, &[]), Ok(None), "{template}");
    }
}

#[test]
fn lists_every_missing_name_once() {
    let templates = Templates::builder()
        .with_variable(Variable::new("B".parse().unwrap()))
        .with_variable(Variable::new("A".parse().unwrap()))
        .with_header("X-1", "${name} ${A}")
        .with_header("X-2", "${basic(B, A)} ${claims.absent.x}")
        .with_header(
            "X-3",
            "${tenant?} ${B} ${roles_are_not_here?}".split(" ${roles").next().unwrap(),
        )
        .build()
        .unwrap();
    let RenderError::Missing(missing) = templates.render(&Values::new(&templates)).unwrap_err()
    else {
        panic!("not missing")
    };
    assert_eq!(missing.to_string(), "`name`, `A`, `B`, `claims.absent.x`");
    assert_eq!(missing.declared().map(VariableName::as_str).collect::<Vec<_>>(), ["A", "B"]);
    assert_eq!(
        missing.identity().map(Name::to_string).collect::<Vec<_>>(),
        ["name", "claims.absent.x"]
    );
}

#[test]
fn unset_empty_and_blank_are_missing() {
    for blank in ["", " ", "\t\n", "\u{a0}", "\u{3000}"] {
        for template in ["Bearer ${KEY}", "${base64(KEY)}", "${basic('u', KEY)}", "${json(KEY)}"] {
            let error = render(template, &[("KEY", blank)]).unwrap_err();
            assert_eq!(error.to_string(), "no value for `KEY`", "{template} {blank:?}");
        }
    }
    for template in [
        "${claims.nothing}",
        "${claims.blank}",
        "${claims.absent}",
        "${json(claims.nothing)}",
        "${join(roles, ';')}",
    ] {
        assert!(matches!(render(template, &[]), Err(RenderError::Missing(_))), "{template}");
    }
}

#[test]
fn values_are_never_looked_at_again() {
    for value in [
        "$KEY",
        "${KEY}",
        "$<username>",
        "$$",
        "{{USER}}",
        "a${PASS",
        "\\",
        "%0d%0a",
        "'\"`",
        "?",
        ":-x",
    ] {
        for template in ["${KEY}", "${OPEN}"] {
            let set = [("KEY", value), ("OPEN", value), ("PASS", "no")];
            assert_eq!(render(template, &set), Ok(Some(value.to_owned())), "{value}");
        }
    }
}

fn problem(template: &str, set: &[(&str, &str)]) -> ValueProblem {
    match render(template, set) {
        Err(RenderError::Value { problem, .. }) => problem,
        other => panic!("{template}: {other:?}"),
    }
}

#[test]
fn refuses_control_characters_everywhere() {
    for bad in ["a\r\nX-Evil: 1", "a\n", "\0a", "a\u{7f}", "a\tb", "a\u{85}b", "a\u{9f}"] {
        for template in [
            "${KEY}",
            "${OPEN}",
            "${base64(KEY)}",
            "${basic('u', KEY)}",
            "${basic(KEY, 'p')}",
            "${json(KEY)}",
        ] {
            let problem = problem(template, &[("KEY", bad), ("OPEN", bad)]);
            assert_eq!(problem, ValueProblem::ControlCharacter, "{template} {bad:?}");
        }
    }
    assert_eq!(problem("${json(claims.broken)}", &[]), ValueProblem::ControlCharacter);
}

#[test]
fn never_alters_a_secret() {
    assert_eq!(problem("${KEY}", &[("KEY", "schlüssel")]), ValueProblem::NotAscii);
    assert_eq!(problem("${json(KEY)}", &[("KEY", "schlüssel")]), ValueProblem::NotAscii);
    assert_eq!(problem("${KEY}", &[("KEY", " a")]), ValueProblem::OuterSpace);
    assert_eq!(problem("${KEY}", &[("KEY", "a ")]), ValueProblem::OuterSpace);
    for value in ["=?base64?QQ==?=", "=?BASE64?x", "a b", "\"quoted\"", "%41"] {
        assert_eq!(render("${KEY}", &[("KEY", value)]), Ok(Some(value.to_owned())));
    }
}

#[test]
fn encodes_identity_text_that_a_header_cannot_carry() {
    for (text, rendered) in [
        ("Zoë", "=?base64?Wm/Dqw==?="),
        ("Hello, 世界", "=?base64?SGVsbG8sIOS4lueVjA==?="),
        (" padded ", "=?base64?IHBhZGRlZCA=?="),
        ("=?base64?QQ==?=", "=?base64?PT9iYXNlNjQ/UVE9PT89?="),
        ("=?BASE64?x", "=?base64?PT9CQVNFNjQ/eA==?="),
        ("=?utf-8?q?x?=", "=?utf-8?q?x?="),
        ("in the middle", "in the middle"),
    ] {
        assert_eq!(render("${OPEN}", &[("OPEN", text)]), Ok(Some(rendered.to_owned())), "{text}");
    }
}

#[test]
fn refuses_parts_that_together_look_encoded() {
    let templates = compile("${OPEN}${REGION}");
    let values = values(&templates, &[("OPEN", "=?base6"), ("REGION", "4?QQ==?=")]);
    let error = templates.render(&values).unwrap_err();
    assert!(matches!(error, RenderError::Header { problem: HeaderProblem::LooksEncoded, .. }));
    let templates = compile("${join(groups, '6')}");
    let values = values.with_list(Builtin::Groups, ["=?base", "4?QQ==?="]);
    let error = templates.render(&values).unwrap_err();
    assert!(matches!(error, RenderError::Header { problem: HeaderProblem::LooksEncoded, .. }));
}

#[test]
fn lists_cannot_be_confused() {
    let render = |items: &[&str], template: &str| {
        let templates = compile(template);
        let values = values(&templates, &[]).with_list(Builtin::Groups, items.iter().copied());
        templates.render(&values).map(|headers| headers["x-test"].to_str().unwrap().to_owned())
    };
    let problem = |items: &[&str]| match render(items, "${join(groups, ';')}") {
        Err(RenderError::Value { problem, .. }) => problem,
        other => panic!("{items:?}: {other:?}"),
    };
    assert_eq!(problem(&["a", "b;admin"]), ValueProblem::SeparatorInItem);
    assert_eq!(problem(&["a", ""]), ValueProblem::EmptyItem);
    assert_eq!(problem(&["a", " "]), ValueProblem::EmptyItem);
    assert_eq!(problem(&["a\n", "b"]), ValueProblem::ControlCharacter);
    assert_eq!(
        render(&["Zürich", "Bern"], "${join(groups, ';')}").unwrap(),
        "=?base64?WsO8cmljaDtCZXJu?="
    );
    assert_eq!(render(&["a", "b "], "${join(groups, ';')}").unwrap(), "=?base64?YTtiIA==?=");
    assert_eq!(render(&["a,b", "c\""], "${json(groups)}").unwrap(), r#"["a,b","c\""]"#);
    assert_eq!(
        render(&["=?base64?QQ==?="], "${join(groups, ';')}").unwrap(),
        "=?base64?PT9iYXNlNjQ/UVE9PT89?="
    );
}

#[test]
fn refuses_what_is_not_a_text_or_not_a_list() {
    for (template, expected) in [
        ("${claims.list}", ValueProblem::NotText),
        ("${claims.object}", ValueProblem::NotText),
        ("${base64(claims.number)}", ValueProblem::NotText),
        ("${join(claims.mixed, ';')}", ValueProblem::NotAList),
        ("${join(claims.object, ';')}", ValueProblem::NotAList),
        ("${join(claims.number, ';')}", ValueProblem::NotAList),
    ] {
        assert_eq!(problem(template, &[]), expected, "{template}");
    }
}

#[test]
fn a_colon_cannot_move_the_password() {
    assert_eq!(
        problem("${basic(KEY, PASS)}", &[("KEY", "a:b"), ("PASS", "c")]),
        ValueProblem::ColonInUserId
    );
}

#[test]
fn marks_what_is_secret_as_sensitive() {
    for (name, template, sensitive) in [
        ("X-Test", "${KEY}", true),
        ("X-Test", "${basic(username, KEY)}", true),
        ("X-Test", "a ${json(KEY)}", true),
        ("X-Test", "${env.SHARED}", true),
        ("X-Test", "${base64(env.SHARED)}", true),
        ("X-Test", "${username}", false),
        ("X-Test", "constant", false),
        ("Authorization", "Bearer constant", true),
        ("Authorization", "Bearer ${username}", true),
    ] {
        let templates = Templates::builder()
            .with_variable(Variable::new("KEY".parse().unwrap()))
            .with_env("SHARED", CANARY.into())
            .with_header(name, template)
            .build()
            .unwrap();
        let headers = templates.render(&values(&templates, &[("KEY", CANARY)])).unwrap();
        let value = headers.values().next().unwrap();
        assert_eq!(value.is_sensitive(), sensitive, "{template}");
        assert!(!sensitive || !format!("{headers:?}").contains(CANARY));
    }
}

#[test]
fn renders_into_a_request_without_leftovers() {
    let templates = Templates::builder()
        .with_variable(Variable::new("KEY".parse().unwrap()))
        .with_header("X-User-Id", "${username}")
        .with_header("X-Role", "${name?}")
        .with_header("X-Key", "${KEY}")
        .build()
        .unwrap();
    let forged = || {
        let mut request = HeaderMap::new();
        for name in ["x-user-id", "x_user_id", "x-user_id", "x-role", "x_role", "x-key", "x-other"]
        {
            request.append(HeaderName::from_static(name), HeaderValue::from_static("forged"));
            request.append(HeaderName::from_static(name), HeaderValue::from_static("again"));
        }
        request
    };
    let mut request = forged();
    let values = |set: &[(&str, &str)]| values(&templates, set);
    assert!(templates.render_into(&mut request, &values(&[])).is_err());
    assert_eq!(request, forged(), "unchanged on error");
    templates.render_into(&mut request, &values(&[("KEY", "k")])).unwrap();
    assert_eq!(request.len(), 4, "{request:?}");
    assert_eq!(request.get_all("x-user-id").iter().collect::<Vec<_>>(), ["ada"]);
    assert_eq!(request["x-key"], "k");
    assert_eq!(request.get_all("x-other").iter().count(), 2);
}

#[test]
fn refuses_values_that_are_too_long() {
    let long = "x".repeat(Templates::MAX_VALUE_LEN);
    assert!(render("${OPEN}", &[("OPEN", &long)]).is_ok());
    let error = render("a${OPEN}", &[("OPEN", &long)]).unwrap_err();
    assert!(matches!(error, RenderError::Header { problem: HeaderProblem::TooLong, .. }));
}

#[test]
fn errors_and_debug_never_show_a_value() {
    let shown = |value: &dyn Debug| format!("{value:?} {value:#?}");
    for bad in ["c4n4ry\n", "c4n4ry:ü", "c4n4ry "] {
        for template in ["${KEY}", "${basic(KEY, 'p')}", "${json(KEY)}", "${OPEN} ${KEY}"] {
            let templates = compile(template);
            let values = values(&templates, &[("KEY", bad), ("OPEN", CANARY)]);
            assert!(!shown(&templates).contains(CANARY));
            if let Err(error) = templates.render(&values) {
                assert!(!format!("{error} {}", shown(&error)).contains(CANARY), "{error}");
            }
        }
    }
}

#[test]
fn many_placeholders_in_one_header_work() {
    let template = vec!["${username}"; Templates::MAX_INSERTS].join("-");
    let rendered = vec!["ada"; Templates::MAX_INSERTS].join("-");
    assert_eq!(render(&template, &[]), Ok(Some(rendered)));
}

#[test]
fn each_value_lands_under_its_own_name() {
    let count = Templates::MAX_HEADERS;
    let mut builder = Templates::builder();
    for number in 0..count {
        let template =
            if number % 3 == 0 { "${name?}".to_owned() } else { format!("{number}-${{username}}") };
        builder = builder.with_header(&format!("X-{number}"), &template);
    }
    let templates = builder.build().unwrap();
    let headers = templates.render(&values(&templates, &[])).unwrap();
    assert_eq!(headers.len(), count - count.div_ceil(3));
    for number in 0..count {
        let expected = (number % 3 != 0).then(|| format!("{number}-ada"));
        let found =
            headers.get(format!("x-{number}")).map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(found, expected, "{number}");
    }
}
