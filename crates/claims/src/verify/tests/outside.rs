//! Introspection and Microsoft Graph, over a transport that answers what the test says.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bonafide_jwks::{Clock, Limits, Transport, TransportError};
use bytes::Bytes;
use futures_util::FutureExt;
use http::{Request, Response};
use secrecy::SecretString;
use serde_json::{Value, json};

use super::mint::*;
use super::refuses::refusal;
use crate::verify::{GraphGroups, GroupResolver, Introspection, IntrospectionBuilder, Profile};
use crate::verify::{Verifier, VerifyErrorKind};
use crate::{Groups, UnknownGroups, UserId};

/// What one exchange gives. Nothing: it never ends.
type Answer = Option<(u16, Vec<(&'static str, String)>, String)>;

struct Net {
    answers: Mutex<VecDeque<Answer>>,
    seen: Mutex<Vec<(String, String, String)>>,
    now: AtomicU64,
}

impl std::fmt::Debug for Net {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Net")
    }
}

impl Net {
    fn new(answers: impl IntoIterator<Item = Answer>) -> Arc<Self> {
        Arc::new(Self {
            answers: Mutex::new(answers.into_iter().collect()),
            seen: Mutex::default(),
            now: AtomicU64::new(NOW),
        })
    }

    fn urls(&self) -> Vec<String> {
        self.seen.lock().unwrap().iter().map(|(url, ..)| url.clone()).collect()
    }

    fn pass(&self, seconds: u64) {
        self.now.fetch_add(seconds, Ordering::SeqCst);
    }
}

impl Clock for Net {
    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(self.now.load(Ordering::SeqCst))
    }
}

#[async_trait]
impl Transport for Net {
    async fn send(
        &self,
        request: Request<Bytes>,
        limits: Limits,
    ) -> Result<Response<Bytes>, TransportError> {
        assert!(limits.timeout <= Duration::from_secs(5) && limits.max_bytes <= 1 << 20);
        let authorization = request.headers().get("authorization");
        let authorization = authorization.map_or("", |it| it.to_str().unwrap()).to_owned();
        let body = String::from_utf8(request.body().to_vec()).unwrap();
        self.seen.lock().unwrap().push((request.uri().to_string(), authorization, body));
        let answer = self.answers.lock().unwrap().pop_front();
        match answer {
            Some(Some((status, headers, body))) => {
                let mut response = Response::builder().status(status);
                for (name, value) in headers {
                    response = response.header(name, value);
                }
                Ok(response.body(body.into()).unwrap())
            }
            Some(None) => std::future::pending().await,
            None => Err(TransportError::Failed("nobody there".into())),
        }
    }
}

fn ok(body: Value) -> Answer {
    Some((200, Vec::new(), body.to_string()))
}

fn status(status: u16) -> Answer {
    Some((status, Vec::new(), "oops".to_owned()))
}

mod introspection {
    use super::*;

    const OPAQUE: &str = "opaque-token_1~+/=";

    fn builder() -> IntrospectionBuilder {
        let secret = SecretString::from("s/e:cret");
        Introspection::builder(
            ISSUER.parse().unwrap(),
            "https://idp.example/introspect",
            "me",
            secret,
        )
        .with_audience(AUDIENCE)
    }

    fn verifier(net: &Arc<Net>, builder: IntrospectionBuilder) -> Verifier {
        let introspection = builder.build_with(net.clone()).unwrap();
        Verifier::builder()
            .with_introspection(introspection)
            .with_clock(net.clone())
            .build()
            .unwrap()
    }

    fn active(changes: Value) -> Value {
        merge(claims_with(json!({"active": true, "token_type": "Bearer"})), changes)
    }

    fn outcome(answer: Answer) -> String {
        refusal(&verifier(&Net::new([answer]), builder()), OPAQUE)
    }

