use bonafide_policy::{Policy, Rule};
use bonafide_testkit::Issuer;
use bonafide_vault::MasterKey;
use std::time::{Duration, SystemTime};

use super::state::digest;
use super::*;

fn states() -> States {
    states_at("https://mcp.example.com")
}

fn states_at(url: &str) -> States {
    let keyring = Keyring::new(&MasterKey::generate().unwrap()).unwrap();
    States::new(&keyring, &url.parse().unwrap()).unwrap()
}

fn permit(subject: &str, tenant: &str) -> Permit {
    let rule = Rule::allow("r").with_groups(["g"]).with_tenants(["t", "u"]);
    let policy = Policy::builder().with_rule(rule).build().unwrap();
    let user = Issuer::new("https://idp.example").user(subject).with_groups(["g"]).verified();
    policy.permit(&user, &tenant.parse().unwrap()).unwrap()
}

fn call(members: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"x","arguments":{{"b":1,"a":[2]}}{members}}}}}"#
    )
}

/// The state that asks because of this body.
fn ask(states: &States, permit: &Permit, body: &str) -> String {
    let message = Message::parse(body.as_bytes()).unwrap();
    let asked = Asked::new("digest".to_owned(), true).about(&message, body);
    states.seal(permit.user().id(), permit.tenant(), &asked).unwrap()
}

fn read(
    states: &States,
    permit: &Permit,
    body: &str,
    now: SystemTime,
) -> Result<Option<Retry>, RetryError> {
    let message = Message::parse(body.as_bytes()).unwrap();
    Retry::read(states, permit, &message, body, now)
}

fn retry_of(state: &str, action: &str) -> String {
    call(&format!(
        r#","inputResponses":{{"bonafide.credential":{{"action":"{action}"}}}},"requestState":"{state}""#
    ))
}

#[test]
fn what_is_ours_does_not_go_on() {
    let (states, alice) = (states(), permit("alice", "t"));
    let state = ask(&states, &alice, &call(r#","_meta":{"a":1}"#));
    let retry =
        read(&states, &alice, &retry_of(&state, "accept"), SystemTime::now()).unwrap().unwrap();
    assert_eq!(std::str::from_utf8(&retry.body).unwrap(), call(""));
    assert_eq!(retry.answer, Answered::Accepted);
    assert!(retry.asked.refused && retry.asked.stored == "digest");
}

#[test]
fn what_the_backend_asked_for_goes_on() {
    let (states, alice) = (states(), permit("alice", "t"));
    let theirs = r#","inputResponses":{"q":{"action":"accept"}},"requestState":"th\"eirs""#;
    let state = ask(&states, &alice, &call(theirs));
    let retry =
        read(&states, &alice, &retry_of(&state, "accept"), SystemTime::now()).unwrap().unwrap();
    assert_eq!(std::str::from_utf8(&retry.body).unwrap(), call(theirs));
    // And without a state of ours nothing is touched.
    assert!(read(&states, &alice, &call(theirs), SystemTime::now()).unwrap().is_none());
}

#[test]
fn what_a_gateway_behind_this_one_asked_for_goes_on() {
    let (outer, inner) = (states(), states_at("https://inner.example.com"));
    let alice = permit("alice", "t");
    let now = SystemTime::now();
    let body = retry_of(&ask(&inner, &alice, &call("")), "accept");
    assert!(read(&outer, &alice, &body, now).unwrap().is_none());
    // And if this one has to ask in between, the other one gets its own back.
    let message = Message::parse(body.as_bytes()).unwrap();
    let asked = Asked::new("digest".to_owned(), true).about(&message, &body);
    let state = outer.seal(alice.user().id(), alice.tenant(), &asked).unwrap();
    let retry = read(&outer, &alice, &retry_of(&state, "accept"), now).unwrap().unwrap();
    let restored = String::from_utf8(retry.body.to_vec()).unwrap();
    assert!(read(&outer, &alice, &restored, now).unwrap().is_none());
    assert!(read(&inner, &alice, &restored, now).unwrap().is_some());
}

#[test]
fn a_state_is_for_one_user_one_tenant_one_request_and_a_time() {
    let (states, alice) = (states(), permit("alice", "t"));
    let state = ask(&states, &alice, &call(""));
    let again = retry_of(&state, "accept");
    let now = SystemTime::now();
    assert!(read(&states, &alice, &again, now).unwrap().is_some());
    let others = [
        (permit("bob", "t"), again.clone()),
        (permit("alice", "u"), again.clone()),
        (permit("alice", "t"), again.replace("[2]", "[3]")),
        (permit("alice", "t"), again.replace("\"name\":\"x\"", "\"name\":\"y\"")),
        (permit("alice", "t"), again.replace("tools/call", "prompts/get")),
        (permit("alice", "t"), retry_of(&format!("{state}x"), "accept")),
        (permit("alice", "t"), retry_of(&state[..state.rfind('.').unwrap() + 1], "accept")),
    ];
    for (permit, body) in others {
        assert_eq!(read(&states, &permit, &body, now).unwrap_err(), RetryError::Invalid, "{body}");
    }
    let later = now + LINK_TIME + Duration::from_secs(1);
    assert_eq!(read(&states, &alice, &again, later).unwrap_err(), RetryError::Expired);
}

#[test]
fn reads_what_the_user_said() {
    let (states, alice) = (states(), permit("alice", "t"));
    let state = ask(&states, &alice, &call(""));
    let answer =
        |body: &str| read(&states, &alice, body, SystemTime::now()).unwrap().unwrap().answer;
    assert_eq!(answer(&retry_of(&state, "accept")), Answered::Accepted);
    assert_eq!(answer(&retry_of(&state, "decline")), Answered::Declined);
    assert_eq!(answer(&retry_of(&state, "cancel")), Answered::Declined);
    assert_eq!(answer(&call(&format!(r#","requestState":"{state}""#))), Answered::Not);
}

#[test]
fn the_same_request_may_be_written_otherwise() {
    let same = r#"{"method":"m","params":{"b":{"y":[1],"x":"\u0061"},"a":1}}"#;
    let other = r#"{"params":{ "a":1, "_meta":{}, "b":{"x":"a" ,"y":[1]}},"method":"m"}"#;
    assert_eq!(digest("m", same), digest("m", other));
    assert_ne!(digest("m", same), digest("n", same));
    assert_ne!(digest("m", same), digest("m", &same.replace("[1]", "1")));
}
