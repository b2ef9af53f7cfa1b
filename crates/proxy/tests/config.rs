//! Configurations that can't be used: each problem with its line and key, all of them at once.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::fs;
use std::path::Path;

use bonafide_proxy::{Config, ConfigError, Environment};
use tempfile::TempDir;

/// In order, and used as the starting point of every test. `{KEY}` is a key file.
const GOOD: &str = r#"listen     = "127.0.0.1:8080"
public_url = "https://mcp.example.com"

[[issuers]]
issuer    = "https://idp.example.com"
profile   = "generic"
audiences = ["api://bonafide"]

[vault]
store = "memory"
key   = "file:{KEY}"

[tenants.github]
title = "GitHub"
url   = "https://api.githubcopilot.com/mcp/"
[tenants.github.headers]
Authorization = "Bearer ${GITHUB_TOKEN}"
X-User-Id     = "${username}"
[tenants.github.variables.GITHUB_TOKEN]
title   = "Personal access token"
pattern = "^gh[pousr]_[A-Za-z0-9]{36,}$"

[policy]
[[policy.rules]]
id      = "github-team"
groups  = ["MCP-GitHub"]
tenants = ["github"]
"#;

fn environment() -> Environment<'static> {
    Environment::new(|name| match name {
        "OWUI_SECRET" => Some("0123456789abcdef0123456789abcdeX".to_owned()),
        "HOP_SECRET" => Some("canary: a secret of thirty-two bytes and more".to_owned()),
        "SHORT_SECRET" => Some("canary".to_owned()),
        _ => None,
    })
}

struct Files(TempDir);

impl Files {
    fn new() -> Self {
        let files = Self(tempfile::tempdir().unwrap());
        let key = bonafide_vault::MasterKey::generate().unwrap().to_base64();
        files.write("vault.key", secrecy::ExposeSecret::expose_secret(&key));
        files
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.0.path().join(name);
        fs::write(&path, text).unwrap();
        #[cfg(unix)]
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    }

    fn parse(&self, text: &str) -> Result<Config, ConfigError> {
        let text = text.replace("{KEY}", "vault.key");
        Config::parse(&text, &self.0.path().join("bonafide.toml"), &environment())
    }
}

/// The problems as `line key: message`.
fn problems(error: &ConfigError) -> Vec<String> {
    let line = |line: Option<usize>| line.map_or("-".to_owned(), |line| line.to_string());
    let problems = error.problems().iter();
    problems
        .map(|problem| format!("{} {}: {}", line(problem.line), problem.key, problem.message))
        .collect()
}

#[test]
fn the_good_one_is_read() {
    let config = Files::new().parse(GOOD).unwrap();
    assert_eq!(config.listen.port(), 8080);
    assert_eq!(config.issuers.len(), 1);
    assert_eq!(config.directory.tenant("github").unwrap().title(), "GitHub");
    assert_eq!(config.directory.policy().rule_count(), 1);
}

