//! The commands as a user runs them.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Output, Stdio};

/// Ends the process by its id, whatever happens.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn mcp_proxy(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mcp-proxy"));
    command.args(arguments).env_remove("RUST_LOG").stdin(Stdio::null());
    command
}

fn run(arguments: &[&str]) -> Output {
    mcp_proxy(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// A proxy that serves.
struct Serving {
    process: Ended,
    address: String,
    /// Open as long as it serves.
    _log: BufReader<ChildStderr>,
}

impl Serving {
    fn start(file: &str) -> Self {
        let process = mcp_proxy(&["serve", "--config", file]).stderr(Stdio::piped()).spawn();
        let mut process = Ended(process.unwrap());
        let mut log = BufReader::new(process.0.stderr.take().unwrap());
        let line = log.by_ref().lines().map(Result::unwrap).find(|line| !line.contains("WARN"));
        let line = line.unwrap_or_default();
        let address = line.strip_prefix("listening on ");
        let address = address.unwrap_or_else(|| panic!("{line}")).to_owned();
        Self { process, address, _log: log }
    }
}

/// A configuration that is in order, with its key file beside it.
fn configuration(directory: &Path, issuer: &str) -> String {
    let key = run(&["keygen"]);
    fs::write(directory.join("vault.key"), key.stdout).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let private = fs::Permissions::from_mode(0o600);
        fs::set_permissions(directory.join("vault.key"), private).unwrap();
    }
    let file = directory.join("bonafide.toml");
    let config = format!(
        r#"listen = "127.0.0.1:0"
public_url = "https://mcp.example.com"
[[issuers]]
issuer = "{issuer}"
audiences = ["api://bonafide"]
[vault]
store = "sqlite:bonafide.db"
key = "file:vault.key"
[tenants.github]
url = "https://api.githubcopilot.com/mcp/"
[[policy.rules]]
id = "team"
groups = ["MCP-GitHub"]
tenants = ["github"]
"#
    );
    fs::write(&file, config).unwrap();
    file.to_str().unwrap().to_owned()
}

#[test]
fn the_demonstration_ends_well_once() {
    for arguments in [&["demo", "--once"][..], &["--once"][..]] {
        let output = run(arguments);
        let story = text(&output.stdout);
        assert!(output.status.success(), "{story}");
        assert_eq!(story.matches('✓').count(), 11, "{story}");
        assert!(!story.contains('✗'), "{story}");
        assert!(story.ends_with("Every step was as it should be.\n"), "{story}");
        assert_eq!(text(&output.stderr), "");
    }
}

#[test]
fn without_arguments_the_demonstration_stays_up() {
    let mut demo = Ended(mcp_proxy(&[]).stdout(Stdio::piped()).spawn().unwrap());
    let mut lines = BufReader::new(demo.0.stdout.take().unwrap()).lines().map(Result::unwrap);
    let page =
        lines.find_map(|line| line.trim().strip_prefix("the page").map(str::to_owned)).unwrap();
    let commands: Vec<String> =
        lines.by_ref().filter(|line| line.trim().starts_with("curl ")).take(3).collect();
    assert!(page.trim().starts_with("http://127.0.0.1:"), "{page}");
    if Command::new("curl").arg("--version").output().is_err() {
        println!("SKIPPED: there is no curl to run the demonstration's own commands with");
        return;
    }
    for (command, sees_jira) in commands.iter().zip([true, false, false]) {
        let output = Command::new("sh").args(["-c", command.trim()]).output().unwrap();
        let list = text(&output.stdout);
        assert!(list.starts_with("{\"tenants\":"), "{command}: {list}");
        assert_eq!(list.contains("\"jira\""), sees_jira, "{list}");
        assert!(!list.contains("ghp_"), "{list}");
    }
}

#[test]
fn keygen_prints_a_new_key_each_time() {
    let (one, other) = (run(&["keygen"]), run(&["keygen"]));
    assert!(one.status.success());
    assert_ne!(one.stdout, other.stdout);
    // 32 bytes in base64, and a line break.
    assert_eq!(text(&one.stdout).trim_end().len(), 44);
}

#[test]
fn check_says_what_is_there_or_all_that_is_wrong() {
    let directory = tempfile::tempdir().unwrap();
    let file = configuration(directory.path(), "https://idp.example.com");
    let output = run(&["check", "--config", &file]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("1 issuers, 1 tenants, 1 rules"));

    let broken = fs::read_to_string(&file)
        .unwrap()
        .replace("\"github\"]", "\"gitlab\"]")
        .replace("0.1:0", "0.1");
    fs::write(&file, broken).unwrap();
    for command in ["check", "serve"] {
        let output = run(&[command, "--config", &file]);
        assert_eq!(output.status.code(), Some(1), "{command}");
        let problems = text(&output.stderr);
        assert!(problems.contains("bonafide.toml:1: `listen`"), "{problems}");
        assert!(problems.contains("bonafide.toml:14: `policy.rules[0].tenants`"), "{problems}");
    }
}

/// Adds a line to `[policy]` of a configuration.
fn with_store(file: &str) {
    let text = fs::read_to_string(file).unwrap();
    let text = text
        .replace("[[policy.rules]]", "[policy]\nstore = \"sqlite:bonafide.db\"\n[[policy.rules]]");
    fs::write(file, text).unwrap();
}

#[test]
fn policy_changes_rows_and_says_what_it_did() {
    let directory = tempfile::tempdir().unwrap();
    let file = configuration(directory.path(), "https://idp.example.com");
    let policy = |arguments: &[&str]| {
        let [command, rest @ ..] = arguments else { panic!("no command") };
        let output = run(&[&["policy", command, "--config", &file], rest].concat());
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    let (code, _, error) = policy(&["list"]);
    assert!(code == Some(1) && error.contains("names no database of rules: add `store"), "{error}");
    with_store(&file);
    // Neither the vault's key nor any other secret is needed.
    fs::remove_file(directory.path().join("vault.key")).unwrap();

    let add = ["add", "--group", "Dev Team", "--tenant", "github"];
    let ok = |out: &str| (Some(0), out.to_owned(), String::new());
    let (code, out, warned) = policy(&add);
    assert_eq!((code, &*out), (Some(0), "mapping:1 added\n"));
    assert!(warned.contains("made an empty one"), "{warned}");
    assert_eq!(policy(&add), ok("mapping:1 was there already\n"));
    let deny = [&add[..], &["--deny", "--tools", "delete_*", "--note", "by, request"]].concat();
    assert_eq!(policy(&deny), ok("mapping:2 added\n"));
    let (code, _, error) = policy(&["add", "--group", "g", "--tenant", "gitlab"]);
    assert!(
        code == Some(1)
            && error.contains("mapping 1, column `tenant`: there is no tenant `gitlab`"),
        "{error}"
    );
    let (_, table, _) = policy(&["list"]);
    let expected = "ID  EFFECT  GROUP     TENANT  TOOLS     ISSUER  NOTE\n\
                    1   allow   Dev Team  github  *         -\n\
                    2   deny    Dev Team  github  delete_*  -       by, request\n";
    assert_eq!(table, expected);

    let (_, csv, _) = policy(&["list", "--csv"]);
    let rows = directory.path().join("rows.csv");
    fs::write(&rows, csv.replace("Dev Team", "Ops")).unwrap();
    let rows = rows.to_str().unwrap();
    assert_eq!(policy(&["import", rows]), ok("2 added, 0 removed, 0 there already\n"));
    assert_eq!(policy(&["import", rows]), ok("0 added, 0 removed, 2 there already\n"));
    assert_eq!(policy(&["import", rows, "--replace"]), ok("0 added, 2 removed, 2 there already\n"));
    fs::write(rows, "group_name,tenant\na,github\nb,gitlab\n").unwrap();
    let (code, _, error) = policy(&["import", rows]);
    assert!(code == Some(1) && error.contains("line 3: `tenant`: there is no tenant"), "{error}");

    assert_eq!(policy(&["remove", "mapping:3"]), ok("mapping:3 removed\n"));
    let (code, out, error) = policy(&["remove", "4", "3"]);
    assert_eq!((code, out.as_str()), (Some(1), "mapping:4 removed\n"));
    assert_eq!(error, "there is no mapping:3\n");
    let (code, _, error) = policy(&["remove", "team"]);
    assert!(code == Some(2) && error.contains("the number of a row"), "{error}");
}

#[test]
fn policy_lint_and_test_look_at_the_rules_of_file_and_database() {
    let directory = tempfile::tempdir().unwrap();
    let file = configuration(directory.path(), "https://idp.example.com");
    with_store(&file);
    let lint = |arguments: &[&str]| {
        let output = run(&[&["policy", "lint", "--config", &file], arguments].concat());
        (output.status.code(), text(&output.stdout))
    };
    // A database that is not there is no empty one, and is not made by looking.
    let database = directory.path().join("bonafide.db");
    assert_eq!(lint(&[]), (Some(1), String::new()));
    assert!(!database.exists());
    drop(bonafide::sqlite::SqliteFile::open(&database).unwrap());
    assert_eq!(lint(&[]), (Some(0), String::new()));
    let seen = directory.path().join("seen");
    fs::write(&seen, "mcp-github\nother\n").unwrap();
    let (code, found) = lint(&["--groups-file", seen.to_str().unwrap()]);
    assert!(
        code == Some(1)
            && found.starts_with("group `MCP-GitHub` of rule `team` is in no token seen"),
        "{found}"
    );
    let row = [
        "policy",
        "add",
        "--config",
        &file,
        "--group",
        "MCP-GitHub",
        "--tenant",
        "github",
        "--deny",
    ];
    assert!(run(&row).status.success());
    let (code, found) = lint(&[]);
    let expected = "rule `team` never applies at tenant `github`: rule `mapping:1` denies all of it [unreachable:team]\n";
    assert_eq!((code, found.as_str()), (Some(1), expected));
    assert_eq!(lint(&["--accept", "unreachable:team"]), (Some(0), String::new()));
    for other in ["unreachable:other", "broader:team", "unreachable", "*"] {
        assert_eq!(lint(&["--accept", other]), (Some(1), expected.to_owned()), "{other}");
    }

    let tests = directory.path().join("tests.toml");
    let test = |expected: &str| {
        let text = format!(
            "[[tests]]\nname = \"the team\"\nissuer = \"https://idp.example.com\"\n\
             groups = [\"MCP-GitHub\"]\ntenants = [{expected}]\n"
        );
        fs::write(&tests, text).unwrap();
        run(&["policy", "test", "--config", &file, tests.to_str().unwrap()])
    };
    let output = test("");
    assert!(output.status.success() && text(&output.stdout) == "1 passed, 0 failed\n");
    let output = test("\"github\"");
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stdout);
    assert!(
        said.starts_with("0 passed, 1 failed\nthe team\n  should reach tenant `github`"),
        "{said}"
    );
    fs::write(&tests, "").unwrap();
    let output = run(&["policy", "test", "--config", &file, tests.to_str().unwrap()]);
    assert!(output.status.code() == Some(1) && text(&output.stderr).contains("there is no test"));
}

#[tokio::test(flavor = "multi_thread")]
async fn explain_says_which_scopes_a_token_lacks() {
    let idp = bonafide_testkit::IdentityProvider::start().await;
    let directory = tempfile::tempdir().unwrap();
    let file = configuration(directory.path(), idp.issuer());
    let config = fs::read_to_string(&file).unwrap().replace(
        "[[policy.rules]]",
        "scopes = [\"mcp:use\"]\ntool_scopes = { \"create_*\" = [\"github:write\"] }\n[scopes]\n\
         \"mcp:admin\" = [\"github:write\", \"mcp:use\"]\n[[policy.rules]]",
    );
    fs::write(&file, config).unwrap();
    assert!(run(&["check", "--config", &file]).status.success());
    let token = directory.path().join("token");
    for (scope, tool, code, said) in [
        ("mcp:use", "list_issues", 0, "  scopes: needs `mcp:use`; the token has them"),
        (
            "mcp:use",
            "create_issue",
            1,
            "  scopes: needs `mcp:use github:write`; the token lacks `github:write`",
        ),
        ("mcp:admin", "create_issue", 0, "needs `mcp:use github:write`; the token has them"),
        ("canary", "list_issues", 1, "the token lacks `mcp:use`"),
    ] {
        let user = idp.user("alice").with_groups(["MCP-GitHub"]).with_audience("api://bonafide");
        fs::write(&token, user.with_scopes([scope]).token()).unwrap();
        let arguments = ["explain", "--config", &file, "--token-file", token.to_str().unwrap()];
        let arguments = [&arguments[..], &["--tenant", "github", "--tool", tool]].concat();
        let output = run(&arguments);
        let found = text(&output.stdout);
        assert_eq!(output.status.code(), Some(code), "{found}{}", text(&output.stderr));
        assert!(found.contains(said) && !found.contains("canary"), "{found}");
    }
}

#[test]
fn serve_answers_at_once_though_issuer_and_backend_are_away() {
    let directory = tempfile::tempdir().unwrap();
    let gone = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap();
    let file = configuration(directory.path(), &format!("http://{gone}"));
    let proxy = Serving::start(&file);
    let address = &*proxy.address;
    assert!(get(address, "/healthz").starts_with("HTTP/1.1 200 "));
    let ready = get(address, "/readyz");
    assert!(ready.starts_with("HTTP/1.1 503 ") && ready.contains("no keys of"), "{ready}");
    assert!(get(address, "/metrics").starts_with("HTTP/1.1 200 "));
    assert!(get(address, "/github/mcp").starts_with("HTTP/1.1 401 "));
    assert!(get(address, "/api/tenants").starts_with("HTTP/1.1 401 "));
    assert!(get(address, "/connections/github").starts_with("HTTP/1.1 200 "));
    assert!(get(address, "/connections/nowhere").starts_with("HTTP/1.1 404 "));
    let huge = format!("/healthz HTTP/1.1\r\nx: {}\r\nhost: x", "y".repeat(100_000));
    let refused = request(address, &format!("GET {huge}\r\n\r\n"));
    assert!(refused.is_empty() || refused.starts_with("HTTP/1.1 431 "), "{refused}");
}

#[test]
fn connections_that_say_nothing_are_closed() {
    use std::io::Write as _;
    let directory = tempfile::tempdir().unwrap();
    let file = configuration(directory.path(), "https://idp.example.com");
    let proxy = Serving::start(&file);
    let address = &*proxy.address;
    let starts = [&b""[..], b"PRI * HTTP/2.0\r\n", b"POST /x HTTP/1.1\r\n"];
    let streams = starts.map(|start| {
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        stream.write_all(start).unwrap();
        // The server closes after 15 s.
        stream.set_read_timeout(Some(std::time::Duration::from_secs(40))).unwrap();
        stream
    });
    for (mut stream, start) in streams.into_iter().zip(starts) {
        let mut rest = Vec::new();
        let end = stream.read_to_end(&mut rest);
        let reset = |error: &std::io::Error| error.kind() == std::io::ErrorKind::ConnectionReset;
        assert!(end.as_ref().map_or_else(reset, |_| true), "{start:?} is still open: {end:?}");
    }
}

#[test]
fn serve_says_that_it_listens_when_it_does_and_logs_without_colours() {
    let directory = tempfile::tempdir().unwrap();
    let file = configuration(directory.path(), "https://idp.example.com");
    let config = fs::read_to_string(&file).unwrap();
    // No header uses the variable: a warning.
    let more = "[tenants.github.variables.TOKEN]\ntitle = \"Token\"\n";
    fs::write(&file, config.replace("sqlite:", "sqlite:nowhere/") + more).unwrap();
    let output =
        mcp_proxy(&["serve", "--config", &file]).env("RUST_LOG", "a=b=c").output().unwrap();
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(said.starts_with("`RUST_LOG` is not understood, so `info` is logged"), "{said}");
    assert!(said.contains("WARN") && said.contains("`tenants.github.variables.TOKEN`"), "{said}");
    let last = said.lines().last().unwrap();
    assert!(
        last.starts_with("`vault.store` can't be opened: ") && last.contains("nowhere"),
        "{said}"
    );
    assert!(!said.contains("listening") && !said.contains('\u{1b}'), "{said}");
}

#[cfg(unix)]
#[test]
fn the_demonstration_ends_with_its_terminal() {
    let mut demo = Ended(mcp_proxy(&[]).stdout(Stdio::piped()).spawn().unwrap());
    let mut lines = BufReader::new(demo.0.stdout.take().unwrap()).lines().map(Result::unwrap);
    // Printed when it waits to be tried.
    assert!(lines.any(|line| line.trim().starts_with("curl ")));
    std::thread::spawn(move || lines.for_each(drop));
    std::thread::sleep(std::time::Duration::from_millis(500));
    let id = demo.0.id().to_string();
    assert!(Command::new("kill").args(["-HUP", &id]).status().unwrap().success());
    let end = std::time::Instant::now() + std::time::Duration::from_secs(15);
    while demo.0.try_wait().unwrap().is_none() {
        assert!(std::time::Instant::now() < end, "it goes on without a terminal");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}

#[cfg(unix)]
#[test]
fn a_proxy_that_is_terminated_ends_well_and_soon() {
    let directory = tempfile::tempdir().unwrap();
    let file = configuration(directory.path(), "https://idp.example.com");
    let mut proxy = Serving::start(&file);
    let address = &*proxy.address;
    let mut silent = std::net::TcpStream::connect(address).unwrap();
    // Whoever is answered was accepted after the silent one, by a proxy that listens to signals.
    assert!(get(address, "/healthz").starts_with("HTTP/1.1 200 "));
    let started = std::time::Instant::now();
    let id = proxy.process.0.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    assert!(proxy.process.0.wait().unwrap().success());
    // Open requests would have 10 s.
    assert!(started.elapsed() < std::time::Duration::from_secs(5), "{:?}", started.elapsed());
    assert_eq!(silent.read(&mut [0]).unwrap(), 0);
}

const CANARY: &str = "canary-5b1d90";

/// Secrets of two hundred users, sealed with the key of the configuration.
fn fill(directory: &Path) {
    use bonafide::vault::{KeySpec, Owner, Record, Sealer, Vault as _};
    let keys = KeySpec::File(directory.join("vault.key")).load().unwrap();
    let (sealer, tenant) = (Sealer::new(keys), "github".parse().unwrap());
    let vault = bonafide::sqlite::SqliteVault::open(directory.join("bonafide.db")).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        for number in 0..200 {
            let subject = format!("user {number:03}").parse().unwrap();
            let issuer = "https://idp.example.com".parse().unwrap();
            let user = bonafide::claims::UserId::new(issuer, None, subject);
            for name in ["A", "B", "C"] {
                let (owner, name) = (Owner::new(&user, &tenant), name.parse().unwrap());
                let sealed = sealer.seal(owner, &name, &CANARY.into()).unwrap();
                vault.write(owner, &name, Record::new(sealed, 1)).await.unwrap();
            }
        }
    });
}

