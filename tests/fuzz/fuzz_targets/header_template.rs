//! Any text: no panic, errors point into it, and what parses prints and parses again to the same.
#![no_main]

use bonafide_headers::{Dialect, Template, Templates, Variable, offset_in_toml};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    match Template::parse(text) {
        Ok(template) => {
            let printed = template.to_string();
            // Doubled dollar signs and quotes can make the canonical spelling longer than the limit.
            if printed.len() <= Template::MAX_LEN {
                let again = Template::parse(&printed).expect("the canonical spelling parses");
                assert_eq!(template, again);
                assert_eq!(printed, again.to_string());
            }
        }
        Err(errors) => {
            for error in &errors {
                assert!(text.get(error.span()).is_some(), "a span within the text, on boundaries");
                assert!(!error.to_string().chars().any(char::is_control));
                let shown = format!("{error:#}");
                assert!(!shown.chars().any(|shown| shown.is_control() && shown != '\n'));
            }
        }
    }
    for dialect in [Dialect::OpenWebUi, Dialect::LibreChat, Dialect::Onyx] {
        if let Err(errors) = dialect.convert(text) {
            assert!(errors.iter().all(|error| error.template().get(error.span()).is_some()));
        }
    }
    let key = Variable::new("KEY".parse().expect("a name"));
    let _ = Templates::builder().with_variable(key).with_header("X-Test", text).with_header(text, "a").build();
    assert!(text.is_char_boundary(offset_in_toml(text, text.len() / 2)));
});
