//! Our verifier in a tree where others chose a crypto backend for `jsonwebtoken`: `rust_crypto`, `aws_lc_rs`, both, or
//! none. With both or none, `jsonwebtoken` panics at its first signature. Ours works, and never does.
//!
//! It builds `tests/backends`, a program outside the workspace, and so it runs with `BONAFIDE_REAL=1`.

#![expect(clippy::panic, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// The features of the program, and what `jsonwebtoken` itself does then.
const CHOICES: [(&str, &str); 4] = [
    ("rust-crypto", "accepted"),
    ("aws-lc-rs", "accepted"),
    ("rust-crypto,aws-lc-rs", "panicked"),
    ("", "panicked"),
];

const ALGORITHMS: [&str; 6] = ["RS256", "PS256", "ES256", "ES384", "EdDSA", "HS256"];

fn main() -> ExitCode {
    if std::env::var_os("BONAFIDE_REAL").is_none_or(|value| value != "1") {
        println!(
            "SKIPPED backends: set BONAFIDE_REAL=1; it builds a program with another crypto backend"
        );
        return ExitCode::SUCCESS;
    }
    let mut status = ExitCode::SUCCESS;
    for (features, theirs) in CHOICES {
        let expected: String = ALGORITHMS
            .iter()
            .map(|algorithm| format!("bonafide {algorithm}: accepted ada, BadSignature\n"))
            .chain([format!("jsonwebtoken HS256: {theirs}\n")])
            .collect();
        let found = run(features);
        if found == expected {
            println!("ok `{features}`: ours works, `jsonwebtoken` {theirs}");
        } else {
            eprintln!("FAILED `{features}`:\n{found}expected:\n{expected}");
            status = ExitCode::FAILURE;
        }
    }
    status
}

/// What the program prints, built with these features.
fn run(features: &str) -> String {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("backends/Cargo.toml");
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["run", "--quiet", "--locked", "--features", features, "--manifest-path"])
        .arg(manifest)
        .arg("--target-dir")
        .arg(target())
        .output()
        .unwrap_or_else(|error| panic!("cargo: {error}"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "`{features}`: {}\n{errors}", output.status);
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// In a directory of its own, since the workspace's is locked while its tests run.
fn target() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("backends")
}