#[test]
fn each_problem_names_line_and_key_and_what_to_write() {
    let files = Files::new();
    // Replace the first by the second; then there is exactly one problem, at this line and key, that says this.
    let cases: &[(&str, &str, usize, &str, &str)] = &[
        ("\"127.0.0.1:8080\"", "8080", 1, "listen", "put it between quotes"),
        ("\"127.0.0.1:8080\"", "\"localhost\"", 1, "listen", "an address and a port"),
        ("https://mcp.example.com\"", "https://mcp.example.com/x\"", 2, "public_url", "no path"),
        (
            "https://mcp.example.com\"",
            "http://mcp.example.com\"",
            2,
            "public_url",
            "an `https` URL",
        ),
        ("https://mcp.example.com\"", "mcp.example.com\"", 2, "public_url", "https://"),
        ("https://idp.example.com", "http://idp.example.com", 5, "issuers[0].issuer", "https"),
        ("\"generic\"", "\"entraa\"", 6, "issuers[0].profile", "entra, keycloak"),
        (
            "profile   = \"generic\"",
            "directories = [\"11111111-2222-3333-4444-555555555555\"]",
            4,
            "issuers[0]",
            "without `profile = \"entra\"`",
        ),
        (
            "profile   = \"generic\"",
            "profile   = \"open-webui\"\nsecret = \"env:OWUI_SECRET\"\njwks_uri = \"https://idp.example.com/jwks\"",
            8,
            "issuers[0].jwks_uri",
            "leave it out",
        ),
        ("\"generic\"", "\"open-webui\"", 6, "issuers[0].profile", "secret = \"env:NAME\""),
        ("audiences = [\"api://bonafide\"]", "audiences = []", 4, "issuers[0]", "audience"),
        (
            "audiences = [\"api://bonafide\"]",
            "audiences = \"api://bonafide\"",
            7,
            "issuers[0].audiences",
            "[\"…\"]",
        ),
        (
            "audiences =",
            "algorithms = [\"none\"]\naudiences =",
            7,
            "issuers[0].algorithms",
            "RS256",
        ),
        (
            "audiences =",
            "token = \"refresh\"\naudiences =",
            7,
            "issuers[0].token",
            "`\"access\"` or `\"id\"`",
        ),
        ("audiences =", "leeway = \"60\"\naudiences =", 7, "issuers[0].leeway", "\"60s\""),
        ("audiences =", "leeway = \"1h\"\naudiences =", 4, "issuers[0]", "leeway"),
        (
            "audiences =",
            "header = \"a b\"\naudiences =",
            7,
            "issuers[0].header",
            "name of a header",
        ),
        (
            "audiences =",
            "secret = \"env:OWUI_SECRET\"\naudiences =",
            7,
            "issuers[0].secret",
            "leave it out",
        ),
        ("audiences =", "secret = \"canary\"\naudiences =", 7, "issuers[0].secret", "env:NAME"),
        (
            "audiences =",
            "claims = { group = \"x\" }\naudiences =",
            7,
            "issuers[0].claims.group",
            "`groups`",
        ),
        ("audiences =", "audience = [\"x\"]\naudiences =", 7, "issuers[0].audience", "`audiences`"),
        ("\"memory\"", "\"mysql:x\"", 10, "vault.store", "sqlite:PATH"),
        ("\"memory\"", "\"postgres://x\"", 10, "vault.store", "no database"),
        ("\"memory\"", "\"postgres://u:can/ary@h/d\"", 10, "vault.store", "`%2F`"),
        ("\"memory\"", "\"postgres://u@h/d?sslmode=prefer\"", 10, "vault.store", "verify-full"),
        ("\"memory\"", "\"postgres://u@h/d?password=canary\"", 10, "vault.store", "`sslmode`"),
        ("\"memory\"", "\"env:NO_SUCH_DATABASE\"", 10, "vault.store", "NO_SUCH_DATABASE"),
        ("\"memory\"", "\"env:SHORT_SECRET\"", 10, "vault.store", "no PostgreSQL URL"),
        ("[policy]\n", "[policy]\nstore = \"postgres://u@h\"\n", 24, "policy.store", "no database"),
        (
            "[policy]\n",
            "[audit]\nsink = \"postgres://h/d\"\n[policy]\n",
            24,
            "audit.sink",
            "no user",
        ),
        ("\"file:{KEY}\"", "\"file:nowhere.key\"", 11, "vault.key", "cannot be read"),
        ("\"file:{KEY}\"", "\"env:BONAFIDE_TEST_NO_SUCH_KEY\"", 11, "vault.key", "is not set"),
        ("\"file:{KEY}\"", "\"canarycanarycanary\"", 11, "vault.key", "env:NAME"),
        ("\"file:{KEY}\"", "\"keyring:bonafide\"", 11, "vault.key", "write `file:PATH`"),
        ("[tenants.github]", "[tenants.GitHub]", 13, "tenants.GitHub", "lower-case"),
        ("[tenants.github]", "[tenants.api]", 13, "tenants.api", "choose another"),
        ("https://api.github", "ftp://api.github", 15, "tenants.github.url", "https"),
        (
            "Bearer ${GITHUB_TOKEN}",
            "Bearer ${GITHUB_TOKE}",
            17,
            "tenants.github.headers.Authorization",
            "GITHUB_TOKEN",
        ),
        (
            "Bearer ${GITHUB_TOKEN}",
            "Bearer ${GITHUB_TOKEN",
            17,
            "tenants.github.headers.Authorization",
            "close it",
        ),
        ("X-User-Id    ", "Host", 18, "tenants.github.headers.Host", ""),
        ("X-User-Id    ", "Mcp-Session-Id", 18, "tenants.github.headers.Mcp-Session-Id", ""),
        ("X-User-Id    ", "\"X User\"", 18, "tenants.github.headers.X User", ""),
        ("X-User-Id    ", "authorization", 18, "tenants.github.headers.authorization", ""),
        (
            "variables.GITHUB_TOKEN",
            "variables.username",
            19,
            "tenants.github.variables.username",
            "",
        ),
        ("{36,}$", "{36,$", 19, "tenants.github.variables.GITHUB_TOKEN", "regular expression"),
        (
            "title   =",
            "secret = \"yes\"\ntitle   =",
            20,
            "tenants.github.variables.GITHUB_TOKEN.secret",
            "`true` or `false`",
        ),
        (
            "title   =",
            "default = \"x\"\ntitle   =",
            19,
            "tenants.github.variables.GITHUB_TOKEN",
            "default",
        ),
        ("title   =", "titel   =", 20, "tenants.github.variables.GITHUB_TOKEN.titel", "`title`"),
        ("[policy]\n", "[policy]\nstore = \"mysql:canary\"\n", 24, "policy.store", "sqlite:PATH"),
        ("[policy]\n", "[policy]\nstore = \"memory\"\n", 24, "policy.store", "sqlite:PATH"),
        ("[policy]\n", "[policy]\nstore = \"sqlite:\"\n", 24, "policy.store", "sqlite:PATH"),
        ("[policy]\n", "[policy]\nstore = 5\n", 24, "policy.store", "between quotes"),
        ("[policy]\n", "[audit]\n[policy]\n", 23, "audit.sink", "sink = \"log\""),
        ("[policy]\n", "[audit]\nsink = \"canary\"\n[policy]\n", 24, "audit.sink", "file:PATH"),
        ("[policy]\n", "[audit]\nsink = \"file:\"\n[policy]\n", 24, "audit.sink", "file:PATH"),
        (
            "[policy]\n",
            "[audit]\nsink=\"log\"\nkeep=\"1d\"\n[policy]\n",
            25,
            "audit.keep",
            "in a database",
        ),
        ("[policy]\n", "[audit]\nsink=\"log\"\nqueue=0\n[policy]\n", 23, "audit", "at least 1"),
        ("[policy]\n", "[audit]\nsink=\"log\"\nqeue=1\n[policy]\n", 25, "audit.qeue", "`queue`"),
        (
            "[policy]\n",
            "[audit]\nsink=\"sqlite:x\"\nkeep=\"1y\"\n[policy]\n",
            25,
            "audit.keep",
            "90d",
        ),
        ("[\"github\"]", "[\"gitlab\"]", 27, "policy.rules[0].tenants", "github"),
        ("groups  = [\"MCP-GitHub\"]", "", 24, "policy.rules[0]", ""),
        ("groups  =", "group   =", 26, "policy.rules[0]", "group"),
        ("groups  =", "effect = \"forbid\"\ngroups  =", 26, "policy.rules[0].effect", "deny"),
        ("listen ", "listne ", 1, "listne", "`listen`"),
        ("[policy]\n", "[polic]\n[policy]\n", 23, "polic", "`policy`"),
        ("[policy]\n", "[policy\n", 23, "", "TOML"),
        ("listen ", "listen = \"127.0.0.1:1\"\nlisten ", 2, "", "TOML"),
    ];
    for (from, to, line, key, says) in cases {
        assert!(GOOD.contains(from), "{from}");
        let error = files.parse(&GOOD.replacen(from, to, 1)).expect_err(to);
        let found = problems(&error);
        let expected = format!("{line} {key}: ");
        let hit =
            found.iter().any(|problem| problem.starts_with(&expected) && problem.contains(says));
        assert!(hit, "{to:?}: expected `{expected}…{says}`, found {found:#?}");
        assert!(!error.to_string().contains("canary"), "{error}");
        assert!(!format!("{error:?}").contains("canary"), "{error:?}");
    }
}

