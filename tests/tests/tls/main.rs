//! Backends behind TLS, in both versions of HTTP.
//!
//! The gateway trusts whom the operating system trusts. On Linux `SSL_CERT_FILE` says who that is, and it is read from the
//! environment of the process: so this program starts itself again, with an authority of its own.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail loudly"
)]

mod authority;
mod backend;
mod calls;
mod certificates;
mod streams;

use std::fs;
use std::path::Path;
use std::process::Command;

use libtest_mimic::{Arguments, Trial};

/// Where the process that runs the tests writes down whom to trust.
const FILE: &str = "BONAFIDE_TLS_AUTHORITY";

fn main() {
    if let Some(file) = std::env::var_os(FILE) {
        return run(file.as_ref());
    }
    if cfg!(any(target_vendor = "apple", windows)) {
        eprintln!("SKIPPED tls: this system is not told by `SSL_CERT_FILE` whom to trust");
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("authority.pem");
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(std::env::args_os().skip(1)).env(FILE, &file);
    let ended = command.env("SSL_CERT_FILE", &file).env_remove("SSL_CERT_DIR").status().unwrap();
    drop(directory);
    std::process::exit(ended.code().unwrap_or(1));
}

fn run(file: &Path) {
    fs::write(file, authority::trusted().pem()).unwrap();
    let trials = vec![
        trial("a_call_goes_through_in_the_best_version", calls::best_version),
        trial("a_call_goes_through_in_either_version_of_tls", calls::versions_of_tls),
        trial("a_backend_that_does_not_shake_hands_is_given_up", calls::no_handshake),
        trial("calls_share_a_connection_and_nothing_else", calls::shared_connection),
        trial("each_event_arrives_before_the_next_is_sent", streams::one_by_one),
        trial("a_client_that_leaves_a_stream_ends_it_at_the_backend", streams::left),
        trial("a_client_that_leaves_while_waiting_ends_the_call", streams::left_waiting),
        trial("a_backend_that_can_not_prove_its_name_learns_nothing", certificates::refused),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

fn trial<F: Future<Output = ()> + 'static>(name: &str, test: fn() -> F) -> Trial {
    Trial::test(name, move || {
        tokio::runtime::Runtime::new().unwrap().block_on(test());
        Ok(())
    })
}
