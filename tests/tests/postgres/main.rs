//! The store in PostgreSQL against a real server, which the suite starts on loopback.
//!
//! It runs with `BONAFIDE_REAL=1` and needs the server's programs (Debian: `postgresql`), which it looks for in
//! `/usr/lib/postgresql` and in `PATH`, or in the directory that `BONAFIDE_POSTGRES_BIN` names. As root it starts
//! them as the user `postgres`, because they refuse to run as root. Without `BONAFIDE_REAL` every check says that
//! it was skipped.
//!
//! The checks run one after the other, on databases of their own. Servers end with this process, also when a check
//! panics.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failing check stops there"
)]

mod audit;
mod changes;
mod conformance;
mod gateways;
mod kill;
mod mapping;
mod open;
mod outage;
mod server;
mod tls;
mod traces;
mod trips;
mod wire;

use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Trial};
use tokio::runtime::Builder;

use server::Server;

const SKIPPED: &str = "SKIPPED postgres: set BONAFIDE_REAL=1 where PostgreSQL is installed";

type Check = fn(&Server);

macro_rules! checks {
    ($($module:ident::$name:ident,)+) => {
        [$((
            concat!(stringify!($module), "::", stringify!($name)),
            (|server| run($module::$name(server))) as Check,
        ),)+]
    };
}

fn main() -> ExitCode {
    if kill::is_child() {
        run(kill::child());
        return ExitCode::SUCCESS;
    }
    let mut arguments = Arguments::from_args();
    arguments.test_threads = Some(1);
    let checks = checks![
        conformance::keeps_the_contract,
        conformance::keeps_the_contract_without_a_cache,
        conformance::keeps_the_contract_with_a_tiny_cache,
        conformance::keeps_the_contract_with_one_connection,
        changes::a_change_elsewhere_is_seen_within_the_bound,
        changes::plain_sql_is_heard_too,
        changes::warm_reads_do_not_reach_the_server,
        changes::nothing_stale_is_served_when_the_listener_is_cut_off,
        changes::nothing_stale_is_served_when_the_server_stops_answering,
        changes::nothing_at_hand_is_believed_where_nothing_is_heard,
        changes::notifications_name_nobody,
        open::makes_the_tables_once,
        open::many_may_open_a_new_database_at_once,
        open::refuses_tables_from_the_future,
        open::refuses_the_schema_of_something_else_and_leaves_it_alone,
        open::refuses_a_database_in_another_encoding,
        open::says_why_it_can_not_connect_and_never_the_password,
        open::needs_no_right_to_change_tables_that_are_up_to_date,
        open::refuses_a_standby,
        open::makes_changes_durable_whatever_the_database_says,
        open::refuses_a_key_that_can_not_be_indexed,
        open::damage_is_an_error_and_not_an_absence,
        trips::all_secrets_of_a_tenant_take_one_round_trip,
        trips::a_page_of_replacements_takes_one_round_trip,
        outage::errors_while_the_server_is_away_none_after_and_nothing_lost,
        outage::waits_no_longer_than_allowed,
        outage::survives_connections_that_are_cut_off,
        kill::every_secret_is_old_or_new_after_a_client_is_killed,
        kill::every_secret_is_old_or_new_after_the_server_is_killed,
        tls::verifies_the_server,
        mapping::keeps_the_contract_of_a_mapping,
        mapping::a_change_with_sql_is_in_force_everywhere_within_a_second,
        mapping::what_was_changed_while_nobody_listened_is_read_afterwards,
        mapping::outlives_a_server_that_is_away,
        mapping::the_table_refuses_what_can_not_be_right,
        audit::writes_each_decision_once,
        audit::outlives_a_server_that_is_away_for_a_moment,
        audit::counts_what_it_could_not_write,
        audit::what_was_written_is_read_newest_first,
        audit::removes_what_is_older_than_asked_for,
        audit::an_older_audit_is_brought_up_to_date,
        gateways::what_changes_at_one_is_in_force_at_both,
        gateways::one_serves_while_the_other_is_killed,
        gateways::says_that_it_is_not_ready_while_the_database_is_away,
        open::brings_older_tables_up_to_date,
        traces::values_and_keys_are_in_no_dump_and_no_log,
    ];
    if std::env::var_os("BONAFIDE_REAL").is_none_or(|value| value != "1") {
        eprintln!("{SKIPPED}");
        return libtest_mimic::run(&arguments, skipped(&checks)).exit_code();
    }
    if arguments.list {
        return libtest_mimic::run(&arguments, skipped(&checks)).exit_code();
    }
    let server = Arc::new(Server::start());
    let trials = checks.map(|(name, check)| {
        let server = Arc::clone(&server);
        Trial::test(name, move || {
            check(&server);
            Ok(())
        })
    });
    libtest_mimic::run(&arguments, trials.into()).exit_code()
}

fn run(check: impl Future<Output = ()>) {
    let runtime = Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap();
    runtime.block_on(check);
}

/// Ignored, and a failure if somebody insists.
fn skipped(checks: &[(&'static str, Check)]) -> Vec<Trial> {
    checks
        .iter()
        .map(|(name, _)| {
            Trial::test(*name, || Err(SKIPPED.into())).with_kind("SKIPPED").with_ignored_flag(true)
        })
        .collect()
}