const SCOPES: &str = r#"
[scopes]
"mcp:admin" = ["mcp:use", "github:write"]
[tenants.jira]
url    = "https://jira.example.com/mcp"
scopes = ["mcp:use"]
[tenants.jira.tool_scopes]
"create_*" = ["jira:write"]
"#;

#[test]
fn tasks_are_listed_only_by_a_backend_that_is_told_who_asks() {
    let files = Files::new();
    let listed = |text: &str| {
        files.parse(text).map(|config| config.directory.tenant("github").unwrap().has_task_list())
    };
    assert!(!listed(GOOD).unwrap());
    let text = GOOD.replace("title = \"GitHub\"", "task_list = true");
    assert!(listed(&text).unwrap());
    let mut told = text.split("[tenants.github.headers]");
    let told =
        format!("{}[policy]{}", told.next().unwrap(), GOOD.split("[policy]").nth(1).unwrap());
    let error = listed(&told).unwrap_err();
    assert!(error.to_string().contains("told nothing of its users"), "{error}");
    let told = told.replace("task_list = true", "task_list = true\nassertion = \"X-Assertion\"");
    assert!(listed(&told).unwrap());
}

#[test]
fn scopes_of_a_tenant_and_of_its_tools_are_read() {
    let config = Files::new().parse(&format!("{GOOD}{SCOPES}")).unwrap();
    assert!(config.directory.tenant("github").unwrap().scopes().is_none());
    let scopes = config.directory.tenant("jira").unwrap().scopes().unwrap();
    assert_eq!(scopes.basic().to_string(), "mcp:use");
    assert_eq!(scopes.needed(Some("create_issue")).to_string(), "mcp:use jira:write");
    let user = |scope| {
        bonafide_testkit::Issuer::new("https://idp.example")
            .user("u")
            .with_scopes([scope])
            .verified()
    };
    assert!(scopes.missing(&user("mcp:admin"), Some("read")).is_empty());
    assert_eq!(scopes.missing(&user("mcp:admin"), Some("create_x")).to_string(), "jira:write");
    // A hierarchy alone asks for nothing, and a tool may need scopes where the tenant needs none.
    let text = format!("{GOOD}{SCOPES}").replace("scopes = [\"mcp:use\"]\n", "");
    let config = Files::new().parse(&text).unwrap();
    assert!(config.directory.tenant("jira").unwrap().scopes().unwrap().basic().is_empty());
}

