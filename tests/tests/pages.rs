//! The pages of `mcp-proxy` in headless Chromium, signed in by its own development issuer and by `oidc-provider`, checked
//! with axe-core; a call of the FastMCP client that waits until its user has entered the key there; and the API against its
//! document with schemathesis.
//!
//! It runs with `BONAFIDE_REAL=1`, after `tests/real/install`, `cargo build -p mcp-proxy` and with Debian's `chromium`
//! (`CHROMIUM` names another one). With `SCREENSHOTS` it leaves pictures there. `.ci/real` does it all.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::path::{Path, PathBuf};
use std::process::Command;

#[test]
fn the_pages_work_in_a_browser() {
    if std::env::var_os("BONAFIDE_REAL").is_none() {
        eprintln!("SKIPPED pages: set BONAFIDE_REAL=1 after tests/real/install");
        return;
    }
    let real = Path::new(env!("CARGO_MANIFEST_DIR")).join("real");
    for part in ["node_modules/.installed", "venv/.installed"] {
        assert!(real.join(part).exists(), "parts are missing: run tests/real/install");
    }
    let proxy = std::env::var_os("BONAFIDE_PROXY").map(PathBuf::from).unwrap_or_else(|| {
        std::env::current_exe().unwrap().ancestors().nth(2).unwrap().join("mcp-proxy")
    });
    assert!(proxy.exists(), "`{}` is missing: run cargo build -p mcp-proxy", proxy.display());
    let ended = Command::new("node")
        .arg(real.join("pages/run.mjs"))
        .env("PROXY", proxy)
        .env("NO_PROXY", "127.0.0.1")
        .env("no_proxy", "127.0.0.1")
        .status()
        .unwrap();
    assert!(ended.success(), "a check failed: see above");
}