    #[test]
    fn an_active_token_becomes_the_user_it_names() {
        let net = Net::new([ok(active(json!({})))]);
        let user = verify(&verifier(&net, builder()), OPAQUE).unwrap();
        assert_eq!(user.id().parts(), [ISSUER, "", "user-1"]);
        assert!(user.groups().known().unwrap().contains("MCP-GitHub"));
        let (url, authorization, body) = net.seen.lock().unwrap()[0].clone();
        assert_eq!(url, "https://idp.example/introspect");
        // me:s%2Fe%3Acret
        assert_eq!(authorization, "Basic bWU6cyUyRmUlM0FjcmV0");
        assert_eq!(body, "token=opaque-token_1%7E%2B%2F%3D&token_type_hint=access_token");
    }

    #[test]
    fn every_other_answer_is_a_refusal() {
        for (answer, expected) in [
            (json!({"active": false}), "Inactive"),
            (json!({"active": false, "sub": "user-1"}), "Inactive"),
            (active(json!({"iss": "https://other.example"})), "UnknownIssuer"),
            (active(json!({"iss": [ISSUER]})), "Malformed(claim: Issuer)"),
            (active(json!({"iss": null})), "accepted"),
            (active(json!({"aud": null})), "Missing(claim: Audience)"),
            (active(json!({"aud": "other"})), "WrongAudience"),
            (active(json!({"sub": null})), "Missing(claim: Subject)"),
            (active(json!({"exp": NOW - 60})), "Expired"),
            (active(json!({"exp": "soon"})), "Malformed(claim: Expiry)"),
            (active(json!({"exp": null})), "accepted"),
            (active(json!({"nbf": NOW + 61})), "NotYetValid"),
            (active(json!({"token_type": "DPoP"})), r#"WrongType(claim: "token_type")"#),
            (active(json!({"token_type": 5})), r#"WrongType(claim: "token_type")"#),
            (active(json!({"cnf": {"x5t#S256": "x"}})), "Bound"),
        ] {
            assert_eq!(outcome(ok(answer.clone())), expected, "{answer}");
        }
    }

    #[test]
    fn an_answer_that_says_nothing_is_the_outside_worlds_fault() {
        let twice = r#"{"active":true,"active":false}"#.to_owned();
        for answer in [
            ok(json!({})),
            ok(json!({"active": "true"})),
            ok(json!({"active": 1})),
            ok(json!([])),
            Some((200, Vec::new(), twice)),
            status(500),
            status(401),
            status(302),
            Some((204, Vec::new(), json!({"active": true}).to_string())),
        ] {
            let net = Net::new([answer.clone()]);
            let error = verify(&verifier(&net, builder()), OPAQUE).unwrap_err();
            assert_eq!(error.kind(), VerifyErrorKind::Unavailable, "{answer:?}");
        }
    }

    #[test]
    fn a_good_answer_is_kept_for_its_lifetime() {
        let net = Net::new([ok(active(json!({}))), ok(json!({"active": false}))]);
        let verifier = verifier(&net, builder());
        for _ in 0..5 {
            assert_eq!(refusal(&verifier, OPAQUE), "accepted");
        }
        net.pass(59);
        assert_eq!(refusal(&verifier, OPAQUE), "accepted");
        net.pass(1);
        assert_eq!(refusal(&verifier, OPAQUE), "Inactive", "it was revoked");
        assert_eq!(net.urls().len(), 2);
    }

    #[test]
    fn a_flood_of_one_dead_token_is_one_question_in_ten_seconds() {
        for dead in [json!({"active": false}), active(json!({"aud": "other"}))] {
            let net = Net::new([ok(dead.clone()), ok(dead), ok(active(json!({})))]);
            let verifier = verifier(&net, builder());
            let first = refusal(&verifier, OPAQUE);
            assert_ne!(first, "accepted");
            net.pass(9);
            for _ in 0..1000 {
                assert_eq!(refusal(&verifier, OPAQUE), first);
            }
            assert_eq!(net.urls().len(), 1);
            net.pass(1);
            assert_eq!(refusal(&verifier, OPAQUE), first);
            assert_eq!(net.urls().len(), 2);
            net.pass(10);
            assert_eq!(refusal(&verifier, OPAQUE), "accepted", "it became active");
        }
    }

    #[test]
    fn a_refusal_is_kept_for_that_token_and_not_at_all_if_so_wished() {
        let dead = || ok(json!({"active": false}));
        let net = Net::new([dead(), ok(active(json!({}))), dead(), dead()]);
        let verifier = verifier(&net, builder().with_refusal_lifetime(Duration::ZERO));
        assert_eq!(refusal(&verifier, OPAQUE), "Inactive");
        assert_eq!(refusal(&verifier, "another"), "accepted");
        for asked in [3, 4] {
            assert_eq!(refusal(&verifier, OPAQUE), "Inactive");
            assert_eq!(net.urls().len(), asked);
        }
    }

    #[test]
    fn no_answer_is_no_refusal() {
        let net = Net::new([status(500), ok(json!({})), ok(active(json!({})))]);
        let verifier = verifier(&net, builder());
        for _ in 0..2 {
            let error = verify(&verifier, OPAQUE).unwrap_err();
            assert_eq!(error.kind(), VerifyErrorKind::Unavailable);
        }
        assert_eq!(refusal(&verifier, OPAQUE), "accepted");
    }

    #[test]
    fn those_who_send_one_token_share_a_question() {
        let net = Net::new([None, ok(active(json!({})))]);
        let verifier = verifier(&net, builder().with_most_open(2));
        let mut waiting: Vec<_> = (0..50).map(|_| Box::pin(verifier.verify(OPAQUE))).collect();
        assert!(waiting.iter_mut().all(|it| it.as_mut().now_or_never().is_none()));
        waiting.truncate(1);
        assert!(waiting[0].as_mut().now_or_never().is_none(), "one of them still waits");
        assert_eq!(net.urls().len(), 1);
        waiting.clear();
        assert_eq!(refusal(&verifier, OPAQUE), "accepted", "asked again when nobody waited");
    }

    #[test]
    fn an_answer_is_not_kept_beyond_the_token() {
        let net = Net::new([ok(active(json!({"exp": NOW + 10}))), ok(json!({"active": false}))]);
        let verifier = verifier(&net, builder());
        assert_eq!(refusal(&verifier, OPAQUE), "accepted");
        net.pass(10);
        assert_eq!(refusal(&verifier, OPAQUE), "Inactive");
    }

    #[test]
    fn only_so_many_questions_are_open() {
        let net = Net::new([None, None, ok(active(json!({})))]);
        let verifier = verifier(&net, builder().with_most_open(2));
        let mut open: Vec<_> =
            ["a", "b"].iter().map(|token| Box::pin(verifier.verify(token))).collect();
        assert!(open.iter_mut().all(|it| it.as_mut().now_or_never().is_none()));
        let error = verify(&verifier, "c").unwrap_err();
        assert_eq!(error.kind(), VerifyErrorKind::Unavailable);
        assert_eq!(net.urls().len(), 2);
        drop(open);
        assert_eq!(refusal(&verifier, "c"), "accepted");
    }

    #[test]
    fn only_opaque_bearer_tokens_are_asked_about() {
        let net = Net::new([]);
        let verifier = verifier(&net, builder());
        for text in ["", "=", "a b", "a\nb", "é", "a=b", "a\"b"] {
            assert_eq!(refusal(&verifier, text), "NotCompact", "{text}");
        }
        assert!(refusal(&verifier, &"a".repeat(20_000)).starts_with("TooLong"));
        assert_eq!(refusal(&verifier, &mint("RS256", &claims())), "UnknownIssuer");
        assert!(net.urls().is_empty());
    }

    #[test]
    fn terms_that_are_not_safe_are_refused() {
        let build = |endpoint: &str| {
            let secret = SecretString::from("secret");
            Introspection::builder(ISSUER.parse().unwrap(), endpoint, "me", secret)
                .with_audience(AUDIENCE)
                .build_with(Net::new([]))
        };
        for endpoint in ["http://idp.example/", "idp", "https://u:p@idp.example/", "file:///x"] {
            assert!(build(endpoint).is_err(), "{endpoint}");
        }
        assert!(build("http://127.0.0.1:9/x").is_ok());
        let secret = SecretString::from("canary");
        let no_audience =
            Introspection::builder(ISSUER.parse().unwrap(), "https://idp.example", "me", secret);
        assert!(!format!("{no_audience:?}").contains("canary"));
        assert!(no_audience.build_with(Net::new([])).is_err());
        let built = builder().build_with(Net::new([])).unwrap();
        let shown = format!("{built:?} {:?}", builder());
        assert!(!shown.contains("cret"), "{shown}");
    }
}

mod graph {
    use super::*;

    const TID: &str = "7f9e0000-0000-0000-0000-000000000001";

    fn user() -> UserId {
        let issuer = format!("https://login.microsoftonline.com/{TID}/v2.0");
        UserId::new(
            issuer.parse().unwrap(),
            Some(TID.parse().unwrap()),
            "obj/../ect".parse().unwrap(),
        )
    }

    fn groups(net: &Arc<Net>) -> GraphGroups {
        let secret = SecretString::from("canary");
        GraphGroups::builder("app", secret).with_clock(net.clone()).build_with(net.clone()).unwrap()
    }

    fn ask(groups: &GraphGroups) -> Result<Vec<String>, String> {
        let answer = groups.groups(&user()).now_or_never().expect("an answer");
        let names = answer.map(|names| names.iter().map(|name| name.as_str().to_owned()).collect());
        names.map_err(|error| std::error::Error::source(&error).unwrap().to_string())
    }

    fn token() -> Answer {
        ok(json!({"access_token": "graph-token", "expires_in": 3599, "token_type": "Bearer"}))
    }

    fn page(ids: &[&str], next: Option<&str>) -> Answer {
        let value: Vec<Value> = ids.iter().map(|id| json!({"id": id})).collect();
        let mut page = json!({"value": value});
        if let Some(next) = next {
            page["@odata.nextLink"] = json!(next);
        }
        ok(page)
    }

    #[test]
    fn all_pages_are_read() {
        let next = "https://graph.microsoft.com/v1.0/next?$skiptoken=x";
        let net = Net::new([token(), page(&["b", "a"], Some(next)), page(&["c"], None)]);
        assert_eq!(ask(&groups(&net)).unwrap(), ["a", "b", "c"]);
        assert_eq!(
            net.urls(),
            [
                format!("https://login.microsoftonline.com/{TID}/oauth2/v2.0/token"),
                "https://graph.microsoft.com/v1.0/users/obj%2F..%2Fect/transitiveMemberOf/\
                 microsoft.graph.group?$select=id&$top=999"
                    .to_owned(),
                next.to_owned(),
            ]
        );
        let seen = net.seen.lock().unwrap();
        assert!(seen[0].2.contains("client_secret=canary") && seen[0].1.is_empty());
        assert!(seen[0].2.contains("scope=https%3A%2F%2Fgraph.microsoft.com%2F.default"));
        assert_eq!(seen[1].1, "Bearer graph-token");
    }

    #[test]
    fn the_token_goes_to_no_other_server() {
        for next in [
            "https://evil.example/v1.0/next",
            "http://graph.microsoft.com/v1.0/next",
            "https://graph.microsoft.com:444/next",
            "https://graph.microsoft.com.evil.example/",
            "https://user@graph.microsoft.com/",
            "/v1.0/next",
        ] {
            let net = Net::new([token(), page(&["a"], Some(next)), page(&["b"], None)]);
            assert!(ask(&groups(&net)).is_err(), "{next}");
            assert_eq!(net.urls().len(), 2, "{next}");
        }
    }

    #[test]
    fn part_of_the_groups_is_no_answer() {
        let next = "https://graph.microsoft.com/v1.0/next";
        for bad in [
            status(500),
            ok(json!({})),
            ok(json!({"value": [{"id": 5}]})),
            ok(json!({"value": [{"id": ""}]})),
            ok(json!({"value": ["a"]})),
            ok(json!({"value": [], "@odata.nextLink": 5})),
        ] {
            let net = Net::new([token(), page(&["a"], Some(next)), bad]);
            assert!(ask(&groups(&net)).is_err());
        }
        let endless = std::iter::once(token()).chain((0..30).map(|_| page(&["a"], Some(next))));
        let net = Net::new(endless);
        assert_eq!(ask(&groups(&net)).unwrap_err(), "the user has more than 19980 groups");
        assert_eq!(net.urls().len(), 21);
    }

    #[test]
    fn a_pause_that_graph_asks_for_is_kept() {
        let throttled = Some((429, vec![("retry-after", "30".to_owned())], String::new()));
        let net = Net::new([token(), throttled, page(&["a"], None)]);
        let groups = groups(&net);
        assert!(ask(&groups).unwrap_err().contains("429"));
        for _ in 0..5 {
            net.pass(5);
            assert!(ask(&groups).is_err());
        }
        assert_eq!(net.urls().len(), 2);
        net.pass(10);
        assert_eq!(ask(&groups).unwrap(), ["a"]);
        assert_eq!(net.urls().len(), 3, "and the access token was kept");
    }

    #[test]
    fn answers_are_kept_for_five_minutes_and_failures_for_seconds() {
        let net = Net::new([token(), page(&["a"], None), page(&["b"], None), status(500)]);
        let groups = groups(&net);
        assert_eq!(ask(&groups).unwrap(), ["a"]);
        net.pass(299);
        assert_eq!(ask(&groups).unwrap(), ["a"]);
        net.pass(1);
        assert_eq!(ask(&groups).unwrap(), ["b"]);
        net.pass(300);
        assert!(ask(&groups).is_err());
        let asked = net.urls().len();
        net.pass(4);
        assert!(ask(&groups).is_err());
        assert_eq!(net.urls().len(), asked);
        net.pass(1);
        assert!(ask(&groups).is_err());
        assert_eq!(net.urls().len(), asked + 1);
    }

    #[test]
    fn a_token_that_graph_refuses_is_forgotten() {
        let net = Net::new([token(), status(401), token(), page(&["a"], None)]);
        let groups = groups(&net);
        assert!(ask(&groups).is_err());
        net.pass(5);
        assert_eq!(ask(&groups).unwrap(), ["a"]);
    }

    #[test]
    fn those_who_ask_for_one_user_share_a_lookup() {
        let net = Net::new([None]);
        let groups = groups(&net);
        let user = user();
        let mut waiting: Vec<_> = (0..50).map(|_| groups.groups(&user)).collect();
        assert!(waiting.iter_mut().all(|it| it.as_mut().now_or_never().is_none()));
        assert_eq!(net.urls().len(), 1);
    }

    #[test]
    fn debug_shows_no_secret_and_secrets_go_to_https_only() {
        let net = Net::new([]);
        let builder = || GraphGroups::builder("app", SecretString::from("canary"));
        let shown = format!("{:?} {:?}", groups(&net), builder());
        assert!(!shown.contains("canary"), "{shown}");
        let insecure = builder().with_origins("http://login.example", "https://graph.example");
        assert!(insecure.build_with(net).is_err());
    }

    #[test]
    fn a_verifier_asks_for_those_with_too_many_and_for_nobody_else() {
        let claims = |changes: Value| {
            let issuer = format!("https://login.microsoftonline.com/{TID}/v2.0");
            let base = json!({"iss": issuer, "tid": TID, "oid": "object", "groups": null});
            mint("RS256", &merge(claims_with(base), changes))
        };
        let overage = claims(json!({"_claim_names": {"groups": "src1"}}));
        let net = Net::new([token(), page(&["a"], None), status(500)]);
        let name = format!("https://login.microsoftonline.com/{TID}/v2.0");
        let issuer = issuer(&name)
            .with_audience(AUDIENCE)
            .with_profile(Profile::entra())
            .with_group_resolver(Arc::new(groups(&net)));
        let verifier = Verifier::builder()
            .with_issuer(issuer.build().unwrap())
            .with_clock(net.clone())
            .build()
            .unwrap();
        let absent = verify(&verifier, &claims(json!({}))).unwrap();
        assert_eq!(absent.groups(), &Groups::Unknown(UnknownGroups::Absent));
        assert!(net.urls().is_empty());
        let found = verify(&verifier, &overage).unwrap();
        assert!(found.groups().known().unwrap().contains("a"));
        assert_eq!(net.urls().len(), 2);
        net.pass(300);
        let failed = verify(&verifier, &overage).unwrap();
        assert_eq!(failed.groups(), &Groups::Unknown(UnknownGroups::Unresolved));
    }
}
