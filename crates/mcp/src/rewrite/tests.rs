use std::sync::Arc;

use bonafide_policy::{Policy, Rule, TenantId};
use bonafide_testkit::Issuer;
use bonafide_vault::{Keyring, MasterKey};

use super::*;
use crate::tasks::{TaskKeys, Tasks};

/// A permit for the tools `read_*`, the prompt `hello` and the resources under `docs://`.
fn permit(tools: &[&str]) -> Permit {
    let rule = Rule::allow("r").with_groups(["g"]).with_tenants(["t"]);
    let policy =
        Policy::builder().with_rule(rule.with_tools(tools.iter().copied())).build().unwrap();
    let user = Issuer::new("https://idp.example").user("alice").with_groups(["g"]).verified();
    let tenant: TenantId = "t".parse().unwrap();
    policy.permit(&user, &tenant).unwrap()
}

fn rewriter(private: bool) -> Rewriter {
    let permit = permit(&["read_*", "prompts/hello", "resources/docs://*"]);
    Rewriter { permit: Some(permit), private, probes: Vec::new(), tasks: None }
}

fn rewrite(text: &str) -> String {
    rewriter(false).rewrite(text).unwrap().into_owned()
}

#[test]
fn a_list_loses_what_is_not_covered_and_nothing_else() {
    let text = r#"{ "jsonrpc":"2.0","id":1, "result":{"tools":[ {"name":"read_a", "x":1.0}, {"name":"rm"},{"name":"read\u005fb"} ],
        "nextCursor":"c", "zz":[ ]} }"#;
    let expected = r#"{ "jsonrpc":"2.0","id":1, "result":{"tools":[{"name":"read_a", "x":1.0},{"name":"read\u005fb"}],
        "nextCursor":"c", "zz":[ ]} }"#;
    assert_eq!(rewrite(text), expected);
}

#[test]
fn what_is_covered_goes_on_byte_for_byte() {
    for text in [
        r#"{"id":1,"result":{"tools":[ {"name":"read_a"} ]},"jsonrpc":"2.0"}"#,
        r#"{"result":{"content":[{"type":"text","text":"tools"}]}}"#,
        r#"{"result":{"capabilities":{"tools":{}}}}"#,
        r#"{"error":{"code":-32602,"message":"x"}}"#,
        r#"{"method":"sampling/createMessage","params":{"tools":[{"name":"rm"}]}}"#,
    ] {
        assert!(
            matches!(rewriter(false).rewrite(text), Ok(Cow::Borrowed(same)) if same == text),
            "{text}"
        );
    }
}

#[test]
fn every_kind_of_list_is_filtered() {
    for (text, expected) in [
        (
            r#"{"result":{"prompts":[{"name":"hello"},{"name":"bye"}]}}"#,
            r#"{"result":{"prompts":[{"name":"hello"}]}}"#,
        ),
        (
            r#"{"result":{"resources":[{"uri":"docs://a"},{"uri":"db://a"}]}}"#,
            r#"{"result":{"resources":[{"uri":"docs://a"}]}}"#,
        ),
        (
            r#"{"result":{"resourceTemplates":[{"uriTemplate":"db://{x}"},{"uriTemplate":"docs://{x}"}]}}"#,
            r#"{"result":{"resourceTemplates":[{"uriTemplate":"docs://{x}"}]}}"#,
        ),
    ] {
        assert_eq!(rewrite(text), expected);
    }
}

