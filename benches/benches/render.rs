//! Four headers for one request: a bearer token, a user id, Basic of two, a constant.
//!
//! `cargo bench -p bonafide-benches --bench render` prints medians of interleaved rounds and the ratio to the limit.

mod common;

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bonafide_headers::{Builtin, ClaimPath, Templates, Value, Variable, Variables};
use common::{Contender, compare};
use handlebars::{Context, Handlebars, Helper, Output, RenderContext};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use secrecy::{ExposeSecret, SecretString};

const USER_ID: HeaderName = HeaderName::from_static("x-user-id");
const JIRA: HeaderName = HeaderName::from_static("x-jira-authorization");
const CLIENT: HeaderName = HeaderName::from_static("x-client");

const TOKEN: &str = "ghp_16C7e42F292c6912E7710c838347Ae178B4a";
const USERNAME: &str = "ada.lovelace@example.com";
const JIRA_USER: &str = "ada@example.com";
const JIRA_TOKEN: &str = "ATATT3xFfGF0T5JNjQKmxVdmW0Rr";

struct User {
    username: String,
    secrets: [SecretString; 3],
}

impl User {
    fn new() -> Self {
        Self {
            username: USERNAME.into(),
            secrets: [TOKEN.into(), JIRA_USER.into(), JIRA_TOKEN.into()],
        }
    }

    fn secret(&self, index: usize) -> &str {
        self.secrets.get(index).map(ExposeSecret::expose_secret).unwrap_or_default()
    }
}

impl Variables for User {
    fn builtin(&self, builtin: Builtin) -> Value<'_> {
        match builtin {
            Builtin::Username => Value::Text(&self.username),
            _ => Value::Missing,
        }
    }

    fn claim(&self, _: &ClaimPath) -> Value<'_> {
        Value::Missing
    }

    fn declared(&self, index: usize) -> Option<&SecretString> {
        self.secrets.get(index)
    }
}

fn main() {
    let user = User::new();
    let templates = templates();
    let expected = templates.render(&user).ok();
    let limit = Segments::new();
    assert_eq!(Some(limit.render(&user)), expected);
    assert_eq!(Some(formatted(&user)), expected);
    assert_eq!(Some(replaced(&user)), expected);
    let subst = Subst::new();
    assert_eq!(Some(subst.render(&user)), expected);
    let minijinja = minijinja_environment();
    assert_eq!(Some(minijinja_render(&minijinja, &user)), expected);
    let handlebars = handlebars_registry();
    assert_eq!(Some(handlebars_render(&handlebars, &user)), expected);

    compare(
        "four headers",
        vec![
            Contender::new("segment list, one exact buffer (the limit)", || limit.render(&user)),
            Contender::new("bonafide-headers", || templates.render(&user)),
            Contender::new("format! and HeaderValue::from_str", || formatted(&user)),
            Contender::new("subst, parsed once", || subst.render(&user)),
            Contender::new("minijinja", || minijinja_render(&minijinja, &user)),
            Contender::new("handlebars", || handlebars_render(&handlebars, &user)),
            Contender::new("String::replace for each variable", || replaced(&user)),
        ],
    );
    refusals(&templates);
}

fn refusals(templates: &Templates) {
    let mut unset = User::new();
    unset.secrets = [TOKEN.into(), "".into(), " ".into()];
    let mut broken = User::new();
    broken.secrets = [TOKEN.into(), JIRA_USER.into(), "line\nbreak".into()];
    assert!(templates.render(&unset).is_err() && templates.render(&broken).is_err());
    let user = User::new();
    compare(
        "refusals, beside success",
        vec![
            Contender::new("all set", || templates.render(&user)),
            Contender::new("two missing", || templates.render(&unset)),
            Contender::new("control character", || templates.render(&broken)),
        ],
    );
}

