//! Master keys out of a real GNOME keyring, put there with libsecret's own command.
//!
//! Runs with `BONAFIDE_REAL=1` and the feature `keyring`. Needs Debian's `dbus`, `gnome-keyring` and
//! `libsecret-tools`.

#![cfg(all(feature = "keyring", target_os = "linux"))]
#![allow(clippy::unwrap_used, reason = "a failing test stops there")]

use std::error::Error;
use std::process::Command;

use bonafide_vault::{KeyLoadError, KeySpec, MasterKey};
use secrecy::ExposeSecret;

#[test]
fn reads_the_keyring() {
    if std::env::var("BONAFIDE_REAL").as_deref() != Ok("1") {
        println!(
            "SKIPPED keyring: set BONAFIDE_REAL=1 with dbus, gnome-keyring and libsecret-tools installed"
        );
        return;
    }
    // A session bus, a home and a keyring of its own.
    let script = r#"
        printf pw | gnome-keyring-daemon --unlock --components=secrets >/dev/null
        printf '%s %s' "$NEW" "$OLD" | secret-tool store --label=vault service bonafide username vault
        printf canary | secret-tool store --label=broken service bonafide username broken
        "$0" --ignored --exact child --nocapture
        status=$?
        kill "$(pgrep -s 0 -x gnome-keyring-d)" 2>/dev/null
        exit $status"#;
    let (new, old) = (MasterKey::generate().unwrap(), MasterKey::generate().unwrap());
    let directory = tempfile::tempdir().unwrap();
    let output = Command::new("dbus-run-session")
        .args(["--", "sh", "-c", script])
        .arg(std::env::current_exe().unwrap())
        .env("HOME", directory.path())
        .env("XDG_RUNTIME_DIR", directory.path())
        .env("XDG_DATA_HOME", directory.path())
        .env("NEW", new.to_base64().expose_secret())
        .env("OLD", old.to_base64().expose_secret())
        .output()
        .unwrap();
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(output.status.success(), "{said}");
    let expected = format!("KEYS {} {};", new.id().unwrap(), old.id().unwrap());
    assert!(said.contains(&expected), "{said}");
    assert!(!said.contains("canary") && !said.contains(new.to_base64().expose_secret()));
}

/// Not a test: what the test above runs inside the session. In an async runtime, as the proxy does.
#[tokio::test]
#[ignore = "run by the test above"]
async fn child() {
    if std::env::var_os("NEW").is_none() {
        return;
    }
    let load = |name: &str| KeySpec::Keyring(name.to_owned()).load();
    let ids: Vec<_> = load("vault").unwrap().ids().map(|id| id.to_string()).collect();
    println!("KEYS {};", ids.join(" "));
    let absent = load("absent").unwrap_err();
    assert!(matches!(absent, KeyLoadError::Keyring { .. }), "{absent:?}");
    assert_eq!(absent.source().unwrap().to_string(), "there is no such entry");
    let broken = load("broken").unwrap_err();
    assert!(matches!(broken, KeyLoadError::Key { number: 1, .. }), "{broken:?}");
    println!("{absent} {absent:?} {broken} {broken:?}");
}
