//! Any template with any values: a header that is valid and not longer than promised, or an error without a value.
#![no_main]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bonafide_headers::{Builtin, Templates, Values, Variable};
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;

#[derive(Debug, Arbitrary)]
struct Input<'a> {
    template: Choice<'a>,
    key: &'a str,
    open: &'a str,
    groups: Vec<&'a str>,
    claim: &'a str,
}

#[derive(Debug, Arbitrary)]
enum Choice<'a> {
    Written(&'a str),
    Known(u8),
}

const KNOWN: [&str; 9] = [
    "${KEY}",
    "${OPEN}",
    "a ${KEY} b ${OPEN?} c",
    "${basic(OPEN, KEY)}",
    "${base64(KEY)}",
    "${json(groups)}",
    "${join(groups, ';')}",
    "${json(claims.c)}",
    "${name:-x}${OPEN}",
];

fuzz_target!(|input: Input<'_>| {
    let template = match input.template {
        Choice::Written(template) => template,
        Choice::Known(number) => KNOWN[usize::from(number) % KNOWN.len()],
    };
    let open = Variable::builder("OPEN".parse().expect("a name")).with_secret(false).build().expect("declared");
    let built = Templates::builder()
        .with_variable(Variable::new("KEY".parse().expect("a name")))
        .with_variable(open)
        .with_header("X-Test", template)
        .build();
    let Ok(templates) = built else { return };
    let claims = serde_json::from_str(input.claim).unwrap_or_else(|_| input.claim.into());
    let mut values = Values::new(&templates)
        .with_text(Builtin::Username, input.open)
        .with_list(Builtin::Groups, input.groups.iter().copied())
        .with_claims(serde_json::Map::from_iter([("c".to_owned(), claims)]));
    assert!(values.set("KEY", input.key.into()) && values.set("OPEN", input.open.into()));
    let Ok(headers) = templates.render(&values) else { return };
    let Some(value) = headers.get("x-test") else { return };
    let text = value.to_str().expect("visible ASCII only");
    assert!(!text.chars().any(char::is_control));
    assert_eq!(text, text.trim_matches(' '), "nothing that is lost on the way");
    assert_eq!(value.is_sensitive(), template_is_secret(&templates, template), "{template}");
    match template {
        "${KEY}" => assert_eq!(text, input.key),
        "${base64(KEY)}" => assert_eq!(STANDARD.decode(text).expect("base64"), input.key.as_bytes()),
        "${json(groups)}" => {
            assert_eq!(serde_json::from_str::<Vec<String>>(text).expect("JSON"), input.groups);
        }
        "${json(claims.c)}" => drop(serde_json::from_str::<serde_json::Value>(text).expect("JSON")),
        _ => {}
    }
});

/// `KEY` is the only secret, and unused variables are known.
fn template_is_secret(templates: &Templates, template: &str) -> bool {
    template.contains("KEY") && !templates.unused_variables().any(|variable| variable.name().as_str() == "KEY")
}