fn templates() -> Templates {
    let variable = |name: &str| Variable::new(valid(name.parse()));
    let built = Templates::builder()
        .with_variable(variable("GITHUB_TOKEN"))
        .with_variable(variable("JIRA_USER"))
        .with_variable(variable("JIRA_TOKEN"))
        .with_header("Authorization", "Bearer ${GITHUB_TOKEN}")
        .with_header("X-User-Id", "${username}")
        .with_header("X-Jira-Authorization", "Basic ${basic(JIRA_USER, JIRA_TOKEN)}")
        .with_header("X-Client", "bonafide/0.1")
        .build();
    valid(built)
}

/// What one would write by hand for speed: no checks but those of `HeaderValue`, no missing values, no encodings. Names
/// and the constant come from configuration, as ours do.
struct Segments {
    headers: Vec<(HeaderName, Vec<Segment>)>,
    constant: (HeaderName, HeaderValue),
}

enum Segment {
    Literal(&'static str),
    Username,
    Secret(usize),
    Basic(usize, usize),
}

impl Segments {
    fn new() -> Self {
        Self {
            headers: vec![
                (header::AUTHORIZATION, vec![Segment::Literal("Bearer "), Segment::Secret(0)]),
                (configured("X-User-Id"), vec![Segment::Username]),
                (
                    configured("X-Jira-Authorization"),
                    vec![Segment::Literal("Basic "), Segment::Basic(1, 2)],
                ),
            ],
            constant: (configured("X-Client"), valid(HeaderValue::from_str("bonafide/0.1"))),
        }
    }

    fn render(&self, user: &User) -> HeaderMap {
        let mut map = HeaderMap::with_capacity(4);
        for (name, segments) in &self.headers {
            let length = segments.iter().map(|segment| segment.len(user)).sum();
            let mut buffer = Vec::with_capacity(length);
            segments.iter().for_each(|segment| segment.write(user, &mut buffer));
            let mut value = valid(HeaderValue::try_from(buffer));
            value.set_sensitive(true);
            map.insert(name.clone(), value);
        }
        let (name, value) = &self.constant;
        map.insert(name.clone(), value.clone());
        map
    }
}

fn configured(name: &str) -> HeaderName {
    valid(HeaderName::from_bytes(name.as_bytes()))
}

impl Segment {
    fn len(&self, user: &User) -> usize {
        match self {
            Self::Literal(text) => text.len(),
            Self::Username => user.username.len(),
            Self::Secret(index) => user.secret(*index).len(),
            Self::Basic(name, password) => {
                (user.secret(*name).len() + 1 + user.secret(*password).len()).div_ceil(3) * 4
            }
        }
    }

    fn write(&self, user: &User, buffer: &mut Vec<u8>) {
        match self {
            Self::Literal(text) => buffer.extend_from_slice(text.as_bytes()),
            Self::Username => buffer.extend_from_slice(user.username.as_bytes()),
            Self::Secret(index) => buffer.extend_from_slice(user.secret(*index).as_bytes()),
            Self::Basic(name, password) => {
                let mut pair = [0; 256];
                let mut length = 0;
                for text in [user.secret(*name), ":", user.secret(*password)] {
                    if let Some(place) = pair.get_mut(length..length + text.len()) {
                        place.copy_from_slice(text.as_bytes());
                        length += text.len();
                    }
                }
                let start = buffer.len();
                buffer.resize(start + length.div_ceil(3) * 4, 0);
                if let (Some(pair), Some(place)) = (pair.get(..length), buffer.get_mut(start..)) {
                    let _ = STANDARD.encode_slice(pair, place);
                }
            }
        }
    }
}

fn formatted(user: &User) -> HeaderMap {
    let pair = format!("{}:{}", user.secret(1), user.secret(2));
    map_of([
        format!("Bearer {}", user.secret(0)),
        user.username.clone(),
        format!("Basic {}", STANDARD.encode(pair)),
    ])
}

const SOURCES: [&str; 3] = ["Bearer ${GITHUB_TOKEN}", "${username}", "Basic ${basic}"];

fn replaced(user: &User) -> HeaderMap {
    let basic = STANDARD.encode(format!("{}:{}", user.secret(1), user.secret(2)));
    let variables = [
        ("${username}", user.username.as_str()),
        ("${email}", "ada@example.com"),
        ("${name}", "Ada Lovelace"),
        ("${user.id}", "7f9e"),
        ("${GITHUB_TOKEN}", user.secret(0)),
        ("${JIRA_USER}", user.secret(1)),
        ("${JIRA_TOKEN}", user.secret(2)),
        ("${basic}", basic.as_str()),
    ];
    let replace = |text: String, (name, value): &(&str, &str)| text.replace(name, value);
    map_of(SOURCES.map(|source| variables.iter().fold(source.to_owned(), replace)))
}

struct Subst([subst::TemplateBuf; 3]);

impl Subst {
    fn new() -> Self {
        let parse = |source: &str| subst::TemplateBuf::from_string(source.to_owned());
        Self(SOURCES.map(|source| valid(parse(source))))
    }

