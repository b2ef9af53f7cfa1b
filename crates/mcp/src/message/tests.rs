use super::*;

fn parse(body: &str) -> Result<Message<'_>, MessageError> {
    Message::parse(body.as_bytes())
}

#[test]
fn reads_a_tool_call() {
    let message =
        parse(r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"whoami","arguments":{"name":"x"}}}"#)
            .unwrap();
    assert_eq!(message.kind, Kind::Request);
    assert_eq!(message.id, Some(Value::from(7)));
    assert_eq!(message.tool(), Some("whoami"));
    assert_eq!(message.header_name(), Some("whoami"));
}

#[test]
fn tells_requests_notifications_and_responses_apart() {
    let cases = [
        (r#"{"jsonrpc":"2.0","id":"a","method":"ping"}"#, Kind::Request),
        (r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#, Kind::Notification),
        (r#"{"jsonrpc":"2.0","id":1,"result":{}}"#, Kind::Response),
        (r#"{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"no"}}"#, Kind::Response),
    ];
    for (body, kind) in cases {
        assert_eq!(parse(body).unwrap().kind, kind, "{body}");
    }
}

#[test]
fn refuses_what_two_parsers_could_read_differently() {
    let bodies = [
        r#"{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/call","params":{"name":"x"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"ping","Method":"tools/call"}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","name":"b"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","NAME":"b"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a"},"param\u017f":{"name":"b"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a"},"Params":{}}"#,
        r#"{"jsonrpc":"2.0","id":1,"\u0130D":2,"method":"ping"}"#,
        r#"{"jsonrpc":"2.0","id":1,"\u0131d":2,"method":"ping"}"#,
    ];
    for body in bodies {
        assert_eq!(parse(body).unwrap_err(), MessageError::AmbiguousMember, "{body}");
    }
}

#[test]
fn refuses_what_is_no_message() {
    let cases = [
        ("", MessageError::Syntax),
        ("{", MessageError::Syntax),
        ("nonsense", MessageError::Syntax),
        (r#"{"jsonrpc":"2.0","id":1,"method":"ping"} {}"#, MessageError::Syntax),
        ("[]", MessageError::Batch),
        (r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#, MessageError::Batch),
        ("{}", MessageError::NotAMessage),
        ("3", MessageError::NotAMessage),
        (r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#, MessageError::NotAMessage),
        (r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#, MessageError::NotAMessage),
        (r#"{"jsonrpc":"2.0","id":{},"method":"ping"}"#, MessageError::NotAMessage),
        (r#"{"jsonrpc":"2.0","id":1,"method":"ping","result":{}}"#, MessageError::NotAMessage),
        (r#"{"jsonrpc":"2.0","id":1,"method":5}"#, MessageError::NotAMessage),
        (r#"{"jsonrpc":"2.0","id":1,"method":"tools/call"}"#, MessageError::NoToolName),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":[]}"#,
            MessageError::NotAMessage,
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":5}}"#,
            MessageError::NoToolName,
        ),
    ];
    for (body, error) in cases {
        assert_eq!(parse(body).unwrap_err(), error, "{body}");
    }
}

#[test]
fn refuses_what_is_not_utf8_wherever_it_stands() {
    let body = b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\",\"x\":\"\xff\"}";
    assert_eq!(Message::parse(body).unwrap_err(), MessageError::Syntax);
}

#[test]
fn reads_over_what_it_does_not_need() {
    let body = r#"{"jsonrpc":"2.0","id":1.5,"method":"x","params":{"name":[{"a":[]}],"uri":{"b":1},"taskId":null}}"#;
    let message = parse(body).unwrap();
    assert_eq!(message.id, Some(Value::from(1.5)));
    assert!(message.params.name.is_none() && message.params.uri.is_none());
    for id in ["[[]]", "{\"a\":1}", "null", "true"] {
        let body = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"ping"}}"#);
        assert_eq!(parse(&body).unwrap_err(), MessageError::NotAMessage, "{id}");
    }
}

#[test]
fn an_escaped_name_is_the_name() {
    let body = r#"{"jsonrpc":"2.0","id":1,"m\u0065thod":"tools\/call","params":{"n\u0061me":"who\u0061mi"}}"#;
    assert_eq!(parse(body).unwrap().tool(), Some("whoami"));
}