#[test]
fn scopes_that_can_not_be_meant_are_refused_where_they_stand() {
    // The lines are those of SCOPES.
    let cases = [
        ("scopes = [\"mcp:use\"]", "scopes = []", 6, "tenants.jira.scopes", "leave the list out"),
        (
            "scopes = [\"mcp:use\"]",
            "scopes = \"mcp:use\"",
            6,
            "tenants.jira.scopes",
            "list of texts",
        ),
        (
            "scopes = [\"mcp:use\"]",
            "scopes = [\"a b\"]",
            6,
            "tenants.jira.scopes",
            "`a b` is no scope",
        ),
        ("scopes = [\"mcp:use\"]", "scopes = [\"\\\"\"]", 6, "tenants.jira.scopes", "is no scope"),
        (
            "scopes = [\"mcp:use\"]",
            "scopes = [\"mcp:use\", \"offline_access\"]",
            6,
            "tenants.jira.scopes",
            "refresh token",
        ),
        ("[\"jira:write\"]", "[]", 8, "tenants.jira.tool_scopes.create_*", "leave the list out"),
        ("\"create_*\"", "\"create_?\"", 8, "tenants.jira.tool_scopes.create_?", "wildcard is `*`"),
        ("\"create_*\"", "\"\"", 8, "tenants.jira.tool_scopes.", "1 to 256 bytes"),
        (
            "[tenants.jira.tool_scopes]",
            "[tenants.jira.toolscopes]",
            7,
            "tenants.jira.toolscopes",
            "`tool_scopes`",
        ),
        ("\"github:write\"]", "\"mcp:admin\"]", 3, "scopes.mcp:admin", "implies itself"),
        ("\"github:write\"]", "\"\"]", 3, "scopes.mcp:admin", "is no scope"),
        ("\"mcp:admin\" =", "\"mcp admin\" =", 3, "scopes.mcp admin", "is no scope"),
        ("[\"mcp:use\", \"github:write\"]", "[]", 3, "scopes.mcp:admin", "leave the list out"),
    ];
    let files = Files::new();
    let before = GOOD.lines().count();
    for (from, to, line, key, says) in cases {
        assert!(SCOPES.contains(from), "{from}");
        let error = files.parse(&format!("{GOOD}{}", SCOPES.replacen(from, to, 1))).expect_err(to);
        let found = problems(&error);
        let expected = format!("{} {key}: ", before + line);
        let hit = |problem: &String| problem.starts_with(&expected) && problem.contains(says);
        assert!(found.iter().any(hit), "{to:?}: expected `{expected}…{says}`, found {found:#?}");
        assert_eq!(found.len(), 1, "{found:#?}");
    }
    let circle =
        SCOPES.replace("[tenants.jira]", "\"github:write\" = [\"mcp:admin\"]\n[tenants.jira]");
    let error = files.parse(&format!("{GOOD}{circle}")).unwrap_err();
    assert!(error.to_string().contains("implies itself: take it out of what"), "{error}");
}