#[test]
fn the_vault_is_carried_over_and_sealed_again_while_the_proxy_runs() {
    let directory = tempfile::tempdir().unwrap();
    let file = configuration(directory.path(), "https://idp.example.com");
    let _proxy =
        Ended(mcp_proxy(&["serve", "--config", &file]).stderr(Stdio::piped()).spawn().unwrap());
    fill(directory.path());
    let export = directory.path().join("vault.export");
    let export = export.to_str().unwrap();
    let vault = |command: &str, rest: &[&str]| {
        let output = run(&[&["vault", command, "--config", &file], rest].concat());
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        assert!(!format!("{out}{err}").contains("canary"), "{out}{err}");
        (output.status.code().unwrap(), out, err)
    };
    let (code, out, err) = vault("verify", &[]);
    assert!((code, &*err) == (0, ""), "{err}");
    assert!(
        out.starts_with("600 open, 600 with the key ") && out.ends_with(", 0 refused\n"),
        "{out}"
    );

    // Exported, broken off, and gone on with.
    let all = (0, "600 exported\n".to_owned(), String::new());
    assert_eq!(vault("export", &["--to", export]), all);
    let whole = fs::read(export).unwrap();
    assert!(!whole.windows(CANARY.len()).any(|part| part == CANARY.as_bytes()));
    let (code, out, err) = vault("export", &["--to", export]);
    assert_eq!((code, &*out), (1, ""));
    assert!(err.contains("vault.export` exists"), "{err}");
    fs::OpenOptions::new().write(true).open(export).unwrap().set_len(30_000).unwrap();
    assert_eq!(vault("export", &["--to", export, "--go-on"]), all);
    assert!(fs::read(export).unwrap() == whole, "it is not the same export");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(fs::metadata(export).unwrap().permissions().mode() & 0o777, 0o600);
        fs::set_permissions(export, fs::Permissions::from_mode(0o644)).unwrap();
        let (code, _, err) = vault("export", &["--to", export, "--go-on"]);
        assert!(code == 1 && err.contains("mode 644"), "{err}");
    }

    // A user who is removed comes back with the import, and nobody else is touched.
    let user = ["--issuer", "https://idp.example.com", "--subject", "user 007"];
    assert_eq!(vault("remove-user", &user).1, "3 removed\n");
    let back = (0, "3 imported, 597 the same, 0 kept, 0 refused\n".to_owned(), String::new());
    assert_eq!(vault("import", &["--from", export]), back);

    // A new master key in front of the old one, and then alone.
    let (key, old) =
        (directory.path().join("vault.key"), fs::read(directory.path().join("vault.key")));
    let new = run(&["keygen"]).stdout;
    fs::write(&key, [&*new, &*old.unwrap()].concat()).unwrap();
    let rewrapped = "600 rewrapped, 0 current, 0 refused, 0 contended\n";
    assert_eq!(vault("rewrap", &[]).1, rewrapped);
    fs::write(&key, new).unwrap();
    let (code, out, _) = vault("verify", &[]);
    assert!(code == 0 && out.starts_with("600 open, 600 with"), "{out}");

    // Sealed with a key that is not there any more.
    let (code, out, _) = vault("import", &["--from", export]);
    assert_eq!((code, &*out), (1, "0 imported, 0 the same, 0 kept, 600 refused\n"));
    fs::write(&key, run(&["keygen"]).stdout).unwrap();
    let (code, out, _) = vault("verify", &[]);
    assert!(code == 1 && out.starts_with("0 open, 600 lack the key "), "{out}");
    let (code, out, _) = vault("rewrap", &[]);
    assert_eq!((code, &*out), (1, "0 rewrapped, 0 current, 600 refused, 0 contended\n"));
}

