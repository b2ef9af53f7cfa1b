//! One allocation per header, none for a constant one. Alone in its binary: the counter is process-wide.

use std::alloc::System;

use bonafide_headers::{Builtin, Templates, Values, Variable};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// What a `HeaderMap` of that many headers takes, whatever is in it.
const MAP: usize = 2;

#[test]
fn each_header_takes_one_allocation_and_a_constant_one_none() {
    for (templates, allocations) in [
        (&["Bearer ${TOKEN}"][..], 1),
        (&["constant"], 0),
        (&["${username}"], 1),
        (&["Basic ${basic(username, TOKEN)}"], 1),
        (&["${base64(TOKEN)}"], 1),
        (&["${json(groups)}"], 1),
        (&["${join(groups, ';')}"], 1),
        (&["${name}"], 1),
        (&["${claims.number} ${claims.text}"], 1),
        (&["${env.KEY} a ${username} b ${tenant:-none}"], 1),
        (&["${tenant?}"], 0),
        (&["Bearer ${TOKEN}", "${username}", "Basic ${basic(username, TOKEN)}", "constant"], 3),
    ] {
        let mut builder = Templates::builder()
            .with_variable(Variable::new("TOKEN".parse().unwrap()))
            .with_env("KEY", "k".into());
        for (index, template) in templates.iter().enumerate() {
            builder = builder.with_header(&format!("X-{index}"), template);
        }
        let compiled = builder.build().unwrap();
        let claims = serde_json::json!({ "number": 42, "text": "a" });
        let mut values = Values::new(&compiled)
            .with_text(Builtin::Username, "ada")
            .with_text(Builtin::Name, "Zoë")
            .with_list(Builtin::Groups, ["a", "b", "Zürich"])
            .with_claims(claims.as_object().unwrap().clone());
        assert!(values.set("TOKEN", "ghp_1".into()));
        // The first clone of a shared name or value makes it shareable, once.
        drop(compiled.render(&values).unwrap());

        let region = Region::new(ALLOCATOR);
        let headers = compiled.render(&values).unwrap();
        let change = region.change();
        drop(headers);
        assert_eq!(change.allocations, MAP + allocations, "{templates:?}");
        assert_eq!(change.reallocations, 0, "{templates:?}");
    }
}