#[test]
fn all_problems_come_in_one_message_in_the_order_of_the_file() {
    let text = GOOD
        .replace("\"127.0.0.1:8080\"", "\"here\"")
        .replace("\"generic\"", "\"entraa\"")
        .replace("\"memory\"", "\"mysql\"")
        .replace("${username}", "${user_name}")
        .replace("[\"github\"]", "[\"gitlab\"]")
        + "\n[extra]\n";
    let error = Files::new().parse(&text).unwrap_err();
    let lines: Vec<usize> = error.problems().iter().filter_map(|problem| problem.line).collect();
    assert_eq!(lines, [1, 6, 10, 18, 27, 29], "{error}");
    let message = error.to_string();
    assert_eq!(message.lines().count(), 6, "{message}");
    assert!(message.lines().all(|line| line.contains("bonafide.toml:")), "{message}");
}

#[test]
fn an_empty_file_is_told_everything_that_is_needed() {
    let error = Files::new().parse("").unwrap_err();
    let keys: Vec<&str> = error.problems().iter().map(|problem| problem.key.as_str()).collect();
    assert_eq!(keys, ["listen", "public_url", "issuers", "vault", "tenants"], "{error}");
}

#[test]
fn a_secret_for_an_issuer_comes_from_the_environment_and_is_not_short() {
    let files = Files::new();
    let open_webui = |secret: &str| {
        GOOD.replace(
            "profile   = \"generic\"",
            &format!("profile = \"open-webui\"\nsecret = \"env:{secret}\""),
        )
        .replace("audiences = [\"api://bonafide\"]", "header = \"X-OpenWebUI-User-Jwt\"")
        .replace("https://idp.example.com", "open-webui")
    };
    let config = files.parse(&open_webui("OWUI_SECRET")).unwrap();
    assert_eq!(config.issuers[0].header.as_ref().unwrap(), "x-openwebui-user-jwt");
    for secret in ["SHORT_SECRET", "NOT_SET"] {
        let error = files.parse(&open_webui(secret)).unwrap_err();
        assert!(problems(&error)[0].starts_with("7 issuers[0].secret: "), "{error}");
        assert!(!error.to_string().contains("canary"), "{error}");
    }
}

#[cfg(unix)]
#[test]
fn a_key_file_that_others_may_read_is_refused() {
    let files = Files::new();
    let path = files.0.path().join("vault.key");
    fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    let error = files.parse(GOOD).unwrap_err();
    assert!(problems(&error)[0].contains("chmod 600"), "{error}");
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = Config::load(Path::new("nowhere/bonafide.toml"), &environment()).unwrap_err();
    assert!(error.to_string().starts_with("nowhere/bonafide.toml: "), "{error}");
}

const HOP: &str = r#"
[trusted_hop]
issuer = "corporate-proxy"
header = "X-Hop-Secret"
secret = "env:HOP_SECRET"
peers  = ["127.0.0.1", "10.1.0.0/16"]
user   = "X-Forwarded-User"
groups = "X-Forwarded-Groups"
"#;

#[test]
fn no_rule_holds_for_users_of_a_trusted_hop_by_accident() {
    let files = Files::new();
    assert!(files.parse(GOOD).unwrap().trusted_hop.is_none());
    let error = files.parse(&format!("{GOOD}{HOP}")).unwrap_err();
    let ambiguous = |it: &String| it.contains("policy.rules[0]") && it.contains("issuer");
    assert!(problems(&error).iter().any(ambiguous), "{error}");

    let named = GOOD.replace("groups  =", "issuer  = \"corporate-proxy\"\ngroups  =");
    let config = files.parse(&format!("{named}{HOP}")).unwrap();
    assert_eq!(config.trusted_hop.as_ref().unwrap().issuer().as_str(), "corporate-proxy");
    assert!(config.warnings().iter().any(|warning| warning.starts_with("`trusted_hop`")));
    assert!(!format!("{config:?}").contains("canary"));
}

#[test]
fn a_trusted_hop_that_anybody_could_be_is_refused() {
    let files = Files::new();
    let good = GOOD.replace("groups  =", "issuer  = \"https://idp.example.com\"\ngroups  =");
    assert!(files.parse(&format!("{good}{HOP}")).is_ok());
    for (from, to, key, message) in [
        ("\"env:HOP_SECRET\"", "\"canary\"", "secret", "env:NAME"),
        ("env:HOP_SECRET", "env:SHORT_SECRET", "", "32 bytes"),
        ("env:HOP_SECRET", "env:NOT_SET", "secret", "is not set"),
        ("\"127.0.0.1\", ", "\"0.0.0.0/0\", ", "peers", "at least 8 bits"),
        ("[\"127.0.0.1\", \"10.1.0.0/16\"]", "[]", "", "has no address"),
        ("user   = \"X-Forwarded-User\"", "", "user", "missing"),
        ("\"X-Forwarded-User\"", "\"X-Hop-Secret\"", "", "two things"),
        ("\"X-Forwarded-User\"", "\"a b\"", "user", "name of a header"),
        ("\"corporate-proxy\"", "\"https://idp.example.com\"", "issuer", "no issuer of tokens"),
        ("groups =", "group =", "group", "`groups`"),
    ] {
        let changed = HOP.replacen(from, to, 1);
        assert_ne!(changed, HOP);
        let error = files.parse(&format!("{good}{changed}")).unwrap_err();
        let found = problems(&error);
        let key = format!("trusted_hop{}{key}: ", if key.is_empty() { "" } else { "." });
        assert!(
            found.iter().any(|it| it.contains(&key) && it.contains(message)),
            "{to}: {found:?}"
        );
        assert!(!error.to_string().contains("canary"), "{error}");
    }
}

