//! `mcp-proxy serve` between parts that others wrote: tokens of `oidc-provider`; clients of FastMCP, the TypeScript SDK, rmcp
//! and MCP Inspector; servers of FastMCP, the TypeScript SDK (`server-everything`) and rmcp; and the protocol's own
//! conformance suite, which has to find the same through the proxy as directly.
//!
//! It runs with `BONAFIDE_REAL=1`, after `tests/real/install` and `cargo build -p mcp-proxy`; `BONAFIDE_PROXY` names
//! another binary. `.ci/real` does it all. Without `BONAFIDE_REAL` every check says that it was skipped.
//!
//! All checks share one set of processes and run one after the other. The processes end with this one, also when a
//! check panics; if it is killed, only the proxy is left.

mod backends;
mod caller;
mod client;
mod clients;
mod conformance;
mod credentials;
mod inspector;
mod parts;
mod rmcp_client;
mod scan;
mod sign_in;
mod streams;
mod tokens;
mod traces;
mod world;

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Result;
use libtest_mimic::{Arguments, Trial};

use world::World;

const SKIPPED: &str = "SKIPPED real: set BONAFIDE_REAL=1 after tests/real/install";

type Check = fn(&World) -> Result<()>;

macro_rules! checks {
    ($($module:ident::$name:ident,)+) => {
        [$((stringify!($name), (|world| world.run($module::$name(world))) as Check),)+]
    };
}

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads = Some(1);
    // The last one looks at what all the others left behind.
    let checks = checks![
        tokens::accepts_tokens_of_all_five_algorithms,
        tokens::refuses_a_request_without_a_token,
        tokens::refuses_a_token_for_another_audience,
        tokens::refuses_a_token_signed_by_another_key,
        tokens::refuses_a_token_that_was_altered,
        credentials::fastmcp_reaches_fastmcp_with_alices_key,
        credentials::a_user_without_a_key_gets_a_link_and_no_further,
        credentials::bob_is_sent_his_own_key_and_never_sees_alices,
        credentials::bob_can_not_use_alices_session,
        credentials::headers_that_a_client_makes_up_do_not_arrive,
        credentials::a_tenant_of_another_team_is_closed,
        streams::server_everything_lists_its_tools_and_echoes,
        streams::progress_arrives_event_by_event,
        streams::fastmcp_sees_progress_while_the_tool_runs,
        streams::a_session_has_a_stream_of_its_own_and_an_end,
        clients::every_client_lists_and_calls_at_every_server,
        clients::a_denied_tool_is_not_there_for_any_client,
        clients::every_client_is_told_where_to_enter_a_missing_key,
        clients::clients_that_can_are_sent_to_the_page,
        clients::a_key_that_goes_missing_is_asked_for_at_the_next_call,
        conformance::the_suite_finds_the_same_through_the_proxy,
        traces::no_key_and_no_token_is_where_it_does_not_belong,
    ];
    if std::env::var_os("BONAFIDE_REAL").is_none_or(|value| value != "1") {
        return skip(&arguments, &checks);
    }
    if arguments.list {
        return libtest_mimic::run(&arguments, skipped(&checks)).exit_code();
    }
    let world = match World::start() {
        Ok(world) => Arc::new(world),
        Err(error) => {
            eprintln!("FAILED real: {error:#}");
            return ExitCode::FAILURE;
        }
    };
    let trials = checks.map(|(name, check)| {
        let world = Arc::clone(&world);
        Trial::test(name, move || check(&world).map_err(|error| format!("{error:#}").into()))
    });
    let conclusion = libtest_mimic::run(&arguments, trials.into());
    if let Some(world) = Arc::into_inner(world) {
        world.end(conclusion.has_failed());
    }
    conclusion.exit_code()
}

fn skip(arguments: &Arguments, checks: &[(&'static str, Check)]) -> ExitCode {
    eprintln!("{SKIPPED}");
    libtest_mimic::run(arguments, skipped(checks)).exit_code()
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
