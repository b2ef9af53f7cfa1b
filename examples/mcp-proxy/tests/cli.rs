//! The commands as a user runs them.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

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
        lines.filter(|line| line.trim().starts_with("curl ")).take(3).collect();
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

#[test]
fn serve_answers_at_once_though_issuer_and_backend_are_away() {
    let directory = tempfile::tempdir().unwrap();
    let gone = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap();
    let file = configuration(directory.path(), &format!("http://{gone}"));
    let mut proxy =
        Ended(mcp_proxy(&["serve", "--config", &file]).stderr(Stdio::piped()).spawn().unwrap());
    let mut log = BufReader::new(proxy.0.stderr.take().unwrap());
    let mut line = String::new();
    log.read_line(&mut line).unwrap();
    let address = line.trim().strip_prefix("listening on ").unwrap_or_else(|| panic!("{line}"));
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