#[test]
fn openbao_takes_a_token_or_an_app_role_and_refuses_everything_else() {
    let files = Files::new();
    files.write("secret-id", "s3cr3t\n");
    files.write("empty", "\n");
    let with = |store: &str, section: &str| {
        let text = GOOD.replace("\"memory\"", &format!("\"{store}\""));
        files.parse(&text.replace("[tenants.github]", &format!("{section}\n[tenants.github]")))
    };
    let https = "openbao+https://bao.example:8200";
    let role = "role_id = \"gateway\"\nsecret_id = \"file:secret-id\"";
    for (store, section) in [
        (https, "token = \"env:OWUI_SECRET\""),
        ("openbao+http://127.0.0.1:8200", "token = \"file:secret-id\""),
        (https, role),
        (
            https,
            "role_id = \"a\"\nsecret_id = \"file:secret-id\"\napp_role_mount = \"team/approle\"",
        ),
        (
            https,
            "token = \"env:OWUI_SECRET\"\nmount = \"kv\"\npath = \"a/b\"\nnamespace = \"team\"",
        ),
    ] {
        let config = with(store, &format!("[vault.openbao]\n{section}")).unwrap();
        assert!(!config.vault.dangerous_unsealed);
        assert!(!format!("{config:?}").contains("s3cr3t"), "{config:?}");
    }
    let unsealed = format!("[vault.openbao]\n{role}\ndangerous_unsealed = true");
    let config = with(https, &unsealed).unwrap();
    assert!(config.vault.dangerous_unsealed);
    assert!(config.warnings().iter().any(|warning| warning.contains("dangerous_unsealed")));

    for (store, section, key, expected) in [
        (https, "", "9 vault", "add `[vault.openbao]`"),
        ("memory", "[vault.openbao]\ntoken = \"env:OWUI_SECRET\"", "13 vault.openbao", "remove it"),
        (https, "[vault.openbao]", "13 vault.openbao", "write either `token"),
        (https, "[vault.openbao]\nrole_id = \"a\"", "13 vault.openbao", "write either `token"),
        (
            https,
            "[vault.openbao]\ntoken = \"env:OWUI_SECRET\"\nrole_id = \"a\"",
            "13 vault.openbao",
            "either",
        ),
        (https, "[vault.openbao]\ntoken = \"canary\"", "14 vault.openbao.token", "env:NAME"),
        (https, "[vault.openbao]\ntoken = \"env:NOT_SET\"", "14 vault.openbao.token", "set it"),
        (https, "[vault.openbao]\ntoken = \"file:empty\"", "14 vault.openbao.token", "it is empty"),
        (
            https,
            "[vault.openbao]\ntoken = \"file:nowhere\"",
            "14 vault.openbao.token",
            "can't be used",
        ),
        (
            https,
            "[vault.openbao]\ntoken = \"env:OWUI_SECRET\"\nmount = \"../sys\"",
            "13 vault.openbao",
            "mount",
        ),
        (
            https,
            "[vault.openbao]\ntoken = \"env:OWUI_SECRET\"\ncertificates = \"x\"",
            "15 vault.openbao.certificates",
            "path",
        ),
        (
            https,
            "[vault.openbao]\ntoken = \"env:OWUI_SECRET\"\nunsealed = true",
            "15 vault.openbao.unsealed",
            "unknown",
        ),
        (
            "openbao+http://bao.example",
            "[vault.openbao]\ntoken = \"env:OWUI_SECRET\"",
            "10 vault.store",
            "loopback",
        ),
    ] {
        let error = with(store, section).unwrap_err();
        let problems = problems(&error);
        assert_eq!(problems.len(), 1, "{section}: {error}");
        assert!(problems[0].starts_with(&format!("{key}: ")), "{section}: {error}");
        assert!(problems[0].contains(expected), "{section}: {error}");
        assert!(!error.to_string().contains("canary") && !error.to_string().contains("s3cr3t"));
    }
}