#[test]
fn commands_for_the_vault_need_the_vault_and_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    let file = configuration(directory.path(), "https://idp.example.com");
    let good = fs::read_to_string(&file).unwrap();
    let verify = |config: &str| {
        fs::write(&file, config).unwrap();
        let output = run(&["vault", "verify", "--config", &file]);
        (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
    };
    // A secret that this shell does not have.
    let elsewhere = "\n[portal]\nclient_id = \"b\"\nclient_secret = \"env:NOT_HERE\"\n";
    // A vault that is not there is no empty one, and is not made by looking.
    let database = directory.path().join("bonafide.db");
    let (code, out, err) = verify(&format!("{good}{elsewhere}"));
    assert!(code == 1 && out.is_empty() && err.contains("bonafide.db` cannot be opened"), "{err}");
    assert!(!database.exists());
    drop(bonafide::sqlite::SqliteFile::open(&database).unwrap());
    assert_eq!(verify(&format!("{good}{elsewhere}")).1, "0 open, 0 refused\n");
    for (from, to, expected) in [
        ("sqlite:bonafide.db", "memory", "the vault is in the memory of the proxy"),
        ("sqlite:bonafide.db", "redis://x", "`vault.store`: not a store"),
        ("file:vault.key", "file:absent.key", "`vault.key`: the key file"),
        #[cfg(not(feature = "keyring"))]
        ("file:vault.key", "keyring:vault", "`vault.key`: `keyring:vault` cannot be used"),
        ("[vault]", "[safe]", "`vault`: missing"),
    ] {
        let (code, out, err) = verify(&good.replace(from, to));
        assert!(code == 1 && out.is_empty() && err.contains(expected), "{to}: {err}");
    }
}

fn get(address: &str, path: &str) -> String {
    request(
        address,
        &format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n"),
    )
}

fn request(address: &str, bytes: &str) -> String {
    use std::io::Write as _;
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    let _ = stream.write_all(bytes.as_bytes());
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}