    fn render(&self, user: &User) -> HeaderMap {
        let basic = STANDARD.encode(format!("{}:{}", user.secret(1), user.secret(2)));
        let variables = HashMap::from([
            ("username", user.username.as_str()),
            ("GITHUB_TOKEN", user.secret(0)),
            ("basic", basic.as_str()),
        ]);
        map_of(self.0.each_ref().map(|template| valid(template.expand(&variables))))
    }
}

fn minijinja_environment() -> minijinja::Environment<'static> {
    let mut environment = minijinja::Environment::new();
    environment.add_function("basic", |user: &str, token: &str| {
        STANDARD.encode(format!("{user}:{token}"))
    });
    for (name, source) in [
        ("bearer", "Bearer {{ github_token }}"),
        ("user", "{{ username }}"),
        ("basic", "Basic {{ basic(jira_user, jira_token) }}"),
    ] {
        valid(environment.add_template(name, source));
    }
    environment
}

fn minijinja_render(environment: &minijinja::Environment<'_>, user: &User) -> HeaderMap {
    let context = minijinja::context! {
        github_token => user.secret(0),
        username => user.username.as_str(),
        jira_user => user.secret(1),
        jira_token => user.secret(2),
    };
    let render = |name| valid(valid(environment.get_template(name)).render(&context));
    map_of(["bearer", "user", "basic"].map(render))
}

fn handlebars_registry() -> Handlebars<'static> {
    let mut registry = Handlebars::new();
    registry.register_escape_fn(handlebars::no_escape);
    let basic = |helper: &Helper<'_>,
                 _: &Handlebars<'_>,
                 _: &Context,
                 _: &mut RenderContext<'_, '_>,
                 out: &mut dyn Output| {
        let text = |index| {
            helper.param(index).and_then(|param| param.value().as_str()).unwrap_or_default()
        };
        out.write(&STANDARD.encode(format!("{}:{}", text(0), text(1))))?;
        Ok(())
    };
    registry.register_helper("basic", Box::new(basic));
    for (name, source) in [
        ("bearer", "Bearer {{github_token}}"),
        ("user", "{{username}}"),
        ("basic", "Basic {{basic jira_user jira_token}}"),
    ] {
        valid(registry.register_template_string(name, source));
    }
    registry
}

fn handlebars_render(registry: &Handlebars<'_>, user: &User) -> HeaderMap {
    let context = serde_json::json!({
        "github_token": user.secret(0),
        "username": user.username,
        "jira_user": user.secret(1),
        "jira_token": user.secret(2),
    });
    map_of(["bearer", "user", "basic"].map(|name| valid(registry.render(name, &context))))
}

fn map_of([bearer, user, basic]: [String; 3]) -> HeaderMap {
    let mut map = HeaderMap::with_capacity(4);
    for (name, text) in [(header::AUTHORIZATION, bearer), (USER_ID, user), (JIRA, basic)] {
        let mut value = valid(HeaderValue::from_str(&text));
        value.set_sensitive(true);
        map.insert(name, value);
    }
    map.insert(CLIENT, HeaderValue::from_static("bonafide/0.1"));
    map
}

#[expect(clippy::panic, reason = "a bench that cannot run has nothing to report")]
fn valid<T, E: std::fmt::Display>(result: Result<T, E>) -> T {
    result.unwrap_or_else(|error| panic!("{error}"))
}