#[cfg(unix)]
#[test]
fn a_secret_file_that_others_may_read_is_refused() {
    let files = Files::new();
    files.write("token", "s3cr3t");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o640);
    fs::set_permissions(files.0.path().join("token"), mode).unwrap();
    let text = GOOD
        .replace("\"memory\"", "\"openbao+https://bao.example\"")
        .replace("[tenants.github]", "[vault.openbao]\ntoken = \"file:token\"\n[tenants.github]");
    let error = files.parse(&text).unwrap_err();
    assert!(problems(&error)[0].contains("its mode is 640"), "{error}");
}

#[test]
fn half_a_portal_is_refused() {
    let files = Files::new();
    let second = "\n[[issuers]]\nissuer = \"https://idp2.example.com\"\naudiences = [\"a\"]\n";
    // Appended to the good one: the key, and what is said about it.
    let cases = [
        ("[portal]", "portal", "write `client_id = "),
        ("[portal]\nclient_id = \"\"", "portal", "client id is empty"),
        (
            "[portal]\nclient_id = \"a\"\nclient_secret = \"canary\"",
            "portal.client_secret",
            "env:NAME",
        ),
        (
            "[portal]\nclient_id = \"a\"\nclient_secret = \"env:UNSET\"",
            "portal.client_secret",
            "not set",
        ),
        (
            "[portal]\nclient_id = \"a\"\nissuer = \"https://idp.example.com/\"",
            "portal.issuer",
            "one of",
        ),
        ("[portal]\nclient_id = \"a\"\nidle = \"30\"", "portal.idle", "60s"),
        ("[portal]\nclient_id = \"a\"\nidle = \"9h\"", "portal", "session ends"),
        ("[portal]\nclient_id = \"a\"\nsession = \"48h\"", "portal", "session ends"),
        ("[portal]\nclient_id = \"a\"\nscope = [\"x\"]", "portal.scope", "unknown key"),
        (
            "[portal]\nclient_id = \"a\"\n[portal.administrators]",
            "portal.administrators",
            "roles = ",
        ),
    ];
    for (portal, key, says) in cases {
        let error = files.parse(&format!("{GOOD}\n{portal}\n")).unwrap_err();
        let found = problems(&error);
        assert_eq!(error.problems().len(), 1, "{portal}: {found:?}");
        assert!(error.problems()[0].key.starts_with(key), "{portal}: {found:?}");
        assert!(found[0].contains(says) && !found[0].contains("canary"), "{portal}: {found:?}");
    }
    let several = format!("{GOOD}{second}\n[portal]\nclient_id = \"a\"\n");
    let found = problems(
        &files
            .parse(&several.replace("groups  =", "issuer = \"https://idp.example.com\"\ngroups  ="))
            .unwrap_err(),
    );
    assert!(found.len() == 1 && found[0].contains("several issuers"), "{found:?}");
    let named = several
        .replace("groups  =", "issuer = \"https://idp.example.com\"\ngroups  =")
        .replace("client_id", "issuer = \"https://idp2.example.com\"\nclient_id");
    let config = files.parse(&named).unwrap();
    assert_eq!(config.portal.unwrap().sign_in.issuer().as_str(), "https://idp2.example.com");
    let config = files.parse(&format!("{GOOD}\n[portal]\nclient_id = \"a\"\n")).unwrap();
    assert!(config.warnings().is_empty(), "{:?}", config.warnings());
}

#[cfg(unix)]
#[test]
fn a_password_stands_in_no_file_that_others_may_read() {
    let files = Files::new();
    let url = "\"postgres://u:canary@db.example.com/d\"";
    let text = GOOD.replace("\"memory\"", url).replace("{KEY}", "vault.key");
    files.write("bonafide.toml", &text);
    let path = files.0.path().join("bonafide.toml");
    let config = Config::load(&path, &environment()).unwrap();
    assert!(!format!("{config:?}").contains("canary"), "{config:?}");
    fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o640)).unwrap();
    let error = Config::load(&path, &environment()).unwrap_err();
    assert!(problems(&error)[0].starts_with("10 vault.store: "), "{error}");
    assert!(error.to_string().contains("chmod 600") && !error.to_string().contains("canary"));
}

