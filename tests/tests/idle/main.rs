//! What a stream costs that nothing comes on: a gateway in a process of its own, with thousands of them.
//!
//! 1,000 streams; 10,000 with `BONAFIDE_REAL=1`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail loudly"
)]

mod backend;
mod client;
mod gateway;

use libtest_mimic::{Arguments, Trial};
use mimalloc::MiMalloc;

/// As in `mcp-proxy`.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// The most that an idle stream may take of the gateway's memory, in bytes.
///
/// 14.5 KB of it are pages that hyper touches for the connection to the backend: one of each of two buffers of 8 KiB, and the
/// first and the last of the room for 32 requests in its queue.
const PER_STREAM: usize = 22 * 1024;

/// What few of them share counts more for each.
const PER_STREAM_OF_FEW: usize = 28 * 1024;

/// How often all of them come and go.
const ROUNDS: usize = 9;

fn main() {
    // The gateway is this program again.
    if let Ok(directory) = std::env::var(gateway::DIRECTORY) {
        return gateway::run(directory.as_ref());
    }
    let test = || {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(idle_streams_cost_little_and_leave_nothing_behind());
        Ok(())
    };
    let name = "idle_streams_cost_little_and_leave_nothing_behind";
    libtest_mimic::run(&Arguments::from_args(), vec![Trial::test(name, test)]).exit();
}

async fn idle_streams_cost_little_and_leave_nothing_behind() {
    // What few take moves by thousands of bytes from round to round: of them, the median counts.
    let (streams, most, counted) = match std::env::var_os("BONAFIDE_REAL") {
        Some(_) => (10_000, PER_STREAM, ROUNDS - 1),
        None => (1_000, PER_STREAM_OF_FEW, ROUNDS / 2),
    };
    let backend = backend::Backend::start().await;
    let gateway = gateway::Gateway::start(&backend.url()).await;
    // What is made once, for whatever number of streams.
    let warm = client::open(&gateway, 100).await;
    backend.has_open(100).await;
    drop(warm);
    backend.has_open(0).await;
    let before = gateway.memory();
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        let open = client::open(&gateway, streams).await;
        backend.has_open(streams).await;
        rounds.push(gateway.memory());
        drop(open);
        backend.has_open(0).await;
    }
    let per_stream = rounds.iter().map(|with| with.saturating_sub(before) / streams);
    let per_stream: Vec<usize> = per_stream.collect();
    println!("{streams} streams: {before} bytes before them, {per_stream:?} for each");
    let mut sorted = per_stream.clone();
    sorted.sort_unstable();
    assert!(sorted[counted] < most, "{} bytes for each", sorted[counted]);
    // The allocator finds its order in the first third, and the least is what noise adds nothing to. What stayed behind would
    // be as much again in each round.
    let [_, earlier, later] = [0, 1, 2].map(|third| {
        let rounds = third * ROUNDS / 3..(third + 1) * ROUNDS / 3;
        per_stream[rounds].iter().min().unwrap()
    });
    let more = later.saturating_sub(*earlier) / (ROUNDS / 3);
    assert!(more < PER_STREAM / 20, "{more} bytes stay behind for each");
}