#[test]
fn an_item_that_does_not_say_what_it_is_is_not_covered() {
    for items in [
        r#"{"name":"read_a","name":"rm"}"#,
        r#"{"name":"read_a","Name":"rm"}"#,
        r#"{"name":["read_a"]}"#,
        r#"{"title":"read_a"}"#,
        r#""read_a""#,
        "null",
    ] {
        let text = format!(r#"{{"result":{{"tools":[{items}]}}}}"#);
        assert_eq!(rewrite(&text), r#"{"result":{"tools":[]}}"#, "{items}");
    }
    assert_eq!(rewrite(r#"{"result":{"tools":{"rm":{}}}}"#), r#"{"result":{"tools":[]}}"#);
}

#[test]
fn a_list_can_not_hide() {
    for text in [
        r#"{"result":{"tools":[{"name":"read_a"}],"tools":[{"name":"rm"}]}}"#,
        r#"{"result":{"Tools":[{"name":"rm"}]}}"#,
        r#"{"result":{"tool\u0073":[{"name":"rm"}]}}"#,
        r#"{"Result":{"tools":[{"name":"rm"}]}}"#,
        r#"{"result":{},"result":{"tools":[{"name":"rm"}]}}"#,
        r#" [ {"result":{"tools":[{"name":"rm"}]}} ]"#,
    ] {
        assert!(!rewrite(text).contains("rm"), "{text}");
    }
    for text in ["", "{", "5 5", "{} {}", "[[{}]]", r#"{"result":{"tools":[}}"#] {
        assert!(rewriter(false).rewrite(text).is_err(), "{text}");
    }
}

#[test]
fn a_result_is_for_its_own_user_only() {
    for (text, expected) in [
        (
            r#"{"result":{"cacheScope":"public","a":1}}"#,
            r#"{"result":{"cacheScope":"private","a":1}}"#,
        ),
        (r#"{"result":{"a":1}}"#, r#"{"result":{"cacheScope":"private","a":1}}"#),
        (r#"{"result":{}}"#, r#"{"result":{"cacheScope":"private"}}"#),
        (
            r#"{"result":{"resultType":"complete"}}"#,
            r#"{"result":{"cacheScope":"private","resultType":"complete"}}"#,
        ),
        (
            r#"{"result":{"resultType":"input_required"}}"#,
            r#"{"result":{"resultType":"input_required"}}"#,
        ),
        (r#"{"result":{"cacheScope":"private"}}"#, r#"{"result":{"cacheScope":"private"}}"#),
        (r#"{"error":{"code":1}}"#, r#"{"error":{"code":1}}"#),
    ] {
        assert_eq!(rewriter(true).rewrite(text).unwrap(), expected);
    }
}

fn stream(chunks: &[&[u8]], limit: usize) -> Result<String, EventError> {
    let mut events = EventRewriter::new(rewriter(false), limit);
    let mut out = Vec::new();
    for chunk in chunks {
        out.extend_from_slice(&events.feed(chunk)?);
    }
    out.extend_from_slice(&events.finish()?);
    Ok(String::from_utf8(out).unwrap())
}

const LIST: &str = r#"{"result":{"tools":[{"name":"rm"},{"name":"read_a"}]}}"#;
const KEPT: &str = r#"{"result":{"tools":[{"name":"read_a"}]}}"#;

#[test]
fn events_are_filtered_wherever_they_are_cut() {
    for end in ["\n", "\r\n", "\r"] {
        let text = format!(
            ": hi{end}{end}id: 1{end}data:{end}{end}event: message{end}data: {LIST}{end}id: 2{end}{end}data: {KEPT}{end}{end}"
        );
        let whole = stream(&[text.as_bytes()], 4096).unwrap();
        assert!(
            whole.contains(KEPT) && whole.contains("id: 2") && !whole.contains("rm"),
            "{whole}"
        );
        for size in 1..8 {
            let chunks: Vec<&[u8]> = text.as_bytes().chunks(size).collect();
            assert_eq!(stream(&chunks, 4096).unwrap(), whole, "{end:?} {size}");
        }
    }
}

#[test]
fn what_needs_no_change_goes_on_byte_for_byte() {
    let text = format!(": x\r\n\r\nretry: 3\r\ndata:{KEPT}\r\nid: 7\r\n\r\n:\n\ndata\n\n");
    assert_eq!(stream(&[text.as_bytes()], 4096).unwrap(), text);
}

#[test]
fn comments_do_not_wait_for_an_event() {
    let mut events = EventRewriter::new(rewriter(false), 4096);
    assert_eq!(events.feed(b": ping\n").unwrap(), ": ping\n");
    assert_eq!(events.feed(b"id: 1\ndata: {\"resu").unwrap(), "id: 1\n");
    assert_eq!(events.feed(b"lt\":{}}\n").unwrap(), "");
    assert_eq!(events.feed(b"\n").unwrap(), "data: {\"result\":{}}\n\n");
}

#[test]
fn a_list_can_not_hide_in_a_stream() {
    let (head, tail) = LIST.split_at(20);
    for text in [
        format!("\u{feff}data: {LIST}\n\n"),
        format!("data:{head}\ndata:{tail}\n\n"),
        format!("data: {LIST}"),
        format!("data: {LIST}\n"),
        format!("data: [{LIST}]\n\n"),
    ] {
        for size in [1, 2, 4096] {
            let chunks: Vec<&[u8]> = text.as_bytes().chunks(size).collect();
            match stream(&chunks, 4096) {
                Ok(text) => assert!(!text.contains("rm") && text.contains("read_a"), "{text}"),
                // Cut inside a token, the two lines are no JSON.
                Err(error) => assert_eq!(error, EventError::Unreadable, "{text}"),
            }
        }
    }
    assert_eq!(stream(&[b"data: tools\n\n"], 4096), Err(EventError::Unreadable));
    assert_eq!(stream(&[b"data: \xff\n\n"], 4096), Err(EventError::Unreadable));
}

#[test]
fn an_event_has_a_limit() {
    let long = format!("data: {}", "x".repeat(100));
    assert_eq!(stream(&[long.as_bytes()], 64), Err(EventError::TooLong));
    let many = ": comment\n\n".repeat(100);
    assert_eq!(stream(&[many.as_bytes()], 64).unwrap(), many);
}

/// Of a user of all tools.
fn of_tasks(extent: Extent) -> Rewriter {
    let keyring = Keyring::new(&MasterKey::generate().unwrap()).unwrap();
    let keys = Arc::new(TaskKeys::new(&keyring).unwrap());
    let tasks = TaskIds::new(Tasks::new(keys, permit(&["*"])), extent);
    Rewriter { permit: None, private: false, probes: Vec::new(), tasks: Some(tasks) }
}

#[test]
fn a_task_is_renamed_wherever_the_specification_has_it_and_nowhere_else() {
    let related = r#""_meta":{"io.modelcontextprotocol/related-task":{"taskId":"ID"}}"#;
    let rewriter = of_tasks(Extent::Whole);
    for text in [
        r#"{"result":{"task":{"taskId":"ID","status":"working"}}}"#.to_owned(),
        r#"{"result":{"resultType":"task",  "taskId":"ID"}}"#.to_owned(),
        r#"{"result":{"tasks":[{"taskId":"ID"},{"status":"working","taskId":"ID"}]}}"#.to_owned(),
        format!(r#"{{"result":{{"content":[],{related}}}}}"#),
        format!(r#"{{"result":{{"taskId":"ID","result":{{{related}}}}}}}"#),
        r#"{"method":"notifications/tasks/status","params":{"taskId":"ID"}}"#.to_owned(),
        format!(r#"{{"method":"notifications/tasks","params":{{"taskId":"ID","result":{{{related}}}}}}}"#),
        format!(r#"{{"id":1,"method":"elicitation/create","params":{{{related},"x":1.0}}}}"#),
        r#"{"method":"notifications/subscriptions/acknowledged","params":{"notifications":{"taskIds":["ID","ID"]}}}"#.to_owned(),
    ] {
        let sent = text.replace("ID", "t-1");
        let told = rewriter.rewrite(&sent).unwrap();
        let sealed = rewriter.tasks.as_ref().unwrap().sealed("t-1");
        assert_eq!(told, text.replace("ID", &sealed));
    }
    for text in [
        r#"{"result":{"structuredContent":{"taskId":"t-1","task":{"taskId":"t-1"}}}}"#,
        r#"{"id":1,"method":"tasks/get","params":{"taskId":"t-1"}}"#,
        r#"{"id":1,"method":"tasks/cancel","params":{"taskId":"t-1"}}"#,
        r#"{"result":{"taskId":5,"task":"t-1","tasks":"t-1"}}"#,
        r#"{"method":"notifications/message","params":{"data":{"taskId":"t-1"}}}"#,
        r#"{"error":{"code":-32602,"message":"taskId t-1"}}"#,
    ] {
        assert_eq!(rewriter.rewrite(text).unwrap(), text);
    }
}

#[test]
fn a_server_that_lists_tasks_does_not_say_so() {
    for (sent, told) in [
        (r#"{"list":{},"cancel":{}}"#, r#"{"cancel":{}}"#),
        (r#"{ "list" : {} }"#, "{}"),
        (r#"{"cancel":{}, "requests":{}}"#, r#"{"cancel":{}, "requests":{}}"#),
    ] {
        let text = |tasks: &str| {
            format!(r#"{{"id":1,"result":{{"capabilities":{{"tools":{{}},"tasks":{tasks}}}}}}}"#)
        };
        let rewriter = of_tasks(Extent::Capabilities);
        assert_eq!(rewriter.rewrite(&text(sent)).unwrap(), text(told));
        assert_eq!(of_tasks(Extent::Mentions).rewrite(&text(sent)).unwrap(), text(sent));
    }
}

#[test]
fn what_only_mentions_tasks_goes_on_if_it_can_not_be_read() {
    for text in [r#"{"taskId":"#, "task", r#"{"result":{"taskId":"a","taskId":"b"}}"#] {
        assert_eq!(of_tasks(Extent::Mentions).rewrite(text).unwrap(), text);
    }
    assert!(of_tasks(Extent::Whole).rewrite(r#"{"taskId":"#).is_err());
}

#[test]
fn an_event_that_is_too_long_to_be_about_a_task_goes_on_as_it_comes() {
    let long = "x".repeat(200);
    let stream = format!(
        "id: 1\ndata: {long}\ndata: {long}\r\n\r\n: hi\ndata: {{\"result\":{{\"taskId\":\"t\"}}}}\n\ndata: \u{e9}\n\n"
    );
    for size in [1, 7, 100, stream.len()] {
        let rewriter = of_tasks(Extent::Mentions);
        let sealed = rewriter.tasks.as_ref().unwrap().sealed("t");
        let mut events = EventRewriter::new(rewriter, 100);
        let mut told = Vec::new();
        for chunk in stream.as_bytes().chunks(size) {
            told.extend_from_slice(&events.feed(chunk).unwrap());
        }
        told.extend_from_slice(&events.finish().unwrap());
        let expected = stream.replace("\"t\"", &format!("\"{sealed}\""));
        assert_eq!(String::from_utf8(told).unwrap(), expected, "{size}");
    }
    let mut broken = EventRewriter::new(of_tasks(Extent::Mentions), 100);
    assert_eq!(broken.feed(b"data: \xff\n\n").unwrap(), &b"data: \xff\n\n"[..]);
}