#[test]
fn a_database_that_is_reached_in_the_clear_is_a_warning() {
    let clear = GOOD.replace("\"memory\"", "\"postgres://u@db.example.com/d?sslmode=disable\"");
    let warnings = Files::new().parse(&clear).unwrap().warnings();
    assert!(warnings.iter().any(|warning| warning.starts_with("`vault.store`: ")), "{warnings:?}");
    let here = GOOD.replace("\"memory\"", "\"postgres://u@127.0.0.1/d\"");
    assert!(Files::new().parse(&here).unwrap().warnings().is_empty());
}

#[test]
fn a_variable_that_no_header_uses_is_a_warning() {
    for header in ["Bearer $GITHUB_TOKEN", "Bearer"] {
        let config = GOOD.replace("Bearer ${GITHUB_TOKEN}", header);
        let warnings = Files::new().parse(&config).unwrap().warnings();
        let begin = "`tenants.github.variables.GITHUB_TOKEN`: no header uses it";
        assert!(warnings.iter().any(|warning| warning.starts_with(begin)), "{warnings:?}");
    }
    let warnings = Files::new().parse(GOOD).unwrap().warnings();
    assert!(warnings.is_empty(), "{warnings:?}");
}

#[test]
fn limits_are_those_of_the_file_and_the_defaults_for_the_rest() {
    let files = Files::new();
    let limits = "[limits]\nanswer_time = \"2m\"\npause_time = \"90s\"\nrequest_body = 1048576\n\
                  drain_time = \"1h\"\nconnections = 100\n";
    let config = files.parse(&format!("{GOOD}\n{limits}")).unwrap();
    let seconds = std::time::Duration::from_secs;
    let expected = bonafide_mcp::Limits::default()
        .with_answer_time(seconds(120))
        .with_pause_time(seconds(90))
        .with_request_body(1024 * 1024);
    assert_eq!(config.limits, expected);
    let all = "[limits]\nrequest_body = 1024\nrequest_time = \"1s\"\nconnect_time = \"2s\"\nanswer_time = \"3s\"\n\
               pause_time = \"4s\"\nfiltered_answer = 1073741824\ncredential_time = \"24h\"\nhead_time = \"5s\"\n\
               stall_time = \"7s\"\ndrain_time = \"6s\"\nconnections = 1\n";
    let config = files.parse(&format!("{GOOD}\n{all}")).unwrap();
    let expected = bonafide_mcp::Limits::default()
        .with_request_body(1024)
        .with_request_time(seconds(1))
        .with_connect_time(seconds(2))
        .with_answer_time(seconds(3))
        .with_pause_time(seconds(4))
        .with_filtered_answer(1024 * 1024 * 1024)
        .with_credential_time(seconds(86_400));
    assert_eq!(config.limits, expected);
    for without in [GOOD.to_owned(), format!("{GOOD}\n[limits]\n")] {
        assert_eq!(files.parse(&without).unwrap().limits, bonafide_mcp::Limits::default());
    }
}

#[test]
fn limits_that_can_not_be_meant_are_refused_where_they_stand() {
    let files = Files::new();
    let times = ["request_time", "connect_time", "answer_time", "pause_time", "credential_time"];
    let mut cases = Vec::new();
    for name in times.into_iter().chain(["head_time", "stall_time", "drain_time"]) {
        cases.extend([
            (name, "60", "between quotes"),
            (name, "\"60\"", "\"60s\""),
            (name, "\"0s\"", "\"1s\""),
            (name, "\"25h\"", "\"24h\""),
            (name, "\"5000000000000000h\"", "\"24h\""),
        ]);
    }
    for name in ["request_body", "filtered_answer"] {
        cases.extend([
            (name, "0", "a number of bytes, from 1024"),
            (name, "4", "a number of bytes, from 1024"),
            (name, "1073741825", "to 1073741824"),
            (name, "-1", "a whole number"),
            (name, "\"4MiB\"", "a whole number"),
        ]);
    }
    cases.extend([
        ("connections", "0", "from 1 to"),
        ("connections", "18446744073709551615", "to 1048576"),
        ("connections", "true", "a whole number"),
        ("answertime", "\"60s\"", "`answer_time`"),
    ]);
    let line = GOOD.lines().count() + 2;
    for (name, value, says) in cases {
        let error = files.parse(&format!("{GOOD}[limits]\n{name} = {value}\n")).unwrap_err();
        let found = problems(&error);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with(&format!("{line} limits.{name}: ")), "{found:?}");
        assert!(found[0].contains(says), "{value}: {found:?}");
    }
    let error = files.parse(&format!("limits = 5\n{GOOD}")).unwrap_err();
    assert_eq!(problems(&error), ["1 limits: this is a table: write `[limits]`"]);
}
